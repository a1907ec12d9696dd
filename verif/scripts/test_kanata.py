# SPDX-License-Identifier: Apache-2.0
"""The file for the pipeline viewer: its format, what it says of instructions, and that it is bounded."""

from __future__ import annotations

import gc
import gzip
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from golden.config import preset
from golden.layout import Event
from scripts.d1.instruction_facts import ResultKind, Write
from scripts.d1.kanata import KanataFile, may_be_replaced
from scripts.d1.options import beside
from scripts.d1.pipeline import Execution, Issue, ObservedCycle, PipelineFollower
from sw.assembler import assemble
from verif.scripts.command import d1, refused
from verif.scripts.kanata_reader import ShownInstruction, read_kanata

BASE = 0x8000_0000
ALU, CONTROL, LOAD, STORE, SIMD, MATRIX = range(6)


#: What the machine below executes, by pipe: instructions without a late result, and with one.
PLAIN = {ALU: "addi a0, a0, 1", CONTROL: "beq a0, a1, _start", STORE: "sd a0, (a1)", MATRIX: "mzero m0"}
LATE = {
    CONTROL: ("mul a2, a0, a1", ResultKind.SCALAR, 12),
    LOAD: ("ld a1, (a0)", ResultKind.SCALAR, 11),
    SIMD: ("vadd.f32 v3, v1, v2", ResultKind.VECTOR, 3),
}


def words(*source: str) -> list[int]:
    """Instruction words of lines of assembler."""
    (_, contents), *_ = assemble("_start:\n" + "\n".join(source) + "\n", config=preset("tiny")).segments
    return [int.from_bytes(contents[at : at + 4], "little") for at in range(0, 4 * len(source), 4)]


def follow(
    path: Path, shown: list[ObservedCycle | tuple[ObservedCycle, list[Write]]], threads: int = 1, **options: object
) -> list[ShownInstruction]:
    """What the file shows of some cycles."""
    with KanataFile(path) as file:
        follower = PipelineFollower(file, threads, {"_start": BASE}, **options)  # type: ignore[arg-type]
        for each in shown:
            observed, writes = each if isinstance(each, tuple) and not isinstance(each, ObservedCycle) else (each, [])
            follower.cycle(observed, writes)
        follower.close()
    return read_kanata(path)


def test_an_instruction_passes_its_stages(tmp_path: Path) -> None:
    path = tmp_path / "trace.kanata"
    add, load = words("addi a0, zero, 3", "ld a1, (a0)")
    (first, second) = follow(
        path,
        [
            ObservedCycle(7, fetch=(0, BASE, (add, load))),
            ObservedCycle(9, decode=(2,)),
            ObservedCycle(10, issues=[Issue(ALU, 0, 0)]),
            ObservedCycle(11, issues=[Issue(LOAD, 0, 0)], stalls=(0,), commits=1 << ALU),
            ObservedCycle(12, stays=1 << LOAD, waits=1 << LOAD, commits=1 << LOAD),
            ObservedCycle(13),
            (ObservedCycle(14), [Write(0, ResultKind.SCALAR, 11)]),
        ],
    )
    assert first.stages == {"F": (7, 8), "b": (8, 9), "D": (9, 10), "I": (10, 11), "Xalu": (11, 12)}
    assert second.stages == {
        "F": (7, 8), "b": (8, 9), "D": (9, 10), "q": (10, 11), "I": (11, 12), "Xld": (12, 14), "M": (14, 15)
    }  # fmt: skip
    assert [(stage.name, stage.start, stage.end) for stage in second.lanes[1]] == [("bank", 12, 13)]
    assert [first.end, second.end, first.retirement, second.retirement] == [12, 15, 0, 1]
    assert first.label == "0x80000000 <_start> addi a0, zero, 3"
    assert second.label == "0x80000004 <_start+0x4> ld a1, 0(a0)"
    assert "number 2 of thread 0" in second.detail


