# SPDX-License-Identifier: Apache-2.0
"""Instruction decoder, generated from the instruction table."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Instruction, Unit

__all__ = [
    "TRANSPOSE_OPERATIONS", "AluOp", "DecodedLayout", "Decoder", "ImmediateFormat", "RowCompletion", "RowLayout", "RowLookup",
    "is_list_start", "transpose_group",
]  # fmt: skip

#: Low four bits of funct7 of transposes, by bits of their elements.
TRANSPOSE_OPERATIONS = {bits: INSTRUCTIONS[f"vtrn.e{bits}"].match >> 25 & 0xF for bits in (8, 16, 32)}


def transpose_group(config: NodeConfig, bits: int) -> int:
    """Registers that hold an 8 x 8 matrix of elements of so many bits."""
    return max(1, 8 * bits // config.line_bytes)


def is_list_start(insn):
    """Whether an instruction with flag ``nsd`` is ``nlist``. It has no flag of its own, which all nodes would carry along."""
    return insn[14]


class AluOp(enum.Enum, shape=4):
    """Function of the ALU. The result of NONE is 0, and its total the sum."""

    ADD = 0
    SUB = 1
    SLL = 2
    SLT = 3
    SLTU = 4
    XOR = 5
    SRL = 6
    SRA = 7
    OR = 8
    AND = 9
    NONE = 10


class ImmediateFormat(enum.Enum, shape=4):
    """Where an instruction keeps its immediate, or what it adds to an address without one."""

    NONE = 0
    I = 1
    S = 2
    B = 3
    U = 4
    J = 5
    Z = 6
    #: Bytes of an instruction, of a line, and of an accumulator in FP32 and in BF16.
    WORD = 7
    LINE = 8
    ACCUMULATOR = 9
    HALF_ACCUMULATOR = 10


_FLAGS = (
    "illegal",
    "matrix_slot",
    "reads_rs1", "reads_rs2", "writes_rd",
    "reads_vs1", "reads_vs2", "writes_vd",
    "post_rs1", "post_rs2",
    "source_pc", "source_immediate", "word",
    "branch", "jal", "jalr", "load", "store", "csr", "multiply", "divide",
    "ecall", "ebreak", "mret", "fence_i",
    "vector_load", "vector_store", "simd", "accumulator_store",
    "step", "step_memory", "clear", "accumulator_load",
    "nwrite", "nread", "nsd", "swait", "spost", "halt",
    "setfmt", "predicate", "reads_pm", "reads_ps1", "reads_ps2", "writes_pd",
    "two_passes", "iterative", "transpose", "stochastic", "draws_twice",
    "gather_stride", "gather_index", "gather_bound",
    "named_formats", "converts", "named_format",
)  # fmt: skip


class DecodedLayout(data.StructLayout):
    """What the pipeline needs to know of an instruction; everything else it takes from the instruction's own fields.

    All members but ``alu`` (AluOp) and ``immediate`` (32 bits, to be sign-extended) are single bits named after what they say.
    ``matrix_slot`` sends it to the matrix pipe. ``source_pc`` and ``source_immediate`` choose the ALU's operands, which are
    added where ``alu`` is NONE; where an instruction has no immediate, it is what a post-increment adds, or the way to the
    next instruction where the thread goes on at a redirection. Of SIMD
    operations, ``two_passes`` work on BF16 lanes, ``iterative`` use the iterative unit; ``stochastic`` ones draw random bits,
    two steps of them with ``draws_twice``. ``named_formats`` are matrix steps with format descriptors; of accumulator stores,
    ``converts`` round, with ``named_format`` to a descriptor's format.
    """

    def __init__(self):
        super().__init__({**{flag: unsigned(1) for flag in _FLAGS}, "alu": AluOp, "immediate": unsigned(32)})


_ALU_OPS = {
    "add": AluOp.ADD, "sub": AluOp.SUB, "sll": AluOp.SLL, "slt": AluOp.SLT, "sltu": AluOp.SLTU, "xor": AluOp.XOR,
    "srl": AluOp.SRL, "sra": AluOp.SRA, "or": AluOp.OR, "and": AluOp.AND,
}  # fmt: skip

#: Flags that a single mnemonic sets, named alike.
_OWN_FLAG = ("jal", "jalr", "ecall", "ebreak", "mret", "nread", "nsd", "swait", "spost", "halt", "setfmt")

_UNIT_FLAG = {
    Unit.LOAD: "load",
    Unit.STORE: "store",
    Unit.CSR: "csr",
    Unit.MULTIPLY: "multiply",
    Unit.DIVIDE: "divide",
    Unit.VECTOR_LOAD: "vector_load",
    Unit.VECTOR_STORE: "vector_store",
    Unit.SIMD: "simd",
    Unit.ACCUMULATOR_STORE: "accumulator_store",
    Unit.PREDICATE: "predicate",
}

_IMMEDIATES = {
    "imm_i": ImmediateFormat.I,
    "imm_s": ImmediateFormat.S,
    "imm_b": ImmediateFormat.B,
    "imm_u": ImmediateFormat.U,
    "imm_j": ImmediateFormat.J,
    "shamt": ImmediateFormat.I,
    "shamtw": ImmediateFormat.I,
    "zimm": ImmediateFormat.Z,
}

#: What stands for the immediate of instructions that have none, by mnemonic.
_STEPS = {
    "halt": ImmediateFormat.WORD,
    "fence.i": ImmediateFormat.WORD,
    "nwrite.p": ImmediateFormat.LINE,
    "nwrite.sp": ImmediateFormat.LINE,
    "mst.f32.p": ImmediateFormat.ACCUMULATOR,
    "mst.bf16.p": ImmediateFormat.HALF_ACCUMULATOR,
}


def _alu_op(mnemonic: str) -> tuple[AluOp, bool]:
    """ALU function of a mnemonic of unit ALU, and whether it works on the low 32 bits."""
    word = mnemonic.endswith("w")
    stem = mnemonic.removesuffix("w") if word else mnemonic
    if stem == "sltiu":
        return AluOp.SLTU, word
    if stem not in _ALU_OPS and stem.endswith("i"):
        stem = stem.removesuffix("i")
    return _ALU_OPS[stem], word


def _flags(row: Instruction) -> set[str]:
    """Flags that are set for a row of the table."""
    operands = set(row.operands)
    flags = {f"reads_{o}" for o in ("rs1", "rs2", "vs1", "vs2", "pm", "ps1", "ps2") if o in operands}
    flags |= {f"writes_{o}" for o in ("rd", "vd", "pd") if o in operands}
    flags |= {f"post_{o}" for o in row.post_increment}
    if row.unit in _UNIT_FLAG:
        flags.add(_UNIT_FLAG[row.unit])
    if row.mnemonic in _OWN_FLAG:
        flags.add(row.mnemonic)
    if row.mnemonic == "nlist":
        flags.add("nsd")
    if row.mnemonic == "fence.i":
        flags.add("fence_i")
    if row.mnemonic.startswith(("nwrite", "npost")):
        flags.add("nwrite")
    if row.unit is Unit.BRANCH and "imm_b" in operands:
        flags.add("branch")
    takes_rs2 = (Unit.ALU, Unit.MULTIPLY, Unit.DIVIDE, Unit.SIMD)
    adds_rs2 = "branch" in flags or row.unit in takes_rs2 or "gather_stride" in _gather_flags(row)
    if not ("rs2" in operands and adds_rs2):
        flags.add("source_immediate")
    if row.unit in (Unit.MULTIPLY, Unit.DIVIDE) and row.mnemonic.endswith("w"):
        flags.add("word")
    if row.unit is Unit.ALU:
        if row.mnemonic == "auipc":
            flags.add("source_pc")
        if row.mnemonic not in ("lui", "auipc") and _alu_op(row.mnemonic)[1]:
            flags.add("word")
    if row.unit is Unit.MATRIX:
        flags.add("matrix_slot")
        if row.mnemonic.startswith("mstep"):
            flags.add("step_memory" if "rs1" in operands else "step")
            if "fab" in operands:
                flags.add("named_formats")
        else:
            flags.add("clear" if row.mnemonic == "mzero" else "accumulator_load")
    if row.unit is Unit.ACCUMULATOR_STORE and not row.mnemonic.startswith("mst.f32"):
        flags.add("converts")
        if "fmt" in operands:
            flags.add("named_format")
        if "s" in row.mnemonic.split(".")[-1]:
            flags.add("stochastic")
    flags |= _gather_flags(row)
    if row.unit is Unit.SIMD:
        flags |= _simd_flags(row.mnemonic)
    return flags


def _gather_flags(row: Instruction) -> set[str]:
    """Flags of gather loads."""
    if row.unit is not Unit.VECTOR_LOAD or not row.mnemonic.startswith(("vlds", "vldx")):
        return set()
    flags = {"gather_index" if "vs2" in row.operands else "gather_stride"}
    if row.mnemonic.startswith("vldsz"):
        flags.add("gather_bound")
    return flags


def _simd_flags(mnemonic: str) -> set[str]:
    """Flags of a SIMD operation's mnemonic, which is the operation's name, the type of its lanes, and ``s`` if stochastic."""
    name, *types = mnemonic.split(".")
    flags = set()
    reduces = name.startswith("vred")
    if reduces or name in ("vrcp", "vrsqrt", "vexp2"):
        flags.add("iterative")
    if name == "vtrn":
        flags.add("transpose")
    elif types and types[0] == "bf16" and not reduces:
        flags.add("two_passes")
    if types and types[-1] == "s":
        flags.add("stochastic")
        if "two_passes" in flags:
            flags.add("draws_twice")
    return flags


class RowLayout(data.StructLayout):
    """What the table says of an instruction: flags as in :class:`DecodedLayout`, and where it has its immediate."""

    def __init__(self):
        super().__init__({"flags": data.StructLayout(dict.fromkeys(_FLAGS, 1)), "alu": AluOp, "immediate": ImmediateFormat})


class RowLookup(wiring.Component):
    """Finds an instruction in the table, without a register.

    Parameters
    ----------
    lists : bool
        Whether there is ``nlist``.

    Members
    -------
    insn : In(32)
    row : Out(RowLayout), ``illegal`` of what the table does not have
    """

    def __init__(self, *, lists: bool = False):
        self.lists = lists
        super().__init__({"insn": In(32), "row": Out(RowLayout())})

    def elaborate(self, platform):
        m = Module()
        # A row's answer is one constant, so that simulators follow one branch instead of working out every flag.
        by_opcode: dict[int, dict[int, set[tuple[int, int]]]] = {}
        for row in INSTRUCTIONS.values():
            if row.mnemonic == "nlist" and not self.lists:
                continue
            alike = by_opcode.setdefault(row.match & 0x7F, {})
            alike.setdefault(_answer(_flags(row), _row_alu(row), _row_immediate(row)), set()).add((row.mask, row.match))
        m.d.comb += self.row.eq(_ILLEGAL)
        with m.Switch(self.insn[0:7]):
            for opcode, answers in by_opcode.items():
                with m.Case(opcode), m.Switch(self.insn[7:32]):
                    for value, patterns in answers.items():
                        with m.Case(*(_pattern(mask, match) for mask, match in _merged(patterns))):
                            m.d.comb += self.row.eq(value)
        return m


class RowCompletion(wiring.Component):
    """What the table cannot say of an instruction, without a register.

    Members
    -------
    insn : In(32), row : In(RowLayout)
    immediate : Out(32)
    rejected : Out(1)
        Its masks cannot express that the instruction is illegal, or the configuration does not have what it names.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__({"insn": In(32), "row": In(RowLayout()), "immediate": Out(32), "rejected": Out(1)})

    def elaborate(self, platform):
        m = Module()
        insn, immediate, flags = self.insn, self.immediate, self.row.flags
        accumulators, semaphores = self.config.accumulators, self.config.semaphores
        sign = insn[31]
        with m.Switch(self.row.immediate):
            with m.Case(ImmediateFormat.I):
                m.d.comb += immediate.eq(Cat(insn[20:32], sign.replicate(20)))
            with m.Case(ImmediateFormat.S):
                m.d.comb += immediate.eq(Cat(insn[7:12], insn[25:32], sign.replicate(20)))
            with m.Case(ImmediateFormat.B):
                m.d.comb += immediate.eq(Cat(C(0, 1), insn[8:12], insn[25:31], insn[7], sign.replicate(20)))
            with m.Case(ImmediateFormat.U):
                m.d.comb += immediate.eq(Cat(C(0, 12), insn[12:32]))
            with m.Case(ImmediateFormat.J):
                m.d.comb += immediate.eq(Cat(C(0, 1), insn[21:31], insn[20], insn[12:20], sign.replicate(12)))
            with m.Case(ImmediateFormat.Z):
                m.d.comb += immediate.eq(insn[15:20])
            for format_, step in (
                (ImmediateFormat.WORD, 4),
                (ImmediateFormat.LINE, self.config.line_bytes),
                (ImmediateFormat.ACCUMULATOR, self.config.accumulator_bytes),
                (ImmediateFormat.HALF_ACCUMULATOR, self.config.accumulator_bytes // 2),
            ):
                with m.Case(format_):
                    m.d.comb += immediate.eq(step)

        rd = insn[7:12]
        names_accumulator = flags.step | flags.step_memory | flags.clear | flags.accumulator_load | flags.accumulator_store
        posts = flags.nwrite & insn[25]
        names_semaphore = flags.swait | flags.spost | posts
        same_parity = flags.post_rs1 & flags.post_rs2 & (insn[15] == insn[20])
        outside_group = Signal()
        with m.If(flags.transpose):
            with m.Switch(insn[25:29]):
                for bits in (8, 16, 32):
                    group = transpose_group(self.config, bits)
                    with m.Case(TRANSPOSE_OPERATIONS[bits]):
                        unaligned = insn[15:20][: ceil_log2(group)].any() if group > 1 else 0
                        m.d.comb += outside_group.eq(unaligned | (insn[20:24] >= group))
        bad_number = (names_accumulator & (rd >= accumulators)) | (names_semaphore & (rd >= semaphores))
        m.d.comb += self.rejected.eq(bad_number | same_parity | outside_group)
        return m


class Decoder(wiring.Component):
    """Decodes one instruction, without a register.

    Everything that the table and the configuration's counts reject is ``illegal``; CSR numbers are checked by the CSR file.

    Members
    -------
    insn : In(32)
    decoded : Out(DecodedLayout)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__({"insn": In(32), "decoded": Out(DecodedLayout())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.lookup = lookup = RowLookup(lists=bool(self.config.lists))
        m.submodules.completion = completion = RowCompletion(self.config)
        m.d.comb += [lookup.insn.eq(self.insn), completion.insn.eq(self.insn), completion.row.eq(lookup.row)]
        # Nothing but the flag may survive: an illegal instruction reads, writes and starts nothing.
        m.d.comb += self.decoded.eq(
            Mux(completion.rejected, _ILLEGAL, Cat(lookup.row.flags, lookup.row.alu, completion.immediate))
        )
        return m


def _answer(flags: set[str], alu: AluOp, immediate: ImmediateFormat) -> int:
    """What the table says of a row, as bits of RowLayout. The flags are where DecodedLayout has them."""
    bits = sum(1 << number for number, flag in enumerate(_FLAGS) if flag in flags)
    return bits | alu.value << len(_FLAGS) | immediate.value << len(_FLAGS) + 4


#: A row that the table does not have.
_ILLEGAL = _answer({"illegal"}, AluOp.ADD, ImmediateFormat.NONE)


def _row_alu(row: Instruction) -> AluOp:
    """ALU function of a row of the table; any where none is used."""
    if row.unit is Unit.ALU and row.mnemonic not in ("lui", "auipc"):
        return _alu_op(row.mnemonic)[0]
    if row.unit is Unit.BRANCH and "imm_b" in row.operands:
        # The comparisons come out of the subtraction.
        return AluOp.SUB
    # What a post-increment leaves in its register is the ALU's result; all else that has one gets it from elsewhere.
    return AluOp.ADD if row.unit is Unit.ALU or row.post_increment else AluOp.NONE


def _row_immediate(row: Instruction) -> ImmediateFormat:
    """Where a row of the table has its immediate."""
    step = _STEPS.get(row.mnemonic, ImmediateFormat.NONE)
    return next((_IMMEDIATES[operand] for operand in row.operands if operand in _IMMEDIATES), step)


def _merged(patterns: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Fewer patterns of (mask, match) for the same words: two that differ in one bit become one without it."""
    while True:
        for mask, match in sorted(patterns):
            bits = (1 << bit for bit in range(32) if mask >> bit & 1)
            partner = next((bit for bit in bits if (mask, match ^ bit) in patterns), None)
            if partner is not None:
                patterns = patterns - {(mask, match), (mask, match ^ partner)} | {(mask & ~partner, match & ~partner)}
                break
        else:
            return sorted(patterns)


def _pattern(mask: int, match: int) -> str:
    """Bits 31 to 7 of the words with ``word & mask == match``, as a pattern for ``m.Case``."""
    return "".join(str(match >> bit & 1) if mask >> bit & 1 else "-" for bit in range(31, 6, -1))
