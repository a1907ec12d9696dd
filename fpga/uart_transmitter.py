# SPDX-License-Identifier: Apache-2.0
"""Bytes to serial line."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fpga.baud import FRACTION_BITS, BitPeriod

__all__ = ["UartTransmitter"]


class UartTransmitter(wiring.Component):
    """Sends bytes of 8 bits, no parity, one stop bit, lowest bit first; without a gap as long as bytes are there.

    Parameters
    ----------
    period : BitPeriod

    Members
    -------
    i : In(stream of 8 bits)
    line : Out(1), the pin; from a flip-flop, high after reset
    """

    def __init__(self, period: BitPeriod):
        self.period = period
        super().__init__({"i": In(stream.Signature(8)), "line": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        cycle, period = 1 << FRACTION_BITS, self.period.units
        timer = Signal(range(period + cycle))
        shift = Signal(9, reset_less=True)
        left = Signal(range(11))
        due = Signal()
        # The fraction that is left over when a bit ends goes into the next one, so errors do not add up.
        m.d.comb += [due.eq(timer < cycle), self.i.ready.eq((left == 0) | ((left == 1) & due))]
        with m.If(left != 0):
            m.d.sync += timer.eq(timer - cycle)
            with m.If(due):
                m.d.sync += [
                    timer.eq(timer + period - cycle),
                    left.eq(left - 1),
                    self.line.eq(shift[0]),
                    shift.eq(Cat(shift[1:], Const(1, 1))),
                ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.line.eq(0), shift.eq(Cat(self.i.payload, Const(1, 1))), left.eq(10)]
            with m.If(left == 0):
                m.d.sync += timer.eq(period - cycle)
        return m
