# SPDX-License-Identifier: Apache-2.0
"""One lane of binary32 operations for units that have no other: few lookup tables, short paths, many stages."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.fp32_fma import SUM_BITS, SUM_EXPONENT_BIT
from rtl.arithmetic.fp32_operand import Fp32Unpack, class_mask
from rtl.arithmetic.normalise import EXPONENT_BITS
from rtl.arithmetic.rounding import CANONICAL_NAN
from rtl.arithmetic.small_fma import FMA_CYCLES, SUM_CYCLES, Accumulation, SmallFma
from rtl.simd.float_lane import BIAS, INTEGER_EXPONENT, MOST_NEGATIVE, MOST_POSITIVE, FloatOp

__all__ = ["FIXED_POINT_BIT", "NORMALISING_POWER", "SMALL_FLOAT_LANE_CYCLES", "SMALL_FLOAT_LANE_NAME", "SmallFloatLane"]

#: Name of the lane's module.
SMALL_FLOAT_LANE_NAME = "d1_small_float_lane"

#: Cycles from the lane's inputs to its outputs.
SMALL_FLOAT_LANE_CYCLES = 1 + FMA_CYCLES

#: The power of two by which NORMALISE multiplies.
NORMALISING_POWER = 64

#: Where the point of fixed-point numbers is in the sum.
FIXED_POINT_BIT = SUM_EXPONENT_BIT - 9

#: Exponent field of 2**9, which the top bit of a fixed-point number has.
_FIXED_EXPONENT = BIAS + 9

#: Exponent field of what makes a normal number of every denormal one.
_NORMALISING_EXPONENT = BIAS + NORMALISING_POWER

#: Where the lowest bit of an integer lies in a sum whose exponent every integer that is in range stays below.
_INTEGER_UNIT = SUM_EXPONENT_BIT - 32

_ROUNDS = (FloatOp.ROUND_RECIPROCAL, FloatOp.ROUND_RECIPROCAL_ROOT, FloatOp.ROUND_POWER)


class SmallFloatLane(wiring.Component):
    """An operation of :class:`rtl.simd.float_lane.FloatLane` in every cycle, with the result eight cycles later; and what a unit
    needs that finds the digits of functions.

    Everything that rounds goes through one multiply-adder as it does there, but for negative integers, which are rounded in two's
    complement.

    Members
    -------
    op : In(FloatOp)      anything results from numbers that are not in FloatOp
    a, b, c : In(32)      raw codes; ``a`` is an integer for FROM_INT
    result : Out(32)      register. Compares: in bit 0, others clear; CLASS: one of bits 0 to 9; TO_INT, TO_INT_ZERO: an integer
    flags : Out(6)        register; golden.layout.Flag
    accumulation : In(Accumulation)   but for ``rounds``, ``vanishes`` and ``raw``
    fixed : Out(52)       one more than ``SUM_CYCLES`` after FIX: a in two's complement, cut below but for a bit that tells
    normalised : Out(24), normal_exponent : Out(9)
                          one more than ``NORMALISED_CYCLES`` after NORMALISE: the significand, and its exponent field plus
                          NORMALISING_POWER less one

    Source: IEEE 754-2019; RISC-V's F extension 2.2 for MIN, MAX, CLASS and conversions of integers.
    """

    def __init__(self):
        super().__init__(
            {
                "op": In(FloatOp),
                "a": In(32),
                "b": In(32),
                "c": In(32),
                "result": Out(32),
                "flags": Out(6),
                "accumulation": In(Accumulation),
                "fixed": Out(SUM_BITS),
                "normalised": Out(24),
                "normal_exponent": Out(EXPONENT_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fma = fma = SmallFma()
        operands, codes = [], []
        for name in ("a", "b", "c"):
            m.submodules[f"unpack_{name}"] = unpack = Fp32Unpack()
            code, operand = (Signal.like(each, name=f"entered_{name}", reset_less=True) for each in (unpack.code, unpack.operand))
            m.d.comb += unpack.code.eq(getattr(self, name))
            m.d.sync += [code.eq(unpack.code), operand.eq(unpack.operand)]
            operands.append(operand)
            codes.append(code)
        (a, b, c), (a_code, b_code, _) = operands, codes
        m.d.comb += [
            fma.accumulation.eq(self.accumulation),
            self.fixed.eq(fma.magnitude),
            self.normalised.eq(fma.normalised[-24:]),
            self.normal_exponent.eq(fma.normal_exponent),
        ]
        op = Signal(FloatOp, reset_less=True)
        m.d.sync += op.eq(self.op)
        rounds = self._asks(m, "rounds", *_ROUNDS)
        self._operands(m, fma, a, b, c, a_code, rounds)
        divides = self._rounding(m, fma, a, rounds)

        # What needs no rounding, beside the multiply-adder: here and in the following cycle.
        def later(stage, **values):
            registers = []
            for name, value in values.items():
                register = Signal(Cat(value).shape(), name=f"{name}{stage}", reset_less=True)
                m.d.sync += register.eq(value)
                registers.append(register)
            return registers

        both_zero, equal, smaller, any_nan = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            both_zero.eq(a.zero & b.zero),
            equal.eq(a_code == b_code),
            smaller.eq(a_code[:31] < b_code[:31]),
            any_nan.eq(a.nan | b.nan),
        ]
        any_signalling, out_of_range = a.signalling | b.signalling, Signal()
        other, bypass, invalid, denormal, convert = Signal(32), Signal(), Signal(), Signal(), Signal()
        # Of compares and extremes, what decides later: if equal; if less; b if there is an order; b anyway.
        if_equal, if_less, by_order, takes_b = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [out_of_range.eq(a.exponent >= INTEGER_EXPONENT), other.eq(a_code), bypass.eq(1)]
        with m.Switch(op):
            with m.Case(
                FloatOp.ADD, FloatOp.SUB, FloatOp.MUL, FloatOp.MADD, FloatOp.MSUB, FloatOp.NMSUB, FloatOp.NMADD, FloatOp.FROM_INT
            ):
                m.d.comb += bypass.eq(0)
            with m.Case(*_ROUNDS):
                m.d.comb += bypass.eq(0)
            with m.Case(FloatOp.MIN, FloatOp.MAX):
                m.d.comb += [invalid.eq(any_signalling), by_order.eq(~any_nan), takes_b.eq(a.nan & ~b.nan)]
                with m.If(a.nan & b.nan):
                    m.d.comb += other.eq(CANONICAL_NAN)
            with m.Case(FloatOp.SGNJ):
                m.d.comb += other[31].eq(b.sign)
            with m.Case(FloatOp.SGNJN):
                m.d.comb += other[31].eq(~b.sign)
            with m.Case(FloatOp.SGNJX):
                m.d.comb += other[31].eq(a.sign ^ b.sign)
            with m.Case(FloatOp.EQ):
                m.d.comb += [other.eq(0), if_equal.eq(~any_nan), invalid.eq(any_signalling)]
            with m.Case(FloatOp.LT):
                m.d.comb += [other.eq(0), if_less.eq(~any_nan), invalid.eq(any_nan)]
            with m.Case(FloatOp.LE):
                m.d.comb += [other.eq(0), if_equal.eq(~any_nan), if_less.eq(~any_nan), invalid.eq(any_nan)]
            with m.Case(FloatOp.CLASS):
                m.d.comb += other.eq(class_mask(a))
            with m.Case(FloatOp.TO_INT, FloatOp.TO_INT_ZERO):
                m.d.comb += [
                    other.eq(Mux(a.sign & ~a.nan, MOST_NEGATIVE, MOST_POSITIVE)),
                    # The most negative integer itself is in range, and what saturation gives.
                    invalid.eq(out_of_range & (a_code != Cat(Const(0, 23), Const(INTEGER_EXPONENT, 8), Const(1, 1)))),
                    denormal.eq(a.denormal),
                    convert.eq(~out_of_range),
                ]
        other, other_b, same, less, if_equal, if_less, by_order, is_min, takes_b = later(
            1,
            other=other,
            b=b_code,
            same=equal | both_zero,
            # -0 < +0 here.
            less=Mux(a.sign == b.sign, ~equal & (smaller ^ a.sign), a.sign),
            if_equal=if_equal,
            if_less=if_less,
            by_order=by_order,
            is_min=op == FloatOp.MIN,
            takes_b=takes_b,
        )
        beside = {"bypass": bypass, "invalid": invalid, "denormal": denormal, "divides": divides}
        until_sum = {"convert": convert, "to_nearest": op == FloatOp.TO_INT}

        def beside_later(stage, **more):
            """The registers that a stage ends with."""
            values = beside | until_sum | more
            return dict(zip(values, later(stage, **values), strict=True))

        registers = beside_later(1)
        chosen = Mux(takes_b | by_order & (less ^ is_min), other_b, other)
        truth = Mux(same, if_equal, if_less & less)
        other = Cat(chosen[0] | truth, chosen[1:])
        for stage in range(2, SUM_CYCLES + 1):
            beside, until_sum = ({name: registers[name] for name in names} for names in (beside, until_sum))
            registers = beside_later(stage, other=other)
            other = registers["other"]
        beside, until_sum = ({name: registers[name] for name in names} for names in (beside, until_sum))

        # The integer is there as the sum. In two's complement, what is cut is always too little.
        whole, guard = fma.magnitude[_INTEGER_UNIT : _INTEGER_UNIT + 32], fma.magnitude[_INTEGER_UNIT - 1]
        sticky = fma.magnitude[: _INTEGER_UNIT - 1].any()
        round_up, integer = Signal(), Signal(32)
        m.d.comb += [
            round_up.eq(Mux(until_sum["to_nearest"], guard & (sticky | whole[0]), other[31] & (guard | sticky))),
            integer.eq(whole + round_up),
        ]
        beside |= {"other": Mux(until_sum["convert"], integer, other), "inexact": until_sum["convert"] & (guard | sticky)}
        for stage in range(SUM_CYCLES + 1, FMA_CYCLES):
            beside = dict(zip(beside, later(stage, **beside), strict=True))

        number_flags = Cat(fma.flags[:3], fma.flags[3] | beside["divides"], fma.flags[4:])
        other_flags = Cat(beside["inexact"], Const(0, 3), beside["invalid"], beside["denormal"])
        result, flags = later(
            FMA_CYCLES,
            result=Mux(beside["bypass"], beside["other"], fma.result),
            flags=Mux(beside["bypass"], other_flags, number_flags),
        )
        m.d.comb += [self.result.eq(result), self.flags.eq(flags)]
        return m

    def _asks(self, m, name, *operations):
        """Whether the operation is one of these, for the cycle of its operands."""
        register = Signal(name=name, reset_less=True)
        m.d.sync += register.eq(self.op.as_value().matches(*(operation.value for operation in operations)))
        return register

    def _operands(self, m, fma, a, b, c, a_code, rounds):
        """What the multiply-adder computes."""
        fused = FloatOp.MADD, FloatOp.MSUB, FloatOp.NMSUB, FloatOp.NMADD
        adds, adds_product = self._asks(m, "adds", FloatOp.ADD, FloatOp.SUB), self._asks(m, "adds_product", *fused)
        multiplies, uses_b = self._asks(m, "multiplies", FloatOp.MUL), self._asks(m, "uses_b", FloatOp.MUL, *fused)
        from_integer = self._asks(m, "from_integer", FloatOp.FROM_INT)
        normalises = self._asks(m, "normalises", FloatOp.NORMALISE)
        raw = self._asks(m, "raw", FloatOp.TO_INT, FloatOp.TO_INT_ZERO, FloatOp.FIX)
        negates_product = self._asks(m, "negates_product", FloatOp.NMSUB, FloatOp.NMADD)
        negates_addend = self._asks(m, "negates_addend", FloatOp.SUB, FloatOp.MSUB, FloatOp.NMADD)
        signs = FloatOp.MUL, FloatOp.FROM_INT, FloatOp.NORMALISE, FloatOp.ROUND_RECIPROCAL, FloatOp.ROUND_RECIPROCAL_ROOT
        has_sign_of_a = self._asks(m, "has_sign_of_a", *signs)
        addend_exponent = Signal(8, reset_less=True)
        with m.Switch(self.op):
            for operations, exponent in (
                ((FloatOp.TO_INT, FloatOp.TO_INT_ZERO), INTEGER_EXPONENT + 1),
                ((FloatOp.FROM_INT,), BIAS + 23),
                ((FloatOp.FIX,), _FIXED_EXPONENT),
            ):
                with m.Case(*operations):
                    m.d.sync += addend_exponent.eq(exponent)
            with m.Default():
                m.d.sync += addend_exponent.eq(1)

        # Of a negative integer the lower half is subtracted from 2**16, which takes one from the upper half.
        negative = a_code[31]
        m.d.comb += [fma.a.eq(a), fma.a.sign.eq(a.sign ^ negates_product), fma.accumulation.raw.eq(raw)]
        with m.If(from_integer):
            m.d.comb += [
                fma.a.eq(0),
                fma.a.sign.eq(negative),
                fma.a.exponent.eq(BIAS + 39),
                fma.a.significand.eq(a_code[16:31] ^ negative.replicate(15)),
            ]
        with m.If(uses_b):
            m.d.comb += fma.b.eq(b)
        with m.Else():
            m.d.comb += [
                fma.b.exponent.eq(Mux(normalises, _NORMALISING_EXPONENT, BIAS)),
                fma.b.significand.eq(~rounds << 23),
            ]
        with m.If(adds_product):
            m.d.comb += [fma.c.eq(c), fma.c.sign.eq(c.sign ^ negates_addend)]
        with m.Elif(adds):
            m.d.comb += [fma.c.eq(b), fma.c.sign.eq(b.sign ^ negates_addend)]
        with m.Else():
            m.d.comb += [
                fma.c.sign.eq(a.sign & has_sign_of_a ^ b.sign & multiplies),
                fma.c.exponent.eq(addend_exponent),
                # For digits to add; in what is normalised it is far below what counts.
                fma.c.significand.eq(normalises << 23),
            ]
            with m.If(from_integer):
                m.d.comb += fma.c.significand.eq((a_code[:16] ^ negative.replicate(16)) + negative)

    def _rounding(self, m, fma, a, rounds):
        """The operations that round what is accumulated; tells which one divides by zero."""
        is_root, is_power = (
            self._asks(m, name, operation)
            for name, operation in (("is_root", FloatOp.ROUND_RECIPROCAL_ROOT), ("is_power", FloatOp.ROUND_POWER))
        )
        divides_by_zero = Signal()
        with m.If(rounds):
            no_root = is_root & a.sign & ~a.zero & ~a.nan
            m.d.comb += [
                fma.accumulation.rounds.eq(1),
                # What is infinitely far gives 0.
                fma.accumulation.vanishes.eq(a.infinite & (a.sign | ~is_power)),
                fma.a.sign.eq(a.sign & ~is_power),
                fma.a.zero.eq(0),
                fma.a.infinite.eq(Mux(is_power, a.infinite & ~a.sign, a.zero)),
                fma.a.nan.eq(a.nan | no_root),
                fma.a.signalling.eq(a.signalling | no_root),
                divides_by_zero.eq(a.zero & ~is_power),
            ]
        return divides_by_zero
