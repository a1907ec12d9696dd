# SPDX-License-Identifier: Apache-2.0
"""Memories at the edges of simulated arrays: same bytes as in golden ones, exact cycles, and runs that wait for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.edge_memory import EdgeMemory
from golden.layout import OFFSET_BITS, Cause, Kind, Port
from golden.mesh import GoldenArray
from golden.packet import Packet
from golden.topology import Topology, read_topology
from scripts.simulator import SimulatedArray, SimulatorLibrary
from scripts.simulator.build import STUCK_CYCLES
from sw.assembler import assemble
from sw.host import run_program
from verif.bench import bench_seed
from verif.scripts.command import d1, refused

pytestmark = pytest.mark.rtl

CONFIG = preset("tiny")
LINE = CONFIG.line_bytes
EXAMPLE = Path(__file__).resolve().parents[2] / "sw" / "examples" / "memory"
SIZE = 4 << OFFSET_BITS


def east(columns: int, latency: int = 10, bytes_per_cycle: int = LINE) -> EdgeMemory:
    """A memory at the end of row 0."""
    return EdgeMemory(columns - 1, 0, Port.EAST, SIZE, latency, bytes_per_cycle)


def packet(topology: Topology, memory: EdgeMemory, kind: Kind, offset: int, **fields: Any) -> Packet:
    """A request of the host to a memory, at any address."""
    x, y, port = topology.host_link
    values = {"offset": offset & (1 << OFFSET_BITS) - 1, "upper": offset >> OFFSET_BITS, "exit": memory.port}
    return Packet(kind, memory.x, memory.y, **{**values, "src_x": x, "src_y": y, "src_exit": port, **fields})


def test_the_engine_serves_the_same_bytes_and_errors_as_the_golden_array(standin: SimulatorLibrary) -> None:
    memories = (east(2, latency=3, bytes_per_cycle=5), EdgeMemory(0, 1, Port.SOUTH, 1 << 16, 40, 64))
    topology = Topology(2, 2, memories=memories)
    offsets = st.sampled_from(
        [0, LINE, (1 << 16) - LINE, 1 << 16, (1 << OFFSET_BITS) - LINE, 3 << OFFSET_BITS, SIZE - LINE, SIZE]
    )

    @seed(bench_seed())
    @settings(max_examples=15, deadline=None, database=None)
    @given(st.lists(st.tuples(st.sampled_from(memories), offsets, st.booleans(), st.booleans(), st.data()), max_size=20))
    def check(requests: list[tuple[EdgeMemory, int, bool, bool, st.DataObject]]) -> None:
        golden = GoldenArray(CONFIG, topology=topology)
        with SimulatedArray(CONFIG, topology=topology, library=standin, threads=1) as array:
            for tag, (memory, offset, write, post, data) in enumerate(requests):
                fields: dict[str, Any] = {"tag": tag}
                if write:
                    line = data.draw(st.binary(min_size=LINE, max_size=LINE))
                    fields |= {"mask": data.draw(st.integers(0, (1 << LINE) - 1)), "data": line, "post": post}
                asked = packet(topology, memory, Kind.WRITE if write else Kind.READ, offset, **fields)
                golden.send(asked)
                array.send(asked)
            assert array.run().reason == "ended"
            for memory in memories:
                # Of each memory in order; of several, as they are.
                ours, theirs = (
                    [answer for answer in each.host_inbox if answer.src_exit == memory.port] for each in (array, golden)
                )
                assert ours == theirs
                one, other = array.memory(*memory.link), golden.memory(*memory.link)
                assert one.read(0, 1 << 16) == other.read(0, 1 << 16)
                assert one.read(memory.bytes - 100, 100) == other.read(memory.bytes - 100, 100)
                counts = ("lines_read", "lines_written", "errors", "dropped")
                assert [getattr(one, name) for name in counts] == [getattr(other, name) for name in counts]

    check()


def column(records: np.ndarray[Any, Any], x: int, name: str) -> np.ndarray[Any, Any]:
    """A port of a node in row 0, in each cycle."""
    return records["nodes"][:, 0, x][name].reshape(len(records), -1)[:, 0]


@pytest.mark.parametrize("latency", [1, 2, 7, 100])
def test_an_answer_is_on_the_link_so_many_cycles_after_the_request(standin: SimulatorLibrary, latency: int) -> None:
    memory = east(2, latency=latency, bytes_per_cycle=1)
    topology = Topology(1, 2, memories=(memory,))
    with SimulatedArray(CONFIG, topology=topology, library=standin, threads=1) as array:
        array.record_boundary()
        array.send(packet(topology, memory, Kind.READ, 3 * LINE))
        assert array.run().reason == "ended"
        records = array.boundary_records()
    (asked,) = np.flatnonzero(column(records, 1, "east_out_valid"))
    (answered,) = np.flatnonzero(records["memories"][:, 0]["valid"])
    assert answered - asked == latency
    # The request's credit comes back in the next cycle; and the array ends when the answer's has.
    assert np.flatnonzero(records["memories"][:, 0]["credit"]).tolist() == [asked + 1]


@pytest.mark.parametrize("rate, cycles", [(1, 16 * 63), (5, 201), (12, 84), (16, 63)])
def test_a_stream_of_reads_is_answered_at_the_memory_s_rate(tiny_macro: SimulatorLibrary, rate: int, cycles: int) -> None:
    memory = east(1, latency=30, bytes_per_cycle=rate)
    topology = Topology(1, 1, memories=(memory,))
    with SimulatedArray(CONFIG, topology=topology, library=tiny_macro, threads=1) as array:
        array.record_boundary()
        for n in range(64):
            array.send(packet(topology, memory, Kind.READ, n * LINE, tag=n))
        assert array.run().reason == "ended"
        records = array.boundary_records()
        assert [answer.tag for answer in array.host_inbox] == list(range(64))
    answered = np.flatnonzero(records["memories"][:, 0]["valid"])
    assert answered[-1] - answered[0] == cycles


def test_a_run_waits_for_memories_however_slow_they_are(tiny_macro: SimulatorLibrary) -> None:
    memory = east(1, latency=3 * STUCK_CYCLES, bytes_per_cycle=1)
    topology = Topology(1, 1, memories=(memory,))
    source = f"li a0, {int(memory.address(LINE))}\nnread v1, (a0)\nnread v2, (a0)\nvor v3, v1, v2\nhalt zero\n"
    with SimulatedArray(CONFIG, topology=topology, library=tiny_macro, threads=1) as array:
        report = run_program(array, assemble(source, config=CONFIG), 100_000)
        assert report.passed, report.summary()
        assert 3 * STUCK_CYCLES < report.cycles < 3 * STUCK_CYCLES + 100
        # Meanwhile the node sleeps, but for the thread that waits.
        assert array.memory(0, 0, Port.EAST).busy_cycles == pytest.approx(3 * STUCK_CYCLES, abs=50)


@pytest.mark.parametrize("access", ["nread v1, (a0)", "nwrite v1, (a0)", "nsd a0, (a0)"])
def test_threads_trap_beyond_the_end_with_the_address(tiny_macro: SimulatorLibrary, access: str) -> None:
    memory = east(1)
    address = int(memory.address(0)) | 4 << 50
    source = f"li a0, {address}\n{access}\nvmv v2, v1\n1: j 1b"
    with SimulatedArray(CONFIG, topology=Topology(1, 1, memories=(memory,)), library=tiny_macro, threads=1) as array:
        trap = run_program(array, assemble(source, config=CONFIG), 1000).nodes[0].trap
    assert trap is not None
    assert (trap.cause, trap.value) == (Cause.NETWORK_ERROR, address)


def reader(memory: EdgeMemory, batches: int, under_way: int) -> str:
    """Reads up to 16 lines at a time, as often as batches say; each register again as soon as its line has been used."""
    read = "nread v{0}, (a0)\naddi a0, a0, LINE_BYTES\n"
    # No sum depends on another.
    use = "vadd.i32 v{1}, v{0}, v{0}\n"
    registers = range(under_way)
    return (
        f"li a0, {int(memory.address(0))}\nli t0, {batches - 1}\n"
        + "".join(read.format(n) for n in registers)
        + "1:\n"
        + "".join((use + read).format(n, 16 + n) for n in registers)
        + "addi t0, t0, -1\nbnez t0, 1b\n"
        + "".join(use.format(n, 16 + n) for n in registers)
        + "halt zero\n"
    )


def cycles_per_line(library: SimulatorLibrary, memory: EdgeMemory, under_way: int) -> float:
    """Of a thread that reads 50 batches, from the first answer to the last: that of node x=0, west of the memory."""
    batches = 50
    topology = Topology(1, memory.x + 1, memories=(memory,))
    with SimulatedArray(library.config, topology=topology, library=library, threads=1) as array:
        array.record_boundary()
        source = reader(memory, batches, under_way)
        assert run_program(array, assemble(source, config=library.config), 1_000_000, [(0, 0)]).passed
        answered = np.flatnonzero(array.boundary_records()["memories"][:, 0]["valid"])
    assert len(answered) == batches * under_way
    return float(answered[-1] - answered[0]) / (len(answered) - 1)


@pytest.mark.parametrize("latency, hops", [(20, 0), (100, 0), (100, 3)])
def test_reads_under_way_share_a_round_trip(tiny_macro: SimulatorLibrary, latency: int, hops: int) -> None:
    memory = east(hops + 1, latency=latency)
    trip = latency + 6 + 2 * hops
    assert cycles_per_line(tiny_macro, memory, 1) == trip
    assert cycles_per_line(tiny_macro, memory, 4) == pytest.approx(trip / 4, rel=0.03)


def vector_sum(array: GoldenArray | SimulatedArray) -> tuple[int, bytes]:
    """Cycles and result of the example with numbers of the host's."""
    source = (EXAMPLE / "vector_sum.s").read_text().replace(".equ FILL, 1\n", ".equ FILL, 0\n")
    rng = np.random.default_rng(bench_seed())
    x, y = rng.integers(-(1 << 31), 1 << 31, (2, CONFIG.sram_bytes // 4), np.int32)
    memory = array.memory(0, 0, Port.EAST)
    memory.write(0, x)
    memory.write(1 << OFFSET_BITS, y)
    report = run_program(array, assemble(source, config=CONFIG), 10_000_000)
    assert report.passed, report.summary()
    result = memory.read(2 << OFFSET_BITS, CONFIG.sram_bytes)
    assert np.array_equal(np.frombuffer(result, np.int32), x + y)
    return report.cycles, result


def test_vectors_that_no_node_can_hold_are_added(tiny_macro: SimulatorLibrary) -> None:
    topology = read_topology(EXAMPLE / "array.json")
    _, golden = vector_sum(GoldenArray(CONFIG, topology=topology))
    with SimulatedArray(CONFIG, topology=topology, library=tiny_macro, threads=1) as array:
        cycles, result = vector_sum(array)
        memory = array.memory(0, 0, Port.EAST)
        lines = CONFIG.sram_lines
        assert (memory.lines_read, memory.lines_written, memory.errors) == (2 * lines, lines, 0)
    assert result == golden
    # Sixteen reads are under way at any time.
    assert cycles < 2 * lines / 16 * 130


def test_threads_and_skipping_change_no_register(tiny_macro: SimulatorLibrary) -> None:
    topology = Topology(2, 2, memories=(east(2, latency=20, bytes_per_cycle=7), EdgeMemory(0, 1, Port.WEST, SIZE, 5, 64)))
    sources = [
        f"li a0, {int(topology.memories[n % 2].address(n * LINE))}\nli t0, 40\n1: nread v1, (a0)\nnread v2, (a0)\n"
        "vadd.i32 v1, v1, v2\nnwrite v1, (a0)\naddi t0, t0, -1\nbnez t0, 1b\nhalt zero\n"
        for n in range(2)
    ]
    seen = []
    for threads, skipping in ((1, True), (2, True), (1, False)):
        with SimulatedArray(CONFIG, topology=topology, library=tiny_macro, threads=threads) as array:
            array.set_skipping(skipping)
            array.record_boundary()
            for source in sources:
                assert run_program(array, assemble(source, config=CONFIG), 100_000).passed
            seen.append(array.boundary_records())
    for records in seen[1:]:
        assert np.array_equal(records, seen[0])
    assert (seen[0]["memories"]["valid"] != 0).sum(axis=0).min() > 100


def test_run_fills_memories_and_tells_what_they_did(tmp_path: Path) -> None:
    source = tmp_path / "read.s"
    address = int(read_topology(EXAMPLE / "array.json").memories[0].address(0))
    source.write_text(
        f"li a0, {address}\nnread v1, (a0)\nla t0, line\nvst v1, 0(t0)\n"
        "ld a1, 0(t0)\nli a2, 0x1122334455667788\nsub a1, a1, a2\nhalt a1\n.bss\n.balign LINE_BYTES\nline: .zero LINE_BYTES\n"
    )
    data = tmp_path / "data.bin"
    data.write_bytes((0x1122334455667788).to_bytes(8, "little"))
    options = ("--config", "tiny", "--array", EXAMPLE / "array.json", "--memory", f"0,0,east={data}")
    for backend, cycles in (("golden", False), ("rtl", True)):
        outcome = d1("run", source, *options, "--backend", backend, "--json")
        assert outcome.code == 0, outcome
        (memory,) = outcome.json["memories"]
        assert (memory["port"], memory["lines_read"], memory["lines_written"], memory["errors"]) == ("east", 1, 0, 0)
        assert (memory["busy_cycles"] is not None) == cycles
    shown = d1("run", source, *options, "--backend", "golden")
    assert "memory at the east of row 0, column 0: 1 lines read, 0 written, 0 requests refused" in shown.stdout


@pytest.mark.parametrize(
    "given_, code, parts",
    [
        ("0,0,up={file}", 2, ("write row,column,port=FILE",)),
        ("0,0,east={file}.none", 2, ("is no file",)),
        ("0,0,south={file}", 2, ("no memory at the south link of node x=0, y=0", "memories are at: east link")),
        ("0,0,east={large}", 2, ("large has 16777217 bytes", "has 16777216")),
    ],
)
def test_files_that_fit_no_memory_are_refused(tmp_path: Path, given_: str, code: int, parts: tuple[str, ...]) -> None:
    file, large = tmp_path / "file", tmp_path / "large"
    file.write_bytes(b"1")
    with large.open("wb") as sparse:
        sparse.truncate((1 << 24) + 1)
    memory = given_.format(file=file, large=large)
    options = ("--config", "tiny", "--backend", "golden", "--array", EXAMPLE / "array.json", "--memory", memory)
    refused(d1("run", EXAMPLE / "vector_sum.s", *options), code, *parts)


def test_an_array_s_map_shows_its_memories() -> None:
    shown = d1("array", EXAMPLE / "array.json")
    assert shown.code == 0, shown
    assert shown.stdout.splitlines()[0] == "H-o-M"
    assert "east of row 0, column 0: 16,777,216 bytes, 100 cycles, 64 bytes per cycle" in shown.stdout
    (memory,) = d1("array", EXAMPLE / "array.json", "--json").json["topology"]["memories"]
    assert memory == {"row": 0, "column": 0, "port": "east", "bytes": 1 << 24, "latency": 100, "bytes_per_cycle": 64}
