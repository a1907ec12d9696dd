# SPDX-License-Identifier: Apache-2.0
"""Conversions between BF16 and binary32."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.rounding import CANONICAL_NAN

__all__ = ["Bf16Round", "Bf16Widen"]


class Bf16Widen(wiring.Component):
    """A BF16 number as binary32, exactly; NaN becomes canonical. Without a register.

    Members
    -------
    code : In(16)
    wide : Out(32)
    """

    def __init__(self):
        super().__init__({"code": In(16), "wide": Out(32)})

    def elaborate(self, platform):
        m = Module()
        nan = self.code[7:15].all() & self.code[:7].any()
        m.d.comb += self.wide.eq(Mux(nan, CANONICAL_NAN, Cat(Const(0, 16), self.code)))
        return m


class Bf16Round(wiring.Component):
    """The BF16 number nearest to a binary32 number, ties to even; NaN becomes canonical. Without a register.

    A carry out of the significand moves into the exponent, and from the largest exponent to infinity.

    Members
    -------
    wide : In(32)
    code : Out(16)
    """

    def __init__(self):
        super().__init__({"wide": In(32), "code": Out(16)})

    def elaborate(self, platform):
        m = Module()
        kept, rest = self.wide[16:], self.wide[:16]
        nan = self.wide[23:31].all() & self.wide[:23].any()
        round_up = rest[15] & (rest[:15].any() | kept[0])
        m.d.comb += self.code.eq(Mux(nan, CANONICAL_NAN >> 16, kept + round_up))
        return m
