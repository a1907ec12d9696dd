# SPDX-License-Identifier: Apache-2.0
"""Checks a board that says hello: its line of text, and that it sends back what it gets."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from fpga.ladder.step import LadderFailure, Say, Tell, quiet

__all__ = ["check_greeting"]

#: Bytes that are sent at a time; the board holds that many while it sends its line.
_CHUNK = 64


class ByteLine(Protocol):
    """A serial port; reads return what has come within some milliseconds."""

    def read(self, size: int = 1) -> bytes:
        """Up to ``size`` bytes."""

    def write(self, data: bytes) -> int | None:
        """Send bytes."""


def check_greeting(line: ByteLine, text: bytes, seconds: float, say: Say, tell: Tell = quiet) -> None:
    """Wait for the board's line of text, then send every byte value and take them back.

    Parameters
    ----------
    line : ByteLine
    text : bytes
        The line, with its end.
    seconds : float
        How long to wait for each answer.
    say, tell : callable
        Take the lines of the result, and progress.

    Raises
    ------
    LadderFailure
        If something else comes, or nothing.
    """
    tell("waiting for the board's line", 0, 1)
    heard = _listen(line, seconds, lambda sofar: text in sofar)
    if text not in heard:
        what = f"something else comes: {heard[-2 * len(text) :]!r}" if heard else "nothing comes"
        raise LadderFailure(
            f"the board does not say {text!r}, {what}; is it the right port and baud rate, and the bitstream of this board?"
        )
    say(f"heard: {text.decode().rstrip()}")
    for first in range(0, 256, _CHUNK):
        tell("sending bytes to be sent back", first, 256)
        sent = bytes(range(first, first + _CHUNK))
        line.write(sent)

        heard = _without(_listen(line, seconds, partial(_comes_back, sent, text)), text)
        if heard != sent:
            raise LadderFailure(f"the board was sent {sent!r} and sends back {heard!r}")
    say("echo: all 256 byte values come back")
    say("passed")


def _without(heard: bytes, text: bytes) -> bytes:
    """What came beside the line of text, which may come at any time, but whole."""
    return heard.replace(text, b"")


def _comes_back(sent: bytes, text: bytes, heard: bytes) -> bool:
    return _without(heard, text) == sent


def _listen(line: ByteLine, seconds: float, enough: Callable[[bytes], bool]) -> bytes:
    heard = b""
    deadline = time.monotonic() + seconds
    while not enough(heard) and time.monotonic() < deadline:
        heard += line.read(_CHUNK)
    return heard
