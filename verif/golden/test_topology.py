# SPDX-License-Identifier: Apache-2.0
"""Descriptions of arrays: what is there, what is refused, and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from golden.edge_memory import EdgeMemory
from golden.layout import LINK_PORTS, Port
from golden.topology import STEPS, TOPOLOGIES, Topology, TopologyError, read_topology, topology_preset


@st.composite
def topologies(draw: st.DrawFn, largest: int = 5) -> Topology:
    rows, columns = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    sites = [(x, y) for y in range(rows) for x in range(columns)]
    links = [(x, y, Port.EAST) for x, y in sites if x + 1 < columns] + [(x, y, Port.SOUTH) for x, y in sites if y + 1 < rows]
    dead_nodes = draw(st.frozensets(st.sampled_from(sites), max_size=len(sites) - 1))
    dead_links = draw(st.frozensets(st.sampled_from(links))) if links else frozenset()
    die_rows, die_columns = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    cycles = draw(st.integers(1, 9)) if die_rows or die_columns else 1
    at_edge = {(x, y) for x, y in sites if x in (0, columns - 1) or y in (0, rows - 1)}
    assume(not at_edge <= dead_nodes)
    return Topology(rows, columns, dead_nodes, dead_links, None, die_rows, die_columns, cycles)


@settings(deadline=None)
@given(topologies())
def test_links_have_two_live_ends_that_agree(topology: Topology) -> None:
    live = set(topology.sites())
    assert len(live) == topology.nodes
    for x in range(-1, topology.columns + 1):
        for y in range(-1, topology.rows + 1):
            assert topology.is_live(x, y) == ((x, y) in live)
            for bit, port in enumerate(LINK_PORTS):
                there = topology.neighbour(x, y, port)
                present = topology.links(x, y) >> bit & 1
                assert present == (there is not None or (x, y, port) == topology.host_link)
                step_x, step_y = STEPS[port]
                ends = {(x, y, port), (x + step_x, y + step_y, port.opposite)}
                adjacent = {(x, y), (x + step_x, y + step_y)} <= live
                assert (there is not None) == (adjacent and not ends & topology.dead_links)
                if there is not None:
                    assert topology.neighbour(*there, port.opposite) == (x, y)
                    assert topology.link_cycles(x, y, port) == topology.link_cycles(*there, port.opposite)


@settings(deadline=None)
@given(topologies())
def test_json_describes_the_same_array(topology: Topology) -> None:
    assert Topology.from_json(topology.to_json()) == topology
    assert topology.replace() == topology


def test_sites_go_row_by_row() -> None:
    assert list(Topology(2, 3, dead_nodes=frozenset({(1, 0)})).sites()) == [(0, 0), (2, 0), (0, 1), (1, 1), (2, 1)]


def test_a_link_is_the_same_from_both_ends() -> None:
    first = Topology(2, 2, dead_links=frozenset({(1, 0, Port.WEST), (0, 1, Port.NORTH)}))
    second = Topology(2, 2, dead_links=frozenset({(0, 0, Port.EAST), (0, 0, Port.SOUTH)}))
    assert first == second
    assert first.links(0, 0) == 0b1000
    assert first.edges(0, 0) == 0b1000
    assert not first.is_whole
    assert Topology(2, 2).is_whole


@pytest.mark.parametrize(
    "dead, host",
    [
        ((), (0, 0, Port.WEST)),
        (((0, 0),), (0, 1, Port.WEST)),
        (((0, 0), (0, 1), (0, 2)), (1, 0, Port.NORTH)),
        (((0, 0), (0, 1), (0, 2), (1, 0), (2, 0)), (2, 1, Port.EAST)),
        (((0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1), (2, 2)), (1, 2, Port.SOUTH)),
    ],
)
def test_host_is_at_the_first_link_that_leads_out(dead: tuple[tuple[int, int], ...], host: tuple[int, int, Port]) -> None:
    topology = Topology(3, 3, dead_nodes=frozenset(dead))
    assert topology.host_link == host
    assert topology == topology.replace(host=host)
    x, y, port = host
    assert topology.links(x, y) >> LINK_PORTS.index(port) & 1
    assert topology.link_cycles(x, y, port) == 1


def test_links_between_dies_take_their_cycles() -> None:
    topology = Topology(4, 6, die_rows=2, die_columns=3, die_link_cycles=7)
    for x, y in topology.sites():
        if x < 5:
            assert topology.link_cycles(x, y, Port.EAST) == (7 if x == 2 else 1)
        if y < 3:
            assert topology.link_cycles(x, y, Port.SOUTH) == (7 if y == 1 else 1)
    columns_only = Topology(4, 6, die_columns=3, die_link_cycles=7)
    assert [columns_only.link_cycles(x, 0, Port.EAST) for x in range(5)] == [1, 1, 7, 1, 1]
    assert [columns_only.link_cycles(0, y, Port.SOUTH) for y in range(3)] == [1, 1, 1]
    with pytest.raises(ValueError, match="node x=5, y=0 has no link to the east"):
        topology.link_cycles(5, 0, Port.EAST)


def node(x: Any, y: Any) -> frozenset[Any]:
    return frozenset({(x, y)})


def memories(*links: tuple[int, int, Port]) -> tuple[EdgeMemory, ...]:
    return tuple(EdgeMemory(*link, 1 << 20, 10, 64) for link in links)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"rows": 0}, "rows = 0 is outside of 1 to 8192"),
        ({"columns": 8193}, "columns = 8193 is outside of 1 to 8192"),
        ({"rows": "3"}, "rows = '3' is no whole number"),
        ({"columns": True}, "columns = True is no whole number"),
        ({"die_rows": -1}, "die_rows = -1 is outside of 0 to 8192"),
        ({"die_rows": 1, "die_link_cycles": 1025}, "die_link_cycles = 1025 is outside of 1 to 1024"),
        ({"die_link_cycles": 2}, "die_link_cycles = 2 has no dies"),
        ({"dead_nodes": node(3, 0)}, "dead_nodes: node x=3, y=0 is not in the array; x goes from 0 to 2, y from 0 to 2"),
        ({"dead_nodes": node(0, -1)}, "dead_nodes: node x=0, y=-1 is not in the array"),
        ({"dead_nodes": node("a", 1)}, r"dead_nodes: \('a', 1\) is no node"),
        ({"dead_nodes": frozenset({4})}, "dead_nodes: 4 is no node"),
        ({"dead_nodes": frozenset((x, y) for x in range(3) for y in range(3))}, "all 9 nodes are in dead_nodes"),
        ({"dead_nodes": frozenset((x, y) for x in range(3) for y in range(3)) - {(1, 1)}}, "no node at the edge"),
        ({"dead_links": frozenset({(2, 0, Port.EAST)})}, "the east link of node x=2, y=0 leads out of the array"),
        ({"dead_links": frozenset({(0, 0, Port.LOCAL)})}, "is no link; it must be"),
        ({"dead_links": frozenset({(0, 0)})}, "is no link; it must be"),
        ({"dead_links": frozenset({(0, 7, Port.EAST)})}, "dead_links: node x=0, y=7 is not in the array"),
        ({"host": (1, 1, Port.WEST)}, "host: the west link of node x=1, y=1 leads to another node"),
        ({"host": (0, 0, Port.WEST), "dead_nodes": node(0, 0)}, "host: node x=0, y=0 is dead"),
        ({"host": (0, 0, Port.LOCAL)}, "host: .* is no link"),
        ({"memories": memories((1, 1, Port.EAST))}, "memories: the east link of node x=1, y=1 leads to another node"),
        ({"memories": memories((0, 0, Port.WEST))}, "memories: the west link of node x=0, y=0 has the host already"),
        ({"memories": memories((2, 0, Port.EAST), (2, 0, Port.EAST))}, "east link of node x=2, y=0 has a memory already"),
        ({"memories": memories((2, 0, Port.EAST)), "dead_nodes": node(2, 0)}, "memories: node x=2, y=0 is dead"),
        ({"memories": memories((3, 0, Port.EAST))}, "memories: node x=3, y=0 is not in the array"),
    ],
)
def test_what_no_array_can_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        Topology(**{"rows": 3, "columns": 3, **values})


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "line 1, column 2 is no JSON"),
        ("[]", "a JSON object"),
        ('{"rows": 2}', "'columns' is missing"),
        ('{"rows": 2, "columns": 2, "colour": 1}', "'colour' is no part .* parts are rows, columns, dead_nodes"),
        ('{"rows": 2, "columns": 2, "dead_nodes": 3}', "dead_nodes = 3 is no list"),
        (
            '{"rows": 2, "columns": 2, "dead_nodes": [[1, 0]]}',
            r'\[1, 0\] is not of the form \{"row": 0, "column": 0\}',
        ),
        ('{"rows": 2, "columns": 2, "dead_nodes": [{"row": "a", "column": 0}]}', "dead_nodes: .* is not of the form"),
        ('{"rows": 2, "columns": 2, "dead_nodes": [{"row": [], "column": 0}]}', "dead_nodes: .* is not of the form"),
        ('{"rows": 2, "columns": 2, "host": {"row": 0, "column": 0, "port": "up"}}', 'port "up" is not one of north, east'),
        ('{"rows": 2, "columns": 2, "host": {"row": 0, "column": 0, "port": []}}', r"port \[\] is not one of north, east"),
        ('{"rows": 2, "columns": 2, "host": {"row": 0, "column": 0}}', "host: .* is not of the form"),
        ('{"rows": 2, "columns": 2, "memories": 3}', "memories = 3 is no list"),
        (
            '{"rows": 2, "columns": 2, "memories": [{"row": 0, "column": 1, "port": "east"}]}',
            "memories: .* is no JSON object with row, column, port, bytes, latency, bytes_per_cycle",
        ),
    ],
)
def test_a_file_that_describes_no_array_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "array.json"
    path.write_text(text)
    with pytest.raises(TopologyError, match=message) as caught:
        read_topology(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_names_rows_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    description = {
        "rows": 2,
        "columns": 3,
        "dead_nodes": [{"row": 1, "column": 2}],
        "dead_links": [{"row": 0, "column": 1, "port": "west"}],
        "host": {"row": 1, "column": 0, "port": "south"},
    }
    path.write_text(json.dumps(description))
    assert read_topology(path) == Topology(
        2, 3, frozenset({(2, 1)}), frozenset({(0, 0, Port.EAST)}), host=(0, 1, Port.SOUTH)
    )  # fmt: skip
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(TopologyError, match=r"array\.json"):
        read_topology(path)


def test_the_named_die_has_354_of_360_nodes_alive_and_connected() -> None:
    die = topology_preset("d1-die")
    assert (die.rows, die.columns, die.nodes) == (20, 18, 354)
    reached, frontier = {die.host_link[:2]}, [die.host_link[:2]]
    while frontier:
        x, y = frontier.pop()
        for port in LINK_PORTS:
            there = die.neighbour(x, y, port)
            if there is not None and there not in reached:
                reached.add(there)
                frontier.append(there)
    assert reached == set(die.sites())
    assert list(TOPOLOGIES) == ["d1-die"]
    with pytest.raises(TopologyError, match="there is no array 'd2'; named arrays are d1-die"):
        topology_preset("d2")
