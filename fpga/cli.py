# SPDX-License-Identifier: Apache-2.0
"""``d1 fpga``: boards and their bitstreams."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from fpga.boards import BOARDS, Board, find_board
from fpga.designs import DESIGNS, Settings
from fpga.report import BuildReport, PartArea, PathStep
from golden.config import PRESETS, preset

__all__ = ["fpga"]

#: Seconds between two lines of progress.
_LINE_SECONDS = 10.0

DEFAULT_BAUD = 1_000_000


@click.group()
def fpga() -> None:
    """Nodes on boards: bitstreams and what they come to."""


@fpga.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def boards(as_json: bool) -> None:
    """The boards that are known."""
    if as_json:
        click.echo(json.dumps({"boards": [asdict(board) for board in BOARDS.values()]}, indent=2))
        return
    for board in BOARDS.values():
        click.echo(f"{board.name}: {board.title}, {board.node_hz / 1e6:g} MHz, preset {board.config}")


@fpga.command()
@click.argument("board_name", metavar="BOARD")
@click.option("--config", "config_name", metavar="NAME", help=f"Preset of the node: {', '.join(PRESETS)}; default: the board's.")
@click.option("--baud", type=click.IntRange(min=1), default=DEFAULT_BAUD, show_default=True, help="Rate of the serial line.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of placement and routing.")
@click.option("--pnr/--no-pnr", default=True, help="Place, route and pack, or stop after synthesis.")
@click.option("--parts", "depth", type=click.IntRange(min=0), default=0, help="Also list the area of parts, so many levels deep.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Copy the bitstream there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def build(
    board_name: str, config_name: str | None, baud: int, seed: int, pnr: bool, depth: int, out: Path | None, as_json: bool
) -> None:
    """Build the bitstream of a node with its host link for BOARD, or find it in the cache, and report what it takes."""
    from fpga.build import build as run_build

    board = find_board(board_name)
    config = preset(config_name or board.config)
    if out is not None and not pnr:
        raise click.UsageError("--out needs a bitstream, which --no-pnr does not make")
    try:
        result = run_build(
            board, DESIGNS["node"], Settings(config, 1, 1, baud, board.node_hz), seed=seed, place=pnr, tell=_Progress()
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if out is not None and result.bitstream is not None:
        shutil.copyfile(result.bitstream, out)
    bitstream = out if out is not None else result.bitstream
    if as_json:
        report = {**result.report.as_dict(), "baud": baud, "seconds": result.seconds, "cached": len(result.seconds) == 1}
        click.echo(json.dumps({**report, "bitstream": str(bitstream) if bitstream else None}, indent=2))
        return
    _print_report(board, result.report, depth)
    click.echo(f"bitstream: {bitstream}" if bitstream else f"netlist: {result.folder / 'top.json'}")


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


def _print_report(board: Board, report: BuildReport, depth: int) -> None:
    rows = []
    for name, resource in report.resources.items():
        share = "" if resource.share is None else f"{100 * resource.share:.1f} %"
        rows.append((name, f"{resource.used:,}", "" if resource.available is None else f"{resource.available:,}", share))
    _print_table(f"{report.config} on {board.title}", ("resource", "used", "of", "share"), rows)
    if depth:
        parts = [part for part in report.parts if part.part == "design" or part.part.count(".") < depth]
        _print_table("area of parts, after synthesis", ("part", "LUT4", "FF", "DSP", "EBR"), [_part_row(part) for part in parts])
    if report.fmax_mhz is not None:
        verdict = "reached" if report.meets_timing else "MISSED"
        click.echo(
            f"Fmax {report.fmax_mhz:.1f} MHz, seed {report.seed}; the board's clock of {report.clock_mhz:g} MHz is {verdict}"
        )
        click.echo(f"critical path: {_path_summary(report.critical_path)}")


def _part_row(part: PartArea) -> tuple[str, ...]:
    return part.part, f"{part.lut4:,}", f"{part.ff:,}", f"{part.dsp:,}", f"{part.ebr:,}"


def _path_summary(path: list[PathStep]) -> str:
    """Start, end, and how much of the path is logic and how much is wires."""
    if not path:
        return "none"
    logic = sum(step.nanoseconds for step in path if step.kind != "routing")
    wires = sum(step.nanoseconds for step in path if step.kind == "routing")
    nets = [step.name for step in path if step.kind == "routing"]
    ends = f"from {nets[0]} to {nets[-1]}" if nets else path[0].name
    return f"{logic:.1f} ns logic + {wires:.1f} ns wires, {ends}"


def _print_table(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for number, column in enumerate(header):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, width=None if Console().is_terminal else 160).print(table)
