# SPDX-License-Identifier: Apache-2.0
"""What multiplication and division need beside the sequential core's datapath."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.core.decoder import DecodedLayout

__all__ = ["MultiplyDivide"]

_BITS = 64


class MultiplyDivide(wiring.Component):
    """Shows the bits of rs1 one after the other, keeps those of the quotient, and says what the adder and the shifter do.

    Low halves of products and divisions begin with the highest bit of rs1, high halves of products with the lowest. Of a signed
    dividend that is negative, the bits are those of its magnitude: above the lowest one that is set, they are inverted.

    Such a division keeps the complement of what is left over instead of that, so that its sign needs only to add one in the end;
    and a quotient that is to be negative is kept as its complement.

    Parameters
    ----------
    None.

    Members
    -------
    insn : In(32), decoded : In(DecodedLayout)
        The instruction, which multiplies or divides.
    rs1 : In(64)
        Its first operand.
    begin : In(1)
        Begin anew at the end of the cycle; ``reset`` : In(1) also forgets what is known of the operands.
    advance : In(1), bit : Out(1), last : Out(1)
        Show the next bit from the next cycle on, and whether it is the last one. ``ends`` : Out(1) says that the last one would
        be next.
    scan : In(1)
        Go from the lowest bit of rs1 to the highest one, to find the one that is set; ``negate`` : In(1) says that rs1 is
        negative, at the end of the cycle.
    look : In(1), carry : In(1), b_sign : In(1)
        At the end of the cycle, note of operand B whether it is 0, which ``carry`` tells, and its sign.
    push : In(1), fits : In(1)
        The next bit of the quotient; it shows the highest one as ``quotient`` : Out(1), of words their own.
    negative, by_zero, increments : Out(1)
        The dividend is negative; the divisor is 0; one is to be added to what there is in the end.
    subtracts : Out(1)
        The divisor is to be subtracted from what is left over, or from its complement.
    high, signed_a, signed_b : Out(1)
        A high half of a product is wanted, and which operands have signs.
    """

    def __init__(self):
        super().__init__(
            {
                "insn": In(32),
                "decoded": In(DecodedLayout()),
                "rs1": In(_BITS),
                "begin": In(1),
                "reset": In(1),
                "advance": In(1),
                "bit": Out(1),
                "last": Out(1),
                "ends": Out(1),
                "scan": In(1),
                "negate": In(1),
                "look": In(1),
                "carry": In(1),
                "b_sign": In(1),
                "push": In(1),
                "fits": In(1),
                "quotient": Out(1),
                "negative": Out(1),
                "by_zero": Out(1),
                "increments": Out(1),
                "subtracts": Out(1),
                "high": Out(1),
                "signed_a": Out(1),
                "signed_b": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        decoded, funct3 = self.decoded, self.insn[12:15]
        divides, word = decoded.divide, decoded.word
        m.d.comb += [
            self.high.eq(~divides & funct3[:2].any()),
            self.signed_a.eq(Mux(divides, ~funct3[0], funct3[0] ^ funct3[1])),
            self.signed_b.eq(Mux(divides, ~funct3[0], funct3[:2] == 1)),
        ]

        place = Signal(range(_BITS), reset_less=True)
        upwards = self.high | self.scan
        m.d.comb += self.ends.eq(place == upwards.replicate(len(place)))
        selected = Signal()
        m.d.comb += selected.eq(self.rs1.bit_select(place, 1))

        lowest_set, found = Signal.like(place), Signal(reset_less=True)
        with m.If(self.scan & ~found):
            m.d.sync += [lowest_set.eq(place), found.eq(selected)]
        with m.If(self.advance):
            m.d.sync += [
                self.bit.eq(selected ^ (self.negative & (place > lowest_set))),
                self.last.eq(self.ends),
                place.eq(Mux(upwards, place + 1, place - 1)),
            ]
        with m.If(self.begin):
            # The way up of a scan begins where that of a high half does.
            from_below = self.high | self.negate
            top = Cat((~from_below).replicate(ceil_log2(_BITS) - 1), ~from_below & ~word)
            m.d.sync += [place.eq(top), self.last.eq(0)]

        divisor_negative = Signal(reset_less=True)
        with m.If(self.look):
            m.d.sync += [self.by_zero.eq(self.carry), divisor_negative.eq(divides & self.signed_b & self.b_sign)]
        with m.If(self.negate):
            m.d.sync += self.negative.eq(1)
        with m.If(self.reset):
            m.d.sync += [self.negative.eq(0), found.eq(0)]

        quotient, inverts = Signal(_BITS, reset_less=True), Signal()
        m.d.comb += [
            inverts.eq((self.negative ^ divisor_negative) & ~self.by_zero),
            self.increments.eq(divides & Mux(funct3[1], self.negative, inverts)),
            self.subtracts.eq(divides & (self.negative == divisor_negative)),
            self.quotient.eq(Mux(word, quotient[_BITS // 2 - 1], quotient[-1])),
        ]
        with m.If(self.push):
            m.d.sync += quotient.eq(Cat(self.fits ^ inverts, quotient))
        return m
