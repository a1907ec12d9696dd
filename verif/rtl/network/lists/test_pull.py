# SPDX-License-Identifier: Apache-2.0
"""Pulls ask for what the model asks for, and write what NumPy says, whatever waits; what goes wrong ends one list alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import LIST_READS, GlobalAddress, ListCause, NetworkError
from golden.list_descriptor import Dimension, End, ListDescriptor, runs
from rtl.network.lists.pull import PullEngine
from verif.golden.list_oracle import Pattern, patterns
from verif.rtl.network.lists.descriptions import CONFIGS, X, Y, description_of, here
from verif.rtl.simulate import Simulation, property_settings

#: Bytes of SRAM that each place's lists write.
REGION = 0x400
FAR = X + 1


def far_memory(place: int) -> bytes:
    """What the node has from which a place pulls."""
    return bytes((i * 151 + i // 256 * 7 + place * 83) % 255 + 1 for i in range(REGION))


def described(pattern: Pattern, place: int) -> ListDescriptor:
    """The list of a pattern, from the far node of that place into its region."""
    source = int(GlobalAddress(FAR + place, Y, pattern.source))
    return ListDescriptor(pattern.granule, source, here(place * REGION + pattern.destination), pattern.dimensions)


@dataclass
class Bench:
    """Drives the engine: one list in each place, and a network and an SRAM that let it wait.

    Parameters
    ----------
    grants, readies, delays : list
        Whether SRAM grants, the router takes, cycle by cycle; cycles that each answer takes. Over and over.
    errors : dict of (place, number) to NetworkError
        READs that fail.
    """

    config: NodeConfig
    lists: list[ListDescriptor]
    grants: list[bool] = field(default_factory=lambda: [True])
    readies: list[bool] = field(default_factory=lambda: [True])
    delays: list[int] = field(default_factory=lambda: [1])
    errors: dict[tuple[int, int], NetworkError] = field(default_factory=dict)
    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    asked: list[list[int]] = field(default_factory=list)
    failures: dict[int, tuple[ListCause, int]] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    read_cycles: list[int] = field(default_factory=list)
    write_cycles: list[int] = field(default_factory=list)
    sram: bytearray = field(default_factory=bytearray)

    async def run(self, ctx: Any, engine: Any, limit: int = 4000) -> None:
        """Run to the end."""
        line = self.config.line_bytes
        self.sram = bytearray(b"\xff" * self.config.sram_bytes)
        self.asked = [[] for _ in self.lists]
        on_the_way: list[deque[tuple[int, dict[str, Any]]]] = [deque() for _ in self.lists]
        shown: int | None = None
        ctx.set(engine.x, X)
        ctx.set(engine.y, Y)
        for cycle in range(limit):
            ctx.set(engine.load, cycle < len(self.lists))
            if cycle < len(self.lists):
                ctx.set(engine.load_place, cycle)
                ctx.set(engine.load_description, description_of(self.lists[cycle]))
            if shown is None:
                ready = [place for place, way in enumerate(on_the_way) if way and way[0][0] <= cycle]
                shown = ready[cycle % len(ready)] if ready else None
            ctx.set(engine.answers.valid, shown is not None)
            if shown is not None:
                ctx.set(engine.answers.payload, on_the_way[shown][0][1])
            ctx.set(engine.reads.ready, self.readies[cycle % len(self.readies)] or cycle % 8 == 1)
            grant = self.grants[cycle % len(self.grants)] or cycle % 8 == 0
            ctx.set(engine.write.grant, grant and ctx.get(engine.write.req))
            if ctx.get(engine.write.req):
                start = ctx.get(engine.write.address) * line
                assert start < len(self.sram)
                if grant:
                    self.write_cycles.append(cycle)
                    mask, data = ctx.get(engine.write.mask), ctx.get(engine.write.data).to_bytes(line, "little")
                    for i in range(line):
                        if mask >> i & 1:
                            self.sram[start + i] = data[i]
            if ctx.get(engine.done):
                assert ctx.get(engine.done_place) not in self.done
                self.done[ctx.get(engine.done_place)] = cycle
            if ctx.get(engine.failed):
                place, at = ctx.get(engine.failed_place), ctx.get(engine.failed_at)
                assert place not in self.failures
                address = int(End(at.x, at.y, at.exit, at.upper, at.offset))
                self.failures[place] = (ListCause(ctx.get(engine.failed_cause)), address)
            if ctx.get(engine.reads.valid) and ctx.get(engine.reads.ready):
                self.read_cycles.append(cycle)
                read = ctx.get(engine.reads.payload)
                way = on_the_way[read.place]
                way.append((cycle + self.delays[len(self.read_cycles) % len(self.delays)], self._answer(read)))
                assert len(way) <= LIST_READS
            taken = shown is not None and ctx.get(engine.answers.ready)
            over = len(self.done) + len(self.failures) == len(self.lists)
            if over and not any(on_the_way) and not ctx.get(engine.busy) and not ctx.get(engine.awaiting):
                return
            await ctx.tick()
            if taken:
                assert shown is not None
                on_the_way[shown].popleft()
                shown = None
        raise AssertionError("the lists did not end")

    def _answer(self, read: Any) -> dict[str, Any]:
        source, line = read.source, self.config.line_bytes
        place, offset = int(source.x) - FAR, int(source.offset)
        assert (source.x - FAR, source.y) == (read.place, Y)
        assert offset % line == 0
        number = len(self.asked[place])
        assert read.number == number % LIST_READS
        self.asked[place].append(offset)
        data = far_memory(place)[offset : offset + line]
        return {
            "place": place,
            "number": self.numbers.get((place, number), number) % LIST_READS,
            "error": self.errors.get((place, number), 0),
            "at": {name: source[name] for name in ("x", "y", "exit", "upper", "offset")},
            "data": int.from_bytes(data.ljust(line, b"\0"), "little"),
        }


def asks(config: NodeConfig, descriptor: ListDescriptor) -> list[int]:
    """Offsets of the model's READs."""
    line = config.line_bytes
    found = runs(descriptor.granules(), line, line // descriptor.granule)
    return [run[0].source // line * line for run in found if run[0].source is not None]


flows = st.lists(st.booleans(), min_size=1, max_size=7)


@pytest.mark.parametrize("name", CONFIGS)
def test_any_pattern_is_asked_for_as_in_the_model_and_written(name: str) -> None:
    config = CONFIGS[name]
    simulation = Simulation(PullEngine(config))
    lists = st.lists(patterns(config.line_bytes, REGION, 24), min_size=1, max_size=min(3, config.lists))

    @property_settings(12)
    @given(lists, flows, flows, st.lists(st.integers(1, 30), min_size=1, max_size=5))
    def check(lists: list[Pattern], grants: list[bool], readies: list[bool], delays: list[int]) -> None:
        descriptors = [described(pattern, place) for place, pattern in enumerate(lists)]
        bench = Bench(config, descriptors, grants, readies, delays)

        async def process(ctx: Any) -> None:
            await bench.run(ctx, simulation.component)

        simulation.run(process)
        assert bench.failures == {}
        assert bench.asked == [asks(config, descriptor) for descriptor in descriptors]
        for place, pattern in enumerate(lists):
            region = bench.sram[place * REGION : (place + 1) * REGION]
            assert region == pattern.applied(far_memory(place), b"\xff" * REGION)

    check()


def run(config: NodeConfig, lists: list[ListDescriptor], **flow: Any) -> Bench:
    """The bench after a run of these lists."""
    bench = Bench(config, lists, **flow)
    simulation = Simulation(PullEngine(config))

    async def process(ctx: Any) -> None:
        await bench.run(ctx, simulation.component)

    simulation.run(process)
    return bench


LINE16, LINE64 = CONFIGS["line16"], CONFIGS["line64"]


def block(config: NodeConfig, place: int, count: int, granule: int) -> ListDescriptor:
    """Granules one after the other at both ends."""
    source = int(GlobalAddress(FAR + place, Y, 0))
    return ListDescriptor(granule, source, here(place * REGION), (Dimension(count, granule, granule),))


def test_lines_are_asked_for_and_written_one_per_cycle() -> None:
    bench = run(LINE16, [block(LINE16, 0, 40, 16)], delays=[6])
    assert bench.read_cycles == list(range(2, 42))
    assert bench.write_cycles == list(range(8, 48))


def test_small_granules_are_written_one_per_cycle() -> None:
    bench = run(LINE64, [block(LINE64, 0, 80, 8)], delays=[6])
    assert bench.write_cycles == list(range(bench.write_cycles[0], bench.write_cycles[0] + 80))


def test_padding_is_written_one_per_cycle_and_waits_for_no_answer() -> None:
    zeros = ListDescriptor(16, int(GlobalAddress(FAR, Y, 0)), here(0), (Dimension(20, 0, 16, end=0),))
    bench = run(LINE16, [zeros])
    assert bench.asked == [[]]
    assert bench.write_cycles == list(range(1, 21))


def test_padding_between_granules_of_one_line_parts_their_runs() -> None:
    pattern = Pattern(8, 0, 0, (Dimension(3, 8, 8, end=2), Dimension(2, 16, 24), Dimension(2, 64, 48)))
    bench = run(LINE64, [described(pattern, 0)], delays=[4])
    assert bench.asked == [[0, 0, 64, 64]]
    assert bench.sram[:REGION] == pattern.applied(far_memory(0), b"\xff" * REGION)


def test_answers_and_padding_of_another_list_take_turns() -> None:
    zeros = ListDescriptor(16, int(GlobalAddress(FAR, Y, 0)), here(0), (Dimension(40, 0, 16, end=0),))
    bench = run(LINE16, [zeros, block(LINE16, 1, 40, 16)])
    assert len(bench.write_cycles) == 80
    assert bench.write_cycles[-1] < 90
    assert max(bench.done.values()) - min(bench.done.values()) < 8


def test_no_more_than_so_many_reads_are_under_way() -> None:
    bench = run(LINE16, [block(LINE16, 0, 40, 16)], delays=[60])
    assert [cycle for cycle in bench.read_cycles if cycle < 60] == list(range(2, 2 + LIST_READS))


@pytest.mark.parametrize(
    "error, cause", [(NetworkError.UNREACHABLE, ListCause.UNREACHABLE), (NetworkError.BAD_OFFSET, ListCause.REFUSED)]
)
@pytest.mark.parametrize("number", [0, 3, 19])
def test_an_error_ends_its_list_alone(error: NetworkError, cause: ListCause, number: int) -> None:
    lists = [block(LINE16, place, 20, 16) for place in range(2)]
    bench = run(LINE16, lists, errors={(0, number): error}, delays=[5, 9, 2])
    assert bench.failures == {0: (cause, int(GlobalAddress(FAR, Y, 16 * number)))}
    assert bench.sram[: 16 * number] == far_memory(0)[: 16 * number]
    assert bench.sram[16 * number : REGION] == b"\xff" * (REGION - 16 * number)
    assert bench.sram[REGION : REGION + 320] == far_memory(1)[:320]
    assert list(bench.done) == [1]


def test_an_answer_out_of_order_ends_its_list() -> None:
    bench = run(LINE16, [block(LINE16, 0, 20, 16)], numbers={(0, 4): 5})
    assert bench.failures == {0: (ListCause.ORDER, int(GlobalAddress(FAR, Y, 64)))}


@pytest.mark.parametrize(
    "source, destination, dimension, failing",
    [
        (0, LINE16.sram_bytes - 32, Dimension(4, 16, 16), here(LINE16.sram_bytes)),
        (0, 16, Dimension(4, 16, -16), here((1 << 21) - 16)),
        ((1 << 21) - 16, 0, Dimension(4, 16, 16), int(GlobalAddress(FAR, Y, 0))),
        (16, 0, Dimension(4, -16, 16), int(GlobalAddress(FAR, Y, (1 << 21) - 16))),
    ],
)
def test_granules_outside_end_a_list(source: int, destination: int, dimension: Dimension, failing: int) -> None:
    wrong = ListDescriptor(16, int(GlobalAddress(FAR, Y, source)), here(destination), (dimension,))
    bench = run(LINE16, [wrong, block(LINE16, 1, 20, 16)], delays=[4])
    assert bench.failures == {0: (ListCause.OFFSET, failing)}
    assert bench.sram[REGION : REGION + 320] == far_memory(1)[:320]


def test_a_node_without_lists_pulls_nothing() -> None:
    with pytest.raises(ValueError, match="lists = 0: pulling needs at least 2"):
        PullEngine(preset("small"))
