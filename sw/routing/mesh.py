# SPDX-License-Identifier: Apache-2.0
"""An array's links and distances as NumPy arrays, which is what computing and proving of routes work on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from golden.layout import LINK_PORTS, Port
from golden.topology import Link, Site, Topology

Integers = npt.NDArray[np.int32]

#: In ``neighbours``: there is no link to a node.
NONE = -1


@dataclass(frozen=True)
class Mesh:
    """The live nodes of an array, numbered row by row, and how links join them.

    Parameters
    ----------
    topology : Topology

    Members
    -------
    sites : list of (x, y)
        By number.
    numbers : dict
        The inverse.
    neighbours : array (nodes, 4) of int32
        Number of the node behind each link in the order of LINK_PORTS; NONE where there is none.
    host : int
        The node that the host is attached to.
    distances : array (nodes, nodes) of int32
        Links on a shortest way; NONE where there is no way.
    """

    topology: Topology

    @cached_property
    def sites(self) -> list[Site]:
        return list(self.topology.sites())

    @cached_property
    def numbers(self) -> dict[Site, int]:
        return {site: number for number, site in enumerate(self.sites)}

    @cached_property
    def neighbours(self) -> Integers:
        found = np.full((len(self.sites), len(LINK_PORTS)), NONE, np.int32)
        for number, site in enumerate(self.sites):
            for side, port in enumerate(LINK_PORTS):
                there = self.topology.neighbour(*site, port)
                if there is not None:
                    found[number, side] = self.numbers[there]
        return found

    @cached_property
    def host(self) -> int:
        return self.numbers[self.topology.host_link[:2]]

    @cached_property
    def distances(self) -> Integers:
        count = len(self.sites)
        distances = np.full((count, count), NONE, np.int32)
        reached: npt.NDArray[np.bool_] = np.eye(count, dtype=np.bool_)
        # One more row for links that are absent: nothing is reached there.
        frontier = np.vstack([reached, np.zeros((1, count), np.bool_)])
        hops = 0
        while frontier.any():
            distances[frontier[:count]] = hops
            hops += 1
            near = frontier[self.neighbours[:, 0]]
            for side in range(1, len(LINK_PORTS)):
                near |= frontier[self.neighbours[:, side]]
            frontier[:count] = near & ~reached
            reached |= near
        return distances

    def named(self, number: int) -> str:
        """A node's coordinates, for messages."""
        return named(self.sites[number])

    def link(self, number: int, side: int) -> Link:
        """A link by its node and its place in LINK_PORTS."""
        return (*self.sites[number], LINK_PORTS[side])


def named(site: Site) -> str:
    """A node's coordinates, for messages."""
    x, y = site
    return f"x={x}, y={y}"


def opposite_sides() -> list[int]:
    """For each place in LINK_PORTS the place of the port at the other end of the link."""
    return [LINK_PORTS.index(port.opposite) for port in LINK_PORTS]


def dimension_order_sides(mesh: Mesh) -> Integers:
    """By which link the first node sends a packet for the second in dimension order: x first, then y. NONE for itself."""
    x, y = np.array(mesh.sites, np.int32).T
    east, south = np.sign(x[None, :] - x[:, None]), np.sign(y[None, :] - y[:, None])
    sides = np.full(east.shape, NONE, np.int32)
    for port, chosen in (
        (Port.SOUTH, south > 0),
        (Port.NORTH, south < 0),
        (Port.EAST, east > 0),
        (Port.WEST, east < 0),
    ):
        sides[chosen] = LINK_PORTS.index(port)
    return sides