@dataclass
class Machine:
    """Makes up what a pipeline might do, and keeps the books of it by itself.

    Members
    -------
    cycles : list of (ObservedCycle, writes)
    retired : list of (cycle, address, word) per thread, in the order of the program
    left : list per thread of the last cycles in X of these
    fetched, flushed, issued : int
    """

    seed: int
    threads: int
    cycles: list[tuple[ObservedCycle, list[Write]]] = field(default_factory=list)
    fetched: int = 0
    flushed: int = 0
    issued: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.retired: list[list[tuple[int, int, int]]] = [[] for _ in range(self.threads)]
        self.left: list[list[int]] = [[] for _ in range(self.threads)]
        self.kinds: dict[int, tuple[int, Write | None]] = {}
        for pipe, source in PLAIN.items():
            self.kinds[words(source)[0]] = pipe, None
        for pipe, (source, kind, register) in LATE.items():
            self.kinds[words(source)[0]] = pipe, Write(0, kind, register)
        #: (address, word) of what is fetched and decoded; of what is in X also its thread, age and whether it has committed.
        self.buffers: list[list[tuple[int, int]]] = [[] for _ in range(self.threads)]
        self.queues: list[list[tuple[int, int]]] = [[] for _ in range(self.threads)]
        self.pipes: dict[int, tuple[int, int, int, int]] = {}
        #: The number, in its thread, of what stays in X behind its commit.
        self.staying: dict[int, int] = {}
        self.coming: list[tuple[int, Write]] = []
        self.age = 0

    def run(self, count: int) -> None:
        """Go through so many cycles, of which some show nothing."""
        now = 100
        for _ in range(count):
            now += 1 if self.pipes else self.random.choice((1, 1, 2, 9))
            self.step(now)

    def step(self, now: int) -> None:
        """One cycle."""
        chance = self.random.random
        stay = killed = commits = traps = 0
        bad: dict[int, int] = {}
        # The oldest first: what is younger in the same thread is killed by one that goes on elsewhere.
        for pipe, (thread, age, pc, word) in sorted(self.pipes.items(), key=lambda item: item[1][1]):
            bit, fate = 1 << pipe, chance()
            stays = pipe in (LOAD, STORE, MATRIX) and fate < 0.3
            if pipe in self.staying:
                self.left[thread][self.staying[pipe]] = now
            elif bad.get(thread, age) < age:
                killed |= bit
                self.flushed += 1
            elif pipe == CONTROL and fate < 0.2:
                bad[thread] = age
                if fate < 0.1:
                    commits, traps = commits | bit, traps | bit
                self.flushed += 1
            else:
                if pipe == CONTROL and fate < 0.5:
                    bad[thread] = age
                commits |= bit
                self.retired[thread].append((now, pc, word))
                self.left[thread].append(now)
                self.staying[pipe] = len(self.retired[thread]) - 1
            if stays and pipe in self.staying:
                stay |= bit
                continue
            late = self.kinds[word][1]
            if late is not None and self.staying.pop(pipe, None) is not None:
                self.coming.append((now + self.random.randint(1, 12), late._replace(thread=thread)))
            self.staying.pop(pipe, None)
            del self.pipes[pipe]
        writes = [write for due, write in self.coming if due <= now]
        self.coming = [each for each in self.coming if each[0] > now]
        redirect = sum(1 << thread for thread in bad)

        issues: list[Issue] = []
        busy = {write for _, write in self.coming} | set(writes)
        for thread, _, _, word in self.pipes.values():
            late = self.kinds[word][1]
            if late:
                busy.add(late._replace(thread=thread))
        for thread in range(self.threads):
            for slot in range(self.random.randint(0, 2)):
                if redirect >> thread & 1 or not self.queues[thread]:
                    break
                pc, word = self.queues[thread][0]
                pipe, late = self.kinds[word]
                if pipe in self.pipes or (late and late._replace(thread=thread) in busy):
                    break
                self.queues[thread].pop(0)
                issues.append(Issue(pipe, thread, slot))
                self.pipes[pipe] = thread, self.age, pc, word
                self.age += 1
                self.issued += 1
                if late:
                    busy.add(late._replace(thread=thread))
        decode = [0] * self.threads
        for thread, buffer in enumerate(self.buffers):
            decode[thread] = self.random.randint(0, len(buffer))
            self.queues[thread] += buffer[: decode[thread]]
            del buffer[: decode[thread]]
        fetch = None
        if chance() < 0.7:
            thread = self.random.randrange(self.threads)
            pc = BASE + 4 * self.random.randrange(16)
            code = [self.random.choice(list(self.kinds)) for _ in range(self.random.randint(1, 4))]
            fetch = thread, pc, code
            self.buffers[thread] += [(pc + 4 * place, word) for place, word in enumerate(code)]
            self.fetched += len(code)
        correct = self.random.getrandbits(self.threads) if chance() < 0.1 else 0
        for thread in range(self.threads):
            dropped = [self.buffers[thread]] if (correct | redirect) >> thread & 1 else []
            dropped += [self.queues[thread]] if redirect >> thread & 1 else []
            for held in dropped:
                self.flushed += len(held)
                held.clear()
        self.random.shuffle(issues)
        observed = ObservedCycle(
            now,
            fetch=fetch,
            decode=decode,
            correct=correct,
            redirect=redirect,
            issues=issues,
            stays=stay,
            waits=stay & 1 << LOAD,
            killed=killed,
            commits=commits,
            traps=traps,
        )
        self.cycles.append((observed, writes))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threads", [1, 4])
