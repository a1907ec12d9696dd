# SPDX-License-Identifier: Apache-2.0
"""The rate of a simulated serial line."""

from __future__ import annotations

__all__ = ["fastest_baud"]

#: The shortest bit, in cycles, that any clock can make.
_CYCLES_PER_BIT = 8


def fastest_baud(clock_hz: int) -> int:
    """The highest rate that a clock makes for certain: in simulation every cycle of a bit costs time."""
    return clock_hz // _CYCLES_PER_BIT
