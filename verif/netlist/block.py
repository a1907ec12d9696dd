# SPDX-License-Identifier: Apache-2.0
"""A component beside its own netlist, as one design for a bench: what goes into one goes into the other."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from fpga.flows import TOP
from verif.bench import verilog_of
from verif.netlist.netlist import Netlist, read_netlist, synthesise

__all__ = ["PAIR", "Pair", "pair"]

#: Module with both. Its outputs are those of the component, as ``rtl_<name>`` and ``netlist_<name>``.
PAIR = "pair"


@dataclass(frozen=True)
class Pair:
    """Both designs.

    Attributes
    ----------
    sources : list of str
        Verilog; module :data:`PAIR` has both.
    netlist : Netlist
    inputs, outputs : dict of str to int
        Widths of the component's ports.
    """

    sources: list[str]
    netlist: Netlist
    inputs: dict[str, int]
    outputs: dict[str, int]


def pair(component: wiring.Component) -> Pair:
    """A component without sub-interfaces and its netlist. It is elaborated twice, so all its state is made in ``elaborate``.

    Raises
    ------
    ToolMissing, BuildFailed, UnknownCell
        As :func:`verif.netlist.netlist.read_netlist`.
    """
    ports = {name: member for name, member in component.signature.members.items() if member.is_port}
    inputs = {name: len(getattr(component, name)) for name, member in ports.items() if member.flow == In}
    outputs = {name: len(getattr(component, name)) for name in ports if name not in inputs}
    netlist = read_netlist(synthesise({"top.il": rtlil.convert(component, name=TOP, emit_src=False)}), top="after_synthesis")
    rtl = verilog_of(component, "before_synthesis")
    clocks = [name for name in ("clk", "rst") if f"input {name};" in rtl]
    heads = [f"input {name}" for name in clocks]
    heads += [f"input [{width - 1}:0] {name}" for name, width in inputs.items()]
    heads += [f"output [{width - 1}:0] {side}_{name}" for name, width in outputs.items() for side in ("rtl", "netlist")]
    body = []
    for module, side in (("before_synthesis", "rtl"), ("after_synthesis", "netlist")):
        pins = [f".{name}({name})" for name in (*clocks, *inputs)] + [f".{name}({side}_{name})" for name in outputs]
        body.append(f"{module} {side} ({', '.join(pins)});")
    both = f"module {PAIR} (\n    " + ",\n    ".join(heads) + "\n);\n    " + "\n    ".join(body) + "\nendmodule\n"
    return Pair([both, rtl, *netlist.sources.values()], netlist, inputs, outputs)
