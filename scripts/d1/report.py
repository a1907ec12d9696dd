# SPDX-License-Identifier: Apache-2.0
"""What the command prints: tables and JSON on stdout, stages with progress and elapsed time on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

#: Seconds between two lines of a stage's progress where stderr is no terminal.
LINE_INTERVAL_SECONDS = 10.0


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout, and nothing else."""
    click.echo(json.dumps(value, indent=2))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout, as wide as it needs to be."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in header:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(file=sys.stdout, markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, highlight=False, width=200)
    console.print(table)


class Stage:
    """One stage that is under way; ``advance`` tells how far it is."""

    def __init__(self, stages: Stages, title: str):
        self._stages = stages
        self._title = title
        self._start = self._last = time.monotonic()
        self.note = ""

    @property
    def seconds(self) -> float:
        """Time since the stage began."""
        return time.monotonic() - self._start

    def advance(self, fraction: float | None = None, note: str = "") -> None:
        """Report progress.

        Parameters
        ----------
        fraction : float or None
            Of the stage, 0 to 1, if it is known.
        note : str
            What is being done, a few words.
        """
        self._stages.show(self._title, fraction, note, self._quiet())

    def leave_screen(self) -> None:
        """Show nothing more until the stage ends: something else writes to the same screen."""
        self._stages.leave_screen()

    def _quiet(self) -> bool:
        now = time.monotonic()
        if now - self._last < LINE_INTERVAL_SECONDS:
            return True
        self._last = now
        return False


class Stages:
    """Stages of a longer job, on stderr: a live bar in a terminal, lines elsewhere.

    Every stage that succeeds leaves one line with its elapsed time and its note, so a log tells the same as the screen. One
    that fails leaves none: its error is what there is to read.
    """

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, markup=False, highlight=False)
        self._live: Progress | None = None
        self._task: Any = None

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        """Run the body as a stage of that title."""
        stage = Stage(self, title)
        if self._console.is_terminal:
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[note]}", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._live.add_task(title, total=None, note="")
            self._live.start()
        try:
            yield stage
        finally:
            self.leave_screen()
        self._console.print(f"{title}: {stage.seconds:.1f} s{', ' + stage.note if stage.note else ''}", soft_wrap=True)

    def leave_screen(self) -> None:
        """Take the bar away, if there is one."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @contextmanager
    def follow(self, titles: Mapping[str, str]) -> Iterator[Callable[[str, int, int], None]]:
        """A callback (name, done, total) that shows the stage of that name, which ends when done reaches total.

        Parameters
        ----------
        titles : mapping of str to str
            Title of each name that the callback may get.
        """
        with contextlib.ExitStack() as stack:
            under_way: dict[str, tuple[contextlib.ExitStack, Stage]] = {}

            def tell(name: str, done: int, total: int) -> None:
                if name not in under_way:
                    inner = stack.enter_context(contextlib.ExitStack())
                    under_way[name] = inner, inner.enter_context(self.stage(titles[name]))
                inner, stage = under_way[name]
                if done < total:
                    stage.advance(done / total if total > 1 else None)
                else:
                    del under_way[name]
                    inner.close()

            yield tell

    def show(self, title: str, fraction: float | None, note: str, quiet: bool) -> None:
        """Bring the bar up to date, or print a line unless it is too soon (``quiet``)."""
        if self._live is not None:
            total = None if fraction is None else 1.0
            self._live.update(self._task, total=total, completed=fraction or 0.0, note=note)
        elif not quiet:
            percent = "" if fraction is None else f" {100 * fraction:.0f} %"
            self._console.print(f"{title} ...{percent} {note}".rstrip(), soft_wrap=True)
