# SPDX-License-Identifier: Apache-2.0
"""The performance counters of a golden thread: instructions retired, by pipe. Cycles lost are not modelled."""

from __future__ import annotations

from golden.instruction import MASK_64, Operation
from golden.isa import Instruction, Unit
from golden.layout import EVENT_INHIBITS, PIPE_EVENTS, Event

_EVENTS = {
    Unit.LOAD: Event.LOAD,
    Unit.VECTOR_LOAD: Event.LOAD,
    Unit.STORE: Event.STORE,
    Unit.VECTOR_STORE: Event.STORE,
    Unit.ACCUMULATOR_STORE: Event.STORE,
    Unit.NETWORK: Event.STORE,
    Unit.SIMD: Event.SIMD,
    Unit.MATRIX: Event.MATRIX,
}


def event_of(row: Instruction) -> Event:
    """The event that an instruction's retirement is."""
    if row.unit is Unit.PREDICATE:
        return Event.SIMD if "pd" in row.operands else Event.INTEGER
    return _EVENTS.get(row.unit, Event.INTEGER)


class EventCounts:
    """Counters of a thread's events, 64 bits each.

    Operations of all pipes but those of INTEGER count themselves; what has retired beside them is INTEGER. A counter is what has
    been counted since reset and a difference that writes change, or, while it is inhibited, the difference alone.

    The cycles of ``golden.layout.STALL_EVENTS`` are never counted: these counters hold what is written.

    Members
    -------
    inhibit : int
        Bits of mcountinhibit that stop counters of events.
    """

    def __init__(self) -> None:
        self.inhibit = 0
        self._executed = dict.fromkeys(PIPE_EVENTS, 0)
        self._difference = dict.fromkeys(Event, 0)

    def counting(self, event: Event, operation: Operation) -> Operation:
        """The operation of an instruction of a pipe, with its count; INTEGER is not counted here."""
        if event is Event.INTEGER:
            return operation
        executed = self._executed

        def counted() -> int | None:
            following = operation()
            if following is not None:
                executed[event] += 1
            return following

        return counted

    def read(self, event: Event, retired: int) -> int:
        """Value of a counter; ``retired`` is how many instructions the thread has retired since reset."""
        return self._difference[event] + self._counted(event, retired) & MASK_64

    def write(self, event: Event, value: int, retired: int) -> None:
        """Write a counter. ``retired`` includes the CSR instruction that does it, which must not show on top of the value."""
        self._difference[event] = value - self._counted(event, retired)

    def set_inhibit(self, inhibit: int, retired: int) -> None:
        """Write the bits of mcountinhibit; for the CSR instruction that does it, included in ``retired``, the old ones hold."""
        values = {event: self._difference[event] + self._counted(event, retired) for event in Event}
        self.inhibit = inhibit & EVENT_INHIBITS
        for event, value in values.items():
            self._difference[event] = value - self._counted(event, retired)

    def _counted(self, event: Event, retired: int) -> int:
        """Of that event since reset, as far as it shows."""
        if self.inhibit >> event & 1:
            return 0
        if event is Event.INTEGER:
            return retired - sum(self._executed.values())
        return self._executed.get(event, 0)
