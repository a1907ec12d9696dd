# SPDX-License-Identifier: Apache-2.0
"""Independent oracles of the arithmetic, in Python integers, fractions and MPFR; slow, and sharing nothing with the model.

`matrix_sum` follows the seven steps of the matrix unit's definition on whole numbers, as hardware would. `Variant` changes
one rule of it: every suite that compares against the oracle can prove with `WRONG` that its vectors would notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import gmpy2

FP32_NAN = 0x7FC0_0000
FP32_INFINITY = 0x7F80_0000

#: MPFR's binary32: its exponents count from a significand in [1/2, 1).
BINARY32 = gmpy2.context(precision=24, emax=128, emin=-148, subnormalize=True)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The rules of the matrix unit's sum; the defaults are right."""

    window_bits: int = 34
    ties: str = "even"
    """even, away, or truncate (rounds everything towards zero)."""
    cut: str = "zero"
    """Products are cut towards zero, or towards minus infinity ("floor")."""
    normalise_denormals: bool = True
    flush_denormal_operands: bool = False
    flush_denormal_results: bool = False
    minimum_exponent: int = -126
    count_zero_products: bool = False
    """Let the exponent of a zero operand, which is that of a denormal, take part in the maximum."""
    negative_zero: bool = False
    """Give -0 if all products are -0."""


RIGHT = Variant()

#: Plausible mistakes, each of which vectors must tell from the right rules.
WRONG = {
    "ties away": Variant(ties="away"),
    "truncation": Variant(ties="truncate"),
    "window of 33": Variant(window_bits=33),
    "window of 35": Variant(window_bits=35),
    "exact sum": Variant(window_bits=1000),
    "cut towards minus infinity": Variant(cut="floor"),
    "denormals not normalised": Variant(normalise_denormals=False),
    "denormal operands flushed": Variant(flush_denormal_operands=True),
    "denormal results flushed": Variant(flush_denormal_results=True),
    "no lowest window": Variant(minimum_exponent=-1000),
    "lowest window off by one": Variant(minimum_exponent=-125),
    "zero products in the maximum": Variant(count_zero_products=True),
    "negative zero": Variant(negative_zero=True),
}


def fp32_value(code: int) -> Fraction:
    """The value of a finite binary32 code."""
    field, mantissa = code >> 23 & 0xFF, code & 0x7F_FFFF
    if field == 0xFF:
        raise ValueError(f"{code:#010x} is not finite")
    value = Fraction(mantissa + (0x80_0000 if field else 0)) * Fraction(2) ** (max(field, 1) - 150)
    return -value if code >> 31 else value


def fp32_round(value: Fraction, ties: str = "even") -> int:
    """The binary32 code of a number, by search over exponents: nothing is shared with code that shifts significands."""
    sign = 0x8000_0000 if value < 0 else 0
    magnitude = abs(value)
    field = 1
    while field < 255 and magnitude >= Fraction(2) ** (field - 126):
        field += 1
    units = magnitude / Fraction(2) ** (field - 150)
    whole = units.numerator // units.denominator
    rest = units - whole
    if ties != "truncate" and (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (ties == "away" or whole % 2 == 1))):
        whole += 1
    # The hidden bit of ``whole`` counts as one unit of the exponent field, and so does a carry.
    return sign | min((field - 1 << 23) + whole, FP32_INFINITY)


def _unpack(code: int, variant: Variant) -> tuple[int, int, int, int]:
    """(sign, exponent field, exponent, 8-bit significand) of a BF16 code."""
    sign, field, mantissa = code >> 15, code >> 7 & 0xFF, code & 0x7F
    if field:
        return sign, field, field - 127, mantissa | 0x80
    if variant.flush_denormal_operands:
        mantissa = 0
    exponent = -126
    while variant.normalise_denormals and 0 < mantissa < 0x80:
        mantissa <<= 1
        exponent -= 1
    return sign, field, exponent, mantissa


