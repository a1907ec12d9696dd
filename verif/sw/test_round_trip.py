# SPDX-License-Identifier: Apache-2.0
"""Assembler and disassembler are inverse: from text to words and back, and from any word to text and back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.isa import INSTRUCTIONS, OPERAND_FIELDS, Instruction, decode
from golden.program import Program
from sw.assembler import assemble
from sw.disassembler import disassemble, listing
from sw.encoding import OPERANDS, decode_operands, defect
from verif.sw.strategies import ADDRESS, instructions

ROWS = list(INSTRUCTIONS.values())


def word_of(text: str) -> int:
    """The word of one instruction at ADDRESS, where the label ``here`` stands and K is 100."""
    program = assemble(f"here: {text}", base=ADDRESS, defines={"K": 100})
    ((address, contents),) = program.segments
    assert (address, len(contents)) == (ADDRESS, 4)
    return int.from_bytes(contents, "little")


@pytest.mark.parametrize("name", OPERANDS)
def test_operand_occupies_exactly_the_bits_that_the_instruction_table_gives_it(name: str) -> None:
    occupied = 0
    for word_bit, _, bits in OPERANDS[name].chunks:
        piece = (1 << bits) - 1 << word_bit
        assert not occupied & piece
        occupied |= piece
    assert occupied == OPERAND_FIELDS[name]


@pytest.mark.parametrize("name", OPERANDS)
@given(data=st.data())
def test_operand_value_survives_its_field(name: str, data: st.DataObject) -> None:
    operand = OPERANDS[name]
    value = data.draw(st.integers(operand.low // operand.multiple, operand.high // operand.multiple)) * operand.multiple
    word = operand.insert(value)
    assert word & ~OPERAND_FIELDS[name] == 0
    # imm_u is read back unsigned.
    assert operand.extract(word) == (value % (1 << 20) if name == "imm_u" else value)


@pytest.mark.parametrize("row", ROWS, ids=INSTRUCTIONS.keys())
@settings(max_examples=40)
@given(data=st.data())
def test_every_operand_form_assembles_to_its_fields_and_survives_disassembly(row: Instruction, data: st.DataObject) -> None:
    text, values = data.draw(instructions(row))
    word = word_of(text)
    assert decode(word) is row
    for name, value in values.items():
        bits = OPERANDS[name].insert(value)
        assert word & OPERAND_FIELDS[name] == bits, f"{name} of {text}"
    for name in row.optional_operands:
        assert (disassemble(word).split(", ")[-1] == f"p{values[name]}") == (values[name] != 0)
    relative, absolute = disassemble(word), disassemble(word, ADDRESS)
    assert relative.split()[0] == absolute.split()[0] == row.mnemonic
    assert word_of(relative) == word_of(absolute) == word


def words_near_instructions() -> st.SearchStrategy[int]:
    """Words of which most are instructions: fixed bits of a row, anything else at random, up to two bits flipped."""

    def make(row_index: int, rest: int, flips: list[int]) -> int:
        row = ROWS[row_index]
        word = row.match | rest & ~row.mask & 0xFFFF_FFFF
        for bit in flips:
            word ^= 1 << bit
        return word

    return st.builds(
        make,
        st.integers(0, len(ROWS) - 1),
        st.integers(0, 0xFFFF_FFFF),
        st.lists(st.integers(0, 31), max_size=2),
    )


@settings(max_examples=1000)
@given(word=st.one_of(words_near_instructions(), st.integers(0, 0xFFFF_FFFF)))
def test_disassembly_of_any_word_assembles_to_the_same_word(word: int) -> None:
    assert word_of(disassemble(word)) == word
    assert word_of(disassemble(word, ADDRESS)) == word


@settings(max_examples=500)
@given(word=words_near_instructions())
def test_disassembler_names_every_word_that_some_node_executes(word: int) -> None:
    decoded = decode_operands(word)
    row = decode(word)
    shown = disassemble(word).split()[0]
    if row is None or decoded is None or defect(*decoded):
        assert shown == ".word"
    elif row.mnemonic != "fence":
        assert shown == row.mnemonic


def test_words_without_meaning_are_shown_as_data_with_the_reason() -> None:
    assert disassemble(0) == ".word 0x00000000"
    assert disassemble(0xFFFF_FFFF) == ".word 0xffffffff"
    equal_parity = word_of("mstep.bf16.pp m0, (a0)+, (a1)+") ^ 1 << 20
    assert disassemble(equal_parity) == f".word {equal_parity:#010x}  # illegal: mstep.bf16.pp m0, (a0)+, (a0)+"
    eighth = word_of("mzero m0") | 8 << 7
    assert disassemble(eighth) == f".word {eighth:#010x}"
    assert disassemble(0x8330_000F) == ".word 0x8330000f  # fence rw, rw, with reserved bits set"


def test_targets_are_shown_by_name_where_there_is_one() -> None:
    word = word_of("beq a0, a1, . + 8")
    assert disassemble(word, 0x8000_0000, {"done": 0x8000_0008, "other": 4}) == "beq a0, a1, done"
    assert disassemble(word, 0x8000_0004, {"done": 0x8000_0008}) == "beq a0, a1, 0x8000000c"


def test_listing_of_a_program_assembles_to_the_same_bytes() -> None:
    seeded = random.Random(2)
    contents = seeded.randbytes(4 * 400 + 3)
    program = Program(((ADDRESS + 2, contents),), ADDRESS + 4, symbols={"first": ADDRESS + 4, "second": ADDRESS + 16})
    lines = [line for line in listing(program) if not line.endswith(">:")]
    source = "\n".join(line.split("  ", 3)[3] for line in lines)
    labelled = "\n".join(f".equ {name}, {value}" for name, value in program.symbols.items())
    assert assemble(f"{labelled}\n.org {ADDRESS + 2}\n{source}").segments == program.segments
    assert f"{ADDRESS + 16:#x} <second>:" in list(listing(program))
