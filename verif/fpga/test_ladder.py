# SPDX-License-Identifier: Apache-2.0
"""Steps of the ladder on golden arrays: good ones pass with the output that docs/ladder.md shows, planted faults are found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fpga.boards import find_board
from fpga.choice import choose
from fpga.commands.ladder import ladder
from fpga.designs.hello import greeting
from fpga.ladder.greeting import check_greeting
from fpga.ladder.memtest import PATTERNS, check_memory
from fpga.ladder.node_view import NodeView
from fpga.ladder.products import check_array, check_nodes
from fpga.ladder.step import LadderFailure
from fpga.ladder.steps import STEPS
from golden.config import preset
from golden.layout import SRAM_BASE
from golden.mesh import GoldenArray
from sw.assembler import assemble
from sw.host import ArrayBackend, run_program

CONFIG = preset("nano").replace(bank_lines=256)
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "ladder.md").read_text()


def lines_of(step: Callable[..., None], array: ArrayBackend) -> list[str]:
    lines: list[str] = []
    step(array, lines.append)
    return lines


class FaultyArray(GoldenArray):
    """An array whose SRAM has a fault, seen by packets: what is written to or read from an address is changed.

    ``on_write`` and ``on_read`` take (x, y, offset, byte) and return where it goes and what it becomes; None for where loses it.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        on_write: Callable[[int, int, int, int], tuple[tuple[int, int, int] | None, int]] | None = None,
        on_read: Callable[[int, int, int, int], int] | None = None,
    ):
        super().__init__(CONFIG, rows, columns)
        self._on_write, self._on_read = on_write, on_read

    def write(self, x: int, y: int, offset: int, data: bytes) -> None:
        if self._on_write is None or offset >= CONFIG.sram_bytes:
            super().write(x, y, offset, data)
            return
        for index, byte in enumerate(data):
            place, value = self._on_write(x, y, offset + index, byte)
            if place is not None:
                self.poke(*place, bytes([value]))

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        data = super().read(x, y, offset, length)
        if self._on_read is None or offset >= CONFIG.sram_bytes:
            return data
        return bytes(self._on_read(x, y, offset + index, byte) for index, byte in enumerate(data))


