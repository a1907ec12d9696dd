# SPDX-License-Identifier: Apache-2.0
"""What goes wrong when simulating, as exceptions with a text for the user and an exit code for the command."""

from __future__ import annotations

from golden.mesh import UnansweredError

__all__ = ["ArrayTooLarge", "BuildError", "SimulatorError", "ToolMissing"]


class SimulatorError(Exception):
    """Something about simulating failed; the message is fit to be shown as it is.

    Members
    -------
    exit_code : int
        What the command exits with.
    """

    exit_code: int = 1


class UnansweredAccess(SimulatorError, UnansweredError):
    """The network does not answer the host."""


class ToolMissing(SimulatorError):
    """A tool that building needs is not on this machine. ``tool`` names it, ``fix`` says what to do."""

    exit_code = 3

    def __init__(self, tool: str, fix: str):
        super().__init__(f"{tool} is missing; {fix}")
        self.tool = tool
        self.fix = fix


class BuildError(SimulatorError):
    """A tool rejected what it was given; the message has the tool's own words and where the whole log is."""


class ArrayTooLarge(SimulatorError):
    """An array needs more memory than there is, or more nodes than coordinates name."""
