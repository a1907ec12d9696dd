# SPDX-License-Identifier: Apache-2.0
"""Icepi Zero v1.3 with an ECP5: pins from amaranth-boards."""

from __future__ import annotations

from fpga.boards.board import WITH_NODES, Board

__all__ = ["ICEPI_ZERO"]

ICEPI_ZERO = Board(
    name="icepi-zero",
    title="Icepi Zero v1.3, ECP5 LFE5U-25F",
    family="ecp5",
    platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
    oscillator_hz=50_000_000,
    node_hz=45_000_000,
    config="nano",
    device="25k",
    package="CABGA256",
    speed=6,
    uart_signals=("rx", "tx", "rts", "dtr"),
    leds=5,
    reset_button=("button", 0),
    designs=WITH_NODES,
    programmer=("openFPGALoader", "--board", "icepi-zero", "{bitstream}"),
    usb="0403:6015",
    serial="USB socket of the FT231X, usually /dev/ttyUSB0",
    source="https://github.com/amaranth-lang/amaranth-boards/blob/main/amaranth_boards/icepi_zero.py",
)
