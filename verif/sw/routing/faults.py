# SPDX-License-Identifier: Apache-2.0
"""Arrays with faults: every single one of a size, random ones, and what is connected there."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

from golden.layout import LINK_PORTS, Port
from golden.topology import STEPS, Link, Site, Topology, TopologyError

__all__ = ["all_links", "connected", "edge_links", "faulty_arrays", "random_faults", "single_links", "single_nodes"]


def all_links(rows: int, columns: int) -> list[Link]:
    """Every link between two sites, each once."""
    return [
        (x, y, port)
        for y in range(rows)
        for x in range(columns)
        for port in (Port.EAST, Port.SOUTH)
        if x + STEPS[port][0] < columns and y + STEPS[port][1] < rows
    ]


def edge_links(topology: Topology) -> list[Link]:
    """Every link of a live node that leads out of the array."""
    return [
        (x, y, port)
        for x, y in topology.sites()
        for port in LINK_PORTS
        if not topology.contains(x + STEPS[port][0], y + STEPS[port][1])
    ]


def single_nodes(side: int) -> Iterator[Topology]:
    """Square arrays with one dead node."""
    return (Topology(side, side, dead_nodes=frozenset({(x, y)})) for y in range(side) for x in range(side))


def single_links(side: int) -> Iterator[Topology]:
    """Square arrays with one dead link."""
    return (Topology(side, side, dead_links=frozenset({link})) for link in all_links(side, side))


def random_faults(rng: random.Random, side: int) -> Topology:
    """A square array with two to twelve faults of both kinds, connected or not, and the host anywhere at the edge."""
    sites = [(x, y) for y in range(side) for x in range(side)]
    while True:
        dead_nodes = frozenset(rng.sample(sites, rng.randrange(7)))
        dead_links = frozenset(rng.sample(all_links(side, side), rng.randrange(7)))
        if len(dead_nodes) + len(dead_links) < 2:
            continue
        topology = Topology(side, side, dead_nodes, dead_links)
        return topology.replace(host=rng.choice(edge_links(topology)))


def connected(topology: Topology, start: Site) -> set[Site]:
    """Nodes that can be reached from a node."""
    reached, frontier = {start}, [start]
    while frontier:
        here = frontier.pop()
        for port in LINK_PORTS:
            there = topology.neighbour(*here, port)
            if there is not None and there not in reached:
                reached.add(there)
                frontier.append(there)
    return reached


@st.composite
def faulty_arrays(draw: st.DrawFn, largest: int = 5) -> Topology:
    """Arrays with any faults, connected or not, and the host anywhere at the edge. They shrink to small and whole ones."""
    rows, columns = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    sites = [(x, y) for y in range(rows) for x in range(columns)]
    links = all_links(rows, columns)
    dead_nodes = draw(st.frozensets(st.sampled_from(sites), max_size=len(sites) // 2))
    dead_links = draw(st.frozensets(st.sampled_from(links), max_size=4)) if links else frozenset()
    try:
        topology = Topology(rows, columns, dead_nodes, dead_links)
    except TopologyError:
        topology = Topology(rows, columns, dead_links=dead_links)
    return topology.replace(host=draw(st.sampled_from(edge_links(topology))))
