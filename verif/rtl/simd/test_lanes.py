# SPDX-License-Identifier: Apache-2.0
"""The SIMD lanes in all sizes, and the macro that replaces them, against the model."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden.arithmetic import bf16_to_fp32, fp32_add, fp32_to_bf16
from golden.config import preset
from rtl.macros.verilog import simd_macro_verilog
from rtl.simd.lanes import simd_modules, simd_name
from verif.bench import bench_parameters, bench_rng, check_property, from_words, play, start, to_words
from verif.golden import vectors
from verif.rtl.side_by_side import run_side_by_side

CONFIGS = ["tiny", "medium", "d1"]
LATENCY = 2

Words = npt.NDArray[np.uint32]


class Op(IntEnum):
    """Operations by their numbers."""

    ADD_F32 = 0
    WIDEN_LOWER = 1
    WIDEN_UPPER = 2
    ROUND_BF16 = 3


def run(preset_name: str, test: str, **parameters: int) -> None:
    __tracebackhide__ = True
    config = preset(preset_name)
    run_side_by_side(
        simd_name(config),
        simd_modules(config),
        simd_macro_verilog(config),
        test_module=__name__,
        test=test,
        parameters={"config": preset_name, **parameters},
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_any_mix_of_operations_with_and_without_gaps_equals_the_model(name: str) -> None:
    run(name, "mixed_operations", cycles=3000)


def test_every_bf16_code_widens_as_in_the_model() -> None:
    run("d1", "every_code_widens")


def test_rounding_around_every_bf16_number_and_midpoint_equals_the_model() -> None:
    run("d1", "every_midpoint_rounds")


def test_any_few_operations_equal_the_model() -> None:
    run("tiny", "any_operations")


# ---------------------------------------------------------------------------------------------------------------------


def model(op: int, a: Words, b: Words) -> Words:
    """The result of an operation on lines of FP32 lanes (..., lanes)."""
    if op == Op.ADD_F32:
        return fp32_add(a, b)
    if op == Op.ROUND_BF16:
        return np.concatenate([fp32_to_bf16(a), fp32_to_bf16(b)], axis=-1).view(np.uint32)
    codes = np.ascontiguousarray(a).view(np.uint16)
    lanes = a.shape[-1]
    return bf16_to_fp32(codes[..., :lanes] if op == Op.WIDEN_LOWER else codes[..., lanes:])


async def compare(dut: Any, valid: list[int], ops: list[int], a: Words, b: Words) -> None:
    """Play one operation per cycle to hardware and macro, and compare the results of those that are valid."""
    inputs = {"valid": valid, "op": ops, "a": to_words(a), "b": to_words(b)}
    record = await play(dut, inputs, ["rtl_result", "macro_result"], extra_cycles=LATENCY)
    for kind in ("rtl", "macro"):
        results = from_words(record[f"{kind}_result"][LATENCY:], a[0])
        for op in Op:
            chosen = (np.array(valid) == 1) & (np.array(ops) == op)
            expected = model(op, a[chosen], b[chosen])
            wrong = np.nonzero((results[chosen] != expected).any(axis=1))[0]
            if len(wrong):
                index = wrong[0]
                raise AssertionError(
                    f"{kind}: {op.name} of\n{a[chosen][index]} and\n{b[chosen][index]} is\n{expected[index]}, not\n"
                    f"{results[chosen][index]}"
                )


@cocotb.test()
async def mixed_operations(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    cycles, lanes = bench_parameters()["cycles"], config.fp32_lanes
    await start(dut)
    rng = bench_rng()
    a, b = (codes[-cycles * lanes :].reshape(-1, lanes) for codes in vectors.addend_pairs(rng, cycles * lanes))
    # Half-way between two BF16 numbers.
    for codes in (a, b):
        middle = rng.random(codes.shape) < 0.2
        codes[middle] = codes[middle] & np.uint32(0xFFFF_0000) | np.uint32(0x8000)
    corners = rng.random(a.shape) < 0.1
    a[corners] = rng.choice(np.array(vectors.FP32_CORNERS, np.uint32), int(corners.sum()))
    for busy in (1.0, 0.5):
        valid = (rng.random(cycles) < busy).astype(int).tolist()
        await compare(dut, valid, rng.integers(0, 4, cycles).tolist(), a, b)


@cocotb.test()
async def every_code_widens(dut: Any) -> None:
    lanes = preset(bench_parameters()["config"]).fp32_lanes
    await start(dut)
    a = np.arange(1 << 16, dtype=np.uint16).view(np.uint32).reshape(-1, lanes)
    for op in (Op.WIDEN_LOWER, Op.WIDEN_UPPER):
        await compare(dut, [1] * len(a), [op] * len(a), a, ~a)


@cocotb.test()
async def every_midpoint_rounds(dut: Any) -> None:
    lanes = preset(bench_parameters()["config"]).fp32_lanes
    await start(dut)
    upper = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    numbers = (upper[:, None] | lower).reshape(2, -1, lanes)
    await compare(dut, [1] * numbers.shape[1], [Op.ROUND_BF16] * numbers.shape[1], numbers[0], numbers[1])


@cocotb.test()
async def any_operations(dut: Any) -> None:
    lanes = preset(bench_parameters()["config"]).fp32_lanes
    await start(dut)
    code = st.one_of(st.integers(0, 0xFFFF_FFFF), st.sampled_from(vectors.FP32_CORNERS))
    line = st.lists(code, min_size=lanes, max_size=lanes)
    operation = st.tuples(st.integers(0, 1), st.sampled_from([op.value for op in Op]), line, line)

    async def check(operations: list[tuple[int, int, list[int], list[int]]]) -> None:
        await FallingEdge(dut.clk)
        valid, ops, a, b = zip(*operations, strict=True)
        await compare(dut, list(valid), list(ops), np.array(a, np.uint32), np.array(b, np.uint32))

    await check_property(check, max_examples=150, operations=st.lists(operation, min_size=1, max_size=12))
