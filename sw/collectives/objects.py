# SPDX-License-Identifier: Apache-2.0
"""The routines as source for a C compiler's assembler, which does not know their instructions."""

from __future__ import annotations

import struct

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from sw.assembler import assemble
from sw.collectives.source import ENTRY_POINTS, collectives_source

__all__ = ["collectives_object"]


def collectives_object(config: NodeConfig) -> str:
    """Words of machine code, with a global label for each routine. A program that calls none does not get them.

    The code refers to nothing outside and may lie anywhere.

    Parameters
    ----------
    config : NodeConfig
        The node, whose last four semaphores they use.
    """
    program = assemble(collectives_source(config), "collectives.s", config)
    ((_, code),) = program.segments
    labels = {program.symbols[label] - SRAM_BASE: label for label in ENTRY_POINTS}
    lines = ["/* SPDX-License-Identifier: Apache-2.0 */", '.section .text.d1_collectives, "ax"', ".balign 64"]
    for offset, (word,) in enumerate(struct.iter_unpack("<I", code)):
        if 4 * offset in labels:
            label = labels[4 * offset]
            lines += [f".globl {label}", f".type {label}, @function", f"{label}:"]
        lines.append(f".word {word:#010x}")
    return "\n".join(lines) + "\n"
