# SPDX-License-Identifier: Apache-2.0
"""Places for lists: who started what there, how far it is, and why it failed."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    LIST_BLOCK,
    LIST_IGNORED,
    LIST_READS,
    LIST_START,
    LIST_STRIDE,
    OFFSET_BITS,
    ListRegister,
    ListState,
    Port,
)
from rtl.core.selector import select_register
from rtl.network.lists.layouts import EndLayout, place_bits
from rtl.network.route_table import RoutePort

__all__ = ["FailureLayout", "ListPlaces", "ListWhereLayout", "Phase", "PlaceLayout", "starter_tag"]

_IGNORED_BITS = 16


class Phase(enum.Enum, shape=3):
    """How far the list of a place is.

    LOAD: its descriptor is to be loaded. LOADING: is being loaded. MOVING: it is being pushed or pulled. CLOSING: all has been
    moved, and posts are to be done. FAILED: its starter is to hear of it, and what is under way to come to an end.
    """

    FREE = 0
    LOAD = 1
    LOADING = 2
    MOVING = 3
    CLOSING = 4
    FAILED = 5


class ListWhereLayout(data.StructLayout):
    """Where a descriptor should lie: an offset, and whether there is none since it is beyond the window."""

    def __init__(self):
        super().__init__({"offset": unsigned(OFFSET_BITS), "beyond": unsigned(1)})


class FailureLayout(data.StructLayout):
    """That a list has failed: why, and the address that it is about, or with ``own`` that of its descriptor."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "valid": unsigned(1),
                "place": unsigned(place_bits(config)),
                "cause": unsigned(3),
                "own": unsigned(1),
                "at": EndLayout(),
            }
        )


class PlaceLayout(data.StructLayout):
    """What is known of a place's list: ``turn`` changes from one to the next, ``thread`` is 0 if a packet started it."""

    def __init__(self):
        super().__init__(
            {
                "phase": Phase,
                "where": ListWhereLayout(),
                "thread": unsigned(2),
                "by_packet": unsigned(1),
                "turn": unsigned(1),
                "pull": unsigned(1),
            }
        )


def starter_tag(place):
    """Low bits of the tag of WRITEs of a place's list."""
    return Cat(place.thread, place.by_packet, place.turn)


