# SPDX-License-Identifier: Apache-2.0
"""Which process has which nodes of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from golden.topology import Topology
from scripts.simulator.errors import SimulatorError

__all__ = ["PartitionError", "partition"]


class PartitionError(SimulatorError):
    """An array cannot be cut into so many parts."""

    exit_code = 2


def partition(topology: Topology, ranks: int) -> npt.NDArray[np.uint16]:
    """The process of each site, as (rows, columns): strips with about as many live nodes each; the host's is that of rank 0.

    Strips consist of whole columns or whole rows, of whichever there are more, so that cuts are short.

    Parameters
    ----------
    topology : Topology
    ranks : int
        At least 1.

    Raises
    ------
    PartitionError
        If there are fewer columns or rows with live nodes than ranks.
    """
    along = 0 if topology.columns >= topology.rows else 1
    lines = (topology.columns, topology.rows)[along]
    live = np.zeros(lines, np.int64)
    for site in topology.sites():
        live[site[along]] += 1
    filled = np.flatnonzero(live)
    if ranks > len(filled):
        what = ("columns", "rows")[along]
        raise PartitionError(
            f"{ranks} ranks are too many for an array of {topology.rows} x {topology.columns}: it is cut along {what}, and "
            f"{len(filled)} of them have nodes; use at most {len(filled)}"
        )
    strip_of_line = np.zeros(lines, np.uint16)
    before = np.cumsum(live[filled]) - live[filled]
    first = 0
    for strip in range(1, ranks):
        # Half of a line decides to which side it goes; every strip gets a line at least.
        share = topology.nodes * strip / ranks
        wanted = int(np.searchsorted(before + live[filled] / 2, share))
        first = min(max(wanted, first + 1), len(filled) - (ranks - strip))
        strip_of_line[filled[first] :] = strip
    host = int(strip_of_line[topology.host_link[along]])
    rank_of_strip = np.arange(ranks, dtype=np.uint16)
    rank_of_strip[[0, host]] = rank_of_strip[[host, 0]]
    owner: npt.NDArray[Any] = np.empty((topology.rows, topology.columns), np.uint16)
    owner[:] = rank_of_strip[strip_of_line][None, :] if along == 0 else rank_of_strip[strip_of_line][:, None]
    return owner
