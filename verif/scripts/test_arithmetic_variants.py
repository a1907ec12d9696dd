# SPDX-License-Identifier: Apache-2.0
"""A node with macro arithmetic equals the node with RTL arithmetic, in every boundary register and cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from golden.config import preset
from golden.matrix import matmul
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.host import run_program
from sw.kernels.matmul import run_matmul

CONFIG = preset("tiny")

#: Reads operands from its data, and uses every instruction whose arithmetic a macro does; results leave as vector writes.
LANES = """
_start: la a0, data
        vld v1, 0(a0)
        vld v2, LINE_BYTES(a0)
        vadd.f32 v3, v1, v2
        vcvt.f32.bf16l v4, v1
        vcvt.f32.bf16h v5, v2
        vcvt.bf16.f32 v6, v1, v2
        mstepz.bf16 m0, v1, v2
        mstep.bf16 m1, v2, v1
        mst.f32 m0, (a0)
        mst.bf16 m1, (a0)
        vld v7, 0(a0)
        halt zero
        .balign LINE_BYTES
data:   {words}
"""


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


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(20))
def test_lanes_and_accumulators_are_the_same_in_every_cycle(
    seed: int, tiny_rtl: SimulatorLibrary, tiny_macro: SimulatorLibrary
) -> None:
    words = np.random.default_rng(seed).integers(0, 1 << 32, 8)
    # Neighbouring exponents make sums cancel and round; free bits make the special values.
    near = words & 0x83FF_FFFF | 0x3C00_3C00
    source = LANES.format(words=".word " + ", ".join(map(str, near if seed % 2 else words)))
    program = assemble(source, config=CONFIG)
    records = []
    for library in (tiny_rtl, tiny_macro):
        with SimulatedArray(CONFIG, 1, 1, library=library) as array:
            array.record_boundary()
            assert run_program(array, program, 1000).passed
            records.append(array.boundary_records())
    assert_same_records(*records)
