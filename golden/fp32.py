# SPDX-License-Identifier: Apache-2.0
"""binary32 on codes: results and flags, element by element.

Operands are uint32 arrays of codes, of one dimension or more; they are broadcast against each other. Every operation gives a
pair: the codes of the results, and a uint8 array of the same shape with the ``golden.layout.Flag`` bits of each. Rounding is
to nearest, ties to even, once; denormals are kept in and out; NaN results are canonical, 0x7FC00000.

How: binary64 holds a product of two binary32 numbers exactly, and an error-free transformation tells what a binary64
sum has lost. Rounding the exact result to odd in binary64 (cut, last bit set if anything was lost) leaves all that a second
rounding to at most 24 bits needs, and compares with any binary32 number, or with a point half-way between two, as the exact
result does (S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Transactions on Computers 57, 2008).
So values and flags come from one number, also where the result is denormal. NumPy's binary64 is IEEE 754's on every machine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.layout import Flag
from golden.tables import EXP2_CONSTANTS, EXP2_FRACTION_BITS, EXP2_OPERAND_BITS

#: binary32 codes, Flag bits and truth values, any shape.
Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]
Truths = npt.NDArray[np.bool_]
_Wide = npt.NDArray[np.float64]

_NAN = np.uint32(0x7FC0_0000)
_INFINITY = np.uint32(0x7F80_0000)
_SIGN = np.uint32(0x8000_0000)
_MAGNITUDE = np.uint32(0x7FFF_FFFF)
_SMALLEST_NORMAL = np.uint32(0x0080_0000)

_INEXACT, _UNDERFLOW, _OVERFLOW, _DIVIDE_BY_ZERO, _INVALID, _DENORMAL = (
    np.uint8(flag) for flag in (Flag.INEXACT, Flag.UNDERFLOW, Flag.OVERFLOW, Flag.DIVIDE_BY_ZERO, Flag.INVALID, Flag.DENORMAL)
)

#: What is smaller rounds, with unbounded exponent, to less than 2**-126; the point itself is a tie that goes up.
_TINY = 2.0**-126 - 2.0**-151


def is_nan(codes: Codes) -> Truths:
    """Whether codes are NaN, quiet or signalling."""
    return codes & _MAGNITUDE > _INFINITY


def is_signalling(codes: Codes) -> Truths:
    """Whether codes are signalling NaN."""
    return (codes & _MAGNITUDE) - np.uint32(0x7F80_0001) < np.uint32(0x003F_FFFF)


def is_denormal(codes: Codes) -> Truths:
    """Whether codes are denormal; zeros are not."""
    return (codes & _MAGNITUDE) - np.uint32(1) < np.uint32(0x007F_FFFF)


def _values(codes: Codes) -> _Wide:
    return codes.view(np.float32).astype(np.float64)


def _set(flags: Flags, where: Truths, flag: np.uint8) -> Flags:
    return flags | where.view(np.uint8) * flag


def _narrow(wide: _Wide) -> tuple[Codes, Flags]:
    """Codes of binary64 numbers that are exact or rounded to odd, with the flags that rounding sets; NaN sets none."""
    rounded = wide.astype(np.float32)
    codes = rounded.view(np.uint32)
    inexact = rounded != wide
    flags = inexact.view(np.uint8)
    if inexact.any():
        flags = _set(flags, inexact & (np.abs(wide) < _TINY), _UNDERFLOW)
        flags = _set(flags, inexact & (codes & _MAGNITUDE == _INFINITY), _OVERFLOW)
        nan = wide != wide
        if nan.any():
            return np.where(nan, _NAN, codes), np.where(nan, np.uint8(0), flags)
    return codes, flags


def _finish(wide: _Wide, *operands: Codes) -> tuple[Codes, Flags]:
    """As `_narrow`, with the flags that an arithmetic operation's operands set.

    NaN that comes of operands without NaN is an invalid operation.
    """
    codes, flags = _narrow(wide)
    invalid = codes == _NAN
    any_nan = bool(invalid.any())
    for operand in operands:
        denormal = is_denormal(operand)
        if denormal.any():
            flags = _set(flags, denormal, _DENORMAL)
        if any_nan:
            invalid = invalid & ~is_nan(operand)
    if any_nan:
        for operand in operands:
            invalid = invalid | is_signalling(operand)
        flags = _set(flags, invalid, _INVALID)
    return codes, flags


def _sum_to_odd(x: _Wide, y: _Wide) -> _Wide:
    """x + y rounded to odd. Neither the sum nor its error leaves binary64's normal numbers, so the error is exact."""
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    lost = np.abs(error) > 0
    if not lost.any():
        return total
    # The exact sum lies between ``total`` and its neighbour on the error's side; one of these two is odd.
    bits = total.view(np.int64)
    towards = np.where((error < 0) == (total < 0), np.int64(1), np.int64(-1))
    return (bits + np.where(lost & (bits & 1 == 0), towards, np.int64(0))).view(np.float64)


