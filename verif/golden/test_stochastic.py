# SPDX-License-Identifier: Apache-2.0
"""Stochastic rounding: bit for bit what the definition and its generators give, and unbiased."""

from __future__ import annotations

import math
from statistics import NormalDist

import gfloat
import numpy as np
import numpy.typing as npt
import pytest

from golden.formats import BF16, FP32, UHP, Format, cfp8_143, cfp8_152, decode, encode, encode_codes, shp
from verif.golden import format_oracle
from verif.golden.format_oracle import Rules
from verif.golden.format_vectors import BIASES, CONFIGURABLE, FIXED, encode_vectors

FORMATS = (cfp8_143(7), cfp8_152(15), shp(40), UHP, BF16)


def sampled(codes: npt.NDArray[np.uint32], most: int, rng: np.random.Generator) -> npt.NDArray[np.uint32]:
    return codes if codes.size <= most else np.append(codes[-38:], rng.choice(codes, most - 38, replace=False))


def draws(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.uint32]:
    """24 random bits each; the extremes are among them."""
    random = rng.integers(0, 1 << 24, shape, np.uint32)
    random.flat[::5] = 0
    random.flat[1::5] = (1 << 24) - 1
    return random


@pytest.mark.parametrize(
    ("fmt", "rules"),
    [
        *((make(bias), rules(bias)) for make, rules in CONFIGURABLE.values() for bias in (0, 7, 15, 31, 63)),
        *FIXED.values(),
    ],
    ids=lambda x: f"{x.name}-{x.bias}" if isinstance(x, Format) else "",
)
def test_codes_and_flags_are_those_of_the_definition(fmt: Format, rules: Rules) -> None:
    rng = np.random.default_rng(5)
    codes = sampled(encode_vectors(rules), 3000, rng)
    random = draws(codes.shape, rng)
    seen = [array.tolist() for array in encode_codes(codes, fmt, random)]
    for code, r, *result in zip(codes.tolist(), random.tolist(), *seen, strict=True):
        assert tuple(result) == format_oracle.encode(code, rules, r), f"{code:#010x} to {fmt}, r = {r:#x}"


@pytest.mark.parametrize("name", CONFIGURABLE)
def test_all_biases_round_as_gfloat_does(name: str) -> None:
    """Between codes, where vectors lie only half way and at the ends, random numbers take part as well."""
    make, oracle = CONFIGURABLE[name]
    rng = np.random.default_rng(6)
    for bias in BIASES:
        rules = oracle(bias)
        between = np.ldexp(rng.uniform(1, 2, 2000), rng.integers(-14 - rules.mantissa_bits, 17, 2000) - bias + 15)
        codes = np.concatenate([sampled(encode_vectors(rules), 20_000, rng), between.astype(np.float32).view(np.uint32)])
        codes = codes[codes & 0x7FFF_FFFF <= FP32.infinity]
        random = draws(codes.shape, rng)
        info = format_oracle.gfloat_format(rules)
        rounded = gfloat.round_ndarray(
            info,
            codes.view(np.float32).astype(np.float64),
            gfloat.RoundMode.StochasticFastest,
            sat=True,
            srbits=random.astype(np.int64),
            srnumbits=24,
        )
        np.testing.assert_array_equal(encode_codes(codes, make(bias), random)[0], gfloat.encode_ndarray(info, rounded))


def test_bf16_takes_the_low_16_bits_as_gfloat_does() -> None:
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 1 << 32, 100_000, np.uint32)
    codes = codes[codes & 0x7FFF_FFFF <= FP32.infinity]
    random = draws(codes.shape, rng)
    info = format_oracle.gfloat_format(format_oracle.BF16)
    rounded = gfloat.round_ndarray(
        info,
        codes.view(np.float32).astype(np.float64),
        gfloat.RoundMode.StochasticFastest,
        srbits=random.astype(np.int64) & 0xFFFF,
        srnumbits=16,
    )
    np.testing.assert_array_equal(encode_codes(codes, BF16, random)[0], gfloat.encode_ndarray(info, rounded))


