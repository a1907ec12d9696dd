# SPDX-License-Identifier: Apache-2.0
"""What the instructions of M compute from two register values.

Divisions never trap. By zero the quotient is all ones and the remainder the dividend; the one signed quotient that does not fit,
that of the lowest number by -1, is the lowest number, and its remainder 0. Those of words extend the sign of their 32 bits, the
unsigned ones too. Source: The RISC-V Instruction Set Manual, volume I, chapter "M" extension for integer multiplication and
division.
"""

from __future__ import annotations

from collections.abc import Callable

from golden.instruction import MASK_64, signed


def _quotient(a: int, b: int) -> int:
    """Towards zero; all ones for a divisor of 0."""
    if b == 0:
        return -1
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def _remainder(a: int, b: int) -> int:
    """With the sign of the dividend, which it is for a divisor of 0."""
    if b == 0:
        return a
    remainder = abs(a) % abs(b)
    return -remainder if a < 0 else remainder


def _signed(function: Callable[[int, int], int], bits: int = 64) -> Callable[[int, int], int]:
    """A function of the low bits of both operands as signed numbers, its low bits sign-extended to a register value."""
    return lambda a, b: signed(function(signed(a, bits), signed(b, bits)), bits) & MASK_64


def _unsigned(function: Callable[[int, int], int], bits: int = 64) -> Callable[[int, int], int]:
    """A function of the low bits of both operands as unsigned numbers, its low bits sign-extended to a register value."""
    mask = (1 << bits) - 1
    return lambda a, b: signed(function(a & mask, b & mask), bits) & MASK_64


#: Results of two register values, 64 bits unsigned each, by mnemonic.
MULTIPLY_DIVIDE: dict[str, Callable[[int, int], int]] = {
    "mul": lambda a, b: a * b & MASK_64,
    "mulh": lambda a, b: signed(a, 64) * signed(b, 64) >> 64 & MASK_64,
    "mulhsu": lambda a, b: signed(a, 64) * b >> 64 & MASK_64,
    "mulhu": lambda a, b: a * b >> 64,
    "mulw": lambda a, b: signed(a * b, 32) & MASK_64,
    "div": _signed(_quotient),
    "divu": _unsigned(_quotient),
    "rem": _signed(_remainder),
    "remu": _unsigned(_remainder),
    "divw": _signed(_quotient, 32),
    "divuw": _unsigned(_quotient, 32),
    "remw": _signed(_remainder, 32),
    "remuw": _unsigned(_remainder, 32),
}
