# SPDX-License-Identifier: Apache-2.0
"""Exact cycle counts of barriers, broadcasts and sums over rectangles of nodes.

They are kept and compared as those of matrix products are: see :mod:`scripts.d1.baselines`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from golden.config import preset
from scripts.d1.backends import build_simulator
from scripts.d1.baselines import FOLDER
from scripts.d1.report import Stages
from scripts.simulator import SimulatedArray
from sw.benchmarks.collectives import CollectiveResult, run_collective

FILE = FOLDER / "collectives.json"

#: Cycles that a barrier takes at most on each preset: so many, and so many more for each hop between opposite corners.
BARRIER_BOUNDS = {"d1": (55, 1), "tiny": (78, 1)}


@dataclass(frozen=True)
class CollectiveCase:
    """A call on a rectangle that is the whole array; ``lines`` are those of the vector."""

    config: str
    what: str
    rows: int
    columns: int
    lines: int = 0

    @property
    def name(self) -> str:
        """Key in the file."""
        return f"{self.config} {self.rows}x{self.columns}, {self.what}" + (f" of {self.lines} lines" if self.lines else "")

    @property
    def diameter(self) -> int:
        """Hops between opposite corners."""
        return self.rows + self.columns - 2


_SHAPES = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 8), (8, 1), (4, 4), (8, 8), (12, 12))
#: As many nodes as D1 has, which takes too long for every test of a change.
LARGEST = CollectiveCase("d1", "barrier", 20, 18)
BARRIERS = (
    *(CollectiveCase(config, "barrier", *shape) for config in BARRIER_BOUNDS for shape in _SHAPES),
    CollectiveCase("d1", "barrier", 16, 16),
    LARGEST,
)
CASES = (
    *BARRIERS,
    *(CollectiveCase("d1", "all_reduce_f32", *shape, lines) for shape in ((1, 4), (4, 1), (4, 4)) for lines in (1, 8, 64)),
    CollectiveCase("d1", "all_reduce_bf16", 4, 4, 64),
    *(CollectiveCase("d1", "broadcast", 4, 4, lines) for lines in (1, 64)),
    CollectiveCase("tiny", "all_reduce_f32", 4, 4, 8),
    CollectiveCase("tiny", "broadcast", 4, 4, 8),
)


def measure(case: CollectiveCase, stages: Stages) -> CollectiveResult:
    """Run a case on compiled nodes with macro arithmetic, which is cycle-exact.

    Raises
    ------
    RuntimeError
        If a node did not end with success.
    """
    config = preset(case.config)
    library = build_simulator(config, "macro", None, stages)
    with stages.stage(case.name) as stage:
        with SimulatedArray(config, case.rows, case.columns, library=library) as array:
            result = run_collective(array, case.what, case.columns, case.rows, case.lines)
        stage.note = f"{result.cycles} cycles"
    return result


def record(result: CollectiveResult) -> dict[str, int]:
    """What is kept of a run."""
    return asdict(result)
