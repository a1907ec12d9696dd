# SPDX-License-Identifier: Apache-2.0
"""Exit codes of the command, and the one error that subcommands raise to end with a message."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit code says."""

    PASSED = 0
    FAILED = 1
    """The program, the comparison or the build failed."""
    USAGE = 2
    """What was asked for cannot be: an option, a file, a configuration or a program that is not valid."""
    MISSING = 3
    """A tool that is needed is not on this machine."""
    INTERNAL = 70
    """A defect of the command itself."""
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command with a message on stderr.

    Parameters
    ----------
    message : str
        Names the thing, the value, what is allowed and how to mend it.
    exit_code : ExitCode
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.USAGE):
        super().__init__(message)
        self.exit_code = exit_code
