# SPDX-License-Identifier: Apache-2.0
"""A board as a backend, from the command line down to the port: same answers as the golden array, one clear error for each fault.

The board is the model of the byte protocol with golden nodes, behind a pseudo-terminal.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import pty
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fpga.board_array import BoardArray
from fpga.errors import LinkError, WrongBoard
from fpga.frames import CHECK_BYTES, HEADER_BYTES, flit_bytes
from fpga.link import HostLinkClient, open_port
from golden.config import ISA_VERSION, NodeConfig, preset
from golden.layout import (
    ROUTE_ENABLE,
    SRAM_BASE,
    ControlRegister,
    DebugCommand,
    DebugRegister,
    ThreadState,
    control_offset,
    debug_offset,
    semaphore_offset,
)
from golden.mesh import GoldenArray, NetworkAccessError
from golden.multicast import ROUTE_CONTROL_OFFSET
from sw.assembler import assemble
from sw.host import ArrayBackend, BatchBackend, run_program
from verif.fpga.board_model import GoldenBoard, serve_terminal
from verif.fpga.noisy_line import PATIENCE, STEP_BYTES, NoisyLine
from verif.scripts.command import d1, refused
from verif.sw.host_requests import DATA, call, put

CONFIG = preset("tiny")
BAUD = 1_000_000

#: A program with a result, a trap, or neither, by node: each adds its column to what is in SRAM.
PROGRAM = """
    .globl _start
_start:
    csrrs t0, mhartid, zero
    srli t0, t0, 2
    la a1, value
    ld a0, 0(a1)
    add a0, a0, t0
    sd a0, 0(a1)
    halt zero
    .data
    .balign LINE_BYTES