@pytest.mark.parametrize(
    "fault, message",
    [
        pytest.param(
            {"on_read": lambda x, y, offset, byte: byte | 0x10 if (x, y, offset) == (1, 0, 0x123) else byte},
            r"zeros: row 0, column 1, offset 0x123: expected 0x00, found 0x10; 1 of 8192 bytes differ",
            id="bit stuck at 1",
        ),
        pytest.param(
            {"on_read": lambda x, y, offset, byte: byte & ~0x01},
            r"ones: row 0, column 0, offset 0x0: expected 0xff, found 0xfe; 8192 of 8192 bytes differ",
            id="wire stuck at 0",
        ),
        pytest.param(
            {"on_write": lambda x, y, offset, byte: ((x, y, offset & ~0x400), byte)},
            r"ones: row 0, column 0, offset 0x400: expected 0xff, found 0x00",
            id="address line stuck",
        ),
        pytest.param(
            {"on_write": lambda x, y, offset, byte: ((0, 0, offset), byte)},
            r"ones: row 0, column 1, offset 0x0: expected 0xff",
            id="every write goes to node 0",
        ),
        pytest.param(
            {"on_write": lambda x, y, offset, byte: (None if offset // 16 == 7 else (x, y, offset), byte)},
            r"ones: row 0, column 0, offset 0x70",
            id="a line is never written",
        ),
        pytest.param(
            {"on_read": lambda x, y, offset, byte: byte & ~2 | (byte & 1) << 1},
            r"checkerboard: row 0, column 0, offset 0x0: expected 0x55, found 0x57",
            id="neighbouring wires shorted",
        ),
        pytest.param(
            {"on_write": lambda x, y, offset, byte: ((x, y, offset ^ 0x20 if byte == 0x0C else offset), byte)},
            r"addresses: row 0, column 0",
            id="a value writes elsewhere",
        ),
    ],
)
def test_a_fault_in_memory_is_found_where_it_is(fault: dict[str, Callable[..., object]], message: str) -> None:
    with pytest.raises(LadderFailure, match=message):
        check_memory(FaultyArray(1, 2, **fault), lambda line: None)  # type: ignore[arg-type]


def test_good_memory_passes_every_pattern_with_progress_to_the_end() -> None:
    lines: list[str] = []
    seen: dict[str, tuple[int, int]] = {}
    check_memory(GoldenArray(CONFIG, 1, 2), lines.append, lambda what, done, total: seen.update({what: (done, total)}))
    assert lines[1:-1] == [f"{name}: good" for name in PATTERNS]
    assert seen == {f"{name}: {way}": (7, 8) for name in PATTERNS for way in ("writing", "reading")}


def test_every_bit_of_every_line_and_node_is_both_0_and_1_and_differs_from_those_of_other_places() -> None:
    contents = [{node: pattern(node, 256, 16) for node in range(4)} for pattern in PATTERNS.values()]
    for node in range(4):
        ones = zeros = 0
        for pattern in contents:
            number = int.from_bytes(pattern[node].tobytes(), "little")
            ones |= number
            zeros |= ~number & (1 << 8 * 256 * 16) - 1
        assert ones == zeros == (1 << 8 * 256 * 16) - 1
    words = [tuple(pattern[node][line].tobytes() for pattern in contents) for node in range(4) for line in range(256)]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("step", [check_nodes, check_array])
def test_a_wrong_result_is_found(step: Callable[..., None]) -> None:
    # A unit that loses a product's lowest bit, as results in SRAM show it.
    array = FaultyArray(2, 2, on_read=lambda x, y, offset, byte: byte ^ 1 if (x, y, offset % 4) == (1, 1, 0) else byte)
    with pytest.raises(LadderFailure, match=r"of \d+ results differ from the golden model's"):
        step(array, lambda line: None)


def test_a_node_that_traps_is_told_with_its_place() -> None:
    # The program's first instruction is lost.
    array = FaultyArray(1, 1, on_write=lambda x, y, offset, byte: ((x, y, offset), 0 if offset < 4 else byte))
    with pytest.raises(LadderFailure, match=r"5x9 by 9x7, BF16 by BF16: .*\n.*row 0, column 0.*ILLEGAL_INSTRUCTION"):
        check_nodes(array, lambda line: None)


def test_a_view_of_a_node_runs_programs_there_and_nowhere_else() -> None:
    array = GoldenArray(CONFIG, 2, 2)
    program = assemble("_start: la t0, x\n li t1, 7\n sd t1, (t0)\n halt zero\n .data\n .balign 16\nx: .dword 0\n", config=CONFIG)
    view = NodeView(array, 1, 0)
    assert run_program(view, program, 1000).passed
    offset = program.symbols["x"] - SRAM_BASE
    assert view.read(0, 0, offset, 8) == view.peek(0, 0, offset, 8) == array.peek(1, 0, offset, 8) == bytes([7]) + bytes(7)
    assert array.peek(0, 0, 0, CONFIG.sram_bytes) == array.peek(0, 1, 0, CONFIG.sram_bytes) == bytes(CONFIG.sram_bytes)
    assert [(thread.x, thread.y) for thread in view.thread_states()] == [(1, 0)]
    view.poke(0, 0, 0x300, b"abc")
    view.write(0, 0, 0x303, b"d")
    assert array.peek(1, 0, 0x300, 4) == b"abcd"


class FakeLine:
    """A board that says hello: what it is sent comes back through ``echo``, and its line in between."""

    def __init__(self, text: bytes, echo: Callable[[bytes], bytes]):
        self._echo = echo
        self._text = text
        self._out = bytearray(text[5:] + text)

    def read(self, size: int = 1) -> bytes:
        data = bytes(self._out[:size])
        del self._out[:size]
        return data

    def write(self, data: bytes) -> int:
        back = self._echo(data)
        self._out += back[:10] + self._text + back[10:]
        return len(data)


def test_a_board_that_says_hello_passes_whenever_its_line_comes() -> None:
    lines: list[str] = []
    check_greeting(FakeLine(b"hello, board\r\n", lambda data: data), b"hello, board\r\n", 0.5, lines.append)
    assert lines == ["heard: hello, board", "echo: all 256 byte values come back", "passed"]


@pytest.mark.parametrize(
    "line, message",
    [
        (FakeLine(b"", lambda data: data), "does not say b'hello', nothing comes"),
        (FakeLine(b"good morning", lambda data: data), r"does not say b'hello', something else comes: b'od morning'"),
        (FakeLine(b"hello", lambda data: data.replace(b"\x11", b"")), r"was sent .*x11.* and sends back"),
    ],
)
def test_a_board_that_says_something_else_or_nothing_fails(line: FakeLine, message: str) -> None:
    with pytest.raises(LadderFailure, match=message):
        check_greeting(line, b"hello", 0.05, lambda text: None)


# ---------------------------------------------------------------------------------------------------------------------
# The command and its document
# ---------------------------------------------------------------------------------------------------------------------


def documented(command: str) -> list[str]:
    """Output that the document shows below a command."""
    found = re.search(rf"^\$ {re.escape(command)}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/ladder.md does not have: {command}"
    return found[1].splitlines()


@pytest.mark.parametrize(
    "name, step, rows, columns", [("memtest", check_memory, 1, 1), ("node", check_nodes, 1, 1), ("array", check_array, 2, 2)]
)
def test_the_document_shows_what_a_good_board_gives(name: str, step: Callable[..., None], rows: int, columns: int) -> None:
    shown = documented(f"d1 fpga ladder ulx3s-85f {name} --backend /dev/ttyUSB0")
    lines = lines_of(step, GoldenArray(preset(find_board("ulx3s-85f").config), rows, columns))
    if name == "array":
        lines.append("now lights 0 to 3 are on, one for each node")
    assert shown == lines


def test_the_document_shows_what_hello_gives() -> None:
    choice = choose("ulx3s-85f", design="hello")
    text = greeting(choice.board, choice.settings)
    lines = [f"hello: {choice.board.name} says a line every second and sends back what it gets"]
    check_greeting(FakeLine(text, lambda data: data), text, 0.5, lines.append)
    assert documented("d1 fpga ladder ulx3s-85f hello --backend /dev/ttyUSB0") == lines


@pytest.mark.parametrize(
    "arguments",
    ["ulx3s-85f blinky --backend /dev/ttyUSB0", "ulx3s-85f array", "icebreaker memtest", "ulx3s-85f memtest --array 1x2"],
)
def test_the_document_shows_what_the_command_says(arguments: str) -> None:
    result = CliRunner().invoke(ladder, arguments.split())
    assert result.exit_code == 0, result.output
    assert documented(f"d1 fpga ladder {arguments}") == result.output.splitlines()


def test_a_step_that_does_not_fit_on_a_board_is_refused() -> None:
    result = CliRunner().invoke(ladder, ["icebreaker", "node"])
    assert str(result.exception) == "step 'node' is not for icebreaker; what fits there is blinky, hello, memory"


def test_a_port_and_a_simulation_exclude_each_other() -> None:
    result = CliRunner().invoke(ladder, ["ulx3s-85f", "node", "--simulate", "--backend", "x"])
    assert result.exit_code == 2
    assert "exclude each other" in result.output


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_in_the_document_with_its_output(step: str) -> None:
    assert f"## {step}" in DOCUMENT
    assert documented(f"d1 fpga ladder ulx3s-85f {step} --backend /dev/ttyUSB0")
