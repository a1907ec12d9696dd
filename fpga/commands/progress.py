# SPDX-License-Identifier: Apache-2.0
"""Progress of long commands on stderr."""

from __future__ import annotations

import sys
import time

import click

__all__ = ["Progress"]

#: Seconds between two lines, where lines cannot be overwritten.
_LINE_SECONDS = 10.0

#: Seconds between two changes of a line.
_REFRESH_SECONDS = 0.1

_WIDTH = 100


class Progress:
    """One line that is overwritten in a terminal; a line now and then elsewhere. A context manager, which clears the line."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._said = time.monotonic()
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    def show(self, what: str, share: float | None) -> None:
        """Say what is being done, and how much of it is done, 0 to 1, where that is known."""
        now = time.monotonic()
        if now - self._said < (_REFRESH_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._said = now
        text = what if share is None else f"{what}, {100 * share:.0f} %"
        if self._terminal:
            click.echo(f"\r{text[:_WIDTH]:{_WIDTH}}", nl=False, err=True)
            self._shown = True
        else:
            click.echo(f"{text} ...", err=True)

    def tell(self, what: str, done: int, total: int) -> None:
        """The same for ``done`` of ``total``."""
        self.show(what, done / total if total else None)

    def say(self, text: str) -> None:
        """A line of the result, on stdout."""
        self.clear()
        click.echo(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo(f"\r{'':{_WIDTH}}\r", nl=False, err=True)
            self._shown = False
