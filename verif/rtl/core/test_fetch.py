# SPDX-License-Identifier: Apache-2.0
"""Fetch delivers the instructions from the redirected address on, whatever SRAM and issue do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from rtl.core.fetch import Fetch
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [
    NodeConfig(line_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=16, threads=2, fetch_lines=2),
    NodeConfig(line_bytes=64, sram_blocks=1, sram_ways=1, bank_lines=16, threads=1, fetch_lines=4),
    NodeConfig(line_bytes=32, sram_blocks=1, sram_ways=1, bank_lines=16, threads=2, fetch_lines=2, matrix_passes=2),
]
SIMULATIONS = {config.line_bytes: Simulation(Fetch(config)) for config in CONFIGS}

#: Per cycle: does SRAM grant, does issue take, and per thread perhaps a redirect to a word, with or without a flush.
CYCLE = st.tuples(
    st.sampled_from((True, True, False)),
    st.sampled_from((True, True, False)),
    st.none() | st.tuples(st.integers(0, 1), st.integers(-2, 70), st.booleans()),
)


def word_at(config: NodeConfig, address: int, version: int) -> int:
    return (address * 0x9E37_79B1 + version * 0x85EB_CA6B) % 2**32


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"line{config.line_bytes}")
@property_settings(60)
@given(cycles=st.lists(CYCLE, min_size=1, max_size=80))
def test_heads_follow_each_other_and_show_memory(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config.line_bytes]
    fetch = simulation.component

    async def check(context: Any) -> None:
        version = 0
        expected = [0] * config.threads
        oldest = [0] * config.threads  # no head may show memory as it was before the thread's last flush
        granted: int | None = None
        for thread in range(config.threads):
            context.set(fetch.threads[thread].run, 1)
        for grants, takes, redirect in [(True, True, (t, 0, True)) for t in range(config.threads)] + cycles:
            if granted is not None:
                data = sum(
                    word_at(config, SRAM_BASE + granted * config.line_bytes + 4 * i, version) << 32 * i
                    for i in range(config.line_bytes // 4)
                )
                context.set(fetch.port.data, data)
            for thread in range(config.threads):
                front = fetch.threads[thread]
                mine = redirect is not None and redirect[0] % config.threads == thread
                context.set(front.redirect, mine)
                context.set(front.flush, mine and redirect[2])
                if mine:
                    context.set(front.target, (SRAM_BASE + 4 * redirect[1]) % 2**64)
                context.set(front.take, takes and not mine and context.get(front.head_valid))
            requested = context.get(fetch.port.req)
            context.set(fetch.port.grant, grants and requested)
            address = context.get(fetch.port.address)
            assert not requested or address < config.sram_lines
            for thread in range(config.threads):
                front = fetch.threads[thread]
                assert context.get(front.next_pc) == expected[thread]
                if not context.get(front.head_valid):
                    continue
                head = context.get(front.head)
                assert head.pc == expected[thread]
                inside = SRAM_BASE <= head.pc < SRAM_BASE + config.sram_bytes
                assert head.fault == (not inside)
                if inside:
                    allowed = {word_at(config, head.pc, v) for v in range(oldest[thread], version + 1)}
                    assert head.insn in allowed, "the instruction is not what memory held since the last flush"
                if context.get(front.take):
                    expected[thread] += 4 * inside
            await context.tick()
            granted = address if grants and requested else None
            if redirect is not None:
                thread = redirect[0] % config.threads
                expected[thread] = (SRAM_BASE + 4 * redirect[1]) % 2**64
                if redirect[2]:
                    # Memory changes with every flush, as if a store had come before.
                    version += 1
                    oldest[thread] = version

    simulation.run(check)


def test_a_loop_within_the_buffered_lines_asks_sram_no_more() -> None:
    config = CONFIGS[1]
    simulation = SIMULATIONS[config.line_bytes]
    fetch = simulation.component

    async def check(context: Any) -> None:
        front = fetch.threads[0]
        context.set(front.run, 1)
        context.set(front.redirect, 1)
        context.set(front.target, SRAM_BASE)
        await context.tick()
        requests = []
        for turn in range(6):
            taken = 0
            context.set(front.redirect, 0)
            while taken < 40:
                context.set(fetch.port.grant, context.get(fetch.port.req))
                if turn >= 2:
                    requests.append(context.get(fetch.port.req))
                context.set(front.take, context.get(front.head_valid))
                taken += context.get(front.head_valid)
                await context.tick()
            context.set(front.take, 0)
            context.set(front.redirect, 1)
            await context.tick()
        assert not any(requests)

    simulation.run(check)
