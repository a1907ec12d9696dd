# SPDX-License-Identifier: Apache-2.0
"""Shifting a magnitude until its top bit is set, or its exponent is the smallest there is."""

import itertools

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.arithmetic.multiply_shift import SHIFT_BITS, MultiplyShift

__all__ = ["EXPONENT_BITS", "Normalise"]

#: Bits of exponents before rounding: products reach beyond the largest exponent of binary32.
EXPONENT_BITS = 9


class Normalise(wiring.Component):
    """Shifts a magnitude left until its top bit is set, but by no more than ``limit``.

    Parameters
    ----------
    width : int
        Bits of the magnitude, 9 to 64.
    small : bool
        Of fewer lookup tables, by multipliers, and a cycle later.
    early : bool
        Of the small one: two cycles later, for users whose magnitude has no register of its own but what comes out has. Registers
        are behind the magnitude, beside which groups of zeros are told, and in front of all shifting.

    Members
    -------
    magnitude : In(width)
    limit : In(9)
    normalised : Out(width)   the magnitude shifted left
    exponent : Out(9)         shifts left undone; anything if the magnitude is zero
    nonzero : Out(1)          clear only if the magnitude is zero; then it may still be set
    held : Out(width)         of the early one, the magnitude of the cycle before
    """

    def __init__(self, width: int, small: bool = False, early: bool = False):
        if not 9 <= width <= 64:
            raise ValueError(f"width = {width} is outside of 9 to 64")
        self.width = width
        self.small = small
        self.early = early
        super().__init__(
            {
                "magnitude": In(width),
                "limit": In(EXPONENT_BITS),
                "normalised": Out(width),
                "exponent": Out(EXPONENT_BITS),
                "nonzero": Out(1),
            }
            | ({"held": Out(width)} if early else {})
        )

    def elaborate(self, platform):
        m = Module()
        width, magnitude, limit = self.width, self.magnitude, self.limit

        counted = magnitude
        if not self.small:
            # A one planted where the limit lies ends the count of zeros there.
            reach = (width - 1).bit_length()
            planted = Signal(width)
            m.d.comb += planted.eq(Mux(limit[reach:].any(), 0, Const(1 << width - 1, width) >> limit[:reach]))
            counted = magnitude | planted

        # Leading zeros: the first group of eight that is not zero, and the first bit in it. Short paths matter here.
        groups = -(-width // 8)
        padded = Signal(8 * groups)
        m.d.comb += padded[-width:].eq(counted)
        found_in_group = Signal(groups)
        m.d.comb += found_in_group.eq(Cat(padded.word_select(groups - 1 - index, 8).any() for index in range(groups)))
        if self.early:
            magnitude, limit, padded, found_in_group = (
                self._later(m, value) for value in (magnitude, limit, padded, found_in_group)
            )
            m.d.comb += self.held.eq(magnitude)
        candidates = [
            (found_in_group[index], Const(index, (groups - 1).bit_length()), padded.word_select(groups - 1 - index, 8))
            for index in range(groups)
        ]
        # Neighbours, then what is left of neighbours, and so on.
        while len(candidates) > 1:
            pairs = itertools.zip_longest(candidates[::2], candidates[1::2])
            candidates = [self._earlier(*pair) if pair[1] else pair[0] for pair in pairs]
        ((nonzero, first, group),) = candidates
        leading = Signal(8)
        zeros = Signal(3 + (groups - 1).bit_length())
        lower_half = ~leading[4:].any()
        lower_pair_of_lower, lower_pair_of_upper = ~leading[2:4].any(), ~leading[6:].any()
        m.d.comb += [
            leading.eq(group),
            zeros[3:].eq(first),
            zeros[2].eq(lower_half),
            zeros[1].eq(Mux(lower_half, lower_pair_of_lower, lower_pair_of_upper)),
            zeros[0].eq(
                Mux(
                    lower_half,
                    Mux(lower_pair_of_lower, ~leading[1], ~leading[3]),
                    Mux(lower_pair_of_upper, ~leading[5], ~leading[7]),
                )
            ),
        ]
        shift = Signal.like(zeros)
        m.d.comb += shift.eq(Mux(limit < zeros, limit, zeros) if self.small else zeros)

        any_set = nonzero
        if self.early:
            magnitude, limit, shift, any_set = (self._later(m, value) for value in (magnitude, limit, shift, nonzero))
        shifted = magnitude
        for bit in reversed(range(SHIFT_BITS if self.small else 0, len(shift))):
            distance = min(1 << bit, width)
            following = Signal(width, name=f"shifted{bit}")
            m.d.comb += following.eq(Mux(shift[bit], Cat(Const(0, distance), shifted[: width - distance]), shifted))
            shifted = following
        exponent = (limit - shift)[: len(self.exponent)]
        if self.small:
            m.submodules.fine = fine = MultiplyShift(width, registered=not self.early)
            m.d.comb += [fine.value.eq(shifted), fine.amount.eq(shift)]
            shifted = fine.result[:width]
            if not self.early:
                exponent, any_set = self._later(m, exponent), self._later(m, any_set)
        m.d.comb += [self.normalised.eq(shifted), self.exponent.eq(exponent), self.nonzero.eq(any_set)]
        return m

    @staticmethod
    def _earlier(one, other):
        """Of two groups, each with whether it is not zero and its number, the first that is not."""
        return one[0] | other[0], Mux(one[0], one[1], other[1]), Mux(one[0], one[2], other[2])

    @staticmethod
    def _later(m, value):
        register = Signal(len(value), reset_less=True)
        m.d.sync += register.eq(value)
        return register
