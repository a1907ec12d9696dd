# SPDX-License-Identifier: Apache-2.0
"""From any format that a descriptor names to binary32."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.format_encode import FLAG_BITS, KIND_BITS
from rtl.arithmetic.rounding import CANONICAL_NAN, INFINITY

__all__ = ["FormatDecode"]

_MANTISSA_BITS = 10


class FormatDecode(wiring.Component):
    """The binary32 number that a code of a format means, exactly, with flags; NaN becomes canonical. Without a register.

    Members
    -------
    code : In(32)         bits above the format's are ignored
    kind : In(3)          FormatKind; 6 and 7 act as BF16
    bias : In(6)          of CFP8_143, CFP8_152 and SHP
    value : Out(32)       binary32
    flags : Out(6)        Flag: INVALID from a signalling NaN, DENORMAL from a denormal code

    Source: docs/arithmetic.md, Formats, Converts and Flags.
    """

    def __init__(self):
        super().__init__(
            {
                "code": In(32),
                "kind": In(KIND_BITS),
                "bias": In(BIAS_BITS),
                "value": Out(32),
                "flags": Out(FLAG_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        code = self.code
        wide = Signal()
        m.d.comb += wide.eq(self.kind == FormatKind.FP32)

        # Formats whose exponent is moved by a bias; mantissas to the left.
        small, is_uhp, sign = Signal(), Signal(), Signal()
        mantissa, field, offset = Signal(_MANTISSA_BITS), Signal(6), Signal(7)
        m.d.comb += [small.eq(1), offset.eq(127 - self.bias)]
        with m.Switch(self.kind):
            with m.Case(FormatKind.CFP8_143):
                m.d.comb += [mantissa[7:].eq(code[:3]), field.eq(code[3:7]), sign.eq(code[7])]
            with m.Case(FormatKind.CFP8_152):
                m.d.comb += [mantissa[8:].eq(code[:2]), field.eq(code[2:7]), sign.eq(code[7])]
            with m.Case(FormatKind.SHP):
                m.d.comb += [mantissa.eq(code[:10]), field.eq(code[10:15]), sign.eq(code[15])]
            with m.Case(FormatKind.UHP):
                m.d.comb += [mantissa.eq(code[:10]), field.eq(code[10:16]), offset.eq(127 - 31), is_uhp.eq(1)]
            with m.Default():
                m.d.comb += small.eq(0)

        # Denormals of these are normal numbers of binary32. The hidden bit of a normal number leaves nothing to shift.
        low = Signal()
        m.d.comb += low.eq(~field.any())
        shift = Signal(4)
        significand = Cat(mantissa, ~low)
        for bit in (3, 2, 1, 0):
            distance = 1 << bit
            empty = ~significand[len(significand) - distance :].any()
            shifted = Signal(len(significand), name=f"significand{bit}")
            m.d.comb += [
                shift[bit].eq(empty),
                shifted.eq(Mux(empty, Cat(Const(0, distance), significand[:-distance]), significand)),
            ]
            significand = shifted
        exponent = Signal(8)
        m.d.comb += exponent.eq((field | low) + offset - shift)

        # BF16 is the upper half of binary32, and UHP has its special values at the same place of its own.
        number = Signal(32)
        m.d.comb += number.eq(Mux(wide, code, code << 16))
        top = Mux(small, is_uhp & field.all(), number[23:31].all())
        fraction = Mux(small, mantissa.any(), number[:23].any())
        quiet = Mux(small, mantissa[-1], number[22])
        nan = Signal()
        m.d.comb += nan.eq(top & fraction)
        with m.If(nan):
            m.d.comb += self.value.eq(CANONICAL_NAN)
        with m.Elif(~small):
            m.d.comb += self.value.eq(number)
        with m.Elif(is_uhp & top):
            m.d.comb += self.value.eq(INFINITY)
        with m.Elif(~significand[-1] | is_uhp & low):
            m.d.comb += self.value.eq(sign << 31)
        with m.Else():
            m.d.comb += self.value.eq(Cat(Const(0, 23 - _MANTISSA_BITS), significand[:-1], exponent, sign))

        denormal = fraction & Mux(small, low, ~number[23:31].any())
        m.d.comb += self.flags.eq(Mux(nan & ~quiet, Flag.INVALID.value, 0) | Mux(denormal, Flag.DENORMAL.value, 0))
        return m
