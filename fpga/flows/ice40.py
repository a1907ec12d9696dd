# SPDX-License-Identifier: Apache-2.0
"""Lattice iCE40: Yosys, nextpnr-ice40, icepack."""

from __future__ import annotations

from itertools import product

from fpga.boards import Board
from fpga.flows.flow import TOP, Flow, ResourceKind

__all__ = ["ICE40"]


def _place(board: Board, clock_hz: int) -> list[str]:
    arguments = [f"--{board.device}", "--package", board.package]
    return [*arguments, "--json", f"{TOP}.json", "--pcf", f"{TOP}.pcf", "--asc", f"{TOP}.asc"]


def _pack(board: Board) -> list[str]:
    return [f"{TOP}.asc", f"{TOP}.bin"]


#: Flip-flops: either edge, enable, set or reset with or without a clock.
_FLIP_FLOPS = {
    f"SB_DFF{edge}{enable}{reset}": 1 for edge, enable, reset in product(("", "N"), ("", "E"), ("", "R", "S", "SR", "SS"))
}

ICE40 = Flow(
    synthesis=f"""\
synth_ice40 -device u -dsp -spram -top {TOP}
write_json {TOP}.json
""",
    constraints="pcf",
    placer="nextpnr-ice40",
    packer="icepack",
    place=_place,
    pack=_pack,
    bitstream=f"{TOP}.bin",
    resources={
        # A logic cell has a LUT, a carry and a flip-flop.
        "LUT4": ResourceKind({"SB_LUT4": 1}, {"ICESTORM_LC": 1}, "ICESTORM_LC"),
        "FF": ResourceKind(_FLIP_FLOPS, {}, "ICESTORM_LC"),
        "DSP": ResourceKind({"SB_MAC16": 1}, {"ICESTORM_DSP": 1}, "ICESTORM_DSP"),
        "BRAM": ResourceKind(
            {f"SB_RAM40_4K{edges}": 1 for edges in ("", "NR", "NW", "NRNW")}, {"ICESTORM_RAM": 1}, "ICESTORM_RAM"
        ),
        "SPRAM": ResourceKind({"SB_SPRAM256KA": 1}, {"ICESTORM_SPRAM": 1}, "ICESTORM_SPRAM"),
    },
)
