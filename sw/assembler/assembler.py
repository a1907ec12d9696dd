# SPDX-License-Identifier: Apache-2.0
"""The assembler: source to Program.

Statements are parsed once, in the order of the source. Then sections are laid out one after another, in rounds, each with
the symbols' values of the round before, until nothing moves any more; so sizes and addresses may depend on what stands
further below. Only then are bytes made, and what still has no value is an error.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.formats import BF16, FP32
from golden.layout import SRAM_BASE
from golden.program import Program
from sw.assembler.errors import AssemblyError, Defect, Diagnostic, SourceLine, Span, Unresolved
from sw.assembler.expressions import evaluate
from sw.assembler.instructions import Statement
from sw.assembler.layout import Align, Body, Code, Constant, Fill, Integers, Item, Reals, Section
from sw.assembler.source import Fragment, fragments, source_lines
from sw.assembler.syntax import Modified, Name, Node, Number, Text, parse_operands
from sw.encoding import REGISTERS

T = TypeVar("T")

#: Rounds of layout after which sizes are taken to depend on themselves.
_ROUNDS = 32

#: Standard sections in the order in which they are laid out; others follow as they appear.
_SECTIONS = (".text", ".rodata", ".data", ".bss")


def predefined_symbols(config: NodeConfig | None) -> dict[str, int]:
    """Symbols that every source can use; most of them only if the configuration is known.

    Parameters
    ----------
    config : NodeConfig or None
        The node that the program is for.
    """
    symbols = {"SRAM_BASE": SRAM_BASE, "CONTROL_PAGE": CONTROL_PAGE_OFFSET}
    if config is not None:
        symbols |= {
            "LINE_BYTES": config.line_bytes,
            "SRAM_BYTES": config.sram_bytes,
            "BLOCK_BYTES": config.block_bytes,
            "THREADS": config.threads,
            "ACCUMULATORS": config.accumulators,
            "SEMAPHORES": config.semaphores,
            "MATRIX_M": config.matrix_m,
            "MATRIX_N": config.matrix_n,
            "ACC_BYTES": config.accumulator_bytes,
        }
    return symbols


def assemble(
    source: str,
    filename: str = "<input>",
    config: NodeConfig | None = None,
    defines: Mapping[str, int] | None = None,
    base: int = SRAM_BASE,
) -> Program:
    """Assemble a source text.

    Parameters
    ----------
    source : str
        The text.
    filename : str
        Name for messages.
    config : NodeConfig, optional
        The node that the program is for: defines LINE_BYTES and the like, and everything must fit into its SRAM.
    defines : mapping of str to int, optional
        More symbols, before those predefined ones that have the same name.
    base : int
        Address of the first section.

    Returns
    -------
    Program
        One segment for each section with contents and each ``.org``. ``symbols`` has the labels, without numeric ones and
        those that begin with ``.L``, and the constants that are named by ``.globl``.

    Raises
    ------
    AssemblyError
        With everything that is wrong in the source.
    """
    return assemble_lines(source_lines(source, filename), config, defines, base)


def assemble_lines(
    lines: Iterable[SourceLine],
    config: NodeConfig | None = None,
    defines: Mapping[str, int] | None = None,
    base: int = SRAM_BASE,
) -> Program:
    """``assemble`` for lines that know where they come from."""
    return _Assembly(config, predefined_symbols(config) | dict(defines or {}), base).run(lines)


@dataclass(frozen=True)
class _Scope:
    """Symbols as one item sees them."""

    assembly: _Assembly
    item: Item
    here: int

    def symbol(self, name: str, span: Span | None) -> int:
        values = self.assembly.values
        if name in values:
            return values[name]
        if name in self.assembly.definitions:
            raise Unresolved(f"`{name}` depends on itself or on something that has no value", span)
        near = difflib.get_close_matches(name, [*values, *self.assembly.definitions], n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        if name not in predefined_symbols(None) and name in predefined_symbols(NodeConfig()):
            hint = "; it is defined when a configuration is given"
        raise Unresolved(f"symbol `{name}` is not defined{hint}", span)

    def local(self, number: int, forward: bool, span: Span | None) -> int:
        definition = self.item.locals.get(number, 0) + forward
        try:
            return self.assembly.values[_local_name(number, definition)]
        except KeyError:
            where = "below" if forward else "above"
            raise Unresolved(f"there is no label `{number}:` {where}", span) from None

    def pcrel_target(self, address: int, span: Span | None) -> int:
        for item in self.assembly.pcrel_items:
            if item.address == address and isinstance(item.body, Code):
                for operand in item.body.statement.operands:
                    if isinstance(operand, Modified) and operand.modifier == "pcrel_hi":
                        return evaluate(operand.operand, _Scope(self.assembly, item, address))
        raise Unresolved(f"there is no instruction with %pcrel_hi at {address:#x}", span)


def _local_name(number: int, definition: int) -> str:
    """Symbol of the n-th definition of a numeric label; no source can write it."""
    return f"{number}:{definition}"


class _Assembly:
    """One run of the assembler."""

    def __init__(self, config: NodeConfig | None, symbols: dict[str, int], base: int) -> None:
        self.config = config
        self.base = base
        self.line_bytes = config.line_bytes if config else NodeConfig().line_bytes
        self.values = dict(symbols)
        self.definitions: dict[str, Item] = {}
        self.exported: dict[str, Item] = {}
        self.pcrel_items: list[Item] = []
        self.diagnostics: list[Diagnostic] = []
        self.sections = {name: Section(name) for name in _SECTIONS}
        self.section = self.sections[".text"]
        self.locals: dict[int, int] = {}

    def run(self, lines: Iterable[SourceLine]) -> Program:
        for fragment in fragments(lines, self.diagnostics):
            self._read(fragment)
        segments = self._emit() if self._lay_out() else []
        self._check_exported()
        if self.diagnostics:
            raise AssemblyError(sorted(self.diagnostics, key=lambda d: (d.line.file, d.line.number, d.span.start)))
        symbols = self._symbols()
        text = self.sections[".text"]
        start = text.items[0].address if text.items else min((address for address, _ in segments), default=self.base)
        made_for = self.config.descriptor if self.config else None
        return Program(tuple(segments), symbols.get("_start", start), self.values.get("tohost"), symbols, made_for)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _report(self, item: Item, defect: Defect) -> None:
        span = item.span if defect.span is None else defect.span.shifted(item.operands_start)
        self.diagnostics.append(Diagnostic(item.line, span, defect.reason))

    def _read(self, fragment: Fragment) -> None:
        for name, span in fragment.labels:
            self._define(Item(fragment.line, span, 0, self.locals), name)
        if not fragment.mnemonic:
            return
        item = Item(fragment.line, fragment.mnemonic_span, fragment.operands_start, self.locals)
        try:
            operands = parse_operands(fragment.operands)
            if fragment.mnemonic.startswith("."):
                self._directive(fragment.mnemonic, item, operands)
            else:
                item.body = Code(Statement(fragment.mnemonic, operands), self.config)
                self.section.items.append(item)
                if any(isinstance(operand, Modified) and operand.modifier == "pcrel_hi" for operand in operands):
                    self.pcrel_items.append(item)
        except Defect as defect:
            self._report(item, defect)

    def _define(self, item: Item, name: str) -> None:
        """Give a symbol the item's address, or its value."""
        if name.isdigit():
            number = int(name)
            # A new mapping, because the items above keep the old one.
            self.locals = {**self.locals, number: self.locals.get(number, 0) + 1}
            name = _local_name(number, self.locals[number])
        elif name in REGISTERS:
            self._report(item, Defect(f"`{name}` is a register and cannot be a symbol"))
            return
        elif name in self.definitions:
            first = self.definitions[name].line
            self._report(item, Defect(f"symbol `{name}` is already defined in {first.file}:{first.number}"))
            return
        elif name in self.values:
            self._report(item, Defect(f"symbol `{name}` is predefined as {self.values[name]}"))
            return
        item.label = name
        self.definitions[name] = item
        self.section.items.append(item)

    def _directive(self, name: str, item: Item, operands: tuple[Node, ...]) -> None:
        if name in _SECTIONS:
            _count(operands, 0, 0, "")
            self.section = self.sections[name]
        elif name in _SPECIAL:
            _SPECIAL[name](self, item, operands)
        elif name in _BODIES:
            item.body = _BODIES[name](self, operands)
            self.section.items.append(item)
        else:
            near = difflib.get_close_matches(name, [*_SECTIONS, *_SPECIAL, *_BODIES], n=1)
            raise Defect(f"there is no directive `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""))

    def _section(self, item: Item, operands: tuple[Node, ...]) -> None:
        _count(operands, 1, 2, "NAME [, ADDRESS]")
        name = _name(operands[0])
        section = self.sections.setdefault(name, Section(name))
        if len(operands) == 2:
            if section.address or section.items:
                raise Defect(f"section {name} has begun already; its address stands where it first appears", operands[1].span)
            item.origin = operands[1]
            section.address = item
        self.section = section

    def _globl(self, item: Item, operands: tuple[Node, ...]) -> None:
        _count(operands, 1, None, "NAME, ...")
        for operand in operands:
            self.exported.setdefault(_name(operand), item)

    def _equ(self, item: Item, operands: tuple[Node, ...]) -> None:
        _count(operands, 2, 2, "NAME, VALUE")
        item.value = operands[1]
        self._define(item, _name(operands[0]))

    def _org(self, item: Item, operands: tuple[Node, ...]) -> None:
        _count(operands, 1, 1, "ADDRESS")
        item.origin = operands[0]
        self.section.items.append(item)

    def _align(self, operands: tuple[Node, ...], logarithmic: bool) -> Body:
        _count(operands, 1, 2, "AMOUNT [, FILL]")
        return Align(operands[0], logarithmic, operands[1] if len(operands) == 2 else None, self.section)

    # -- layout -------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> bool:
        """Find all addresses; whether that came to an end."""
        moved: Item | None = None
        for _ in range(_ROUNDS):
            moved = self._round()
            if moved is None:
                return True
        assert moved is not None
        self._report(moved, Defect("the layout does not settle: this address or value depends on itself"))
        return False

    def _round(self) -> Item | None:
        """Lay out everything once; the first item that moved or changed, if one did."""
        moved: Item | None = None
        cursor = self.base
        for section in self.sections.values():
            here = cursor + -cursor % self.line_bytes
            if section.address:
                here = self._attempt(section.address, here, self._origin, here)
            top = here
            for item in section.items:
                here = self._attempt(item, here, self._origin, here) if item.origin else here
                size = self._attempt(item, here, item.body.size, 0) if item.body else 0
                if (here, size) != (item.address, item.bytes):
                    item.address, item.bytes = here, size
                    moved = moved or item
                if self._assign(item, here):
                    moved = moved or item
                here += size
                top = max(top, here)
            if section.address is None and section.items:
                cursor = top
        return moved

    def _attempt(self, item: Item, here: int, compute: Callable[[_Scope], int], default: int) -> int:
        """The result of a computation, or the default as long as it has none; the errors come up again in ``_emit``."""
        try:
            return compute(_Scope(self, item, here))
        except (Defect, RecursionError):
            return default

    @staticmethod
    def _origin(scope: _Scope) -> int:
        assert scope.item.origin is not None
        address = evaluate(scope.item.origin, scope)
        if not 0 <= address < 1 << 64:
            raise Defect(f"address is {address:#x}; allowed are 0 to 2**64 - 1", scope.item.origin.span)
        return address

    @staticmethod
    def _value(scope: _Scope) -> int:
        assert scope.item.value is not None
        return evaluate(scope.item.value, scope)

    def _assign(self, item: Item, here: int) -> bool:
        """Set the item's symbol; whether that changed it."""
        if item.label is None:
            return False
        value = here
        if item.value is not None:
            try:
                value = self._value(_Scope(self, item, here))
            except (Defect, RecursionError):
                return self.values.pop(item.label, None) is not None
        changed = self.values.get(item.label) != value
        self.values[item.label] = value
        return changed

    # -- output -------------------------------------------------------------------------------------------------------

    def _emit(self) -> list[tuple[int, bytes]]:
        chunks: list[tuple[int, bytearray, Item]] = []
        for section in self.sections.values():
            fresh = True
            outside = False
            if section.address:
                self._guarded(section.address, self._origin)
            for item in section.items:
                scope = _Scope(self, item, item.address)
                if item.origin:
                    self._guarded(item, self._origin)
                    fresh = True
                if item.value is not None:
                    self._guarded(item, self._value)
                data = self._guarded(item, item.body.emit) if item.body else None
                if not data:
                    continue
                if fresh:
                    chunks.append((item.address, bytearray(), item))
                    fresh = False
                # After an error, bytes may be missing: nothing is made of them, but addresses must stay right.
                chunks[-1][1].extend(bytes(scope.here - chunks[-1][0] - len(chunks[-1][1])) + data)
                if not outside:
                    outside = self._lies_outside(section, item)
        chunks.sort(key=lambda chunk: chunk[0])
        for (address, contents, _), (start, _, item) in itertools.pairwise(chunks):
            if address + len(contents) > start:
                reason = (
                    f"this lies at {start:#x}, where other contents reach from {address:#x} to {address + len(contents) - 1:#x}"
                )
                self._report(item, Defect(reason))
        return [(address, bytes(data)) for address, data, _ in chunks]

    def _guarded(self, item: Item, compute: Callable[[_Scope], T]) -> T | None:
        try:
            return compute(_Scope(self, item, item.address))
        except Defect as defect:
            self._report(item, defect)
        except RecursionError:
            self._report(item, Defect("the expression has too many parts"))
        return None

    def _lies_outside(self, section: Section, item: Item) -> bool:
        """Report an item that does not lie in SRAM."""
        if self.config is None:
            return False
        first, end = SRAM_BASE, SRAM_BASE + self.config.sram_bytes
        if first <= item.address and item.address + item.bytes <= end:
            return False
        reason = (
            f"this takes {item.bytes} bytes at {item.address:#x} (section {section.name}), outside of the SRAM of "
            f"configuration '{self.config.name}', {first:#x} to {end - 1:#x}"
        )
        self._report(item, Defect(reason))
        return True

    def _check_exported(self) -> None:
        for name, item in self.exported.items():
            if name not in self.definitions:
                self._report(item, Defect(f"symbol `{name}` is not defined"))

    def _symbols(self) -> dict[str, int]:
        return {
            name: self.values[name]
            for name, item in self.definitions.items()
            if not name[0].isdigit() and not name.startswith(".L") and (item.value is None or name in self.exported)
        }


def _count(operands: tuple[Node, ...], low: int, high: int | None, form: str) -> None:
    if len(operands) < low or (high is not None and len(operands) > high):
        raise Defect(f"{len(operands)} operand{'s' * (len(operands) != 1)} given; allowed: {form or 'none'}")


def _name(node: Node) -> str:
    if not isinstance(node, Name):
        raise Defect("a name is needed here", node.span)
    return node.name


def _text(operands: tuple[Node, ...], end: bytes) -> Body:
    _count(operands, 1, None, "STRING, ...")
    data = b""
    for operand in operands:
        if not isinstance(operand, Text):
            raise Defect('a string is needed here: "..."', operand.span)
        data += operand.value + end
    return Constant(data)


def _values(operands: tuple[Node, ...]) -> tuple[Node, ...]:
    _count(operands, 1, None, "VALUE, ...")
    return operands


def _space(operands: tuple[Node, ...]) -> Body:
    _count(operands, 1, 2, "BYTES [, FILL]")
    return Fill(operands[0], Number(None, 1), operands[1] if len(operands) == 2 else Number(None, 0))


def _fill(operands: tuple[Node, ...]) -> Body:
    _count(operands, 1, 3, "COUNT [, SIZE [, VALUE]]")
    width = operands[1] if len(operands) > 1 else Number(None, 1)
    return Fill(operands[0], width, operands[2] if len(operands) > 2 else Number(None, 0))


#: Directives that make bytes.
_BODIES: dict[str, Callable[[_Assembly, tuple[Node, ...]], Body]] = {
    ".byte": lambda _, operands: Integers(_values(operands), 1),
    ".half": lambda _, operands: Integers(_values(operands), 2),
    ".word": lambda _, operands: Integers(_values(operands), 4),
    ".dword": lambda _, operands: Integers(_values(operands), 8),
    ".quad": lambda _, operands: Integers(_values(operands), 8),
    ".float": lambda _, operands: Reals(_values(operands), FP32),
    ".bf16": lambda _, operands: Reals(_values(operands), BF16),
    ".ascii": lambda _, operands: _text(operands, b""),
    ".asciz": lambda _, operands: _text(operands, b"\0"),
    ".string": lambda _, operands: _text(operands, b"\0"),
    ".zero": lambda _, operands: _space(operands),
    ".space": lambda _, operands: _space(operands),
    ".skip": lambda _, operands: _space(operands),
    ".fill": lambda _, operands: _fill(operands),
    ".align": lambda assembly, operands: assembly._align(operands, logarithmic=True),
    ".p2align": lambda assembly, operands: assembly._align(operands, logarithmic=True),
    ".balign": lambda assembly, operands: assembly._align(operands, logarithmic=False),
}

#: Directives that steer the assembler.
_SPECIAL: dict[str, Callable[[_Assembly, Item, tuple[Node, ...]], None]] = {
    ".section": _Assembly._section,
    ".globl": _Assembly._globl,
    ".global": _Assembly._globl,
    ".equ": _Assembly._equ,
    ".set": _Assembly._equ,
    ".org": _Assembly._org,
}
