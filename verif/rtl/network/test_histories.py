# SPDX-License-Identifier: Apache-2.0
"""A router, and a mesh of 2x2 with its host, in random histories: nothing is lost, doubled, changed or out of order."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from amaranth import Signal, Value

from golden.layout import LINK_PORTS, Port, TrafficClass
from golden.router import Router as GoldenRouter
from golden.topology import Topology
from rtl.array import FlatArray
from verif.rtl.network.flits import CLASSES, LINKS, expected_ways
from verif.rtl.network.formal.mistakes import Mistake, MistakenRouter, planted
from verif.rtl.network.histories import CONFIG, Bench, Interface, Link, play_histories
from verif.rtl.network.test_mesh import RouterNode
from verif.rtl.simulate import Simulation

#: Makes a bench for a mistake.
Benches = Callable[[Mistake], Bench]

#: Mistakes at the north port and in all queues, and what is seen of them.
MISTAKES = [
    (Mistake.CREDIT_LEAKS, "these did not leave"),
    (Mistake.FLIT_DOUBLED, "or once more|without a credit|did not leave"),
    (Mistake.COPY_LOST, "these did not leave"),
]


@pytest.fixture(scope="module")
def routers() -> Benches:
    """One router at (1, 1), whose links to the north and west lead out of the array."""
    x, y, links, edges = 1, 1, 0b1111, 0b1001
    mistake = Signal(range(len(Mistake)))
    with planted(mistake):
        simulation = Simulation(MistakenRouter(CONFIG, mistake))
    dut, golden = simulation.component, GoldenRouter(CONFIG, x, y, links, edges)
    ends = []
    for name in LINKS:
        out, into = getattr(dut, f"{name}_out"), getattr(dut, f"{name}_in")
        flits = out.flit.as_value(), into.flit.as_value()
        ends.append(Link(name, out.valid, flits[0], out.credit, into.valid, flits[1], into.credit))
    interfaces = []
    for c, name in zip(TrafficClass, CLASSES, strict=True):
        inject, eject = getattr(dut, f"inject_{name}"), getattr(dut, f"eject_{name}")
        into, out = (
            (inject.valid, Value.cast(inject.payload), inject.ready),
            (eject.valid, Value.cast(eject.payload), eject.ready),
        )
        interfaces.append(Interface("local", c, *into, *out))

    def expected(source: str, fields: dict[str, int], c: TrafficClass) -> list[tuple[str, bool]]:
        # A multicast that comes in its column may be of this row or another one.
        fields["src_y"] = fields["mask"] % 3
        return expected_ways(fields, golden, source, c)

    constants = [(dut.x, x), (dut.y, y), (dut.links, links), (dut.edges, edges)]
    return lambda chosen: Bench(
        simulation, ends, interfaces, [*constants, (mistake, chosen)], lambda context: bool(context.get(dut.busy)), expected,
        lambda source, fields: None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def meshes() -> Benches:
    """Four routers, and the host at the west link of node (0, 0)."""
    topology, mistake = Topology(2, 2), Signal(range(len(Mistake)))
    with planted(mistake):
        array = FlatArray(CONFIG, topology, lambda: RouterNode(CONFIG, lambda config: MistakenRouter(config, mistake)))
        simulation = Simulation(array)
    dut: Any = array
    sites = {f"{x},{y}": (x, y) for x, y in topology.sites()}
    golden = {site: GoldenRouter(CONFIG, *site, topology.links(*site), topology.edges(*site)) for site in sites.values()}
    signals = ("out_valid", "out_flit", "out_credit", "in_valid", "in_flit", "in_credit")
    # What the host sends comes in.
    host = Link("host", *(getattr(dut, f"host_{name}") for name in signals))
    interfaces = [
        Interface(
            place, c,
            *(getattr(dut, f"n{y}_{x}_inject_{name}_{wire}") for wire in ("valid", "payload", "ready")),
            *(getattr(dut, f"n{y}_{x}_eject_{name}_{wire}") for wire in ("valid", "payload", "ready")),
        )
        for place, (x, y) in sites.items() for c, name in zip(TrafficClass, CLASSES, strict=True)
    ]  # fmt: skip

    def expected(source: str, fields: dict[str, int], c: TrafficClass) -> list[tuple[str, bool]]:
        start = (*sites[source], "local") if source in sites else (0, 0, "west")
        fields["src_y"] = start[1]
        found, under_way = [], deque([start])
        while under_way:
            x, y, arrival = under_way.popleft()
            for way, lost in expected_ways(fields, golden[x, y], arrival, c):
                if way == "local":
                    found.append((f"{x},{y}", lost))
                    continue
                port = LINK_PORTS[LINKS.index(way)]
                there = topology.neighbour(x, y, port)
                if there is None:
                    found.append(("host", False))
                else:
                    under_way.append((*there, Port(port).opposite.name.lower()))
        return found

    def busy(context: Any) -> bool:
        return not all(context.get(getattr(dut, f"n{y}_{x}_idle")) for x, y in sites.values())

    # From one place to another there is one way, also for copies of multicasts and for what turns out to be undeliverable there.
    return lambda chosen: Bench(
        simulation, [host], interfaces, [(mistake, chosen)], busy, expected, lambda source, fields: None
    )  # fmt: skip


def test_a_router_keeps_everything_in_order_whatever_happens(routers: Benches) -> None:
    play_histories(routers(Mistake.NONE), 8)


def test_a_mesh_keeps_everything_in_order_whatever_happens(meshes: Benches) -> None:
    play_histories(meshes(Mistake.NONE), 5)


@pytest.mark.parametrize("mistake, message", MISTAKES, ids=[mistake.name for mistake, _ in MISTAKES])
def test_mistakes_of_a_router_are_found(routers: Benches, mistake: Mistake, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        play_histories(routers(mistake), 40, shrinks=False)


def test_mistakes_of_routers_are_found_in_a_mesh(meshes: Benches) -> None:
    with pytest.raises(AssertionError, match=r"left by|gave a flit that nobody sent|did not leave"):
        play_histories(meshes(Mistake.CLASSES_SWAPPED), 20, shrinks=False)


def test_of_a_failure_a_short_history_is_shown(routers: Benches) -> None:
    with pytest.raises(AssertionError, match="these did not leave") as failure:
        play_histories(routers(Mistake.FLIT_DROPPED), 40)
    shown = "\n".join(failure.value.__notes__)
    # Flits are sent once, of up to 25 steps that a history has, and nothing is held up.
    rules = re.findall(r"state\.(\w+)\(", shown)
    assert [rule for rule in rules if rule != "run"] == ["send", "teardown"], shown
    assert len(rules) <= 3, shown
