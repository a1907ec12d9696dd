# SPDX-License-Identifier: Apache-2.0
"""A grid of live nodes for kernels that deal out their work in rows and columns."""

from __future__ import annotations

from collections.abc import Callable

from golden.topology import Site, Topology

#: Rows of sites, all of the same length.
LiveGrid = tuple[tuple[Site, ...], ...]


def live_grid(topology: Topology) -> LiveGrid:
    """The largest grid whose rows lie in rows of the array, or whose columns lie in columns of it, dead nodes left out.

    Of a whole array it is the array itself. With a dead node here and there, each row gives as many nodes as the worst row that
    is used has, or each column likewise; rows and columns that are worse are left out, if that makes the grid larger.
    """
    by_row = _fullest([[(x, y) for x in range(topology.columns)] for y in range(topology.rows)], topology.is_live)
    by_column = _fullest([[(x, y) for y in range(topology.rows)] for x in range(topology.columns)], topology.is_live)
    if _nodes(by_column) > _nodes(by_row):
        return tuple(zip(*by_column, strict=True))
    return by_row


def _fullest(lanes: list[list[Site]], is_live: Callable[[int, int], bool]) -> LiveGrid:
    """Of the lanes, those and so much of those that make most nodes."""
    live = [tuple(site for site in lane if is_live(*site)) for lane in lanes]
    grids = (
        tuple(lane[:length] for lane in live if len(lane) >= length) for length in sorted({len(lane) for lane in live} - {0})
    )
    return max(grids, key=_nodes)


def _nodes(grid: LiveGrid) -> int:
    return len(grid) * len(grid[0])
