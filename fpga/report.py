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
from fpga.flows import FLOWS, TOP

__all__ = ["ADDED", "BuildReport", "PartArea", "PathStep", "Resource", "overused", "read_report", "write_areas"]

#: In the folder of a placed design: cells, by nextpnr's type, that are none of the design's.
ADDED = "added.json"

#: In the folder of a synthesis: its area by parts.
_AREAS = "areas.json"


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

    Attributes
    ----------
    part : str
        Path of the module; ``design`` is the whole.
    area : dict of str to int
        The family's resources by name.
    """

    part: str
    area: dict[str, int]


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
        LUT4, FF, DSP, BRAM, and what else the family has.
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
        Has been given to :func:`write_areas`.
    placed : Path or None
        Has ``report.json`` and :data:`ADDED`, if the design was placed.
    """
    parts = [PartArea(**part) for part in json.loads((synthesis / _AREAS).read_text())]
    resources = {name: Resource(used) for name, used in parts[0].area.items()}
    fmax, path = None, []
    if placed is not None:
        report = json.loads((placed / "report.json").read_text())
        utilization = report["utilization"]
        for cell, added in json.loads((placed / ADDED).read_text()).items():
            utilization[cell]["used"] -= added
        for name, kind in FLOWS[board.family].resources.items():
            amounts = [utilization[cell]["used"] * each for cell, each in kind.placed.items() if cell in utilization]
            available = utilization.get(kind.available, {}).get("available")
            resources[name] = Resource(sum(amounts) if kind.placed else resources[name].used, available)
        # Of several clocks the one that is shortest of its goal.
        clocks = sorted(report["fmax"].values(), key=lambda clock: float(clock["achieved"] / clock["constraint"]))
        fmax = clocks[0]["achieved"] if clocks else None
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


def overused(board: Board, log: Path) -> list[str]:
    """Of a log of nextpnr: what the device has too little of, in words."""
    excess = []
    names = {kind.available: name for name, kind in FLOWS[board.family].resources.items() if kind.placed}
    for cell, used, available in re.findall(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)", log.read_text(errors="replace")):
        if int(used) > int(available):
            excess.append(f"{names.get(cell, cell)} {int(used):,} of {int(available):,}")
    return excess


def write_areas(board: Board, synthesis: Path) -> None:
    """Put the area of each part of the hierarchy, counted in ``top.json``, beside it.

    The names of cells in the flattened netlist begin with the path of their module.
    """
    costs = {cell: (name, amount) for name, kind in FLOWS[board.family].resources.items() for cell, amount in kind.cells.items()}
    cells = json.loads((synthesis / f"{TOP}.json").read_text())["modules"][TOP]["cells"]
    # Flattening leaves a cell of this type for each module that there was.
    known = {"", *(name for name, cell in cells.items() if cell["type"] == "$scopeinfo")}
    areas: dict[str, Counter[str]] = {"": Counter()}
    for name, cell in cells.items():
        if cell["type"] not in costs:
            continue
        resource, amount = costs[cell["type"]]
        levels = name.split(".")
        for depth in range(len(levels)):
            part = ".".join(levels[:depth])
            if part in known:
                areas.setdefault(part, Counter())[resource] += amount
    parts = [
        PartArea(part or "design", {name: areas[part][name] for name in FLOWS[board.family].resources}) for part in sorted(areas)
    ]
    (synthesis / _AREAS).write_text(json.dumps([asdict(part) for part in parts]))


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
