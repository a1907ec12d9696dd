# SPDX-License-Identifier: Apache-2.0
"""Reads what lists pull, and writes it into SRAM."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import ATTACHED_OFFSET_BITS, COORDINATE_BITS, LIST_READS, OFFSET_BITS, ListCause, NetworkError, Port
from rtl.interfaces import WritePort
from rtl.network.arbiter import RoundRobin
from rtl.network.fifo import Fifo
from rtl.network.lists.layouts import EndLayout, ListLayout, PositionLayout, place_bits
from rtl.network.lists.mover import GranuleMover
from rtl.network.lists.walk import Walk, first_position

__all__ = ["ListAnswerLayout", "ListReadLayout", "PullEngine"]

_NUMBER_BITS = (LIST_READS - 1).bit_length()


class ListReadLayout(data.StructLayout):
    """A READ of a list: where from, the place that asks, and the READ's number there, modulo 16."""

    def __init__(self, config: NodeConfig):
        super().__init__({"source": EndLayout(), "place": unsigned(place_bits(config)), "number": unsigned(_NUMBER_BITS)})


class ListAnswerLayout(data.StructLayout):
    """What answers a READ of a list: data, or with ``error`` a NetworkError; ``at`` is the address that it names."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "place": unsigned(place_bits(config)),
                "number": unsigned(_NUMBER_BITS),
                "error": unsigned(2),
                "at": EndLayout(),
                "data": unsigned(8 * config.line_bytes),
            }
        )


class PullEngine(wiring.Component):
    """Walks through the lists of several places twice: to send READs, and to write what comes.

    Asking takes one granule per cycle, and sends a READ for each run of them that lies in a line; it is offered in the next
    cycle. Lists take turns run by run, and at most 16 READs of a list are under way. Writing takes one granule per cycle if SRAM
    grants it: those of an answer, which is taken with the last of them, and padding. An answer waits for the padding of its own
    list that comes before it, and for one granule of other lists; so answers drain.

    A list fails if a source is outside of the window or of 35 bits, or a destination outside of SRAM, or an answer is an error or
    out of order: ``failed`` strobes. What else comes for it is dropped, as it is after ``stop``.

    Parameters
    ----------
    config : NodeConfig
        ``lists`` is at least 2.

    Members
    -------
    x, y : In(13), own coordinates
    load : In(1), load_place : In(place), load_description : In(ListLayout)
        Strobe: a list, which was checked, begins in a place that is neither ``running`` nor ``awaiting``.
    stop : In(lists), strobes: the list of that place ends as it is
    running : Out(lists), there are granules to be written
    awaiting : Out(lists), READs are not answered yet; under_way : Out(lists x 0..16), so many
    reads : Out(stream of ListReadLayout)
    answers : In(stream of ListAnswerLayout)
    write : Out(WritePort)
    done : Out(1), done_place : Out(place), strobe: the last granule is written at the end of this cycle
    failed : Out(1), failed_place : Out(place), failed_cause : Out(3), failed_at : Out(EndLayout), strobe
    busy : Out(1), clear only if no register changes at the end of this cycle

    Raises
    ------
    ValueError
        If the configuration has no lists.
    """

    def __init__(self, config: NodeConfig):
        if not config.lists:
            raise ValueError(f"lists = {config.lists}: pulling needs at least 2")
        self.config = config
        place = place_bits(config)
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "load": In(1),
                "load_place": In(place),
                "load_description": In(ListLayout()),
                "stop": In(config.lists),
                "running": Out(config.lists),
                "under_way": Out(data.ArrayLayout(range(LIST_READS + 1), config.lists)),
                "awaiting": Out(config.lists),
                "reads": Out(stream.Signature(ListReadLayout(config))),
                "answers": In(stream.Signature(ListAnswerLayout(config))),
                "write": Out(WritePort(config)),
                "done": Out(1),
                "done_place": Out(place),
                "failed": Out(1),
                "failed_place": Out(place),
                "failed_cause": Out(3),
                "failed_at": Out(EndLayout()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lists = self.config.lists
        self._one = Const(1, lists)
        self._line_low = (self.config.line_bytes - 1).bit_length()
        m.submodules.descriptions = descriptions = Memory(shape=ListLayout(), depth=lists, init=[])
        loading = descriptions.write_port()
        begin = Signal(PositionLayout())
        first_position(m, begin, self.load_description)
        m.d.comb += [
            loading.en.eq(self.load),
            loading.addr.eq(self.load_place),
            loading.data.eq(self.load_description),
        ]

        under_way = Array(Signal(range(LIST_READS + 1), name=f"under_way{place}") for place in range(lists))
        asked = Array(Signal(_NUMBER_BITS, name=f"asked{place}") for place in range(lists))
        asks, answered, ended = Signal(lists), Signal(lists), Signal(lists)
        # Asking may not report in a cycle in which writing does.
        reports = Signal()
        source_failed, source_place, source_at = Signal(), Signal(place_bits(self.config)), Signal(EndLayout())
        self._ask(m, descriptions, begin, under_way, asked, asks, ended, reports, source_failed, source_place, source_at)
        self._write(m, descriptions, begin, under_way, asked, answered, ended, reports)
        with m.If(~reports & source_failed):
            m.d.comb += [
                self.failed.eq(1),
                self.failed_place.eq(source_place),
                self.failed_cause.eq(ListCause.OFFSET),
                self.failed_at.eq(source_at),
            ]
        m.d.comb += ended.eq(self.stop | Mux(self.failed, self._one << self.failed_place, 0))
        for place in range(lists):
            m.d.sync += under_way[place].eq(under_way[place] + asks[place] - answered[place])
            m.d.comb += [self.awaiting[place].eq(under_way[place] != 0), self.under_way[place].eq(under_way[place])]
            with m.If(self.load & (self.load_place == place)):
                m.d.sync += asked[place].eq(0)
            with m.Elif(asks[place]):
                m.d.sync += asked[place].eq(asked[place] + 1)
        m.d.comb += self.busy.eq(self.load | self.running.any() | self.answers.valid | self.reads.valid)
        return m

    def _walk(self, m, name, descriptions, begin, place, advance):
        """A walk through the lists; returns it, and the list at ``place``. It moves on with ``advance``."""
        m.submodules[f"{name}_walk"] = walk = Walk()
        m.submodules[f"{name}_positions"] = positions = Memory(shape=PositionLayout(), depth=self.config.lists, init=[])
        description, position = descriptions.read_port(domain="comb"), positions.read_port(domain="comb")
        moving = positions.write_port()
        m.d.comb += [
            description.addr.eq(place),
            position.addr.eq(place),
            walk.description.eq(description.data),
            walk.position.eq(position.data),
            # A load comes before a step, since both write a position.
            moving.en.eq(self.load | advance),
            moving.addr.eq(Mux(self.load, self.load_place, place)),
            moving.data.eq(Mux(self.load, begin, walk.following)),
        ]
        return walk, description.data

    def _run_ends(self, m, name, walk, list_, held):
        """Whether a granule that is no padding is the last of its run, of which ``held`` came before it."""
        words = self.config.line_bytes // 8
        full, ends = Signal(name=f"{name}_full"), Signal(name=f"{name}_ends")
        with m.Switch(list_.granule):
            for code in range(words.bit_length()):
                with m.Case(code):
                    m.d.comb += full.eq(held == (words >> code) - 1)
        other_line = walk.source[self._line_low :] != walk.following.sources[0][self._line_low :]
        m.d.comb += ends.eq(walk.last | walk.following_padding | other_line | full)
        return ends

    def _ask(self, m, descriptions, begin, under_way, asked, asks, ended, reports, failed, failed_place, failed_at):
        """Send READs."""
        config, one = self.config, self._one
        asking, turn = Signal(config.lists), Signal(place_bits(config))
        held = Signal(range(config.line_bytes // 8))
        advance, active, outside, yields = (Signal(name=f"ask_{name}") for name in ("advance", "active", "outside", "yields"))
        walk, list_ = self._walk(m, "ask", descriptions, begin, turn, advance)
        ends = self._run_ends(m, "ask", walk, list_, held)
        m.submodules.reads = queue = Fifo(ListReadLayout(config), 2)
        wiring.connect(m, queue.o, wiring.flipped(self.reads))

        blocked = Cat(under_way[place] == LIST_READS for place in range(config.lists))
        begins = Signal()
        read = queue.i.payload
        m.d.comb += [
            begins.eq(~walk.padding & (held == 0)),
            active.eq(asking.bit_select(turn, 1) & ~ended.bit_select(turn, 1) & ~self.load),
            outside.eq(
                ~walk.padding
                & (walk.source[-1] | ((list_.source.exit == Port.LOCAL) & walk.source[OFFSET_BITS:ATTACHED_OFFSET_BITS].any()))
            ),
            queue.i.valid.eq(active & begins & ~outside & ~blocked.bit_select(turn, 1)),
            advance.eq(active & ~outside & (~begins | (queue.i.valid & queue.i.ready))),
            asks.eq(Mux(queue.i.valid & queue.i.ready, one << turn, 0)),
            read.place.eq(turn),
            read.number.eq(asked[turn]),
            read.source.eq(failed_at),
            read.source.offset[: self._line_low].eq(0),
            failed_at.eq(list_.source),
            failed_at.offset.eq(walk.source[:OFFSET_BITS]),
            failed.eq(asking.bit_select(turn, 1) & ~self.load & outside & ~reports),
            failed_place.eq(turn),
        ]
        with m.If(list_.source.exit != Port.LOCAL):
            m.d.comb += failed_at.upper.eq(walk.source[OFFSET_BITS:ATTACHED_OFFSET_BITS])

        over = Signal(config.lists)
        m.d.comb += over.eq(ended | Mux(advance & walk.last, one << turn, 0))
        m.d.sync += asking.eq((asking & ~over) | Mux(self.load, one << self.load_place, 0))
        m.submodules.ask_choice = choice = RoundRobin(config.lists)
        m.d.comb += [
            choice.request.eq(asking & ~over & ~blocked),
            yields.eq(
                (advance & (walk.padding | ends))
                | ~asking.bit_select(turn, 1)
                | ended.bit_select(turn, 1)
                | (begins & blocked.bit_select(turn, 1))
            ),
            choice.serve.eq(yields),
        ]
        with m.If(yields):
            for place in range(config.lists):
                with m.If(choice.grant[place]):
                    m.d.sync += turn.eq(place)
            m.d.sync += held.eq(0)
        with m.Elif(advance):
            m.d.sync += held.eq(held + 1)

    def _write(self, m, descriptions, begin, under_way, asked, answered, ended, reports):
        """Write answers and padding."""
        config, one = self.config, self._one
        answer = self.answers.payload
        place, advance, takes = Signal(place_bits(config)), Signal(), Signal()
        walk, list_ = self._walk(m, "write", descriptions, begin, place, advance)
        held = Signal(range(config.line_bytes // 8))
        ends = self._run_ends(m, "write", walk, list_, held)

        # Lists whose next granule may be padding; of one that has just begun it is looked at.
        may_pad = Signal(config.lists)
        m.submodules.pad_choice = choice = RoundRobin(config.lists)
        padded_last, pads, wanted = Signal(), Signal(), Signal()
        m.d.comb += [
            choice.request.eq(self.running & may_pad),
            # Before an answer, padding of its own list comes; beside that, one granule of other lists for each answer.
            wanted.eq(
                self.answers.valid & ~may_pad.bit_select(answer.place, 1) & self.running.bit_select(answer.place, 1) & ~self.load
            ),
            pads.eq(choice.request.any() & ~self.load & (~padded_last | ~wanted)),
            place.eq(answer.place),
        ]
        with m.If(pads):
            for number in range(config.lists):
                with m.If(choice.grant[number]):
                    m.d.comb += place.eq(number)

        m.submodules.mover = mover = GranuleMover(config)
        in_sram = walk.destination[(config.block_bytes - 1).bit_length() :].matches(*range(config.sram_blocks))
        # Beyond the READs under way nothing is expected, so the oldest one's number follows from the newest one's.
        expected = Signal(_NUMBER_BITS)
        drops, writes = Signal(), Signal()
        m.d.comb += [
            expected.eq(asked[answer.place] - under_way[answer.place]),
            drops.eq(self.answers.valid & ~self.running.bit_select(answer.place, 1)),
            mover.line.eq(answer.data),
            mover.padding.eq(pads),
            mover.granule.eq(list_.granule),
            mover.source.eq(walk.source[3 : self._line_low]),
            mover.destination.eq(walk.destination[3 : self._line_low]),
            writes.eq(Mux(pads, walk.padding, wanted & (answer.error == 0) & (answer.number == expected))),
            self.write.req.eq(writes & in_sram),
            self.write.address.eq(walk.destination[self._line_low :]),
            self.write.mask.eq(Cat(mover.words[word].replicate(8) for word in range(config.line_bytes // 8))),
            self.write.data.eq(mover.moved),
            advance.eq(self.write.req & self.write.grant),
            takes.eq(self.answers.valid & self.answers.ready),
            answered.eq(Mux(takes & self.awaiting.bit_select(answer.place, 1), one << answer.place, 0)),
            self.done.eq(advance & walk.last),
            self.done_place.eq(place),
        ]
        with m.If(writes & ~in_sram):
            m.d.comb += [
                reports.eq(1),
                self.failed_cause.eq(ListCause.OFFSET),
                self.failed_at.offset.eq(walk.destination),
                self.failed_at.x.eq(self.x),
                self.failed_at.y.eq(self.y),
            ]
        with m.Elif(wanted & ~pads & (answer.error != 0)):
            m.d.comb += [
                reports.eq(1),
                self.failed_cause.eq(Mux(answer.error == NetworkError.UNREACHABLE, ListCause.UNREACHABLE, ListCause.REFUSED)),
                self.failed_at.eq(answer.at),
            ]
        with m.Elif(wanted & ~pads & (answer.number != expected)):
            m.d.comb += [reports.eq(1), self.failed_cause.eq(ListCause.ORDER), self.failed_at.eq(answer.at)]
        with m.If(reports):
            m.d.comb += [self.failed.eq(1), self.failed_place.eq(place)]
        m.d.comb += [
            self.answers.ready.eq(drops | (~pads & ((advance & ends) | reports))),
            choice.serve.eq(pads & (advance | ~walk.padding)),
        ]

        over = Signal(config.lists)
        m.d.comb += over.eq(ended | Mux(self.done, one << place, 0))
        m.d.sync += self.running.eq((self.running & ~over) | Mux(self.load, one << self.load_place, 0))
        with m.If(self.load):
            m.d.sync += may_pad.eq(may_pad | one << self.load_place)
        with m.Elif(advance | (pads & ~walk.padding)):
            m.d.sync += may_pad.bit_select(place, 1).eq(advance & walk.following_padding)
        with m.If(pads):
            m.d.sync += padded_last.eq(advance | ~walk.padding)
        with m.Elif(takes):
            m.d.sync += padded_last.eq(0)
        with m.If(self.answers.ready):
            m.d.sync += held.eq(0)
        with m.Elif(advance & ~pads):
            m.d.sync += held.eq(held + 1)
