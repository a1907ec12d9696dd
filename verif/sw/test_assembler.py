# SPDX-License-Identifier: Apache-2.0
"""The assembler: words against LLVM's, values of expressions, data, layout, symbols."""

from __future__ import annotations

from decimal import Decimal

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, PRESETS, preset
from golden.layout import SRAM_BASE
from golden.program import Program
from sw.assembler import assemble
from sw.assembler.instructions import load_immediate
from verif.sw.llvm_words import LLVM_WORDS

MASK64 = (1 << 64) - 1


def memory(program: Program) -> dict[int, int]:
    """Byte by address."""
    return {address + i: byte for address, contents in program.segments for i, byte in enumerate(contents)}


def contents(source: str, **options: object) -> bytes:
    """The bytes of a source that makes one segment."""
    program = assemble(source, **options)  # type: ignore[arg-type]
    (segment,) = program.segments
    return segment[1]


def words(source: str) -> list[int]:
    data = contents(source)
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def value(expression: str, **options: object) -> int:
    """The value of an expression, as a signed double word."""
    return int.from_bytes(contents(f".dword {expression}", **options), "little", signed=True)


# -- instructions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", LLVM_WORDS)
def test_base_instructions_and_pseudo_instructions_equal_llvms(source: str) -> None:
    assert tuple(words(source)) == LLVM_WORDS[source]


@pytest.mark.parametrize("written, meant", [
    ("pmv p1, p2", "pand p1, p2, p2"),
    ("pnot p1, p2", "pandn p1, p0, p2"),
    ("pset p1", "pand p1, p0, p0"),
    ("pclr p1", "pandn p1, p0, p0"),
    ("vmv v1, v2", "vor v1, v2, v2"),
    ("vmv v1, v2, p3", "vor v1, v2, v2, p3"),
    ("vneg.f32 v1, v2", "vsgnjn.f32 v1, v2, v2"),
    ("vabs.bf16 v1, v2, p3", "vsgnjx.bf16 v1, v2, v2, p3"),
    ("vgt.f32 p1, v2, v3", "vlt.f32 p1, v3, v2"),
    ("vge.bf16 p1, v2, v3, p4", "vle.bf16 p1, v3, v2, p4"),
    ("vgt.i8 p1, v2, v3", "vlt.i8 p1, v3, v2"),
    ("vgtu.i16 p1, v2, v3, p4", "vltu.i16 p1, v3, v2, p4"),
])  # fmt: skip
def test_vector_pseudo_instruction_is_the_instruction_that_it_stands_for(written: str, meant: str) -> None:
    assert words(written) == words(meant)


def test_mask_that_is_left_out_is_p0() -> None:
    assert words("vadd.f32 v1, v2, v3\nvrcp.bf16 v1, v2") == words("vadd.f32 v1, v2, v3, p0\nvrcp.bf16 v1, v2, p0")


def executed(steps: list[tuple[str, int]]) -> int:
    """What the steps of a constant leave in the register."""

    def signed(value: int, bits: int) -> int:
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> bits - 1 else value

    register = 0
    for index, (mnemonic, immediate) in enumerate(steps):
        match mnemonic:
            case "lui":
                assert index == 0
                register = signed(immediate << 12, 32)
            case "addi":
                register = signed(register + immediate, 64)
            case "addiw":
                register = signed(register + immediate, 32)
            case "slli":
                register = signed(register << immediate, 64)
    return register & MASK64


def near_powers_of_two() -> st.SearchStrategy[int]:
    return st.builds(
        lambda exponent, delta, sign: sign * (1 << exponent) + delta & MASK64,
        st.integers(0, 63), st.integers(-4096, 4096), st.sampled_from([1, -1]),
    )  # fmt: skip


@settings(max_examples=1000)
@given(constant=st.one_of(near_powers_of_two(), st.integers(0, MASK64), st.integers(0, 1 << 33)))
def test_li_makes_every_64_bit_constant_in_at_most_eight_steps(constant: int) -> None:
    steps = load_immediate(constant)
    assert executed(steps) == constant
    assert executed(load_immediate(constant - (1 << 64))) == constant if constant >> 63 else True
    assert len(steps) <= 8
    # Whatever the immediate instructions' fields cannot hold, the encoder would refuse.
    source = f"li a0, {constant:#x}"
    assert len(words(source)) == len(steps)


