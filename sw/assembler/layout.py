# SPDX-License-Identifier: Apache-2.0
"""What takes room in a section: items, and the symbols that they define."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from golden.config import WINDOW_BYTES, NodeConfig
from golden.formats import Format
from sw.assembler.errors import Defect, SourceLine, Span, Unresolved
from sw.assembler.expressions import Scope, encode_real, evaluate
from sw.assembler.instructions import Statement, encode_instruction
from sw.assembler.syntax import Node

NOP = (0x0000_0013).to_bytes(4, "little")


class Body(Protocol):
    """What an item does: it is asked for its size in every round, and for its bytes once addresses are final."""

    def size(self, scope: Scope) -> int:
        """Bytes that it takes at ``scope.here``."""

    def emit(self, scope: Scope) -> bytes:
        """Its bytes, as many as ``size`` said."""


@dataclass
class Item:
    """A statement or label at its place in a section.

    Attributes
    ----------
    line, span : SourceLine, Span
        Where it is written.
    operands_start : int
        Column from which spans of its nodes count.
    locals : mapping of int to int
        For each numeric label, how many definitions stand above the item.
    body : Body or None
        What takes room; None for a label or an assignment.
    label : str or None
        Symbol that gets the item's address.
    value : Node or None
        Expression that ``label`` gets instead of the address.
    origin : Node or None
        Address to which the section moves before the item.
    address, bytes : int
        Where it came to lie in the last round, and what it took.
    """

    line: SourceLine
    span: Span
    operands_start: int
    locals: Mapping[int, int]
    body: Body | None = None
    label: str | None = None
    value: Node | None = None
    origin: Node | None = None
    address: int = 0
    bytes: int = 0


@dataclass
class Section:
    """A named run of items.

    Attributes
    ----------
    name : str
        With its leading dot, if it has one.
    address : Item or None
        Item whose ``origin`` says where the section starts; None puts it behind the section before.
    items : list of Item
        Contents, in the order of the source.
    """

    name: str
    address: Item | None = None
    items: list[Item] = field(default_factory=list)

    @property
    def holds_code(self) -> bool:
        """Whether there is an instruction in it."""
        return any(isinstance(item.body, Code) for item in self.items)


def _length(node: Node, scope: Scope, what: str) -> int:
    value = evaluate(node, scope)
    if not 0 <= value <= WINDOW_BYTES:
        raise Defect(f"{what} is {value}; allowed are 0 to {WINDOW_BYTES}", node.span)
    return value


def _integer(node: Node, scope: Scope, width: int) -> bytes:
    value = evaluate(node, scope)
    low, high = -(1 << 8 * width - 1), (1 << 8 * width) - 1
    if not low <= value <= high:
        raise Defect(f"{value} does not fit into {width} byte{'s' * (width > 1)}; allowed are {low} to {high}", node.span)
    return (value & high).to_bytes(width, "little")


@dataclass
class Code:
    """An instruction or pseudo-instruction.

    Attributes
    ----------
    statement : Statement
        What is written.
    config : NodeConfig or None
        Limits the accumulators and semaphores.
    room : int
        Instructions that it took at most so far. It never shrinks, so that rounds of layout come to an end.
    """

    statement: Statement
    config: NodeConfig | None
    room: int = 1

    def size(self, scope: Scope) -> int:
        """Bytes of its instructions."""
        words = self.statement.words
        if words is None:
            with contextlib.suppress(Unresolved):
                self.room = max(self.room, len(self.statement.expand(scope)))
            words = self.room
        return 4 * words

    def emit(self, scope: Scope) -> bytes:
        """Its instructions."""
        if scope.here % 4:
            raise Defect(f"an instruction cannot lie at {scope.here:#x}, which is no multiple of 4; put `.align 2` before it")
        expanded = self.statement.expand(scope)
        size = self.size(scope)
        words = []
        for mnemonic, operands in expanded:
            words.append(encode_instruction(mnemonic, operands, scope, self.config).to_bytes(4, "little"))
        return b"".join(words) + NOP * (size // 4 - len(words))


@dataclass
class Integers:
    """``.byte``, ``.half``, ``.word``, ``.dword``."""

    values: tuple[Node, ...]
    width: int

    def size(self, scope: Scope) -> int:
        """Width times values."""
        return self.width * len(self.values)

    def emit(self, scope: Scope) -> bytes:
        """The values, little endian."""
        return b"".join(_integer(value, scope, self.width) for value in self.values)


@dataclass
class Reals:
    """``.float``, ``.bf16``."""

    values: tuple[Node, ...]
    format: Format

    def size(self, scope: Scope) -> int:
        """Bytes of a code times values."""
        return self.format.bits // 8 * len(self.values)

    def emit(self, scope: Scope) -> bytes:
        """The codes, little endian."""
        return b"".join(encode_real(value, self.format).to_bytes(self.format.bits // 8, "little") for value in self.values)


@dataclass
class Constant:
    """``.ascii``, ``.asciz``."""

    data: bytes

    def size(self, scope: Scope) -> int:
        """Length of the data."""
        return len(self.data)

    def emit(self, scope: Scope) -> bytes:
        """The data."""
        return self.data


@dataclass
class Fill:
    """``.zero``, ``.space``, ``.fill``: ``count`` times a value of ``width`` bytes."""

    count: Node
    width: Node
    value: Node

    def _width(self, scope: Scope) -> int:
        width = evaluate(self.width, scope)
        if not 1 <= width <= 8:
            raise Defect(f"size is {width}; allowed are 1 to 8", self.width.span)
        return width

    def size(self, scope: Scope) -> int:
        """Count times width."""
        return _length(self.count, scope, "count") * self._width(scope)

    def emit(self, scope: Scope) -> bytes:
        """The repeated value."""
        return _integer(self.value, scope, self._width(scope)) * _length(self.count, scope, "count")


@dataclass
class Align:
    """``.align``, ``.p2align``, ``.balign``.

    Attributes
    ----------
    amount : Node
        Bytes, or their logarithm.
    logarithmic : bool
        Which of the two.
    fill : Node or None
        Byte to fill with. Without it, code is filled with ``nop`` and data with zeros.
    section : Section
        Decides whether code or data is filled.
    """

    amount: Node
    logarithmic: bool
    fill: Node | None
    section: Section

    def size(self, scope: Scope) -> int:
        """Bytes up to the boundary."""
        amount = evaluate(self.amount, scope)
        if self.logarithmic:
            if not 0 <= amount <= 21:
                raise Defect(f"alignment is 2 to the power of {amount}; allowed are powers of 0 to 21", self.amount.span)
            amount = 1 << amount
        elif not 1 <= amount <= WINDOW_BYTES or amount & amount - 1:
            raise Defect(f"alignment is {amount}; allowed are powers of two from 1 to {WINDOW_BYTES}", self.amount.span)
        return -scope.here % amount

    def emit(self, scope: Scope) -> bytes:
        """Filling."""
        size = self.size(scope)
        if self.fill is not None:
            return _integer(self.fill, scope, 1) * size
        return NOP * (size // 4) if self.section.holds_code and size % 4 == 0 else bytes(size)
