# SPDX-License-Identifier: Apache-2.0
"""Shifting by multiplying with a power of two."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SHIFT_BITS", "MultiplyShift"]

#: Bits of the shift: the power of two fills an operand of a multiplier.
SHIFT_BITS = 4

#: Bits of the value that one multiplier takes.
_MULTIPLIER_BITS = 18


class MultiplyShift(wiring.Component):
    """``result = value << amount``, by multipliers, of which FPGAs have more to spare than lookup tables.

    Parameters
    ----------
    width : int
        Bits of the value; each 18 take a multiplier.
    registered : bool
        With registers before the multipliers: the result comes in the cycle after.

    Members
    -------
    value : In(width)
    amount : In(4)
    result : Out(width + 15)
    """

    def __init__(self, width: int, registered: bool = False):
        self.width = width
        self.registered = registered
        most = (1 << SHIFT_BITS) - 1
        super().__init__({"value": In(width), "amount": In(SHIFT_BITS), "result": Out(width + most)})

    def elaborate(self, platform):
        m = Module()
        value, power = Signal(self.width, reset_less=True), Signal(1 << SHIFT_BITS, reset_less=True)
        m.d["sync" if self.registered else "comb"] += [
            value.eq(self.value),
            power.eq(Cat(self.amount == exponent for exponent in range(len(power)))),
        ]
        count = -(-self.width // _MULTIPLIER_BITS)
        size = -(-self.width // count)
        result = 0
        for start in range(0, self.width, size):
            part = value[start : start + size]
            product = Signal(len(part) + len(power) - 1, name=f"product{start}")
            m.d.comb += product.eq(part * power)
            # Parts that are shifted alike do not overlap.
            result |= product << start
        m.d.comb += self.result.eq(result)
        return m
