# SPDX-License-Identifier: Apache-2.0
"""The flat array of ``rtl.array``, compiled as a whole, to be compared with the engine.

Its nodes are instances of one module, the Verilog that the engine runs as well: elaborated for each site anew, they would take
as many times as long to convert and compile, and say nothing more.
"""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import ClockSignal, Fragment, Instance, Module, ResetSignal
from amaranth.lib import wiring

from golden.config import NodeConfig
from golden.topology import Topology
from rtl.array import FlatArray
from rtl.export import TOP, convert_module, export_node, node_class, node_ports
from scripts.simulator.build import library_key
from scripts.simulator.cache import Cache, digest
from scripts.simulator.compilation import Compilation
from scripts.simulator.toolchain import find_toolchain

__all__ = ["compile_flat", "run_flat"]

_DRIVER = Path(__file__).with_name("flat.cpp")


class NodeModule(wiring.Component):
    """A node's boundary around an instance of its module.

    Parameters
    ----------
    node : wiring.Component
        Never elaborated.

    Members are those of the node.
    """

    def __init__(self, node: wiring.Component):
        self._ports = node_ports(node)
        super().__init__(node.signature)

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        values = {"__".join(map(str, path)): value for path, _, value in self.signature.flatten(self)}
        ports = {f"{port.direction[0]}_{port.name}": values[port.name] for port in self._ports}
        m = Module()
        m.submodules.node = Instance(TOP, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m


def compile_flat(
    config: NodeConfig, topology: Topology, arithmetic: str, node: Callable[[NodeConfig], wiring.Component] | None = None
) -> Path:
    """A library with ``flat_run`` of an array elaborated flat."""
    tools = find_toolchain()
    facts = (library_key(config, arithmetic, None, tools, node), topology.to_json())
    key = digest([(path.name, path.read_bytes()) for path in (_DRIVER, Path(__file__))], *facts)
    cache = Cache("flat")

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        array = FlatArray(config, topology, lambda: NodeModule(node_class(node)(config)))
        outputs = [port.name for port in node_ports(array) if port.direction == "output" and port.name[:4] != "host"]
        fragment = Fragment.get(array, None)
        files = {"flat.v": convert_module(array, fragment, "flat")} | export_node(config, arithmetic, node=node)
        files["flat_ports.h"] = f"#define FLAT_PORTS(X) {' '.join(f'X({name})' for name in outputs)}\n"
        for name, text in files.items():
            (work / name).write_text(text)
        sources = sorted(name for name in files if Path(name).suffix in (".v", ".sv", ".cpp"))
        with Compilation(tools, work, folder / "build.log", lambda stage, done: None) as compilation:
            compilation.verilate([*sources, _DRIVER], top="flat", prefix="Flat")
            compilation.compile(quick=True)
            compilation.link(folder / "libflat.so")
        shutil.rmtree(work)

    return cache.build(key, make) / "libflat.so"


def run_flat(library: Path, topology: Topology, records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the nodes of the flat array drive in each cycle, given what the engine recorded from cycle 0 on; 0 at dead sites.

    The host's link is taken from the records: what it drove in a cycle is in the record of the cycle before, and nothing in
    the first.
    """
    host = np.zeros(len(records), [(name, records.dtype[name]) for name in ("host_flit", "host_valid", "host_credit")])
    for name in host.dtype.names or ():
        host[name][1:] = records[name][:-1]
    sites = np.zeros((len(records), topology.nodes), records.dtype["nodes"].base)
    flat = ctypes.CDLL(str(library)).flat_run
    flat.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p]
    flat.restype = None
    flat(host.ctypes.data, len(records), sites.ctypes.data)
    nodes = np.zeros(len(records), records.dtype["nodes"])
    columns, rows = zip(*topology.sites(), strict=True)
    nodes[:, rows, columns] = sites
    return nodes
