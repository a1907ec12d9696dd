# SPDX-License-Identifier: Apache-2.0
"""How long a bit takes on a serial line, in clock cycles."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FRACTION_BITS", "BitPeriod"]

#: Bits after the point of a period: a frame of ten bits drifts by less than a tenth of a cycle.
FRACTION_BITS = 6


@dataclass(frozen=True)
class BitPeriod:
    """Cycles per bit, with a fraction.

    Parameters
    ----------
    clock_hz : int
    baud : int
        Bits per second. A bit takes 8 to 65,535 cycles: with less, a line that is 2 % off is sampled at the edge of bits.

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
        if not 8 * self.baud <= self.clock_hz <= 65_535 * self.baud:
            raise ValueError(
                f"{self.baud} baud is out of reach of a clock of {self.clock_hz} Hz; "
                f"it allows {-(-self.clock_hz // 65_535)} to {self.clock_hz // 8} baud"
            )

    @property
    def units(self) -> int:
        """The period in units of 2**-FRACTION_BITS cycles."""
        return ((self.clock_hz << FRACTION_BITS) + self.baud // 2) // self.baud
