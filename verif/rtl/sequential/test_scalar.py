# SPDX-License-Identifier: Apache-2.0
"""The scalar side of the sequential core against Python's integers: operations, shifts, comparisons, loads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.core.decoder import AluOp
from rtl.sequential.scalar import ResultSource, ScalarDatapath
from verif.rtl.core.test_alu import OPERANDS, WORD_OPS, expected, signed
from verif.rtl.simulate import Simulation, property_settings

SIMULATIONS = {line_bytes: Simulation(ScalarDatapath(line_bytes)) for line_bytes in (16, 64)}
SHIFTS = (AluOp.SLL, AluOp.SRL, AluOp.SRA)


def _name(context: Any, datapath: Any, rs1: int, rs2: int) -> None:
    """Read these registers."""
    context.set(datapath.rs1_number, rs1)
    context.set(datapath.rs2_number, rs2)


async def _write(context: Any, datapath: Any, number: int, value: int) -> None:
    """Put a value into a register by way of the result."""
    context.set(datapath.outside, value)
    context.set(datapath.source, ResultSource.OUTSIDE)
    await context.tick()
    context.set(datapath.source, ResultSource.KEEP)
    context.set(datapath.number, number)
    context.set(datapath.write, 1)
    await context.tick()
    context.set(datapath.write, 0)


async def _shift(context: Any, datapath: Any) -> None:
    """Wait until nothing is left to be shifted."""
    for _ in range(32):
        if not context.get(datapath.shifts):
            context.set(datapath.source, ResultSource.KEEP)
            return
        context.set(datapath.source, ResultSource.SHIFTED)
        await context.tick()
    raise AssertionError("a shift takes more than 32 cycles")


@property_settings(120)
@given(st.lists(st.tuples(st.sampled_from(list(AluOp)), st.booleans(), OPERANDS, OPERANDS), min_size=1, max_size=10))
def test_operations_on_two_registers(operations: list[tuple[AluOp, bool, int, int]]) -> None:
    datapath = SIMULATIONS[16].component

    async def check(context: Any) -> None:
        _name(context, datapath, 5, 6)
        context.set(datapath.from_rs1, 1)
        context.set(datapath.rs2_parts, 0b1111)
        for op, wants_word, a, b in operations:
            if op is AluOp.NONE:
                continue
            word = wants_word and op in WORD_OPS
            await _write(context, datapath, 5, a)
            await _write(context, datapath, 6, b)
            await context.tick().repeat(2)
            assert (context.get(datapath.rs1), context.get(datapath.rs2)) == (a, b)
            context.set(datapath.decoded, {"alu": op, "word": word})
            context.set(datapath.source, ResultSource.ALU)
            context.set(datapath.set_shift, op in SHIFTS)
            await context.tick()
            context.set(datapath.source, ResultSource.KEEP)
            context.set(datapath.set_shift, 0)
            if op in SHIFTS:
                await _shift(context, datapath)
            assert context.get(datapath.result) == expected(op, word, a, b), (op, word, hex(a), hex(b))
            assert context.get(datapath.zero) == (expected(op, word, a, b) == 0)

    SIMULATIONS[16].run(check)


@property_settings(120)
@given(st.lists(st.tuples(st.integers(0, 7), OPERANDS, OPERANDS | st.none()), min_size=1, max_size=20))
def test_branches_compare(branches: list[tuple[int, int, int | None]]) -> None:
    datapath = SIMULATIONS[16].component

    async def check(context: Any) -> None:
        context.set(datapath.from_rs1, 1)
        context.set(datapath.rs2_parts, 0b1111)
        context.set(datapath.source, ResultSource.ALU)
        context.set(datapath.decoded, {"alu": AluOp.SUB, "branch": 1})
        _name(context, datapath, 5, 6)
        for funct3, a, other in branches:
            b = a if other is None else other
            context.set(datapath.insn, funct3 << 12)
            await _write(context, datapath, 5, a)
            await _write(context, datapath, 6, b)
            await context.tick().repeat(2)
            context.set(datapath.source, ResultSource.ALU)
            await context.tick()
            assert context.get(datapath.zero) == (a == b)
            if funct3 >= 4:
                below = a < b if funct3 & 2 else signed(a, 64) < signed(b, 64)
                assert context.get(datapath.less) == below, (funct3, hex(a), hex(b))

    SIMULATIONS[16].run(check)


@pytest.mark.parametrize("line_bytes", SIMULATIONS)
@property_settings(60)
@given(
    line=st.binary(min_size=64, max_size=64),
    loads=st.lists(st.tuples(st.sampled_from((0, 1, 2, 3, 4, 5, 6)), st.integers(0, 63)), min_size=1, max_size=20),
)
def test_loads_extend_what_lies_at_the_address(line_bytes: int, line: bytes, loads: list[tuple[int, int]]) -> None:
    datapath = SIMULATIONS[line_bytes].component
    line = line[:line_bytes]

    async def check(context: Any) -> None:
        context.set(datapath.load_line, int.from_bytes(line, "little"))
        for funct3, place in loads:
            size = 1 << (funct3 & 3)
            address = place % line_bytes // size * size
            context.set(datapath.insn, funct3 << 12)
            context.set(datapath.outside, address)
            context.set(datapath.source, ResultSource.OUTSIDE)
            await context.tick()
            context.set(datapath.source, ResultSource.LOADED)
            context.set(datapath.set_extension, 1)
            await context.tick()
            context.set(datapath.set_extension, 0)
            await _shift(context, datapath)
            value = int.from_bytes(line[address : address + size], "little", signed=funct3 < 4)
            assert context.get(datapath.result) == value % 2**64, (funct3, address)

    SIMULATIONS[line_bytes].run(check)


def test_x0_is_never_written_and_cleared_registers_are_zero() -> None:
    datapath = SIMULATIONS[16].component

    async def check(context: Any) -> None:
        await _write(context, datapath, 0, 7)
        await _write(context, datapath, 6, 9)
        _name(context, datapath, 0, 6)
        await context.tick().repeat(2)
        assert (context.get(datapath.rs1), context.get(datapath.rs2)) == (0, 9)
        context.set(datapath.clear, 1)
        context.set(datapath.clear_number, 6)
        await context.tick()
        context.set(datapath.clear, 0)
        await context.tick().repeat(2)
        assert context.get(datapath.rs2) == 0

    SIMULATIONS[16].run(check)


@property_settings(60)
@given(OPERANDS, OPERANDS, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_operands_are_what_is_asked_for(first: int, second: int, immediate: int, extra: int) -> None:
    datapath = SIMULATIONS[16].component
    sums: list[tuple[dict[str, int], int]] = [
        ({"from_rs1": 1, "from_immediate": 1}, first + signed(immediate, 32)),
        ({"from_pc": 1, "extra": extra}, 0x8000_1234 + extra),
        ({"from_result": 1, "rs2_parts": 0b0111, "rs2_word": 1}, second + signed(second, 32)),
        ({"step": 32, "rs2_parts": 0b1111}, second + 32),
        *(({"rs2_parts": (1 << parts) - 1}, second % (1 << bits)) for parts, bits in ((1, 8), (2, 16), (3, 32), (4, 64))),
    ]

    async def check(context: Any) -> None:
        _name(context, datapath, 5, 6)
        context.set(datapath.pc, 0x8000_1234)
        context.set(datapath.decoded, {"alu": AluOp.XOR, "word": 1, "immediate": immediate})
        context.set(datapath.plain, 1)
        for gates, total in sums:
            await _write(context, datapath, 5, first)
            await _write(context, datapath, 6, second)
            await context.tick().repeat(2)
            for name, value in gates.items():
                context.set(getattr(datapath, name), value)
            await context.tick()
            context.set(datapath.source, ResultSource.ALU)
            await context.tick()
            context.set(datapath.source, ResultSource.KEEP)
            for name in gates:
                context.set(getattr(datapath, name), 0)
            assert context.get(datapath.result) == total % 2**64, gates

    SIMULATIONS[16].run(check)
