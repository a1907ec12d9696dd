# SPDX-License-Identifier: Apache-2.0
"""iCEBreaker with an iCE40: pins from amaranth-boards."""

from __future__ import annotations

from fpga.boards.board import WITHOUT_NODES, Board

__all__ = ["ICEBREAKER"]

#: The FPGA has 5,280 LUTs: a node does not fit, its memory behind the host link does.
ICEBREAKER = Board(
    name="icebreaker",
    title="iCEBreaker v1.0, iCE40 UP5K",
    family="ice40",
    platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
    oscillator_hz=12_000_000,
    config="nano",
    device="up5k",
    package="sg48",
    leds=2,
    reset_button=("button", 0),
    designs=WITHOUT_NODES,
    programmer=("openFPGALoader", "--board", "ice40_generic", "{bitstream}"),
    usb="0403:6010",
    serial="USB socket (FT2232H), second port, usually /dev/ttyUSB1",
    source="https://github.com/amaranth-lang/amaranth-boards/blob/main/amaranth_boards/icebreaker.py",
    tier=2,
)
