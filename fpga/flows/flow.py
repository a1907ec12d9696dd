# SPDX-License-Identifier: Apache-2.0
"""What a family's flow is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fpga.boards import Board

__all__ = ["TOP", "Flow", "ResourceKind"]

#: Name of every design's top module and of its files.
TOP = "top"


@dataclass(frozen=True)
class ResourceKind:
    """A resource of an FPGA that reports count.

    Parameters
    ----------
    cells : mapping of str to int
        Cell type of the netlist after synthesis -> how much one takes.
    placed : mapping of str to int
        The same of nextpnr's report; empty if it does not count this one apart, which then is as after synthesis.
    available : str
        Cell type that nextpnr's report has the number on the FPGA of.
    """

    cells: Mapping[str, int]
    placed: Mapping[str, int]
    available: str


@dataclass(frozen=True)
class Flow:
    """A family's flow: Yosys, nextpnr and a packer, each run in a folder that has the stage's files.

    Parameters
    ----------
    synthesis : str
        Commands of Yosys from the read design to ``top.json``.
    constraints : str
        Ending of the file with the pins, as Amaranth's platform writes it.
    placer, packer : str
        Tools, by the names that ``find_tool`` has.
    place : callable
        ``place(board, clock_hz)`` gives nextpnr's arguments but for seed and report.
    pack : callable
        ``pack(board)`` gives the packer's arguments.
    bitstream : str
        The file that the packer writes.
    resources : dict of str to ResourceKind
        LUT4, FF, DSP, BRAM, and what else a family has.
    tune : callable or None
        ``tune(netlist, board)`` changes what Yosys made of the design, parsed, into what nextpnr gets. It returns how many
        cells, by nextpnr's type, it has added to those of the design.
    """

    synthesis: str
    constraints: str
    placer: str
    packer: str
    place: Callable[[Board, int], list[str]]
    pack: Callable[[Board], list[str]]
    bitstream: str
    resources: dict[str, ResourceKind]
    tune: Callable[[dict[str, Any], Board], dict[str, int]] | None = None
