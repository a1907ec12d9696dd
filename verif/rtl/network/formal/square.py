# SPDX-License-Identifier: Apache-2.0
"""Four routers in a square, filled for a while by whatever traffic and stalls there may be, and then left to drain."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import LINK_PORTS, Kind, Port, TrafficClass
from golden.topology import Topology
from rtl.network.router import LINK_NAMES, Router
from verif.formal.circuit import Circuit
from verif.rtl.network.formal.mistakes import planted
from verif.rtl.network.formal.small import Small, SmallFlit, expand

__all__ = ["ONE_SENDER", "Square", "SquareMistake", "square"]

#: Inputs that let node (0, 0) alone send requests: counting is much for a solver.
ONE_SENDER = {f"request_valid{n}": 0 for n in range(1, 4)}

_SIZE = 2
_COUNT_BITS = 5
_LOCAL_NAMES = tuple(c.name.lower() for c in TrafficClass)


class SquareMistake:
    """Values of the input ``mistake`` beside those of ``Mistake`` that are of queues and choices."""

    #: Nodes take a response only if they have no answer to send.
    COUPLED = 14
    #: The west link of node (1, 1) loses its credits; or carries flits in the other class, or twice.
    CREDIT_LEAKS = 15


class Square(wiring.Component):
    """2 x 2 routers with channels of one flit. Nodes answer READs, and what cannot be delivered, by a response.

    A node has room for one answer, and takes no request that needs one while that is there. For ``fill`` cycles nodes send
    and stall as they like; then they send nothing anew, and take everything for which there is room.

    Parameters
    ----------
    turned : bool
        Let nodes (1, 0) and (0, 1) route y first, which leads packets round in a circle.

    Members
    -------
    fill : In(5), mistake : In(4), to be fixed
    request_flit<n> : In(SmallFlit), request_valid<n> : In(1), stall<n> : In(2), of node n
    under_way : Out(1), something is in a router, or to be answered
    stuck : Out(1), nothing has moved for three cycles although it could
    miscounted : Out(1), nothing is under way, and not as much arrived as was sent
    """

    def __init__(self, *, turned: bool = False):
        self._turned = turned
        self._config: Any = Small(channel_depth=1)
        members: dict[str, Any] = {"fill": In(_COUNT_BITS), "mistake": In(4)}
        for n in range(_SIZE * _SIZE):
            members |= {f"request_flit{n}": In(SmallFlit()), f"request_valid{n}": In(1), f"stall{n}": In(2)}
        super().__init__(members | dict.fromkeys(("under_way", "stuck", "miscounted"), Out(1)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        topology = Topology(_SIZE, _SIZE)
        cycle = Signal(_COUNT_BITS)
        draining = Signal()
        m.d.comb += draining.eq(cycle == self.fill)
        with m.If(~draining):
            m.d.sync += cycle.eq(cycle + 1)
        sites = [(x, y) for y in range(_SIZE) for x in range(_SIZE)]
        routers = {}
        for n, (x, y) in enumerate(sites):
            inner = sum((topology.neighbour(x, y, port) is not None) << bit for bit, port in enumerate(LINK_PORTS))
            routers[x, y] = m.submodules[f"router{n}"] = router = Router(self._config, self._own(x, y, inner))
            own_x, own_y = (y, x) if self._is_turned(x, y) else (x, y)
            m.d.comb += [router.x.eq(own_x), router.y.eq(own_y), router.links.eq(self._own(x, y, inner)), router.edges.eq(0)]
        for x, y in sites:
            for port in LINK_PORTS:
                there = topology.neighbour(x, y, port)
                if there is not None:
                    self._join(m, routers, (x, y), port, there)
        sent: list[Any] = []
        arrived: list[Any] = []
        answers: list[Any] = []
        for n, (x, y) in enumerate(sites):
            self._node(m, n, (x, y), routers[x, y], draining, sent, arrived, answers)
        self._count(m, list(routers.values()), sent, arrived, answers, draining)
        return m

    def _is_turned(self, x: int, y: int) -> bool:
        return self._turned and x != y

    def _own(self, x: int, y: int, links: int) -> int:
        """Links as a router has them: one that is turned takes x for y, and so north for west and east for south."""
        if not self._is_turned(x, y):
            return links
        return sum((links >> bit & 1) << LINK_PORTS.index(self._port(x, y, port)) for bit, port in enumerate(LINK_PORTS))

    def _port(self, x: int, y: int, port: Port) -> Port:
        turned = {Port.NORTH: Port.WEST, Port.WEST: Port.NORTH, Port.EAST: Port.SOUTH, Port.SOUTH: Port.EAST}
        return turned[port] if self._is_turned(x, y) else port

    def _turn(self, m: Module, target: Any, source: Any, turns: bool) -> None:
        """Connect flits; x and y change places if it ``turns``."""
        m.d.comb += target.eq(source)
        if turns:
            m.d.comb += [target.x.eq(source.y), target.y.eq(source.x)]

    def _join(self, m: Module, routers: Any, here: tuple[int, int], port: Port, there: tuple[int, int]) -> None:
        """The direction of a link that leads away from ``here``."""
        out = getattr(routers[here], f"{LINK_NAMES[LINK_PORTS.index(self._port(*here, port))]}_out")
        into = getattr(routers[there], f"{LINK_NAMES[LINK_PORTS.index(self._port(*there, port.opposite))]}_in")
        self._turn(m, into.flit, out.flit, self._is_turned(*here) != self._is_turned(*there))
        m.d.comb += [into.valid.eq(out.valid), out.credit.eq(into.credit)]
        if here == (1, 1) and port is Port.WEST:
            with m.If(self.mistake == SquareMistake.CREDIT_LEAKS):
                m.d.comb += out.credit.eq(0)

    def _node(self, m: Module, n: int, site: tuple[int, int], router: Any, draining: Signal, sent: list[Any],
              arrived: list[Any], answers: list[Any]) -> None:  # fmt: skip
        """What a node sends and takes; appends what it counts."""
        x, y = site
        turns = self._is_turned(x, y)
        small, valid, stall = getattr(self, f"request_flit{n}"), getattr(self, f"request_valid{n}"), getattr(self, f"stall{n}")
        # Rectangles stay in the array, so that how many copies arrive is known.
        extent = Cat(small.columns, small.rows)
        m.d.comb += [Assume((small.x < _SIZE) & (small.y < _SIZE) & (small.mark == 0) & (small.byte == 0) & ~small.elsewhere)]
        m.d.comb += Assume((extent == 0) | ((small.x + small.columns < _SIZE) & (small.y + small.rows < _SIZE)))
        if self._turned:
            m.d.comb += Assume(extent == 0)
        request = expand(m, f"request{n}", small, 0)
        whole = Signal.like(request, name=f"whole{n}")
        inject, eject = router.inject_request, router.eject_request
        offered, before = Signal(name=f"offered{n}"), Signal(SmallFlit(), name=f"before{n}")
        m.d.sync += [offered.eq(inject.valid & ~inject.ready), before.eq(small)]
        # What is offered stays until it is taken: some of its copies may have left.
        m.d.comb += [
            Assume(~offered | (valid & (small.as_value() == before.as_value()))),
            whole.eq(request),
            whole.src_x.eq(x),
            whole.src_y.eq(y),
            inject.valid.eq(valid & (offered | ~draining)),
        ]
        self._turn(m, inject.payload, whole, turns)

        answer, answers_now = Signal.like(request, name=f"answer{n}"), Signal(name=f"answers{n}")
        taken = Signal.like(request, name=f"taken{n}")
        self._turn(m, taken, eject.payload.flit, turns)
        asks = (taken.kind == Kind.READ) | eject.payload.undeliverable
        back = router.inject_response
        m.d.comb += [
            eject.ready.eq((~asks | ~answers_now) & (draining | ~stall[0])),
            router.eject_response.ready.eq(draining | ~stall[1]),
            back.valid.eq(answers_now),
        ]
        with m.If((self.mistake == SquareMistake.COUPLED) & answers_now):
            m.d.comb += router.eject_response.ready.eq(0)
        self._turn(m, back.payload, answer, turns)
        comes = eject.valid & eject.ready
        with m.If(back.ready):
            m.d.sync += answers_now.eq(0)
        with m.If(comes & asks):
            m.d.sync += [answers_now.eq(1), answer.kind.eq(Kind.READ_DATA), answer.x.eq(taken.src_x), answer.y.eq(taken.src_y)]
        copies = Mux(small.second | (small.exit != Port.LOCAL), 1, (small.columns + 1) * (small.rows + 1))
        sent += [Mux(inject.valid & inject.ready, copies, 0), comes & asks]
        arrived += [comes, router.eject_response.valid & router.eject_response.ready]
        answers.append(answers_now)

    def _count(self, m: Module, routers: list[Any], sent: list[Any], arrived: list[Any], answers: list[Any],
               draining: Signal) -> None:  # fmt: skip
        """Arrivals against what was sent, modulo 32."""
        balance = Signal(_COUNT_BITS)
        m.d.sync += balance.eq(balance + sum(sent) - sum(arrived))
        busy = Cat(*(router.busy for router in routers), *answers).any()
        still = Signal(2)
        moves = Cat(router.progress for router in routers).any()
        came = Cat(each != 0 for each in arrived).any()
        m.d.sync += still.eq(Mux(draining & ~moves & ~came, still + (still != 3), 0))
        m.d.comb += [
            self.under_way.eq(draining & busy),
            self.stuck.eq(busy & (still == 3)),
            self.miscounted.eq(~busy & (balance != 0)),
        ]


def square(*, turned: bool = False) -> Circuit:
    """The gates of a square that makes the mistake which its input names."""
    proof = Square(turned=turned)
    with planted(proof.mistake):
        return Circuit.of(proof)