def test_li_takes_values_that_are_only_known_further_below() -> None:
    source = "li a0, last - first\nli a1, last\nfirst: .zero 5000\nlast: nop\n"
    last = assemble(source).symbols["last"]
    assert words(source)[:-1] == words(f"li a0, 5000\nli a1, {last}\n.zero 5000")


@given(distance=st.one_of(st.integers(-(1 << 20), 1 << 20), st.sampled_from([-2049, -2048, 2047, 2048, 4095, 4096])))
def test_la_call_and_tail_reach_any_distance(distance: int) -> None:
    base = 0x8010_0000
    for source, low_at in (("la t0, {}", 0x13), ("call {}", 0x67), ("tail {}", 0x67)):
        data = contents(source.format(base + distance), base=base)
        high, low = (int.from_bytes(data[i : i + 4], "little") for i in (0, 4))
        assert (high & 0x7F, low & 0x7F) == (0x17, low_at)
        assert high >> 7 & 0x1F == low >> 15 & 0x1F
        upper = (high >> 12 ^ 0x8_0000) - 0x8_0000
        lower = (low >> 20 ^ 0x800) - 0x800
        assert (upper << 12) + lower == distance


def test_pcrel_pair_refers_to_the_target_of_its_upper_half() -> None:
    paired = "nop\nhigh: auipc a0, %pcrel_hi(value + 4)\nld a1, %pcrel_lo(high)(a0)\nsd a1, %pcrel_lo(high)(a0)\n"
    # value + 4 lies 0xffc behind the auipc: one page up, four bytes back.
    assert words(paired + ".equ value, 0x80000ffc") == words("nop\nauipc a0, 1\nld a1, -4(a0)\nsd a1, -4(a0)")


def test_hi_and_lo_add_up_to_any_address_in_reach_of_lui() -> None:
    assert words("lui a0, %hi(0x12345fff)\naddi a0, a0, %lo(0x12345fff)") == words("lui a0, 0x12346\naddi a0, a0, -1")


def test_numeric_labels_refer_to_the_nearest_definition() -> None:
    source = "1: nop\n j 1b\n j 1f\n1: j 1b\n2: j 2b\n j 1f\n1:\n"
    assert words(source) == words("nop\nj . - 4\nj . + 4\nj .\nj .\nj . + 4")


def test_registers_are_known_by_all_their_names() -> None:
    assert words("add x0, x1, x31\nadd fp, s0, x8") == words("add zero, ra, t6\nadd s0, s0, s0")


def test_offset_of_zero_may_be_left_out() -> None:
    assert words("ld a0, (a1)\nsd a0, (a1)\njalr ra, (a1)\nvld v1, (a1)") == words(
        "ld a0, 0(a1)\nsd a0, 0(a1)\njalr ra, 0(a1)\nvld v1, 0(a1)"
    )


# -- expressions ------------------------------------------------------------------------------------------------------


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Expressions that mean the same in Python, which has C's order of these operators."""
    kind = draw(st.sampled_from(["literal", "binary", "unary", "parentheses", "shift"] if depth else ["literal"]))
    if kind == "literal":
        return draw(st.one_of(st.integers(0, 1000).map(str), st.integers(0, 1000).map(hex), st.just("K")))
    inner = draw(expressions(depth - 1))
    if kind == "binary":
        return f"{inner} {draw(st.sampled_from('+-*&|^'))} {draw(expressions(depth - 1))}"
    if kind == "unary":
        return draw(st.sampled_from("-~+")) + inner
    # Shifts stand in parentheses, so that counts stay what they are.
    return f"({inner})" if kind == "parentheses" else f"(({inner}) {draw(st.sampled_from(['<<', '>>']))} 3)"


