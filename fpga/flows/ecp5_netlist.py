# SPDX-License-Identifier: Apache-2.0
"""What nextpnr needs to route a large ECP5 netlist: resets on the global network, nodes side by side, and room for wires."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import hypot
from typing import Any

from fpga.boards import Board
from fpga.flows.flow import TOP

__all__ = ["ARRAY_SETTINGS", "GRIDS", "RESET_LOADS", "ROUTER_SETTINGS", "Grid", "tune"]

_LUTS_PER_TILE = 8

#: Sites of block RAMs in a group, and columns from one to the next.
_SITES, _SITE_COLUMNS = 4, 2


@dataclass(frozen=True)
class Grid:
    """Where a device has what.

    Parameters
    ----------
    columns, rows : range
        Of tiles of logic.
    other_rows : frozenset of int
        Rows among them without logic: they have block RAMs or multipliers.
    memory_rows : tuple of int
        Those with block RAMs.
    memory_columns : tuple of int
        In which a group of sites for block RAMs begins.
    """

    columns: range
    rows: range
    other_rows: frozenset[int]
    memory_rows: tuple[int, ...]
    memory_columns: tuple[int, ...]

    @property
    def luts(self) -> int:
        """Of the whole device."""
        return _LUTS_PER_TILE * len(self.columns) * (len(self.rows) - len(self.other_rows))

    @property
    def memory_sites(self) -> Iterator[tuple[int, str]]:
        """Columns of the sites for block RAMs in each of their rows, and nextpnr's names in them."""
        for column in self.memory_columns:
            yield from ((column + _SITE_COLUMNS * site, f"EBR{site}") for site in range(_SITES))


_25K = Grid(range(2, 71), range(2, 49), frozenset({13, 25, 37}), (25, 37), (4, 13, 22, 33, 42, 51, 60))

#: By :attr:`fpga.boards.Board.device`. Source: tile grids in Project Trellis' database, which nextpnr's devices are made of.
GRIDS = {
    "12k": _25K,
    "25k": _25K,
    "45k": Grid(range(2, 89), range(2, 70), frozenset({10, 22, 34, 46, 58}), (10, 34, 58), (4, 13, 22, 31, 42, 51, 60, 69, 78)),
    "85k": Grid(
        range(2, 125),
        range(2, 94),
        frozenset({10, 22, 34, 46, 58, 70, 82}),
        (22, 46, 70, 82),
        (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114),
    ),
}

#: Flip-flops that a reset must have to go over the global network, of which nextpnr only makes use for clocks.
#: In the fabric, the reset of a node takes so many wires that the rest of the node cannot be routed.
RESET_LOADS = 1000

#: Designs of fewer LUTs are routed without ado.
_LARGE = 10_000

#: Distances from the middle of a node's part of the device, in halves of its width and height: up to the first one, every
#: other row of tiles is kept free of logic, and up to the second one every other tile of these rows.
_FREE_ROWS, _FREE_TILES = 0.8, 1.2

#: Share of the device that may be occupied, tiles that are kept free included.
_LARGEST_SHARE = 0.93

#: Settings of nextpnr, most of which it has no options for. bbMargin (3 if not given): tiles by which a route may leave the
#: rectangle around its net, to go round a crowded part. currCongWeightMult (2): what the price of a wire that others use grows
#: by from round to round; with 2 the last conflicts take turns instead of being sorted out.
ROUTER_SETTINGS = {"router2/bbMargin/x": "20", "router2/bbMargin/y": "20", "router2/currCongWeightMult": "1.1"}

#: What arrays need beside that. Placed and routed for their clock they take more wires than there are; so the clock is what
#: comes out. initCurrCongWeight (0.5): the price at first, from where it hardly grows, or the last nets drive out each other.
ARRAY_SETTINGS = {
    "timing_driven": "0" * 32,
    "router2/initCurrCongWeight": "2.5",
    "router2/currCongWeightMult": "0.2",
}

#: LUTs of a cell after packing.
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}

#: Cells of a node: its row, its column, and the cell's name in it.
_OF_NODE = re.compile(r"(?:.*\.)?node_(\d+)_(\d+)\.(.*)")

#: Among them, what holds lines of data.
_OF_LINES = re.compile(r"(sram\.array|core\.vectors\.lines)\.")


