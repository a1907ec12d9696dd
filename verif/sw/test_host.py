# SPDX-License-Identifier: Apache-2.0
"""The host runtime on the golden array: what it reports is what happened, and every failure is told apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from golden.config import CONTROL_PAGE_OFFSET, PRESETS, NodeConfig
from golden.layout import (
    LIST_BLOCK,
    LIST_START,
    SRAM_BASE,
    Cause,
    ControlRegister,
    DebugCommand,
    DebugRegister,
    Kind,
    ListRegister,
    control_offset,
    debug_offset,
    semaphore_offset,
)
from golden.mesh import GoldenArray
from golden.packet import Packet
from golden.program import Program, ProgramError
from sw.assembler import assemble
from sw.host import ArrayBackend, HostError, RunReport, load_program, read_blocks, run_program, start, write_blocks
from sw.list_report import ListFailure

EXAMPLES = Path(__file__).resolve().parents[2] / "sw" / "examples"
TINY = PRESETS["tiny"]


def run(source: str, rows: int = 1, columns: int = 1, config: NodeConfig = TINY, max_cycles: int = 10_000) -> RunReport:
    array: ArrayBackend = GoldenArray(config, rows, columns)
    return run_program(array, assemble(source, "test.s", config=config), max_cycles)


#: Examples that are about several threads of a node.
THREADS_OF = {"semaphores": 2}


@pytest.mark.parametrize(
    ("example", "preset"),
    [
        (path.stem, name)
        for path in sorted(EXAMPLES.glob("*.s"))
        for name, config in PRESETS.items()
        if config.threads >= THREADS_OF.get(path.stem, 1)
    ],
)
def test_every_example_passes_on_every_preset(example: str, preset: str) -> None:
    source = (EXAMPLES / f"{example}.s").read_text()
    report = run(source, rows=2, columns=2, config=PRESETS[preset])
    assert report.passed, report.summary()
    assert all(node.retired > 0 for node in report.nodes)


@pytest.mark.parametrize("code", [0, 1, 41, (1 << 47) - 1])
def test_exit_code_of_tohost_is_reported(code: int) -> None:
    source = f"li t0, {code << 1 | 1}\nla t1, tohost\nsd t0, 0(t1)\n1: j 1b\n.data\n.balign 8\ntohost: .dword 0"
    report = run(source)
    assert [node.exit_code for node in report.nodes] == [code]
    assert report.passed == (code == 0)


@pytest.mark.parametrize("code", [0, 7])
def test_exit_code_of_halt_is_reported(code: int) -> None:
    report = run(f"li a0, {code}\nhalt a0")
    assert report.reason == "ended"
    assert report.nodes[0].exit_code == code
    assert report.nodes[0].retired == 2
    assert report.passed == (code == 0)


def test_one_failing_node_fails_the_run_and_is_named() -> None:
    # Only the node with x = 1, y = 1 has a hart number with both bits set.
    source = "csrr t0, mhartid\nsrli t1, t0, 15\nsrli t0, t0, 2\nand a0, t0, t1\nandi a0, a0, 1\nhalt a0"
    report = run(source, rows=2, columns=2)
    assert [node.exit_code for node in report.nodes] == [0, 0, 0, 1]
    assert not report.passed
    assert "row 1, column 1: exit code 1" in report.summary()


def test_trap_is_reported_with_thread_pc_cause_and_value() -> None:
    report = run("nop\n.word 0\nhalt zero")
    trap = report.nodes[0].trap
    assert trap is not None
    assert (trap.thread, trap.pc, trap.cause, trap.value) == (0, SRAM_BASE + 4, Cause.ILLEGAL_INSTRUCTION, 0)
    assert not report.passed
    assert "ILLEGAL_INSTRUCTION" in report.summary()


def test_cycle_limit_is_reported_with_every_thread() -> None:
    report = run("1: j 1b", rows=1, columns=2, max_cycles=500)
    assert report.reason == "limit"
    assert not report.passed
    assert report.cycles == 500
    assert len(report.threads) == 2 * TINY.threads
    assert [thread.state for thread in report.threads] == ["RUNNING", "HALTED"] * 2
    assert report.nodes[0].exit_code is None


def test_deadlock_is_reported_with_every_thread_and_what_it_waits_for() -> None:
    report = run("li t0, 3\nspost 2, t0\nli t0, 5\nswait 2, t0\nhalt zero")
    assert report.reason == "deadlock"
    waiting = report.threads[0]
    assert (waiting.state, waiting.semaphore, waiting.needed, waiting.value) == ("WAITING", 2, 5, 3)
    assert "no thread can go on" in report.summary()
    assert "semaphore 2 holds 3 of 5" in report.summary()


STOP_ITSELF = f"""
    li t0, {debug_offset(0, DebugRegister.COMMAND)}
    csrr t1, mnode
    or t0, t0, t1
    li t1, {DebugCommand.STOP:d}
    nsd t1, (t0)
