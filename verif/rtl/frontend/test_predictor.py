# SPDX-License-Identifier: Apache-2.0
"""The branch predictor equals a model of its two ways and counters, lookup by lookup."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.frontend.predictor import BranchPredictor
from verif.rtl.simulate import Simulation, property_settings


@dataclass
class Entry:
    """What is known of the branch at ``pc``."""

    pc: int
    target: int
    counter: int


@dataclass
class Set:
    ways: list[Entry | None] = field(default_factory=lambda: [None, None])
    turn: int = 0


class Model:
    """What the contract says, with word addresses as they are."""

    def __init__(self, config: NodeConfig):
        self.words = config.window_bytes // 4
        self.sets = [Set() for _ in range(config.btb_entries // 2)]

    def set_of(self, pc: int) -> Set:
        return self.sets[pc // self.words % len(self.sets)]

    def predict(self, pc: int) -> tuple[int, int] | None:
        """Word and target of the first branch at or behind ``pc`` in its window that is predicted taken."""
        end = pc - pc % self.words + self.words
        known = [e for e in self.set_of(pc).ways if e is not None and pc <= e.pc < end and e.counter >= 2]
        first = min(known, key=lambda e: e.pc, default=None)
        return None if first is None else (first.pc % self.words, first.target)

    def update(self, pc: int, conditional: bool, taken: bool, target: int) -> None:
        there = self.set_of(pc)
        entry = next((e for e in there.ways if e is not None and e.pc == pc), None)
        if entry is None:
            if taken:
                free = there.ways.index(None) if None in there.ways else None
                if free is None:
                    free, there.turn = there.turn, 1 - there.turn
                there.ways[free] = Entry(pc, target, 2 if conditional else 3)
            return
        entry.counter = max(0, min(3, entry.counter + (1 if taken else -1))) if conditional else 3
        if taken:
            entry.target = target


CONFIGS = [
    NodeConfig(line_bytes=16, fetch_bytes=8, btb_entries=4),
    NodeConfig(fetch_bytes=16, btb_entries=8),
    NodeConfig(fetch_bytes=32, btb_entries=64),
]
SIMULATIONS = {config: Simulation(BranchPredictor(config)) for config in CONFIGS}

#: Few addresses that differ in word, set and tag, so that they meet.
ADDRESS = st.builds(
    lambda tag, low: tag << 8 | low, st.sampled_from((0, 0, 2047)), st.sampled_from((0, 1, 2, 3, 5, 7, 8, 16, 33))
)
UPDATE = st.none() | st.tuples(ADDRESS, st.booleans(), st.sampled_from((True, True, False)), st.integers(0, 2**19 - 1))
CYCLE = st.tuples(ADDRESS, UPDATE, st.sampled_from((0,) * 20 + (1,)))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"window{config.window_bytes}-entries{config.btb_entries}")
@property_settings(40)
@given(cycles=st.lists(CYCLE, min_size=20, max_size=80))
def test_it_equals_the_model(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config]
    predictor = simulation.component

    async def check(context: Any) -> None:
        model = Model(config)
        for address, update, flush in cycles:
            pc, conditional, taken, target = update or (0, False, False, 0)
            taken = taken or not conditional
            context.set(predictor.address, address)
            context.set(predictor.flush, flush)
            context.set(
                predictor.update,
                {"valid": update is not None, "pc": pc, "conditional": conditional, "taken": taken, "target": target},
            )
            expected = model.predict(address)
            assert context.get(predictor.taken) == (expected is not None)
            if expected is not None:
                assert (context.get(predictor.word), context.get(predictor.target)) == expected
            await context.tick()
            if update is not None:
                model.update(pc, conditional, taken, target)
            if flush:
                model = Model(config)

    simulation.run(check)


@pytest.mark.parametrize("outcomes", list(itertools.product((True, False), repeat=5)))
def test_two_outcomes_alike_decide_after_any_history(outcomes: tuple[bool, ...]) -> None:
    simulation = SIMULATIONS[CONFIGS[0]]
    predictor = simulation.component

    async def check(context: Any) -> None:
        context.set(predictor.address, 4)
        for taken in (True, *outcomes, outcomes[-1]):
            update = {"valid": 1, "pc": 5, "conditional": 1, "taken": taken, "target": 77}
            context.set(predictor.update, update)
            await context.tick()
        assert context.get(predictor.taken) == outcomes[-1]

    simulation.run(check)
