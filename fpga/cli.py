# SPDX-License-Identifier: Apache-2.0
"""``d1 fpga``: boards, their bitstreams, and what these come to."""

from __future__ import annotations

import importlib
import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from fpga.boards import BOARDS, Board, find_board
from fpga.choice import Choice, choice_options, choose
from fpga.errors import ToolMissing
from fpga.report import BuildReport, PartArea, PathStep
from sw.output_files import check_output_file

__all__ = ["fpga"]

#: Seconds between two lines of progress.
_LINE_SECONDS = 10.0

#: Subcommand -> module that defines it under its name; imported when it is called.
_LATE = {"ladder": "fpga.commands.ladder", "simulate": "fpga.commands.simulate"}


class _Group(click.Group):
    """A group, some of whose subcommands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the definitions, those of other modules last."""
        return [*self.commands, *_LATE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of that name, or None."""
        if cmd_name not in _LATE:
            return self.commands.get(cmd_name)
        command: click.Command = getattr(importlib.import_module(_LATE[cmd_name]), cmd_name)
        return command


@click.group(cls=_Group)
def fpga() -> None:
    """Nodes on boards: bitstreams and what they come to."""


@fpga.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def boards(as_json: bool) -> None:
    """List the boards, what is built for them by default, and how they are connected."""
    if as_json:
        listed = [asdict(board) for board in BOARDS.values()]
        click.echo(json.dumps({"boards": listed}, indent=2))
        return
    header = ("board", "what it is", "clock", "default design", "serial line", "programmer")
    _print_table("", header, [_board_row(board) for board in BOARDS.values()], numbers=False)


def _board_row(board: Board) -> tuple[str, ...]:
    choice = choose(board.name)
    return (
        board.name,
        board.title,
        board.clock,
        choice.design.describe(choice.settings),
        board.serial,
        board.programmer[0],
    )


@fpga.command()
@click.argument("board_name", metavar="BOARD")
@choice_options()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of placement and routing.")
@click.option("--pnr/--no-pnr", default=True, help="Place, route and pack, or stop after synthesis.")
@click.option("--parts", "depth", type=click.IntRange(min=0), default=0, help="Also list the area of parts, so many levels deep.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Copy the bitstream there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def build(board_name: str, seed: int, pnr: bool, depth: int, out: Path | None, as_json: bool, **named: Any) -> None:
    """Build the bitstream of a design for BOARD, or find it in the cache, and report what it takes."""
    from fpga.build import build as run_build

    choice = choose(board_name, **named)
    if out is not None and not pnr:
        raise click.UsageError("--out needs a bitstream, which --no-pnr does not make")
    if out is not None:
        check_output_file(out)
    try:
        result = run_build(choice.board, choice.design, choice.settings, seed=seed, place=pnr, tell=_Progress())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if out is not None and result.bitstream is not None:
        shutil.copyfile(result.bitstream, out)
    bitstream = out if out is not None else result.bitstream
    if as_json:
        report = {**result.report.as_dict(), "baud": choice.settings.baud, "seconds": result.seconds}
        report |= {"full_seconds": result.full_seconds, "cached": len(result.seconds) == 1}
        click.echo(json.dumps({**report, "bitstream": str(bitstream) if bitstream else None}, indent=2))
        return
    _print_report(choice, result.report, depth)
    click.echo(f"bitstream: {bitstream}" if bitstream else f"netlist: {result.folder / 'top.json'}")


@fpga.command()
@click.argument("board_name", metavar="BOARD")
@choice_options()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of placement and routing.")
@click.option(
    "--bitstream", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Load this file instead of building one."
)
@click.option("--dry-run", is_flag=True, help="Only print the command, and what stands in its way.")
def flash(board_name: str, seed: int, bitstream: Path | None, dry_run: bool, **named: Any) -> None:
    """Load a design into BOARD, built before if it has to be."""
    from fpga.build import bitstream_path
    from fpga.build import build as run_build
    from fpga.flash import flash as run_flash
    from fpga.flash import flash_arguments, flash_problem
    from fpga.tools import find_tool

    choice = choose(board_name, **named)
    board = choice.board
    try:
        if dry_run:
            path = bitstream or bitstream_path(board, choice.design, choice.settings, seed=seed)
            click.echo(shlex.join(flash_arguments(board, path)))
            if not path.exists():
                click.echo(f"{choice.describe()} is not built yet; without --dry-run it is", err=True)
            try:
                find_tool(board.programmer[0])
            except ToolMissing as error:
                click.echo(str(error), err=True)
            problem = flash_problem(board)
            if problem is not None:
                click.echo(str(problem), err=True)
            return
        find_tool(board.programmer[0])
        if bitstream is None:
            result = run_build(board, choice.design, choice.settings, seed=seed, tell=_Progress())
            if result.report.meets_timing is False:
                click.echo(
                    f"{choice.describe()} reaches {result.report.fmax_mhz:.1f} MHz only, which is less than its clock: "
                    "try other seeds, or a lower --clock",
                    err=True,
                )
            bitstream = result.bitstream
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    assert bitstream is not None
    run_flash(board, bitstream, lambda line: click.echo(line, err=True))
    click.echo(f"{board.name} runs {bitstream}")


@fpga.command()
@click.argument("board_names", metavar="[BOARD]...", nargs=-1)
@click.option("--measure", is_flag=True, help="Build the boards with seeds 1 and up, and put what comes out into the file first.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="How many seeds to build with.")
@choice_options()
@click.option(
    "--write",
    "page",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    help="Put the table into this page.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def report(board_names: tuple[str, ...], measure: bool, seeds: int, page: Path | None, as_json: bool, **named: Any) -> None:
    """Show what boards come to, as it was measured: area, clock, build time, products.

    Without a BOARD all are shown. --measure takes the boards named, or all of tier 1, each with its default design unless
    options choose another; figures of the same board, design, preset and array are replaced.
    """
    from fpga import measurements

    for name in board_names:
        find_board(name)
    if measure:
        for name in board_names or [board.name for board in BOARDS.values() if board.tier == 1]:
            choice = choose(name, **named)
            if not choice.design.nodes:
                raise click.UsageError(f"'{choice.design.name}' has no nodes to measure")
            click.echo(f"{choice.describe()}, seeds 1 to {seeds}", err=True)
            measurements.update(measurements.measure(choice, range(1, seeds + 1), tell=_Progress()))
    known = measurements.load()
    if page is not None:
        page.write_text(measurements.replace_part(page.read_text(), measurements.markdown(known)))
    shown = [one for one in known if not board_names or one.board in board_names]
    if as_json:
        figures = [{**asdict(one), "macs_per_second": one.macs_per_second} for one in shown]
        click.echo(json.dumps({"measurements": figures}, indent=2))
    elif not shown:
        click.echo("nothing has been measured; --measure does it")
    else:
        _print_table("", measurements.HEADER, [measurements.row(one) for one in shown])


class _Progress:
    """Progress of a build as lines on stderr."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, stage: str, seconds: float, note: str) -> None:
        if seconds == 0.0:
            self._said = 0.0
        elif not note:
            click.echo(f"{stage}: {seconds:.1f} s", err=True)
        elif seconds - self._said >= _LINE_SECONDS:
            self._said = seconds
            click.echo(f"{stage} ... {seconds:.0f} s, {note}", err=True)


def _print_report(choice: Choice, report: BuildReport, depth: int) -> None:
    rows = []
    for name, resource in report.resources.items():
        share = "" if resource.share is None else f"{100 * resource.share:.1f} %"
        rows.append((name, f"{resource.used:,}", "" if resource.available is None else f"{resource.available:,}", share))
    _print_table(choice.describe(), ("resource", "used", "of", "share"), rows)
    if depth:
        parts = [part for part in report.parts if part.part == "design" or part.part.count(".") < depth]
        _print_table("area of parts, after synthesis", ("part", *report.resources), [_part_row(part) for part in parts])
    if report.fmax_mhz is not None:
        verdict = "reached" if report.meets_timing else "MISSED"
        click.echo(
            f"Fmax {report.fmax_mhz:.1f} MHz, seed {report.seed}; the design's clock of {report.clock_mhz:g} MHz is {verdict}"
        )
        click.echo(f"critical path: {_path_summary(report.critical_path)}")


def _part_row(part: PartArea) -> tuple[str, ...]:
    return part.part, *(f"{amount:,}" for amount in part.area.values())


def _path_summary(path: list[PathStep]) -> str:
    """Start, end, and how much of the path is logic and how much is wires."""
    if not path:
        return "none"
    logic = sum(step.nanoseconds for step in path if step.kind != "routing")
    wires = sum(step.nanoseconds for step in path if step.kind == "routing")
    nets = [step.name for step in path if step.kind == "routing"]
    ends = f"from {nets[0]} to {nets[-1]}" if nets else path[0].name
    return f"{logic:.1f} ns logic + {wires:.1f} ns wires, {ends}"


def _print_table(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numbers: bool = True) -> None:
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for number, column in enumerate(header):
        table.add_column(column, justify="right" if numbers and number else "left")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, width=None if Console().is_terminal else 160).print(table)
