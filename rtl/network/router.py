# SPDX-License-Identifier: Apache-2.0
"""The five-port router of the mesh."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, LINK_PORTS, Port, TrafficClass
from rtl.interfaces import FlitLayout, LinkSignature, flit_stream
from rtl.network.arbiter import RoundRobin
from rtl.network.credits import Credits
from rtl.network.fifo import Fifo

__all__ = ["LINK_NAMES", "EjectLayout", "Router", "eject_stream"]

#: Names of the links, in the order of ``LINK_PORTS``.
LINK_NAMES = tuple(port.name.lower() for port in LINK_PORTS)

#: A flit's way out, beside the values of Port: to the network interface, as undeliverable.
_UNDELIVERABLE = 5


class _Candidate:
    """The oldest flit of a class at an input.

    ``valid`` if there is one, ``way`` out of the node, ``source`` of the crossbar that holds it (one of ``numbers``),
    ``taken`` in this cycle: by one of the outputs' ``grants``.
    """

    def __init__(self, traffic_class: TrafficClass, source_input: str, *, numbers: tuple[int, ...]):
        name = f"{source_input}_{traffic_class.name.lower()}"
        self.traffic_class = traffic_class
        self.input = source_input
        self.numbers = numbers
        self.grants = []
        self.valid = Signal(name=f"{name}_valid")
        self.way = Signal(3, name=f"{name}_way")
        self.source = Signal(range(max(numbers) + 1), name=f"{name}_source")
        self.taken = Signal(name=f"{name}_taken")


class EjectLayout(data.StructLayout):
    """What the router hands to the network interface: a flit, and whether its destination could not be reached."""

    def __init__(self, config: NodeConfig):
        super().__init__({"flit": FlitLayout(config), "undeliverable": unsigned(1)})


def eject_stream(config: NodeConfig) -> wiring.Signature:
    """A valid/ready stream of :class:`EjectLayout`, seen from the router."""
    return stream.Signature(EjectLayout(config))


class Router(wiring.Component):
    """Moves flits between four links and the network interface, x first, then y.

    A flit that arrives on a link in cycle t is on its output link in cycle t + 1, if its buffer is empty and it wins there;
    every output register takes one flit per cycle. Link outputs come straight from flip-flops.

    A buffer and credits exist per link and class, so a class that is held up never holds up the other one. Per output the
    inputs take turns within a class, and the classes take turns among those that have a flit and a credit. Flits of one class
    with the same source and destination stay in order.

    ``busy`` is clear only if no register of the router changes at the end of this cycle.

    Parameters
    ----------
    config : NodeConfig
        Flits have its lines, buffers its ``channel_depth``.

    Members
    -------
    x, y : In(13), own coordinates, constant
    links : In(4), links present: north, east, south, west; constant
    north_out, east_out, south_out, west_out : Out(LinkSignature)
    north_in, east_in, south_in, west_in : In(LinkSignature)
    inject_request, inject_response : In(flit_stream), from the network interface; ``ready`` depends on ``valid``
    eject_request, eject_response : Out(eject_stream), to the network interface, from registers
    progress : Out(1), a flit entered an output register or the network interface in this cycle
    busy : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        members = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS), "links": In(len(LINK_PORTS))}
        for name in LINK_NAMES:
            members |= {f"{name}_out": Out(LinkSignature(config)), f"{name}_in": In(LinkSignature(config))}
        for name in TrafficClass:
            members |= {
                f"inject_{name.name.lower()}": In(flit_stream(config)),
                f"eject_{name.name.lower()}": Out(eject_stream(config)),
            }
        super().__init__(members | {"progress": Out(1), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        candidates, sources = self._candidates(m)
        changes = [candidate.valid for candidate in candidates]
        moves = []

        for name, port in zip(LINK_NAMES, LINK_PORTS, strict=True):
            changes += self._link_output(m, name, port, candidates, sources)
        for c in TrafficClass:
            eject = self._eject_output(m, c, candidates, sources)
            changes.append(eject.valid)
            moves.append(eject.valid & eject.ready)
        for candidate in candidates:
            m.d.comb += candidate.taken.eq(Cat(candidate.grants).any())
            moves.append(candidate.taken)
        for name in LINK_NAMES:
            link = getattr(self, f"{name}_in")
            credit = Signal(len(TrafficClass), name=f"{name}_in_credit")
            m.d.sync += credit.eq(Cat(candidate.taken for candidate in candidates if candidate.input == name))
            m.d.comb += link.credit.eq(credit)
            changes.append(credit)

        m.d.comb += [self.progress.eq(Cat(moves).any()), self.busy.eq(Cat(changes).any())]
        return m

    def _candidates(self, m):
        """The oldest flit of every class and input, in the order class, input; and the sources of the crossbar.

        Sources are what arrives on a link, the head of a buffer, what the network interface injects: a dictionary of number
        to flit, in which a candidate names its flit by ``source``.
        """
        sources = {i: getattr(self, f"{name}_in").flit for i, name in enumerate(LINK_NAMES)}
        arriving_way = {name: self._way(m, f"{name}_in", getattr(self, f"{name}_in").flit) for name in LINK_NAMES}
        candidates = []
        for c in TrafficClass:
            for i, name in enumerate(LINK_NAMES):
                link = getattr(self, f"{name}_in")
                layout = data.StructLayout({"flit": FlitLayout(self.config), "way": unsigned(3)})
                m.submodules[f"{name}_{c.name.lower()}_buffer"] = fifo = Fifo(layout, self.config.channel_depth)
                head = len(sources)
                sources[head] = fifo.o.payload.flit
                candidate = _Candidate(c, name, numbers=(i, head))
                candidates.append(candidate)
                m.d.comb += [
                    candidate.valid.eq(fifo.o.valid | link.valid[c]),
                    candidate.way.eq(Mux(fifo.o.valid, fifo.o.payload.way, arriving_way[name])),
                    candidate.source.eq(Mux(fifo.o.valid, head, i)),
                    fifo.o.ready.eq(candidate.taken),
                    # Credits keep the buffer from overflowing, so its ready is not asked for.
                    fifo.i.valid.eq(link.valid[c] & (fifo.o.valid | ~candidate.taken)),
                    fifo.i.payload.flit.eq(link.flit),
                    fifo.i.payload.way.eq(arriving_way[name]),
                ]
            inject = getattr(self, f"inject_{c.name.lower()}")
            candidate = _Candidate(c, "local", numbers=(len(sources),))
            candidates.append(candidate)
            m.d.comb += [
                candidate.valid.eq(inject.valid),
                candidate.way.eq(self._way(m, f"inject_{c.name.lower()}", inject.payload)),
                candidate.source.eq(len(sources)),
                inject.ready.eq(candidate.taken),
            ]
            sources[len(sources)] = inject.payload
        return candidates, sources

    def _way(self, m, name, flit):
        """The way out of this node for a flit: a value of Port, or ``_UNDELIVERABLE``."""
        port, way = Signal(3, name=f"{name}_port"), Signal(3, name=f"{name}_way")
        with m.If(flit.x != self.x):
            m.d.comb += port.eq(Mux(flit.x < self.x, Port.WEST, Port.EAST))
        with m.Elif(flit.y != self.y):
            m.d.comb += port.eq(Mux(flit.y < self.y, Port.NORTH, Port.SOUTH))
        with m.Else():
            m.d.comb += port.eq(flit.exit)
        # Exits 5 to 7 are like links that are absent.
        reachable = Cat(1, self.links, Const(0, 3)).bit_select(port, 1)
        m.d.comb += way.eq(Mux(reachable, port, _UNDELIVERABLE))
        return way

    def _link_output(self, m, name, port, candidates, sources):
        """Arbitration, credits and output register of one link. Returns what makes them change, beside candidates."""
        link = getattr(self, f"{name}_out")
        wanting, grants, goes = [], [], []
        for c in TrafficClass:
            own = [candidate for candidate in candidates if candidate.traffic_class == c]
            m.submodules[f"{name}_{c.name.lower()}_turns"] = turns = RoundRobin(len(own))
            m.submodules[f"{name}_{c.name.lower()}_credits"] = credits = Credits(self.config.channel_depth)
            go = Signal(name=f"{name}_{c.name.lower()}_goes")
            m.d.comb += [
                turns.request.eq(Cat(candidate.valid & (candidate.way == port) for candidate in own)),
                turns.serve.eq(go),
                credits.spend.eq(go),
                credits.refund.eq(link.credit[c]),
            ]
            for candidate, grant in zip(own, turns.grant, strict=True):
                candidate.grants.append(grant & go)
                grants.append((candidate, grant & go))
            wanting.append(turns.request.any() & credits.available)
            goes.append(go)

        # Where both classes could go, the one goes that did not go last.
        last = Signal(name=f"{name}_last_class")
        m.d.comb += [goes[0].eq(wanting[0] & (~wanting[1] | last)), goes[1].eq(wanting[1] & (~wanting[0] | ~last))]

        valid = Signal(len(TrafficClass), name=f"{name}_out_valid")
        flit = Signal(FlitLayout(self.config), name=f"{name}_out_flit", reset_less=True)
        m.d.sync += valid.eq(Cat(goes))
        m.d.comb += [link.valid.eq(valid), link.flit.eq(flit)]
        with m.If(Cat(goes).any()):
            m.d.sync += last.eq(goes[1])
            self._select(m, name, flit, grants, sources)
        return [valid, link.credit]

    def _eject_output(self, m, c, candidates, sources):
        """Arbitration and output register of one class towards the network interface. Returns the stream."""
        name = f"eject_{c.name.lower()}"
        eject = getattr(self, name)
        own = [candidate for candidate in candidates if candidate.traffic_class == c]
        m.submodules[f"{name}_turns"] = turns = RoundRobin(len(own))
        lost = Signal(len(own), name=f"{name}_lost")
        takes, full = Signal(name=f"{name}_takes"), Signal(name=f"{name}_full")
        payload = Signal(EjectLayout(self.config), name=f"{name}_payload", reset_less=True)
        m.d.comb += [
            lost.eq(Cat(candidate.way == _UNDELIVERABLE for candidate in own)),
            turns.request.eq(Cat(candidate.valid & ((candidate.way == Port.LOCAL) | lost[i]) for i, candidate in enumerate(own))),
            takes.eq(turns.request.any() & (~full | eject.ready)),
            turns.serve.eq(takes),
            eject.valid.eq(full),
            eject.payload.eq(payload),
        ]
        for candidate, grant in zip(own, turns.grant, strict=True):
            candidate.grants.append(grant & takes)
        with m.If(takes):
            m.d.sync += [full.eq(1), payload.undeliverable.eq((turns.grant & lost).any())]
            self._select(m, name, payload.flit, list(zip(own, turns.grant, strict=True)), sources)
        with m.Elif(eject.ready):
            m.d.sync += full.eq(0)
        return eject

    def _select(self, m, name, target, grants, sources):
        """Clock the flit of the one candidate that is granted into ``target``.

        One binary number chooses among all sources at once: in logic a tree of multiplexers, in a simulator one copy.
        """
        select = Signal(range(len(sources)), name=f"{name}_select")
        number = Const(0)
        for candidate, grant in grants:
            number = number | Mux(grant, candidate.source, 0)
        m.d.comb += select.eq(number)
        *others, default = sorted({number for candidate, _ in grants for number in candidate.numbers})
        with m.Switch(select):
            for value in others:
                with m.Case(value):
                    m.d.sync += target.eq(sources[value])
            with m.Default():
                m.d.sync += target.eq(sources[default])
