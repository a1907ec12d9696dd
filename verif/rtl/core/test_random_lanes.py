# SPDX-License-Identifier: Apache-2.0
"""The generators of stochastic rounding against the golden model's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import GOLDEN_RATIO
from golden.random import RandomLanes as GoldenLanes
from rtl.core.random_lanes import RandomLanes
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [NodeConfig(line_bytes=16, threads=2), NodeConfig(line_bytes=64, threads=1)]
SIMULATIONS = {config.line_bytes: Simulation(RandomLanes(config)) for config in CONFIGS}

#: Any seeds, and those that would put some lane of sixteen into state 0, which it could not leave.
SEEDS = st.one_of(
    st.integers(0, 2**32 - 1), st.sampled_from([(lane + 1) * GOLDEN_RATIO % 2**32 for lane in range(16)]), st.just(0)
)
CYCLE = st.tuples(
    st.sampled_from((True, True, True, False)),
    st.integers(0, 1),
    st.booleans(),
    st.sampled_from((True, True, False)),
    st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 1), SEEDS)),
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"line{config.line_bytes}")
@property_settings(60)
@given(cycles=st.lists(CYCLE, max_size=30))
def test_lanes_draw_what_the_golden_ones_draw_and_threads_do_not_touch_each_other(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config.line_bytes]
    random = simulation.component
    model = [GoldenLanes(config.fp32_lanes) for _ in range(config.threads)]
    steps = [0] * config.threads

    def following(thread: int) -> list[list[int]]:
        """The bits of the next two steps, which are not taken."""
        probe = GoldenLanes(config.fp32_lanes, seed=model[thread].seed)
        probe.draw(steps[thread])
        return [[int(bits) for bits in row] for row in probe.draw(2)]

    async def check(context: Any) -> None:
        for draw, thread, twice, advance, reseed in cycles:
            # A thread that writes its seed draws nothing in that cycle.
            thread, draw = (reseed[0] if reseed else thread) % config.threads, draw and not reseed
            context.set(random.draw, draw)
            context.set(random.thread, thread)
            context.set(random.twice, twice)
            context.set(random.advance, advance)
            context.set(random.reseed, reseed is not None)
            context.set(random.seed, reseed[1] if reseed else 0x1234)
            nothing = [[0] * config.fp32_lanes] * 2
            shown = [[context.get(bits[lane]) for lane in range(config.fp32_lanes)] for bits in (random.first, random.second)]
            assert shown == (following(thread) if draw else nothing)
            await context.tick()
            if draw and advance:
                steps[thread] += 2 if twice else 1
            if reseed:
                model[thread].reseed(reseed[1])
                steps[thread] = 0

    simulation.run(check)
