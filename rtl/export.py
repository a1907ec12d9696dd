# SPDX-License-Identifier: Apache-2.0
"""Verilog of a node: everything that a simulator, a synthesis tool or a reader needs, as files.

A node instantiates its macros, and they the units that they hold many of, as Verilog modules. Every module is converted
once, however many instances there are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from amaranth.back import verilog
from amaranth.hdl import Fragment, Instance, Shape, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from golden.config import NodeConfig
from rtl.core.observation.ports import VIEW_MEANINGS, XVFI_MEANINGS
from rtl.core.random_lanes import RandomLanes, random_name
from rtl.elaboration import uncollected
from rtl.interfaces import RetirementSignature
from rtl.macros.verilog import (
    MACRO_HEADERS,
    MACRO_SOURCES,
    matrix_macro_verilog,
    random_macro_verilog,
    simd_macro_verilog,
)
from rtl.matrix.array import matrix_modules, matrix_name
from rtl.memory.banks import SramArray
from rtl.memory.macro import macro_name, macro_verilog
from rtl.network.routing import ALL_LINKS
from rtl.simd.unit import simd_modules, simd_name

__all__ = [
    "ARITHMETICS",
    "SRAMS",
    "TOP",
    "Port",
    "convert_module",
    "export_modules",
    "export_node",
    "node_class",
    "node_ports",
    "port_table",
]

#: Name of the node's module, with all links.
TOP = "d1_node"

#: What may stand behind the arithmetic macros: the reference RTL, or C++ that simulators call.
ARITHMETICS = ("rtl", "macro")

#: What may stand behind the SRAM array: one array with a back door for simulators, or the reference RTL in banks.
SRAMS = ("macro", "banks")

#: A process that reads nothing, which ``always @*`` never runs ...
_CONSTANT_PROCESS = re.compile(r"  always @\*\n +([^\n;=]+ = \d+'[bdh][0-9a-f]+;)\n")

#: ... and what it becomes: reading something that is initialised makes it run once. Yosys writes other processes like this.
_RUN_ONCE = """\
  reg \\$run_once${number} = 0;
  always @* begin
    if (\\$run_once${number} ) begin end
    {body}
  end
"""

#: A module that others instantiate: a component to convert, or finished files by name.
Source = wiring.Component | Mapping[str, str]


@dataclass(frozen=True)
class Port:
    """A port of the node's module: ``direction`` is ``input`` or ``output``."""

    name: str
    direction: str
    bits: int


@uncollected()
def export_node(
    config: NodeConfig,
    arithmetic: str = "rtl",
    sram: str = "macro",
    *,
    links: int = ALL_LINKS,
    observe: bool = False,
    node: Callable[[NodeConfig], wiring.Component] | None = None,
) -> dict[str, str]:
    """Sources of a node, by file name. Variants for other links differ in the file of their own module alone.

    Parameters
    ----------
    config : NodeConfig
    arithmetic : str
        One of :data:`ARITHMETICS`. With ``macro``, C++ sources for the simulator are among the files.
    sram : str
        One of :data:`SRAMS`.
    links : int
        Links that the node has, a bit each; the module is named :func:`rtl.node.node_name`.
    observe : bool
        Whether the node has the outputs of observation.
    node : callable, optional
        Makes the node of the configuration; :class:`rtl.node.Node` by default. Only that one has variants.

    Raises
    ------
    ValueError
        If a choice is unknown, a variant of another node is asked for, or the core is none that can be observed.
    LookupError
        If something instantiates a module that nothing here provides.
    """
    name = TOP
    if links == ALL_LINKS and not observe:
        component = node_class(node)(config)
    elif node is None:
        from rtl.node import Node, node_name

        component, name = Node(config, links, observe=observe), node_name(links)
    else:
        raise ValueError(f"links = {links}, observe = {observe}: only rtl.node.Node has variants")
    fragment = Fragment.get(component, None)
    return {f"{name}.v": convert_module(component, fragment, name)} | export_modules(config, fragment, arithmetic, sram)


