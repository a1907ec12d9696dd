# SPDX-License-Identifier: Apache-2.0
"""Instructions with operands in every form that the assembler takes; simple forms come first, so that examples shrink to them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

from golden.isa import SCALAR_REGISTERS, Instruction
from golden.layout import CSR_NUMBERS

#: Where the tests put the instruction.
ADDRESS = 0x8000_4000


@dataclass(frozen=True)
class Written:
    """An operand as text, and the value that it has."""

    text: str
    value: int


def _forms(value: int) -> list[str]:
    """Ways to write a number."""
    negated = f"~{~value}" if value < 0 else f"-(-{value})"
    return [str(value), hex(value), f"({value} + 1 - 1)", f"{value:#_b}", negated, f"K+{value}-K"]


@st.composite
def numbers(draw: st.DrawFn, low: int, high: int, step: int = 1) -> Written:
    """A number of a range, written somehow."""
    value = draw(st.one_of(st.integers(low // step, high // step).map(lambda n: n * step), st.sampled_from([low, high])))
    return Written(draw(st.sampled_from(_forms(value))), value)


@st.composite
def scalars(draw: st.DrawFn) -> Written:
    """A scalar register by any of its names."""
    number = draw(st.integers(0, 31))
    names = [SCALAR_REGISTERS[number], f"x{number}", *(["fp"] if number == 8 else [])]
    return Written(draw(st.sampled_from(names)), number)


@st.composite
def targets(draw: st.DrawFn, reach: int) -> Written:
    """A jump's target: an address, or relative to the instruction."""
    distance = draw(st.one_of(st.integers(-reach // 2, reach // 2 - 1), st.sampled_from([-reach // 2, reach // 2 - 1]))) * 2
    forms = [f". + {distance}", f"{ADDRESS + distance:#x}", f"here {'+' if distance >= 0 else '-'} {abs(distance)}"]
    return Written(draw(st.sampled_from(forms)), distance)


def _order() -> st.SearchStrategy[Written]:
    bits = {"i": 8, "o": 4, "r": 2, "w": 1}
    letters = st.sets(st.sampled_from("iorw"), min_size=1).map(sorted)
    named = letters.map(lambda chosen: Written("".join(chosen), sum(bits[letter] for letter in chosen)))
    return st.one_of(named, numbers(0, 15))


def operands(name: str) -> st.SearchStrategy[Written]:
    """Values of an operand of the instruction table."""
    match name:
        case "rd" | "rs1" | "rs2":
            return scalars()
        case "vd" | "vs1" | "vs2":
            return st.integers(0, 31).map(lambda number: Written(f"v{number}", number))
        case "md":
            return st.integers(0, 7).map(lambda number: Written(f"m{number}", number))
        case "pd" | "ps1" | "ps2" | "pm":
            return st.integers(0, 7).map(lambda number: Written(f"p{number}", number))
        case "fmt" | "fab":
            return st.integers(0, 15).map(lambda number: Written(f"f{number}", number))
        case "part":
            return numbers(0, 15)
        case "sem" | "zimm" | "shamtw":
            return numbers(0, 31)
        case "shamt":
            return numbers(0, 63)
        case "imm_i" | "imm_s":
            return numbers(-2048, 2047)
        case "imm_u":
            return numbers(-(1 << 19), (1 << 20) - 1)
        case "imm_b":
            return targets(1 << 12)
        case "imm_j":
            return targets(1 << 20)
        case "csr":
            named = st.sampled_from(list(CSR_NUMBERS)).map(lambda name: Written(name, CSR_NUMBERS[name]))
            return st.one_of(named, numbers(0, 4095))
        case "pred" | "succ":
            return _order()
    raise ValueError(f"operand '{name}' has no strategy")


@st.composite
def instructions(draw: st.DrawFn, row: Instruction) -> tuple[str, dict[str, int]]:
    """Source of one instruction and the values of its operands; optional ones are left out at times, and are 0 then."""
    chosen = {name: draw(operands(name)) for name in row.operands}
    if len(row.post_increment) == 2:
        first, second = row.post_increment
        if chosen[first].value % 2 == chosen[second].value % 2:
            other = chosen[second].value ^ 1
            chosen[second] = Written(f"x{other}", other)
    required, bracket, optional = row.syntax.removesuffix("]").partition("[")
    written = required
    if bracket and draw(st.booleans()):
        written += optional
    elif bracket:
        chosen |= {name: Written("", 0) for name in row.optional_operands}
    text = re.sub(r"[a-z_0-9]+", lambda name: chosen[name[0]].text, written)
    for name in ("imm_i", "imm_s"):
        if name in chosen and chosen[name].value == 0 and f"{name}(rs1)" in row.syntax and draw(st.booleans()):
            text = text.replace(f"{chosen[name].text}({chosen['rs1'].text})", f"({chosen['rs1'].text})")
    space = draw(st.sampled_from([" ", "\t", "  "]))
    return f"{row.mnemonic}{space}{text}", {name: operand.value for name, operand in chosen.items()}
