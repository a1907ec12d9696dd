# SPDX-License-Identifier: Apache-2.0
"""The timing of a SIMD unit with one lane, as docs/architecture.md has it."""

from __future__ import annotations

from golden.config import NodeConfig

__all__ = ["MOVES", "ONE_LANE_STAGES", "has_one_lane", "one_lane_cycles"]

#: Cycles from when the next operation may enter to the result.
ONE_LANE_STAGES = 1

#: Cycles from when the last element has entered to when the next operation may.
_REST = 13

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
        return _SPECIAL_CYCLES[name] * elements + _REST
    if name.startswith("vred"):
        return 12 * (elements - 1) + 2 + 2 * elements + _REST
    if name.startswith(MOVES):
        return 2 * 4 * lanes + _REST
    return 2 * elements + _REST
