# SPDX-License-Identifier: Apache-2.0
"""Values of expressions, and decimal fractions as floating point."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from golden.formats import Format
from sw.assembler.errors import Defect, Span
from sw.assembler.syntax import Binary, Here, Local, Modified, Name, Node, Number, Real, Register, Text, Unary

#: Largest shift count; it keeps a slip of the pen from filling the memory.
_SHIFT_LIMIT = 127


class Scope(Protocol):
    """What symbols mean at one statement."""

    @property
    def here(self) -> int:
        """Address of the instruction or statement."""

    def symbol(self, name: str, span: Span | None) -> int:
        """Value of a symbol; Defect if it has none."""

    def local(self, number: int, forward: bool, span: Span | None) -> int:
        """Address of the nearest numeric label in that direction; Defect if there is none."""

    def pcrel_target(self, address: int, span: Span | None) -> int:
        """What the ``%pcrel_hi`` of the instruction at the address refers to; Defect if there is none."""


def split_offset(value: int) -> tuple[int, int]:
    """Upper 20 bits, signed, and lower 12 bits, signed, that ``lui``/``auipc`` and a second instruction add up."""
    low = ((value + 0x800) & 0xFFF) - 0x800
    return value - low >> 12, low


def reachable_offset(value: int, what: str, span: Span | None) -> tuple[int, int]:
    """``split_offset`` of a value that the two instructions can make.

    Raises
    ------
    Defect
        If it is out of their reach.
    """
    if not -0x8000_0800 <= value <= 0x7FFF_F7FF:
        raise Defect(f"{what} is {value:#x}; allowed are -0x80000800 to 0x7ffff7ff", span)
    return split_offset(value)


def _divide(left: int, right: int) -> int:
    """Quotient truncated toward zero, as in C."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_BINARY: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": lambda left, right: left - right * _divide(left, right),
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "^": operator.xor,
    "|": operator.or_,
}

_UNARY: dict[str, Callable[[int], int]] = {"+": operator.pos, "-": operator.neg, "~": operator.invert}


def evaluate(node: Node, scope: Scope) -> int:
    """The value of an expression, a whole number of any size.

    Raises
    ------
    Defect
        If the node is no expression, a symbol has no value, or an operation is undefined.
    """
    match node:
        case Number(value=value):
            return value
        case Name(span=span, name=name):
            return scope.symbol(name, span)
        case Local(span=span, number=number, forward=forward):
            return scope.local(number, forward, span)
        case Here():
            return scope.here
        case Unary(operator=sign, operand=operand):
            return _UNARY[sign](evaluate(operand, scope))
        case Binary():
            return _binary(node, scope)
        case Modified():
            return _modified(node, scope)
        case Real(span=span):
            raise Defect("a whole number is needed here", span)
        case Register(span=span, name=name):
            raise Defect(f"a value is needed here, not register {name}", span)
        case Text(span=span):
            raise Defect("a value is needed here, not a string", span)
    raise Defect("a value is needed here, not a memory operand", node.span)


def _binary(node: Binary, scope: Scope) -> int:
    left, right = evaluate(node.left, scope), evaluate(node.right, scope)
    if node.operator in "/%" and right == 0:
        raise Defect("division by zero", node.right.span)
    if node.operator in ("<<", ">>") and not 0 <= right <= _SHIFT_LIMIT:
        raise Defect(f"shift count is {right}; allowed are 0 to {_SHIFT_LIMIT}", node.right.span)
    return _BINARY[node.operator](left, right)


def _modified(node: Modified, scope: Scope) -> int:
    value = evaluate(node.operand, scope)
    match node.modifier:
        case "hi":
            # RV64 sign-extends what lui loads, so an address of 0x8000_0000 or above is out of its reach.
            high, _ = reachable_offset(value, "%hi's value, which lui sign-extends (`la` reaches all of SRAM),", node.span)
            return high & 0xF_FFFF
        case "lo":
            return split_offset(value)[1]
        case "pcrel_hi":
            return reachable_offset(value - scope.here, "distance", node.span)[0] & 0xF_FFFF
        case _:
            return split_offset(scope.pcrel_target(value, node.span) - value)[1]


def _floor_log2(value: Fraction) -> int:
    """Largest e with 2**e <= value, for value > 0."""
    estimate = value.numerator.bit_length() - value.denominator.bit_length()
    return estimate if Fraction(2) ** estimate <= value else estimate - 1


def round_to_code(magnitude: Fraction, fmt: Format) -> int:
    """Code nearest to a number >= 0, ties to even, rounded once; what rounds beyond the largest number becomes infinity.

    Source: IEEE 754-2019, section 4.3.1.
    """
    least = 1 - fmt.bias
    exponent = max(_floor_log2(magnitude), least) if magnitude else least
    # Fraction's round() takes ties to even. A carry out of the significand runs into the exponent, as it must.
    significand = round(magnitude / Fraction(2) ** (exponent - fmt.mantissa_bits))
    return min((exponent - least << fmt.mantissa_bits) + significand, fmt.infinity)


def encode_real(node: Node, fmt: Format) -> int:
    """Code of a literal: decimal number, ``inf`` or ``nan``, with or without a sign.

    Raises
    ------
    Defect
        If the node is no such literal, or a finite number rounds to infinity.
    """
    negative = False
    literal = node
    while isinstance(literal, Unary) and literal.operator in "+-":
        negative ^= literal.operator == "-"
        literal = literal.operand
    match literal:
        case Number(value=value) | Real(value=value):
            code = round_to_code(Fraction(value), fmt)
            if code == fmt.infinity:
                raise Defect(f"this is beyond the largest {fmt.name} number; write inf if that is meant", node.span)
        case Name(name="inf"):
            code = fmt.infinity
        case Name(name="nan"):
            code = fmt.canonical_nan
        case _:
            raise Defect("a decimal number, inf or nan is needed here", node.span)
    return negative << fmt.bits - 1 | code
