# SPDX-License-Identifier: Apache-2.0
"""Runs of the compiled mesh: traffic goes in, and exact counts come out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from golden.layout import LINK_PORTS, Port, TrafficClass
from scripts.network.patterns import Rates, Site
from scripts.simulator.errors import SimulatorError

__all__ = [
    "PHASES",
    "ROUTER_CYCLES",
    "Event",
    "Measurement",
    "MeshError",
    "Phases",
    "mean",
    "measure",
    "quantile",
    "replay",
    "scaled",
]

#: Latency of a packet that meets no other is its hops and this: it is in an output register in the cycle behind the one in
#: which it is offered to the first router, moves by one router per cycle, and leaves the last one's register.
ROUTER_CYCLES = 1

#: Cycles of draining that no run needs.
_FOR_EVER = 1 << 62

#: Random numbers that decide are below two to the power of this.
_RANDOM_BITS = 64


class MeshError(SimulatorError):
    """The mesh lost, doubled, misled or overtook a packet, or is stuck; the message says where and when."""


@dataclass(frozen=True)
class Phases:
    """Cycles of a run: before measuring, measuring, and at most those in which the measured packets may still arrive.

    Sources send all the time. After that they stop, and the run ends when the mesh is empty.
    """

    warm_up: int = 3000
    window: int = 6000
    drain: int = 6000


#: For curves: rates of accepted packets settle to about half a percent, as far as the mesh is not saturated.
PHASES = Phases()


@dataclass(frozen=True)
class Event:
    """A packet of its own: offered at the source in that cycle."""

    cycle: int
    source: Site
    destination: Site
    traffic_class: TrafficClass = TrafficClass.REQUEST

    @property
    def hops(self) -> int:
        """Links on its way."""
        return abs(self.source[0] - self.destination[0]) + abs(self.source[1] - self.destination[1])


@dataclass(frozen=True)
class Measurement:
    """What a run counted; ``c`` is a TrafficClass.

    Members
    -------
    rows, columns : int
    window : int              cycles in which was measured
    offered, accepted : tuple   packets by class, generated and delivered in the window
    left : tuple              packets by class that were generated in the window, and under way at the end of draining
    hops : tuple              by class, of the packets of the window that were delivered
    latencies : tuple         by class, packets of the window by latency in cycles, time in the source's queue included
    by_source : dict          packets that were delivered in the window, by who sent them
    links : dict              flits in the window, by (x, y, port) of the link's sender, for all links that there are
    injected, delivered : int   packets of the whole run
    cycles : int              of the whole run
    """

    rows: int
    columns: int
    window: int
    offered: tuple[int, ...]
    accepted: tuple[int, ...]
    left: tuple[int, ...]
    hops: tuple[int, ...]
    latencies: tuple[Mapping[int, int], ...]
    by_source: Mapping[Site, int]
    links: Mapping[tuple[int, int, int], int]
    injected: int
    delivered: int
    cycles: int

    @property
    def histogram(self) -> dict[int, int]:
        """Packets by latency, both classes."""
        both: dict[int, int] = {}
        for latencies in self.latencies:
            for latency, packets in latencies.items():
                both[latency] = both.get(latency, 0) + packets
        return dict(sorted(both.items()))

    def rate(self, counts: Sequence[int]) -> float:
        """Packets of both classes per node and cycle."""
        return sum(counts) / (self.rows * self.columns * self.window)

    def record(self) -> dict[str, Any]:
        """Everything by which two runs are compared: exact counts."""
        return {
            "cycles": self.cycles,
            "delivered": self.delivered,
            "offered": list(self.offered),
            "accepted": list(self.accepted),
            "left": list(self.left),
            "hops": list(self.hops),
            "latency_sums": [sum(latency * n for latency, n in each.items()) for each in self.latencies],
            "latency_squares": [sum(latency**2 * n for latency, n in each.items()) for each in self.latencies],
            "most_of_a_link": max(self.links.values(), default=0),
        }


def mean(histogram: Mapping[int, int]) -> float:
    """Of values by how often they occur; not a number if there is none."""
    count = sum(histogram.values())
    return sum(value * n for value, n in histogram.items()) / count if count else float("nan")


def quantile(histogram: Mapping[int, int], share: float) -> float:
    """The least value that so much of all values do not exceed; not a number if there is none."""
    wanted, seen = share * sum(histogram.values()), 0
    for value, n in sorted(histogram.items()):
        seen += n
        if seen >= wanted:
            return value
    return float("nan")


def scaled(rates: Rates, load: Fraction) -> Rates:
    """Rates times a load."""
    return {source: {to: rate * load for to, rate in shares.items()} for source, shares in rates.items()}


def measure(
    program: Path,
    rows: int,
    columns: int,
    rates: Mapping[TrafficClass, Rates],
    *,
    seed: int = 1,
    phases: Phases = PHASES,
    stall: Fraction = Fraction(0),
) -> Measurement:
    """Sends random packets at given rates; equal seeds give equal runs.

    Parameters
    ----------
    program : Path
        Of :func:`scripts.network.build.build_harness`.
    rows, columns : int
    rates : mapping
        Packets per cycle from each node to others, by class. Each node offers at most one packet per cycle and class, and what
        a router does not take waits in a queue that has no end.
    seed : int
        0 to 2**64 - 1.
    phases : Phases
    stall : Fraction
        Part of the cycles in which a node takes nothing of what arrives.

    Raises
    ------
    MeshError
        If a packet is lost, doubled, delivered elsewhere or out of order within its class, source and destination.
    ValueError
        If a node is to send more than one packet per cycle and class.
    """
    counts = _run(program, rows, columns, rates, (), seed, phases, stall)
    sites = [(x, y) for y in range(rows) for x in range(columns)]
    carried = iter(counts["links"])
    links = {(x, y, int(port)): next(carried) for x, y in sites for port in LINK_PORTS}
    return Measurement(
        rows=rows,
        columns=columns,
        window=phases.window,
        offered=tuple(counts["offered"]),
        accepted=tuple(counts["accepted"]),
        left=tuple(counts["left"]),
        hops=tuple(counts["hops"]),
        latencies=tuple({int(latency): packets for latency, packets in each.items()} for each in counts["latencies"]),
        by_source=dict(zip(sites, counts["by_source"], strict=True)),
        links={(x, y, port): flits for (x, y, port), flits in links.items() if _linked(x, y, port, rows, columns)},
        injected=counts["injected"],
        delivered=counts["delivered"],
        cycles=counts["cycles"],
    )


def replay(program: Path, rows: int, columns: int, events: Sequence[Event], *, stall: Fraction = Fraction(0)) -> list[int]:
    """Sends given packets; returns the latency of each. ``events`` are in the order of their cycles.

    Raises
    ------
    MeshError
        As :func:`measure`.
    """
    last = events[-1].cycle + 1 if events else 0
    latencies: list[int] = _run(program, rows, columns, {}, events, 1, Phases(0, last, _FOR_EVER), stall)["event_latencies"]
    return latencies


def _linked(x: int, y: int, port: int, rows: int, columns: int) -> bool:
    """Whether another node is at the other end of a link."""
    return {Port.NORTH: y > 0, Port.EAST: x + 1 < columns, Port.SOUTH: y + 1 < rows, Port.WEST: x > 0}[Port(port)]


def _run(
    program: Path,
    rows: int,
    columns: int,
    rates: Mapping[TrafficClass, Rates],
    events: Sequence[Event],
    seed: int,
    phases: Phases,
    stall: Fraction,
) -> dict[str, Any]:
    """Writes the plan that the program reads (harness/main.cpp), and reads what it writes."""
    words = [rows, columns, seed, phases.warm_up, phases.window, phases.drain, _threshold(stall)]
    for traffic_class in TrafficClass:
        for y in range(rows):
            for x in range(columns):
                words += _choices(rates.get(traffic_class, {}).get((x, y), {}), columns)
    words.append(len(events))
    for event in events:
        (x, y), (to_x, to_y) = event.source, event.destination
        words += [event.cycle, y * columns + x, to_y * columns + to_x, int(event.traffic_class)]
    done = subprocess.run([str(program)], input=" ".join(map(str, words)), capture_output=True, text=True)
    if done.returncode != 0:
        raise MeshError(done.stderr.strip() or f"the mesh of {rows}x{columns} routers ended with code {done.returncode}")
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def _choices(shares: Mapping[Site, Fraction], columns: int) -> list[int]:
    """Number of destinations, then the threshold and the index of each."""
    total, words = Fraction(0), [len(shares)]
    for (x, y), rate in shares.items():
        total += rate
        words += [_threshold(total), y * columns + x]
    return words


def _threshold(rate: Fraction) -> int:
    """Random numbers below this are that part of all."""
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate of {float(rate):g} per cycle is outside of 0 to 1")
    return min(int(rate * (1 << _RANDOM_BITS)), (1 << _RANDOM_BITS) - 1)
