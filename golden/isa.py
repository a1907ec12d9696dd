# SPDX-License-Identifier: Apache-2.0
"""The instruction table: every instruction once, with syntax, encoding, operands, function, unit and latency.

Assembler, disassembler, RTL decoder, golden model, program generators and the instruction reference all read this table.
RV64I, M, Zicsr and fence.i follow the RISC-V specification; Xd1, in the custom-0 to custom-3 opcodes, is this project's own.

Syntax strings name operands and write punctuation literally: ``rd, imm_i(rs1)``. Operand names double as field names:

========= ======================================= =========================================
operand   field                                   written as
========= ======================================= =========================================
rd        bits 7-11                               scalar register
rs1, rs2  bits 15-19, 20-24                       scalar register
vd        bits 7-11                               vector register v0 to v31
vs1, vs2  bits 15-19, 20-24                       vector register
md        bits 7-11                               accumulator m0 to m7
sem       bits 7-11                               semaphore number
pd        bits 7-9                                predicate register p0 to p7
ps1, ps2  bits 15-17, 20-22                       predicate register
pm        bits 29-31                              predicate register that masks; p0 if it is left out
fmt       bits 20-23                              format descriptor f0 to f15
fab       bits 28-31                              format descriptor of A; the one of B is its neighbour fab ^ 1
part      bits 20-23                              0 to 15
imm_i     bits 20-31                              signed 12 bits
imm_s     bits 25-31 and 7-11                     signed 12 bits
imm_b     branch offset                           signed 13 bits, even; label
imm_j     jump offset                             signed 21 bits, even; label
imm_u     bits 12-31                              20 bits, signed or unsigned
shamt     bits 20-25                              0 to 63
shamtw    bits 20-24                              0 to 31
csr       bits 20-31                              CSR name or number
zimm      bits 15-19                              0 to 31
pred,succ bits 24-27, 20-23                       letters of "iorw", or 0
========= ======================================= =========================================

Operands in brackets may be left out and are 0 then: ``vd, vs1, vs2[, pm]``.

A mask works on bytes: of the destination, those whose bit in predicate pm is clear stay as they were. p0 is always all ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    """Which part of the core executes an instruction."""

    ALU = "alu"
    BRANCH = "branch"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    LOAD = "load"
    STORE = "store"
    CSR = "csr"
    SYSTEM = "system"
    VECTOR_LOAD = "vector load"
    VECTOR_STORE = "vector store"
    SIMD = "simd"
    PREDICATE = "predicate"
    FORMAT = "format"
    MATRIX = "matrix"
    ACCUMULATOR_STORE = "accumulator store"
    NETWORK = "network"
    SYNC = "synchronisation"


class Extension(Enum):
    """Where an instruction comes from."""

    RV64I = "RV64I"
    RV64M = "M"
    ZICSR = "Zicsr"
    ZIFENCEI = "Zifencei"
    PRIVILEGED = "Privileged"
    XD1 = "Xd1"


#: Operand name -> bits of the instruction word that it fills, as a mask.
OPERAND_FIELDS: dict[str, int] = {
    "rd": 0x1F << 7, "vd": 0x1F << 7, "md": 0x1F << 7, "sem": 0x1F << 7,
    "rs1": 0x1F << 15, "vs1": 0x1F << 15, "zimm": 0x1F << 15,
    "rs2": 0x1F << 20, "vs2": 0x1F << 20, "shamtw": 0x1F << 20,
    "shamt": 0x3F << 20,
    "imm_i": 0xFFF << 20, "csr": 0xFFF << 20,
    "imm_s": 0x7F << 25 | 0x1F << 7, "imm_b": 0x7F << 25 | 0x1F << 7,
    "imm_u": 0xFFFFF << 12, "imm_j": 0xFFFFF << 12,
    "pred": 0xF << 24, "succ": 0xF << 20,
    "pd": 0x7 << 7, "ps1": 0x7 << 15, "ps2": 0x7 << 20, "pm": 0x7 << 29,
    "fmt": 0xF << 20, "fab": 0xF << 28, "part": 0xF << 20,
}  # fmt: skip


@dataclass(frozen=True)
class Instruction:
    """One row of the table.

    Attributes
    ----------
    mnemonic : str
        Unique name, as the assembler takes it.
    syntax : str
        Operands as written after the mnemonic; names are keys of OPERAND_FIELDS.
    match, mask : int
        A word encodes this instruction exactly if ``word & mask == match``.
    unit : Unit
        The part of the core that executes it.
    extension : Extension
        Where it comes from.
    latency_cycles : int
        Cycles from its issue to that of an instruction of the same thread that needs its result, without conflicts.
    function : str
        What it does, for readers.
    post_increment : tuple of str
        Address operands that it advances.
    """

    mnemonic: str
    syntax: str
    match: int
    mask: int
    unit: Unit
    extension: Extension
    latency_cycles: int
    function: str
    post_increment: tuple[str, ...] = ()

    @property
    def operands(self) -> tuple[str, ...]:
        """Operand names in the order in which they are written."""
        return tuple(re.findall(r"[a-z_0-9]+", self.syntax))

    @property
    def optional_operands(self) -> tuple[str, ...]:
        """Operands that may be left out, always the last ones."""
        return tuple(re.findall(r"[a-z_0-9]+", self.syntax.partition("[")[2]))

    def encodes(self, word: int) -> bool:
        """Whether the 32-bit word is this instruction."""
        return word & self.mask == self.match


_TABLE: list[Instruction] = []

#: Latencies of M. A divider makes a bit of the quotient per cycle and passes over zeros that lead the dividend: those of
#: divisions are the longest.
MULTIPLY_CYCLES, DIVIDE_CYCLES, DIVIDE_WORD_CYCLES = 3, 68, 36

_OPCODE, _FUNCT3, _FUNCT7 = 0x7F, 0x7 << 12, 0x7F << 25


def _row(
    mnemonic: str,
    syntax: str,
    match: int,
    unit: Unit,
    extension: Extension,
    latency: int,
    function: str,
    post_increment: tuple[str, ...] = (),
    ignored: int = 0,
) -> None:
    """Append a row; every bit that no operand fills is fixed, but for the ``ignored`` ones."""
    filled = ignored
    row = Instruction(mnemonic, syntax, match, 0, unit, extension, latency, function, post_increment)
    for operand in row.operands:
        if filled & OPERAND_FIELDS[operand]:
            raise ValueError(f"{mnemonic}: operand {operand} overlaps another")
        filled |= OPERAND_FIELDS[operand]
    if match & filled:
        raise ValueError(f"{mnemonic}: fixed bits lie in an operand field")
    _TABLE.append(Instruction(mnemonic, syntax, match, 0xFFFF_FFFF & ~filled, unit, extension, latency, function, post_increment))


def _word(opcode: int, funct3: int = 0, funct7: int = 0) -> int:
    return funct7 << 25 | funct3 << 12 | opcode


def _rv64i() -> None:
    alu = (Unit.ALU, Extension.RV64I, 1)
    branch = (Unit.BRANCH, Extension.RV64I, 1)
    _row("lui", "rd, imm_u", _word(0x37), *alu, "rd = sext(imm << 12)")
    _row("auipc", "rd, imm_u", _word(0x17), *alu, "rd = pc + sext(imm << 12)")
    _row("jal", "rd, imm_j", _word(0x6F), *branch, "rd = pc + 4; pc += imm")
    _row("jalr", "rd, imm_i(rs1)", _word(0x67), *branch, "rd = pc + 4; pc = (rs1 + imm) & ~1")
    for name, funct3, condition in (
        ("beq", 0, "rs1 == rs2"), ("bne", 1, "rs1 != rs2"), ("blt", 4, "signed rs1 < rs2"),
        ("bge", 5, "signed rs1 >= rs2"), ("bltu", 6, "unsigned rs1 < rs2"), ("bgeu", 7, "unsigned rs1 >= rs2"),
    ):  # fmt: skip
        _row(name, "rs1, rs2, imm_b", _word(0x63, funct3), *branch, f"if {condition}: pc += imm")
    for name, funct3, meaning in (
        ("lb", 0, "sext(byte)"), ("lh", 1, "sext(2 bytes)"), ("lw", 2, "sext(4 bytes)"), ("ld", 3, "8 bytes"),
        ("lbu", 4, "zext(byte)"), ("lhu", 5, "zext(2 bytes)"), ("lwu", 6, "zext(4 bytes)"),
    ):  # fmt: skip
        _row(name, "rd, imm_i(rs1)", _word(0x03, funct3), Unit.LOAD, Extension.RV64I, 2, f"rd = {meaning} at rs1 + imm")
    for name, funct3, count in (("sb", 0, 1), ("sh", 1, 2), ("sw", 2, 4), ("sd", 3, 8)):
        function = f"low {count} byte(s) of rs2 to rs1 + imm"
        _row(name, "rs2, imm_s(rs1)", _word(0x23, funct3), Unit.STORE, Extension.RV64I, 1, function)
    for name, funct3, operator in (
        ("addi", 0, "rs1 + imm"), ("slti", 2, "signed rs1 < imm"), ("sltiu", 3, "unsigned rs1 < imm"),
        ("xori", 4, "rs1 ^ imm"), ("ori", 6, "rs1 | imm"), ("andi", 7, "rs1 & imm"),
    ):  # fmt: skip
        _row(name, "rd, rs1, imm_i", _word(0x13, funct3), *alu, f"rd = {operator}")
    _row("slli", "rd, rs1, shamt", _word(0x13, 1), *alu, "rd = rs1 << shamt")
    _row("srli", "rd, rs1, shamt", _word(0x13, 5), *alu, "rd = rs1 >> shamt, zeros in")
    _row("srai", "rd, rs1, shamt", _word(0x13, 5, 0x20), *alu, "rd = rs1 >> shamt, sign in")
    for name, funct3, funct7, operator in (
        ("add", 0, 0x00, "rs1 + rs2"), ("sub", 0, 0x20, "rs1 - rs2"), ("sll", 1, 0, "rs1 << (rs2 & 63)"),
        ("slt", 2, 0, "signed rs1 < rs2"), ("sltu", 3, 0, "unsigned rs1 < rs2"), ("xor", 4, 0, "rs1 ^ rs2"),
        ("srl", 5, 0, "rs1 >> (rs2 & 63), zeros in"), ("sra", 5, 0x20, "rs1 >> (rs2 & 63), sign in"),
        ("or", 6, 0, "rs1 | rs2"), ("and", 7, 0, "rs1 & rs2"),
    ):  # fmt: skip
        _row(name, "rd, rs1, rs2", _word(0x33, funct3, funct7), *alu, f"rd = {operator}")
    _row("addiw", "rd, rs1, imm_i", _word(0x1B), *alu, "rd = sext32(rs1 + imm)")
    _row("slliw", "rd, rs1, shamtw", _word(0x1B, 1), *alu, "rd = sext32(rs1 << shamt)")
    _row("srliw", "rd, rs1, shamtw", _word(0x1B, 5), *alu, "rd = sext32(low 32 bits of rs1 >> shamt, zeros in)")
    _row("sraiw", "rd, rs1, shamtw", _word(0x1B, 5, 0x20), *alu, "rd = sext32(low 32 bits of rs1 >> shamt, sign in)")
    for name, funct3, funct7, operator in (
        ("addw", 0, 0, "rs1 + rs2"), ("subw", 0, 0x20, "rs1 - rs2"), ("sllw", 1, 0, "rs1 << (rs2 & 31)"),
        ("srlw", 5, 0, "low 32 bits of rs1 >> (rs2 & 31), zeros in"),
        ("sraw", 5, 0x20, "low 32 bits of rs1 >> (rs2 & 31), sign in"),
    ):  # fmt: skip
        _row(name, "rd, rs1, rs2", _word(0x3B, funct3, funct7), *alu, f"rd = sext32({operator})")
    system = (Unit.SYSTEM, Extension.RV64I, 1)
    # fm, rs1 and rd of fence are reserved, and so are imm, rs1 and rd of fence.i; the RISC-V specification has implementations
    # ignore them.
    _row(
        "fence", "pred, succ", _word(0x0F), *system, "memory of a thread is already in order: does nothing",
        ignored=0xF << 28 | 0x1F << 15 | 0x1F << 7,
    )  # fmt: skip
    _row("ecall", "", 0x0000_0073, *system, "trap ECALL_MACHINE")
    _row("ebreak", "", 0x0010_0073, *system, "trap BREAKPOINT, mtval = pc")
    _row(
        "fence.i", "", _word(0x0F, 1), Unit.SYSTEM, Extension.ZIFENCEI, 1,
        "later fetches of this thread see all earlier stores", ignored=0xFFF << 20 | 0x1F << 15 | 0x1F << 7,
    )  # fmt: skip
    _row("mret", "", 0x3020_0073, Unit.SYSTEM, Extension.PRIVILEGED, 1, "pc = mepc; MIE = MPIE; MPIE = 1")
    _row("wfi", "", 0x1050_0073, Unit.SYSTEM, Extension.PRIVILEGED, 1, "does nothing: there are no interrupts")


def _rv64m() -> None:
    by_zero = "; by 0 all ones"
    kept = "; by 0 rs1"
    for name, funct3, function in (
        ("mul", 0, "rd = low half of rs1 * rs2"),
        ("mulh", 1, "rd = high half of signed rs1 * signed rs2"),
        ("mulhsu", 2, "rd = high half of signed rs1 * unsigned rs2"),
        ("mulhu", 3, "rd = high half of unsigned rs1 * rs2"),
    ):
        _row(name, "rd, rs1, rs2", _word(0x33, funct3, 1), Unit.MULTIPLY, Extension.RV64M, MULTIPLY_CYCLES, function)
    for name, funct3, function in (
        ("div", 4, f"rd = signed rs1 / rs2, towards zero{by_zero}; -2**63 / -1 is -2**63"),
        ("divu", 5, f"rd = unsigned rs1 / rs2{by_zero}"),
        ("rem", 6, f"rd = signed rs1 - (rs1 / rs2) * rs2{kept}; -2**63 by -1 leaves 0"),
        ("remu", 7, f"rd = unsigned rs1 modulo rs2{kept}"),
    ):
        _row(name, "rd, rs1, rs2", _word(0x33, funct3, 1), Unit.DIVIDE, Extension.RV64M, DIVIDE_CYCLES, function)
    _row(
        "mulw", "rd, rs1, rs2", _word(0x3B, 0, 1), Unit.MULTIPLY, Extension.RV64M, MULTIPLY_CYCLES,
        "rd = sext32(rs1 * rs2)",
    )  # fmt: skip
    for name, funct3, function in (
        ("divw", 4, f"signed rs1 / rs2, towards zero{by_zero}; -2**31 / -1 is -2**31"),
        ("divuw", 5, f"unsigned rs1 / rs2{by_zero}"),
        ("remw", 6, f"signed rs1 - (rs1 / rs2) * rs2{kept}; -2**31 by -1 leaves 0"),
        ("remuw", 7, f"unsigned rs1 modulo rs2{kept}"),
    ):
        function = f"rd = sext32 of the low 32 bits' {function}"
        _row(name, "rd, rs1, rs2", _word(0x3B, funct3, 1), Unit.DIVIDE, Extension.RV64M, DIVIDE_WORD_CYCLES, function)


def _zicsr() -> None:
    for name, funct3, action in (("csrrw", 1, "csr = src"), ("csrrs", 2, "csr |= src"), ("csrrc", 3, "csr &= ~src")):
        condition = "" if name == "csrrw" else "; not written if the source field is 0"
        for suffix, extra, source in (("", 0, "rs1"), ("i", 4, "zimm")):
            function = f"rd = csr; {action}, src = {source}{condition}"
            _row(name + suffix, f"rd, csr, {source}", _word(0x73, funct3 + extra), Unit.CSR, Extension.ZICSR, 1, function)


CUSTOM_0, CUSTOM_1, CUSTOM_2, CUSTOM_3 = 0x0B, 0x2B, 0x5B, 0x7B


def _vector_memory() -> None:
    load = (Unit.VECTOR_LOAD, Extension.XD1, 4)
    store = (Unit.VECTOR_STORE, Extension.XD1, 1)
    _row("vld", "vd, imm_i(rs1)", _word(CUSTOM_0, 0), *load, "vd = line at rs1 + imm, which must be line-aligned")
    _row("vld.p", "vd, (rs1), imm_i", _word(CUSTOM_0, 1), *load, "vd = line at rs1; rs1 += imm", ("rs1",))
    _row("vst", "vs2, imm_s(rs1)", _word(CUSTOM_0, 2), *store, "line at rs1 + imm, line-aligned, = vs2")
    _row("vst.p", "vs2, (rs1), imm_s", _word(CUSTOM_0, 3), *store, "line at rs1 = vs2; rs1 += imm", ("rs1",))
    for wide, granule in ((0, 8), (1, 16)):
        # One granule per cycle.
        gather = (Unit.VECTOR_LOAD, Extension.XD1, 3 + 64 // granule)
        where = f"granule i of vd = the {granule} bytes at rs1 + i * signed low half of rs2, {granule}-aligned"
        _row(f"vlds.{granule}", "vd, (rs1), rs2", _word(CUSTOM_0, 4, wide), *gather, where)
        _row(
            f"vldsz.{granule}", "vd, (rs1), rs2", _word(CUSTOM_0, 4, 2 | wide), *gather,
            f"{where}, for i below the signed upper half of rs2; the other granules are 0 and are not read",
        )  # fmt: skip
        _row(
            f"vldx.{granule}", "vd, (rs1), vs2", _word(CUSTOM_0, 5, wide), *gather,
            f"granule i of vd = the {granule} bytes at rs1 + unsigned 32-bit lane i of vs2, {granule}-aligned",
        )  # fmt: skip


#: Operations on two vector registers, or on two and the destination, by the low four bits of funct7. {x} is the lanes' type.
_FLOAT_ARITHMETIC = (
    ("vadd", "vd[i] = vs1[i] + vs2[i]"),
    ("vsub", "vd[i] = vs1[i] - vs2[i]"),
    ("vmul", "vd[i] = vs1[i] * vs2[i]"),
    ("vmadd", "vd[i] = vs1[i] * vs2[i] + vd[i], rounded once"),
    ("vmsub", "vd[i] = vs1[i] * vs2[i] - vd[i], rounded once"),
    ("vnmsub", "vd[i] = -(vs1[i] * vs2[i]) + vd[i], rounded once"),
    ("vnmadd", "vd[i] = -(vs1[i] * vs2[i]) - vd[i], rounded once"),
)
_FLOAT_OTHER = (
    ("vmin", "vd[i] = smaller of vs1[i], vs2[i]; of a number and a NaN the number; -0 < +0"),
    ("vmax", "vd[i] = larger of vs1[i], vs2[i]; of a number and a NaN the number; -0 < +0"),
    ("vsgnj", "vd[i] = vs1[i] with the sign of vs2[i]"),
    ("vsgnjn", "vd[i] = vs1[i] with the opposite sign of vs2[i]"),
    ("vsgnjx", "vd[i] = vs1[i], its sign changed if vs2[i] is negative"),
)
_FLOAT_COMPARES = (("veq", "=="), ("vlt", "<"), ("vle", "<="))
#: Operations on one register, by the rs2 field: (number, mnemonic, cycles until the result is there, function).
_FLOAT_UNARY = (
    (1, "vrcp", "vd[i] = 1 / vs1[i], correctly rounded"),
    (2, "vrsqrt", "vd[i] = 1 / sqrt(vs1[i]), correctly rounded"),
    (3, "vexp2", "vd[i] = 2 ** vs1[i], within 0.52 units in the last place"),
)
_FLOAT_REDUCTIONS = (
    (7, "vredsum", "all lanes of vd = sum of the lanes of vs1: neighbours are added, then neighbouring sums, and so on"),
    (8, "vredmin", "all lanes of vd = smallest lane of vs1"),
    (9, "vredmax", "all lanes of vd = largest lane of vs1"),
)
_INTEGER_BINARY = (
    ("vadd", "vs1[i] + vs2[i]"),
    ("vsub", "vs1[i] - vs2[i]"),
    ("vmul", "low half of vs1[i] * vs2[i]"),
    ("vmulh", "high half of signed vs1[i] * vs2[i]"),
    ("vmulhu", "high half of unsigned vs1[i] * vs2[i]"),
    ("vsll", "vs1[i] << vs2[i], modulo the lane's bits"),
    ("vsrl", "vs1[i] >> vs2[i], modulo the lane's bits, zeros in"),
    ("vsra", "vs1[i] >> vs2[i], modulo the lane's bits, sign in"),
    ("vmin", "signed smaller of vs1[i], vs2[i]"),
    ("vmax", "signed larger of vs1[i], vs2[i]"),
    ("vminu", "unsigned smaller of vs1[i], vs2[i]"),
    ("vmaxu", "unsigned larger of vs1[i], vs2[i]"),
)
_INTEGER_COMPARES = (("veq", "vs1[i] == vs2[i]"), ("vlt", "signed vs1[i] < vs2[i]"), ("vltu", "unsigned vs1[i] < vs2[i]"))
_INTEGER_REDUCTIONS = (
    (7, "vredsum", "sum of the lanes of vs1, modulo the lane's range"),
    (8, "vredmin", "signed smallest lane of vs1"),
    (9, "vredmax", "signed largest lane of vs1"),
    (10, "vredminu", "unsigned smallest lane of vs1"),
    (11, "vredmaxu", "unsigned largest lane of vs1"),
)
_UNARY = 15

#: Latencies of SIMD instructions on full-size nodes: one pass, two passes, iterative ones, reductions per lane.
_SIMD_CYCLES, _SIMD_CYCLES_TWO_PASSES = 8, 9


def simd_iterative_cycles(passes: int) -> int:
    """Cycles that vrcp, vrsqrt and vexp2 occupy the iterative unit, for so many passes over its lanes."""
    return 36 * passes


def simd_reduction_cycles(elements: int) -> int:
    """Cycles that a reduction of so many lanes occupies the iterative unit."""
    return 2 * elements + 16


def _simd(
    mnemonic: str,
    syntax: str,
    opcode: int,
    funct3: int,
    operation: int,
    function: str,
    *,
    sub: int = 0,
    cycles: int = _SIMD_CYCLES,
) -> None:
    """A row whose operation is in the low bits of funct7, with a second number in the rs2 field where that is free."""
    _row(mnemonic, syntax, _word(opcode, funct3, operation) | sub << 20, Unit.SIMD, Extension.XD1, cycles, function)


def _simd_float() -> None:
    for name, opcode, funct3, stochastic in (
        ("f32", CUSTOM_1, 0, False),
        ("bf16", CUSTOM_1, 2, False),
        ("bf16.s", CUSTOM_0, 7, True),
    ):
        lanes = "FP32 lanes: " if name == "f32" else "BF16 lanes: "
        note = "" if name == "f32" else "; FP32 result rounded to BF16, " + ("stochastic" if stochastic else "nearest")
        passes = 1 if name == "f32" else 2
        cycles = _SIMD_CYCLES + passes - 1
        operations = [(*row, "vd, vs1, vs2[, pm]", note) for row in _FLOAT_ARITHMETIC]
        if not stochastic:
            operations += [(*row, "vd, vs1, vs2[, pm]", "") for row in _FLOAT_OTHER]
            operations += [
                (mnemonic, f"bits of lane i in pd = vs1[i] {operator} vs2[i]", "pd, vs1, vs2[, pm]", "; 0 where pm is 0")
                for mnemonic, operator in _FLOAT_COMPARES
            ]
        for operation, (mnemonic, function, syntax, remark) in enumerate(operations):
            _simd(f"{mnemonic}.{name}", syntax, opcode, funct3, operation, lanes + function + remark, cycles=cycles)
        if not stochastic:
            function = "vd[i] = one-hot class of vs1[i], as RISC-V's fclass has it"
            _simd(f"vclass.{name}", "vd, vs1[, pm]", opcode, funct3, _UNARY, lanes + function, sub=0, cycles=cycles)
        for sub, mnemonic, function in _FLOAT_UNARY:
            _simd(
                f"{mnemonic}.{name}", "vd, vs1[, pm]", opcode, funct3, _UNARY, lanes + function + note, sub=sub,
                cycles=_SIMD_CYCLES + simd_iterative_cycles(passes),
            )  # fmt: skip
        for sub, mnemonic, function in _FLOAT_REDUCTIONS:
            if not stochastic or mnemonic == "vredsum":
                remark = note if mnemonic == "vredsum" else ""
                _simd(
                    f"{mnemonic}.{name}", "vd, vs1[, pm]", opcode, funct3, _UNARY, lanes + function + remark, sub=sub,
                    cycles=_SIMD_CYCLES + simd_reduction_cycles(16 * passes),
                )  # fmt: skip
        if name == "f32":
            for sub, mnemonic, function in (
                (4, "vcvt.i32.f32", "INT32 lanes: vd[i] = FP32 vs1[i] to nearest, ties to even; saturates, NaN gives 2**31 - 1"),
                (5, "vcvtz.i32.f32", "INT32 lanes: vd[i] = FP32 vs1[i] towards zero; saturates, NaN gives 2**31 - 1"),
                (6, "vcvt.f32.i32", "FP32 lanes: vd[i] = INT32 vs1[i], nearest, ties to even"),
            ):  # fmt: skip
                _simd(mnemonic, "vd, vs1[, pm]", opcode, funct3, _UNARY, function, sub=sub)


def _simd_integer() -> None:
    for bits, funct3 in ((32, 3), (16, 4), (8, 5)):
        lanes = f"INT{bits} lanes: "
        for operation, (mnemonic, function) in enumerate(_INTEGER_BINARY):
            _simd(f"{mnemonic}.i{bits}", "vd, vs1, vs2[, pm]", CUSTOM_1, funct3, operation, f"{lanes}vd[i] = {function}")
        for operation, (mnemonic, condition) in enumerate(_INTEGER_COMPARES, len(_INTEGER_BINARY)):
            function = f"{lanes}bits of lane i in pd = {condition}; 0 where pm is 0"
            _simd(f"{mnemonic}.i{bits}", "pd, vs1, vs2[, pm]", CUSTOM_1, funct3, operation, function)
        for sub, mnemonic, function in _INTEGER_REDUCTIONS:
            _simd(
                f"{mnemonic}.i{bits}", "vd, vs1[, pm]", CUSTOM_1, funct3, _UNARY, f"{lanes}all lanes of vd = {function}", sub=sub,
                cycles=_SIMD_CYCLES + simd_reduction_cycles(512 // bits),
            )  # fmt: skip


def _simd_moves() -> None:
    binary = "vd, vs1, vs2[, pm]"
    for operation, (mnemonic, syntax, function) in enumerate((
        ("vand", binary, "vd = vs1 & vs2"),
        ("vor", binary, "vd = vs1 | vs2"),
        ("vxor", binary, "vd = vs1 ^ vs2"),
        ("vandn", binary, "vd = vs1 & ~vs2"),
        ("vsel", "vd, vs1, vs2, pm", "byte i of vd = byte i of vs1 where bit i of pm is set, else of vs2"),
        ("vnarrow.i16.i32", binary, "lower half of vd = INT32 lanes of vs1 saturated to INT16, upper half = of vs2"),
        ("vnarrow.u16.i32", binary, "lower half of vd = INT32 lanes of vs1 saturated to 0 to 65,535, upper half = of vs2"),
        ("vnarrow.i8.i16", binary, "lower half of vd = INT16 lanes of vs1 saturated to INT8, upper half = of vs2"),
        ("vnarrow.u8.i16", binary, "lower half of vd = INT16 lanes of vs1 saturated to 0 to 255, upper half = of vs2"),
        ("vshuf.e8", binary, "byte i of vd = byte vs2[i] of vs1, modulo their number"),
        ("vshuf.e16", binary, "16-bit lane i of vd = lane vs2[i] of vs1, modulo their number"),
        ("vshuf.e32", binary, "32-bit lane i of vd = lane vs2[i] of vs1, modulo their number"),
        ("vslideup", "vd, vs1, rs2[, pm]", "byte i of vd = byte i - rs2 of vs1, 0 where there is none; rs2 is unsigned"),
        ("vslidedown", "vd, vs1, rs2[, pm]", "byte i of vd = byte i + rs2 of vs1, 0 where there is none; rs2 is unsigned"),
    )):  # fmt: skip
        _simd(mnemonic, syntax, CUSTOM_1, 6, operation, function)
    sub = 0
    for wide, narrow in ((16, 8), (32, 16)):
        for sign, kind in (("i", "sign"), ("u", "zero")):
            for half, which in (("l", "lower"), ("h", "upper")):
                function = f"{wide}-bit lane i of vd = {narrow}-bit lane i of the {which} half of vs1, {kind}-extended"
                _simd(f"vwiden.{sign}{wide}.{sign}{narrow}{half}", "vd, vs1[, pm]", CUSTOM_1, 6, _UNARY, function, sub=sub)
                sub += 1
    for bits in (8, 16, 32, 64):
        _simd(f"vbc.e{bits}", "vd, rs1[, pm]", CUSTOM_1, 6, _UNARY, f"every {bits}-bit lane of vd = low bits of rs1", sub=sub)
        sub += 1
    for operation, bits in enumerate((8, 16, 32)):
        function = f"every {bits}-bit lane of vd = lane rs2 of vs1, modulo their number"
        _simd(f"vbcl.e{bits}", "vd, vs1, rs2[, pm]", CUSTOM_1, 7, operation, function)
    for operation, bits in enumerate((8, 16, 32), 3):
        function = (
            f"8 x 8 matrix of {bits}-bit elements, row-major, in the group of registers from vs1 on, whose number is a multiple "
            "of the group's size: vd = register `part` of the group that its transpose would fill"
        )
        _simd(f"vtrn.e{bits}", "vd, vs1, part[, pm]", CUSTOM_1, 7, operation, function, cycles=_SIMD_CYCLES + bits // 32)


def _simd_converts() -> None:
    unary, binary, named = "vd, vs1[, pm]", "vd, vs1, vs2[, pm]", "vd, vs1, fmt[, pm]"
    for operation, (half, which) in enumerate((("l", "lower"), ("h", "upper"))):
        function = f"vd[i] = FP32 of BF16 lane i of the {which} half of vs1"
        _simd(f"vcvt.f32.bf16{half}", unary, CUSTOM_1, 1, operation, function)
    for suffix, rounding, operation in (("", "nearest, ties to even", 2), (".s", "stochastic", 3)):
        function = f"lower half of vd = BF16 of the FP32 lanes of vs1, upper half = of vs2; {rounding}"
        _simd(f"vcvt.bf16.f32{suffix}", binary, CUSTOM_1, 1, operation, function, cycles=_SIMD_CYCLES_TWO_PASSES)
    for part in range(4):
        _simd(
            f"vcvt.f32.x{part}", named, CUSTOM_1, 1, 4 + part,
            f"vd[i] = FP32 of code i of part {part}, modulo their number, of vs1; codes are of format fmt",
        )  # fmt: skip
    for suffix, rounding, first in (("", "nearest, ties to even", 8), (".s", "stochastic", 12)):
        for part in range(4):
            _simd(
                f"vcvt.x{part}.f32{suffix}", named, CUSTOM_1, 1, first + part,
                f"part {part}, modulo their number, of vd = FP32 lanes of vs1 rounded to format fmt, {rounding}; the rest of vd "
                "stays",
            )  # fmt: skip


def _predicates() -> None:
    predicate = (Unit.PREDICATE, Extension.XD1)
    for operation, (mnemonic, function) in enumerate(
        (("pand", "ps1 & ps2"), ("por", "ps1 | ps2"), ("pxor", "ps1 ^ ps2"), ("pandn", "ps1 & ~ps2")), 8
    ):
        _row(mnemonic, "pd, ps1, ps2", _word(CUSTOM_1, 7, operation), *predicate, 4, f"pd = {function}; p0 stays")
    _row("pmv.p.x", "pd, rs1", _word(CUSTOM_1, 7, 12), *predicate, 4, "pd = low bits of rs1, one per byte of a vector; p0 stays")
    _row("pmv.x.p", "rd, ps1", _word(CUSTOM_1, 7, 13), *predicate, 1, "rd = ps1, zero-extended")


def _matrix() -> None:
    matrix = (Unit.MATRIX, Extension.XD1, 2)
    for prefix, zero, start in (("mstep", 0, "md"), ("mstepz", 1, "0")):
        _row(
            f"{prefix}.bf16", "md, vs1, vs2", _word(CUSTOM_2, 0, zero), *matrix,
            f"md = {start} + A.B, A = M x 4 BF16 tile in vs1, B = 4 x N BF16 tile in vs2, both row-major",
        )  # fmt: skip
        for a_plus in (0, 1):
            for b_plus in (0, 1):
                suffix = "mp"[a_plus] + "mp"[b_plus]
                syntax = f"md, (rs1){'+' * a_plus}, (rs2){'+' * b_plus}"
                advance = [f"{r} += line" for r, p in (("rs1", a_plus), ("rs2", b_plus)) if p]
                parity = ["rs1 and rs2 must be one even and one odd register"] if a_plus and b_plus else []
                function = "; ".join([f"md = {start} + A.B, A = line at rs1, B = line at rs2", *advance, *parity])
                post = tuple(r for r, p in (("rs1", a_plus), ("rs2", b_plus)) if p)
                funct7 = b_plus << 2 | a_plus << 1 | zero
                _row(f"{prefix}.bf16.{suffix}", syntax, _word(CUSTOM_2, 1, funct7), *matrix, function, post)
    for prefix, zero, start in (("mstep", 0, "md"), ("mstepz", 1, "0")):
        for half, (suffix, which) in enumerate((("l", "lower"), ("h", "upper"))):
            _row(
                f"{prefix}.x{suffix}", "md, vs1, vs2, fab", _word(CUSTOM_2, 5, half << 1 | zero), *matrix,
                f"md = {start} + A.B, A in vs1 in the format that fab names, B in vs2 in that of its neighbour fab ^ 1; of 8-bit "
                f"codes the {which} half of the register",
            )  # fmt: skip
        for a_plus in (0, 1):
            for b_plus in (0, 1):
                suffix = "mp"[a_plus] + "mp"[b_plus]
                syntax = f"md, (rs1){'+' * a_plus}, (rs2){'+' * b_plus}, fab"
                advance = [f"{r} += its lines" for r, p in (("rs1", a_plus), ("rs2", b_plus)) if p]
                parity = ["rs1 and rs2 must be one even and one odd register"] if a_plus and b_plus else []
                function = "; ".join([
                    f"md = {start} + two steps of A.B, A from rs1 on in the format that fab names, B from rs2 on in that of its "
                    "neighbour fab ^ 1: of 8-bit codes one line, lower half first, of BF16 two lines",
                    *advance, *parity,
                ])  # fmt: skip
                post = tuple(r for r, p in (("rs1", a_plus), ("rs2", b_plus)) if p)
                funct7 = b_plus << 2 | a_plus << 1 | zero
                two_steps = (Unit.MATRIX, Extension.XD1, 4)
                _row(f"{prefix}.x.{suffix}", syntax, _word(CUSTOM_2, 6, funct7), *two_steps, function, post)
    _row("mzero", "md", _word(CUSTOM_2, 2), *matrix, "md = +0 in all elements")
    for suffix, plus in (("", 0), (".p", 1)):
        post = ("rs1",) if plus else ()
        advances = "; rs1 += accumulator's bytes in memory" if plus else ""
        syntax = f"md, (rs1){'+' * plus}"
        _row(
            f"mld.f32{suffix}", syntax, _word(CUSTOM_2, 3, plus << 1), *matrix,
            f"md = M x N FP32, row-major, from rs1, line-aligned{advances}", post,
        )  # fmt: skip
        store = (Unit.ACCUMULATOR_STORE, Extension.XD1, 1)
        _row(
            f"mst.f32{suffix}", syntax, _word(CUSTOM_2, 4, plus << 1), *store,
            f"M x N FP32, row-major, at rs1, line-aligned, = md{advances}", post,
        )  # fmt: skip
        _row(
            f"mst.bf16{suffix}", syntax, _word(CUSTOM_2, 4, 1 << 3 | plus << 1), *store,
            "M x N BF16, row-major, at rs1, aligned to the smaller of line and tile, = md rounded to nearest, ties to "
            f"even{advances}", post,
        )  # fmt: skip
        for stochastic, rounding in ((0, "nearest, ties to even"), (1, "stochastic")):
            letters = "s" * stochastic + "p" * plus
            _row(
                f"mst.x{'.' * bool(letters)}{letters}", f"{syntax}, fmt",
                _word(CUSTOM_2, 4, stochastic << 5 | 1 << 4 | plus << 1), *store,
                f"M x N codes of format fmt, row-major, at rs1, aligned to the smaller of line and tile, = md rounded, {rounding}"
                f"{advances}", post,
            )  # fmt: skip


def _network() -> None:
    network = (Unit.NETWORK, Extension.XD1, 1)
    for post in (0, 1):
        for plus in (0, 1):
            suffix = ("." if post or plus else "") + "s" * post + "p" * plus
            function = "send vs2 to the line at global address rs1"
            function += ", then post semaphore sem of that node by one" if post else ""
            function += "; rs1 += line" if plus else ""
            _row(
                f"nwrite{suffix}", f"vs2, (rs1){'+' * plus}{', sem' * post}", _word(CUSTOM_3, 0, plus << 1 | post),
                *network, function, ("rs1",) if plus else (),
            )  # fmt: skip
    _row(
        "npost", "(rs1), sem", _word(CUSTOM_3, 0, 5),
        *network, "post semaphore sem of the node at global address rs1 by one; the line there stays as it is",
    )  # fmt: skip
    _row("nread", "vd, (rs1)", _word(CUSTOM_3, 1), *network, "vd = line at global address rs1, when its response arrives")
    _row("nsd", "rs2, (rs1)", _word(CUSTOM_3, 2), *network, "send rs2 to the 8 bytes at global address rs1")
    _row("nlist", "rs1", _word(CUSTOM_3, 7), *network, "start the list transfer whose descriptor lies at address rs1")
    _row(
        "setfmt", "fmt, rs1", _word(CUSTOM_3, 6), Unit.FORMAT, Extension.XD1, 1,
        "format descriptor fmt = low 9 bits of rs1: bias in bits 0-5, kind in bits 6-8",
    )  # fmt: skip
    sync = (Unit.SYNC, Extension.XD1, 1)
    _row("swait", "sem, rs1", _word(CUSTOM_3, 3), *sync, "wait until semaphore sem >= low 16 bits of rs1, then subtract them")
    _row("spost", "sem, rs1", _word(CUSTOM_3, 4), *sync, "semaphore sem += low 16 bits of rs1; stops at 65,535 and reports it")
    _row("halt", "rs1", _word(CUSTOM_3, 5), *sync, "the thread ends with exit code rs1")


_rv64i()
_rv64m()
_zicsr()
_vector_memory()
_simd_float()
_simd_integer()
_simd_moves()
_simd_converts()
_predicates()
_matrix()
_network()

#: All instructions by mnemonic, in the order of the reference.
INSTRUCTIONS: dict[str, Instruction] = {row.mnemonic: row for row in _TABLE}

#: ABI names of the scalar registers.
SCALAR_REGISTERS: tuple[str, ...] = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)  # fmt: skip

_BY_OPCODE: dict[int, tuple[Instruction, ...]] = {
    opcode: tuple(row for row in _TABLE if row.match & _OPCODE == opcode) for opcode in {r.match & _OPCODE for r in _TABLE}
}


def decode(word: int) -> Instruction | None:
    """The instruction that a 32-bit word encodes, or None if it encodes none."""
    for row in _BY_OPCODE.get(word & _OPCODE, ()):
        if row.encodes(word):
            return row
    return None
