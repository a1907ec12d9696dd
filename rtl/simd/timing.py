# SPDX-License-Identifier: Apache-2.0
"""When results of the SIMD unit come. See "Macro boundaries" in docs/architecture.md."""

from golden.config import NodeConfig
from golden.isa import simd_iterative_cycles, simd_reduction_cycles

__all__ = ["SIMD_STAGES", "iterative_cycles", "latest_result"]

#: Cycles from the last pass of an operation to its result; an operation of n passes has it after SIMD_STAGES + n.
SIMD_STAGES = 5


def latest_result(config: NodeConfig) -> int:
    """Cycles from the entry of an operation that is not iterative to its result, at most."""
    return SIMD_STAGES + 2 * config.simd_passes


def iterative_cycles(config: NodeConfig) -> dict[str, int]:
    """Cycles that operations occupy the iterative unit, by kind.

    Returns
    -------
    dict
        ``single`` and ``double`` for vrcp, vrsqrt and vexp2 on FP32 and BF16 lanes; ``reduce32``, ``reduce16`` and ``reduce8``
        for reductions, by bits of the lanes.
    """
    passes, lanes = config.simd_passes, config.fp32_lanes
    return {
        "single": simd_iterative_cycles(passes),
        "double": simd_iterative_cycles(2 * passes),
        "reduce32": simd_reduction_cycles(lanes),
        "reduce16": simd_reduction_cycles(2 * lanes),
        "reduce8": simd_reduction_cycles(4 * lanes),
    }
