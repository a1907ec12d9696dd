# SPDX-License-Identifier: Apache-2.0
"""Encoding to every format, through the hardware itself, against the model."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden.formats import Format, decode_codes, encode_codes, format_of
from golden.layout import FormatKind
from rtl.arithmetic.format_encode import SMALL_CYCLES, FormatEncode
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start
from verif.golden import format_oracle, vectors
from verif.golden.format_vectors import CONFIGURABLE
from verif.rtl.arithmetic.convert_lanes import BIASES, CFP8, ConvertLanes, Fp32, assert_same, convert

CORNERS = np.array(vectors.FP32_CORNERS, np.uint32)

#: An encode of many: kind, bias, values, random bits or None for nearest.
Case = tuple[FormatKind, int, Fp32, Fp32 | None]

#: Every kind, those that have a bias with each of these.
SOME_BIASES = (0, 1, 7, 15, 31, 62, 63)
ALL_KINDS = [(kind, bias) for kind in (*CFP8, FormatKind.SHP) for bias in SOME_BIASES] + [
    (kind, bias) for kind in (FormatKind.UHP, FormatKind.BF16, FormatKind.FP32) for bias in (0, 63)
]


both_sizes = pytest.mark.parametrize("small", [False, True])


def run(test: str, small: bool) -> None:
    __tracebackhide__ = True
    lanes, converter = ConvertLanes(FormatEncode(small), "value", "code", clocked=small), FormatEncode(small)
    run_bench(lanes, modules={"convert": converter}, tests=[test], parameters={"small": small})


@both_sizes
def test_every_value_of_8_bits_and_every_midpoint_with_neighbours_encodes_to_nearest_with_every_bias(small: bool) -> None:
    run("all_around_8_bits", small)


@both_sizes
def test_values_and_midpoints_of_16_bits_with_neighbours_encode_to_nearest(small: bool) -> None:
    run("around_16_bits", small)


@both_sizes
def test_stochastic_rounding_is_that_of_the_model_on_both_sides_of_its_threshold(small: bool) -> None:
    run("stochastic", small)


@both_sizes
def test_any_number_encodes_to_any_format_as_in_the_model(small: bool) -> None:
    run("any_number", small)


def around(fmt: Format, magnitudes: np.ndarray[Any, Any]) -> Fp32:
    """binary32 codes of these codes' values, of the midpoints to the next code's value, and their neighbours; both signs.

    The code above the largest one has no value in a format without Inf, but a place where it would lie.
    """
    values = decode_codes(magnitudes.astype(fmt.dtype), fmt)[0].view(np.float32).astype(np.float64)
    exponents = np.maximum(magnitudes >> fmt.mantissa_bits, 1) - fmt.bias - fmt.mantissa_bits
    points = np.concatenate([values, values + np.ldexp(0.5, exponents), values + np.ldexp(1.0, exponents)])
    with np.errstate(over="ignore"):
        # The place above the largest BF16 number is Inf.
        codes = points.astype(np.float32).view(np.uint32).astype(np.int64)
    near = np.unique(np.clip(codes[:, None] + np.array([-1, 0, 1]), 0, 0x7F80_0000)).astype(np.uint32)
    return np.concatenate([near, near | np.uint32(1 << 31)])


def thresholds(fmt: Format, values: Fp32, rng: np.random.Generator) -> Fp32:
    """Random bits for each value: just enough to round up, just too few, all, none, or any."""
    numbers = np.abs(values.view(np.float32).astype(np.float64))
    numbers = np.where(np.isfinite(numbers), numbers, 0)
    exponents = np.maximum(np.frexp(numbers)[1] - 1, 1 - fmt.bias) - fmt.mantissa_bits
    units = np.ldexp(numbers, -exponents)
    scale = 1 << fmt.random_bits
    enough = (scale - np.floor((units - np.floor(units)) * scale)).astype(np.int64)
    choice = rng.integers(0, 4, len(values))
    offset = np.select([choice == 0, choice == 1, choice == 2], [enough, enough - 1, rng.choice((0, scale - 1), len(values))])
    anything = rng.integers(0, 1 << 24, len(values))
    # Bits above those that count are anything.
    return (np.where(choice == 3, anything, offset % scale + anything // scale * scale)).astype(np.uint32) & np.uint32(0xFF_FFFF)


@pytest.mark.parametrize("mistake", format_oracle.WRONG)
@pytest.mark.parametrize("name", ["cfp8_143", "cfp8_152"])
def test_vectors_tell_plausible_mistakes_from_the_definition(name: str, mistake: str) -> None:
    make, oracle = CONFIGURABLE[name]
    wrong = format_oracle.WRONG[mistake]
    for bias in (0, 15, 63):
        rules = oracle(bias)
        codes = np.concatenate([around(make(bias), np.arange(128)), CORNERS]).tolist()
        assert any(format_oracle.encode(code, rules, variant=wrong) != format_oracle.encode(code, rules) for code in codes)


async def check(dut: Any, cases: list[Case]) -> None:
    """Encodes are those of the model."""
    rng = bench_rng(1)
    batches = [
        {
            "operand": values,
            "kind": kind,
            "bias": bias,
            "stochastic": random is not None,
            "random": rng.integers(0, 1 << 24, len(values)) if random is None else random,
        }
        for kind, bias, values, random in cases
    ]
    answers = await convert(dut, batches, SMALL_CYCLES if bench_parameters()["small"] else 0)
    for (kind, bias, values, random), seen in zip(cases, answers, strict=True):
        what = f"{kind.name} with bias {bias}, {'nearest' if random is None else 'stochastic'}"
        assert_same(what, values, seen, encode_codes(values, format_of(kind, bias), random))


@cocotb.test()
async def all_around_8_bits(dut: Any) -> None:
    await start(dut)
    cases: list[Case] = []
    for kind in CFP8:
        for bias in BIASES:
            values = around(format_of(kind, bias), np.arange(128))
            cases.append((kind, bias, np.concatenate([values, CORNERS]), None))
    await check(dut, cases)


@cocotb.test()
async def around_16_bits(dut: Any) -> None:
    await start(dut)
    rng = bench_rng()
    cases: list[Case] = []
    formats = [(FormatKind.SHP, bias) for bias in BIASES] + [(FormatKind.UHP, 5), (FormatKind.BF16, 6), (FormatKind.FP32, 7)]
    for kind, bias in formats:
        fmt = format_of(kind, bias)
        values = rng.integers(0, 1 << 32, 500, dtype=np.uint32)
        if kind is not FormatKind.FP32:
            # Where mantissas and exponents begin and end, and some in between; in UHP denormals too, which it only rounds to.
            ends = np.arange(0, fmt.largest + 1, 1 << fmt.mantissa_bits)
            codes = np.concatenate([ends, ends + 1, ends + (1 << fmt.mantissa_bits) - 1, rng.integers(0, fmt.largest + 1, 60)])
            values = np.concatenate([values, around(fmt, codes)])
        cases.append((kind, bias, np.concatenate([values, CORNERS]), None))
    await check(dut, cases)


@cocotb.test()
async def stochastic(dut: Any) -> None:
    await start(dut)
    rng = bench_rng()
    cases: list[Case] = []
    for kind, bias in ALL_KINDS:
        fmt = format_of(kind, bias)
        # From far below the smallest number to just above the largest.
        low = max(1, 127 - fmt.bias - fmt.mantissa_bits - 26) << 23
        high = min(0x7F80_0000, 130 - fmt.bias + (1 << fmt.exponent_bits) << 23)
        values = rng.integers(low, high, 2000, dtype=np.uint32)
        # Few bits set: thresholds that are round numbers.
        values[::3] &= np.uint32(0xFFFF_0000)
        values |= rng.integers(0, 2, len(values), dtype=np.uint32) << np.uint32(31)
        values = np.concatenate([values, CORNERS, CORNERS])
        cases.append((kind, bias, values, thresholds(fmt, values, rng)))
    await check(dut, cases)


@cocotb.test()
async def any_number(dut: Any) -> None:
    await start(dut)
    number = st.one_of(st.integers(0, 0xFFFF_FFFF), st.sampled_from(vectors.FP32_CORNERS))
    random = st.one_of(st.none(), st.integers(0, (1 << 24) - 1))
    one = st.tuples(st.sampled_from(FormatKind), st.integers(0, 63), number, random)

    async def holds(numbers: list[tuple[FormatKind, int, int, int | None]]) -> None:
        await FallingEdge(dut.clk)
        cases: list[Case] = []
        for kind, bias, value, r in numbers:
            cases.append((kind, bias, np.array([value], np.uint32), None if r is None else np.array([r], np.uint32)))
        await check(dut, cases)

    await check_property(holds, max_examples=100, numbers=st.lists(one, min_size=1, max_size=32))
