# SPDX-License-Identifier: Apache-2.0
"""How fast the front end delivers: loops without lost cycles, threads alike, heads three cycles after a redirection."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from rtl.frontend.frontend import FrontEnd
from verif.rtl.frontend.program import branch, jal, line_data, plain
from verif.rtl.simulate import Simulation

SMALLEST = NodeConfig(sram_blocks=1, sram_ways=1, bank_lines=64, fetch_lines=8, btb_entries=8)
WIDE = SMALLEST.replace(line_bytes=64, fetch_bytes=32, decode_width=8, issue_width=2, threads=4)


@functools.cache
def simulation_of(config: NodeConfig) -> Simulation:
    return Simulation(FrontEnd(config))


def name_of(config: NodeConfig) -> str:
    return f"window{config.window_bytes}-decode{config.decode_width}-issue{config.issue_width}-threads{config.threads}"


def taken_per_thread(config: NodeConfig, starts: Sequence[int], length: int, cycles: int) -> list[int]:
    """What threads that run loops of ``length`` words, from word ``start`` on, get in so many cycles once all is trained.

    Issue takes what it can, and redirects in the cycle after a branch that was not foreseen.
    """
    simulation = simulation_of(config)
    front_end = simulation.component
    last_words = {start + length - 1: start for start in starts}

    def code(address: int, _: int) -> int:
        word = (address - SRAM_BASE) // 4
        return branch("bne", 5, 6, 4 * (last_words[word] - word)) if word in last_words else plain(word)

    taken = [0] * len(starts)
    training = 20 * len(starts) + 4 * length

    async def bench(context: Any) -> None:
        redirections = dict(enumerate(starts))
        granted = 0
        for cycle in range(training + cycles):
            context.set(front_end.port.data, granted)
            requested, address = context.get(front_end.port.req), context.get(front_end.port.address)
            context.set(front_end.port.grant, requested)
            update: dict[str, int] = {"valid": 0}
            mistakes = {}
            for thread, start in enumerate(starts):
                port = front_end.threads[thread]
                redirected = thread in redirections
                count = 0 if redirected else context.get(port.valid).bit_count()
                context.set(port.run, 1)
                context.set(port.redirect, redirected)
                context.set(port.target, SRAM_BASE + 4 * start)
                context.set(port.take, count)
                heads = [context.get(head) for head in port.heads]
                for head in (heads[i] for i in range(count)):
                    taken[thread] += cycle >= training
                    if head.pc in last_words:
                        update = {"valid": 1, "pc": head.pc, "conditional": 1, "taken": 1, "target": start}
                        if not head.predicted:
                            mistakes[thread] = start
                            break
            context.set(front_end.update, update)
            await context.tick()
            redirections = mistakes
            granted = line_data(config, code, address, 0) if requested else 0

    simulation.run(bench)
    return taken


def cycles_per_turn(config: NodeConfig, start: int, length: int) -> int:
    """Cycles in which one thread's loop is fetched and decoded: a cycle per window, or more if it is wider than the decoders."""
    words = config.window_bytes // 4
    windows = itertools.groupby(range(start, start + length), lambda word: word // words)
    return sum(-(-len(list(group)) // config.decode_width) for _, group in windows)


ONE = WIDE.replace(threads=1)
SIZES = [
    ONE,
    ONE.replace(decode_width=4, line_bytes=32, fetch_bytes=16),
    ONE.replace(decode_width=2, issue_width=1, fetch_bytes=8),
]
FOUR_PER_CYCLE = ONE.replace(issue_width=4)
LOOPS = [(16, 16), (17, 8), (18, 12), (20, 4), (16, 3), (23, 3), (22, 40)]
#: Groups of fewer than four instructions cannot keep up with four per cycle, so these loops begin and end with windows.
LOOPS_OF_WHOLE_WINDOWS = [(16, 16), (16, 40)]


@pytest.mark.parametrize(
    "config, start, length",
    [(config, *loop) for config in SIZES for loop in LOOPS] + [(FOUR_PER_CYCLE, *loop) for loop in LOOPS_OF_WHOLE_WINDOWS],
    ids=lambda value: name_of(value) if isinstance(value, NodeConfig) else str(value),
)
def test_a_loop_loses_no_cycle_where_lanes_are_as_wide_as_issue(config: NodeConfig, start: int, length: int) -> None:
    turn = cycles_per_turn(config, start, length)
    cycles = 5 * max(turn * config.issue_width, length)
    rate = min(config.issue_width, length / turn)
    (taken,) = taken_per_thread(config, [start], length, cycles)
    assert taken == pytest.approx(rate * cycles, abs=config.issue_width)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_that_run_get_equal_shares_of_windows(threads: int) -> None:
    starts = [16 + 40 * thread for thread in range(threads)]
    assert taken_per_thread(WIDE, starts, 16, 64) == [128] * threads
    # Loops of half a window each: one window per cycle for all together.
    taken = taken_per_thread(WIDE, starts, 4, 64)
    assert max(taken) - min(taken) <= 4
    assert sum(taken) == pytest.approx(min(2 * threads, 4) * 64, abs=8)


@pytest.mark.parametrize("config", [WIDE, FOUR_PER_CYCLE, *SIZES], ids=name_of)
def test_heads_show_three_cycles_after_a_redirection_and_six_if_the_line_is_missing(config: NodeConfig) -> None:
    simulation = simulation_of(config)
    front_end = simulation.component
    port = front_end.threads[0]

    async def cycles_until_heads(context: Any, target: int, patience: int = 10, grants: bool = True) -> int | None:
        """Redirect in one cycle, and count those up to the one that shows a head, if it comes in time."""
        context.set(port.redirect, 1)
        context.set(port.target, SRAM_BASE + target)
        granted = 0
        for cycle in range(patience):
            context.set(front_end.port.data, granted)
            requested, address = context.get(front_end.port.req) and grants, context.get(front_end.port.address)
            context.set(front_end.port.grant, requested)
            if cycle and context.get(port.valid):
                return cycle
            await context.tick()
            context.set(port.redirect, 0)
            granted = line_data(config, lambda address, _: plain(address // 4), address, 0) if requested else 0
        return None

    async def bench(context: Any) -> None:
        context.set(port.run, 1)
        assert await cycles_until_heads(context, 0x100) == 6
        assert await cycles_until_heads(context, 0x104) == 3
        assert await cycles_until_heads(context, 0x100) == 3
        # A line that does not come is nothing to wait for any more after the next redirection.
        assert await cycles_until_heads(context, 0x400, patience=5, grants=False) is None
        assert await cycles_until_heads(context, 0x100, grants=False) == 3

    simulation.run(bench)


def test_a_jump_at_the_end_of_a_line_does_not_wait_for_the_line_behind() -> None:
    simulation = simulation_of(ONE)
    front_end = simulation.component
    port = front_end.threads[0]
    line_words = ONE.line_bytes // 4

    def code(address: int, _: int) -> int:
        return jal(4 - ONE.line_bytes) if address % ONE.line_bytes == ONE.line_bytes - 4 else plain(address // 4)

    async def bench(context: Any) -> None:
        context.set(port.run, 1)
        context.set(port.target, SRAM_BASE + ONE.line_bytes - 4)
        granted, taken = 0, []
        for cycle in range(12):
            context.set(port.redirect, cycle == 0)
            context.set(front_end.port.data, granted)
            requested, address = context.get(front_end.port.req), context.get(front_end.port.address)
            # Only the first line ever comes.
            grants = requested and address == 0
            context.set(front_end.port.grant, grants)
            count = context.get(port.valid).bit_count()
            context.set(port.take, count)
            heads = [context.get(head) for head in port.heads]
            taken += [heads[i].pc for i in range(count)]
            await context.tick()
            granted = line_data(ONE, code, address, 0) if grants else 0
        assert taken[:3] == [line_words - 1, 0, 1]

    simulation.run(bench)


@pytest.mark.parametrize("flush", [False, True])
def test_a_flush_forgets_what_branches_did(flush: bool) -> None:
    simulation = simulation_of(ONE)
    front_end = simulation.component
    port = front_end.threads[0]

    async def bench(context: Any) -> None:
        context.set(port.run, 1)
        context.set(port.target, SRAM_BASE)
        context.set(front_end.update, {"valid": 1, "pc": 0, "conditional": 1, "taken": 1, "target": 2})
        await context.tick()
        context.set(front_end.update, {"valid": 0})
        context.set(front_end.flush, flush)
        context.set(port.redirect, 1)
        await context.tick()
        context.set(front_end.flush, 0)
        context.set(port.redirect, 0)
        context.set(front_end.port.grant, 1)
        context.set(front_end.port.data, branch("bne", 5, 6, 8))
        while not context.get(port.valid):
            await context.tick()
        assert context.get(port.heads[0]).predicted == (not flush)

    simulation.run(bench)
