# SPDX-License-Identifier: Apache-2.0
"""The instruction reference, made from the instruction table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from golden.isa import INSTRUCTIONS, OPERAND_FIELDS, Extension, Instruction
from golden.layout import Csr
from sw.assembler.instructions import MACROS, PSEUDO_INSTRUCTIONS, pieces
from sw.assembler.syntax import Memory, Name, Node, Number, Register
from sw.encoding import OPERANDS

_WORD_BITS = 32


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
    for pseudo in PSEUDO_INSTRUCTIONS.values():
        operands = [Name(None, str(piece.name)) for piece in pieces(pseudo.syntax)]
        mnemonic, expanded = pseudo.expand(*operands)
        rows.append((f"{pseudo.mnemonic} {pseudo.syntax}".strip(), f"{mnemonic} {', '.join(map(_show, expanded))}", True))
    return rows + [(f"{macro.mnemonic} {macro.syntax}", macro.meaning, False) for macro in MACROS.values()]


def _groups() -> Iterator[tuple[str, list[Instruction]]]:
    """Instructions in the table's order, with a heading for each run of one extension and unit."""
    for extension in Extension:
        rows = [row for row in INSTRUCTIONS.values() if row.extension is extension]
        for unit in dict.fromkeys(row.unit for row in rows):
            yield f"{extension.value}: {unit.value}", [row for row in rows if row.unit is unit]


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
    for heading, rows in _groups():
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


_INTRODUCTION = """# Instruction reference

Generated from [`golden/isa.py`](../golden/isa.py) by `d1 isa --markdown`; a test keeps it current. All instructions are
32 bits wide. RV64I, Zicsr and Zifencei follow the RISC-V specification; Xd1 is this project's own.

*Latency*: cycles from an instruction's issue to that of one of the same thread that needs its result, without conflicts.
*Encoding*: fields from bit 31 down to bit 0; `-` is ignored. Traps are described in [architecture.md](architecture.md).

| operand | bits | meaning |
|---|---|---|"""


_MEANINGS = {
    "rd rs1 rs2": "scalar register, `x0` to `x31` or its ABI name",
    "vd vs1 vs2": "vector register, `v0` to `v31`: one line",
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
    for heading, rows in _groups():
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
    for csr in Csr:
        yield f"| {int(csr):#05x} | `{csr.name.lower()}` |"
