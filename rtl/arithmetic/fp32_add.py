# SPDX-License-Identifier: Apache-2.0
"""Addition of binary32 numbers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.normalise import Normalise
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, Round

__all__ = ["FP32_ADD_CYCLES", "Fp32Add"]

#: Cycles from numbers to their sum, which its user's register takes at the end of the last.
FP32_ADD_CYCLES = 1

#: Guard, round and sticky bits: enough, since more than one leading bit cancels only when at most one bit was shifted out.
_EXTRA_BITS = 3
_FAR_BITS = 5


class Fp32Add(wiring.Component):
    """``x + y`` in binary32: round to nearest, ties to even, denormals kept, NaN canonical.

    Takes operands in every cycle. ``sum`` belongs to the operands of ``FP32_ADD_CYCLES`` before and comes through
    logic, so that its user's register ends the last stage: 1. compare, swap, align, 2. add, normalise, round.

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

        def register(shape, name):
            return Signal(shape, name=name, reset_less=True)

        # Stage 1. Both differences of exponents, so that none has to wait for the comparison.
        def unpack(name, number):
            denormal, exponent = Signal(name=f"denormal_{name}"), Signal(8, name=f"exponent_{name}")
            m.d.comb += [denormal.eq(~number[23:31].any()), exponent.eq(number[23:31] | denormal)]
            return Cat(number[:23], ~denormal), exponent

        significand_x, exponent_x = unpack("x", x)
        significand_y, exponent_y = unpack("y", y)
        swap = Signal()
        distance = Signal(8)
        lesser, window = Signal(24), Signal(24 + 26)
        greater_exponent = Signal(8)
        m.d.comb += [
            swap.eq(x[:31] < y[:31]),
            lesser.eq(Mux(swap, significand_x, significand_y)),
            greater_exponent.eq(Mux(swap, exponent_y, exponent_x)),
            distance.eq(Mux(swap, (exponent_y - exponent_x)[:8], (exponent_x - exponent_y)[:8])),
            window.eq(Cat(Const(0, 26), lesser) >> distance[:_FAR_BITS]),
        ]
        # So far below, nothing of it can change how the sum rounds.
        aligned = Mux(distance[_FAR_BITS:].any(), 0, Cat(window[:24].any(), window[24:]))

        def fields(number):
            return number[23:31].all(), number[:23].any()

        top_x, fraction_x = fields(x)
        top_y, fraction_y = fields(y)
        opposite = x[31] ^ y[31]
        # Equal magnitudes of opposite signs make +0.
        sum_sign = Mux(x[:31] == y[:31], x[31] & y[31], Mux(swap, y[31], x[31]))
        any_invalid = top_x & fraction_x | top_y & fraction_y | top_x & top_y & opposite

        significand, addend = register(24, "significand"), register(24 + _EXTRA_BITS, "addend")
        exponent, sign, effective_subtract = register(8, "exponent"), register(1, "sign"), register(1, "effective_subtract")
        infinite, invalid = register(1, "infinite"), register(1, "invalid")
        m.d.sync += [
            significand.eq(Mux(swap, significand_y, significand_x)),
            addend.eq(aligned ^ opposite.replicate(24 + _EXTRA_BITS)),
            exponent.eq(greater_exponent),
            sign.eq(sum_sign),
            effective_subtract.eq(opposite),
            infinite.eq(top_x | top_y),
            invalid.eq(any_invalid),
        ]

        # Stage 2. The lowest bit of the two operands makes the carry that completes the two's complement.
        chain = Signal(1 + 24 + _EXTRA_BITS + 1)
        m.d.comb += chain.eq(
            Cat(effective_subtract, Const(0, _EXTRA_BITS), significand) + Cat(effective_subtract, addend, effective_subtract)
        )
        width = 24 + _EXTRA_BITS + 1
        m.submodules.normalise = normalise = Normalise(width)
        m.submodules.rounding = rounding = Round(width)
        special = invalid | infinite
        m.d.comb += [
            normalise.magnitude.eq(chain[1:]),
            normalise.limit.eq(exponent),
            rounding.normalised.eq(normalise.normalised),
            rounding.exponent.eq(normalise.exponent),
            rounding.nonzero.eq(normalise.nonzero & ~special),
            # Where there is a special value, the code is 0.
            self.sum.eq(rounding.code | Mux(invalid, CANONICAL_NAN, Mux(special, INFINITY, 0))),
            self.sum[31].eq(sign & ~invalid),
        ]
        return m
