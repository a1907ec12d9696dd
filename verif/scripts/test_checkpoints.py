# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what goes on from one is what would have been, in bits and cycles; what is no checkpoint is refused."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golden.config import preset
from golden.edge_memory import EdgeMemory
from golden.layout import Kind, Port, ThreadRegister, thread_offset
from golden.packet import Packet
from golden.topology import Topology
from scripts.d1.main import run
from scripts.simulator import SimulatedArray, SimulatorError, SimulatorLibrary, build
from scripts.simulator.checkpoint import CheckpointError
from sw.assembler import assemble
from sw.host import load_program, start
from sw.routing import set_up_routes
from verif.scripts.command import d1, refused
from verif.scripts.list_traffic import start_lists
from verif.scripts.standin import job

CONFIG = preset("tiny")
START = thread_offset(0, ThreadRegister.PC)

#: A dead node, and two dies with links of five cycles between them.
TOPOLOGY = Topology(3, 4, dead_nodes=frozenset({(3, 1)}), die_columns=2, die_link_cycles=5)

#: Everything works at once: matrix and SIMD unit, late results, packets in all directions, semaphores.
PROGRAM = """
        li s0, 0x80000800
        li s1, 40
        csrr t0, mhartid
1:      vld v0, (s0)
        mul t1, s1, s1
        div t2, t1, s1
        vadd.f32 v1, v0, v0
        vst v1, (s0)
        addi s1, s1, -1
        bnez s1, 1b
        halt zero
"""


class Run:
    """An array that runs, of which everything is recorded from now on."""

    def __init__(self, array: SimulatedArray):
        self.array = array
        array.record_boundary()
        array.trace(True, True)

    def seen(self) -> tuple[Any, ...]:
        """All that can be seen from outside, after going on for a while."""
        array = self.array
        result = array.run(3000)
        memory = [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in array.topology.sites()]
        states = [bytes(array.node_state(x, y)) for x, y in array.topology.sites()]
        evaluations = [array.evaluations(x, y) for x, y in array.topology.sites()]
        counters = (array.cycle, array.hops, array.node_cycles, array.packets_sent, array.packets_received)
        records = (array.retirements().tobytes(), array.vector_writes().tobytes(), array.boundary_records().tobytes())
        answer = array.read_many([(x, y, 16, 32) for x, y in array.topology.sites() if x < 3])
        return result, memory, states, evaluations, counters, records, answer, array.cycle, array.host_inbox


def busy(array: SimulatedArray) -> None:
    """Lets nodes send to the other die, more than links and receivers take, for longer than anybody looks."""
    rng = random.Random(3)
    sites = [(x, y) for x, y in TOPOLOGY.sites() if x < 3]
    line, start = divmod(START, CONFIG.line_bytes)
    # The farthest first, and without waiting for answers, which would not get through.
    for x, y in sorted(sites, key=sum, reverse=True):
        across = [site for site in sites if (site[0] < 2) != (x < 2)]
        work = job(rng.randrange(2000, 3000), send_to=rng.choice(across)).to_bytes(8, "little")
        array.send(
            Packet(
                kind=Kind.WRITE,
                x=x,
                y=y,
                offset=line * CONFIG.line_bytes,
                mask=0xFF << start,
                data=(bytes(start) + work).ljust(CONFIG.line_bytes, b"\0"),
                src_exit=Port.WEST,
                tag=255,
            )
        )
    array.run(100)


@pytest.mark.parametrize("cycles, threads", [(1, 1), (37, 2), (600, 3), (1500, 1)])
def test_a_run_goes_on_from_a_checkpoint_as_it_would_have(
    standin: SimulatorLibrary, tmp_path: Path, cycles: int, threads: int
) -> None:
    file = tmp_path / "run.d1c"
    with SimulatedArray(CONFIG, library=standin, threads=2, topology=TOPOLOGY) as array:
        busy(array)
        array.run(cycles)
        array.save(file)
        expected = Run(array).seen()
    assert any(part.strip(b"\0") for part in expected[5])
    with SimulatedArray.load(file, threads=threads, library=standin) as array:
        assert array.topology == TOPOLOGY
        assert Run(array).seen() == expected


