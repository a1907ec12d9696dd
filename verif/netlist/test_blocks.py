# SPDX-License-Identifier: Apache-2.0
"""Parts of boards' designs beside their netlists; and synthesis gives the same netlist twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ClockCycles, FallingEdge

from fpga.baud import BitPeriod
from fpga.build import build
from fpga.choice import choose
from fpga.flows import TOP
from fpga.uart_receiver import UartReceiver
from verif.bench import bench_parameters, bench_rng, run_bench, start
from verif.netlist.block import PAIR, pair

CLOCK_HZ = 25_000_000
BAUD = 3_000_000


@pytest.mark.rtl
def test_netlist_of_the_receiver_hears_what_the_receiver_hears() -> None:
    both = pair(UartReceiver(BitPeriod(CLOCK_HZ, BAUD)))
    run_bench(toplevel=PAIR, sources=both.sources, parameters={"outputs": list(both.outputs)}, tests=["both_hear_the_same"])


@cocotb.test()
async def both_hear_the_same(dut: Any) -> None:
    """Frames with noise on the line: in every cycle all outputs of both are equal."""
    rng = bench_rng()
    dut.line.value = 1
    await start(dut)
    heard = 0
    for _ in range(300):
        byte = int(rng.integers(256))
        levels = [0, *(byte >> bit & 1 for bit in range(8)), int(rng.random() < 0.9), *[1] * int(rng.integers(3))]
        for level in levels:
            for _ in range(int(rng.integers(7, 10))):
                dut.line.value = level ^ (rng.random() < 0.01)
                await FallingEdge(dut.clk)
                for name in bench_parameters()["outputs"]:
                    assert getattr(dut, f"netlist_{name}").value == getattr(dut, f"rtl_{name}").value, name
                heard += int(dut.rtl_valid.value)
    await ClockCycles(dut.clk, 1)
    assert heard > 100


def test_synthesis_of_a_board_gives_the_same_netlist_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = choose("ulx3s-85f", design="hello")
    texts = []
    for name in ("first", "second"):
        monkeypatch.setenv("D1_CACHE", str(tmp_path / name))
        result = build(choice.board, choice.design, choice.settings, place=False)
        assert result.folder.is_relative_to(tmp_path / name)
        texts.append((result.folder / f"{TOP}.json").read_bytes())
    assert texts[0] == texts[1]
