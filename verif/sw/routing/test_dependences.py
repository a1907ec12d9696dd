# SPDX-License-Identifier: Apache-2.0
"""Links that wait for each other in whole arrays of several sizes, by the golden router's rule: there is no circle of them.

``sw.routing.prove`` does this for what nodes send to each other. Here everything goes its way: any exit, what is addressed to no
node, multicasts to all rectangles, and packets of hosts and memories at every edge. Both classes have the same rule, but that
only requests can be multicasts, and nothing of a response waits for a request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from golden.config import preset
from golden.edge_memory import EdgeMemory
from golden.layout import LINK_PORTS, GlobalAddress, Kind, Port
from golden.packet import Packet
from golden.router import Router
from golden.topology import STEPS, Link, Site, Topology

CONFIG = preset("tiny")


def everywhere_attached(rows: int, columns: int) -> Topology:
    """A whole array that has something at every link of its edge."""
    plain = Topology(rows, columns)
    links = [
        (x, y, port)
        for x, y in plain.sites()
        for port in LINK_PORTS
        if not plain.contains(x + STEPS[port][0], y + STEPS[port][1]) and (x, y, port) != plain.host_link
    ]
    memories = tuple(EdgeMemory(*link, bytes=64, latency=1, bytes_per_cycle=1) for link in links)
    return plain.replace(memories=memories)


def destinations(rows: int, columns: int) -> Iterator[GlobalAddress]:
    """Every node and what lies around the array, by every exit; every rectangle, also those that reach beyond the edge."""
    for y in range(rows + 1):
        for x in range(columns + 1):
            for port in Port:
                yield GlobalAddress(x, y, exit=port)
            for height in range(1, rows + 2 - y):
                for width in range(1, columns + 2 - x):
                    if width * height > 1:
                        yield GlobalAddress.rectangle(x, y, width, height)


def dependences(topology: Topology, exits_lead_anywhere: bool = False) -> set[tuple[Link, Link]]:
    """Pairs of links between nodes that a packet takes one after the other."""
    routers = {}
    for x, y in topology.sites():
        links = topology.links(x, y)
        routers[x, y] = Router(CONFIG, x, y, links, links if exits_lead_anywhere else topology.edges(x, y))
    entries = [(x, y, Port.LOCAL) for x, y in topology.sites()]
    entries += [topology.host_link, *(memory.link for memory in topology.memories)]
    found: set[tuple[Link, Link]] = set()
    for address in destinations(topology.rows, topology.columns):
        for x, y, arrival in entries:
            packet = Packet(Kind.WRITE, address.x, address.y, 0, address.exit, src_x=x, src_y=y, upper=address.upper)
            follow(topology, routers, packet, (x, y, arrival), found)
    return found


def follow(
    topology: Topology, routers: Mapping[Site, Router], packet: Packet, entry: Link, found: set[tuple[Link, Link]]
) -> None:
    """Note which links a packet takes behind which, with all of its copies."""
    under_way: deque[tuple[Link, Link | None]] = deque([(entry, None)])
    hops = 0
    while under_way:
        (x, y, arrival), before = under_way.popleft()
        for port in routers[x, y].next_ports(packet, arrival):
            if port is None or port is Port.LOCAL or (there := topology.neighbour(x, y, port)) is None:
                continue
            link = (x, y, port)
            if before is not None:
                found.add((before, link))
            under_way.append(((*there, port.opposite), link))
            hops += 1
            assert hops <= 4 * topology.rows * topology.columns, f"{packet} goes round for ever"


def has_circle(pairs: Iterable[tuple[Link, Link]]) -> bool:
    sorter: TopologicalSorter[Link] = TopologicalSorter()
    for before, after in pairs:
        sorter.add(after, before)
    try:
        sorter.prepare()
    except CycleError:
        return True
    return False


@pytest.mark.parametrize("rows, columns", [(1, 4), (4, 1), (2, 2), (2, 3), (3, 3), (4, 3)])
def test_no_circle_of_links_wait_for_each_other(rows: int, columns: int) -> None:
    pairs = dependences(everywhere_attached(rows, columns))
    assert not has_circle(pairs)
    for (_, _, before), (_, _, after) in pairs:
        assert before is after or (before in (Port.EAST, Port.WEST) and after in (Port.NORTH, Port.SOUTH))


def test_exits_to_other_nodes_would_close_a_circle() -> None:
    assert has_circle(dependences(everywhere_attached(2, 2), exits_lead_anywhere=True))
