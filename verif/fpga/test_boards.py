# SPDX-License-Identifier: Apache-2.0
"""What is known of boards agrees with their platforms, and what is chosen for them makes sense."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fpga.boards import BOARDS, Board, find_board
from fpga.build import design_files
from fpga.choice import WrongChoice, choose
from fpga.cli import fpga
from fpga.designs import DESIGNS, Settings
from fpga.errors import FpgaError, ToolMissing, UnknownBoard
from fpga.flows import FLOWS
from fpga.tools import find_tool
from golden.config import PRESETS, ConfigError

ALL = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)

#: Pins of the clock, of light 0, of the serial line in and out, and of the reset button, as the boards' documents have them.
PINS = {
    "ulx3s-85f": ("G2", "B2", "M1", "L4", "R1"),
    "ulx3s-45f": ("G2", "B2", "M1", "L4", "R1"),
    "ulx3s-25f": ("G2", "B2", "M1", "L4", "R1"),
    "ulx3s-12f": ("G2", "B2", "M1", "L4", "R1"),
    "orangecrab-85f": ("A9", "K4", "N17", "M18", "J17"),
    "orangecrab-25f": ("A9", "K4", "N17", "M18", "J17"),
    "colorlight-i9": ("P3", "L2", "H18", "J17", None),
    "colorlight-i5": ("P3", "U16", "H18", "J17", None),
    "icepi-zero": ("M1", "E13", "K16", "K15", "C4"),
    "tang-nano-20k": ("4", "15", "70", "69", "88"),
    "icebreaker": ("35", "11", "6", "9", "10"),
}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(fpga, arguments)


def placed(board: Board, design: str) -> dict[str, str]:
    """Pins of a design by port, from the constraints."""
    settings = Settings(None, 0, 0, 1_000_000, board.oscillator_hz)
    files = design_files(board, DESIGNS[design], settings)
    assert files == design_files(board, DESIGNS[design], settings)
    text = files[f"top.{FLOWS[board.family].constraints}"]
    pattern = {"ecp5": r'LOCATE COMP "(\w+)" SITE "(\w+)"', "ice40": r"set_io (\w+) (\w+)", "gowin": r'IO_LOC "(\w+)" (\w+);'}
    return dict(re.findall(pattern[board.family], text))


@ALL
def test_every_pin_of_the_small_designs_is_where_the_boards_documents_have_it(board: Board) -> None:
    clock, light, receives, sends, _ = PINS[board.name]
    blinky, hello = placed(board, "blinky"), placed(board, "hello")
    assert {blinky.pop(name) for name in list(blinky) if name.startswith("clk")} == {clock}
    assert set(blinky) == {f"led_{number}__io" for number in range(board.leds)}
    assert len(set(blinky.values())) == board.leds
    assert blinky["led_0__io"] == hello["led_0__io"] == light
    assert (hello["uart_0__rx__io"], hello["uart_0__tx__io"]) == (receives, sends)


@ALL
def test_a_board_agrees_with_its_platform(board: Board) -> None:
    platform = board.make_platform()
    assert platform.default_clk_frequency == board.oscillator_hz
    uart = platform.lookup(*board.uart)
    assert {signal.name for signal in uart.ios} == set(board.uart_signals)
    button = PINS[board.name][-1]
    if board.reset_button is not None:
        assert platform.lookup(*board.reset_button).ios[0].names == [button]
    else:
        assert button is None
    if board.family == "gowin":
        platform.parse_part()
        assert (platform.part, platform.family) == (board.device, "GW2AR-18C")
    elif board.family == "ice40":
        assert (platform.device.lower().removeprefix("ice40"), platform.package.lower()) == (board.device, board.package)
    else:
        assert platform.device == f"LFE5U-{board.device.removesuffix('k')}F"
        assert f"LFE5U-{board.device.removesuffix('k')}F" in board.title
        # The same package by the letters of part numbers and by those of the tools.
        packages = {"BG381": "CABGA381", "BG256": "CABGA256", "MG285": "CSFBGA285"}
        assert (packages[platform.package], platform.speed) == (board.package, str(board.speed))


@ALL
def test_a_board_is_described_completely(board: Board) -> None:
    assert list(board.designs) == [name for name in DESIGNS if name in board.designs]
    assert board.config in PRESETS
    assert board.programmer[-1] == "{bitstream}"
    assert "http" in find_tool_fix(board.programmer[0])
    assert re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", board.usb)
    assert board.source.startswith("https://")
    assert board.tier in (1, 2)
    assert board.serial


def find_tool_fix(program: str) -> str:
    """What is said when a programmer is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.which", lambda *arguments, **named: None)
        with pytest.raises(ToolMissing) as caught:
            find_tool(program)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_wrong_description_of_a_board_is_refused() -> None:
    board = BOARDS["ulx3s-85f"]
    with pytest.raises(ValueError, match="family 'xc7' is not one of ecp5, ice40, gowin"):
        replace(board, family="xc7")
    with pytest.raises(ValueError, match="no design fits"):
        replace(board, designs=())
    with pytest.raises(ValueError, match="'memtest' is not one of its designs, blinky, hello"):
        replace(board, default_design="memtest")
    assert replace(board, default_design="").default_design == "array"
    assert replace(board, default_design="", rows=1, columns=1).default_design == "node"


