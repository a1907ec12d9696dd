# SPDX-License-Identifier: Apache-2.0
"""Encodes instructions for tests of the golden model straight from the instruction table, without the assembler."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, OPERAND_FIELDS
from golden.layout import SRAM_BASE
from golden.node import GoldenNode
from golden.program import Program

#: Operand -> its lowest bit, for fields in one piece; as wide as they are in the table.
_SIMPLE = {
    "rd": 7, "vd": 7, "md": 7, "sem": 7, "pd": 7, "rs1": 15, "vs1": 15, "ps1": 15, "zimm": 15, "rs2": 20, "vs2": 20, "ps2": 20,
    "fmt": 20, "part": 20, "shamtw": 20, "shamt": 20, "imm_i": 20, "csr": 20, "pred": 24, "succ": 20, "fab": 28, "pm": 29,
    "imm_u": 12,
}  # fmt: skip


#: Mnemonic -> operands, and how many of them an instruction has at least.
_OPERANDS = {row.mnemonic: (row.operands, len(row.operands) - len(row.optional_operands)) for row in INSTRUCTIONS.values()}


def _place(operand: str, value: int) -> int:
    if operand in _SIMPLE:
        return value << _SIMPLE[operand] & OPERAND_FIELDS[operand]
    if operand == "imm_s":
        return (value >> 5 & 0x7F) << 25 | (value & 0x1F) << 7
    if operand == "imm_b":
        return (value >> 12 & 1) << 31 | (value >> 5 & 0x3F) << 25 | (value >> 1 & 0xF) << 8 | (value >> 11 & 1) << 7
    assert operand == "imm_j"
    return (value >> 20 & 1) << 31 | (value >> 1 & 0x3FF) << 21 | (value >> 11 & 1) << 20 | (value >> 12 & 0xFF) << 12


def encode(mnemonic: str, *operands: int) -> int:
    """The word of an instruction; operands as numbers, in the order of its syntax. Optional ones may be left out."""
    row = INSTRUCTIONS[mnemonic]
    names, least = _OPERANDS[mnemonic]
    assert least <= len(operands) <= len(names), f"{mnemonic} takes {names}"
    word = row.match
    for operand, value in zip(names, operands, strict=False):
        word |= _place(operand, value)
    assert row.encodes(word)
    return word


def load_constant(register: int, value: int) -> list[int]:
    """Words that put a 64-bit value into a scalar register."""
    words = [encode("addi", register, 0, 0)]
    for shift in range(55, -1, -11):
        words += [encode("slli", register, register, 11), encode("ori", register, register, value >> shift & 0x7FF)]
    return words


def program(words: list[int], address: int = SRAM_BASE) -> Program:
    """A program of these words, entered at the first one."""
    return Program(((address, b"".join(word.to_bytes(4, "little") for word in words)),), address)


def run_words(config: NodeConfig, *words: int, limit: int = 10_000, **state: dict[int, int]) -> GoldenNode:
    """A node whose thread 0 has executed these words from the start of SRAM.

    Parameters
    ----------
    state : dict of int to int
        ``x`` presets scalar registers.
    """
    node = GoldenNode(config)
    node.load(program(list(words)))
    for register, value in state.get("x", {}).items():
        node.threads[0].x[register] = value & (1 << 64) - 1
    node.threads[0].start(SRAM_BASE)
    node.run(limit)
    return node
