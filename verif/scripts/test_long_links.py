# SPDX-License-Identifier: Apache-2.0
"""Arrays of several dies: the engine's long links are those of the hardware, in every register of every node in every cycle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.layout import Port, ThreadRegister, thread_offset
from golden.matrix import matmul
from golden.topology import Topology
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.kernels.matmul import run_matmul
from verif.bench import bench_seed
from verif.scripts.command import d1
from verif.scripts.flat import compile_flat, run_flat
from verif.scripts.standin import StandInNode, job
from verif.scripts.test_engine_exact import assert_equal_in_every_cycle

CONFIG = preset("tiny")
START = thread_offset(0, ThreadRegister.PC)

#: The shortest long links at every node; and longer ones between two dies, of which one is not whole.
TOPOLOGIES = {
    "dies of a node": Topology(2, 2, die_rows=1, die_columns=1, die_link_cycles=2),
    "dies of two columns": Topology(
        2, 4, dead_nodes=frozenset({(3, 0)}), host=(0, 1, Port.SOUTH), die_columns=2, die_link_cycles=9
    ),
}


def exchange(array: SimulatedArray, instructions: int = 300) -> np.ndarray[Any, Any]:
    """Records of a run in which each node writes to another one as often as it can, and the host reads."""
    array.record_boundary()
    sites = list(array.topology.sites())
    for n, (x, y) in enumerate(sites):
        array.write_register(x, y, START, job(instructions + 50 * n, send_to=sites[-1 - n]))
    array.read_many([(x, y, 0, 256) for x, y in sites])
    assert array.run().reason == "ended"
    return array.boundary_records()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_engine_equals_the_flat_array_with_bridges(standin: SimulatorLibrary, name: str, threads: int) -> None:
    topology = TOPOLOGIES[name]
    with SimulatedArray(CONFIG, topology=topology, library=standin, threads=threads) as array:
        records = exchange(array)
    assert len(records) > 500
    assert_equal_in_every_cycle(records, run_flat(compile_flat(CONFIG, topology, "macro", StandInNode), topology, records))


@pytest.mark.rtl
@pytest.mark.parametrize("passes, cycles", [(2, 20), (4, 7)])
def test_the_engine_equals_the_flat_array_in_a_matrix_product_on_several_dies(passes: int, cycles: int) -> None:
    config = preset("nano").replace(link_passes=passes)
    topology = Topology(2, 2, die_columns=1, die_rows=1, die_link_cycles=cycles)
    rng = np.random.default_rng(5)
    a = rng.integers(0x3F00, 0x4100, (16, 16), np.uint16)
    b = rng.integers(0xBF00, 0xC100, (16, 16), np.uint16)
    with SimulatedArray(config, topology=topology, library=build(config)) as array:
        array.record_boundary()
        assert np.array_equal(run_matmul(array, a, b).c, matmul(a, b))
        records = array.boundary_records()
    assert_equal_in_every_cycle(records, run_flat(compile_flat(config, topology, "macro"), topology, records))


def test_threads_and_skipping_change_no_register_of_arrays_of_dies(standin: SimulatorLibrary) -> None:
    @seed(bench_seed())
    @settings(max_examples=10, deadline=None, database=None)
    @given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 2), st.integers(1, 2), st.integers(2, 60), st.integers(1, 40))
    def check(rows: int, columns: int, die_rows: int, die_columns: int, cycles: int, instructions: int) -> None:
        topology = Topology(rows, columns, die_rows=die_rows, die_columns=die_columns, die_link_cycles=cycles)
        seen = []
        for threads, skipping in ((1, False), (1, True), (2, True), (3, False)):
            with SimulatedArray(CONFIG, topology=topology, library=standin, threads=threads) as array:
                array.set_skipping(skipping)
                seen.append(exchange(array, instructions))
        assert all(records.tobytes() == seen[0].tobytes() for records in seen[1:])

    check()


@pytest.mark.parametrize("cycles", [2, 3, 10, 200, 1024])
def test_each_crossing_takes_as_many_cycles_more_as_the_link_says(standin: SimulatorLibrary, cycles: int) -> None:
    taken, hops = {}, set()
    for each in (1, cycles):
        topology = Topology(1, 4, die_columns=2, die_link_cycles=each)
        with SimulatedArray(CONFIG, topology=topology, library=standin) as array:
            array.read(3, 0, 0, 8)
            taken[each] = array.cycle
            array.run()
            hops.add(array.hops)
    assert taken[cycles] == taken[1] + 2 * (cycles - 1)
    assert len(hops) == 1


def test_a_run_does_not_end_while_a_flit_is_between_dies_and_nodes_sleep_meanwhile(standin: SimulatorLibrary) -> None:
    topology = Topology(1, 2, die_columns=1, die_link_cycles=1000)
    with SimulatedArray(CONFIG, topology=topology, library=standin) as array:
        array.write_register(0, 0, START, job(5, send_to=(1, 0)))
        before = array.cycle
        assert array.run().reason == "ended"
        assert array.cycle > before + 950
        assert any(array.peek(1, 0, 0, 16 * CONFIG.line_bytes))
        assert array.evaluations(1, 0) < 100


def test_a_run_that_ends_at_its_limit_amid_a_crossing_goes_on(standin: SimulatorLibrary) -> None:
    topology = Topology(1, 2, die_columns=1, die_link_cycles=300)
    with SimulatedArray(CONFIG, topology=topology, library=standin) as array:
        array.write_register(0, 0, START, job(5, send_to=(1, 0)))
        assert array.run(max_cycles=100).reason == "limit"
        assert not any(array.peek(1, 0, 0, 16 * CONFIG.line_bytes))
        assert array.run().reason == "ended"
        assert any(array.peek(1, 0, 0, 16 * CONFIG.line_bytes))


@pytest.mark.rtl
def test_a_described_array_of_dies_runs_with_the_same_result_in_more_cycles(tmp_path: Path) -> None:
    topology, cycles = Topology(2, 2, die_rows=1), {}
    for each in (1, 50):
        path = tmp_path / f"dies{each}.json"
        path.write_text(topology.replace(die_link_cycles=each).to_json())
        size = (word for side in "mnk" for word in (f"--{side}", "16"))
        facts = d1("matmul", *size, "--config", "tiny", "--array", path, "--json").json
        assert facts["passed"]
        assert facts["topology"]["die_link_cycles"] == each
        cycles[each] = facts["cycles"]
    # Tiles cross the long links on their own; nobody waits for an answer.
    assert cycles[50] >= cycles[1] + 49
