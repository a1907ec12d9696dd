# SPDX-License-Identifier: Apache-2.0
"""Whether nextpnr gets anywhere: its placer looks for room that is not there, its router for wires, for ever."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ROUNDS_WITHOUT_GAIN", "ProgressWatch"]

#: Rounds of routing without a new least number of overused wires after which there is no hope: twice the longest such wait, of
#: 59 rounds, in the routings of nodes that ended well when this was set; the others waited 5 to 43.
ROUNDS_WITHOUT_GAIN = 120

_ROUND = re.compile(r"iter=(\d+) wires=\d+ overused=(\d+)")
_UTILISATION = re.compile(r"Info:\s+\w+:\s+(\d+)/\s*(\d+)")


class ProgressWatch:
    """Follows nextpnr's log.

    Parameters
    ----------
    log : Path
        What nextpnr prints; it may grow between calls, and need not be there yet.
    """

    def __init__(self, log: Path):
        self._log = log
        self._read = 0
        self._best: tuple[int, int] | None = None

    def hopeless(self) -> str | None:
        """Why it is no use to go on, or None."""
        if not self._log.exists():
            return None
        with open(self._log, "rb") as file:
            file.seek(self._read)
            # A line that is still being written is left for the next time.
            text, end, _ = file.read().rpartition(b"\n")
        self._read += len(text + end)
        new = text.decode(errors="replace")
        if any(int(used) > int(available) for used, available in _UTILISATION.findall(new)):
            return "there is too little of something"
        rounds = [(int(number), int(overused)) for number, overused in _ROUND.findall(new)]
        for number, overused in rounds:
            if self._best is None or overused < self._best[1]:
                self._best = number, overused
            elif number - self._best[0] >= ROUNDS_WITHOUT_GAIN:
                return f"{self._best[1]:,} wires too few at best, in round {self._best[0]} of {number}"
        return None
