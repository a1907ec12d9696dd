# SPDX-License-Identifier: Apache-2.0
"""Addition of binary32 numbers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, NormaliseRound

__all__ = ["Fp32Add"]

#: Guard, round and sticky bits: enough, since more than one leading bit cancels only when at most one bit was shifted out.
_EXTRA_BITS = 3
_FAR_BITS = 5


class Fp32Add(wiring.Component):
    """``x + y`` in binary32: round to nearest, ties to even, denormals kept, NaN canonical.

    Takes operands in every cycle. ``sum`` belongs to the operands of the cycle before and comes through logic, so that its
    user's register ends the second stage: 1. compare, swap, align; 2. add, normalise, round.

    Members
    -------
    x, y : In(32)
    sum : Out(32)

    Source: IEEE 754-2019, 5.4.1.
    """

    def __init__(self):
        super().__init__({"x": In(32), "y": In(32), "sum": Out(32)})

    def elaborate(self, platform):
        m = Module()
        x, y = self.x, self.y

        # Stage 1. Both differences of exponents, so that none has to wait for the comparison.
        def unpack(name, number):
            denormal, exponent = Signal(name=f"denormal_{name}"), Signal(8, name=f"exponent_{name}")
            m.d.comb += [denormal.eq(~number[23:31].any()), exponent.eq(number[23:31] | denormal)]
            return Cat(number[:23], ~denormal), exponent

        significand_x, exponent_x = unpack("x", x)
        significand_y, exponent_y = unpack("y", y)
        swap = Signal()
        distance = Signal(8)
        window = Signal(24 + 26)
        m.d.comb += [
            swap.eq(x[:31] < y[:31]),
            distance.eq(Mux(swap, (exponent_y - exponent_x)[:8], (exponent_x - exponent_y)[:8])),
            window.eq(Cat(Const(0, 26), Mux(swap, significand_x, significand_y)) >> distance[:_FAR_BITS]),
        ]
        # So far below, nothing of it can change how the sum rounds.
        far = distance[_FAR_BITS:].any()
        aligned = Mux(far, 0, Cat(window[:24].any(), window[24:]))

        def special(number):
            return number[23:31].all(), number[:23].any()

        top_x, fraction_x = special(x)
        top_y, fraction_y = special(y)
        subtract = x[31] ^ y[31]

        def register(shape, name):
            return Signal(shape, name=name, reset_less=True)

        significand, addend = register(24, "significand"), register(24 + _EXTRA_BITS, "addend")
        exponent, sign, effective_subtract = register(8, "exponent"), register(1, "sign"), register(1, "effective_subtract")
        infinite, invalid = register(1, "infinite"), register(1, "invalid")
        m.d.sync += [
            significand.eq(Mux(swap, significand_y, significand_x)),
            addend.eq(aligned ^ subtract.replicate(24 + _EXTRA_BITS)),
            exponent.eq(Mux(swap, exponent_y, exponent_x)),
            # Equal magnitudes of opposite signs make +0.
            sign.eq(Mux(x[:31] == y[:31], x[31] & y[31], Mux(swap, y[31], x[31]))),
            effective_subtract.eq(subtract),
            infinite.eq(top_x | top_y),
            invalid.eq(top_x & fraction_x | top_y & fraction_y | top_x & top_y & subtract),
        ]

        # Stage 2. The lowest bit of the two operands makes the carry that completes the two's complement.
        chain = Signal(1 + 24 + _EXTRA_BITS + 1)
        m.d.comb += chain.eq(
            Cat(effective_subtract, Const(0, _EXTRA_BITS), significand) + Cat(effective_subtract, addend, effective_subtract)
        )
        m.submodules.rounding = rounding = NormaliseRound(24 + _EXTRA_BITS + 1)
        m.d.comb += [rounding.magnitude.eq(chain[1:]), rounding.limit.eq(exponent)]
        with m.If(invalid):
            m.d.comb += self.sum.eq(CANONICAL_NAN)
        with m.Elif(infinite):
            m.d.comb += self.sum.eq(Cat(Const(INFINITY, 31), sign))
        with m.Else():
            m.d.comb += self.sum.eq(Cat(rounding.code, sign))
        return m
