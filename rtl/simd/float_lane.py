# SPDX-License-Identifier: Apache-2.0
"""One lane of binary32 operations."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.fp32_fma import SUM_EXPONENT_BIT, Fp32Fma
from rtl.arithmetic.fp32_operand import Fp32Unpack, class_mask
from rtl.arithmetic.rounding import CANONICAL_NAN

__all__ = ["BIAS", "FLOAT_LANE_NAME", "INTEGER_EXPONENT", "MOST_NEGATIVE", "MOST_POSITIVE", "FloatLane", "FloatOp"]

#: Name of the lane's module, which the lanes of a SIMD unit share.
FLOAT_LANE_NAME = "d1_float_lane"

#: Exponent field of 1.
BIAS = 127

#: To what conversions to INT32 saturate.
MOST_POSITIVE, MOST_NEGATIVE = 0x7FFF_FFFF, 0x8000_0000

#: Exponent field of 2**31, from which on numbers are out of an INT32's range.
INTEGER_EXPONENT = BIAS + 31

#: Where the lowest bit of an integer lies in a sum whose exponent is that.
_INTEGER_UNIT = SUM_EXPONENT_BIT - 31


class FloatOp(enum.Enum, shape=5):
    """What the lane does; up to LE as the low bits of funct7 have it."""

    ADD = 0
    SUB = 1
    MUL = 2
    MADD = 3
    MSUB = 4
    NMSUB = 5
    NMADD = 6
    MIN = 7
    MAX = 8
    SGNJ = 9
    SGNJN = 10
    SGNJX = 11
    EQ = 12
    LT = 13
    LE = 14
    CLASS = 16
    TO_INT = 20
    TO_INT_ZERO = 21
    FROM_INT = 22
    MOVE = 24

    # Only of the small lane: the number that a code in the upper bits of a means; a placed for a code, to be rounded behind the
    # lane; |a| normalised; a in two's complement with a fixed point; the number accumulated rounded, which replaces the result
    # of that function of an operand that has one.
    DECODE = 17
    PLACE = 18
    NORMALISE = 26
    FIX = 27
    ROUND_RECIPROCAL = 29
    ROUND_RECIPROCAL_ROOT = 30
    ROUND_POWER = 31


class FloatLane(wiring.Component):
    """An operation on binary32 numbers in every cycle, with the result four cycles later.

    Everything that rounds goes through one multiply-adder: sums as a * 1 + b, products as a * b and a zero of their sign,
    integers from their halves as high * 2**16 + low, and to integers the sum with a zero whose exponent is that of 2**31, before
    it is normalised.

    Members
    -------
    op : In(FloatOp)      anything results from numbers that are not in FloatOp
    a, b, c : In(32)      raw codes; ``a`` is an integer for FROM_INT
    result : Out(32)      register. Compares: in bit 0, others clear; CLASS: one of bits 0 to 9; TO_INT, TO_INT_ZERO: an integer
    flags : Out(6)        register; golden.layout.Flag

    Source: IEEE 754-2019; RISC-V's F extension 2.2 for MIN, MAX, CLASS and conversions of integers.
    """

    def __init__(self):
        super().__init__({"op": In(FloatOp), "a": In(32), "b": In(32), "c": In(32), "result": Out(32), "flags": Out(6)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fma = fma = Fp32Fma()
        operands = []
        for name in ("a", "b", "c"):
            m.submodules[f"unpack_{name}"] = unpack = Fp32Unpack()
            m.d.comb += unpack.code.eq(getattr(self, name))
            operands.append(unpack.operand)
        a, b, c = operands

        def register(shape, name):
            return Signal(shape, name=name, reset_less=True)

        # Operands of the multiply-adder.
        negative = self.a[31]
        negate_product = (self.op == FloatOp.NMSUB) | (self.op == FloatOp.NMADD)
        negate_addend = (self.op == FloatOp.MSUB) | (self.op == FloatOp.NMADD)
        with m.Switch(self.op):
            with m.Case(FloatOp.FROM_INT):
                # Of a negative integer the lower half is subtracted from 2**16, which takes one from the upper half.
                m.d.comb += [
                    fma.a.sign.eq(negative),
                    fma.a.exponent.eq(BIAS + 39),
                    fma.a.significand.eq(self.a[16:31] ^ negative.replicate(15)),
                ]
            with m.Default():
                m.d.comb += [fma.a.eq(a), fma.a.sign.eq(a.sign ^ negate_product)]
        with m.Switch(self.op):
            with m.Case(FloatOp.ADD, FloatOp.SUB, FloatOp.TO_INT, FloatOp.TO_INT_ZERO, FloatOp.FROM_INT):
                m.d.comb += [fma.b.exponent.eq(BIAS), fma.b.significand.eq(1 << 23)]
            with m.Default():
                m.d.comb += fma.b.eq(b)
        with m.Switch(self.op):
            with m.Case(FloatOp.ADD, FloatOp.SUB):
                m.d.comb += [fma.c.eq(b), fma.c.sign.eq(b.sign ^ (self.op == FloatOp.SUB))]
            with m.Case(FloatOp.MUL):
                m.d.comb += [fma.c.sign.eq(a.sign ^ b.sign), fma.c.exponent.eq(1), fma.c.zero.eq(1)]
            with m.Case(FloatOp.TO_INT, FloatOp.TO_INT_ZERO):
                m.d.comb += [fma.c.sign.eq(negative), fma.c.exponent.eq(INTEGER_EXPONENT), fma.c.zero.eq(1)]
            with m.Case(FloatOp.FROM_INT):
                m.d.comb += [
                    fma.c.sign.eq(negative),
                    fma.c.exponent.eq(BIAS + 23),
                    fma.c.significand.eq((self.a[:16] ^ negative.replicate(16)) + negative),
                ]
            with m.Default():
                m.d.comb += [fma.c.eq(c), fma.c.sign.eq(c.sign ^ negate_addend)]

        # What needs no rounding, beside the multiply-adder.
        both_zero, equal, smaller, less = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            both_zero.eq(a.zero & b.zero),
            equal.eq(self.a == self.b),
            smaller.eq(self.a[:31] < self.b[:31]),
            # -0 < +0 here; anything if one is NaN.
            less.eq(Mux(a.sign == b.sign, ~equal & (smaller ^ a.sign), a.sign)),
        ]
        any_nan, any_signalling = a.nan | b.nan, a.signalling | b.signalling
        out_of_range = Signal()
        m.d.comb += out_of_range.eq(a.exponent >= INTEGER_EXPONENT)
        other, bypass, invalid, denormal, convert = Signal(32), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [other.eq(self.a), bypass.eq(1)]
        with m.Switch(self.op):
            with m.Case(
                FloatOp.ADD, FloatOp.SUB, FloatOp.MUL, FloatOp.MADD, FloatOp.MSUB, FloatOp.NMSUB, FloatOp.NMADD, FloatOp.FROM_INT
            ):
                m.d.comb += bypass.eq(0)
            with m.Case(FloatOp.MIN, FloatOp.MAX):
                m.d.comb += invalid.eq(any_signalling)
                with m.If(a.nan & b.nan):
                    m.d.comb += other.eq(CANONICAL_NAN)
                with m.Elif(a.nan | ~b.nan & (less ^ (self.op == FloatOp.MIN))):
                    m.d.comb += other.eq(self.b)
            with m.Case(FloatOp.SGNJ):
                m.d.comb += other[31].eq(b.sign)
            with m.Case(FloatOp.SGNJN):
                m.d.comb += other[31].eq(~b.sign)
            with m.Case(FloatOp.SGNJX):
                m.d.comb += other[31].eq(a.sign ^ b.sign)
            with m.Case(FloatOp.EQ):
                m.d.comb += [other.eq(~any_nan & (equal | both_zero)), invalid.eq(any_signalling)]
            with m.Case(FloatOp.LT):
                m.d.comb += [other.eq(~any_nan & less & ~both_zero), invalid.eq(any_nan)]
            with m.Case(FloatOp.LE):
                m.d.comb += [other.eq(~any_nan & (less | equal | both_zero)), invalid.eq(any_nan)]
            with m.Case(FloatOp.CLASS):
                m.d.comb += other.eq(class_mask(a))
            with m.Case(FloatOp.TO_INT, FloatOp.TO_INT_ZERO):
                m.d.comb += [
                    other.eq(Mux(a.sign & ~a.nan, MOST_NEGATIVE, MOST_POSITIVE)),
                    # The most negative integer itself is in range, and what saturation gives.
                    invalid.eq(out_of_range & (self.a != Cat(Const(0, 23), Const(INTEGER_EXPONENT, 8), Const(1, 1)))),
                    denormal.eq(a.denormal),
                    convert.eq(~out_of_range),
                ]

        other1, other2, other3 = (register(32, f"other{stage}") for stage in (1, 2, 3))
        bypass1, bypass2, bypass3 = (register(1, f"bypass{stage}") for stage in (1, 2, 3))
        invalid1, invalid2, invalid3 = (register(1, f"invalid{stage}") for stage in (1, 2, 3))
        denormal1, denormal2, denormal3 = (register(1, f"denormal{stage}") for stage in (1, 2, 3))
        convert1, convert2 = (register(1, f"convert{stage}") for stage in (1, 2))
        nearest1, nearest2 = (register(1, f"nearest{stage}") for stage in (1, 2))
        inexact3 = register(1, "inexact3")

        # The integer is there as the sum of stage 2, rounded in stage 3.
        whole, guard = fma.magnitude[_INTEGER_UNIT : _INTEGER_UNIT + 32], fma.magnitude[_INTEGER_UNIT - 1]
        sticky = fma.magnitude[: _INTEGER_UNIT - 1].any()
        integer_sign = other2[31]
        round_up = Signal()
        integer = Signal(32)
        m.d.comb += [
            round_up.eq(nearest2 & guard & (sticky | whole[0])),
            # One's complement and a carry unless it is rounded up, which would take one away again.
            integer.eq((whole ^ integer_sign.replicate(32)) + (round_up ^ integer_sign)),
        ]

        m.d.sync += [
            other1.eq(other),
            bypass1.eq(bypass),
            invalid1.eq(invalid),
            denormal1.eq(denormal),
            convert1.eq(convert),
            nearest1.eq(self.op == FloatOp.TO_INT),
            other2.eq(other1),
            bypass2.eq(bypass1),
            invalid2.eq(invalid1),
            denormal2.eq(denormal1),
            convert2.eq(convert1),
            nearest2.eq(nearest1),
            other3.eq(Mux(convert2, integer, other2)),
            bypass3.eq(bypass2),
            invalid3.eq(invalid2),
            denormal3.eq(denormal2),
            inexact3.eq(convert2 & (guard | sticky)),
        ]

        result, flags = register(32, "final_result"), register(6, "final_flags")
        m.d.sync += [
            result.eq(Mux(bypass3, other3, fma.result)),
            flags.eq(Mux(bypass3, Cat(inexact3, Const(0, 3), invalid3, denormal3), fma.flags)),
        ]
        m.d.comb += [self.result.eq(result), self.flags.eq(flags)]
        return m
