# SPDX-License-Identifier: Apache-2.0
"""Number formats: what a code means, and the code nearest to a value.

Codes are unsigned NumPy arrays, values are float32 arrays. Every format here is a subset of binary32, so decoding is exact.

>>> import numpy as np
>>> decode(np.array([0x3F80, 0xC040], np.uint16), BF16)
array([ 1., -3.], dtype=float32)
>>> [hex(code) for code in encode(np.float32([1.00390625, 3.4e38]), BF16)]
['0x3f80', '0x7f80']
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.unsignedinteger[Any]]

#: Explicit bits of binary32's significand, and its exponent bias.
_BINARY32_MANTISSA_BITS = 23
_BINARY32_BIAS = 127


@dataclass(frozen=True, kw_only=True)
class Format:
    """A signed binary format as IEEE 754 builds them: denormals under the smallest normal, Inf and NaN at the top exponent.

    Parameters
    ----------
    name : str
        Name, for reports and assembler suffixes.
    exponent_bits : int
        2 to 8.
    mantissa_bits : int
        Explicit bits of the significand, 1 to 23.
    bias : int
        Exponent field of 1.0. At most 127, and so large that the largest magnitude is a binary32 number.

    Raises
    ------
    ValueError
        If a parameter is outside of its range.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int

    def __post_init__(self) -> None:
        largest_field = (1 << self.exponent_bits) - 2
        limits = {"exponent_bits": (2, 8), "mantissa_bits": (1, 23), "bias": (largest_field - 127, _BINARY32_BIAS)}
        for field, (low, high) in limits.items():
            if not low <= getattr(self, field) <= high:
                raise ValueError(f"{self.name}: {field} = {getattr(self, field)} is outside of {low} to {high}")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The unsigned NumPy type that holds a code."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16 if self.bits <= 16 else np.uint32)

    @property
    def infinity(self) -> int:
        """Code of +Inf."""
        return ((1 << self.exponent_bits) - 1) << self.mantissa_bits

    @property
    def canonical_nan(self) -> int:
        """The one NaN code that operations return: positive, quiet, without payload."""
        return self.infinity | 1 << self.mantissa_bits - 1


FP32 = Format(name="fp32", exponent_bits=8, mantissa_bits=23, bias=127)
BF16 = Format(name="bf16", exponent_bits=8, mantissa_bits=7, bias=127)


def decode(codes: npt.ArrayLike, fmt: Format) -> npt.NDArray[np.float32]:
    """Values of codes, exactly. A NaN of any sign and payload becomes the canonical NaN 0x7FC00000.

    Parameters
    ----------
    codes : array of ``fmt.dtype``, any shape
    fmt : Format

    Returns
    -------
    float32 array of the same shape

    Raises
    ------
    TypeError
        If the array has another type, which hides mistakes like values passed for codes.
    """
    array = np.asarray(codes)
    if array.dtype != fmt.dtype:
        raise TypeError(f"codes of {fmt.name} are {fmt.dtype}, not {array.dtype}")
    code = array.astype(np.int32)
    negative = array >> (fmt.bits - 1) != 0
    magnitude = code & (1 << fmt.bits - 1) - 1
    field = magnitude >> fmt.mantissa_bits
    hidden = np.minimum(field, 1) << fmt.mantissa_bits
    significand = magnitude & (1 << fmt.mantissa_bits) - 1 | hidden
    with np.errstate(over="ignore"):
        # Only the top exponent overflows, and it is replaced below.
        value = np.ldexp(significand.astype(np.float32), np.maximum(field, 1) - fmt.bias - fmt.mantissa_bits)
    value = np.where(magnitude >= fmt.infinity, np.float32(np.inf), value)
    value = np.where(negative, -value, value)
    return np.where(magnitude > fmt.infinity, np.float32(np.nan), value).astype(np.float32)


def encode(values: npt.ArrayLike, fmt: Format) -> Codes:
    """Codes nearest to float32 values, ties to even.

    -0 and denormals are kept, what rounds beyond the largest magnitude becomes Inf, NaN becomes ``fmt.canonical_nan``.

    Parameters
    ----------
    values : float32 array, any shape
    fmt : Format

    Returns
    -------
    array of ``fmt.dtype``, same shape

    Raises
    ------
    TypeError
        If the array has another type: a conversion to float32 first would round twice.
    """
    array = np.asarray(values)
    if array.dtype != np.float32:
        raise TypeError(f"values must be float32, not {array.dtype}")
    bits = array.view(np.uint32).astype(np.int64)
    magnitude = bits & 0x7FFF_FFFF
    field = magnitude >> _BINARY32_MANTISSA_BITS
    significand = magnitude & 0x7F_FFFF | np.minimum(field, 1) << _BINARY32_MANTISSA_BITS
    # Binades above the target's smallest normal one; below it the significand loses one more bit per binade.
    binades = np.maximum(field, 1) - _BINARY32_BIAS - (1 - fmt.bias)
    # A shift by 25 already leaves less than half a unit of a 24-bit significand.
    discarded = np.minimum(_BINARY32_MANTISSA_BITS - fmt.mantissa_bits + np.maximum(0, -binades), 25)
    unit = np.int64(1) << discarded
    code = significand >> discarded
    twice_rest = (significand & unit - 1) << 1
    code += (twice_rest > unit) | (twice_rest == unit) & (code & 1 == 1)
    code += np.maximum(0, binades) << fmt.mantissa_bits
    code = np.minimum(code, fmt.infinity) | bits >> 31 << fmt.bits - 1
    return np.where(magnitude > FP32.infinity, fmt.canonical_nan, code).astype(fmt.dtype)
