# SPDX-License-Identifier: Apache-2.0
"""Which process has which nodes of an array."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from golden.topology import Topology
from scripts.simulator.errors import SimulatorError

__all__ = ["PartitionError", "partition"]

#: Processes meet in about the time in which one evaluates so many nodes.
_MEETING_NODES = 8


class PartitionError(SimulatorError):
    """An array cannot be cut into so many parts."""

    exit_code = 2


def partition(topology: Topology, ranks: int) -> npt.NDArray[np.uint16]:
    """The process of each site, as (rows, columns); the host's is that of rank 0.

    Parts are strips with about as many live nodes each, of whole columns or whole rows, of whichever there are more, so that cuts
    are short; or they consist of whole dies, side by side, where that takes less time: processes between which there are only
    long links meet seldom.

    Parameters
    ----------
    topology : Topology
    ranks : int
        At least 1.

    Raises
    ------
    PartitionError
        If there are fewer columns or rows with live nodes than ranks, and fewer dies.
    """
    live = np.zeros((topology.rows, topology.columns), np.int64)
    for x, y in topology.sites():
        live[y, x] = 1
    window = max(1, topology.die_link_cycles - 2)
    choices = [(_cost(live, owner, 1), owner) for owner in _strips(topology, live, ranks)]
    choices += [(_cost(live, owner, window), owner) for owner in _dies(topology, live, ranks)]
    if not choices:
        raise PartitionError(_refusal(topology, live, ranks))
    _, owner = min(choices, key=lambda choice: choice[0])
    x, y, _ = topology.host_link
    rank_of_part = np.arange(ranks, dtype=np.uint16)
    rank_of_part[[0, owner[y, x]]] = rank_of_part[[owner[y, x], 0]]
    # The engine gets it as it lies in memory.
    return np.ascontiguousarray(rank_of_part[owner])


def _cost(live: npt.NDArray[np.int64], owner: npt.NDArray[np.int64], window: int) -> float:
    """What a cycle takes, in evaluations of a node, if processes meet after windows of so many cycles."""
    return float(np.bincount(owner.ravel(), live.ravel()).max()) + _MEETING_NODES / window


def _along(topology: Topology) -> int:
    """0 if strips consist of columns, 1 if of rows."""
    return 0 if topology.columns >= topology.rows else 1


def _refusal(topology: Topology, live: npt.NDArray[np.int64], ranks: int) -> str:
    along = _along(topology)
    filled = int(np.count_nonzero(live.sum(axis=along)))
    return (
        f"{ranks} ranks are too many for an array of {topology.rows} x {topology.columns}: it is cut along "
        f"{('columns', 'rows')[along]}, and {filled} of them have nodes; use at most {filled}"
    )


def _strips(topology: Topology, live: npt.NDArray[np.int64], ranks: int) -> Iterator[npt.NDArray[np.int64]]:
    """Strips, of lines as they come, if there are enough lines."""
    along = _along(topology)
    lines = live.sum(axis=along)
    if ranks <= np.count_nonzero(lines):
        part_of_line = _divided(lines, ranks)
        owner: npt.NDArray[np.int64] = np.empty_like(live)
        owner[:] = part_of_line[None, :] if along == 0 else part_of_line[:, None]
        yield owner


def _dies(topology: Topology, live: npt.NDArray[np.int64], ranks: int) -> Iterator[npt.NDArray[np.int64]]:
    """Rectangles of whole dies, in all numbers of rows and columns of them that give each rank one."""
    row_of_die = np.arange(topology.rows) // (topology.die_rows or topology.rows)
    column_of_die = np.arange(topology.columns) // (topology.die_columns or topology.columns)
    by_row, by_column = (np.bincount(of_die, live.sum(axis=1 - n)) for n, of_die in enumerate((row_of_die, column_of_die)))
    for across in range(1, ranks + 1):
        down = ranks // across
        if across * down != ranks or across > np.count_nonzero(by_column) or down > np.count_nonzero(by_row):
            continue
        owner = _divided(by_row, down)[row_of_die][:, None] * across + _divided(by_column, across)[column_of_die][None, :]
        if np.bincount(owner.ravel(), live.ravel(), ranks).all():
            yield owner


def _divided(counts: npt.NDArray[np.generic], parts: int) -> npt.NDArray[np.int64]:
    """The part of each of several lines with so many live nodes: neighbours together, with about as many nodes in each part."""
    filled = np.flatnonzero(counts)
    weights = np.asarray(counts, np.float64)[filled]
    middles = weights.cumsum() - weights / 2
    part_of_line = np.zeros(len(counts), np.int64)
    first = 0
    for part in range(1, parts):
        # Half of a line decides to which side it goes; every part gets a line at least.
        wanted = int(np.searchsorted(middles, weights.sum() * part / parts))
        first = min(max(wanted, first + 1), len(filled) - (parts - part))
        part_of_line[filled[first] :] = part
    return part_of_line
