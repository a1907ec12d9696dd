# SPDX-License-Identifier: Apache-2.0
"""The operand grammar, and the syntax tree that it makes.

Everything after a mnemonic or a directive is a list of operands: registers, memory operands, strings, expressions.
Operators bind as in C: ``* / %``, then ``+ -``, ``<< >>``, ``&``, ``^``, ``|``; unary ``- + ~`` bind strongest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args

from sw.assembler.errors import Defect, Span
from sw.encoding import REGISTERS

#: What a symbol's name looks like.
NAME = r"(?:[A-Za-z_$]|\.(?=[A-Za-z_$.]))[\w.$]*"

_REGISTER = "|".join(sorted(map(re.escape, REGISTERS), key=len, reverse=True))

_GRAMMAR = rf"""
start: [_operand ("," _operand)*]
_operand: register | string | memory | or

register: REGISTER
string: STRING
memory: [or] LPAR register RPAR [PLUS]

?or: xor | or OR xor                               -> binary
?xor: and | xor XOR and                            -> binary
?and: shift | and AND shift                        -> binary
?shift: sum | shift SHIFT sum                      -> binary
?sum: product | sum (PLUS | MINUS) product         -> binary
?product: unary | product (STAR | SLASH | PERCENT) unary -> binary
?unary: atom | (PLUS | MINUS | TILDE) unary        -> unary
?atom: NUMBER                                      -> number
     | REAL                                        -> real
     | CHARACTER                                   -> character
     | NAME                                        -> name
     | LOCAL                                       -> local
     | HERE                                        -> here
     | MODIFIER LPAR or RPAR                         -> modified
     | LPAR or RPAR                                -> group

