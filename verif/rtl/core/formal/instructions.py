# SPDX-License-Identifier: Apache-2.0
"""RV64IM as the RISC-V unprivileged specification (version 20240411) has it, for proofs: what each instruction does.

Written from that specification, independently of the project's own table and decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import C, Cat, Mux, Value

__all__ = ["SPECIFICATION", "Instruction", "Outcome", "matches", "sign_extended"]

_OPCODE, _FUNCT3 = 0x7F, 0x707F
_FUNCT7, _SHIFT = 0xFE00707F, 0xFC00707F


@dataclass(frozen=True)
class Outcome:
    """What an instruction does, given the values of its operands.

    Attributes
    ----------
    rd : Value or None
        What it writes to rd; None if it writes none, or what only a unit that is cut away would know.
    jumps : Value
        It goes on at ``target`` instead of the next instruction.
    address : Value or None
        It accesses so many bytes at this address: ``size``.
    """

    rd: Any = None
    jumps: Any = 0
    target: Any = None
    address: Any = None
    size: int = 0


@dataclass(frozen=True)
class Instruction:
    """A row of the specification.

    Attributes
    ----------
    mask, match : int
        A word is this instruction if ``word & mask == match``.
    operands : str
        Of ``d``, ``1``, ``2``: the registers that it has.
    does : callable
        Given the word, pc, rs1, rs2 and what is read from memory.
    """

    mask: int
    match: int
    operands: str
    does: Callable[[Any, Any, Any, Any, Any], Outcome]
    stores: bool = False


def matches(instruction: Instruction, word: Any) -> Value:
    """The word is this instruction."""
    return (word & instruction.mask) == instruction.match


def sign_extended(value: Any, bits: int = 64) -> Value:
    """The value as a signed number of so many bits."""
    value = Value.cast(value)
    return Cat(value, value[-1].replicate(bits - len(value))) if len(value) < bits else value[:bits]


def _imm_i(word: Any) -> Value:
    return sign_extended(word[20:32])


def _imm_s(word: Any) -> Value:
    return sign_extended(Cat(word[7:12], word[25:32]))


def _imm_b(word: Any) -> Value:
    return sign_extended(Cat(C(0, 1), word[8:12], word[25:31], word[7], word[31]))


def _imm_u(word: Any) -> Value:
    return sign_extended(Cat(C(0, 12), word[12:32]))


def _imm_j(word: Any) -> Value:
    return sign_extended(Cat(C(0, 1), word[21:31], word[20], word[12:20], word[31]))


def _signed(value: Any) -> Value:
    return Value.cast(value).as_signed()


def _word(value: Any) -> Value:
    """The low 32 bits, sign-extended."""
    return sign_extended(Value.cast(value)[:32])


def _arithmetic_right(value: Any, amount: Any) -> Value:
    return (_signed(value) >> amount).as_unsigned()


#: Of two operands: what ``add`` to ``and`` do, and ``addw`` to ``sraw``.
_OPERATIONS: dict[str, tuple[int, int, Callable[[Any, Any], Any]]] = {
    "add": (0, 0, lambda a, b: (a + b)[:64]),
    "sub": (0, 0x20, lambda a, b: (a - b)[:64]),
    "sll": (1, 0, lambda a, b: (a << b[:6])[:64]),
    "slt": (2, 0, lambda a, b: Mux(_signed(a) < _signed(b), C(1, 64), 0)),
    "sltu": (3, 0, lambda a, b: Mux(a < b, C(1, 64), 0)),
    "xor": (4, 0, lambda a, b: a ^ b),
    "srl": (5, 0, lambda a, b: a >> b[:6]),
    "sra": (5, 0x20, lambda a, b: _arithmetic_right(a, b[:6])),
    "or": (6, 0, lambda a, b: a | b),
    "and": (7, 0, lambda a, b: a & b),
}
_WORD_OPERATIONS: dict[str, tuple[int, int, Callable[[Any, Any], Any]]] = {
    "addw": (0, 0, lambda a, b: _word(a + b)),
    "subw": (0, 0x20, lambda a, b: _word(a - b)),
    "sllw": (1, 0, lambda a, b: _word(a[:32] << b[:5])),
    "srlw": (5, 0, lambda a, b: _word(a[:32] >> b[:5])),
    "sraw": (5, 0x20, lambda a, b: _word(_arithmetic_right(a[:32], b[:5]))),
}
_CONDITIONS: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "beq": (0, lambda a, b: a == b),
    "bne": (1, lambda a, b: a != b),
    "blt": (4, lambda a, b: _signed(a) < _signed(b)),
    "bge": (5, lambda a, b: _signed(a) >= _signed(b)),
    "bltu": (6, lambda a, b: a < b),
    "bgeu": (7, lambda a, b: a >= b),
}
_LOADS = {"lb": (0, 1), "lh": (1, 2), "lw": (2, 4), "ld": (3, 8), "lbu": (4, 1), "lhu": (5, 2), "lwu": (6, 4)}
_STORES = {"sb": (0, 1), "sh": (1, 2), "sw": (2, 4), "sd": (3, 8)}
_MULTIPLIES = ("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")


def _of_registers(operation: Callable[[Any, Any], Any]) -> Callable[..., Outcome]:
    return lambda word, pc, rs1, rs2, memory: Outcome(rd=operation(rs1, rs2))


def _of_immediate(operation: Callable[[Any, Any], Any]) -> Callable[..., Outcome]:
    return lambda word, pc, rs1, rs2, memory: Outcome(rd=operation(rs1, _imm_i(word)))


def _branches(condition: Callable[[Any, Any], Any]) -> Callable[..., Outcome]:
    return lambda word, pc, rs1, rs2, memory: Outcome(jumps=condition(rs1, rs2), target=(pc + _imm_b(word))[:64])


def _loads(size: int, *, unsigned: bool) -> Callable[..., Outcome]:
    def does(word: Any, pc: Any, rs1: Any, rs2: Any, memory: Any) -> Outcome:
        value = memory[: 8 * size]
        value = Cat(value, C(0, 64 - 8 * size)) if unsigned else sign_extended(value)
        return Outcome(rd=value, address=(rs1 + _imm_i(word))[:64], size=size)

    return does


def _stores(size: int) -> Callable[..., Outcome]:
    return lambda word, pc, rs1, rs2, memory: Outcome(address=(rs1 + _imm_s(word))[:64], size=size)


def _jal(word: Any, pc: Any, rs1: Any, rs2: Any, memory: Any) -> Outcome:
    return Outcome(rd=(pc + 4)[:64], jumps=C(1), target=(pc + _imm_j(word))[:64])


def _jalr(word: Any, pc: Any, rs1: Any, rs2: Any, memory: Any) -> Outcome:
    return Outcome(rd=(pc + 4)[:64], jumps=C(1), target=Cat(C(0, 1), (rs1 + _imm_i(word))[1:64]))


def _specification() -> dict[str, Instruction]:
    rows = {
        "lui": Instruction(_OPCODE, 0x37, "d", lambda word, pc, rs1, rs2, memory: Outcome(rd=_imm_u(word))),
        "auipc": Instruction(_OPCODE, 0x17, "d", lambda word, pc, rs1, rs2, memory: Outcome(rd=(pc + _imm_u(word))[:64])),
        "jal": Instruction(_OPCODE, 0x6F, "d", _jal),
        "jalr": Instruction(_FUNCT3, 0x67, "d1", _jalr),
        "fence": Instruction(_FUNCT3, 0x0F, "", lambda word, pc, rs1, rs2, memory: Outcome()),
    }
    for opcode, immediate_opcode, operations in ((0x33, 0x13, _OPERATIONS), (0x3B, 0x1B, _WORD_OPERATIONS)):
        for name, (funct3, funct7, operation) in operations.items():
            match = funct7 << 25 | funct3 << 12
            rows[name] = Instruction(_FUNCT7, match | opcode, "d12", _of_registers(operation))
            if name in ("sub", "subw"):
                continue
            immediate = f"{name[:-1]}iw" if name.endswith("w") else "sltiu" if name == "sltu" else f"{name}i"
            mask = _FUNCT3 if funct3 not in (1, 5) else _FUNCT7 if name.endswith("w") else _SHIFT
            rows[immediate] = Instruction(mask, match | immediate_opcode, "d1", _of_immediate(operation))
    for name, (funct3, condition) in _CONDITIONS.items():
        rows[name] = Instruction(_FUNCT3, funct3 << 12 | 0x63, "12", _branches(condition))
    for name, (funct3, size) in _LOADS.items():
        rows[name] = Instruction(_FUNCT3, funct3 << 12 | 0x03, "d1", _loads(size, unsigned=funct3 >= 4))
    for name, (funct3, size) in _STORES.items():
        rows[name] = Instruction(_FUNCT3, funct3 << 12 | 0x23, "12", _stores(size), stores=True)
    for funct3, name in enumerate(_MULTIPLIES):
        for opcode, suffix in ((0x33, ""), (0x3B, "w")):
            if suffix and name in ("mulh", "mulhsu", "mulhu"):
                continue
            match = 1 << 25 | funct3 << 12 | opcode
            rows[f"{name}{suffix}"] = Instruction(_FUNCT7, match, "d12", lambda word, pc, rs1, rs2, memory: Outcome())
    return rows


#: By mnemonic.
SPECIFICATION = _specification()
