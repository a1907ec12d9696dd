# SPDX-License-Identifier: Apache-2.0
"""Which reciprocals and reciprocal roots are not correctly rounded: checks that are fast enough for all significands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.layout import Flag
from verif.golden.mpfr_oracle import mpfr
from verif.golden.oracles import FP32_INFINITY

Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]
Truths = npt.NDArray[np.bool_]

#: Exponent fields whose reciprocals take every way: overflow, large, near one, next to the smallest normal number, denormal.
FIELDS = (0, 1, 127, 252, 253, 254)


def significands(field: int, step: int = 1) -> Codes:
    """All positive codes with an exponent field, or every ``step``-th, but not zero."""
    codes = np.arange(0, 1 << 23, step, dtype=np.uint32) | np.uint32(field << 23)
    return codes[codes > 0]


def wrong_reciprocals(codes: Codes, seen: Codes, flags: Flags) -> Truths:
    """Which results for positive finite operands are wrong, by exact integers.

    With operand x * 2**e and result r * 2**f, the reciprocal lies within half a unit of r if |2 r x - 2 * 2**-(e + f)| <= x.
    A tie is impossible, since x r' = 2**n with an odd r' of 25 bits has no solution.
    """
    field, result_field = codes >> np.uint32(23), seen >> np.uint32(23)
    x = (codes & np.uint32(0x7F_FFFF)).astype(np.int64) + ((field > 0).astype(np.int64) << 23)
    r = (seen & np.uint32(0x7F_FFFF)).astype(np.int64) + ((result_field > 0).astype(np.int64) << 23)
    exponents = np.maximum(field, 1).astype(np.int64) + np.maximum(result_field, 1).astype(np.int64) - 300
    infinite = seen == np.uint32(FP32_INFINITY)
    # 2**-128; its reciprocal is the smallest that overflows, and the next larger operand's is far below.
    small = codes <= np.uint32(0x0020_0000)
    size = np.clip(-exponents, 0, 60)
    error = 2 * np.abs(r * x - (np.int64(1) << size))
    inexact = np.where(infinite, True, error != 0)
    tiny = (codes > np.uint32(0x7E80_0000)) & inexact
    expected = (
        inexact * np.uint8(Flag.INEXACT)
        | infinite * np.uint8(Flag.OVERFLOW)
        | tiny * np.uint8(Flag.UNDERFLOW)
        | (field == 0) * np.uint8(Flag.DENORMAL)
    )
    near = (size == -exponents) & (error < x)
    return ~np.where(infinite | small, infinite & small, near) | (flags != expected)


def wrong_roots(codes: Codes, seen: Codes, flags: Flags) -> Truths:
    """Which results for positive normal operands are wrong.

    A binary64 estimate with an error of at most 2 units decides wherever it is further than that from a number of 25 bits.
    MPFR decides the rest. Two exponent fields that follow each other stand for all: others differ by a power of 4.
    """
    estimate = 1.0 / np.sqrt(codes.view(np.float32).astype(np.float64))
    fraction, _ = np.frexp(estimate)
    distance = np.abs(fraction * 2.0**25 - np.rint(fraction * 2.0**25)) * 2.0**28
    wrong = (seen != estimate.astype(np.float32).view(np.uint32)) | (flags != Flag.INEXACT)
    for i in np.flatnonzero(distance <= 8):
        wrong[i] = (int(seen[i]), int(flags[i])) != mpfr("rsqrt", (int(codes[i]),))
    return wrong
