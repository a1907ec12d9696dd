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

CONFIG = preset("tiny")
SCALAR = Simulation(ScalarRegisters(CONFIG, reads=3, writes=2))
VECTOR = Simulation(VectorRegisters(CONFIG, reads=3, writes=2, marks=2))
SEMAPHORE_CONFIG = NodeConfig(semaphores=4)
SEMAPHORES = Simulation(Semaphores(SEMAPHORE_CONFIG))

VALUES = st.integers(0, 2**64 - 1)


#: A register of one of two threads.
REGISTER = st.integers(0, 63)


@property_settings(100)
@given(
    st.lists(
        st.tuples(
            st.tuples(*[REGISTER] * 3), st.lists(st.tuples(REGISTER, VALUES, st.booleans()), max_size=2, unique_by=lambda w: w[0])
        ),
        max_size=40,
    )
)
def test_scalar_registers_show_what_is_being_written_and_keep_what_is_written(cycles: list[Any]) -> None:
    registers = SCALAR.component
    model = [0] * 64

    async def check(context: Any) -> None:
        # Memories keep their contents in reset, as in hardware.
        context.set(registers.clear, 1)
        context.set(registers.written, 0)
        for number in range(16):
            context.set(registers.clear_number, number)
            await context.tick()
        context.set(registers.clear, 0)
        for reads, writes in cycles:
            forwarded = {}
            written = 0
            for port in range(2):
                number, value, happens = writes[port] if port < len(writes) else (0, 0, False)
                valid = port < len(writes) and number % 32 != 0
                write = registers.forward[port]
                for field, wanted in (("valid", valid), ("number", number % 32), ("thread", number // 32), ("data", value)):
                    context.set(getattr(write, field), wanted)
                if valid:
                    forwarded[number] = value
                    written |= happens << port
            context.set(registers.written, written)
            for operand, number in zip(registers.operands, reads, strict=True):
                context.set(operand.valid, 1)
                context.set(operand.number, number % 32)
                context.set(operand.thread, number // 32)
            for port, (value, number) in enumerate(zip(registers.values, reads, strict=True)):
                assert context.get(value) == forwarded.get(number, model[number])
                assert context.get(registers.stored[port]) == model[number]
                assert context.get(registers.forwarded[port]) == (number in forwarded)
            await context.tick()
            for number, value, happens in writes:
                if number % 32 and happens:
                    model[number] = value
        for number in range(64):
            context.set(registers.forward[0].valid, 0)
            context.set(registers.forward[1].valid, 0)
            context.set(registers.operands[0].number, number % 32)
            context.set(registers.operands[0].thread, number // 32)
            assert context.get(registers.values[0]) == model[number]

    SCALAR.run(check)


@property_settings(60)
@given(
    st.lists(
        st.tuples(
            st.tuples(*[st.none() | REGISTER] * 3),
            st.lists(st.tuples(REGISTER, st.integers(0, 2**128 - 1)), max_size=2, unique_by=lambda write: write[0]),
            st.tuples(*[st.none() | REGISTER] * 4),
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

        for reads, writes, wanted in cycles:
            named = {number for number, _ in writes}
            # What is being written is not read for use, nor marked; nothing is marked twice.
            reads = [None if number in named else number for number in reads]
            marks: list[int | None] = []
            for mark in wanted:
                marks.append(None if mark in named or mark in marks else mark)
            for port, number in zip(registers.read, reads, strict=True):
                show(port, number)
            for port in range(2):
                write = writes[port] if port < len(writes) else None
                show(registers.write[port], write[0] if write else None)
                context.set(registers.write_data[port], write[1] if write else 0)
            for port, mark in zip((*registers.reserve, *registers.release), marks, strict=True):
                show(port, mark)
            await context.tick()

            held = [before if number is None else lines.get(number) for before, number in zip(held, reads, strict=True)]
            for line, value in zip(registers.data, held, strict=True):
                if value is not None:
                    assert context.get(line) == value
            for number, value in writes:
                lines[number] = value
                busy[number // 32] &= ~(1 << number % 32)
            for mark, sets in zip(marks, (1, 1, 0, 0), strict=True):
                if mark is not None:
                    bit = 1 << mark % 32
                    busy[mark // 32] = busy[mark // 32] | bit if sets else busy[mark // 32] & ~bit
            assert [context.get(registers.busy[t]) for t in range(2)] == busy

    VECTOR.run(check)


AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, 65_535))
POST = st.none() | st.tuples(st.integers(0, 3), AMOUNTS)


@property_settings(150)
@given(st.lists(st.tuples(st.booleans(), POST, POST, st.booleans()), max_size=30))
def test_semaphores_count_saturate_and_report_which_overflowed_first(cycles: list[Any]) -> None:
    semaphores = SEMAPHORES.component
    model: list[int] = [0] * 4
    overflowed: int | None = None

    async def check(context: Any) -> None:
        nonlocal overflowed
        for takes, inside, outside, clears in cycles:
            context.set(semaphores.clear, clears)
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
            if clears:
                overflowed = None
            for post in posts:
                if post:
                    total = model[post[0]] + post[1]
                    if total > 65_535 and overflowed is None:
                        overflowed = post[0]
                    model[post[0]] = min(total, 65_535)
            assert context.get(semaphores.overflow) == (overflowed is not None)
            assert context.get(semaphores.overflowed) == (overflowed or 0)
        assert [context.get(semaphores.values[s]) for s in range(4)] == model

    SEMAPHORES.run(check)


@pytest.mark.parametrize("amount", [1, 65_535])
def test_a_full_semaphore_stays_full(amount: int) -> None:
    async def check(context: Any) -> None:
        semaphores = SEMAPHORES.component
        context.set(semaphores.clear, 0)
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
