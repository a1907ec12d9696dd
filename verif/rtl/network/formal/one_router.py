# SPDX-License-Identifier: Apache-2.0
"""A router among neighbours that send, hold up and give back whatever they may, and what must never be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import LINK_PORTS, Port, TrafficClass
from rtl.network.router import LINK_NAMES, Router
from verif.formal.circuit import Circuit
from verif.rtl.network.formal.mistakes import MistakenRouter, planted
from verif.rtl.network.formal.small import CENTRE, Small, SmallFlit, expand, ways_of

__all__ = ["CHECKS", "LONGEST_WAIT", "TESTS", "OneRouter", "mistaken_router"]

#: Outputs that must never be set.
CHECKS = ("wrong_way", "twice", "changed", "overtaken", "lost", "stuck", "overrun", "credit_made", "credit_lost", "starved")

#: Outputs that can be: the checks are put to the test.
TESTS = ("both_left", "copies_left", "turned_away", "full", "waited")

#: Cycles that a flit of the network interface waits at most where credits and receivers never lack: a turn of each other input
#: that can want the same way, and between two of them one of the other class.
LONGEST_WAIT = 7

_CLASSES = tuple(c.name.lower() for c in TrafficClass)


class OneRouter(wiring.Component):
    """The surroundings of a router; every input is free in every cycle, but for what neighbours never do.

    Two flits are followed, both from the input ``port`` and of ``traffic_class``: the first one is any, the second one any later
    one that goes to the same place.

    Parameters
    ----------
    make : callable
        Makes the router of a configuration and a signal that chooses its mistake.

    Members
    -------
    port : In(3), traffic_class : In(1), links : In(4), edges : In(4), mistake : In(4); to be fixed
    <link>_flit, <class>_flit : In(SmallFlit), to links and from the network interface; the latter stay until taken
    <link>_valid : In(2); <link>_refund : In(2), credits given back; <class>_valid, <class>_ready : In(1)
    <check> : Out(1), for each of ``CHECKS`` and ``TESTS``
    """

    def __init__(self, make: Callable[[Any, Signal], Any] = lambda config, mistake: Router(config)):
        self._make = make
        self._config = Small()
        members: dict[str, Any] = {"port": In(3), "traffic_class": In(1), "links": In(4), "edges": In(4), "mistake": In(4)}
        for name in LINK_NAMES:
            members |= {f"{name}_flit": In(SmallFlit()), f"{name}_valid": In(2), f"{name}_refund": In(2)}
        for name in _CLASSES:
            members |= {f"{name}_flit": In(SmallFlit()), f"{name}_valid": In(1), f"{name}_ready": In(1)}
        super().__init__(members | dict.fromkeys((*CHECKS, *TESTS), Out(1)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.router = self._router = router = self._make(self._config, self.mistake)
        m.d.comb += [router.x.eq(CENTRE), router.y.eq(CENTRE), router.links.eq(self.links), router.edges.eq(self.edges)]
        self._arrivals: list[tuple[Value, Any]] = []
        #: Per way, value of Port or 5, and class: a flit leaves, and the flit.
        self._leaving: list[tuple[int, int, Value, Any]] = []
        self._generous: list[Value] = []
        for bit, port in enumerate(LINK_PORTS):
            self._link(m, bit, port)
        for c in TrafficClass:
            self._interface(m, c)
        self._follow(m)
        return m

    def _small(self, m: Module, name: str, port: Port, c: Any, enters: Value, offers: Value) -> Any:
        """The flit that is offered, and ``enters`` in the first cycle of that; it may be one of those that are followed."""
        small = getattr(self, f"{name}_flit")
        followed = (self.port == port) & (self.traffic_class == c)
        self._arrivals.append((followed & enters, small))
        m.d.comb += Assume((followed & offers) | (small.mark == 0))
        return expand(m, f"{name}_whole", small, c)

    def _link(self, m: Module, bit: int, port: Port) -> None:
        name, depth = LINK_NAMES[bit], self._config.channel_depth
        into, out = getattr(self._router, f"{name}_in"), getattr(self._router, f"{name}_out")
        valid, refund = getattr(self, f"{name}_valid"), getattr(self, f"{name}_refund")
        flit = self._small(m, name, port, valid[1], valid.any(), valid.any())
        m.d.comb += [
            Assume(valid != 3),
            Assume(~valid.any() | self.links[bit]),
            into.valid.eq(valid),
            into.flit.eq(flit),
            out.credit.eq(refund),
        ]
        for c in TrafficClass:
            # Places that flits of ours take in the router, and flits of it at the neighbour.
            sent, held = Signal(range(depth + 2), name=f"{name}_{c}_sent"), Signal(range(depth + 2), name=f"{name}_{c}_held")
            m.d.sync += [sent.eq(sent + valid[c] - into.credit[c]), held.eq(held + out.valid[c] - refund[c])]
            m.d.comb += [Assume(~valid[c] | (sent < depth)), Assume(~refund[c] | (held + out.valid[c] > 0))]
            with m.If(into.credit[c] & (sent == 0)):
                m.d.comb += self.credit_made.eq(1)
            with m.If(~self._router.busy & (sent != 0)):
                m.d.comb += self.credit_lost.eq(1)
            with m.If(out.valid.all() | (out.valid[c] & (held == depth))):
                m.d.comb += self.overrun.eq(1)
            with m.If(held == depth):
                m.d.comb += self.full.eq(1)
            self._generous.append(refund[c] | (held + out.valid[c] == 0))
            self._leaving.append((port, c, out.valid[c], out.flit))

    def _interface(self, m: Module, c: TrafficClass) -> None:
        name = _CLASSES[c]
        inject, eject = getattr(self._router, f"inject_{name}"), getattr(self._router, f"eject_{name}")
        valid, ready, small = getattr(self, f"{name}_valid"), getattr(self, f"{name}_ready"), getattr(self, f"{name}_flit")
        offered, before = Signal(name=f"{name}_offered"), Signal(SmallFlit(), name=f"{name}_before")
        # Copies of a multicast leave before it is taken.
        flit = self._small(m, name, Port.LOCAL, c, valid & ~offered, valid)
        m.d.sync += [offered.eq(valid & ~inject.ready), before.eq(small)]
        m.d.comb += [
            Assume(~offered | (valid & (small.as_value() == before.as_value()))),
            inject.valid.eq(valid),
            inject.payload.eq(flit),
            eject.ready.eq(ready),
        ]
        left = eject.valid & ready
        undeliverable = eject.payload.undeliverable
        self._leaving.append((Port.LOCAL, c, left & ~undeliverable, eject.payload.flit))
        self._leaving.append((len(Port), c, left & undeliverable, eject.payload.flit))
        self._generous.append(ready)
        waits = Signal(range(LONGEST_WAIT + 2), name=f"{name}_waits")
        m.d.sync += waits.eq(Mux(valid & ~inject.ready & Cat(self._generous).all(), waits + (waits != LONGEST_WAIT + 1), 0))
        with m.If(waits > LONGEST_WAIT):
            m.d.comb += self.starved.eq(1)
        with m.If(waits == LONGEST_WAIT):
            m.d.comb += self.waited.eq(1)

    def _follow(self, m: Module) -> None:
        """What becomes of the flits that are followed, of which the first has bit 0 of its tag set and the second bit 1."""
        first = Signal(SmallFlit())
        begun, ended = Signal(), Signal()
        expected = Signal(len(Port) + 1, name="ways")
        left = [Signal(len(Port) + 1, name=f"left{number}") for number in range(2)]
        for enters, small in self._arrivals:
            with m.If(enters):
                m.d.comb += [
                    Assume(~small.mark.all()),
                    Assume(~small.mark[0] | ~begun),
                    Assume(~small.mark[1] | (begun & ~ended & (small.as_value()[:-2] == first.as_value()[:-2]))),
                ]
                with m.If(small.mark[0]):
                    ways = ways_of(m, small, ~self.traffic_class, self.port, self.links, self.edges)
                    m.d.sync += [begun.eq(1), first.eq(small), expected.eq(ways)]
                with m.If(small.mark[1]):
                    m.d.sync += ended.eq(1)
        # A flit of a link can be on its way out in the cycle behind that in which it came, in which all this is known.
        leaves = [Signal(len(Port) + 1, name=f"leaves{number}") for number in range(2)]
        with m.If(begun):
            original = expand(m, "original", first, self.traffic_class)
            for way, c, goes, flit in self._leaving:
                for number in range(2):
                    with m.If(goes & flit.tag[number]):
                        m.d.comb += leaves[number][way].eq(1)
                        with m.If((self.traffic_class != c) | ~expected.bit_select(way, 1)):
                            m.d.comb += self.wrong_way.eq(1)
                        same = [flit[name] == original[name] for name in ("kind", "x", "y", "exit", "upper", "src_y", "data")]
                        with m.If(~Cat(same).all()):
                            m.d.comb += self.changed.eq(1)
        m.d.sync += [done.eq(done | going) for done, going in zip(left, leaves, strict=True)]
        waiting = [Cat(begun, ended)[number] & ((left[number] | leaves[number]) != expected) for number in range(2)]
        # The same with the registers alone, for what happens in the cycle before.
        generous = Signal(2)
        m.d.sync += generous.eq(Cat(Cat(self._generous).all(), generous[0] & Cat(self._generous).all()))
        idle = Signal(2)
        m.d.sync += idle.eq(Cat(~self._router.progress, idle[0] & ~self._router.progress))
        m.d.comb += [
            self.twice.eq(Cat(goes & done for goes, done in zip(leaves, left, strict=True)).any()),
            self.overtaken.eq((leaves[1] & ~left[0]).any()),
            self.lost.eq(~self._router.busy & Cat(waiting).any()),
            self.stuck.eq(waiting[0] & generous.all() & idle.all() & ~self._router.progress & Cat(self._generous).all()),
            self.both_left.eq(ended & ~Cat(waiting).any()),
            self.copies_left.eq(begun & ~waiting[0] & (sum(expected[:-1]) >= 4)),
            self.turned_away.eq(leaves[0][-1]),
        ]


def mistaken_router() -> Circuit:
    """The gates of a router in these surroundings that makes the mistake which its input names."""
    proof = OneRouter(MistakenRouter)
    with planted(proof.mistake):
        return Circuit.of(proof)
