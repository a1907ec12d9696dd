# SPDX-License-Identifier: Apache-2.0
"""binary32 operations with flags in Python integers; slow, and sharing nothing with the model.

Numbers are significands times powers of two, results are exact integers with at most one sticky bit, rounded once. `Fp32Variant`
changes one rule: suites that compare against this oracle prove with `WRONG` that their vectors would notice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from golden.tables import EXP2_CONSTANTS

NAN, INFINITY, SIGN = 0x7FC0_0000, 0x7F80_0000, 0x8000_0000
INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID, DENORMAL = 1, 2, 4, 8, 16, 32


@dataclass(frozen=True, kw_only=True)
class Fp32Variant:
    """The rules of binary32 operations; the defaults are right."""

    ties: str = "even"
    """even, away, or truncate (rounds everything towards zero)."""
    tininess: str = "after"
    """Whether underflow looks at the result after or before rounding."""
    fused: bool = True
    """Multiply-add rounds once."""
    product_bits: int | None = None
    """Leading bits of the window in which products are kept if operands are not normalised; the rest is sticky."""
    sticky: bool = True
    """What lies below the rounding bit counts."""
    hidden_bit_of_denormals: bool = False
    exponent_of_denormals: int = -126
    flush_denormal_operands: bool = False
    flush_denormal_results: bool = False
    vanishing_sum_negative: bool = False
    overflow_is_inexact: bool = True
    underflow_when_exact: bool = False
    keep_payload: bool = False
    signalling_is_quiet: bool = False
    zero_times_infinity_plus_nan_is_invalid: bool = True
    denormal_flag: bool = True
    minus_zero_is_smaller: bool = True


RIGHT = Fp32Variant()

ARITHMETIC = ("add", "sub", "mul", "madd", "msub", "nmsub", "nmadd")

#: Mistakes that a model or hardware could make, and an operation whose vectors must notice.
WRONG: dict[str, tuple[str, Fp32Variant]] = {
    f"{name} in {operation}": (operation, variant)
    for name, operations, variant in (
        # A reciprocal is never half-way between two numbers, nor is a reciprocal root.
        ("ties away", (*ARITHMETIC, "to_int", "from_int"), Fp32Variant(ties="away")),
        ("truncation", (*ARITHMETIC, "rcp", "rsqrt", "to_int", "from_int"), Fp32Variant(ties="truncate")),
        ("tininess before rounding", ("mul", "madd", "msub", "nmsub", "nmadd"), Fp32Variant(tininess="before")),
        ("two roundings", ("madd", "msub", "nmsub", "nmadd"), Fp32Variant(fused=False)),
        ("operands not normalised", ("mul", "madd"), Fp32Variant(product_bits=27)),
        ("no sticky bit", ("add", "mul", "madd", "rcp", "rsqrt", "from_int"), Fp32Variant(sticky=False)),
        ("hidden bit of denormals", (*ARITHMETIC, "rcp", "rsqrt"), Fp32Variant(hidden_bit_of_denormals=True)),
        ("exponent of denormals", (*ARITHMETIC, "rcp", "rsqrt"), Fp32Variant(exponent_of_denormals=-127)),
        ("denormal operands flushed", (*ARITHMETIC, "rcp", "rsqrt", "to_int"), Fp32Variant(flush_denormal_operands=True)),
        ("denormal results flushed", (*ARITHMETIC, "rcp"), Fp32Variant(flush_denormal_results=True)),
        ("minus zero of vanishing sums", ("add", "sub", "madd"), Fp32Variant(vanishing_sum_negative=True)),
        ("overflow without inexact", (*ARITHMETIC, "rcp"), Fp32Variant(overflow_is_inexact=False)),
        ("underflow of exact results", ("add", "mul", "madd", "rcp"), Fp32Variant(underflow_when_exact=True)),
        ("payload of NaN", (*ARITHMETIC, "rcp", "rsqrt", "min", "max"), Fp32Variant(keep_payload=True)),
        (
            "signalling NaN taken as quiet",
            (*ARITHMETIC, "rcp", "rsqrt", "min", "max", "eq"),
            Fp32Variant(signalling_is_quiet=True),
        ),
        (
            "quiet NaN hides zero times infinity",
            ("madd", "msub", "nmsub", "nmadd"),
            Fp32Variant(zero_times_infinity_plus_nan_is_invalid=False),
        ),
        ("no denormal flag", (*ARITHMETIC, "rcp", "rsqrt", "to_int", "to_int_zero"), Fp32Variant(denormal_flag=False)),
        ("zeros alike", ("min", "max"), Fp32Variant(minus_zero_is_smaller=False)),
    )
    for operation in operations
}


def is_nan(code: int) -> bool:
    """Whether a code is NaN."""
    return code & 0x7FFF_FFFF > INFINITY


def is_infinite(code: int) -> bool:
    """Whether a code is an infinity."""
    return code & 0x7FFF_FFFF == INFINITY


def is_zero(code: int) -> bool:
    """Whether a code is a zero."""
    return code & 0x7FFF_FFFF == 0


def _signalling(code: int, variant: Fp32Variant) -> bool:
    return is_nan(code) and not code & 0x0040_0000 and not variant.signalling_is_quiet


def unpack(code: int, variant: Fp32Variant = RIGHT) -> tuple[int, int]:
    """(signed significand, exponent of its unit) of a finite code."""
    field, mantissa = code >> 23 & 0xFF, code & 0x7F_FFFF
    if field:
        significand, exponent = mantissa | 0x80_0000, field - 150
    else:
        significand, exponent = mantissa, variant.exponent_of_denormals - 23
        if mantissa and variant.hidden_bit_of_denormals:
            significand |= 0x80_0000
        if variant.flush_denormal_operands:
            significand = 0
    return (-significand if code >> 31 else significand), exponent


def _cut(magnitude: int, shift: int, variant: Fp32Variant) -> tuple[int, bool]:
    """Magnitude / 2**shift rounded to an integer, and whether that is inexact."""
    if shift <= 0:
        return magnitude << -shift, False
    whole, rest, half = magnitude >> shift, magnitude & (1 << shift) - 1, 1 << shift - 1
    inexact = rest != 0
    if not variant.sticky:
        rest &= half
    up = {"even": rest > half or (rest == half and whole & 1), "away": rest >= half, "truncate": False}[variant.ties]
    return whole + bool(up), inexact


def round_number(value: int, exponent: int, zero_sign: int = 0, variant: Fp32Variant = RIGHT) -> tuple[int, int]:
    """(code, flags) of value * 2**exponent; an exact zero gets the sign ``zero_sign``."""
    if value == 0:
        return zero_sign, 0
    sign, magnitude = (SIGN if value < 0 else 0), abs(value)
    leading = exponent + magnitude.bit_length() - 1
    unit = max(leading - 23, -149)
    units, inexact = _cut(magnitude, unit - exponent, variant)
    if variant.tininess == "after":
        unbounded, _ = _cut(magnitude, leading - 23 - exponent, variant)
        tiny = leading + (unbounded >> 24) < -126
    else:
        tiny = leading < -126
    flags = INEXACT if inexact else 0
    if tiny and (inexact or variant.underflow_when_exact):
        flags |= UNDERFLOW
    # The hidden bit counts as one unit of the exponent field, and so does a carry.
    code = units if unit == -149 else (unit + 149 << 23) + units
    if code >= INFINITY:
        code = INFINITY
        flags |= OVERFLOW | (INEXACT if variant.overflow_is_inexact else 0)
    if variant.flush_denormal_results and code < 0x0080_0000:
        code = 0
    return sign | code, flags


def _nan(codes: tuple[int, ...], invalid: bool, variant: Fp32Variant) -> tuple[int, int]:
    invalid = invalid or any(_signalling(code, variant) for code in codes)
    payload = next((code | 0x0040_0000 for code in codes if is_nan(code)), NAN)
    return (payload if variant.keep_payload else NAN), INVALID if invalid else 0


def _fused(a: int, b: int, c: int, variant: Fp32Variant) -> tuple[int, int]:
    """a * b + c."""
    nonsense = (is_zero(a) and is_infinite(b)) or (is_infinite(a) and is_zero(b))
    if is_nan(a) or is_nan(b) or is_nan(c):
        return _nan((a, b, c), nonsense and variant.zero_times_infinity_plus_nan_is_invalid, variant)
    sign = (a ^ b) & SIGN
    if is_infinite(a) or is_infinite(b):
        if nonsense or (is_infinite(c) and sign != c & SIGN):
            return NAN, INVALID
        return sign | INFINITY, 0
    if is_infinite(c):
        return c, 0
    if not variant.fused:
        product, first = _multiply(a, b, variant)
        total, second = _add(product, c, variant)
        return total, first | second
    (x, e), (y, f), (z, g) = unpack(a, variant), unpack(b, variant), unpack(c, variant)
    product, exponent = x * y, e + f
    if variant.product_bits is not None:
        product, exponent = _window(product, exponent, variant.product_bits)
    unit = min(exponent, g)
    total = (product << exponent - unit) + (z << g - unit)
    if sign == c & SIGN:
        zero_sign = sign
    else:
        zero_sign = SIGN if variant.vanishing_sum_negative else 0
    return round_number(total, unit, zero_sign, variant)


def _window(product: int, exponent: int, bits: int) -> tuple[int, int]:
    """The product of two 24-bit significands in a register of so many bits, what falls out of it or'ed into the last one."""
    shift = 48 - bits
    magnitude = abs(product)
    kept = magnitude >> shift | (magnitude & (1 << shift) - 1 != 0)
    return (-kept if product < 0 else kept), exponent + shift


