# SPDX-License-Identifier: Apache-2.0
"""Grids of live nodes for kernels."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from golden.topology import TOPOLOGIES, Topology
from sw.kernels.live_grid import live_grid
from verif.sw.routing.faults import faulty_arrays


@settings(deadline=None)
@given(faulty_arrays(4))
def test_a_grid_has_live_nodes_once_and_no_grid_of_its_kind_is_larger(topology: Topology) -> None:
    grid = live_grid(topology)
    sites = [site for row in grid for site in row]
    assert len({len(row) for row in grid}) == 1
    assert len(set(sites)) == len(sites)
    assert all(topology.is_live(*site) for site in sites)
    in_rows = all(len({y for _, y in row}) == 1 for row in grid)
    in_columns = all(len({x for x, _ in column}) == 1 for column in zip(*grid, strict=True))
    assert in_rows or in_columns
    rows = [sum(topology.is_live(x, y) for x in range(topology.columns)) for y in range(topology.rows)]
    columns = [sum(topology.is_live(x, y) for y in range(topology.rows)) for x in range(topology.columns)]
    best = 0
    for lanes in (rows, columns):
        for count in range(1, len(lanes) + 1):
            for some in itertools.combinations(lanes, count):
                best = max(best, count * min(some))
    assert len(sites) == best


def test_a_whole_array_is_its_own_grid() -> None:
    assert live_grid(Topology(2, 3)) == (((0, 0), (1, 0), (2, 0)), ((0, 1), (1, 1), (2, 1)))


def test_the_named_die_gives_19_by_18() -> None:
    grid = live_grid(TOPOLOGIES["d1-die"])
    assert (len(grid), len(grid[0])) == (19, 18)
