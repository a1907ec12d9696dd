# SPDX-License-Identifier: Apache-2.0
"""How the SIMD unit's ``op`` and ``sub`` name its instructions: taken from the instruction table."""

from __future__ import annotations

from golden.isa import CUSTOM_0, INSTRUCTIONS, Instruction, Unit

__all__ = ["operation", "sub_operation"]

_RS2_FIELD = 0x1F << 20


def _row(mnemonic: str) -> Instruction:
    row = INSTRUCTIONS[mnemonic]
    if row.unit is not Unit.SIMD:
        raise ValueError(f"{mnemonic} is not an instruction of the SIMD unit")
    return row


def operation(mnemonic: str) -> int:
    """``op`` of an instruction: bit 7 set for custom-0, bits 4-6 funct3, bits 0-3 the low four bits of funct7.

    Raises
    ------
    KeyError
        If there is no such instruction.
    ValueError
        If the SIMD unit does not execute it.
    """
    match = _row(mnemonic).match
    return (match & 0x7F == CUSTOM_0) << 7 | (match >> 12 & 7) << 4 | match >> 25 & 15


def sub_operation(mnemonic: str) -> int | None:
    """``sub`` of an instruction, or None if its rs2 field holds an operand; raises as :func:`operation` does."""
    row = _row(mnemonic)
    if row.mask & _RS2_FIELD != _RS2_FIELD:
        return None
    return row.match >> 20 & 31
