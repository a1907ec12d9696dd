# SPDX-License-Identifier: Apache-2.0
"""Ports of the SIMD unit."""

from amaranth.lib import data
from amaranth.lib.wiring import In, Member, Out

from golden.config import NodeConfig
from golden.layout import BIAS_BITS, Flag

__all__ = ["RANDOM_BITS", "simd_ports"]

#: Random bits of an element.
RANDOM_BITS = 24


def simd_ports(config: NodeConfig) -> dict[str, Member]:
    """Members of a SIMD unit; docs/architecture.md has the rules of entry and the timing, golden/isa.py the operations.

    valid : In(1)
    op : In(8), sub : In(5)
        The operation's encoding: bits 0-3 the low bits of funct7, bits 4-6 funct3, bit 7 set in custom-0; the rs2 field.
    a, b, c : In(8 * line_bytes)
        vs1, vs2, and vd as it is.
    scalar : In(64), mask : In(line_bytes)
    format : In(3), bias : In(6)
        Format of converts, a FormatKind.
    random : In(2 * fp32_lanes x 24)
        Random bits of the lanes after one step of their generators, then after two.
    collect : In(1), row : In(3)
        A pair of registers of a transpose's group is in ``a`` and ``b``.
    result : Out(8 * line_bytes), flags : Out(6)
    """
    line = 8 * config.line_bytes
    return {
        "valid": In(1),
        "op": In(8),
        "sub": In(5),
        "a": In(line),
        "b": In(line),
        "c": In(line),
        "scalar": In(64),
        "mask": In(config.line_bytes),
        "format": In(3),
        "bias": In(BIAS_BITS),
        "random": In(data.ArrayLayout(RANDOM_BITS, 2 * config.fp32_lanes)),
        "collect": In(1),
        "row": In(3),
        "result": Out(line),
        "flags": Out(len(Flag)),
    }
