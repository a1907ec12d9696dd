# SPDX-License-Identifier: Apache-2.0
"""The cycle count of the models: one per instruction.

The models are not cycle-accurate. In a round every thread that can run executes up to a quantum of instructions, as if
they all did so at the same time and one instruction took one cycle; the round takes as long as its longest thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

#: Instructions that a thread executes before the next one has its turn.
QUANTUM = 256


@dataclass
class Clock:
    """The cycle in which whatever runs now does so."""

    cycle: int = 0


class Runnable(Protocol):
    """Whatever a round can run."""

    def run(self, budget: int) -> int:
        """Run for up to ``budget`` cycles, advancing the clock; returns the cycles used, 0 if nothing can be done."""


def run_round(threads: Iterable[Runnable], clock: Clock, budget: int = QUANTUM) -> int:
    """Give every thread one turn of up to ``budget`` cycles; returns the cycles that passed, 0 if nothing can move."""
    start = clock.cycle
    longest = 0
    for thread in threads:
        clock.cycle = start
        longest = max(longest, thread.run(budget))
    clock.cycle = start + longest
    return longest
