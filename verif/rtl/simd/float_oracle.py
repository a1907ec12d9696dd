# SPDX-License-Identifier: Apache-2.0
"""The lane's operations on Python integers, flags included; slow, and sharing nothing with the model or the hardware.

Numbers are whole multiples of 2**-298, the smallest product of two denormals, so sums are exact before their one rounding.
`Variant` changes one rule: with `WRONG`, vectors can be proved to tell it from the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from golden.layout import Flag

NAN = 0x7FC0_0000
INFINITY = 0x7F80_0000
SIGN = 0x8000_0000
ONE = 0x3F80_0000

#: Exponent of the unit in which numbers are counted.
_UNIT = -298


class Op(IntEnum):
    """The lane's operations, by their numbers."""

    ADD = 0
    SUB = 1
    MUL = 2
    MADD = 3
    MSUB = 4
    NMSUB = 5
    NMADD = 6
    MIN = 7
    MAX = 8
    SGNJ = 9
    SGNJN = 10
    SGNJX = 11
    EQ = 12
    LT = 13
    LE = 14
    CLASS = 16
    TO_INT = 20
    TO_INT_ZERO = 21
    FROM_INT = 22
    MOVE = 24


#: Signs of product and addend.
_MULTIPLY_ADDS = {Op.MADD: (0, 0), Op.MSUB: (0, 1), Op.NMSUB: (1, 0), Op.NMADD: (1, 1)}
_TWO_TERMS = Op.ADD, Op.SUB, Op.MUL
_TO_INTEGERS = Op.TO_INT, Op.TO_INT_ZERO


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The rules of rounding and flags; the defaults are right."""

    ties: str = "even"
    """even, away, or truncate (rounds everything towards zero)."""
    tiny_before_rounding: bool = False
    tiny_by_code: bool = False
    """Call a result tiny if its code is denormal."""
    fused: bool = True
    """Round once; otherwise the product is rounded before the addition."""
    window_bits: int = 1000
    """Cut what lies further below the larger of product and addend."""
    flush_denormal_operands: bool = False
    flush_denormal_results: bool = False
    zero_difference: int = 0
    """Sign bit of the difference of equal numbers."""
    nan_hides_invalid_product: bool = False
    """Let 0 * Inf + NaN be valid."""


RIGHT = Variant()

#: Plausible mistakes, each of which vectors must tell from the right rules.
WRONG = {
    "ties away": Variant(ties="away"),
    "truncation": Variant(ties="truncate"),
    "tiny before rounding": Variant(tiny_before_rounding=True),
    "tiny by the code": Variant(tiny_by_code=True),
    "product rounded": Variant(fused=False),
    "window of 48": Variant(window_bits=48),
    "window of 49": Variant(window_bits=49),
    "window of 50": Variant(window_bits=50),
    "denormal operands flushed": Variant(flush_denormal_operands=True),
    "denormal results flushed": Variant(flush_denormal_results=True),
    "difference of equals is -0": Variant(zero_difference=1),
    "NaN hides 0 * Inf": Variant(nan_hides_invalid_product=True),
}


def is_nan(code: int) -> bool:
    return code & 0x7FFF_FFFF > INFINITY


def is_signalling(code: int) -> bool:
    return is_nan(code) and not code & 0x40_0000


def is_infinite(code: int) -> bool:
    return code & 0x7FFF_FFFF == INFINITY


def is_zero(code: int) -> bool:
    return code & 0x7FFF_FFFF == 0


def is_denormal(code: int) -> bool:
    return 0 < code & 0x7FFF_FFFF < 0x80_0000


def magnitude_of(code: int) -> int:
    """The magnitude of a finite number in units of 2**-149."""
    field = code >> 23 & 0xFF
    return (code & 0x7F_FFFF | (0x80_0000 if field else 0)) << max(field, 1) - 1


def _quantise(magnitude: int, discarded: int, ties: str) -> tuple[int, bool]:
    """``magnitude`` / 2**``discarded`` as an integer, and whether it is inexact."""
    if discarded <= 0:
        return magnitude << -discarded, False
    units, rest = divmod(magnitude, 1 << discarded)
    half = 1 << discarded - 1
    if ties != "truncate" and (rest > half or (rest == half and (ties == "away" or units & 1))):
        units += 1
    return units, rest != 0


def round_to_code(magnitude: int, exponent: int, variant: Variant = RIGHT) -> tuple[int, int]:
    """The binary32 code and the flags of ``magnitude`` * 2**``exponent``, which is not zero."""
    top = magnitude.bit_length() - 1 + exponent
    units, inexact = _quantise(magnitude, max(top - 23, -149) - exponent, variant.ties)
    code = units + (max(top + 126, 0) << 23)
    if code >= INFINITY:
        return INFINITY, Flag.OVERFLOW | Flag.INEXACT
    if not inexact:
        return code, 0
    unbounded, _ = _quantise(magnitude, top - 23 - exponent, variant.ties)
    if variant.tiny_by_code:
        tiny = code < 0x80_0000
    else:
        tiny = top < -126 and (variant.tiny_before_rounding or top < -127 or unbounded < 1 << 24)
    return code, Flag.INEXACT | (Flag.UNDERFLOW if tiny else 0)


def multiply_add(a: int, b: int, c: int, variant: Variant = RIGHT) -> tuple[int, int]:
    """a * b + c without the flag of denormal operands."""
    product_sign, addend_sign = (a ^ b) >> 31, c >> 31
    flags = 0
    if is_signalling(a) or is_signalling(b) or is_signalling(c):
        flags = Flag.INVALID
    if (is_infinite(a) and is_zero(b)) or (is_zero(a) and is_infinite(b)):
        hidden = variant.nan_hides_invalid_product and is_nan(c)
        return NAN, flags if hidden else Flag.INVALID
    if is_nan(a) or is_nan(b) or is_nan(c):
        return NAN, flags
    if is_infinite(a) or is_infinite(b):
        if is_infinite(c) and product_sign != addend_sign:
            return NAN, Flag.INVALID
        return product_sign << 31 | INFINITY, 0
    if is_infinite(c):
        return c, 0
    product, addend = magnitude_of(a) * magnitude_of(b), magnitude_of(c) << 149
    if not variant.fused and product:
        code, _ = round_to_code(product, _UNIT, variant)
        if code == INFINITY:
            return product_sign << 31 | INFINITY, Flag.OVERFLOW | Flag.INEXACT
        product = magnitude_of(code) << 149
    cut = max(0, max(product.bit_length(), addend.bit_length()) - variant.window_bits)
    product, addend = product >> cut << cut, addend >> cut << cut
    total = (-product if product_sign else product) + (-addend if addend_sign else addend)
    if total == 0:
        return (product_sign if product_sign == addend_sign else variant.zero_difference) << 31, 0
    code, flags = round_to_code(abs(total), _UNIT, variant)
    if variant.flush_denormal_results and code < 0x80_0000:
        code = 0
    return (SIGN if total < 0 else 0) | code, flags


def _to_integer(code: int, ties: str) -> tuple[int, int]:
    if is_nan(code):
        return 0x7FFF_FFFF, Flag.INVALID
    units, inexact = (1 << 40, False) if is_infinite(code) else _quantise(magnitude_of(code), 149, ties)
    value = -units if code >> 31 else units
    if not -(1 << 31) <= value < 1 << 31:
        return 0x8000_0000 if value < 0 else 0x7FFF_FFFF, Flag.INVALID
    return value & 0xFFFF_FFFF, Flag.INEXACT if inexact else 0


def _order(code: int) -> int:
    """An integer that orders numbers, -0 before +0."""
    return -(code & 0x7FFF_FFFF) - 1 if code >> 31 else code


def _extreme(a: int, b: int, largest: bool) -> int:
    if is_nan(a) or is_nan(b):
        return NAN if is_nan(a) and is_nan(b) else b if is_nan(a) else a
    return (max if largest else min)(a, b, key=_order)


def _class(code: int) -> int:
    if is_nan(code):
        return 1 << (8 if is_signalling(code) else 9)
    place = 3 if is_zero(code) else 2 if is_denormal(code) else 0 if is_infinite(code) else 1
    return 1 << (place if code >> 31 else 7 - place)


def lane(op: Op, a: int, b: int, c: int, variant: Variant = RIGHT) -> tuple[int, int]:
    """Result and flags of the lane's operation ``op``."""
    if op is Op.FROM_INT:
        value = a - (a >> 31 << 32)
        code, flags = round_to_code(abs(value), 0, variant) if value else (0, 0)
        return (SIGN if value < 0 else 0) | code, flags

    used = (a, b, c) if op in _MULTIPLY_ADDS else (a, b) if op in _TWO_TERMS else (a,) if op in _TO_INTEGERS else ()
    denormal = Flag.DENORMAL if any(is_denormal(code) for code in used) else 0
    if variant.flush_denormal_operands and used:
        a, b, c = (code & SIGN if is_denormal(code) else code for code in (a, b, c))
    if op in _MULTIPLY_ADDS:
        negate_product, negate_addend = _MULTIPLY_ADDS[op]
        result, flags = multiply_add(a ^ negate_product << 31, b, c ^ negate_addend << 31, variant)
        return result, flags | denormal
    if op in (Op.ADD, Op.SUB):
        result, flags = multiply_add(a, ONE, b ^ (SIGN if op is Op.SUB else 0), variant)
        return result, flags | denormal
    if op is Op.MUL:
        result, flags = multiply_add(a, b, (a ^ b) & SIGN, variant)
        return result, flags | denormal
    if op in _TO_INTEGERS:
        result, flags = _to_integer(a, "truncate" if op is Op.TO_INT_ZERO else variant.ties)
        return result, flags | denormal

    signalling = Flag.INVALID if is_signalling(a) or is_signalling(b) else 0
    unordered = is_nan(a) or is_nan(b)
    both_zero = is_zero(a) and is_zero(b)
    if op in (Op.MIN, Op.MAX):
        return _extreme(a, b, op is Op.MAX), signalling
    if op is Op.EQ:
        return int(not unordered and (a == b or both_zero)), signalling
    if op is Op.LT:
        return int(not unordered and _order(a) < _order(b) and not both_zero), Flag.INVALID if unordered else 0
    if op is Op.LE:
        return int(not unordered and (_order(a) <= _order(b) or both_zero)), Flag.INVALID if unordered else 0
    signs = {Op.SGNJ: b & SIGN, Op.SGNJN: ~b & SIGN, Op.SGNJX: (a ^ b) & SIGN}
    if op in signs:
        return a & 0x7FFF_FFFF | signs[op], 0
    if op is Op.CLASS:
        return _class(a), 0
    return a, 0
