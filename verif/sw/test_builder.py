# SPDX-License-Identifier: Apache-2.0
"""The Builder makes what the assembler makes of the same text, and refuses wrong operands where they are written."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import sw.builder
from golden.config import preset
from golden.isa import INSTRUCTIONS, Instruction
from sw.assembler import AssemblyError, assemble
from sw.assembler.instructions import MNEMONICS
from sw.builder import Builder, F, M, P, V, X, a0, a1, a2, f, f3, m0, p, p2, sp, v, v0, v1, v2, x, zero
from sw.encoding import OPERANDS, REGISTER_KINDS, OperandKind


def test_example_of_the_module_holds() -> None:
    assert doctest.testmod(sw.builder).failed == 0


def test_every_mnemonic_is_a_method() -> None:
    methods = set(dir(Builder()))
    for mnemonic in MNEMONICS:
        assert sw.builder.method_name(mnemonic) in methods


@pytest.mark.parametrize("row", INSTRUCTIONS.values(), ids=INSTRUCTIONS.keys())
def test_method_takes_operands_as_they_are_written(row: Instruction) -> None:
    values: list[object] = []
    text = row.syntax.replace("[", "").removesuffix("]")
    for number, name in enumerate(row.operands):
        operand = OPERANDS[name]
        if operand.kind in REGISTER_KINDS:
            kinds = (X, V, M, P, F)
            kind = next(kind for kind in kinds if kind(0).kind is operand.kind)
            values.append(kind(number + 4))
        else:
            values.append({OperandKind.TARGET: "start", OperandKind.CSR: "mepc"}.get(operand.kind, number + 5))
        text = text.replace(name, str(values[-1]), 1)
    builder = Builder()
    builder.label("start")
    getattr(builder, sw.builder.method_name(row.mnemonic))(*values)
    assert builder.program() == assemble(f"start: {row.mnemonic} {text}")


def test_masks_may_be_left_out() -> None:
    builder = Builder()
    builder.vadd_f32(v0, v1, v2)
    builder.vadd_f32(v0, v1, v2, p2)
    builder.vgt_i16(p2, v1, v2)
    builder.vmv(v0, v1, p2)
    builder.setfmt(f3, a0)
    assert builder.program() == assemble(
        "vadd.f32 v0, v1, v2, p0\nvadd.f32 v0, v1, v2, p2\nvlt.i16 p2, v2, v1\nvor v0, v1, v1, p2\nsetfmt f3, a0"
    )


def test_pseudo_instructions_labels_sections_and_data_are_those_of_the_assembler() -> None:
    b = Builder(preset("tiny"), defines={"COUNT": 3})
    b.label("_start")
    b.li(a0, "COUNT * LINE_BYTES")
    loop = b.unique("loop")
    assert loop != b.unique("loop")
    b.label(loop)
    b.jalr(a0)
    b.jalr(a0, 4, a1)
    b.and_(a0, a0, a1)
    b.fence()
    b.fence("rw", "w")
    b.bnez(a0, loop)
    b.section(".data")
    b.label("table")
    b.dwords(1, "table")
    b.data(bytes(range(256)))
    b.align(64)
    b.space("LINE_BYTES")
    b.section(".far", 0x8000_1000)
    b.emit(".byte 1\n.byte 2")
    source = """
    _start: li a0, COUNT * LINE_BYTES
    .Lloop.0: jalr a0
    jalr a0, 4(a1)
    and a0, a0, a1
    fence
    fence rw, w
    bnez a0, .Lloop.0
    .data
    table: .dword 1, table
    .byte 0""" + "".join(f", {n}" for n in range(1, 256)) + """
    .balign 64
    .zero 16
    .section .far, 0x80001000
    .byte 1, 2"""  # fmt: skip
    assert b.program() == assemble(source, config=preset("tiny"), defines={"COUNT": 3})
    assert assemble(b.source, config=preset("tiny"), defines={"COUNT": 3}) == b.program()


def test_registers_are_objects_of_their_kind() -> None:
    assert (x[0], x[10], v[0], str(v[31]), str(sp), str(m0)) == (zero, a0, v0, "v31", "sp", "m0")
    assert (p[2], str(p[7]), f[3], str(f[15])) == (p2, "p7", f3, "f15")
    for make in (X, V, M, P, F):
        with pytest.raises(ValueError, match="does not exist"):
            make(32)


@pytest.mark.parametrize(
    ("emit", "reason"),
    [
        (lambda b: b.add(a0, a1, v1), r"add: rs2 must be a scalar register, not V\(number=1\)"),
        (lambda b: b.add(a0, a1, 5), "add: rs2 must be a scalar register, not 5"),
        (lambda b: b.addi(a0, a1, a2), "addi: imm_i must be a number"),
        (lambda b: b.mzero("m0"), "mzero: md must be an accumulator"),
        (lambda b: b.vadd_f32(v0, v1, v2, v1), r"vadd.f32: pm must be a predicate \(p0 to p7\), not V\(number=1\)"),
        (lambda b: b.setfmt(p2, a0), "setfmt: fmt must be a format descriptor"),
        (lambda b: b.vmv(v0), r"vmv takes \(vd, vs1\) or \(vd, vs1, pm\), but got 1 arguments"),
        (lambda b: b.addi(a0, a1), r"addi takes \(rd, rs1, imm_i\), but got 2 arguments"),
        (lambda b: b.jal(), r"jal takes \(rd, imm_j\) or \(imm_j\), but got 0 arguments"),
    ],
)
def test_operand_of_the_wrong_kind_is_refused_at_the_call(emit, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match=reason):
        emit(Builder())


def test_unknown_mnemonic_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(AttributeError, match="there is no instruction 'mstep_bf16_pq'; did you mean 'mstep_bf16_p"):
        Builder().mstep_bf16_pq(m0, a0, a1)


def test_error_names_the_line_of_python() -> None:
    builder = Builder()
    builder.nop()
    builder.addi(a0, a0, 5000)  # the wrong line
    with pytest.raises(AssemblyError) as raised:
        builder.program()
    (found,) = raised.value.diagnostics
    assert Path(found.line.file) == Path(__file__)
    source = Path(__file__).read_text(encoding="utf-8").split("\n")
    assert source[found.line.number - 1].endswith("# the wrong line")
    assert "imm_i is 5000" in str(raised.value)
