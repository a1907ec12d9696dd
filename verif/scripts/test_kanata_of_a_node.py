# SPDX-License-Identifier: Apache-2.0
"""What the file for the pipeline viewer says of a real node: the same as the retirement log and the counters."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from golden.config import preset
from golden.layout import DebugControl, DebugRegister, Event, ThreadRegister, debug_offset, thread_offset
from scripts.d1.options import PipelineView
from scripts.d1.pipeline import STAGES, WAITS
from scripts.d1.pipeline_trace import PipelineTrace
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.counters import ThreadCounters, read_counters
from sw.disassembler import disassemble
from sw.host import load_program, run_program, start
from verif.scripts.command import ROOT, d1
from verif.scripts.kanata_reader import ShownInstruction, read_kanata

pytestmark = pytest.mark.rtl

CONFIG = preset("tiny")

#: Two threads that do something of everything: branches that are hard to predict, jumps, late results of all kinds, traps, code
#: that is overwritten, waiting for each other; in the end a jump in the middle of a window, and a loop whose branch is predicted.
PROGRAM = """
_start: csrr s0, mhartid
        andi s0, s0, 3
        la t0, handler
        csrw mtvec, t0
        slli t0, s0, 9
        la s1, data
        add s1, s1, t0
        addi s2, s1, 128
        csrr s3, mnode
        add s3, s3, t0
        li t0, 0x1000
        add s3, s3, t0
        li s5, 0x2545f491
        li s6, 12
        li s7, 1
        bnez s0, again
        la t0, _start
        csrr t1, mnode
        li t2, THREAD1
        add t1, t1, t2
        nsd t0, (t1)
again:  ld a0, 0(s1)
        mul a1, a0, s5
        add a2, a1, a1
        div a3, a2, s5
        sd a3, 8(s1)
        vld v1, 0(s1)
        vadd.f32 v2, v1, v1
        vexp2.f32 v3, v2
        veq.f32 p1, v2, v3
        pmv.x.p a4, p1
        veq.f32 p0, v2, v3
        vst v3, 0(s2)
        mstepz.bf16.mm m0, (s1), (s2)
        mst.f32 m0, (s2)
        li t0, 16
        vlds.8 v4, (s1), t0
        nread v5, (s3)
        nread v6, (s3)
        vst v5, 16(s2)
        vld v6, 0(s1)
        ecall
        slli t0, s5, 13
        xor s5, s5, t0
        srli t0, s5, 7
        xor s5, s5, t0
        andi t0, s5, 1
        beqz t0, 1f
        addi a5, a5, 1
        addi a6, a6, 1
1:      andi t0, s5, 2
        beqz t0, 2f
        jal ra, leaf
2:      bnez s0, other
        spost 1, s7
        swait 2, s7
        j next
other:  swait 1, s7
        spost 2, s7
next:   csrw mscratch, s5
        addi s6, s6, -1
        bnez s6, again
        la t0, leaf
        la t1, patch
        lw t1, 0(t1)
        bnez s0, over
        sw t1, 0(t0)
        fence.i
        jal ra, leaf
        li s6, 40
        beqz zero, 3f
        .align 3
3:      j 4f
        addi a7, a7, 4
4:      nop
count:  addi s6, s6, -1
        add a0, a0, s6
        bnez s6, count
over:   halt zero

leaf:   addi a7, a7, 1
        ret
patch:  addi a7, a7, 2
handler: csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
        .align 9
