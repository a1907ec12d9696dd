# SPDX-License-Identifier: Apache-2.0
"""The instruction reference, made from the instruction table."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Literal

from golden.config import NodeConfig
from golden.isa import CUSTOM_0, CUSTOM_1, INSTRUCTIONS, OPERAND_FIELDS, Extension, Instruction, Unit
from golden.layout import BIAS_BITS, INJECTED_CSRS, MHPMCOUNTER_BASE, MHPMEVENT_BASE, PERFORMANCE_COUNTERS, Csr, Flag, FormatKind
from golden.permute import transpose_group
from sw.assembler.instructions import MACROS, PSEUDO_INSTRUCTIONS, pieces
from sw.assembler.syntax import Memory, Name, Node, Number, Register
from sw.encoding import OPERANDS

_WORD_BITS = 32

_D1 = NodeConfig()

#: Registers that hold an 8 x 8 matrix.
_GROUPS = " and ".join(
    f"{count} for {bits}-bit elements" for bits in (8, 16, 32) for count in (transpose_group(_D1, bits),)
).replace(" and ", ", ", 1)

_FORMAT_NAMES = {
    FormatKind.BF16: "BF16",
    FormatKind.CFP8_143: "CFP8 1-4-3",
    FormatKind.CFP8_152: "CFP8 1-5-2",
    FormatKind.SHP: "SHP",
    FormatKind.UHP: "UHP",
    FormatKind.FP32: "FP32",
}

#: Words of a paragraph that are names of registers, operands or mnemonics.
_NAMED = re.compile(r"\b(?:[pf]\d+|pm|v[ds]1?|part|fab(?: \^ 1)?|d1|setfmt|m(?:format\d|flags|seed|ld)|vrcp|vrsqrt|vexp2|vtrn)\b")


def _bits(high: int, low: int) -> str:
    return f"{high}:{low}" if high != low else f"{high}"


def encoding_fields(row: Instruction) -> list[tuple[int, int, str]]:
    """The fields of an instruction word from high to low, as (high bit, low bit, contents).

    Contents are binary digits, a dash for bits that are ignored, or an operand's name with the bits of its value if they
    are not all in order.

    Parameters
    ----------
    row : Instruction
        The instruction.
    """
    owner: list[tuple[str, int]] = [("", 0)] * _WORD_BITS
    for name in row.operands:
        for word_bit, value_bit, bits in OPERANDS[name].chunks:
            for bit in range(bits):
                owner[word_bit + bit] = (name, value_bit + bit)
    fields: list[tuple[int, int, str]] = []
    high = _WORD_BITS - 1
    while high >= 0:
        name, value_bit = owner[high]
        low = high
        if name:
            while low and owner[low - 1] == (name, value_bit - (high - low) - 1):
                low -= 1
            lowest = value_bit - (high - low)
            whole = OPERAND_FIELDS[name].bit_count() == high - low + 1 and lowest == 0
            fields.append((high, low, name if whole else f"{name}[{_bits(value_bit, lowest)}]"))
        else:
            fixed = row.mask >> high & 1
            # Boundaries of the R format's fields keep diagrams of neighbours comparable.
            while low and not owner[low - 1][0] and row.mask >> low - 1 & 1 == fixed and low not in (25, 20, 15, 12, 7):
                low -= 1
            digits = f"{row.match >> low & (1 << high - low + 1) - 1:0{high - low + 1}b}"
            fields.append((high, low, digits if fixed else "-"))
        high = low - 1
    return fields


def _show(node: Node) -> str:
    """Source text of an operand."""
    match node:
        case Name(name=name) | Register(name=name):
            return name
        case Number(value=number):
            return str(number)
        case Memory(offset=offset, base=base):
            return f"{_show(offset) if offset else '0'}({_show(base)})"
    raise TypeError(f"a pseudo-instruction expands to {node!r}, which the reference cannot show")


def pseudo_rows() -> list[tuple[str, str, bool]]:
    """Every pseudo-instruction as written, what it stands for, and whether that is an instruction or a description."""
    rows = []
    for pseudo in dict.fromkeys(PSEUDO_INSTRUCTIONS.values()):
        operands = [Name(None, str(piece.name)) for piece in pieces(pseudo.syntax) if not piece.optional]
        mnemonic, expanded = pseudo.expand(*operands)
        # What may be left out is handed on as it is.
        optional = "".join(f"[, {piece.name}]" for piece in pieces(pseudo.syntax) if piece.optional)
        meaning = f"{mnemonic} {', '.join(map(_show, expanded))}{optional}"
        rows.append((f"{pseudo.mnemonic} {pseudo.syntax}".strip(), meaning, True))
    return rows + [(f"{macro.mnemonic} {macro.syntax}", macro.meaning, False) for macro in MACROS.values()]


#: Families of the SIMD unit: opcode and funct3 -> heading.
_SIMD_FAMILIES: dict[tuple[int, int], str] = {
    (CUSTOM_1, 0): "FP32 lanes",
    (CUSTOM_1, 2): "BF16 lanes, rounded to nearest",
    (CUSTOM_0, 7): "BF16 lanes, rounded stochastically",
    (CUSTOM_1, 3): "INT32 lanes",
    (CUSTOM_1, 4): "INT16 lanes",
    (CUSTOM_1, 5): "INT8 lanes",
    (CUSTOM_1, 6): "bits, permutations, widths",
    (CUSTOM_1, 7): "broadcasts of a lane, transposes",
    (CUSTOM_1, 1): "converts",
}

#: Types of lanes, as mnemonics end, in the order of the overview.
_LANES = ("f32", "bf16", "bf16.s", "i32", "i16", "i8")


def _family(row: Instruction) -> str:
    """The heading below which an instruction stands."""
    heading = f"{row.extension.value}: {row.unit.value}"
    if row.unit is Unit.SIMD:
        heading += f", {_SIMD_FAMILIES[row.match & 0x7F, row.match >> 12 & 7]}"
    return heading


def _groups() -> Iterator[tuple[str, list[Instruction]]]:
    """Instructions in the table's order, with a heading for each family of one extension and unit."""
    for extension in Extension:
        rows = [row for row in INSTRUCTIONS.values() if row.extension is extension]
        for heading in dict.fromkeys(map(_family, rows)):
            yield heading, [row for row in rows if _family(row) == heading]


