# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of the lanes against MPFR, NumPy and ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.arithmetic import bf16_to_fp32, fp32_add, fp32_to_bf16
from golden.formats import BF16, decode, encode
from verif.golden import oracles
from verif.golden.vectors import FP32_CORNERS, addend_pairs

fp32_code = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(FP32_CORNERS))


def test_addition_is_that_of_mpfr() -> None:
    a, b = addend_pairs(np.random.default_rng(2), 20_000)
    expected = [oracles.mpfr_add(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_array_equal(fp32_add(a, b), np.array(expected, np.uint32))


def add(a: int, b: int) -> int:
    """The model's sum of two codes."""
    return int(fp32_add(np.array([a], np.uint32), np.array([b], np.uint32))[0])


@given(fp32_code, fp32_code)
def test_addition_of_any_two_codes_is_that_of_mpfr(a: int, b: int) -> None:
    assert add(a, b) == oracles.mpfr_add(a, b)


@given(fp32_code, fp32_code)
def test_finite_sums_are_rounded_fractions(a: int, b: int) -> None:
    seen = add(a, b)
    if a & oracles.FP32_INFINITY == oracles.FP32_INFINITY or b & oracles.FP32_INFINITY == oracles.FP32_INFINITY:
        assert seen & oracles.FP32_INFINITY == oracles.FP32_INFINITY
        return
    total = oracles.fp32_value(a) + oracles.fp32_value(b)
    assert seen == oracles.fp32_round(total) or (total == 0 and seen == (a & b & 0x8000_0000))


def test_addition_broadcasts_and_commutes() -> None:
    a, b = addend_pairs(np.random.default_rng(3), 1000)
    np.testing.assert_array_equal(fp32_add(a, b), fp32_add(b, a))
    assert fp32_add(a[:4, None], b[None, :5]).shape == (4, 5)


@pytest.mark.parametrize("ties", ["away", "truncate"])
def test_addition_vectors_tell_the_right_rounding_from(ties: str) -> None:
    a, b = addend_pairs(np.random.default_rng(2), 1000)
    right = fp32_add(a, b).tolist()
    finite = (a & oracles.FP32_INFINITY != oracles.FP32_INFINITY) & (b & oracles.FP32_INFINITY != oracles.FP32_INFINITY)
    terms = zip(a.tolist(), b.tolist(), right, finite.tolist(), strict=True)
    sums = ((oracles.fp32_value(x) + oracles.fp32_value(y), code) for x, y, code, known in terms if known)
    assert any(total != 0 and oracles.fp32_round(total, ties) != code for total, code in sums)


def test_every_bf16_code_widens_to_its_value() -> None:
    codes = np.arange(1 << 16, dtype=np.uint16)
    np.testing.assert_array_equal(bf16_to_fp32(codes), decode(codes, BF16).view(np.uint32))


def test_rounding_to_bf16_is_that_of_ml_dtypes_around_every_code_and_midpoint() -> None:
    upper = np.arange(1 << 16, dtype=np.uint32)[:, None] << np.uint32(16)
    codes = (upper | np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)).ravel()
    values = codes.view(np.float32)
    with np.errstate(invalid="ignore"):
        expected = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    expected[np.isnan(values)] = BF16.canonical_nan
    np.testing.assert_array_equal(fp32_to_bf16(codes), expected)


@given(st.lists(fp32_code, min_size=1, max_size=50))
def test_rounding_to_bf16_is_encoding(codes: list[int]) -> None:
    array = np.array(codes, np.uint32)
    np.testing.assert_array_equal(fp32_to_bf16(array), encode(array.view(np.float32), BF16))
