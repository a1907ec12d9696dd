# SPDX-License-Identifier: Apache-2.0
"""Random histories of a router or a mesh: flits of all kinds, held up anywhere at any time; what came in comes out as it should.

Rules of a hypothesis state machine make up a history, which is played cycle by cycle when it is complete. So what hypothesis
shows of a failure is the shortest history that it finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from golden.config import NodeConfig
from golden.layout import Kind, TrafficClass
from verif.bench import bench_seed
from verif.rtl.network.flits import pack
from verif.rtl.simulate import Simulation

__all__ = ["CONFIG", "Bench", "History", "Interface", "Link", "play_histories"]

#: The shortest line and channel, and no table.
CONFIG = NodeConfig(line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=16, semaphores=8, channel_depth=3, route_bits=0)

#: Cycles for each flit in which all of them are out if nobody holds them up, and those of an empty history.
_DRAIN, _LEAST = 8, 24


def flit(kind: Kind, x: int, y: int, exit: int, columns: int, rows: int, post: int, mask: int) -> dict[str, int]:
    """What a history says of a flit; a name is what hypothesis shows of it."""
    return {"kind": kind, "x": x, "y": y, "exit": exit, "upper": columns | rows << 7, "post": post, "mask": mask}


_FLITS = st.builds(
    flit,
    st.sampled_from(tuple(Kind)), st.integers(0, 2), st.integers(0, 2), st.sampled_from((0, 0, 0, *range(8))),
    st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, (1 << CONFIG.line_bytes) - 1),
)  # fmt: skip


class Link(NamedTuple):
    """Signals of a link, both classes of it, as what is tested sees it."""

    place: str
    out_valid: Any
    out_flit: Any
    out_credit: Any
    in_valid: Any
    in_flit: Any
    in_credit: Any


class Interface(NamedTuple):
    """Signals of one class of a network interface; the highest bit of what is ejected tells that it is undeliverable."""

    place: str
    traffic_class: TrafficClass
    inject_valid: Any
    inject_payload: Any
    inject_ready: Any
    eject_valid: Any
    eject_payload: Any
    eject_ready: Any


class Bench(NamedTuple):
    """What is tested.

    Attributes
    ----------
    simulation : Simulation
    links, interfaces : sequence of Link, sequence of Interface
    constants : sequence of (signal, value)
    busy : function of a context, whether anything is under way
    expected : function of (source, fields, class)
        Adds to a flit's fields what its sender knows, and returns where its copies leave: place, and whether as undeliverable.
    stream : function of (source, fields)
        Flits of which it is the same, and of the same class, leave by each place in the order in which they came.
    """

    simulation: Simulation
    links: Sequence[Link]
    interfaces: Sequence[Interface]
    constants: Sequence[tuple[Any, int]]
    busy: Callable[[Any], bool]
    expected: Callable[[str, dict[str, int], TrafficClass], Collection[tuple[str, bool]]]
    stream: Callable[[str, dict[str, int]], Any]

    @property
    def places(self) -> list[str]:
        return list(dict.fromkeys([*(link.place for link in self.links), *(port.place for port in self.interfaces)]))


class History:
    """A history of steps, each of which does something between cycles or is a number of cycles."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.steps: list[Callable[[], None] | int] = []
        places = [(place, c) for place in bench.places for c in TrafficClass]
        self.queues: dict[tuple[str, int], deque[int]] = {place: deque() for place in places}
        self.stalled: set[tuple[str, int]] = set()
        self.room = {(link.place, c): CONFIG.channel_depth for link in bench.links for c in TrafficClass}
        self.owed = dict.fromkeys(self.room, 0)
        #: Number of each flit, by its bits.
        self.numbers: dict[int, int] = {}
        #: By number: where its copies have still to leave, and what it belongs to.
        self.expected: dict[int, list[tuple[str, int, bool]]] = {}
        self.streams: dict[int, Any] = {}
        self.last: dict[tuple[Any, str], int] = {}

    def send(self, source: str, fields: dict[str, int]) -> None:
        number = len(self.numbers)
        c = TrafficClass.REQUEST if fields["kind"] in (Kind.WRITE, Kind.READ) else TrafficClass.RESPONSE
        whole = fields | {"tag": number, "data": (number * 0x9E3779B97F4A7C15 + 1) & (1 << 128) - 1}
        self.expected[number] = [(place, c, lost) for place, lost in self.bench.expected(source, whole, c)]
        self.streams[number] = (source, c, self.bench.stream(source, whole))
        flit = pack(CONFIG, whole)
        self.numbers[flit] = number
        self.queues[source, c].append(flit)

    async def play(self, context: Any) -> None:
        """All steps, and then cycles until nothing is under way."""
        for signal, value in self.bench.constants:
            context.set(signal, value)
        for step in self.steps:
            if callable(step):
                step()
            else:
                for _ in range(step):
                    await self.cycle(context)
        self.stalled.clear()
        for _ in range(_LEAST + _DRAIN * len(self.numbers)):
            await self.cycle(context)
            if not (self.bench.busy(context) or any(self.expected.values()) or any(self.owed.values())):
                break
        # A credit that was on its way out, and what may come that should not.
        for _ in range(3):
            await self.cycle(context)
        lost = {number: places for number, places in self.expected.items() if places}
        assert not lost, f"these did not leave: {lost}"
        assert not self.bench.busy(context), "nothing is under way, and something is busy"
        assert set(self.room.values()) == {CONFIG.channel_depth}, "credits are missing"

    async def cycle(self, context: Any) -> None:
        for link in self.bench.links:
            self._link(context, link)
        offered = []
        for port in self.bench.interfaces:
            place = port.place, port.traffic_class
            ready = place not in self.stalled
            context.set(port.eject_ready, ready)
            if ready and context.get(port.eject_valid):
                payload, bits = context.get(port.eject_payload), len(port.eject_payload) - 1
                self._leave(payload & (1 << bits) - 1, *place, lost=bool(payload >> bits))
            queue = self.queues[place]
            context.set(port.inject_valid, bool(queue))
            if queue:
                context.set(port.inject_payload, queue[0])
                offered.append((port.inject_ready, queue))
        # By now all inputs are set, on which it depends what is taken.
        taken = [queue for ready, queue in offered if context.get(ready)]
        await context.tick()
        for queue in taken:
            queue.popleft()

    def _link(self, context: Any, link: Link) -> None:
        valid, returned, refund, sends = context.get(link.out_valid), context.get(link.in_credit), 0, 0
        for c in TrafficClass:
            place = link.place, c
            self.room[place] += returned >> c & 1
            assert self.room[place] <= CONFIG.channel_depth, f"{link.place} gave a credit too many"
            if valid >> c & 1:
                self._leave(context.get(link.out_flit), *place, lost=False)
                self.owed[place] += 1
                assert self.owed[place] <= CONFIG.channel_depth, f"{link.place} sent without a credit"
            if self.owed[place] and place not in self.stalled:
                self.owed[place] -= 1
                refund |= 1 << c
            if not sends and self.queues[place] and self.room[place]:
                self.room[place] -= 1
                sends = 1 << c
                context.set(link.in_flit, self.queues[place].popleft())
        context.set(link.out_credit, refund)
        context.set(link.in_valid, sends)

    def _leave(self, flit: int, place: str, c: int, *, lost: bool) -> None:
        """A flit came out: it has to be one that is expected there, and none that came in later has been before it."""
        assert flit in self.numbers, f"{place} gave a flit that nobody sent"
        number = self.numbers[flit]
        assert (place, c, lost) in self.expected[number], f"flit {number} left by {place} ({lost=}), or once more"
        self.expected[number].remove((place, c, lost))
        stream = self.streams[number], place
        assert self.last.get(stream, -1) <= number, f"flit {number} was overtaken"
        self.last[stream] = number


