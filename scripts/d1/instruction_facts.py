# SPDX-License-Identifier: Apache-2.0
"""What a viewer has to know of an instruction word: its text, the registers that it names, and the result that comes late."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

from golden.isa import Unit, decode
from sw.disassembler import disassemble

__all__ = ["Label", "Register", "ResultKind", "Write", "late_result", "registers"]


class ResultKind(IntEnum):
    """Where a result goes that comes after its instruction has left X."""

    SCALAR = 0
    VECTOR = 1
    PREDICATE = 2


class Write(NamedTuple):
    """A register that is written at the end of a cycle, by an instruction that has left X before."""

    thread: int
    kind: ResultKind
    register: int


class Label:
    """The left pane of the viewer: address, the symbol at it or before it, and the instruction."""

    def __init__(self, symbols: Mapping[str, int]):
        self._symbols = symbols
        self._named = sorted((address, name) for name, address in symbols.items())

    def __call__(self, pc: int | None, word: int) -> str:
        if pc is None:
            return f"(injected) {disassemble(word)}"
        return f"{pc:#x}{self._place(pc)} {disassemble(word, pc, self._symbols)}"

    def _place(self, pc: int) -> str:
        index = bisect.bisect_right(self._named, (pc, "\U0010ffff"))
        if not index:
            return ""
        address, _ = self._named[index - 1]
        name = min(name for start, name in self._named[bisect.bisect_left(self._named, (address, "")) : index])
        return f" <{name}{f'+{pc - address:#x}' if pc > address else ''}>"


@functools.lru_cache(maxsize=1 << 14)
def _result(word: int) -> tuple[ResultKind, int] | None:
    """Where the result of an instruction goes that comes after its last cycle in X, if there is one."""
    row = decode(word)
    if row is None:
        return None
    register = word >> 7 & 0x1F
    if row.unit in (Unit.LOAD, Unit.MULTIPLY, Unit.DIVIDE):
        return (ResultKind.SCALAR, register) if register else None
    if "vd" in row.operands:
        return ResultKind.VECTOR, register
    if "pd" in row.operands:
        return (ResultKind.PREDICATE, register) if register else None
    return None


#: Operands that are registers: the letter of their kind, and the lowest bit of the field.
_READS = {
    "rs1": ("x", 15), "rs2": ("x", 20), "vs1": ("v", 15), "vs2": ("v", 20), "ps1": ("p", 15), "ps2": ("p", 20), "pm": ("p", 29),
}  # fmt: skip
_WRITES = {"rd": ("x", 7), "vd": ("v", 7), "pd": ("p", 7), "rs1": ("x", 15), "rs2": ("x", 20)}

#: Its kind, x, v or p, and its number.
Register = tuple[str, int]


@functools.lru_cache(maxsize=1 << 14)
def registers(word: int) -> tuple[tuple[Register, ...], tuple[Register, ...]]:
    """Registers that an instruction reads, and those that it writes; without x0 and p0, and without accumulators."""
    row = decode(word)
    if row is None:
        return (), ()

    def named(operands: Iterable[str], fields: Mapping[str, Register]) -> tuple[Register, ...]:
        found = ((kind, word >> low & (0x7 if kind == "p" else 0x1F)) for kind, low in (fields[name] for name in operands))
        return tuple(register for register in found if register[1] or register[0] == "v")

    reads = named((name for name in row.operands if name in _READS), _READS)
    writes = named([*(name for name in row.operands if name in ("rd", "vd", "pd")), *row.post_increment], _WRITES)
    return reads, writes


def late_result(thread: int, word: int) -> Write | None:
    """The write that comes after the last cycle of a thread's instruction in X, if there is one."""
    result = _result(word)
    return None if result is None else Write(thread, *result)
