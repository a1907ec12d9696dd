# SPDX-License-Identifier: Apache-2.0
"""ULX3S with an ECP5: pins from amaranth-boards, which follow the board's schematic."""

from __future__ import annotations

from fpga.boards.board import WITH_NODES, Board

__all__ = ["ULX3S_12F", "ULX3S_25F", "ULX3S_45F", "ULX3S_85F"]


def _ulx3s(size: int, device: str, rows: int, columns: int, tier: int, default_design: str = "node", node_hz: int = 0) -> Board:
    return Board(
        name=f"ulx3s-{size}f",
        title=f"ULX3S, ECP5 LFE5U-{size}F",
        family="ecp5",
        platform=f"amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        oscillator_hz=25_000_000,
        node_hz=node_hz,
        config="nano",
        rows=rows,
        columns=columns,
        device=device,
        package="CABGA381",
        speed=6,
        uart_signals=("rx", "tx", "rts", "dtr"),
        leds=8,
        reset_button=("button_fire", 0),
        designs=WITH_NODES,
        default_design=default_design,
        programmer=("openFPGALoader", "--board", "ulx3s", "{bitstream}"),
        usb="0403:6015",
        serial="USB socket US1 (FT231X), usually /dev/ttyUSB0",
        source="https://github.com/emard/ulx3s/blob/master/doc/constraints/ulx3s_v20.lpf",
        tier=tier,
    )


#: The 12F is a 25F under another identity: the open tools use all of it. Where arrays fit, nodes run from the oscillator, since
#: arrays are not known to reach more.
ULX3S_12F = _ulx3s(12, "12k", 1, 1, tier=2, node_hz=45_000_000)
ULX3S_25F = _ulx3s(25, "25k", 1, 1, tier=1, node_hz=45_000_000)
ULX3S_45F = _ulx3s(45, "45k", 1, 2, tier=1)
ULX3S_85F = _ulx3s(85, "85k", 2, 2, tier=1, default_design="array")
