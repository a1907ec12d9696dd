# SPDX-License-Identifier: Apache-2.0
"""The engine's array equals the same array elaborated flat, in every boundary register of every node in every cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from golden.config import preset
from golden.isa import INSTRUCTIONS
from golden.layout import OFFSET_BITS, SRAM_BASE, Event, ThreadRegister, ThreadState, semaphore_offset, thread_offset
from golden.matrix import matmul
from golden.mesh import ThreadReport
from golden.topology import Topology
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.counters import ThreadCounters, read_counters
from sw.encoding import encode
from sw.host import run_program
from sw.kernels.matmul import run_matmul
from verif.scripts.flat import compile_flat, run_flat
from verif.scripts.standin import StandInNode, job

CONFIG = preset("tiny")
WHOLE = Topology(2, 2)

#: Pipelined nodes are large, and two of them have a link; the other arrays are of sequential ones.
PAIR = Topology(1, 2)


def assert_equal_in_every_cycle(records: np.ndarray[Any, Any], flat: np.ndarray[Any, Any]) -> None:
    """Fails with the first cycle, node and register that differ."""
    seen = records["nodes"]
    if seen.tobytes() == flat.tobytes():
        return
    for cycle in range(len(records)):
        for y, x in np.ndindex(seen.shape[1:]):
            for name in seen.dtype.names or ():
                engine, expected = seen[cycle, y, x][name], flat[cycle, y, x][name]
                assert engine.tobytes() == expected.tobytes(), f"cycle {cycle + 1}, node x={x}, y={y}, {name}"
    pytest.fail("the records differ in padding")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_engine_equals_the_flat_array_of_stand_ins(standin: SimulatorLibrary, threads: int) -> None:
    with SimulatedArray(CONFIG, 2, 2, library=standin, threads=threads) as array:
        array.record_boundary()
        start = thread_offset(0, ThreadRegister.PC)
        for x, y, target in ((0, 0, (1, 1)), (1, 1, (0, 0)), (0, 1, (1, 0))):
            array.write_register(x, y, start, job(500 + 100 * x, send_to=target))
        array.read(1, 0, 0, 512)
        assert array.run().reason == "ended"
        records = array.boundary_records()
    assert len(records) > 500
    assert_equal_in_every_cycle(records, run_flat(compile_flat(CONFIG, WHOLE, "macro", StandInNode), WHOLE, records))


def matrix_product(
    library: SimulatorLibrary, threads: int, skipping: bool, topology: Topology = WHOLE
) -> tuple[np.ndarray[Any, Any], int]:
    """What the boundaries did in a product that uses all nodes and their links, and how many evaluations it took."""
    rng = np.random.default_rng(5)
    a = rng.integers(0x3F00, 0x4100, (16, 16), np.uint16)
    b = rng.integers(0xBF00, 0xC100, (16, 16), np.uint16)
    with SimulatedArray(library.config, topology=topology, library=library, threads=threads) as array:
        array.set_skipping(skipping)
        array.record_boundary()
        assert np.array_equal(run_matmul(array, a, b).c, matmul(a, b))
        return array.boundary_records(), array.node_cycles


@pytest.mark.rtl
def test_the_engine_equals_the_flat_array_in_a_matrix_product(tiny_macro: SimulatorLibrary) -> None:
    records, _ = matrix_product(tiny_macro, 2, True, PAIR)
    assert_equal_in_every_cycle(records, run_flat(compile_flat(CONFIG, PAIR, "macro"), PAIR, records))


@pytest.mark.rtl
def test_the_engine_equals_the_flat_array_on_links_of_four_cycles_per_flit() -> None:
    narrow = preset("nano")
    assert narrow.link_passes == 4
    records, _ = matrix_product(build(narrow), threads=2, skipping=True)
    assert_equal_in_every_cycle(records, run_flat(compile_flat(narrow, WHOLE, "macro"), WHOLE, records))


@pytest.mark.rtl
def test_skipping_idle_nodes_changes_no_register_in_a_matrix_product(tiny_macro: SimulatorLibrary) -> None:
    records, evaluations = matrix_product(tiny_macro, threads=2, skipping=True)
    all_records, all_evaluations = matrix_product(tiny_macro, threads=1, skipping=False)
    assert_equal_in_every_cycle(records, all_records["nodes"])
    assert evaluations < all_evaluations == 4 * len(records)


@pytest.mark.rtl
def test_skipping_idle_nodes_changes_no_counter_of_a_thread_that_waits_meanwhile(tiny_macro: SimulatorLibrary) -> None:
    source = f"""
    _start: csrr t0, mnode
            srli t1, t0, {OFFSET_BITS}
            bnez t1, waits
            li a0, 1000
    1:      addi a0, a0, -1
            bnez a0, 1b
            li t2, {1 << OFFSET_BITS | semaphore_offset(3)}
            add t0, t0, t2
            li a0, 1
            nsd a0, (t0)
            halt zero
    waits:  li a0, 1
            swait 3, a0
            halt zero
    """

    def counted(skipping: bool) -> tuple[list[ThreadCounters], int]:
        with SimulatedArray(CONFIG, 1, 2, library=tiny_macro) as array:
            array.set_skipping(skipping)
            assert run_program(array, assemble(source, config=CONFIG), 10_000).passed
            evaluated = array.node_cycles
            return read_counters(array, [(0, 0), (1, 0)]), evaluated

    (busy, waiting), evaluations = counted(True)
    all_counters, all_evaluations = counted(False)
    assert [busy, waiting] == all_counters
    assert evaluations < all_evaluations * 2 / 3
    assert waiting.stalls is not None
    assert waiting.stalls[Event.SEMAPHORE] > 1000


@pytest.mark.rtl
def test_a_thread_that_waits_for_ever_is_reported_with_its_place_and_semaphore(tiny_macro: SimulatorLibrary) -> None:
    program = [
        encode(INSTRUCTIONS["addi"], {"rd": 5, "rs1": 0, "imm_i": 2}),
        encode(INSTRUCTIONS["swait"], {"sem": 3, "rs1": 5}),
    ]
    with SimulatedArray(CONFIG, 1, 2, library=tiny_macro) as array:
        array.write(1, 0, 0, b"".join(word.to_bytes(4, "little") for word in program))
        array.write_register(1, 0, semaphore_offset(3), 1)
        array.write_register(1, 0, thread_offset(1, ThreadRegister.PC), SRAM_BASE)
        assert array.run(max_cycles=1000).reason == "deadlock"
        waiting = [report for report in array.thread_states() if report.state is not ThreadState.HALTED]
    expected = ThreadReport(1, 0, 1, ThreadState.WAITING, SRAM_BASE + 4, semaphore=3, needed=2, value=1)
    assert waiting == [expected]