def lane_operations() -> dict[str, dict[str, Instruction]]:
    """Operations that exist for several types of lanes: name without the type -> type -> instruction."""
    found: dict[str, dict[str, Instruction]] = {}
    for row in INSTRUCTIONS.values():
        name, _, lanes = row.mnemonic.partition(".")
        if row.unit is Unit.SIMD and lanes in _LANES:
            found.setdefault(name, {})[lanes] = row
    return found


def reference(format: Literal["text", "markdown"] = "text") -> str:
    """The whole reference.

    Parameters
    ----------
    format : "text" or "markdown"
        For the terminal, or as checked in as ``docs/isa.md``.

    Raises
    ------
    ValueError
        If it is another format.
    """
    if format == "text":
        return "\n".join(_text()) + "\n"
    if format == "markdown":
        return "\n".join(_markdown()) + "\n"
    raise ValueError(f"format '{format}' is not text or markdown")


def _diagram(row: Instruction) -> tuple[str, str]:
    """Bit numbers above contents, in columns."""
    columns = [(_bits(high, low), contents) for high, low, contents in encoding_fields(row)]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    above, below = (" | ".join(map(str.ljust, line, widths)) for line in lines)
    return above.rstrip(), below.rstrip()


def _text() -> Iterator[str]:
    explained = False
    for heading, rows in _groups():
        if rows[0].extension is Extension.XD1 and not explained:
            explained = True
            yield from _concepts_as_text()
        yield heading
        yield "-" * len(heading)
        for row in rows:
            yield f"{row.mnemonic} {row.syntax}".strip()
            yield f"    {row.function}"
            yield from (f"    {line}" for line in _diagram(row))
            yield f"    latency {row.latency_cycles}"
        yield ""
    yield "Pseudo-instructions"
    yield "-------------------"
    width = max(len(written) for written, _, _ in pseudo_rows())
    for written, meaning, _ in pseudo_rows():
        yield f"{written:{width}}  {meaning}"


