# SPDX-License-Identifier: Apache-2.0
"""The counters of events against a model that counts cycle by cycle."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from golden.layout import PIPE_EVENTS, STALL_EVENTS, Event
from rtl.core.event_counts import EventCounts
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(EventCounts())
RETIRED = st.tuples(st.integers(0, 2), *(st.integers(0, 1) for _ in PIPE_EVENTS[1:]))
#: Why the thread issues nothing in a cycle, if it does not; while it is WAITING, what is inhibited and the counters stay.
CAUSE = st.sampled_from([None, *STALL_EVENTS])
INHIBIT = st.one_of(st.just(0), st.integers(0, 2**14 - 1))
WRITE = st.one_of(st.none(), st.tuples(st.integers(0, 15), st.one_of(st.sampled_from((0, 2**64 - 1)), st.integers(0, 2**64 - 1))))


@property_settings(100)
@given(
    steps=st.lists(st.tuples(CAUSE, RETIRED, INHIBIT, WRITE, st.integers(1, 3)), max_size=30),
    first_cycle=st.sampled_from((0, 1, 2**64 - 20)),
)
def test_every_event_counts_once_and_writes_and_inhibits_hold(steps: list[Any], first_cycle: int) -> None:
    component = SIMULATION.component
    counts = dict.fromkeys(Event, 0)

    async def check(context: Any) -> None:
        cycle, stalled, inhibited, had_waited = first_cycle, None, 0, False
        for cause, retired, inhibit, write, length in steps:
            for _ in range(length):
                waits = cause is Event.SEMAPHORE
                if waits or had_waited:
                    inhibit, write = inhibited, None
                inhibited, had_waited = inhibit, waits
                context.set(component.cycle, cycle % 2**64)
                context.set(component.inhibit, inhibit)
                context.set(component.waits, waits)
                context.set(component.retired, dict(zip(component.retired.shape().members, retired, strict=True)))
                names = {event.name.lower(): event is cause for event in STALL_EVENTS if event is not Event.SEMAPHORE}
                context.set(component.stall, names)
                context.set(component.write, write is not None)
                if write is not None:
                    context.set(component.number, write[0])
                    context.set(component.written, write[1])
                shown = {event: context.get(value) for event, value in zip(Event, component.values, strict=True)}
                assert shown == counts
                await context.tick()

                cycle += 1
                for event, count in zip(PIPE_EVENTS, retired, strict=True):
                    counts[event] += 0 if inhibit >> event & 1 else count
                if waits and not inhibit >> Event.SEMAPHORE & 1:
                    counts[Event.SEMAPHORE] += 1
                if stalled is not None:
                    counts[stalled] += 1
                if write is not None and write[0] in set(Event):
                    counts[Event(write[0])] = write[1]
                stalled = None if cause is None or waits or inhibit >> cause & 1 else cause
                for event in Event:
                    counts[event] %= 2**64

    SIMULATION.run(check)


def test_what_a_thread_waits_is_known_without_a_change_of_any_register() -> None:
    component = SIMULATION.component

    async def check(context: Any) -> None:
        context.set(component.inhibit, 0)
        context.set(component.cycle, 1000)
        context.set(component.waits, 1)
        await context.tick()
        # The node is at rest and is not evaluated until somebody asks.
        context.set(component.cycle, 51_000)
        assert context.get(component.values[list(Event).index(Event.SEMAPHORE)]) == 50_000
        context.set(component.waits, 0)
        await context.tick()
        context.set(component.cycle, 60_000)
        assert context.get(component.values[list(Event).index(Event.SEMAPHORE)]) == 50_000

    SIMULATION.run(check)
