# SPDX-License-Identifier: Apache-2.0
"""Where the run of a program stands, apart from the array: what a host has to remember in order to go on later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sw.backend import Site

__all__ = ["FIRST_LOOK_CYCLES", "RunState"]

#: Cycles until the host looks for what programs ask of it for the first time, and after it has answered.
FIRST_LOOK_CYCLES = 1 << 8


@dataclass
class RunState:
    """Changes while the program runs. A run goes on from a state that is ``started``, on an array in the state of that time.

    Members
    -------
    started : bool
        Whether the program was loaded and started.
    passed : int
        Cycles of runs since then; those of packets in between are not counted.
    interval, due : int
        Cycles between the host's last look and its next, and how many of them are left.
    written : dict of (x, y) to bytearray
        What each node has written; nodes that have written nothing are not there.
    exit_codes : dict of (x, y) to int
        Exit codes of nodes that asked for their end by system call.
    """

    started: bool = False
    passed: int = 0
    interval: int = FIRST_LOOK_CYCLES
    due: int = FIRST_LOOK_CYCLES
    written: dict[Site, bytearray] = field(default_factory=dict)
    exit_codes: dict[Site, int] = field(default_factory=dict)

    def as_dict(self, further: int = 0) -> dict[str, Any]:
        """The state as JSON has it, when an ``array.run`` that has not returned yet has run for so many cycles."""
        return {
            "passed": self.passed + further,
            "interval": self.interval,
            "due": self.due - further,
            "written": [[*site, contents.hex()] for site, contents in self.written.items()],
            "exit_codes": [[*site, code] for site, code in self.exit_codes.items()],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunState:
        """The inverse of ``as_dict``, started."""
        return cls(
            True,
            values["passed"],
            values["interval"],
            values["due"],
            {(x, y): bytearray.fromhex(contents) for x, y, contents in values["written"]},
            {(x, y): code for x, y, code in values["exit_codes"]},
        )