data:   .zero 1024
"""


@pytest.fixture(scope="module")
def library() -> SimulatorLibrary:
    """The observed simulator of the smallest pipelined preset."""
    return build(CONFIG, observe=True, quick=True)


class Run:
    """A run of the program: what the file shows, the retirement log, the counters."""

    def __init__(self, library: SimulatorLibrary, path: Path, first: int = 0, cycles: int = 1 << 40):
        program = assemble(PROGRAM, config=CONFIG, defines={"THREAD1": thread_offset(1, ThreadRegister.PC)})
        self.symbols = program.symbols
        with SimulatedArray(CONFIG, 1, 1, library=library) as array:
            view = PipelineView(path, 0, 0, first, cycles)
            with PipelineTrace(array, view, program.symbols) as trace:
                array.trace()
                report = run_program(array, program, max_cycles=100_000)
            assert report.passed, report.summary()
            self.log = array.retirements()
            self.counters: list[ThreadCounters] = read_counters(array, [(0, 0)])
            self.notes = trace.notes()
        self.shown: list[ShownInstruction] = read_kanata(path)

    def retired(self, thread: int) -> list[ShownInstruction]:
        """Instructions of a thread that have retired, in the order of the program."""
        mine = [each for each in self.shown if each.thread == thread and not each.flushed]
        return sorted(mine, key=lambda each: each.retirement)


@pytest.fixture(scope="module")
def whole(library: SimulatorLibrary, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of which the file shows everything."""
    return Run(library, tmp_path_factory.mktemp("kanata") / "trace.gz")


def in_x(instruction: ShownInstruction) -> tuple[str, int, int]:
    """The stage of X that an instruction was in, and its cycles."""
    ((stage, (start, end)),) = [item for item in instruction.stages.items() if item[0].startswith("X")]
    return stage, start, end


@pytest.mark.parametrize("thread", range(CONFIG.threads))
def test_what_retires_is_what_the_log_has_number_by_number(whole: Run, thread: int) -> None:
    log = whole.log[(whole.log["thread"] == thread) & (whole.log["trap"] == 0)]
    retired = whole.retired(thread)
    assert len(retired) == len(log) > 200
    for number, (each, record) in enumerate(zip(retired, log, strict=True), start=1):
        pc, cycle = int(record["pc"]), int(record["cycle"])
        assert each.pc == pc
        assert each.label.endswith(disassemble(int(record["insn"]), pc, whole.symbols))
        assert f"number {number} of thread {thread}, cycle {cycle} of the log" in each.detail
        stage, start, end = in_x(each)
        # All but gathers commit in their first cycle in X, which the log shows a cycle later.
        assert start < cycle <= end
        assert start == cycle - 1 or "vlds" in each.label, (stage, each)


@pytest.mark.parametrize("thread", range(CONFIG.threads))
def test_what_traps_is_flushed_and_says_so(whole: Run, thread: int) -> None:
    log = whole.log[(whole.log["thread"] == thread) & (whole.log["trap"] != 0)]
    trapped = [each for each in whole.shown if each.thread == thread and "trapped" in each.detail]
    assert all(each.flushed for each in trapped)
    assert [each.pc for each in trapped] == log["pc"].tolist() != []


def test_stages_follow_each_other_and_take_as_long_as_they_do(whole: Run) -> None:
    for each in whole.shown:
        stages = each.lanes[0]
        assert [stage.name for stage in stages] == sorted((stage.name for stage in stages), key=STAGES.index)
        assert all(before.end == after.start for before, after in pairwise(stages))
        assert stages[0].start == each.start
        assert stages[-1].end == each.end
        assert all(stage.end - stage.start == 1 for stage in stages if stage.name in ("F", "D", "I", "W", "Xalu", "Xctl"))
        for wait in each.lanes.get(1, ()):
            assert each.start < wait.start < wait.end <= each.end


def test_late_results_take_as_long_as_the_contract_says(whole: Run) -> None:
    def lengths(mnemonic: str) -> set[tuple[tuple[str, int], ...]]:
        mine = [each for each in whole.shown if f" {mnemonic} " in each.label and not each.flushed]
        return {
            tuple((stage.name, stage.end - stage.start) for stage in each.lanes[0] if stage.name in ("M", "W")) for each in mine
        }

    assert lengths("ld") == {(("M", 1),)}
    assert lengths("vld") == {(("M", 1), ("W", 1))}
    assert lengths("vlds.8") == {(("M", 1), ("W", 1))}
    assert lengths("mul") == {(("M", 2),)}
    assert lengths("vst") == lengths("add") == lengths("mst.f32") == {()}
    # p0 stays as it is, and nothing waits for it.
    assert lengths("veq.f32") > {()}


