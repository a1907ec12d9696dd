# SPDX-License-Identifier: Apache-2.0
"""Predicate registers against a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.core.predicate_registers import PREDICATES, PredicateRegisters
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [NodeConfig(line_bytes=16, threads=1), NodeConfig(line_bytes=32, threads=4)]
SIMULATIONS = {config.threads: Simulation(PredicateRegisters(config)) for config in CONFIGS}

NUMBER = st.integers(0, PREDICATES - 1)
THREAD = st.integers(0, 3)
CYCLE = st.tuples(
    THREAD,
    st.tuples(NUMBER, NUMBER),
    st.none() | st.tuples(THREAD, NUMBER, st.integers(0, 2**32 - 1)),
    st.none() | st.tuples(THREAD, NUMBER),
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"threads{config.threads}")
@property_settings(80)
@given(cycles=st.lists(CYCLE, max_size=60))
def test_registers_hold_what_was_written_and_p0_is_always_all_ones_and_never_busy(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config.threads]
    registers = simulation.component
    ones = (1 << config.line_bytes) - 1
    # Reset does not reach the bits, so the model learns them from the writes.
    bits: dict[tuple[int, int], int] = {(thread, 0): ones for thread in range(config.threads)}
    busy = [0] * config.threads

    async def check(context: Any) -> None:
        for thread, numbers, write, reserve in cycles:
            thread %= config.threads
            context.set(registers.thread, thread)
            for port, number in enumerate(numbers):
                context.set(registers.read[port], number)
            if reserve and write and reserve == write[:2]:
                reserve = None
            for port, named in ((registers.write, write), (registers.reserve, reserve)):
                context.set(port.valid, named is not None)
                context.set(port.thread, named[0] % config.threads if named else 0)
                context.set(port.number, named[1] if named else 0)
            context.set(registers.write_data, write[2] & ones if write else 0)
            for port, number in enumerate(numbers):
                if (thread, number) in bits:
                    assert context.get(registers.read_data[port]) == bits[thread, number]
            await context.tick()

            if reserve:
                busy[reserve[0] % config.threads] |= 1 << reserve[1]
            if write:
                where = write[0] % config.threads, write[1]
                busy[where[0]] &= ~(1 << where[1])
                if where[1]:
                    bits[where] = write[2] & ones
            busy[:] = [register & ~1 for register in busy]
            assert [context.get(registers.busy[thread]) for thread in range(config.threads)] == busy

    simulation.run(check)
