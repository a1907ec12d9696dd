# SPDX-License-Identifier: Apache-2.0
"""Kernels as Python: a Builder has one method for every mnemonic, and makes the same Program as the assembler.

>>> from sw.builder import Builder, a0, a1, m0
>>> b = Builder()
>>> b.li(a1, 4)
>>> b.label("loop")
>>> b.mstep_bf16_pp(m0, a0, a1)
>>> b.addi(a1, a1, -1)
>>> b.bnez(a1, "loop")
>>> b.halt(a1)
>>> print(b.source)
    li a1, 4
loop:
    mstep.bf16.pp m0, (a0)+, (a1)+
    addi a1, a1, -1
    bnez a1, loop
    halt a1
"""

from __future__ import annotations

import difflib
import keyword
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from golden.layout import SRAM_BASE
from golden.program import Program
from sw.assembler import SourceLine, assemble_lines
from sw.assembler.instructions import MACROS, PSEUDO_INSTRUCTIONS, Piece, operand_counts, pieces
from sw.encoding import OPERANDS, REGISTER_COUNTS, REGISTER_KINDS, OperandKind, register_name


@dataclass(frozen=True)
class Register:
    """A register of one kind.

    Parameters
    ----------
    number : int
        0 to 31; of an accumulator or predicate, 0 to 7; of a format descriptor, 0 to 15.

    Raises
    ------
    ValueError
        If there is no such register.
    """

    number: int

    def __post_init__(self) -> None:
        count = REGISTER_COUNTS[self.kind]
        if not 0 <= self.number < count:
            raise ValueError(f"register {self.number} does not exist; {type(self).__name__} has 0 to {count - 1}")

    @property
    def kind(self) -> OperandKind:
        """Which operands it may be."""
        return _KINDS[type(self)]

    def __str__(self) -> str:
        return register_name(self.kind, self.number)


class X(Register):
    """A scalar register."""


class V(Register):
    """A vector register."""


class M(Register):
    """An accumulator."""


class P(Register):
    """A predicate."""


class F(Register):
    """A format descriptor."""


_KINDS: dict[type[Register], OperandKind] = {
    X: OperandKind.SCALAR,
    V: OperandKind.VECTOR,
    M: OperandKind.ACCUMULATOR,
    P: OperandKind.PREDICATE,
    F: OperandKind.FORMAT,
}

x = tuple(X(number) for number in range(32))
v = tuple(V(number) for number in range(32))
m = tuple(M(number) for number in range(8))
p = tuple(P(number) for number in range(8))
f = tuple(F(number) for number in range(16))
zero, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5 = x[:16]
a6, a7, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6 = x[16:]
v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15 = v[:16]
v16, v17, v18, v19, v20, v21, v22, v23, v24, v25, v26, v27, v28, v29, v30, v31 = v[16:]
m0, m1, m2, m3, m4, m5, m6, m7 = m
p0, p1, p2, p3, p4, p5, p6, p7 = p
f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15 = f

#: What an operand may be: a register, a number, or text that the assembler evaluates (label, expression, CSR name).
Value = Register | int | str


def method_name(mnemonic: str) -> str:
    """The Builder's method for a mnemonic: dots become underscores, Python's keywords get one at their end."""
    name = mnemonic.replace(".", "_")
    return name + "_" if keyword.iskeyword(name) else name


def _signatures() -> dict[str, tuple[str, dict[int, tuple[Piece, ...]]]]:
    """Method name -> mnemonic and, for each number of arguments, the written operands."""
    found: dict[str, tuple[str, dict[int, tuple[Piece, ...]]]] = {}
    rows = [(name, row.syntax) for name, row in INSTRUCTIONS.items()]
    rows += [(pseudo.mnemonic, pseudo.syntax) for pseudo in PSEUDO_INSTRUCTIONS.values()]
    rows += [(macro.mnemonic, macro.syntax) for macro in MACROS.values()]
    for mnemonic, syntax in rows:
        _, forms = found.setdefault(method_name(mnemonic), (mnemonic, {}))
        # Where a pseudo-instruction takes as many arguments as the real one, it is only another way to write it.
        written = pieces(syntax)
        for count in operand_counts(syntax):
            forms.setdefault(len(_arguments(written[:count])), written[:count])
    return found


def _arguments(written: Sequence[Piece]) -> list[str]:
    return [name for piece in written for name in (piece.name, piece.base) if name]