#: What instructions of Xd1 share, by heading.
_CONCEPTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Vectors and masks",
        (
            f"A vector register is one line of SRAM: on d1 {_D1.line_bytes} bytes, which are {_D1.fp32_lanes} lanes of 32 "
            f"bits, {_D1.bf16_lanes} of 16 bits or {_D1.line_bytes} of 8 bits. Lane 0 is the lowest.",
            "Predicates p0 to p7 have one bit for each byte of a vector register. p0 is all ones, and writing it does nothing. "
            "The operand pm of a SIMD instruction masks: bytes of vd whose bit in pm is clear stay as they were. It may be left "
            "out, and is p0 then. A compare gives each lane's result to the bits of all its bytes, so that its predicate masks "
            "lanes of the same width; where pm is clear, the bits that it makes are clear too.",
        ),
    ),
    (
        "Format descriptors",
        (
            "Each thread has sixteen format descriptors, f0 to f15, and instructions name the one that they work with. A "
            f"descriptor is a bias, in bits 0 to {BIAS_BITS - 1}, and a kind, in bits {BIAS_BITS} to {BIAS_BITS + 2}: "
            + ", ".join(f"{kind.value} {_FORMAT_NAMES[kind]}" for kind in FormatKind)
            + ". Kinds 6 and 7 are written as 0. BF16, UHP and FP32 have fixed biases and ignore the field. After reset "
            "all descriptors are 0.",
            "setfmt writes one; the CSRs mformat0 to mformat3 hold four each, 16 bits apart, f0 lowest. Matrix steps name a "
            "pair: fab is the descriptor of A, its neighbour fab ^ 1 that of B. So f2 means A as f2 and B as f3, and f3 the "
            "reverse.",
        ),
    ),
    (
        "Flags and random bits",
        (
            "SIMD operations and converts set sticky flags in the CSR mflags: "
            + ", ".join(f"bit {flag.value.bit_length() - 1} {str(flag.name).lower().replace('_', ' ')}" for flag in Flag)
            + ". A lane counts if the mask bit of its lowest byte is set; in reductions all lanes count.",
            "Instructions that round stochastically take 24 bits for each element from generators of their thread, one per lane "
            "of 32 bits. Writing the CSR mseed starts them anew, so results depend on the program alone. Formats, rounding, "
            "flags and the order of sums are defined in arithmetic.md.",
        ),
    ),
    (
        "Latencies of SIMD instructions",
        (
            "They hold for lines of 64 bytes and a SIMD unit of full width. Where FP32 operations take n passes, those on BF16 "
            "lanes take 2n, and each pass beyond the first adds a cycle. vrcp, vrsqrt, vexp2 and reductions occupy a unit of "
            "their own, and other instructions go on meanwhile.",
        ),
    ),
    (
        "Transposes",
        (
            f"vtrn works on the registers that 64 elements fill: on d1 {_GROUPS}. vs1 is the first of them, and its number a "
            "multiple of theirs; part counts them from 0. Anything else is an illegal instruction.",
        ),
    ),
    (
        "Latencies of matrix instructions",
        (
            "Those in the table are distances to the next step, clear or load of the same accumulator, and hold for a matrix "
            "unit of full width. A store of the accumulator can be issued 9 cycles after its last step, clear or load, 11 after "
            "two steps in one instruction; a unit of two passes adds 5, one of n, four or more, adds 5 + n. Loads and stores of "
            f"accumulators take one cycle for each line, {_D1.accumulator_lines} on d1, and distances from mld count from its "
            "last line.",
        ),
    ),
)


def _concepts_as_text() -> Iterator[str]:
    for heading, paragraphs in _CONCEPTS:
        yield heading
        yield "-" * len(heading)
        for paragraph in paragraphs:
            yield from textwrap.wrap(paragraph, 100)
        yield ""


def _concepts_as_markdown() -> Iterator[str]:
    yield "## Xd1"
    yield ""
    for heading, paragraphs in _CONCEPTS:
        yield f"### {heading}"
        yield ""
        for paragraph in paragraphs:
            named = _NAMED.sub(r"`\g<0>`", paragraph).replace("arithmetic.md", "[arithmetic.md](arithmetic.md)")
            yield from (*textwrap.wrap(named, 120, break_long_words=False, break_on_hyphens=False), "")
    yield "### Lane operations"
    yield ""
    yield "Latency of each operation by the type of its lanes; what they do stands in the tables below."
    yield ""
    yield f"| operation | {' | '.join(f'`.{lanes}`' for lanes in _LANES)} |"
    yield f"|---|{'---|' * len(_LANES)}"
    for name, by_lanes in lane_operations().items():
        cells = [str(by_lanes[lanes].latency_cycles) if lanes in by_lanes else "" for lanes in _LANES]
        yield f"| `{name}` | {' | '.join(cells)} |"
    yield ""


