# SPDX-License-Identifier: Apache-2.0
"""What drives the outputs of a component: a look at its netlist, after all modules were flattened."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.lib import wiring

from rtl.elaboration import uncollected

__all__ = ["combinational_inputs", "outputs_needed_by", "registered_outputs", "unregistered_outputs"]

#: Cells whose outputs change at clock edges only.
_FLIP_FLOPS = frozenset({"$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$adff", "$adffe", "$aldff", "$aldffe"})

#: Cells of which an output bit depends on the bits of the same place at data inputs A, B, D alone, by the name of the output.
_BIT_BY_BIT = dict.fromkeys(_FLIP_FLOPS, "Q") | {"$mux": "Y"}


class _Netlist:
    """A flat netlist, bit by bit. Bits are numbers, or "0", "1", "x" for constants."""

    @uncollected()
    def __init__(self, component: wiring.Component):
        text = rtlil.convert(component, name="top", emit_src=False)
        script = f"read_rtlil <<rtlil\n{text}\nrtlil\nhierarchy -top top\nproc\nflatten\nopt_clean\nwrite_json"
        output = find_yosys(lambda version: version >= (0, 40)).run(["-q", "-"], script, ignore_warnings=True)
        module = json.loads(output[output.index("{") :])["modules"]["top"]
        self.ports: dict[str, tuple[str, list[Any]]] = {
            name: (port["direction"], port["bits"]) for name, port in module["ports"].items()
        }
        self.input_of = {bit: name for name, (way, bits) in self.ports.items() if way == "input" for bit in bits}
        self.cells = module["cells"]
        self.driver: dict[Any, str] = {}
        macros = []
        for name, cell in self.cells.items():
            directions = cell.get("port_directions")
            if not directions:
                macros.append(name)
                continue
            for port, way in directions.items():
                if way == "output":
                    self.driver.update(dict.fromkeys(cell["connections"][port], name))
        # Nothing tells the directions of a macro's ports, so it drives what nothing else does.
        for name in macros:
            for bits in self.cells[name]["connections"].values():
                for bit in bits:
                    if bit not in self.driver and bit not in self.input_of and not isinstance(bit, str):
                        self.driver[bit] = name

    def outputs(self) -> Iterable[tuple[str, list[Any]]]:
        return ((name, bits) for name, (way, bits) in self.ports.items() if way == "output")

    def is_register(self, bit: Any) -> bool:
        if isinstance(bit, str):
            return True
        return bit in self.driver and self.cells[self.driver[bit]]["type"] in _FLIP_FLOPS

    def combinational_inputs(self, bits: Iterable[Any]) -> set[str]:
        reached, seen, stack = set(), set(), list(bits)
        while stack:
            bit = stack.pop()
            if isinstance(bit, str) or bit in seen or self.is_register(bit):
                continue
            seen.add(bit)
            if bit in self.input_of:
                reached.add(self.input_of[bit])
            elif bit in self.driver:
                cell = self.cells[self.driver[bit]]
                for port, connected in cell["connections"].items():
                    if cell.get("port_directions", {}).get(port) != "output":
                        stack.extend(connected)
        return reached

    def needed(self, bits: Iterable[Any]) -> set[Any]:
        """Bits that these depend on, at once or in a later cycle, themselves included."""
        needed: set[Any] = set()
        stack = list(bits)
        while stack:
            bit = stack.pop()
            if isinstance(bit, str) or bit in needed:
                continue
            needed.add(bit)
            if bit in self.driver:
                cell = self.cells[self.driver[bit]]
                ports = cell["connections"]
                own = {}
                if cell["type"] in _BIT_BY_BIT:
                    place = ports[_BIT_BY_BIT[cell["type"]]].index(bit)
                    own = {port: ports[port][place] for port in ("A", "B", "D") if port in ports}
                for port, connected in ports.items():
                    if port in own:
                        stack.append(own[port])
                    elif cell.get("port_directions", {}).get(port) != "output":
                        stack.extend(connected)
        return needed


def unregistered_outputs(component: wiring.Component) -> dict[str, str]:
    """Outputs with a bit that does not come straight from a flip-flop (or is constant), each with what drives that bit."""
    netlist = _Netlist(component)
    found = {}
    for name, bits in netlist.outputs():
        for index, bit in enumerate(bits):
            if not netlist.is_register(bit):
                driver = netlist.driver.get(bit)
                what = netlist.cells[driver]["type"] if driver else f"input {netlist.input_of.get(bit, 'none')}"
                found[name] = f"bit {index} comes from {what}"
                break
    return found


def registered_outputs(component: wiring.Component) -> frozenset[str]:
    """Names of outputs of which every bit comes straight from a flip-flop (or is constant)."""
    netlist = _Netlist(component)
    return frozenset(name for name, bits in netlist.outputs() if all(map(netlist.is_register, bits)))


def combinational_inputs(component: wiring.Component) -> dict[str, frozenset[str]]:
    """For each output, the inputs that reach it without a flip-flop between.

    Macros, whose insides are not there, count as logic from everything that they connect to.
    """
    netlist = _Netlist(component)
    return {name: frozenset(netlist.combinational_inputs(bits)) for name, bits in netlist.outputs()}


def outputs_needed_by(component: wiring.Component, outputs: Iterable[str]) -> frozenset[str]:
    """Names of the other outputs of which a bit is what these depend on too, at once or in a later cycle.

    All others fall away in synthesis if only these are used. Macros count as logic from everything that they connect to.
    """
    netlist = _Netlist(component)
    bits = dict(netlist.outputs())
    used = set(outputs)
    needed = netlist.needed(bit for name in used for bit in bits[name])
    return frozenset(name for name, own in bits.items() if name not in used and any(bit in needed for bit in own))
