# SPDX-License-Identifier: Apache-2.0
"""``d1 fpga ladder``: checks a board step by step, or its simulation."""

from __future__ import annotations

import shlex

import click

from fpga.choice import DEFAULT_BAUD, Choice, WrongChoice, choose
from fpga.commands.progress import Progress
from fpga.ladder.steps import STEPS, Port, Step
from golden.config import NodeConfig

__all__ = ["ladder"]


@click.command()
@click.argument("board_name", metavar="BOARD")
@click.argument("step_name", metavar="STEP", type=click.Choice(list(STEPS)))
@click.option("--backend", "port", metavar="PORT", help="Serial port of the board, such as /dev/ttyUSB0.")
@click.option("--simulate", is_flag=True, help="Check the board's design in simulation, from its pins on.")
@click.option("--array", metavar="RxC", help="Rows x columns of nodes; default: the board's.")
@click.option("--config", metavar="NAME", help="Preset of the nodes; default: the board's.")
@click.option("--baud", type=click.IntRange(min=1), help=f"Rate of the serial line.  [default: {DEFAULT_BAUD}]")
def ladder(
    board_name: str, step_name: str, port: str | None, simulate: bool, array: str | None, config: str | None, baud: int | None
) -> None:
    """Check BOARD: STEP is blinky, hello, memtest, node or array, in this order.

    With --backend the board at that port is checked, with --simulate its design is compiled and checked in simulation. With
    neither, the commands are printed that put on the board what the step needs.
    """
    if port is not None and simulate:
        raise click.UsageError("--backend and --simulate exclude each other")
    step = STEPS[step_name]
    choice = _choose(step, board_name, array, config, baud, simulate)
    if simulate:
        _simulate(step, choice)
    elif port is not None:
        wanted = _node_config(choice) if config is not None or choice.design.name == "memory" else None
        shape = None if array is None else (choice.settings.rows, choice.settings.columns)
        with Progress() as progress:
            step.check(Port(port, choice, wanted, shape), progress.say, progress.tell)
    else:
        _explain(step, choice, array, config)


def _choose(step: Step, board_name: str, array: str | None, config: str | None, baud: int | None, simulate: bool) -> Choice:
    """What the step needs on the board.

    Raises
    ------
    WrongChoice
        If that does not fit on it.
    """
    from fpga.boards import find_board

    board = find_board(board_name)
    design = step.design_for(board)
    if design is None:
        raise WrongChoice(f"step '{step.name}' is not for {board.name}; what fits there is {', '.join(board.designs)}")
    if array not in (None, "1x1") and "array" in step.designs and "array" in board.designs:
        design = "array"
    if simulate and baud is None:
        from fpga.simulation.rate import fastest_baud

        clock = choose(board_name, design=design).settings.clock_hz
        baud = fastest_baud(clock)
    return choose(board_name, design=design, array=array, config=config, baud=DEFAULT_BAUD if baud is None else baud)


def _node_config(choice: Choice) -> NodeConfig | None:
    """What the nodes of a choice are, None if there are none."""
    if choice.design.name == "memory":
        from fpga.memory_node import memory_config

        assert choice.settings.config is not None
        return memory_config(choice.settings.config, choice.board.family)
    return choice.settings.config


def _simulate(step: Step, choice: Choice) -> None:
    from fpga.simulation.board import SimulatedBoard

    with Progress() as progress:
        simulation = SimulatedBoard(choice.board, choice.settings, choice.design.name, progress=progress.show)
        shape = (choice.settings.rows, choice.settings.columns)
        with simulation:
            step.check(Port(simulation.port, choice, _node_config(choice), shape, simulation), progress.say, progress.tell)


def _explain(step: Step, choice: Choice, array: str | None, config: str | None) -> None:
    """The way to the step with a board at hand."""
    board, settings = choice.board, choice.settings
    options = ["--design", choice.design.name]
    if choice.design.nodes:
        options += ["--array", f"{settings.rows}x{settings.columns}"] if choice.design.name == "array" else []
        assert settings.config is not None
        options += ["--config", settings.config.name]
    if settings.baud != DEFAULT_BAUD:
        options += ["--baud", str(settings.baud)]
    again = ["--array", array] if array is not None else []
    again += ["--config", config] if config is not None else []
    again_there = again + (["--baud", str(settings.baud)] if settings.baud != DEFAULT_BAUD else [])
    click.echo(f"{step.name}: {step.title}")
    click.echo(f"It needs {choice.describe()}:")
    click.echo(f"  {shlex.join(['d1', 'fpga', 'build', board.name, *options])}")
    click.echo(f"  {shlex.join(['d1', 'fpga', 'flash', board.name, *options])}")
    click.echo(f"Then, with the board's serial port ({board.serial}):")
    click.echo(f"  {shlex.join(['d1', 'fpga', 'ladder', board.name, step.name, '--backend', 'PORT', *again_there])}")
    click.echo("Or without a board:")
    click.echo(f"  {shlex.join(['d1', 'fpga', 'ladder', board.name, step.name, '--simulate', *again])}")