def matrix_sum(a: Sequence[int], b: Sequence[int], variant: Variant = RIGHT) -> int:
    """S of one element and step: binary32 code from BF16 codes of the row of A and the column of B."""
    products: list[tuple[int, int]] = []
    infinities: set[int] = set()
    exponents = [variant.minimum_exponent]
    signs = set()
    for code_a, code_b in zip(a, b, strict=True):
        sign_a, field_a, exponent_a, significand_a = _unpack(code_a, variant)
        sign_b, field_b, exponent_b, significand_b = _unpack(code_b, variant)
        sign = sign_a ^ sign_b
        signs.add(sign)
        if (field_a == 255 and significand_a != 0x80) or (field_b == 255 and significand_b != 0x80):
            return FP32_NAN
        if field_a == 255 or field_b == 255:
            if significand_a == 0 or significand_b == 0:
                return FP32_NAN
            infinities.add(sign)
        product = significand_a * significand_b
        if product or variant.count_zero_products:
            exponents.append(exponent_a + exponent_b)
        products.append((-product if sign else product, exponent_a + exponent_b))
    if infinities:
        return FP32_NAN if len(infinities) == 2 else FP32_INFINITY | infinities.pop() << 31
    largest = max(exponents)
    total = 0
    for product, exponent in products:
        shifted = Fraction(product) * Fraction(2) ** (variant.window_bits - 14 - (largest - exponent))
        total += shifted.__floor__() if variant.cut == "floor" else shifted.__trunc__()
    if total == 0:
        return 0x8000_0000 if variant.negative_zero and signs == {1} else 0
    code = fp32_round(total * Fraction(2) ** (largest - variant.window_bits), variant.ties)
    if variant.flush_denormal_results and code & FP32_INFINITY == 0:
        return code & 0x8000_0000
    return code


def to_mpfr(code: int) -> gmpy2.mpfr:
    """The value of any binary32 code, exactly."""
    if code & 0x7FFF_FFFF > FP32_INFINITY:
        return gmpy2.nan()
    if code & 0x7FFF_FFFF == FP32_INFINITY:
        return gmpy2.inf(-1 if code >> 31 else 1)
    if code & 0x7FFF_FFFF == 0:
        return gmpy2.zero(-1 if code >> 31 else 1)
    with gmpy2.context(precision=24, emax=1000, emin=-1000):
        return gmpy2.mpfr(gmpy2.mpq(fp32_value(code)))


def from_mpfr(value: gmpy2.mpfr) -> int:
    """The binary32 code of an MPFR number that BINARY32 has rounded."""
    if gmpy2.is_nan(value):
        return FP32_NAN
    sign = 0x8000_0000 if gmpy2.is_signed(value) else 0
    if gmpy2.is_infinite(value):
        return sign | FP32_INFINITY
    if value == 0:
        return sign
    significand, exponent = value.as_mantissa_exp()
    magnitude, exponent = abs(int(significand)), int(exponent)
    field = max(1, exponent + magnitude.bit_length() - 1 + 127)
    shift = exponent + 150 - field
    units = magnitude << shift if shift >= 0 else magnitude >> -shift
    return sign | (field - 1 << 23) + units


def mpfr_add(a: int, b: int) -> int:
    """binary32 addition by MPFR."""
    return from_mpfr(BINARY32.add(to_mpfr(a), to_mpfr(b)))


def mpfr_dot(a: Sequence[int], b: Sequence[int]) -> int:
    """The exact dot product of finite BF16 codes, rounded once to binary32 by MPFR; a sum of zero is +0."""
    exact = gmpy2.context(precision=1200)
    total = gmpy2.zero(1)
    for code_a, code_b in zip(a, b, strict=True):
        total = exact.add(total, exact.mul(to_mpfr(code_a << 16), to_mpfr(code_b << 16)))
    return 0 if total == 0 else from_mpfr(BINARY32.plus(total))


def accumulate(acc: int, sums: Sequence[int]) -> int:
    """``acc`` plus each of ``sums`` in turn, by MPFR."""
    for term in sums:
        acc = mpfr_add(acc, term)
    return acc


def dot_chain(acc: int, a: Sequence[int], b: Sequence[int]) -> int:
    """One element of a matrix product: steps of four along K, added to ``acc`` one after the other."""
    return accumulate(acc, [matrix_sum(a[k : k + 4], b[k : k + 4]) for k in range(0, len(a), 4)])
