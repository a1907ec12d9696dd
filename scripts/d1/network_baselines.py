# SPDX-License-Identifier: Apache-2.0
"""Exact counts of meshes of routers under random traffic, checked in as baselines.

Routers are deterministic, and so is the traffic of a seed: a count that moves is a change of the router. ``make baselines``
measures them anew; the commit that changes them says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from golden.config import preset
from scripts.d1.baselines import FOLDER
from scripts.d1.report import Stages
from scripts.network.build import build_harness
from scripts.network.curves import Job, point
from scripts.network.measurement import Measurement, Phases

__all__ = ["CASES", "CONFIG", "FILE", "NetworkCase", "measure"]

FILE = FOLDER / "network.json"

CONFIG = preset("d1")

#: Long enough that hardly any change of the router leaves all counts alone.
_PHASES = Phases(1000, 2000, 4000)


@dataclass(frozen=True)
class NetworkCase:
    """A load on a mesh of the routers of ``d1``, as a part of what no mesh can exceed."""

    rows: int
    columns: int
    pattern: str
    classes: str
    part: Fraction

    @property
    def name(self) -> str:
        """Key in the file."""
        return f"d1 {self.rows}x{self.columns}, {self.pattern}, {self.classes}, {float(100 * self.part):g} %"


CASES = (
    NetworkCase(8, 8, "uniform", "requests", Fraction(75, 100)),
    NetworkCase(8, 8, "uniform", "both", Fraction(80, 100)),
    NetworkCase(4, 5, "hotspot", "both", Fraction(120, 100)),
)


def measure(case: NetworkCase, stages: Stages) -> Measurement:
    """Run a case."""
    with stages.stage(case.name) as stage:
        program = build_harness(CONFIG, lambda what, share: stage.advance(share, what))
        measured = point(Job(program, case.rows, case.columns, case.pattern, case.classes, phases=_PHASES), case.part)
        stage.note = f"{measured.delivered:,} packets in {measured.cycles:,} cycles"
    return measured
