# SPDX-License-Identifier: Apache-2.0
"""A binary32 number taken apart."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fp32Operand", "Fp32Unpack", "class_mask"]


class Fp32Operand(data.Struct):
    """(-1)**sign * significand * 2**(exponent - 150), or a special value.

    Members
    -------
    sign : unsigned(1)
    exponent : unsigned(8)      1 for denormals and zero; anything if infinite or NaN
    significand : unsigned(24)  with the hidden bit; anything if infinite or NaN
    zero, denormal, infinite, nan : unsigned(1)
    signalling : unsigned(1)    a NaN that is not quiet
    """

    sign: unsigned(1)
    exponent: unsigned(8)
    significand: unsigned(24)
    zero: unsigned(1)
    denormal: unsigned(1)
    infinite: unsigned(1)
    nan: unsigned(1)
    signalling: unsigned(1)


class Fp32Unpack(wiring.Component):
    """Takes a binary32 number apart, without a register.

    Members
    -------
    code : In(32)
    operand : Out(Fp32Operand)
    """

    def __init__(self):
        super().__init__({"code": In(32), "operand": Out(Fp32Operand)})

    def elaborate(self, platform):
        m = Module()
        operand = self.operand
        fraction, field = self.code[:23], self.code[23:31]
        normal, fractional, top = Signal(), Signal(), Signal()
        m.d.comb += [
            normal.eq(field.any()),
            fractional.eq(fraction.any()),
            top.eq(field.all()),
            operand.sign.eq(self.code[31]),
            operand.exponent.eq(field | ~normal),
            operand.significand.eq(Cat(fraction, normal)),
            operand.zero.eq(~normal & ~fractional),
            operand.denormal.eq(~normal & fractional),
            operand.infinite.eq(top & ~fractional),
            operand.nan.eq(top & fractional),
            operand.signalling.eq(top & fractional & ~fraction[22]),
        ]
        return m


def class_mask(operand):
    """The class of a number, one bit of ten set, as FCLASS of the RISC-V F extension orders them: from -infinity up to +infinity,
    signalling NaN, quiet NaN."""
    normal = ~(operand.infinite | operand.nan | operand.denormal | operand.zero)
    kinds = operand.infinite, normal, operand.denormal, operand.zero
    negative = (kind & operand.sign for kind in kinds)
    positive = (kind & ~operand.sign for kind in reversed(kinds))
    return Cat(negative, positive, operand.signalling, operand.nan & ~operand.signalling)