def test_arrows_come_from_what_writes_the_operand(whole: Run) -> None:
    pairs = {
        tuple(whole.shown[number].label.split()[2] for number in (each.producers[0], each.number))
        for each in whole.shown
        if each.producers and not each.flushed
    }
    assert pairs >= {("ld", "mul"), ("vadd.f32", "vexp2.f32"), ("veq.f32", "pmv.x.p"), ("div", "sd"), ("nread", "vst")}
    for each in whole.shown:
        if each.producers:
            assert "operand" in {wait.name for wait in each.lanes[1]}


def test_counts_are_those_of_the_counters(whole: Run) -> None:
    for counters in whole.counters:
        assert counters.pipes is not None
        assert counters.stalls is not None
        retired = whole.retired(counters.thread)
        assert len(retired) == counters.retired
        pipes = Counter(in_x(each)[0] for each in retired)
        assert pipes["Xalu"] + pipes["Xctl"] == counters.pipes[Event.INTEGER]
        for stage, event in (("Xld", Event.LOAD), ("Xst", Event.STORE), ("Xsimd", Event.SIMD), ("Xmat", Event.MATRIX)):
            assert pipes[stage] == counters.pipes[event] > 0
        waits: Counter[str] = Counter()
        for each in whole.shown:
            if each.thread == counters.thread:
                issued = each.stages.get("I", (each.end, 0))[0]
                for wait in each.lanes.get(1, ()):
                    if wait.start < issued:
                        waits[wait.name] += wait.end - wait.start
        assert waits == Counter({name: counters.stalls[Event(event)] for event, name in WAITS.items()})


def test_a_window_shows_what_the_whole_shows_there(whole: Run, library: SimulatorLibrary, tmp_path: Path) -> None:
    middle = int(np.median([each.start for each in whole.shown]))
    part = Run(library, tmp_path / "part", middle, 50)
    first = next(each.start for each in whole.shown if each.start >= middle)
    expected = [each for each in whole.shown if first <= each.start < first + 50]
    assert [(each.label, each.lanes, each.end, each.flushed, each.sequence, each.detail) for each in part.shown] == [
        (each.label, each.lanes, each.end, each.flushed, each.sequence, each.detail) for each in expected
    ]
    assert "--kanata-cycles shows more" in part.notes[1]
    assert len(whole.notes) == 1


def test_the_log_comes_with_the_file_unless_that_is_not_wanted(tmp_path: Path) -> None:
    source, log, path = tmp_path / "program.s", tmp_path / "run.log", tmp_path / "run.kanata"
    source.write_text("_start: li a0, 0\nhalt a0\n")
    arguments = ("run", source, "--config", "tiny", "--trace", log)
    assert d1(*arguments, "--no-kanata").code == 0
    assert not path.exists()
    for _ in range(2):
        outcome = d1(*arguments)
        assert outcome.code == 0, outcome
        assert f"konata.sh {path}" in outcome.stderr
        retired = [each for each in read_kanata(path) if not each.flushed]
        assert [f"{each.pc:#x}" for each in retired] == [line.split()[2] for line in log.read_text().splitlines()]


