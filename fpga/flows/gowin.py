# SPDX-License-Identifier: Apache-2.0
"""Gowin: Yosys, nextpnr-himbaechel and gowin_pack of Project Apicula."""

from __future__ import annotations

from itertools import product

from fpga.boards import Board
from fpga.flows.flow import TOP, Flow, ResourceKind

__all__ = ["GOWIN"]


def _place(board: Board, clock_hz: int) -> list[str]:
    # Amaranth's own script calls nextpnr-gowin, which this one replaced and whose options it does not have.
    arguments = ["--device", board.device, "--vopt", f"family={board.database}", "--vopt", f"cst={TOP}.cst"]
    return [*arguments, "--json", f"{TOP}.json", "--write", f"{TOP}.placed.json", "--freq", f"{clock_hz / 1e6:g}"]


def _pack(board: Board) -> list[str]:
    return ["-d", board.database, "-o", f"{TOP}.fs", f"{TOP}.placed.json"]


#: Flip-flops: either edge; set, reset, preset, clear or none of them; enable.
_FLIP_FLOPS = {f"DFF{edge}{reset}{enable}": 1 for edge, reset, enable in product(("", "N"), ("", *"SRPC"), ("", "E"))}

#: A multiplier of 9x9 bits blocks one of 18x18 unless a second one shares it, which is not counted.
_MULTIPLIERS = {"MULT9X9": 1, "MULT18X18": 1, "MULT36X36": 4}

_BLOCK_RAMS = ("SP", "SPX9", "SDP", "SDPB", "SDPX9", "SDPX9B", "DP", "DPB", "DPX9", "DPX9B", "pROM", "pROMX9")

GOWIN = Flow(
    # Without wide multiplexers, as for ECP5: they took 70 % more LUTs for a node's memory.
    synthesis=f"""\
synth_gowin -family gw2a -nowidelut -top {TOP} -json {TOP}.json
""",
    constraints="cst",
    placer="nextpnr-himbaechel",
    packer="gowin_pack",
    place=_place,
    pack=_pack,
    bitstream=f"{TOP}.fs",
    resources={
        # Adders and 16x4 memories take the places of LUTs.
        "LUT4": ResourceKind(
            {**{f"LUT{inputs}": 1 for inputs in range(1, 5)}, "ALU": 1, "RAM16SDP4": 4},
            {"LUT4": 1, "ALU": 1, "RAM16SDP4": 4},
            "LUT4",
        ),
        "FF": ResourceKind(_FLIP_FLOPS, {"DFF": 1}, "DFF"),
        # In multipliers of 18x18 bits.
        "DSP": ResourceKind(_MULTIPLIERS, _MULTIPLIERS, "MULT18X18"),
        "BRAM": ResourceKind(dict.fromkeys(_BLOCK_RAMS, 1), {"BSRAM": 1}, "BSRAM"),
    },
)
