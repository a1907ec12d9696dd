# SPDX-License-Identifier: Apache-2.0
"""From lines of source to labels, mnemonics and the text of their operands. Comments become blanks; columns stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sw.assembler.errors import Diagnostic, SourceLine, Span
from sw.assembler.syntax import NAME

_LITERAL = r'"(?:\\.|[^"\\])*"?|' + r"'(?:\\.[^'\s]*|[^\\'])'"
_QUIET = re.compile(rf"(?P<keep>{_LITERAL})|(?P<line>#|//|;)|(?P<block>/\*)")
_LABEL = re.compile(rf"\s*({NAME}|\d+)\s*:")
_MNEMONIC = re.compile(r"\s*(\S+)")


@dataclass(frozen=True)
class Fragment:
    """What one line says: first its labels, then at most one statement.

    Attributes
    ----------
    line : SourceLine
        The line, for messages.
    labels : tuple of (name, Span)
        Labels in their order; numeric ones are digits.
    mnemonic : str
        Mnemonic or directive, empty if the line has none.
    mnemonic_span : Span
        Where it stands.
    operands : str
        What follows it, without comments.
    operands_start : int
        Column at which that starts.
    """

    line: SourceLine
    labels: tuple[tuple[str, Span], ...]
    mnemonic: str
    mnemonic_span: Span
    operands: str
    operands_start: int


def source_lines(source: str, filename: str) -> list[SourceLine]:
    """The lines of a text, numbered."""
    return [SourceLine(text, filename, number) for number, text in enumerate(source.split("\n"), start=1)]


def _without_comments(lines: Iterable[SourceLine], diagnostics: list[Diagnostic]) -> Iterator[tuple[SourceLine, str]]:
    """Each line with blanks in place of its comments."""
    opened: tuple[SourceLine, Span] | None = None
    for line in lines:
        kept, column = [], 0
        while column < len(line.text):
            if opened:
                end = line.text.find("*/", column)
                stop = len(line.text) if end < 0 else end + 2
                kept.append(" " * (stop - column))
                column = stop
                if end >= 0:
                    opened = None
                continue
            match = _QUIET.search(line.text, column)
            if match is None:
                kept.append(line.text[column:])
                break
            kept.append(line.text[column : match.start()])
            column = match.end()
            if match["line"]:
                break
            if match["keep"]:
                kept.append(match[0])
            else:
                kept.append("  ")
                opened = line, Span(*match.span())
        yield line, "".join(kept)
    if opened:
        diagnostics.append(Diagnostic(*opened, "comment without its end, `*/`"))


def fragments(lines: Iterable[SourceLine], diagnostics: list[Diagnostic]) -> Iterator[Fragment]:
    """What each line says; defects of comments are appended to ``diagnostics``."""
    for line, text in _without_comments(lines, diagnostics):
        labels = []
        column = 0
        while match := _LABEL.match(text, column):
            labels.append((match[1], Span(*match.span(1))))
            column = match.end()
        statement = _MNEMONIC.match(text, column)
        if statement:
            yield Fragment(line, tuple(labels), statement[1], Span(*statement.span(1)), text[statement.end() :], statement.end())
        elif labels:
            yield Fragment(line, tuple(labels), "", labels[-1][1], "", len(text))
