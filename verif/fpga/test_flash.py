# SPDX-License-Identifier: Apache-2.0
"""Loading a bitstream: the exact command, and one message with a fix for each thing that may stand in its way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fpga.boards import BOARDS
from fpga.cli import fpga
from fpga.errors import BuildFailed, ToolMissing
from fpga.flash import BoardMissing, PermissionMissing, flash, flash_arguments, flash_problem
from fpga.usb import find_usb

ULX3S, CRAB = BOARDS["ulx3s-85f"], BOARDS["orangecrab-85f"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(fpga, ["flash", *arguments])


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    path = tmp_path / "top level.bit"
    path.write_text("bits")
    return path


def programmer(folder: Path, patch: pytest.MonkeyPatch, text: str) -> None:
    """A stand-in for openFPGALoader."""
    path = folder / "loader"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    patch.setenv("OPENFPGALOADER", str(path))


def usb(root: Path, ident: str | None, *, allowed: bool = True) -> Path:
    """What Linux lists when a device is plugged in, beside a hub and an interface."""
    devices = root / "sys/bus/usb/devices"
    devices.mkdir(parents=True)
    (devices / "1-1:1.0").mkdir()
    for number, name in enumerate(filter(None, ("1d6b:0002", ident)), start=1):
        device = devices / f"1-{number}"
        device.mkdir()
        for file, text in zip(("idVendor", "idProduct"), name.split(":"), strict=True):
            (device / file).write_text(f"{text}\n")
        (device / "busnum").write_text("1\n")
        (device / "devnum").write_text(f"{number}\n")
        node = root / f"dev/bus/usb/001/{number:03}"
        node.parent.mkdir(parents=True, exist_ok=True)
        if allowed:
            node.touch()
    return root


def test_the_command_is_the_boards_with_the_bitstream_in_its_place() -> None:
    assert flash_arguments(ULX3S, Path("/a/top.bit")) == ["openFPGALoader", "--board", "ulx3s", "/a/top.bit"]
    assert flash_arguments(CRAB, Path("x.bit"))[-2:] == ["--download", "x.bit"]


def test_a_dry_run_prints_the_command_and_what_is_missing(bitstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = invoke("ulx3s-85f", "--bitstream", str(bitstream), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == f"openFPGALoader --board ulx3s '{bitstream}'\n"
    assert "openFPGALoader is missing; apt install openfpgaloader" in result.stderr


def test_a_dry_run_tells_what_is_not_built_and_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D1_CACHE", str(tmp_path))
    result = invoke("icebreaker", "--design", "blinky", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"openFPGALoader --board ice40_generic {tmp_path}/fpga/bitstream/")
    assert "blinky on icebreaker is not built yet" in result.stderr
    assert [path.name for path in (tmp_path / "fpga").iterdir()] == ["sources"]


def test_a_bitstream_is_loaded(bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programmer(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/called; echo "Loading: 100%"')
    result = invoke("ulx3s-85f", "--bitstream", str(bitstream))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "called").read_text() == f"--board ulx3s {bitstream}\n"
    assert "Loading: 100%" in result.stderr
    assert f"ulx3s-85f runs {bitstream}" in result.stdout


def test_a_missing_programmer_is_told_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D1_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    error = invoke("orangecrab-85f", "--design", "blinky").exception
    assert isinstance(error, ToolMissing)
    assert error.exit_code == 3
    assert "dfu-util is missing; apt install dfu-util" in str(error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "said, kind, code, fix",
    [
        ("unable to open ftdi device: -3 (device not found)", BoardMissing, 1, "there is no USB device 0403:6015; plug it in, "),
        ("No DFU capable USB device available", BoardMissing, 1, "lsusb"),
        ("unable to open ftdi device: -4 (usb_open() failed)", PermissionMissing, 2, 'ATTRS{idProduct}=="6015"'),
        ("Cannot open device: LIBUSB_ERROR_ACCESS", PermissionMissing, 2, "udevadm control --reload"),
        ("CRC error", BuildFailed, 1, "failed with exit code 7"),
    ],
)
def test_why_a_programmer_failed_is_one_message_with_the_fix(
    said: str, kind: type[Exception], code: int, fix: str, bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpga.flash.find_usb", lambda ident, root: None)
    programmer(tmp_path, monkeypatch, f"echo begin; echo '{said}' >&2; exit 7")
    with pytest.raises(kind) as caught:
        flash(ULX3S, bitstream)
    assert caught.value.exit_code == code  # type: ignore[attr-defined]
    assert fix in str(caught.value)
    assert said in str(caught.value)


def test_what_the_system_knows_of_the_board_goes_before_what_the_programmer_says(
    bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programmer(tmp_path, monkeypatch, "echo JTAG init failed; exit 1")
    monkeypatch.setattr("fpga.flash.find_usb", lambda ident, root: [])
    with pytest.raises(BoardMissing, match="ulx3s-85f is not connected"):
        flash(ULX3S, bitstream)
    result = invoke("ulx3s-85f", "--bitstream", str(bitstream), "--dry-run")
    assert result.exit_code == 0
    assert "ulx3s-85f is not connected" in result.stderr


def test_a_board_is_looked_for_where_linux_lists_usb_devices(tmp_path: Path) -> None:
    assert find_usb(ULX3S.usb, tmp_path) is None
    assert flash_problem(ULX3S, tmp_path) is None
    there = usb(tmp_path / "there", ULX3S.usb)
    assert flash_problem(ULX3S, there) is None
    found = find_usb(ULX3S.usb, there)
    assert found is not None
    assert [(device.ident, device.node.name, device.allowed) for device in found] == [("0403:6015", "002", True)]
    absent = flash_problem(CRAB, usb(tmp_path / "absent", None))
    assert isinstance(absent, BoardMissing)
    assert "while its button is held" in str(absent)


def test_a_device_that_may_not_be_opened_is_a_missing_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = usb(tmp_path, ULX3S.usb)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    problem = flash_problem(ULX3S, root)
    assert isinstance(problem, PermissionMissing)
    assert 'ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6015", MODE="0660"' in str(problem)
    assert "dialout" in str(problem)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["ulx3s-85f", "--bitstream", "/nowhere/top.bit"], "does not exist"),
        (["ulx3s-85f", "--design", "hello", "--baud", "20000000", "--dry-run"], "baud"),
    ],
)
def test_wrong_use_is_one_message(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
