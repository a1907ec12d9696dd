# SPDX-License-Identifier: Apache-2.0
"""The five-port router of the mesh for links that carry a flit in several cycles."""

from functools import reduce
from operator import or_

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from golden.config import NodeConfig
from golden.layout import Port, TrafficClass, flit_bits, phit_bits
from rtl.interfaces import FlitLayout
from rtl.network.arbiter import RoundRobin
from rtl.network.credits import Credits
from rtl.network.router import router_members
from rtl.network.routing import ALL_LINKS, UNDELIVERABLE, present_links, way_out

__all__ = ["NarrowRouter"]


class _Source:
    """Where phits of one class come from: the buffer of a link, or the network interface.

    ``wants`` is one-hot over the values of Port and ``UNDELIVERABLE`` while a flit is there of which no phit has left; ``phit``
    is its next part; ``moves`` tells that it leaves in this cycle, ``index`` which one it is.
    """

    def __init__(self, config: NodeConfig, name: str, port: Port, traffic_class: TrafficClass):
        self.name = f"{name}_{traffic_class.name.lower()}"
        self.port = port
        self.traffic_class = traffic_class
        self.wants = Signal(UNDELIVERABLE + 1, name=f"{self.name}_wants")
        self.phit = Signal(phit_bits(config), name=f"{self.name}_phit")
        self.index = Signal(range(config.link_passes), name=f"{self.name}_index")
        self.moves = Signal(name=f"{self.name}_moves")
        self.moved_by = []


