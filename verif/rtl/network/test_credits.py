# SPDX-License-Identifier: Apache-2.0
"""Credits, proved: none is lost or made, and a link with its buffer never overflows and never stalls at full rate."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.network.credits import Credits
from rtl.network.fifo import Fifo
from verif.formal.proof import check_bounded, check_reachable, prove


class Accounts(wiring.Component):
    """Free places here and used places there are always ``depth`` together."""

    def __init__(self, depth: int):
        self.depth = depth
        super().__init__({"spend": In(1), "refund": In(1), "used_up": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.credits = credits = Credits(self.depth)
        used = Signal(range(self.depth + 1))
        m.d.sync += used.eq(used + self.spend - self.refund)
        m.d.comb += [
            credits.spend.eq(self.spend),
            credits.refund.eq(self.refund),
            Assume(~self.spend | credits.available),
            Assume(~self.refund | (used != 0)),
            Assert(credits.count + used == self.depth),
            Assert(credits.available == (used < self.depth)),
            self.used_up.eq(~credits.available),
        ]
        return m


class Link(wiring.Component):
    """A sender, a link, a buffer with bypass and the way back of credits, as between two routers.

    ``send`` and ``take`` say what sender and receiver would like to do. With ``eager``, both always would, and the link
    must not lose a cycle.
    """

    def __init__(self, depth: int, *, eager: bool = False):
        self.depth = depth
        self.eager = eager
        super().__init__({"send": In(1), "take": In(1), "full": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.credits = credits = Credits(self.depth)
        m.submodules.buffer = buffer = Fifo(1, self.depth)
        sends, on_link, taken, credit = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            sends.eq(self.send & credits.available),
            taken.eq(self.take & (buffer.o.valid | on_link)),
            credits.spend.eq(sends),
            credits.refund.eq(credit),
            buffer.i.valid.eq(on_link & (buffer.o.valid | ~taken)),
            buffer.o.ready.eq(taken),
            self.full.eq(buffer.level == self.depth),
            Assert(~buffer.i.valid | buffer.i.ready),
            Assert(credits.count + on_link + buffer.level + credit == self.depth),
        ]
        m.d.sync += [on_link.eq(sends), credit.eq(taken)]
        if self.eager:
            m.d.comb += [Assume(self.send & self.take), Assert(credits.available)]
        return m


@pytest.mark.parametrize("depth", [1, 3, 4, 7])
def test_no_credit_is_lost_or_made(depth: int) -> None:
    prove(Accounts(depth))
    check_reachable(Accounts(depth), "used_up", depth + 1)


@pytest.mark.parametrize("depth", [3, 4, 7])
def test_a_buffer_behind_a_link_never_overflows(depth: int) -> None:
    prove(Link(depth))
    check_reachable(Link(depth), "full", depth + 2)


def test_three_places_sustain_one_flit_per_cycle_and_two_do_not() -> None:
    check_bounded(Link(3, eager=True), 12)
    with pytest.raises(AssertionError, match="an assertion fails within"):
        check_bounded(Link(2, eager=True), 12)


def test_a_receiver_without_places_is_refused() -> None:
    with pytest.raises(ValueError):
        Credits(0)
