# SPDX-License-Identifier: Apache-2.0
"""A platform whose pins a simulation drives and watches."""

from __future__ import annotations

from typing import Any

from amaranth.lib import io

from fpga.boards import Board

__all__ = ["Pins"]


class _Uart:
    """The serial line's pins, as a design requests them."""

    def __init__(self) -> None:
        self.rx = io.SimulationPort("i", 1, name="rx")
        self.tx = io.SimulationPort("o", 1, name="tx")


class Pins:
    """Stands where a board's Amaranth platform would: every resource may be requested once, without a buffer.

    Parameters
    ----------
    board : Board

    Members
    -------
    uart : pins ``rx`` and ``tx``
    leds : list of output pins
    button : input pin, if the board has one for reset
    """

    def __init__(self, board: Board):
        self.uart = _Uart()
        self.leds = [io.SimulationPort("o", 1, name=f"led{number}") for number in range(board.leds)]
        self._free: dict[tuple[str, int], Any] = {board.uart: self.uart}
        self._free |= {("led", number): led for number, led in enumerate(self.leds)}
        if board.reset_button is not None:
            self.button = self._free[board.reset_button] = io.SimulationPort("i", 1, name="button")

    def request(self, name: str, number: int = 0, *, dir: Any) -> Any:
        """A resource's pins; only without a buffer."""
        assert dir == "-" or set(dir.values()) == {"-"}
        return self._free.pop((name, number))
