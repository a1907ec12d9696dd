# SPDX-License-Identifier: Apache-2.0
"""What is built for a board: what the user named, and the board's defaults for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from fpga.boards import Board, find_board
from fpga.designs import DESIGNS, Design, Settings
from fpga.errors import FpgaError
from golden.config import PRESETS, preset
from golden.layout import COORDINATE_BITS

__all__ = ["DEFAULT_BAUD", "Choice", "WrongChoice", "choice_options", "choose"]

DEFAULT_BAUD = 1_000_000


class WrongChoice(FpgaError):
    """A design, array or clock that does not go together or not with the board; the message says what does."""

    exit_code = 2


@dataclass(frozen=True)
class Choice:
    """A board, with the nodes' clock that was chosen, and what goes on it."""

    board: Board
    design: Design
    settings: Settings

    def describe(self) -> str:
        """In words: ``array 2x2 of 'nano' on ulx3s-85f``."""
        return f"{self.design.describe(self.settings)} on {self.board.name}"


def choose(
    board_name: str,
    *,
    design: str | None = None,
    array: str | None = None,
    config: str | None = None,
    clock_mhz: float | None = None,
    baud: int = DEFAULT_BAUD,
) -> Choice:
    """A choice from names as the command line has them; None stands for the board's default.

    Parameters
    ----------
    board_name : str
    design : str or None
        Default: the largest that fits; with an array, that array.
    array : str or None
        ``RxC``.
    config : str or None
        Preset of the nodes.
    clock_mhz : float or None
        Of the nodes.
    baud : int
        Of the serial line.

    Raises
    ------
    UnknownBoard
        If there is no such board.
    ConfigError
        If there is no such preset.
    WrongChoice
        If what is named does not go together.
    """
    board = find_board(board_name)
    shape = None if array is None else _shape(array)
    if design is None:
        design = board.default_design if shape is None else "node" if shape == (1, 1) else "array"
    if design not in DESIGNS:
        raise WrongChoice(f"there is no design '{design}'; designs are {', '.join(DESIGNS)}")
    if design not in board.designs:
        raise WrongChoice(f"'{design}' does not fit on {board.name}; what fits is {', '.join(board.designs)}")
    chosen = DESIGNS[design]
    if not chosen.nodes:
        for option, value in (("--array", array), ("--config", config), ("--clock", clock_mhz)):
            if value is not None:
                raise WrongChoice(f"'{design}' has no nodes, so {option} means nothing to it")
        return Choice(board, chosen, Settings(None, 0, 0, baud, board.oscillator_hz))
    if design != "array" and shape not in (None, (1, 1)):
        raise WrongChoice(f"'{design}' is one node; --design array takes --array {array}")
    if clock_mhz is not None:
        if not 0 < clock_mhz <= 1000:
            raise WrongChoice(f"--clock {clock_mhz:g} is no clock in MHz")
        board = replace(board, node_hz=round(clock_mhz * 1e6))
    rows, columns = (shape or (board.rows, board.columns)) if design == "array" else (1, 1)
    return Choice(board, chosen, Settings(preset(config or board.config), rows, columns, baud, board.node_hz))


def _shape(array: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,4})[xX]([0-9]{1,4})", array)
    limit = 1 << COORDINATE_BITS
    if match is None or not (1 <= int(match[1]) <= limit and 1 <= int(match[2]) <= limit):
        raise WrongChoice(f"'{array}' is no array; write rows x columns, such as 2x2")
    return int(match[1]), int(match[2])


def choice_options(*, design: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a choice, which ``choose`` takes by the same names; without ``--design`` if that is not wanted."""
    options = [
        click.option("--array", metavar="RxC", help="Rows x columns of nodes; default: the board's."),
        click.option("--config", metavar="NAME", help=f"Preset of the nodes: {', '.join(PRESETS)}; default: the board's."),
        click.option("--clock", "clock_mhz", type=float, metavar="MHZ", help="Clock of the nodes; default: the board's."),
        click.option(
            "--baud", type=click.IntRange(min=1), default=DEFAULT_BAUD, show_default=True, help="Rate of the serial line."
        ),
    ]
    if design:
        names = ", ".join(DESIGNS)
        options.insert(0, click.option("--design", metavar="NAME", help=f"One of {names}; default: the largest that fits."))

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add
