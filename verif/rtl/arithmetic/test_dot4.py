# SPDX-License-Identifier: Apache-2.0
"""The four-product unit against the definition in whole numbers, fed in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden import matrix
from golden.config import MATRIX_K
from rtl.arithmetic.dot4 import Dot4
from rtl.arithmetic.operand import OperandDecoder
from verif.bench import bench_parameters, bench_seed, check_property, from_words, play, run_bench, start, to_words
from verif.golden import oracles, vectors

LANES = 4

#: Cycles from operands to sums, of the unit and of the small one.
LATENCIES = {False: 4, True: 6}


class Lanes(wiring.Component):
    """Units side by side, fed with codes."""

    def __init__(self, small: bool) -> None:
        self.small = small
        bits = LANES * MATRIX_K * 16
        super().__init__({"a": In(bits), "b": In(bits), "sums": Out(32 * LANES)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for lane in range(LANES):
            m.submodules[f"dot{lane}"] = dot = Dot4(self.small)
            for side in ("a", "b"):
                m.submodules[f"decode_{side}{lane}"] = decoder = OperandDecoder(MATRIX_K)
                m.d.comb += [
                    decoder.codes.eq(getattr(self, side).word_select(lane, MATRIX_K * 16)),
                    getattr(dot, side).eq(decoder.operands),
                ]
            m.d.comb += self.sums.word_select(lane, 32).eq(dot.sum)
        return m


@pytest.mark.parametrize("small", [False, True])
def test_sums_are_those_of_the_definition(small: bool) -> None:
    run_bench(Lanes(small), tests=["vectors_in_every_cycle"], parameters={"random": 8_000, "small": small})


@pytest.mark.parametrize("small", [False, True])
def test_sums_of_any_operands_are_those_of_the_definition(small: bool) -> None:
    run_bench(Lanes(small), tests=["any_operands"], parameters={"small": small})


async def sums_of(dut: Any, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """S of rows a (n, 4) and columns b (n, 4); lanes take one after the other."""
    padding = ((0, -len(a) % LANES), (0, 0))
    inputs = {name: to_words(np.pad(codes, padding).reshape(-1, LANES * MATRIX_K)) for name, codes in (("a", a), ("b", b))}
    latency = LATENCIES[bench_parameters()["small"]]
    record = await play(dut, inputs, ["sums"], extra_cycles=latency)
    return from_words(record["sums"][latency:], np.zeros(LANES, np.uint32)).reshape(-1)[: len(a)]


@cocotb.test()
async def vectors_in_every_cycle(dut: Any) -> None:
    await start(dut)
    a, b = vectors.all_steps(bench_parameters()["random"], bench_seed())
    seen = await sums_of(dut, a, b)
    model = matrix.step_sums(a[:, None, :], b[:, :, None])[:, 0, 0]
    for index, expected in enumerate(model.tolist()):
        row, column = a[index].tolist(), b[index].tolist()
        assert expected == oracles.matrix_sum(row, column), f"model and definition disagree on {row} . {column}"
        assert seen[index] == expected, (
            f"{[hex(x) for x in row]} . {[hex(x) for x in column]} is {expected:#010x}, not {seen[index]:#010x}"
        )


@cocotb.test()
async def any_operands(dut: Any) -> None:
    await start(dut)
    code = st.one_of(st.integers(0, 0xFFFF), st.sampled_from(vectors.BF16_CORNERS))
    four = st.lists(code, min_size=MATRIX_K, max_size=MATRIX_K)

    async def check(steps: list[tuple[list[int], list[int]]]) -> None:
        await FallingEdge(dut.clk)
        a, b = (np.array([step[side] for step in steps], np.uint16).reshape(-1, MATRIX_K) for side in (0, 1))
        assert (await sums_of(dut, a, b)).tolist() == [oracles.matrix_sum(*step) for step in steps]

    await check_property(check, max_examples=200, steps=st.lists(st.tuples(four, four), min_size=1, max_size=64))
