# SPDX-License-Identifier: Apache-2.0
"""The node runs random programs in lock-step with the golden node: retirement, vector writes, memory, final state, counters."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE
from verif.bench import bench_parameters, check_property, start
from verif.rtl.node.comparison import Access, Comparison
from verif.rtl.node.node_bench import NARROW, WIDE, WIDE_SEQUENTIAL, bench_config, run_node_bench
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, Item, assemble, data_address, memory, programs


@pytest.mark.parametrize(
    "config, arithmetic",
    [(preset("nano"), "rtl"), (preset("tiny"), "rtl"), (WIDE, "macro"), (WIDE_SEQUENTIAL, "macro"), (NARROW, "macro")],
    ids=lambda p: getattr(p, "name", p),
)
def test_node_runs_random_programs_as_the_golden_node_does(config: NodeConfig, arithmetic: str) -> None:
    run_node_bench(config, __name__, arithmetic=arithmetic)


@cocotb.test()
async def lockstep(dut: Any) -> None:
    config = bench_config()
    await start(dut)

    async def same_as_golden(threads: list[list[Item]], data: bytes, traffic: list[Access]) -> None:
        both = Comparison(dut, config)
        await both.reset()
        for thread, items in enumerate(threads):
            code = b"".join(word.to_bytes(4, "little") for word in assemble(config, thread, items))
            both.write(thread * CODE_BYTES, code)
            both.write(data_address(config, thread) - SRAM_BASE, (data * DATA_BYTES)[:DATA_BYTES])
        for thread in range(config.threads):
            both.start_thread(thread, SRAM_BASE + thread * CODE_BYTES)
        await both.run(traffic, scratch=data_address(config, config.threads) - SRAM_BASE, limit=200_000)

        both.compare_execution(range(config.threads))
        await both.compare_memory(data_address(config, 0) - SRAM_BASE, config.threads * DATA_BYTES)
        await both.compare_registers()
        await both.compare_counters()

    await check_property(
        same_as_golden,
        max_examples=bench_parameters().get("examples", 60),
        threads=st.tuples(*(programs(config, thread) for thread in range(config.threads))).map(list),
        data=memory(),
        traffic=st.one_of(
            st.just([]),
            st.lists(st.builds(Access, st.integers(0, 3), st.integers(0, 2**21 - 1), st.booleans()), min_size=1, max_size=5),
        ),
    )
