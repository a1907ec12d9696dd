# SPDX-License-Identifier: Apache-2.0
"""Multiplication and addition of binary32 numbers, rounded once."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.fp32_operand import Fp32Operand
from rtl.arithmetic.normalise import EXPONENT_BITS, Normalise
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, Round

__all__ = ["PRODUCT_BITS", "SUM_BITS", "SUM_EXPONENT_BIT", "SUM_FRACTION_BITS", "Fp32Fma"]

#: Bits of a product of two significands.
PRODUCT_BITS = 48

#: Two exact bits and a sticky one below the product. Bits are lost only if the addend lies at least 25 places behind the
#: product or the product at least two behind the addend. In the second case one leading bit cancels at most. In the first, a
#: product with a denormal factor begins with up to 24 zeros, so after cancellation the significand, its guard bit and the
#: sticky bit end 3 places below the product's last.
_EXTRA_BITS = 3
_ALIGNED_BITS = PRODUCT_BITS + _EXTRA_BITS

#: Where the product's lowest bit lies in the sum.
SUM_FRACTION_BITS = _EXTRA_BITS

#: Bits of the sum's magnitude before rounding.
SUM_BITS = _ALIGNED_BITS + 1

#: The bit of the sum that has the larger of the exponents that the addend and the product's top bit have.
SUM_EXPONENT_BIT = _ALIGNED_BITS - 1


class Fp32Fma(wiring.Component):
    """``a * b + c`` in binary32, rounded once: to nearest, ties to even, denormals kept, NaN canonical.

    Takes operands in every cycle. ``result`` and ``flags`` belong to the operands of three cycles before and come through
    logic, so that their user's register ends the fourth stage: 1. multiply, compare exponents; 2. align, add; 3. normalise;
    4. round. Codes of binary32 round correctly, denormals among them; any other significands that are not normalised do so as
    long as aligning product and addend shifts no set bit out.

    Members
    -------
    a, b, c : In(Fp32Operand)
    magnitude : Out(52)   of the sum of the operands of two cycles before, which is exact but for a sticky lowest bit; its bit
                          ``SUM_EXPONENT_BIT`` has the larger of the exponents c and a + b - 126. Not defined for special values
    result : Out(32)
    flags : Out(6)        golden.layout.Flag

    Source: IEEE 754-2019, 5.4.1 and 7; invalid is set by 0 * Inf + NaN as well.
    """

    def __init__(self):
        super().__init__(
            {
                "a": In(Fp32Operand),
                "b": In(Fp32Operand),
                "c": In(Fp32Operand),
                "magnitude": Out(SUM_BITS),
                "result": Out(32),
                "flags": Out(6),
            }
        )

    def elaborate(self, platform):
        m = Module()
        a, b, c = self.a, self.b, self.c

        def register(shape, name):
            return Signal(shape, name=name, reset_less=True)

        # Stage 1. The exponent of the product's top bit; both differences, so that none waits for the comparison.
        product_sign, product_zero, product_infinite = Signal(), Signal(), Signal()
        product_exponent, ahead, behind = Signal(signed(10)), Signal(signed(10)), Signal(signed(10))
        exponents = Signal(signed(11))
        addend_leads = Signal()
        distance = Signal(9)
        m.d.comb += [
            product_sign.eq(a.sign ^ b.sign),
            product_zero.eq(a.zero | b.zero),
            product_infinite.eq(a.infinite | b.infinite),
            exponents.eq(a.exponent + b.exponent),
            product_exponent.eq(exponents - 126),
            ahead.eq(c.exponent + 126 - exponents),
            behind.eq(exponents - (c.exponent + 126)),
            # A zero has no exponent.
            addend_leads.eq((ahead > 0) | product_zero),
            distance.eq(Mux(ahead > 0, ahead, behind)),
        ]
        any_nan, invalid = Signal(), Signal()
        opposite_infinities = product_infinite & c.infinite & (product_sign ^ c.sign) & ~any_nan
        m.d.comb += [
            any_nan.eq(a.nan | b.nan | c.nan),
            invalid.eq(
                a.signalling | b.signalling | c.signalling | a.infinite & b.zero | a.zero & b.infinite | opposite_infinities
            ),
        ]

        product1, addend1 = register(PRODUCT_BITS, "product1"), register(24, "addend1")
        addend_leads1, distance1 = register(1, "addend_leads1"), register(6, "distance1")
        exponent1 = register(EXPONENT_BITS, "exponent1")
        product_sign1, addend_sign1 = register(1, "product_sign1"), register(1, "addend_sign1")
        nan1, infinite1, product_infinite1 = (register(1, f"{name}1") for name in ("nan", "infinite", "product_infinite"))
        invalid1, denormal1 = register(1, "invalid1"), register(1, "denormal1")
        m.d.sync += [
            addend1.eq(c.significand),
            addend_leads1.eq(addend_leads),
            distance1.eq(distance[:6] | distance[6:].any().replicate(6)),
            exponent1.eq(Mux(addend_leads, c.exponent, product_exponent)),
            product_sign1.eq(product_sign),
            addend_sign1.eq(c.sign),
            nan1.eq(any_nan | invalid),
            infinite1.eq(product_infinite | c.infinite),
            product_infinite1.eq(product_infinite),
            invalid1.eq(invalid),
            denormal1.eq(a.denormal | b.denormal | c.denormal),
        ]
        m.d.sync += product1.eq(a.significand * b.significand)

        # Stage 2.
        addend = Cat(Const(0, PRODUCT_BITS - 24), addend1)
        leading, aligned = Signal(_ALIGNED_BITS), Signal(_ALIGNED_BITS)
        shifted, lost = Cat(Const(0, _EXTRA_BITS), Mux(addend_leads1, product1, addend)), Const(0, 1)
        for bit in range(6):
            step = 1 << bit
            following, loses = Signal(_ALIGNED_BITS, name=f"aligned{bit}"), Signal(name=f"lost{bit}")
            m.d.comb += [
                following.eq(Mux(distance1[bit], shifted[step:], shifted)),
                loses.eq(lost | distance1[bit] & shifted[:step].any()),
            ]
            shifted, lost = following, loses
        subtract = Signal()
        # Both differences at once: the one that is not negative is the magnitude. A sum's carry is kept, a difference's is not.
        forward, backward = Signal(SUM_BITS), Signal(_ALIGNED_BITS)
        negative = Signal()
        m.d.comb += [
            subtract.eq(product_sign1 ^ addend_sign1),
            leading.eq(Cat(Const(0, _EXTRA_BITS), Mux(addend_leads1, addend, product1))),
            aligned.eq(Cat(shifted[0] | lost, shifted[1:])),
            forward.eq(Cat(Const(1, 1), leading) + Cat(subtract, aligned ^ subtract.replicate(_ALIGNED_BITS)) >> 1),
            backward.eq(aligned - leading),
            negative.eq(subtract & ~forward[-1]),
        ]

        magnitude2, exponent2 = register(SUM_BITS, "magnitude2"), register(EXPONENT_BITS, "exponent2")
        sign2, subtract2 = register(1, "sign2"), register(1, "subtract2")
        nan2, infinite2, invalid2, denormal2 = (register(1, f"{name}2") for name in ("nan", "infinite", "invalid", "denormal"))
        m.d.sync += [
            magnitude2.eq(Cat(Mux(negative, backward, forward[:-1]), forward[-1] & ~subtract)),
            exponent2.eq(exponent1),
            sign2.eq(
                Mux(
                    infinite1,
                    Mux(product_infinite1, product_sign1, addend_sign1),
                    Mux(addend_leads1, addend_sign1, product_sign1) ^ negative,
                )
            ),
            subtract2.eq(subtract & ~infinite1),
            nan2.eq(nan1),
            infinite2.eq(infinite1),
            invalid2.eq(invalid1),
            denormal2.eq(denormal1),
        ]
        m.d.comb += self.magnitude.eq(magnitude2)

        # Stage 3.
        m.submodules.normalise = normalise = Normalise(SUM_BITS)
        m.d.comb += [normalise.magnitude.eq(magnitude2), normalise.limit.eq(exponent2)]
        normalised3, exponent3 = register(SUM_BITS, "normalised3"), register(EXPONENT_BITS, "exponent3")
        nonzero3, sign3 = register(1, "nonzero3"), register(1, "sign3")
        nan3, infinite3, invalid3, denormal3 = (register(1, f"{name}3") for name in ("nan", "infinite", "invalid", "denormal"))
        m.d.sync += [
            normalised3.eq(normalise.normalised),
            exponent3.eq(normalise.exponent),
            nonzero3.eq(normalise.nonzero),
            # Equal magnitudes of opposite signs make +0.
            sign3.eq(sign2 & ~(subtract2 & ~magnitude2.any())),
            nan3.eq(nan2),
            infinite3.eq(infinite2),
            invalid3.eq(invalid2),
            denormal3.eq(denormal2),
        ]

        # Stage 4.
        m.submodules.rounding = rounding = Round(SUM_BITS)
        m.d.comb += [
            rounding.normalised.eq(normalised3),
            rounding.exponent.eq(exponent3),
            rounding.nonzero.eq(nonzero3),
        ]
        number_flags = Cat(rounding.inexact, rounding.underflow, rounding.overflow)
        m.d.comb += self.flags.eq(Cat(Mux(nan3 | infinite3, 0, number_flags), Const(0, 1), invalid3, denormal3))
        with m.If(nan3):
            m.d.comb += self.result.eq(CANONICAL_NAN)
        with m.Elif(infinite3):
            m.d.comb += self.result.eq(Cat(Const(INFINITY, 31), sign3))
        with m.Else():
            m.d.comb += self.result.eq(Cat(rounding.code, sign3))
        return m
