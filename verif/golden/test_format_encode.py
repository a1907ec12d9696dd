# SPDX-License-Identifier: Apache-2.0
"""Encoding to nearest: every representable number, every midpoint and their float32 neighbours, for all biases, with flags."""

from __future__ import annotations

import gfloat
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from golden.formats import BF16, UHP, Format, cfp8_143, cfp8_152, decode, encode, encode_codes, shp
from golden.layout import Flag
from verif.golden import format_oracle
from verif.golden.format_oracle import RIGHT, WRONG, Rules, Variant
from verif.golden.format_vectors import BIASES, CONFIGURABLE, FIXED, edge_vectors, encode_vectors

BINARY16 = Format(name="binary16", exponent_bits=5, mantissa_bits=10, bias=15)

#: Biases of 16-bit formats at which the slow oracle is asked: the ends, IEEE's, and those beside it.
SOME_BIASES = (0, 1, 14, 15, 16, 62, 63)


def same_as_oracle(codes: npt.NDArray[np.uint32], fmt: Format, rules: Rules) -> None:
    seen = [array.tolist() for array in encode_codes(codes, fmt)]
    for code, *result in zip(codes.tolist(), *seen, strict=True):
        assert tuple(result) == format_oracle.encode(code, rules), f"{code:#010x} to {fmt}"


@pytest.mark.parametrize("name", CONFIGURABLE)
def test_all_biases_encode_as_gfloat_does(name: str) -> None:
    make, oracle = CONFIGURABLE[name]
    for bias in BIASES:
        codes = encode_vectors(oracle(bias))
        values = codes.view(np.float32)
        values = values[~np.isnan(values)]
        info = format_oracle.gfloat_format(oracle(bias))
        expected = gfloat.encode_ndarray(info, gfloat.round_ndarray(info, values.astype(np.float64), sat=True))
        np.testing.assert_array_equal(encode(values, make(bias)), expected, err_msg=f"bias {bias}")


@pytest.mark.parametrize("name", FIXED)
def test_fixed_formats_encode_as_gfloat_does(name: str) -> None:
    fmt, rules = FIXED[name]
    values = encode_vectors(rules).view(np.float32)
    values = values[~np.isnan(values) & (rules.signed | ~np.signbit(values))]
    info = format_oracle.gfloat_format(rules)
    expected = gfloat.encode_ndarray(info, gfloat.round_ndarray(info, values.astype(np.float64)))
    if rules.flush:
        expected[expected < rules.normal] = 0
    np.testing.assert_array_equal(encode(values, fmt), expected)


