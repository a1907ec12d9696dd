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

        # A one planted where the limit lies ends the count of zeros there.
        reach = (width - 1).bit_length()
        planted = Signal(width)
        m.d.comb += planted.eq(Mux(limit[reach:].any(), 0, Const(1 << width - 1, width) >> limit[:reach]))

        # Leading zeros: the first group of eight that is not zero, and the first bit in it. Short paths matter here.
        groups = -(-width // 8)
        padded = Signal(8 * groups)
        m.d.comb += padded[-width:].eq(magnitude | planted)
        first, group, nonzero = Const(0, (groups - 1).bit_length()), Const(0, 8), Const(0, 1)
        for index in reversed(range(groups)):
            candidate = padded.word_select(groups - 1 - index, 8)
            found = Signal(name=f"found{index}")
            m.d.comb += found.eq(candidate.any())
            first, group, nonzero = Mux(found, index, first), Mux(found, candidate, group), nonzero | found
        leading = Signal(8)
        shift = Signal(3 + (groups - 1).bit_length())
        lower_half = ~leading[4:].any()
        lower_pair_of_lower, lower_pair_of_upper = ~leading[2:4].any(), ~leading[6:].any()
        m.d.comb += [
            leading.eq(group),
            shift[3:].eq(first),
            shift[2].eq(lower_half),
            shift[1].eq(Mux(lower_half, lower_pair_of_lower, lower_pair_of_upper)),
            shift[0].eq(
                Mux(
                    lower_half,
                    Mux(lower_pair_of_lower, ~leading[1], ~leading[3]),
                    Mux(lower_pair_of_upper, ~leading[5], ~leading[7]),
                )
            ),
        ]

        shifted = magnitude
        for bit in reversed(range(len(shift))):
            distance = min(1 << bit, width)
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
        # The top bit is set unless the exponent is 0, so 254 overflows; at 253, a carry makes the code of infinity by itself.
        overflow = Signal()
        m.d.comb += overflow.eq(exponent >= 254)
        # A magnitude of zero leaves an exponent behind if the limit lies far away.
        with m.If(nonzero):
            m.d.comb += self.code.eq(Mux(overflow, INFINITY, rounded[1:]))
        return m
