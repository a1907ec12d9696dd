# SPDX-License-Identifier: Apache-2.0
"""One lane of binary32 operations."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.fp32_fma import SUM_BITS, SUM_EXPONENT_BIT, Accumulation, Fp32Fma
from rtl.arithmetic.fp32_operand import Fp32Unpack
from rtl.arithmetic.normalise import EXPONENT_BITS
from rtl.arithmetic.rounding import CANONICAL_NAN

__all__ = ["FIXED_POINT_BIT", "FLOAT_LANE_NAME", "NORMALISING_POWER", "SMALL_FLOAT_LANE_NAME", "FloatLane", "FloatOp"]

#: Name of the lane's module, which the lanes of a SIMD unit share.
FLOAT_LANE_NAME = "d1_float_lane"

#: Name of the module of the small lane.
SMALL_FLOAT_LANE_NAME = "d1_small_float_lane"

_BIAS = 127
_MOST_POSITIVE, _MOST_NEGATIVE = 0x7FFF_FFFF, 0x8000_0000

#: The power of two by which NORMALISE multiplies.
NORMALISING_POWER = 64

#: Where the point of fixed-point numbers is in the sum.
FIXED_POINT_BIT = SUM_EXPONENT_BIT - 9

#: Exponent field of 2**31, from which on numbers are out of an INT32's range.
_INTEGER_EXPONENT = _BIAS + 31

#: Exponent field of 2**9, which the top bit of a fixed-point number has.
_FIXED_EXPONENT = _BIAS + 9

#: Exponent field of what makes a normal number of every denormal one.
_NORMALISING_EXPONENT = _BIAS + NORMALISING_POWER

#: Where the lowest bit of an integer lies in a sum whose exponent is that, or in one whose exponent is one more, which every
#: integer that is in range stays below.
_INTEGER_UNIT, _FIXED_INTEGER_UNIT = SUM_EXPONENT_BIT - 31, SUM_EXPONENT_BIT - 32


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

    # Only of the small lane: |a| normalised; a in two's complement with a fixed point; the number accumulated rounded, which
    # replaces the result of that function of an operand that has one.
    NORMALISE = 26
    FIX = 27
    ROUND_RECIPROCAL = 29
    ROUND_RECIPROCAL_ROOT = 30
    ROUND_POWER = 31


_ROUNDS = (FloatOp.ROUND_RECIPROCAL, FloatOp.ROUND_RECIPROCAL_ROOT, FloatOp.ROUND_POWER)


class FloatLane(wiring.Component):
    """An operation on binary32 numbers in every cycle, with the result four cycles later, of the small lane five.

    Everything that rounds goes through one multiply-adder: sums as a * 1 + b, products as a * b and a zero of their sign,
    integers from their halves as high * 2**16 + low, and to integers the sum with a zero whose exponent is that of 2**31, before
    it is normalised.

    Parameters
    ----------
    small : bool
        Of fewer lookup tables, with results another cycle later, and with the operations from NORMALISE on and the members for
        them.

    Members
    -------
    op : In(FloatOp)      anything results from numbers that are not in FloatOp
    a, b, c : In(32)      raw codes; ``a`` is an integer for FROM_INT
    result : Out(32)      register. Compares: in bit 0, others clear; CLASS: one of bits 0 to 9; TO_INT, TO_INT_ZERO: an integer
    flags : Out(6)        register; golden.layout.Flag
    accumulation : In(Accumulation)   but for ``rounds`` and ``raw``
    fixed : Out(52)       two cycles after FIX: a in two's complement, cut below but for a bit that tells
    normalised : Out(24), normal_exponent : Out(9)
                          four cycles after NORMALISE: the significand, and its exponent field plus NORMALISING_POWER less one

    Source: IEEE 754-2019; RISC-V's F extension 2.2 for MIN, MAX, CLASS and conversions of integers.
    """

    def __init__(self, small: bool = False):
        self.small = small
        for_digits = {
            "accumulation": In(Accumulation),
            "fixed": Out(SUM_BITS),
            "normalised": Out(24),
            "normal_exponent": Out(EXPONENT_BITS),
        }
        super().__init__(
            {"op": In(FloatOp), "a": In(32), "b": In(32), "c": In(32), "result": Out(32), "flags": Out(6)}
            | (for_digits if small else {})
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fma = fma = Fp32Fma(small=self.small)
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
                    fma.a.exponent.eq(_BIAS + 39),
                    fma.a.significand.eq(self.a[16:31] ^ negative.replicate(15)),
                ]
            with m.Default():
                m.d.comb += [fma.a.eq(a), fma.a.sign.eq(a.sign ^ negate_product)]
        with m.Switch(self.op):
            with m.Case(FloatOp.ADD, FloatOp.SUB, FloatOp.TO_INT, FloatOp.TO_INT_ZERO, FloatOp.FROM_INT):
                m.d.comb += [fma.b.exponent.eq(_BIAS), fma.b.significand.eq(1 << 23)]
            with m.Default():
                m.d.comb += fma.b.eq(b)
        with m.Switch(self.op):
            with m.Case(FloatOp.ADD, FloatOp.SUB):
                m.d.comb += [fma.c.eq(b), fma.c.sign.eq(b.sign ^ (self.op == FloatOp.SUB))]
            with m.Case(FloatOp.MUL):
                m.d.comb += [fma.c.sign.eq(a.sign ^ b.sign), fma.c.exponent.eq(1), fma.c.zero.eq(1)]
            with m.Case(FloatOp.TO_INT, FloatOp.TO_INT_ZERO):
                m.d.comb += [fma.c.sign.eq(negative), fma.c.exponent.eq(_INTEGER_EXPONENT), fma.c.zero.eq(1)]
            with m.Case(FloatOp.FROM_INT):
                m.d.comb += [
                    fma.c.sign.eq(negative),
                    fma.c.exponent.eq(_BIAS + 23),
                    fma.c.significand.eq((self.a[:16] ^ negative.replicate(16)) + negative),
                ]
            with m.Default():
                m.d.comb += [fma.c.eq(c), fma.c.sign.eq(c.sign ^ negate_addend)]

        divides_by_zero = self._digits(m, fma, a) if self.small else Const(0, 1)

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
        m.d.comb += out_of_range.eq(a.exponent >= _INTEGER_EXPONENT)
        other, bypass, invalid, denormal, convert = Signal(32), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [other.eq(self.a), bypass.eq(1)]
        with m.Switch(self.op):
            with m.Case(
                FloatOp.ADD, FloatOp.SUB, FloatOp.MUL, FloatOp.MADD, FloatOp.MSUB, FloatOp.NMSUB, FloatOp.NMADD, FloatOp.FROM_INT
            ):
                m.d.comb += bypass.eq(0)
            with m.Case(*(_ROUNDS if self.small else ())):
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
                kinds = a.infinite, ~(a.infinite | a.nan | a.denormal | a.zero), a.denormal, a.zero
                m.d.comb += other.eq(
                    Cat(
                        (kind & a.sign for kind in kinds),
                        (kind & ~a.sign for kind in reversed(kinds)),
                        a.signalling,
                        a.nan & ~a.signalling,
                    )
                )
            with m.Case(FloatOp.TO_INT, FloatOp.TO_INT_ZERO):
                m.d.comb += [
                    other.eq(Mux(a.sign & ~a.nan, _MOST_NEGATIVE, _MOST_POSITIVE)),
                    # The most negative integer itself is in range, and what saturation gives.
                    invalid.eq(out_of_range & (self.a != Cat(Const(0, 23), Const(_INTEGER_EXPONENT, 8), Const(1, 1)))),
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
        unit = _FIXED_INTEGER_UNIT if self.small else _INTEGER_UNIT
        whole, guard = fma.magnitude[unit : unit + 32], fma.magnitude[unit - 1]
        sticky = fma.magnitude[: unit - 1].any()
        integer_sign = other2[31]
        to_nearest = guard & (sticky | whole[0])
        round_up = Signal()
        integer = Signal(32)
        if self.small:
            # In two's complement, what is cut is always too little.
            m.d.comb += [
                round_up.eq(Mux(nearest2, to_nearest, integer_sign & (guard | sticky))),
                integer.eq(whole + round_up),
            ]
        else:
            m.d.comb += [
                round_up.eq(nearest2 & to_nearest),
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

        divides1, divides2, divides3 = (register(1, f"divides{stage}") for stage in (1, 2, 3))
        m.d.sync += [divides1.eq(divides_by_zero), divides2.eq(divides1), divides3.eq(divides2)]
        if self.small:
            beside = {"other": other3, "bypass": bypass3, "inexact": inexact3}
            beside |= {"invalid": invalid3, "denormal": denormal3, "divides": divides3}
            for name, value in beside.items():
                beside[name] = register(len(value), f"{name}4")
                m.d.sync += beside[name].eq(value)
            other3, bypass3, inexact3, invalid3, denormal3, divides3 = beside.values()
        number_flags = Cat(fma.flags[:3], fma.flags[3] | divides3, fma.flags[4:])

        result, flags = register(32, "final_result"), register(6, "final_flags")
        m.d.sync += [
            result.eq(Mux(bypass3, other3, fma.result)),
            flags.eq(Mux(bypass3, Cat(inexact3, Const(0, 3), invalid3, denormal3), number_flags)),
        ]
        m.d.comb += [self.result.eq(result), self.flags.eq(flags)]
        return m

    def _digits(self, m, fma, a):
        """The operations for digits; tells which one divides by zero."""
        m.d.comb += [
            fma.accumulation.eq(self.accumulation),
            self.fixed.eq(fma.magnitude),
            self.normalised.eq(fma.normalised[-24:]),
            self.normal_exponent.eq(fma.normal_exponent),
        ]
        with m.Switch(self.op):
            with m.Case(FloatOp.TO_INT, FloatOp.TO_INT_ZERO):
                m.d.comb += [
                    fma.c.sign.eq(0),
                    fma.c.exponent.eq(_INTEGER_EXPONENT + 1),
                    fma.accumulation.raw.eq(1),
                ]
            with m.Case(FloatOp.NORMALISE):
                m.d.comb += [
                    fma.b.eq(0),
                    fma.b.exponent.eq(_NORMALISING_EXPONENT),
                    fma.b.significand.eq(1 << 23),
                    fma.c.eq(0),
                    fma.c.sign.eq(a.sign),
                    fma.c.exponent.eq(1),
                    # For digits to add; here it is far below what counts.
                    fma.c.significand.eq(1 << 23),
                ]
            with m.Case(FloatOp.FIX):
                m.d.comb += [
                    fma.b.eq(0),
                    fma.b.exponent.eq(_BIAS),
                    fma.b.significand.eq(1 << 23),
                    fma.c.eq(0),
                    fma.c.exponent.eq(_FIXED_EXPONENT),
                    fma.accumulation.raw.eq(1),
                ]
        is_root, is_power = self.op == FloatOp.ROUND_RECIPROCAL_ROOT, self.op == FloatOp.ROUND_POWER
        rounds, divides_by_zero = Signal(), Signal()
        m.d.comb += rounds.eq(self.op.as_value().matches(*(op.value for op in _ROUNDS)))
        with m.If(rounds):
            sign = a.sign & ~is_power
            no_root = is_root & a.sign & ~a.zero & ~a.nan
            m.d.comb += [
                fma.accumulation.rounds.eq(1),
                fma.a.sign.eq(sign),
                fma.a.zero.eq(0),
                fma.a.infinite.eq(Mux(is_power, a.infinite & ~a.sign, a.zero)),
                fma.a.nan.eq(a.nan | no_root),
                fma.a.signalling.eq(a.signalling | no_root),
                fma.b.eq(0),
                fma.c.eq(0),
                fma.c.sign.eq(sign),
                fma.c.exponent.eq(1),
                divides_by_zero.eq(a.zero & ~is_power),
            ]
            # What is infinitely far gives 0.
            with m.If(a.infinite & (a.sign | ~is_power)):
                m.d.comb += [fma.accumulation.restart.eq(1), fma.accumulation.one.eq(0)]
        return divides_by_zero
