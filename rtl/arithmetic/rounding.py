# SPDX-License-Identifier: Apache-2.0
"""From a sum's magnitude to binary32: normalise, round, pack."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CANONICAL_NAN", "INFINITY", "NormaliseRound"]

#: The one NaN that operations return.
CANONICAL_NAN = 0x7FC0_0000

#: +Inf; without its sign in a 31-bit code.
INFINITY = 0x7F80_0000

_SIGNIFICAND_BITS = 24
_LIMIT_BITS = 9


class NormaliseRound(wiring.Component):
    """The binary32 code, without sign, nearest to a magnitude, ties to even; without a register.

    The magnitude is shifted left until its top bit is set, but by no more than ``limit``, where the smallest normal exponent
    is reached; what is shifted less far is a denormal. With ``limit`` shifts left undone, adding that number in the exponent
    field to the rounded significand gives the code: the significand's top bit counts one exponent, and so does a carry from
    rounding, be it from denormal to normal or to infinity.

    Parameters
    ----------
    width : int
        Bits of the magnitude, 26 to 64.

    Members
    -------
    magnitude : In(width)   in units that follow from ``limit``: its top bit has the biased exponent ``limit`` + 1
    limit : In(9)
    code : Out(31)          infinity on overflow
    """

    def __init__(self, width: int):
        if not _SIGNIFICAND_BITS + 2 <= width <= 64:
            raise ValueError(f"width = {width} is outside of {_SIGNIFICAND_BITS + 2} to 64")
        self.width = width
        super().__init__({"magnitude": In(width), "limit": In(_LIMIT_BITS), "code": Out(31)})

    def elaborate(self, platform):
        m = Module()
        width, magnitude, limit = self.width, self.magnitude, self.limit
        shift_bits = (width - 1).bit_length()

        # A one planted where the limit lies ends the count of zeros there.
        planted = Signal(width)
        m.d.comb += planted.eq(
            Mux(limit[shift_bits:].any(), 0, Const(1 << width - 1, width) >> limit[:shift_bits]),
        )
        rest = Signal(1 << shift_bits)
        m.d.comb += rest[-width:].eq(magnitude | planted)
        shift = Signal(shift_bits)
        for bit in reversed(range(shift_bits)):
            half = 1 << bit
            following = Signal(half, name=f"leading{bit}")
            m.d.comb += [
                shift[bit].eq(~rest[half:].any()),
                following.eq(Mux(shift[bit], rest[:half], rest[half:])),
            ]
            rest = following
        nonzero = rest

        shifted = magnitude
        for bit in reversed(range(shift_bits)):
            distance = 1 << bit
            following = Signal(width, name=f"shifted{bit}")
            m.d.comb += following.eq(Mux(shift[bit], Cat(Const(0, distance), shifted[: width - distance]), shifted))
            shifted = following

        below = width - _SIGNIFICAND_BITS
        significand, guard, sticky = shifted[below:], shifted[below - 1], shifted[: below - 1].any()
        exponent = Signal(_LIMIT_BITS)
        round_up = Signal()
        # One carry chain: the lowest bit of the two operands makes the carry that rounds up.
        rounded = Signal(1 + 23 + _LIMIT_BITS + 1)
        m.d.comb += [
            exponent.eq(limit - shift),
            round_up.eq(guard & (sticky | significand[0])),
            rounded.eq(Cat(round_up, significand) + Cat(round_up, Const(0, 23), exponent)),
        ]
        packed = rounded[1:]
        # A magnitude of zero leaves an exponent behind if the limit lies far away.
        with m.If(nonzero):
            m.d.comb += self.code.eq(Mux(packed[31:].any() | packed[23:31].all(), INFINITY, packed))
        return m
