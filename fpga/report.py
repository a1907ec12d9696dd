# SPDX-License-Identifier: Apache-2.0
"""What a build came to: area, speed, and which parts of the design take them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fpga.boards import Board
from fpga.designs import Design, Settings

__all__ = ["BuildReport", "PartArea", "PathStep", "Resource", "overused", "read_report"]

#: Resource as reports name it -> nextpnr's cell type.
_RESOURCES = {"LUT4": "TRELLIS_COMB", "FF": "TRELLIS_FF", "DSP": "MULT18X18D", "EBR": "DP16KD"}

#: Cell type after synthesis -> (resource, how much of it one takes). A 16x4 memory takes four LUTs for its bits and two to write.
_COSTS = {
    "LUT4": ("LUT4", 1),
    "CCU2C": ("LUT4", 2),
    "TRELLIS_DPR16X4": ("LUT4", 6),
    "TRELLIS_FF": ("FF", 1),
    "MULT18X18D": ("DSP", 1),
    "DP16KD": ("EBR", 1),
    "PDPW16KD": ("EBR", 1),
}


@dataclass(frozen=True)
class Resource:
    """How much of something is used; ``available`` is None before placement."""

    used: int
    available: int | None = None

    @property
    def share(self) -> float | None:
        """Used of available, 0 to 1."""
        return self.used / self.available if self.available else None


@dataclass(frozen=True)
class PartArea:
    """Area of a part of the hierarchy with all that is in it, after synthesis.

    Cells belong to parts by their names, which synthesis derives from the nets they drive; logic that was optimised across a
    boundary counts on one of its sides.
    """

    part: str
    lut4: int
    ff: int
    dsp: int
    ebr: int


@dataclass(frozen=True)
class PathStep:
    """A step of the critical path: ``cell`` or ``net`` it goes through, and what it adds."""

    kind: str
    name: str
    nanoseconds: float


@dataclass(frozen=True)
class BuildReport:
    """What a build came to.

    Attributes
    ----------
    board, design : str
    config : str or None
        Preset; None if there are no nodes.
    rows, columns : int
        Of the array.
    seed : int
    clock_mhz : float
        What the design has to reach.
    resources : dict of str to Resource
        LUT4, FF, DSP, EBR.
    fmax_mhz : float or None
        Of the design's clock; None if it was not placed.
    critical_path : list of PathStep
    parts : list of PartArea
        The hierarchy, each part before those that it holds.
    """

    board: str
    design: str
    config: str | None
    rows: int
    columns: int
    seed: int
    clock_mhz: float
    resources: dict[str, Resource]
    fmax_mhz: float | None
    critical_path: list[PathStep] = field(default_factory=list)
    parts: list[PartArea] = field(default_factory=list)

    @property
    def meets_timing(self) -> bool | None:
        """Whether the clock is reached."""
        return None if self.fmax_mhz is None else self.fmax_mhz >= self.clock_mhz

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        resources = {name: {**asdict(resource), "share": resource.share} for name, resource in self.resources.items()}
        return {**asdict(self), "resources": resources, "meets_timing": self.meets_timing}


def read_report(board: Board, design: Design, settings: Settings, seed: int, synthesis: Path, placed: Path | None) -> BuildReport:
    """The report of a build from what the tools left in their folders.

    Parameters
    ----------
    synthesis : Path
        Has ``top.json``.
    placed : Path or None
        Has ``report.json``, if the design was placed.
    """
    parts_path = synthesis / "parts.json"
    if parts_path.exists():
        parts = [PartArea(**part) for part in json.loads(parts_path.read_text())]
    else:
        parts = _parts(json.loads((synthesis / "top.json").read_text()))
        parts_path.write_text(json.dumps([asdict(part) for part in parts]))
    whole = parts[0]
    resources = {"LUT4": Resource(whole.lut4), "FF": Resource(whole.ff), "DSP": Resource(whole.dsp), "EBR": Resource(whole.ebr)}
    fmax, path = None, []
    if placed is not None:
        report = json.loads((placed / "report.json").read_text())
        for name, cell in _RESOURCES.items():
            entry = report["utilization"].get(cell, {"used": 0, "available": 0})
            resources[name] = Resource(entry["used"], entry["available"])
        # The slowest, should there be several clocks.
        fmax = min((clock["achieved"] for clock in report["fmax"].values()), default=None)
        path = _critical_path(report["critical_paths"])
    return BuildReport(
        board=board.name,
        design=design.name,
        config=settings.config.name if settings.config else None,
        rows=settings.rows,
        columns=settings.columns,
        seed=seed,
        clock_mhz=settings.clock_hz / 1e6,
        resources=resources,
        fmax_mhz=fmax,
        critical_path=path,
        parts=parts,
    )


def overused(log: Path) -> list[str]:
    """Of a log of nextpnr: what the device has too little of, in words."""
    excess = []
    names = {cell: name for name, cell in _RESOURCES.items()}
    for cell, used, available in re.findall(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)", log.read_text(errors="replace")):
        if int(used) > int(available):
            excess.append(f"{names.get(cell, cell)} {int(used):,} of {int(available):,}")
    return excess


def _parts(netlist: dict[str, Any]) -> list[PartArea]:
    """Areas by hierarchy: the names of cells in the flattened netlist begin with the path of their module."""
    cells = netlist["modules"]["top"]["cells"]
    # Flattening leaves a cell of this type for each module that there was.
    known = {"", *(name for name, cell in cells.items() if cell["type"] == "$scopeinfo")}
    areas: dict[str, Counter[str]] = {}
    for name, cell in cells.items():
        if cell["type"] not in _COSTS:
            continue
        resource, amount = _COSTS[cell["type"]]
        levels = name.split(".")
        for depth in range(len(levels)):
            part = ".".join(levels[:depth])
            if part in known:
                areas.setdefault(part, Counter())[resource] += amount
    return [
        PartArea(part or "design", *(areas[part][resource] for resource in ("LUT4", "FF", "DSP", "EBR")))
        for part in sorted(areas)
    ]


def _critical_path(paths: list[dict[str, Any]]) -> list[PathStep]:
    """The longest path from a clock edge to the next one."""
    inside = [path for path in paths if "posedge" in path["from"] and "posedge" in path["to"]]
    if not inside:
        return []
    longest = max(inside, key=lambda path: float(sum(step["delay"] for step in path["path"])))
    return [
        PathStep(
            kind=step["type"],
            name=step["net"] if "net" in step else f"{step['to']['cell']}.{step['to']['port']}",
            nanoseconds=step["delay"],
        )
        for step in longest["path"]
    ]
