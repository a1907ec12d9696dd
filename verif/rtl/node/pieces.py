# SPDX-License-Identifier: Apache-2.0
"""What pieces of random programs are made of: registers, places, and instructions with chosen operands."""

from __future__ import annotations

from collections.abc import Sequence

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import SRAM_BASE, GlobalAddress
from verif.golden.encoding import encode
from verif.rtl.node.choices import Choices

DATA_REGISTERS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13)
DATA, TARGET, POINTERS, STRIDE, RESUME, HANDLER_ADDRESS, HANDLER = 8, 15, (16, 17, 18, 19), 21, 22, 30, 31
VECTORS = (0, 1, 2, 3, 31)
#: Registers that programs load first; transposes read groups of up to sixteen.
LOADED_VECTORS = (*range(16), 31)

#: Bytes of a thread's code and of its data; x8 points to the middle of the data.
CODE_BYTES, DATA_BYTES = 0x1000, 0x800
HALF = DATA_BYTES // 2


def data_address(config: NodeConfig, thread: int, code_bytes: int = CODE_BYTES) -> int:
    """Where a thread's data starts; all code comes first, as much as at least two threads have."""
    return SRAM_BASE + max(2, config.threads) * code_bytes + thread * DATA_BYTES


def constant(register: int, value: int) -> list[int]:
    """Words that put a 64-bit value into a scalar register, as few as there need be."""
    value = (value & 2**64 - 1 ^ 2**63) - 2**63
    if -0x800 <= value < 0x800:
        return [encode("addi", register, 0, value)]
    low = (value & 0xFFF ^ 0x800) - 0x800
    upper = [*constant(register, value - low >> 12), encode("slli", register, register, 12)]
    return [*upper, encode("addi", register, register, low)] if low else upper


#: Mnemonics of each unit.
OF_UNIT = {unit: [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is unit] for unit in Unit}


class PieceMaker:
    """Makes pieces of one thread's program.

    Parameters
    ----------
    config : NodeConfig
    thread : int
    choices : Choices
    code_bytes : int
        Code that each thread has.
    absent : GlobalAddress or None
        A node that is not there, if the array's shape is known.
    """

    def __init__(
        self,
        config: NodeConfig,
        thread: int,
        choices: Choices,
        *,
        code_bytes: int = CODE_BYTES,
        absent: GlobalAddress | None = None,
    ):
        self.config, self.thread, self.choices = config, thread, choices
        self._offset_of_data = data_address(config, thread, code_bytes) - SRAM_BASE + HALF
        self._absent = absent
        self._line = config.line_bytes

    # -- what is chosen -----------------------------------------------------------------------------------------------

    def register(self) -> int:
        """A scalar register with data, or x0."""
        return self.choices.one_of(DATA_REGISTERS)

    def vector(self) -> int:
        """A vector register with data."""
        return self.choices.one_of(VECTORS)

    def _descriptor(self) -> int:
        return self.choices.integer(0, 15)

    def _mask(self) -> int:
        return self.choices.one_of((0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7))

    def _line_offset(self) -> int:
        """Of a line in the data; often of the same few, so that accesses meet."""
        if self.choices.one_of((True, False)):
            return self.choices.integer(0, 2) * self._line
        return self.choices.integer(-HALF // self._line, HALF // self._line - 1) * self._line

    def _tile_offset(self) -> int:
        tile = max(1, self.config.accumulator_lines)
        return self.choices.integer(-HALF // self._line, HALF // self._line - tile) * self._line

    def _word(self, mnemonic: str, **given: int) -> int:
        """An instruction, with operands that are given by name or chosen."""
        chosen = (given[operand] if operand in given else self._operand(operand) for operand in INSTRUCTIONS[mnemonic].operands)
        return encode(mnemonic, *chosen)

    def _operand(self, operand: str) -> int:
        choices = self.choices
        match operand:
            case "rd" | "rs1" | "rs2":
                return self.register()
            case "vd" | "vs1" | "vs2":
                return self.vector()
            case "pd" | "ps1" | "ps2":
                return choices.integer(0, 7)
            case "pm":
                return self._mask()
            case "md":
                return choices.integer(0, self.config.accumulators - 1)
            case "fmt" | "fab" | "part" | "pred" | "succ":
                return choices.integer(0, 15)
            case "shamt":
                return choices.integer(0, 63)
            case "shamtw" | "zimm":
                return choices.integer(0, 31)
            case "imm_i":
                return choices.integer(-0x800, 0x7FF)
        assert operand == "imm_u"
        return choices.integer(0, 0xF_FFFF)

    def _one(self, mnemonics: Sequence[str], **given: int) -> int:
        return self._word(self.choices.one_of(mnemonics), **given)
