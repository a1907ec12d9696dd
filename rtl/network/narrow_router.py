# SPDX-License-Identifier: Apache-2.0
"""The five-port router of the mesh for links that carry a flit in several cycles."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, Port, TrafficClass, flit_bits, phit_bits
from rtl.interfaces import FlitLayout
from rtl.network.credits import Credits
from rtl.network.least_recent import LeastRecent
from rtl.network.router import router_members, router_ways
from rtl.network.routing import ALL_LINKS, UNDELIVERABLE, present_links

__all__ = ["NarrowRouter"]


class _Source:
    """Where phits of one class come from: the buffer of a link, or the network interface.

    ``ways`` lists the values of Port that its flits can leave by, and ``UNDELIVERABLE``. ``wants`` has a bit for each: the way of
    its next flit, if that is known, or several of a multicast; ``offers`` tells that there is a flit. ``able`` are those of the
    ways that have room. ``begins`` tells that it has its turn from this cycle on, by all of those, and ``ends`` that none is left
    then.
    """

    def __init__(self, name: str, port: Port, traffic_class: TrafficClass, present: list[Port]):
        self.name = f"{name}_{traffic_class.name.lower()}"
        self.port = port
        self.traffic_class = traffic_class
        self.ways = [Port.LOCAL, *(way for way in present if way != port), UNDELIVERABLE]
        self.wants = Signal(len(self.ways), name=f"{self.name}_wants")
        self.offers = Signal(name=f"{self.name}_offers")
        self.able = Signal(len(self.ways), name=f"{self.name}_able")
        self.begins = Signal(name=f"{self.name}_begins")
        self.ends = Signal(name=f"{self.name}_ends")

    def left(self, m, ways, links):
        """What its flit still wants, given all of its ways: copies of a multicast that have left are remembered, and what was to
        leave by a link that has gone meanwhile is undeliverable, even if another copy was before."""
        present = Cat(links[LINK_PORTS.index(way)] if way in LINK_PORTS else 1 for way in self.ways)
        lost = Const(1 << self.ways.index(UNDELIVERABLE), len(self.ways))
        if self.traffic_class != TrafficClass.REQUEST:
            return (ways & present) | Mux((ways & ~present).any(), lost, 0)
        left = Signal(len(self.ways), name=f"{self.name}_left")
        with m.If(self.begins):
            m.d.sync += left.eq(Mux(self.ends, 0, left | self.able))
        waiting = ways & ~left
        return (waiting & present) | Mux((waiting & ~present).any(), lost, 0)

    def of_way(self, one_hot):
        """Those bits of a one-hot way that can be set."""
        return Cat(one_hot[way] for way in self.ways)


class _Turns:
    """When flits cross: ``free`` in a cycle in which one may begin. Its first phit is asked for in the next cycle, then goes into
    the register of all, and is in there in the third one.

    ``count`` is the number of the phit that is asked for; ``moves`` is set while a flit begins or crosses; ``last_in_register``
    belongs to the phit in the register.
    """

    def __init__(self, m, passes: int):
        self._m = m
        count = Signal(range(passes))
        self.free, self.moves = Signal(), Signal()
        m.d.comb += self.free.eq(count == 0)
        with m.If(self.moves):
            m.d.sync += count.eq(count + 1)
        self.count = self.later(count, 1, "count")
        self.last_in_register = self.later(self.free, 2, "free")

    def later(self, value, cycles, name):
        """The value so many cycles later."""
        for cycle in range(cycles):
            following = Signal(len(value), name=f"{name}_{cycle + 1}")
            self._m.d.sync += following.eq(value)
            value = following
        return value

    def lasts(self, begins, name):
        """Set while the phits of a flit that ``begins`` are asked for."""
        signal = Signal(name=name)
        with self._m.If(self.free):
            self._m.d.sync += signal.eq(begins)
        return signal


class NarrowRouter(wiring.Component):
    """Moves flits between links and the network interface, x first, then y, or as its routing table says, in
    ``link_passes`` phits each.

    The interface, the order of flits and the rules of routing are those of :class:`rtl.network.router.Router`. What differs
    is time: all flits cross one after the other, a phit per cycle, through one register that all outputs share. A phit that
    arrives on a link in cycle t is on its output link in cycle t + 4 if nothing else crosses. Flits follow each other without
    a gap, but for those of one class to the network interface or from it.

    Of the flits for which there is room where they go, the one crosses whose source had its last turn longest ago; so
    nothing that waits for room holds up anything else, and everybody's turn comes.

    A multicast crosses to all of its ways at once that have room, and has further turns for the others.

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
        self.mask = links
        super().__init__(router_members(config))

    def elaborate(self, platform):
        m = Module()
        turns, ways = _Turns(m, self.config.link_passes), router_ways(m, self)

        phits, sources = [], []
        for port in self.present:
            sources += self._buffers(m, port, turns, ways, phits)
        sources += [self._injection(m, c, turns, ways, phits) for c in TrafficClass]

        def begins(way, c):
            """A flit of that class begins to leave by that way."""
            going = [s.begins & s.able[s.ways.index(way)] for s in sources if s.traffic_class == c and way in s.ways]
            return Cat(going).any()

        crossing = Signal(phit_bits(self.config), reset_less=True)
        m.d.sync += crossing.eq(reduce(or_, phits))
        changes = [source.offers for source in sources]
        room = {}
        for port in self.present:
            changes += self._link(m, port, turns, crossing, begins, room, sources)
        for c in TrafficClass:
            changes += self._eject(m, c, turns, crossing, begins, room)

        m.submodules.order = order = LeastRecent(len(sources))
        m.d.comb += [order.serve.eq(turns.free), turns.moves.eq(~turns.free | order.request.any())]
        for i, source in enumerate(sources):
            # The network interface takes one flit at a time: that a copy cannot go on is told when its own is delivered.
            has_room = {way: room[way, source.traffic_class] for way in source.ways}
            has_room[UNDELIVERABLE] &= ~source.wants[source.ways.index(Port.LOCAL)]
            m.d.comb += [
                source.able.eq(source.wants & Cat(has_room.values())),
                order.request[i].eq(source.able.any()),
                source.begins.eq(turns.free & order.grant[i]),
                source.ends.eq(source.begins & (source.able == source.wants)),
            ]

        changes += [turns.moves, turns.later(turns.moves, 1, "moves"), turns.later(turns.moves, 2, "moves")]
        m.d.comb += [self.progress.eq(turns.moves), self.busy.eq(Cat(Cat(change).any() for change in changes).any())]
        return m

    def _buffers(self, m, port, turns, rule, phits):
        """Buffers of both classes at a link: their phits in one memory, the flits' ways in another of each. Returns sources."""
        config = self.config
        name = port.name.lower()
        link = getattr(self, f"{name}_in")
        depth, passes = config.channel_depth, config.link_passes
        header = FlitLayout(config)(Cat(link.flit, Const(0, flit_bits(config) - phit_bits(config))))
        way = rule.find(name, header, link.valid.any(), port, link.valid[TrafficClass.REQUEST])
        slots = range(depth)
        arriving_slot, arriving_phit = (
            Signal(slots, name=f"{name}_arriving_slot"),
            Signal(range(passes), name=f"{name}_arriving_phit"),
        )
        # Of the flit that has its turn.
        slot, traffic_class = Signal(slots, name=f"{name}_slot"), Signal(name=f"{name}_class")

        sources = []
        for c in TrafficClass:
            source = _Source(name, port, c, self.present)
            prefix = source.name
            arrives, first = Signal(name=f"{prefix}_arrives"), Signal(name=f"{prefix}_first")
            count = Signal(range(passes), name=f"{prefix}_phits")
            entering, leaving = (Signal(slots, name=f"{prefix}_{way}_slot") for way in ("entering", "leaving"))
            waiting = Signal(range(depth + 1), name=f"{prefix}_waiting")
            m.d.comb += [arrives.eq(link.valid[c]), first.eq(arrives & (count == 0))]
            m.d.sync += waiting.eq(waiting + first - source.ends)
            with m.If(arrives):
                m.d.sync += count.eq(count + 1)
                m.d.comb += [arriving_slot.eq(entering), arriving_phit.eq(count)]
            for place, done in ((entering, arrives & (count == passes - 1)), (leaving, source.ends)):
                with m.If(done):
                    m.d.sync += place.eq(Mux(place == depth - 1, 0, place + 1))
            with m.If(source.begins):
                m.d.sync += [slot.eq(leaving), traffic_class.eq(c)]

            m.submodules[f"{prefix}_ways"] = ways = Memory(shape=len(source.ways), depth=depth, init=[])
            write, read = ways.write_port(), ways.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(first),
                write.addr.eq(entering),
                write.data.eq(source.of_way(way)),
                read.addr.eq(leaving),
                source.offers.eq(waiting != 0),
                source.wants.eq(source.left(m, Mux(source.offers, read.data, 0), self.links)),
            ]
            sources.append(source)

        # The upper half is never written: it has the zeros that are read while none of these flits has its turn. Nobody reads
        # what is being written.
        going = turns.lasts(Cat(source.begins for source in sources).any(), f"{name}_going")
        memory = Memory(
            shape=phit_bits(config),
            depth=2 * len(TrafficClass) << len(Cat(arriving_phit, arriving_slot)),
            init=[],
            attrs={"ram_style": "block", "no_rw_check": 1},
        )
        m.submodules[f"{name}_phits"] = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(link.valid.any()),
            write.addr.eq(Cat(arriving_phit, arriving_slot, link.valid[TrafficClass.RESPONSE])),
            write.data.eq(link.flit),
            read.addr.eq(Cat(turns.count, slot, traffic_class, ~going)),
        ]
        phits.append(read.data)
        return sources

    def _injection(self, m, c, turns, rule, phits):
        """The network interface as a source: its flit stays until its last phit has left, and its way comes from a register."""
        config = self.config
        source = _Source("local", Port.LOCAL, c, self.present)
        inject = getattr(self, f"inject_{c.name.lower()}")
        flit = inject.payload
        passes, bits = config.link_passes, phit_bits(config)
        whole = Cat(flit.as_value(), Const(0, passes * bits - flit_bits(config)))
        going, part = turns.lasts(source.begins, f"{source.name}_going"), Signal(passes, name=f"{source.name}_part")
        m.d.sync += part.eq(Cat(going & (turns.count == number) for number in range(passes)))
        phits += [whole.word_select(number, bits) & part[number].replicate(bits) for number in range(passes)]
        # A multicast stays for as many turns as its copies need.
        last_turn = Signal(name=f"{source.name}_last_turn")
        with m.If(source.begins):
            m.d.sync += last_turn.eq(source.ends)
        m.d.comb += [source.offers.eq(inject.valid), inject.ready.eq(part[-1] & last_turn)]
        way = rule.find(source.name, flit, inject.valid, source.port, int(c == TrafficClass.REQUEST))
        found = Signal(len(source.ways), name=f"{source.name}_found")
        with m.If(going | part.any()):
            m.d.sync += found.eq(0)
        with m.Else():
            m.d.sync += found.eq(source.of_way(way))
        m.d.comb += source.wants.eq(source.left(m, found, self.links))
        return source

    def _link(self, m, port, turns, crossing, begins, room, sources):
        """Credits and output of one link, and the credits that it gives back. Returns what makes them change."""
        name = port.name.lower()
        out, into = getattr(self, f"{name}_out"), getattr(self, f"{name}_in")
        credit = Signal(len(TrafficClass), name=f"{name}_in_credit")
        begin = Signal(len(TrafficClass), name=f"{name}_begin")
        for c in TrafficClass:
            m.submodules[f"{name}_{c.name.lower()}_credits"] = credits = Credits(self.config.channel_depth)
            m.d.comb += [begin[c].eq(begins(port, c)), credits.spend.eq(begin[c]), credits.refund.eq(out.credit[c])]
            room[port, c] = credits.available
        valid = turns.later(
            Cat(turns.lasts(begin[c], f"{name}_{c.name.lower()}_leaves") for c in TrafficClass), 2, f"{name}_valid"
        )
        m.d.sync += credit.eq(Cat(source.ends for source in sources if source.port == port))
        m.d.comb += [out.valid.eq(valid), out.flit.eq(crossing), into.credit.eq(credit)]
        return [valid, credit, out.credit, into.valid]

    def _eject(self, m, c, turns, crossing, begins, room):
        """The register of one class towards the network interface, in which its flit is put together.

        Whether it takes a flit does not depend on ``ready``, so that no path leads from the network interface into the router.
        Returns what makes it change.
        """
        name = f"eject_{c.name.lower()}"
        eject = getattr(self, name)
        begin, empty = Signal(name=f"{name}_begin"), Signal(name=f"{name}_empty", init=1)
        full = Signal(name=f"{name}_full")
        undeliverable = begins(UNDELIVERABLE, c)
        m.d.comb += begin.eq(begins(Port.LOCAL, c) | undeliverable)
        room[Port.LOCAL, c] = room[UNDELIVERABLE, c] = empty

        bits = len(crossing)
        flit = Signal(self.config.link_passes * bits, name=f"{name}_flit", reset_less=True)
        lost = Signal(name=f"{name}_lost", reset_less=True)
        filling = turns.later(turns.lasts(begin, f"{name}_enters"), 2, f"{name}_filling")
        with m.If(filling):
            m.d.sync += flit.eq(Cat(flit[bits:], crossing))
        with m.If(begin):
            m.d.sync += [empty.eq(0), lost.eq(undeliverable)]
        with m.If(filling & turns.last_in_register):
            m.d.sync += full.eq(1)
        with m.Elif(full & eject.ready):
            m.d.sync += [full.eq(0), empty.eq(1)]
        m.d.comb += [
            eject.valid.eq(full),
            eject.payload.flit.eq(flit[: flit_bits(self.config)]),
            eject.payload.undeliverable.eq(lost),
        ]
        return [filling, full]
