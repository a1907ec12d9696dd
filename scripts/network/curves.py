# SPDX-License-Identifier: Apache-2.0
"""Latency against load, and the load at which a mesh is saturated."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from golden.layout import TrafficClass
from scripts.network.measurement import PHASES, ROUTER_CYCLES, Event, Measurement, Phases, mean, measure, quantile, replay, scaled
from scripts.network.patterns import Rates, Site, capacity, mean_hops, pattern_rates, total_rate

__all__ = [
    "CLASSES",
    "LOADS",
    "SATURATED_LATENCIES",
    "Curve",
    "Job",
    "curve",
    "curves",
    "full_links",
    "point",
    "zero_load",
]

#: A mesh is saturated from the load on at which the mean latency is this many times that of packets that meet no other.
SATURATED_LATENCIES = 3

#: Loads of a curve, in parts of what the mesh can carry at best.
LOADS = tuple(Fraction(part, 100) for part in (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100))

#: More than a mesh takes, if sources can send so much.
_OVERLOAD = Fraction(3, 2)

#: Between two loads of a curve, the one that saturates is found to a thirty-second of their distance.
_BISECTIONS = 5

#: Part of the packets that go by each class.
CLASSES: dict[str, dict[TrafficClass, Fraction]] = {
    "requests": {TrafficClass.REQUEST: Fraction(1)},
    "both": {TrafficClass.REQUEST: Fraction(1, 2), TrafficClass.RESPONSE: Fraction(1, 2)},
}


@dataclass(frozen=True)
class Job:
    """What is measured: the program, the mesh, the pattern by its name, the classes by theirs, and how."""

    program: Path
    rows: int
    columns: int
    pattern: str
    classes: str = "requests"
    seed: int = 1
    phases: Phases = PHASES

    @cached_property
    def rates(self) -> Rates:
        """At load 1: a packet per cycle of each node that sends."""
        return pattern_rates(self.pattern, self.rows, self.columns)

    @cached_property
    def capacity(self) -> Fraction:
        """The load that nothing can exceed. Loads are given as parts of it."""
        return capacity(self.rates, max(CLASSES[self.classes].values()))

    @property
    def bound(self) -> Fraction:
        """Packets per node and cycle at that load."""
        return self.capacity * total_rate(self.rates) / (self.rows * self.columns)

    @property
    def zero_load_latency(self) -> Fraction:
        """Mean latency of packets that meet no other."""
        return mean_hops(self.rates) + ROUTER_CYCLES

    def saturated(self, measured: Measurement) -> bool:
        """Whether the mesh was, in a measurement of this."""
        return sum(measured.left) > 0 or mean(measured.histogram) > SATURATED_LATENCIES * self.zero_load_latency


@dataclass(frozen=True)
class Curve:
    """Latency against load.

    Members
    -------
    job : Job
    points : dict           measurements by part of the bound, in its order; none beyond the first of ``LOADS`` that saturates
    saturation : Fraction   the largest part at which the mesh is not saturated
    overload : Measurement  while more is offered than it takes
    """

    job: Job
    points: Mapping[Fraction, Measurement]
    saturation: Fraction
    overload: Measurement

    @property
    def overload_of_bound(self) -> float:
        """Part of the bound that is accepted under overload."""
        return self.overload.rate(self.overload.accepted) / float(self.job.bound)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "pattern": self.job.pattern,
            "classes": self.job.classes,
            "zero_load_latency": float(self.job.zero_load_latency),
            "bound": float(self.job.bound),
            "saturation": float(self.job.bound * self.saturation),
            "saturation_of_bound": float(self.saturation),
            "overload_of_bound": self.overload_of_bound,
            "points": [{"load_of_bound": float(part), **_record(measured)} for part, measured in self.points.items()],
        }


def _record(measured: Measurement) -> dict[str, Any]:
    """Rates per node and cycle, latencies in cycles."""
    return {
        "offered": measured.rate(measured.offered),
        "accepted": measured.rate(measured.accepted),
        "busiest_link": max(measured.links.values()) / measured.window,
        "left": sum(measured.left),
        **_latencies(measured.histogram),
        "classes": {c.name.lower(): _latencies(measured.latencies[c]) for c in TrafficClass if measured.offered[c]},
    }


def _latencies(histogram: Mapping[int, int]) -> dict[str, float | None]:
    if not histogram:
        return {"mean": None, "median": None, "p99": None}
    return {"mean": mean(histogram), "median": quantile(histogram, 0.5), "p99": quantile(histogram, 0.99)}


def point(job: Job, part: Fraction) -> Measurement:
    """The mesh under a load, given as a part of its bound."""
    load = part * job.capacity
    by_class = {c: scaled(job.rates, load * share) for c, share in CLASSES[job.classes].items()}
    return measure(job.program, job.rows, job.columns, by_class, seed=job.seed, phases=job.phases)


def curve(job: Job, advance: Callable[[float], None] = lambda share: None) -> Curve:
    """Measures a curve, closely where the mesh saturates; ``advance`` is told the part that is done."""
    low, high = Fraction(0), Fraction(1)
    points = {}
    for number, part in enumerate(LOADS):
        advance(number / (len(LOADS) + _BISECTIONS + 1))
        points[part] = point(job, part)
        if job.saturated(points[part]):
            high = part
            break
        low = part
    for number in range(_BISECTIONS):
        advance((len(LOADS) + number) / (len(LOADS) + _BISECTIONS + 1))
        middle = (low + high) / 2
        points[middle] = point(job, middle)
        if job.saturated(points[middle]):
            high = middle
        else:
            low = middle
    # No source sends more than a packet per cycle and class.
    overload = point(job, min(_OVERLOAD, 1 / (job.capacity * max(CLASSES[job.classes].values()))))
    advance(1)
    return Curve(job, dict(sorted(points.items())), low, overload)


def curves(jobs: Sequence[Job], advance: Callable[[float], None] = lambda share: None) -> list[Curve]:
    """Measures curves on all processors; ``advance`` is told the part that is done."""
    lock, shares = Lock(), dict.fromkeys(range(len(jobs)), 0.0)

    def measured(number: int) -> Curve:
        def tell(share: float) -> None:
            with lock:
                shares[number] = share
                advance(sum(shares.values()) / len(jobs))

        return curve(jobs[number], tell)

    # Each run is a process of its own, for which a thread waits.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(measured, range(len(jobs))))


def zero_load(program: Path, rows: int, columns: int, sources: Sequence[Site]) -> dict[Event, int]:
    """Latencies of single packets, from sources to all nodes by each class, one packet after the other has arrived."""
    events: list[Event] = []
    cycle = 0
    for source in sources:
        for destination in ((x, y) for y in range(rows) for x in range(columns)):
            for traffic_class in TrafficClass:
                events.append(Event(cycle, source, destination, traffic_class))
                cycle += events[-1].hops + 2 * ROUTER_CYCLES
    return dict(zip(events, replay(program, rows, columns, events), strict=True))


def full_links(program: Path, rows: int, columns: int, phases: Phases = PHASES) -> Measurement:
    """Every link at once has a flit to carry in every cycle: requests go along each row from end to end both ways, responses
    along each column."""
    along_rows: Rates = {}
    along_columns: Rates = {}
    for y in range(rows):
        for x, end in ((0, columns - 1), (columns - 1, 0)):
            along_rows[x, y] = {(end, y): Fraction(1)}
    for x in range(columns):
        for y, end in ((0, rows - 1), (rows - 1, 0)):
            along_columns[x, y] = {(x, end): Fraction(1)}
    rates = {TrafficClass.REQUEST: along_rows, TrafficClass.RESPONSE: along_columns}
    return measure(program, rows, columns, rates, phases=phases)