def test_whatever_is_fetched_ends_once_and_what_retires_is_numbered_as_the_program_goes(
    tmp_path: Path, seed: int, threads: int
) -> None:
    machine = Machine(seed, threads)
    machine.run(400)
    shown = follow(tmp_path / "trace.kanata.gz", list(machine.cycles), threads)
    left = machine.fetched - machine.flushed - sum(map(len, machine.retired))
    assert len(shown) == machine.fetched
    assert sum(each.flushed for each in shown) - sum("under way" in each.detail for each in shown) == machine.flushed
    assert left == sum("under way" in each.detail for each in shown)
    assert sum(each.stages.get("I") is not None for each in shown) == machine.issued
    for thread in range(threads):
        mine = [each for each in shown if each.thread == thread]
        assert [each.sequence for each in mine] == list(range(len(mine)))
        retired = sorted((each for each in mine if not each.flushed), key=lambda each: each.retirement)
        assert retired == [each for each in mine if not each.flushed], "they retire in the order in which they were fetched"
        expected = machine.retired[thread]
        assert [each.pc for each in retired] == [pc for _, pc, _ in expected]
        for number, (each, (cycle, _, _)) in enumerate(zip(retired, expected, strict=True), start=1):
            assert f"number {number} of thread {thread}, cycle {cycle + 1} of the log" in each.detail
            (in_x,) = [span for stage, span in each.stages.items() if stage.startswith("X")]
            assert in_x == (cycle, machine.left[thread][number - 1] + 1)


def test_what_waits_in_a_queue_is_shown_there_with_what_it_waits_for(tmp_path: Path) -> None:
    """Two SIMD operations, of which the second needs what the first writes, and a step that SRAM does not grant at once."""
    code = words("vadd.f32 v3, v1, v2", "vadd.f32 v4, v3, v2", "mstep.bf16.mm m0, (a0), (a1)")
    starved = (1, 0)
    first, second, step = follow(
        tmp_path / "trace.kanata",
        [
            ObservedCycle(0, fetch=(0, BASE, code)),
            ObservedCycle(1, decode=(3,)),
            ObservedCycle(2, issues=[Issue(SIMD, 0, 0)]),
            ObservedCycle(3, issues=[Issue(SIMD, 0, 0), Issue(MATRIX, 0, 1)], commits=1 << SIMD, executions=[Execution(SIMD, 0)]),
            ObservedCycle(4, commits=1 << SIMD | 1 << MATRIX, starved=starved, executions=[Execution(MATRIX, 0, True, True)]),
            ObservedCycle(5, starved=starved, executions=[Execution(MATRIX, 0)]),
            (ObservedCycle(6, starved=starved), [Write(0, ResultKind.VECTOR, 3)]),
            ObservedCycle(7),
            ObservedCycle(8, executions=[Execution(SIMD, 0)]),
            ObservedCycle(9),
            (ObservedCycle(10), [Write(0, ResultKind.VECTOR, 4)]),
        ],
        queues=True,
    )
    assert [(stage.name, stage.start, stage.end) for stage in first.lanes[0]][-3:] == [("Xsimd", 3, 4), ("M", 4, 6), ("W", 6, 7)]
    assert [(stage.name, stage.start, stage.end) for stage in second.lanes[0]][-6:] == [
        ("I", 3, 4), ("Xsimd", 4, 5), ("Q", 5, 8), ("E", 8, 9), ("M", 9, 10), ("W", 10, 11)
    ]  # fmt: skip
    assert [(stage.name, stage.start, stage.end) for stage in second.lanes[1]] == [("operand", 4, 7)]
    assert second.producers == [first.number]
    assert [(stage.name, stage.start, stage.end) for stage in step.lanes[0]][-2:] == [("I", 3, 4), ("Xmat", 4, 6)]
    assert [(stage.name, stage.start, stage.end) for stage in step.lanes[1]] == [("bank", 4, 5)]


def cycles_of(count: int) -> list[ObservedCycle]:
    """An instruction a cycle: each is fetched, decoded, issued and executed in four cycles that follow each other."""
    (word,) = words("addi a0, zero, 3")
    return [
        ObservedCycle(
            cycle,
            fetch=(0, BASE, (word,)) if cycle < count else None,
            decode=(int(0 < cycle <= count),),
            issues=[Issue(ALU, 0, 0)] if 1 < cycle <= count + 1 else (),
            commits=1 << ALU if 2 < cycle <= count + 2 else 0,
        )
        for cycle in range(count + 3)
    ]


