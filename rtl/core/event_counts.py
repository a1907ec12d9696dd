# SPDX-License-Identifier: Apache-2.0
"""Performance counters of one thread: instructions retired, by pipe, and cycles lost, by cause."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import Event

__all__ = ["EventCounts", "RetiredLayout", "StallLayout"]


class RetiredLayout(data.StructLayout):
    """Instructions that a thread retires in a cycle, by pipe."""

    def __init__(self):
        super().__init__({"integer": 2, "load": 1, "store": 1, "simd": 1, "matrix": 1})


class StallLayout(data.StructLayout):
    """Why a thread that is RUNNING issues nothing, at most one bit set; :class:`golden.layout.Event` says what they mean."""

    def __init__(self):
        super().__init__(dict.fromkeys(("fetch", "operand", "bank", "credit", "structural"), 1))


class EventCounts(wiring.Component):
    """A counter of 64 bits for each :class:`golden.layout.Event`.

    Retired instructions show in the next cycle. Stalls, which are known late in their cycle, show in the one after that. Nothing
    here counts time: the counter of SEMAPHORE holds what it lacks to the cycle count while the thread waits, so that a node at
    rest need not be evaluated.

    Members
    -------
    retired : In(RetiredLayout), stall : In(StallLayout), waits : In(1)
        Events of the cycle; ``waits``: the thread is WAITING.
    cycle : In(64)
        The cycle count.
    inhibit : In(14)
        Bit n stops the counter of event n.
    write : In(1), number : In(4), written : In(64)
        Write the counter of that event, if there is one, without the events of the cycle. No thread does that while it waits,
        or in the cycle after.
    values : Out(64).array(11)
        The counters, in the order of ``Event``.
    """

    def __init__(self):
        super().__init__(
            {
                "retired": In(RetiredLayout()),
                "stall": In(StallLayout()),
                "waits": In(1),
                "cycle": In(64),
                "inhibit": In(max(Event) + 1),
                "write": In(1),
                "number": In(4),
                "written": In(64),
                "values": Out(64).array(len(Event)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        stalled = Signal(StallLayout())
        counted = {getattr(Event, name.upper()): getattr(self.retired, name) for name in RetiredLayout().members}
        for name in StallLayout().members:
            event = getattr(Event, name.upper())
            m.d.sync += stalled[name].eq(self.stall[name] & ~self.inhibit[event])
        for event, value in zip(Event, self.values, strict=True):
            count = Signal(64, name=f"{event.name.lower()}_count")
            if event is Event.SEMAPHORE:
                waited, waits, total = Signal(), Signal(), Signal(64)
                m.d.comb += [
                    waits.eq(self.waits & ~self.inhibit[event]),
                    # Minus the cycle count at first, and plus it in the end.
                    total.eq(count + Mux(waited, self.cycle, ~self.cycle) + ~waited),
                    value.eq(Mux(waited, total, count)),
                ]
                with m.If(waits != waited):
                    m.d.sync += [waited.eq(waits), count.eq(total)]
            else:
                m.d.comb += value.eq(count)
                if event in counted:
                    with m.If(counted[event].any() & ~self.inhibit[event]):
                        m.d.sync += count.eq(count + counted[event])
                else:
                    with m.If(stalled[event.name.lower()]):
                        m.d.sync += count.eq(count + 1)
            with m.If(self.write & (self.number == event)):
                m.d.sync += count.eq(self.written)
        return m
