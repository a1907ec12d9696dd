# SPDX-License-Identifier: Apache-2.0
"""Exact cycle counts of barriers, broadcasts and sums over rectangles of nodes.

They are kept and compared as those of matrix products are: see :mod:`scripts.d1.baselines`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from golden.config import preset
from golden.topology import Site, Topology, topology_preset
from scripts.d1.backends import build_simulator
from scripts.d1.baselines import FOLDER
from scripts.d1.report import Stages
from scripts.simulator import SimulatedArray
from sw.benchmarks.collectives import CollectiveResult, run_collective
from sw.routing import set_up_routes

FILE = FOLDER / "collectives.json"

#: Cycles that a barrier takes at most on each preset: so many, and so many more for each hop between opposite corners.
BARRIER_BOUNDS = {"d1": (55, 1), "tiny": (78, 1)}

#: The same where sites of the rectangle have no node.
LIVE_BARRIER_BOUNDS = {"d1": (88, 5), "tiny": (131, 6)}


@dataclass(frozen=True)
class CollectiveCase:
    """A call on a rectangle that is the whole array; ``lines`` are those of the vector, ``dead`` sites without a node."""

    config: str
    what: str
    rows: int
    columns: int
    lines: int = 0
    dead: tuple[Site, ...] = ()

    @property
    def name(self) -> str:
        """Key in the file."""
        live = f" less {len(self.dead)}" * bool(self.dead)
        return f"{self.config} {self.rows}x{self.columns}{live}, {self.what}" + f" of {self.lines} lines" * bool(self.lines)

    @property
    def topology(self) -> Topology:
        """The array."""
        return Topology(self.rows, self.columns, dead_nodes=frozenset(self.dead))

    @property
    def diameter(self) -> int:
        """Hops between opposite corners."""
        return self.rows + self.columns - 2


_SHAPES = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 8), (8, 1), (4, 4), (8, 8), (12, 12))
#: As many nodes as D1 has, which take too long for every test of a change.
LARGEST = CollectiveCase("d1", "barrier", 20, 18)
DIE = CollectiveCase("d1", "barrier", 20, 18, dead=tuple(sorted(topology_preset("d1-die").dead_nodes)))
SLOW = (LARGEST, DIE)
BARRIERS = (
    *(CollectiveCase(config, "barrier", *shape) for config in BARRIER_BOUNDS for shape in _SHAPES),
    CollectiveCase("d1", "barrier", 16, 16),
    LARGEST,
)
#: Rows, columns and what is dead.
_LIVE_SHAPES: tuple[tuple[int, int, tuple[Site, ...]], ...] = (
    (3, 3, ((1, 1),)),
    (4, 4, ((1, 1),)),
    (6, 5, ((1, 1), (3, 2), (2, 4))),
    (8, 8, ((3, 3),)),
    (12, 12, ((4, 2), (6, 6), (8, 10))),
)
LIVE_BARRIERS = (
    *(
        CollectiveCase(config, "barrier", rows, columns, dead=dead)
        for config in LIVE_BARRIER_BOUNDS
        for rows, columns, dead in _LIVE_SHAPES
    ),
    DIE,
)
CASES = (
    *BARRIERS,
    *(CollectiveCase("d1", "all_reduce_f32", *shape, lines) for shape in ((1, 4), (4, 1), (4, 4)) for lines in (1, 8, 64)),
    CollectiveCase("d1", "all_reduce_bf16", 4, 4, 64),
    *(CollectiveCase("d1", "broadcast", 4, 4, lines) for lines in (1, 64)),
    CollectiveCase("tiny", "all_reduce_f32", 4, 4, 8),
    CollectiveCase("tiny", "broadcast", 4, 4, 8),
    *LIVE_BARRIERS,
    *(CollectiveCase("d1", "all_reduce_f32", 4, 4, lines, ((1, 1),)) for lines in (8, 64)),
    *(CollectiveCase("d1", "broadcast", 4, 4, lines, ((1, 1),)) for lines in (8, 64)),
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
        with SimulatedArray(config, topology=case.topology, library=library) as array:
            set_up_routes(array)
            result = run_collective(array, case.what, case.columns, case.rows, case.lines)
        stage.note = f"{result.cycles} cycles"
    return result


def record(result: CollectiveResult) -> dict[str, int]:
    """What is kept of a run."""
    return asdict(result)
