# SPDX-License-Identifier: Apache-2.0
"""Scalar registers, vector registers and semaphores against models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from rtl.core.scalar_registers import ScalarRegisters
from rtl.core.semaphores import Semaphores
from rtl.core.vector_registers import VectorRegisters
from verif.rtl.simulate import Simulation, property_settings

SCALAR = Simulation(ScalarRegisters())
VECTOR_CONFIG = preset("tiny")
VECTOR = Simulation(VectorRegisters(VECTOR_CONFIG))
SEMAPHORE_CONFIG = NodeConfig(semaphores=4)
SEMAPHORES = Simulation(Semaphores(SEMAPHORE_CONFIG))

VALUES = st.integers(0, 2**64 - 1)


@property_settings(100)
@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 31), st.none() | VALUES, st.none() | VALUES), max_size=40))
def test_scalar_registers_hold_what_was_written_and_read_zero_once_cleared(cycles: list[Any]) -> None:
    registers = SCALAR.component
    model = [0] * 32

    async def check(context: Any) -> None:
        # Memories keep their contents in reset, as in hardware.
        for pair in range(16):
            for parity in range(2):
                context.set(registers.writes.valid[parity], 0)
                context.set(registers.writes.data[parity], 0)
            context.set(registers.clear, 1)
            context.set(registers.clear_number, pair)
            await context.tick()
        context.set(registers.clear, 0)
        for first, second, even, odd in cycles:
            # The even write goes where the first read looks, the odd one where the second does.
            numbers = (first & ~1, second | 1)
            for parity, (number, value) in enumerate(zip(numbers, (even, odd), strict=True)):
                writes = number != 0 and value is not None
                context.set(registers.writes.valid[parity], writes)
                context.set(registers.writes.number[parity], number >> 1)
                context.set(registers.writes.data[parity], value or 0)
            for port, number in enumerate((first, second)):
                context.set(registers.address[port], number)
                assert context.get(registers.read[port]) == model[number], "a read shows what was written before its cycle"
            await context.tick()
            for number, value in zip(numbers, (even, odd), strict=True):
                if number and value is not None:
                    model[number] = value
        for number in range(32):
            context.set(registers.address[0], number)
            assert context.get(registers.read[0]) == model[number]

    SCALAR.run(check)


@property_settings(60)
@given(
    st.lists(
        st.tuples(
            *(st.integers(0, 63) for _ in range(5)),
            st.none() | st.tuples(st.integers(0, 63), st.integers(0, 2**128 - 1)),
            *(st.none() | st.integers(0, 63) for _ in range(3)),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_vector_registers_and_their_busy_bits(cycles: list[Any]) -> None:
    registers = VECTOR.component
    # Reset does not reach the lines, so the model learns them from the writes.
    lines: dict[int, int] = {}
    busy = [0, 0]

    async def check(context: Any) -> None:
        held: list[int | None] = [None] * 3

        def show(port: Any, number: int | None) -> None:
            context.set(port.valid, number is not None)
            context.set(port.number, (number or 0) % 32)
            context.set(port.thread, (number or 0) // 32)

        for a, b, c, d, e, write, reserve, release, abandon, reads in cycles:
            for port, number in zip(registers.scalar_read, (a, b, c), strict=True):
                show(port, number if reads else None)
            for port, number in zip(registers.matrix_read, (d, e), strict=True):
                context.set(port, number)
            show(registers.write, write[0] if write else None)
            context.set(registers.write_data, write[1] if write else 0)
            others = {write[0]} if write else set()
            marks = [mark if mark not in others else None for mark in (reserve, release, abandon)]
            marks = [mark if mark not in marks[:index] else None for index, mark in enumerate(marks)]
            for port, mark in zip((registers.reserve, registers.release, registers.abandon), marks, strict=True):
                show(port, mark)
            await context.tick()

            if reads:
                held = [lines.get(a), lines.get(b), lines.get(c)]
            for index, value in enumerate(held):
                if value is not None:
                    assert context.get(registers.scalar_data[index]) == value
            for index, number in enumerate((d, e)):
                if number in lines:
                    assert context.get(registers.matrix_data[index]) == lines[number]
            if write:
                lines[write[0]] = write[1]
                busy[write[0] // 32] &= ~(1 << write[0] % 32)
            for mark, value in zip(marks, (1, 0, 0), strict=True):
                if mark is not None:
                    bit = 1 << mark % 32
                    busy[mark // 32] = busy[mark // 32] | bit if value else busy[mark // 32] & ~bit
            assert [context.get(registers.busy[t]) for t in range(2)] == busy

    VECTOR.run(check)


AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, 65_535))
POST = st.none() | st.tuples(st.integers(0, 3), AMOUNTS)


@property_settings(150)
@given(st.lists(st.tuples(st.booleans(), POST, POST), max_size=30))
def test_semaphores_count_saturate_and_report(cycles: list[Any]) -> None:
    semaphores = SEMAPHORES.component
    model, overflow = [0] * 4, False

    async def check(context: Any) -> None:
        nonlocal overflow
        for takes, inside, outside in cycles:
            number, amount = inside or (0, 0)
            context.set(semaphores.number, number)
            context.set(semaphores.amount, amount)
            context.set(semaphores.post, inside is not None and not takes)
            context.set(semaphores.take, 0)
            take = None
            if takes:
                covered = context.get(semaphores.covered)
                assert covered == (amount <= model[number])
                # Takes are only made when the value covers them.
                context.set(semaphores.take, inside is not None and covered)
                take = inside if covered else None
            posts = (None if takes else inside, outside)
            context.set(semaphores.outside.valid, outside is not None)
            context.set(semaphores.outside.sem, outside[0] if outside else 0)
            context.set(semaphores.outside.amount, outside[1] if outside else 0)
            assert [context.get(semaphores.values[s]) for s in range(4)] == model
            await context.tick()
            if take:
                model[take[0]] -= take[1]
            for post in posts:
                if post:
                    model[post[0]] += post[1]
            overflow |= any(value > 65_535 for value in model)
            model[:] = [min(value, 65_535) for value in model]
            assert context.get(semaphores.overflow) == overflow
        assert [context.get(semaphores.values[s]) for s in range(4)] == model

    SEMAPHORES.run(check)


@pytest.mark.parametrize("amount", [1, 65_535])
def test_a_full_semaphore_stays_full(amount: int) -> None:
    async def check(context: Any) -> None:
        semaphores = SEMAPHORES.component
        context.set(semaphores.post, 1)
        context.set(semaphores.number, 3)
        context.set(semaphores.amount, 65_535)
        await context.tick()
        assert not context.get(semaphores.overflow)
        context.set(semaphores.amount, amount)
        await context.tick()
        assert context.get(semaphores.values[3]) == 65_535
        assert context.get(semaphores.overflow)

    SEMAPHORES.run(check)