def test_a_window_of_cycles_shows_what_is_fetched_in_it_and_numbers_what_retires_before(tmp_path: Path) -> None:
    shown = follow(tmp_path / "trace", [*cycles_of(50)], first=10, cycles=5)
    assert [each.start for each in shown] == [10, 11, 12, 13, 14]
    assert [each.retirement for each in shown] == [0, 1, 2, 3, 4]
    assert "number 11 of thread 0" in shown[0].detail
    assert not any(each.flushed for each in shown)


def test_the_follower_is_done_when_the_last_instruction_of_its_window_has_ended(tmp_path: Path) -> None:
    with KanataFile(tmp_path / "trace") as file:
        follower = PipelineFollower(file, 1, first=10, cycles=5)
        done = []
        for observed in cycles_of(50):
            follower.cycle(observed)
            done.append(follower.done)
    # What is fetched in cycle 14 executes in 17, and its end is written with the cycle behind.
    assert done.index(True) == 18
    assert follower.left_out


def test_memory_holds_what_is_under_way_and_not_what_has_ended(tmp_path: Path) -> None:
    def alive(count: int) -> int:
        with KanataFile(tmp_path / "trace") as file:
            follower = PipelineFollower(file, 1)
            for each in cycles_of(count)[:-3]:
                follower.cycle(each)
            return sum(type(each).__name__ == "_Instruction" for each in gc.get_objects())

    assert alive(2000) == alive(200) <= 8


def test_files_that_end_in_gz_are_compressed_and_show_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "trace", tmp_path / "trace.gz"
    assert follow(plain, [*cycles_of(200)]) == follow(packed, [*cycles_of(200)])
    assert packed.stat().st_size < plain.stat().st_size / 3


def test_why_the_oldest_instruction_waits_is_shown_as_long_as_it_does(tmp_path: Path) -> None:
    pair = words("addi a0, zero, 3", "addi a1, a0, 3")
    stalls = [0, 0, Event.OPERAND, Event.OPERAND, Event.STRUCTURAL, 0, Event.FETCH, Event.FETCH]
    cycles = [
        ObservedCycle(
            cycle,
            fetch=(0, BASE, pair) if cycle == 0 else None,
            decode=(2 * (cycle == 1),),
            issues=[Issue(ALU, 0, 0), Issue(CONTROL, 0, 1)] if cycle == 5 else (),
            commits=(1 << ALU | 1 << CONTROL) * (cycle == 6),
            stalls=(stall,),
        )
        for cycle, stall in enumerate(stalls)
    ]
    first, second = follow(tmp_path / "trace", [*cycles])
    assert [(stage.name, stage.start, stage.end) for stage in first.lanes[1]] == [("operand", 2, 4), ("structural", 4, 5)]
    assert 1 not in second.lanes


def test_an_arrow_leads_from_the_last_writer_to_what_has_waited_for_an_operand(tmp_path: Path) -> None:
    code = words("addi a1, zero, 3", "ld a1, 0(a0)", "addi a2, a1, 3", "addi a3, a1, 3")
    cycles: list[ObservedCycle | tuple[ObservedCycle, list[Write]]] = [
        ObservedCycle(0, fetch=(0, BASE, code)),
        ObservedCycle(1, decode=(4,)),
        ObservedCycle(2, issues=[Issue(ALU, 0, 0)]),
        ObservedCycle(3, issues=[Issue(LOAD, 0, 0)], commits=1 << ALU),
        ObservedCycle(4, commits=1 << LOAD, stalls=(Event.OPERAND,)),
        (ObservedCycle(5, issues=[Issue(ALU, 0, 0), Issue(CONTROL, 0, 1)]), [Write(0, ResultKind.SCALAR, 11)]),
        ObservedCycle(6, commits=1 << ALU | 1 << CONTROL),
    ]
    shown = follow(tmp_path / "trace", cycles)
    assert [each.producers for each in shown] == [[], [], [1], []]


def test_a_response_that_does_not_come_ends_when_its_register_has_another_writer(tmp_path: Path) -> None:
    pair = words("vld v3, 0(a0)", "vld v3, 0(a1)")
    first, second = follow(
        tmp_path / "trace",
        [
            ObservedCycle(0, fetch=(0, BASE, pair)),
            ObservedCycle(1, decode=(2,)),
            ObservedCycle(2, issues=[Issue(LOAD, 0, 0)]),
            ObservedCycle(3, commits=1 << LOAD),
            ObservedCycle(20, issues=[Issue(LOAD, 0, 0)]),
            ObservedCycle(21, commits=1 << LOAD),
            (ObservedCycle(23), [Write(0, ResultKind.VECTOR, 3)]),
        ],
    )
    assert "has not come" in first.detail
    assert not first.flushed
    assert (first.stages["M"], first.end) == ((4, 22), 22)
    assert (second.stages["M"], second.stages["W"], second.end) == ((22, 23), (23, 24), 24)


