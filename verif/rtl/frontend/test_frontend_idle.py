# SPDX-License-Identifier: Apache-2.0
"""Threads that do not run leave everything as it is: a node whose front end is not busy need not be evaluated."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.frontend.frontend import FrontEnd
from verif.rtl.frontend.program import flow, line_data, random_word
from verif.rtl.simulate import Simulation

CONFIG = NodeConfig(
    line_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=16, threads=2, fetch_lines=2, decode_width=4, btb_entries=4
)  # fmt: skip
SIMULATION = Simulation(FrontEnd(CONFIG))


class Bench:
    """An SRAM that always grants, and an issue that takes every head and redirects a cycle after what was not foreseen."""

    def __init__(self, context: Any):
        self.context = context
        self.front_end = SIMULATION.component
        self.data = 0
        self.redirections = {0: SRAM_BASE, 1: SRAM_BASE + 0x80}

    def shown(self) -> list[Any]:
        """All that can be seen of the front end, but for a request."""
        context = self.context
        return [
            (
                context.get(port.valid),
                context.get(port.next_pc),
                context.get(port.upper),
                tuple(context.get(head).as_bits() for head in port.heads),
            )
            for port in self.front_end.threads
        ]

    async def cycle(self, run: int) -> None:
        context, front_end = self.context, self.front_end
        context.set(front_end.port.data, self.data)
        requested, address = context.get(front_end.port.req), context.get(front_end.port.address)
        context.set(front_end.port.grant, requested)
        redirections: dict[int, int] = {}
        for number, port in enumerate(front_end.threads):
            target = self.redirections.get(number)
            context.set(port.run, run >> number & 1)
            context.set(port.redirect, target is not None)
            context.set(port.target, target or 0)
            count = context.get(port.valid).bit_count() if run >> number & 1 and target is None else 0
            heads, upper = [context.get(head) for head in port.heads], context.get(port.upper)
            taken = 0
            while taken < count and number not in redirections:
                head = heads[taken]
                pc = upper << OFFSET_BITS | head.pc << 2
                found = flow(pc, head.insn)
                jumps = found.taken if found.taken is not None else pc % 3 == 0
                actual = found.target & ~3 if jumps and found.target is not None else pc + 4
                if head.fault or actual != (upper << OFFSET_BITS | head.follows << 2 if head.predicted else pc + 4):
                    redirections[number] = SRAM_BASE + 0x40 if head.fault else actual
                taken += 1
            context.set(port.take, taken)
        await context.tick()
        self.redirections = redirections
        self.data = line_data(CONFIG, functools.partial(random_word, CONFIG), address, 0) if requested else 0


def trace(run_cycles: int, idle_cycles: int) -> list[Any]:
    """What shows after a pause that begins after so many cycles and lasts some longer than the front end is busy."""
    found: list[Any] = []

    async def check(context: Any) -> None:
        bench = Bench(context)
        for _ in range(run_cycles):
            await bench.cycle(3)
        if bench.redirections:
            await bench.cycle(0)
        before = bench.shown()
        settling = 0
        while context.get(bench.front_end.busy):
            await bench.cycle(0)
            settling += 1
            assert settling < 6, "the front end stays busy though no thread runs"
        for _ in range(idle_cycles):
            await bench.cycle(0)
            assert not context.get(bench.front_end.busy)
            assert not context.get(bench.front_end.port.req)
        assert bench.shown() == before
        for _ in range(12):
            await bench.cycle(3)
            found.append((bench.shown(), context.get(bench.front_end.port.req)))

    SIMULATION.run(check)
    return found


@pytest.mark.parametrize("run_cycles", range(1, 19))
def test_a_pause_changes_nothing_however_long_it_is(run_cycles: int) -> None:
    assert trace(run_cycles, 0) == trace(run_cycles, 3)


def test_a_thread_that_does_not_run_keeps_its_heads_while_others_run() -> None:
    async def check(context: Any) -> None:
        bench = Bench(context)
        while not context.get(bench.front_end.threads[1].valid) or bench.redirections:
            await bench.cycle(3)
        before = bench.shown()[1]
        others = set()
        for _ in range(20):
            await bench.cycle(1)
            assert bench.shown()[1] == before
            others.add(bench.shown()[0])
        assert len(others) > 5

    SIMULATION.run(check)
