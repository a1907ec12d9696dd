# SPDX-License-Identifier: Apache-2.0
"""Constants of the lanes' arithmetic. Specification data, like ``golden.layout``; hardware takes it from here."""

from __future__ import annotations

#: Fraction bits of the constants and of the power while it is formed.
EXP2_FRACTION_BITS = 36

#: Fraction bits of the operand that ``vexp2`` looks at.
EXP2_OPERAND_BITS = 32

#: Factors 1 + 2**-k that ``vexp2`` tries, k = 1, 2, ...
EXP2_STEPS = 32


def _log2_of_one_plus(k: int) -> int:
    """log2(1 + 2**-k) * 2**EXP2_FRACTION_BITS, rounded to an integer.

    Squaring a number in [1, 2) yields the next bit of its logarithm. The guard bits outweigh by far what cutting loses: each
    squaring at most doubles the error.
    """
    precision, bits = 160, EXP2_FRACTION_BITS + 8
    number = (1 << precision) + (1 << precision - k)
    logarithm = 0
    for _ in range(bits):
        number = number * number >> precision
        bit = number >> precision + 1
        number >>= bit
        logarithm = logarithm << 1 | bit
    return (logarithm + (1 << 7)) >> 8


#: log2(1 + 2**-k) * 2**36, rounded to an integer, for k = 1 to 32.
EXP2_CONSTANTS: tuple[int, ...] = tuple(_log2_of_one_plus(k) for k in range(1, EXP2_STEPS + 1))
