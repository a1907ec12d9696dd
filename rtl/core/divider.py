# SPDX-License-Identifier: Apache-2.0
"""An iterative integer divider."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DivideOp", "Divider"]


class DivideOp(enum.Enum, shape=2):
    """What is wanted of a division: bits 0 and 1 of funct3."""

    DIVIDE = 0
    DIVIDE_UNSIGNED = 1
    REMAINDER = 2
    REMAINDER_UNSIGNED = 3


class Divider(wiring.Component):
    """Does one division at a time: a bit of the quotient per cycle, or ``skip`` at a time where the dividend is 0.

    Magnitudes are divided, and the result gets its sign at the end. A divisor of 0 is never more than what is left, so the
    quotient is all ones and the remainder the dividend without a case of their own; neither has the one quotient that does not
    fit, whose magnitude is its own bits. ``word`` works on the low halves and sign-extends the result.

    With ``start`` in cycle t, ``done`` comes in t + 2 + n, n being the bits of the operands that count, less ``skip - 1`` for
    each time that the division of the upper bits leaves nothing over and ``skip`` zeros follow in the dividend's magnitude: so
    zeros that lead it are passed over.

    Parameters
    ----------
    width : int
        Bits of operands and result, even.
    skip : int
        Zeros of the dividend that are passed over in one cycle; 1 passes over none.
    threads : int
        Threads whose number comes out with the result as it went in.
    tag_bits : int
        Bits that come out with the result as they went in.

    Members
    -------
    start : In(1); thread : In(range(threads)); tag : In(tag_bits); op : In(DivideOp); word : In(1); a, b : In(width)
        An operation enters at the end of the cycle, in which the unit must not be busy.
    busy : Out(1)
        An operation is under way; no more so in the cycle of ``done``.
    done : Out(1); result_thread : Out(range(threads)); result_tag : Out(tag_bits); result : Out(width)
        The result of the operation; it stays until that of the next one, the others until the next one enters.

    Raises
    ------
    ValueError
        If the width is odd, or ``skip`` is not 1 to the bits of a word.

    Restoring division as in Hennessy and Patterson, Computer Architecture, appendix on computer arithmetic.
    """

    def __init__(self, width: int = 64, *, skip: int = 8, threads: int = 1, tag_bits: int = 0):
        if width < 2 or width % 2:
            raise ValueError(f"width = {width}: operands have an even number of bits, 2 at least")
        if not 1 <= skip <= width // 2:
            raise ValueError(f"skip = {skip}: 1 to {width // 2} zeros of a dividend of {width} bits can be passed over at a time")
        self.width, self.skip, self.threads, self.tag_bits = width, skip, threads, tag_bits
        super().__init__(
            {
                "start": In(1),
                "thread": In(range(threads)),
                "tag": In(tag_bits),
                "op": In(DivideOp),
                "word": In(1),
                "a": In(width),
                "b": In(width),
                "busy": Out(1),
                "done": Out(1),
                "result_thread": Out(range(threads)),
                "result_tag": Out(tag_bits),
                "result": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width, half = self.width, self.width // 2
        signed_ = (self.op == DivideOp.DIVIDE) | (self.op == DivideOp.REMAINDER)

        def magnitude(operand, name):
            """Sign and magnitude of an operand as wide as it counts."""
            extended, negative, value = Signal(width), Signal(name=f"{name}_negative"), Signal(width, name=f"{name}_magnitude")
            m.d.comb += [
                negative.eq(signed_ & Mux(self.word, operand[half - 1], operand[-1])),
                extended.eq(Cat(operand[:half], Mux(self.word, negative.replicate(half), operand[half:]))),
                value.eq((extended ^ negative.replicate(width)) + negative),
            ]
            return negative, value

        a_negative, a = magnitude(self.a, "a")
        b_negative, b = magnitude(self.b, "b")

        # The dividend leaves by the upper end, and the quotient comes in by the lower one.
        dividend, divisor, remainder = (Signal(width, name=name, reset_less=True) for name in ("dividend", "divisor", "remains"))
        by_zero, word, wants_remainder, negates = (
            Signal(name=name, reset_less=True) for name in ("by_zero", "is_word", "wants_remainder", "negates")
        )
        bits_left = Signal(range(width + 1), reset_less=True)
        dividing, finishing = Signal(), Signal()

        # More than a register holds is more than any divisor.
        shifted, difference = Signal(width), Signal(width)
        fits, last = Signal(), Signal()
        m.d.comb += [
            shifted.eq(Cat(dividend[-1], remainder)),
            difference.eq(shifted - divisor),
            fits.eq(remainder[-1] | (shifted >= divisor)),
            last.eq(bits_left == 1),
        ]
        with m.If(dividing):
            m.d.sync += [
                dividend.eq(Cat(fits, dividend)),
                remainder.eq(Mux(fits, difference, shifted)),
                bits_left.eq(bits_left - 1),
            ]
        if self.skip > 1:
            # Where there was nothing left, zeros leave nothing either, and make zeros of the quotient, but for one by 0.
            skip = self.skip
            with m.If(dividing & ~dividend[-skip:].any() & ~remainder.any() & (bits_left >= skip)):
                m.d.sync += [
                    dividend.eq(Cat(by_zero.replicate(skip), dividend)),
                    remainder.eq(0),
                    bits_left.eq(bits_left - skip),
                ]
                m.d.comb += last.eq(bits_left == skip)
        with m.If(self.start):
            m.d.sync += [
                dividend.eq(Mux(self.word, a << half, a)),
                divisor.eq(b),
                remainder.eq(0),
                bits_left.eq(Mux(self.word, half, width)),
                by_zero.eq(~b.any()),
                word.eq(self.word),
                wants_remainder.eq((self.op == DivideOp.REMAINDER) | (self.op == DivideOp.REMAINDER_UNSIGNED)),
                # A remainder has the sign of the dividend; all ones by 0 stay all ones.
                negates.eq(Mux(self.op == DivideOp.DIVIDE, (a_negative ^ b_negative) & b.any(), a_negative)),
                self.result_thread.eq(self.thread),
                self.result_tag.eq(self.tag),
            ]

        wanted, result = Signal(width), Signal(width)
        m.d.comb += [
            wanted.eq(Mux(wants_remainder, remainder, dividend)),
            result.eq((wanted ^ negates.replicate(width)) + negates),
        ]
        with m.If(finishing):
            m.d.sync += self.result.eq(Cat(result[:half], Mux(word, result[half - 1].replicate(half), result[half:])))

        m.d.comb += self.busy.eq(dividing | finishing)
        m.d.sync += [
            dividing.eq(self.start | (dividing & ~last)),
            finishing.eq(dividing & last),
            self.done.eq(finishing),
        ]
        return m