class ListPlaces(wiring.Component):
    """Starts lists in free places, keeps how far they are, and shows it in registers.

    Threads start lists when there is ``room``, a cycle later at most. What a packet starts waits for a cycle in which no thread
    does; meanwhile ``starting`` asks that no other packet is served. The phase of a place changes by the strobes below; failures
    count last. A list that has failed frees its place when nothing is ``under_way`` and its thread has heard of it, by ``error``.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    x, y : In(13), own coordinates
    start : In(1), start_thread : In(2), start_offset : In(21), strobe: a thread starts a list; only behind a cycle of ``room``
    registers : In(RoutePort), the control page
    room : Out(1), starting : Out(1)
    places : Out(lists x PlaceLayout), from registers
    loading, moving, pulls, closing, chained, freed : In(lists)
        Strobes. loading: the loader has taken it. moving: it is loaded; with ``pulls``, it is a pull. closing: everything has
        been moved. chained: it goes on ``following``. freed: it is over.
    following : In(ListWhereLayout)
    loaded_failure, push_failure, pull_failure : In(FailureLayout), the list of a place has failed
    refused : In(FailureLayout), a WRITE of a place was refused; its list fails, if ``refused_starter`` says that it is the same.
        Taken only with ``quiet``.
    refused_starter : In(4), low bits of the tag of that WRITE
    quiet : Out(1), no thread is about to hear of a failure
    stop : Out(lists), strobe: the list of that place was moving until it failed by ``refused``
    counts : In(lists x 0..16), READs under way; under_way : In(lists), anything of a list is still to come or to leave
    error : Out(1), error_thread : Out(2), error_at : Out(64), strobe: a thread's list has failed
    busy : Out(1), clear only if no register changes at the end of this cycle
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        lists = config.lists
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "start": In(1),
                "start_thread": In(2),
                "start_offset": In(OFFSET_BITS),
                "registers": In(RoutePort()),
                "room": Out(1),
                "starting": Out(1),
                "places": Out(data.ArrayLayout(PlaceLayout(), lists)),
                **{name: In(lists) for name in ("loading", "moving", "pulls", "closing", "chained", "freed")},
                "following": In(ListWhereLayout()),
                **{f"{name}_failure": In(FailureLayout(config)) for name in ("loaded", "push", "pull")},
                "refused": In(FailureLayout(config)),
                "refused_starter": In(4),
                "quiet": Out(1),
                "stop": Out(lists),
                "counts": In(data.ArrayLayout(range(LIST_READS + 1), lists)),
                "under_way": In(lists),
                "error": Out(1),
                "error_thread": Out(2),
                "error_at": Out(64),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lists, registers = self.config.lists, self.registers
        free, reports = Signal(lists), Signal(lists)
        any_free = Signal()
        takes = Signal(lists)  # the place that a list is started in
        waiting, packet = Signal(), Signal(ListWhereLayout())
        starts = Signal()

        start_written = registers.write & (registers.register == LIST_START // 8)
        with m.If(start_written):
            m.d.sync += [
                packet.offset.eq(registers.write_data),
                packet.beyond.eq(registers.write_data[OFFSET_BITS:].any()),
            ]
        ignored = Signal(_IGNORED_BITS)
        m.d.comb += [
            free.eq(Cat(place.phase == Phase.FREE for place in self.places)),
            any_free.eq(free.any()),
            self.room.eq(any_free & ~waiting),
            self.starting.eq(waiting),
            starts.eq(any_free & (self.start | waiting)),
            takes.eq(Mux(starts, free & -free, 0)),
        ]
        m.d.sync += waiting.eq(start_written | (waiting & self.start))
        with m.If(waiting & ~self.start & ~any_free & ~ignored.all()):
            m.d.sync += ignored.eq(ignored + 1)
        # Never in the same cycle: what waits to start a list holds up all writes.
        with m.If(registers.write & (registers.register == LIST_IGNORED // 8)):
            m.d.sync += ignored.eq(0)

        shown = {LIST_IGNORED // 8: ignored}
        m.d.comb += [
            self.quiet.eq(~reports.any()),
            self.busy.eq(~free.all() | waiting | self.start | self.refused.valid),
        ]
        reporting = Signal(lists)
        m.d.comb += reporting.eq(reports & -reports)
        for number, place in enumerate(self.places):
            self._place(m, number, place, takes[number], packet)
            self._failures(m, number, place, reports[number], reporting[number], shown)
        # It stands alone: nobody else reports when it is taken.
        with m.If(self.refused.valid):
            m.d.comb += [
                self.error.eq(~self.refused_starter[2]),
                self.error_thread.eq(self.refused_starter[:2]),
                self.error_at.eq(self.refused.at),
            ]
        selected, _ = select_register(m, registers.register, shown)
        m.d.comb += registers.read_data.eq(selected)
        return m

    def _place(self, m, number, place, takes, packet):
        """How far the list of a place is, but for failures."""
        with m.If(self.loading[number]):
            m.d.sync += place.phase.eq(Phase.LOADING)
        with m.If(self.moving[number]):
            m.d.sync += [place.phase.eq(Phase.MOVING), place.pull.eq(self.pulls[number])]
        with m.If(self.closing[number]):
            m.d.sync += place.phase.eq(Phase.CLOSING)
        with m.If(self.chained[number]):
            m.d.sync += [place.phase.eq(Phase.LOAD), place.where.eq(self.following)]
        with m.If(self.freed[number]):
            m.d.sync += place.phase.eq(Phase.FREE)
        with m.If(takes):
            m.d.sync += [
                place.phase.eq(Phase.LOAD),
                place.thread.eq(Mux(self.start, self.start_thread, 0)),
                place.by_packet.eq(~self.start),
                place.turn.eq(~place.turn),
                place.pull.eq(0),
                place.where.eq(packet),
            ]
            with m.If(self.start):
                m.d.sync += [place.where.offset.eq(self.start_offset), place.where.beyond.eq(0)]

    def _failures(self, m, number, place, reports, reporting, shown):
        """Registers of a place, and what becomes of its list if that fails.

        ``reports``: its thread is to hear of it; with ``reporting``, in this cycle. ``shown`` gets the registers.
        """
        registers, refused = self.registers, self.refused
        block = (LIST_BLOCK + number * LIST_STRIDE) // 8
        state, starter = Signal(ListState, name=f"state{number}"), Signal(3, name=f"starter{number}")
        shown_state, shown_failure = Signal(64, name=f"shown_state{number}"), Signal(64, name=f"shown_failure{number}")
        cause, blamed = Signal(3, name=f"cause{number}"), Signal(3, name=f"blamed{number}")
        offset, address = Signal(OFFSET_BITS, name=f"failed_offset{number}"), Signal(EndLayout(), name=f"address{number}")
        taken = place.phase != Phase.FREE
        with m.If(place.phase == Phase.FAILED):
            m.d.comb += state.eq(ListState.ENDING)
        with m.Elif(taken):
            m.d.comb += state.eq(ListState.RUNNING)
        m.d.comb += [
            starter.eq(Cat(place.by_packet, place.thread)),
            shown_failure.eq(Cat(cause, blamed, Const(0, 26), offset)),
        ]
        with m.If(taken):
            m.d.comb += shown_state.eq(
                Cat(state, place.pull, starter, Const(0, 2), self.counts[number], Const(0, 19), place.where.offset)
            )
        shown |= {
            block + ListRegister.STATE // 8: shown_state,
            block + ListRegister.FAILURE // 8: shown_failure,
            block + ListRegister.ADDRESS // 8: address,
        }

        with m.If((state == ListState.ENDING) & ~self.under_way[number] & ~reports):
            m.d.sync += place.phase.eq(Phase.FREE)
        with m.If(registers.write & (registers.register == block + ListRegister.FAILURE // 8)):
            m.d.sync += [cause.eq(0), blamed.eq(0), offset.eq(0), address.eq(0)]
        own = Signal(EndLayout(), name=f"own{number}")
        m.d.comb += [own.x.eq(self.x), own.y.eq(self.y), own.exit.eq(Port.LOCAL), own.offset.eq(place.where.offset)]
        with m.If(reporting):
            m.d.comb += [
                self.error.eq(~place.by_packet),
                self.error_thread.eq(place.thread),
                self.error_at.eq(address),
            ]
            m.d.sync += reports.eq(0)
        # The thread hears of a refusal at once, and of the others in the next cycles: their lists keep the place until then.
        for failure in (refused, self.loaded_failure, self.push_failure, self.pull_failure):
            with m.If(failure.valid & (failure.place == number)):
                m.d.sync += [
                    cause.eq(failure.cause),
                    blamed.eq(starter),
                    offset.eq(place.where.offset),
                    address.eq(Mux(failure.own, own, failure.at)),
                ]
                if failure is refused:
                    # Who started it stands in the packet: it may be the list before.
                    m.d.sync += blamed.eq(Cat(self.refused_starter[2], self.refused_starter[:2]))
                    with m.If(state == ListState.RUNNING), m.If(self.refused_starter == starter_tag(place)):
                        m.d.sync += place.phase.eq(Phase.FAILED)
                        m.d.comb += self.stop[number].eq(1)
                else:
                    m.d.sync += [place.phase.eq(Phase.FAILED), reports.eq(1)]
