# SPDX-License-Identifier: Apache-2.0
"""Counters of events that share one adder and a memory."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["EventCounters"]

_COUNT_BITS = 64

#: Logarithm of the cycles for which events may wait to be added: until the memory is cleared and every counter had its turn.
_WAIT_BITS = 5


class EventCounters(wiring.Component):
    """Counters of 64 bits in a LUT memory. Events wait in a few bits per counter, and one counter after the other adds its own.

    A value that is read counts all events of earlier cycles, those that wait too. The memory has to be cleared after reset.

    Parameters
    ----------
    widths : tuple of int
        Bits of each counter's events, at most 8 counters.

    Members
    -------
    events : In(sum of widths)
        Events of the cycle, counter by counter from bit 0 on.
    number : In(3); value : Out(64)
        A counter and its value, in the same cycle.
    clear : In(1), clear_number : In(4)
        Clear this counter at the end of the cycle, in which none is read.
    busy : Out(1)
        Events wait.
    """

    def __init__(self, widths: tuple[int, ...]):
        self.widths = widths
        super().__init__(
            {
                "events": In(sum(widths)),
                "number": In(3),
                "value": Out(_COUNT_BITS),
                "clear": In(1),
                "clear_number": In(4),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        turn = Signal.like(self.number)
        waiting = [Signal(width + _WAIT_BITS, name=f"waiting{number}") for number, width in enumerate(self.widths)]
        m.submodules.counts = memory = Memory(shape=_COUNT_BITS, depth=16, init=[])
        write_port = memory.write_port()

        def count(name, number):
            """What is in memory, and what waits."""
            port, added = memory.read_port(domain="comb"), Signal(max(len(events) for events in waiting), name=f"{name}_added")
            m.d.comb += port.addr.eq(number)
            with m.Switch(number):
                for place, events in enumerate(waiting):
                    with m.Case(place):
                        m.d.comb += added.eq(events)
            return (port.data + added)[:_COUNT_BITS]

        m.d.comb += [
            self.busy.eq(Cat(waiting).any()),
            self.value.eq(count("read", self.number)),
            write_port.addr.eq(Mux(self.clear, self.clear_number, turn)),
            write_port.en.eq(self.clear | self.busy),
            write_port.data.eq(Mux(self.clear, 0, count("turn", turn))),
        ]
        with m.If(self.busy):
            m.d.sync += turn.eq(turn + 1)
        start = 0
        for number, (width, events) in enumerate(zip(self.widths, waiting, strict=True)):
            arriving = self.events[start : start + width]
            start += width
            with m.If((turn == number) & ~self.clear):
                m.d.sync += events.eq(arriving)
            with m.Else():
                m.d.sync += events.eq(events + arriving)
        return m