def test_the_nodes_clock_is_the_oscillators_unless_it_is_given() -> None:
    board = BOARDS["icebreaker"]
    assert replace(board, node_hz=0).node_hz == board.oscillator_hz
    assert replace(board, node_hz=20_000_000).node_hz == 20_000_000


def test_the_default_is_the_largest_that_fits_or_what_the_board_says() -> None:
    for name, design, rows, columns in (
        ("ulx3s-85f", "array", 2, 2),
        ("orangecrab-85f", "node", 1, 1),
        ("ulx3s-45f", "node", 1, 1),
        ("ulx3s-25f", "node", 1, 1),
        ("tang-nano-20k", "memory", 1, 1),
        ("icebreaker", "memory", 1, 1),
    ):
        choice = choose(name)
        assert (choice.design.name, choice.settings.rows, choice.settings.columns) == (design, rows, columns)
        assert choice.settings.config == PRESETS["nano"]
        assert choice.settings.clock_hz == BOARDS[name].node_hz


def test_what_is_named_is_chosen() -> None:
    choice = choose("ulx3s-85f", array="1x3", config="tiny", clock_mhz=37.5, baud=115_200)
    assert choice.describe() == "array 1x3 of 'tiny' on ulx3s-85f"
    assert choice.settings == Settings(PRESETS["tiny"], 1, 3, 115_200, 37_500_000)
    assert choice.board.node_hz == 37_500_000
    assert choose("ulx3s-85f", array="1x1").describe() == "node of 'nano' on ulx3s-85f"
    assert choose("ulx3s-85f", design="node").settings.rows == 1
    blinky = choose("ulx3s-85f", design="blinky")
    assert (blinky.describe(), blinky.settings.config) == ("blinky on ulx3s-85f", None)
    assert blinky.settings.clock_hz == 25_000_000


@pytest.mark.parametrize(
    "board, named, message",
    [
        ("ulx3s-85f", {"design": "blink"}, "there is no design 'blink'; designs are blinky, hello, memory, node, array"),
        ("icebreaker", {"design": "node"}, "'node' does not fit on icebreaker; what fits is blinky, hello, memory"),
        ("tang-nano-20k", {"array": "2x2"}, "'array' does not fit on tang-nano-20k"),
        ("ulx3s-85f", {"array": "2"}, "'2' is no array; write rows x columns"),
        ("ulx3s-85f", {"array": "0x1"}, "'0x1' is no array"),
        ("ulx3s-85f", {"design": "node", "array": "2x1"}, "'node' is one node; --design array takes --array 2x1"),
        ("ulx3s-85f", {"design": "hello", "array": "1x1"}, "'hello' has no nodes, so --array means nothing"),
        ("ulx3s-85f", {"design": "hello", "config": "nano"}, "so --config means nothing"),
        ("ulx3s-85f", {"design": "hello", "clock_mhz": 50.0}, "so --clock means nothing"),
        ("ulx3s-85f", {"clock_mhz": -1.0}, "--clock -1 is no clock"),
    ],
)
def test_what_does_not_go_together_is_refused(board: str, named: dict[str, str], message: str) -> None:
    with pytest.raises(WrongChoice, match=re.escape(message)) as caught:
        choose(board, **named)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_an_unknown_board_or_preset_is_an_error_that_lists_those_that_exist() -> None:
    with pytest.raises(UnknownBoard, match=r"there is no board 'ulx4s'; boards are ulx3s-85f, .*icebreaker") as caught:
        find_board("ulx4s")
    assert caught.value.exit_code == 2
    assert isinstance(invoke("build", "ulx4s").exception, FpgaError)
    with pytest.raises(ConfigError, match="presets are"):
        choose("ulx3s-85f", config="huge")


def test_the_boards_are_listed() -> None:
    listed = json.loads(invoke("boards", "--json").stdout)["boards"]
    assert [board["name"] for board in listed] == list(BOARDS)
    assert listed[0]["default_design"] == "array"
    text = invoke("boards").stdout
    for board in BOARDS.values():
        assert board.name in text


def test_a_missing_package_of_platforms_is_one_message_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    board = replace(BOARDS["ulx3s-85f"], platform="amaranth_boards_that_are_not_there.ulx3s:Platform")
    with pytest.raises(ToolMissing, match="pip install amaranth-boards"):
        design_files(board, DESIGNS["blinky"], Settings(None, 0, 0, 1_000_000, board.oscillator_hz))


def test_the_page_about_boards_lists_them_as_they_are() -> None:
    rows = []
    for board in BOARDS.values():
        choice = choose(board.name)
        design = choice.design.describe(choice.settings).replace("'", "`")
        fpga_name = board.title.split(", ")[-1]
        rows.append(f"| `{board.name}` | {fpga_name} | {board.clock} | {design} | {board.serial} |\n")
    assert "".join(rows) in (Path(__file__).parents[2] / "docs" / "fpga.md").read_text()
