# SPDX-License-Identifier: Apache-2.0
"""ULX3S with an ECP5: pins from amaranth-boards, which follow the board's schematic (https://github.com/emard/ulx3s)."""

from __future__ import annotations

from fpga.boards.board import Board

__all__ = ["ULX3S_85F"]

ULX3S_85F = Board(
    name="ulx3s-85f",
    title="ULX3S, ECP5 LFE5U-85F",
    platform="amaranth_boards.ulx3s:ULX3S_85F_Platform",
    clock_hz=25_000_000,
    config="nano",
    device="85k",
    package="CABGA381",
    speed=6,
    uart_signals=("rx", "tx", "rts", "dtr"),
    leds=8,
    reset_button=("button_fire", 0),
)
