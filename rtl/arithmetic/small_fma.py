# SPDX-License-Identifier: Apache-2.0
"""Multiplication and addition of binary32 numbers, rounded once, and products of integers: few lookup tables, short paths."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.fp32_fma import PRODUCT_BITS, SUM_BITS, SUM_FRACTION_BITS
from rtl.arithmetic.fp32_operand import Fp32Operand
from rtl.arithmetic.multiply_shift import SHIFT_BITS, MultiplyShift
from rtl.arithmetic.normalise import EXPONENT_BITS, Normalise
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, Round

__all__ = [
    "ACCUMULATOR_BITS",
    "ALIGN_CYCLES",
    "FMA_CYCLES",
    "NORMALISED_CYCLES",
    "PRODUCT_CYCLES",
    "SUM_CYCLES",
    "Accumulation",
    "SmallFma",
]

#: Cycles from the operands to the sum's magnitude, to what is normalised, and to the register of who uses the result.
SUM_CYCLES, NORMALISED_CYCLES, FMA_CYCLES = 4, 6, 7

#: Cycles from the factors to the product of integers.
PRODUCT_CYCLES = 2

#: Cycles from ``distance`` to the sum with what is that far away.
ALIGN_CYCLES = 2

_ALIGNED_BITS = PRODUCT_BITS + SUM_FRACTION_BITS

#: Bits of a factor that the lower one of its two multipliers takes.
_HALF_BITS = 16

#: Bits of the product of two integers.
_INTEGER_PRODUCT_BITS = 64


class Accumulation(data.Struct):
    """What makes a register of the sum an accumulator, in which a number can be formed that is then rounded.

    Members
    -------
    restart : unsigned(1)      the accumulator becomes 0, or with ``one`` the product of 1 and 1
    one : unsigned(1)
    keeps : unsigned(1)        it is the accumulator and not part of the pipeline, from the cycle after ``restart`` on
    distance : unsigned(6)     with ``keeps``: of what may be added ``ALIGN_CYCLES`` later
    adds : unsigned(1)         adds in the next cycle c's significand, beginning at the product's top bit, or with ``itself`` the
                               accumulator, shifted right; what falls below ``ACCUMULATOR_BITS`` is cut
    itself : unsigned(1)       what it was one cycle before the distance took effect; c's significand is 0
    rounds : unsigned(1)       with a, b, c: the product, which must be 0, is the number that is there in the cycle after; its top
                               bit has the exponent ``exponent`` - 126, whatever a's and b's are
    vanishes : unsigned(1)     with ``rounds``: 0 instead of that number
    exponent : signed(11)
    raw : unsigned(1)          with a, b, c: a negative sum is left as it is, in two's complement
    """

    restart: unsigned(1)
    one: unsigned(1)
    keeps: unsigned(1)
    distance: unsigned(6)
    adds: unsigned(1)
    itself: unsigned(1)
    rounds: unsigned(1)
    vanishes: unsigned(1)
    exponent: signed(11)
    raw: unsigned(1)


#: Bits of the accumulator, from the product's top bit on.
ACCUMULATOR_BITS = 38


class SmallFma(wiring.Component):
    """What :class:`rtl.arithmetic.fp32_fma.Fp32Fma` computes, with an accumulator.

    Takes operands in every cycle. ``result`` and ``flags`` come through logic, so that their user's register ends the seventh
    stage: 1. partial products; 2. product, distance of the addend; 3. align, by multipliers; 4. add; 5. count leading zeros;
    6. shift, by multipliers; 7. round.

    Members
    -------
    a, b, c : In(Fp32Operand)
    factor_a : In(signed(33)), factor_b : In(signed(18)), upper : In(1)
                          the significands of a and b, or two integers, of which the second comes in two halves: the lower 16
                          bits in the cycle before the one that everything else is for, then with ``upper`` the others
    alone : In(1)         what came in the cycle before does not count
    high, low : In(1)     of the integers' product, which half ``product`` is
    product : Out(32)     ``PRODUCT_CYCLES`` after the operands; 0 without ``high`` and ``low``
    accumulation : In(Accumulation)
    magnitude : Out(52)   of the sum of the operands of ``SUM_CYCLES`` before, which is exact but for a sticky lowest bit; its bit
                          ``SUM_EXPONENT_BIT`` has the larger of the exponents c and a + b - 126. Not defined for special values
    exponent : Out(9)     that exponent
    normalised : Out(52), normal_exponent : Out(9)
                          ``NORMALISED_CYCLES`` after the operands: the magnitude, and the exponent of its top bit less one
    result : Out(32)
    flags : Out(6)        golden.layout.Flag

    Source: as Fp32Fma.
    """

    def __init__(self):
        super().__init__(
            {
                "a": In(Fp32Operand),
                "b": In(Fp32Operand),
                "c": In(Fp32Operand),
                "factor_a": In(signed(33)),
                "factor_b": In(signed(18)),
                "upper": In(1),
                "alone": In(1),
                "high": In(1),
                "low": In(1),
                "product": Out(32),
                "accumulation": In(Accumulation),
                "magnitude": Out(SUM_BITS),
                "exponent": Out(EXPONENT_BITS),
                "normalised": Out(SUM_BITS),
                "normal_exponent": Out(EXPONENT_BITS),
                "result": Out(32),
                "flags": Out(6),
            }
        )

    def elaborate(self, platform):
        m = Module()
        a, b, c, accumulation = self.a, self.b, self.c, self.accumulation

        def later(stage, **values):
            """The values in registers that a stage ends with, in their order."""
            registers = []
            for name, value in values.items():
                register = Signal(Cat(value).shape(), name=f"{name}{stage}", reset_less=True)
                m.d.sync += register.eq(value)
                registers.append(register)
            return registers

        # Stage 1.
        product_infinite, any_nan, invalid = Signal(), Signal(), Signal()
        product_sign = a.sign ^ b.sign
        opposite_infinities = product_infinite & c.infinite & (product_sign ^ c.sign) & ~any_nan
        m.d.comb += [
            product_infinite.eq(a.infinite | b.infinite),
            any_nan.eq(a.nan | b.nan | c.nan),
            invalid.eq(
                a.signalling | b.signalling | c.signalling | a.infinite & b.zero | a.zero & b.infinite | opposite_infinities
            ),
        ]
        low_a, high_a = self.factor_a[:_HALF_BITS], self.factor_a[_HALF_BITS:].as_signed()
        of_low, of_high = (
            Signal((part * self.factor_b).shape(), name=name, reset_less=True)
            for name, part in (("of_low1", low_a), ("of_high1", high_a))
        )
        with m.If(accumulation.restart | accumulation.keeps):
            # Nothing is beside the accumulator.
            m.d.sync += [of_low.eq(0), of_high.eq(0)]
        with m.Else():
            m.d.sync += [of_low.eq(low_a * self.factor_b), of_high.eq(high_a * self.factor_b)]
        exponents = Signal(signed(11), name="exponents1", reset_less=True)
        entering_exponents, of_addend = Signal.like(exponents), Signal(9)
        # Both differences of exponents, so that none waits for the comparison.
        ahead, behind = (Signal(signed(10), name=name, reset_less=True) for name in ("ahead1", "behind1"))
        m.d.comb += [
            entering_exponents.eq(Mux(accumulation.rounds, accumulation.exponent, a.exponent + b.exponent)),
            # As exponents of products are.
            of_addend.eq(c.exponent + 126),
        ]
        m.d.sync += [
            exponents.eq(entering_exponents),
            ahead.eq(of_addend - entering_exponents),
            behind.eq(entering_exponents - of_addend),
        ]
        upper, high, low, addend_exponent, addend, product_zero, product_sign, addend_sign, forms, raw = later(
            1,
            upper=self.upper,
            high=self.high,
            low=self.low,
            addend_exponent=c.exponent,
            addend=c.significand,
            product_zero=a.zero | b.zero,
            product_sign=product_sign,
            addend_sign=c.sign,
            forms=accumulation.rounds & ~accumulation.vanishes,
            raw=accumulation.raw,
        )
        nan, infinite, product_infinite, invalid, denormal = later(
            1,
            nan=any_nan | invalid,
            infinite=product_infinite | c.infinite,
            product_infinite=product_infinite,
            invalid=invalid,
            denormal=a.denormal | b.denormal | c.denormal,
        )

        # Stage 2.
        accumulated = Signal(PRODUCT_BITS)
        partial = Signal(signed(_HALF_BITS + 36))
        lower = Signal(signed(_HALF_BITS + 34), name="lower2", reset_less=True)
        full_product = Signal(_INTEGER_PRODUCT_BITS)
        product = full_product[:PRODUCT_BITS]
        addend_leads, far = Signal(), Signal(9)
        forward = Signal(SUM_BITS)
        accumulator = Signal(PRODUCT_BITS, name="leading3", reset_less=True)
        cut = PRODUCT_BITS - ACCUMULATOR_BITS
        m.d.comb += [
            accumulated.eq(Cat(Const(0, cut), forward[SUM_FRACTION_BITS + cut : _ALIGNED_BITS])),
            partial.eq(Cat(of_low[:_HALF_BITS], (of_low >> _HALF_BITS) + of_high)),
            full_product.eq(Cat(lower[:_HALF_BITS], (lower >> _HALF_BITS) + partial)),
            # A zero has no exponent.
            addend_leads.eq(Mux(accumulation.keeps, accumulation.itself, behind[-1] | product_zero)),
            far.eq(Mux(behind[-1], ahead, behind)),
        ]
        m.d.sync += lower.eq(Mux(upper | self.alone, 0, partial))
        with m.If(high):
            m.d.sync += self.product.eq(full_product[32:])
        with m.Elif(low):
            m.d.sync += self.product.eq(full_product[:32])
        with m.Else():
            m.d.sync += self.product.eq(0)
        addend = Cat(Const(0, PRODUCT_BITS - len(addend)), addend)
        m.submodules.align = fine = MultiplyShift(_ALIGNED_BITS, registered=True)
        distance, value, by_sixteens = Signal(6), Signal(_ALIGNED_BITS), Signal(_ALIGNED_BITS)
        m.d.comb += [
            distance.eq(Mux(accumulation.keeps, accumulation.distance, far[:6] | far[6:].any().replicate(6))),
            # Beside the accumulator there is no product, and in what is added to itself no addend.
            value[SUM_FRACTION_BITS:].eq(
                Mux(addend_leads, product, addend)
                | accumulated & ((accumulation.keeps | forms) & addend_leads).replicate(PRODUCT_BITS)
            ),
            # By a multiple of sixteen first, then to the left by what is too much.
            by_sixteens.eq(Mux(distance[-1], Mux(distance[-2], value >> 48, value >> 32), Mux(distance[-2], value >> 16, value))),
            fine.value.eq(by_sixteens),
            fine.amount.eq(~distance[:SHIFT_BITS]),
        ]
        exponent = Signal(EXPONENT_BITS, name="exponent2", reset_less=True)
        m.d.sync += exponent.eq(Mux(addend_leads, addend_exponent, exponents - 126))
        (formed,) = later(2, formed=forms & ~addend_leads)
        leading, whole, sixteens, sign, subtract, infinite, raw, nan, invalid, denormal = later(
            2,
            leading=Mux(addend_leads, addend, product),
            whole=value,
            sixteens=distance[SHIFT_BITS:],
            sign=Mux(Mux(infinite, product_infinite, ~addend_leads), product_sign, addend_sign),
            subtract=(product_sign ^ addend_sign) & ~accumulation.keeps,
            infinite=infinite,
            raw=raw,
            nan=nan,
            invalid=invalid,
            denormal=denormal,
        )

        # Stage 3.
        most = (1 << SHIFT_BITS) - 1
        losses = [fine.result[:most].any()]
        losses += [(sixteens > number) & whole.word_select(number, 1 << SHIFT_BITS).any() for number in range(3)]
        with m.If(accumulation.restart):
            m.d.sync += accumulator.eq(accumulation.one << PRODUCT_BITS - 2)
        with m.Else():
            m.d.sync += accumulator.eq(Mux(accumulation.keeps | forms | formed, accumulated, leading))
        aligned, lost = (
            Signal(_ALIGNED_BITS, name="aligned3", reset_less=True),
            Signal(len(losses), name="lost3", reset_less=True),
        )
        with m.If((accumulation.restart | accumulation.keeps | forms) & ~accumulation.adds):
            # The accumulator stays as it is.
            m.d.sync += [aligned.eq(0), lost.eq(0)]
        with m.Else():
            m.d.sync += [aligned.eq(fine.result[most:]), lost.eq(Cat(losses))]
        aligned = Cat(aligned[0] | lost.any(), aligned[1:])
        exponent, sign, subtract, infinite, raw, nan, invalid, denormal = later(
            3,
            exponent=exponent,
            sign=sign,
            subtract=subtract,
            infinite=infinite,
            raw=raw,
            nan=nan,
            invalid=invalid,
            denormal=denormal,
        )

        # Stage 4. Both differences at once: the one that is not negative is the magnitude. A sum's carry is kept, a difference's
        # is not.
        leading = Cat(Const(0, SUM_FRACTION_BITS), accumulator)
        backward, negative = Signal(_ALIGNED_BITS), Signal()
        m.d.comb += [
            forward.eq(Cat(Const(1, 1), leading) + Cat(subtract, aligned ^ subtract.replicate(_ALIGNED_BITS)) >> 1),
            backward.eq(aligned - leading),
            negative.eq(subtract & ~forward[-1] & ~raw),
        ]
        magnitude = Cat(Mux(negative, backward, forward[:-1]), forward[-1] & ~subtract)
        sign, subtract, nan, infinite, invalid, denormal = later(
            4,
            sign=sign ^ negative & ~infinite,
            subtract=subtract & ~infinite,
            nan=nan,
            infinite=infinite,
            invalid=invalid,
            denormal=denormal,
        )

        # Stages 5 and 6; the magnitude's register is in there.
        m.submodules.normalise = normalise = Normalise(SUM_BITS, small=True, early=True)
        m.d.comb += [
            normalise.magnitude.eq(magnitude),
            normalise.limit.eq(exponent),
            self.magnitude.eq(normalise.held),
        ]
        m.d.comb += self.exponent.eq(later(4, sum_exponent=exponent)[0])
        sign, subtract, nan, infinite, invalid, denormal = later(
            5, sign=sign, subtract=subtract, nan=nan, infinite=infinite, invalid=invalid, denormal=denormal
        )
        normalised, exponent, nonzero, sign, nan, infinite, invalid, denormal = later(
            6,
            normalised=normalise.normalised,
            exponent=normalise.exponent,
            nonzero=normalise.nonzero,
            # Equal magnitudes of opposite signs make +0.
            sign=sign & ~(subtract & ~normalise.nonzero),
            nan=nan,
            infinite=infinite,
            invalid=invalid,
            denormal=denormal,
        )
        m.d.comb += [self.normalised.eq(normalised), self.normal_exponent.eq(exponent)]

        # Stage 7.
        m.submodules.rounding = rounding = Round(SUM_BITS)
        m.d.comb += [
            rounding.normalised.eq(normalised),
            rounding.exponent.eq(exponent),
            rounding.nonzero.eq(nonzero),
        ]
        number_flags = Cat(rounding.inexact, rounding.underflow, rounding.overflow)
        m.d.comb += self.flags.eq(Cat(Mux(nan | infinite, 0, number_flags), Const(0, 1), invalid, denormal))
        with m.If(nan):
            m.d.comb += self.result.eq(CANONICAL_NAN)
        with m.Elif(infinite):
            m.d.comb += self.result.eq(Cat(Const(INFINITY, 31), sign))
        with m.Else():
            m.d.comb += self.result.eq(Cat(rounding.code, sign))
        return m
