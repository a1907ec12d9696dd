# SPDX-License-Identifier: Apache-2.0
"""What a core takes of an FPGA, module by module.

A core is a few dozen modules, of which most are the same in most sizes: a decoder, a queue for groups of three, a register file
with two readers. Each is synthesised alone, once for all sizes that have it, and a core's area is the sum. So nothing is
optimised across modules: what a module makes that nobody uses counts, and so does what constants at its inputs would save.
Matrix array, SIMD unit and random lanes do not depend on the size, and they and the SRAM are not counted. Nor are the
register files: FPGAs have no memory with so many write ports, and they depend on nothing but the number of threads.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment, UnusedElaboratable, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from fpga.cache import cached_folder, content_key
from fpga.flows.ecp5 import ECP5
from fpga.tools import Tool, find_tool, run_tool
from golden.config import NodeConfig
from rtl.core.core import Core
from rtl.core.random_lanes import RandomLanes, random_name
from rtl.elaboration import uncollected
from rtl.export import node_ports
from rtl.matrix.array import matrix_modules, matrix_name
from rtl.simd.unit import simd_modules, simd_name

__all__ = ["KINDS", "PARTS", "Design", "Module", "area", "core_design", "design_of", "synthesise"]

#: What is counted.
KINDS = tuple(ECP5.resources)

#: Parts of a core, each with the names that its modules begin with; what has none of these names is the last one.
PARTS: dict[str, tuple[str, ...]] = {
    "front end": ("frontend",),
    "issue": ("grouping", "allocation"),
    "pipes and the rest": ("",),
}

#: Instances in the core that are memory of kinds that FPGAs do not have.
_ARRAYS = ("scalars", "vectors")

#: Name of the design's own module.
_TOP = "core"

_MODULE = re.compile(r"^(?:attribute [^\n]*\n)*module (\S+)\n.*?^end\n", re.MULTILINE | re.DOTALL)
#: An instance, with its connections.
_CELL = re.compile(r"^  cell (\\\S+) (\S+)\n((?:    [^\n]*\n)*)", re.MULTILINE)
_CONNECT = re.compile(r"^    connect (\S+)", re.MULTILINE)
#: What passes through a module without a name there becomes a port, which Amaranth numbers by all that is in the design.
_NUMBERED = re.compile(r"\\port\$\d+\$\d+")
_PORT = re.compile(r"^  wire (?:width \d+ )?(?:input|output) \d+ +\S+$", re.MULTILINE)
#: Attributes are for readers, but for initial values.
_ATTRIBUTE = re.compile(r"^ *attribute \\(?!init\b)[^\n]*\n", re.MULTILINE)

#: As boards are synthesised; a module's instances of others are left alone.
_SCRIPT = """\
read_rtlil module.il
synth_ecp5 -nowidelut -top {name} -run begin:map_luts
splitnets
synth_ecp5 -nowidelut -top {name} -run map_luts:check
tee -q -o stat.json stat -json
"""


@dataclass(frozen=True)
class Module:
    """A module of a design, named by its contents.

    Attributes
    ----------
    name : str
        Equal for modules that are equal, with all that they instantiate.
    text : str
        RTLIL.
    children : tuple of (str, str)
        Instances within: their names, and those of their modules.
    """

    name: str
    text: str
    children: tuple[tuple[str, str], ...]

    @property
    def box(self) -> str:
        """The module's ports alone, for those that instantiate it."""
        return "\n".join(["attribute \\blackbox 1", f"module \\{self.name}", *_PORT.findall(self.text), "end", ""])


@dataclass(frozen=True)
class Design:
    """A module with all that it instantiates.

    Attributes
    ----------
    top : str
    modules : dict of str to Module
    boxes : dict of str to str
        What is not synthesised, by name: ports as RTLIL.
    """

    top: str
    modules: dict[str, Module]
    boxes: dict[str, str] = field(default_factory=dict)

    def source(self, name: str) -> str:
        """What Yosys reads to synthesise one module."""
        module = self.modules[name]
        inner = dict.fromkeys(child for _, child in module.children)
        return module.text + "".join(self.boxes[child] if child in self.boxes else self.modules[child].box for child in inner)


def core_design(config: NodeConfig) -> Design:
    """The pipelined core of a configuration; its macros and its register files are boxes."""
    with warnings.catch_warnings():
        # Of the macros, only the ports are wanted.
        warnings.simplefilter("ignore", UnusedElaboratable)
        macros = {
            name: modules[name]
            for name, modules in (
                (simd_name(config), simd_modules(config)),
                (matrix_name(config), matrix_modules(config)),
                (random_name(config), {random_name(config): RandomLanes(config)}),
            )
        }
        design = design_of(Core(config), macros)
    arrays = [child for instance, child in design.modules[design.top].children if instance in _ARRAYS]
    assert len(arrays) == len(_ARRAYS)
    return Design(design.top, design.modules, design.boxes | {name: design.modules.pop(name).box for name in arrays})