def test_saving_changes_nothing(standin: SimulatorLibrary, tmp_path: Path) -> None:
    seen = []
    for saves in (False, True):
        with SimulatedArray(CONFIG, library=standin, threads=1, topology=TOPOLOGY) as array:
            busy(array)
            for n in range(5):
                array.run(11)
                if saves:
                    array.save(tmp_path / f"{n}.d1c")
            seen.append(Run(array).seen())
    assert seen[0] == seen[1]


@pytest.fixture(scope="module")
def computing(tiny_macro: SimulatorLibrary) -> Iterator[SimulatedArray]:
    """Nodes with every kind of unit at work."""
    with SimulatedArray(CONFIG, library=tiny_macro, threads=1, topology=TOPOLOGY) as array:
        set_up_routes(array)
        program = assemble(PROGRAM, config=CONFIG)
        load_program(array, program)
        for x, y in TOPOLOGY.sites():
            start(array, x, y, 0, program.entry)
        yield array


@pytest.mark.parametrize("cycles", [1, 5, 60, 150])
def test_the_node_itself_goes_on_as_it_would_have(computing: SimulatedArray, tmp_path: Path, cycles: int) -> None:
    file = tmp_path / "run.d1c"
    computing.run(cycles)
    # What was recorded for another checkpoint.
    computing.retirements()
    computing.boundary_records()
    computing.save(file)
    with SimulatedArray.load(file, threads=1, library=computing.library) as other:
        runs = [Run(computing), Run(other)]
        results = [run.array.run(40) for run in runs]
        records = [(run.array.retirements().tobytes(), run.array.boundary_records().tobytes()) for run in runs]
        assert results[0] == results[1]
        assert all(any(each) for each in records[0])
        assert records[0] == records[1]


@pytest.mark.parametrize("cycles, threads", [(20, 1), (120, 2)])
def test_lists_go_on_as_they_would_have(tiny_macro: SimulatorLibrary, tmp_path: Path, cycles: int, threads: int) -> None:
    file = tmp_path / "run.d1c"
    with SimulatedArray(CONFIG, 2, 2, library=tiny_macro, threads=3 - threads) as array:
        start_lists(array)
        array.run(cycles)
        array.save(file)
        moved = [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in array.topology.sites()]
        expected = Run(array).seen()
    assert expected[0].reason == "ended"
    assert all(before != after for before, after in zip(moved, expected[1], strict=True))
    with SimulatedArray.load(file, threads=threads, library=tiny_macro) as array:
        assert Run(array).seen() == expected


def test_what_the_host_has_not_looked_at_is_kept(standin: SimulatorLibrary, tmp_path: Path) -> None:
    file = tmp_path / "run.d1c"
    with SimulatedArray(CONFIG, 2, 2, library=standin, threads=1) as array:
        array.send(Packet(kind=Kind.READ, x=1, y=1, offset=16, src_exit=Port.WEST, tag=200))
        array.run(100)
        array.send(Packet(kind=Kind.READ, x=0, y=1, offset=0, src_exit=Port.WEST, tag=201))
        array.save(file)
        array.run(100)
        expected = list(array.host_inbox)
    assert [packet.tag for packet in expected] == [200, 201]
    with SimulatedArray.load(file, library=standin) as array:
        array.run(100)
        assert array.host_inbox == expected


def test_a_packet_under_way_wakes_who_slept(standin: SimulatorLibrary, tmp_path: Path) -> None:
    file = tmp_path / "run.d1c"
    topology = Topology(2, 2, die_columns=1, die_link_cycles=4)
    with SimulatedArray(CONFIG, library=standin, threads=1, topology=topology) as array:
        array.run(10)
        for cycles in range(1, 30):
            array.send(Packet(kind=Kind.READ, x=1, y=1, offset=0, src_exit=Port.WEST, tag=200))
            array.run(cycles)
            array.save(file)
            with SimulatedArray.load(file, threads=1, library=standin) as other:
                assert array.run(100) == other.run(100), cycles
                assert len(array.host_inbox) == 1
                assert array.host_inbox == other.host_inbox
            array.host_inbox.clear()