def tune(netlist: dict[str, Any], board: Board) -> dict[str, int]:
    """Change a netlist, as Yosys writes it in JSON, in place.

    Every reset with at least :data:`RESET_LOADS` flip-flops gets a global buffer (DCCA, Lattice FPGA-TN-02200) behind its
    driver. Each node of an array gets its part of the device: its memories of lines are placed in a row through the middle of
    the part, and its logic follows them. Otherwise nextpnr, for which nothing but pins is in place at first, mixes the nodes.

    As far as the device has room, a large design leaves tiles to wires alone, from the middle of each part outwards:
    most wires lead through there, and nextpnr places cells there as close together as everywhere. It has no setting
    for it, so LUTs without a connection occupy these tiles. Chains of carries fit into the rows between.

    :data:`ROUTER_SETTINGS`, and those of arrays, are laid down in the netlist, where nextpnr looks for settings of a design.

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
    parts = _parts(cells)
    if parts != (1, 1):
        module["settings"] |= ARRAY_SETTINGS
        _place_memories(cells, grid, parts)
    luts = sum(_LUTS.get(cell["type"], 0) for cell in cells.values())
    room = (int(_LARGEST_SHARE * grid.luts) - luts) // _LUTS_PER_TILE * _LUTS_PER_TILE
    if luts < _LARGE or room <= 0:
        return {}
    kept_free = {f"kept_free_{place}": _unconnected_lut(place) for place in islice(_free_places(grid, parts), room)}
    cells |= kept_free
    return {"TRELLIS_COMB": len(kept_free)}


def _parts(cells: Iterable[str]) -> tuple[int, int]:
    """Rows and columns of nodes."""
    nodes = [(int(match[1]), int(match[2])) for match in map(_OF_NODE.match, cells) if match]
    return 1 + max((row for row, _ in nodes), default=0), 1 + max((column for _, column in nodes), default=0)


def _place_memories(cells: dict[str, Any], grid: Grid, parts: tuple[int, int]) -> None:
    """Spread a node's memories of lines evenly over the row of block RAMs that is nearest to the middle of its part."""
    memories: dict[tuple[int, int, str], list[str]] = defaultdict(list)
    for name, cell in cells.items():
        if cell["type"] == "DP16KD" and (match := _OF_NODE.match(name)) and (lines := _OF_LINES.match(match[3])):
            memories[int(match[1]), int(match[2]), lines[1]].append(name)
    free = {row: list(grid.memory_sites) for row in grid.memory_rows}
    for (row, column, _), names in memories.items():
        middle = grid.rows.start + (row + 0.5) / parts[0] * len(grid.rows)
        memory_row = min(grid.memory_rows, key=lambda each: abs(each - middle))
        sites = free[memory_row]
        # Names end in numbers of as many digits. What finds no site is for nextpnr to place.
        for number, name in enumerate(sorted(names)[: len(sites)]):
            wanted = grid.columns.start + (column + (number + 0.5) / len(names)) / parts[1] * len(grid.columns)
            site = min(sites, key=lambda each: abs(each[0] - wanted))
            sites.remove(site)
            cells[name]["attributes"]["BEL"] = f"X{site[0]}/Y{memory_row}/{site[1]}"


def _free_places(grid: Grid, parts: tuple[int, int]) -> Iterator[str]:
    """nextpnr's names of all LUTs in the tiles to keep free, in every other row, from the middle of the parts outwards."""

    def off_middle(position: int, of: range, count: int) -> float:
        """Distance from the middle of a part in halves of its length."""
        return 2 * ((position - of.start) / (len(of) - 1) * count % 1) - 1

    tiles = []
    for row in (row for row in grid.rows[::2] if row not in grid.other_rows):
        for column in grid.columns:
            distance = hypot(off_middle(row, grid.rows, parts[0]), off_middle(column, grid.columns, parts[1]))
            if distance < _FREE_ROWS or (distance < _FREE_TILES and column in grid.columns[::2]):
                tiles.append((distance, row, column))
    for _, row, column in sorted(tiles):
        yield from (f"X{column}/Y{row}/SLICE{slice_}.K{lut}" for slice_ in "ABCD" for lut in (0, 1))


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
