# SPDX-License-Identifier: Apache-2.0
"""Loading a bitstream into a board, and why it did not work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from fpga.boards import Board
from fpga.errors import BuildFailed, FpgaError
from fpga.tools import find_tool
from fpga.usb import find_usb

__all__ = ["BoardMissing", "PermissionMissing", "flash", "flash_arguments", "flash_problem"]

#: What programmers print when there is nothing to open ...
_NO_DEVICE = re.compile(
    r"device not found|no (?:device|cable|probe|dfu capable)\b.*|unable to open ftdi device: -3|not found on usb|found 0 device",
    re.IGNORECASE,
)

#: ... and when there is, but the user may not. libftdi tells -4 when a device cannot be opened, -8 when it may not be claimed.
_NO_PERMISSION = re.compile(
    r"permission|access denied|libusb_error_access|operation not permitted|unable to open ftdi device: -[48]", re.IGNORECASE
)

_LAST_LINES = 8


class BoardMissing(FpgaError):
    """The board is not there, or the system has no driver for it; the message says what to look at."""

    exit_code = 1


class PermissionMissing(FpgaError):
    """The board is there and the user may not open it; the message has the rule that allows it."""

    exit_code = 2


def flash_arguments(board: Board, bitstream: Path) -> list[str]:
    """The programmer's name and arguments."""
    return [argument.replace("{bitstream}", str(bitstream)) for argument in board.programmer]


def flash(board: Board, bitstream: Path, tell: Callable[[str], None] = lambda line: None) -> None:
    """Load a bitstream.

    Parameters
    ----------
    board : Board
    bitstream : Path
    tell : callable
        Gets each line that the programmer prints.

    Raises
    ------
    ToolMissing
        If the programmer is missing; the message says how to get it.
    BoardMissing, PermissionMissing
        If the programmer cannot open the board.
    BuildFailed
        If it fails otherwise; the message has its last words.
    """
    program, *arguments = flash_arguments(board, bitstream)
    tool = find_tool(program)
    lines: list[str] = []
    with subprocess.Popen(
        [*tool.command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            tell(lines[-1])
    if process.returncode == 0:
        return
    said = "\n".join(line for line in lines[-_LAST_LINES:] if line)
    problem = flash_problem(board)
    if problem is None and _NO_PERMISSION.search(said):
        problem = PermissionMissing(_permission_fix(board))
    elif problem is None and _NO_DEVICE.search(said):
        problem = BoardMissing(_device_fix(board))
    if problem is not None:
        raise type(problem)(f"{problem}\n{program} said:\n{said}")
    raise BuildFailed(f"{program} failed with exit code {process.returncode}:\n{said}")


def flash_problem(board: Board, root: Path = Path("/")) -> BoardMissing | PermissionMissing | None:
    """What stands in the way of loading a bitstream, as far as the system tells without the programmer."""
    devices = find_usb(board.usb, root)
    if devices is None:
        return None
    if not devices:
        return BoardMissing(_device_fix(board))
    if not any(device.allowed for device in devices):
        return PermissionMissing(_permission_fix(board))
    return None


def _device_fix(board: Board) -> str:
    hint = " while its button is held, which starts the boot loader" if board.programmer[0] == "dfu-util" else ""
    return (
        f"{board.name} is not connected: there is no USB device {board.usb}; plug it in{hint}, with a cable that carries "
        "data, and look for it with lsusb. A virtual machine needs the device passed on, Windows a WinUSB driver (https://zadig.akeo.ie)"
    )


def _permission_fix(board: Board) -> str:
    vendor, product = board.usb.split(":")
    rule = f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", MODE="0660", GROUP="plugdev", TAG+="uaccess"'
    lines = (
        f"you may not open {board.name} (USB device {board.usb}); allow it with a udev rule, then plug it in again:",
        f"  echo '{rule}' | sudo tee /etc/udev/rules.d/70-{board.name}.rules",
        "  sudo udevadm control --reload",
        "  sudo usermod -a -G plugdev,dialout $USER   # and log in again; dialout is for the serial line",
    )
    return "\n".join(lines)