def test_memories_go_on_as_they_would_have(standin: SimulatorLibrary, tmp_path: Path) -> None:
    file = tmp_path / "run.d1c"
    topology = Topology(1, 2, memories=(EdgeMemory(1, 0, Port.EAST, 1 << 17, 50, 4),))
    with SimulatedArray(CONFIG, library=standin, threads=1, topology=topology) as array:
        memory = array.memory(1, 0, Port.EAST)
        memory.write(0, bytes(range(256)))
        memory.write((1 << 17) - 16, b"the last of them")
        for n in range(12):
            kind, data = (Kind.READ, b"") if n % 3 else (Kind.WRITE, bytes([n] * CONFIG.line_bytes))
            place: dict[str, Any] = {"x": 1, "y": 0, "exit": Port.EAST, "offset": CONFIG.line_bytes * n}
            array.send(Packet(kind=kind, **place, mask=(1 << len(data)) - 1, data=data, src_exit=Port.WEST, tag=100 + n))
        for cycles in (5, 12, 40, 33, 70):
            array.run(cycles)
            array.boundary_records()
            array.save(file)
            with SimulatedArray.load(file, threads=1, library=standin) as other:
                runs = [Run(array), Run(other)]
                results = [run.array.run(15) for run in runs]
                records = [run.array.boundary_records().tobytes() for run in runs]
                assert results[0] == results[1]
                assert records[0] == records[1]
                assert other.host_inbox == array.host_inbox
                again = other.memory(1, 0, Port.EAST)
                assert again.read(0, 1 << 17) == memory.read(0, 1 << 17)
                assert (again.lines_read, again.lines_written) == (memory.lines_read, memory.lines_written)
        array.run(5000)
        assert len(array.host_inbox) == 8
        assert (memory.lines_read, memory.lines_written) == (8, 4)


@pytest.fixture
def saved(standin: SimulatorLibrary, tmp_path: Path) -> Path:
    """A checkpoint of a small array."""
    with SimulatedArray(CONFIG, 2, 2, library=standin, threads=1) as array:
        array.save(tmp_path / "run.d1c")
    return tmp_path / "run.d1c"


@pytest.mark.parametrize("place", [0.1, 0.5, 0.999])
def test_a_damaged_file_is_refused(saved: Path, standin: SimulatorLibrary, place: float) -> None:
    contents = bytearray(saved.read_bytes())
    contents[int(len(contents) * place)] ^= 1
    saved.write_bytes(contents)
    with pytest.raises(CheckpointError, match=f"{re.escape(str(saved))} is damaged or cut short"):
        SimulatedArray.load(saved, library=standin)


@pytest.mark.parametrize("length", [8, 15, 16, 40, 300, -1])
def test_a_file_that_is_cut_short_is_refused(saved: Path, standin: SimulatorLibrary, length: int) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        SimulatedArray.load(saved, library=standin)


def test_what_is_no_checkpoint_is_refused(saved: Path, standin: SimulatorLibrary, tmp_path: Path) -> None:
    for contents in (b"", b"OpenD1", b"\x7fELF" + bytes(100)):
        saved.write_bytes(contents)
        with pytest.raises(CheckpointError, match="is no checkpoint"):
            SimulatedArray.load(saved, library=standin)
    with pytest.raises(CheckpointError, match=r"cannot read the checkpoint .*: No such file"):
        SimulatedArray.load(tmp_path / "none.d1c", library=standin)


def test_another_layout_of_the_file_is_refused(saved: Path, standin: SimulatorLibrary) -> None:
    contents = bytearray(saved.read_bytes())
    contents[8] = 9
    saved.write_bytes(contents)
    with pytest.raises(CheckpointError, match="layout 9, and this version of OpenD1 reads layout 1"):
        SimulatedArray.load(saved, library=standin)


def test_another_simulator_refuses_a_file(saved: Path, tiny_macro: SimulatorLibrary) -> None:
    with pytest.raises(CheckpointError, match="was written by another simulator"):
        SimulatedArray.load(saved, library=tiny_macro)