@settings(max_examples=500)
@given(expression=expressions())
def test_expressions_have_pythons_values(expression: str) -> None:
    expected = eval(expression, {"K": 77})
    written = f"({expression}) & 0x7fffffffffffffff"
    assert value(written, defines={"K": 77}) == expected & MASK64 >> 1


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", 3), ("-7 / 2", -3), ("7 / -2", -3), ("-7 % 3", -1), ("7 % -3", 1), ("-8 >> 1", -4), ("1 << 62", 1 << 62),
        ("'a'", 97), (r"'\n'", 10), (r"'\''", 39), (r"'\x41'", 65), ("1_000", 1000), ("0xdead_beef", 0xDEADBEEF), ("0b101", 5),
        ("0o17", 15), (". - start", 16), ("later - start", 24), ("2 + 3 * 4", 14), ("1 | 2 ^ 3 & 4 << 1", 3),
    ],
)  # fmt: skip
def test_expression_has_value(expression: str, expected: int) -> None:
    data = contents(f"start: .zero 16\n.dword {expression}\nlater:")
    assert int.from_bytes(data[16:], "little", signed=True) == expected


@pytest.mark.parametrize("name", PRESETS)
def test_sizes_of_the_configuration_are_predefined(name: str) -> None:
    config = preset(name)
    expected = {
        "LINE_BYTES": config.line_bytes, "SRAM_BYTES": config.sram_bytes, "THREADS": config.threads,
        "ACCUMULATORS": config.accumulators, "SEMAPHORES": config.semaphores, "SRAM_BASE": SRAM_BASE,
        "CONTROL_PAGE": CONTROL_PAGE_OFFSET, "BLOCK_BYTES": config.block_bytes, "MATRIX_M": config.matrix_m,
        "MATRIX_N": config.matrix_n, "ACC_BYTES": config.accumulator_bytes,
    }  # fmt: skip
    for symbol, size in expected.items():
        assert value(symbol, config=config) == size


def test_defines_come_before_predefined_symbols() -> None:
    assert value("LINE_BYTES", config=preset("d1"), defines={"LINE_BYTES": 5}) == 5


# -- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".byte 1, -1, 255, 'A'", "01ffff41"),
        (".half 1, -2, 0xffff", "0100feffffff"),
        (".word 0x12345678, -1", "78563412ffffffff"),
        (".dword 1", "0100000000000000"),
        (".quad -1", "ffffffffffffffff"),
        (r'.ascii "a\n\0\x7f", "é;#"', "610a007f" + "é;#".encode().hex()),
        ('.asciz "ab"', "616200"),
        ('.string "a", "b"', "61006200"),
        (".byte 7\n.zero 2\n.space 2, 0xff\n.skip 1", "070000ffff00"),
        (".fill 2, 3, 0x010203", "030201030201"),
        (".fill 2", "0000"),
        (".byte 1\n.align 2\n.byte 2", "0100000002"),
        (".byte 1\n.p2align 1\n.byte 2", "010002"),
        (".byte 1\n.balign 4, 0xee\n.byte 2", "01eeeeee02"),
        (".float 1.0, -2, 1e-45, inf, -inf, nan, 0.1", "0000803f000000c0010000000000807f000080ff0000c07fcdcccc3d"),
        (".bf16 1.0, -0.0, 3.14159", "803f00804940"),
    ],
)
def test_data_directive_makes_bytes(source: str, expected: str) -> None:
    assert contents(source).hex() == expected


@given(number=st.floats(allow_nan=False, allow_infinity=False, min_value=-3.3e38, max_value=3.3e38))
def test_decimal_numbers_are_rounded_to_float_once(number: float) -> None:
    assert contents(f".float {number!r}") == np.float32(number).tobytes()


