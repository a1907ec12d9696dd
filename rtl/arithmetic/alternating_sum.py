# SPDX-License-Identifier: Apache-2.0
"""Sums of products and sums of binary32 numbers, alternating on one adder, one normaliser and one rounding."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.multiply_shift import SHIFT_BITS, MultiplyShift
from rtl.arithmetic.normalise import EXPONENT_BITS, Normalise
from rtl.arithmetic.pair_sum import TOTAL_BITS
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY, rounded_code

__all__ = ["ADDEND_CYCLES", "OTHER_CYCLES", "RESULT_CYCLES", "AlternatingSum"]

#: Cycles from the total to the number that is added to it, to what may take the sum's place, and to the sum.
ADDEND_CYCLES, OTHER_CYCLES, RESULT_CYCLES = 4, 9, 10

_MAGNITUDE_BITS = TOTAL_BITS - 1

#: Guard, round and sticky bits of the sum of two numbers: enough, since more than one leading bit cancels only when at most one
#: bit was shifted out.
_EXTRA_BITS = 3

#: The sum of two numbers lies at the top of the magnitude, with a bit for its carry.
_PLACE = _MAGNITUDE_BITS - 1 - 24 - _EXTRA_BITS


class AlternatingSum(wiring.Component):
    """Rounds a total to binary32, and then adds a number to it, rounding again; NaN canonical.

    A pair of them takes two cycles, the total's being one with ``second`` set. In each cycle one of the two is in each stage:
    sum and magnitude; leading zeros; shift; round. Between their results the number is aligned: compare; swap; shift.

    Members
    -------
    second : In(1)          toggles in every cycle
    total : In(signed(39)), missing : In(1), limit : In(9), special : In(2)   as ``PairSum`` puts them out
    addend : In(32)         ``ADDEND_CYCLES`` after the total
    counts : In(1)          ``OTHER_CYCLES`` after the total: unless set, the result is ``other``
    other : In(32)          beside ``counts``; 0 if that is set
    result : Out(32)        ``RESULT_CYCLES`` after the total, in that cycle; without a register

    Source: steps 6 and 7 of the matrix unit's arithmetic; IEEE 754-2019, 5.4.1.
    """

    def __init__(self):
        super().__init__(
            {
                "second": In(1),
                "total": In(signed(TOTAL_BITS)),
                "missing": In(1),
                "limit": In(EXPONENT_BITS),
                "special": In(2),
                "addend": In(32),
                "counts": In(1),
                "other": In(32),
                "result": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def register(value, name, cycles=1):
            for cycle in range(cycles):
                following = Signal(len(value), name=f"{name}_{cycle}", reset_less=True)
                m.d.sync += following.eq(value)
                value = following
            return value

        second = self.second

        # The sum of products stays for two cycles: it is compared in the first one, and swapped in the other.
        y = Signal(32, reset_less=True)
        with m.If(~second):
            m.d.sync += y.eq(self.result)
        swap, x = register(self.addend[:31] < y[:31], "swap"), register(self.addend, "x")

        def unpack(name, number):
            denormal = Signal(name=f"denormal_{name}")
            m.d.comb += denormal.eq(~number[23:31].any())
            return Cat(number[:23], ~denormal), number[23:31] | denormal

        (significand_x, exponent_x), (significand_y, exponent_y) = unpack("x", x), unpack("y", y)
        greater, lesser = Signal(8), Signal(8)
        m.d.comb += [greater.eq(Mux(swap, exponent_y, exponent_x)), lesser.eq(Mux(swap, exponent_x, exponent_y))]
        distance = Signal(8)
        m.d.comb += distance.eq(greater - lesser)
        subtract = register(x[31] ^ y[31], "subtract", 2)
        sign = register(Mux(swap, y[31], x[31]), "sign", 2)
        exponent = register(greater, "exponent", 2)
        special = register(self._special(x, y), "special", 2)

        # To the left by what lacks to a multiple of sixteen. More than 31 places below, nothing can change how the sum rounds.
        m.submodules.align = fine = MultiplyShift(24, registered=True)
        m.d.comb += [
            fine.value.eq(Mux(swap, significand_x, significand_y)),
            fine.amount.eq(~distance[:SHIFT_BITS]),
        ]
        window_bits = 24 + _EXTRA_BITS - 1
        placed = Cat(Const(0, window_bits - ((1 << SHIFT_BITS) - 1)), fine.result)
        sixteen, far = register(distance[SHIFT_BITS], "sixteen"), register(distance[SHIFT_BITS + 1 :].any(), "far")
        aligned = Mux(sixteen, placed[24 + (1 << SHIFT_BITS) :], placed[24 : 24 + window_bits])
        # What makes the sticky bit, which is one only when it is added.
        lost = Cat(placed[:24].any(), sixteen & placed[24 : 24 + (1 << SHIFT_BITS)].any())
        aligned, lost = register(Mux(far, 0, aligned), "aligned"), register(Mux(far, 0, lost), "lost")
        significand = register(Mux(swap, significand_y, significand_x), "greater")
        # Nothing in the cycle of the total.
        leading = register(Mux(second, significand, 0), "leading")

        # One carry chain for both: the total's magnitude, and the sum or difference of significands.
        negative = self.total[-1]
        inverts, carry = Signal(), Signal()
        m.d.comb += [
            inverts.eq(Mux(second, negative, subtract)),
            # What is missing makes the total's two's complement complete.
            carry.eq(Mux(second, negative ^ self.missing, subtract)),
        ]
        summand = Mux(second, self.total[:_MAGNITUDE_BITS], Cat(Const(0, _PLACE), lost.any(), aligned, Const(0, 1)))
        chain = Signal(1 + _MAGNITUDE_BITS)
        m.d.comb += chain.eq(
            Cat(carry, summand ^ inverts.replicate(_MAGNITUDE_BITS)) + Cat(carry, Const(0, _PLACE + _EXTRA_BITS), leading)
        )
        m.submodules.normalise = normalise = Normalise(_MAGNITUDE_BITS, small=True, early=True)
        m.d.comb += [normalise.magnitude.eq(chain[1:]), normalise.limit.eq(Mux(second, self.limit, exponent))]

        # Two cycles later; equal magnitudes of opposite signs make +0.
        sign = register(Mux(second, negative, sign), "sign_shifted", 2) & (
            normalise.nonzero | ~register(second | subtract, "subtract_shifted", 2)
        )
        special = register(Mux(second, self.special, special), "special_shifted", 2)
        overflow, counts = Signal(), Signal()
        m.d.comb += [
            # The top bit is set unless the exponent is 0, so 254 overflows; at 253, a carry makes the code of infinity by itself.
            overflow.eq(normalise.nonzero & (normalise.exponent[8] | normalise.exponent[1:8].all())),
            counts.eq(second | self.counts),
        ]
        number = register(counts & normalise.nonzero & ~special.any() & ~overflow, "number")
        other = Signal(32)
        m.d.comb += other.eq(Mux(second, 0, self.other))
        with m.If(counts):
            m.d.comb += other[22:].eq(
                Mux(special.all(), CANONICAL_NAN >> 22, 0)
                | Mux(special.any() | overflow, INFINITY >> 22, 0)
                | Cat(Const(0, 9), Mux(special.any(), special == 0b10, sign))
            )

        code = rounded_code(m, register(normalise.normalised, "normalised"), register(normalise.exponent, "normal_exponent"))
        m.d.comb += self.result.eq(code[:31] & number.replicate(31) | register(other, "other"))
        return m

    @staticmethod
    def _special(x, y):
        """What special numbers make of a sum: bits as ``special`` has them. y's NaN is canonical."""
        top_x, top_y = x[23:31].all(), y[23:31].all()
        nan_x, nan_y = x[:23].any(), y[22]
        invalid = top_x & nan_x | top_y & nan_y
        return Cat(invalid | top_x & ~x[31] | top_y & ~y[31], invalid | top_x & x[31] | top_y & y[31])
