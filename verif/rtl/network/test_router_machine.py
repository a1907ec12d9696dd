# SPDX-License-Identifier: Apache-2.0
"""Random histories of one router: flits of all kinds, held up anywhere at any time; whatever came in comes out as it should.

Rules act between cycles, so that what hypothesis shows of a failure is the shortest history that it finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis
import pytest
from amaranth import Signal
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from golden.config import NodeConfig
from golden.layout import Kind, TrafficClass
from golden.router import Router as GoldenRouter
from verif.bench import bench_seed
from verif.rtl.network.flits import CLASSES, LINKS, expected_ways, pack
from verif.rtl.network.formal.mistakes import Mistake, MistakenRouter, planted
from verif.rtl.simulate import Simulation

#: The shortest line and channel, and no table.
CONFIG = NodeConfig(line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=16, semaphores=8, channel_depth=3, route_bits=0)
X, Y, ALL = 1, 1, 0b1111
PLACES = (*LINKS, "local")

#: Cycles in which a router that nobody holds up is empty, for each flit that is under way, and as many more.
DRAIN = 6

#: What is sent: kind, x, y, exit, upper, row of the sender, post, mask.
FLITS = st.builds(
    lambda kind, x, y, exit, columns, rows, src_y, post, mask: {
        "kind": kind, "x": x, "y": y, "exit": exit, "upper": columns | rows << 7, "src_y": src_y, "post": post, "mask": mask,
    },
    st.sampled_from(tuple(Kind)), st.integers(0, 2), st.integers(0, 2), st.sampled_from((0, 0, 0, *range(8))),
    st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, (1 << 16) - 1),
)  # fmt: skip


class History:
    """A history of rules, played to a router cycle by cycle when it is complete."""

    def __init__(self, simulation: Simulation, mistake: Signal, chosen: int, edges: int):
        self.simulation, self.mistake, self.chosen = simulation, mistake, chosen
        self.golden = GoldenRouter(CONFIG, X, Y, ALL, edges)
        self.edges = edges
        self.steps: list[Callable[[], None] | int] = []
        self.queues: dict[tuple[str, int], deque[int]] = {(place, c): deque() for place in PLACES for c in TrafficClass}
        self.stalled: set[tuple[str, int]] = set()
        self.room = {(link, c): CONFIG.channel_depth for link in LINKS for c in TrafficClass}
        self.owed = dict.fromkeys(self.room, 0)
        #: By number: the flit, and where its copies have still to leave.
        self.flits: dict[int, int] = {}
        self.expected: dict[int, list[tuple[str, int, bool]]] = {}
        #: Numbers, in their order, by where and in which class they entered and what they go to.
        self.order: dict[tuple[Any, ...], list[int]] = {}
        self.place: dict[tuple[Any, str], int] = {}

    def send(self, source: str, fields: dict[str, int]) -> None:
        number = len(self.flits)
        c = TrafficClass.REQUEST if fields["kind"] in (Kind.WRITE, Kind.READ) else TrafficClass.RESPONSE
        whole = fields | {"tag": number, "data": (number * 0x9E3779B97F4A7C15 + 1) & (1 << 128) - 1}
        self.flits[number] = pack(CONFIG, whole)
        self.expected[number] = [(port, int(c), lost) for port, lost in expected_ways(fields, self.golden, source, c)]
        self.order.setdefault((source, c), []).append(number)
        self.queues[source, c].append(number)

    async def play(self, context: Any) -> None:
        """All steps, and then until nothing is under way."""
        dut = self.simulation.component
        context.set(self.mistake, self.chosen)
        for port, value in ((dut.x, X), (dut.y, Y), (dut.links, ALL), (dut.edges, self.edges)):
            context.set(port, value)
        for step in self.steps:
            if callable(step):
                step()
            else:
                for _ in range(step):
                    await self.cycle(context)
        self.stalled.clear()
        for _ in range(DRAIN * (len(self.flits) + 2)):
            await self.cycle(context)
            if not (context.get(dut.busy) or any(self.expected.values()) or any(self.owed.values())):
                break
        # A credit that was on its way out, and what may come that should not.
        for _ in range(3):
            await self.cycle(context)
        lost = {number: places for number, places in self.expected.items() if places}
        assert not lost, f"these did not leave: {lost}"
        assert not context.get(dut.busy), "nothing is under way, and the router is busy"
        assert set(self.room.values()) == {CONFIG.channel_depth}, "credits are missing"

    async def cycle(self, context: Any) -> None:
        dut = self.simulation.component
        for link in LINKS:
            out, into = getattr(dut, f"{link}_out"), getattr(dut, f"{link}_in")
            valid, returned, refund, sends = context.get(out.valid), context.get(into.credit), 0, 0
            for c in TrafficClass:
                self.room[link, c] += returned >> c & 1
                assert self.room[link, c] <= CONFIG.channel_depth, f"{link} gave a credit too many"
                if valid >> c & 1:
                    self.leave(context.get(out.flit.as_value()), link, c, lost=False)
                    self.owed[link, c] += 1
                    assert self.owed[link, c] <= CONFIG.channel_depth, f"{link} sent without a credit"
                if self.owed[link, c] and (link, c) not in self.stalled:
                    self.owed[link, c] -= 1
                    refund |= 1 << c
                if not sends and self.queues[link, c] and self.room[link, c]:
                    self.room[link, c] -= 1
                    sends = 1 << c
                    context.set(into.flit.as_value(), self.flits[self.queues[link, c].popleft()])
            context.set(out.credit, refund)
            context.set(into.valid, sends)
        taken = []
        for c, name in zip(TrafficClass, CLASSES, strict=True):
            eject, inject, queue = getattr(dut, f"eject_{name}"), getattr(dut, f"inject_{name}"), self.queues["local", c]
            ready = ("local", c) not in self.stalled
            context.set(eject.ready, ready)
            if ready and context.get(eject.valid):
                payload = context.get(eject.payload.as_value())
                bits = len(eject.payload.as_value()) - 1
                self.leave(payload & (1 << bits) - 1, "local", c, lost=bool(payload >> bits))
            context.set(inject.valid, bool(queue))
            if queue:
                context.set(inject.payload.as_value(), self.flits[queue[0]])
                taken.append((inject, queue))
        # What is taken does not depend on other inputs than those that are set by now.
        gone = [queue for inject, queue in taken if context.get(inject.ready)]
        await context.tick()
        for queue in gone:
            queue.popleft()

    def leave(self, value: int, port: str, c: int, *, lost: bool) -> None:
        """A flit came out: it has to be one that is expected there, and none that came in later has been before it."""
        number = next((number for number, flit in self.flits.items() if flit == value), None)
        assert number is not None, f"{port} gave a flit that nobody sent"
        assert (port, c, lost) in self.expected[number], f"flit {number} left by {port} ({lost=}), or once more"
        self.expected[number].remove((port, c, lost))
        (entry,) = (entry for entry, numbers in self.order.items() if number in numbers)
        assert self.place.get((entry, port), -1) <= number, f"flit {number} was overtaken"
        self.place[entry, port] = number


class Mistaken(NamedTuple):
    """A router that makes a mistake, and the signal that names it."""

    simulation: Simulation
    mistake: Signal


def machine(router: Mistaken, mistake: Mistake) -> type[RuleBasedStateMachine]:
    """The rules, for a router that makes a mistake."""

    class RouterMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.history = History(*router, mistake, 0b1001)

        @rule(source=st.sampled_from(PLACES), flits=st.lists(FLITS, min_size=1, max_size=6))
        def send(self, source: str, flits: list[dict[str, int]]) -> None:
            for fields in flits:
                self.history.steps.append(lambda fields=fields: self.history.send(source, fields))  # type: ignore[misc]

        @rule(place=st.sampled_from(PLACES), c=st.sampled_from(tuple(TrafficClass)))
        def stall(self, place: str, c: int) -> None:
            self.history.steps.append(lambda: self.history.stalled.add((place, c)))

        @precondition(lambda self: self.history.steps)
        @rule(place=st.sampled_from(PLACES), c=st.sampled_from(tuple(TrafficClass)))
        def go_on(self, place: str, c: int) -> None:
            self.history.steps.append(lambda: self.history.stalled.discard((place, c)))

        @rule(cycles=st.integers(1, 12))
        def run(self, cycles: int) -> None:
            self.history.steps.append(cycles)

        def teardown(self) -> None:
            router.simulation.run(self.history.play)

    return RouterMachine


def check(router: Mistaken, mistake: Mistake, examples: int) -> None:
    """Play histories; only a failure that nobody expects is worth the time of finding a shorter one."""
    phases = [hypothesis.Phase.generate, *([] if mistake else [hypothesis.Phase.shrink])]
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        database=None,
        print_blob=True,
        phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(bench_seed())(machine(router, mistake)), settings=settings)


@pytest.fixture(scope="module")
def simulation() -> Mistaken:
    mistake = Signal(range(len(Mistake)))
    with planted(mistake):
        return Mistaken(Simulation(MistakenRouter(CONFIG, mistake)), mistake)


def test_whatever_happens_nothing_is_lost_doubled_changed_or_out_of_order(simulation: Mistaken) -> None:
    check(simulation, Mistake.NONE, 12)


@pytest.mark.parametrize(
    "mistake, message",
    [
        (Mistake.CREDIT_LEAKS, "these did not leave"),
        (Mistake.CLASSES_SWAPPED, "left by north|gave a flit that nobody sent"),
        (Mistake.FLIT_DOUBLED, "or once more|without a credit"),
        (Mistake.COPY_LOST, "these did not leave"),
    ],
    ids=lambda value: value.name if isinstance(value, Mistake) else "",
)
def test_mistakes_are_found(simulation: Mistaken, mistake: Mistake, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(simulation, mistake, 40)
