# SPDX-License-Identifier: Apache-2.0
"""Links that die while traffic flows: every packet arrives once, is reported lost, or its sender gets an ERROR."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.layout import DROPPED_BIT, LINK_PORTS, LOST_LINKS_BIT, ControlRegister, Port, control_offset
from golden.mesh import GoldenArray, NetworkAccessError
from golden.topology import Link, Topology, TopologyError
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.host import run_program
from sw.routing import RoutingError, recover
from verif.scripts.dying_links import Outcome, Traffic

TINY, NANO = preset("tiny"), preset("nano")

#: Cycles in which the traffic of 2x2 and of 3x3 nodes flows, about.
_BUSY_CYCLES = {2: 100, 3: 210}


@pytest.fixture(scope="module")
def nano_macro() -> SimulatorLibrary:
    return build(NANO, "macro")


def links_of(topology: Topology) -> list[Link]:
    """Links between two nodes, each once."""
    return [
        (x, y, port)
        for (x, y), port in itertools.product(topology.sites(), (Port.EAST, Port.SOUTH))
        if topology.neighbour(x, y, port) is not None
    ]


def killed(array: Any, link: Link, delay: int) -> Outcome:
    """The outcome of traffic during which a link dies."""
    traffic = Traffic(array)
    traffic.start()
    array.plan_kill(array.cycle + delay, link)
    return traffic.finish()


@pytest.mark.rtl
@settings(max_examples=12, deadline=None)
@given(data=st.data(), side=st.sampled_from([2, 3]), cycles=st.sampled_from([1, 1, 9]))
def test_no_packet_is_silently_gone(tiny_macro: SimulatorLibrary, data: Any, side: int, cycles: int) -> None:
    topology = Topology(side, side, die_rows=1, die_columns=1, die_link_cycles=cycles)
    link = data.draw(st.sampled_from(links_of(topology)))
    delay = data.draw(st.integers(0, _BUSY_CYCLES[side] * (1 if cycles == 1 else 2)))
    with SimulatedArray(TINY, library=tiny_macro, topology=topology, threads=1) as array:
        killed(array, link, delay)


@pytest.mark.rtl
@settings(max_examples=10, deadline=None)
@given(data=st.data(), cycles=st.sampled_from([1, 1, 7]), delay=st.integers(0, 1000))
def test_no_packet_is_silently_gone_where_flits_take_several_cycles(
    nano_macro: SimulatorLibrary, data: Any, cycles: int, delay: int
) -> None:
    topology = Topology(2, 2, die_rows=1, die_columns=1, die_link_cycles=cycles)
    link = data.draw(st.sampled_from(links_of(topology)))
    with SimulatedArray(NANO, library=nano_macro, topology=topology, threads=1) as array:
        killed(array, link, delay)


def status(array: Any, x: int, y: int) -> int:
    return int(array.read_register(x, y, control_offset(ControlRegister.STATUS)))


@pytest.mark.rtl
@pytest.mark.parametrize("name", ["tiny", "nano"])
def test_both_ends_notice_until_they_are_told_to_forget(name: str, request: pytest.FixtureRequest) -> None:
    config, library = preset(name), request.getfixturevalue(f"{name}_macro")
    simulated = SimulatedArray(config, library=library, rows=2, columns=2, threads=1)
    arrays: list[Any] = [simulated, GoldenArray(config, 2, 2)]
    for array in arrays:
        # A link that goes in the first cycle after reset was never seen to be there.
        array.read(0, 0, 0, 1)
        loss = array.kill_link(0, 1, Port.NORTH)
        assert (loss.x, loss.y, loss.port, loss.cycle, loss.lost) == (0, 0, Port.SOUTH, array.cycle, ())
        assert array.lost_links == (loss,)
        assert array.topology.dead_links == {(0, 0, Port.SOUTH)}
        south = 1 << LINK_PORTS.index(Port.SOUTH)
        assert status(array, 0, 0) >> LOST_LINKS_BIT == south
        assert not status(array, 0, 0) >> 16 & south
        assert status(array, 1, 0) >> LOST_LINKS_BIT == 0
        with pytest.raises(NetworkAccessError, match="node x=0, y=1 failed"):
            array.read(0, 1, 0, 1)
        array.write_register(0, 0, control_offset(ControlRegister.STATUS), 0)
        assert status(array, 0, 0) >> LOST_LINKS_BIT == 0
        for link in ((0, 0, Port.SOUTH), (0, 0, Port.WEST), (1, 1, Port.EAST)):
            with pytest.raises(TopologyError, match="link of node"):
                array.kill_link(*link)
        with pytest.raises(ValueError, match="has passed"):
            array.plan_kill(array.cycle - 1, (0, 0, Port.EAST))
    simulated.close()


@pytest.mark.rtl
@pytest.mark.parametrize("link", [(0, 0, Port.EAST), (1, 0, Port.SOUTH), (1, 1, Port.SOUTH)])
def test_hardware_and_model_agree_on_what_cannot_be_reached(tiny_macro: SimulatorLibrary, link: Link) -> None:
    outcomes = []
    with SimulatedArray(TINY, library=tiny_macro, rows=3, columns=3, threads=1) as simulated:
        arrays: list[Any] = [simulated, GoldenArray(TINY, 3, 3)]
        for array in arrays:
            traffic = Traffic(array)
            array.kill_link(*link)
            traffic.start()
            outcome = traffic.finish()
            seen = {site: value and value >> DROPPED_BIT & 1 for site, value in outcome.status.items()}
            outcomes.append((outcome.result.reason, outcome.arrived, outcome.failed, outcome.stuck, seen))
    assert outcomes[0] == outcomes[1]


@pytest.mark.rtl
def test_an_array_recovers_with_new_tables(tiny_macro: SimulatorLibrary) -> None:
    with SimulatedArray(TINY, library=tiny_macro, rows=2, columns=2, threads=1) as array:
        outcome = killed(array, (0, 0, Port.SOUTH), 30)
        assert outcome.stuck, "this test is about threads that wait for ever"
        recover(array)
        traffic = Traffic(array)
        traffic.start()
        again = traffic.finish()
        assert (again.result.reason, again.arrived) == ("ended", 4 * 4 * TINY.threads)
        # A second one cuts a node off, which is named.
        array.kill_link(0, 1, Port.EAST)
        with pytest.raises(RoutingError, match="x=0, y=1"):
            recover(array)


#: Reads from the node in the east for ever.
READS = """
_start:  la s0, line
         li t0, 0x200000
