# SPDX-License-Identifier: Apache-2.0
"""Decoding of every format, through the hardware itself, against the model: every code of 8 and 16 bits."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from golden.formats import decode_codes, format_of
from golden.layout import FormatKind
from rtl.arithmetic.format_decode import FormatDecode
from verif.bench import bench_rng, run_bench, start
from verif.golden import vectors
from verif.rtl.arithmetic.convert_lanes import BIASES, CFP8, ConvertLanes, assert_same, convert


def run(test: str) -> None:
    __tracebackhide__ = True
    run_bench(ConvertLanes(FormatDecode(), "code", "value"), modules={"convert": FormatDecode()}, tests=[test])


def test_every_code_of_8_bits_decodes_with_every_bias() -> None:
    run("codes_of_8_bits")


def test_every_code_of_16_bits_decodes() -> None:
    run("codes_of_16_bits")


def test_numbers_of_32_bits_stay_but_for_nan() -> None:
    run("codes_of_32_bits")


async def check(dut: Any, codes: np.ndarray[Any, Any], formats: list[tuple[FormatKind, int]]) -> None:
    await start(dut)
    answers = await convert(dut, [{"operand": codes, "kind": kind, "bias": bias} for kind, bias in formats])
    for (kind, bias), seen in zip(formats, answers, strict=True):
        fmt = format_of(kind, bias)
        own = (codes & (1 << fmt.bits) - 1).astype(fmt.dtype)
        assert_same(f"{kind.name} with bias {bias}", codes, seen, decode_codes(own, fmt))


@cocotb.test()
async def codes_of_8_bits(dut: Any) -> None:
    # What lies above a code means nothing.
    above = bench_rng().integers(0, 1 << 24, 256, dtype=np.uint32) << np.uint32(8)
    await check(dut, np.arange(256, dtype=np.uint32) | above, [(kind, bias) for kind in CFP8 for bias in BIASES])


@cocotb.test()
async def codes_of_16_bits(dut: Any) -> None:
    above = bench_rng().integers(0, 1 << 16, 1 << 16, dtype=np.uint32) << np.uint32(16)
    formats = [(FormatKind.SHP, bias) for bias in (0, 15, 63)] + [(FormatKind.UHP, 9), (FormatKind.BF16, 42)]
    await check(dut, np.arange(1 << 16, dtype=np.uint32) | above, formats)


@cocotb.test()
async def codes_of_32_bits(dut: Any) -> None:
    rng = bench_rng()
    codes = np.concatenate([np.array(vectors.FP32_CORNERS, np.uint32), rng.integers(0, 1 << 32, 1000, dtype=np.uint32)])
    await check(dut, codes, [(FormatKind.FP32, 0), (FormatKind.FP32, 63)])
