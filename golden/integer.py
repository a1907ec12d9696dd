# SPDX-License-Identifier: Apache-2.0
"""Integer lanes: operations modulo the lane's range, element by element.

Operands and results are arrays of uint8, uint16 or uint32, whose type is the lane's; signed operations look at the same bits as
two's complement. Comparisons give arrays of bool.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Lanes = npt.NDArray[np.unsignedinteger[Any]]
Truths = npt.NDArray[np.bool_]

#: The type of a lane of so many bits.
LANE_TYPES: dict[int, np.dtype[np.unsignedinteger[Any]]] = {bits: np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32)}

#: Reductions by the ends of their mnemonics: modular sum, smallest and largest, signed and unsigned.
Reduction = Literal["sum", "min", "max", "minu", "maxu"]

_SIGNED: dict[int, np.dtype[np.signedinteger[Any]]] = {size: np.dtype(f"<i{size}") for size in (1, 2, 4)}


def _signed(a: Lanes) -> npt.NDArray[np.signedinteger[Any]]:
    return a.view(_SIGNED[a.dtype.itemsize])


def add(a: Lanes, b: Lanes) -> Lanes:
    """a + b, modulo the lane's range."""
    return a + b


def sub(a: Lanes, b: Lanes) -> Lanes:
    """a - b, modulo the lane's range."""
    return a - b


def mul(a: Lanes, b: Lanes) -> Lanes:
    """The low half of a * b."""
    return a * b


def mul_high(a: Lanes, b: Lanes) -> Lanes:
    """The high half of signed a * b."""
    product = _signed(a).astype(np.int64) * _signed(b).astype(np.int64)
    return (product >> 8 * a.dtype.itemsize).astype(a.dtype)


def mul_high_unsigned(a: Lanes, b: Lanes) -> Lanes:
    """The high half of unsigned a * b."""
    product = a.astype(np.uint64) * b.astype(np.uint64)
    return (product >> np.uint64(8 * a.dtype.itemsize)).astype(a.dtype)


def _amounts(b: Lanes) -> Lanes:
    return b & b.dtype.type(8 * b.dtype.itemsize - 1)


def shift_left(a: Lanes, b: Lanes) -> Lanes:
    """a << b, with b modulo the lane's bits."""
    return a << _amounts(b)


def shift_right(a: Lanes, b: Lanes) -> Lanes:
    """a >> b, zeros in, with b modulo the lane's bits."""
    return a >> _amounts(b)


def shift_right_signed(a: Lanes, b: Lanes) -> Lanes:
    """a >> b, sign in, with b modulo the lane's bits."""
    return (_signed(a) >> _signed(_amounts(b))).view(a.dtype)


def minimum(a: Lanes, b: Lanes) -> Lanes:
    """The signed smaller of a and b."""
    return np.minimum(_signed(a), _signed(b)).view(a.dtype)


def maximum(a: Lanes, b: Lanes) -> Lanes:
    """The signed larger of a and b."""
    return np.maximum(_signed(a), _signed(b)).view(a.dtype)


def minimum_unsigned(a: Lanes, b: Lanes) -> Lanes:
    """The unsigned smaller of a and b."""
    return np.minimum(a, b)


def maximum_unsigned(a: Lanes, b: Lanes) -> Lanes:
    """The unsigned larger of a and b."""
    return np.maximum(a, b)


def equal(a: Lanes, b: Lanes) -> Truths:
    """Whether a == b."""
    return a == b


def less(a: Lanes, b: Lanes) -> Truths:
    """Whether a < b, signed."""
    return _signed(a) < _signed(b)


def less_unsigned(a: Lanes, b: Lanes) -> Truths:
    """Whether a < b, unsigned."""
    return a < b


def extend(a: Lanes, *, signed: bool) -> Lanes:
    """Lanes of twice the bits, sign-extended or zero-extended."""
    wide = 2 * a.dtype.itemsize
    source: npt.NDArray[np.integer[Any]] = _signed(a) if signed else a
    return source.astype(_SIGNED[wide]).view(LANE_TYPES[8 * wide])


def saturate(a: Lanes, *, signed: bool) -> Lanes:
    """Lanes of half the bits: signed numbers, clamped to what a signed or unsigned lane of that size holds."""
    bits = 4 * a.dtype.itemsize
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return np.clip(_signed(a), lowest, highest).astype(LANE_TYPES[bits])


def reduce(a: Lanes, operation: Reduction) -> Lanes:
    """One lane, as an array of shape (1,): the sum modulo the lane's range, or the smallest or largest, signed or unsigned."""
    match operation:
        case "sum":
            return np.add.reduce(a, dtype=a.dtype, keepdims=True)
        case "min":
            return np.minimum.reduce(_signed(a), keepdims=True).view(a.dtype)
        case "max":
            return np.maximum.reduce(_signed(a), keepdims=True).view(a.dtype)
        case "minu":
            return np.minimum.reduce(a, keepdims=True)
        case "maxu":
            return np.maximum.reduce(a, keepdims=True)
