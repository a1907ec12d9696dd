# SPDX-License-Identifier: Apache-2.0
"""The divider: every operation at small widths, hypothesis at the full one; and how long it takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtl.core.divider import DivideOp, Divider
from verif.rtl.core.m_oracle import divide, operands, read
from verif.rtl.simulate import Simulation, property_settings

OPS = list(DivideOp)
THREADS, TAG_BITS = 4, 5
SIMULATIONS = {skip: Simulation(Divider(skip=skip, threads=THREADS, tag_bits=TAG_BITS)) for skip in (1, 8)}


def cycles_taken(width: int, skip: int, op: DivideOp, word: bool, a: int, b: int) -> int:
    """Cycles from start to done, as the contract has them."""
    left = width // 2 if word else width
    dividend, divisor = (abs(read(value, left, op in (DivideOp.DIVIDE, DivideOp.REMAINDER))) for value in (a, b))
    cycles = 2
    while left:
        upper = dividend >> left
        nothing_over = upper % divisor == 0 if divisor else upper == 0
        passes_over = left >= skip and nothing_over and (dividend >> left - skip) % (1 << skip) == 0
        left -= skip if passes_over else 1
        cycles += 1
    return cycles


async def start(context: Any, unit: Any, op: DivideOp, word: bool, a: int, b: int) -> None:
    for signal, value in ((unit.start, 1), (unit.op, op), (unit.word, word), (unit.a, a), (unit.b, b)):
        context.set(signal, value)
    await context.tick()
    # Operands are looked at in the cycle of start only.
    for signal, value in ((unit.start, 0), (unit.op, ~op.value & 3), (unit.word, not word), (unit.a, ~a), (unit.b, ~b)):
        context.set(signal, value)


@pytest.mark.parametrize("width, skip", [(2, 1), (4, 1), (4, 2), (6, 3)])
def test_every_operation_on_every_pair_of_small_operands(width: int, skip: int) -> None:
    simulation = Simulation(Divider(width, skip=skip))
    unit = simulation.component
    numbers = range(1 << width) if width <= 4 else [*range(12), *range((1 << width) - 12, 1 << width), 31, 32, 33]

    async def check(context: Any) -> None:
        for op in OPS:
            for word in (False, True):
                for a in numbers:
                    for b in numbers:
                        await start(context, unit, op, word, a, b)
                        taken = 1
                        while not context.get(unit.done):
                            await context.tick()
                            taken += 1
                        case = (op, word, a, b)
                        assert context.get(unit.result) == divide(width, *case), case
                        assert taken == cycles_taken(width, skip, *case), case

    simulation.run(check)


OPERATION = st.tuples(st.sampled_from(OPS), st.booleans(), operands(64), operands(64))


@pytest.mark.parametrize("skip", SIMULATIONS)
@property_settings(120)
@given(operations=st.lists(st.tuples(OPERATION, st.integers(0, THREADS - 1), st.integers(0, 31)), min_size=1, max_size=4))
@example(operations=[((op, False, 1 << 63, 2**64 - 1), 1, 1) for op in OPS])
@example(operations=[((op, True, 1 << 31, 2**32 - 1), 1, 1) for op in OPS])
@example(operations=[((op, word, 2**64 - 7, 0), 3, 31) for op in OPS for word in (False, True)])
def test_a_result_comes_with_its_tag_when_it_should_and_stays(skip: int, operations: list[Any]) -> None:
    unit = SIMULATIONS[skip].component

    async def check(context: Any) -> None:
        for operation, thread, tag in operations:
            assert not context.get(unit.busy)
            context.set(unit.thread, thread)
            context.set(unit.tag, tag)
            await start(context, unit, *operation)
            context.set(unit.thread, ~thread)
            context.set(unit.tag, ~tag)
            for _ in range(cycles_taken(64, skip, *operation) - 1):
                assert (context.get(unit.busy), context.get(unit.done)) == (1, 0)
                await context.tick()
            assert (context.get(unit.busy), context.get(unit.done)) == (0, 1)
            assert (context.get(unit.result_thread), context.get(unit.result_tag)) == (thread, tag)
            assert context.get(unit.result) == divide(64, *operation), operation
            await context.tick()
            assert not context.get(unit.done)
            assert context.get(unit.result) == divide(64, *operation), "it does not stay"

    SIMULATIONS[skip].run(check)


@pytest.mark.parametrize("arguments, told", [({"width": 7}, "width = 7"), ({"skip": 0}, "skip = 0"), ({"skip": 33}, "skip = 33")])
def test_what_cannot_be_built_is_refused(arguments: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Divider(**arguments)
