# SPDX-License-Identifier: Apache-2.0
"""Formats: exhaustive for 16-bit codes, directed and random for binary32."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.formats import BF16, FP32, Format, decode, encode

BINARY16 = Format(name="binary16", exponent_bits=5, mantissa_bits=10, bias=15)
ALL_16_BIT = np.arange(1 << 16, dtype=np.uint16)


def same_bits(seen: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(seen.view(np.uint32), expected.view(np.uint32))


def neighbourhoods(fmt: Format) -> npt.NDArray[np.float32]:
    """Every value of a 16-bit format, every midpoint between two of them, and their float32 neighbours; both signs."""
    values = decode(np.arange(fmt.infinity, dtype=np.uint16), fmt).astype(np.float64)
    overflow = 2 * values[-1] - values[-2]
    steps = np.concatenate([values, (values + np.append(values[1:], overflow)) / 2]).astype(np.float32)
    around = np.concatenate([steps, np.nextafter(steps, np.float32(np.inf)), np.nextafter(steps, np.float32(-np.inf))])
    return np.concatenate([around, -around])


@pytest.mark.parametrize(
    ("fmt", "reference"), [(BF16, ml_dtypes.bfloat16), (BINARY16, np.float16)], ids=lambda x: getattr(x, "name", "")
)
def test_every_16_bit_code_decodes_as_the_reference_does(fmt: Format, reference: type) -> None:
    expected = ALL_16_BIT.view(reference).astype(np.float32)
    expected[np.isnan(expected)] = np.uint32(FP32.canonical_nan).view(np.float32)
    same_bits(decode(ALL_16_BIT, fmt), expected)


@pytest.mark.parametrize(
    ("fmt", "reference"), [(BF16, ml_dtypes.bfloat16), (BINARY16, np.float16)], ids=lambda x: getattr(x, "name", "")
)
def test_every_value_midpoint_and_neighbour_encodes_as_the_reference_does(fmt: Format, reference: type) -> None:
    values = neighbourhoods(fmt)
    with np.errstate(over="ignore"):
        expected = values.astype(reference).view(np.uint16)
    np.testing.assert_array_equal(encode(values, fmt), expected)


@pytest.mark.parametrize("fmt", [BF16, BINARY16], ids=lambda fmt: fmt.name)
def test_every_code_but_nan_survives_decode_and_encode(fmt: Format) -> None:
    magnitude = ALL_16_BIT & 0x7FFF
    expected = np.where(magnitude > fmt.infinity, np.uint16(fmt.canonical_nan), ALL_16_BIT)
    np.testing.assert_array_equal(encode(decode(ALL_16_BIT, fmt), fmt), expected)


def test_midpoints_go_to_the_even_code() -> None:
    midpoints = (np.arange(0x7F80, dtype=np.uint32) << 16 | 0x8000).view(np.float32)
    codes = encode(midpoints, BF16)
    assert (codes & 1 == 0).all()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_fp32_codes_are_float32_bits_with_canonical_nan(codes: list[int]) -> None:
    array = np.array(codes, np.uint32)
    nan = array & 0x7FFF_FFFF > 0x7F80_0000
    expected = np.where(nan, np.uint32(0x7FC0_0000), array)
    np.testing.assert_array_equal(decode(array, FP32).view(np.uint32), expected)
    np.testing.assert_array_equal(encode(array.view(np.float32), FP32), expected)


def test_shapes_and_types_of_codes_are_kept() -> None:
    assert decode(np.uint16(0x3F80), BF16).shape == ()
    assert encode(np.zeros((2, 0, 3), np.float32), BF16).shape == (2, 0, 3)
    assert encode(np.float32(1.0), FP32).dtype == np.uint32
    assert encode(np.array([1, 2], np.float32)[::2], BF16).dtype == np.uint16


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="codes of bf16 are uint16, not int64"):
        decode(np.array([0x3F80]), BF16)
    with pytest.raises(TypeError, match="values must be float32, not float64"):
        encode(np.array([1.0]), BF16)


@pytest.mark.parametrize(
    "change", [{"exponent_bits": 9}, {"mantissa_bits": 0}, {"mantissa_bits": 24}, {"bias": 128}, {"bias": 126}]
)
def test_a_format_beyond_binary32_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Format(**{"name": "odd", "exponent_bits": 8, "mantissa_bits": 7, "bias": 127} | change)  # type: ignore[arg-type]
