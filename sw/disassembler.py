# SPDX-License-Identifier: Apache-2.0
"""The disassembler: instruction words to text that assembles to the same words."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping

from golden.program import Program
from sw.assembler.instructions import Piece, pieces
from sw.encoding import (
    CSR_NAMES,
    OPERANDS,
    ORDER_LETTERS,
    REGISTER_KINDS,
    OperandKind,
    decode_operands,
    defect,
    encode,
    register_name,
)  # fmt: skip

_MASK64 = (1 << 64) - 1


def disassemble(word: int, pc: int | None = None, symbols: Mapping[str, int] | None = None) -> str:
    """The text of one instruction.

    It assembles to the same word; if ``pc`` is given, at that address. What is no instruction, or illegal on every node,
    becomes ``.word`` with the reason as a comment. Masks that are p0 are left out.

    Parameters
    ----------
    word : int
        The 32-bit word.
    pc : int, optional
        Its address. Targets of jumps are then addresses; without it they are relative, ``. + 8``.
    symbols : mapping of str to int, optional
        Names for targets of jumps, used if ``pc`` is given.
    """
    raw = f".word {word:#010x}"
    decoded = decode_operands(word)
    if decoded is None:
        return raw
    row, values = decoded
    written = [piece for piece in pieces(row.syntax) if not (piece.optional and values[str(piece.name)] == 0)]
    text = f"{row.mnemonic} {', '.join(_piece(piece, values, pc, symbols or {}) for piece in written)}".strip()
    if defect(row, values):
        return f"{raw}  # illegal: {text}"
    if encode(row, values) != word:
        return f"{raw}  # {text}, with reserved bits set"
    return text


def _piece(piece: Piece, values: Mapping[str, int], pc: int | None, symbols: Mapping[str, int]) -> str:
    name = _operand(piece.name, values[piece.name], pc, symbols) if piece.name else ""
    if piece.base is None:
        return name
    return f"{name}({_operand(piece.base, values[piece.base], pc, symbols)}){'+' * piece.advances}"


def _operand(name: str, value: int, pc: int | None, symbols: Mapping[str, int]) -> str:
    operand = OPERANDS[name]
    if operand.kind in REGISTER_KINDS:
        return register_name(operand.kind, value)
    if operand.kind is OperandKind.CSR:
        return CSR_NAMES.get(value, f"{value:#x}")
    if operand.kind is OperandKind.ORDER:
        return "".join(letter for letter, bit in ORDER_LETTERS.items() if value & bit) or "0"
    if operand.kind is OperandKind.TARGET:
        return _target(value, pc, symbols)
    return f"{value:#x}" if name == "imm_u" else str(value)


def _target(distance: int, pc: int | None, symbols: Mapping[str, int]) -> str:
    if pc is None or not 0 <= pc + distance <= _MASK64:
        return f". {'-' if distance < 0 else '+'} {abs(distance)}"
    address = pc + distance
    named = [name for name, value in symbols.items() if value == address]
    return min(named) if named else f"{address:#x}"


def listing(program: Program) -> Iterator[str]:
    """A program's contents line by line: address, word, text; labels stand on lines of their own.

    Data cannot be told from code, and is shown as the instructions that it would be. Bytes that do not fill an aligned word
    are shown as ``.byte``.

    Parameters
    ----------
    program : Program
        What to list.
    """
    symbols = program.symbols
    labels = sorted((address, name) for name, address in symbols.items())
    for start, contents in program.segments:
        address, end = start, start + len(contents)
        while address < end:
            first = bisect.bisect_left(labels, (address, ""))
            for labelled, name in labels[first:]:
                if labelled != address:
                    break
                yield f"{address:#x} <{name}>:"
            step = min(4 - address % 4, end - address)
            piece = contents[address - start : address - start + step]
            if step == 4:
                word = int.from_bytes(piece, "little")
                yield f"  {address:#x}:  {word:08x}  {disassemble(word, address, symbols)}"
            else:
                yield f"  {address:#x}:  {piece[::-1].hex():8}  .byte {', '.join(f'{byte:#04x}' for byte in piece)}"
            address += step
