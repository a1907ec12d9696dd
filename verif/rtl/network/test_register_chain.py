# SPDX-License-Identifier: Apache-2.0
"""The chain of two registers: nothing is lost, doubled or overtaken, and both places are used."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Assert
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.network.register_chain import RegisterChain
from verif.formal.proof import check_bounded, check_reachable

COUNT_BITS = 4
CYCLES = 9


class Numbered(wiring.Component):
    """Payloads are numbered as they enter; so they must be as they leave."""

    def __init__(self) -> None:
        super().__init__({"push": In(1), "pop": In(1), "left": Out(COUNT_BITS), "is_full": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.chain = chain = RegisterChain(COUNT_BITS)
        entered, held = Signal(COUNT_BITS), Signal(COUNT_BITS)
        before = Signal(range(3))
        m.d.comb += [
            chain.i.valid.eq(self.push),
            chain.i.payload.eq(entered),
            chain.o.ready.eq(self.pop),
            held.eq(entered - self.left),
            self.is_full.eq(chain.level == 2),
            Assert(chain.level == held),
            Assert(chain.i.ready | self.is_full),
            Assert(~chain.i.ready | ~self.is_full),
            Assert(~chain.o.valid | (chain.o.payload == self.left)),
            # What was there in the cycle before can leave.
            Assert(chain.o.valid | (before == 0)),
        ]
        m.d.sync += [
            entered.eq(entered + (self.push & chain.i.ready)),
            self.left.eq(self.left + (self.pop & chain.o.valid)),
            before.eq(chain.level - (self.pop & chain.o.valid)),
        ]
        return m


def test_payloads_leave_in_order_and_none_is_lost_or_waits_in_vain() -> None:
    check_bounded(Numbered(), CYCLES)


def test_it_fills_up() -> None:
    check_reachable(Numbered(), "is_full", CYCLES)
