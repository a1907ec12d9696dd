# SPDX-License-Identifier: Apache-2.0
"""Addresses of a node's own SRAM as its threads use them.

SRAM starts at a multiple of the node's window, so upper address bits tell whether an address is in the window, and the lower ones
are the offset: no subtraction stands in the path from an address to a bank.
"""

from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE

__all__ = ["in_sram", "line_of"]

assert SRAM_BASE % (1 << OFFSET_BITS) == 0


def in_sram(config: NodeConfig, address, size: int = 1):
    """Whether ``size`` bytes from a 64-bit address on lie in SRAM.

    The address is a multiple of ``size``, or of the line where ``size`` is several lines.
    """
    inside = (address[OFFSET_BITS:64] == SRAM_BASE >> OFFSET_BITS) & (address[:OFFSET_BITS] < config.sram_bytes)
    lines = size // config.line_bytes
    if lines <= 1:
        return inside
    # Of the last lines that so many fill, all but the first one are too late.
    log = ceil_log2(lines)
    line = line_of(config, address)
    return inside & ~((line[log:] == (config.sram_lines >> log) - 1) & line[:log].any())


def line_of(config: NodeConfig, address):
    """Number of the line that an address in SRAM lies in."""
    return address[ceil_log2(config.line_bytes) : OFFSET_BITS]
