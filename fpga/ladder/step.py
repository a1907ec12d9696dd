# SPDX-License-Identifier: Apache-2.0
"""What steps of the ladder have in common."""

from __future__ import annotations

from collections.abc import Callable

from fpga.errors import FpgaError

__all__ = ["LadderFailure", "Say", "Tell", "quiet"]

#: Takes a line of a step's result.
Say = Callable[[str], None]

#: Takes progress: what is being done, and how much of how much is done.
Tell = Callable[[str, int, int], None]


class LadderFailure(FpgaError):
    """The board does not do what the step expects; the message says what it does instead."""


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody wants."""