value: .dword 40
"""


def connect(board: GoldenBoard, config: NodeConfig | None = None) -> tuple[BoardArray, NoisyLine]:
    """A board on a perfect line in simulated time."""
    line = NoisyLine(board.feed)
    link = HostLinkClient(line, config, timeout=0.05, patience=PATIENCE, clock=line.clock)
    return BoardArray(link, pause=lambda seconds: None), line


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.s"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def board() -> Iterator[tuple[GoldenBoard, str]]:
    board = GoldenBoard(CONFIG, 1, 2)
    with serve_terminal(board) as path:
        yield board, path


# -- the array ------------------------------------------------------------------------------------------------------------


def test_a_board_has_the_interface_of_every_array() -> None:
    array, _ = connect(GoldenBoard(CONFIG, 2, 2))
    backend: ArrayBackend = array
    assert isinstance(backend, BatchBackend)
    assert (backend.rows, backend.columns, backend.config) == (2, 2, CONFIG)


def test_a_board_answers_as_the_golden_array_does() -> None:
    """The same calls, the same values, the same exceptions with the same words."""

    def use(array: Any) -> list[Any]:
        seen: list[Any] = []
        array.write(1, 0, 0x103, bytes(range(100)))
        seen.append(array.read(1, 0, 0x100, 120))
        array.poke(0, 0, 0x40, b"poked")
        seen.append(array.peek(0, 0, 0x3E, 9))
        array.write_register(1, 0, control_offset(ControlRegister.TOHOST_ADDRESS), SRAM_BASE + 8)
        seen.append(array.read_register(1, 0, control_offset(ControlRegister.TOHOST_ADDRESS)))
        seen.append(array.read(0, 0, 0, 0))
        array.multicast(0, 0, 2, 1, 0x1F8, bytes(range(40)), post=2)
        seen += [array.read(x, 0, 0x1F0, 60) for x in range(2)]
        seen += [array.read_register(x, 0, semaphore_offset(2)) for x in range(2)]
        report = run_program(array, assemble(PROGRAM, config=CONFIG), 1_000_000)
        seen.append([(node.row, node.column, node.exit_code, node.retired) for node in report.nodes])
        waiting = run_program(array, assemble("_start: li a0, 3\n swait 1, a0\n halt a0\n", config=CONFIG), 1_000_000)
        seen.append((waiting.reason, [str(thread) for thread in waiting.threads]))
        for wrong in (
            lambda: array.read(5, 0, 0, 16),
            lambda: array.multicast(0, 0, 3, 1, 0, bytes(8)),
            lambda: array.multicast(0, 0, 2, 2, 0x10_0000, bytes(8)),
            lambda: array.multicast(0, 0, 129, 1, 0, bytes(8)),
            lambda: array.write(0, 0, 0x10_0000, bytes(40)),
            lambda: array.read(0, 0, 0x10_0000, 40),
            lambda: array.write_register(0, 0, control_offset(ControlRegister.CYCLE) + 1, 0),
            lambda: array.read_register(0, 0, 4),
            lambda: array.peek(0, 0, CONFIG.sram_bytes, 1),
            lambda: array.poke(0, 0, -1, b"x"),
            lambda: array.read(1 << 14, 0, 0, 1),
        ):
            with pytest.raises((NetworkAccessError, ValueError)) as caught:
                wrong()
            seen.append((type(caught.value), str(caught.value)))
        # Where tables count, here with entries for dimension order, no packet is copied.
        for x in range(2):
            array.write_register(x, 0, ROUTE_CONTROL_OFFSET, ROUTE_ENABLE)
        array.multicast(0, 0, 2, 1, 0x2F8, bytes(range(40)), post=2)
        seen += [array.read(x, 0, 0x2F0, 60) for x in range(2)]
        seen += [array.read_register(x, 0, semaphore_offset(2)) for x in range(2)]
        with pytest.raises(NetworkAccessError, match="no such node"):
            array.multicast(0, 0, 3, 1, 0, bytes(8))
        # After an error the array goes on.
        seen.append(array.read(1, 0, 0x100, 120))
        return seen

    board, _ = connect(GoldenBoard(CONFIG, 1, 2))
    assert use(board) == use(GoldenArray(CONFIG, 1, 2))


def test_threads_of_a_board_are_told_with_what_they_wait_for() -> None:
    array, _ = connect(GoldenBoard(CONFIG))
    run_program(array, assemble("_start: li a0, 3\n swait 1, a0\n halt a0\n", config=CONFIG), 1_000_000)
    first, second = array.thread_states()
    assert (first.state, first.semaphore, first.needed, first.value) == (ThreadState.WAITING, 1, 3, 0)
    assert (second.state, second.semaphore) == (ThreadState.HALTED, None)


def test_programs_on_a_board_are_answered_as_on_the_golden_array() -> None:
    text = 'text: .ascii "hello\\n"\n'
    program = assemble(call(64, "1", "@text", "6") + put(ord("A")) + put(ord("b")) + call(93, "3") + text + DATA, config=CONFIG)
    array, _ = connect(GoldenBoard(CONFIG, 1, 2))
    for report in (run_program(array, program, 10_000_000), run_program(GoldenArray(CONFIG, 1, 2), program, 10_000_000)):
        assert [(output.column, output.text) for output in report.console] == [(0, "hello\nAb"), (1, "hello\nAb")]
        assert [node.exit_code for node in report.nodes] == [3, 3]


def test_deadlock_and_limit_are_recognised_in_programs_that_ask_the_host() -> None:
    array, _ = connect(GoldenBoard(CONFIG))
    ask = call(64, "1", "@text", "1")
    for end, reason in (("li a0, 3\n swait 1, a0\n", "deadlock"), ("j 1b\n", "limit")):
        report = run_program(array, assemble(f'1: {ask}{end}text: .ascii "x"\n{DATA}', config=CONFIG), 100_000)
        assert (report.reason, report.console[0].text[0]) == (reason, "x")


@pytest.mark.parametrize("end", ["halt zero", "li a0, 3\n swait 1, a0\n"])
def test_stopped_threads_of_a_board_have_neither_ended_nor_locked_up(end: str) -> None:
    array, _ = connect(GoldenBoard(CONFIG))
    array.write_register(0, 0, debug_offset(1, DebugRegister.COMMAND), DebugCommand.STOP)
    report = run_program(array, assemble(end, config=CONFIG), 1_000_000)
    assert (report.reason, report.passed, report.threads[1].state) == ("stopped", False, "STOPPED")


def test_a_program_that_runs_for_ever_ends_at_the_limit_and_reset_stops_it() -> None:
    board = GoldenBoard(CONFIG)
    array, _ = connect(board)
    report = run_program(array, assemble("_start: j _start\n", config=CONFIG), 20_000)
    assert (report.reason, report.threads[0].state) == ("limit", "RUNNING")
    array.reset()
    assert board.resets == 1


@pytest.mark.parametrize("way", ["read", "write"])
def test_blocks_keep_the_line_busy(way: str) -> None:
    config = preset("medium")
    array, line = connect(GoldenBoard(config))
    length, begun = 64 << 10, line.steps
    contents = bytes(range(256)) * (length // 256)
    if way == "write":
        array.write(0, 0, 0, contents)
    else:
        assert array.read(0, 0, 0, length) == bytes(length)
    frame_bytes = 2 + HEADER_BYTES + flit_bytes(config) + CHECK_BYTES
    least = frame_bytes * length // config.line_bytes / STEP_BYTES
    assert line.steps - begun < 1.2 * least


# -- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_runs_a_program_on_a_board_as_on_the_golden_model(board: tuple[GoldenBoard, str], program: Path) -> None:
    _, port = board
    found = d1("run", program, "--backend", port, "--json")
    assert found.code == 0, found.stderr
    golden = d1("run", program, "--backend", "golden", "--config", "tiny", "--array", "1x2", "--json")
    facts = found.json.pop("board"), found.json
    assert set(facts[1]) - {"board"} == set(golden.json)
    assert (found.json["backend"], found.json["config"], found.json["array"]) == (port, "tiny", "1x2")
    assert found.json["nodes"] == golden.json["nodes"]
    assert facts[0] == {
        "name": "tiny", "key": CONFIG.key, "clock_hz": 25_000_000, "isa_version": ISA_VERSION, "protocol": 2, "baud": BAUD,
    }  # fmt: skip
    text = d1("run", program, "--backend", port, "--config", "tiny", "--array", "1x2", "--baud", "2000000")
    assert text.code == 0
    assert f"1x2 'tiny', board at {port}" in text.stdout


def test_the_command_multiplies_on_a_board(board: tuple[GoldenBoard, str]) -> None:
    _, port = board
    product = d1("matmul", "--m", "9", "--n", "7", "--k", "5", "--backend", port, "--json")
    assert product.code == 0, product.stderr
    assert (product.json["mismatches"], product.json["array"], product.json["board"]["name"]) == (0, "1x2", "tiny")


def test_a_board_that_holds_something_else_is_refused(board: tuple[GoldenBoard, str], program: Path) -> None:
    _, port = board
    refused(d1("run", program, "--backend", port, "--config", "nano"), 2, port, "holds another node, 'tiny'", "'nano'")
    refused(d1("matmul", "--backend", port, "--array", "2x2"), 2, port, "holds 1x2 nodes, not 2x2")


def test_a_program_made_for_another_preset_is_refused(board: tuple[GoldenBoard, str], program: Path, tmp_path: Path) -> None:
    _, port = board
    for name in ("nano", "tiny"):
        assert d1("asm", program, "--config", name, "-o", tmp_path / f"{name}.elf").code == 0
    refused(d1("run", tmp_path / "nano.elf", "--backend", port), 2, "was assembled for other nodes", "threads: 1", "'tiny'")
    assert d1("run", tmp_path / "tiny.elf", "--backend", port).code == 0


def test_options_that_a_board_does_not_have_are_refused(program: Path) -> None:
    refused(d1("run", program, "--backend", "/dev/ttyX", "--trace", "x"), 2, "--trace looks into a simulated array")
    refused(d1("run", program, "--backend", "COM7", "--waves", "x.vcd"), 2, "--waves looks into a simulated array")
    refused(d1("run", program, "--baud", "9600"), 2, "--baud is the rate of a line to a board")
    refused(d1("run", program, "--backend", "ttyUSB0"), 2, "'ttyUSB0' is no backend", "rtl, golden, or the port of a board")


def test_without_pyserial_the_command_says_how_to_get_it(program: Path, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text("import sys\nsys.modules['serial'] = None\n")
    path = f"{tmp_path / 'hidden'}{os.pathsep}{Path(__file__).resolve().parents[2]}"
    refused(d1("run", program, "--backend", "/dev/ttyX", env={"PYTHONPATH": path}), 3, "pyserial is missing", "pip install")


def test_a_silent_port_ends_the_command_in_bounded_time(program: Path) -> None:
    controller, terminal = pty.openpty()
    tty.setraw(terminal)
    try:
        outcome = d1("run", program, "--backend", os.ttyname(terminal))
    finally:
        os.close(controller)
        os.close(terminal)
    refused(outcome, 1, "no board answers", "Nothing came at all", "1,000,000 baud")


# -- the port -------------------------------------------------------------------------------------------------------------


def test_a_port_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(LinkError, match=r"^there is no port /dev/ttyNowhere; (ports with a device are|no port has a device)"):
        open_port("/dev/ttyNowhere", BAUD)


@pytest.mark.parametrize("place", ["file", "folder", "/dev/null"])
def test_what_is_no_serial_port_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    path = place if place.startswith("/") else str(tmp_path / place)
    with pytest.raises(LinkError, match=f"{path} is no serial port"):
        open_port(path, BAUD)


def test_a_port_that_another_program_has_is_busy(board: tuple[GoldenBoard, str]) -> None:
    _, path = board
    with open_port(path, BAUD), pytest.raises(LinkError, match=f"{path} is busy: another program has opened it"):
        open_port(path, BAUD)
    other = os.open(path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(LinkError, match="is busy"):
            open_port(path, BAUD)
    finally:
        os.close(other)
    open_port(path, BAUD).close()


@pytest.mark.parametrize(
    "number, message",
    [
        (errno.EACCES, r"no permission to open .*: sudo usermod -aG \w+ \$USER, then log in again"),
        (errno.EIO, "has no device behind it"),
        (errno.ENOMEM, "cannot be opened: Cannot allocate memory"),
    ],
)
def test_what_the_system_says_about_a_port_is_told(
    board: tuple[GoldenBoard, str], monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def fail(*arguments: object, **options: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(LinkError, match=message):
        open_port(board[1], BAUD)


def test_a_url_is_a_port_and_a_closed_socket_is_told() -> None:
    with pytest.raises(LinkError, match=r"nothing listens at socket://127\.0\.0\.1:1"):
        open_port("socket://127.0.0.1:1", BAUD)


def test_a_port_that_vanishes_and_comes_back_goes_unnoticed(tmp_path: Path) -> None:
    """As a USB adapter that is pulled: another device has its name afterwards, and the session goes on."""
    board = GoldenBoard(CONFIG)
    path = tmp_path / "ttyUSB0"
    with serve_terminal(board) as first:
        path.symlink_to(first)
        port = open_port(str(path), BAUD)
        array = BoardArray(HostLinkClient(port, CONFIG, patience=20.0))
        array.write(0, 0, 0, b"before")
    path.unlink()
    assert port.read() == b""
    assert port.trouble
    with serve_terminal(board) as second:
        path.symlink_to(second)
        assert array.read(0, 0, 0, 6) == b"before"
        assert port.trouble == ""
        port.close()


def test_a_port_that_does_not_come_back_is_an_error_and_leaves_the_next_of_its_name_alone(tmp_path: Path) -> None:
    path = tmp_path / "terminal"
    with serve_terminal(GoldenBoard(CONFIG)) as first:
        path.symlink_to(first)
        port = open_port(str(path), BAUD, comes_back=False)
    path.unlink()
    with pytest.raises(LinkError, match=f"{path} has gone .*; start what was behind it"):
        port.read()
    with serve_terminal(GoldenBoard(CONFIG)) as second:
        path.symlink_to(second)
        time.sleep(0.3)
        for ask in (port.read, lambda: port.write(b"?")):
            with pytest.raises(LinkError, match="has gone"):
                ask()
        open_port(str(path), BAUD).close()


def test_a_port_that_stays_away_is_an_error_that_says_so(tmp_path: Path) -> None:
    with serve_terminal(GoldenBoard(CONFIG)) as path:
        port = open_port(path, BAUD)
        array = BoardArray(HostLinkClient(port, CONFIG, patience=0.5))
    with pytest.raises(LinkError, match=r"has stopped answering.*The port is gone \(.+\): check the cable"):
        array.read(0, 0, 0, 6)
    port.close()


# -- the board ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"version": 3}, "the board speaks version 3 of the link's protocol, this host version 2"),
        ({"descriptor": CONFIG.descriptor + 1}, f"version {ISA_VERSION + 1} of the instruction set, this host has {ISA_VERSION}"),
        ({"key": "00" * 8, "name": "mine"}, "the board holds 'mine' with key 0000000000000000, which is no preset"),
    ],
)
def test_a_board_of_another_version_is_refused(changes: dict[str, Any], message: str) -> None:
    board = GoldenBoard(CONFIG)
    board.identity = dataclasses.replace(board.identity, **changes)
    with pytest.raises(LinkError, match=message):
        connect(board)


def test_a_board_with_another_preset_is_refused() -> None:
    with pytest.raises(WrongBoard, match="holds another node, 'tiny' with key"):
        connect(GoldenBoard(CONFIG), preset("nano"))


@pytest.mark.parametrize(
    "answer, message",
    [
        (lambda line, now: line, "What is sent comes back: the line is a loop, or the design on the board is 'hello'"),
        (lambda line, now: b"\xf8\x00\x80" * len(line), r"bytes came that are no answer: check that the baud rate"),
    ],
)
def test_what_comes_back_says_what_to_check(answer: Any, message: str) -> None:
    line = NoisyLine(answer)
    with pytest.raises(LinkError, match=message):
        HostLinkClient(line, CONFIG, timeout=0.05, patience=PATIENCE, clock=line.clock)