def _add(a: int, b: int, variant: Fp32Variant) -> tuple[int, int]:
    if is_nan(a) or is_nan(b):
        return _nan((a, b), False, variant)
    if is_infinite(a) or is_infinite(b):
        if is_infinite(a) and is_infinite(b) and a != b:
            return NAN, INVALID
        return (a if is_infinite(a) else b), 0
    (x, e), (y, f) = unpack(a, variant), unpack(b, variant)
    unit = min(e, f)
    zero_sign = a & SIGN if a & SIGN == b & SIGN else SIGN if variant.vanishing_sum_negative else 0
    return round_number((x << e - unit) + (y << f - unit), unit, zero_sign, variant)


def _multiply(a: int, b: int, variant: Fp32Variant) -> tuple[int, int]:
    sign = (a ^ b) & SIGN
    if is_nan(a) or is_nan(b):
        return _nan((a, b), False, variant)
    if is_infinite(a) or is_infinite(b):
        return (NAN, INVALID) if is_zero(a) or is_zero(b) else (sign | INFINITY, 0)
    (x, e), (y, f) = unpack(a, variant), unpack(b, variant)
    product, exponent = x * y, e + f
    if variant.product_bits is not None:
        product, exponent = _window(product, exponent, variant.product_bits)
    return round_number(product, exponent, sign, variant)


