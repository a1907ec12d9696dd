# SPDX-License-Identifier: Apache-2.0
"""When results of the matrix array come. See "Macro boundaries" in docs/architecture.md."""

from golden.config import NodeConfig
from rtl.arithmetic.format_encode import SMALL_CYCLES

__all__ = ["convert_cycles", "matrix_latency_cycles"]


def matrix_latency_cycles(config: NodeConfig) -> int:
    """Cycles from an op's entry into the matrix array until its accumulator can be read.

    Units that serve several elements have more stages, and their adders two more if an accumulator comes again late enough.
    """
    passes = config.matrix_passes
    return {1: 5, 2: 9}.get(passes, 11) + passes


def convert_cycles(config: NodeConfig) -> int:
    """Cycles from ``convert`` to the codes of a line: there are ``matrix_passes`` times fewer converters, but one at least."""
    passes = config.matrix_passes
    return 1 if passes == 1 else min(passes, config.fp32_lanes) + SMALL_CYCLES
