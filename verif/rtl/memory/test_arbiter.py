# SPDX-License-Identifier: Apache-2.0
"""Arbitration over banks, proved: one winner per bank that is wanted, and nobody waits longer than there are others."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.memory.arbiter import BankArbiter
from verif.formal.proof import check_reachable, prove


class Contract(wiring.Component):
    """The arbiter's contract, for requesters that stay with their bank until they are granted or withdraw."""

    def __init__(self, requesters: int, bank_bits: int):
        self.requesters = requesters
        self.bank_bits = bank_bits
        super().__init__({"request": In(requesters), "bank": In(requesters * bank_bits), "longest": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        n = self.requesters
        m.submodules.arbiter = arbiter = BankArbiter(n, self.bank_bits)
        m.d.comb += [arbiter.request.eq(self.request), arbiter.bank.as_value().eq(self.bank)]

        def rivals(i: int, j: int) -> Any:
            same = (arbiter.bank[i] == arbiter.bank[j]) if self.bank_bits else 1
            return self.request[i] & self.request[j] & same

        bank_before = Signal(len(self.bank))
        lost_before = Signal(n)
        m.d.sync += [bank_before.eq(self.bank), lost_before.eq(arbiter.lost)]
        longest = Signal(n)
        for i in range(n):
            others = [j for j in range(n) if j != i]
            winner_of_bank = Cat(rivals(i, j) & arbiter.grant[j] for j in range(n)).any()
            m.d.comb += [
                Assert(~arbiter.grant[i] | self.request[i]),
                Assert(arbiter.lost[i] == (self.request[i] & ~arbiter.grant[i])),
                Assert(~self.request[i] | winner_of_bank),
                *(Assert(~(rivals(i, j) & arbiter.grant[i] & arbiter.grant[j])) for j in others),
            ]
            # The order: who has waited longer, then who has the lower index.
            for j in range(i):
                m.d.comb += [
                    Assert(~(rivals(i, j) & arbiter.grant[i]) | (arbiter.waited[i] > arbiter.waited[j])),
                    Assert(~(rivals(i, j) & arbiter.grant[j]) | (arbiter.waited[j] >= arbiter.waited[i])),
                ]
            if self.bank_bits:
                word = slice(i * self.bank_bits, (i + 1) * self.bank_bits)
                m.d.comb += Assume(~(lost_before[i] & self.request[i]) | (self.bank[word] == bank_before[word]))

            # The longest possible wait: cycles in a row without a grant, counted here on its own.
            waits = Signal(range(n + 1), name=f"waits{i}")
            m.d.sync += waits.eq(Mux(arbiter.lost[i], waits + 1, 0))
            m.d.comb += [longest[i].eq(waits == n - 1), Assert(waits <= n - 1), Assert(waits == arbiter.waited[i])]
            # The invariant that makes it so: whoever has waited w cycles has at most n - 1 - w left before it.
            if self.bank_bits:
                word = slice(i * self.bank_bits, (i + 1) * self.bank_bits)
                stays = [
                    (waits != 0)
                    & (arbiter.waited[j] != 0)
                    & (bank_before[word] == bank_before[j * self.bank_bits : (j + 1) * self.bank_bits])
                    for j in others
                ]
            else:
                stays = [(waits != 0) & (arbiter.waited[j] != 0) for j in others]
            before = [
                stay & ((arbiter.waited[j] >= waits) if j < i else (arbiter.waited[j] > waits))
                for j, stay in zip(others, stays, strict=True)
            ]
            m.d.comb += Assert((waits == 0) | (sum(before) + waits <= n - 1))
            m.d.comb += Assert((waits != 0) == lost_before[i])
        m.d.comb += self.longest.eq(longest.any())
        return m


@pytest.mark.parametrize("requesters, bank_bits", [(2, 0), (2, 2), (5, 0), (5, 2)])
def test_one_winner_per_bank_and_bounded_wait(requesters: int, bank_bits: int) -> None:
    prove(Contract(requesters, bank_bits), depth=2)


def test_the_bound_is_reached() -> None:
    check_reachable(Contract(5, 1), "longest", 6)


def test_a_single_requester_is_refused() -> None:
    with pytest.raises(ValueError):
        BankArbiter(1, 2)