"""


def test_stopped_threads_are_named_and_have_not_passed() -> None:
    report = run(f"{STOP_ITSELF}halt zero", columns=2)
    assert (report.reason, report.passed) == ("stopped", False)
    assert "a debugger has stopped threads" in report.summary()
    assert "node row 0, column 0, thread 0: STOPPED at pc 0x80" in report.summary()
    assert [node.exit_code for node in report.nodes] == [None, None]
    assert len(report.threads) == 2 * TINY.threads


def test_an_exit_by_tohost_counts_beside_a_stopped_thread_but_the_run_has_not_passed() -> None:
    array = GoldenArray(TINY, 1, 1)
    array.write_register(0, 0, debug_offset(1, DebugRegister.COMMAND), DebugCommand.STOP)
    report = run_program(array, assemble((EXAMPLES / "exit.s").read_text()), 1000)
    assert (report.reason, report.passed, report.nodes[0].exit_code) == ("stopped", False, 0)


def test_report_is_valid_json_with_the_documented_keys() -> None:
    report = run("ebreak")
    data = json.loads(json.dumps(report.as_dict()))
    assert data["passed"] is False
    known = {"row", "column", "exit_code", "retired", "trap", "overflowed_semaphore", "lost_links", "dropped", "answers"}
    assert set(data["nodes"][0]) == known | {"failed_lists", "ignored_lists", "unhandled_errors"}
    assert set(data["nodes"][0]["trap"]) == {"thread", "pc", "cause", "value"}


#: The node in column 1 posts semaphore 2 of the one in column 0 beyond what it counts to; 3 overflows after it.
OVERFLOW = """
    csrr t0, mnode
    srli t1, t0, 21
    beqz t1, waiting
    li t2, SEMAPHORES
    add t0, zero, t2
    li t1, 65535
    nsd t1, (t0)
    li t1, 1
    nsd t1, (t0)
    addi t0, t0, 8
    li t1, 65535
    nsd t1, (t0)
    nsd t1, (t0)
    addi t0, t0, -16
    nsd t1, (t0)
    halt zero
waiting:
    li t1, 65535
    swait 1, t1
    halt zero
""".replace("SEMAPHORES", str(semaphore_offset(2)))


def test_a_semaphore_that_overflows_makes_the_run_fail_and_is_named_once() -> None:
    array = GoldenArray(TINY, 1, 2)
    report = run_program(array, assemble(OVERFLOW, config=TINY), 10_000)
    assert (report.reason, report.passed) == ("ended", False)
    assert [(node.passed, node.exit_code, node.overflowed_semaphore) for node in report.nodes] == [(False, 0, 2), (True, 0, None)]
    expected = "node row 0, column 0: exit code 0, and semaphore 2 overflowed: it was posted beyond 65,535"
    assert report.summary() == f"1 of 2 nodes failed\n{expected}"
    # Those that come later are not blamed for it.
    assert run_program(array, assemble("halt zero"), 100).passed


def test_an_overflow_is_named_in_a_run_that_does_not_end() -> None:
    report = run("li t0, 65535\nspost 3, t0\nspost 3, t0\nli t1, 1\nswait 2, t1\nhalt zero")
    assert report.reason == "deadlock"
    assert "semaphore 3 overflowed" in report.summary()


#: The node in column 0 starts lists in that of column 1 by packets, at offsets that the table names.
STARTS = """
_start: csrr t0, mnode
        srli t0, t0, 21
        bnez t0, done
        la t0, table
        li t1, (1 << 21) + LIST_START
