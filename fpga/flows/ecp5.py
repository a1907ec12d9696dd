# SPDX-License-Identifier: Apache-2.0
"""Lattice ECP5: Yosys, nextpnr-ecp5, ecppack."""

from __future__ import annotations

from fpga.boards import Board
from fpga.flows.ecp5_netlist import tune
from fpga.flows.flow import TOP, Flow, ResourceKind

__all__ = ["ECP5"]


def _place(board: Board, clock_hz: int) -> list[str]:
    arguments = [f"--{board.device}", "--package", board.package, "--speed", str(board.speed)]
    arguments += ["--json", f"{TOP}.json", "--lpf", f"{TOP}.lpf", "--textcfg", f"{TOP}.config"]
    # The default placer needs more wires and far more rounds of routing for arrays, and the default router takes hours where
    # wires are scarce.
    return [*arguments, "--placer", "static", "--router", "router2"]


def _pack(board: Board) -> list[str]:
    return ["--compress", "--input", f"{TOP}.config", "--bit", f"{TOP}.bit"]


ECP5 = Flow(
    # Without wide multiplexers: they double the LUTs of the router's crossbar, and routing then takes hours.
    # `splitnets` before mapping to LUTs: ABC9 otherwise stops at nets whose names look like bits of others
    # (https://github.com/YosysHQ/yosys/issues/4349).
    synthesis=f"""\
synth_ecp5 -nowidelut -top {TOP} -run begin:map_luts
splitnets
synth_ecp5 -nowidelut -top {TOP} -run map_luts:
write_json {TOP}.json
""",
    constraints="lpf",
    placer="nextpnr-ecp5",
    packer="ecppack",
    place=_place,
    pack=_pack,
    bitstream=f"{TOP}.bit",
    resources={
        # A carry cell is two LUTs; a 16x4 memory takes four for its bits and two to write.
        "LUT4": ResourceKind({"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}, {"TRELLIS_COMB": 1}, "TRELLIS_COMB"),
        "FF": ResourceKind({"TRELLIS_FF": 1}, {"TRELLIS_FF": 1}, "TRELLIS_FF"),
        "DSP": ResourceKind({"MULT18X18D": 1}, {"MULT18X18D": 1}, "MULT18X18D"),
        "BRAM": ResourceKind({"DP16KD": 1, "PDPW16KD": 1}, {"DP16KD": 1}, "DP16KD"),
    },
    tune=tune,
)
