# SPDX-License-Identifier: Apache-2.0
"""What RV64IM instructions do, from the RISC-V unprivileged specification (version 20240411) alone, one at a time.

Neither the project's instruction table nor its golden model is used here, so that mistakes in those show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Effect", "Illegal", "execute"]

_MASK = (1 << 64) - 1


class Illegal(Exception):
    """A word in an opcode of RV64IM that is no instruction."""


@dataclass(frozen=True)
class Effect:
    """What an instruction reads and does.

    Members
    -------
    rs1, rs2 : int
        Registers that it reads, 0 for none.
    rd : int
        The register that it writes, 0 for none.
    value : int or None
        What is written there; None if it is not known here.
    pc : int or None
        Where the thread goes on; None if it is not known here.
    jumps : bool
        It goes there because it is a jump, or a branch that is taken.
    misaligned_target : bool
        It jumps to an address that is no multiple of 4.
    address, size : int
        Of its access to memory; size 0 is none.
    reads, writes : bool
    data : int
        What it stores, in the low bytes.
    traps : bool
        It always traps: ``ecall``, ``ebreak``.
    """

    rs1: int = 0
    rs2: int = 0
    rd: int = 0
    value: int | None = None
    pc: int | None = None
    jumps: bool = False
    misaligned_target: bool = False
    address: int = 0
    size: int = 0
    reads: bool = False
    writes: bool = False
    data: int = 0
    traps: bool = False


def _signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _word(value: int) -> int:
    """The low 32 bits, sign-extended."""
    return _signed(value, 32) & _MASK


def _quotient(a: int, b: int) -> int:
    magnitude = abs(a) // abs(b)
    return magnitude if (a < 0) == (b < 0) else -magnitude


def _divide(a: int, b: int, bits: int, *, signed: bool, remainder: bool) -> int:
    """DIV and its kin on operands of so many bits, which wrap around."""
    if signed:
        a, b = _signed(a, bits), _signed(b, bits)
    else:
        a, b = a & (1 << bits) - 1, b & (1 << bits) - 1
    if b == 0:
        return a if remainder else -1
    quotient = _quotient(a, b)
    return a - quotient * b if remainder else quotient


#: funct7 and funct3 of OP to the function of rs1 and rs2.
_REGISTER: dict[tuple[int, int], Callable[[int, int], int]] = {
    (0x00, 0): lambda a, b: a + b,
    (0x20, 0): lambda a, b: a - b,
    (0x00, 1): lambda a, b: a << (b & 63),
    (0x00, 2): lambda a, b: _signed(a) < _signed(b),
    (0x00, 3): lambda a, b: a < b,
    (0x00, 4): lambda a, b: a ^ b,
    (0x00, 5): lambda a, b: a >> (b & 63),
    (0x20, 5): lambda a, b: _signed(a) >> (b & 63),
    (0x00, 6): lambda a, b: a | b,
    (0x00, 7): lambda a, b: a & b,
    (0x01, 0): lambda a, b: a * b,
    (0x01, 1): lambda a, b: _signed(a) * _signed(b) >> 64,
    (0x01, 2): lambda a, b: _signed(a) * b >> 64,
    (0x01, 3): lambda a, b: a * b >> 64,
    (0x01, 4): lambda a, b: _divide(a, b, 64, signed=True, remainder=False),
    (0x01, 5): lambda a, b: _divide(a, b, 64, signed=False, remainder=False),
    (0x01, 6): lambda a, b: _divide(a, b, 64, signed=True, remainder=True),
    (0x01, 7): lambda a, b: _divide(a, b, 64, signed=False, remainder=True),
}

#: The same for OP-32; results are sign-extended from their low 32 bits.
_REGISTER_32: dict[tuple[int, int], Callable[[int, int], int]] = {
    (0x00, 0): lambda a, b: a + b,
    (0x20, 0): lambda a, b: a - b,
    (0x00, 1): lambda a, b: a << (b & 31),
    (0x00, 5): lambda a, b: (a & 0xFFFF_FFFF) >> (b & 31),
    (0x20, 5): lambda a, b: _signed(a, 32) >> (b & 31),
    (0x01, 0): lambda a, b: a * b,
    (0x01, 4): lambda a, b: _divide(a, b, 32, signed=True, remainder=False),
    (0x01, 5): lambda a, b: _divide(a, b, 32, signed=False, remainder=False),
    (0x01, 6): lambda a, b: _divide(a, b, 32, signed=True, remainder=True),
    (0x01, 7): lambda a, b: _divide(a, b, 32, signed=False, remainder=True),
}

_CONDITIONS: dict[int, Callable[[int, int], bool]] = {
    0: lambda a, b: a == b,
    1: lambda a, b: a != b,
    4: lambda a, b: _signed(a) < _signed(b),
    5: lambda a, b: _signed(a) >= _signed(b),
    6: lambda a, b: a < b,
    7: lambda a, b: a >= b,
}


def execute(insn: int, pc: int, rs1: int, rs2: int, loaded: int) -> Effect | None:
    """What a word does at an address, with these values in its registers rs1 and rs2.

    Parameters
    ----------
    insn, pc, rs1, rs2 : int
        The values count only where the instruction reads the register.
    loaded : int
        Bytes that memory holds where it loads, lowest first.

    Returns
    -------
    Effect or None
        None for all that is not RV64IM: other extensions, CSRs, privileged instructions.

    Raises
    ------
    Illegal
        If the word is none of its opcode's instructions.
    """
    opcode, funct3, funct7 = insn & 0x7F, insn >> 12 & 7, insn >> 25
    rd, first, second = insn >> 7 & 31, insn >> 15 & 31, insn >> 20 & 31
    upper = _signed(insn & 0xFFFF_F000, 32)
    immediate = _signed(insn >> 20, 12)
    following = pc + 4 & _MASK

    def register(value: int, rs1: int = 0, rs2: int = 0) -> Effect:
        return Effect(rs1=rs1, rs2=rs2, rd=rd, value=value & _MASK, pc=following)

    match opcode:
        case 0x37:
            return register(upper)
        case 0x17:
            return register(pc + upper)
        case 0x13:
            return register(_immediate(funct3, insn, rs1, immediate), rs1=first)
        case 0x1B:
            return register(_word(_immediate_32(funct3, funct7, insn, rs1, immediate)), rs1=first)
        case 0x33 | 0x3B:
            function = (_REGISTER_32 if opcode & 8 else _REGISTER).get((funct7, funct3))
            if function is None:
                raise Illegal
            value = function(rs1, rs2)
            return register(_word(value) if opcode & 8 else value, rs1=first, rs2=second)
        case 0x03:
            if funct3 == 7:
                raise Illegal
            size = 1 << (funct3 & 3)
            value = loaded & (1 << 8 * size) - 1
            value = value if funct3 & 4 else _signed(value, 8 * size)
            return Effect(
                rs1=first, rd=rd, value=value & _MASK, pc=following, address=rs1 + immediate & _MASK, size=size, reads=True
            )
        case 0x23:
            if funct3 > 3:
                raise Illegal
            size, offset = 1 << funct3, _signed(funct7 << 5 | rd, 12)
            data = rs2 & (1 << 8 * size) - 1
            return Effect(rs1=first, rs2=second, pc=following, address=rs1 + offset & _MASK, size=size, writes=True, data=data)
        case 0x63:
            condition = _CONDITIONS.get(funct3)
            if condition is None:
                raise Illegal
            offset = (insn >> 31) << 12 | (insn >> 7 & 1) << 11 | (insn >> 25 & 0x3F) << 5 | (insn >> 8 & 0xF) << 1
            taken = condition(rs1, rs2)
            target = pc + _signed(offset, 13) & _MASK if taken else following
            return Effect(rs1=first, rs2=second, pc=target, jumps=taken, misaligned_target=taken and target % 4 != 0)
        case 0x6F:
            offset = (insn >> 31) << 20 | (insn >> 12 & 0xFF) << 12 | (insn >> 20 & 1) << 11 | (insn >> 21 & 0x3FF) << 1
            target = pc + _signed(offset, 21) & _MASK
            return Effect(rd=rd, value=following, pc=target, jumps=True, misaligned_target=target % 4 != 0)
        case 0x67:
            if funct3:
                raise Illegal
            target = rs1 + immediate & _MASK & ~1
            return Effect(rs1=first, rd=rd, value=following, pc=target, jumps=True, misaligned_target=target % 4 != 0)
        case 0x0F:
            if funct3 > 1:
                raise Illegal
            return Effect(pc=following)
        case 0x73 if insn in (0x0000_0073, 0x0010_0073):
            return Effect(traps=True)
    return None


def _immediate(funct3: int, insn: int, rs1: int, immediate: int) -> int:
    """Result of OP-IMM."""
    unsigned, amount, kind = immediate & _MASK, insn >> 20 & 63, insn >> 26
    match funct3:
        case 1 if kind == 0:
            return rs1 << amount
        case 5 if kind in (0, 0x10):
            return (_signed(rs1) if kind else rs1) >> amount
        case 1 | 5:
            raise Illegal
    return {
        0: rs1 + immediate,
        2: int(_signed(rs1) < immediate),
        3: int(rs1 < unsigned),
        4: rs1 ^ unsigned,
        6: rs1 | unsigned,
        7: rs1 & unsigned,
    }[funct3]


def _immediate_32(funct3: int, funct7: int, insn: int, rs1: int, immediate: int) -> int:
    """Result of OP-IMM-32, of which the low 32 bits count."""
    amount = insn >> 20 & 31
    match funct3:
        case 0:
            return rs1 + immediate
        case 1 if funct7 == 0:
            return rs1 << amount
        case 5 if funct7 == 0:
            return (rs1 & 0xFFFF_FFFF) >> amount
        case 5 if funct7 == 0x20:
            return _signed(rs1, 32) >> amount
    raise Illegal