loop:   ld t2, (t0)
        beqz t2, done
        nsd t2, (t1)
        addi t0, t0, 8
        j loop
done:   halt zero
        .align 7
blank:  .zero 128
endless: .dword 0x104c01, to_0, to_1, endless - 0x80000000, 0, 0, 0, 0, 1 | 1 << 32, 0, 0, 0, 0, 0, 0, 0
table:  .dword OFFSETS, 0
        .equ to_0, (1 << 21) + 0x1000
        .equ to_1, (1 << 21) + 0x1800
""".replace("LIST_START", str(CONTROL_PAGE_OFFSET + LIST_START))


def list_starts(*offsets: str) -> Program:
    return assemble(STARTS.replace("OFFSETS", ", ".join(f"{offset} - 0x80000000" for offset in offsets)), config=TINY)


def test_a_list_that_a_packet_starts_and_that_fails_makes_the_run_fail_and_is_named_once() -> None:
    array = GoldenArray(TINY, 1, 2)
    program = list_starts("blank")
    report = run_program(array, program, 10_000)
    assert (report.reason, report.passed) == ("ended", False)
    offset = program.symbols["blank"] - SRAM_BASE
    expected = (ListFailure(0, "DESCRIPTOR", None, offset, 1 << 21 | offset),)
    assert [(node.passed, node.failed_lists) for node in report.nodes] == [(True, ()), (False, expected)]
    assert report.summary() == (
        "1 of 2 nodes failed\n"
        f"node row 0, column 1: exit code 0, and the list that a packet started in place 0 failed, descriptor at {offset:#x}: "
        f"DESCRIPTOR, there is no descriptor that the node can execute (offset {offset:#x} of row 0, column 1)"
    )
    assert json.loads(json.dumps(report.as_dict()))["nodes"][1]["failed_lists"][0]["cause"] == "DESCRIPTOR"
    # Those that come later are not blamed for it.
    assert run_program(array, assemble("halt zero"), 100).passed


def test_starts_of_lists_that_are_ignored_make_the_run_fail_and_are_counted_once() -> None:
    array = GoldenArray(TINY, 1, 2)
    report = run_program(array, list_starts(*["endless"] * (TINY.lists + 2)), 3000)
    assert (report.reason, report.passed) == ("limit", False)
    assert [node.ignored_lists for node in report.nodes] == [0, 2]
    assert "column 1: exit code 0, and 2 starts of lists were ignored: all places were taken" in report.summary()
    assert run_program(array, assemble("halt zero"), 100).nodes[1].ignored_lists == 0


#: A thread starts a list that fails; its handler clears FAILURE by a packet to its own node, and returns.
CLEARED = """
_start: la t0, handler
        csrw mtvec, t0
        la t0, blank
        nlist t0
        li s0, 0
wait:   beqz s0, wait
        halt zero
handler: csrr t0, mnode
        li t1, FAILURE
        add t1, t1, t0
        nsd zero, (t1)
        li s0, 1
        mret
        .align 7
