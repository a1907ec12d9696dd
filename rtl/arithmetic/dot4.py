# SPDX-License-Identifier: Apache-2.0
"""Four products, summed exactly in a window, rounded once."""

import itertools

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K
from rtl.arithmetic.multiply_shift import SHIFT_BITS, MultiplyShift
from rtl.arithmetic.normalise import Normalise
from rtl.arithmetic.operand import Operand
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, Round

__all__ = ["WINDOW_BITS", "Dot4", "dot4_cycles"]

#: Bits of the window below the largest exponent.
WINDOW_BITS = 34

#: A product of two normalised significands has 16 bits, the lower 14 behind the point.
_PRODUCT_FRACTION_BITS = 14
_ALIGNED_BITS = WINDOW_BITS + 2
_SUM_BITS = _ALIGNED_BITS + 2
_SHIFT_BITS = (_ALIGNED_BITS - 1).bit_length()


def dot4_cycles(small: bool) -> int:
    """Cycles from operands to their sum."""
    return 6 if small else 4


class Dot4(wiring.Component):
    """S of a matrix step for one element: the sum of four products as binary32.

    Takes operands in every cycle; ``sum`` belongs to the operands of ``dot4_cycles`` before. Stages, each ending in registers;
    the small one has more at the semicolons:

    1. products, sums of exponents, special values
    2. the largest exponent; products aligned to it and cut off below the window
    3. signed sum, its magnitude
    4. normalise; round, pack

    Parameters
    ----------
    small : bool
        Of fewer lookup tables, but more multipliers and stages.

    Members
    -------
    a, b : In(4 x Operand)
    sum : Out(32)   binary32; never -0 unless a negative sum rounds to zero; NaN is canonical

    Source: steps 2 to 6 of the matrix unit's arithmetic.
    """

    def __init__(self, small: bool = False):
        self.small = small
        operands = data.ArrayLayout(Operand, MATRIX_K)
        super().__init__({"a": In(operands), "b": In(operands), "sum": Out(32)})

    def elaborate(self, platform):
        m = Module()

        def register(shape, name):
            return Signal(shape, name=name, reset_less=True)

        def divide(value, name):
            """The value, after a register that divides the stage if there is one."""
            if not self.small:
                return value
            divided = register(len(value), name)
            m.d.sync += divided.eq(value)
            return divided

        # Stage 1.
        products, exponents, signs = [], [], []
        invalid, positive, negative = [], [], []
        for k in range(MATRIX_K):
            a, b = self.a[k], self.b[k]
            product, exponent, sign = register(16, f"product{k}"), register(10, f"exponent{k}"), register(1, f"sign{k}")
            m.d.sync += [
                product.eq(a.significand * b.significand),
                # Unsigned, for the sake of comparisons: 512 is the window's lowest position, the floor of the maximum.
                exponent.eq((a.exponent + b.exponent)[:10] ^ 512),
                sign.eq(a.sign ^ b.sign),
            ]
            products.append(product)
            exponents.append(exponent)
            signs.append(sign)
            infinite = a.infinite | b.infinite
            invalid.append(a.nan | b.nan | a.infinite & b.zero | a.zero & b.infinite)
            positive.append(infinite & (a.sign == b.sign))
            negative.append(infinite & (a.sign != b.sign))
        any_invalid, any_positive, any_negative = (register(1, f"any_{name}") for name in ("invalid", "positive", "negative"))
        m.d.sync += [
            any_invalid.eq(Cat(invalid).any()),
            any_positive.eq(Cat(positive).any()),
            any_negative.eq(Cat(negative).any()),
        ]

        # Stage 2.
        def larger(name, x, y):
            value = Signal(10, name=name)
            m.d.comb += value.eq(Mux(x > y, x, y))
            return value

        largest, top = Signal(10), Signal(9)
        if self.small:
            pairs = [larger(f"larger{k}", *exponents[k : k + 2]) for k in (0, 2)]
            m.d.comb += largest.eq(Mux(pairs[0] > pairs[1], *pairs))
        else:
            # All comparisons at once, since the path through here is the longest.
            wins = {}
            for j, k in itertools.combinations(range(MATRIX_K), 2):
                wins[j, k] = Signal(name=f"wins{j}_{k}")
                m.d.comb += wins[j, k].eq(exponents[j] > exponents[k])
            final = Mux(wins[0, 1], Mux(wins[2, 3], wins[0, 2], wins[0, 3]), Mux(wins[2, 3], wins[1, 2], wins[1, 3]))
            finalists = Mux(wins[0, 1], exponents[0], exponents[1]), Mux(wins[2, 3], exponents[2], exponents[3])
            m.d.comb += largest.eq(Mux(final, *finalists))
        m.d.comb += top.eq(Mux(largest[9], largest[:9], 0))
        window_top = divide(top, "window_top")
        special = divide(Cat(any_positive | any_invalid, any_negative | any_invalid), "special")
        terms = []
        for k in range(MATRIX_K):
            exponent, product, sign = (
                divide(each[k], f"{name}{k}_2")
                for name, each in (("exponent", exponents), ("product", products), ("sign", signs))
            )
            distance = Signal(10, name=f"distance{k}")
            # One's complement; what negative terms lack is carried into the additions of stage 3.
            term, term_sign = register(_ALIGNED_BITS + 1, f"term{k}"), register(1, f"term_sign{k}")
            m.d.comb += distance.eq(Cat(window_top, 1) - exponent)
            m.d.sync += [
                term.eq(self._aligned(m, k, product, distance) ^ sign.replicate(_ALIGNED_BITS + 1)),
                term_sign.eq(sign),
            ]
            terms.append((term.as_signed(), term_sign))
        exponent2, special2 = register(9, "exponent2"), register(2, "special2")
        m.d.sync += [
            exponent2.eq(window_top),
            special2.eq(special),
        ]

        # Stage 3.
        def add(name, x, y, carry):
            total = Signal(signed(max(len(x), len(y)) + 1), name=name)
            chain = Signal(signed(len(total) + 1), name=f"{name}_chain")
            m.d.comb += [chain.eq(Cat(carry, x).as_signed() + Cat(carry, y).as_signed()), total.eq(chain >> 1)]
            return total

        (term0, sign0), (term1, sign1), (term2, sign2), (term3, sign3) = terms
        pair0 = add("pair0", term0, term1, sign0)
        pair1 = add("pair1", term2, term3, sign1)
        # Still one too small if the fourth term is negative.
        total = add("total", pair0, pair1, sign2)
        negative_total = total[-1]
        magnitude, sign = register(_SUM_BITS, "magnitude"), register(1, "sign")
        limit, special3 = register(9, "limit"), register(2, "special3")
        m.d.sync += [
            magnitude.eq((total ^ negative_total.replicate(len(total)))[:_SUM_BITS] + (negative_total ^ sign3)),
            # A total of -1 that lacks one is zero, which is positive.
            sign.eq(negative_total & ~(total.all() & sign3)),
            # The magnitude's top bit counts 2**3 at the window's exponent.
            limit.eq(exponent2 + (_SUM_BITS - WINDOW_BITS - 1)),
            special3.eq(special2),
        ]

        # Stage 4.
        special4 = divide(special3, "special4")
        m.submodules.normalise = normalise = Normalise(_SUM_BITS, self.small)
        m.submodules.rounding = rounding = Round(_SUM_BITS)
        m.d.comb += [
            normalise.magnitude.eq(magnitude),
            normalise.limit.eq(limit),
            rounding.normalised.eq(normalise.normalised),
            rounding.exponent.eq(normalise.exponent),
            rounding.nonzero.eq(normalise.nonzero & ~special4.any()),
        ]
        sign4 = divide(sign, "sign4")
        result = register(32, "result")
        # Where there is a special value, the code is 0. Both infinities stand for NaN.
        m.d.comb += self.sum.eq(result)
        m.d.sync += [
            result.eq(rounding.code | Mux(special4.all(), CANONICAL_NAN, Mux(special4.any(), INFINITY, 0))),
            result[31].eq(Mux(special4.any(), special4 == 0b10, sign4)),
        ]
        return m

    def _aligned(self, m, k, product, distance):
        """The product, placed in the window and shifted right by the distance; what leaves the window is cut off."""
        aligned = Signal(_ALIGNED_BITS, name=f"aligned{k}")
        place = WINDOW_BITS - _PRODUCT_FRACTION_BITS
        if not self.small:
            m.d.comb += aligned.eq((product << place) >> distance[:_SHIFT_BITS])
            return Mux(distance[_SHIFT_BITS:].any(), 0, aligned)
        # To the left by what lacks to a multiple of sixteen, which is chosen then.
        m.submodules[f"align{k}"] = fine = MultiplyShift(len(product))
        m.d.comb += [fine.value.eq(product), fine.amount.eq(~distance[:SHIFT_BITS])]
        sixteens, most = distance[SHIFT_BITS:], (1 << SHIFT_BITS) - 1
        m.d.comb += aligned.eq(
            Cat(
                Cat(
                    fine.result[bit + shift] & (sixteens == shift >> SHIFT_BITS)
                    for shift in range(0, _ALIGNED_BITS, 1 << SHIFT_BITS)
                    if 0 <= bit + shift < len(fine.result)
                ).any()
                for bit in range(most - place, _ALIGNED_BITS + most - place)
            )
        )
        return aligned