_SIGNATURES = _signatures()


def _checked(mnemonic: str, name: str, value: Value) -> str:
    """Text of an argument; TypeError at once if it is of another kind than the operand."""
    operand = OPERANDS.get(name)
    wants_register = operand is not None and operand.kind in REGISTER_KINDS
    if isinstance(value, Register):
        fits = operand is not None and operand.kind is value.kind
    else:
        fits = not wants_register and isinstance(value, int | str)
    if not fits:
        wanted = operand.kind.value if operand else "a value"
        raise TypeError(f"{mnemonic}: {name} must be {wanted}, not {value!r}")
    return str(value)


class Builder:
    """A program under construction.

    Every mnemonic, pseudo-instructions included, is a method that takes its operands in the order in which they are
    written: ``b.ld(a0, 8, sp)`` is ``ld a0, 8(sp)``. Dots are underscores: ``b.vadd_f32``; ``and``, ``or`` and ``not`` are
    ``and_``, ``or_`` and ``not_``. Errors of the assembler name the line of Python that emitted the instruction.

    Parameters
    ----------
    config : NodeConfig, optional
        The node that the program is for; see ``sw.assembler.assemble``.
    defines : mapping of str to int, optional
        More symbols.
    base : int
        Address of the first section.
    """

    def __init__(self, config: NodeConfig | None = None, defines: Mapping[str, int] | None = None, base: int = SRAM_BASE) -> None:
        self.config = config
        self.defines = dict(defines or {})
        self.base = base
        self._lines: list[SourceLine] = []
        self._names: dict[str, int] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in _SIGNATURES:
            near = difflib.get_close_matches(name, _SIGNATURES, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise AttributeError(f"there is no instruction '{name}'{hint}")
        mnemonic, forms = _SIGNATURES[name]

        def method(*arguments: Value) -> None:
            if len(arguments) not in forms:
                allowed = " or ".join(f"({', '.join(_arguments(form))})" for form in forms.values())
                raise TypeError(f"{name} takes {allowed}, but got {len(arguments)} arguments")
            remaining = iter(arguments)
            written = []
            for piece in forms[len(arguments)]:
                text = _checked(mnemonic, piece.name, next(remaining)) if piece.name else ""
                if piece.base:
                    text += f"({_checked(mnemonic, piece.base, next(remaining))}){'+' * piece.advances}"
                written.append(text)
            self._append(f"    {mnemonic} {', '.join(written)}".rstrip(), 2)

        return method

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_SIGNATURES]

    def _append(self, text: str, depth: int) -> None:
        caller = sys._getframe(depth)
        self._lines.append(SourceLine(text, caller.f_code.co_filename, caller.f_lineno))

    @property
    def source(self) -> str:
        """What was emitted, as assembler source."""
        return "\n".join(line.text for line in self._lines)

    def emit(self, text: str) -> None:
        """Any line of assembler source: directives, comments, instructions."""
        for line in text.split("\n"):
            self._append(line, 2)

    def label(self, name: str) -> None:
        """A label here."""
        self._append(f"{name}:", 2)

    def unique(self, stem: str = "l") -> str:
        """A new name for a label, which stays out of the program's symbols."""
        self._names[stem] = self._names.get(stem, -1) + 1
        return f".L{stem}.{self._names[stem]}"

    def section(self, name: str, address: int | str | None = None) -> None:
        """Continue in a section; ``address`` when it first appears places it."""
        self._append(f".section {name}" + (f", {address}" if address is not None else ""), 2)

    def align(self, boundary_bytes: int) -> None:
        """Go to the next multiple of a power of two."""
        self._append(f"    .balign {boundary_bytes}", 2)

    def dwords(self, *values: int | str) -> None:
        """64-bit values here."""
        self._append(f"    .dword {', '.join(map(str, values))}", 2)

    def space(self, count_bytes: int | str) -> None:
        """Zeros here."""
        self._append(f"    .space {count_bytes}", 2)

    def data(self, contents: bytes) -> None:
        """Bytes here, such as those of an array."""
        escaped = "".join(f"\\x{byte:02x}" for byte in contents)
        self._append(f'    .ascii "{escaped}"', 2)

    def program(self) -> Program:
        """Assemble what was emitted.

        Raises
        ------
        AssemblyError
            With everything that is wrong, naming the lines of Python.
        """
        return assemble_lines(self._lines, self.config, self.defines, self.base)
