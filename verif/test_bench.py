# SPDX-License-Identifier: Apache-2.0
"""The bench fixture itself: it passes what holds, fails what does not, and says how to repeat it."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from verif.bench import BenchError, bench_parameters, check_property, run_bench, start


class Accumulator(wiring.Component):
    """Adds ``value`` to ``sum`` in every cycle; adds ``flaw`` when ``value`` is 77 or more."""

    def __init__(self, flaw: int = 0):
        self.flaw = flaw
        super().__init__({"value": In(8), "sum": Out(16)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.sum.eq(self.sum + self.value)
        with m.If(self.value >= 77):
            m.d.sync += self.sum.eq(self.sum + self.value + self.flaw)
        return m


def test_a_bench_passes_what_holds() -> None:
    run_bench(Accumulator(), parameters={"values": 100})


def test_a_bench_fails_with_the_shrunk_example_and_a_line_to_repeat_it() -> None:
    with pytest.raises(pytest.fail.Exception) as failure:
        run_bench(Accumulator(flaw=1), parameters={"values": 100}, tests=["accumulates"])
    text = str(failure.value)
    assert "values=[77]" in text
    assert "D1_SEED=" in text
    assert "verif/test_bench.py::test_a_bench_fails" in text


def test_a_name_that_no_cocotb_test_has_fails() -> None:
    with pytest.raises(pytest.fail.Exception):
        run_bench(Accumulator(), tests=["there_is_no_such_test"])


def test_a_source_that_does_not_compile_is_an_error_with_the_tools_text() -> None:
    with pytest.raises(BenchError, match="syntax error"):
        run_bench(toplevel="broken", sources=["module broken(input clk) endmodule"])


@cocotb.test()
async def accumulates(dut: Any) -> None:
    await start(dut)

    async def check(values: list[int]) -> None:
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        for value in values:
            dut.value.value = value
            await FallingEdge(dut.clk)
        assert dut.sum.value.to_unsigned() == sum(values)

    values = st.lists(st.integers(0, 255), max_size=bench_parameters()["values"])
    await check_property(check, values=values)
