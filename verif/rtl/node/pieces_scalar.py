# SPDX-License-Identifier: Apache-2.0
"""Pieces of random programs: scalar instructions, CSRs, traps and jumps."""

from __future__ import annotations

from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import MHPMCOUNTER_BASE, MHPMEVENT_BASE, PERFORMANCE_COUNTERS, SRAM_BASE, STALL_EVENTS, Csr
from golden.simd import transpose_group
from verif.golden.encoding import encode
from verif.rtl.node.pieces import DATA, HALF, HANDLER_ADDRESS, OF_UNIT, RESUME, TARGET, PieceMaker, constant

__all__ = ["ScalarPieces"]

#: Numbers of no CSR, or of one that only other machines have.
_NO_CSRS = (0x7FF, 0xC00, 0x321, 0xB01, 0xB20, 0x306, 0x7B2)

_TRANSPOSES = [m for m in OF_UNIT[Unit.SIMD] if "part" in INSTRUCTIONS[m].operands]

#: Cycles lost are no matter of the program: their counters are written, and not read.
_STALL_COUNTERS = [MHPMCOUNTER_BASE + event for event in STALL_EVENTS]
_NAMED_CSRS = [int(csr) for csr in Csr if csr not in (Csr.MCYCLE, Csr.MTVEC)]
_CSRS = _NAMED_CSRS + [
    base + n for base in (MHPMCOUNTER_BASE, MHPMEVENT_BASE) for n in PERFORMANCE_COUNTERS if base + n not in _STALL_COUNTERS
]


