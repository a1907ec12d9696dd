# SPDX-License-Identifier: Apache-2.0
"""Pieces of random programs: vector registers, predicates, SIMD operations and matrices."""

from __future__ import annotations

from golden.isa import INSTRUCTIONS, Unit
from golden.layout import SRAM_BASE, Csr
from verif.golden.encoding import encode
from verif.rtl.node.pieces import DATA, HALF, OF_UNIT, POINTERS, STRIDE, PieceMaker, constant

__all__ = ["VectorPieces"]

_STEPS = [m for m in OF_UNIT[Unit.MATRIX] if m.startswith("mstep")]
_STEPS_IN_MEMORY = [m for m in _STEPS if "rs1" in INSTRUCTIONS[m].operands]
_STEPS_IN_REGISTERS = [m for m in _STEPS if "vs1" in INSTRUCTIONS[m].operands]
_TILES = [m for m in INSTRUCTIONS if m.startswith(("mld", "mst."))]
_SIMD = [m for m in OF_UNIT[Unit.SIMD] if "part" not in INSTRUCTIONS[m].operands]
_COMPARES = [m for m in _SIMD if "pd" in INSTRUCTIONS[m].operands]
_RAISING = [m for m in _SIMD if ".f32" in m or ".bf16" in m]
_STOCHASTIC = [m for m in _SIMD if m.endswith(".s")]
_NAMED_CONVERTS = [m for m in _SIMD if "fmt" in INSTRUCTIONS[m].operands]
_TRANSPOSES = [m for m in OF_UNIT[Unit.SIMD] if "part" in INSTRUCTIONS[m].operands]
_STRIDED = [m for m in INSTRUCTIONS if m.startswith("vlds")]
_INDEXED = [m for m in INSTRUCTIONS if m.startswith("vldx")]


