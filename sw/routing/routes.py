# SPDX-License-Identifier: Apache-2.0
"""Routes around dead nodes and links: which way each node sends packets for each other node.

Labels are distances from the node that the host is attached to; since a mesh has no cycle of odd length, the two ends of a link
always differ by one. A route goes down in labels any number of times first, and up after that, never down again. In a whole array
this is routing with negative steps first. It cannot deadlock: order links by "towards the host, farthest first", then "away from
it, nearest first"; each route follows this order. And it connects whatever is connected: all routes can meet at the host.

A table knows the destination of a packet and not where it comes from. So what a node does must not depend on whether a packet has
gone up before: where steps up alone lead to the destination, they are taken. They are never longer than any other way, because
each of them brings the label nearer to that of the destination. Elsewhere the shortest way towards the host is taken that allows
to go up then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, ROUTE_COORDINATE_BITS, RouteEntry
from golden.topology import Topology
from sw.routing.balance import choose_ways
from sw.routing.errors import RoutingError, UnreachableNodes
from sw.routing.mesh import NONE, Integers, Mesh, dimension_order_sides

#: Rows and columns that the largest routing tables cover.
MAX_ROUTED_SIDE = 1 << ROUTE_COORDINATE_BITS

#: How many nodes a message names at most.
_NAMED = 20


@dataclass(frozen=True, eq=False)
class Routes:
    """What each node's routing table holds.

    Members
    -------
    mesh : Mesh
    entries : array (nodes, nodes) of uint8
        RouteEntry of the first node for the second, by their numbers in the mesh; DIMENSION_ORDER for itself.
    """

    mesh: Mesh
    entries: npt.NDArray[np.uint8]


def compute_routes(topology: Topology) -> Routes | None:
    """Routes between all live nodes, and to and from the host; None if dimension order is good enough.

    Raises
    ------
    UnreachableNodes
        If nodes cannot be reached from the host; the message names them.
    RoutingError
        If no routing table covers the array.
    """
    if topology.is_whole:
        return None
    if max(topology.rows, topology.columns) > MAX_ROUTED_SIDE:
        raise RoutingError(
            f"there are no routes around what is dead in an array of {topology.rows} rows and {topology.columns} columns; "
            f"routing tables cover up to {MAX_ROUTED_SIDE} of each"
        )
    mesh = Mesh(topology)
    _require_connected(mesh)
    if _reached_in_dimension_order(mesh):
        return None
    return Routes(mesh, _entries(mesh))


def require_tables(config: NodeConfig, topology: Topology) -> None:
    """RoutingError if the routing tables of a node cannot tell all nodes of an array apart."""
    covered = 1 << config.route_bits
    if config.route_bits and topology.rows <= covered and topology.columns <= covered:
        return
    there = f"tables for {covered} rows and {covered} columns" if config.route_bits else "no routing tables"
    raise RoutingError(
        f"routes around what is dead in an array of {topology.rows} rows and {topology.columns} columns need routing tables for "
        f"all of it, and '{config.name}' has {there} (route_bits = {config.route_bits}); use a smaller array or another config"
    )


def _require_connected(mesh: Mesh) -> None:
    lost = np.flatnonzero(mesh.distances[mesh.host] == NONE)
    if not len(lost):
        return
    x, y, port = mesh.topology.host_link
    names = "; ".join(mesh.named(int(number)) for number in lost[:_NAMED])
    more = f"; and {len(lost) - _NAMED} more, which d1 array --json lists" if len(lost) > _NAMED else ""
    raise UnreachableNodes(
        f"{len(lost)} of {len(mesh.sites)} nodes cannot be reached from the host at the {port.name.lower()} link of node x={x}, "
        f"y={y}: {names}{more}. List them in dead_nodes to leave them out",
        [mesh.sites[number] for number in lost],
    )


def _reached_in_dimension_order(mesh: Mesh) -> bool:
    """Whether all pairs are connected without tables: no node's step in dimension order meets what is dead."""
    sides = dimension_order_sides(mesh)
    ahead = np.take_along_axis(mesh.neighbours, np.maximum(sides, 0), axis=1)
    return bool(((ahead != NONE) | (sides == NONE)).all())


def _entries(mesh: Mesh) -> npt.NDArray[np.uint8]:
    labels = mesh.distances[mesh.host]
    by_label = np.argsort(labels, kind="stable")
    near = [[(side, int(there)) for side, there in enumerate(row) if there != NONE] for row in mesh.neighbours]
    count = len(mesh.sites)

    # Destinations that steps away from the host alone lead to.
    onward: npt.NDArray[np.bool_] = np.eye(count, dtype=np.bool_)
    for here in by_label[::-1]:
        for _, there in near[here]:
            if labels[there] > labels[here]:
                onward[here] |= onward[there]

    lengths: Integers = np.zeros((count, count), np.int32)
    for here in by_label:
        back = [lengths[there] + 1 for _, there in near[here] if labels[there] < labels[here]]
        lengths[here] = labels - labels[here]
        if back:
            lengths[here] = np.where(onward[here], lengths[here], np.minimum.reduce(back))

    usable = np.zeros((count, len(LINK_PORTS), count), np.bool_)
    for here in range(count):
        for side, there in near[here]:
            away = labels[there] > labels[here]
            usable[here, side] = onward[there] if away else ~onward[here] & (lengths[there] == lengths[here] - 1)
    sides = choose_ways(usable, lengths, mesh.neighbours, dimension_order_sides(mesh))
    return np.where(sides == NONE, RouteEntry.DIMENSION_ORDER, np.array(LINK_PORTS)[sides]).astype(np.uint8)
