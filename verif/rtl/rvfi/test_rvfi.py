# SPDX-License-Identifier: Apache-2.0
"""The observed node runs random and hazardous programs, and the monitors find nothing wrong in what it shows."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE, ThreadRegister, thread_offset
from golden.node import GoldenNode
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from scripts.simulator.observation import XVFI_KINDS
from sw.assembler import assemble as assemble_source
from verif.rtl.node.node_bench import NARROW, WIDE
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, Item, assemble, data_address, memory, programs
from verif.rtl.node.test_hazards import PROGRAMS, pieces
from verif.rtl.rvfi.monitor import RvfiMonitor
from verif.rtl.rvfi.sources import check_records
from verif.rtl.rvfi.xvfi import XvfiThread, rebuild

CONFIGS = pytest.mark.parametrize("config", [preset("tiny"), WIDE, NARROW], ids=lambda config: config.name)

pytestmark = pytest.mark.rtl


@functools.cache
def observed(config: NodeConfig) -> SimulatorLibrary:
    return build(config, observe=True, quick=True)


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


def rebuild_all(
    config: NodeConfig, monitors: dict[tuple[int, int, int], RvfiMonitor], array: SimulatedArray
) -> dict[int, XvfiThread]:
    """Xd1's registers of all threads, from what the array has shown."""
    instructions = {thread: monitor.instructions for (_, _, thread), monitor in monitors.items()}
    return rebuild(config, instructions, {kind: array.xvfi_records(kind) for kind in XVFI_KINDS})


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
            rebuilt = rebuild_all(config, monitors, array)
        golden = GoldenNode(config, links=0b1000)
        for offset, contents_there in parts:
            golden.sram[offset : offset + len(contents_there)] = contents_there
        for thread in range(config.threads):
            golden.threads[thread].start(SRAM_BASE + thread * CODE_BYTES)
        golden.run()
        for thread, state in rebuilt.items():
            wanted = golden.threads[thread]
            assert [register for register, value in enumerate(state.vectors) if value not in (None, wanted.v[register])] == []
            assert [number for number, value in enumerate(state.predicates) if value not in (None, wanted.p[number])] == []
            for number in range(config.accumulators):
                assert np.array_equal(state.accumulators.read(number), wanted.accumulators.read(number)), f"m{number}"

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
            rebuild_all(config, monitors, array)
