# SPDX-License-Identifier: Apache-2.0
"""Selection of one of many registers by its number."""

from collections.abc import Mapping

from amaranth.hdl import Module, Signal, Value, ValueLike

__all__ = ["select_register"]

_BITS = 64


def select_register(m: Module, number: Value, registers: Mapping[int, ValueLike]) -> tuple[Signal, Signal]:
    """The register of that number, in 64 bits, 0 if there is none; and whether there is one."""
    value, found = Signal(_BITS), Signal()
    with m.Switch(number):
        for key, register in registers.items():
            with m.Case(key):
                m.d.comb += [value.eq(register), found.eq(1)]
    return value, found
