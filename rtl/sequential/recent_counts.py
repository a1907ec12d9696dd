# SPDX-License-Identifier: Apache-2.0
"""The low bits of event counters whose upper bits are in a memory."""

from amaranth.hdl import C, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from rtl.sequential.selection import Selection

__all__ = ["RecentCounts"]


class RecentCounts(wiring.Component):
    """Counts events in a few bits per counter. Somebody else keeps the whole counts, and reads and writes them now and then.

    A whole count in memory may be old: its low bits are what they were when it was written. As long as there have been fewer
    events since than these bits can count, the true count has the low bits that are kept here, and upper bits that are those
    in memory, or one more if the low bits are less than those in memory: if ``memory + complement`` has a carry there.

    Parameters
    ----------
    widths : tuple of int
        Bits of each counter's events.
    cycles : int
        Cycles between two writes of a count, at most, so that it is right whatever happens.

    Members
    -------
    events : In(sum of widths)
        Events of the cycle, counter by counter from bit 0 on.
    any : Out(1)
        There are some.
    take : In(1), number : In
        Show this counter in the next cycle.
    complement : Out(bits), kept : Out(bits)
        Complement of the low bits that it had in the cycle of ``take``, and which bits those are. Otherwise 0.
    load : In(1), value : In
        Put the last counter at these low bits, in a cycle without events for it.
    """

    def __init__(self, widths: tuple[int, ...], cycles: int):
        self.widths = widths
        self._bits = [bits_for(cycles * ((1 << width) - 1)) for width in widths]
        bits = max(self._bits)
        super().__init__(
            {
                "events": In(sum(widths)),
                "any": Out(1),
                "take": In(1),
                "number": In(ceil_log2(len(widths))),
                "complement": Out(bits),
                "kept": Out(bits),
                "load": In(1),
                "value": In(self._bits[-1]),
            }
        )

    def elaborate(self, platform):
        m = Module()
        complements, start = [], 0
        fewest = min(self._bits)
        for number, (width, bits) in enumerate(zip(self.widths, self._bits, strict=True)):
            # Counting down saves an inverter per bit.
            complement = Signal(bits, init=(1 << bits) - 1, name=f"complement{number}")
            complements.append(complement)
            m.d.sync += complement.eq(complement - self.events[start : start + width])
            start += width
        with m.If(self.load):
            m.d.sync += complements[-1].eq(~self.value)
        m.d.comb += self.any.eq(self.events.any())
        selection, kept = Selection(m, len(self.complement)), Selection(m, len(self.kept))
        for number, complement in enumerate(complements):
            hidden = Signal(name=f"hides{number}")
            m.d.comb += hidden.eq(~(self.take & (self.number == number)))
            selection.add(hidden, complement)
            if len(complement) > fewest:
                kept.add(hidden, C((1 << len(complement)) - (1 << fewest), len(complement)))
        kept.add(~self.take, C((1 << fewest) - 1, fewest))
        m.d.comb += [self.complement.eq(selection.shown()), self.kept.eq(kept.shown())]
        return m
