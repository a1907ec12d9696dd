# SPDX-License-Identifier: Apache-2.0
"""What formats are, and what their codes mean: exhaustive over codes and biases."""

from __future__ import annotations

import doctest
from typing import Any, Literal

import gfloat
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden.formats
from golden.formats import (
    BF16,
    FP32,
    UHP,
    Format,
    cfp8_143,
    cfp8_152,
    decode,
    decode_codes,
    encode,
    encode_codes,
    format_of,
    shp,
)
from golden.layout import Flag, FormatDescriptor, FormatKind
from verif.golden import format_oracle
from verif.golden.format_oracle import Rules
from verif.golden.format_vectors import BIASES, CONFIGURABLE, FIXED

BINARY16 = Format(name="binary16", exponent_bits=5, mantissa_bits=10, bias=15)


def all_codes(fmt: Format) -> npt.NDArray[np.unsignedinteger]:
    return np.arange(1 << fmt.bits, dtype=fmt.dtype)


def same_bits(seen: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    """Equal codes, with every expected NaN canonical."""
    expected = expected.astype(np.float32)
    np.testing.assert_array_equal(seen.view(np.uint32), np.where(np.isnan(expected), 0x7FC0_0000, expected.view(np.uint32)))


def test_examples_of_the_module_hold() -> None:
    assert doctest.testmod(golden.formats).failed == 0


# ---------------------------------------------------------------------------------------------------------------------
# Decoding
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGURABLE)
def test_every_code_of_every_bias_decodes_as_gfloat_does(name: str) -> None:
    make, oracle = CONFIGURABLE[name]
    for bias in BIASES:
        fmt = make(bias)
        same_bits(decode(all_codes(fmt), fmt), gfloat.decode_ndarray(format_oracle.gfloat_format(oracle(bias)), all_codes(fmt)))


@pytest.mark.parametrize("name", FIXED)
def test_every_code_of_fixed_formats_decodes_as_gfloat_does(name: str) -> None:
    fmt, rules = FIXED[name]
    expected = gfloat.decode_ndarray(format_oracle.gfloat_format(rules), all_codes(fmt))
    if rules.flush:
        expected[: rules.normal] = 0
    same_bits(decode(all_codes(fmt), fmt), expected)


@pytest.mark.parametrize(
    ("fmt", "reference", "where_equal"),
    [
        (BF16, ml_dtypes.bfloat16, 0x7FFF),
        (BINARY16, np.float16, 0x7FFF),
        (shp(15), np.float16, 0x7BFF),
        (cfp8_143(7), ml_dtypes.float8_e4m3fn, 0x7E),
        (cfp8_152(15), ml_dtypes.float8_e5m2, 0x7B),
    ],
    ids=lambda x: getattr(x, "__name__", getattr(x, "name", "")),
)
def test_codes_decode_as_in_types_that_others_made_where_they_coincide(fmt: Format, reference: type, where_equal: int) -> None:
    codes = all_codes(fmt)
    codes = codes[codes & (1 << fmt.bits - 1) - 1 <= where_equal]
    same_bits(decode(codes, fmt), codes.view(reference).astype(np.float32))


@pytest.mark.parametrize(
    ("fmt", "rules"),
    [
        *((make(bias), rules(bias)) for make, rules in list(CONFIGURABLE.values())[:2] for bias in BIASES),
        *((shp(bias), format_oracle.shp(bias)) for bias in (0, 15, 63)),
        *FIXED.values(),
    ],
    ids=lambda x: f"{x.name}-{x.bias}" if isinstance(x, Format) else "",
)
def test_codes_have_the_value_and_flags_of_the_definition(fmt: Format, rules: Rules) -> None:
    """All codes of 8 bits. Of 16 bits, those where a rule begins or ends, and samples in between."""
    codes = all_codes(fmt)
    if fmt.bits == 16:
        edges = np.array([0, rules.normal, rules.top, rules.nan, 1 << 16])
        near = edges[:, None] + np.arange(-40, 40) | np.array([[[0]], [[rules.sign]]])
        codes = np.union1d(near & 0xFFFF, codes[::97]).astype(np.uint16)
    expected = [format_oracle.decode(code, rules) for code in codes.tolist()]
    values, flags = decode_codes(codes, fmt)
    assert list(zip(values.tolist(), flags.tolist(), strict=True)) == expected


def test_wide_formats_decode_without_a_table_as_with_one() -> None:
    # The lower eight mantissa bits of this one are those that BF16 does not have.
    wide = Format(name="wide", exponent_bits=8, mantissa_bits=15, bias=127)
    codes, flags = decode_codes(all_codes(BF16).astype(np.uint32) << np.uint32(8), wide)
    expected_codes, expected_flags = decode_codes(all_codes(BF16), BF16)
    np.testing.assert_array_equal(codes, expected_codes)
    np.testing.assert_array_equal(flags, expected_flags)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_fp32_codes_are_float32_bits_with_canonical_nan(codes: list[int]) -> None:
    array = np.array(codes, np.uint32)
    nan = array & 0x7FFF_FFFF > 0x7F80_0000
    expected = np.where(nan, np.uint32(0x7FC0_0000), array)
    np.testing.assert_array_equal(decode(array, FP32).view(np.uint32), expected)
    np.testing.assert_array_equal(encode(array.view(np.float32), FP32), expected)


