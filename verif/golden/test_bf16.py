# SPDX-License-Identifier: Apache-2.0
"""Widening of BF16 lanes, and the rounding behind them, against ml_dtypes and the converts of all formats."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from golden.bf16 import cut, round_fp32, widen
from golden.formats import BF16, FP32, decode, encode_codes
from golden.layout import Flag
from verif.golden.vectors import FP32_CORNERS

Fp32 = npt.NDArray[np.uint32]

fp32_code = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(FP32_CORNERS))


def results(codes: Fp32) -> Fp32:
    """Codes as operations of lanes return them, with every NaN canonical."""
    return np.where(codes & 0x7FFF_FFFF > FP32.infinity, np.uint32(FP32.canonical_nan), codes)


def around_every_code() -> Fp32:
    """Every BF16 number, the midpoint above it, and their float32 neighbours."""
    upper = np.arange(1 << 16, dtype=np.uint32)[:, None] << np.uint32(16)
    return results((upper | np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)).ravel())


def check(codes: Fp32, random: Fp32 | None) -> None:
    """Codes, and all flags but that of denormal operands, are those of encoding."""
    expected, flags = encode_codes(codes, BF16, random)
    seen, added = round_fp32(codes, random)
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(added, flags & ~np.uint8(Flag.DENORMAL))


def test_every_code_widens_to_its_value_and_back() -> None:
    codes = np.arange(1 << 16, dtype=np.uint16)
    numbers = codes & 0x7FFF <= BF16.infinity
    np.testing.assert_array_equal(widen(codes[numbers]), decode(codes[numbers], BF16).view(np.uint32))
    np.testing.assert_array_equal(cut(widen(codes)), codes)


def test_rounding_is_that_of_ml_dtypes_around_every_code_and_midpoint() -> None:
    codes = around_every_code()
    with np.errstate(invalid="ignore"):
        expected = codes.view(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)
    np.testing.assert_array_equal(round_fp32(codes)[0], expected)


def test_codes_and_flags_are_those_of_encoding_around_every_code_and_midpoint() -> None:
    check(around_every_code(), None)


def test_stochastic_codes_and_flags_are_those_of_encoding() -> None:
    codes = around_every_code()
    random = np.random.default_rng(1).integers(0, 1 << 24, codes.shape, np.uint32)
    random[::7] = 0
    random[1::7] |= np.uint32(0xFFFF)
    check(codes, random)


@given(st.lists(fp32_code, min_size=1, max_size=50))
def test_any_codes_round_as_encoding_does(codes: list[int]) -> None:
    check(results(np.array(codes, np.uint32)), None)