_INTRODUCTION = """# Instruction reference

Generated from [`golden/isa.py`](../golden/isa.py) by `d1 isa --markdown`; a test keeps it current. All instructions are
32 bits wide. RV64I, M, Zicsr and Zifencei follow the RISC-V specification; Xd1 is this project's own.

*Latency*: cycles from an instruction's issue to that of one of the same thread that needs its result, without conflicts.
*Encoding*: fields from bit 31 down to bit 0; `-` is ignored. Traps are described in [architecture.md](architecture.md).

| operand | bits | meaning |
|---|---|---|"""


_MEANINGS = {
    "rd rs1 rs2": "scalar register, `x0` to `x31` or its ABI name",
    "vd vs1 vs2": "vector register, `v0` to `v31`: one line",
    "pd ps1 ps2": "predicate, `p0` to `p7`: one bit per byte of a line",
    "pm": "predicate that masks; `[, pm]` may be left out and is `p0` then",
    "fmt": "format descriptor, `f0` to `f15`",
    "fab": "format descriptor of A; that of B is its neighbour, `fab ^ 1`",
    "part": "0 to 15",
    "md": "accumulator, `m0` to `m7` at most: M x N in FP32",
    "sem": "semaphore of the node",
    "imm_i imm_s": "signed 12 bits",
    "imm_b imm_j": "label or address; its distance is even and signed, of 13 and 21 bits",
    "imm_u": "20 bits, signed or unsigned",
    "shamt shamtw zimm": "0 to 63, 0 to 31, 0 to 31",
    "csr": "CSR by name or number",
    "pred succ": "letters of `iorw`, or `0`",
}


def _positions(name: str) -> str:
    """Where an operand's bits lie in the word, high bits of the value first."""
    chunks = sorted(OPERANDS[name].chunks, key=lambda chunk: -chunk[1])
    return ", ".join(_bits(word_bit + bits - 1, word_bit) for word_bit, _, bits in chunks)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _markdown() -> Iterator[str]:
    yield _INTRODUCTION
    for names, meaning in _MEANINGS.items():
        listed = names.split()
        yield f"| {', '.join(f'`{name}`' for name in listed)} | {'; '.join(map(_positions, listed))} | {meaning} |"
    yield "| `(rs1)+` | | memory at `rs1`, which then advances |"
    yield ""
    explained = False
    for heading, rows in _groups():
        if rows[0].extension is Extension.XD1 and not explained:
            explained = True
            yield from _concepts_as_markdown()
        yield f"## {heading}"
        yield ""
        yield "| instruction | function | encoding, bits 31 to 0 | latency |"
        yield "|---|---|---|---|"
        for row in rows:
            written = f"`{f'{row.mnemonic} {row.syntax}'.strip()}`"
            fields = " ".join(f"`{contents}`" for _, _, contents in encoding_fields(row))
            yield f"| {written} | {_cell(row.function)} | {fields} | {row.latency_cycles} |"
        yield ""
    yield "## Pseudo-instructions"
    yield ""
    yield "| written | stands for |"
    yield "|---|---|"
    for written, meaning, is_instruction in pseudo_rows():
        yield f"| `{written}` | {f'`{meaning}`' if is_instruction else meaning} |"
    yield ""
    yield "## CSRs"
    yield ""
    yield "| number | name |"
    yield "|---|---|"
    registers = [
        (f"{int(csr):#05x}", f"`{csr.name.lower()}`" + (", for a debugger only" if csr in INJECTED_CSRS else "")) for csr in Csr
    ]
    for name, base in (("mhpmevent", MHPMEVENT_BASE), ("mhpmcounter", MHPMCOUNTER_BASE)):
        first, last = PERFORMANCE_COUNTERS[0], PERFORMANCE_COUNTERS[-1]
        registers.append((f"{base + first:#05x}-{base + last:#05x}", f"`{name}{first}` to `{name}{last}`"))
    yield from (f"| {number} | {named} |" for number, named in sorted(registers))
