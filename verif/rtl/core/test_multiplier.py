# SPDX-License-Identifier: Apache-2.0
"""The multiplier: every operation at small widths, hypothesis at the full one, results of the right thread at the right time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.core.multiplier import Multiplier, MultiplyOp
from verif.rtl.core.m_oracle import multiply, operands
from verif.rtl.simulate import Simulation, property_settings

OPS = list(MultiplyOp)
THREADS, TAG_BITS = 4, 5
SIMULATIONS = {stages: Simulation(Multiplier(stages=stages, threads=THREADS, tag_bits=TAG_BITS)) for stages in (1, 2, 3)}


@pytest.mark.parametrize("width, stages", [(2, 1), (4, 1), (4, 2), (4, 3)])
def test_every_operation_on_every_pair_of_small_operands(width: int, stages: int) -> None:
    simulation = Simulation(Multiplier(width, stages=stages))
    unit = simulation.component
    cases = [(op, False, a, b) for op in OPS for a in range(1 << width) for b in range(1 << width)]
    cases += [(MultiplyOp.LOW, True, a, b) for a in range(1 << width) for b in range(1 << width)]

    async def check(context: Any) -> None:
        context.set(unit.valid, 1)
        for number in range(len(cases) + stages):
            if number < len(cases):
                for signal, value in zip((unit.op, unit.word, unit.a, unit.b), cases[number], strict=True):
                    context.set(signal, value)
            if number >= stages:
                case = cases[number - stages]
                assert context.get(unit.result) == multiply(width, *case), case
            await context.tick()

    simulation.run(check)


OPERATION = st.tuples(st.sampled_from(OPS), st.booleans(), operands(64), operands(64)).map(
    lambda operation: (MultiplyOp.LOW, *operation[1:]) if operation[1] else operation
)
#: What enters in a cycle: thread, tag, operation.
CYCLES = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(0, THREADS - 1), st.integers(0, 2**TAG_BITS - 1), OPERATION)), max_size=30
)


@pytest.mark.parametrize("stages", SIMULATIONS)
@property_settings(150)
@given(cycles=CYCLES)
def test_results_come_with_their_tags_after_the_stages(stages: int, cycles: list[Any]) -> None:
    unit = SIMULATIONS[stages].component

    async def check(context: Any) -> None:
        under_way: list[Any] = [None] * stages
        for entering in cycles + [None] * stages:
            context.set(unit.valid, entering is not None)
            if entering is not None:
                thread, tag, operation = entering
                values = (thread, tag, *operation)
                for signal, value in zip((unit.thread, unit.tag, unit.op, unit.word, unit.a, unit.b), values, strict=True):
                    context.set(signal, value)
            assert context.get(unit.busy) == any(under_way)
            due = under_way[-1]
            assert context.get(unit.result_valid) == (due is not None)
            if due is not None:
                thread, tag, operation = due
                assert (context.get(unit.result_thread), context.get(unit.result_tag)) == (thread, tag)
                assert context.get(unit.result) == multiply(64, *operation), operation
            await context.tick()
            under_way = [entering, *under_way[:-1]]

    SIMULATIONS[stages].run(check)


@pytest.mark.parametrize(
    "arguments, told", [({"width": 5}, "width = 5"), ({"stages": 4}, "stages = 4"), ({"stages": 0}, "stages")]
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Multiplier(**arguments)
