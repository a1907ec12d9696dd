# SPDX-License-Identifier: Apache-2.0
"""Serial ports: opening one with a clear word about what is wrong, and bearing that it vanishes for a while."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import Any

from fpga.errors import LinkError, ToolMissing

__all__ = ["Port", "open_port"]

#: Seconds that a read waits for a first byte, and a write for room.
_READ_SECONDS = 0.005
_WRITE_SECONDS = 1.0

#: Seconds between two attempts to open a port that has vanished.
_REOPEN_SECONDS = 0.25


class Port:
    """A serial port that is open. When its device vanishes, it is a silent line until the device is back, or an error.

    Parameters
    ----------
    path : str
        Of a serial port or pseudo-terminal, or a URL that pyserial knows, such as ``socket://host:port``.
    baud : int
        Bits per second.
    comes_back : bool
        Whether the path stands for the same device when it is there again, as a USB adapter's does. The system gives a
        pseudo-terminal's to anybody who makes the next one.

    Members
    -------
    port, baudrate : as given
    trouble : str
        What the system says is wrong with the port; empty if nothing is.

    Raises
    ------
    LinkError
        If it cannot be opened, or, from ``read``, ``write`` and ``in_waiting``, if it has vanished and does not come back.
    ToolMissing
        If pyserial is not installed.
    """

    def __init__(self, path: str, baud: int, *, comes_back: bool = True):
        self.port = path
        self.baudrate = baud
        self._comes_back = comes_back
        self.trouble = ""
        self._last_attempt = 0.0
        self._serial: Any = _open(path, baud)

    def read(self, size: int = 1) -> bytes:
        """Up to ``size`` bytes, after some milliseconds at most."""
        if not self._ready():
            return b""
        try:
            return bytes(self._serial.read(size))
        except (OSError, TypeError) as error:  # pyserial raises the latter when a port is closed under it
            self._lose(error)
            return b""

    def write(self, data: bytes) -> int:
        """Send bytes; what cannot be sent in time is lost, as on an unplugged cable."""
        import serial  # type: ignore[import-untyped]

        if self._ready():
            try:
                return int(self._serial.write(data) or 0)
            except serial.SerialTimeoutException:
                return 0
            except (OSError, TypeError) as error:
                self._lose(error)
        return 0

    @property
    def in_waiting(self) -> int:
        """Bytes that a read gets at once."""
        if self._serial is not None:
            try:
                return int(self._serial.in_waiting)
            except (OSError, TypeError) as error:
                self._lose(error)
        return 0

    def close(self) -> None:
        """Close the port; it is not opened again."""
        self._comes_back = False
        if self._serial is not None:
            self._serial.close()
            self._serial = None
            self.trouble = "closed"

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _lose(self, error: BaseException) -> None:
        self.trouble = str(error) or type(error).__name__
        self._last_attempt = time.monotonic()
        with contextlib.suppress(OSError):
            self._serial.close()
        self._serial = None
        self._check_whether_it_comes_back()

    def _check_whether_it_comes_back(self) -> None:
        if not self._comes_back:
            raise LinkError(f"{self.port} has gone ({self.trouble}); start what was behind it, and open it again")

    def _ready(self) -> bool:
        """Whether the port is open; if not, another attempt is made from time to time."""
        if self._serial is None:
            self._check_whether_it_comes_back()
            time.sleep(_READ_SECONDS)
            if time.monotonic() - self._last_attempt < _REOPEN_SECONDS:
                return False
            self._last_attempt = time.monotonic()
            try:
                self._serial = _open(self.port, self.baudrate)
            except LinkError as error:
                self.trouble = str(error)
                return False
            self.trouble = ""
        return True


def open_port(path: str, baud: int, *, comes_back: bool = True) -> Port:
    """Open a serial port or a pseudo-terminal for a host link; parameters and errors are those of :class:`Port`."""
    return Port(path, baud, comes_back=comes_back)


def _open(path: str, baud: int) -> Any:
    try:
        import serial
    except ImportError:
        raise ToolMissing("pyserial is missing, which talks to serial ports; pip install 'opend1[fpga]'") from None
    # Another program on the same line would take the answers away. URLs know no such option.
    exclusive = {} if "://" in path or os.name == "nt" else {"exclusive": True}
    try:
        port = serial.serial_for_url(path, baud, timeout=_READ_SECONDS, write_timeout=_WRITE_SECONDS, **exclusive)
    except ValueError as error:
        raise LinkError(f"{path} does not do {baud:,} baud ({error}); choose another rate, for the bitstream too") from None
    except OSError as error:
        raise LinkError(_refusal(path, error)) from None
    try:
        port.reset_input_buffer()
    except OSError as error:
        port.close()
        raise LinkError(_refusal(path, error)) from None
    return port


def _refusal(path: str, error: OSError) -> str:
    """Why a port cannot be opened, and what to do."""
    number = error.errno
    if number is None and error.__context__ is not None and error.__context__.args:
        number = error.__context__.args[0]  # termios.error has no errno of its own
    if number == errno.ENOENT:
        return f"there is no port {path}; {_ports()}"
    if number in (errno.EACCES, errno.EPERM):
        group = _group(path)
        return f"no permission to open {path}; it belongs to group {group}: sudo usermod -aG {group} $USER, then log in again"
    if number in (errno.EBUSY, errno.EAGAIN):
        return f"{path} is busy: another program has opened it; close it (a terminal, a programmer, another d1)"
    if number in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return f"{path} is no serial port; {_ports()}"
    if number in (errno.ENXIO, errno.EIO, errno.ENODEV):
        return f"{path} has no device behind it; {_ports()}"
    if number == errno.ECONNREFUSED:
        return f"nothing listens at {path}"
    reason = os.strerror(number) if number is not None and number > 0 else error
    return f"{path} cannot be opened: {reason}" + ("" if "://" in path else f"; {_ports()}")


def _group(path: str) -> str:
    """The group that may use a port."""
    try:
        import grp

        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "dialout"


def _ports() -> str:
    """The ports that there are."""
    from serial.tools.list_ports import comports  # type: ignore[import-untyped]

    found = sorted(f"{port.device} ({port.description})" for port in comports() if port.hwid != "n/a")
    return f"ports with a device are {', '.join(found)}" if found else "no port has a device: is the board plugged in?"
