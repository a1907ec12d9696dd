# SPDX-License-Identifier: Apache-2.0
"""What the assembler says about bad source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Diagnostics that one message shows.
SHOWN = 20


@dataclass(frozen=True)
class SourceLine:
    """One line of source and where it came from.

    Attributes
    ----------
    text : str
        The line without its line break.
    file : str
        File that it stands in.
    number : int
        Line number, from 1.
    """

    text: str
    file: str
    number: int


@dataclass(frozen=True)
class Span:
    """Part of a line: first column from 0 and the column after the last."""

    start: int
    end: int

    def shifted(self, columns: int) -> Span:
        """The same part, further to the right."""
        return Span(self.start + columns, self.end + columns)


@dataclass(frozen=True)
class Diagnostic:
    """One thing wrong in the source."""

    line: SourceLine
    span: Span
    reason: str

    def __str__(self) -> str:
        # Tabs are kept, so that the caret stands below its column whatever a tab's width is.
        indent = "".join(c if c == "\t" else " " for c in self.line.text[: self.span.start])
        marker = "^" + "~" * (min(self.span.end, len(self.line.text)) - self.span.start - 1)
        place = f"{self.line.file}:{self.line.number}:{self.span.start + 1}"
        return f"{place}: error: {self.reason}\n    {self.line.text}\n    {indent}{marker}"


class AssemblyError(ValueError):
    """Source that cannot be assembled.

    Parameters
    ----------
    diagnostics : sequence of Diagnostic
        Everything found, in the order of the source. The message shows the first 20.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        shown = [str(diagnostic) for diagnostic in self.diagnostics[:SHOWN]]
        if len(self.diagnostics) > SHOWN:
            shown.append(f"and {len(self.diagnostics) - SHOWN} more")
        super().__init__("\n".join(shown))


class Defect(Exception):
    """Something wrong in a statement; the assembler turns it into a Diagnostic.

    Parameters
    ----------
    reason : str
        What, and what is allowed.
    span : Span or None
        Where in the line; None stands for the whole statement.
    """

    def __init__(self, reason: str, span: Span | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span


class Unresolved(Defect):
    """A value that is not known yet, and is an error only if it never becomes known."""
