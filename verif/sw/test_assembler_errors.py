# SPDX-License-Identifier: Apache-2.0
"""Bad source: errors name file, line, column and reason, all of a source are told at once, and nothing else is raised."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.isa import INSTRUCTIONS
from sw.assembler import AssemblyError, Diagnostic, assemble


def diagnostics(source: str, **options: object) -> tuple[Diagnostic, ...]:
    with pytest.raises(AssemblyError) as raised:
        assemble(source, "bad.s", **options)  # type: ignore[arg-type]
    return raised.value.diagnostics


#: Source with the wrong part between two bars, and a piece of the reason.
BAD = [
    ("|hlat| a0", "there is no instruction `hlat`; did you mean `halt`?"),
    ("|.wrd| 1", "there is no directive `.wrd`; did you mean `.word`?"),
    ("|addi| a0, a0", "2 operands given; write `addi rd, rs1, imm_i`"),
    ("|jal| a0, a1, a2", "3 operands given; write `jal rd, imm_j` or `jal imm_j`"),
    ("|ret| a0", "1 operand given; write `ret`"),
    ("addi a0, a0, |2048|", "imm_i is 2048; allowed are -2048 to 2047"),
    ("addi a0, a0, |-2049|", "imm_i is -2049; allowed are -2048 to 2047"),
    ("sd a0, |5000|(sp)", "imm_s is 5000; allowed are -2048 to 2047"),
    ("slli a0, a0, |64|", "shamt is 64; allowed are 0 to 63"),
    ("slliw a0, a0, |32|", "shamtw is 32; allowed are 0 to 31"),
    ("lui a0, |0x100000|", "imm_u is 1048576; allowed are -524288 to 1048575"),
    ("csrwi mepc, |32|", "zimm is 32; allowed are 0 to 31"),
    ("csrr a0, |4096|", "csr is 4096; allowed are 0 to 4095"),
    ("csrr a0, |mhartit|", "symbol `mhartit` is not defined"),
    ("beq a0, a1, |. + 4096|", "target is 4096 bytes away; allowed are -4096 to 4094"),
    ("j |. + 3|", "target is 3 bytes away; it must be a multiple of 2"),
    ("j |. - 0x100002|", "target is -1048578 bytes away; allowed are -1048576 to 1048574"),
    ("la a0, |. + 0x80000000|", "allowed are -0x80000800 to 0x7ffff7ff"),
    ("li a0, |1 << 64|", "0x10000000000000000 does not fit into 64 bits"),
    ("lui a0, |%hi(SRAM_BASE)|", "`la` reaches all of SRAM"),
    ("addi a0, a0, |%pcrel_lo(SRAM_BASE)|", "there is no instruction with %pcrel_hi at 0x80000000"),
    ("add a0, a1, |v2|", "expected a scalar register, not a vector register"),
    ("vadd.f32 v0, v1, |a2|", "expected a vector register (v0 to v31), not a scalar register"),
    ("add a0, a1, |5|", "expected a scalar register"),
    ("add a0, a1, |x32|", "expected a scalar register"),
    ("mzero |m8|", "expected an accumulator (m0 to m7)"),
    ("vadd.f32 v1, v2, v3, |p8|", "expected a predicate (p0 to p7)"),
    ("vadd.f32 v1, v2, v3, |v4|", "expected a predicate (p0 to p7), not a vector register"),
    ("vlt.i32 |v1|, v2, v3", "expected a predicate (p0 to p7), not a vector register"),
    ("setfmt |f16|, a0", "expected a format descriptor (f0 to f15)"),
    ("vcvt.f32.x0 v1, v2, |p1|", "expected a format descriptor (f0 to f15), not a predicate"),
    ("|vadd.f32| v1, v2", "2 operands given; write `vadd.f32 vd, vs1, vs2[, pm]`"),
    ("|vsel| v1, v2, v3", "3 operands given; write `vsel vd, vs1, vs2, pm`"),
    ("|vmv| v1", "1 operand given; write `vmv vd, vs1[, pm]`"),
    ("|vadd.f16| v1, v2, v3", "there is no instruction `vadd.f16`; did you mean `vadd.bf16`?"),
    ("vtrn.e16 v1, v2, |16|", "part is 16; allowed are 0 to 15"),
    ("lw a0, |a1|", "expected `imm_i(rs1)`"),
    ("vld.p v0, |8|(a0), 8", "vld.p takes no offset here: write `(rs1)`"),
    ("mstep.bf16.mm m0, |(a0)+|, (a1)", "mstep.bf16.mm does not advance rs1: write `(rs1)`, or use mstep.bf16.pm"),
    ("mstep.bf16.pp m0, (a0)+, |(a1)|", "mstep.bf16.pp advances rs2: write `(rs2)+`, or use mstep.bf16.pm"),
    ("mstep.x.pp m0, (a0)+, |(a1)|, f2", "mstep.x.pp advances rs2: write `(rs2)+`, or use mstep.x.pm"),
    ("mst.x.sp m0, |(a0)|, f2", "mst.x.sp advances rs1: write `(rs1)+`, or use mst.x.s"),
    ("mst.x m0, |(a0)+|, f2", "mst.x does not advance rs1: write `(rs1)`, or use mst.x.p"),
    ("vldx.8 v0, |8|(a0), v1", "vldx.8 takes no offset here: write `(rs1)`"),
    ("|mstepz.x.pp| m0, (a0)+, (a2)+, f2", "one must be an even and the other an odd register"),
    ("mst.f32 m0, |(a0)+|", "mst.f32 does not advance rs1: write `(rs1)`, or use mst.f32.p"),
    ("nwrite.s v0, |(a0)+|, 1", "nwrite.s does not advance rs1: write `(rs1)`, or use nwrite.sp"),
    ("|mstep.bf16.pp| m0, (a0)+, (a2)+", "one must be an even and the other an odd register"),
    ("fence |rx|, w", "expected letters of 'iorw', or 0, not `rx`"),
    ("fence |rr|, w", "expected letters of 'iorw', or 0, not `rr`"),
    ("swait |32|, a0", "sem is 32; allowed are 0 to 31"),
    ("addi a0, a0, |nowhere|", "symbol `nowhere` is not defined"),
    ("addi a0, a0, |LINE_BYTES|", "it is defined when a configuration is given"),
    ("csrw |mformat4|, a0", "symbol `mformat4` is not defined; did you mean the CSR `mformat3`?"),
    ("csrr a0, |nowhere|", "symbol `nowhere` is not defined"),
    ("j |1f|", "there is no label `1:` below"),
    ("j |2b|", "there is no label `2:` above"),
    (".word |a1|", "a value is needed here, not register a1"),
    ("addi a0, a0, |1.5|", "a whole number is needed here"),
    ("addi a0, a0, |a1|", "expected a number, not a scalar register"),
    ('addi a0, a0, |"x"|', "a value is needed here, not a string"),
    (".word |8(a0)|", "a value is needed here, not a memory operand"),
    (".word 1 / |(2 - 2)|", "division by zero"),
    (".word 1 % |0|", "division by zero"),
    (".word 1 << |-1|", "shift count is -1; allowed are 0 to 127"),
    (".word 1 << |1000000000|", "shift count is 1000000000; allowed are 0 to 127"),
    (".word |09|", "`09` is not a number"),
    (".word |017|", "`017` is not a number; octal is written 0o17"),
    (".word |0x1g|", "`0x1g` is not a number"),
    (".word |12abc|", "`12abc` is not a number"),
    (".word |'ab'|", "string or character without its end"),
    (".word |'é'|", "'é' is 2 bytes; a character is one"),
    (r'.ascii "a|\q|b"', r"unknown escape `\q`"),
    (r'.ascii |"\777"|', r"escape `\777` does not fit into a byte"),
    ('.ascii |"abc|', "string or character without its end"),
    (".ascii |5|", "a string is needed here"),
    (".byte |256|", "256 does not fit into 1 byte; allowed are -128 to 255"),
    (".half 1, |-32769|", "-32769 does not fit into 2 bytes; allowed are -32768 to 65535"),
    (".dword |1 << 64|", "does not fit into 8 bytes"),
    (".float |1e39|", "this is beyond the largest fp32 number; write inf if that is meant"),
    (".bf16 |3.4e38|", "this is beyond the largest bf16 number"),
    (".bf16 |1 + 1|", "a decimal number, inf or nan is needed here"),
    ("|.word|", "0 operands given; allowed: VALUE, ..."),
    ("|.text| 1", "1 operand given; allowed: none"),
    (".zero |-1|", "count is -1; allowed are 0 to 2097152"),
    (".zero |1 << 40|", "count is 1099511627776; allowed are 0 to 2097152"),
    (".fill 1, |9|", "size is 9; allowed are 1 to 8"),
    (".align |22|", "allowed are powers of 0 to 21"),
    (".balign |12|", "alignment is 12; allowed are powers of two from 1 to 2097152"),
    (".org |-1|", "allowed are 0 to 2**64 - 1"),
    (
        "|.byte| 1, 2\n.org 0x80000001\n|.byte| 3",
        "other contents reach from 0x80000000 to 0x80000001",
    ),
    (".byte 1\n|nop|", "an instruction cannot lie at 0x80000001, which is no multiple of 4"),
    ("a: nop\n|a|: nop", "symbol `a` is already defined in bad.s:1"),
    ("|SRAM_BASE|: nop", "symbol `SRAM_BASE` is predefined as 2147483648"),
    ("|a0|: nop", "`a0` is a register and cannot be a symbol"),
    ("|p0|: nop", "`p0` is a register and cannot be a symbol"),
    (".equ |5|, 6", "a name is needed here"),
    (".equ a, |b|\n.equ b, 1 + |a|", "depends on itself or on something that has no value"),
    ("|.globl| a", "symbol `a` is not defined"),
    (".data\n.byte 1\n.section .data, |5|", "section .data has begun already"),
    ("nop |/*| nop\nnop", "comment without its end"),
    ("addi a0 |a0|, 1", "unexpected `a0`; expected `,`"),
    ("addi a0,| ", "an operand is missing"),
    ("addi a0, a0, 1 +| ", "a value is missing"),
    ("ld a0, 8(sp| ", "`)` is missing"),
    ("ld a0, 8(|foo|)", "unexpected `foo`; expected a register"),
    ("addi a0, a0, |@|", "unexpected `@`; expected an operand"),
]


@pytest.mark.parametrize("marked, reason", BAD, ids=[marked.replace("\n", ";") for marked, _ in BAD])
def test_error_names_place_and_reason(marked: str, reason: str) -> None:
    source = marked.replace("|", "")
    # Of several marked places, the last is where the error is told; the source may hold bars of its own nowhere.
    before, _, wrong = marked.rpartition("|")[0].rpartition("|") if marked.count("|") > 1 else (marked.partition("|")[0], "", " ")
    before = before.replace("|", "")
    found = diagnostics(source)[-1]
    assert reason in found.reason
    assert (found.line.file, found.line.number) == ("bad.s", before.count("\n") + 1)
    assert found.span.start == len(before) - (before.rfind("\n") + 1)
    assert found.span.end - found.span.start == len(wrong)
    assert str(found).startswith(
        f"bad.s:{found.line.number}:{found.span.start + 1}: error: {found.reason}\n    {found.line.text}\n"
    )


def test_caret_stands_below_the_wrong_part_behind_tabs() -> None:
    (found,) = diagnostics("\tadd\ta0, v1, a2")
    assert str(found).split("\n")[1:] == ["    \tadd\ta0, v1, a2", "    \t   \t    ^~"]


@pytest.mark.parametrize("source, reason", [
    ("mzero m2", "configuration 'tiny' has accumulators m0 to m1"),
    ("spost 8, a0", "semaphore is 8; configuration 'tiny' has 0 to 7"),
    ("vtrn.e16 v0, v12, 0", "vtrn.e16 works on 8 registers of configuration 'tiny': vs1 must be a multiple of 8"),
    ("vtrn.e16 v0, v8, 8", "part is 8; allowed are 0 to 7"),
    ("vtrn.e8 v0, v30, 0, p1", "vtrn.e8 works on 4 registers of configuration 'tiny': vs1 must be a multiple of 4"),
    (".zero SRAM_BYTES + 1", "outside of the SRAM of configuration 'tiny', 0x80000000 to 0x80003fff"),
    (".org SRAM_BASE - 4\nnop", "takes 4 bytes at 0x7ffffffc"),
])  # fmt: skip
def test_what_the_configuration_lacks_is_an_error_only_if_it_is_given(source: str, reason: str) -> None:
    (found,) = diagnostics(source, config=preset("tiny"))
    assert reason in found.reason
    assemble(source.replace("SRAM_BYTES", "0x4000"))


def test_all_errors_are_told_at_once_in_order_and_twenty_are_shown() -> None:
    source = "\n".join(["good: nop", "j nowhere", *[f"addi a0, a0, {5000 + i}" for i in range(30)], "j good"])
    with pytest.raises(AssemblyError) as raised:
        assemble(source, "bad.s")
    assert [found.line.number for found in raised.value.diagnostics] == list(range(2, 33))
    shown = str(raised.value).split("\n")
    assert sum(": error: " in line for line in shown) == 20
    assert shown[-1] == "and 11 more"


def test_an_error_in_a_line_leaves_its_label_defined() -> None:
    assert [found.line.number for found in diagnostics("here: bogus\nj here\nbeq a0, a1, here")] == [1]


def test_a_layout_that_depends_on_itself_is_an_error() -> None:
    (found,) = diagnostics("nop\n.space last - SRAM_BASE\nlast: nop")
    assert "the layout does not settle" in found.reason


def test_deep_expressions_are_an_error_and_no_crash() -> None:
    (found,) = diagnostics(f".word {'-' * 5000}1")
    assert "too many parts" in found.reason
    (found,) = diagnostics(f".equ x, {'1+' * 5000}1")
    assert "too many parts" in found.reason


TOKENS = st.sampled_from([
    *list(INSTRUCTIONS)[::7], "li", "la", "call", "a0", "x5", "v1", "m0", "p1", "f15",
    "(", ")", "+", "-", ",", ",", ",", " ", "\n", "\n", ":",
    "1", "0x10", "1b", "2f", "name", "other", ".", ".word", ".zero", ".org", ".equ", ".align", ".section", ".data", ".float",
    "1.5", '"', "'", "\\", "/*", "*/", "#", "%hi(", "%pcrel_lo(", "<<", "/", "%", "~", "mepc", "rw", "\t", "é", "\0", "\r",
])  # fmt: skip
LINES = st.lists(TOKENS, max_size=30)


@settings(max_examples=600)
@given(source=st.one_of(LINES.map("".join), LINES.map(" ".join), st.text(max_size=40)))
def test_any_text_assembles_or_is_refused_with_a_place(source: str) -> None:
    told: tuple[Diagnostic, ...] | None = None
    try:
        assemble(source, config=preset("tiny"))
    except AssemblyError as error:
        told = error.diagnostics
    assert told is None or told
    for found in told or ():
        assert 0 <= found.span.start <= len(found.line.text)
        assert found.reason in str(found)
