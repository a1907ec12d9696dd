# SPDX-License-Identifier: Apache-2.0
"""What nextpnr needs to route a large ECP5 netlist: resets on the global network, room between cells, routes that go round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from fpga.boards import Board
from fpga.flows.flow import TOP

__all__ = ["GRIDS", "RESET_LOADS", "ROUTER_SETTINGS", "Grid", "tune"]


@dataclass(frozen=True)
class Grid:
    """Where a device has tiles of logic, each of eight LUTs: all of its columns in all of its rows but some.

    Parameters
    ----------
    columns, rows : range
    other_rows : frozenset of int
        Rows among them with block RAMs or multipliers.
    """

    columns: range
    rows: range
    other_rows: frozenset[int]

    @property
    def luts(self) -> int:
        """Of the whole device."""
        return 8 * len(self.columns) * (len(self.rows) - len(self.other_rows))


_25K = Grid(range(2, 71), range(2, 49), frozenset({13, 25, 37}))

#: By :attr:`fpga.boards.Board.device`. Source: tile grids in Project Trellis' database, which nextpnr's devices are made of.
GRIDS = {
    "12k": _25K,
    "25k": _25K,
    "45k": Grid(range(2, 89), range(2, 70), frozenset({10, 22, 34, 46, 58})),
    "85k": Grid(range(2, 125), range(2, 94), frozenset({10, 22, 34, 46, 58, 70, 82})),
}

#: Flip-flops that a reset must have to go over the global network, of which nextpnr only makes use for clocks.
#: In the fabric, the reset of a node takes so many wires that the rest of the node cannot be routed.
RESET_LOADS = 1000

#: Designs of fewer LUTs are routed without ado.
_LARGE = 10_000

#: Share of the device that may be occupied, tiles that are kept free included.
_LARGEST_SHARE = 0.85

#: Settings of nextpnr that it has no options for. bbMargin (3 if not given): tiles by which a route may leave the rectangle
#: around its net, to go round a crowded part. currCongWeightMult (2): growth, from round to round, of the price of a wire that
#: others use; with 2 it outgrows the precision of the router's numbers before the last conflicts are sorted out.
ROUTER_SETTINGS = {"router2/bbMargin/x": "20", "router2/bbMargin/y": "20", "router2/currCongWeightMult": "1.1"}

#: LUTs of a cell after packing.
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}


def tune(netlist: dict[str, Any], board: Board) -> dict[str, int]:
    """Change a netlist, as Yosys writes it in JSON, in place.

    Every reset with at least :data:`RESET_LOADS` flip-flops gets a global buffer (DCCA, Lattice FPGA-TN-02200) behind its
    driver. Where the device has room for it, a large design leaves a quarter of the tiles to wires alone: nextpnr places cells
    so close together that there are too few wires between them, and has no setting for it, so LUTs without a connection occupy
    these tiles. :data:`ROUTER_SETTINGS` are laid down in the netlist, where nextpnr looks for settings of a design.

    Returns
    -------
    dict of str to int
        By nextpnr's type, the cells that it will count and that are none of the design's.
    """
    module = netlist["modules"][TOP]
    module["settings"] = dict(ROUTER_SETTINGS)
    cells = module["cells"]
    _promote_resets(cells)
    grid = GRIDS[board.device]
    luts = sum(_LUTS.get(cell["type"], 0) for cell in cells.values())
    kept_free = {f"kept_free_{place}": _unconnected_lut(place) for place in _quarter_of_places(grid)}
    if luts < _LARGE or luts + len(kept_free) > _LARGEST_SHARE * grid.luts:
        return {}
    cells |= kept_free
    return {"TRELLIS_COMB": len(kept_free)}


def _quarter_of_places(grid: Grid) -> Iterator[str]:
    """nextpnr's names of all LUTs in every other tile of every other row; chains of carries fit into the rows between."""
    rows = (row for row in grid.rows[::2] if row not in grid.other_rows)
    for row, column, slice_, lut in product(rows, grid.columns[::2], "ABCD", (0, 1)):
        yield f"X{column}/Y{row}/SLICE{slice_}.K{lut}"


def _unconnected_lut(place: str) -> dict[str, Any]:
    return {
        "hide_name": 1,
        "type": "LUT4",
        "parameters": {"INIT": "0" * 16},
        "attributes": {"BEL": place},
        "port_directions": {**dict.fromkeys("ABCD", "input"), "Z": "output"},
        "connections": {**{port: ["0"] for port in "ABCD"}, "Z": []},
    }


def _promote_resets(cells: dict[str, Any]) -> None:
    """Put global buffers behind the drivers of resets with many loads."""
    loads = Counter(cell["connections"]["LSR"][0] for cell in cells.values() if _has_reset(cell))
    unused = 1 + max(_nets(cells), default=0)
    for reset, count in loads.items():
        driver = _driver(cells, reset)
        if count < RESET_LOADS or driver is None:
            continue
        cell, port, bit = driver
        cells[cell]["connections"][port][bit] = unused
        cells[f"{cell}_{port}_{bit}_global"] = {
            "hide_name": 1,
            "type": "DCCA",
            "parameters": {},
            "attributes": {},
            "port_directions": {"CLKI": "input", "CE": "input", "CLKO": "output"},
            "connections": {"CLKI": [unused], "CE": ["1"], "CLKO": [reset]},
        }
        unused += 1


def _has_reset(cell: dict[str, Any]) -> bool:
    """Whether a net, not a constant, resets this flip-flop."""
    return cell["type"] == "TRELLIS_FF" and isinstance(next(iter(cell["connections"].get("LSR", [])), None), int)


def _nets(cells: dict[str, Any]) -> set[int]:
    """All nets: Yosys numbers them; constants are strings."""
    ports = (bits for cell in cells.values() for bits in cell["connections"].values())
    return {bit for bits in ports for bit in bits if isinstance(bit, int)}


def _driver(cells: dict[str, Any], net: int) -> tuple[str, str, int] | None:
    """Cell, port and bit of the port that drive a net; None if the design's own pin does."""
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output" and net in bits:
                return name, port, bits.index(net)
    return None
