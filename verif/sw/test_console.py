# SPDX-License-Identifier: Apache-2.0
"""Programs ask the host by tohost and fromhost: what they write arrives, what they wait for comes, the rest is refused."""

from __future__ import annotations

import pytest

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE
from golden.mesh import GoldenArray, RunResult
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.backend import ArrayBackend, HostError, Site
from sw.console import RequestError
from sw.host import RunReport, run_program
from verif.sw.host_requests import DATA, ask, call, put

TINY = preset("tiny")


def run(
    source: str,
    *,
    columns: int = 1,
    config: NodeConfig = TINY,
    max_cycles: int = 200_000,
    array: ArrayBackend | None = None,
    heard: list[tuple[Site, int, bytes]] | None = None,
) -> RunReport:
    program = assemble(source + DATA, config=config)
    array = array or GoldenArray(config, 1, columns)
    output = None if heard is None else lambda site, descriptor, contents: heard.append((site, descriptor, contents))
    return run_program(array, program, max_cycles, output=output)


HELLO = 'text: .ascii "hello\\n"\n'


def test_a_write_reaches_the_host_and_its_length_the_program() -> None:
    heard: list[tuple[Site, int, bytes]] = []
    source = call(64, "1", "@text", "6") + "mv s0, a0\n" + call(64, "2", "@text + 1", "2") + "add a0, a0, s0\nhalt a0\n" + HELLO
    report = run(source, heard=heard)
    assert heard == [((0, 0), 1, b"hello\n"), ((0, 0), 2, b"el")]
    assert report.nodes[0].exit_code == 8
    assert report.as_dict()["console"] == [{"row": 0, "column": 0, "text": "hello\nel"}]


def test_every_character_arrives_also_those_that_look_like_the_end_of_the_program() -> None:
    characters = bytes(range(0, 256, 3)) + bytes(range(255, 0, -7))
    heard: list[tuple[Site, int, bytes]] = []
    source = f"""
        la s0, text
        li s1, {len(characters)}
        li s2, 1 << 56 | 1 << 48
        la t1, tohost
    1:  lbu t0, 0(s0)
        or t0, t0, s2
        sd t0, 0(t1)
    2:  ld t0, 0(t1)
        bnez t0, 2b
        addi s0, s0, 1
        addi s1, s1, -1
        bnez s1, 1b
        halt zero
    text: .byte {", ".join(map(str, characters))}
    """
    report = run(source, heard=heard)
    assert b"".join(contents for _, _, contents in heard) == characters
    assert report.passed


def test_a_character_with_an_odd_code_leaves_all_threads_running() -> None:
    start = "csrr t0, mnode\nli t1, CONTROL_PAGE + 0x140\nadd t0, t0, t1\nla t1, second\nnsd t1, (t0)\n"
    second = "second: la t3, stop\n1: ld t4, 0(t3)\nbeqz t4, 1b\nli t4, 5\nsd t4, 8(t3)\nhalt zero\n"
    end = "la t3, stop\nli t4, 1\nsd t4, 0(t3)\n2: ld a0, 8(t3)\nbeqz a0, 2b\nhalt a0\n"
    report = run(start + put(ord("A")) + end + second + ".balign 8\nstop: .dword 0, 0\n")
    assert (report.reason, report.nodes[0].exit_code, report.console[0].text) == ("ended", 5, "A")


def test_exit_by_system_call_ends_all_threads_with_its_code() -> None:
    second = "csrr t0, mnode\nli t1, CONTROL_PAGE + 0x140\nadd t0, t0, t1\nla t1, spin\nnsd t1, (t0)\n"
    report = run(second + call(93, "41") + "spin: j spin\n")
    assert (report.reason, report.nodes[0].exit_code, report.passed) == ("ended", 41, False)


def test_exit_with_zero_passes() -> None:
    assert run(call(93, "0")).passed


def test_exit_by_tohost_is_no_request() -> None:
    report = run(ask("7 << 1 | 1") + "spin: j spin\n")
    assert (report.nodes[0].exit_code, report.console) == (7, ())


def test_each_node_writes_for_itself() -> None:
    source = "csrr s0, mhartid\nsrli s0, s0, 2\nla t0, text\nlbu t1, 4(t0)\nadd t1, t1, s0\nsb t1, 4(t0)\n"
    report = run(source + call(64, "1", "@text", "6") + "halt zero\n" + HELLO, columns=3)
    assert [(output.column, output.text) for output in report.console] == [(0, "hello\n"), (1, "hellp\n"), (2, "hellq\n")]


def test_what_is_written_at_the_very_end_arrives() -> None:
    lines = "la t2, call\nli t0, 64\nsd t0, 0(t2)\nli t0, 1\nsd t0, 8(t2)\nla t0, text\nsd t0, 16(t2)\nli t0, 6\nsd t0, 24(t2)\n"
    report = run(lines + ask("@call") + "halt zero\n" + HELLO)
    assert (report.passed, [output.text for output in report.console]) == (True, ["hello\n"])