@uncollected()
def design_of(component: wiring.Component, macros: Mapping[str, wiring.Component] | None = None) -> Design:
    """A component's modules; ``macros`` are those that it instantiates by name."""
    ports = {}
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["__".join(map(str, path))] = (Value.cast(value), direction)
    text = rtlil.convert(Fragment.get(component, None), name=_TOP, ports=ports, emit_src=False)
    return _by_contents(text, {name: _ports_of(name, macro) for name, macro in (macros or {}).items()})


def _ports_of(name: str, component: wiring.Component) -> str:
    ports = [("clk", "input", 1), ("rst", "input", 1), *((p.name, p.direction, p.bits) for p in node_ports(component))]
    wires = [f"  wire width {bits} {direction} {number} \\{port}" for number, (port, direction, bits) in enumerate(ports)]
    return "\n".join(["attribute \\blackbox 1", f"module \\{name}", *wires, "end", ""])


def _by_contents(text: str, boxes: dict[str, str]) -> Design:
    """Amaranth names modules by their place in the hierarchy; here equal ones get equal names, as do their ports."""
    written = {found[1]: found[0] for found in _MODULE.finditer(text)}
    names: dict[str, str] = {}
    ports: dict[str, dict[str, str]] = {}
    modules: dict[str, Module] = {}

    def rename(place: str) -> str:
        if place not in names:
            children: list[tuple[str, str]] = []
            own = ports[place] = {}

            def cell(found: re.Match[str]) -> str:
                inner, there = found[1].removeprefix("\\"), {}
                if found[1] in written:
                    inner, there = rename(found[1]), ports[found[1]]
                # Amaranth numbers an instance that is named like a signal.
                instance = found[2].removeprefix("\\").partition("$")[0]
                children.append((instance, inner))
                connections = _CONNECT.sub(lambda port: f"    connect {there.get(port[1], port[1])}", found[3])
                return f"  cell \\{inner} \\{instance}$instance\n{connections}"

            body = _CELL.sub(cell, _ATTRIBUTE.sub("", written[place]).replace(f"module {place}\n", "", 1))
            body = _NUMBERED.sub(lambda port: own.setdefault(port[0], f"\\port:{len(own)}"), body)
            name = "m" + hashlib.sha256(body.encode()).hexdigest()[:20]
            modules[name] = Module(name, f"module \\{name}\n{body}", tuple(children))
            names[place] = name
        return names[place]

    return Design(rename(f"\\{_TOP}"), modules, boxes)


def synthesise(
    design: Design, name: str, yosys: Tool | None = None, tell: Callable[[str], None] = lambda note: None
) -> Counter[str]:
    """What one module takes, without what it instantiates: numbers by `KINDS`. Kept by contents.

    Raises
    ------
    ToolMissing
        If there is no Yosys.
    BuildFailed
        If it fails.
    """
    yosys = yosys or find_tool("yosys")
    source, script = design.source(name), _SCRIPT.format(name=name)

    def make(folder: Path) -> None:
        (folder / "module.il").write_text(source)
        (folder / "synthesis.ys").write_text(script)
        run_tool(yosys, ["-q", "synthesis.ys"], folder)
        (folder / "module.il").unlink()

    folder, _ = cached_folder("modules", _key(source, script, yosys), make)
    cells = json.loads((folder / "stat.json").read_text())["modules"][f"\\{name}"]["num_cells_by_type"]
    return Counter({kind: sum(cells.get(cell, 0) * each for cell, each in ECP5.resources[kind].cells.items()) for kind in KINDS})


def _key(source: str, script: str, yosys: Tool) -> str:
    return content_key({"module.il": source, "synthesis.ys": script}, yosys.version)


def area(design: Design, of: Callable[[str], Mapping[str, int]]) -> dict[str, Counter[str]]:
    """What each of `PARTS` takes.

    Parameters
    ----------
    design : Design
        A core.
    of : callable
        What a module takes without what it instantiates.
    """
    total = {part: Counter(dict.fromkeys(KINDS, 0)) for part in PARTS}
    for path, name in _instances(design, design.top, ""):
        part = next(part for part, beginnings in PARTS.items() if path.startswith(beginnings))
        total[part].update(of(name))
    return total


def _instances(design: Design, name: str, path: str) -> Iterator[tuple[str, str]]:
    """All instances in a design, the outermost first: names joined by dots, and modules. Boxes are left out."""
    yield path, name
    for instance, child in design.modules[name].children:
        if child in design.modules:
            yield from _instances(design, child, f"{path}.{instance}" if path else instance)
