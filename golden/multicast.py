# SPDX-License-Identifier: Apache-2.0
"""How a host writes to a rectangle of nodes: at once where the network copies packets for it, else to each node by itself."""

from __future__ import annotations

from golden.config import CONTROL_PAGE_OFFSET
from golden.layout import ROUTE_CONTROL, GlobalAddress
from golden.topology import Topology

__all__ = ["ROUTE_CONTROL_OFFSET", "multicast_targets"]

#: Where a host reads whether a node's routing table counts, in the node's window.
ROUTE_CONTROL_OFFSET = CONTROL_PAGE_OFFSET + ROUTE_CONTROL


def multicast_targets(topology: Topology, tables: bool, rectangle: GlobalAddress) -> tuple[list[GlobalAddress], bool]:
    """Where a host sends what all nodes of a rectangle shall get.

    Routers whose tables count refuse multicasts, and copies end at a dead node; then each live node gets packets of its own.

    Parameters
    ----------
    topology : Topology
        What the host knows of the array.
    tables : bool
        Whether routing tables count. They do in all nodes or in none.
    rectangle : GlobalAddress

    Returns
    -------
    targets : list of GlobalAddress
        The rectangle alone, or each of its live nodes, row by row.
    beyond : bool
        Whether the rectangle reaches beyond the array and no packet is sent there, so that no answer tells it.
    """
    columns, rows = rectangle.sides
    sites = [
        (x, y)
        for y in range(rectangle.y, min(rectangle.y + rows, topology.rows))
        for x in range(rectangle.x, min(rectangle.x + columns, topology.columns))
    ]
    if not tables and topology.dead_nodes.isdisjoint(sites):
        return [rectangle], False
    live = [GlobalAddress(*site, rectangle.offset) for site in sites if site not in topology.dead_nodes]
    return live, len(sites) < columns * rows
