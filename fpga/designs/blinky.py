# SPDX-License-Identifier: Apache-2.0
"""The lights of a board count: its clock runs and its pins are the right ones."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import io

from fpga.boards import Board
from fpga.designs import Settings

__all__ = ["COUNTS_PER_SECOND", "Blinky"]

#: The lowest light changes this often.
COUNTS_PER_SECOND = 4


class Blinky(Elaboratable):
    """All lights of a board show a binary number, light 0 its lowest bit, which goes up four times a second.

    Parameters
    ----------
    board : Board
        With one light at least.
    settings : Settings
        ``clock_hz`` counts.

    Raises
    ------
    ValueError
        If the board has no light.
    """

    def __init__(self, board: Board, settings: Settings):
        if not board.leds:
            raise ValueError(f"{board.name} has no light for blinky")
        self.board = board
        self.period = settings.clock_hz // COUNTS_PER_SECOND

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        timer = Signal(range(self.period))
        number = Signal(self.board.leds)
        with m.If(timer == self.period - 1):
            m.d.sync += [timer.eq(0), number.eq(number + 1)]
        with m.Else():
            m.d.sync += timer.eq(timer + 1)
        for index in range(self.board.leds):
            m.submodules[f"led{index}"] = led = io.Buffer("o", platform.request("led", index, dir="-"))
            m.d.comb += led.o.eq(number[index])
        return m
