# SPDX-License-Identifier: Apache-2.0
"""The five-port router of the mesh for links that carry a flit in several cycles."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from golden.config import NodeConfig
from golden.layout import Port, TrafficClass, flit_bits, phit_bits
from rtl.interfaces import FlitLayout
from rtl.network.credits import Credits
from rtl.network.least_recent import LeastRecent
from rtl.network.router import router_members
from rtl.network.routing import ALL_LINKS, UNDELIVERABLE, present_links, way_out

__all__ = ["NarrowRouter"]


class _Source:
    """Where phits of one class come from: the buffer of a link, or the network interface.

    ``ways`` lists the values of Port that its flits can leave by, and ``UNDELIVERABLE``. ``wants`` has a bit for each, at most
    one of them set: the way of its next flit, if that is known; ``offers`` tells that there is one. ``phit`` is its part at
    ``count`` of the router; ``begins`` tells that its first one leaves in this cycle, ``serving`` that one does, and ``owns``
    that it is not the first.
    """

    def __init__(self, config: NodeConfig, name: str, port: Port, traffic_class: TrafficClass, present: list[Port]):
        self.name = f"{name}_{traffic_class.name.lower()}"
        self.port = port
        self.traffic_class = traffic_class
        self.ways = [Port.LOCAL, *(way for way in present if way != port), UNDELIVERABLE]
        self.wants = Signal(len(self.ways), name=f"{self.name}_wants")
        self.offers = Signal(name=f"{self.name}_offers")
        self.phit = Signal(phit_bits(config), name=f"{self.name}_phit")
        self.begins = Signal(name=f"{self.name}_begins")
        self.serving = Signal(name=f"{self.name}_serving")
        self.owns = Signal(name=f"{self.name}_owns")

    def of_way(self, one_hot):
        """Those bits of a one-hot way that can be set."""
        return Cat(one_hot[way] for way in self.ways)


def _part(value, index, bits):
    """``value.word_select(index, bits)`` as a tree of two-way choices: a shift takes several times the area."""
    parts = [value.word_select(place, bits) for place in range(len(value) // bits)]
    for bit in index:
        parts = [Mux(bit, odd, even) for even, odd in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


class NarrowRouter(wiring.Component):
    """Moves flits between links and the network interface, x first, then y, in ``link_passes`` phits each.

    The interface, the order of flits and the rules of routing are those of :class:`rtl.network.router.Router`. What differs
    is time: all flits cross one after the other, a phit per cycle, through one register that all outputs share. A phit that
    arrives on a link in cycle t is on its output link in cycle t + 2 if nothing else crosses. Flits follow each other without
    a gap, but for two cycles between those of one class to the network interface.

    Of the flits for which there is room where they go, the one crosses whose source had its last turn longest ago; so
    nothing that waits for room holds up anything else, and everybody's turn comes.

    It takes a fraction of the router's area: all that is wide there is a phit wide here, and there is one of it.

    Parameters
    ----------
    config : NodeConfig
        Its ``link_passes`` is above 1.
    links : int
        As of :class:`rtl.network.router.Router`.

    Members
    -------
    Those of :class:`rtl.network.router.Router`.
    """

    def __init__(self, config: NodeConfig, links: int = ALL_LINKS):
        self.config = config
        self.present = present_links(links)
        self._mask = links
        super().__init__(router_members(config))

    def elaborate(self, platform):
        m = Module()
        passes = self.config.link_passes
        count = Signal(range(passes))
        free, last = Signal(), Signal()
        m.d.comb += [free.eq(count == 0), last.eq(count == passes - 1)]

        sources = [self._buffer(m, port, c, count, last) for port in self.present for c in TrafficClass]
        sources += [self._injection(m, c, count, last) for c in TrafficClass]

        def begins(way, c):
            """A flit of that class begins to leave by that way."""
            going = [s.begins & s.wants[s.ways.index(way)] for s in sources if s.traffic_class == c and way in s.ways]
            return Cat(going).any()

        crossing = Signal(phit_bits(self.config), reset_less=True)
        changes = [source.offers for source in sources]
        room = {}
        for port in self.present:
            changes += self._link(m, port, free, crossing, begins, room, sources)
        for c in TrafficClass:
            changes += self._eject(m, c, free, crossing, begins, room)

        m.submodules.turns = turns = LeastRecent(len(sources))
        m.d.comb += turns.serve.eq(free)
        for i, source in enumerate(sources):
            able = Cat(room[way, source.traffic_class] for way in source.ways)
            m.d.comb += [
                turns.request[i].eq((source.wants & able).any()),
                source.begins.eq(free & turns.grant[i]),
                source.serving.eq(Mux(free, turns.grant[i], source.owns)),
            ]
            with m.If(free):
                m.d.sync += source.owns.eq(turns.grant[i])
        moves = Signal()
        m.d.comb += moves.eq(~free | turns.request.any())
        with m.If(moves):
            chosen = [source.phit & source.serving.replicate(len(crossing)) for source in sources]
            m.d.sync += [count.eq(count + 1), crossing.eq(reduce(or_, chosen))]

        m.d.comb += [self.progress.eq(moves), self.busy.eq(moves | Cat(Cat(change).any() for change in changes).any())]
        return m

    def _way(self, m, source, flit, valid):
        """The way out of this node for a source's flit."""
        links = self.links & self._mask
        return source.of_way(way_out(m, source.name, flit, valid, self.x, self.y, links, source.port))

    def _buffer(self, m, port, c, count, last):
        """Buffer of one class at a link: phits in one memory, the flits' ways in another."""
        config = self.config
        name = port.name.lower()
        link = getattr(self, f"{name}_in")
        source = _Source(config, name, port, c, self.present)
        depth, passes = config.channel_depth, config.link_passes
        prefix = source.name
        arrives, arriving_phit = Signal(name=f"{prefix}_arrives"), Signal(range(passes), name=f"{prefix}_arriving_phit")
        first = Signal(name=f"{prefix}_first")
        entering, leaving = (Signal(range(depth), name=f"{prefix}_{way}_flit") for way in ("entering", "leaving"))
        waiting = Signal(range(depth + 1), name=f"{prefix}_waiting")
        m.d.comb += [arrives.eq(link.valid[c]), first.eq(arrives & (arriving_phit == 0))]
        m.d.sync += waiting.eq(waiting + first - source.begins)
        with m.If(arrives):
            m.d.sync += arriving_phit.eq(arriving_phit + 1)
        for flit, done in ((entering, arrives & (arriving_phit == passes - 1)), (leaving, source.owns & last)):
            with m.If(done):
                m.d.sync += flit.eq(Mux(flit == depth - 1, 0, flit + 1))

        m.submodules[f"{prefix}_phits"] = phits = Memory(shape=phit_bits(config), depth=depth * passes, init=[])
        write, read = phits.write_port(), phits.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(arrives),
            write.addr.eq(Cat(arriving_phit, entering)),
            write.data.eq(link.flit),
            read.addr.eq(Cat(count, leaving)),
            source.phit.eq(read.data),
        ]
        m.submodules[f"{prefix}_ways"] = ways = Memory(shape=len(source.ways), depth=depth, init=[])
        write, read = ways.write_port(), ways.read_port(domain="comb")
        header = FlitLayout(config)(Cat(link.flit, Const(0, flit_bits(config) - phit_bits(config))))
        m.d.comb += [
            write.en.eq(first),
            write.addr.eq(entering),
            write.data.eq(self._way(m, source, header, 1)),
            read.addr.eq(leaving),
            source.offers.eq(waiting != 0),
            source.wants.eq(Mux(source.offers, read.data, 0)),
        ]
        return source

    def _injection(self, m, c, count, last):
        """The network interface as a source: its flit stays until its last phit has left, and its way comes from a register."""
        config = self.config
        source = _Source(config, "local", Port.LOCAL, c, self.present)
        inject = getattr(self, f"inject_{c.name.lower()}")
        flit = inject.payload
        bits = Cat(flit.as_value(), Const(0, config.link_passes * phit_bits(config) - flit_bits(config)))
        m.d.comb += [
            source.offers.eq(inject.valid),
            source.phit.eq(_part(bits, count, phit_bits(config))),
            inject.ready.eq(source.owns & last),
        ]
        m.d.sync += source.wants.eq(Mux(inject.ready, 0, self._way(m, source, flit, inject.valid)))
        return source

    def _link(self, m, port, free, crossing, begins, room, sources):
        """Credits and output of one link, and the credits that it gives back. Returns what makes them change."""
        name = port.name.lower()
        out, into = getattr(self, f"{name}_out"), getattr(self, f"{name}_in")
        valid, credit = (Signal(len(TrafficClass), name=f"{name}_{what}") for what in ("out_valid", "in_credit"))
        begin = Signal(len(TrafficClass), name=f"{name}_begin")
        for c in TrafficClass:
            m.submodules[f"{name}_{c.name.lower()}_credits"] = credits = Credits(self.config.channel_depth)
            m.d.comb += [begin[c].eq(begins(port, c)), credits.spend.eq(begin[c]), credits.refund.eq(out.credit[c])]
            room[port, c] = credits.available
        with m.If(free):
            m.d.sync += valid.eq(begin)
        m.d.sync += credit.eq(Cat(source.begins for source in sources if source.port == port))
        m.d.comb += [out.valid.eq(valid), out.flit.eq(crossing), into.credit.eq(credit)]
        return [valid, credit, out.credit, into.valid]

    def _eject(self, m, c, free, crossing, begins, room):
        """The register of one class towards the network interface, in which its flit is put together.

        Whether it takes a flit does not depend on ``ready``, so that no path leads from the network interface into the router.
        Returns what makes it change.
        """
        name = f"eject_{c.name.lower()}"
        eject = getattr(self, name)
        begin, empty = Signal(name=f"{name}_begin"), Signal(name=f"{name}_empty", init=1)
        filling, full = Signal(name=f"{name}_filling"), Signal(name=f"{name}_full")
        undeliverable = begins(UNDELIVERABLE, c)
        m.d.comb += begin.eq(begins(Port.LOCAL, c) | undeliverable)
        room[Port.LOCAL, c] = room[UNDELIVERABLE, c] = empty

        bits = len(crossing)
        flit = Signal(self.config.link_passes * bits, name=f"{name}_flit", reset_less=True)
        lost = Signal(name=f"{name}_lost", reset_less=True)
        with m.If(free):
            m.d.sync += filling.eq(begin)
        with m.If(filling):
            m.d.sync += flit.eq(Cat(flit[bits:], crossing))
        with m.If(begin):
            m.d.sync += [empty.eq(0), lost.eq(undeliverable)]
        # A flit's last phit is on its way from the shared register while the next flit begins.
        with m.If(filling & free):
            m.d.sync += full.eq(1)
        with m.Elif(full & eject.ready):
            m.d.sync += [full.eq(0), empty.eq(1)]
        m.d.comb += [
            eject.valid.eq(full),
            eject.payload.flit.eq(flit[: flit_bits(self.config)]),
            eject.payload.undeliverable.eq(lost),
        ]
        return [filling, full]
