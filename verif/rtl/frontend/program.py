# SPDX-License-Identifier: Apache-2.0
"""What benches of the front end run: random code full of branches, and where each word of it goes on, from the tables alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import OFFSET_BITS, SRAM_BASE
from sw.encoding import OPERANDS

__all__ = ["Flow", "branch", "flow", "jal", "line_data", "plain", "random_word", "word_address"]

#: Word of code at an address, as memory held it in some version.
Code = Callable[[int, int], int]

_BRANCHES = ("beq", "bne", "blt", "bge", "bltu", "bgeu")
#: Taken where both operands are equal.
_TAKEN_IF_EQUAL = ("beq", "bge", "bgeu")


@dataclass(frozen=True)
class Flow:
    """How execution goes on behind a word.

    Attributes
    ----------
    kind : str
        ``jal``, ``jalr``, ``branch`` or ``other``.
    target : int or None
        Where it jumps, if the word tells.
    taken : bool or None
        Whether it jumps, if the word tells.
    direct : bool
        The target is known, aligned and in the same window of the node: the front end can go on there.
    """

    kind: str
    target: int | None
    taken: bool | None
    direct: bool


def flow(pc: int, word: int) -> Flow:
    """Flow of the word at a byte address."""
    row = decode(word)
    if row is None or row.unit is not Unit.BRANCH or row.mnemonic not in ("jal", "jalr", *_BRANCHES):
        return Flow("other", None, False, False)
    if row.mnemonic == "jalr":
        return Flow("jalr", None, True, False)
    jumps = row.mnemonic == "jal"
    target = (pc + OPERANDS["imm_j" if jumps else "imm_b"].extract(word)) % 2**64
    direct = target % 4 == 0 and target >> OFFSET_BITS == pc >> OFFSET_BITS
    if jumps:
        return Flow("jal", target, True, direct)
    alike = OPERANDS["rs1"].extract(word) == OPERANDS["rs2"].extract(word)
    return Flow("branch", target, row.mnemonic in _TAKEN_IF_EQUAL if alike else None, direct)


def word_address(address: int) -> int:
    """Address of a word in the node's window, counted in words."""
    return address % (1 << OFFSET_BITS) // 4


def jal(offset: int) -> int:
    """A jump by so many bytes."""
    return INSTRUCTIONS["jal"].match | OPERANDS["imm_j"].insert(offset)


def branch(mnemonic: str, rs1: int, rs2: int, offset: int) -> int:
    """A branch by so many bytes."""
    operands = {"rs1": rs1, "rs2": rs2, "imm_b": offset}
    return INSTRUCTIONS[mnemonic].match | sum(OPERANDS[name].insert(value) for name, value in operands.items())


def plain(number: int) -> int:
    """An addi that carries a number of 12 bits."""
    return INSTRUCTIONS["addi"].match | OPERANDS["rd"].insert(1) | OPERANDS["imm_i"].insert(number % 2**12 - 2**11)


def random_word(config: NodeConfig, address: int, version: int) -> int:
    """A word of a program of which every third word or so jumps, mostly to within SRAM, sometimes just outside."""
    digest = (address * 0x9E37_79B1 + version * 0x85EB_CA6B + 0x27D4_EB2F) % 2**32
    digest = (digest ^ digest >> 15) * 0x2C1B_3C6D % 2**32
    digest ^= digest >> 13
    kind, where, which = digest % 32, digest >> 5, digest >> 20
    offset = SRAM_BASE + 4 * (where % (config.sram_bytes // 4 + 4) - 2) - address
    near = max(-0x1000, min(0xFFC, offset))
    if kind < 4:
        return jal(offset + 2 * (kind == 3 and where % 8 == 0))
    if kind < 9:
        return branch(_BRANCHES[which % 6], 5, 6 + which // 8 % 2, near + 2 * (which % 64 == 5))
    if kind < 11:
        return branch(_BRANCHES[which % 6], 7, 7, near)
    if kind == 11:
        return INSTRUCTIONS["jalr"].match
    if kind == 12:
        # Other words of the opcodes of branches and jalr, which are illegal or not as the table says
        return (digest & ~0x7F) | (INSTRUCTIONS["beq"].match | (which & 1) << 2)
    return plain(digest >> 8)


def line_data(config: NodeConfig, code: Code, line: int, version: int) -> int:
    """A line of SRAM."""
    start = SRAM_BASE + line * config.line_bytes
    return sum(code(start + 4 * i, version) << 32 * i for i in range(config.line_bytes // 4))
