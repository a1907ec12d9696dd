# SPDX-License-Identifier: Apache-2.0
"""``d1 fpga simulate``: a board's top in simulation, behind a pseudo-terminal."""

from __future__ import annotations

import time

import click

from fpga.choice import choose
from fpga.commands.progress import Progress
from fpga.errors import FpgaError

__all__ = ["simulate"]


@click.command()
@click.argument("board_name", metavar="BOARD")
@click.option("--design", metavar="NAME", help="Default: the largest that fits.")
@click.option("--array", metavar="RxC", help="Rows x columns of nodes; default: the board's.")
@click.option("--config", metavar="NAME", help="Preset of the nodes; default: the board's.")
def simulate(board_name: str, design: str | None, array: str | None, config: str | None) -> None:
    """Run the design of BOARD in simulation, from its pins on, until Ctrl-C.

    Its serial line is a pseudo-terminal, which takes the place of the board's serial port in any command.
    """
    from fpga.simulation.board import SimulatedBoard
    from fpga.simulation.rate import fastest_baud

    clock = choose(board_name, design=design, array=array, config=config).settings.clock_hz
    choice = choose(board_name, design=design, array=array, config=config, baud=fastest_baud(clock))
    with Progress() as progress:
        simulation = SimulatedBoard(choice.board, choice.settings, choice.design.name, progress=progress.show)
    with simulation:
        click.echo(f"{choice.describe()} in simulation at {simulation.port}")
        if choice.design.name in ("node", "array"):
            click.echo(f"  d1 run PROGRAM --backend {simulation.port}")
            click.echo(f"  d1 matmul --m 16 --n 16 --k 16 --backend {simulation.port}")
        click.echo("ends with Ctrl-C")
        while simulation.running:
            time.sleep(_LOOK_SECONDS)
    raise FpgaError("the simulation has ended by itself")


#: Seconds between two looks at whether the simulation goes on.
_LOOK_SECONDS = 0.2
