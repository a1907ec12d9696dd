# SPDX-License-Identifier: Apache-2.0
"""Sends what lists push."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import ATTACHED_OFFSET_BITS, COORDINATE_BITS, OFFSET_BITS, SEMAPHORE_ID_BITS, Port
from rtl.interfaces import ReadPort
from rtl.network.arbiter import RoundRobin
from rtl.network.fifo import Fifo
from rtl.network.lists.layouts import STARTER_BITS, EndLayout, ListLayout, ListPacketLayout, PositionLayout, place_bits
from rtl.network.lists.mover import GranuleMover, word_bits
from rtl.network.lists.walk import Walk, first_position

__all__ = ["PushEngine"]


class _StoredLayout(data.StructLayout):
    """A list that is under way."""

    def __init__(self):
        super().__init__({"starter": unsigned(STARTER_BITS), "description": ListLayout()})


class _GranuleLayout(data.StructLayout):
    """A granule whose line is being read."""

    def __init__(self, config: NodeConfig):
        number = word_bits(config)
        super().__init__(
            {
                "padding": unsigned(1),
                "granule": unsigned(2),
                "source": unsigned(number),
                "destination": unsigned(number),
                "begins": unsigned(1),
                "ends": unsigned(1),
                "place": unsigned(place_bits(config)),
                "starter": unsigned(STARTER_BITS),
                "target": EndLayout(),
                "post": unsigned(1),
                "sem": unsigned(SEMAPHORE_ID_BITS),
                "last": unsigned(1),
            }
        )


class PushEngine(wiring.Component):
    """Walks through the lists of several places, reads their granules and packs them into WRITEs.

    One granule is taken per cycle if SRAM grants its line; padding needs no grant. The packet that it completes is offered two
    cycles later. Lists take turns packet by packet: a place waits for one packet of every other one at most, and alone it goes
    on without a gap. A packet ends where the next granule goes to another line, or when it holds as many as a line has room for.
    A list begins in the cycle after ``load``; that cycle takes no granule.

    If a granule is outside, at the source of SRAM, at the destination of the window or of 35 bits, its list stops: ``failed``
    strobes, and the packet that it was part of is not sent. The same happens on ``stop``, without ``failed``; packets that are
    complete are sent, and ``done`` may still come of them.

    Parameters
    ----------
    config : NodeConfig
        ``lists`` is at least 2.

    Members
    -------
    x, y : In(13), own coordinates
    load : In(1), load_place : In(place), load_starter : In(4), load_description : In(ListLayout)
        Strobe: a list, which was checked, begins in a place that is neither ``running`` nor ``sending``. ``load_starter`` travels
        with its packets.
    stop : In(lists), strobes: the list of that place ends as it is
    running : Out(lists), there are granules left
    sending : Out(lists), packets that are complete have not been taken yet
    read : Out(ReadPort)
    packets : Out(stream of ListPacketLayout)
    done : Out(1), done_place : Out(place), strobe: the last packet of a list is taken in this cycle
    failed : Out(1), failed_place : Out(place), failed_at : Out(EndLayout), strobe: a granule is outside, and where
    busy : Out(1), clear only if no register changes at the end of this cycle

    Raises
    ------
    ValueError
        If the configuration has no lists.
    """

    def __init__(self, config: NodeConfig):
        if not config.lists:
            raise ValueError(f"lists = {config.lists}: pushing needs at least 2")
        self.config = config
        place = place_bits(config)
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "load": In(1),
                "load_place": In(place),
                "load_starter": In(STARTER_BITS),
                "load_description": In(ListLayout()),
                "stop": In(config.lists),
                "running": Out(config.lists),
                "sending": Out(config.lists),
                "read": Out(ReadPort(config)),
                "packets": Out(stream.Signature(ListPacketLayout(config))),
                "done": Out(1),
                "done_place": Out(place),
                "failed": Out(1),
                "failed_place": Out(place),
                "failed_at": Out(EndLayout()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        granule = Signal(_GranuleLayout(self.config), reset_less=True)
        taken, room = Signal(), Signal()
        self._take(m, granule, taken, room)
        self._pack(m, granule, taken, room)
        m.d.comb += self.busy.eq(self.running.any() | self.load | taken | self.packets.valid)
        return m

    def _take(self, m, granule, taken, room):
        """Take the next granule: ``granule`` and ``taken`` are those of the cycle before."""
        config = self.config
        line_low, line_words = (config.line_bytes - 1).bit_length(), config.line_bytes // 8
        turn = Signal(place_bits(config))
        held = Signal(range(line_words))  # granules in the packet that is open

        m.submodules.walk = walk = Walk()
        m.submodules.descriptions = descriptions = Memory(shape=_StoredLayout(), depth=config.lists, init=[])
        m.submodules.positions = positions = Memory(shape=PositionLayout(), depth=config.lists, init=[])
        description, position = descriptions.read_port(domain="comb"), positions.read_port(domain="comb")
        loading, moving = descriptions.write_port(), positions.write_port()
        begin = Signal(PositionLayout())
        first_position(m, begin, self.load_description)

        active, outside_source, outside_target, advance, ends = (
            Signal(name=name) for name in ("active", "outside_source", "outside_target", "advance", "ends")
        )
        list_ = description.data.description
        in_sram = walk.source[(config.block_bytes - 1).bit_length() :].matches(*range(config.sram_blocks))
        full = Signal()
        with m.Switch(list_.granule):
            for code in range((config.line_bytes // 8).bit_length()):
                with m.Case(code):
                    m.d.comb += full.eq(held == (line_words >> code) - 1)
        m.d.comb += [
            description.addr.eq(turn),
            position.addr.eq(turn),
            walk.description.eq(list_),
            walk.position.eq(position.data),
            active.eq(self.running.bit_select(turn, 1) & ~self.stop.bit_select(turn, 1) & ~self.load & room),
            outside_source.eq(~walk.padding & ~in_sram),
            outside_target.eq(
                walk.destination[-1]
                | ((list_.destination.exit == Port.LOCAL) & walk.destination[OFFSET_BITS:ATTACHED_OFFSET_BITS].any())
            ),
            self.read.req.eq(active & ~walk.padding & ~outside_source & ~outside_target),
            self.read.address.eq(walk.source[line_low:]),
            advance.eq(active & ~outside_source & ~outside_target & (walk.padding | self.read.grant)),
            ends.eq(walk.last | (walk.destination[line_low:] != walk.following.destinations[0][line_low:]) | full),
            self.failed.eq(active & (outside_source | outside_target)),
            self.failed_place.eq(turn),
        ]
        at_target = Signal(EndLayout())
        self._at(m, at_target, list_.destination, walk.destination)
        with m.If(outside_source):
            m.d.comb += [
                self.failed_at.x.eq(self.x),
                self.failed_at.y.eq(self.y),
                self.failed_at.exit.eq(Port.LOCAL),
                self.failed_at.offset.eq(walk.source),
            ]
        with m.Else():
            m.d.comb += self.failed_at.eq(at_target)

        # A load comes before a step, since both write a position.
        m.d.comb += [
            loading.en.eq(self.load),
            loading.addr.eq(self.load_place),
            loading.data.starter.eq(self.load_starter),
            loading.data.description.eq(self.load_description),
            moving.en.eq(self.load | advance),
            moving.addr.eq(Mux(self.load, self.load_place, turn)),
            moving.data.eq(Mux(self.load, begin, walk.following)),
        ]
        one = Const(1, config.lists)
        ended = Signal(config.lists)
        m.d.comb += ended.eq(self.stop | Mux((advance & walk.last) | self.failed, one << turn, 0))
        m.d.sync += self.running.eq((self.running & ~ended) | Mux(self.load, one << self.load_place, 0))

        # The turn goes on behind a packet, and from a place that has nothing to send.
        m.submodules.choice = choice = RoundRobin(config.lists)
        yields = Signal()
        m.d.comb += [
            choice.request.eq(self.running & ~ended),
            yields.eq((advance & ends) | ~self.running.bit_select(turn, 1) | ended.bit_select(turn, 1)),
            choice.serve.eq(yields),
        ]
        with m.If(yields):
            for place in range(config.lists):
                with m.If(choice.grant[place]):
                    m.d.sync += turn.eq(place)
            m.d.sync += held.eq(0)
        with m.Elif(advance):
            m.d.sync += held.eq(held + 1)

        m.d.sync += taken.eq(advance)
        with m.If(advance):
            m.d.sync += [
                granule.padding.eq(walk.padding),
                granule.granule.eq(list_.granule),
                granule.source.eq(walk.source[3:line_low]),
                granule.destination.eq(walk.destination[3:line_low]),
                granule.begins.eq(held == 0),
                granule.ends.eq(ends),
                granule.place.eq(turn),
                granule.starter.eq(description.data.starter),
                granule.target.eq(at_target),
                granule.target.offset[:line_low].eq(0),
                granule.post.eq(list_.post_destination & walk.last),
                granule.sem.eq(list_.destination_sem),
                granule.last.eq(walk.last),
            ]

    def _pack(self, m, granule, taken, room):
        """Put the granule that was read into its packet, and offer those that are complete."""
        config = self.config
        m.submodules.mover = mover = GranuleMover(config)
        m.d.comb += [
            mover.line.eq(self.read.data),
            mover.padding.eq(granule.padding),
            mover.granule.eq(granule.granule),
            mover.source.eq(granule.source),
            mover.destination.eq(granule.destination),
        ]
        words = range(config.line_bytes // 8)
        open_words, open_data = Signal(len(words), reset_less=True), Signal(8 * config.line_bytes, reset_less=True)
        packed_words, packed_data = Signal(len(words)), Signal(8 * config.line_bytes)
        m.d.comb += packed_words.eq(Mux(granule.begins, 0, open_words) | mover.words)
        for word in words:
            before = Mux(granule.begins, 0, open_data.word_select(word, 64))
            new = mover.moved.word_select(word, 64)
            m.d.comb += packed_data.word_select(word, 64).eq(Mux(mover.words[word], new, before))
        with m.If(taken):
            m.d.sync += [open_words.eq(packed_words), open_data.eq(packed_data)]

        # Three places sustain a packet per cycle, and one more rides over a cycle in which another sender goes first.
        places = 4
        m.submodules.queue = queue = Fifo(ListPacketLayout(config), places, beside=1)
        entering = queue.i.payload
        m.d.comb += [
            room.eq(queue.level + taken < places),
            queue.i.valid.eq(taken & granule.ends),
            queue.i_beside.eq(granule.last),
            entering.destination.eq(granule.target),
            entering.place.eq(granule.place),
            entering.starter.eq(granule.starter),
            entering.post.eq(granule.post),
            entering.sem.eq(granule.sem),
            entering.mask.eq(Cat(packed_words[word].replicate(8) for word in words)),
            entering.data.eq(packed_data),
            self.done.eq(queue.o.valid & self.packets.ready & queue.o_beside),
            self.done_place.eq(queue.o.payload.place),
        ]
        # Packets of each place in the queue, and the one that is about to enter it.
        for place in range(config.lists):
            held = Signal(range(places + 1), name=f"held{place}")
            enters, leaves = Signal(name=f"enters{place}"), Signal(name=f"leaves{place}")
            m.d.comb += [
                enters.eq(taken & granule.ends & (granule.place == place)),
                leaves.eq(queue.o.valid & self.packets.ready & (queue.o.payload.place == place)),
                self.sending[place].eq(enters | (held != 0)),
            ]
            m.d.sync += held.eq(held + enters - leaves)
        wiring.connect(m, queue.o, wiring.flipped(self.packets))

    @staticmethod
    def _at(m, end, base, offset):
        """Make ``end`` the same as ``base`` at another offset."""
        m.d.comb += [end.eq(base), end.offset.eq(offset[:OFFSET_BITS])]
        with m.If(base.exit != Port.LOCAL):
            m.d.comb += end.upper.eq(offset[OFFSET_BITS:ATTACHED_OFFSET_BITS])