def test_another_array_refuses_a_file(saved: Path, standin: SimulatorLibrary) -> None:
    from scripts.simulator.checkpoint import read_checkpoint

    with (
        SimulatedArray(CONFIG, 1, 2, library=standin) as array,
        pytest.raises(CheckpointError, match="is of another array: 2 x 2"),
    ):
        array.restore(read_checkpoint(saved))


def test_what_was_there_stays_if_a_file_cannot_be_written(
    saved: Path, standin: SimulatorLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fails(self: SimulatedArray, part: int) -> bytes:
        raise OSError(28, "No space left on device")

    with SimulatedArray(CONFIG, 2, 2, library=standin) as array:
        monkeypatch.setattr(SimulatedArray, "save_part", fails)
        with pytest.raises(CheckpointError, match=r"cannot write the checkpoint .*: No space left on device"):
            array.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


# -- the command ------------------------------------------------------------------------------------------------------

#: Writes a line per round by system call, from memory that the rounds change.
TALKING = """
        .globl _start, tohost, fromhost
_start: li s0, 6
        la s1, text
        la s2, call
        la s3, tohost
        la s4, fromhost
1:      li t0, 1500
2:      addi t0, t0, -1
        bnez t0, 2b
        sd zero, (s4)
        li t0, 64
        sd t0, (s2)
        fence
        sd s2, (s3)
3:      ld t0, (s4)
        beqz t0, 3b
        lbu t0, (s1)
        addi t0, t0, 1
        sb t0, (s1)
        addi s0, s0, -1
        bnez s0, 1b
        halt zero
        .align 4
text:   .ascii "a\\n"
        .align 4
call:   .dword 64, 1, text, 2, 0, 0, 0, 0
tohost: .dword 0
        .align 4
fromhost: .dword 0
"""


@pytest.fixture
def talking(tmp_path: Path) -> Path:
    file = tmp_path / "talking.s"
    file.write_text(TALKING)
    return file


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if "second" not in name and name != "simulator_cached"}


def test_d1_run_goes_on_in_another_process(talking: Path, tmp_path: Path) -> None:
    build(CONFIG, "macro")
    file = tmp_path / "run.d1c"
    array = ("--config", "tiny", "--array", "2x2")
    whole = d1("run", talking, *array, "--json")
    assert whole.code == 0, whole
    assert [node["text"] for node in whole.json["console"]] == ["a\nb\nc\nd\ne\nf\n"] * 4
    cut = d1("run", talking, *array, "--checkpoint", file, "--checkpoint-every", "3333", "--max-cycles", "9000")
    assert cut.code == 1
    assert "checkpoint of cycle" in cut.stderr
    resumed = d1("run", talking, "--resume", file, "--json")
    assert resumed.code == 0, resumed
    assert without_times(resumed.json) == without_times(whole.json)
    shown = d1("run", talking, "--resume", file)
    assert "row 1, column 1: f\n" in shown.stdout
    assert "row 1, column 1: a\n" not in shown.stdout


