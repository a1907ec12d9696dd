# SPDX-License-Identifier: Apache-2.0
"""A code of any format taken apart like a binary32 number."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.fp32_operand import Fp32Operand

__all__ = ["FormatUnpack"]

_FRACTION_BITS = 23


class FormatUnpack(wiring.Component):
    """Takes a code in the upper bits of a word apart, without a register; what the bits below the code are is zero.

    Formats other than binary32 and BF16 differ in where the exponent begins and in its bias. A denormal number of theirs is a
    significand without hidden bit, to be normalised by who uses it.

    Members
    -------
    code : In(32)
    moved : In(1)             the exponent has another bias than that of binary32
    short : In(1)             with ``moved``: CFP8_143, whose exponent has four bits
    unsigned : In(1)          with ``moved``: UHP, which has no sign, no denormals, and Inf and NaN
    offset : In(7)            with ``moved``: 127 less the bias
    operand : Out(Fp32Operand)
        Denormal numbers of UHP are zero, whatever the significand is.

    Source: docs/arithmetic.md, Formats and Converts.
    """

    def __init__(self):
        super().__init__(
            {
                "code": In(32),
                "moved": In(1),
                "short": In(1),
                "unsigned": In(1),
                "offset": In(7),
                "operand": Out(Fp32Operand),
            }
        )

    def elaborate(self, platform):
        m = Module()
        code, operand = self.code, self.operand
        # Five or six bits of exponent are the common case; what lies below a code of 16 bits, or of eight, is zero anyway.
        fraction, field = Signal(_FRACTION_BITS), Signal(6)
        m.d.comb += [
            fraction.eq(
                Mux(self.moved, Cat(code[:13], code[16:23], Mux(self.short, code[24:27], code[23:26])), code[:_FRACTION_BITS])
            ),
            field.eq(Mux(self.short, code[27:31], Cat(code[26:31], code[31] & self.unsigned))),
        ]
        normal, fractional, top, vanishes = Signal(), Signal(), Signal(), Signal()
        biased = Signal(8)
        m.d.comb += [
            normal.eq(Mux(self.moved, field.any(), code[23:31].any())),
            fractional.eq(fraction.any()),
            top.eq(Mux(self.moved, self.unsigned & field.all(), code[23:31].all())),
            vanishes.eq(self.moved & self.unsigned & ~normal),
            biased.eq(field + self.offset + ~normal),
            operand.sign.eq(code[31] & ~(self.moved & self.unsigned)),
            operand.exponent.eq(Mux(self.moved, biased, Cat(code[23] | ~normal, code[24:31]))),
            operand.significand.eq(Cat(fraction, normal)),
            operand.zero.eq(~normal & ~fractional | vanishes),
            operand.denormal.eq(~normal & fractional),
            operand.infinite.eq(top & ~fractional),
            operand.nan.eq(top & fractional),
            operand.signalling.eq(top & fractional & ~fraction[-1]),
        ]
        return m
