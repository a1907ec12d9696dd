# SPDX-License-Identifier: Apache-2.0
"""What programs write, shown as it comes: standard output on stdout, errors on stderr."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from sw.backend import Site

__all__ = ["ProgramOutput"]


class ProgramOutput:
    """Shows what nodes write.

    Of a single node every byte is passed on at once. Of several nodes lines are passed on as a whole, each with its node before
    it; what is no whole line when the programs end is one by then.

    Parameters
    ----------
    nodes : int
        How many nodes run the program.
    begin : callable
        Called before anything is shown for the first time.
    before : mapping of (x, y) to bytes, optional
        What a run that goes on has written before, of which only the line that is not ended is shown again.
    """

    def __init__(self, nodes: int, begin: Callable[[], None], before: Mapping[Site, bytes | bytearray] | None = None):
        self._several = nodes > 1
        self._begin = begin
        self._begun = False
        #: What is not shown yet, by site and descriptor; of a single node, what stands in the last line.
        self._open: dict[tuple[Site, int], bytes] = {
            (site, 1): bytes(contents).rpartition(b"\n")[2] for site, contents in (before or {}).items()
        }

    def write(self, site: Site, descriptor: int, contents: bytes) -> None:
        """A node writes to descriptor 1 or 2."""
        *lines, rest = (self._open.get((site, descriptor), b"") + contents).split(b"\n")
        self._open[site, descriptor] = rest
        if self._several:
            self._show(descriptor, b"".join(_named(site, line) for line in lines))
        else:
            self._show(descriptor, contents)

    def close(self) -> None:
        """End the lines that are not ended."""
        for (site, descriptor), rest in self._open.items():
            if rest:
                self._show(descriptor, _named(site, rest) if self._several else b"\n")
        self._open.clear()

    def _show(self, descriptor: int, contents: bytes) -> None:
        if not contents:
            return
        if not self._begun:
            self._begun = True
            self._begin()
        click.echo(contents, nl=False, err=descriptor == 2)


def _named(site: Site, line: bytes) -> bytes:
    """A line with its node before it."""
    x, y = site
    return b"row %d, column %d: %b\n" % (y, x, line)
