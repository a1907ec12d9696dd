# SPDX-License-Identifier: Apache-2.0
"""When results of the matrix array come. See "Macro boundaries" in docs/architecture.md."""

from golden.config import NodeConfig
from rtl.arithmetic.format_encode import SMALL_CYCLES

__all__ = ["convert_cycles", "convert_turns", "is_paired", "matrix_latency_cycles"]


def is_paired(config: NodeConfig) -> bool:
    """Whether units of the matrix array serve so many elements that they take them in halves, with half of the hardware."""
    return config.matrix_passes > 2


def matrix_latency_cycles(config: NodeConfig) -> int:
    """Cycles from an op's entry into the matrix array until its accumulator can be read.

    Units that serve several elements have more stages.
    """
    if is_paired(config):
        return 24 + config.matrix_step_cycles
    return (5 if config.matrix_passes == 1 else 9) + config.matrix_passes


def convert_turns(config: NodeConfig) -> int:
    """Cycles in which a line enters the converters: there are ``matrix_passes`` times fewer of them, but one at least."""
    return min(config.matrix_passes, config.fp32_lanes)


def convert_cycles(config: NodeConfig) -> int:
    """Cycles from ``convert`` to the codes of a line."""
    return 1 if config.matrix_passes == 1 else convert_turns(config) + SMALL_CYCLES + is_paired(config)
