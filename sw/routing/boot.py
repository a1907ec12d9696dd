# SPDX-License-Identifier: Apache-2.0
"""Routes into an array's routing tables, by packets from the host."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import (
    FAR_ROUTES,
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_COORDINATE_BITS,
    ROUTE_ENABLE,
    ROUTE_FAR,
    ROUTE_NIBBLE_BITS,
    RouteEntry,
)
from golden.topology import Topology
from sw.backend import ArrayBackend, BreakableBackend, topology_of, write_blocks
from sw.routing.proof import prove
from sw.routing.routes import Routes, compute_routes, require_tables

_REGISTER_BYTES = 8


def set_up_routes(array: ArrayBackend) -> None:
    """Let an array route around what is dead in it; nothing happens where dimension order is good enough, or if it does already.
    Where links have died since it was made, what its tables hold is not relied on.

    Tables are written from the host outwards: a packet passes only nodes whose tables count already, and no answer is waited for
    before they do. Nothing else may be under way.

    Raises
    ------
    RoutingError
        If nodes cannot be reached, or the nodes' tables are too small.
    """
    routes = proved_routes(topology_of(array))
    if routes is None:
        return
    require_tables(array.config, routes.mesh.topology)
    mesh = routes.mesh
    may_do = not (isinstance(array, BreakableBackend) and array.lost_links)
    if may_do and array.read_register(*mesh.sites[mesh.host], CONTROL_PAGE_OFFSET + ROUTE_CONTROL) & ROUTE_ENABLE:
        return
    distances = mesh.distances[mesh.host]
    outwards = np.argsort(distances, kind="stable").tolist()
    for _, numbers in itertools.groupby(outwards, lambda number: int(distances[number])):
        write_blocks(array, [block for number in numbers for block in table_blocks(array.config, routes, number)])


@functools.lru_cache(maxsize=8)
def proved_routes(topology: Topology) -> Routes | None:
    """Routes for an array, proved to work; None if dimension order is good enough. RoutingError if there are none."""
    routes = compute_routes(topology)
    if routes is not None:
        prove(topology, routes)
    return routes


def table_blocks(config: NodeConfig, routes: Routes, number: int) -> list[tuple[int, int, int, bytes]]:
    """What to write into a node, in this order: x, y, offset and contents of each block. From the last one on the table counts.

    Whatever is no live node cannot be reached.
    """
    mesh = routes.mesh
    side = 1 << config.route_bits
    table = np.full((side, 1 << ROUTE_COORDINATE_BITS), RouteEntry.UNREACHABLE, np.uint8)
    x, y = np.array(mesh.sites).T
    table[y, x] = routes.entries[number]
    far = sum(RouteEntry.UNREACHABLE << ROUTE_NIBBLE_BITS * n for n in range(FAR_ROUTES))
    # FAR and CONTROL follow one another, and of a packet's registers the lowest is written first.
    assert ROUTE_CONTROL == ROUTE_FAR + _REGISTER_BYTES
    registers = far.to_bytes(_REGISTER_BYTES, "little") + ROUTE_ENABLE.to_bytes(_REGISTER_BYTES, "little")
    site = mesh.sites[number]
    return [
        (*site, CONTROL_PAGE_OFFSET + ROUTE_BLOCK, (table[:, 0::2] | table[:, 1::2] << ROUTE_NIBBLE_BITS).tobytes()),
        (*site, CONTROL_PAGE_OFFSET + ROUTE_FAR, registers),
    ]
