# SPDX-License-Identifier: Apache-2.0
"""Hardware and the macro that replaces it, under one bench."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from rtl.macros.verilog import MACRO_SOURCES
from verif.bench import run_bench


def _both(name: str, component: wiring.Component) -> str:
    """Module ``both``: inputs go to hardware and macro, outputs come out with the prefixes ``rtl_`` and ``macro_``."""
    ports = {port: (Shape.cast(member.shape).width, member.flow) for port, member in component.signature.members.items()}
    inputs = {port: width for port, (width, flow) in ports.items() if flow != Out}
    outputs = {port: width for port, (width, flow) in ports.items() if flow == Out}
    declarations = ["input clk", "input rst", *(f"input [{width - 1}:0] {port}" for port, width in inputs.items())]
    instances = []
    for kind, module in (("rtl", name), ("macro", f"{name}_macro")):
        declarations += [f"output [{width - 1}:0] {kind}_{port}" for port, width in outputs.items()]
        connections = [f".{port}({port})" for port in ("clk", "rst", *inputs)]
        connections += [f".{port}({kind}_{port})" for port in outputs]
        instances.append(f"  {module} {kind} ({', '.join(connections)});")
    return f"module both ({', '.join(declarations)});\n" + "\n".join(instances) + "\nendmodule\n"


def run_side_by_side(
    name: str,
    modules: Mapping[str, wiring.Component],
    macro: str,
    *,
    test_module: str,
    test: str,
    parameters: Mapping[str, Any],
) -> None:
    """Run a cocotb test on module ``name`` of ``modules`` and on its macro, side by side.

    Parameters
    ----------
    name : str
    modules : mapping of name to Component
        The hardware and what it instantiates.
    macro : str
        SystemVerilog of a module of the same name and ports.
    test_module, test : str
        Where the cocotb test is. It sees the inputs by their names, the outputs with ``rtl_`` and ``macro_`` before them.
    parameters : mapping
        For the test.
    """
    __tracebackhide__ = True
    renamed = macro.replace(f"module {name} ", f"module {name}_macro ")
    assert renamed != macro
    run_bench(
        toplevel="both",
        modules=modules,
        sources=[_both(name, modules[name]), renamed, *MACRO_SOURCES],
        test_module=test_module,
        tests=[test],
        parameters=parameters,
    )
