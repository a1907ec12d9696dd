# SPDX-License-Identifier: Apache-2.0
"""Routes around faults: all pairs that are connected communicate, without cycles, on short ways; what cannot be is named."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings

from golden.config import preset
from golden.layout import LINK_PORTS, Port, RouteEntry
from golden.topology import TOPOLOGIES, Site, Topology
from sw.routing import Proof, RoutingError, UnreachableNodes, compute_routes, prove, require_tables
from sw.routing.mesh import NONE, Mesh
from verif.sw.routing.check import routed_or_refused
from verif.sw.routing.faults import faulty_arrays, random_faults, single_links, single_nodes


def routed(topology: Topology) -> Proof:
    """The proof for an array's routes."""
    return prove(topology, compute_routes(topology))


def test_every_single_dead_node_of_8x8_is_routed_around() -> None:
    proofs = [routed(topology) for topology in single_nodes(8)]
    assert all(proof.pairs == 63 * 63 + 2 * 63 for proof in proofs)
    assert max(proof.worst_detour for proof in proofs) == 4
    assert max(proof.mean_hops / proof.mean_shortest for proof in proofs) < 1.03
    # A link carries 4 packets of each node at the most in a whole array, in dimension order 2.
    assert max(63 * proof.busiest_link for proof in proofs) < 4.5


def test_every_single_dead_link_of_8x8_is_routed_around() -> None:
    proofs = [routed(topology) for topology in single_links(8)]
    assert len(proofs) == 112
    assert all(proof.links == 222 and proof.pairs == 64 * 64 + 2 * 64 for proof in proofs)
    assert max(proof.mean_hops / proof.mean_shortest for proof in proofs) < 1.03


def test_random_faults_of_8x8_are_routed_around_or_refused() -> None:
    rng = random.Random(1)
    outcomes = [routed_or_refused(random_faults(rng, 8)) is not None for _ in range(100)]
    assert 10 < sum(outcomes) < 100


@settings(deadline=None, max_examples=200)
@given(faulty_arrays())
def test_connected_pairs_communicate_whatever_is_dead(topology: Topology) -> None:
    proof = routed_or_refused(topology)
    if proof is not None:
        assert proof.mean_hops >= proof.mean_shortest
        assert (proof.worst_detour == 0) == (proof.mean_hops == proof.mean_shortest)


@settings(deadline=None, max_examples=50)
@given(faulty_arrays())
def test_distances_are_those_of_a_search(topology: Topology) -> None:
    mesh = Mesh(topology)
    for start, site in enumerate(mesh.sites):
        near = {site: 0}
        frontier = [site]
        for here in frontier:
            for port in LINK_PORTS:
                there = topology.neighbour(*here, port)
                if there is not None and there not in near:
                    near[there] = near[here] + 1
                    frontier.append(there)
        assert [near.get(each, NONE) for each in mesh.sites] == mesh.distances[start].tolist()


def test_a_whole_array_goes_in_dimension_order() -> None:
    assert compute_routes(Topology(5, 7)) is None
    proof = prove(Topology(8, 8), None)
    assert (proof.worst_detour, proof.worst_hops, proof.mean_hops) == (0, 14, pytest.approx(16 / 3))
    # Of 64 nodes 8 x 8 x 4 x 4 / 2 packets cross each of the 8 links in the middle.
    assert proof.busiest_link == pytest.approx(8 * 4 * 4 / (64 * 63))


def test_faults_that_dimension_order_never_meets_need_no_tables() -> None:
    assert compute_routes(Topology(1, 5, dead_nodes=frozenset({(4, 0)}))) is None
    assert compute_routes(Topology(2, 2, dead_nodes=frozenset({(1, 1)}))) is not None


def test_the_named_die_is_routed_within_seconds() -> None:
    proof = routed(TOPOLOGIES["d1-die"])
    assert proof.pairs == 354 * 354 + 2 * 354
    assert proof.worst_detour == 4
    assert proof.mean_hops < 1.02 * proof.mean_shortest
    # Six dead nodes may cost less than half of what a whole die of this size carries.
    assert proof.busiest_link < 2 * prove(Topology(20, 18), None).busiest_link


def test_of_many_nodes_that_cannot_be_reached_twenty_are_named_and_all_listed() -> None:
    lost = [(x, y) for y in range(4, 9) for x in range(8)]
    named = "; ".join(f"x={x}, y={y}" for x, y in lost[:20])
    wanted = rf"40 of 72 nodes .*: {named}; and 20 more, which d1 array --json lists\. List them in dead_nodes"
    with pytest.raises(UnreachableNodes, match=wanted) as refused:
        compute_routes(Topology(9, 8, dead_links=frozenset((x, 3, Port.SOUTH) for x in range(8))))
    assert refused.value.sites == tuple(lost)


def test_tables_that_are_too_small_are_refused() -> None:
    require_tables(preset("d1"), Topology(32, 32))
    require_tables(preset("tiny"), Topology(16, 16))
    with pytest.raises(RoutingError, match=r"20 rows and 18 columns .* 'tiny' has tables for 16 rows and 16 columns"):
        require_tables(preset("tiny"), TOPOLOGIES["d1-die"])
    with pytest.raises(RoutingError, match="an array of 2 rows and 33 columns; routing tables cover up to 32 of each"):
        compute_routes(Topology(2, 33, dead_nodes=frozenset({(1, 0)})))
    assert compute_routes(Topology(8000, 8000)) is None
    with pytest.raises(RoutingError, match=r"'nano' has no routing tables \(route_bits = 0\)"):
        require_tables(preset("nano"), Topology(2, 2))


