# SPDX-License-Identifier: Apache-2.0
"""What is done to an ECP5 netlist before it is placed."""

from __future__ import annotations

import copy
from typing import Any

from fpga.flows.ecp5_netlist import RESET_LOADS, ROUTER_SETTINGS, tune

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
    tune(after)
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
