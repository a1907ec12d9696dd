# SPDX-License-Identifier: Apache-2.0
"""What the matrix unit makes of an operand before it multiplies."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["EXPONENT_OFFSET", "ZERO_EXPONENT", "Operand", "OperandDecoder"]

#: Added to the exponent of every operand, so that an exponent sum of 0 is 2**-126, the window's lowest position.
EXPONENT_OFFSET = 63

#: Exponent of zero operands: low enough to make any exponent sum negative, which never decides the maximum.
ZERO_EXPONENT = -256


class Operand(data.Struct):
    """A decoded operand: (-1)**sign * significand / 128 * 2**(exponent - EXPONENT_OFFSET).

    Members
    -------
    sign : unsigned(1)
    exponent : signed(9)      -70 to 191, or ``ZERO_EXPONENT``; anything if infinite or NaN
    significand : unsigned(8) 128 to 255, denormals normalised; 0 for zero; anything if infinite or NaN
    zero, infinite, nan : unsigned(1)
    """

    sign: unsigned(1)
    exponent: signed(9)
    significand: unsigned(8)
    zero: unsigned(1)
    infinite: unsigned(1)
    nan: unsigned(1)


class OperandDecoder(wiring.Component):
    """Decodes BF16 codes, without a register.

    It is shared by the row or the column of units that take the operand.

    Parameters
    ----------
    count : int
        Codes decoded side by side.

    Members
    -------
    codes : In(count x 16)
    operands : Out(count x Operand)

    Source: step 1 of the matrix unit's arithmetic.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({"codes": In(data.ArrayLayout(16, count)), "operands": Out(data.ArrayLayout(Operand, count))})

    def elaborate(self, platform):
        m = Module()
        for index in range(self.count):
            code = self.codes[index]
            operand = self.operands[index]
            mantissa, field = code[0:7], code[7:15]
            denormal = Signal(name=f"denormal{index}")
            m.d.comb += denormal.eq(field == 0)

            # The hidden bit of a normal number leaves nothing to shift.
            shift = Signal(3, name=f"shift{index}")
            significand = Cat(mantissa, ~denormal)
            for bit in (2, 1, 0):
                distance = 1 << bit
                empty = ~significand[8 - distance :].any()
                shifted = Signal(8, name=f"significand{index}_{bit}")
                m.d.comb += [
                    shift[bit].eq(empty),
                    shifted.eq(Mux(empty, Cat(Const(0, distance), significand[: 8 - distance]), significand)),
                ]
                significand = shifted

            zero = Signal(name=f"zero{index}")
            m.d.comb += [
                zero.eq(~significand[7]),
                operand.sign.eq(code[15]),
                operand.exponent.eq(
                    Mux(zero, ZERO_EXPONENT, (field | denormal) - (127 - EXPONENT_OFFSET) - shift),
                ),
                operand.significand.eq(significand),
                operand.zero.eq(zero),
                operand.infinite.eq(field.all() & ~mantissa.any()),
                operand.nan.eq(field.all() & mantissa.any()),
            ]
        return m
