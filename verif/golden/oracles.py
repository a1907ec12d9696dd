# SPDX-License-Identifier: Apache-2.0
"""Independent oracles of the arithmetic, in Python integers, fractions and MPFR; slow, and sharing nothing with the model.

`matrix_sum` follows the seven steps of the matrix unit's definition on whole numbers, as hardware would, for operands of
any format that it takes. `Variant` changes
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
    biases: str = "own"
    """Each side takes its own bias field, the "other" one's, or both that of "a" or of "b"."""
    specials: str = "bf16"
    """Which formats have infinity and NaN at their largest exponent: bf16, or "all"."""
    denormal_exponent: int = 1
    """A CFP8 denormal is 0.m * 2**(this - bias): 1 joins denormals to normal numbers, 0 is what the white paper prints."""


RIGHT = Variant()


@dataclass(frozen=True)
class OperandFormat:
    """A format of matrix operands, as a descriptor names it: BF16 has its own bias, whatever the field says."""

    exponent_bits: int
    mantissa_bits: int
    bias_field: int = 0

    @property
    def is_bf16(self) -> bool:
        """Whether it is BF16."""
        return self.exponent_bits == 8

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def sign(self) -> int:
        """The sign bit of a code."""
        return 1 << self.bits - 1


def bf16(bias_field: int = 0) -> OperandFormat:
    """BF16, with a bias field that must not matter."""
    return OperandFormat(8, 7, bias_field)


def cfp8_143(bias: int) -> OperandFormat:
    """CFP8 1-4-3."""
    return OperandFormat(4, 3, bias)


def cfp8_152(bias: int) -> OperandFormat:
    """CFP8 1-5-2."""
    return OperandFormat(5, 2, bias)


BF16 = bf16()

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

#: Those that only show with other operands than BF16 on both sides.
WRONG_FORMATS = {
    "swapped bias sides": Variant(biases="other"),
    "bias of A on both sides": Variant(biases="a"),
    "bias of B on both sides": Variant(biases="b"),
    "infinity and NaN in CFP8": Variant(specials="all"),
    "hole under the smallest normal CFP8": Variant(denormal_exponent=0),
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


@dataclass(frozen=True)
class _Operand:
    """A code taken apart; ``significand`` has 8 bits."""

    sign: int
    exponent: int
    significand: int
    special: str = ""
    """inf, nan, or empty."""


def _unpack(code: int, fmt: OperandFormat, bias_field: int, variant: Variant) -> _Operand:
    sign, magnitude = divmod(code, fmt.sign)
    field, mantissa = divmod(magnitude, 1 << fmt.mantissa_bits)
    bias = 127 if fmt.is_bf16 else bias_field
    special = ""
    if field == (1 << fmt.exponent_bits) - 1 and (fmt.is_bf16 or variant.specials == "all"):
        special = "nan" if mantissa else "inf"
    significand = mantissa << 7 - fmt.mantissa_bits
    if field:
        return _Operand(sign, field - bias, significand | 0x80, special)
    if variant.flush_denormal_operands:
        significand = 0
    exponent = (1 if fmt.is_bf16 else variant.denormal_exponent) - bias
    while variant.normalise_denormals and 0 < significand < 0x80:
        significand <<= 1
        exponent -= 1
    return _Operand(sign, exponent, significand)


def matrix_sum(
    a: Sequence[int],
    b: Sequence[int],
    variant: Variant = RIGHT,
    a_format: OperandFormat = BF16,
    b_format: OperandFormat = BF16,
) -> int:
    """S of one element and step: binary32 code from the codes of the row of A and the column of B."""
    fields = {"a": a_format.bias_field, "b": b_format.bias_field}
    a_bias, b_bias = {
        "own": (fields["a"], fields["b"]),
        "other": (fields["b"], fields["a"]),
        "a": (fields["a"], fields["a"]),
        "b": (fields["b"], fields["b"]),
    }[variant.biases]
    products: list[tuple[int, int]] = []
    infinities: set[int] = set()
    exponents = [variant.minimum_exponent]
    signs = set()
    for code_a, code_b in zip(a, b, strict=True):
        x = _unpack(code_a, a_format, a_bias, variant)
        y = _unpack(code_b, b_format, b_bias, variant)
        sign = x.sign ^ y.sign
        signs.add(sign)
        if "nan" in (x.special, y.special):
            return FP32_NAN
        if "inf" in (x.special, y.special):
            if x.significand == 0 or y.significand == 0:
                return FP32_NAN
            infinities.add(sign)
        product = x.significand * y.significand
        if product or variant.count_zero_products:
            exponents.append(x.exponent + y.exponent)
        products.append((-product if sign else product, x.exponent + y.exponent))
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


def dot_chain(
    acc: int, a: Sequence[int], b: Sequence[int], a_format: OperandFormat = BF16, b_format: OperandFormat = BF16
) -> int:
    """One element of a matrix product: steps of four along K, added to ``acc`` one after the other."""
    return accumulate(acc, [matrix_sum(a[k : k + 4], b[k : k + 4], RIGHT, a_format, b_format) for k in range(0, len(a), 4)])
