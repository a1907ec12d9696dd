# SPDX-License-Identifier: Apache-2.0
"""Operand fields: what each operand of the instruction table may hold and how its bits lie in the word.

Assembler and disassembler are the two directions of this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from golden.isa import SCALAR_REGISTERS, Instruction, decode
from golden.layout import CSR_NUMBERS, FORMAT_DESCRIPTORS


class OperandKind(Enum):
    """What an operand is; the value is its name in messages."""

    SCALAR = "a scalar register"
    VECTOR = "a vector register (v0 to v31)"
    ACCUMULATOR = "an accumulator (m0 to m7)"
    PREDICATE = "a predicate (p0 to p7)"
    FORMAT = "a format descriptor (f0 to f15)"
    SEMAPHORE = "a semaphore number"
    IMMEDIATE = "a number"
    TARGET = "a label or address"
    CSR = "a CSR name or number"
    ORDER = "letters of 'iorw', or 0"


#: Kinds that are written as a register's name.
REGISTER_KINDS = frozenset(
    {OperandKind.SCALAR, OperandKind.VECTOR, OperandKind.ACCUMULATOR, OperandKind.PREDICATE, OperandKind.FORMAT}
)

#: Letter of the registers that are named by letter and number -> their kind.
REGISTER_LETTERS: dict[str, OperandKind] = {
    "v": OperandKind.VECTOR,
    "m": OperandKind.ACCUMULATOR,
    "p": OperandKind.PREDICATE,
    "f": OperandKind.FORMAT,
}

#: How many registers of a kind there are at most.
REGISTER_COUNTS: dict[OperandKind, int] = {
    OperandKind.SCALAR: 32,
    OperandKind.VECTOR: 32,
    OperandKind.ACCUMULATOR: 8,
    OperandKind.PREDICATE: 8,
    OperandKind.FORMAT: FORMAT_DESCRIPTORS,
}


@dataclass(frozen=True)
class Operand:
    """One operand name of the table.

    Attributes
    ----------
    kind : OperandKind
        What it is.
    low, high : int
        Smallest and largest value, inclusive; of a TARGET, of the distance from the instruction.
    chunks : tuple of (word_bit, value_bit, bits)
        Where pieces of the value lie in the word.
    multiple : int
        Values must be multiples of this.
    signed : bool
        Whether the field is read back as a signed number.
    """

    kind: OperandKind
    low: int
    high: int
    chunks: tuple[tuple[int, int, int], ...]
    multiple: int = 1
    signed: bool = False

    def insert(self, value: int) -> int:
        """Bits of the instruction word for a value; the value must be allowed."""
        if not self.low <= value <= self.high or value % self.multiple:
            raise ValueError(f"{value} is not a multiple of {self.multiple} from {self.low} to {self.high}")
        return sum((value >> value_bit & (1 << bits) - 1) << word_bit for word_bit, value_bit, bits in self.chunks)

    def extract(self, word: int) -> int:
        """The value that an instruction word holds."""
        value = sum((word >> word_bit & (1 << bits) - 1) << value_bit for word_bit, value_bit, bits in self.chunks)
        width = max(value_bit + bits for _, value_bit, bits in self.chunks)
        return value - (1 << width) if self.signed and value >> width - 1 else value


def _register(kind: OperandKind, bit: int, bits: int = 5) -> Operand:
    return Operand(kind, 0, REGISTER_COUNTS[kind] - 1, ((bit, 0, bits),))


def _number(low: int, high: int, *chunks: tuple[int, int, int]) -> Operand:
    return Operand(OperandKind.IMMEDIATE, low, high, chunks, signed=low < 0 and high < -low)


#: Operand name of the table -> what it may hold and where.
OPERANDS: dict[str, Operand] = {
    "rd": _register(OperandKind.SCALAR, 7),
    "rs1": _register(OperandKind.SCALAR, 15),
    "rs2": _register(OperandKind.SCALAR, 20),
    "vd": _register(OperandKind.VECTOR, 7),
    "vs1": _register(OperandKind.VECTOR, 15),
    "vs2": _register(OperandKind.VECTOR, 20),
    "md": _register(OperandKind.ACCUMULATOR, 7),
    "pd": _register(OperandKind.PREDICATE, 7, bits=3),
    "ps1": _register(OperandKind.PREDICATE, 15, bits=3),
    "ps2": _register(OperandKind.PREDICATE, 20, bits=3),
    "pm": _register(OperandKind.PREDICATE, 29, bits=3),
    "fmt": _register(OperandKind.FORMAT, 20, bits=4),
    "fab": _register(OperandKind.FORMAT, 28, bits=4),
    "sem": Operand(OperandKind.SEMAPHORE, 0, 31, ((7, 0, 5),)),
    "part": _number(0, 15, (20, 0, 4)),
    "zimm": _number(0, 31, (15, 0, 5)),
    "shamt": _number(0, 63, (20, 0, 6)),
    "shamtw": _number(0, 31, (20, 0, 5)),
    "imm_i": _number(-0x800, 0x7FF, (20, 0, 12)),
    "imm_s": _number(-0x800, 0x7FF, (25, 5, 7), (7, 0, 5)),
    # Both readings of the field are allowed, and it is read back unsigned.
    "imm_u": _number(-0x8_0000, 0xF_FFFF, (12, 0, 20)),
    "imm_b": Operand(
        OperandKind.TARGET, -0x1000, 0xFFE, ((31, 12, 1), (25, 5, 6), (8, 1, 4), (7, 11, 1)), multiple=2, signed=True
    ),
    "imm_j": Operand(
        OperandKind.TARGET, -0x10_0000, 0xF_FFFE, ((31, 20, 1), (21, 1, 10), (20, 11, 1), (12, 12, 8)),
        multiple=2, signed=True,
    ),
    "csr": Operand(OperandKind.CSR, 0, 0xFFF, ((20, 0, 12),)),
    "pred": Operand(OperandKind.ORDER, 0, 15, ((24, 0, 4),)),
    "succ": Operand(OperandKind.ORDER, 0, 15, ((20, 0, 4),)),
}  # fmt: skip

#: Letters of ``pred`` and ``succ`` and their bits.
ORDER_LETTERS: dict[str, int] = {"i": 8, "o": 4, "r": 2, "w": 1}

#: CSR number -> name in lower case.
CSR_NAMES: dict[int, str] = {number: name for name, number in CSR_NUMBERS.items()}

#: Register name -> (kind, number), for every name that the assembler takes.
REGISTERS: dict[str, tuple[OperandKind, int]] = {
    **{f"x{number}": (OperandKind.SCALAR, number) for number in range(32)},
    **{name: (OperandKind.SCALAR, number) for number, name in enumerate(SCALAR_REGISTERS)},
    "fp": (OperandKind.SCALAR, SCALAR_REGISTERS.index("s0")),
    **{
        f"{letter}{number}": (kind, number)
        for letter, kind in REGISTER_LETTERS.items()
        for number in range(REGISTER_COUNTS[kind])
    },
}


def register_name(kind: OperandKind, number: int) -> str:
    """The name that listings use: ABI name, or letter and number."""
    if kind is OperandKind.SCALAR:
        return SCALAR_REGISTERS[number]
    letter = next(letter for letter, named in REGISTER_LETTERS.items() if named is kind)
    return f"{letter}{number}"


def defect(row: Instruction, values: Mapping[str, int]) -> str | None:
    """Why these operand values make the instruction illegal on every node, or None if they do not.

    Parameters
    ----------
    row : Instruction
        The instruction.
    values : mapping
        Value of each of its operands.
    """
    if len(row.post_increment) == 2:
        first, second = (values[name] for name in row.post_increment)
        if first % 2 == second % 2:
            names = [register_name(OperandKind.SCALAR, number) for number in (first, second)]
            return (
                f"{row.mnemonic} advances x{first} ({names[0]}) and x{second} ({names[1]}), but one must be an even and "
                "the other an odd register"
            )
    return None


def encode(row: Instruction, values: Mapping[str, int]) -> int:
    """The 32-bit word of an instruction.

    Parameters
    ----------
    row : Instruction
        The instruction.
    values : mapping
        Value of each of its operands; of a TARGET, the distance from the instruction in bytes.

    Raises
    ------
    ValueError
        If a value is outside of its operand's range.
    """
    return row.match | sum(OPERANDS[name].insert(values[name]) for name in row.operands)


def decode_operands(word: int) -> tuple[Instruction, dict[str, int]] | None:
    """The inverse of ``encode``; None if the word is no instruction or has an operand that none may have.

    Bits that execution ignores (the reserved fields of ``fence``) are not in the result.
    """
    row = decode(word)
    if row is None:
        return None
    values = {name: OPERANDS[name].extract(word) for name in row.operands}
    if any(not OPERANDS[name].low <= value <= OPERANDS[name].high for name, value in values.items()):
        return None
    return row, values