@pytest.mark.parametrize(
    ("fmt", "rules", "reference", "beyond"),
    [
        (BF16, format_oracle.BF16, ml_dtypes.bfloat16, np.inf),
        (BINARY16, format_oracle.shp(15), np.float16, np.inf),
        (shp(15), format_oracle.shp(15), np.float16, 65520),
        (cfp8_143(7), format_oracle.cfp8_143(7), ml_dtypes.float8_e4m3fn, 464),
        (cfp8_152(15), format_oracle.cfp8_152(15), ml_dtypes.float8_e5m2, 61440),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_numbers_encode_as_types_that_others_made_do_where_they_coincide(
    fmt: Format, rules: Rules, reference: type, beyond: float
) -> None:
    """Numbers below the midpoint between the largest number that both have and the next."""
    values = encode_vectors(rules).view(np.float32)
    values = values[(np.abs(values) < beyond) | (np.isposinf(beyond) & np.isinf(values))]
    with np.errstate(over="ignore"):
        expected = values.astype(reference).view(fmt.dtype)
    np.testing.assert_array_equal(encode(values, fmt), expected)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("name", ["cfp8_143", "cfp8_152"])
def test_8_bit_formats_have_the_codes_and_flags_of_the_definition(name: str, bias: int) -> None:
    make, oracle = CONFIGURABLE[name]
    same_as_oracle(encode_vectors(oracle(bias)), make(bias), oracle(bias))


@pytest.mark.parametrize(
    ("fmt", "rules"),
    [*((shp(bias), format_oracle.shp(bias)) for bias in SOME_BIASES), *FIXED.values()],
    ids=lambda x: f"{x.name}-{x.bias}" if isinstance(x, Format) else "",
)
def test_16_bit_formats_have_the_codes_and_flags_of_the_definition(fmt: Format, rules: Rules) -> None:
    """Where a rule begins or ends, all special numbers, and samples in between."""
    same_as_oracle(np.concatenate([edge_vectors(rules), encode_vectors(rules)[::211]]), fmt, rules)


def test_random_numbers_have_the_codes_and_flags_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    for make, oracle in CONFIGURABLE.values():
        for bias in (0, 7, 31, 63):
            # Twice as many binades as the widest format has.
            exponents = rng.integers(-75, 45, 500)
            values = np.ldexp(rng.standard_normal(500), exponents - bias + 15).astype(np.float32)
            same_as_oracle(values.view(np.uint32), make(bias), oracle(bias))
    for fmt, rules in FIXED.values():
        same_as_oracle(rng.integers(0, 1 << 32, 1000, np.uint32), fmt, rules)


@pytest.mark.parametrize("variant", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("name", CONFIGURABLE)
def test_vectors_tell_plausible_mistakes_from_the_definition(name: str, variant: Variant) -> None:
    for bias in (0, 15, 63):
        rules = CONFIGURABLE[name][1](bias)
        vectors = edge_vectors(rules).tolist()
        right = [format_oracle.encode(code, rules, variant=RIGHT) for code in vectors]
        assert [format_oracle.encode(code, rules, variant=variant) for code in vectors] != right


@pytest.mark.parametrize("mistake", ["ties away", "truncation", "overflow before rounding", "underflow before rounding"])
@pytest.mark.parametrize("name", FIXED)
def test_vectors_of_fixed_formats_tell_mistakes_of_rounding_from_the_definition(name: str, mistake: str) -> None:
    rules = FIXED[name][1]
    vectors = edge_vectors(rules).tolist()
    right = [format_oracle.encode(code, rules) for code in vectors]
    assert [format_oracle.encode(code, rules, variant=WRONG[mistake]) for code in vectors] != right


@pytest.mark.parametrize(
    "fmt",
    [*(make(bias) for make, _ in CONFIGURABLE.values() for bias in BIASES), BF16, UHP],
    ids=lambda fmt: f"{fmt.name}-{fmt.bias}",
)
def test_every_code_survives_decode_and_encode_without_flags(fmt: Format) -> None:
    codes = np.arange(1 << fmt.bits, dtype=fmt.dtype)
    if fmt.specials:
        codes = codes[codes & np.uint16((1 << fmt.exponent_bits + fmt.mantissa_bits) - 1) <= fmt.infinity]
    if not fmt.denormals:
        codes = codes[(codes >= 1 << fmt.mantissa_bits) | (codes == 0)]
    encoded, flags = encode(decode(codes, fmt), fmt, flags=True)
    np.testing.assert_array_equal(encoded, codes)
    # Denormals of BF16 are those of binary32, too.
    assert not (flags & ~np.uint8(Flag.DENORMAL if fmt == BF16 else 0)).any()


@pytest.mark.parametrize("fmt", [cfp8_143(7), cfp8_152(63), shp(0), BF16, UHP], ids=lambda fmt: fmt.name)
def test_midpoints_go_to_the_even_code(fmt: Format) -> None:
    codes = np.arange(1 << fmt.mantissa_bits, fmt.largest + 1, dtype=fmt.dtype)
    values = decode(codes, fmt).astype(np.float64)
    midpoints = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    np.testing.assert_array_equal(encode(midpoints, fmt), codes[:-1] + (codes[:-1] & 1))


@pytest.mark.parametrize(
    ("value", "fmt", "code", "flags"),
    [
        (np.inf, cfp8_143(7), 0x7F, Flag.OVERFLOW | Flag.INEXACT),
        (-np.inf, shp(7), 0xFFFF, Flag.OVERFLOW | Flag.INEXACT),
        (-np.inf, BF16, 0xFF80, 0),
        (np.inf, UHP, 0xFC00, 0),
        (-np.inf, UHP, 0x0000, Flag.INVALID),
        (-1e-30, UHP, 0x0000, Flag.INVALID),
        (-1e30, UHP, 0x0000, Flag.INVALID),
        (-0.0, UHP, 0x0000, 0),
        (1e30, UHP, 0xFC00, Flag.OVERFLOW | Flag.INEXACT),
        (2.0**-30, UHP, 0x0400, 0),
        (2.0**-31, UHP, 0x0000, Flag.UNDERFLOW | Flag.INEXACT),
        (np.nan, cfp8_152(0), 0x7F, Flag.INVALID),
        (-np.nan, cfp8_152(0), 0xFF, Flag.INVALID),
        (-np.nan, BF16, 0x7FC0, 0),
        (-np.nan, UHP, 0xFE00, 0),
        (-0.0, cfp8_143(7), 0x80, 0),
        (1e-45, cfp8_143(7), 0x00, Flag.UNDERFLOW | Flag.INEXACT | Flag.DENORMAL),
        (495.0, cfp8_143(7), 0x7F, Flag.INEXACT),
        (496.0, cfp8_143(7), 0x7F, Flag.OVERFLOW | Flag.INEXACT),
        (3.4e38, BF16, 0x7F80, Flag.OVERFLOW | Flag.INEXACT),
    ],
    ids=lambda x: str(getattr(x, "name", "") or ""),
)
def test_numbers_that_a_format_does_not_have(value: float, fmt: Format, code: int, flags: int) -> None:
    codes, seen = encode(np.float32(value), fmt, flags=True)
    assert (int(codes), int(seen)) == (code, flags)
