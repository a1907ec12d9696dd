# SPDX-License-Identifier: Apache-2.0
"""Reciprocal, reciprocal square root and power of two of a binary32 number, a bit per cycle."""

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import Flag
from golden.tables import EXP2_CONSTANTS, EXP2_FRACTION_BITS, EXP2_OPERAND_BITS
from rtl.arithmetic.fp32_operand import Fp32Unpack
from rtl.arithmetic.normalise import Normalise
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY

__all__ = ["SPECIAL_CYCLES", "SpecialLane", "SpecialOp"]

#: Cycles from ``start`` to the one with the result.
SPECIAL_CYCLES = 35

_SIGNIFICAND_BITS = 24
_FLAGS = len(Flag)
_BIAS = 127

#: Quotients and roots have a bit before the point, which is known, 23 behind it and a guard bit.
_DIGITS = 24

#: Fraction bits of the numbers that the root is made of.
_ROOT_BITS = 47


class SpecialOp(enum.IntEnum, shape=2):
    """The functions, numbered as in the low bits of their rs2 field."""

    RECIPROCAL = 1
    RECIPROCAL_ROOT = 2
    POWER = 3


class SpecialLane(wiring.Component):
    """One function at a time. Quotient and root by subtraction and trial, exact; the power as docs/arithmetic.md defines it.

    The operand is unpacked with ``start`` and aligned in the next cycle; then come one digit per cycle, and rounding.

    Members
    -------
    start : In(1), op : In(2), x : In(32)
    result : Out(32), flags : Out(6)
        ``op`` is a SpecialOp. Results are there from SPECIAL_CYCLES after ``start`` on until that many after the next.
    """

    def __init__(self):
        super().__init__({"start": In(1), "op": In(2), "x": In(32), "result": Out(32), "flags": Out(_FLAGS)})

    def elaborate(self, platform):
        m = Module()

        # -- the operand ---------------------------------------------------------------------------------------------
        step = Signal(range(SPECIAL_CYCLES + 1))
        code, op = Signal(32), Signal(2)
        with m.If(step.any()):
            m.d.sync += step.eq(Mux(step == SPECIAL_CYCLES - 1, 0, step + 1))
        with m.If(self.start):
            m.d.sync += [code.eq(self.x), op.eq(self.op), step.eq(1)]
        m.submodules.unpack_x = unpack_x = Fp32Unpack()
        m.submodules.unpack = unpack = Fp32Unpack()
        m.submodules.normalise = normalise = Normalise(_SIGNIFICAND_BITS)
        operand = unpack.operand
        m.d.comb += [
            unpack_x.code.eq(self.x),
            unpack.code.eq(code),
            normalise.magnitude.eq(unpack_x.operand.significand),
            # A denormal shifts as far as it has to.
            normalise.limit.eq(_SIGNIFICAND_BITS + unpack_x.operand.exponent),
        ]
        significand = Signal(_SIGNIFICAND_BITS)
        exponent = Signal(signed(10))
        with m.If(self.start):
            m.d.sync += [
                significand.eq(normalise.normalised),
                exponent.eq(normalise.exponent - (_SIGNIFICAND_BITS + _BIAS)),
            ]
        power_of_two = ~significand[:-1].any()

        # -- quotient: 2**24 / significand, digit by digit ----------------------------------------------------------
        quotient_rest = Signal(_SIGNIFICAND_BITS + 1)
        doubled = Signal(_SIGNIFICAND_BITS + 2)
        quotient_fits = Signal()
        digits = Signal(_DIGITS)
        m.d.comb += [doubled.eq(quotient_rest << 1), quotient_fits.eq(doubled >= significand)]

        # -- root: z of z**2 * number < 4, where the number is in [1, 4); rest = (4 - z**2 * number) * 2**digits -----
        odd = exponent[0]
        number = Signal(_ROOT_BITS + 2)
        root_rest = Signal(signed(_ROOT_BITS + 6))
        product, term = Signal(_ROOT_BITS + 4), Signal(_ROOT_BITS + 2)
        trial = Signal(signed(_ROOT_BITS + 7))
        root_fits = Signal()
        m.d.comb += [
            number.eq(Cat(C(0, _ROOT_BITS - _SIGNIFICAND_BITS + 1), significand) << odd),
            trial.eq((root_rest << 1) - (product << 1) - term),
            root_fits.eq(~trial[-1]),
        ]

        # -- power: the operand as an integer and a fraction, both counted down from below --------------------------
        far = Signal(6)
        wide = Signal(_SIGNIFICAND_BITS + 17)
        cut = Signal()
        fixed = Signal(signed(10 + EXP2_OPERAND_BITS))
        shifted_out = Signal(2 * len(wide))
        m.d.comb += [
            # |x| in units of 2**-32, as if its exponent were 7; smaller ones are shifted right.
            far.eq(Mux(exponent < 7 - (len(wide) + 1), len(wide) + 1, (7 - exponent)[:6])),
            shifted_out.eq(Cat(C(0, len(wide)), C(0, 16), significand) >> far),
            wide.eq(shifted_out[len(wide) :]),
            cut.eq(shifted_out[: len(wide)].any()),
            fixed.eq(Mux(code[31], -(wide + cut), wide)),
        ]
        whole = Signal(signed(10))
        remaining, power = Signal(EXP2_FRACTION_BITS), Signal(EXP2_FRACTION_BITS + 1)
        constant = Signal(EXP2_FRACTION_BITS)
        inexact_power = Signal()
        index = Signal(range(len(EXP2_CONSTANTS) + 1))
        m.d.comb += [
            index.eq(step - 2),
            constant.eq(Array(C(value, EXP2_FRACTION_BITS) for value in EXP2_CONSTANTS)[index[:5]]),
        ]

        with m.If(step == 1):
            m.d.sync += [
                quotient_rest.eq((1 << _SIGNIFICAND_BITS) - significand),
                digits.eq(0),
                root_rest.eq((4 << _ROOT_BITS) - number),
                product.eq(number),
                term.eq(number >> 1),
                whole.eq(fixed >> EXP2_OPERAND_BITS),
                remaining.eq(fixed[:EXP2_OPERAND_BITS] << EXP2_FRACTION_BITS - EXP2_OPERAND_BITS),
                power.eq(1 << EXP2_FRACTION_BITS),
                inexact_power.eq(cut | fixed[:EXP2_OPERAND_BITS].any()),
            ]
        fits = Mux(op == SpecialOp.RECIPROCAL, quotient_fits, root_fits)
        with m.If((step >= 2) & (step < 2 + _DIGITS)):
            m.d.sync += [
                digits.eq(Cat(fits, digits[:-1])),
                quotient_rest.eq(Mux(quotient_fits, doubled - significand, doubled)),
                root_rest.eq(Mux(root_fits, trial, root_rest << 1)),
                product.eq(Mux(root_fits, product + term, product)),
                term.eq(term >> 1),
            ]
        with m.If((step >= 2) & (step < 2 + len(EXP2_CONSTANTS)) & (remaining >= constant)):
            m.d.sync += [remaining.eq(remaining - constant), power.eq(power + (power >> index + 1))]

        self._round(m, op, operand, exponent, power_of_two, odd, digits, whole, power, inexact_power, step)
        return m

    def _round(self, m, op, operand, exponent, power_of_two, odd, digits, whole, power, inexact_power, step):
        """The last step: a significand of 24 bits, guard and sticky bits to a binary32 number; special operands."""
        is_power, is_root = op == SpecialOp.POWER, op == SpecialOp.RECIPROCAL_ROOT
        exact_inverse = power_of_two & (~is_root | ~odd)
        bits = Signal(_SIGNIFICAND_BITS + 2)
        scale = Signal(signed(11))
        with m.If(is_power):
            low = power[: EXP2_FRACTION_BITS - _SIGNIFICAND_BITS].any()
            # A fraction too small to show makes the number inexact all the same; it is not rounded by it.
            m.d.comb += [bits.eq(Cat(low, power[EXP2_FRACTION_BITS - _SIGNIFICAND_BITS :])), scale.eq(whole)]
        with m.Elif(exact_inverse):
            m.d.comb += [
                bits.eq(1 << _SIGNIFICAND_BITS + 1),
                scale.eq(Mux(is_root, -(exponent >> 1), -exponent)),
            ]
        with m.Else():
            # No quotient or root but of a power of two ends, so something is always left.
            m.d.comb += [
                bits.eq(Cat(C(1, 1), digits, C(1, 1))),
                scale.eq(Mux(is_root, -(exponent >> 1) - 1, -exponent - 1)),
            ]

        # Denormal results are shifted right first.
        below = Signal(signed(12))
        distance = Signal(5)
        tiny = Signal()
        shifted = Signal(2 * len(bits))
        aligned = Signal(len(bits))
        m.d.comb += [
            below.eq((1 - _BIAS) - scale),
            tiny.eq(below > 0),
            distance.eq(Mux(tiny, Mux(below > len(bits), len(bits), below), 0)),
            shifted.eq(Cat(C(0, len(bits)), bits) >> distance),
            aligned.eq(Cat(shifted[len(bits)] | shifted[: len(bits)].any(), shifted[len(bits) + 1 :])),
        ]
        round_up, lost = Signal(), Signal()
        rounded = Signal(33)
        field = Signal(9)
        m.d.comb += [
            round_up.eq(aligned[1] & (aligned[0] | aligned[2])),
            lost.eq(aligned[:2].any()),
            # The hidden bit of a normal number adds one to the field.
            field.eq(Mux(tiny, 0, scale + _BIAS - 1)),
            rounded.eq((field << 23) + aligned[2:] + round_up),
        ]
        overflow, inexact, underflow = Signal(), Signal(), Signal()
        # Just below the smallest normal number, rounding with unbounded exponent can reach it.
        nearly_normal = (below == 1) & bits[2:].all() & bits[1]
        m.d.comb += [
            overflow.eq((scale >= 128) | (rounded >= INFINITY)),
            inexact.eq(lost | (is_power & inexact_power) | overflow),
            underflow.eq(tiny & inexact & ~nearly_normal),
        ]
        sign = Mux(is_power, 0, operand.sign)
        result, flags = Signal(32), Signal(_FLAGS)

        def gives(value, raised=0):
            return [result.eq(value), flags.eq(raised)]

        denormal = Mux(operand.denormal, Flag.DENORMAL, 0)
        with m.If(operand.nan):
            m.d.comb += gives(CANONICAL_NAN, Mux(operand.signalling, Flag.INVALID, 0))
        with m.Elif(is_root & operand.sign & ~operand.zero):
            m.d.comb += gives(CANONICAL_NAN, Flag.INVALID | denormal)
        with m.Elif(operand.infinite):
            m.d.comb += gives(Mux(is_power, Mux(operand.sign, 0, INFINITY), Cat(C(0, 31), operand.sign)))
        with m.Elif(operand.zero & ~is_power):
            m.d.comb += gives(Cat(C(INFINITY, 31), operand.sign), Flag.DIVIDE_BY_ZERO)
        with m.Elif(operand.zero):
            m.d.comb += gives(_BIAS << 23)
        # The exponent of a power's operand tells when it is out of every range.
        with m.Elif(is_power & (exponent >= 8)):
            m.d.comb += gives(Mux(operand.sign, 0, INFINITY), Flag.INEXACT | Mux(operand.sign, Flag.UNDERFLOW, Flag.OVERFLOW))
        with m.Else():
            m.d.comb += [
                result.eq(Mux(overflow, Cat(C(INFINITY, 31), sign), Cat(rounded[:31], sign))),
                flags.eq(
                    denormal | Mux(inexact, Flag.INEXACT, 0) | Mux(underflow, Flag.UNDERFLOW, 0) | Mux(overflow, Flag.OVERFLOW, 0)
                ),
            ]
        with m.If(step == SPECIAL_CYCLES - 1):
            m.d.sync += [self.result.eq(result), self.flags.eq(flags)]
