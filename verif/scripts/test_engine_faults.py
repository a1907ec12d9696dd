# SPDX-License-Identifier: Apache-2.0
"""The engine's arrays with dead nodes and links, and the host at any edge."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from golden.config import preset
from golden.layout import (
    SRAM_BASE,
    Cause,
    GlobalAddress,
    NetworkError,
    Port,
    ThreadRegister,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray, NetworkAccessError
from golden.topology import Topology
from scripts.simulator import SimulatedArray, SimulatorError, SimulatorLibrary
from sw.assembler import assemble
from sw.host import all_sites, load_program, run_program
from sw.routing import compute_routes, set_up_routes
from verif.scripts.standin import job
from verif.sw.routing.faults import edge_links

CONFIG = preset("tiny")
START = thread_offset(0, ThreadRegister.PC)

#: In dimension order, the columns of the west still communicate.
CORNER = Topology(4, 5, dead_nodes=frozenset({(4, 3), (3, 3)}), dead_links=frozenset({(3, 1, Port.EAST)}))


def busy_run(library: SimulatorLibrary, threads: int, skipping: bool) -> tuple[Any, ...]:
    """Everything that can be seen of a run in which nodes send to each other, and to what is dead."""
    with SimulatedArray(CONFIG, library=library, threads=threads, topology=CORNER) as array:
        array.set_skipping(skipping)
        array.record_boundary()
        array.trace(True, True)
        rng = random.Random(7)
        sites = [(x, y) for x, y in CORNER.sites() if x < 3]
        for x, y in rng.sample(sites, 7):
            array.write(x, y, 16 * rng.randrange(8), rng.randbytes(rng.randrange(1, 60)))
            array.write_register(x, y, START, job(rng.randrange(1, 400), send_to=rng.choice(sites)))
        result = array.run(5000)
        memory = [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in CORNER.sites()]
        return result, array.cycle, array.hops, memory, array.retirements().tobytes(), array.boundary_records()


@pytest.fixture(scope="module")
def plain_run(standin: SimulatorLibrary) -> tuple[Any, ...]:
    return busy_run(standin, threads=1, skipping=False)


@pytest.mark.parametrize("threads, skipping", [(1, True), (2, True), (3, False), (40, True)])
def test_threads_and_skipping_change_nothing_where_nodes_are_dead(
    standin: SimulatorLibrary, plain_run: tuple[Any, ...], threads: int, skipping: bool
) -> None:
    run = busy_run(standin, threads, skipping)
    assert plain_run[0].reason == "ended"
    assert run[:-1] == plain_run[:-1]
    assert run[-1].tobytes() == plain_run[-1].tobytes()


def test_a_dead_site_has_no_registers(plain_run: tuple[Any, ...]) -> None:
    nodes = plain_run[-1]["nodes"]
    for y, x in itertools.product(range(4), range(5)):
        assert nodes[:, y, x].tobytes().strip(b"\0") == b"" if (x, y) in CORNER.dead_nodes else np.any(nodes[:, y, x]["idle"])


def test_a_dead_node_cannot_be_looked_into(standin: SimulatorLibrary) -> None:
    with SimulatedArray(CONFIG, library=standin, topology=CORNER) as array:
        for look in (
            lambda: array.peek(4, 3, 0, 1),
            lambda: array.poke(4, 3, 0, b"1"),
            lambda: array.node_state(4, 3),
            lambda: array.evaluations(4, 3),
            lambda: array.trace(node=(4, 3)),
            lambda: array.close_waves(4, 3),
        ):
            with pytest.raises(ValueError, match="node x=4, y=3 is dead in this array of 4 rows and 5 columns"):
                look()
        with pytest.raises(NetworkAccessError, match="node x=4, y=3 failed: there is no such node"):
            array.read(4, 3, 0, 1)
        assert [(state.x, state.y) for state in array.thread_states()[:: CONFIG.threads]] == list(CORNER.sites())


@pytest.mark.parametrize("host", edge_links(Topology(2, 3, dead_nodes=frozenset({(2, 0)}))), ids=str)
def test_the_host_reaches_all_nodes_from_any_edge(standin: SimulatorLibrary, host: Any) -> None:
    topology = Topology(2, 3, host=host)
    with SimulatedArray(CONFIG, library=standin, threads=1, topology=topology) as array:
        for x, y in topology.sites():
            array.write(x, y, 16, bytes([x, y] * 16))
        assert array.read_many([(x, y, 16, 32) for x, y in topology.sites()]) == [bytes([x, y] * 16) for x, y in topology.sites()]
        # The stand-in does not know that packets must not turn back.
        x, y = (0, 2) if host[2] is Port.EAST else (3, 0)
        with pytest.raises(NetworkAccessError, match=f"node x={x}, y={y} failed"):
            array.read(x, y, 0, 1)


def test_an_answer_that_is_lost_is_reported(standin: SimulatorLibrary) -> None:
    # The request goes along the row to a live node, whose answer meets a dead one.
    topology = Topology(2, 3, dead_nodes=frozenset({(1, 1)}))
    with (
        SimulatedArray(CONFIG, library=standin, threads=1, topology=topology) as array,
        pytest.raises(SimulatorError, match="1 of the host's packets were not answered: all nodes are idle"),
    ):
        array.read(2, 1, 0, 16)


def test_size_and_topology_are_given_once(standin: SimulatorLibrary) -> None:
    for arguments in ({}, {"rows": 2}, {"rows": 2, "columns": 2, "topology": CORNER}, {"columns": 2, "topology": CORNER}):
        with pytest.raises(TypeError, match="rows and columns"):
            SimulatedArray(CONFIG, library=standin, **arguments)
        with pytest.raises(TypeError, match="rows and columns"):
            GoldenArray(CONFIG, **arguments)


# -- the node itself, whose routers have tables -----------------------------------------------------------------------

#: Each node writes to every node of a list, itself included, and ends when as many writes have arrived here.
EVERYBODY = """
_start:  la s0, peers
         la s1, line
         vld v0, (s1)
         ld s2, (s0)              # how many
         mv t0, s2