@given(significand=st.integers(0x80, 0xFF), exponent=st.integers(-140, 110), offset=st.integers(-1, 1))
def test_decimal_numbers_at_midpoints_are_rounded_to_bf16_once(significand: int, exponent: int, offset: int) -> None:
    # A hair beside the midpoint, which a detour through binary32 or binary64 would lose.
    scaled = (2 * significand + 1) * 10**70 + offset
    magnitude = f"{scaled}e-70"
    expected = significand + (offset > 0 or (offset == 0 and significand % 2))
    data = contents(f".bf16 {magnitude}")
    assert np.frombuffer(data, ml_dtypes.bfloat16)[0] == ml_dtypes.bfloat16(2 * expected)
    power = float(np.ldexp(np.float32(significand), exponent))
    # All digits: the shortest decimal that stands for a binary64 number may lie beside a midpoint of denormals.
    assert contents(f".bf16 {Decimal(power):e}") == ml_dtypes.bfloat16(power).tobytes()


def test_code_is_aligned_with_nops() -> None:
    assert words("nop\n.align 4\nnop") == [0x13] * 5


def test_comments_of_every_kind_are_blank() -> None:
    source = "nop # a\nnop // b\nnop ; c\nnop /* d */\n/* e\nnop\n*/ nop\n.byte ';', '#'\n.ascii \"/* // #\""
    assert contents(source) == contents("nop\n" * 5) + b";#/* // #"


# -- layout -----------------------------------------------------------------------------------------------------------


def test_sections_follow_one_another_in_standard_order_and_begin_at_lines() -> None:
    first = ".bss\nz: .zero 3\n.data\nd: .byte 1\n.section .own\no: .byte 9\n"
    second = ".rodata\nr: .byte 2\n.text\n_start: nop\n.data\n.byte 5"
    program = assemble(first + second, config=preset("tiny"))
    assert program.segments == (
        (0x8000_0000, bytes.fromhex("13000000")),
        (0x8000_0010, b"\2"),
        (0x8000_0020, b"\1\5"),
        (0x8000_0030, bytes(3)),
        (0x8000_0040, b"\11"),
    )
    assert program.symbols == {
        "_start": 0x8000_0000, "r": 0x8000_0010, "d": 0x8000_0020, "z": 0x8000_0030, "o": 0x8000_0040
    }  # fmt: skip


def test_section_with_an_address_lies_there_and_moves_nothing_else() -> None:
    source = "nop\n.section .far, SRAM_BASE + 3 * 4096\nfar: .word far\n.section .near\nnear: .byte 1\n.section .far\n.byte 7"
    program = assemble(source)
    assert program.symbols == {"far": 0x8000_3000, "near": 0x8000_0040}
    assert memory(program)[0x8000_3004] == 7


def test_org_continues_at_an_address() -> None:
    program = assemble("nop\n.org SRAM_BASE + 0x100\nthere: nop\n.data\n.byte 1")
    assert program.symbols == {"there": 0x8000_0100}
    assert [address for address, _ in program.segments] == [0x8000_0000, 0x8000_0100, 0x8000_0140]


def test_base_moves_everything() -> None:
    at_zero, moved = (assemble("x: j x\n.data\ny: .dword y - x", base=base) for base in (SRAM_BASE, SRAM_BASE + 0x400))
    assert [(address + 0x400, data) for address, data in at_zero.segments] == list(moved.segments)


def test_sizes_may_depend_on_what_stands_below() -> None:
    data = contents(".space last - first, 1\nfirst: .zero 3\nlast:")
    assert data == b"\1" * 3 + bytes(3)


def test_entry_is_start_or_else_the_beginning_of_text() -> None:
    assert assemble("nop\n_start: nop").entry == SRAM_BASE + 4
    assert assemble(".data\n.byte 1\n.text\nnop").entry == SRAM_BASE
    assert assemble(".org 0x80000040\nnop").entry == SRAM_BASE + 0x40


def test_symbols_are_labels_and_exported_constants() -> None:
    source = ".globl exported\n.equ exported, 5\n.equ private, 6\nlabel: .Lhidden: 1: nop\n.data\ntohost: .dword 0"
    program = assemble(source)
    assert program.symbols == {"exported": 5, "label": SRAM_BASE, "tohost": SRAM_BASE + 64}
    assert program.tohost == SRAM_BASE + 64
    assert assemble("nop").tohost is None
