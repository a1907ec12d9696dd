# SPDX-License-Identifier: Apache-2.0
"""What the model makes of one instruction word at one address: operand fields and the code that executes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from golden.isa import Instruction
from golden.layout import Cause

#: All ones in a scalar register.
MASK_64 = (1 << 64) - 1

#: Where results for x0 go: a 33rd element behind the registers, which nothing reads.
DISCARD = 32


class Trap(Exception):
    """An instruction traps; raised before it has changed anything.

    Parameters
    ----------
    cause : Cause
        ``mcause``.
    value : int
        ``mtval``.
    """

    def __init__(self, cause: Cause, value: int):
        super().__init__(cause, value)
        self.cause = cause
        self.value = value


class IllegalInstruction(Exception):
    """A word that the table encodes, but that names something that the configuration does not have or allow."""


def signed(value: int, bits: int) -> int:
    """The two's complement number in the low ``bits`` of a value."""
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


class Fields:
    """All operand fields of a word, immediates sign-extended to Python integers.

    ``destination`` is ``rd`` with DISCARD for x0. Predicates, vector registers, accumulators, semaphores, ``fmt`` and ``part``
    are in ``rd``, ``rs1`` and ``rs2``: where their fields are shorter, the instruction table fixes the other bits to 0.
    """

    __slots__ = (
        "csr", "destination", "fab", "imm_b", "imm_i", "imm_j", "imm_s", "imm_u", "pm", "rd", "rs1", "rs2", "shamt", "word",
    )  # fmt: skip

    def __init__(self, word: int):
        self.word = word
        self.rd = word >> 7 & 0x1F
        self.destination = self.rd or DISCARD
        self.rs1 = word >> 15 & 0x1F
        self.rs2 = word >> 20 & 0x1F
        self.shamt = word >> 20 & 0x3F
        self.csr = word >> 20
        self.pm = word >> 29
        self.fab = word >> 28
        self.imm_i = signed(word >> 20, 12)
        self.imm_s = signed(word >> 25 << 5 | word >> 7 & 0x1F, 12)
        self.imm_b = signed((word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3F) << 5 | (word >> 8 & 0xF) << 1, 13)
        self.imm_u = signed(word & 0xFFFF_F000, 32)
        self.imm_j = signed(
            (word >> 31) << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1, 21
        )


#: Executes the instruction and returns the address of the next one. Returns None, having done nothing, if the instruction
#: cannot go on or needs the thread's state to be complete; then ``complete`` is called.
Operation = Callable[[], int | None]


def defer() -> None:
    """The operation of instructions that always need ``complete``."""
    return None


class Executable:
    """An instruction bound to a thread and an address.

    Parameters
    ----------
    fields : Fields
        Of its word.
    row : Instruction or None
        Its row of the table, None if it is illegal.
    operation : Operation
    complete : Operation or None
        Called after ``operation`` returned None, with pc and minstret of the thread up to date. Returns the address of the
        next instruction, or None if the thread has to wait and try again.
    """

    __slots__ = ("complete", "operation", "scalar_writes", "vector_write", "word")

    def __init__(self, fields: Fields, row: Instruction | None, operation: Operation, complete: Operation | None = None):
        self.word = fields.word
        self.operation = operation
        self.complete = complete or operation
        writes: list[int] = []
        self.vector_write: int | None = None
        if row is not None:
            if "rd" in row.operands:
                writes.append(fields.rd)
            writes += [getattr(fields, operand) for operand in row.post_increment]
            if "vd" in row.operands and row.mnemonic != "nread":
                self.vector_write = fields.rd
        #: Scalar registers written, even ones first as the retirement port has them; without x0.
        self.scalar_writes = tuple(sorted((register for register in writes if register), key=lambda register: register & 1))


@dataclass(frozen=True, slots=True)
class Retirement:
    """One record of a thread's retirement stream.

    Attributes
    ----------
    thread, pc, word : int
        ``word`` is 0 after INSTRUCTION_ACCESS_FAULT, where there is none.
    cause, value : int or None
        ``mcause`` and ``mtval`` if the instruction trapped, else None.
    writes : tuple of (int, int)
        Scalar registers written with their values, the even one first.
    """

    thread: int
    pc: int
    word: int
    cause: int | None = None
    value: int | None = None
    writes: tuple[tuple[int, int], ...] = ()
