# SPDX-License-Identifier: Apache-2.0
"""A node with macro arithmetic equals the node with RTL arithmetic, in every boundary register and cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from golden.config import preset
from golden.isa import INSTRUCTIONS, Instruction, Unit
from golden.layout import FormatDescriptor, FormatKind
from golden.matrix import matmul
from golden.permute import transpose_group
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.host import run_program
from sw.kernels.matmul import run_matmul

CONFIG = preset("tiny")

#: Reads operands from its data, and uses every kind of matrix step and store; results leave as vector writes.
STEPS = """
_start: la a0, data
        li t0, {formats[0]}
        setfmt f2, t0
        li t0, {formats[1]}
        setfmt f3, t0
        li t0, {seed}
        csrrw zero, mseed, t0
        vld v1, 0(a0)
        vld v2, LINE_BYTES(a0)
        mstepz.bf16 m0, v1, v2
        mstepz.xl m1, v1, v2, f2
        mstep.xh m1, v2, v1, f3
        mstep.bf16 m0, v2, v1
        mstep.x.mm m1, (a0), (a0), f2
        mst.f32 m0, (a0)
        vld v3, 0(a0)
        mst.bf16 m1, (a0)
        vld v4, 0(a0)
        mst.x m1, (a0), f2
        vld v5, 0(a0)
        mst.x.s m0, (a0), f3
        csrrs t1, mflags, zero
        vld v6, 0(a0)
        halt zero
        .balign LINE_BYTES
data:   {words}
"""

#: Fills registers and predicates, then runs what is put in.
LANES = """
_start: la a0, data
        li t0, {seed}
        csrrw zero, mseed, t0
        {loads}
        li t0, 0x0FF3
        pmv.p.x p1, t0
        vlt.i8 p2, v3, v4
        {instructions}
        csrrs t1, mflags, zero
        halt zero
        .balign LINE_BYTES
data:   {words}
"""

#: Registers with data: the largest group of a transpose.
LOADED = 16


@pytest.fixture(scope="module")
def tiny_rtl() -> SimulatorLibrary:
    return build(CONFIG, "rtl")


def assert_same_records(rtl: np.ndarray[Any, Any], macro: np.ndarray[Any, Any]) -> None:
    """Fails with the first cycle and register that differ."""
    assert len(rtl) == len(macro)
    if rtl["nodes"].tobytes() == macro["nodes"].tobytes():
        return
    for cycle in range(len(rtl)):
        for y, x in np.ndindex(rtl["nodes"].shape[1:]):
            for name in rtl["nodes"].dtype.names or ():
                left, right = rtl["nodes"][cycle, y, x][name], macro["nodes"][cycle, y, x][name]
                assert left.tobytes() == right.tobytes(), f"cycle {cycle + 1}, node x={x}, y={y}, {name}"


@pytest.mark.rtl
def test_a_matrix_product_is_the_same_in_every_cycle(tiny_rtl: SimulatorLibrary, tiny_macro: SimulatorLibrary) -> None:
    # Any codes: NaN, infinities and denormals are among them.
    a, b = np.random.default_rng(7).integers(0, 1 << 16, (2, 12, 12)).astype(np.uint16)
    records = []
    for library in (tiny_rtl, tiny_macro):
        with SimulatedArray(CONFIG, 1, 2, library=library) as array:
            array.record_boundary()
            assert np.array_equal(run_matmul(array, a, b).c, matmul(a, b))
            records.append(array.boundary_records())
    assert_same_records(*records)


def assert_same_in_every_cycle(source: str, libraries: tuple[SimulatorLibrary, ...]) -> None:
    """Runs a program on nodes with either arithmetic."""
    program = assemble(source, config=CONFIG)
    records = []
    for library in libraries:
        with SimulatedArray(CONFIG, 1, 1, library=library) as array:
            array.record_boundary()
            assert run_program(array, program, 20_000).passed
            records.append(array.boundary_records())
    assert_same_records(*records)


def words_of(rng: np.random.Generator, count: int, near: bool) -> str:
    """Data: any words, or numbers with neighbouring exponents, whose sums cancel and round."""
    words = rng.integers(0, 1 << 32, count)
    return ".word " + ", ".join(map(str, words & 0x83FF_FFFF | 0x3C00_3C00 if near else words))


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(12))
def test_steps_and_stores_of_accumulators_are_the_same_in_every_cycle(
    seed: int, tiny_rtl: SimulatorLibrary, tiny_macro: SimulatorLibrary
) -> None:
    rng = np.random.default_rng(seed)
    formats = [int(FormatDescriptor(FormatKind(int(kind)), int(rng.integers(64)))) for kind in rng.choice((0, 1, 2), 2)]
    source = STEPS.format(words=words_of(rng, 16, seed % 2 == 1), formats=formats, seed=seed)
    assert_same_in_every_cycle(source, (tiny_rtl, tiny_macro))


def simd_instruction(row: Instruction, rng: np.random.Generator) -> str:
    """One SIMD instruction on registers that hold data, after its descriptor has been set."""
    group = transpose_group(CONFIG, int(row.mnemonic.removeprefix("vtrn.e"))) if "part" in row.operands else 1
    registers = {
        "vd": f"v{rng.integers(LOADED)}",
        "vs1": f"v{rng.integers(LOADED // group) * group}",
        "vs2": f"v{rng.integers(LOADED)}",
        "pd": f"p{rng.integers(3, 8)}",
        "pm": f"p{rng.choice((0, 0, 1, 2, 3))}",
        "rs1": "a1",
        "rs2": "a1",
        "fmt": "f1",
        "part": str(rng.integers(group)),
    }
    operands = ", ".join(registers[operand] for operand in row.operands)
    descriptor = FormatDescriptor(FormatKind(int(rng.integers(len(FormatKind)))), int(rng.integers(64)))
    before = {"fmt": f"li t0, {int(descriptor)}\n setfmt f1, t0\n", "rs1": f"li a1, {rng.integers(1 << 62)}\n"}
    before["rs2"] = f"li a1, {rng.integers(2 * CONFIG.line_bytes)}\n"
    return "".join(text for name, text in before.items() if name in row.operands) + f"{row.mnemonic} {operands}"


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(4))
def test_every_simd_instruction_is_the_same_in_every_cycle(
    seed: int, tiny_rtl: SimulatorLibrary, tiny_macro: SimulatorLibrary
) -> None:
    rng = np.random.default_rng(seed)
    rows = [row for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD]
    lines = []
    for number in rng.permutation(len(rows)):
        lines.append(simd_instruction(rows[number], rng))
        if rng.random() < 0.1:
            lines.append("csrrs t1, mflags, zero")
    source = LANES.format(
        seed=seed,
        loads="\n".join(f"vld v{register}, {register} * LINE_BYTES(a0)" for register in range(LOADED)),
        instructions="\n".join(lines),
        words=words_of(rng, LOADED * CONFIG.fp32_lanes, seed % 2 == 1),
    )
    assert_same_in_every_cycle(source, (tiny_rtl, tiny_macro))