@pytest.mark.parametrize(("seed", "lanes"), [(0, 16), (1, 1), (0xDEAD_BEEF, 4), (5, 3)])
def test_elements_take_the_bits_of_their_lane_and_step(seed: int, lanes: int) -> None:
    values = np.random.default_rng(8).standard_normal((7, 31)).astype(np.float32)
    steps = -(-values.size // lanes)
    random = [r for step in format_oracle.random_bits(seed, lanes, steps) for r in step]
    for fmt, rules in ((cfp8_143(7), format_oracle.cfp8_143(7)), *FIXED.values()):
        codes, flags = encode(values, fmt, "stochastic", seed=seed, lanes=lanes, flags=True)
        wide = values.view(np.uint32).ravel().tolist()
        expected = [format_oracle.encode(code, rules, r) for code, r in zip(wide, random, strict=False)]
        assert list(zip(codes.ravel().tolist(), flags.ravel().tolist(), strict=True)) == expected
        # Other memory order, same order of elements.
        np.testing.assert_array_equal(encode(np.asfortranarray(values), fmt, "stochastic", seed=seed, lanes=lanes), codes)


def test_without_a_seed_it_is_0_and_lanes_are_16() -> None:
    values = np.random.default_rng(9).standard_normal(100).astype(np.float32)
    seen = encode(values, BF16, "stochastic")
    np.testing.assert_array_equal(seen, encode(values, BF16, "stochastic", seed=0, lanes=16))
    assert (seen != encode(values, BF16, "stochastic", seed=1)).any()
    assert (seen != encode(values, BF16, "stochastic", lanes=8)).any()


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("r", [0, 1, (1 << 23) - 1, 1 << 23, (1 << 24) - 1])
def test_exact_values_never_move(fmt: Format, r: int) -> None:
    codes = np.arange(fmt.largest + 1, dtype=fmt.dtype)
    if not fmt.denormals:
        codes = codes[1 << fmt.mantissa_bits :]
    exact = decode(codes, fmt).view(np.uint32)
    np.testing.assert_array_equal(encode_codes(exact, fmt, np.full(exact.shape, r, np.uint32))[0], codes)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_all_draws_together_are_exactly_unbiased(fmt: Format) -> None:
    """Of the 2**24 draws (2**16 for BF16), the share that rounds up is the discarded fraction, cut to that many bits."""
    resolution = 1 << fmt.random_bits
    random = np.arange(resolution, dtype=np.uint32)
    low = 2 << fmt.mantissa_bits
    below, above = decode(np.array([low, low + 1], fmt.dtype), fmt).astype(np.float64)
    for share in (2.0**-12, 0.3, 1 - 2.0**-9):
        value = np.float32(below + share * (above - below))
        fraction = (float(value) - below) / (above - below)
        codes, _ = encode_codes(np.full(resolution, value.view(np.uint32)), fmt, random)
        assert int((codes - low).sum(dtype=np.int64)) == math.floor(fraction * resolution)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_results_of_the_generators_are_unbiased(fmt: Format) -> None:
    """Ideal random bits would fail this with a probability of less than 1e-6, over all formats together.

    The count of numbers rounded up is binomial, and nearly normal for as many as there are; each of the tests, two-sided, takes
    an equal part of the error probability.
    """
    count, shares = 1 << 20, (2.0**-10, 0.01, 0.25, 0.5, 0.7, 1 - 2.0**-10)
    bound = -NormalDist().inv_cdf(1e-6 / (2 * len(shares) * len(FORMATS)))
    low = 2 << fmt.mantissa_bits
    below, above = decode(np.array([low, low + 1], fmt.dtype), fmt).astype(np.float64)
    for seed, share in enumerate(shares):
        value = np.float32(below + share * (above - below))
        fraction = (float(value) - below) / (above - below)
        ups = int((encode(np.full(count, value), fmt, "stochastic", seed=seed) - low).sum(dtype=np.int64))
        assert abs(ups - count * fraction) < bound * math.sqrt(count * fraction * (1 - fraction)), share


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_sums_of_many_numbers_keep_their_value(fmt: Format) -> None:
    """Nearest rounding would lose all of these: each is at most half a unit above an even code.

    The sum of the errors, in units, is of independent terms with variance f (1 - f): the bound is one of 1e-6 by the normal law.
    """
    count = 1 << 18
    low = 2 << fmt.mantissa_bits
    below, above = decode(np.array([low, low + 1], fmt.dtype), fmt).astype(np.float64)
    fractions = np.random.default_rng(10).uniform(0, 0.5, count)
    values = (below + fractions * (above - below)).astype(np.float32)
    fractions = (values.astype(np.float64) - below) / (above - below)
    errors = (encode(values, fmt, "stochastic", seed=11) - low).astype(np.float64) - fractions
    assert abs(errors.sum()) < -NormalDist().inv_cdf(1e-6 / 2) * math.sqrt((fractions * (1 - fractions)).sum())
    assert (encode(values, fmt) == low).all()
