# SPDX-License-Identifier: Apache-2.0
"""Which of several ways of equal length packets take, so that no link gets much more of them than others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sw.routing.mesh import Integers

#: The cost of a link is its load to this power, so that busy links are avoided even if others have to carry more in sum.
_POWER = 3


def choose_ways(usable: npt.NDArray[np.bool_], lengths: Integers, neighbours: Integers, preferred: Integers) -> Integers:
    """Choose a link for each node and destination.

    Every node is taken to send as much to each other. At first packets leave by the preferred link where it is among the usable
    ones; then, destination by destination, all nodes choose anew what costs least on the whole way, given what all others do.

    Parameters
    ----------
    usable : array (nodes, 4, nodes) of bool
        Whether a node may send packets for a destination by a link. Each usable link leads nearer.
    lengths : array (nodes, nodes)
        Links on the way from a node to a destination.
    neighbours : array (nodes, 4)
        Where links lead.
    preferred : array (nodes, nodes)
        A link for a node and a destination, whether it is usable or not.

    Returns
    -------
    array (nodes, nodes)
        The link; -1 at the destination itself.
    """
    count = len(lengths)
    everyone = np.arange(count)
    first_usable = usable.argmax(axis=1)
    start = np.where(usable[everyone[:, None], preferred, everyone[None, :]], preferred, first_usable)
    behind: list[list[int]] = neighbours.tolist()
    loads = [[0] * neighbours.shape[1] for _ in range(count)]

    def add(ways: list[int], outward: list[int], amount: int) -> None:
        """Put all packets for a destination on their links, or take them off."""
        carried = [amount] * count
        for here in reversed(outward):
            side = ways[here]
            loads[here][side] += carried[here]
            carried[behind[here][side]] += carried[here]

    # Nodes by distance, but for the destination itself.
    outwards: list[list[int]] = [np.argsort(lengths[:, target], kind="stable")[1:].tolist() for target in range(count)]
    chosen: list[list[int]] = start.T.tolist()
    for ways, outward in zip(chosen, outwards, strict=True):
        add(ways, outward, 1)
    for target, (ways, outward) in enumerate(zip(chosen, outwards, strict=True)):
        add(ways, outward, -1)
        choices = usable[:, :, target].tolist()
        costs = [0] * count
        for here in outward:
            costs[here], ways[here] = min(
                (costs[behind[here][side]] + (1 + loads[here][side]) ** _POWER, side)
                for side, allowed in enumerate(choices[here])
                if allowed
            )
        add(ways, outward, 1)
        ways[target] = -1
    return np.array(chosen, np.int32).T