def test_fp32_codes_set_denormal_and_invalid_both_ways() -> None:
    codes = np.array([0, 1, 0x807F_FFFF, 0x0080_0000, 0x7F80_0000, 0x7F80_0001, 0xFFBF_FFFF, 0x7FC0_0000], np.uint32)
    expected = [0, Flag.DENORMAL, Flag.DENORMAL, 0, 0, Flag.INVALID, Flag.INVALID, 0]
    assert decode_codes(codes, FP32)[1].tolist() == expected
    assert encode_codes(codes, FP32)[1].tolist() == expected
    assert encode_codes(codes, FP32, np.full(codes.shape, 2**24 - 1, np.uint32))[1].tolist() == expected


def test_one_constant_selects_the_scale_of_denormals(monkeypatch: pytest.MonkeyPatch) -> None:
    fmt = cfp8_143(7)
    right = decode(all_codes(fmt), fmt)
    with monkeypatch.context() as patch:
        patch.setattr(golden.formats, "CFP_DENORMAL_SCALE", 0)
        golden.formats._decode_table.cache_clear()
        printed = decode(all_codes(fmt), fmt)
        np.testing.assert_array_equal(encode(printed, fmt), all_codes(fmt))
    golden.formats._decode_table.cache_clear()
    np.testing.assert_array_equal(printed, np.where(all_codes(fmt) & 0x78 == 0, right / 2, right))
    assert right[8] - right[7] == right[7] - right[6]


# ---------------------------------------------------------------------------------------------------------------------
# Interface
# ---------------------------------------------------------------------------------------------------------------------


def test_shapes_and_types_are_kept() -> None:
    assert decode(np.uint16(0x3F80), BF16).shape == ()
    assert encode(np.zeros((2, 0, 3), np.float32), BF16).shape == (2, 0, 3)
    assert encode(np.float32(1.0), FP32).dtype == np.uint32
    assert encode(np.float32(1.0), UHP, "stochastic").shape == ()
    assert encode(np.array([1, 2], np.float32)[::2], BF16).dtype == np.uint16
    codes, flags = encode(np.zeros((2, 3), np.float32), cfp8_143(7), flags=True)
    assert (codes.dtype, codes.shape, flags.dtype, flags.shape) == (np.uint8, (2, 3), np.uint8, (2, 3))
    values, flags = decode(np.zeros((2, 3), np.uint16), shp(0), flags=True)
    assert (values.dtype, values.shape, flags.dtype, flags.shape) == (np.float32, (2, 3), np.uint8, (2, 3))


def test_arrays_need_not_be_contiguous() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(decode(encode(values.T[::2], BF16), BF16), values.T[::2])
    np.testing.assert_array_equal(decode(encode(values, BF16).T[::2], BF16), values.T[::2])


@pytest.mark.parametrize("fmt", [BF16, FP32, shp(3), cfp8_143(7)], ids=lambda fmt: fmt.name)
def test_byte_order_of_arrays_does_not_matter_and_arrays_are_not_written(fmt: Format) -> None:
    def stored(array: npt.NDArray[Any], order: Literal["<", ">"]) -> npt.NDArray[Any]:
        result = array.astype(array.dtype.newbyteorder(order))
        result.flags.writeable = False
        return result

    values = np.random.default_rng(1).standard_normal(100).astype(np.float32)
    wide, random = values.view(np.uint32), np.arange(100, dtype=np.uint32)
    codes, flags = encode(values, fmt, flags=True)
    expected = [codes, flags, *decode(codes, fmt, flags=True), *encode_codes(wide, fmt, random)]
    orders: tuple[Literal["<"], Literal[">"]] = ("<", ">")
    for order in orders:
        seen: list[npt.NDArray[Any]] = [
            *encode(stored(values, order), fmt, flags=True),
            *decode(stored(codes, order), fmt, flags=True),
            *encode_codes(stored(wide, order), fmt, stored(random, order)),
        ]
        for mine, right in zip(seen, expected, strict=True):
            assert mine.dtype == right.dtype
            assert mine.dtype.isnative
            np.testing.assert_array_equal(mine, right)


