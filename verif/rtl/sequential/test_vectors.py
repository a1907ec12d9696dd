# SPDX-License-Identifier: Apache-2.0
"""The vector registers of the sequential core against a dictionary."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from rtl.sequential.vectors import VectorFile
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(VectorFile(preset("nano")))
NUMBERS = st.integers(0, 31)
#: Read; write, reserve and abandon, each a register or nothing; the value.
CYCLE = st.tuples(NUMBERS, *[st.none() | NUMBERS] * 3, st.integers(0, 2**128 - 1))


@property_settings(120)
@given(cycles=st.lists(CYCLE, max_size=60))
def test_values_and_waits(cycles: list[Any]) -> None:
    vectors = SIMULATION.component

    async def check(context: Any) -> None:
        held, waiting = [0] * 32, [False] * 32
        for read, write, reserve, abandon, value in cycles:
            response = abandon if abandon is not None else write if write is not None else read
            context.set(vectors.address, read)
            context.set(vectors.write, write is not None)
            context.set(vectors.number, write or 0)
            context.set(vectors.write_data, value)
            context.set(vectors.reserve, reserve is not None)
            context.set(vectors.reserved, reserve or 0)
            context.set(vectors.abandon, abandon is not None)
            context.set(vectors.response, response)
            assert context.get(vectors.awaited) == waiting[response]
            expected = held[read], waiting[read]
            await context.tick()
            # A register that is written is not read for use.
            if read != write:
                assert context.get(vectors.data) == expected[0]
            assert context.get(vectors.waits) == expected[1]
            if write is not None:
                held[write], waiting[write] = value, False
            if abandon is not None:
                waiting[abandon] = False
            if reserve is not None:
                waiting[reserve] = True

    SIMULATION.run(check)
