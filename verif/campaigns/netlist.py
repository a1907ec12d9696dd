# SPDX-License-Identifier: Apache-2.0
"""A board's netlist, after synthesis, does a step of the ladder in simulation; with a fault planted in it, it does not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fpga.build import Tell
from fpga.choice import Choice
from fpga.errors import FpgaError
from fpga.ladder.steps import STEPS, Port, Step
from fpga.simulation.board import SimulatedBoard
from fpga.simulation.build import BoardProgram
from sw.host import HostError
from verif.netlist.board import board_netlist, build_program
from verif.netlist.faults import FAULT_VARIABLE
from verif.netlist.netlist import Netlist

__all__ = ["LEAST_SECONDS", "FaultOutcome", "NetlistOutcome", "Progress", "run"]

#: Told which stage is under way, how much of it is done (0 to 1, None if that is not known), and what is being done.
Progress = Callable[[str, float | None, str], None]

#: A simulation with a fault is ended after so many times what the one without took, but not before so many seconds.
_PATIENCE = 4
LEAST_SECONDS = 20.0


@dataclass(frozen=True)
class FaultOutcome:
    """A fault: the look-up table that gave the inverse, and what the step said; ``caught`` unless it passed all the same."""

    cell: str
    caught: bool
    message: str


@dataclass(frozen=True)
class NetlistOutcome:
    """What the campaign came to.

    Attributes
    ----------
    cells : dict of str to int
        Of the netlist, by type.
    passed : bool
        Whether the netlist did the step.
    message : str
        What was wrong, if it did not.
    lines : list of str
        What the step said.
    seconds : float
        That the step took.
    faults : list of FaultOutcome
    """

    cells: dict[str, int]
    passed: bool
    message: str
    lines: list[str]
    seconds: float
    faults: list[FaultOutcome] = field(default_factory=list)

    @property
    def caught(self) -> int:
        """How many faults were seen."""
        return sum(fault.caught for fault in self.faults)

    @property
    def good(self) -> bool:
        """The netlist did the step, and not because the step sees nothing."""
        return self.passed and (self.caught > 0 or not self.faults)


def run(
    choice: Choice,
    step_name: str,
    progress: Progress,
    *,
    faults: int = 0,
    seed: int = 1,
    least_seconds: float = LEAST_SECONDS,
) -> NetlistOutcome:
    """Synthesise a design for a board, simulate the netlist, and do a step of the ladder with it.

    Parameters
    ----------
    choice : Choice
        The serial line should be as fast as its clock allows: every bit is simulated.
    step_name : str
        Key of ``fpga.ladder.steps.STEPS``.
    progress : callable
        Told of everything.
    faults : int
        So many look-up tables are chosen, and the step is done again with one after the other giving the inverse.
    seed : int
        Of their choice.
    least_seconds : float
        A step with a fault may take that long, and some times as long as the one without.

    Raises
    ------
    FpgaError, SimulatorError
        If there is no netlist or no simulation of it.
    """
    step = STEPS[step_name]

    def tell(stage: str, seconds: float, note: str) -> None:
        progress(stage, None, note)

    netlist: Netlist = board_netlist(choice, faults=faults, seed=seed, tell=_named(tell))
    program = build_program(choice, netlist, lambda what, share: progress("compile", share, what))
    start = time.monotonic()
    lines: list[str] = []
    message = _do(step, choice, program, 0, None, lines.append, progress)
    seconds = time.monotonic() - start
    outcome = NetlistOutcome(netlist.cells, not message, message, lines, seconds)
    if message:
        return outcome
    limit = max(least_seconds, _PATIENCE * seconds)
    for number, cell in enumerate(netlist.faults, 1):
        progress("faults", (number - 1) / faults, f"{number} of {faults}: {cell}")
        message = _do(step, choice, program, number, limit, lambda line: None, lambda stage, share, note: None)
        outcome.faults.append(FaultOutcome(cell, bool(message), message))
    return outcome


def _named(tell: Tell) -> Tell:
    """The build flow's stages under one name."""
    return lambda stage, seconds, note: tell("synthesis", seconds, note or stage)


def _do(
    step: Step,
    choice: Choice,
    program: BoardProgram,
    fault: int,
    limit: float | None,
    say: Callable[[str], None],
    progress: Progress,
) -> str:
    """Do the step with a fault (0: none), for some seconds at most; returns what was wrong, or an empty string."""
    board = SimulatedBoard(choice.board, choice.settings, choice.design.name, program=program)
    settings = choice.settings
    shape = (settings.rows, settings.columns) if choice.design.nodes else None
    errors: list[BaseException] = []

    def tell(what: str, done: int, total: int) -> None:
        progress("step", done / total if total else None, what)

    def check() -> None:
        try:
            step.check(Port(board.port, choice, settings.config, shape, board), say, tell)
        except BaseException as error:
            errors.append(error)

    # The host is patient with a board that is silent; when the simulation ends, its port is gone, and the host gives up.
    worker = threading.Thread(target=check, daemon=True)
    with _fault(fault), board:
        worker.start()
        worker.join(limit)
        late = worker.is_alive()
    worker.join()
    if late:
        return f"no result within {limit:.0f} s"
    if errors and not isinstance(errors[0], FpgaError | HostError):
        raise errors[0]
    return str(errors[0]) or type(errors[0]).__name__ if errors else ""


@contextmanager
def _fault(number: int) -> Iterator[None]:
    """The environment in which a simulation has that fault."""
    before = os.environ.get(FAULT_VARIABLE)
    os.environ[FAULT_VARIABLE] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ[FAULT_VARIABLE]
        else:
            os.environ[FAULT_VARIABLE] = before
