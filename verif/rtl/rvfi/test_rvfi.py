# SPDX-License-Identifier: Apache-2.0
"""The observed node runs random and hazardous programs, and the monitors find nothing wrong in what it shows."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import hypothesis
import pytest
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE, ThreadRegister, thread_offset
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble as assemble_source
from verif.rtl.node.node_bench import NARROW, WIDE
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, Item, assemble, data_address, memory, programs
from verif.rtl.node.test_hazards import PROGRAMS, pieces
from verif.rtl.rvfi.sources import check_records

CONFIGS = pytest.mark.parametrize("config", [preset("tiny"), WIDE, NARROW], ids=lambda config: config.name)

pytestmark = pytest.mark.rtl


@functools.cache
def observed(config: NodeConfig) -> SimulatorLibrary:
    return build(config, observe=True)


def run(config: NodeConfig, memory: Sequence[tuple[int, bytes]], starts: Sequence[int]) -> SimulatedArray:
    """An array that has run a thread from each of these addresses."""
    array = SimulatedArray(config, 1, 1, library=observed(config), threads=1)
    for offset, contents in memory:
        array.poke(0, 0, offset, contents)
    array.observe(rvfi=True, xvfi=True, view=True)
    array.write_many(
        [(0, 0, thread_offset(thread, ThreadRegister.PC), pc.to_bytes(8, "little")) for thread, pc in enumerate(starts)]
    )
    assert array.run(200_000).reason == "ended"
    return array


@CONFIGS
def test_random_programs_are_executed_as_riscv_has_it(config: NodeConfig) -> None:
    @hypothesis.settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.seed(1)
    @hypothesis.given(
        threads=st.tuples(*(programs(config, thread) for thread in range(config.threads))).map(list), contents=memory()
    )
    def check(threads: list[list[Item]], contents: bytes) -> None:
        parts = []
        for thread, items in enumerate(threads):
            code = b"".join(word.to_bytes(4, "little") for word in assemble(config, thread, items))
            parts.append((thread * CODE_BYTES, code))
            parts.append((data_address(config, thread) - SRAM_BASE, (contents * DATA_BYTES)[:DATA_BYTES]))
        with run(config, parts, [SRAM_BASE + thread * CODE_BYTES for thread in range(config.threads)]) as array:
            monitors = check_records(config, array.rvfi_records())
        assert len(monitors) == config.threads

    check()


@CONFIGS
@pytest.mark.parametrize("name", PROGRAMS)
def test_hazardous_programs_are_executed_as_riscv_has_it(config: NodeConfig, name: str) -> None:
    for source in pieces(PROGRAMS[name]()):
        program = assemble_source(source, config=config)
        parts = [(address - SRAM_BASE, contents) for address, contents in program.segments]
        with run(config, parts, [program.entry] * config.threads) as array:
            monitors = check_records(config, array.rvfi_records())
        assert len(monitors) == config.threads
