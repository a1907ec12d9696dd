# SPDX-License-Identifier: Apache-2.0
"""How long a bit takes on a serial line, in clock cycles."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FRACTION_BITS", "LEAST_CYCLES", "MOST_CYCLES", "BitPeriod"]

#: Bits after the point of a period: a frame of ten bits drifts by less than a tenth of a cycle.
FRACTION_BITS = 6

#: Cycles per bit. With less than 4, where a bit is sampled is unsure by half of it: a cycle for the start bit's edge, which comes
#: between two cycles, another for the sample, and a fifth of a bit for a line that is 2 % off, up to the stop bit.
LEAST_CYCLES = 4
MOST_CYCLES = 65_535


@dataclass(frozen=True)
class BitPeriod:
    """Cycles per bit, with a fraction.

    Parameters
    ----------
    clock_hz : int
    baud : int
        Bits per second. A bit takes LEAST_CYCLES to MOST_CYCLES.

    Raises
    ------
    ValueError
        If the clock is too slow or too fast for the rate.
    """

    clock_hz: int
    baud: int

    def __post_init__(self) -> None:
        if self.clock_hz < 1 or self.baud < 1:
            raise ValueError(f"clock_hz = {self.clock_hz} and baud = {self.baud} must both be at least 1")
        if not LEAST_CYCLES * self.baud <= self.clock_hz <= MOST_CYCLES * self.baud:
            raise ValueError(
                f"{self.baud} baud is out of reach of a clock of {self.clock_hz} Hz; "
                f"it allows {-(-self.clock_hz // MOST_CYCLES)} to {self.clock_hz // LEAST_CYCLES} baud"
            )

    @property
    def units(self) -> int:
        """The period in units of 2**-FRACTION_BITS cycles."""
        return ((self.clock_hz << FRACTION_BITS) + self.baud // 2) // self.baud
