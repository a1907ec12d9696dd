# SPDX-License-Identifier: Apache-2.0
"""Scalar instructions of the golden node against formulas of the RISC-V specification, written a second time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.isa import INSTRUCTIONS, Extension, Unit
from golden.layout import SRAM_BASE, ThreadState
from verif.golden.encoding import encode, load_constant, run_words

TINY = preset("tiny")
TWO_64 = 1 << 64


def s(value: int, bits: int = 64) -> int:
    """Signed reading of the low bits."""
    size = bits // 8
    return int.from_bytes((value % (1 << bits)).to_bytes(size, "little"), "little", signed=True)


def word(value: int) -> int:
    """Result of a 32-bit operation in a register."""
    return s(value, 32) % TWO_64


REGISTER_FORMS: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: (a + b) % TWO_64,
    "sub": lambda a, b: (a - b) % TWO_64,
    "sll": lambda a, b: (a * 2 ** (b % 64)) % TWO_64,
    "slt": lambda a, b: 1 if s(a) < s(b) else 0,
    "sltu": lambda a, b: 1 if a < b else 0,
    "xor": lambda a, b: (a | b) - (a & b),
    "srl": lambda a, b: a // 2 ** (b % 64),
    "sra": lambda a, b: (s(a) // 2 ** (b % 64)) % TWO_64,
    "or": lambda a, b: a + b - (a & b),
    "and": lambda a, b: a + b - (a | b),
    "addw": lambda a, b: word(a + b),
    "subw": lambda a, b: word(a - b),
    "sllw": lambda a, b: word(a * 2 ** (b % 32)),
    "srlw": lambda a, b: word(a % 2**32 // 2 ** (b % 32)),
    "sraw": lambda a, b: word(s(a, 32) // 2 ** (b % 32)),
}
IMMEDIATE_FORMS = {
    "addi": "add", "slti": "slt", "sltiu": "sltu", "xori": "xor", "ori": "or", "andi": "and", "addiw": "addw",
}  # fmt: skip
SHIFT_FORMS = {"slli": "sll", "srli": "srl", "srai": "sra", "slliw": "sllw", "srliw": "srlw", "sraiw": "sraw"}
BRANCHES: dict[str, Callable[[int, int], bool]] = {
    "beq": lambda a, b: a - b == 0,
    "bne": lambda a, b: a - b != 0,
    "blt": lambda a, b: s(a) - s(b) < 0,
    "bge": lambda a, b: s(a) - s(b) >= 0,
    "bltu": lambda a, b: a - b < 0,
    "bgeu": lambda a, b: a - b >= 0,
}

CORNERS = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 63, (1 << 63) - 1, TWO_64 - 1)
values = st.one_of(st.integers(0, TWO_64 - 1), st.sampled_from(CORNERS), st.integers(0, 255))
immediates = st.integers(-2048, 2047)


def test_every_alu_and_branch_instruction_has_an_expectation() -> None:
    expected = {*REGISTER_FORMS, *IMMEDIATE_FORMS, *SHIFT_FORMS, *BRANCHES, "lui", "auipc", "jal", "jalr"}
    units = (Unit.ALU, Unit.BRANCH)
    table = {name for name, row in INSTRUCTIONS.items() if row.unit in units and row.extension is Extension.RV64I}
    assert table == expected


@pytest.mark.parametrize("mnemonic", REGISTER_FORMS)
@settings(max_examples=40, deadline=None)
@given(a=values, b=values)
@example(a=1 << 63, b=63)
@example(a=0x8000_0000, b=31)
def test_register_form_gives_the_formula(mnemonic: str, a: int, b: int) -> None:
    node = run_words(TINY, encode(mnemonic, 7, 5, 6), encode("halt", 0), x={5: a, 6: b})
    assert node.threads[0].x[7] == REGISTER_FORMS[mnemonic](a, b)


@pytest.mark.parametrize("mnemonic", IMMEDIATE_FORMS)
@settings(max_examples=30, deadline=None)
@given(a=values, immediate=immediates)
@example(a=0, immediate=-2048)
def test_immediate_form_takes_a_signed_immediate(mnemonic: str, a: int, immediate: int) -> None:
    node = run_words(TINY, encode(mnemonic, 7, 5, immediate), encode("halt", 0), x={5: a})
    assert node.threads[0].x[7] == REGISTER_FORMS[IMMEDIATE_FORMS[mnemonic]](a, immediate % TWO_64)


@pytest.mark.parametrize("mnemonic", SHIFT_FORMS)
@settings(max_examples=30, deadline=None)
@given(a=values, amount=st.integers(0, 63))
def test_shift_form_takes_all_amounts_of_its_width(mnemonic: str, a: int, amount: int) -> None:
    amount %= 32 if mnemonic.endswith("w") else 64
    node = run_words(TINY, encode(mnemonic, 7, 5, amount), encode("halt", 0), x={5: a})
    assert node.threads[0].x[7] == REGISTER_FORMS[SHIFT_FORMS[mnemonic]](a, amount)


@pytest.mark.parametrize("mnemonic", BRANCHES)
@settings(max_examples=40, deadline=None)
@given(a=values, b=values)
@example(a=5, b=5)
def test_branch_is_taken_exactly_if_its_condition_holds(mnemonic: str, a: int, b: int) -> None:
    words = [encode(mnemonic, 5, 6, 12), encode("addi", 7, 0, 1), encode("halt", 0), encode("addi", 7, 0, 2), encode("halt", 0)]
    node = run_words(TINY, *words, x={5: a, 6: b})
    assert node.threads[0].x[7] == (2 if BRANCHES[mnemonic](a, b) else 1)


@given(immediate=st.integers(0, (1 << 20) - 1))
@settings(max_examples=40, deadline=None)
def test_lui_and_auipc_sign_extend_their_32_bits(immediate: int) -> None:
    node = run_words(TINY, encode("lui", 7, immediate), encode("auipc", 8, immediate), encode("halt", 0))
    assert node.threads[0].x[7] == word(immediate << 12)
    assert node.threads[0].x[8] == (SRAM_BASE + 4 + word(immediate << 12)) % TWO_64


@given(value=values)
@settings(max_examples=40, deadline=None)
def test_constants_are_loaded_by_the_helper(value: int) -> None:
    assert run_words(TINY, *load_constant(9, value), encode("halt", 0)).threads[0].x[9] == value


def test_jal_links_and_jumps_both_ways() -> None:
    words = [encode("jal", 1, 12), encode("addi", 7, 7, 1), encode("halt", 0), encode("jal", 2, -8)]
    thread = run_words(TINY, *words).threads[0]
    assert (thread.x[1], thread.x[2], thread.x[7]) == (SRAM_BASE + 4, SRAM_BASE + 16, 1)
    assert thread.state is ThreadState.HALTED


def test_jalr_clears_bit_0_and_may_link_to_its_own_base() -> None:
    words = [encode("jalr", 1, 13, 1), encode("addi", 7, 0, 1), encode("halt", 0), encode("halt", 0)]
    thread = run_words(TINY, *words, x={1: SRAM_BASE}).threads[0]
    assert (thread.x[1], thread.x[7], thread.pc) == (SRAM_BASE + 4, 0, SRAM_BASE + 16)


def test_x0_reads_zero_whatever_is_written_to_it() -> None:
    node = run_words(TINY, encode("addi", 0, 0, 5), encode("add", 7, 0, 0), encode("halt", 0), x={7: 9})
    assert node.threads[0].x[7] == 0


LOADS = {
    "lb": (1, True),
    "lh": (2, True),
    "lw": (4, True),
    "ld": (8, True),
    "lbu": (1, False),
    "lhu": (2, False),
    "lwu": (4, False),
}


@pytest.mark.parametrize("mnemonic", LOADS)
@settings(max_examples=30, deadline=None)
@given(stored=st.binary(min_size=8, max_size=8), index=st.integers(0, 7))
def test_load_extends_what_lies_there(mnemonic: str, stored: bytes, index: int) -> None:
    size, extend = LOADS[mnemonic]
    position = index // size * size
    words = [encode("sd", 5, 0x100, 6), encode(mnemonic, 7, position + 0x100, 6), encode("halt", 0)]
    node = run_words(TINY, *words, x={5: int.from_bytes(stored, "little"), 6: SRAM_BASE})
    expected = int.from_bytes(stored[position : position + size], "little", signed=extend) % TWO_64
    assert node.threads[0].x[7] == expected


@pytest.mark.parametrize("mnemonic, size", [("sb", 1), ("sh", 2), ("sw", 4), ("sd", 8)])
def test_store_changes_its_bytes_only(mnemonic: str, size: int) -> None:
    value = 0x1122_3344_5566_7788
    for position in range(0, 8, size):
        words = [encode("sd", 8, -8, 6), encode(mnemonic, 5, position - 8, 6), encode("halt", 0)]
        node = run_words(TINY, *words, x={5: value, 6: SRAM_BASE + 0x108, 8: TWO_64 - 1})
        expected = bytearray(b"\xff" * 8)
        expected[position : position + size] = value.to_bytes(8, "little")[:size]
        assert node.sram[0xF8:0x110] == bytes(8) + expected + bytes(8)


def test_fence_and_wfi_do_nothing() -> None:
    node = run_words(TINY, encode("fence", 15, 15), encode("wfi"), encode("addi", 7, 0, 3), encode("halt", 7))
    assert node.threads[0].exit_code == 3


def test_fence_with_reserved_bits_set_is_still_a_fence() -> None:
    fence_tso = 0x8330_000F | 5 << 15 | 6 << 7
    thread = run_words(TINY, fence_tso, encode("halt", 0), x={6: 1}).threads[0]
    assert (thread.state, thread.x[6]) == (ThreadState.HALTED, 1)


def test_fence_i_with_reserved_bits_set_is_still_a_fence_i() -> None:
    finer = encode("fence.i") | 0xABC << 20 | 5 << 15 | 6 << 7
    thread = run_words(TINY, finer, encode("halt", 0), x={6: 1}).threads[0]
    assert (thread.state, thread.x[6]) == (ThreadState.HALTED, 1)


def test_code_stored_before_fence_i_is_what_runs_after_it() -> None:
    new = encode("addi", 7, 0, 2)
    target = SRAM_BASE + 8
    words = [
        encode("jal", 0, 8), encode("halt", 0),
        encode("addi", 7, 0, 1), encode("bne", 9, 0, -8),
        encode("addi", 9, 0, 1), encode("sw", 5, 0, 6), encode("fence.i"), encode("jal", 0, -20),
    ]  # fmt: skip
    assert run_words(TINY, *words, x={5: new, 6: target}).threads[0].x[7] == 2
