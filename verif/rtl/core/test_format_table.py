# SPDX-License-Identifier: Apache-2.0
"""The table of format descriptors against a model: single descriptors, whole CSRs, threads apart, kinds that are not there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import FORMAT_DESCRIPTORS, FormatDescriptor
from rtl.core.format_table import FormatTable
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [preset("nano"), preset("tiny"), preset("d1")]
SIMULATIONS = {config.threads: Simulation(FormatTable(config)) for config in CONFIGS}

NUMBER = st.integers(0, FORMAT_DESCRIPTORS - 1)
CYCLE = st.tuples(st.integers(0, 3), NUMBER, st.integers(0, 3), NUMBER, st.booleans(), st.booleans(), st.integers(0, 2**64 - 1))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@property_settings(80)
@given(cycles=st.lists(CYCLE, max_size=30))
def test_descriptors_read_as_they_were_written_and_zero_once_cleared(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config.threads]
    table = simulation.component
    model = [[0] * FORMAT_DESCRIPTORS for _ in range(config.threads)]

    async def check(context: Any) -> None:
        # Memories keep their contents in reset, as in hardware.
        context.set(table.write, 0)
        context.set(table.clear, 1)
        for line in range(16):
            context.set(table.clear_number, line)
            await context.tick()
        context.set(table.clear, 0)
        for thread, number, matrix_thread, matrix_number, write, whole, value in cycles:
            thread, matrix_thread = thread % config.threads, matrix_thread % config.threads
            ports = {
                "scalar_thread": thread, "scalar_number": number, "matrix_thread": matrix_thread,
                "matrix_number": matrix_number, "write": write, "whole": whole, "value": value,
            }  # fmt: skip
            for name, setting in ports.items():
                context.set(getattr(table, name), setting)
            first = number & ~3
            assert context.get(table.scalar_format.as_value()) == model[thread][number]
            assert context.get(table.scalar_csr) == sum(model[thread][first + i] << 16 * i for i in range(4))
            assert context.get(table.format_a.as_value()) == model[matrix_thread][matrix_number]
            assert context.get(table.format_b.as_value()) == model[matrix_thread][matrix_number ^ 1]
            await context.tick()
            if write and whole:
                model[thread][first : first + 4] = [int(FormatDescriptor.unpack(value >> 16 * i)) for i in range(4)]
            elif write:
                model[thread][number] = int(FormatDescriptor.unpack(value))

    simulation.run(check)
