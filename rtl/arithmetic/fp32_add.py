# SPDX-License-Identifier: Apache-2.0
"""Addition of binary32 numbers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.multiply_shift import SHIFT_BITS, MultiplyShift
from rtl.arithmetic.normalise import Normalise
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, Round

__all__ = ["Fp32Add", "fp32_add_cycles"]

#: Guard, round and sticky bits: enough, since more than one leading bit cancels only when at most one bit was shifted out.
_EXTRA_BITS = 3
_FAR_BITS = 5


def fp32_add_cycles(small: bool) -> int:
    """Cycles from numbers to their sum, which its user's register takes at the end of the last."""
    return 3 if small else 1


class Fp32Add(wiring.Component):
    """``x + y`` in binary32: round to nearest, ties to even, denormals kept, NaN canonical.

    Takes operands in every cycle. ``sum`` belongs to the operands of ``fp32_add_cycles`` before and comes through
    logic, so that its user's register ends the last stage: 1. compare, swap; align, 2. add, normalise; round. The small one has
    registers at the semicolons.

    Parameters
    ----------
    small : bool
        Of fewer lookup tables, but more multipliers and stages.

    Members
    -------
    x, y : In(32)
    sum : Out(32)

    Source: IEEE 754-2019, 5.4.1.
    """

    def __init__(self, small: bool = False):
        self.small = small
        super().__init__({"x": In(32), "y": In(32), "sum": Out(32)})

    def elaborate(self, platform):
        m = Module()
        x, y = self.x, self.y

        def register(shape, name):
            return Signal(shape, name=name, reset_less=True)

        def divide(value, name):
            """The value, after a register that divides the stage if there is one."""
            if not self.small:
                return value
            divided = register(len(value), name)
            m.d.sync += divided.eq(value)
            return divided

        # Stage 1. Both differences of exponents, so that none has to wait for the comparison; the small one has the time.
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
        ]
        if self.small:
            m.d.comb += distance.eq(greater_exponent - Mux(swap, exponent_x, exponent_y))
        else:
            m.d.comb += distance.eq(Mux(swap, (exponent_y - exponent_x)[:8], (exponent_x - exponent_y)[:8]))
        if self.small:
            # To the left by what lacks to a multiple of sixteen.
            m.submodules.align = fine = MultiplyShift(24, registered=True)
            sixteen = divide(distance[SHIFT_BITS], "sixteen")
            placed = Cat(Const(0, 26 - ((1 << SHIFT_BITS) - 1)), fine.result)
            m.d.comb += [
                fine.value.eq(lesser),
                fine.amount.eq(~distance[:SHIFT_BITS]),
                window.eq(Mux(sixteen, placed[1 << SHIFT_BITS :], placed)),
            ]
        else:
            m.d.comb += window.eq(Cat(Const(0, 26), lesser) >> distance[:_FAR_BITS])
        # So far below, nothing of it can change how the sum rounds.
        far = divide(distance[_FAR_BITS:].any(), "far")
        aligned = Mux(far, 0, Cat(window[:24].any(), window[24:]))

        def special(number):
            return number[23:31].all(), number[:23].any()

        top_x, fraction_x = special(x)
        top_y, fraction_y = special(y)
        opposite = x[31] ^ y[31]
        subtract = divide(opposite, "subtract")
        sum_sign = Mux(swap, y[31], x[31])
        if not self.small:
            # Equal magnitudes of opposite signs make +0.
            sum_sign = Mux(x[:31] == y[:31], x[31] & y[31], sum_sign)
        any_invalid = top_x & fraction_x | top_y & fraction_y | top_x & top_y & opposite

        significand, addend = register(24, "significand"), register(24 + _EXTRA_BITS, "addend")
        exponent, sign, effective_subtract = register(8, "exponent"), register(1, "sign"), register(1, "effective_subtract")
        infinite, invalid = register(1, "infinite"), register(1, "invalid")
        m.d.sync += [
            significand.eq(divide(Mux(swap, significand_y, significand_x), "greater")),
            addend.eq(aligned ^ subtract.replicate(24 + _EXTRA_BITS)),
            exponent.eq(divide(greater_exponent, "exponent2")),
            sign.eq(divide(sum_sign, "sum_sign")),
            effective_subtract.eq(subtract),
            infinite.eq(divide(top_x | top_y, "any_infinite")),
            invalid.eq(divide(any_invalid, "any_invalid")),
        ]

        # Stage 2. The lowest bit of the two operands makes the carry that completes the two's complement.
        chain = Signal(1 + 24 + _EXTRA_BITS + 1)
        m.d.comb += chain.eq(
            Cat(effective_subtract, Const(0, _EXTRA_BITS), significand) + Cat(effective_subtract, addend, effective_subtract)
        )
        width = 24 + _EXTRA_BITS + 1
        m.submodules.normalise = normalise = Normalise(width, self.small)
        m.submodules.rounding = rounding = Round(width)
        sign3, invalid3, infinite3 = (
            divide(flag, f"{name}3") for name, flag in (("sign", sign), ("invalid", invalid), ("infinite", infinite))
        )
        special3 = invalid3 | infinite3
        m.d.comb += [
            normalise.magnitude.eq(chain[1:]),
            normalise.limit.eq(exponent),
            rounding.normalised.eq(normalise.normalised),
            rounding.exponent.eq(normalise.exponent),
            rounding.nonzero.eq(normalise.nonzero & ~special3),
        ]
        if self.small:
            # So do they here, where it shows in the sum.
            sign3 = sign3 & ~(divide(effective_subtract, "subtract3") & ~normalise.nonzero)
        # Where there is a special value, the code is 0.
        m.d.comb += [
            self.sum.eq(rounding.code | Mux(invalid3, CANONICAL_NAN, Mux(special3, INFINITY, 0))),
            self.sum[31].eq(sign3 & ~invalid3),
        ]
        return m
