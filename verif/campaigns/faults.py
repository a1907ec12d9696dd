# SPDX-License-Identifier: Apache-2.0
"""Arrays with faults: each dead node, each dead link, and random ones, proved and tried by packets on the golden model."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from golden.config import preset
from golden.mesh import UnansweredError
from golden.topology import Topology
from sw.routing import RoutingError
from verif.sw.routing.check import routed_or_refused, unheard_around
from verif.sw.routing.faults import random_faults, single_links, single_nodes

__all__ = ["KINDS", "Outcome", "Progress", "Summary", "check", "run"]

#: Nodes whose tables cover any array of the campaign, and that are fast.
_CONFIG = preset("tiny")

#: In which ways arrays are faulty.
KINDS = ("one dead node", "one dead link", "random faults")

#: Arrays that a process checks at a time.
_CHUNK = 4

#: Told how many arrays of how many have been checked, and how many of them have failed.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What was found of an array.

    Attributes
    ----------
    kind : str
        One of KINDS.
    topology : Topology
    refused : bool
        Nodes cannot be reached, and the routing tool says which.
    problem : str
        Empty if all is as it should be.
    detour : float
        Links on a way over those on a shortest one, mean.
    worst_detour : int
    load : float
        Packets of each node on the busiest link, if every node sends one to each other.
    """

    kind: str
    topology: Topology
    refused: bool = False
    problem: str = ""
    detour: float = 1.0
    worst_detour: int = 0
    load: float = 0.0


@dataclass
class Summary:
    """What was found of arrays of a kind; ``detours`` and what follows is of those that were not refused."""

    arrays: int = 0
    refused: int = 0
    detours: list[float] = field(default_factory=list)
    worst_detour: int = 0
    load: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count an array."""
        self.arrays += 1
        if outcome.refused:
            self.refused += 1
            return
        self.detours.append(outcome.detour)
        self.worst_detour = max(self.worst_detour, outcome.worst_detour)
        self.load = max(self.load, outcome.load)


def check(case: tuple[str, Topology]) -> Outcome:
    """Prove an array's routes and try every pair by packets, or see that it is refused for what cannot be reached."""
    kind, topology = case
    try:
        proof = routed_or_refused(topology)
        if proof is None:
            return Outcome(kind, topology, refused=True)
        lost = unheard_around(_CONFIG, topology)
    except (AssertionError, RoutingError, UnansweredError) as error:
        return Outcome(kind, topology, problem=str(error) or type(error).__name__)
    problem = f"{len(lost)} pairs do not communicate, first of all {lost[0]}" if lost else ""
    detour = proof.mean_hops / proof.mean_shortest if proof.mean_shortest else 1.0
    return Outcome(
        kind, topology, problem=problem, detour=detour, worst_detour=proof.worst_detour,
        load=proof.busiest_link * (topology.nodes - 1),
    )  # fmt: skip


def _cases(side: int, count: int, seed: int) -> Iterator[tuple[str, Topology]]:
    rng = random.Random(seed)
    yield from ((KINDS[0], topology) for topology in single_nodes(side))
    yield from ((KINDS[1], topology) for topology in single_links(side))
    yield from ((KINDS[2], random_faults(rng, side)) for _ in range(count))


def run(side: int, count: int, seed: int, tell: Progress, *, processes: int | None = None) -> list[Outcome]:
    """Check all arrays with a single fault and so many with random ones; equal seeds give equal arrays.

    Parameters
    ----------
    side : int
        Rows and columns, at least 2 and as many as the tables of `tiny` cover.
    count : int
        Arrays with random faults.
    seed : int
        Of these.
    tell : callable
    processes : int, optional
        Worker processes; one for each core by default.
    """
    cases = list(_cases(side, count, seed))
    outcomes: list[Outcome] = []
    failed = 0
    workers = processes or len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(workers) as pool:
        found = map(check, cases) if workers == 1 else pool.map(check, cases, chunksize=_CHUNK)
        for outcome in found:
            outcomes.append(outcome)
            failed += bool(outcome.problem)
            tell(len(outcomes), len(cases), failed)
    return outcomes
