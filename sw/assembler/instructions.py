# SPDX-License-Identifier: Apache-2.0
"""From mnemonic and operands to instruction words, by the instruction table and the table of pseudo-instructions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Instruction
from golden.layout import CSR_NUMBERS
from golden.permute import transpose_group
from sw.assembler.errors import Defect, Unresolved
from sw.assembler.expressions import Scope, evaluate, reachable_offset
from sw.assembler.syntax import Memory, Name, Node, Number, Register
from sw.encoding import OPERANDS, ORDER_LETTERS, REGISTER_KINDS, REGISTERS, Operand, OperandKind, defect, encode


@dataclass(frozen=True)
class Piece:
    """One written operand of a row: ``name``, ``offset(base)``, ``(base)`` or ``(base)+``; ``optional`` if it may be left out."""

    name: str | None
    base: str | None
    advances: bool
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.name or ''}({self.base}){'+' * self.advances}" if self.base else str(self.name)


@cache
def pieces(syntax: str) -> tuple[Piece, ...]:
    """The written operands of a syntax string of the instruction table."""
    found = []
    required, _, optional = syntax.removesuffix("]").partition("[")
    for part, may_be_left_out in ((required, False), (optional, True)):
        for text in filter(None, part.split(", ")):
            match = re.fullmatch(r"([a-z_0-9]+)?(?:\(([a-z_0-9]+)\)(\+)?)?", text)
            if match is None:
                raise ValueError(f"syntax '{syntax}' has an operand that the assembler cannot read: '{text}'")
            found.append(Piece(match[1], match[2], match[3] is not None, may_be_left_out))
    return tuple(found)


def operand_counts(syntax: str) -> range:
    """How many operands may be written."""
    written = pieces(syntax)
    return range(sum(not piece.optional for piece in written), len(written) + 1)


# ---------------------------------------------------------------------------------------------------------------------
# Pseudo-instructions
# ---------------------------------------------------------------------------------------------------------------------

#: A real instruction with its operands.
Expanded = tuple[str, tuple[Node, ...]]


@dataclass(frozen=True)
class Pseudo:
    """A pseudo-instruction that stands for one real instruction.

    Attributes
    ----------
    mnemonic, syntax : str
        As written, in the style of the instruction table.
    expand : callable
        From its operands to the instruction.
    """

    mnemonic: str
    syntax: str
    expand: Callable[..., Expanded]


def _register(name: str) -> Node:
    return Register(None, name)


def _number(value: int) -> Node:
    return Number(None, value)


_ZERO, _RA, _P0 = _register("zero"), _register("ra"), _register("p0")


def _jump(link: Node, base: Node, offset: Node | None = None) -> Expanded:
    return "jalr", (link, Memory(base.span, offset, base, False))


def _with_itself(mnemonic: str, real: str) -> Pseudo:
    """An instruction of one operand that is one of two, both the same."""
    return Pseudo(mnemonic, "vd, vs1[, pm]", lambda d, s, *mask: (real, (d, s, s, *mask)))


def _turned(mnemonic: str, real: str) -> Pseudo:
    """A compare that is another one with its operands exchanged."""
    return Pseudo(mnemonic, "pd, vs1, vs2[, pm]", lambda d, a, b, *mask: (real, (d, b, a, *mask)))


_SIGNS = (("vneg", "vsgnjn"), ("vabs", "vsgnjx"))
_FLOAT_TURNED = (("vgt", "vlt"), ("vge", "vle"))
_INTEGER_TURNED = (("vgt", "vlt"), ("vgtu", "vltu"))

_PSEUDO_ROWS = (
    Pseudo("nop", "", lambda: ("addi", (_ZERO, _ZERO, _number(0)))),
    Pseudo("mv", "rd, rs1", lambda d, s: ("addi", (d, s, _number(0)))),
    Pseudo("not", "rd, rs1", lambda d, s: ("xori", (d, s, _number(-1)))),
    Pseudo("neg", "rd, rs1", lambda d, s: ("sub", (d, _ZERO, s))),
    Pseudo("negw", "rd, rs1", lambda d, s: ("subw", (d, _ZERO, s))),
    Pseudo("sext.w", "rd, rs1", lambda d, s: ("addiw", (d, s, _number(0)))),
    Pseudo("seqz", "rd, rs1", lambda d, s: ("sltiu", (d, s, _number(1)))),
    Pseudo("snez", "rd, rs1", lambda d, s: ("sltu", (d, _ZERO, s))),
    Pseudo("sltz", "rd, rs1", lambda d, s: ("slt", (d, s, _ZERO))),
    Pseudo("sgtz", "rd, rs1", lambda d, s: ("slt", (d, _ZERO, s))),
    Pseudo("beqz", "rs1, imm_b", lambda s, t: ("beq", (s, _ZERO, t))),
    Pseudo("bnez", "rs1, imm_b", lambda s, t: ("bne", (s, _ZERO, t))),
    Pseudo("blez", "rs1, imm_b", lambda s, t: ("bge", (_ZERO, s, t))),
    Pseudo("bgez", "rs1, imm_b", lambda s, t: ("bge", (s, _ZERO, t))),
    Pseudo("bltz", "rs1, imm_b", lambda s, t: ("blt", (s, _ZERO, t))),
    Pseudo("bgtz", "rs1, imm_b", lambda s, t: ("blt", (_ZERO, s, t))),
    Pseudo("bgt", "rs1, rs2, imm_b", lambda a, b, t: ("blt", (b, a, t))),
    Pseudo("ble", "rs1, rs2, imm_b", lambda a, b, t: ("bge", (b, a, t))),
    Pseudo("bgtu", "rs1, rs2, imm_b", lambda a, b, t: ("bltu", (b, a, t))),
    Pseudo("bleu", "rs1, rs2, imm_b", lambda a, b, t: ("bgeu", (b, a, t))),
    Pseudo("j", "imm_j", lambda t: ("jal", (_ZERO, t))),
    Pseudo("jal", "imm_j", lambda t: ("jal", (_RA, t))),
    Pseudo("jr", "rs1", lambda s: _jump(_ZERO, s)),
    Pseudo("jalr", "rs1", lambda s: _jump(_RA, s)),
    Pseudo("jalr", "rd, rs1, imm_i", lambda d, s, i: _jump(d, s, i)),
    Pseudo("ret", "", lambda: _jump(_ZERO, _RA)),
    Pseudo("csrr", "rd, csr", lambda d, c: ("csrrs", (d, c, _ZERO))),
    Pseudo("csrw", "csr, rs1", lambda c, s: ("csrrw", (_ZERO, c, s))),
    Pseudo("csrs", "csr, rs1", lambda c, s: ("csrrs", (_ZERO, c, s))),
    Pseudo("csrc", "csr, rs1", lambda c, s: ("csrrc", (_ZERO, c, s))),
    Pseudo("csrwi", "csr, zimm", lambda c, z: ("csrrwi", (_ZERO, c, z))),
    Pseudo("csrsi", "csr, zimm", lambda c, z: ("csrrsi", (_ZERO, c, z))),
    Pseudo("csrci", "csr, zimm", lambda c, z: ("csrrci", (_ZERO, c, z))),
    Pseudo("fence", "", lambda: ("fence", (Name(None, "iorw"), Name(None, "iorw")))),
    Pseudo("pmv", "pd, ps1", lambda d, s: ("pand", (d, s, s))),
    Pseudo("pnot", "pd, ps1", lambda d, s: ("pandn", (d, _P0, s))),
    Pseudo("pset", "pd", lambda d: ("pand", (d, _P0, _P0))),
    Pseudo("pclr", "pd", lambda d: ("pandn", (d, _P0, _P0))),
    Pseudo("vmv", "vd, vs1[, pm]", lambda d, s, *mask: ("vor", (d, s, s, *mask))),
    *(_with_itself(f"{name}.{lanes}", f"{real}.{lanes}") for lanes in ("f32", "bf16") for name, real in _SIGNS),
    *(_turned(f"{name}.{lanes}", f"{real}.{lanes}") for lanes in ("f32", "bf16") for name, real in _FLOAT_TURNED),
    *(_turned(f"{name}.{lanes}", f"{real}.{lanes}") for lanes in ("i32", "i16", "i8") for name, real in _INTEGER_TURNED),
)

#: (mnemonic, number of operands) -> pseudo-instruction of one word.
PSEUDO_INSTRUCTIONS: dict[tuple[str, int], Pseudo] = {
    (row.mnemonic, count): row for row in _PSEUDO_ROWS for count in operand_counts(row.syntax)
}


def _from_pc(target: Node, scope: Scope) -> tuple[Node, Node]:
    """Operands for ``auipc`` here and for the low part in the next instruction."""
    distance = evaluate(target, scope) - scope.here
    high, low = reachable_offset(distance, "distance", target.span)
    return _number(high), _number(low)


def _expand_la(operands: Sequence[Node], scope: Scope) -> list[Expanded]:
    register, target = operands
    high, low = _from_pc(target, scope)
    return [("auipc", (register, high)), ("addi", (register, register, low))]


def _expand_far_jump(through: str, link: Node) -> Callable[[Sequence[Node], Scope], list[Expanded]]:
    def expand(operands: Sequence[Node], scope: Scope) -> list[Expanded]:
        base = _register(through)
        high, low = _from_pc(operands[0], scope)
        return [("auipc", (base, high)), _jump(link, base, low)]

    return expand


def load_immediate(value: int) -> list[tuple[str, int]]:
    """Steps that make a 64-bit constant, as (mnemonic, immediate).

    The first step is ``lui`` or an ``addi`` from zero; the others work on the register itself. At most eight steps.

    Parameters
    ----------
    value : int
        -2**63 to 2**64 - 1.
    """
    value = (value & (1 << 64) - 1) - (value >> 63 & 1) * (1 << 64)
    if -0x800 <= value < 0x800:
        return [("addi", value)]
    low = ((value & 0xFFF) ^ 0x800) - 0x800
    rest = value - low
    if -(1 << 31) <= value < 1 << 31:
        # For values just below 2**31, lui makes -2**31, and addiw's wrap to 32 bits mends the sign.
        return [("lui", rest >> 12 & 0xF_FFFF), *([("addiw", low)] if low else [])]
    zeros = (rest & -rest).bit_length() - 1
    return [*load_immediate(rest >> zeros), ("slli", zeros), *([("addi", low)] if low else [])]


def _expand_li(operands: Sequence[Node], scope: Scope) -> list[Expanded]:
    register, expression = operands
    value = evaluate(expression, scope)
    if not -(1 << 63) <= value < 1 << 64:
        raise Defect(f"{value:#x} does not fit into 64 bits", expression.span)
    expanded: list[Expanded] = []
    for mnemonic, immediate in load_immediate(value):
        source = () if mnemonic == "lui" else (register if expanded else _ZERO,)
        expanded.append((mnemonic, (register, *source, _number(immediate))))
    return expanded


@dataclass(frozen=True)
class Macro:
    """A pseudo-instruction whose instructions depend on the value of its operand.

    Attributes
    ----------
    mnemonic, syntax : str
        As written.
    meaning : str
        For the reference.
    words : int or None
        Instructions that it becomes; None if that depends on the value.
    expand : callable
        From operands and scope to the instructions.
    """

    mnemonic: str
    syntax: str
    meaning: str
    words: int | None
    expand: Callable[[Sequence[Node], Scope], list[Expanded]]


#: (mnemonic, number of operands) -> pseudo-instruction of several words.
MACROS: dict[tuple[str, int], Macro] = {
    (row.mnemonic, len(row.syntax.split(", "))): row
    for row in (
        Macro("li", "rd, value", "rd = any 64-bit value: 1 to 8 instructions", None, _expand_li),
        Macro("la", "rd, address", "rd = address: auipc, addi", 2, _expand_la),
        Macro("call", "address", "call by auipc, jalr through ra, at any distance", 2, _expand_far_jump("ra", _RA)),
        Macro("tail", "address", "jump by auipc, jalr through t1, at any distance", 2, _expand_far_jump("t1", _ZERO)),
    )
}

#: Every mnemonic that the assembler takes.
MNEMONICS: frozenset[str] = frozenset(INSTRUCTIONS) | {name for name, _ in (*PSEUDO_INSTRUCTIONS, *MACROS)}


# ---------------------------------------------------------------------------------------------------------------------
# Instructions
# ---------------------------------------------------------------------------------------------------------------------


def _syntaxes(mnemonic: str) -> list[str]:
    """Every way to write the operands of a mnemonic."""
    tables: tuple[dict[tuple[str, int], Pseudo] | dict[tuple[str, int], Macro], ...] = (PSEUDO_INSTRUCTIONS, MACROS)
    found = [INSTRUCTIONS[mnemonic].syntax] if mnemonic in INSTRUCTIONS else []
    found += [row.syntax for table in tables for (name, _), row in table.items() if name == mnemonic]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Statement:
    """A mnemonic with its operands, of which the number is right.

    Parameters
    ----------
    mnemonic : str
        As written.
    operands : tuple of Node
        As parsed.

    Raises
    ------
    Defect
        If there is no such mnemonic or it takes another number of operands.
    """

    mnemonic: str
    operands: tuple[Node, ...]

    def __post_init__(self) -> None:
        if self.mnemonic not in MNEMONICS:
            near = difflib.get_close_matches(self.mnemonic, MNEMONICS, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise Defect(f"there is no instruction `{self.mnemonic}`{hint}")
        key = (self.mnemonic, len(self.operands))
        row = INSTRUCTIONS.get(self.mnemonic)
        if key in PSEUDO_INSTRUCTIONS or key in MACROS or (row and key[1] in operand_counts(row.syntax)):
            return
        forms = " or ".join(f"`{f'{self.mnemonic} {syntax}'.strip()}`" for syntax in _syntaxes(self.mnemonic))
        raise Defect(f"{key[1]} operand{'s' * (key[1] != 1)} given; write {forms}")

    @property
    def words(self) -> int | None:
        """Instructions that it becomes, None if that depends on a value."""
        macro = MACROS.get((self.mnemonic, len(self.operands)))
        return macro.words if macro else 1

    def expand(self, scope: Scope) -> list[Expanded]:
        """The instructions that it stands for.

        Raises
        ------
        Defect
            If a value is not known or not allowed.
        """
        key = (self.mnemonic, len(self.operands))
        if key in MACROS:
            return MACROS[key].expand(self.operands, scope)
        if key in PSEUDO_INSTRUCTIONS:
            return [PSEUDO_INSTRUCTIONS[key].expand(*self.operands)]
        return [(self.mnemonic, self.operands)]


def encode_instruction(mnemonic: str, operands: Sequence[Node], scope: Scope, config: NodeConfig | None = None) -> int:
    """The word of a real instruction.

    Parameters
    ----------
    mnemonic : str
        A row of the instruction table.
    operands : sequence of Node
        As many as the row's syntax has; optional ones that are left out are 0.
    scope : Scope
        Symbols and the instruction's address.
    config : NodeConfig, optional
        If given, accumulators, semaphores and groups of registers that it does not have are refused.

    Raises
    ------
    Defect
        Which operand is wrong, and what is allowed.
    """
    row = INSTRUCTIONS[mnemonic]
    values = dict.fromkeys(row.optional_operands, 0)
    for piece, node in zip(pieces(row.syntax)[: len(operands)], operands, strict=True):
        if piece.base is None:
            assert piece.name is not None
            values[piece.name] = _value(piece.name, node, scope, config)
            continue
        if not isinstance(node, Memory):
            raise Defect(f"expected `{piece}`", node.span)
        if node.advances != piece.advances:
            advice = f"write `{piece}`" + _sibling(row, operands)
            raise Defect(f"{mnemonic} {'advances' if piece.advances else 'does not advance'} {piece.base}: {advice}", node.span)
        if piece.name is None and node.offset is not None:
            raise Defect(f"{mnemonic} takes no offset here: write `{piece}`", node.offset.span)
        values[piece.base] = _value(piece.base, node.base, scope, config)
        if piece.name is not None:
            values[piece.name] = _value(piece.name, node.offset or _number(0), scope, config)
    reason = defect(row, values)
    if reason:
        raise Defect(reason)
    if config is not None and "part" in values:
        _check_group(row, values, operands, config)
    return encode(row, values)


def _check_group(row: Instruction, values: Mapping[str, int], operands: Sequence[Node], config: NodeConfig) -> None:
    """That a transpose names a group of registers, and one of its parts."""
    size = transpose_group(config, int(row.mnemonic.rpartition(".e")[2]))
    nodes = dict(zip(row.operands, operands, strict=False))
    group = f"{row.mnemonic} works on {size} register{'s' * (size > 1)} of configuration '{config.name}'"
    if values["vs1"] % size:
        raise Defect(f"{group}: vs1 must be a multiple of {size}", nodes["vs1"].span)
    if values["part"] >= size:
        raise Defect(f"{group}: part is {values['part']}; allowed are 0 to {size - 1}", nodes["part"].span)


def _sibling(row: Instruction, operands: Sequence[Node]) -> str:
    """Advice naming the row that has exactly the post-increments that were written, if there is one."""
    written = [isinstance(node, Memory) and node.advances for node in operands]
    for other in INSTRUCTIONS.values():
        related = other.mnemonic.startswith(_stem(row.mnemonic)) and other.operands == row.operands and other.unit is row.unit
        if related and [piece.advances for piece in pieces(other.syntax)][: len(written)] == written:
            return f", or use {other.mnemonic}"
    return ""


def _stem(mnemonic: str) -> str:
    """The mnemonic without the part of its suffix that says what advances."""
    return re.sub(r"\.(?:[mp]{2}|p)$|(?<=\.s)p$", "", mnemonic)


def _value(name: str, node: Node, scope: Scope, config: NodeConfig | None) -> int:
    """The value of one operand, checked."""
    operand = OPERANDS[name]
    if operand.kind in REGISTER_KINDS or isinstance(node, Register):
        value = _register_number(operand, node)
    elif operand.kind is OperandKind.CSR and isinstance(node, Name) and node.name in CSR_NUMBERS:
        value = CSR_NUMBERS[node.name]
    elif operand.kind is OperandKind.CSR and isinstance(node, Name):
        value = _csr_number(node, scope)
    elif operand.kind is OperandKind.ORDER and isinstance(node, Name):
        value = _order(node)
    else:
        value = evaluate(node, scope)
    if operand.kind is OperandKind.TARGET:
        value -= scope.here
    _check_range(name, operand, value, node)
    if config is not None:
        _check_config(operand, value, node, config)
    return value


def _register_number(operand: Operand, node: Node) -> int:
    kind, number = REGISTERS.get(node.name, (None, 0)) if isinstance(node, Register) else (None, 0)
    if kind is not operand.kind:
        found = f", not {kind.value.split(' (')[0]}" if kind else ""
        raise Defect(f"expected {operand.kind.value}{found}", node.span)
    return number


def _csr_number(node: Name, scope: Scope) -> int:
    """The value of a symbol that stands for a CSR."""
    try:
        return evaluate(node, scope)
    except Unresolved as error:
        near = difflib.get_close_matches(node.name, CSR_NUMBERS, n=1)
        if not near:
            raise
        raise Unresolved(f"symbol `{node.name}` is not defined; did you mean the CSR `{near[0]}`?", error.span) from None


def _order(node: Name) -> int:
    letters = node.name
    if not set(letters) <= set(ORDER_LETTERS) or len(set(letters)) != len(letters):
        raise Defect(f"expected {OperandKind.ORDER.value}, not `{letters}`", node.span)
    return sum(ORDER_LETTERS[letter] for letter in letters)


def _check_range(name: str, operand: Operand, value: int, node: Node) -> None:
    if operand.low <= value <= operand.high and value % operand.multiple == 0:
        return
    if operand.kind is OperandKind.TARGET:
        if value % operand.multiple:
            raise Defect(f"target is {value} bytes away; it must be a multiple of {operand.multiple}", node.span)
        raise Defect(f"target is {value} bytes away; allowed are {operand.low} to {operand.high}", node.span)
    raise Defect(f"{name} is {value}; allowed are {operand.low} to {operand.high}", node.span)


def _check_config(operand: Operand, value: int, node: Node, config: NodeConfig) -> None:
    if operand.kind is OperandKind.ACCUMULATOR and value >= config.accumulators:
        raise Defect(f"configuration '{config.name}' has accumulators m0 to m{config.accumulators - 1}", node.span)
    if operand.kind is OperandKind.SEMAPHORE and value >= config.semaphores:
        raise Defect(f"semaphore is {value}; configuration '{config.name}' has 0 to {config.semaphores - 1}", node.span)
