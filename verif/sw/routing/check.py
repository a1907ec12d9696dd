# SPDX-License-Identifier: Apache-2.0
"""What has to hold of an array with faults: routes are proved, or refused with the names of what is lost, and packets arrive."""

from __future__ import annotations

import re

from golden.config import NodeConfig
from golden.layout import ControlRegister, GlobalAddress, Kind, control_offset
from golden.mesh import GoldenArray
from golden.packet import Packet
from golden.topology import Site, Topology
from sw.routing import Proof, RoutingError, compute_routes, prove, set_up_routes
from verif.sw.routing.faults import connected

__all__ = ["routed_or_refused", "unheard", "unheard_around"]


def routed_or_refused(topology: Topology) -> Proof | None:
    """The proof of an array's routes, None if it is refused; fails if it is refused for something else than what is lost."""
    lost = set(topology.sites()) - connected(topology, topology.host_link[:2])
    try:
        proof = prove(topology, compute_routes(topology))
    except RoutingError as error:
        if not lost:
            raise
        count, *names = re.findall(r"^(\d+) of|x=(\d+), y=(\d+)", str(error))
        named = {(int(x), int(y)) for _, x, y in names[1:]}
        assert int(count[0]) == len(lost)
        assert named == lost if len(lost) <= 20 else named < lost
        return None
    assert not lost, f"{len(lost)} nodes cannot be reached, and it was not said"
    return proof


def unheard(array: GoldenArray) -> list[tuple[Site, Site]]:
    """Pairs of nodes of which the first one's packet does not arrive at the second. The host reads of each node, too."""
    sites = list(array.topology.sites())
    lost = []
    for x, y in sites:
        assert array.read_register(x, y, control_offset(ControlRegister.COORDINATES)) == int(GlobalAddress(x, y))
        before = [array.node(*site).semaphores[1] for site in sites]
        data = bytes(array.config.line_bytes)
        for to_x, to_y in sites:
            array.node(x, y).send(Packet(Kind.WRITE, to_x, to_y, 0, src_x=x, src_y=y, post=True, sem=1, mask=1, data=data))
        array.node(x, y).flush()
        after = [array.node(*site).semaphores[1] for site in sites]
        lost += [((x, y), site) for site, early, late in zip(sites, before, after, strict=True) if late != early + 1]
    return lost


def unheard_around(config: NodeConfig, topology: Topology) -> list[tuple[Site, Site]]:
    """The same of a new array whose routes are set up by packets."""
    array = GoldenArray(config, topology=topology)
    set_up_routes(array)
    return unheard(array)
