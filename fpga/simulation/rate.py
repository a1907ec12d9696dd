# SPDX-License-Identifier: Apache-2.0
"""The rate of a simulated serial line."""

from __future__ import annotations

from fpga.baud import LEAST_CYCLES

__all__ = ["fastest_baud"]


def fastest_baud(clock_hz: int) -> int:
    """The highest rate that a clock makes: in simulation every cycle of a bit costs time."""
    return clock_hz // LEAST_CYCLES