@np.errstate(all="ignore")
def add(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """a + b."""
    return _finish(_sum_to_odd(_values(a), _values(b)), a, b)


def sub(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """a - b."""
    return add(a, b ^ _SIGN)


@np.errstate(all="ignore")
def mul(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """a * b."""
    return _finish(_values(a) * _values(b), a, b)


@np.errstate(all="ignore")
def fma(a: Codes, b: Codes, c: Codes, *, negate_product: bool = False, negate_addend: bool = False) -> tuple[Codes, Flags]:
    """±(a * b) ± c, rounded once; zero times infinity is invalid also with a quiet NaN as addend."""
    if negate_product:
        a = a ^ _SIGN
    if negate_addend:
        c = c ^ _SIGN
    product = _values(a) * _values(b)
    codes, flags = _finish(_sum_to_odd(product, _values(c)), a, b, c)
    invalid = np.isnan(product)
    if invalid.any():
        flags = _set(flags, invalid & ~is_nan(a) & ~is_nan(b), _INVALID)
    return codes, flags


@np.errstate(all="ignore")
def reciprocal(a: Codes) -> tuple[Codes, Flags]:
    """1 / a, correctly rounded; ±0 gives Inf with its sign and sets divide by zero.

    A quotient that is not exact differs from every number of 25 bits by more than 2**-50 of itself, so rounding twice is
    harmless, and the rounded binary64 quotient is no binary32 number.
    """
    codes, flags = _finish(1.0 / _values(a), a)
    return codes, _set(flags, a & _MAGNITUDE == 0, _DIVIDE_BY_ZERO)


@np.errstate(all="ignore")
def reciprocal_root(a: Codes) -> tuple[Codes, Flags]:
    """1 / sqrt(a), correctly rounded; ±0 gives Inf with its sign and sets divide by zero.

    Rounding three times is harmless for each of the 2**24 significands (two binades of them), as
    ``verif/golden/test_fp32.py`` shows: three come within 8 binary64 units of a number of 25 bits, and none is moved onto it.
    """
    codes, flags = _finish(1.0 / np.sqrt(_values(a)), a)
    return codes, _set(flags, a & _MAGNITUDE == 0, _DIVIDE_BY_ZERO)


@np.errstate(all="ignore")
def exp2(a: Codes) -> tuple[Codes, Flags]:
    """2 ** a, within 0.52 units in the last place: the shift-and-add algorithm that ``docs/arithmetic.md`` defines."""
    values = _values(a)
    # Beyond these bounds every result is 0 or Inf, with the same flags; NaN takes any way and is replaced.
    x = np.nan_to_num(np.clip(values, -200.0, 200.0))
    floor = np.floor(x)
    rest = np.ldexp(x - floor, EXP2_OPERAND_BITS).astype(np.int64) << (EXP2_FRACTION_BITS - EXP2_OPERAND_BITS)
    power = np.full(x.shape, 1 << EXP2_FRACTION_BITS, np.int64)
    for k, constant in enumerate(EXP2_CONSTANTS, 1):
        rest -= constant
        refused = rest >> 63
        rest += refused & constant
        power += power >> k & ~refused
    wide = np.ldexp(power.astype(np.float64), floor.astype(np.int32) - EXP2_FRACTION_BITS)
    # The rounded value may be that of the defined integer, but no power of a fraction is a binary32 number.
    fraction = x != floor
    codes, flags = _narrow(wide)
    flags = _set(flags, fraction, _INEXACT)
    flags = _set(flags, fraction & (wide < _TINY), _UNDERFLOW)
    infinite = np.isinf(values)
    codes = np.where(infinite, np.where(values > 0, _INFINITY, np.uint32(0)), codes)
    flags = np.where(infinite, np.uint8(0), flags)
    nan = is_nan(a)
    codes = np.where(nan, _NAN, codes)
    flags = np.where(nan, is_signalling(a) * _INVALID, flags)
    return codes, _set(flags, is_denormal(a), _DENORMAL)


def _order(codes: Codes) -> npt.NDArray[np.int32]:
    """Integers in the order of the numbers, -0 before +0."""
    bits = codes.view(np.int32)
    return bits ^ (bits >> 31 & 0x7FFF_FFFF)


def _pick(first: Truths, a: Codes, b: Codes) -> tuple[Codes, Flags]:
    codes = np.where(first, a, b)
    a_nan, b_nan = is_nan(a), is_nan(b)
    flags = np.zeros(codes.shape, np.uint8)
    if a_nan.any() or b_nan.any():
        codes = np.where(a_nan, np.where(b_nan, _NAN, b), np.where(b_nan, a, codes))
        flags = _set(flags, is_signalling(a) | is_signalling(b), _INVALID)
    return codes, flags


def minimum(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """RISC-V's fmin.s of version 2.2: of a number and a NaN the number, of two NaN the canonical one; -0 < +0."""
    return _pick(_order(a) <= _order(b), a, b)


def maximum(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """RISC-V's fmax.s of version 2.2: of a number and a NaN the number, of two NaN the canonical one; -0 < +0."""
    return _pick(_order(a) >= _order(b), a, b)


def _moved(codes: Codes) -> tuple[Codes, Flags]:
    return codes, np.zeros(codes.shape, np.uint8)


def sign_inject(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """a with the sign of b; NaN stays as it is."""
    return _moved(a & _MAGNITUDE | b & _SIGN)


def sign_inject_negated(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """a with the opposite sign of b; NaN stays as it is."""
    return _moved(a & _MAGNITUDE | ~b & _SIGN)


def sign_inject_xor(a: Codes, b: Codes) -> tuple[Codes, Flags]:
    """a, its sign changed if b is negative; NaN stays as it is."""
    return _moved(a ^ b & _SIGN)


@np.errstate(all="ignore")
def equal(a: Codes, b: Codes) -> tuple[Truths, Flags]:
    """Whether a == b; invalid only on signalling NaN."""
    truths = a.view(np.float32) == b.view(np.float32)
    return truths, _set(np.zeros(truths.shape, np.uint8), is_signalling(a) | is_signalling(b), _INVALID)


@np.errstate(all="ignore")
def less(a: Codes, b: Codes) -> tuple[Truths, Flags]:
    """Whether a < b; invalid on any NaN."""
    truths = a.view(np.float32) < b.view(np.float32)
    return truths, _set(np.zeros(truths.shape, np.uint8), is_nan(a) | is_nan(b), _INVALID)


@np.errstate(all="ignore")
def less_equal(a: Codes, b: Codes) -> tuple[Truths, Flags]:
    """Whether a <= b; invalid on any NaN."""
    truths = a.view(np.float32) <= b.view(np.float32)
    return truths, _set(np.zeros(truths.shape, np.uint8), is_nan(a) | is_nan(b), _INVALID)


def classify(a: Codes) -> tuple[Codes, Flags]:
    """RISC-V's fclass.s: one bit of -Inf, -normal, -denormal, -0, +0, +denormal, +normal, +Inf, signalling NaN, quiet NaN."""
    magnitude = a & _MAGNITUDE
    size = (magnitude > 0).astype(np.uint32) + (magnitude >= _SMALLEST_NORMAL) + (magnitude >= _INFINITY)
    number = np.where(a & _SIGN != 0, np.uint32(3) - size, np.uint32(4) + size)
    kind = np.where(is_nan(a), np.where(is_signalling(a), np.uint32(8), np.uint32(9)), number)
    return _moved(np.uint32(1) << kind)


@np.errstate(all="ignore")
def to_int32(a: Codes, *, towards_zero: bool = False) -> tuple[Codes, Flags]:
    """INT32, as uint32, to nearest with ties to even or towards zero; saturates, NaN gives 2**31 - 1."""
    values = _values(a)
    rounded = np.trunc(values) if towards_zero else np.rint(values)
    invalid = ~((rounded >= -(2.0**31)) & (rounded <= 2.0**31 - 1))
    saturated = np.where(is_nan(a), 2.0**31 - 1, np.clip(rounded, -(2.0**31), 2.0**31 - 1))
    flags = _set(invalid * _INVALID, (rounded != values) & ~invalid, _INEXACT)
    return saturated.astype(np.int64).astype(np.uint32), _set(flags, is_denormal(a), _DENORMAL)


def from_int32(a: Codes) -> tuple[Codes, Flags]:
    """binary32 nearest to INT32 operands, which are given as uint32."""
    return _narrow(a.view(np.int32).astype(np.float64))
