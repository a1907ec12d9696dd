# SPDX-License-Identifier: Apache-2.0
"""Random bits are those of the specified generators, however they are drawn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import golden.random
from golden.layout import GOLDEN_RATIO
from golden.random import RandomLanes
from verif.golden.format_oracle import random_bits

SEEDS = (0, 1, 0x8000_0000, 0xFFFF_FFFF, 0x1234_5678)


def test_examples_of_the_module_hold() -> None:
    assert doctest.testmod(golden.random).failed == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lanes", [1, 2, 5, 16])
def test_draws_are_those_of_the_definition(lanes: int, seed: int) -> None:
    assert RandomLanes(lanes, seed).draw(300).tolist() == random_bits(seed, lanes, 300)


@pytest.mark.parametrize("lane", [0, 3, 15])
def test_a_lane_seed_of_zero_is_replaced(lane: int) -> None:
    seed = (lane + 1) * GOLDEN_RATIO & 0xFFFF_FFFF
    draws = RandomLanes(16, seed).draw(4)
    assert draws.tolist() == random_bits(seed, 16, 4)
    assert draws[:, lane].all()


@pytest.mark.parametrize("steps", [0, 1, 63, 64, 65, 127, 128, 129, 1000, 4096, 5000])
def test_a_draw_of_many_steps_is_as_many_steps(steps: int) -> None:
    drawn, stepped = RandomLanes(3, 7), RandomLanes(3, 7)
    draws = drawn.draw(steps)
    assert (draws.shape, draws.dtype) == ((steps, 3), np.uint32)
    np.testing.assert_array_equal(draws, np.array([stepped.step() for _ in range(steps)], np.uint32).reshape(steps, 3))
    np.testing.assert_array_equal(drawn.step(), stepped.step())


def test_results_stay_when_the_generators_go_on() -> None:
    generators = RandomLanes(2, 7)
    step, draws = generators.step(), generators.draw(2)
    kept = step.copy(), draws.copy()
    draws[1] = 0
    following = generators.draw(70)
    np.testing.assert_array_equal(step, kept[0])
    assert np.concatenate([[kept[0]], kept[1], following]).tolist() == random_bits(7, 2, 73)


def test_reseeding_starts_anew_from_any_state() -> None:
    generators = RandomLanes(4, 9)
    first = generators.draw(10)
    generators.reseed(9)
    assert generators.seed == 9
    np.testing.assert_array_equal(generators.draw(10), first)
    generators.reseed(10)
    assert generators.draw(10).tolist() == random_bits(10, 4, 10)


def test_parameters_outside_of_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match="lanes = 0 is not at least 1"):
        RandomLanes(0)
    for seed in (-1, 1 << 32):
        with pytest.raises(ValueError, match=f"seed = {seed} is outside of"):
            RandomLanes(1, seed)
    with pytest.raises(ValueError, match="steps = -1 is negative"):
        RandomLanes(1).draw(-1)
    with pytest.raises(TypeError):
        RandomLanes(1, 0.5)  # type: ignore[arg-type]
