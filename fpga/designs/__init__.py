# SPDX-License-Identifier: Apache-2.0
"""The designs that boards are built with, by name, from the simplest to the largest."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Elaboratable

from fpga.boards import Board
from golden.config import NodeConfig

__all__ = ["DESIGNS", "Design", "Settings"]


@dataclass(frozen=True)
class Settings:
    """What a design is built for, beside the board.

    Parameters
    ----------
    config : NodeConfig or None
        Of the nodes; None for designs without any.
    rows, columns : int
        Of the array.
    baud : int
        Of the serial line.
    clock_hz : int
        Clock that the design runs on.
    """

    config: NodeConfig | None
    rows: int
    columns: int
    baud: int
    clock_hz: int


@dataclass(frozen=True)
class Design:
    """A design for any board.

    Parameters
    ----------
    name : str
    title : str
        What it is and shows, in a few words.
    top : callable
        ``top(board, settings)`` makes what is connected to the pins.
    modules : callable
        ``modules(settings)`` gives Verilog sources that the top instantiates, by file name.
    nodes : bool
        Whether preset, array and the nodes' clock mean anything to it; other designs run from the board's oscillator.
    """

    name: str
    title: str
    top: Callable[[Board, Settings], Elaboratable]
    modules: Callable[[Settings], dict[str, str]]
    nodes: bool

    def describe(self, settings: Settings) -> str:
        """The design and what it is made of, for messages: ``array 2x2 of 'nano'``."""
        if settings.config is None:
            return self.name
        array = f" {settings.rows}x{settings.columns}" if self.name == "array" else ""
        return f"{self.name}{array} of '{settings.config.name}'"


def _late(function: str) -> Callable[..., Any]:
    """``module:function``, imported when it is called: nodes take a while to import, and the small designs need none."""
    module, _, name = function.partition(":")

    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments)

    return call


def _alone(settings: Settings) -> dict[str, str]:
    """No modules beside the top."""
    return {}


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        Design("blinky", "lights count", _late("fpga.designs.blinky:Blinky"), _alone, nodes=False),
        Design("hello", "a line of text every second, and an echo", _late("fpga.designs.hello:Hello"), _alone, nodes=False),
        Design(
            "memory", "host link, network interface and SRAM of a node, without its core",
            _late("fpga.top:memory_top"), _alone, nodes=True,
        ),
        Design("node", "one node", _late("fpga.top:array_top"), _late("fpga.top:node_modules"), nodes=True),
        Design("array", "an array of nodes", _late("fpga.top:array_top"), _late("fpga.top:node_modules"), nodes=True),
    )
}  # fmt: skip
