# SPDX-License-Identifier: Apache-2.0
"""BF16 lanes: exact widening on the way in, one more rounding with flags on the way out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.fp32 import Codes, Flags
from golden.layout import Flag

#: BF16 codes, any shape.
Bf16Codes = npt.NDArray[np.uint16]

_INFINITY = np.uint16(0x7F80)
_SMALLEST_NORMAL = np.uint16(0x0080)
_MAGNITUDE = np.uint16(0x7FFF)


def widen(codes: Bf16Codes) -> Codes:
    """The binary32 codes of the same numbers; NaN keeps its bits, and so stays signalling."""
    return codes.astype(np.uint32) << np.uint32(16)


def cut(codes: Codes) -> Bf16Codes:
    """The upper halves of binary32 codes whose lower halves are zero, or do not matter."""
    return (codes >> np.uint32(16)).astype(np.uint16)


def round_fp32(codes: Codes, random: Codes | None = None) -> tuple[Bf16Codes, Flags]:
    """BF16 codes of binary32 results, and the flags inexact, overflow and underflow that this second step adds.

    Parameters
    ----------
    codes : uint32 array, any shape
        Results of FP32 operations, whose NaN is canonical.
    random : uint32 array of the same shape, or None
        Random bits, of which the low 16 are used, for stochastic rounding. None rounds to nearest, ties to even.
    """
    discarded = codes & np.uint32(0xFFFF)
    if random is None:
        addend = np.uint32(0x7FFF) + (codes >> np.uint32(16) & np.uint32(1))
    else:
        addend = random & np.uint32(0xFFFF)
    # A carry moves into the exponent, and from the largest one into Inf, as it must.
    rounded = cut(codes + addend)
    inexact = discarded != 0
    flags = inexact.view(np.uint8)
    if inexact.any():
        magnitude = rounded & _MAGNITUDE
        underflow = (inexact & (magnitude < _SMALLEST_NORMAL)).view(np.uint8) * np.uint8(Flag.UNDERFLOW)
        overflow = (inexact & (magnitude == _INFINITY)).view(np.uint8) * np.uint8(Flag.OVERFLOW)
        flags = flags | underflow | overflow
    return rounded, flags
