# SPDX-License-Identifier: Apache-2.0
"""What the matrix unit makes of an operand before it multiplies."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, FormatKind

__all__ = ["EXPONENT_OFFSET", "OPERAND_KIND_BITS", "ZERO_EXPONENT", "Operand", "OperandDecoder"]

#: Bits of a FormatKind that operands may have: BF16, CFP8_143 or CFP8_152.
OPERAND_KIND_BITS = 2

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
    """Decodes codes of one format, without a register.

    It is shared by the row or the column of units that take the operand.

    Parameters
    ----------
    count : int
        Codes decoded side by side.

    Members
    -------
    codes : In(count x 16)   codes of 8 bits in the lower half; the upper one is ignored then
    kind : In(2)             FormatKind BF16, CFP8_143 or CFP8_152; 3 acts as BF16
    bias : In(6)             of CFP8_143 and CFP8_152
    operands : Out(count x Operand)

    Source: step 1 of the matrix unit's arithmetic.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__(
            {
                "codes": In(data.ArrayLayout(16, count)),
                "kind": In(OPERAND_KIND_BITS),
                "bias": In(BIAS_BITS),
                "operands": Out(data.ArrayLayout(Operand, count)),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # What turns an exponent field into an exponent: EXPONENT_OFFSET less the bias, 63 - bias or -64, made without adding.
        offset = Signal(signed(BIAS_BITS + 1))
        with m.Switch(self.kind):
            with m.Case(FormatKind.CFP8_143, FormatKind.CFP8_152):
                m.d.comb += offset.eq(Cat(~self.bias, 0))
            with m.Default():
                m.d.comb += offset.eq(EXPONENT_OFFSET - 127)

        for index in range(self.count):
            code = self.codes[index]
            operand = self.operands[index]
            # Only BF16 fills the exponent field, and so only it can have Inf and NaN.
            sign, field, mantissa = (
                Signal(name=f"sign{index}"),
                Signal(8, name=f"field{index}"),
                Signal(7, name=f"mantissa{index}"),
            )
            with m.Switch(self.kind):
                with m.Case(FormatKind.CFP8_143):
                    m.d.comb += [sign.eq(code[7]), field.eq(code[3:7]), mantissa.eq(code[:3] << 4)]
                with m.Case(FormatKind.CFP8_152):
                    m.d.comb += [sign.eq(code[7]), field.eq(code[2:7]), mantissa.eq(code[:2] << 5)]
                with m.Default():
                    m.d.comb += Cat(mantissa, field, sign).eq(code)
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
                operand.sign.eq(sign),
                operand.exponent.eq(Mux(zero, ZERO_EXPONENT, (field | denormal) + offset - shift)),
                operand.significand.eq(significand),
                operand.zero.eq(zero),
                operand.infinite.eq(field.all() & ~mantissa.any()),
                operand.nan.eq(field.all() & mantissa.any()),
            ]
        return m