class VectorPieces(PieceMaker):
    """Words that work on vector registers, predicates and accumulators."""

    def _vector_memory(self) -> list[int]:
        offset = self._line_offset()
        return [self._one(("vld", "vst"), rs1=DATA, imm_i=offset, imm_s=offset)]

    def _wrong_vector_memory(self) -> list[int]:
        """Misaligned, or where no memory is."""
        offset = self._tile_offset() + self.choices.one_of((4, 0, 0))
        base = DATA if offset % self._line else 0
        mnemonic = self.choices.one_of(
            ("vld", "vst", "vld.p", "vst.p", "vlds.8", "mstep.bf16.mm", "mst.bf16", "mld.f32", "mst.x")
        )
        words = [encode("addi", 16, base, offset)]
        return [*words, self._word(mnemonic, rs1=16, rs2=self.choices.one_of((16, DATA)), imm_i=0, imm_s=0)]

    def _vector_increment(self) -> list[int]:
        step = self._line_offset()
        return [self._pointer(16, self._line_offset()), self._one(("vld.p", "vst.p"), rs1=16, imm_i=step, imm_s=step)]

    def _pointer(self, number: int, offset: int) -> int:
        return encode("addi", number, DATA, offset)

    def _simd(self) -> list[int]:
        return [self._one(_SIMD)]

    def _simd_three(self) -> list[int]:
        return [self._one(_SIMD) for _ in range(3)]

    def _transpose(self) -> list[int]:
        return [self._one(_TRANSPOSES, vs1=self.choices.one_of((0, 0, 8, 2, 4, 1)))]

    def _predicate(self) -> list[int]:
        return [self._one(OF_UNIT[Unit.PREDICATE])]

    def _strided(self) -> list[int]:
        granules = self.choices.integer(-1, self._line // 8 + 1)
        regular = self.choices.one_of((True, True, False))
        stride = 8 * self.choices.integer(-4, 4) if regular else self.choices.integer(-64, 64)
        # All granules lie in the data.
        base = self.choices.integer(-HALF // 32, HALF // 32 - 1) * 16
        words = [self._pointer(16, base), *constant(STRIDE, granules << 32 | stride & 0xFFFF_FFFF)]
        return [*words, self._one(_STRIDED, rs1=16, rs2=STRIDE)]

    def _indexed(self) -> list[int]:
        """Offsets within the data, from lanes of any vector; or any offsets from the last line of SRAM, which nobody writes."""
        if self.choices.one_of((True, False, False, False)):
            end = SRAM_BASE + self.config.sram_bytes - self._line
            return [*constant(16, end), self._one(_INDEXED, rs1=16)]
        words = [self._pointer(16, 0), *constant(STRIDE, 0x3F8), encode("vbc.e32", 1, STRIDE)]
        words.append(self._word("vand", vd=1, vs1=1, pm=0))
        return [*words, self._one(_INDEXED, rs1=16, vs2=1)]

    def _set_format(self) -> list[int]:
        words = [*constant(16, self._format_bits()), self._word("setfmt", rs1=16)]
        return [*words, self._one(_STEPS_IN_REGISTERS)]

    def _steps_in_memory(self) -> list[int]:
        # Three steps may advance a pointer by two lines each, and have to stay in the data.
        last = HALF - 6 * self._line
        words = [self._pointer(number, min(self._line_offset(), last)) for number in POINTERS]
        for turn in range(3):
            even, odd = self.choices.one_of((16, 18)), self.choices.one_of((17, 19))
            a, b = (odd, even) if turn == 1 else (even, odd)
            words.append(self._one(_STEPS_IN_MEMORY, rs1=a, rs2=b))
        return words

    def _step_in_registers(self) -> list[int]:
        return [self._one(_STEPS_IN_REGISTERS)]

    def _zero(self) -> list[int]:
        return [encode("mzero", self.choices.integer(0, 7))]

    def _tile(self) -> list[int]:
        return [self._pointer(16, self._tile_offset()), self._one(_TILES, rs1=16)]

    def _flags(self) -> list[int]:
        """Flags right behind what raises them, and seeds right before what draws."""
        words = [self._one(("csrrw", "csrrs", "csrrc"), rd=0, csr=self.choices.one_of((Csr.MFLAGS, Csr.MFLAGS, Csr.MSEED)))]
        for _ in range(self.choices.integer(1, 2)):
            words.append(self._one(_SIMD) if self.choices.one_of((True, False)) else self._one(_RAISING))
        return [*words, self._one(("csrrs", "csrrc", "csrrw"), csr=Csr.MFLAGS), self._one(_STOCHASTIC)]

    def _predicate_in_use(self) -> list[int]:
        """A compare, and what its predicate masks."""
        predicate = self.choices.integer(1, 7)
        words = [self._one(_COMPARES, pd=predicate)]
        words.append(self._word(self.choices.one_of(("pmv.x.p", "pand", "pxor")), ps1=predicate))
        return [*words, self._one(_SIMD, pm=predicate)]

    def _format_in_use(self) -> list[int]:
        """A descriptor, and what it names, before and behind."""
        number = self.choices.integer(0, 15)
        users = (*_STEPS_IN_REGISTERS, *_NAMED_CONVERTS)
        words = [*constant(16, self._format_bits()), self._one(users, fab=number, fmt=number)]
        return [*words, encode("setfmt", number, 16), self._one(users, fab=number, fmt=number)]

    def _format_bits(self) -> int:
        """Mostly of a kind that the matrix unit takes."""
        kind = self.choices.one_of((0, 1, 2, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7))
        return kind << 6 | self.choices.integer(0, 63)

    def _operands_overwritten(self) -> list[int]:
        """A step on lines that a store right behind it writes, or one right before it has written."""
        choices, line = self.choices, self._line
        a, b, number = line * choices.integer(0, 3), line * choices.integer(0, 3), choices.integer(0, 15)
        written = choices.one_of((a, b, a + line, b + line))
        # BF16, which takes two lines, and one that the matrix unit takes.
        words = [encode("setfmt", number, 0), *constant(16, choices.integer(0, 2) << 6 | 8), encode("setfmt", number ^ 1, 16)]
        words += [self._pointer(16, a), self._pointer(17, b), self._pointer(18, written)]
        if choices.one_of((True, False)):
            words.append(self._one(("vst", "sd", "sb"), rs1=18, imm_s=0))
        reads = ("mstepz.x.mm", "mstepz.x.mm", "mstep.x.mm", "mstepz.bf16.mm", "mstep.bf16.mm")
        accumulator = choices.integer(0, self.config.accumulators - 1)
        words.append(self._one(reads, md=accumulator, rs1=16, rs2=17, fab=number ^ choices.integer(0, 1)))
        words.append(self._one(("vst", "vst", "sd", "sb", "sh"), rs1=18, imm_s=0))
        words.append(self._one(("mst.f32", "mst.f32", "mst.x", "mst.bf16", "mstep.bf16"), md=accumulator, rs1=18))
        return [*words, self._word("vld", rs1=18, imm_i=0)]
