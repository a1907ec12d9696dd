# SPDX-License-Identifier: Apache-2.0
"""A netlist of ECP5 cells as Verilog for a simulator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fpga.cache import cached_folder, content_key
from fpga.errors import BuildFailed
from fpga.flows import FLOWS, TOP
from fpga.tools import find_tool, run_tool
from verif.netlist.cells import cell_models
from verif.netlist.faults import plant_faults

__all__ = ["Netlist", "clock_of_pll", "read_netlist", "synthesise"]

#: Names of nets are paths through the whole hierarchy and would fill the simulator's C++; those of ports stay. Nets one bit wide
#: keep the simulator from seeing loops through vectors. Pins are divided by direction, see cells/trellis_input.v.
_SCRIPT = """\
read_json netlist.json
delete t:$scopeinfo
chtype -set TRELLIS_INPUT t:TRELLIS_IO r:DIR=INPUT %i
chtype -set TRELLIS_OUTPUT t:TRELLIS_IO r:DIR=OUTPUT %i
splitnets
opt_clean -purge
rename {old} {top}
cd {top}
rename -hide w:* x:* %d c:* %u
cd ..
write_verilog -noattr -simple-lhs netlist.v
"""

Note = Callable[[str], None]


def _ignore(note: str) -> None:
    pass


@dataclass(frozen=True)
class Netlist:
    """A netlist for a simulator.

    Attributes
    ----------
    sources : dict of str to str
        Verilog by file name, with models of all cells.
    cells : dict of str to int
        How many there are of each type.
    faults : tuple of str
        Names of the cells that faults were planted in; fault n (from 1 on) is that of ``faults[n - 1]``.
    plls : tuple of dict
        Parameters of each PLL.
    """

    sources: dict[str, str]
    cells: dict[str, int]
    faults: tuple[str, ...]
    plls: tuple[dict[str, Any], ...]


def read_netlist(path: Path, *, top: str, faults: int = 0, seed: int = 1, note: Note = _ignore) -> Netlist:
    """A netlist for a simulator from what Yosys' ``write_json`` wrote.

    Parameters
    ----------
    path : Path
        Holds one module beside those of the cells.
    top : str
        Name that this module gets.
    faults, seed : int
        See :func:`verif.netlist.faults.plant_faults`.
    note : callable
        Told what is being done.

    Raises
    ------
    ToolMissing
        If there is no Yosys.
    BuildFailed
        If Yosys fails.
    UnknownCell
        If there is no model of a cell.
    """
    netlist = json.loads(path.read_text())
    old, module = _top(netlist)
    planted = plant_faults(module, faults, seed)
    script = _SCRIPT.format(old=old, top=top)
    yosys = find_tool("yosys")
    text = json.dumps(netlist)

    def make(folder: Path) -> None:
        (folder / "netlist.json").write_text(text)
        (folder / "write.ys").write_text(script)
        run_tool(yosys, ["-q", "write.ys"], folder, note)
        (folder / "netlist.json").unlink()

    folder, _ = cached_folder("netlist", content_key({"netlist.json": text, "write.ys": script}, yosys.version), make)
    verilog = (folder / "netlist.v").read_text()
    counts: dict[str, int] = {}
    for name in re.findall(r"^  (\w+) (?:#\(|_\d+_ \()", verilog, re.MULTILINE):
        counts[name] = counts.get(name, 0) + 1
    plls = tuple(cell["parameters"] for cell in module["cells"].values() if cell["type"] == "EHXPLLL")
    return Netlist({"netlist.v": verilog} | cell_models(counts), dict(sorted(counts.items())), planted, plls)


def _top(netlist: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and content of the one module that is no cell of the library."""
    found = [item for item in netlist["modules"].items() if not any(
        attribute in item[1]["attributes"] for attribute in ("blackbox", "whitebox")
    )]  # fmt: skip
    if len(found) != 1:
        raise BuildFailed(f"a netlist of one module is expected, there are {', '.join(name for name, _ in found) or 'none'}")
    return found[0]


def synthesise(sources: dict[str, str], note: Note = _ignore) -> Path:
    """Synthesise sources as those of a board are, and return the ``top.json`` that this writes, from the cache if it is there.

    Parameters
    ----------
    sources : dict of str to str
        Verilog (``.v``) and RTLIL (``.il``) by file name, with a module :data:`fpga.flows.TOP`.
    note : callable
        Told what is being done.

    Raises
    ------
    ToolMissing, BuildFailed
        As :func:`read_netlist`.
    """
    reads = [f"read_{'rtlil' if name.endswith('.il') else 'verilog'} {name}" for name in sources]
    script = "\n".join([*reads, FLOWS["ecp5"].synthesis])
    yosys = find_tool("yosys")

    def make(folder: Path) -> None:
        for name, text in sources.items():
            (folder / name).write_text(text)
        (folder / "synthesis.ys").write_text(script)
        run_tool(yosys, ["-q", "synthesis.ys"], folder, note)

    folder, _ = cached_folder("blocks", content_key(sources, script, yosys.version), make)
    return folder / f"{TOP}.json"


def clock_of_pll(parameters: dict[str, Any], oscillator_hz: int) -> Fraction:
    """Frequency in Hz that an EHXPLLL makes of its reference, fed back from its first output.

    Raises
    ------
    ValueError
        If its oscillator would run outside of 400 to 800 MHz (Lattice FPGA-DS-02012).
    """
    reference, feedback, output = (int(parameters[name], 2) for name in ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV"))
    made = Fraction(oscillator_hz * feedback, reference)
    if not 400e6 <= made * output <= 800e6:
        raise ValueError(f"the PLL's oscillator would run at {float(made * output) / 1e6:g} MHz, not at 400 to 800")
    return made
