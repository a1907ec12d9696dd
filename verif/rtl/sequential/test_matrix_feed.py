# SPDX-License-Identifier: Apache-2.0
"""Operations enter the matrix array in order, complete, and not sooner than it takes them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from rtl.matrix.array import MatrixOp
from rtl.matrix.timing import matrix_latency_cycles
from rtl.sequential.matrix_feed import MatrixFeed
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = {passes: preset("nano").replace(matrix_passes=passes) for passes in (1, 2, 4)}
SIMULATIONS = {passes: Simulation(MatrixFeed(config)) for passes, config in CONFIGS.items()}


@pytest.mark.parametrize("passes", CONFIGS)
@property_settings(60)
@given(pauses=st.lists(st.integers(0, 20), min_size=1, max_size=20))
def test_operations_keep_the_distances_of_the_array(passes: int, pauses: list[int]) -> None:
    feed = SIMULATIONS[passes].component
    latency = matrix_latency_cycles(CONFIGS[passes])

    async def check(context: Any) -> None:
        cycle = 0
        entered: list[tuple[int, int]] = []
        put: list[tuple[int, int]] = []

        async def step() -> None:
            nonlocal cycle
            if context.get(feed.enters).op != MatrixOp.NONE:
                entered.append((cycle, context.get(feed.enters).zero))
            last = entered[-1][0] if entered else -latency
            if context.get(feed.drained):
                assert len(entered) == len(put), "drained while an operation waits"
                assert cycle >= last + latency, "drained before the array has written"
            cycle += 1
            await context.tick()

        for number, pause in enumerate(pauses):
            for _ in range(pause):
                await step()
            while context.get(feed.waits):
                await step()
            context.set(feed.operation, {"op": MatrixOp.STEP, "zero": number % 2})
            context.set(feed.put, 1)
            asked = cycle
            await step()
            put.append((asked, number % 2))
            context.set(feed.put, 0)
            context.set(feed.operation, {"op": MatrixOp.CLEAR, "zero": 1 - number % 2})
            assert context.get(feed.waits)
        while not context.get(feed.drained):
            await step()
        assert [kind for _, kind in entered] == [kind for _, kind in put]
        for (start, _), (end, _) in zip(put, entered, strict=True):
            assert end >= start + 2, "entered before its operands were there"
        for (first, _), (second, _) in itertools.pairwise(entered):
            assert second >= first + max(2, CONFIGS[passes].matrix_step_cycles), "entered before the array could take it"

    SIMULATIONS[passes].run(check)


def test_the_array_is_kept_busy() -> None:
    feed = SIMULATIONS[4].component
    every = CONFIGS[4].matrix_step_cycles

    async def check(context: Any) -> None:
        entered = []
        context.set(feed.operation, {"op": MatrixOp.STEP})
        for cycle in range(20 * every):
            if context.get(feed.enters).op == MatrixOp.STEP:
                entered.append(cycle)
            # An instruction as often as the array takes one.
            context.set(feed.put, cycle % every == 0)
            await context.tick()
        assert [second - first for first, second in itertools.pairwise(entered)] == [every] * (len(entered) - 1)
        assert len(entered) >= 19

    SIMULATIONS[4].run(check)
