# SPDX-License-Identifier: Apache-2.0
"""The engine, with the stand-in node: what it computes does not depend on how it computes it, and it knows when to stop."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.config import CONTROL_PAGE_OFFSET, WINDOW_BYTES, preset
from golden.layout import ControlRegister, GlobalAddress, Kind, Port, ThreadRegister, ThreadState, control_offset, thread_offset
from golden.mesh import NetworkAccessError
from golden.packet import Packet
from scripts.simulator import ArrayTooLarge, SimulatedArray, SimulatorError, SimulatorLibrary, build
from scripts.simulator import array as array_module
from scripts.simulator import handle as handle_module
from verif.scripts.standin import StandInNode, job

CONFIG = preset("tiny")
START = thread_offset(0, ThreadRegister.PC)


@pytest.fixture
def array(standin: SimulatorLibrary) -> Iterator[SimulatedArray]:
    with SimulatedArray(CONFIG, 3, 2, library=standin, threads=1) as made:
        yield made


def busy_run(library: SimulatorLibrary, threads: int, skipping: bool) -> tuple[Any, ...]:
    """Everything that can be seen of a run in which some nodes send and others sleep."""
    with SimulatedArray(CONFIG, 4, 5, library=library, threads=threads) as array:
        array.set_skipping(skipping)
        array.record_boundary()
        array.trace(True, True)
        rng = random.Random(7)
        sites = [(x, y) for x in range(5) for y in range(4)]
        for x, y in rng.sample(sites, 7):
            array.write(x, y, 16 * rng.randrange(8), rng.randbytes(rng.randrange(1, 60)))
            array.write_register(x, y, START, job(rng.randrange(1, 400), send_to=rng.choice(sites)))
        result = array.run(5000)
        memory = [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in sites]
        seen = (result, array.cycle, array.hops, memory)
        return *seen, array.boundary_records(), array.retirements(), array.vector_writes(), array.node_cycles


@pytest.fixture(scope="module")
def plain_run(standin: SimulatorLibrary) -> tuple[Any, ...]:
    return busy_run(standin, threads=1, skipping=False)


@pytest.mark.parametrize("threads, skipping", [(1, True), (2, True), (3, False), (5, True)])
def test_threads_and_skipping_change_no_register_in_no_cycle(
    standin: SimulatorLibrary, plain_run: tuple[Any, ...], threads: int, skipping: bool
) -> None:
    run = busy_run(standin, threads, skipping)
    assert plain_run[0].reason == "ended"
    assert len(plain_run[5]) > 500, "the run was to be busy"
    for seen, expected in zip(run[:-1], plain_run[:-1], strict=True):
        if isinstance(expected, np.ndarray):
            assert seen.tobytes() == expected.tobytes()
        else:
            assert seen == expected
    if skipping:
        assert run[-1] < plain_run[-1] / 2, "idle nodes were evaluated"
    else:
        assert run[-1] == plain_run[-1]


def test_idle_nodes_are_not_evaluated(array: SimulatedArray) -> None:
    array.write_register(0, 0, START, job(1000))
    array.run()
    before = array.evaluations(1, 2)
    array.write_register(0, 0, START, job(1000))
    array.run()
    assert array.evaluations(1, 2) == before < 10
    assert array.evaluations(0, 0) > 2000


@pytest.mark.parametrize(
    "offset, length", [(0, 16), (5, 3), (14, 4), (100, 200), (0, CONFIG.sram_bytes), (CONFIG.sram_bytes - 1, 1)]
)
def test_what_packets_write_packets_and_the_back_door_read(array: SimulatedArray, offset: int, length: int) -> None:
    data = random.Random(offset).randbytes(length)
    background = bytes(array.config.sram_bytes)
    array.write(1, 2, offset, data)
    assert array.read(1, 2, offset, length) == data
    assert array.peek(1, 2, 0, CONFIG.sram_bytes) == background[:offset] + data + background[offset + length :]
    assert array.peek(0, 2, 0, CONFIG.sram_bytes) == background


def test_what_the_back_door_writes_packets_read(array: SimulatedArray) -> None:
    data = random.Random(3).randbytes(77)
    array.poke(1, 1, 33, data)
    assert array.read(1, 1, 33, 77) == data


def test_one_batch_may_have_more_reads_than_there_are_tags(array: SimulatedArray) -> None:
    rng = random.Random(4)
    writes = [(rng.randrange(2), rng.randrange(3), 16 * n, rng.randbytes(16)) for n in range(600)]
    array.write_many(writes)
    order = rng.sample(writes, len(writes))
    assert array.read_many([(x, y, offset, 16) for x, y, offset, _ in order]) == [data for *_, data in order]


def test_an_empty_access_is_done_at_once(array: SimulatedArray) -> None:
    array.write(0, 0, 0, b"")
    assert array.read(0, 0, 0, 0) == b""
    assert array.read_many([]) == []
    assert array.cycle == 0


def test_every_node_knows_its_place_and_its_links(array: SimulatedArray) -> None:
    for y in range(3):
        for x in range(2):
            assert array.read_register(x, y, control_offset(ControlRegister.COORDINATES)) == int(GlobalAddress(x, y))
            links = array.read_register(x, y, control_offset(ControlRegister.STATUS)) >> 16
            assert links == (y > 0) | (x < 1) << 1 | (y < 2) << 2 | ((x > 0) or (x, y) == (0, 0)) << 3


def test_the_cycle_count_reaches_the_nodes(array: SimulatedArray) -> None:
    array.write_register(1, 1, START, job(100))
    array.run(max_cycles=50)
    before = array.cycle
    assert before >= 50
    assert before < array.read_register(1, 2, control_offset(ControlRegister.CYCLE)) < array.cycle


@pytest.mark.parametrize(
    "x, y, offset", [(2, 0, 0), (0, 3, 0), (8191, 8191, 0), (0, 0, CONFIG.sram_bytes), (1, 1, CONTROL_PAGE_OFFSET - 1)]
)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_access_to_what_is_not_there_names_it(array: SimulatedArray, kind: str, x: int, y: int, offset: int) -> None:
    with pytest.raises(NetworkAccessError) as caught:
        array.read(x, y, offset, 1) if kind == "read" else array.write(x, y, offset, b"1")
    assert (caught.value.address.x, caught.value.address.y) == (x, y)
    assert caught.value.address.offset == offset - offset % CONFIG.line_bytes
    array.write(0, 0, 0, b"still works")


def test_an_access_beyond_the_window_is_refused(array: SimulatedArray) -> None:
    for offset, length in ((WINDOW_BYTES, 1), (WINDOW_BYTES - 1, 2), (-1, 1)):
        with pytest.raises(ValueError, match=r"window|does not fit"):
            array.read(0, 0, offset, length)
    with pytest.raises(ValueError, match="multiple of 8"):
        array.read_register(0, 0, control_offset(ControlRegister.STATUS) + 4)
    with pytest.raises(ValueError, match="not in an SRAM"):
        array.peek(0, 0, CONFIG.sram_bytes - 1, 2)
    with pytest.raises(ValueError, match="no node"):
        array.poke(2, 0, 0, b"")


def test_a_run_ends_when_all_threads_have_ended_and_the_network_is_empty(array: SimulatedArray) -> None:
    array.write_register(1, 2, START, job(300, send_to=(0, 0)))
    result = array.run()
    assert result.reason == "ended"
    assert 295 < result.cycles < 330
    assert array.run().cycles == 0
    assert all(array.node_state(x, y).idle for x in range(2) for y in range(3))


def test_a_run_ends_at_its_limit_to_the_cycle(array: SimulatedArray) -> None:
    array.write_register(1, 2, START, job(60_000))
    start = array.cycle
    for limit in (1, 0, 777, 10_000):
        result = array.run(max_cycles=limit)
        assert (result.reason, result.cycles) == ("limit", limit)
    assert array.cycle == start + 10_778


def test_waiting_for_ever_is_a_deadlock_with_every_threads_state(array: SimulatedArray) -> None:
    array.write_many([(0, 0, START, job(50, wait=True).to_bytes(8, "little")), (1, 1, START, job(90).to_bytes(8, "little"))])
    result = array.run(max_cycles=5000)
    assert result.reason == "deadlock"
    assert result.cycles < 200
    states = {(report.x, report.y, report.thread): report.state for report in array.thread_states()}
    assert len(states) == 6 * CONFIG.threads
    assert states.pop((0, 0, 0)) is ThreadState.WAITING
    assert set(states.values()) == {ThreadState.HALTED}


def test_running_without_progress_is_a_deadlock(array: SimulatedArray) -> None:
    array.write_register(0, 1, START, job(0, stall=True))
    # The stand-in's thread says that it is not idle, and retires nothing.
    result = array.run()
    assert result.reason == "deadlock"
    assert 10_000 <= result.cycles < 10_100


def test_packets_for_the_host_arrive_in_its_inbox(array: SimulatedArray) -> None:
    sent = Packet(
        Kind.WRITE, 0, 0, 48, exit=Port.WEST, src_x=1, src_y=2, tag=9, post=True, sem=3, mask=0xF0F, data=bytes(range(16))
    )
    array.send(sent)
    array.run()
    # It entered at the west link and leaves there again.
    assert array.host_inbox == [sent]


def test_progress_is_reported_and_may_stop_a_run_that_then_goes_on(
    array: SimulatedArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(running: SimulatedArray) -> None:
        assert running is array
        raise Stopped

    monkeypatch.setattr(handle_module, "_SLICE_SECONDS", 0.001)
    array.write_register(0, 0, START, job(65_000))
    start = array.cycle
    with pytest.raises(Stopped):
        array.run(progress=stop)
    assert start < array.cycle < start + 65_000
    assert array.run().reason == "ended"
    assert array.cycle >= start + 65_000


@pytest.mark.parametrize("rows, columns", [(0, 1), (1, 0), (-2, 3), (1, 8193)])
def test_an_array_of_no_size_is_refused(standin: SimulatorLibrary, rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match=re.escape("outside of 1 to 8192")):
        SimulatedArray(CONFIG, rows, columns, library=standin)


def test_an_array_that_memory_does_not_hold_is_refused_with_the_figures(standin: SimulatorLibrary) -> None:
    with pytest.raises(ArrayTooLarge, match=r"needs [0-9.]+ GiB, but [0-9.]+ GiB are available; at most \d+ nodes fit"):
        SimulatedArray(CONFIG, 8192, 8192, library=standin)


def test_the_largest_array_that_fits_is_what_the_refusal_says(standin: SimulatorLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_module, "available_bytes", lambda: 1 << 20)
    with pytest.raises(ArrayTooLarge) as caught:
        SimulatedArray(CONFIG, 64, 64, library=standin)
    fits = int(re.search(r"at most (\d+)", str(caught.value))[1])  # type: ignore[index]
    SimulatedArray(CONFIG, 1, fits, library=standin).close()
    with pytest.raises(ArrayTooLarge):
        SimulatedArray(CONFIG, 1, fits + 1, library=standin)


def test_waves_need_a_simulator_that_was_built_for_them(array: SimulatedArray) -> None:
    with pytest.raises(SimulatorError, match="not built to record"):
        array.open_waves("waves.vcd")
    with pytest.raises(ValueError, match=r"must end in \.vcd or \.fst"):
        array.open_waves("waves.txt")


def test_waves_show_every_cycle_of_a_run_that_they_do_not_change(
    standin: SimulatorLibrary, plain_run: tuple[Any, ...], tmp_path: Path
) -> None:
    library = build(CONFIG, waves="vcd", node=StandInNode)
    for seen, expected in zip(busy_run(library, 2, False)[:-1], plain_run[:-1], strict=True):
        assert (seen.tobytes() if isinstance(expected, np.ndarray) else seen) == (
            expected.tobytes() if isinstance(expected, np.ndarray) else expected
        )
    path = tmp_path / "waves.vcd"
    with SimulatedArray(CONFIG, 1, 2, library=library, waves=path) as array:
        array.write_register(0, 0, START, job(100))
        assert array.run().reason == "ended"
        # The node is idle, and shown all the same.
        array.write_register(1, 0, START, job(100))
        assert array.run().reason == "ended"
        cycles = array.cycle
        array.close_waves()
    text = path.read_text()
    times = [int(time) for time in re.findall(r"^#(\d+)$", text, re.M)]
    assert times[-1] == 10 * (cycles - 1) + 5
    clock = re.search(r"\$var wire +1 (\S+) clk \$end", text)
    assert clock is not None
    assert text.count(f"\n1{clock[1]}\n") == cycles
    assert " retire0_pc " in text
