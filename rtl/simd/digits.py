# SPDX-License-Identifier: Apache-2.0
"""Reciprocal, reciprocal square root and power of two, digit by digit, with a float lane that does the rest."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.tables import EXP2_CONSTANTS, EXP2_FRACTION_BITS, EXP2_OPERAND_BITS
from rtl.arithmetic.fp32_fma import SUM_BITS
from rtl.arithmetic.normalise import EXPONENT_BITS
from rtl.arithmetic.small_fma import ALIGN_CYCLES, NORMALISED_CYCLES, SUM_CYCLES, Accumulation
from rtl.simd.small_float_lane import FIXED_POINT_BIT
from rtl.simd.special import SpecialOp

__all__ = ["DIGIT_CYCLES", "Digits"]

_SIGNIFICAND_BITS = 24

#: Digits of a quotient or root: one before the point, which only powers of two have, 24 behind it, and a guard digit.
_DIGITS = 26

#: Digits of the quotient that a root is taken of: two for each of the root, but for the first one.
_QUOTIENT_DIGITS = 2 * _DIGITS - 1

#: Bits of what is left to compare.
_REST_BITS = EXP2_FRACTION_BITS + 1

#: Cycles from the operand in the lane to the one in which its integer and fraction are there, or its significand.
_FIXED, _NORMALISED = SUM_CYCLES, NORMALISED_CYCLES

#: Cycles from there to the first one that tries a digit: what a digit is compared with comes from a register behind another, and
#: the lane has to know before where it adds.
_COMPARE_CYCLES = ALIGN_CYCLES

#: Cycles of a digit of a root or a power: the next one is compared with what follows from this one.
_TURN = 2

#: Cycles to the one in which a root begins, where the first digit of its quotient is at the top.
_ROOT_BEGINS = _NORMALISED + _COMPARE_CYCLES + _QUOTIENT_DIGITS

#: Cycles from the operand in the lane to the end, by function: the last digit of a power, the cycle after the last one of others,
#: which tells that there would be more.
DIGIT_CYCLES = {
    SpecialOp.RECIPROCAL: _NORMALISED + _COMPARE_CYCLES + _DIGITS,
    SpecialOp.RECIPROCAL_ROOT: _ROOT_BEGINS + _COMPARE_CYCLES + _TURN * (_DIGITS - 1) + 1,
    SpecialOp.POWER: _FIXED + _COMPARE_CYCLES + _TURN * (len(EXP2_CONSTANTS) - 1),
}


class Digits(wiring.Component):
    """Finds the digits of a function, which the lane accumulates.

    One comparison serves all: of a rest, which doubles from digit to digit, with the operand (quotients), four times the root and
    one (roots), or logarithms, which double too (powers). The reciprocal root is the root of the quotient: rounding down twice
    gives what rounding down once does.

    The lane takes the operand with FIX (powers) or NORMALISE from the cycle before ``start`` on; DIGIT_CYCLES after the first of
    these cycles it takes the operation that rounds.

    Members
    -------
    start : In(1), function : In(2)
        A SpecialOp.
    x : In(32)
        The operand, from ``start`` on.
    fixed : In(52), normalised : In(24), normal_exponent : In(9)
        As the lane has them.
    accumulation : Out(Accumulation)
    inexact : Out(1)
        In the last cycle, of a power: its operand is finite and no integer.

    Source: docs/arithmetic.md, FP32 and BF16 lanes.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "function": In(2),
                "x": In(32),
                "fixed": In(SUM_BITS),
                "normalised": In(_SIGNIFICAND_BITS),
                "normal_exponent": In(EXPONENT_BITS),
                "accumulation": Out(Accumulation),
                "inexact": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        function = Signal.like(self.function)
        with m.If(self.start):
            m.d.sync += function.eq(self.function)
        is_power, is_root = function == SpecialOp.POWER, function == SpecialOp.RECIPROCAL_ROOT

        # -- what happens when ---------------------------------------------------------------------------------------------
        # ``step`` counts from 0 with start, and stands still behind the end.
        step, counts = Signal(range(max(DIGIT_CYCLES.values()) + 2)), Signal()
        loads, clears, begins, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            loads.eq(counts & (step == Mux(is_power, _FIXED, _NORMALISED))),
            clears.eq(is_root & (step == _ROOT_BEGINS)),
            begins.eq(loads | clears),
        ]
        with m.Switch(function):
            for each, cycles in DIGIT_CYCLES.items():
                with m.Case(each):
                    m.d.comb += ends.eq(step == cycles)
        # From the cycle after the operand is there on; digits are tried from the next one on, or in turn, that one among them.
        running, trying, first, roots, turn = Signal(), Signal(), Signal(), Signal(), Signal()
        in_turn = is_power | roots
        tries = Mux(in_turn, turn, trying)
        m.d.sync += [trying.eq(running), first.eq(running & ~trying), turn.eq(running & ~turn & ~clears)]
        with m.If(counts):
            m.d.sync += step.eq(step + 1)
        with m.If(loads):
            m.d.sync += running.eq(1)
        with m.If(clears):
            m.d.sync += roots.eq(1)
        with m.If(ends):
            m.d.sync += [counts.eq(0), running.eq(0), roots.eq(0)]
        with m.If(self.start):
            m.d.sync += [step.eq(1), counts.eq(1)]

        # -- the comparison --------------------------------------------------------------------------------------------------
        significand = Signal(_SIGNIFICAND_BITS, reset_less=True)
        rest, compared = (Signal(_REST_BITS, name=name, reset_less=True) for name in ("rest", "compared"))
        difference = Signal(signed(_REST_BITS + 1))
        fits, is_one = Signal(), Signal(reset_less=True)
        # With one bit more than it has digits, the first one is at the top when the root begins.
        quotient = Signal(_QUOTIENT_DIGITS + 1, reset_less=True)
        root = Signal(_DIGITS, reset_less=True)
        doubled = [constant << k for k, constant in enumerate(EXP2_CONSTANTS)]
        m.submodules.constants = constants = Memory(
            shape=EXP2_FRACTION_BITS, depth=2 * len(doubled), init=doubled, attrs={"ram_style": "block", "rom_style": "block"}
        )
        constant = constants.read_port()
        m.d.comb += [
            # Two cycles before a digit is tried, and in the one before. The upper half of the memory is zero.
            constant.addr.eq(Cat((step - _FIXED)[1 : 1 + exact_log2(len(doubled))], ~is_power)),
            difference.eq(rest - compared),
            fits.eq(~difference[-1] & tries),
        ]
        m.d.sync += compared.eq(constant.data | Mux(is_power, 0, Mux(roots, Cat(C(1, 2), root), significand)))
        with m.If(clears):
            m.d.sync += [rest.eq(0), root.eq(0)]
        with m.Elif(loads):
            # The root is that of an even power of two and a significand up to 4. The lane adds an even number to exponents.
            halved = is_root & self.normal_exponent[0]
            fraction = self.fixed[FIXED_POINT_BIT - EXP2_OPERAND_BITS : FIXED_POINT_BIT]
            m.d.sync += rest.eq(
                Mux(
                    is_power,
                    fraction << EXP2_FRACTION_BITS - EXP2_OPERAND_BITS,
                    Cat(C(0, _SIGNIFICAND_BITS - 2), halved, ~halved),
                )
            )
        with m.Else():
            with m.If(tries | roots):
                m.d.sync += rest.eq(Cat(quotient[-1] & roots, Mux(fits, difference, rest)))
            with m.If(tries):
                m.d.sync += root.eq(Cat(fits, root))
        m.d.sync += quotient.eq(Cat(fits, quotient))
        with m.If(first):
            m.d.sync += is_one.eq(fits)

        # -- the exponent ----------------------------------------------------------------------------------------------------
        # Those of the lane are ones of products, whose top bit has the value 2: 127 + 126, and one more for a power, whose top
        # bit is the next one. NORMALISE has added 190 to that of the operand, which changes its sign and is halved for a root.
        exponent = Signal(signed(11), reset_less=True)
        inexact = Signal(reset_less=True)
        field, whole = self.x[23:31], self.fixed[FIXED_POINT_BIT : FIXED_POINT_BIT + 10].as_signed()
        far = field[7] & (field[3:7].any() | field[:3].all())
        beyond = Mux(self.x[31], C(-512, signed(10)), C(255, signed(10)))
        offset, scale = Signal(signed(11)), Signal(signed(11))
        with m.If(is_power):
            m.d.comb += [offset.eq(254), scale.eq(Mux(far, beyond, whole))]
        with m.Elif(is_root):
            m.d.comb += [offset.eq(253 + 95), scale.eq(self.normal_exponent[1:])]
        with m.Else():
            m.d.comb += [offset.eq(253 + 190), scale.eq(self.normal_exponent)]
        with m.If(loads):
            m.d.sync += [
                exponent.eq(offset + (scale ^ (~is_power).replicate(11)) + ~is_power),
                significand.eq(self.normalised),
                inexact.eq(is_power & self.fixed[:FIXED_POINT_BIT].any() & ~field.all()),
            ]

        # -- the lane --------------------------------------------------------------------------------------------------------
        place = Signal(6)
        with m.If(self.start):
            m.d.sync += place.eq(self.function == SpecialOp.POWER)
        with m.Elif(clears):
            m.d.sync += place.eq(0)
        with m.Elif(running & ~(in_turn & turn)):
            m.d.sync += place.eq(place + 1)
        m.d.comb += [
            self.accumulation.restart.eq(begins),
            self.accumulation.one.eq(is_power),
            self.accumulation.keeps.eq(running),
            self.accumulation.distance.eq(place),
            self.accumulation.adds.eq(running & ~clears & Mux(ends & ~is_power, ~is_one, fits)),
            self.accumulation.itself.eq(is_power),
            self.accumulation.exponent.eq(exponent),
            self.inexact.eq(inexact),
        ]
        return m
