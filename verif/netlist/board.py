# SPDX-License-Identifier: Apache-2.0
"""A board's netlist in simulation: what the build flow places, behind a pseudo-terminal."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path

from fpga import simulation
from fpga.boards import Board
from fpga.build import Tell, build
from fpga.choice import Choice
from fpga.errors import FpgaError
from fpga.flows import TOP as FLOW_TOP
from fpga.simulation.build import (
    PROGRAM,
    TICK_CYCLE,
    TOP,
    BoardFiles,
    BoardProgram,
    Progress,
    board_files,
    compile_board,
)
from scripts.simulator.cache import Cache, digest
from scripts.simulator.compilation import quick_by_default
from scripts.simulator.toolchain import find_toolchain
from verif.netlist.netlist import Netlist, clock_of_pll, read_netlist

__all__ = ["NoNetlist", "board_netlist", "build_program"]

_RANDOMISE = Path(__file__).resolve().parent / "randomise.cpp"

#: What the program is made of beside the netlist.
_HARNESS = tuple(Path(simulation.__path__[0]) / name for name in ("build.py", "main.cpp", "platform.py"))

#: Unknown values are random ones. Smaller files and less optimisation: the C++ is a hundred times that of the design before
#: synthesis.
_VERILATOR = ("--x-assign", "unique", "--x-initial", "unique", "--output-split", "20000", "--assert")

#: How far the PLL's clock may be from that of the nodes.
_CLOCK_TOLERANCE = 1e-3


class NoNetlist(FpgaError):
    """A board whose FPGA has no models of cells, or whose netlist cannot be what was asked for."""

    exit_code = 2


def board_netlist(choice: Choice, *, faults: int = 0, seed: int = 1, tell: Tell = lambda stage, seconds, note: None) -> Netlist:
    """The netlist of a design for a board, by the build flow, for a simulator.

    Parameters
    ----------
    choice : Choice
    faults, seed : int
        See :func:`verif.netlist.faults.plant_faults`.
    tell : callable
        Gets progress as of :func:`fpga.build.build`.

    Raises
    ------
    NoNetlist
        If the board has no ECP5, or the PLL in the netlist does not make the clock of the nodes.
    FpgaError
        If synthesis fails.
    """
    board = choice.board
    if board.family != "ecp5":
        raise NoNetlist(f"{board.name} has no ECP5; there are models of its cells only")
    result = build(board, choice.design, choice.settings, place=False, tell=tell)
    netlist = read_netlist(result.folder / f"{FLOW_TOP}.json", top=TOP, faults=faults, seed=seed)
    _check_clock(netlist, board, choice.settings.clock_hz)
    return netlist


def build_program(choice: Choice, netlist: Netlist, progress: Progress = lambda stage, done: None) -> BoardProgram:
    """The program that simulates a netlist, for ``fpga.simulation.board.SimulatedBoard``, from the cache or built now.

    Parameters
    ----------
    choice : Choice
        What the netlist was made of.
    netlist : Netlist
    progress : callable
        Told what is being done.

    Raises
    ------
    scripts.simulator.errors.SimulatorError
        If a tool is missing or fails, or the cache cannot be written.
    """
    board, settings = choice.board, choice.settings
    tools = find_toolchain()

    def files() -> BoardFiles:
        pins = board_files(board, choice.design.name, settings)
        return dataclasses.replace(pins, sources=netlist.sources | {_RANDOMISE.name: _RANDOMISE.read_text()})

    def make(folder: Path) -> None:
        log = cache.folder / f"{key}.log"
        compile_board(
            folder, log, files, settings, tools, progress,
            may_rest=choice.design.nodes, tick=TICK_CYCLE, quick=quick, options=_VERILATOR,
        )  # fmt: skip

    cache = Cache("netlists")
    contents = [(name, text.encode()) for name, text in netlist.sources.items()]
    contents += [(path.name, path.read_bytes()) for path in (*_HARNESS, _RANDOMISE)]
    quick = quick_by_default()
    facts = [tools.versions["verilator"], tools.versions["g++"], platform.machine(), *(["quick"] if quick else [])]
    key = digest(contents, repr(board), repr(dataclasses.astuple(settings)), *_VERILATOR, *facts)
    cached = cache.find(key) is not None
    folder = cache.build(key, make, lambda: progress("waiting for another process that builds the same simulation", None))
    return BoardProgram(folder / PROGRAM, json.loads((folder / "build.json").read_text())["lights"], cached)


def _check_clock(netlist: Netlist, board: Board, clock_hz: int) -> None:
    """The model of the PLL takes the clock at its input for that of the nodes, so here is where its dividers count."""
    made = float(board.oscillator_hz)
    if len(netlist.plls) > 1:
        raise NoNetlist(f"there are {len(netlist.plls)} PLLs, and one at most is expected")
    if netlist.plls:
        try:
            made = float(clock_of_pll(netlist.plls[0], board.oscillator_hz))
        except ValueError as error:
            raise NoNetlist(str(error)) from error
    if abs(made / clock_hz - 1) > _CLOCK_TOLERANCE:
        raise NoNetlist(f"the netlist's clock is {made / 1e6:g} MHz, and that of the design {clock_hz / 1e6:g} MHz")