def test_the_command_writes_the_file_and_names_the_viewer(tmp_path: Path) -> None:
    source, path, log = tmp_path / "program.s", tmp_path / "trace.gz", tmp_path / "log"
    source.write_text("_start: li a0, 3\nloop: addi a0, a0, -1\nbnez a0, loop\nhalt a0\n")
    outcome = d1(
        "run",
        source,
        "--config",
        "tiny",
        "--array",
        "1x2",
        "--kanata",
        path,
        "--kanata-node",
        "0,1",
        "--trace",
        log,
    )
    assert outcome.code == 0, outcome
    assert f"pipeline of node row 0, column 1: konata.sh {path}" in outcome.stderr
    retired = [each for each in read_kanata(path) if not each.flushed]
    expected = [line.split()[2] for line in log.read_text().splitlines() if " r0c1t0 " in line]
    assert [f"{each.pc:#x}" for each in retired] == expected
    assert [each.label.split(maxsplit=1)[1] for each in retired[:2]] == ["<_start> addi a0, zero, 3", "<loop> addi a0, a0, -1"]


def test_what_a_debugger_injects_is_shown_and_not_counted(library: SimulatorLibrary, tmp_path: Path) -> None:
    program = assemble(
        "_start: li s0, 400\nloop: addi a0, a0, 1\naddi s0, s0, -1\nebreak\nbnez s0, loop\nhalt zero\n", config=CONFIG
    )
    inserted = assemble("addi a0, zero, 5\nmul a1, a0, a0\nld a2, 0(a1)\n", config=CONFIG).segments[0][1]
    path = tmp_path / "trace"

    def debug(register: DebugRegister, value: int) -> None:
        array.write_register(0, 0, debug_offset(0, register), value)

    with SimulatedArray(CONFIG, 1, 1, library=library) as array:
        with PipelineTrace(array, PipelineView(path, 0, 0, 0, 10_000), program.symbols):
            array.trace()
            load_program(array, program)
            debug(DebugRegister.CONTROL, DebugControl.EBREAK)
            start(array, 0, 0, 0, program.entry)
            array.run(100)
            for at in range(0, 12, 4):
                debug(DebugRegister.INSTRUCTION, int.from_bytes(inserted[at : at + 4], "little"))
                array.run(50)
            debug(
                DebugRegister.INSTRUCTION,
                int.from_bytes(assemble("addi s0, zero, 0\n", config=CONFIG).segments[0][1][:4], "little"),
            )
            debug(DebugRegister.CONTROL, 0)
            array.write_register(0, 0, thread_offset(0, ThreadRegister.PC), program.symbols["loop"] + 12)
            array.run(1000)
        log = array.retirements()
    shown = read_kanata(path)
    injected = [each for each in shown if each.label.startswith("(injected)")]
    assert [each.label.split()[1] for each in injected] == ["addi", "mul", "ld", "addi"]
    assert ["trapped" in each.detail for each in injected] == [False, False, True, False]
    assert sum("not executed" in each.detail for each in shown) == 1
    retired = [each.pc for each in shown if not each.flushed and each not in injected]
    assert retired == log["pc"].tolist() != []


def picture(shown: list[ShownInstruction]) -> list[str]:
    """A line for each instruction, a letter for each cycle."""
    first = min(each.start for each in shown)
    lines = []
    for each in shown:
        letters = " " * (each.start - first) + "".join(stage.name[0] * (stage.end - stage.start) for stage in each.lanes[0])
        waits = [f"{wait.name} {wait.end - wait.start}" for wait in each.lanes.get(1, ())]
        remarks = ", ".join([*(["flushed"] if each.flushed else []), *waits])
        lines.append(f"{each.label.split(maxsplit=1)[1]:<32}{letters:<28}{remarks}".rstrip())
    return lines


def test_the_example_of_the_documentation_is_what_the_file_shows(library: SimulatorLibrary, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "pipeline-view.md").read_text()
    source, drawn = (re.search(rf"^```{kind}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) for kind in ("asm", "text"))
    assert source is not None
    assert drawn is not None
    program = assemble(source[1], config=CONFIG)
    path = tmp_path / "loop"
    view = PipelineView(path, 0, 0, 0, 1000)
    with SimulatedArray(CONFIG, 1, 1, library=library) as array, PipelineTrace(array, view, program.symbols):
        assert run_program(array, program, max_cycles=1000).passed
    assert picture(read_kanata(path)) == drawn[1].splitlines()
