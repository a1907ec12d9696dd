# SPDX-License-Identifier: Apache-2.0
"""What an ECP5 netlist needs before nextpnr places it: resets on the global network, and how far routes may go round."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fpga.flows.flow import TOP

__all__ = ["RESET_LOADS", "ROUTER_SETTINGS", "tune"]

#: Flip-flops that a reset must have to go over the global network, of which nextpnr only makes use for clocks.
#: In the fabric, the reset of a node takes so many wires that the rest of the node cannot be routed.
RESET_LOADS = 1000

#: Settings of nextpnr that it has no options for. bbMargin (3 if not given): tiles by which a route may leave the rectangle
#: around its net, to go round a crowded part. currCongWeightMult (2): growth, from round to round, of the price of a wire that
#: others use; with 2 it outgrows the precision of the router's numbers before the last conflicts are sorted out.
ROUTER_SETTINGS = {"router2/bbMargin/x": "20", "router2/bbMargin/y": "20", "router2/currCongWeightMult": "1.1"}


def tune(netlist: dict[str, Any]) -> None:
    """Change a netlist, as Yosys writes it in JSON, in place.

    Every reset with at least :data:`RESET_LOADS` flip-flops gets a global buffer (DCCA, Lattice FPGA-TN-02200) behind its
    driver; :data:`ROUTER_SETTINGS` are laid down in the netlist, where nextpnr looks for settings of a design.
    """
    module = netlist["modules"][TOP]
    module["settings"] = dict(ROUTER_SETTINGS)
    cells = module["cells"]
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
