# SPDX-License-Identifier: Apache-2.0
"""The steps of the ladder: what each is, what has to be on the board for it, and how it is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fpga.boards import Board
from fpga.choice import Choice
from fpga.ladder.step import LadderFailure, Say, Tell
from golden.config import NodeConfig

if TYPE_CHECKING:
    from fpga.simulation.board import SimulatedBoard

__all__ = ["STEPS", "Port", "Step"]

#: Seconds to wait for the next change of a light or answer of a board that says hello once a second.
_PATIENCE = 3.0

#: A simulation takes longer for a second than a board.
_SIMULATION_PATIENCE = 120.0

#: Changes of the lights that blinky is watched for.
_COUNTS = 4


@dataclass(frozen=True)
class Port:
    """Where a board, or its simulation, is.

    Attributes
    ----------
    path : str
        Serial port or pseudo-terminal.
    choice : Choice
        What is on the board, as far as the board cannot tell by itself.
    config : NodeConfig or None
        What its nodes have to be; None takes any preset.
    shape : (int, int) or None
        Rows and columns that it has to have; None takes any.
    simulation : SimulatedBoard or None
        None for a real board.
    """

    path: str
    choice: Choice
    config: NodeConfig | None = None
    shape: tuple[int, int] | None = None
    simulation: SimulatedBoard | None = None


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes
    ----------
    name : str
    title : str
        What it shows.
    designs : tuple of str
        Designs that it can be done with, the one that is built for it first.
    check : callable
        ``check(port, say, tell)``; raises what is wrong.
    """

    name: str
    title: str
    designs: tuple[str, ...]
    check: Callable[[Port, Say, Tell], None]

    def design_for(self, board: Board) -> str | None:
        """The design that is built for it on a board, or None if none of them fits."""
        return next((design for design in self.designs if design in board.designs), None)


def _blinky(port: Port, say: Say, tell: Tell) -> None:
    board = port.choice.board
    say(f"blinky: the {board.leds} lights of {board.name} count in binary, four times a second")
    if port.simulation is None:
        say("see for yourself: no wire leads to the lights")
        return
    for done in range(_COUNTS):
        tell("watching the lights", done, _COUNTS)
        if not port.simulation.wait_for_changes(done + 1, _SIMULATION_PATIENCE):
            raise LadderFailure(f"the lights stay at {port.simulation.lights:0{board.leds}b}")
    seen = port.simulation.lights_seen()[: _COUNTS + 1]
    if seen != [number % (1 << board.leds) for number in range(_COUNTS + 1)]:
        raise LadderFailure(f"the lights do not count: {', '.join(f'{lights:0{board.leds}b}' for lights in seen)}")
    say(f"seen: {', '.join(f'{lights:0{board.leds}b}' for lights in seen)}")
    say("passed")


def _hello(port: Port, say: Say, tell: Tell) -> None:
    from fpga.designs.hello import greeting
    from fpga.ladder.greeting import check_greeting
    from fpga.link import open_port

    choice = port.choice
    say(f"hello: {choice.board.name} says a line every second and sends back what it gets")
    with open_port(port.path, choice.settings.baud, comes_back=port.simulation is None) as line:
        patience = _PATIENCE if port.simulation is None else _SIMULATION_PATIENCE
        check_greeting(line, greeting(choice.board, choice.settings), patience, say, tell)


def _memtest(port: Port, say: Say, tell: Tell) -> None:
    from fpga.ladder.connection import connected
    from fpga.ladder.memtest import check_memory

    with connected(port) as array:
        check_memory(array, say, tell)


def _node(port: Port, say: Say, tell: Tell) -> None:
    from fpga.ladder.connection import connected
    from fpga.ladder.products import check_nodes

    with connected(port) as array:
        check_nodes(array, say, tell)


def _array(port: Port, say: Say, tell: Tell) -> None:
    from fpga.ladder.connection import connected
    from fpga.ladder.products import check_array

    with connected(port) as array:
        nodes = array.rows * array.columns
        if nodes == 1:
            raise LadderFailure(f"there is one node on {port.choice.board.name}, which is no array; step 'node' is for it")
        check_array(array, say, tell)
    shown = min(nodes, port.choice.board.leds)
    if port.simulation is None:
        say(f"now lights 0 to {shown - 1} are on, one for each node")
        return
    wanted = (1 << shown) - 1
    if port.simulation.lights & wanted != wanted:
        raise LadderFailure(f"the lights of the nodes are {port.simulation.lights & wanted:0{shown}b}, and all should be on")
    say(f"lights 0 to {shown - 1} are on, one for each node")


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("blinky", "clock and lights", ("blinky",), _blinky),
        Step("hello", "cable, port and baud rate", ("hello",), _hello),
        Step("memtest", "host link and memory", ("node", "memory", "array"), _memtest),
        Step("node", "one node at a time, against the golden model", ("node", "array"), _node),
        Step("array", "all nodes together, against the golden model", ("array",), _array),
    )
}