def test_a_write_of_nothing_is_answered() -> None:
    report = run(call(64, "1", "0", "0") + "halt a0\n")
    assert (report.passed, report.console) == (True, ())


def test_text_that_is_no_utf_8_is_shown_as_far_as_it_is() -> None:
    assert run(put(0x41) + put(0xFE) + "halt zero\n").console[0].text == "A\ufffd"


@pytest.mark.parametrize(
    "source, what",
    [
        (call(1024, "0", "0", "0"), "system call 1024"),
        (call(64, "0", "@text", "1"), "descriptor 0"),
        (call(64, "1", "0x1000", "1"), "1 bytes at 0x1000"),
        (call(64, "1", "@text", "1 << 20"), "1048576 bytes"),
        (call(64, "1", "-8", "16"), "16 bytes at 0xfffffffffffffff8"),
        (ask("@call + 4"), "no double words"),
        (ask(str(SRAM_BASE + TINY.sram_bytes - 56)), "no double words"),
        (ask("0x1000"), "no double words"),
        (ask("1 << 56 | 2"), "device 1, command 0"),
        (ask("2 << 56 | 1 << 48"), "device 2, command 1"),
        (ask("1 << 48 | 1"), "device 0, command 1"),
        (ask("-1"), "device 255, command 255"),
    ],
)
def test_what_the_host_does_not_do_is_refused_with_who_asked_and_what_there_is(source: str, what: str) -> None:
    with pytest.raises(RequestError) as caught:
        run(source + "spin: j spin\n" + HELLO, columns=2)
    for part in (what, "row 0, column 0", "thread 0 at pc 0x8000", "tohost = 0x", "write (64)", "exit (93)"):
        assert part in str(caught.value)


def test_fromhost_that_is_no_double_word_of_the_node_is_refused() -> None:
    program = assemble("halt zero\n.globl fromhost\n.equ fromhost, 0x1000\n.data\n.balign 8\ntohost: .dword 0\n", config=TINY)
    with pytest.raises(HostError, match="fromhost 0x1000"):
        run_program(GoldenArray(TINY, 1, 1), program, 1000)


def test_a_program_that_writes_for_ever_ends_at_the_limit() -> None:
    report = run("1:\n" + call(64, "1", "@text", "6") + "j 1b\n" + HELLO, max_cycles=20_000)
    assert (report.reason, report.cycles) == ("limit", 20_000)
    assert report.console[0].text.startswith("hello\nhello\n")


def test_deadlock_is_recognised_in_a_program_that_has_written() -> None:
    report = run(call(64, "1", "@text", "6") + "li a0, 1\nswait 2, a0\nhalt zero\n" + HELLO)
    assert (report.reason, report.threads[0].semaphore) == ("deadlock", 2)


class CountedArray(GoldenArray):
    """A golden array that counts its runs."""

    runs = 0

    def run(self, max_cycles: int | None = None, until: str = "ended") -> RunResult:
        self.runs += 1
        return super().run(max_cycles, until)


def test_only_programs_that_can_ask_are_looked_at() -> None:
    work = "li t0, 5000\n1: addi t0, t0, -1\nbnez t0, 1b\nhalt zero\n"
    counts = []
    for data in (DATA, "\n.data\n.balign 8\ntohost: .dword 0\n", ""):
        array = CountedArray(TINY, 1, 1)
        assert run_program(array, assemble(work + data, config=TINY), 100_000).passed
        counts.append(array.runs)
    assert counts[0] > 1
    assert counts[1:] == [1, 1]


@pytest.fixture(scope="module")
def simulator() -> SimulatorLibrary:
    """The smallest node."""
    return build(TINY, "macro")


@pytest.mark.rtl
def test_looking_takes_no_cycles(simulator: SimulatorLibrary) -> None:
    work = "li t0, 20000\n1: addi t0, t0, -1\nbnez t0, 1b\nhalt zero\n"
    cycles = set()
    for data in (DATA, DATA.replace("fromhost", "nobody")):
        with SimulatedArray(TINY, 1, 1, library=simulator) as array:
            cycles.add(run_program(array, assemble(work + data, config=TINY), 1_000_000).cycles)
    assert len(cycles) == 1


@pytest.mark.rtl
def test_hardware_is_served_as_the_model_is(simulator: SimulatorLibrary) -> None:
    source = call(64, "1", "@text", "6") + put(ord("A")) + put(ord("b")) + put(ord("C")) + call(93, "3") + HELLO
    with SimulatedArray(TINY, 1, 2, library=simulator) as array:
        on_hardware = run(source, array=array)
    for report in (on_hardware, run(source, columns=2)):
        assert [output.text for output in report.console] == ["hello\nAbC"] * 2
        assert [node.exit_code for node in report.nodes] == [3, 3]
