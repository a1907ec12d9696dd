# SPDX-License-Identifier: Apache-2.0
"""Routes in the tables of golden arrays: they are written by packets that arrive, and then all packets arrive."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings

from golden.config import preset
from golden.layout import (
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_STRIDE,
    GlobalAddress,
    Kind,
    NetworkError,
    Port,
    RouteEntry,
    control_offset,
)
from golden.layout import ControlRegister as Register
from golden.mesh import GoldenArray, NetworkAccessError
from golden.packet import Packet
from golden.topology import TOPOLOGIES, Topology
from sw.assembler import assemble
from sw.host import HostError, all_sites, load_program, run_program
from sw.routing import RoutingError, boot, set_up_routes
from verif.sw.routing.check import unheard, unheard_around
from verif.sw.routing.faults import connected, edge_links, faulty_arrays, random_faults, single_links, single_nodes

CONFIG = preset("tiny")


@pytest.mark.parametrize(
    "topology", [*single_nodes(4), *single_links(4)], ids=lambda each: repr(each.dead_nodes or each.dead_links)
)
def test_all_pairs_communicate_around_a_single_fault(topology: Topology) -> None:
    assert unheard_around(CONFIG, topology) == []


@settings(deadline=None, max_examples=40)
@given(faulty_arrays())
def test_all_pairs_communicate_whatever_is_dead_and_wherever_the_host_is(topology: Topology) -> None:
    if connected(topology, topology.host_link[:2]) < set(topology.sites()):
        with pytest.raises(RoutingError, match="cannot be reached from the host"):
            unheard_around(CONFIG, topology)
    else:
        assert unheard_around(CONFIG, topology) == []


@pytest.mark.parametrize("seed", range(3))
def test_all_pairs_of_8x8_communicate_around_random_faults(seed: int) -> None:
    rng = random.Random(seed)
    topology = random_faults(rng, 8)
    while connected(topology, topology.host_link[:2]) < set(topology.sites()):
        topology = random_faults(rng, 8)
    assert unheard_around(CONFIG, topology) == []


def test_tables_have_to_be_written_from_the_host_outwards(monkeypatch: pytest.MonkeyPatch) -> None:
    topology = Topology(4, 4, dead_nodes=frozenset({(1, 0)}))
    write_blocks = boot.write_blocks
    batches: list[Any] = []
    monkeypatch.setattr(boot, "write_blocks", lambda array, blocks: batches.append(blocks))
    set_up_routes(GoldenArray(CONFIG, topology=topology))
    assert sorted({(x, y) for batch in batches for x, y, *_ in batch}) == sorted(topology.sites())
    array = GoldenArray(CONFIG, topology=topology)
    with pytest.raises(NetworkAccessError):
        write_blocks(array, [block for batch in reversed(batches) for block in batch])


def test_no_packet_is_sent_where_no_table_is_needed_or_all_are_written() -> None:
    whole = GoldenArray(CONFIG, 4, 4)
    set_up_routes(whole)
    assert whole.node(0, 0).read_register(Register.REQUESTS_RECEIVED) == 0
    faulty = GoldenArray(CONFIG, topology=Topology(4, 4, dead_nodes=frozenset({(1, 1)})))
    set_up_routes(faulty)
    before = [faulty.node(*site).read_register(Register.REQUESTS_RECEIVED) for site in faulty.topology.sites()]
    set_up_routes(faulty)
    after = [faulty.node(*site).read_register(Register.REQUESTS_RECEIVED) for site in faulty.topology.sites()]
    # The host only asks its own node.
    assert [late - early for early, late in zip(before, after, strict=True)] == [1] + 14 * [0]


def test_destinations_without_a_node_cannot_be_reached() -> None:
    topology = Topology(4, 4, dead_nodes=frozenset({(1, 1), (3, 0)}))
    array = GoldenArray(CONFIG, topology=topology)
    set_up_routes(array)
    for x, y in ((1, 1), (3, 0), (4, 0), (0, 4), (15, 15), (16, 0), (0, 16), (8191, 8191)):
        with pytest.raises(NetworkAccessError, match=f"node x={x}, y={y} failed: there is no such node") as caught:
            array.read(x, y, 0x40, 1)
        assert (caught.value.address, caught.value.reason) == (GlobalAddress(x, y, 0x40), NetworkError.UNREACHABLE)
        # Nobody passes the packet on: it might meet others in a circle.
        for here in topology.sites():
            if here != (x, y):
                packet = Packet(Kind.READ, x, y, 0)
                assert array.node(*here).router.next_ports(packet, Port.LOCAL) == (None,)


def test_tables_that_are_too_small_are_refused_before_any_packet() -> None:
    for config in (CONFIG, preset("nano")):
        array = GoldenArray(config, topology=TOPOLOGIES["d1-die"])
        with pytest.raises(RoutingError, match=f"'{config.name}' has"):
            set_up_routes(array)
        assert array.node(0, 0).read_register(ROUTE_CONTROL) == 0


@pytest.mark.parametrize("name", ["d1", "medium", "small"])
def test_tables_of_every_size_are_written(name: str) -> None:
    array = GoldenArray(preset(name), topology=Topology(3, 3, dead_nodes=frozenset({(1, 1)})))
    set_up_routes(array)
    node = array.node(0, 0)
    row = node.read_register(ROUTE_BLOCK + ROUTE_STRIDE)
    assert row & 0xF0FF == Port.SOUTH | RouteEntry.UNREACHABLE << 4 | RouteEntry.UNREACHABLE << 12
    assert row >> 8 & 0xF in (Port.EAST, Port.SOUTH)
    for x, y in array.topology.sites():
        assert array.read_register(x, y, control_offset(Register.COORDINATES)) == int(GlobalAddress(x, y))


def test_the_whole_die_boots_and_every_node_answers() -> None:
    array = GoldenArray(preset("medium"), topology=TOPOLOGIES["d1-die"])
    program = assemble("_start: csrr a0, mnode\n srli a0, a0, 63\n halt a0", config=array.config)
    report = run_program(array, program, 10_000)
    assert report.passed, report.summary()
    assert len(report.nodes) == 354
    assert [(node.column, node.row) for node in report.nodes] == all_sites(array)


def test_programs_are_not_loaded_into_dead_nodes() -> None:
    array = GoldenArray(CONFIG, topology=Topology(2, 2, dead_nodes=frozenset({(1, 0)})))
    program = assemble("_start: halt zero", config=CONFIG)
    with pytest.raises(HostError, match="the node in row 0, column 1 is dead in this array"):
        load_program(array, program, [(1, 0)])
    with pytest.raises(ValueError, match="node x=1, y=0 is dead in this array"):
        array.peek(1, 0, 0, 1)
    with pytest.raises(HostError, match=r"the table at d1_placement .* row 0, column 1 is dead"):
        run_program(array, assemble("_start: halt zero\n d1_placement: .half 1, 0, 1", config=CONFIG), 100)
    assert [(state.x, state.y) for state in array.thread_states()[:: CONFIG.threads]] == [(0, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize("host", edge_links(Topology(2, 3)), ids=str)
def test_the_host_may_be_at_any_edge(host: Any) -> None:
    array = GoldenArray(CONFIG, topology=Topology(2, 3, host=host))
    assert unheard(array) == []
    report = run_program(array, assemble("_start: halt zero", config=CONFIG), 100)
    assert report.passed
    assert array.host_inbox == []
    # A packet that is addressed to the host's link reaches it; other links of the edge lead nowhere.
    for x, y, port in edge_links(array.topology):
        array.node(1, 1).send(Packet(Kind.WRITE, x, y, 0, exit=port, mask=1, data=bytes(16)))
        array.node(1, 1).flush()
    assert len(array.host_inbox) == 1