REGISTER.3: /(?:{_REGISTER})(?![\w.$])/
LOCAL.3: /\d+[bf](?!\w)/
REAL.2: /(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d{{1,4}})?(?!\w)|\d[\d_]*[eE][+-]?\d{{1,4}}(?!\w)/
NUMBER: /\d\w*/
NAME: /{NAME}/
HERE: /\.(?![\w.$])/
CHARACTER: /'(?:\\[^'\n]+|\\'|[^\\'\n])'/
STRING: /"(?:\\.|[^"\\\n])*"/
MODIFIER: /%(?:pcrel_hi|pcrel_lo|hi|lo)(?=\s*\()/
LPAR: "("
RPAR: ")"
OR: "|"
XOR: "^"
AND: "&"
SHIFT: "<<" | ">>"
PLUS: "+"
MINUS: "-"
STAR: "*"
SLASH: "/"
PERCENT: "%"
TILDE: "~"
%ignore /[ \t\r\f]+/
"""


@dataclass(frozen=True)
class Node:
    """Part of an operand; ``span`` counts columns from the start of the operand list, None if it was not written."""

    span: Span | None


@dataclass(frozen=True)
class Number(Node):
    """A whole number or a character."""

    value: int


@dataclass(frozen=True)
class Real(Node):
    """A decimal fraction, exact."""

    value: Fraction


@dataclass(frozen=True)
class Name(Node):
    """A symbol."""

    name: str


@dataclass(frozen=True)
class Local(Node):
    """A numeric local label, ``1b`` or ``1f``."""

    number: int
    forward: bool


@dataclass(frozen=True)
class Here(Node):
    """``.``, the address of the statement."""


@dataclass(frozen=True)
class Unary(Node):
    """``-x``, ``+x`` or ``~x``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    """Two operands and an operator."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Modified(Node):
    """``%hi(x)`` and its like; ``modifier`` is without the percent sign."""

    modifier: str
    operand: Node


@dataclass(frozen=True)
class Register(Node):
    """A register by name."""

    name: str


@dataclass(frozen=True)
class Memory(Node):
    """``offset(base)``, ``(base)`` or ``(base)+``."""

    offset: Node | None
    base: Node
    advances: bool


@dataclass(frozen=True)
class Text(Node):
    """A string."""

    value: bytes


_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "a": 7, "v": 11, "\\": 92, '"': 34, "'": 39}
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)")


def _unescape(token: Token) -> bytes:
    """Bytes of a string or character with its quotes; text beyond ASCII becomes UTF-8."""

    def byte(match: re.Match[str]) -> str:
        escape = match[1]
        if escape[0] == "x" and len(escape) > 1:
            code = int(escape[1:], 16)
        elif escape[0] in "01234567":
            code = int(escape, 8)
        elif escape in _ESCAPES:
            code = _ESCAPES[escape]
        else:
            known = " ".join("\\" + name for name in _ESCAPES)
            start = token.start_pos or 0
            span = Span(start + 1 + match.start(), start + 1 + match.end())
            raise Defect(f"unknown escape `{match[0]}`; known are {known} \\xHH and octal \\OOO", span)
        if code > 0xFF:
            raise Defect(f"escape `{match[0]}` does not fit into a byte", _span(token))
        # Surrogates carry single bytes through the encoding below.
        return chr(code) if code < 0x80 else chr(0xDC00 + code)

    return _ESCAPE.sub(byte, token[1:-1]).encode("utf-8", "surrogateescape")


def _span(token: Token) -> Span:
    start = token.start_pos or 0
    return Span(start, start + len(token))


def _joined(first: Span | None, last: Span | None) -> Span | None:
    return Span(first.start, last.end) if first and last else first or last


@v_args(inline=True)
class _Builder(Transformer[Token, list[Node]]):
    """Makes nodes while the parser runs; methods are named like the grammar's rules."""

    def start(self, *operands: Node | None) -> list[Node]:
        return [operand for operand in operands if operand is not None]

    def register(self, token: Token) -> Node:
        return Register(_span(token), str(token))

    def string(self, token: Token) -> Node:
        return Text(_span(token), _unescape(token))

    def memory(self, offset: Node | None, left: Token, base: Node, right: Token, plus: Token | None) -> Node:
        span = _joined(offset.span if offset else _span(left), _span(plus or right))
        return Memory(span, offset, base, plus is not None)

    def group(self, left: Token, inner: Node, right: Token) -> Node:
        return replace(inner, span=_joined(_span(left), _span(right)))

    def binary(self, left: Node, operator: Token, right: Node) -> Node:
        return Binary(_joined(left.span, right.span), str(operator), left, right)

    def unary(self, operator: Token, operand: Node) -> Node:
        return Unary(_joined(_span(operator), operand.span), str(operator), operand)

    def number(self, token: Token) -> Node:
        try:
            return Number(_span(token), int(token, 0))
        except ValueError:
            hint = f"; octal is written 0o{token.lstrip('0')}" if re.fullmatch("0[0-7]+", token) else ""
            raise Defect(f"`{token}` is not a number{hint}", _span(token)) from None

    def real(self, token: Token) -> Node:
        return Real(_span(token), Fraction(str(token)))

    def character(self, token: Token) -> Node:
        data = _unescape(token)
        if len(data) != 1:
            raise Defect(f"{token} is {len(data)} bytes; a character is one", _span(token))
        return Number(_span(token), data[0])

    def name(self, token: Token) -> Node:
        return Name(_span(token), str(token))

    def local(self, token: Token) -> Node:
        return Local(_span(token), int(token[:-1]), token[-1] == "f")

    def here(self, token: Token) -> Node:
        return Here(_span(token))

    def modified(self, token: Token, left: Token, operand: Node, right: Token) -> Node:
        return Modified(_joined(_span(token), _span(right)), str(token)[1:], operand)


_PARSER = Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Builder(), maybe_placeholders=True)

_EXPECTED = {"COMMA": "`,`", "RPAR": "`)`", "LPAR": "`(`", "$END": "the end of the line"}


def _expected(terminals: set[str]) -> str:
    """What may stand where the parser stopped, in words."""
    if "REGISTER" in terminals:
        return "an operand" if "NAME" in terminals else "a register"
    if "NAME" in terminals:
        return "a value"
    return " or ".join(words for terminal, words in _EXPECTED.items() if terminal in terminals)


@lru_cache(maxsize=1 << 14)
def parse_operands(text: str) -> tuple[Node, ...]:
    """The operands in the text.

    Parameters
    ----------
    text : str
        What follows a mnemonic, without comments.

    Raises
    ------
    Defect
        With the column, counted from the start of the text, at which no operand list can continue so.
    """
    try:
        return tuple(_PARSER.parse(text))  # type: ignore[arg-type]
    except UnexpectedToken as error:
        token = error.token
        if token.type == "$END":
            end = len(text.rstrip())
            raise Defect(f"{_expected(error.accepts)} is missing", Span(end, end + 1)) from None
        raise Defect(f"unexpected `{token}`; expected {_expected(error.accepts)}", _span(token)) from None
    except UnexpectedCharacters as error:
        column = error.pos_in_stream or 0
        found = text[column]
        if found in "\"'":
            raise Defect("string or character without its end", Span(column, len(text))) from None
        raise Defect(f"unexpected `{found}`; expected {_expected(set(error.allowed))}", Span(column, column + 1)) from None