@uncollected()
def export_modules(config: NodeConfig, fragment: Fragment, arithmetic: str = "rtl", sram: str = "macro") -> dict[str, str]:
    """Sources of all modules that an elaborated design instantiates, directly or not, by file name; see ``export_node``."""
    for what, choice, choices in (("arithmetic", arithmetic, ARITHMETICS), ("sram", sram, SRAMS)):
        if choice not in choices:
            raise ValueError(f"{what} = '{choice}' is not one of {', '.join(choices)}")
    files: dict[str, str] = {}
    known = _providers(config, arithmetic, sram)
    for source in known.values():
        _quiet(source)
    done: set[str] = set()
    wanted = sorted(set(_instances(fragment)))
    while wanted:
        name = wanted.pop(0)
        if name in done:
            continue
        done.add(name)
        if name not in known:
            raise LookupError(f"module {name} is instantiated, but nothing provides it")
        source = known[name]
        if isinstance(source, Mapping):
            files |= source
        else:
            inner = Fragment.get(source, None)
            files[f"{name}.v"] = convert_module(source, inner, name)
            wanted += sorted(set(_instances(inner)))
    return files


def node_ports(component: wiring.Component) -> list[Port]:
    """Ports of a component's module but for ``clk`` and ``rst``, in the order of its signature.

    The component need not be elaborated for it; Amaranth does not warn if it never is.
    """
    _quiet(component)
    ports = []
    for path, member, value in component.signature.flatten(component):
        direction = "input" if member.flow == wiring.In else "output"
        ports.append(Port("__".join(map(str, path)), direction, Shape.cast(Value.cast(value).shape()).width))
    return ports