@pytest.mark.parametrize("size", [(1 << 15) - 1, 1 << 15, (1 << 15) + 1, 3 << 15])
def test_long_arrays_are_worked_on_to_their_end(size: int) -> None:
    values = np.arange(size, dtype=np.float32)
    codes, flags = encode(values, BF16, flags=True)
    np.testing.assert_array_equal(codes, values.astype(ml_dtypes.bfloat16).view(np.uint16))
    np.testing.assert_array_equal(flags, np.where(decode(codes, BF16) != values, Flag.INEXACT, 0))


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="codes of bf16 are uint16, not int64"):
        decode(np.array([0x3F80]), BF16)
    with pytest.raises(TypeError, match="codes of cfp8_143 are uint8, not float32"):
        decode(np.zeros(1, np.float32), cfp8_143(7))
    with pytest.raises(TypeError, match="values must be float32, not float64"):
        encode(np.array([1.0]), BF16)
    with pytest.raises(TypeError, match="binary32 codes are uint32, not float32"):
        encode_codes(np.zeros(1, np.float32), BF16)
    with pytest.raises(TypeError, match="random bits are uint32, not int64"):
        encode_codes(np.zeros(1, np.uint32), BF16, np.zeros(1, np.int64))


def test_what_is_no_format_is_refused() -> None:
    codes, values = np.zeros(1, np.uint8), np.zeros(1, np.float32)
    with pytest.raises(TypeError, match=r"fmt must be a Format, not str$"):
        decode(codes, "bf16")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="fmt must be a Format, not function; call cfp8_143 with a bias to make one"):
        encode(values, cfp8_143)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="fmt must be a Format, not FormatKind"):
        encode_codes(values.view(np.uint32), FormatKind.BF16)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="fmt must be a Format, not NoneType"):
        decode_codes(codes, None)  # type: ignore[arg-type]


def test_values_outside_of_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match="codes of narrow have 7 bits; 0x80 has more"):
        decode(np.array([0x80], np.uint8), Format(name="narrow", exponent_bits=4, mantissa_bits=2, bias=7))
    with pytest.raises(ValueError, match="rounding = 'up' is neither 'nearest' nor 'stochastic'"):
        encode(np.zeros(1, np.float32), BF16, "up")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"random bits have shape \(2,\), codes \(1,\)"):
        encode_codes(np.zeros(1, np.uint32), BF16, np.zeros(2, np.uint32))
    with pytest.raises(ValueError, match=r"random bits are 0 to 2\*\*24 - 1; 0x1000000 is beyond"):
        encode_codes(np.zeros(1, np.uint32), BF16, np.full(1, 1 << 24, np.uint32))
    with pytest.raises(ValueError, match="lanes = 0"):
        encode(np.zeros(1, np.float32), BF16, "stochastic", lanes=0)


@pytest.mark.parametrize(
    "change",
    [{"exponent_bits": 9}, {"mantissa_bits": 0}, {"mantissa_bits": 24}, {"bias": 128}, {"bias": 126}, {"random_bits": 25}],
)
def test_a_format_beyond_binary32_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Format(**{"name": "odd", "exponent_bits": 8, "mantissa_bits": 7, "bias": 127} | change)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [cfp8_143, cfp8_152, shp])
def test_biases_are_integers_from_0_to_63(make: type) -> None:
    assert make(np.int64(63)) == make(63)
    for bias in (-1, 64):
        with pytest.raises(ValueError, match=f"bias = {bias} is outside of 0 to 63"):
            make(bias)
    with pytest.raises(TypeError, match="bias must be an integer, not float"):
        make(7.0)


@pytest.mark.parametrize("bias", [0, 7, 63])
def test_descriptors_name_formats(bias: int) -> None:
    expected = {
        FormatKind.BF16: BF16,
        FormatKind.CFP8_143: cfp8_143(bias),
        FormatKind.CFP8_152: cfp8_152(bias),
        FormatKind.SHP: shp(bias),
        FormatKind.UHP: UHP,
        FormatKind.FP32: FP32,
    }
    assert expected.keys() == set(FormatKind)
    for kind, fmt in expected.items():
        assert format_of(kind, bias) == format_of(FormatDescriptor(kind, bias)) == fmt


def test_descriptors_that_name_no_format_are_refused() -> None:
    with pytest.raises(ValueError, match="bias = 64 is outside of 0 to 63"):
        format_of(FormatKind.SHP, 64)
    with pytest.raises(ValueError, match="6 is not a valid FormatKind"):
        format_of(6)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bias = 7 cannot be given beside it"):
        format_of(FormatDescriptor(FormatKind.SHP, 7), 7)


def test_formats_without_inf_and_nan_have_no_code_for_them() -> None:
    assert (UHP.infinity, UHP.canonical_nan, UHP.largest) == (0xFC00, 0xFE00, 0xFBFF)
    assert (cfp8_143(7).largest, cfp8_152(7).largest, shp(7).largest) == (0x7F, 0x7F, 0x7FFF)
    with pytest.raises(ValueError, match="shp has neither Inf nor NaN"):
        _ = shp(15).infinity
    with pytest.raises(ValueError, match="cfp8_143 has neither Inf nor NaN"):
        _ = cfp8_143(15).canonical_nan