blank:  .zero 128
""".replace("FAILURE", str(CONTROL_PAGE_OFFSET + LIST_BLOCK + ListRegister.FAILURE))


def test_a_program_that_clears_failures_of_its_lists_passes() -> None:
    assert run(CLEARED).passed
    report = run(CLEARED.replace("nsd zero, (t1)", ""))
    assert not report.passed
    assert report.nodes[0].failed_lists[0].thread == 0


def test_a_response_that_was_dropped_makes_the_run_fail_whether_a_link_has_died_or_not() -> None:
    array = GoldenArray(TINY, 1, 2)
    # An answer to somebody beyond the edge.
    array.send(Packet(Kind.READ_DATA, 5, 0, 0, data=bytes(TINY.line_bytes)))
    report = run_program(array, assemble("halt zero"), 100)
    assert (report.reason, report.passed) == ("ended", False)
    assert [node.dropped for node in report.nodes] == [False, True]
    assert report.summary() == (
        "every node passed, but packets were lost\nnode row 0, column 1 has dropped a response that could not go on"
    )
    assert run_program(array, assemble("halt zero"), 100).passed


def test_only_the_chosen_sites_run() -> None:
    array = GoldenArray(TINY, 2, 2)
    report = run_program(array, assemble("halt zero"), 100, sites=[(1, 0)])
    assert [(node.row, node.column) for node in report.nodes] == [(0, 1)]
    assert array.read_register(0, 0, control_offset(ControlRegister.RETIRED)) == 0
    assert array.read_register(1, 0, control_offset(ControlRegister.RETIRED)) == 1


PLACED = """
_start:       li a0, 0
              halt a0
d1_placement: .half {}
"""


def test_a_program_runs_on_the_nodes_of_its_own_table() -> None:
    array = GoldenArray(TINY, 2, 2)
    report = run_program(array, assemble(PLACED.format("2, 0, 1, 1, 0"), config=TINY), 1000)
    assert report.passed
    assert [(node.row, node.column) for node in report.nodes] == [(0, 1), (1, 0)]
    assert array.node(0, 0).read_register(ControlRegister.RETIRED) == 0


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("0", "names no node"),
        ("1, 2, 0", "row 2, column 0"),
        ("2, 0, 1, 0, 1", "twice"),
        ("9, 0, 0", "is not in the program"),
    ],
)
def test_tables_of_nodes_that_cannot_be_are_refused(table: str, complaint: str) -> None:
    with pytest.raises(HostError, match=complaint):
        run_program(GoldenArray(TINY, 2, 2), assemble(PLACED.format(table), config=TINY), 1000)


def test_cycles_are_those_from_first_start_to_last_stop() -> None:
    first, second = (run("nop\n" * count + "halt zero") for count in (10, 60))
    assert second.cycles - first.cycles == 50


def test_second_program_is_not_taken_for_ended_by_the_first_ones_tohost() -> None:
    array = GoldenArray(TINY, 1, 1)
    assert run_program(array, assemble((EXAMPLES / "exit.s").read_text()), 100).passed
    report = run_program(array, assemble("li a0, 9\nhalt a0"), 100)
    assert report.nodes[0].exit_code == 9


def test_program_that_does_not_fit_is_refused() -> None:
    program = Program(((SRAM_BASE + TINY.sram_bytes - 4, bytes(8)),), SRAM_BASE)
    with pytest.raises(ProgramError, match="does not fit"):
        load_program(GoldenArray(TINY, 1, 1), program)


def test_sites_threads_and_limits_that_are_not_there_are_refused() -> None:
    array = GoldenArray(TINY, 1, 2)
    program = assemble("halt zero")
    with pytest.raises(HostError, match="no node in row 1, column 0"):
        load_program(array, program, sites=[(0, 1)])
    with pytest.raises(HostError, match="no thread 2"):
        start(array, 0, 0, 2, SRAM_BASE)
    with pytest.raises(HostError, match="at least 1"):
        run_program(array, program, 0)


class BatchArray(GoldenArray):
    """A golden array that counts calls in batches."""

    def __init__(self, config: NodeConfig, rows: int, columns: int):
        super().__init__(config, rows, columns)
        self.batches = 0

    def write_many(self, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
        self.batches += 1
        for block in blocks:
            self.write(*block)

    def read_many(self, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        self.batches += 1
        return [self.read(*block) for block in blocks]


def test_batches_are_used_where_the_backend_has_them() -> None:
    array = BatchArray(TINY, 1, 2)
    blocks = [(0, 0, 64, b"first"), (1, 0, 128, b"second")]
    write_blocks(array, blocks)
    assert read_blocks(array, [(x, y, offset, len(data)) for x, y, offset, data in blocks]) == [b"first", b"second"]
    assert array.batches == 2