1:       addi s0, s0, 8
         ld t1, (s0)
         nwrite.s v0, (t1), 1
         addi t0, t0, -1
         bnez t0, 1b
         swait 1, s2
         halt zero
         .balign 16
line:    .fill 2, 8, -1
peers:   .zero 8 * 20
"""


def everybody_writes(array: Any) -> None:
    """Run EVERYBODY on all nodes, each with its own byte to write to."""
    program = assemble(EVERYBODY, config=CONFIG)
    load_program(array, program)
    sites = all_sites(array)
    peers = program.symbols["peers"] - SRAM_BASE
    for n, (x, y) in enumerate(sites):
        addresses = [int(GlobalAddress(*site, 0x400 + 16 * n)) for site in sites]
        array.write(x, y, peers, b"".join(value.to_bytes(8, "little") for value in (len(sites), *addresses)))
    report = run_program(array, program, 20_000, load=False)
    assert report.passed, report.summary()
    for x, y in sites:
        assert array.read(x, y, 0x400, 16 * len(sites)) == b"\xff" * 16 * len(sites)
        assert array.read_register(x, y, semaphore_offset(1)) == 0


FAULTY = [
    Topology(4, 4, dead_nodes=frozenset({(1, 1)})),
    Topology(4, 4, dead_nodes=frozenset({(0, 0), (2, 1)}), dead_links=frozenset({(1, 2, Port.SOUTH)})),
    Topology(3, 5, dead_links=frozenset({(0, 0, Port.EAST), (2, 1, Port.SOUTH), (3, 1, Port.WEST)}), host=(4, 1, Port.EAST)),
]


@pytest.mark.rtl
@pytest.mark.parametrize("topology", FAULTY, ids=range(len(FAULTY)))
def test_every_node_writes_to_every_node_around_faults(tiny_macro: SimulatorLibrary, topology: Topology) -> None:
    assert compute_routes(topology) is not None
    everybody_writes(GoldenArray(CONFIG, topology=topology))
    with SimulatedArray(CONFIG, library=tiny_macro, topology=topology) as array:
        everybody_writes(array)


@pytest.mark.rtl
def test_what_is_sent_to_a_dead_node_or_off_the_array_traps_with_its_address(tiny_macro: SimulatorLibrary) -> None:
    topology = FAULTY[1]
    source = """
    _start: la t0, target
            ld t0, (t0)
            nread v1, (t0)
            vst v1, (zero)          # waits for what never comes
            halt zero
            .balign 8
    target: .dword 0
    """
    program = assemble(source, config=CONFIG)
    target = program.symbols["target"] - SRAM_BASE
    arrays: list[Any] = [GoldenArray(CONFIG, topology=topology), SimulatedArray(CONFIG, library=tiny_macro, topology=topology)]
    for array in arrays:
        set_up_routes(array)
        for x, y in ((0, 0), (2, 1), (4, 0), (3, 16), (8191, 8191)):
            address = int(GlobalAddress(x, y, 0x40))
            for site in ((1, 0), (3, 3)):
                load_program(array, program, [site])
                array.write(*site, target, address.to_bytes(8, "little"))
                report = run_program(array, program, 10_000, [site], load=False)
                assert report.reason == "ended"
                trap = report.nodes[0].trap
                assert trap is not None
                assert (trap.cause, trap.value) == (Cause.NETWORK_ERROR, address)
            with pytest.raises(NetworkAccessError, match=f"node x={x}, y={y} failed") as caught:
                array.write(x, y, 0x40, b"1")
            assert caught.value.reason is NetworkError.UNREACHABLE
    arrays[1].close()


@pytest.mark.rtl
def test_by_an_exit_nothing_goes_on_to_another_node(tiny_macro: SimulatorLibrary) -> None:
    program = assemble(
        "_start: la t0, target\n ld t0, (t0)\n nwrite v0, (t0)\n 1: j 1b\n .balign 8\n"
        f" target: .dword {int(GlobalAddress(0, 0, 0x40, Port.SOUTH))}",
        config=CONFIG,
    )
    with SimulatedArray(CONFIG, library=tiny_macro, rows=2, columns=1) as array:
        load_program(array, program, [(0, 0)])
        trap = run_program(array, program, 10_000, [(0, 0)], load=False).nodes[0].trap
        assert trap is not None
        assert trap.cause == Cause.NETWORK_ERROR
        assert array.hops == array.packets_received, "a flit left by another link than the host's"
