# SPDX-License-Identifier: Apache-2.0
"""Whether routes work: every packet arrives, and none can wait for itself.

This follows packets as routers do and knows nothing of how routes were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
import numpy.typing as npt

from golden.layout import LINK_PORTS, RouteEntry
from golden.topology import Topology
from sw.routing.errors import RoutingError
from sw.routing.mesh import NONE, Integers, Mesh, dimension_order_sides, opposite_sides
from sw.routing.routes import Routes


@dataclass(frozen=True)
class Proof:
    """What was found of routes that work.

    Attributes
    ----------
    pairs : int
        Pairs of sender and receiver that were followed; a node and itself count too, as do the host and memories with each node.
    links : int
        Links between nodes, each direction by itself.
    dependences : int
        Pairs of links that a packet takes one after the other. There is no cycle among them.
    mean_hops, worst_hops : float, int
        Links between nodes on the way from one node to another.
    mean_shortest : float
        The same if every packet could take a shortest way.
    worst_detour : int
        Most links that a way has more than a shortest one.
    busiest_link : float
        Share of all packets that cross the busiest link, if every node sends as many to each other; times nodes, it is how
        many flits per cycle and node that link lets through at most.
    """

    pairs: int
    links: int
    dependences: int
    mean_hops: float
    worst_hops: int
    mean_shortest: float
    worst_detour: int
    busiest_link: float


def prove(topology: Topology, routes: Routes | None) -> Proof:
    """Follow a packet from each live node, and from the host, to each, and look for cycles of links that wait for each other.

    Both traffic classes go the same ways, and a class never waits for the other, so what holds for one holds for both. The links
    of the host and of memories cannot be part of a cycle: nothing precedes them on the way in, and nothing follows them on the
    way out, but that a memory's requests wait for its responses, as a node's do. There are no other ways than these: by its exit
    a packet leaves the array, or is delivered where it is. In dimension order, what is addressed to no node, and each copy of a
    multicast, turns as other packets do, from rows into columns; where tables count, the first router refuses both.

    Parameters
    ----------
    topology : Topology
    routes : Routes or None
        What the routing tables hold; None for dimension order. They may have been computed for other links.

    Raises
    ------
    RoutingError
        If a packet does not arrive, or there is a cycle; the message names the pair and where the packet ends, or the links.
    """
    mesh = Mesh(topology)
    if routes is not None and routes.mesh.sites != mesh.sites:
        raise RoutingError("these routes are those of an array with other nodes")
    sides = _sides(mesh, routes)
    hops, follows, crossings = _follow(mesh, sides)
    _require_no_cycle(mesh, follows)
    count = len(mesh.sites)
    between = count * (count - 1)
    shortest = mesh.distances
    return Proof(
        pairs=count * count + 2 * count * (1 + len(topology.memories)),
        links=int((mesh.neighbours != NONE).sum()),
        dependences=int(follows.sum()),
        mean_hops=float(hops.sum()) / between if between else 0.0,
        worst_hops=int(hops.max()),
        mean_shortest=float(shortest.sum()) / between if between else 0.0,
        worst_detour=int((hops - shortest).max()),
        busiest_link=float(crossings.max()) / between if between else 0.0,
    )


def _sides(mesh: Mesh, routes: Routes | None) -> Integers:
    """By which link each node sends a packet for each other, as its router decides it; NONE if by no link."""
    ordered = dimension_order_sides(mesh)
    if routes is None:
        return ordered
    sides = np.where(routes.entries == RouteEntry.DIMENSION_ORDER, ordered, NONE)
    for side, port in enumerate(LINK_PORTS):
        sides[routes.entries == port] = side
    return sides


def _follow(mesh: Mesh, sides: Integers) -> tuple[Integers, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Follow a packet from each node to each.

    Packets of the host and of memories go the ways of those of their nodes: they attach where no packet turns back to.

    Returns
    -------
    hops : array (nodes, nodes)
    follows : array (nodes, 4, 4) of bool
        Whether a packet that left a node by the first link leaves the next node by the second.
    crossings : array (nodes, 4)
        Packets that left a node by a link.
    """
    count = len(mesh.sites)
    start, target = (index.ravel().astype(np.int32) for index in np.indices((count, count)))
    hops = np.zeros((count, count), np.int32)
    follows = np.zeros((count, len(LINK_PORTS), len(LINK_PORTS)), np.bool_)
    crossings = np.zeros((count, len(LINK_PORTS)), np.int64)
    back = np.array(opposite_sides(), np.int32)
    under_way = start != target
    start, target = start[under_way], target[under_way]
    here, last, previous = start, np.full(len(start), NONE, np.int32), np.full(len(start), NONE, np.int32)
    steps = 0
    while len(start):
        side = sides[here, target]
        there = mesh.neighbours[here, side]
        stuck = (side == NONE) | (there == NONE) | ((last != NONE) & (side == back[last]))
        if stuck.any() or steps > count:
            first = int(stuck.argmax())
            where = f"goes no further than node {mesh.named(int(here[first]))}" if stuck.any() else "goes round for ever"
            raise RoutingError(
                f"a packet from node {mesh.named(int(start[first]))} to node {mesh.named(int(target[first]))} {where}"
            )
        crossings += np.bincount(here * len(LINK_PORTS) + side, minlength=crossings.size).reshape(crossings.shape)
        turned = last != NONE
        follows[previous[turned], last[turned], side[turned]] = True
        steps += 1
        arrived = there == target
        hops[start[arrived], target[arrived]] = steps
        on = ~arrived
        start, target, previous, last, here = start[on], target[on], here[on], side[on], there[on]
    return hops, follows, crossings


def _require_no_cycle(mesh: Mesh, follows: npt.NDArray[np.bool_]) -> None:
    sorter: TopologicalSorter[tuple[int, int]] = TopologicalSorter()
    for number, first, second in np.argwhere(follows).tolist():
        sorter.add((int(mesh.neighbours[number, first]), second), (number, first))
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = [mesh.link(*channel) for channel in error.args[1][:-1]]
        names = "; ".join(f"{port.name.lower()} of node x={x}, y={y}" for x, y, port in cycle)
        raise RoutingError(f"packets on these {len(cycle)} links can wait for each other in a circle: {names}") from None
