# SPDX-License-Identifier: Apache-2.0
"""Mistakes of a router, each of which a proof has to find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from golden.layout import TrafficClass
from rtl.network import router as router_module
from rtl.network.arbiter import RoundRobin
from rtl.network.router import Router, router_members

__all__ = ["Mistake", "MistakenRouter", "planted"]

_HEALTHY_SETTLE = router_module._Queue.settle
_HEALTHY_CHOICE = RoundRobin.elaborate


class Mistake(IntEnum):
    """What a router does wrong, in all cycles: at its north output and input, or in all of its queues and choices."""

    NONE = 0
    #: Credits that the neighbour gives back are not counted; or each is counted twice.
    CREDIT_LEAKS = 1
    CREDIT_COUNTS_TWICE = 2
    #: The same of those that go to the neighbour.
    CREDIT_IS_KEPT = 3
    CREDIT_IS_MADE = 4
    #: Flits leave in the other class, not at all, twice, changed, or every second one two cycles late.
    CLASSES_SWAPPED = 5
    FLIT_DROPPED = 6
    FLIT_DOUBLED = 7
    FLIT_CHANGED = 8
    FLIT_OVERTAKEN = 9
    #: A multicast counts as taken as soon as one copy has left; or all of its copies leave again until the last one has.
    COPY_LOST = 10
    COPY_DOUBLED = 11
    #: The first of those that want an output always goes first.
    UNFAIR = 12
    #: What has a way on is delivered, and what is to be delivered is refused.
    REFUSED = 13


class MistakenRouter(wiring.Component):
    """A router that makes the mistake which a signal names; made and elaborated within :func:`planted`."""

    def __init__(self, config: Any, mistake: Signal):
        self._config = config
        self._mistake = mistake
        super().__init__(router_members(config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.router = router = Router(self._config)
        for name, member in self.signature.members.items():
            if member.is_signature:
                wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(router, name))
        for name in ("x", "y", "links", "edges"):
            m.d.comb += getattr(router, name).eq(getattr(self, name))
        # What is kept here is busy as well.
        late, late_valid = Signal.like(router.north_out.flit.as_value()), Signal(len(TrafficClass))
        m.d.comb += [self.progress.eq(router.progress), self.busy.eq(router.busy | late_valid.any())]
        inner, outer = router.north_out, self.north_out
        given, returned, last_valid = Signal(2), Signal(2), Signal(2)
        waiting, second = Signal(2), Signal()
        m.d.sync += [
            given.eq(outer.credit),
            returned.eq(router.north_in.credit),
            last_valid.eq(inner.valid),
            late.eq(Mux(waiting.any(), late, inner.flit.as_value())),
            late_valid.eq(waiting),
        ]
        m.d.comb += waiting.eq(0)
        with m.Switch(self._mistake):
            with m.Case(Mistake.CREDIT_LEAKS):
                m.d.comb += inner.credit.eq(0)
            with m.Case(Mistake.CREDIT_COUNTS_TWICE):
                m.d.comb += inner.credit.eq(outer.credit | given)
            with m.Case(Mistake.CREDIT_IS_KEPT):
                m.d.comb += self.north_in.credit.eq(0)
            with m.Case(Mistake.CREDIT_IS_MADE):
                m.d.comb += self.north_in.credit.eq(router.north_in.credit | returned)
            with m.Case(Mistake.CLASSES_SWAPPED):
                m.d.comb += outer.valid.eq(Cat(inner.valid[1], inner.valid[0]))
            with m.Case(Mistake.FLIT_DROPPED):
                m.d.comb += outer.valid.eq(0)
            with m.Case(Mistake.FLIT_DOUBLED):
                m.d.comb += outer.valid.eq(Mux(inner.valid.any(), inner.valid, last_valid))
            with m.Case(Mistake.FLIT_CHANGED):
                m.d.comb += outer.flit.data.eq(~inner.flit.data)
            with m.Case(Mistake.FLIT_OVERTAKEN):
                # Every second flit stays for as long as others come.
                with m.If(inner.valid.any()):
                    m.d.sync += second.eq(~second)
                m.d.comb += outer.valid.eq(inner.valid)
                with m.If(late_valid.any() & ~inner.valid.any()):
                    m.d.comb += [outer.valid.eq(late_valid), outer.flit.as_value().eq(late)]
                with m.Elif(late_valid.any()):
                    m.d.comb += waiting.eq(late_valid)
                with m.Elif(~second):
                    m.d.comb += [waiting.eq(inner.valid), outer.valid.eq(0)]
            with m.Case(Mistake.REFUSED):
                eject, inside = self.eject_request.payload, router.eject_request.payload
                m.d.comb += eject.undeliverable.eq(~inside.undeliverable)
        return m


@contextmanager
def planted(mistake: Signal) -> Iterator[None]:
    """Within this, queues and choices of all routers that are elaborated make the mistake that the signal names."""

    def settle(self: Any, m: Module, links: Any) -> None:
        _HEALTHY_SETTLE(self, m, links)
        with m.If(mistake == Mistake.COPY_LOST):
            m.d.comb += self.taken.eq(reduce(or_, self.granted.values()))
        with m.If(mistake == Mistake.COPY_DOUBLED):
            for way, wants in self.wants.items():
                asks = [ways[way] & int(arrival != way) for arrival, ways in zip((*self.ports, None), self.ways, strict=True)]
                m.d.comb += wants.eq(Cat(asks))

    def elaborate(self: Any, platform: Any) -> Module:
        m = _HEALTHY_CHOICE(self, platform)
        with m.If(mistake == Mistake.UNFAIR):
            m.d.comb += self.grant.eq(self.request & -self.request)
        return m

    router_module._Queue.settle = settle  # type: ignore[method-assign]
    RoundRobin.elaborate = elaborate  # type: ignore[method-assign]
    try:
        yield
    finally:
        router_module._Queue.settle = _HEALTHY_SETTLE  # type: ignore[method-assign]
        RoundRobin.elaborate = _HEALTHY_CHOICE  # type: ignore[method-assign]
