# SPDX-License-Identifier: Apache-2.0
"""How arrays are cut: every process gets a strip with a fair share of nodes, and rank 0 the host's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.layout import Port
from golden.topology import Topology, topology_preset
from scripts.simulator.partition import PartitionError, partition


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    # The first row lives, so that there is a host.
    sites = [(x, y) for y in range(1, rows) for x in range(columns)]
    dead = draw(st.frozensets(st.sampled_from(sites))) if sites else frozenset()
    return Topology(rows, columns, dead_nodes=dead, host=(draw(st.integers(0, columns - 1)), 0, Port.NORTH))


@given(topologies(), st.integers(1, 9))
def test_each_rank_has_a_strip_and_rank_0_the_host(topology: Topology, ranks: int) -> None:
    along = 0 if topology.columns >= topology.rows else 1
    lines = {site[along] for site in topology.sites()}
    if ranks > len(lines):
        with pytest.raises(PartitionError, match=f"{ranks} ranks are too many for an array .* use at most {len(lines)}"):
            partition(topology, ranks)
        return
    owner = partition(topology, ranks)
    assert owner.shape == (topology.rows, topology.columns)
    x, y, _ = topology.host_link
    assert owner[y, x] == 0
    line = owner[0] if along == 0 else owner[:, 0]
    assert np.all(owner == (line[None, :] if along == 0 else line[:, None]))
    strips = [rank for n, rank in enumerate(line) if n == 0 or line[n - 1] != rank]
    assert sorted(strips) == list(range(ranks))
    assert {owner[y, x] for x, y in topology.sites()} == set(range(ranks))


@given(topologies(), st.integers(1, 9))
def test_shares_differ_by_lines_at_most(topology: Topology, ranks: int) -> None:
    along = 0 if topology.columns >= topology.rows else 1
    if ranks > len({site[along] for site in topology.sites()}):
        return
    owner = partition(topology, ranks)
    counts = [sum(owner[y, x] == rank for x, y in topology.sites()) for rank in range(ranks)]
    across = min(topology.rows, topology.columns)
    # Either end of a strip is off by half a line; strips that had to be given a line push others.
    assert max(counts) <= topology.nodes / ranks + across * ranks


def test_a_whole_array_is_cut_evenly() -> None:
    assert partition(Topology(3, 8), 4).tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 3
    assert partition(Topology(4, 2), 2).tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]
    # The host's strip is that of rank 0, wherever it lies.
    assert partition(Topology(1, 4, host=(3, 0, Port.EAST)), 2).tolist() == [[1, 1, 0, 0]]


def test_cuts_lie_between_dies_where_links_are_long() -> None:
    dies = Topology(4, 4, die_rows=2, die_columns=2, die_link_cycles=20)
    assert partition(dies, 2).tolist() == [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
    assert partition(dies, 4).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    # Of dies side by side, even if strips of nodes would be somewhat fairer.
    assert partition(Topology(1, 8, die_columns=3, die_link_cycles=20), 2).tolist() == [[0] * 3 + [1] * 5]
    # But not if one process had much more to do, nor where links are as short as others.
    assert partition(Topology(8, 24, die_columns=8, die_link_cycles=20), 2)[0].tolist() == [0] * 12 + [1] * 12
    assert partition(dies.replace(die_link_cycles=1), 4).tolist() == [[0, 1, 2, 3]] * 4


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 9))
def test_a_rank_per_die_is_possible(down: int, across: int, rows: int, columns: int, cycles: int) -> None:
    topology = Topology(down * rows, across * columns, die_rows=rows, die_columns=columns, die_link_cycles=cycles)
    owner = partition(topology, down * across)
    assert np.bincount(owner.ravel()).tolist() == [rows * columns] * (down * across)


def test_the_die_is_cut_fairly() -> None:
    die = topology_preset("d1-die")
    for ranks in (2, 4, 8):
        counts = np.bincount([partition(die, ranks)[y, x] for x, y in die.sites()])
        assert counts.sum() == die.nodes
        assert counts.max() - counts.min() <= die.columns
