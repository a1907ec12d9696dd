# SPDX-License-Identifier: Apache-2.0
"""Counters in memory count as counters in registers would."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rtl.core.event_counters import EventCounters
from verif.rtl.simulate import Simulation, property_settings

WIDTHS = (1, 2, 1, 3, 2)
SIMULATION = Simulation(EventCounters(WIDTHS))

#: Events of a cycle per counter, and what is read in it.
CYCLE = st.tuples(st.tuples(*(st.integers(0, 2**width - 1) for width in WIDTHS)), st.none() | st.integers(0, len(WIDTHS) - 1))


@property_settings(80)
@given(cycles=st.lists(CYCLE, max_size=120), busiest=st.booleans())
def test_every_read_shows_the_events_of_all_earlier_cycles(cycles: list[Any], busiest: bool) -> None:
    counters = SIMULATION.component

    async def check(context: Any) -> None:
        expected = [0] * len(WIDTHS)

        async def cycle(events: tuple[int, ...], number: int | None) -> None:
            packed, start = 0, 0
            for width, count in zip(WIDTHS, events, strict=True):
                packed |= count << start
                start += width
            context.set(counters.events, packed)
            if number is not None:
                context.set(counters.number, number)
                assert context.get(counters.value) == expected[number]
            for place, count in enumerate(events):
                expected[place] += count
            await context.tick()

        for number in range(16):
            context.set(counters.clear, 1)
            context.set(counters.clear_number, number)
            await cycle(tuple(number % 2 for _ in WIDTHS), None)
        context.set(counters.clear, 0)
        for events, number in cycles:
            full = tuple(2**width - 1 for width in WIDTHS)
            await cycle(full if busiest else events, number)
        for _ in range(16):
            await cycle((0,) * len(WIDTHS), None)
        assert not context.get(counters.busy)
        for number in range(len(WIDTHS)):
            await cycle((0,) * len(WIDTHS), number)

    SIMULATION.run(check)