def test_d1_run_tells_how_far_it_is(talking: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    build(CONFIG, "macro")
    monkeypatch.setattr("scripts.d1.report.LINE_INTERVAL_SECONDS", 0.0)
    assert run(["run", str(talking), "--config", "tiny"]) == 0
    shown = re.findall(r"run talking\.s .*cycle ([\d,]+), [\d,]+ per second", capsys.readouterr().err)
    assert len(set(shown)) > 3


def test_d1_run_refuses_what_does_not_belong_together(talking: Path, tmp_path: Path, saved: Path) -> None:
    other = tmp_path / "other.s"
    other.write_text("halt zero\n")
    file = tmp_path / "other.d1c"
    refused(d1("run", talking, "--checkpoint-every", "5"), 2, "belongs to --checkpoint FILE")
    refused(d1("run", talking, "--resume", file, "--array", "2x2"), 2, "--array is what --resume", "leave it out")
    refused(d1("run", talking, "--backend", "golden", "--checkpoint", file), 2, "--backend is golden")
    refused(d1("run", talking, "--resume", file), 2, "cannot read the checkpoint")
    refused(d1("run", talking, "--resume", talking), 2, "is no checkpoint")
    refused(d1("run", talking, "--resume", saved), 2, "no run of a program")
    build(CONFIG, "macro")
    assert (
        d1("run", talking, "--config", "tiny", "--checkpoint", file, "--checkpoint-every", "500", "--max-cycles", "900").code == 1
    )
    refused(d1("run", other, "--resume", file), 2, "a run of another program")
    refused(d1("run", talking, "--resume", file, "--waves", tmp_path / "a.vcd"), 2, "another simulator", "in both runs")


@pytest.mark.rtl
@pytest.mark.parametrize("spread", [(), ("--spread",)])
def test_d1_matmul_goes_on_in_another_process(spread: tuple[str, ...], tmp_path: Path) -> None:
    build(CONFIG, "macro")
    file = tmp_path / "product.d1c"
    shape = ("--m", "33", "--n", "17", "--k", "70", "--seed", "5", "--format-b", "1-4-3", "--bias-b", "9")
    product = (*shape, *spread, "--config", "tiny", "--array", "2x2")
    whole = d1("matmul", *product, "--json")
    assert whole.code == 0, whole
    written = d1("matmul", *product, "--checkpoint", file, "--checkpoint-every", str(whole.json["cycles"] * 2 // 3), "--json")
    assert "checkpoint of cycle" in written.stderr
    assert without_times(written.json) == without_times(whole.json)
    resumed = d1("matmul", "--resume", file, "--json")
    assert resumed.code == 0, resumed
    assert without_times(resumed.json) == without_times(whole.json)
    assert "33x70 by 70x17, BF16 by" in d1("matmul", "--resume", file, "--no-verify").stdout.replace("bf16", "BF16")


@pytest.mark.rtl
def test_d1_matmul_refuses_what_does_not_belong_together(
    talking: Path, tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(CONFIG, "macro")
    product, run_ = tmp_path / "product.d1c", tmp_path / "run.d1c"
    small = ("--m", "9", "--n", "9", "--k", "20", "--config", "tiny", "--array", "1x1")
    refused(d1("matmul", *small, "--checkpoint-every", "5"), 2, "belongs to --checkpoint FILE")
    refused(d1("matmul", *small, "--backend", "golden", "--checkpoint", product), 2, "--backend is golden")
    refused(d1("matmul", "--resume", product), 2, "cannot read the checkpoint")
    refused(d1("matmul", "--resume", talking), 2, "is no checkpoint")
    refused(d1("matmul", "--resume", saved), 2, "holds no matrix product")
    assert d1("matmul", *small, "--checkpoint", product, "--checkpoint-every", "60").code == 0
    for option in (("--m", "9"), ("--bias-a", "3"), ("--array", "1x1"), ("--seed", "1"), ("--spread",)):
        refused(d1("matmul", "--resume", product, *option), 2, f"{option[0]} is what --resume", "leave it out")
    refused(d1("run", talking, "--resume", product), 2, "is a matrix product; d1 matmul --resume goes on with it")
    d1("run", talking, "--config", "tiny", "--checkpoint", run_, "--checkpoint-every", "500", "--max-cycles", "900")
    refused(d1("matmul", "--resume", run_), 2, "holds a run of a program; d1 run --resume goes on with it")
    contents = product.read_bytes()
    for damaged in (contents[:-9], contents[: len(contents) // 2] + b"?" + contents[len(contents) // 2 + 1 :]):
        product.write_bytes(damaged)
        refused(d1("matmul", "--resume", product), 2)
    product.write_bytes(contents)
    monkeypatch.setattr("scripts.d1.product._digest", lambda work: "other")
    assert run(["matmul", "--resume", str(product)]) == 2


def test_accesses_must_be_over(standin: SimulatorLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SimulatedArray(CONFIG, 2, 2, library=standin) as array:
        inner = array._run

        def saving(*arguments: Any) -> Any:
            array.save(tmp_path / "run.d1c")
            return inner(*arguments)

        monkeypatch.setattr(array, "_run", saving)
        with pytest.raises(SimulatorError, match="the host's accesses are not over"):
            array.read(0, 0, 0, 16)