class ScalarPieces(PieceMaker):
    """Words that execute in the scalar pipes."""

    def _alu(self) -> list[int]:
        return [self._one(OF_UNIT[Unit.ALU])]

    def _multiply_divide(self) -> list[int]:
        unit = self.choices.one_of((Unit.MULTIPLY, Unit.DIVIDE))
        return [self._one(OF_UNIT[unit])]

    def _access(self, unit: Unit) -> list[int]:
        # One in a few is misaligned or comes from a base that is nowhere.
        aligned = self.choices.one_of((True, True, True, False))
        offset = 8 * self.choices.integer(-HALF // 8, HALF // 8 - 1) if aligned else self.choices.integer(-HALF, HALF - 8)
        base = self.choices.one_of((DATA, DATA, DATA, DATA, DATA, DATA, 0))
        return [self._one(OF_UNIT[unit], rs1=base, imm_i=offset, imm_s=offset)]

    def _load(self) -> list[int]:
        return self._access(Unit.LOAD)

    def _store(self) -> list[int]:
        return self._access(Unit.STORE)

    def _store_and_load(self) -> list[int]:
        """Of the same few bytes, so that one has to see the other."""
        offset = 8 * self.choices.integer(0, 3)
        words = [self._one(OF_UNIT[Unit.STORE], rs1=DATA, imm_s=offset)]
        return [*words, self._one(OF_UNIT[Unit.LOAD], rs1=DATA, imm_i=offset)]

    def _system(self) -> list[int]:
        return [self._one(("ecall", "ebreak", "fence", "fence.i", "wfi"))]

    def _illegal(self) -> list[int]:
        """A word that is no instruction, or names what the node does not have."""
        config, choices = self.config, self.choices
        words = [0x0000_0000, 0xFFFF_FFFF, 0x0000_0007, 0x0000_0001]
        words += [encode("mzero", number) for number in (config.accumulators, 7) if config.accumulators <= number < 8]
        words += [encode("spost", number, 0) for number in (config.semaphores, 31) if config.semaphores <= number < 32]
        words += [encode("mstep.bf16.pp", 0, 16, 18), encode("csrrw", 0, Csr.MHARTID, 0), encode("csrrs", 1, Csr.MNODE, 2)]
        groups = [(m, transpose_group(config, int(m[6:]))) for m in _TRANSPOSES]
        words += [encode(m, 0, 1, 0) for m, group in groups if group > 1]
        words += [encode(m, 0, 0, group) for m, group in groups if group < 16]
        near = INSTRUCTIONS[choices.one_of(list(INSTRUCTIONS))]
        flipped = near.match ^ 1 << choices.integer(2, 31)
        if decode(flipped) is None:
            words += [flipped] * 4
        return [choices.one_of(words)]

    def _csr(self) -> list[int]:
        return [self._one(OF_UNIT[Unit.CSR], csr=self.choices.one_of(_CSRS))]

    def _read_csr(self) -> list[int]:
        """Of CSRs that cannot be written, too."""
        return [self._one(("csrrs", "csrrc", "csrrsi", "csrrci"), csr=self.choices.one_of(_NAMED_CSRS), rs1=0, zimm=0)]

    def _no_csr(self) -> list[int]:
        return [self._one(OF_UNIT[Unit.CSR], csr=self.choices.one_of(_NO_CSRS))]

    def _stall_counter(self) -> list[int]:
        return [self._one(OF_UNIT[Unit.CSR], rd=0, csr=self.choices.one_of(_STALL_COUNTERS))]

    def _mcycle(self) -> list[int]:
        """While mcycle is inhibited, it is what it has been written."""
        return [
            encode("csrrwi", 0, Csr.MCOUNTINHIBIT, 5),
            encode("csrrw", 0, Csr.MCYCLE, 1),
            self._one(("csrrw", "csrrs", "csrrc"), csr=Csr.MCYCLE),
            encode("csrrs", self.register(), Csr.MCYCLE, 0),
            encode("csrrwi", 0, Csr.MCOUNTINHIBIT, self.choices.one_of((0, 1, 4, 5))),
        ]

    def _mtvec(self) -> list[int]:
        """Written, and put back before anything can trap."""
        return [
            self._one(("csrrw", "csrrs", "csrrc"), csr=Csr.MTVEC),
            encode("csrrw", self.register(), Csr.MTVEC, HANDLER_ADDRESS),
        ]

    def _mret(self) -> list[int]:
        """To the instruction behind it, or one further."""
        return [
            encode("auipc", TARGET, 0),
            encode("addi", TARGET, TARGET, self.choices.one_of((16, 20, 19))),
            encode("csrrw", 0, Csr.MEPC, TARGET),
            encode("mret"),
            self._word("addi"),
        ]

    def _misaligned_jump(self) -> list[int]:
        if self.choices.one_of((True, False)):
            return [encode("jal", self.register(), 6), self._word("addi")]
        # Bit 0 of the target is dropped.
        words = [encode("auipc", TARGET, 0), encode("jalr", self.register(), self.choices.one_of((8, 9, 10, 6, -2)), TARGET)]
        return [*words, self._word("addi")]

    def _jump_to_nowhere(self) -> list[int]:
        """What is fetched there traps, and the handler returns to x22."""
        end = SRAM_BASE + self.config.sram_bytes
        address = self.choices.one_of((0, SRAM_BASE - 4, end, end + 0x1000, 1 << 40, 2**64 - 4))
        return [*constant(TARGET, address), encode("jalr", RESUME, 0, TARGET)]

    def _late_scalar(self) -> list[int]:
        """A result that comes late, and what needs it, or writes its register too."""
        target, unit = self.register(), self.choices.one_of((Unit.MULTIPLY, Unit.MULTIPLY, Unit.DIVIDE, Unit.LOAD))
        offset = 8 * self.choices.integer(0, 15)
        words = [self._one(OF_UNIT[unit], rd=target, **({"rs1": DATA, "imm_i": offset} if unit is Unit.LOAD else {}))]
        words += [self._word("addi", rd=4) for _ in range(self.choices.integer(0, 2))]
        given = self.choices.one_of(({"rs1": target}, {"rs2": target}, {"rd": target}, {"rs1": target, "rd": target}))
        if self.choices.one_of((True, False)):
            words.append(self._one(OF_UNIT[unit], **(given | ({"rs1": DATA, "imm_i": offset} if unit is Unit.LOAD else {}))))
        return [*words, self._one(("add", "xor", "sltu", "addw"), **given)]
