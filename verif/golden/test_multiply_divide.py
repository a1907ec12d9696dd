# SPDX-License-Identifier: Apache-2.0
"""M on the golden node against whole numbers, and the cases that the RISC-V specification tabulates."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.isa import INSTRUCTIONS, Extension
from golden.multiply_divide import MULTIPLY_DIVIDE
from verif.golden.encoding import encode, run_words

TINY = preset("tiny")
ALL_ONES = 2**64 - 1
LOWEST, LOWEST_WORD = 1 << 63, 0xFFFF_FFFF_8000_0000


def s(value: int, bits: int = 64) -> int:
    """Signed reading of the low bits."""
    return int.from_bytes((value % (1 << bits)).to_bytes(bits // 8, "little"), "little", signed=True)


def cut(quotient: Fraction) -> int:
    """Towards zero."""
    return quotient.numerator // quotient.denominator if quotient >= 0 else -(-quotient.numerator // quotient.denominator)


def quotient(a: int, b: int) -> int:
    return cut(Fraction(a, b)) if b else -1


def remainder(a: int, b: int) -> int:
    return a - b * quotient(a, b) if b else a


def word(function: Callable[[int, int], int], read: Callable[[int], int]) -> Callable[[int, int], int]:
    """A function of words, whose result is sign-extended."""
    return lambda a, b: s(function(read(a), read(b)), 32)


FORMULAS: dict[str, Callable[[int, int], int]] = {
    "mul": lambda a, b: a * b,
    "mulh": lambda a, b: s(a) * s(b) // 2**64,
    "mulhsu": lambda a, b: s(a) * b // 2**64,
    "mulhu": lambda a, b: a * b // 2**64,
    "mulw": word(lambda a, b: a * b, lambda a: a),
    "div": lambda a, b: quotient(s(a), s(b)),
    "divu": quotient,
    "rem": lambda a, b: remainder(s(a), s(b)),
    "remu": remainder,
    "divw": word(quotient, lambda a: s(a, 32)),
    "divuw": word(quotient, lambda a: a % 2**32),
    "remw": word(remainder, lambda a: s(a, 32)),
    "remuw": word(remainder, lambda a: a % 2**32),
}

#: What the specification tabulates: rs1, rs2 and results, by mnemonic.
TABULATED: dict[str, list[tuple[int, int, int]]] = {
    "div": [(7, 0, ALL_ONES), (LOWEST, 0, ALL_ONES), (LOWEST, ALL_ONES, LOWEST), (ALL_ONES - 6, 2, ALL_ONES - 2)],
    "divu": [(7, 0, ALL_ONES), (0, 0, ALL_ONES), (LOWEST, ALL_ONES, 0)],
    "rem": [(7, 0, 7), (ALL_ONES - 6, 0, ALL_ONES - 6), (LOWEST, ALL_ONES, 0), (ALL_ONES - 6, 2, ALL_ONES), (7, ALL_ONES - 1, 1)],
    "remu": [(7, 0, 7), (ALL_ONES, 0, ALL_ONES), (LOWEST, ALL_ONES, LOWEST)],
    "divw": [(7, 0, ALL_ONES), (1 << 32, 1 << 32, ALL_ONES), (LOWEST_WORD, ALL_ONES, LOWEST_WORD), (1 << 31, 1, LOWEST_WORD)],
    "divuw": [(7, 0, ALL_ONES), (1 << 31, 1, LOWEST_WORD), (LOWEST_WORD, 0xFFFF_FFFF, 0), (0x1_0000_0009, 3, 3)],
    "remw": [(1 << 31, 0, LOWEST_WORD), (LOWEST_WORD, ALL_ONES, 0), (0xFFFF_FFF9, 2, ALL_ONES)],
    "remuw": [(1 << 31, 0, LOWEST_WORD), (0xFFFF_FFFF, 1 << 32, ALL_ONES), (7, 0x1_0000_0004, 3)],
    "mul": [(LOWEST, 2, 0), (ALL_ONES, ALL_ONES, 1)],
    "mulh": [(LOWEST, LOWEST, 1 << 62), (ALL_ONES, ALL_ONES, 0), (ALL_ONES, 1, ALL_ONES)],
    "mulhsu": [(ALL_ONES, ALL_ONES, ALL_ONES), (1, ALL_ONES, 0), (LOWEST, LOWEST, 0xC000_0000_0000_0000)],
    "mulhu": [(ALL_ONES, ALL_ONES, ALL_ONES - 1), (LOWEST, LOWEST, 1 << 62)],
    "mulw": [(1 << 31, 1, LOWEST_WORD), (0xFFFF, 0x1_0001, ALL_ONES), (1 << 32, 5, 0)],
}

#: Powers of two and their neighbours are where carries and signs go wrong.
edges = st.builds(lambda sign, power, offset: sign * (1 << power) + offset, st.sampled_from((1, -1)), st.integers(0, 64),
                  st.integers(-2, 2)).map(lambda value: value % 2**64)  # fmt: skip
values = st.one_of(st.integers(0, 15), edges, st.integers(0, ALL_ONES), st.integers(0, 2**32 - 1))


def test_every_instruction_of_m_has_a_formula_and_tabulated_cases() -> None:
    table = {name for name, row in INSTRUCTIONS.items() if row.extension is Extension.RV64M}
    assert table == FORMULAS.keys() == TABULATED.keys() == MULTIPLY_DIVIDE.keys()


@pytest.mark.parametrize("mnemonic", FORMULAS)
@settings(max_examples=300, deadline=None)
@given(a=values, b=values)
@example(a=LOWEST, b=ALL_ONES)
@example(a=LOWEST_WORD, b=ALL_ONES)
def test_result_is_that_of_whole_numbers(mnemonic: str, a: int, b: int) -> None:
    assert MULTIPLY_DIVIDE[mnemonic](a, b) == FORMULAS[mnemonic](a, b) % 2**64


@pytest.mark.parametrize("mnemonic", TABULATED)
def test_node_gives_what_the_specification_tabulates(mnemonic: str) -> None:
    for a, b, expected in TABULATED[mnemonic]:
        thread = run_words(TINY, encode(mnemonic, 7, 5, 6), encode("halt", 0), x={5: a, 6: b}).threads[0]
        assert (hex(thread.x[7]), thread.x[5], thread.x[6]) == (hex(expected), a, b), f"{mnemonic} {a:#x}, {b:#x}"


@pytest.mark.parametrize("mnemonic", FORMULAS)
def test_destination_may_be_an_operand_and_x0_stays_zero(mnemonic: str) -> None:
    words = [encode(mnemonic, 0, 5, 6), encode(mnemonic, 5, 5, 5), encode("halt", 0)]
    thread = run_words(TINY, *words, x={5: 0xFFFF_FFFF_FFFF_FFF0, 6: 3}).threads[0]
    assert thread.x[0] == 0
    assert thread.x[5] == FORMULAS[mnemonic](0xFFFF_FFFF_FFFF_FFF0, 0xFFFF_FFFF_FFFF_FFF0) % 2**64