# -- what a proof has to find -----------------------------------------------------------------------------------------

HOLE = Topology(3, 3, dead_nodes=frozenset({(1, 1)}))

#: Entries by node and destination.
Changes = Mapping[tuple[Site, Site], int]


def with_entries(changes: Changes) -> None:
    """Prove the routes of HOLE with changed entries."""
    routes = compute_routes(HOLE)
    assert routes is not None
    numbers = routes.mesh.numbers
    for (here, target), entry in changes.items():
        routes.entries[numbers[here], numbers[target]] = entry
    prove(HOLE, routes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({((0, 0), (2, 2)): RouteEntry.UNREACHABLE}, "from node x=0, y=0 to node x=2, y=2 goes no further than node x=0, y=0"),
        ({((0, 0), (2, 2)): 7}, "goes no further than node x=0, y=0"),
        ({((0, 0), (2, 2)): Port.NORTH}, "goes no further than node x=0, y=0"),
        ({((0, 0), (2, 2)): Port.WEST}, "goes no further than node x=0, y=0"),
        (
            {((1, 0), (1, 2)): RouteEntry.DIMENSION_ORDER},
            "from node x=1, y=0 to node x=1, y=2 goes no further than node x=1, y=0",
        ),
        ({((1, 0), (2, 0)): Port.WEST}, "from node x=0, y=0 to node x=2, y=0 goes no further than node x=1, y=0"),
    ],
)
def test_a_packet_that_does_not_arrive_is_found(changes: Changes, message: str) -> None:
    with pytest.raises(RoutingError, match=message):
        with_entries(changes)


#: The nodes around the hole, clockwise, with the port that leads to the next.
RING = [
    ((0, 0), Port.EAST), ((1, 0), Port.EAST), ((2, 0), Port.SOUTH), ((2, 1), Port.SOUTH),
    ((2, 2), Port.WEST), ((1, 2), Port.WEST), ((0, 2), Port.NORTH), ((0, 1), Port.NORTH),
]  # fmt: skip


def test_a_packet_that_goes_round_for_ever_is_found() -> None:
    # A tail leads into a ring that does not pass the destination.
    topology = Topology(3, 4, dead_nodes=frozenset({(1, 1)}))
    routes = compute_routes(topology)
    assert routes is not None
    numbers = routes.mesh.numbers
    for here, port in RING:
        routes.entries[numbers[here], numbers[3, 1]] = port
    with pytest.raises(RoutingError, match="to node x=3, y=1 goes round for ever"):
        prove(topology, routes)


def test_packets_that_can_wait_for_each_other_are_found_with_their_links() -> None:
    clockwise = {(here, target): port for here, port in RING for target, _ in RING if target != here}
    with pytest.raises(RoutingError, match="on these 8 links can wait for each other in a circle") as caught:
        with_entries(clockwise)
    named = re.findall(r"(\w+) of node x=(\d), y=(\d)", str(caught.value))
    links = [((int(x), int(y)), Port[port.upper()]) for port, x, y in named]
    start = RING.index(links[0])
    # In the order in which packets take them.
    assert links == RING[start:] + RING[:start]


def test_one_way_round_that_is_cut_at_one_node_is_no_cycle() -> None:
    # Clockwise, but nothing passes (0, 0).
    order = [RING[(n + 1) % 8] for n in range(8)]
    changes: dict[tuple[Site, Site], int] = {}
    places = [here for here, _ in order]
    for first in range(8):
        for second in range(8):
            if first < second:
                changes[places[first], places[second]] = order[first][1]
            elif first > second:
                changes[places[first], places[second]] = order[first - 1][1].opposite
    with_entries(changes)


def test_routes_of_another_array_are_refused() -> None:
    with pytest.raises(RoutingError, match="an array with other nodes"):
        prove(Topology(3, 3), compute_routes(HOLE))


def test_routes_are_proved_for_links_that_died_later() -> None:
    later = HOLE.replace(dead_links=frozenset({(0, 1, Port.SOUTH)}))
    with pytest.raises(RoutingError, match="goes no further than node"):
        prove(later, compute_routes(HOLE))


@pytest.mark.parametrize("seed", range(20))
def test_a_wrong_entry_is_found_or_changes_nothing_that_matters(seed: int) -> None:
    """Any entry may be changed: then either all packets still arrive, as a walk by hand shows, or the proof fails."""
    rng = random.Random(seed)
    routes = compute_routes(HOLE)
    assert routes is not None
    mesh = routes.mesh
    here, target = rng.sample(range(len(mesh.sites)), 2)
    routes.entries[here, target] = rng.randrange(8)

    def arrives(start: int, target: int) -> bool:
        place, last = start, None
        for _ in range(len(mesh.sites)):
            if place == target:
                return True
            entry = int(routes.entries[place, target])
            if entry == RouteEntry.DIMENSION_ORDER:
                step_x, step_y = np.subtract(mesh.sites[target], mesh.sites[place])
                port = (Port.EAST if step_x > 0 else Port.WEST) if step_x else (Port.SOUTH if step_y > 0 else Port.NORTH)
            elif entry > Port.WEST:
                return False
            else:
                port = Port(entry)
            there = HOLE.neighbour(*mesh.sites[place], port)
            if there is None or (last is not None and port is last.opposite):
                return False
            place, last = mesh.numbers[there], port
        return False

    if all(arrives(start, end) for start in range(len(mesh.sites)) for end in range(len(mesh.sites))):
        prove(HOLE, routes)
    else:
        with pytest.raises(RoutingError, match="a packet from node"):
            prove(HOLE, routes)