def port_table(config: NodeConfig, *, observe: bool = False) -> str:
    """The node's ports as a Markdown page; ``observe`` as in ``export_node``."""
    from rtl.node import Node

    component = Node(config, observe=observe)
    ports = [Port("clk", "input", 1), Port("rst", "input", 1), *node_ports(component)]
    rows = [f"| `{port.name}` | {port.direction} | {port.bits} | {_meaning(port.name)} |" for port in ports]
    return "\n".join(
        [
            f"# Ports of `{TOP}`, configuration {config.name}",
            "",
            "Every output is a flip-flop; no combinational path leads from an input to an output.",
            "",
            "| port | direction | bits | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def node_class(node: Callable[[NodeConfig], wiring.Component] | None) -> Callable[[NodeConfig], wiring.Component]:
    """The class that is given, or :class:`rtl.node.Node`."""
    if node is not None:
        return node
    # The node is made of everything else, and tests export stand-ins without it.
    from rtl.node import Node

    return Node


def _quiet(module: Source) -> None:
    """Keeps Amaranth from warning if a component is never elaborated."""
    if isinstance(module, wiring.Component):
        module._MustUse__used = True


def _providers(config: NodeConfig, arithmetic: str, sram: str) -> dict[str, Source]:
    """What can be instantiated, by the name of the module."""
    known: dict[str, Source] = {}
    if sram == "macro":
        known[macro_name(config)] = {f"{macro_name(config)}.sv": macro_verilog(config)}
    else:
        known[macro_name(config)] = SramArray(config)
    if arithmetic == "rtl":
        # Matrix array and SIMD unit share the encoder's module, of which one component is left over.
        for modules in (matrix_modules(config), simd_modules(config), {random_name(config): RandomLanes(config)}):
            for module in modules.values():
                _quiet(module)
            known |= modules
    else:
        functions = {path.name: path.read_text() for path in (*MACRO_SOURCES, *MACRO_HEADERS)}
        known[matrix_name(config)] = functions | {f"{matrix_name(config)}.sv": matrix_macro_verilog(config)}
        known[simd_name(config)] = functions | {f"{simd_name(config)}.sv": simd_macro_verilog(config)}
        known[random_name(config)] = {f"{random_name(config)}.sv": random_macro_verilog(config)}
    return known


@uncollected()
def convert_module(component: wiring.Component, fragment: Fragment, name: str) -> str:
    """Verilog of a component whose elaboration is ``fragment``, as module ``name``."""
    ports = {}
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["__".join(map(str, path))] = (Value.cast(value), direction)
    text = verilog.convert(fragment, name=name, ports=ports, emit_src=False, strip_internal_attrs=True)
    numbers = itertools.count()
    text = _CONSTANT_PROCESS.sub(lambda found: _RUN_ONCE.format(number=next(numbers), body=found[1]), text)
    return f"// SPDX-License-Identifier: Apache-2.0\n// Generated from Amaranth: {type(component).__module__}.\n{text}"


def _instances(fragment: Fragment) -> Iterator[str]:
    """Names of the Verilog modules that are instantiated in a fragment, at any depth."""
    if isinstance(fragment, Instance):
        yield fragment.type
    for inner, *_ in fragment.subfragments:
        yield from _instances(inner)


#: Meanings of ports by name; those of links without their side.
_MEANINGS = {
    "clk": "clock; everything happens at its rising edge",
    "rst": "synchronous reset",
    "x": "own column, constant",
    "y": "own row, constant",
    "links": "links present: bit 0 north, 1 east, 2 south, 3 west; a bit is cleared when its link dies",
    "edges": "links that lead out of the array, in the same order; constant",
    "cycle": "cycle count",
    "out_valid": "flit sent to the {side}: bit 0 request, bit 1 response",
    "out_flit": "the flit sent to the {side}",
    "out_credit": "credits that the {side} returns, per class",
    "in_valid": "flit received from the {side}: bit 0 request, bit 1 response",
    "in_flit": "the flit received from the {side}",
    "in_credit": "credits returned to the {side}, per class",
    "idle": "nothing changes without input",
    "progress": "an instruction retired or a flit moved in the last cycle",
    "running": "threads that run",
    "waiting": "threads that wait for a semaphore",
    "trapped": "threads ended by a trap without handler",
    "stopped": "threads stopped by a debugger",
    "exited": "the program ended by a store to tohost",
}

#: By the kind of register.
_WRITE_MEANINGS = {
    "valid": "a {register} was written",
    "thread": "thread of that {register}",
    "register": "its number",
    "data": "its new value",
}
_WRITTEN = {"late": "scalar register of an instruction that had retired before", "vector": "vector register"}

_RETIREMENT_MEANINGS = {
    "valid": "an instruction retired or trapped",
    "trap": "it trapped",
    "cause": "mcause of that trap",
    "value": "mtval of that trap",
    "pc": "address of the instruction",
    "insn": "its word",
    "late": "its register rd is written later",
    "rd_valid": "scalar registers written: bit 0 an even one, bit 1 an odd one",
    "rd_address": "their numbers, 5 bits each",
    "rd_data": "their new values, 64 bits each",
}
assert _RETIREMENT_MEANINGS.keys() == RetirementSignature().members.keys()

#: What stands for a port of observation, by the first part of its name.
_OBSERVED: dict[str, Callable[[str], str]] = {
    "rvfi": lambda field: f"RVFI, all channels: {field}",
    "xvfi": lambda field: "{}: {}".format(XVFI_MEANINGS[field.partition("_")[0]], field.partition("_")[2]),
    "view": lambda field: f"view: {VIEW_MEANINGS[field]}",
}


def _meaning(name: str) -> str:
    """What a port of the node is for."""
    if name in _MEANINGS:
        return _MEANINGS[name]
    head, _, tail = name.partition("_")
    if (kind := head.rstrip("0123456789")) in _OBSERVED:
        return _OBSERVED[kind](tail)
    if head.startswith("retire"):
        return f"retirement port {head.removeprefix('retire')}: {_RETIREMENT_MEANINGS[tail]}"
    if (kind := head.rstrip("0123456789")) in _WRITTEN:
        return _WRITE_MEANINGS[tail].format(register=_WRITTEN[kind])
    return _MEANINGS[tail].format(side=head)
