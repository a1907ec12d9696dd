# SPDX-License-Identifier: Apache-2.0
"""The lines of operands of the sequential core against a model of two Python variables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from rtl.sequential.operands import LineChoice, OperandLines
from verif.rtl.simulate import Simulation, property_settings

SIMULATIONS = {
    line_bytes: Simulation(OperandLines(preset("nano").replace(line_bytes=line_bytes, simd_passes=1, matrix_passes=1)))
    for line_bytes in (16, 32, 64)
}

ACTION = st.tuples(
    st.sampled_from(("port", "refused", "vector", "granule", "wide", "clear", "nothing")),
    st.binary(min_size=64, max_size=64),
    st.integers(0, 63),
    st.integers(0, 7),
)


@pytest.mark.parametrize("line_bytes", SIMULATIONS)
@property_settings(60)
@given(actions=st.lists(ACTION, max_size=30))
def test_lines_enter_as_a_and_leave_through_b(line_bytes: int, actions: list[tuple[str, bytes, int, int]]) -> None:
    lines = SIMULATIONS[line_bytes].component

    async def check(context: Any) -> None:
        a, b = bytes(line_bytes), None
        for action, data, place, number in actions:
            data = data[:line_bytes]
            size = 16 if action == "wide" else 8
            place, number = place % line_bytes // size * size, number % (line_bytes // size)
            context.set(lines.wants, 1)
            context.set(lines.port.grant, action != "refused")
            context.set(lines.enter_port, action in ("port", "refused"))
            context.set(lines.enter_granule, action in ("granule", "wide"))
            await context.tick()
            context.set(lines.enter_port, 0)
            context.set(lines.enter_granule, 0)
            context.set(lines.port.grant, 0)
            value = int.from_bytes(data, "little")
            context.set(lines.port.data, value)
            context.set(lines.vector, value)
            context.set(lines.enter_vector, action == "vector")
            context.set(lines.clear, action == "clear")
            context.set(lines.wide, action == "wide")
            context.set(lines.granule, number)
            context.set(lines.place, place)
            await context.tick()
            context.set(lines.enter_vector, 0)
            context.set(lines.clear, 0)
            if action in ("port", "vector"):
                a, b = data, a
            elif action == "clear":
                a = bytes(line_bytes)
            elif action in ("granule", "wide"):
                at = number * size
                a = a[:at] + data[place : place + size] + a[at + size :]
            assert context.get(lines.a) == int.from_bytes(a, "little"), action
            if b is not None:
                assert context.get(lines.b) == int.from_bytes(b, "little"), action

    SIMULATIONS[line_bytes].run(check)


@property_settings(60)
@given(
    st.integers(0, 1023),
    st.integers(0, 1023),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from(list(LineChoice)))),
)
def test_addresses_are_set_and_advanced(a: int, b: int, steps: list[tuple[bool, bool, LineChoice]]) -> None:
    lines = SIMULATIONS[16].component

    async def check(context: Any) -> None:
        where = {LineChoice.A: a, LineChoice.B: b, LineChoice.RESULT: 5}
        context.set(lines.start, 1)
        context.set(lines.start_a, a)
        context.set(lines.start_b, b)
        context.set(lines.line, 5)
        await context.tick()
        context.set(lines.start, 0)
        for next_a, next_b, choice in steps:
            context.set(lines.choice, choice)
            assert context.get(lines.port.address) == where[choice]
            context.set(lines.next_a, next_a)
            context.set(lines.next_b, next_b)
            await context.tick()
            where[LineChoice.A] = (where[LineChoice.A] + next_a) % 1024
            where[LineChoice.B] = (where[LineChoice.B] + next_b) % 1024

    SIMULATIONS[16].run(check)
