# SPDX-License-Identifier: Apache-2.0
"""Serial line to bytes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from fpga.baud import FRACTION_BITS, BitPeriod

__all__ = ["UartReceiver"]


class UartReceiver(wiring.Component):
    """Receives bytes of 8 bits, no parity, one stop bit; each bit is sampled in its middle.

    There is no ready: whoever listens takes every byte in the cycle of its strobe. A start bit that is gone by its middle is
    a glitch and ignored. After a stop bit that is low, the receiver waits for the line to be high.

    Parameters
    ----------
    period : BitPeriod

    Members
    -------
    line : In(1), the pin; synchronised here
    valid : Out(1), strobe: ``data`` was received
    data : Out(8)
    error : Out(1), strobe: a stop bit was low; the byte is lost
    """

    def __init__(self, period: BitPeriod):
        self.period = period
        super().__init__({"line": In(1), "valid": Out(1), "data": Out(8), "error": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        cycle, period = 1 << FRACTION_BITS, self.period.units
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.line, line, init=1)

        timer = Signal(range(period + cycle))
        due = Signal()
        m.d.comb += due.eq(timer < cycle)
        shift = Signal(8, reset_less=True)
        bits = Signal(range(9))

        m.d.sync += [timer.eq(timer - cycle), self.valid.eq(0), self.error.eq(0)]
        m.d.comb += self.data.eq(shift)
        with m.FSM():
            with m.State("IDLE"):
                # A start bit that is seen in this cycle began half a cycle ago, on average, and a fraction is rounded down by
                # as much, also on average. The timer runs from the next cycle.
                m.d.sync += timer.eq(period // 2 - cycle)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(due):
                m.d.sync += [timer.eq(timer + period - cycle), bits.eq(0)]
                with m.If(line):
                    m.next = "IDLE"
                with m.Else():
                    m.next = "DATA"
            with m.State("DATA"), m.If(due):
                m.d.sync += [timer.eq(timer + period - cycle), shift.eq(Cat(shift[1:], line)), bits.eq(bits + 1)]
                with m.If(bits == 7):
                    m.next = "STOP"
            with m.State("STOP"), m.If(due):
                m.d.sync += [self.valid.eq(line), self.error.eq(~line)]
                with m.If(line):
                    m.next = "IDLE"
                with m.Else():
                    m.next = "BREAK"
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m
