# SPDX-License-Identifier: Apache-2.0
"""Products and quotients of any width by whole numbers, as the chapter on M of the RISC-V specification defines them."""

from __future__ import annotations

from hypothesis import strategies as st

from rtl.core.divider import DivideOp
from rtl.core.multiplier import MultiplyOp


def read(value: int, bits: int, signed: bool) -> int:
    """The number in the low bits."""
    value %= 1 << bits
    return value - (1 << bits) if signed and value >> bits - 1 else value


def multiply(width: int, op: MultiplyOp, word: bool, a: int, b: int) -> int:
    """Bits of what a multiplier gives."""
    if word:
        return read(a * b, width // 2, True) % (1 << width)
    a = read(a, width, op in (MultiplyOp.HIGH, MultiplyOp.HIGH_MIXED))
    b = read(b, width, op is MultiplyOp.HIGH)
    product = a * b
    return (product if op is MultiplyOp.LOW else product >> width) % (1 << width)


def divide(width: int, op: DivideOp, word: bool, a: int, b: int) -> int:
    """Bits of what a divider gives."""
    bits = width // 2 if word else width
    signed = op in (DivideOp.DIVIDE, DivideOp.REMAINDER)
    a, b = read(a, bits, signed), read(b, bits, signed)
    if b == 0:
        quotient, remainder = -1, a
    else:
        # Python's division rounds down.
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        remainder = a - quotient * b
    result = quotient if op in (DivideOp.DIVIDE, DivideOp.DIVIDE_UNSIGNED) else remainder
    return read(result, bits, True) % (1 << width)


def operands(width: int) -> st.SearchStrategy[int]:
    """Small numbers, powers of two and their neighbours of both signs, and anything."""
    near = st.tuples(st.sampled_from((1, -1)), st.integers(0, width), st.integers(-2, 2))
    return st.one_of(
        st.integers(0, 9),
        near.map(lambda n: (n[0] * (1 << n[1]) + n[2]) % (1 << width)),
        st.integers(0, (1 << width) - 1),
        st.integers(0, (1 << width // 2) - 1),
    )
