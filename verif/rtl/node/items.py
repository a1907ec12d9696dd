# SPDX-License-Identifier: Apache-2.0
"""Pieces of random programs: a few words each that need nothing of what comes before them but registers' values.

So any of them can be left out, repeated and skipped. All end, are free of races with other threads, and leave the thread's own
semaphore as it was, which is 0. Registers:

====================== ===========================================================================================
x0 to x7, x10 to x13   data
x8                     the middle of the thread's data
x9, x20, x28, x29      counters of loops: outside of functions, within another loop, in functions, in their functions
x14, x23, x24          where functions, functions of functions, and code that was copied return to
x15 to x19, x21        pointers, targets and strides, which the pieces set themselves
x22                    where to go on after a jump to where no memory is
x25 to x27             belong to exchanges between threads
x30, x31               the trap handler's address, and its own
====================== ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import (
    COORDINATE_BITS,
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    OFFSET_BITS,
    PERFORMANCE_COUNTERS,
    SRAM_BASE,
    STALL_EVENTS,
    Csr,
    GlobalAddress,
    Port,
    semaphore_offset,
)
from golden.simd import transpose_group
from verif.golden.encoding import encode
from verif.rtl.node.choices import Choices

__all__ = [
    "CODE_BYTES",
    "DATA",
    "DATA_BYTES",
    "DATA_REGISTERS",
    "HANDLER",
    "HANDLER_ADDRESS",
    "LOADED_VECTORS",
    "RESUME",
    "VECTORS",
    "Item",
    "ItemMaker",
    "constant",
    "data_address",
]

DATA_REGISTERS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13)
DATA, TARGET, POINTERS, STRIDE, RESUME, HANDLER_ADDRESS, HANDLER = 8, 15, (16, 17, 18, 19), 21, 22, 30, 31
VECTORS = (0, 1, 2, 3, 31)
#: Registers that programs load first; transposes read groups of up to sixteen.
LOADED_VECTORS = (*range(16), 31)

#: Bytes of a thread's code and of its data; x8 points to the middle of the data.
CODE_BYTES, DATA_BYTES = 0x1000, 0x800
_HALF = DATA_BYTES // 2

#: Numbers of no CSR, or of one that only other machines have.
_NO_CSRS = (0x7FF, 0xC00, 0x321, 0xB01, 0xB20, 0x306, 0x7B2)


@dataclass(frozen=True)
class Item:
    """Words that belong together, or one of the following.

    Attributes
    ----------
    words : tuple of int
    branch : (mnemonic, operands) or None
        Skips the ``skip`` items after it.
    body : tuple of Item
        Runs ``turns`` times.
    functions : tuple of tuple of Item
        One is called, or, of two, that which bit 0 of data register ``selector`` chooses.
    copies : bool
        The thread copies one of its two templates, which bit 0 of ``selector`` chooses, into its room for code, and calls that;
        by vector registers if ``vector`` names one, else by scalar ones.
    calls : int or None
        Of the places for code that other threads write: the one that is called.
    fresh : bool
        With ``calls``: the code may have been changed, so ``fence.i`` comes first.
    kept : bool
        No branch skips it.
    """

    words: tuple[int, ...] = ()
    branch: tuple[str, tuple[int, ...]] | None = None
    skip: int = 0
    body: tuple[Item, ...] = ()
    turns: int = 0
    functions: tuple[tuple[Item, ...], ...] = ()
    selector: int = 0
    copies: bool = False
    vector: int | None = None
    calls: int | None = None
    fresh: bool = False
    kept: bool = False


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


_ROWS = INSTRUCTIONS.values()
_OF_UNIT = {unit: [row.mnemonic for row in _ROWS if row.unit is unit] for unit in Unit}
_STEPS = [m for m in _OF_UNIT[Unit.MATRIX] if m.startswith("mstep")]
_STEPS_IN_MEMORY = [m for m in _STEPS if "rs1" in INSTRUCTIONS[m].operands]
_STEPS_IN_REGISTERS = [m for m in _STEPS if "vs1" in INSTRUCTIONS[m].operands]
_TILES = [m for m in INSTRUCTIONS if m.startswith(("mld", "mst."))]
_SIMD = [m for m in _OF_UNIT[Unit.SIMD] if "part" not in INSTRUCTIONS[m].operands]
_COMPARES = [m for m in _SIMD if "pd" in INSTRUCTIONS[m].operands]
_RAISING = [m for m in _SIMD if ".f32" in m or ".bf16" in m]
_STOCHASTIC = [m for m in _SIMD if m.endswith(".s")]
_NAMED_CONVERTS = [m for m in _SIMD if "fmt" in INSTRUCTIONS[m].operands]
_TRANSPOSES = [m for m in _OF_UNIT[Unit.SIMD] if "part" in INSTRUCTIONS[m].operands]
_STRIDED = [m for m in INSTRUCTIONS if m.startswith("vlds")]
_INDEXED = [m for m in INSTRUCTIONS if m.startswith("vldx")]
_BRANCHES = [m for m in INSTRUCTIONS if "imm_b" in INSTRUCTIONS[m].operands]
_WRITES = [m for m in INSTRUCTIONS if m.startswith("nwrite")]
_POSTING_WRITES = [m for m in _WRITES if "sem" in INSTRUCTIONS[m].operands]

#: Cycles lost are no matter of the program: their counters are written, and not read.
_STALL_COUNTERS = [MHPMCOUNTER_BASE + event for event in STALL_EVENTS]
_NAMED_CSRS = [int(csr) for csr in Csr if csr not in (Csr.MCYCLE, Csr.MTVEC)]
_CSRS = _NAMED_CSRS + [
    base + n for base in (MHPMCOUNTER_BASE, MHPMEVENT_BASE) for n in PERFORMANCE_COUNTERS if base + n not in _STALL_COUNTERS
]


class ItemMaker:
    """Makes items for one thread.

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
        self._offset_of_data = data_address(config, thread, code_bytes) - SRAM_BASE + _HALF
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
        return self.choices.integer(-_HALF // self._line, _HALF // self._line - 1) * self._line

    def _tile_offset(self) -> int:
        tile = max(1, self.config.accumulator_lines)
        return self.choices.integer(-_HALF // self._line, _HALF // self._line - tile) * self._line

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

    # -- scalar -------------------------------------------------------------------------------------------------------

    def _alu(self) -> list[int]:
        return [self._one(_OF_UNIT[Unit.ALU])]

    def _multiply_divide(self) -> list[int]:
        unit = self.choices.one_of((Unit.MULTIPLY, Unit.DIVIDE))
        return [self._one(_OF_UNIT[unit])]

    def _access(self, unit: Unit) -> list[int]:
        # One in a few is misaligned or comes from a base that is nowhere.
        aligned = self.choices.one_of((True, True, True, False))
        offset = 8 * self.choices.integer(-_HALF // 8, _HALF // 8 - 1) if aligned else self.choices.integer(-_HALF, _HALF - 8)
        base = self.choices.one_of((DATA, DATA, DATA, DATA, DATA, DATA, 0))
        return [self._one(_OF_UNIT[unit], rs1=base, imm_i=offset, imm_s=offset)]

    def _load(self) -> list[int]:
        return self._access(Unit.LOAD)

    def _store(self) -> list[int]:
        return self._access(Unit.STORE)

    def _store_and_load(self) -> list[int]:
        """Of the same few bytes, so that one has to see the other."""
        offset = 8 * self.choices.integer(0, 3)
        words = [self._one(_OF_UNIT[Unit.STORE], rs1=DATA, imm_s=offset)]
        return [*words, self._one(_OF_UNIT[Unit.LOAD], rs1=DATA, imm_i=offset)]

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
        return [self._one(_OF_UNIT[Unit.CSR], csr=self.choices.one_of(_CSRS))]

    def _read_csr(self) -> list[int]:
        """Of CSRs that cannot be written, too."""
        return [self._one(("csrrs", "csrrc", "csrrsi", "csrrci"), csr=self.choices.one_of(_NAMED_CSRS), rs1=0, zimm=0)]

    def _no_csr(self) -> list[int]:
        return [self._one(_OF_UNIT[Unit.CSR], csr=self.choices.one_of(_NO_CSRS))]

    def _stall_counter(self) -> list[int]:
        return [self._one(_OF_UNIT[Unit.CSR], rd=0, csr=self.choices.one_of(_STALL_COUNTERS))]

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

    # -- vectors ------------------------------------------------------------------------------------------------------

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
        return [self._one(_OF_UNIT[Unit.PREDICATE])]

    def _strided(self) -> list[int]:
        granules = self.choices.integer(-1, self._line // 8 + 1)
        regular = self.choices.one_of((True, True, False))
        stride = 8 * self.choices.integer(-4, 4) if regular else self.choices.integer(-64, 64)
        # All granules lie in the data.
        base = self.choices.integer(-_HALF // 32, _HALF // 32 - 1) * 16
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

    # -- what needs what comes right before it ------------------------------------------------------------------------

    def _late_scalar(self) -> list[int]:
        """A result that comes late, and what needs it, or writes its register too."""
        target, unit = self.register(), self.choices.one_of((Unit.MULTIPLY, Unit.MULTIPLY, Unit.DIVIDE, Unit.LOAD))
        offset = 8 * self.choices.integer(0, 15)
        words = [self._one(_OF_UNIT[unit], rd=target, **({"rs1": DATA, "imm_i": offset} if unit is Unit.LOAD else {}))]
        words += [self._word("addi", rd=4) for _ in range(self.choices.integer(0, 2))]
        given = self.choices.one_of(({"rs1": target}, {"rs2": target}, {"rd": target}, {"rs1": target, "rd": target}))
        if self.choices.one_of((True, False)):
            words.append(self._one(_OF_UNIT[unit], **(given | ({"rs1": DATA, "imm_i": offset} if unit is Unit.LOAD else {}))))
        return [*words, self._one(("add", "xor", "sltu", "addw"), **given)]

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
        """A step or a load of lines that stores follow at once, and come before."""
        lines = [self._line * self.choices.integer(0, 3) for _ in range(3)]
        words = [self._pointer(16, lines[0]), self._pointer(17, lines[1]), self._pointer(18, lines[2])]
        if self.choices.one_of((True, False)):
            words.append(self._one(("vst", "sd", "sb"), rs1=18, imm_s=0))
        reads = ("mstepz.x.mm", "mstep.x.mm", "mstepz.bf16.mm", "mstep.bf16.mm")
        accumulator = self.choices.integer(0, self.config.accumulators - 1)
        words.append(self._one(reads, md=accumulator, rs1=16, rs2=17))
        words.append(self._one(("vst", "sd", "sb", "sh"), rs1=18, imm_s=0))
        words.append(self._one(("mst.f32", "mst.x", "mst.bf16", "mstep.bf16"), md=accumulator, rs1=18))
        return [*words, self._word("vld", rs1=18, imm_i=0)]

    # -- matrices -----------------------------------------------------------------------------------------------------

    def _set_format(self) -> list[int]:
        words = [*constant(16, self._format_bits()), self._word("setfmt", rs1=16)]
        return [*words, self._one(_STEPS_IN_REGISTERS)]

    def _steps_in_memory(self) -> list[int]:
        # Three steps may advance a pointer by two lines each, and have to stay in the data.
        last = _HALF - 6 * self._line
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

    # -- semaphores and network ---------------------------------------------------------------------------------------

    def _post_and_wait(self) -> list[int]:
        """What is posted, in parts, is taken, in others."""
        count = self.choices.one_of((0, 1, 2, 3, 0x7FF, 0x1_0003))
        first = self.choices.integer(0, min(count & 0xFFFF, 0x7FF))
        words = [*constant(16, count), encode("spost", self.thread, 16), encode("addi", 17, 0, first)]
        words += [encode("swait", self.thread, 17), encode("sub", 16, 16, 17), encode("swait", self.thread, 16)]
        return words

    def _overflow(self) -> list[int]:
        """More than a semaphore holds."""
        words = [*constant(16, 0xFFFF), encode("spost", self.thread, 16), encode("spost", self.thread, 16)]
        return [*words, encode("swait", self.thread, 16)]

    def _own_line(self, offset: int) -> list[int]:
        """x19 = global address of a place in the thread's data."""
        words = [encode("csrrs", 18, Csr.MNODE, 0), *constant(19, self._offset_of_data + offset)]
        return [*words, encode("add", 19, 19, 18)]

    def _wait_for(self, count: int) -> list[int]:
        return [encode("addi", 16, 0, count), encode("swait", self.thread, 16)]

    def _write_to_itself(self) -> list[int]:
        words = self._own_line(self._line_offset())
        words += [self._one(("nwrite", "nwrite.p"), rs1=19) for _ in range(self.choices.integer(0, 2))]
        words += self._own_line(self._line_offset())
        return [*words, self._one(_POSTING_WRITES, rs1=19, sem=self.thread), *self._wait_for(1)]

    def _send_to_itself(self) -> list[int]:
        words = self._own_line(8 * self.choices.integer(-_HALF // 8, _HALF // 8 - 1))
        words.append(self._word("nsd", rs1=19))
        return [*words, *self._post_by_packet(1)]

    def _post_by_packet(self, count: int) -> list[int]:
        """Post to the own semaphore by its register of the control page."""
        words = [encode("csrrs", 18, Csr.MNODE, 0), *constant(19, semaphore_offset(self.thread)), encode("add", 19, 19, 18)]
        return [*words, encode("addi", 16, 0, count), encode("nsd", 16, 19), *self._wait_for(count)]

    def _read_from_itself(self) -> list[int]:
        """Other instructions come between, but none that writes memory: nothing keeps it apart from the read."""
        target = self.vector()
        words = [*self._own_line(self._line_offset()), encode("nread", target, 19)]
        for _ in range(self.choices.integer(0, 4)):
            if self.choices.one_of((True, False)):
                words.append(self._word("vld", rs1=DATA, imm_i=self._line_offset()))
            else:
                words.append(self._one(_SIMD))
        return [*words, encode("vor", self.vector(), target, self.vector())]

    def _failing_request(self) -> list[int]:
        """The error comes while the thread waits for what nobody posts, so that it is known where."""
        choices = self.choices
        nowhere = (self.config.sram_bytes + self._line * choices.integer(0, 3), CONTROL_PAGE_OFFSET - self._line)
        unlinked = [int(GlobalAddress(0, 0, exit=port)) for port in (Port.NORTH, Port.EAST, Port.SOUTH)]
        words = constant(19, choices.one_of((*nowhere, *nowhere, *unlinked)))
        words += [encode("csrrs", 18, Csr.MNODE, 0), encode("add", 19, 19, 18)]
        if self._absent is not None and choices.one_of((True, False)):
            words = constant(19, int(self._absent) | choices.one_of((0, 0x40, Port.NORTH << OFFSET_BITS + 2 * COORDINATE_BITS)))
        request = choices.one_of(("nwrite", "nwrite.p", "nwrite.s", "nwrite.sp", "nread", "nsd"))
        return [*words, encode("addi", 16, 0, 1), self._word(request, rs1=19, sem=self.thread), encode("swait", self.thread, 16)]

    def _to_host(self) -> list[int]:
        """Packets that leave the array where the host is."""
        address = GlobalAddress(0, 0, self._line * self.choices.integer(0, 0x7FFF), Port.WEST)
        words = constant(19, int(address))
        return [*words, self._one([*_WRITES, "nsd"], rs1=19, sem=self.thread)]

    def _wrong_request(self) -> list[int]:
        """Traps at once: no global address, or not aligned."""
        bad = [1 << 50, 5 << 47, 7 << 47, 4, 1 << 63, (6 << 47) + 1]
        words = constant(19, self.choices.one_of(bad))
        return [*words, self._one([*_WRITES, "nread", "nsd"], rs1=19, sem=self.thread)]

    # -- together -----------------------------------------------------------------------------------------------------

    def straight(self) -> Item:
        """Words without loops, branches and calls."""
        return Item(tuple(self.choices.one_of(_STRAIGHT)(self)))

    def straight_words(self, most: int) -> tuple[int, ...]:
        """Words of straight items, at most so many."""
        words: tuple[int, ...] = ()
        for _ in range(self.choices.integer(1, 6)):
            more = self.straight().words
            if len(words) + len(more) <= most:
                words += more
        return words

    def branch(self) -> Item:
        """Skips up to three items."""
        operands = (self.register(), self.register())
        return Item(branch=(self.choices.one_of(_BRANCHES), operands), skip=self.choices.integer(0, 3))

    def jump(self) -> Item:
        """Skips up to three items."""
        return Item(branch=("jal", (self.register(),)), skip=self.choices.integer(0, 3))

    def loop(self) -> Item:
        """Straight items and branches among them, several times."""
        choices = self.choices
        body = [
            self.choices.one_of((self.straight, self.straight, self.straight, self.branch))()
            for _ in range(choices.integer(0, 5))
        ]
        return Item(body=tuple(body), turns=choices.integer(1, 5))

    def copy(self) -> Item:
        """Code that the thread writes, and executes."""
        vector = self.choices.one_of((None, *VECTORS))
        return Item(copies=True, selector=self.choices.one_of(DATA_REGISTERS[1:]), vector=vector)

    def call(self, depth: int = 0) -> Item:
        """A call of one function or of one of two; those of depth 0 may call others."""
        functions = tuple(self._function(depth) for _ in range(self.choices.integer(1, 2)))
        return Item(functions=functions, selector=self.choices.one_of(DATA_REGISTERS[1:]))

    def _function(self, depth: int) -> tuple[Item, ...]:
        makers: list[Callable[[], Item]] = [self.straight, self.straight, self.branch, self.loop]
        if depth == 0:
            makers.append(lambda: self.call(1))
        return tuple(self.choices.one_of(makers)() for _ in range(self.choices.integer(1, 4)))

    def any(self) -> Item:
        """Any item."""
        return self.choices.one_of(_ANY)(self)

    def nest(self, most_turns: int) -> Item:
        """A loop around any items, too long to be skipped by branches."""
        body = tuple(self.any() for _ in range(self.choices.integer(1, 8)))
        return Item(body=body, turns=self.choices.integer(1, most_turns), kept=True)


def _weighted(*makers: tuple[int, Callable[[ItemMaker], list[int]]]) -> list[Callable[[ItemMaker], list[int]]]:
    return [maker for weight, maker in makers for _ in range(weight)]


_M = ItemMaker
_STRAIGHT = _weighted(
    (6, _M._alu), (3, _M._multiply_divide), (3, _M._load), (3, _M._store), (2, _M._store_and_load), (2, _M._system),
    (2, _M._illegal), (4, _M._csr), (2, _M._read_csr), (1, _M._no_csr), (1, _M._stall_counter), (1, _M._mcycle), (1, _M._mtvec),
    (1, _M._mret), (1, _M._misaligned_jump), (1, _M._jump_to_nowhere), (2, _M._vector_memory),
    (1, _M._wrong_vector_memory),
    (2, _M._vector_increment), (3, _M._simd), (4, _M._simd_three), (1, _M._transpose), (2, _M._predicate), (2, _M._strided),
    (2, _M._indexed), (2, _M._set_format), (2, _M._steps_in_memory), (1, _M._step_in_registers), (1, _M._zero), (2, _M._tile),
    (1, _M._post_and_wait), (1, _M._overflow), (1, _M._write_to_itself), (1, _M._send_to_itself), (2, _M._read_from_itself),
    (1, _M._failing_request), (1, _M._wrong_request), (1, _M._to_host), (4, _M._late_scalar), (3, _M._flags),
    (2, _M._predicate_in_use), (2, _M._format_in_use), (4, _M._operands_overwritten),
)  # fmt: skip

#: Ways to make any item, as often as they are chosen.
_ANY: list[Callable[[ItemMaker], Item]] = [
    *[_M.straight] * 8, *[_M.branch] * 2, _M.jump, *[_M.loop] * 2, _M.copy, _M.call,
]  # fmt: skip
