# SPDX-License-Identifier: Apache-2.0
"""The timing of a SIMD unit with one lane, as docs/architecture.md has it."""

from __future__ import annotations

from golden.config import NodeConfig

__all__ = ["MOVES", "ONE_LANE_STAGES", "has_one_lane", "one_lane_cycles"]

#: Cycles from the last element that enters to the result.
ONE_LANE_STAGES = 14

#: What names of operations begin with that move bytes.
MOVES = ("vsel", "vnarrow", "vshuf", "vslide", "vwiden", "vbc", "vtrn")

#: Cycles of an element of operations that are computed digit by digit.
_SPECIAL_CYCLES = {"vrcp": 35, "vrsqrt": 113, "vexp2": 69}


def has_one_lane(config: NodeConfig) -> bool:
    """Whether a vector takes as many passes as it has FP32 lanes."""
    return 4 * config.simd_passes == config.line_bytes


def one_lane_cycles(config: NodeConfig, mnemonic: str) -> int:
    """Cycles before the next operation may enter."""
    lanes = config.fp32_lanes
    name, kind, *_ = [*mnemonic.split("."), ""]
    elements = {"bf16": 2 * lanes, "i16": 2 * lanes, "i8": 4 * lanes}.get(kind, lanes)
    if name in _SPECIAL_CYCLES:
        return _SPECIAL_CYCLES[name] * elements
    if name.startswith("vred"):
        combined = {"i16": lanes, "i8": lanes + 1}.get(kind, elements - 1)
        return 10 * combined + 2 + elements
    if name.startswith(MOVES):
        return 4 * lanes
    return 2 * lanes if kind == "bf16" else lanes
