# SPDX-License-Identifier: Apache-2.0
"""States of the sequential core that multiply and divide, bit by bit of rs1, with the datapath's adder and shifter."""

from amaranth.hdl import Cat

from rtl.sequential.scalar import ResultSource
from rtl.sequential.steps import choose_rs2, compute

__all__ = ["multiply_divide"]


def _go_on(m, p, state):
    """Take the next bit of rs1, if there is one, to that state, else go to the end."""
    unit = p.multiply_divide
    m.d.comb += unit.advance.eq(1)
    with m.If(~unit.last):
        m.next = state
    with m.Elif(p.decoded.divide & ~p.insn[13]):
        m.d.comb += unit.begin.eq(1)
        m.next = "QUOTIENT"
    with m.Else():
        m.next = "FINISH"


def multiply_divide(m, p):
    """What becomes the result is 0 at first: the lower or the upper half of a product, or what a division has left over."""
    datapath, unit, decoded = p.datapath, p.multiply_divide, p.decoded
    above = Cat(datapath.a_sign & unit.signed_b, datapath.b_sign & unit.signed_b, datapath.subtracts, datapath.carry).xor()
    with m.State("FIRST_BIT"):
        # The divisor is subtracted from 0.
        m.d.comb += [datapath.subtracts.eq(1), unit.look.eq(1), unit.advance.eq(1)]
        m.next = "SIGN"
    with m.State("SIGN"):
        with m.If(decoded.divide & unit.signed_a & unit.bit & ~unit.negative):
            m.d.comb += [unit.negate.eq(1), unit.begin.eq(1)]
            m.next = "SCAN"
        with m.Elif(unit.high):
            m.next = "HIGH_BIT"
        with m.Else():
            m.next = "NEXT_BIT"
    with m.State("SCAN"):
        # Meanwhile what is left over becomes the complement of 0.
        choose_rs2(m, p)
        m.d.comb += [
            unit.scan.eq(1),
            unit.advance.eq(1),
            datapath.source.eq(ResultSource.SHIFTED),
            datapath.shift_left.eq(1),
            datapath.fill.eq(1),
        ]
        with m.If(unit.ends):
            m.d.comb += [unit.begin.eq(1)]
            m.next = "FIRST_BIT"

    with m.State("NEXT_BIT"):
        m.d.comb += [
            datapath.source.eq(ResultSource.SHIFTED),
            datapath.shift_left.eq(1),
            datapath.fill.eq(decoded.divide & (unit.bit ^ unit.negative)),
        ]
        # More than a register holds is more than any divisor.
        m.d.sync += p.beyond.eq(decoded.divide & p.result[-1] & ~unit.negative)
        # Zeros before the first one give zeros of the quotient, unless by zero.
        passes = ~unit.bit & (decoded.multiply | (datapath.zero & ~unit.negative & ~unit.by_zero))
        with m.If(passes):
            m.d.comb += unit.push.eq(1)
            _go_on(m, p, "NEXT_BIT")
        with m.Else():
            m.next = "CHOOSE"
    with m.State("CHOOSE"):
        choose_rs2(m, p)
        m.d.comb += datapath.from_result.eq(1)
        m.next = "OPERATE"
    with m.State("OPERATE"):
        m.d.comb += [
            datapath.subtracts.eq(unit.subtracts),
            unit.fits.eq((datapath.carry ^ unit.negative) | p.beyond),
            unit.push.eq(1),
        ]
        with m.If(decoded.multiply | unit.fits):
            compute(m, p)
        _go_on(m, p, "NEXT_BIT")

    with m.State("HIGH_BIT"):
        choose_rs2(m, p)
        m.d.comb += datapath.from_result.eq(1)
        with m.If(unit.bit):
            m.next = "HIGH_SUM"
        with m.Else():
            m.d.comb += [datapath.source.eq(ResultSource.SHIFTED), datapath.fill.eq(unit.signed_b & p.result[-1])]
            _go_on(m, p, "HIGH_BIT")
    with m.State("HIGH_SUM"):
        # The highest bit of a signed number counts less than nothing.
        compute(m, p)
        m.d.comb += datapath.subtracts.eq(unit.last & unit.signed_a)
        m.d.sync += p.beyond.eq(above)
        m.next = "HIGH_SHIFT"
    with m.State("HIGH_SHIFT"):
        m.d.comb += [datapath.source.eq(ResultSource.SHIFTED), datapath.fill.eq(p.beyond)]
        _go_on(m, p, "HIGH_BIT")

    with m.State("QUOTIENT"):
        m.d.comb += [
            datapath.source.eq(ResultSource.SHIFTED),
            datapath.shift_left.eq(1),
            datapath.fill.eq(unit.quotient),
            unit.push.eq(1),
            unit.advance.eq(1),
        ]
        with m.If(unit.ends):
            m.next = "FINISH"
    with m.State("FINISH"):
        m.d.comb += [datapath.from_result.eq(1), datapath.extra.eq(unit.increments)]
        m.next = "EXTEND"
    with m.State("EXTEND"):
        # Words get their sign.
        compute(m, p)
        m.d.comb += datapath.plain.eq(0)
        m.next = "WRITE"