def test_what_a_debugger_injects_is_shown_and_not_counted(tmp_path: Path) -> None:
    add, move = words("addi a0, zero, 3", "addi a1, a0, 0")

    def passing(at: int, **enters: object) -> list[ObservedCycle]:
        return [
            ObservedCycle(at, **enters),  # type: ignore[arg-type]
            ObservedCycle(at + 1, decode=(1,)),
            ObservedCycle(at + 2, issues=[Issue(ALU, 0, 0)]),
            ObservedCycle(at + 3, commits=1 << ALU),
        ]

    shown = follow(
        tmp_path / "trace",
        [
            *passing(0, fetch=(0, BASE, (add,))),
            *passing(10, injections=[(0, move)]),
            *passing(20, fetch=(0, BASE + 4, (add,))),
        ],
    )
    assert [each.label for each in shown][1] == "(injected) addi a1, a0, 0"
    assert [each.stages for each in shown[1:2]] == [{"F": (10, 11), "D": (11, 12), "I": (12, 13), "Xalu": (13, 14)}]
    assert "not counted" in shown[1].detail
    assert "number 2 of thread 0" in shown[2].detail
    assert not any(each.flushed for each in shown)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--backend", "golden"), "--backend rtl"),
        (("--config", "nano"), "sequential"),
        (("--kanata-node", "1,0"), "--kanata-node 1,0 is not in an array of 1x1"),
        (("--kanata-node", "1"), "write row,column, such as 0,1"),
        (("--kanata-cycles", "0"), "--kanata-cycles"),
        (("--backend", "/dev/none"), "--kanata looks into a simulated array"),
    ],
)
def test_what_has_no_pipeline_to_show_is_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    source = tmp_path / "program.s"
    source.write_text("_start: halt zero\n")
    path = tmp_path / "trace"
    refused(d1("run", source, "--config", "tiny", "--kanata", path, *options), 2, message)
    assert not path.exists()


def test_options_of_the_file_need_the_file(tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("_start: halt zero\n")
    refused(d1("run", source, "--kanata-from", "7"), 2, "--kanata-from belongs to --kanata FILE")
    refused(d1("run", source, "--trace", "a", "--kanata-from", "7", "--no-kanata"), 2, "contradict")
    refused(d1("run", source, "--trace", "a", "--kanata", "a"), 2, "both name a")


def test_where_there_is_no_pipeline_the_log_is_written_alone(tmp_path: Path) -> None:
    source, log = tmp_path / "program.s", tmp_path / "run.log"
    source.write_text("_start: halt zero\n")
    outcome = d1("run", source, "--config", "tiny", "--backend", "golden", "--trace", log)
    assert outcome.code == 0
    assert "pipeline" not in outcome.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.s", "run.log"]


def test_a_file_that_is_no_kanata_file_is_not_overwritten(tmp_path: Path) -> None:
    source, log, other = tmp_path / "program.s", tmp_path / "run.log", tmp_path / "run.kanata"
    source.write_text("_start: halt zero\n")
    other.write_text("precious")
    refused(d1("run", source, "--config", "tiny", "--trace", log), 2, "run.kanata is there", "--kanata", "--no-kanata")
    assert other.read_text() == "precious"
    assert not log.exists()


@pytest.mark.parametrize("name", ["trace", "trace.gz"])
def test_a_file_may_be_replaced_if_nothing_else_is_lost(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert may_be_replaced(path)
    path.write_bytes(b"")
    assert may_be_replaced(path)
    KanataFile(path).close()
    assert may_be_replaced(path)
    path.write_bytes(gzip.compress(b"precious") if name.endswith(".gz") else b"precious")
    assert not may_be_replaced(path)
    path.write_bytes(b"\x1f\x8b")
    assert not may_be_replaced(path)
    assert may_be_replaced(Path("/dev/null"))


@pytest.mark.parametrize(
    "trace, expected",
    [("run.log", "run.kanata"), ("trace", "trace.kanata"), ("a.kanata", "a.kanata.kanata"), ("/dev/null", None)],
)
def test_the_file_lies_beside_the_log(trace: str, expected: str | None) -> None:
    assert beside(Path(trace)) == (None if expected is None else Path(expected))
