# SPDX-License-Identifier: Apache-2.0
"""The instruction cache: what hits is what memory held since the last flush; lines are asked for once, needed ones first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from rtl.frontend.icache import InstructionCache
from verif.rtl.frontend.program import line_data, random_word
from verif.rtl.simulate import Simulation, property_settings

SMALLEST = NodeConfig(sram_blocks=1, sram_ways=1, bank_lines=16, fetch_lines=2)
CONFIGS = [
    SMALLEST.replace(line_bytes=16, fetch_bytes=8, threads=1),
    SMALLEST.replace(line_bytes=32, fetch_bytes=32, threads=2, fetch_lines=4),
    SMALLEST.replace(line_bytes=64, fetch_bytes=16, threads=4),
    # As many lines as SRAM has
    SMALLEST.replace(line_bytes=16, fetch_bytes=16, threads=2, fetch_lines=8),
]
SIMULATIONS = {config: Simulation(InstructionCache(config)) for config in CONFIGS}


class Bench:
    """The cache with its inputs, and an SRAM whose contents change with ``version``."""

    def __init__(self, config: NodeConfig, cache: Any, context: Any):
        self.config, self.cache, self.context = config, cache, context
        self.version = 0
        self.data = 0
        #: Lines asked for, in the order of their grants.
        self.granted: list[int] = []

    def line(self, number: int) -> int:
        code = lambda address, version: random_word(self.config, address, version)  # noqa: E731
        return line_data(self.config, code, number, self.version)

    async def cycle(
        self,
        lookup: tuple[int, int] | None = None,
        *,
        grants: bool = True,
        flush: bool = False,
        run: int = 15,
        drop: int = 0,
    ) -> int | None:
        """One cycle, perhaps with a lookup of a thread at a word; its words if it hits."""
        context, cache, config = self.context, self.cache, self.config
        context.set(cache.lookup, 1 << lookup[0] if lookup else 0)
        context.set(cache.address, lookup[1] if lookup else 0)
        context.set(cache.flush, flush)
        context.set(cache.run, run & (1 << config.threads) - 1)
        context.set(cache.drop, drop)
        context.set(cache.port.data, self.data)
        asks, asked = context.get(cache.port.req), context.get(cache.port.address)
        assert not asks or asked < config.sram_lines
        context.set(cache.port.grant, asks and grants)
        words = context.get(cache.words) if lookup and context.get(cache.hit) else None
        self.data = 0
        if asks and grants:
            self.granted.append(asked)
            self.data = self.line(asked)
        await context.tick()
        if asks and not grants:
            assert (context.get(cache.port.req), context.get(cache.port.address)) == (1, asked), "a request is taken back"
        return words

    async def settle(self) -> None:
        """Cycles until nothing is under way."""
        for _ in range(20):
            await self.cycle()
            if not self.context.get(self.cache.busy):
                return
        raise AssertionError("the cache stays busy")


#: Per cycle: who looks up where, whether SRAM grants, and sometimes a flush, a thread that is dropped or one that does not run.
CYCLE = st.tuples(
    st.integers(0, 3),
    st.integers(0, 63),
    st.booleans(),
    st.sampled_from(("", "", "", "", "", "flush", "drop", "stop")),
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"line{config.line_bytes}-threads{config.threads}")
@property_settings(25)
@given(cycles=st.lists(CYCLE, min_size=1, max_size=80))
def test_hits_show_memory_and_a_line_that_arrives_is_there_for_those_who_waited(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config]
    cache = simulation.component
    line_words, window = config.line_bytes // 4, config.window_bytes // 4

    async def check(context: Any) -> None:
        bench = Bench(config, cache, context)
        missed: dict[int, int] = {}
        flushed = False
        for number, where, grants, event in cycles:
            thread, address = number % config.threads, where * line_words // 4 % (config.sram_lines * line_words)
            first = context.get(cache.first)
            if first:
                # A line that arrived is wanted at once.
                thread = first.bit_length() - 1
                address = missed[thread]
            waits = context.get(cache.waits) >> thread & 1
            words = await bench.cycle(
                None if waits else (thread, address),
                grants=grants,
                flush=event == "flush",
                run=15 & ~((event == "stop") << thread),
                drop=(event == "drop") << thread,
            )
            assert words is not None or not first or flushed, "the line went before its thread came"
            flushed = event == "flush"
            if not waits and words is None:
                missed[thread] = address
            if words is not None:
                start = SRAM_BASE + 4 * (address - address % window)
                shown = [words >> 32 * i & 0xFFFF_FFFF for i in range(window)]
                # Every flush changes memory.
                assert shown == [random_word(config, start + 4 * i, bench.version) for i in range(window)]
            bench.version += flushed
        await bench.settle()
        assert not context.get(cache.waits), "somebody waits though SRAM grants"

    simulation.run(check)


async def missing(bench: Bench, *lookups: tuple[int, int]) -> None:
    """Lookups of lines, each of which misses."""
    for thread, line in lookups:
        assert await bench.cycle((thread, line * bench.config.line_bytes // 4), grants=False) is None


def directed(config: NodeConfig, check: Any) -> None:
    simulation = SIMULATIONS[config]

    async def run(context: Any) -> None:
        await check(Bench(config, simulation.component, context))

    simulation.run(run)


def test_a_line_that_two_threads_miss_is_asked_for_once_and_ends_the_waiting_of_both() -> None:
    async def check(bench: Bench) -> None:
        await missing(bench, (0, 5), (1, 5))
        await bench.settle()
        assert bench.granted.count(5) == 1
        assert not bench.context.get(bench.cache.waits)

    directed(CONFIGS[1], check)


def test_a_line_that_is_missed_while_it_arrives_hits_in_the_next_cycle_and_is_not_asked_for_again() -> None:
    async def check(bench: Bench) -> None:
        await missing(bench, (0, 5))
        await bench.cycle()
        assert await bench.cycle((1, 5 * 8)) is None
        assert not bench.context.get(bench.cache.waits)
        assert await bench.cycle((1, 5 * 8)) is not None
        await bench.settle()
        assert bench.granted.count(5) == 1

    directed(CONFIGS[1], check)


def test_lines_that_threads_wait_for_go_before_the_one_behind_and_round_robin() -> None:
    async def check(bench: Bench) -> None:
        # Thread 3 misses while line 2 is asked for, so that nothing is asked for ahead.
        await missing(bench, (0, 2), (3, 9), (1, 4), (2, 6))
        await bench.settle()
        assert bench.granted == [2, 4, 6, 9]

    directed(CONFIGS[2], check)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"line{config.line_bytes}-threads{config.threads}")
def test_the_line_behind_is_asked_for_ahead_and_does_not_replace_the_one_looked_up(config: NodeConfig) -> None:
    line_words = config.line_bytes // 4

    async def check(bench: Bench) -> None:
        await missing(bench, (0, 6))
        await bench.settle()
        assert await bench.cycle((0, 6 * line_words)) is not None
        await bench.settle()
        assert bench.granted == [6, 7]
        assert await bench.cycle((0, 6 * line_words)) is not None
        assert await bench.cycle((0, 7 * line_words)) is not None

    directed(config, check)


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda config: f"line{config.line_bytes}-threads{config.threads}")
def test_of_two_lines_the_one_used_longer_ago_is_replaced(config: NodeConfig) -> None:
    line_words, sets = config.line_bytes // 4, config.threads * config.fetch_lines // 2

    async def check(bench: Bench) -> None:
        for line in (1, 1 + sets):
            await missing(bench, (0, line))
            await bench.settle()
        assert await bench.cycle((0, line_words)) is not None
        await bench.settle()
        await missing(bench, (0, 1 + 2 * sets))
        await bench.settle()
        assert await bench.cycle((0, line_words)) is not None
        assert await bench.cycle((0, (1 + sets) * line_words)) is None

    directed(config, check)


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda config: f"line{config.line_bytes}-threads{config.threads}")
def test_of_two_lines_not_used_the_one_that_arrived_first_is_replaced(config: NodeConfig) -> None:
    line_words, sets = config.line_bytes // 4, config.threads * config.fetch_lines // 2

    async def check(bench: Bench) -> None:
        for line in (1, 1 + sets, 1 + 2 * sets):
            await missing(bench, (0, line))
            await bench.settle()
        assert await bench.cycle((0, (1 + sets) * line_words)) is not None
        assert await bench.cycle((0, line_words)) is None

    directed(config, check)


def test_no_line_behind_sram_is_asked_for() -> None:
    config = CONFIGS[1]

    async def check(bench: Bench) -> None:
        last = config.sram_lines - 1
        await missing(bench, (0, last))
        await bench.settle()
        assert await bench.cycle((0, last * config.line_bytes // 4)) is not None
        await bench.settle()
        assert bench.granted == [last]

    directed(config, check)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"line{config.line_bytes}-threads{config.threads}")
def test_a_loop_of_all_lines_but_one_stays_with_the_line_behind_it(config: NodeConfig) -> None:
    line_words, lines = config.line_bytes // 4, min(config.threads * config.fetch_lines, config.sram_lines)

    async def check(bench: Bench) -> None:
        for number in [*range(lines - 1)] * 3:
            while await bench.cycle((0, number * line_words)) is None:
                await bench.settle()
        await bench.settle()
        assert sorted(bench.granted) == list(range(lines))

    directed(config, check)


@pytest.mark.parametrize("cycles_after_the_miss", [0, 1, 2, 3])
def test_a_flush_drops_what_is_there_and_what_is_under_way(cycles_after_the_miss: int) -> None:
    config = CONFIGS[1]

    async def check(bench: Bench) -> None:
        bench.context.set(bench.cache.run, 3)
        assert await bench.cycle((0, 8), flush=cycles_after_the_miss == 0) is None
        for cycle in range(1, 4):
            await bench.cycle(flush=cycle == cycles_after_the_miss)
            bench.version += cycle == cycles_after_the_miss
        words = None
        for _ in range(4):
            words = words or await bench.cycle(None if bench.context.get(bench.cache.waits) else (0, 8))
        assert words == bench.line(1)

    directed(config, check)


def test_a_thread_that_does_not_run_asks_for_nothing() -> None:
    async def check(bench: Bench) -> None:
        await missing(bench, (0, 2), (1, 6))
        for _ in range(6):
            await bench.cycle(run=1)
        assert bench.granted == [2]
        assert bench.context.get(bench.cache.waits) == 2
        await bench.settle()
        assert bench.granted == [2, 6]

    directed(CONFIGS[1], check)


def test_a_thread_that_goes_on_elsewhere_does_not_wait_and_asks_no_more() -> None:
    async def check(bench: Bench) -> None:
        await missing(bench, (0, 2), (1, 6))
        await bench.cycle(grants=False, drop=2)
        assert bench.context.get(bench.cache.waits) == 1
        await bench.settle()
        assert bench.granted == [2]

    directed(CONFIGS[1], check)