def _reciprocal(a: int, variant: Fp32Variant) -> tuple[int, int]:
    if is_nan(a):
        return _nan((a,), False, variant)
    if is_infinite(a):
        return a & SIGN, 0
    x, e = unpack(a, variant)
    if x == 0:
        return a & SIGN | INFINITY, DIVIDE_BY_ZERO
    quotient, rest = divmod(1 << 80, abs(x))
    value = quotient << 1 | (rest != 0)
    return round_number(-value if x < 0 else value, -81 - e, 0, variant)


def _reciprocal_root(a: int, variant: Fp32Variant) -> tuple[int, int]:
    if is_nan(a):
        return _nan((a,), False, variant)
    x, e = unpack(a, variant)
    if x == 0:
        return a & SIGN | INFINITY, DIVIDE_BY_ZERO
    if a & SIGN:
        return NAN, INVALID
    if is_infinite(a):
        return 0, 0
    if e & 1:
        x, e = x << 1, e - 1
    root = math.isqrt((1 << 140) // x)
    return round_number(root << 1 | (root * root * x != 1 << 140), -71 - e // 2, 0, variant)


def _extreme(a: int, b: int, largest: bool, variant: Fp32Variant) -> tuple[int, int]:
    flags = INVALID if _signalling(a, variant) or _signalling(b, variant) else 0
    if is_nan(a) and is_nan(b):
        return (a if variant.keep_payload else NAN), flags
    if is_nan(a) or is_nan(b):
        return (b if is_nan(a) else a), flags
    if is_zero(a) and is_zero(b):
        if not variant.minus_zero_is_smaller:
            return a, flags
        return (a & b if largest else a | b), flags
    first = _key(a) > _key(b) if largest else _key(a) < _key(b)
    return (a if first else b), flags


def _key(code: int) -> int:
    """The number in units of the smallest denormal; infinities are beyond all numbers."""
    if is_infinite(code):
        return -1 << 300 if code >> 31 else 1 << 300
    value, exponent = unpack(code)
    return value << exponent + 149


def _compare(a: int, b: int, holds: Callable[[int, int], bool], variant: Fp32Variant) -> tuple[int, int]:
    if is_nan(a) or is_nan(b):
        quiet = holds(0, 0) and not holds(0, 1)
        invalid = not quiet or _signalling(a, variant) or _signalling(b, variant)
        return 0, INVALID if invalid else 0
    return int(holds(_key(a), _key(b))), 0


def _classify(a: int) -> tuple[int, int]:
    if is_nan(a):
        return 1 << (9 if a & 0x0040_0000 else 8), 0
    size = 3 if is_infinite(a) else 2 if a & INFINITY else 1 if not is_zero(a) else 0
    return 1 << (3 - size if a >> 31 else 4 + size), 0


def _to_integer(a: int, ties: str, variant: Fp32Variant) -> tuple[int, int]:
    if is_nan(a) or is_infinite(a):
        return (0x8000_0000 if is_infinite(a) and a >> 31 else 0x7FFF_FFFF), INVALID
    value, exponent = unpack(a, variant)
    units, inexact = _cut(abs(value), -exponent, Fp32Variant(ties=ties))
    units = -units if value < 0 else units
    if not -(1 << 31) <= units < 1 << 31:
        return (0x8000_0000 if value < 0 else 0x7FFF_FFFF), INVALID
    return units & 0xFFFF_FFFF, INEXACT if inexact else 0


def exp2(a: int, constants: tuple[int, ...] = EXP2_CONSTANTS) -> tuple[int, int]:
    """(code, flags without denormal) of 2 ** a as docs/arithmetic.md defines it."""
    if is_nan(a):
        return _nan((a,), False, RIGHT)
    if is_infinite(a):
        return (0 if a >> 31 else INFINITY), 0
    significand, exponent = unpack(a)
    # In units of 2**-149. Beyond these bounds every number gives the same result.
    x = min(max(significand << exponent + 149, -1000 << 149), 1000 << 149)
    i, fraction = x >> 149, x & (1 << 149) - 1
    r = fraction >> 149 - 32 << 4
    y = 1 << 36
    for k, constant in enumerate(constants, 1):
        if r >= constant:
            r -= constant
            y += y >> k
    code, flags = round_number(y, i - 36)
    if fraction:
        # The power is irrational; whether it is tiny, the defined number tells.
        tiny = i < -127 or (i == -127 and y < (1 << 37) - (1 << 12))
        flags |= INEXACT | (UNDERFLOW if tiny else 0)
    return code, flags


#: Operation -> number of operands.
OPERATIONS: dict[str, int] = {
    **dict.fromkeys(("add", "sub", "mul", "min", "max", "sgnj", "sgnjn", "sgnjx", "eq", "lt", "le"), 2),
    **dict.fromkeys(("madd", "msub", "nmsub", "nmadd"), 3),
    **dict.fromkeys(("class", "rcp", "rsqrt", "exp2", "to_int", "to_int_zero", "from_int"), 1),
}

#: Operations that take a denormal operand notice of.
_FLAG_DENORMAL = frozenset((*ARITHMETIC, "rcp", "rsqrt", "exp2", "to_int", "to_int_zero"))


def compute(operation: str, operands: tuple[int, ...], variant: Fp32Variant = RIGHT) -> tuple[int, int]:
    """(code, flags) of an operation; comparisons give 1 or 0, integers are codes of 32 bits."""
    code, flags = _compute(operation, operands, variant)
    if operation in _FLAG_DENORMAL and variant.denormal_flag and any(0 < x & 0x7FFF_FFFF < 0x0080_0000 for x in operands):
        flags |= DENORMAL
    return code, flags


def _compute(operation: str, operands: tuple[int, ...], variant: Fp32Variant) -> tuple[int, int]:
    a, b, c = (*operands, 0, 0)[:3]
    match operation:
        case "add":
            return _add(a, b, variant)
        case "sub":
            return _add(a, b ^ SIGN, variant)
        case "mul":
            return _multiply(a, b, variant)
        case "madd":
            return _fused(a, b, c, variant)
        case "msub":
            return _fused(a, b, c ^ SIGN, variant)
        case "nmsub":
            return _fused(a ^ SIGN, b, c, variant)
        case "nmadd":
            return _fused(a ^ SIGN, b, c ^ SIGN, variant)
        case "min" | "max":
            return _extreme(a, b, operation == "max", variant)
        case "sgnj":
            return a & 0x7FFF_FFFF | b & SIGN, 0
        case "sgnjn":
            return a & 0x7FFF_FFFF | (b & SIGN ^ SIGN), 0
        case "sgnjx":
            return a ^ b & SIGN, 0
        case "eq":
            return _compare(a, b, lambda x, y: x == y, variant)
        case "lt":
            return _compare(a, b, lambda x, y: x < y, variant)
        case "le":
            return _compare(a, b, lambda x, y: x <= y, variant)
        case "class":
            return _classify(a)
        case "rcp":
            return _reciprocal(a, variant)
        case "rsqrt":
            return _reciprocal_root(a, variant)
        case "exp2":
            return exp2(a)
        case "to_int":
            return _to_integer(a, variant.ties, variant)
        case "to_int_zero":
            return _to_integer(a, "truncate", variant)
        case "from_int":
            return round_number(a - (a >> 31 << 32), 0, 0, variant)
    raise ValueError(f"there is no operation {operation}")