def _machine(bench: Bench) -> type[RuleBasedStateMachine]:
    places, classes = st.sampled_from(bench.places), st.sampled_from(tuple(TrafficClass))

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.history = History(bench)

        @rule(source=places, flits=st.lists(_FLITS, min_size=1, max_size=6))
        def send(self, source: str, flits: list[dict[str, int]]) -> None:
            self.history.steps += [lambda fields=fields: self.history.send(source, fields) for fields in flits]  # type: ignore[misc]

        @rule(place=places, c=classes)
        def stall(self, place: str, c: int) -> None:
            self.history.steps.append(lambda: self.history.stalled.add((place, c)))

        @precondition(lambda self: self.history.steps)
        @rule(place=places, c=classes)
        def go_on(self, place: str, c: int) -> None:
            self.history.steps.append(lambda: self.history.stalled.discard((place, c)))

        @rule(cycles=st.integers(1, 12))
        def run(self, cycles: int) -> None:
            self.history.steps.append(cycles)

        def teardown(self) -> None:
            bench.simulation.run(self.history.play)

    return Machine


def play_histories(bench: Bench, examples: int, *, shrinks: bool = True) -> None:
    """Play so many histories. A failure that is expected is not worth the time of finding a shorter one."""
    phases = [hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrinks else [])]
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        database=None,
        print_blob=True,
        phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(bench_seed())(_machine(bench)), settings=settings)
