# SPDX-License-Identifier: Apache-2.0
"""OrangeCrab r0.2 with an ECP5."""

from __future__ import annotations

from fpga.boards.board import WITH_NODES, Board

__all__ = ["ORANGECRAB_25F", "ORANGECRAB_85F"]


def _orangecrab(size: int, rows: int, columns: int) -> Board:
    return Board(
        name=f"orangecrab-{size}f",
        title=f"OrangeCrab r0.2, ECP5 LFE5U-{size}F",
        family="ecp5",
        platform=f"fpga.boards.orangecrab_platform:OrangeCrab{size}FPlatform",
        oscillator_hz=48_000_000,
        node_hz=24_000_000,
        config="nano",
        rows=rows,
        columns=columns,
        device=f"{size}k",
        package="CSFBGA285",
        speed=8,
        leds=3,
        reset_button=("button", 0),
        designs=WITH_NODES,
        default_design="node",
        tier=1 if size > 25 else 2,
        programmer=("dfu-util", "--device", "1209:5af0", "--alt", "0", "--download", "{bitstream}"),
        usb="1209:5af0",
        serial="adapter of 3.3 V at pins 0 (board receives) and 1 (board sends)",
        source="https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/gsd_orangecrab.py",
    )


ORANGECRAB_25F = _orangecrab(25, 1, 1)
ORANGECRAB_85F = _orangecrab(85, 2, 2)
