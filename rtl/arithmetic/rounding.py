# SPDX-License-Identifier: Apache-2.0
"""From a normalised magnitude to binary32: round, pack."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.normalise import EXPONENT_BITS

__all__ = ["CANONICAL_NAN", "INFINITY", "Round", "rounded_code"]

#: The one NaN that operations return.
CANONICAL_NAN = 0x7FC0_0000

#: +Inf; without its sign in a 31-bit code.
INFINITY = 0x7F80_0000

_SIGNIFICAND_BITS = 24
_LEAST_WIDTH = _SIGNIFICAND_BITS + 2


def _check_width(width: int) -> None:
    if not _LEAST_WIDTH <= width <= 64:
        raise ValueError(f"width = {width} is outside of {_LEAST_WIDTH} to 64")


def _split(normalised):
    """Significand, guard bit, and whether there is something below."""
    below = len(normalised) - _SIGNIFICAND_BITS
    return normalised[below:], normalised[below - 1], normalised[: below - 1].any()


def rounded_code(m, normalised, exponent):
    """The code, without sign and with a carry, nearest to a normalised magnitude that is neither zero nor overflows.

    One carry chain: the lowest bit of its two operands makes the carry that rounds up.
    """
    significand, guard, sticky = _split(normalised)
    round_up = Signal()
    rounded = Signal(1 + 23 + EXPONENT_BITS + 1)
    m.d.comb += [
        round_up.eq(guard & (sticky | significand[0])),
        rounded.eq(Cat(round_up, significand) + Cat(round_up, Const(0, 23), exponent)),
    ]
    return rounded[1:]


class Round(wiring.Component):
    """The binary32 code, without sign, nearest to a normalised magnitude, ties to even; without a register.

    With ``exponent`` shifts left undone, adding that number in the exponent field to the rounded significand gives the code:
    the significand's top bit counts one exponent, and so does a carry from rounding, be it from denormal to normal or to
    infinity.

    Parameters
    ----------
    width : int
        Bits of the magnitude, 26 to 64.

    Members
    -------
    normalised : In(width), exponent : In(9), nonzero : In(1)   as :class:`Normalise` puts them out
    code : Out(31)            infinity on overflow
    overflow, underflow, inexact : Out(1)   underflow: tiny after rounding with unbounded exponent, and inexact

    Source: IEEE 754-2019, 4.3.1 and 7.4 to 7.6.
    """

    def __init__(self, width: int):
        _check_width(width)
        self.width = width
        super().__init__(
            {
                "normalised": In(width),
                "exponent": In(EXPONENT_BITS),
                "nonzero": In(1),
                "code": Out(31),
                "overflow": Out(1),
                "underflow": Out(1),
                "inexact": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        normalised, exponent = self.normalised, self.exponent

        significand, guard, sticky = _split(normalised)
        code = rounded_code(m, normalised, exponent)
        # The top bit is set unless the exponent is 0, so 254 overflows; at 253, a carry makes the code of infinity by itself.
        overflow = Signal()
        m.d.comb += overflow.eq(exponent[8] | exponent[1:8].all())
        # A magnitude of zero leaves an exponent behind if the limit lies far away.
        with m.If(self.nonzero):
            m.d.comb += self.code.eq(Mux(overflow, INFINITY, code))

        # A denormal that is carried to the smallest normal number is all ones and a guard bit; one bit more of precision, which
        # an unbounded exponent would give, makes the guard bit the last one, and it is carried from if the next is set.
        reaches_normal = code[23] & normalised[self.width - _SIGNIFICAND_BITS - 2]
        m.d.comb += [
            self.overflow.eq(self.nonzero & (overflow | code[23:31].all())),
            self.inexact.eq(self.overflow | guard | sticky),
            self.underflow.eq((guard | sticky) & ~significand[-1] & ~reaches_normal),
        ]
        return m
