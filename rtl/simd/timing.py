# SPDX-License-Identifier: Apache-2.0
"""When results of the SIMD unit come. See "Macro boundaries" in docs/architecture.md."""

from golden.config import NodeConfig
from golden.isa import simd_iterative_cycles, simd_reduction_cycles
from rtl.simd.digits import DIGIT_CYCLES
from rtl.simd.pairwise import PUSH_CYCLES
from rtl.simd.special import SpecialOp

__all__ = [
    "ONE_LANE_COMBINE_CYCLES",
    "ONE_LANE_FUNCTIONS",
    "ONE_LANE_STAGES",
    "SIMD_STAGES",
    "has_one_lane",
    "iterative_cycles",
    "latest_result",
    "one_lane_cycles",
]

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


def has_one_lane(config: NodeConfig) -> bool:
    """Whether all elements of a vector go through one lane, one operation after the other."""
    return config.simd_passes == config.fp32_lanes


#: What one lane finds digit by digit.
ONE_LANE_FUNCTIONS = {"vrcp": SpecialOp.RECIPROCAL, "vrsqrt": SpecialOp.RECIPROCAL_ROOT, "vexp2": SpecialOp.POWER}

#: Cycles in a unit with one lane from an operation of a reduction to one that needs its result.
ONE_LANE_COMBINE_CYCLES = 10

#: The same from the last element that enters to the result of the operation. The next operation may enter one cycle before.
ONE_LANE_STAGES = 14


def one_lane_cycles(config: NodeConfig) -> dict[str, int]:
    """Cycles in which elements of operations enter a unit with one lane, by kind.

    Returns
    -------
    dict
        ``words``, ``halves`` and ``bytes`` for operations whose elements enter with 32, 16 and 8 bits, the last for permutations
        too; ``vrcp_f32``, ``vrcp_bf16`` and so on; ``reduce_f32``, ``reduce_bf16``, ``reduce_i32``, ``reduce_i16`` and
        ``reduce_i8``.
    """
    lanes = config.fp32_lanes

    def reduction(elements: int) -> int:
        """A number goes onto the stack before each operation; then the last result enters for each element."""
        return (PUSH_CYCLES + ONE_LANE_COMBINE_CYCLES) * (elements - 1) + 2 + 2 * elements

    return {
        "words": 2 * lanes,
        "halves": 2 * 2 * lanes,
        "bytes": 2 * 4 * lanes,
        # An operand enters, then its last digits do with the result.
        **{
            f"{name}_{kind}": (1 + DIGIT_CYCLES[function]) * elements
            for name, function in ONE_LANE_FUNCTIONS.items()
            for kind, elements in (("f32", lanes), ("bf16", 2 * lanes))
        },
        "reduce_f32": reduction(lanes),
        "reduce_bf16": reduction(2 * lanes),
        "reduce_i32": reduction(lanes),
        "reduce_i16": reduction(2 * lanes),
        "reduce_i8": reduction(4 * lanes),
    }