1:       nread v1, (t0)
         vst v1, (s0)
         j 1b
         .balign 64
line:    .zero 64
"""


@pytest.mark.rtl
def test_a_run_whose_answer_is_lost_ends_and_tells_who_waits(tiny_macro: SimulatorLibrary) -> None:
    program = assemble(READS, config=TINY)
    lost = set()
    for delay in range(300, 312):
        with SimulatedArray(TINY, library=tiny_macro, rows=1, columns=2, threads=1) as array:
            report = run_program(array, program, 100_000, [(0, 0)], kills=[(delay, (0, 0, Port.EAST))])
        assert not report.passed
        (link,) = report.links
        assert link.cycle == delay
        assert report.nodes[0].lost_links == ("east",)
        assert len(link.lost) <= 1
        for packet in link.lost:
            lost.add(packet.packet.kind.name)
            assert report.reason == "deadlock"
            (waiting,) = report.waiting
            assert (waiting.row, waiting.column, waiting.thread, waiting.register) == (0, 0, 0, 1)
            assert "thread 0 of node row 0, column 0 waits for vector register 1" in report.summary()
            assert report.as_dict()["links"][0]["lost"][0]["kind"] == packet.packet.kind.name
    assert lost == {"READ", "READ_DATA"}


@pytest.mark.rtl
def test_a_dead_link_is_dead_in_a_checkpoint(nano_macro: SimulatorLibrary, tmp_path: Path) -> None:
    ends = []
    for saves in (False, True):
        array = SimulatedArray(NANO, library=nano_macro, rows=2, columns=2, threads=1)
        traffic = Traffic(array)
        traffic.start()
        array.run(200)
        array.kill_link(0, 0, Port.EAST)
        array.run(2)
        if saves:
            array.save(tmp_path / "dead.d1c")
            array.close()
            traffic.array = array = SimulatedArray.load(tmp_path / "dead.d1c", threads=2, library=nano_macro)
            assert array.topology.dead_links == {(0, 0, Port.EAST)}
        outcome = traffic.finish()
        ends.append((outcome, array.cycle, array.lost_links))
        array.close()
    assert ends[0] == ends[1]