class NarrowRouter(wiring.Component):
    """Moves flits between links and the network interface, x first, then y, in ``link_passes`` phits each.

    The interface, the order of flits, the rules of routing and the fairness are those of :class:`rtl.network.router.Router`.
    What differs is time: the phits of a flit follow each other without a gap, an output belongs to one flit until its last phit
    has left, and a phit that arrives on a link in cycle t is on its output link in cycle t + 2 if nothing else wants it. Links
    carry flits one behind the other; to the network interface there is a cycle between them.

    It takes a fraction of the router's area, since all that is wide there is a phit wide here, and every phit passes a buffer.

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
        ports = [(port.name.lower(), port) for port in self.present]
        sources = [self._buffer(m, name, port, c) for name, port in ports for c in TrafficClass]
        sources += [self._injection(m, c) for c in TrafficClass]

        changes = [source.wants for source in sources]
        for name, port in ports:
            changes += self._link_output(m, name, port, sources)
            link = getattr(self, f"{name}_in")
            credit = Signal(len(TrafficClass), name=f"{name}_in_credit")
            first = [source.moves & (source.index == 0) for source in sources if source.port == port]
            m.d.sync += credit.eq(Cat(first))
            m.d.comb += link.credit.eq(credit)
            changes += [link.valid, credit]
        for c in TrafficClass:
            changes += self._eject_output(m, c, sources)
        for source in sources:
            m.d.comb += source.moves.eq(reduce(or_, source.moved_by))
            with m.If(source.moves):
                m.d.sync += source.index.eq(source.index + 1)

        moves = Cat(source.moves for source in sources).any()
        m.d.comb += [self.progress.eq(moves), self.busy.eq(moves | Cat(Cat(change).any() for change in changes).any())]
        return m

    def _buffer(self, m, name, port, c):
        """Buffer of one class at a link: phits in one memory, the flits' ways in another."""
        config = self.config
        link = getattr(self, f"{name}_in")
        source = _Source(config, name, port, c)
        depth, passes = config.channel_depth, config.link_passes
        prefix = source.name
        arrives, arriving_phit = Signal(name=f"{prefix}_arrives"), Signal(range(passes), name=f"{prefix}_arriving_phit")
        begins, leaves = Signal(name=f"{prefix}_begins"), Signal(name=f"{prefix}_leaves")
        entering, leaving = (Signal(range(depth), name=f"{prefix}_{way}_flit") for way in ("entering", "leaving"))
        waiting = Signal(range(depth + 1), name=f"{prefix}_waiting")
        m.d.comb += [
            arrives.eq(link.valid[c]),
            begins.eq(arrives & (arriving_phit == 0)),
            leaves.eq(source.moves & (source.index == 0)),
        ]
        m.d.sync += waiting.eq(waiting + begins - leaves)
        with m.If(arrives):
            m.d.sync += arriving_phit.eq(arriving_phit + 1)
        for flit, done in (
            (entering, arrives & (arriving_phit == passes - 1)),
            (leaving, source.moves & (source.index == passes - 1)),
        ):
            with m.If(done):
                m.d.sync += flit.eq(Mux(flit == depth - 1, 0, flit + 1))

        m.submodules[f"{prefix}_phits"] = phits = Memory(shape=phit_bits(config), depth=depth * passes, init=[])
        write, read = phits.write_port(), phits.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(arrives),
            write.addr.eq(Cat(arriving_phit, entering)),
            write.data.eq(link.flit),
            read.addr.eq(Cat(source.index, leaving)),
            source.phit.eq(read.data),
        ]
        m.submodules[f"{prefix}_ways"] = ways = Memory(shape=UNDELIVERABLE + 1, depth=depth, init=[])
        write, read = ways.write_port(), ways.read_port(domain="comb")
        header = FlitLayout(config)(Cat(link.flit, Const(0, flit_bits(config) - phit_bits(config))))
        m.d.comb += [
            write.en.eq(begins),
            write.addr.eq(entering),
            write.data.eq(way_out(m, prefix, header, 1, self.x, self.y, self.links & self._mask, port)),
            read.addr.eq(leaving),
            source.wants.eq(Mux((waiting != 0) & (source.index == 0), read.data, 0)),
        ]
        return source

    def _injection(self, m, c):
        """The network interface as a source: its flit stays until its last phit has left."""
        config = self.config
        source = _Source(config, "local", Port.LOCAL, c)
        inject = getattr(self, f"inject_{c.name.lower()}")
        flit = inject.payload
        bits = Cat(flit.as_value(), Const(0, config.link_passes * phit_bits(config) - flit_bits(config)))
        fresh = inject.valid & (source.index == 0)
        m.d.comb += [
            source.wants.eq(way_out(m, source.name, flit, fresh, self.x, self.y, self.links & self._mask, Port.LOCAL)),
            source.phit.eq(bits.word_select(source.index, phit_bits(config))),
            inject.ready.eq(source.moves & (source.index == config.link_passes - 1)),
        ]
        return source

    def _output(self, m, name, sources, begins):
        """What an output sends: the source that it begins with, chosen in ``begins`` (one bit per source), or goes on with.

        Returns whether it is free to begin, whether it sends, whether that is a flit's last phit, the phit, and which source (one
        bit per source) it comes from.
        """
        passes = self.config.link_passes
        count = Signal(range(passes), name=f"{name}_count")
        owner, serving = Signal(len(sources), name=f"{name}_owner"), Signal(len(sources), name=f"{name}_serving")
        free, sends = Signal(name=f"{name}_free"), Signal(name=f"{name}_sends")
        m.d.comb += [
            free.eq(count == 0),
            serving.eq(Mux(free, begins, owner)),
            sends.eq(~free | begins.any()),
        ]
        with m.If(free):
            m.d.sync += owner.eq(begins)
        with m.If(sends):
            m.d.sync += count.eq(count + 1)
        for i, source in enumerate(sources):
            source.moved_by.append(serving[i])
        index = Cat(
            Cat(serving[i] for i in range(len(sources)) if i >> bit & 1).any() for bit in range((len(sources) - 1).bit_length())
        )
        select = Signal(len(index), name=f"{name}_select")
        phit = Signal(phit_bits(self.config), name=f"{name}_phit")
        m.d.comb += [select.eq(index), phit.eq(Array(source.phit for source in sources)[select])]
        return free, sends, sends & (count == passes - 1), phit, serving

    def _link_output(self, m, name, port, sources):
        """Arbitration, credits and output register of one link. Returns what makes them change, beside the sources."""
        link = getattr(self, f"{name}_out")
        # Nothing turns back.
        sources = [source for source in sources if source.port != port]
        begins = Signal(len(sources), name=f"{name}_begins")
        free, sends, _, phit, serving = self._output(m, name, sources, begins)
        ready, goes, grants = [], [], []
        for c in TrafficClass:
            own = [source.wants[port] for source in sources if source.traffic_class == c]
            m.submodules[f"{name}_{c.name.lower()}_turns"] = turns = RoundRobin(len(own))
            m.submodules[f"{name}_{c.name.lower()}_credits"] = credits = Credits(self.config.channel_depth)
            go = Signal(name=f"{name}_{c.name.lower()}_goes")
            m.d.comb += [
                turns.request.eq(Cat(own)),
                turns.serve.eq(go),
                credits.spend.eq(go),
                credits.refund.eq(link.credit[c]),
            ]
            ready.append(free & turns.request.any() & credits.available)
            goes.append(go)
            grants.append(iter(Mux(go, turns.grant, 0)))

        # Where both classes could go, the one goes that did not go last.
        last = Signal(name=f"{name}_last_class")
        m.d.comb += [
            goes[0].eq(ready[0] & (~ready[1] | last)),
            goes[1].eq(ready[1] & (~ready[0] | ~last)),
            begins.eq(Cat(next(grants[source.traffic_class]) for source in sources)),
        ]
        with m.If(Cat(goes).any()):
            m.d.sync += last.eq(goes[1])

        valid = Signal(len(TrafficClass), name=f"{name}_out_valid")
        flit = Signal(phit_bits(self.config), name=f"{name}_out_flit", reset_less=True)
        responses = Cat(serving[i] for i, source in enumerate(sources) if source.traffic_class == TrafficClass.RESPONSE).any()
        m.d.sync += valid.eq(Mux(sends, Cat(~responses, responses), 0))
        with m.If(sends):
            m.d.sync += flit.eq(phit)
        m.d.comb += [link.valid.eq(valid), link.flit.eq(flit)]
        return [valid, link.credit]

    def _eject_output(self, m, c, sources):
        """Arbitration of one class towards the network interface, and the register in which its flit is put together.

        Whether it takes a flit does not depend on ``ready``, so that no path leads from the network interface into the router.
        Returns what makes it change.
        """
        name = f"eject_{c.name.lower()}"
        eject = getattr(self, name)
        sources = [source for source in sources if source.traffic_class == c]
        begins, full = Signal(len(sources), name=f"{name}_begins"), Signal(name=f"{name}_full")
        free, sends, last, phit, _ = self._output(m, name, sources, begins)
        m.submodules[f"{name}_turns"] = turns = RoundRobin(len(sources))
        takes = Signal(name=f"{name}_takes")
        m.d.comb += [
            turns.request.eq(Cat(source.wants[Port.LOCAL] | source.wants[UNDELIVERABLE] for source in sources)),
            takes.eq(free & ~full & turns.request.any()),
            turns.serve.eq(takes),
            begins.eq(Mux(takes, turns.grant, 0)),
        ]
        passes, bits = self.config.link_passes, phit_bits(self.config)
        flit = Signal(passes * bits, name=f"{name}_flit", reset_less=True)
        lost = Signal(name=f"{name}_lost")
        with m.If(sends):
            m.d.sync += flit.eq(Cat(flit[bits:], phit))
        with m.If(takes):
            m.d.sync += lost.eq((begins & Cat(source.wants[UNDELIVERABLE] for source in sources)).any())
        with m.If(last):
            m.d.sync += full.eq(1)
        with m.Elif(eject.ready):
            m.d.sync += full.eq(0)
        m.d.comb += [
            eject.valid.eq(full),
            eject.payload.flit.eq(flit[: flit_bits(self.config)]),
            eject.payload.undeliverable.eq(lost),
        ]
        return [full]
