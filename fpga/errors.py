# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with boards, as exceptions with a text for the user and an exit code for the command."""

from __future__ import annotations

__all__ = ["BuildFailed", "FpgaError", "LinkError", "ToolMissing", "UnknownBoard", "WrongBoard"]


class FpgaError(Exception):
    """Something about a board failed; the message is fit to be shown as it is.

    Members
    -------
    exit_code : int
        What the command exits with.
    """

    exit_code: int = 1


class UnknownBoard(FpgaError):
    """There is no board of that name."""

    exit_code = 2


class ToolMissing(FpgaError):
    """A tool or a package that building needs is not on this machine; the message says how to get it."""

    exit_code = 3


class BuildFailed(FpgaError):
    """A tool rejected the design, or the design does not fit; the message has the tool's own words and where its log is."""


class LinkError(FpgaError):
    """The board does not answer, or not as it should."""


class WrongBoard(LinkError):
    """The board answers, and holds something else than was asked for."""

    exit_code = 2
