# SPDX-License-Identifier: Apache-2.0
"""The binary32 adder against the model and MPFR, fed in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden import fp32
from rtl.arithmetic.fp32_add import Fp32Add
from verif.bench import bench_parameters, bench_rng, check_property, from_words, play, run_bench, start, to_words
from verif.golden import oracles, vectors

LANES = 4

#: Cycles from numbers to sums.
LATENCY = 1


class Lanes(wiring.Component):
    """Adders side by side."""

    def __init__(self) -> None:
        super().__init__({"x": In(32 * LANES), "y": In(32 * LANES), "sums": Out(32 * LANES)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for lane in range(LANES):
            m.submodules[f"adder{lane}"] = adder = Fp32Add()
            m.d.comb += [
                adder.x.eq(self.x.word_select(lane, 32)),
                adder.y.eq(self.y.word_select(lane, 32)),
                self.sums.word_select(lane, 32).eq(adder.sum),
            ]
        return m


def test_sums_are_those_of_ieee_754() -> None:
    run_bench(Lanes(), tests=["vectors_in_every_cycle"], parameters={"random": 60_000})


def test_sums_of_any_numbers_are_those_of_ieee_754() -> None:
    run_bench(Lanes(), tests=["any_numbers"])


async def sums_of(dut: Any, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Sums of codes (n); lanes take one after the other."""
    padding = (0, -len(x) % LANES)
    inputs = {name: to_words(np.pad(codes, padding).reshape(-1, LANES)) for name, codes in (("x", x), ("y", y))}
    record = await play(dut, inputs, ["sums"], extra_cycles=LATENCY)
    return from_words(record["sums"][LATENCY:], np.zeros(LANES, np.uint32)).reshape(-1)[: len(x)]


@cocotb.test()
async def vectors_in_every_cycle(dut: Any) -> None:
    await start(dut)
    x, y = vectors.addend_pairs(bench_rng(), bench_parameters()["random"])
    seen, expected = await sums_of(dut, x, y), fp32.add(x, y)[0]
    wrong = np.nonzero(seen != expected)[0]
    assert not len(wrong), "\n".join(
        f"{x[i]:#010x} + {y[i]:#010x} is {expected[i]:#010x}, not {seen[i]:#010x}" for i in wrong[:10]
    )


@cocotb.test()
async def any_numbers(dut: Any) -> None:
    await start(dut)
    code = st.one_of(
        st.integers(0, 0xFFFF_FFFF),
        st.sampled_from(vectors.FP32_CORNERS),
        # Few significant bits and near exponents: ties, cancellation, carries.
        st.builds(
            lambda sign, field, top, low: sign << 31 | field << 23 | top << 21 | low,
            st.integers(0, 1), st.integers(100, 130), st.integers(0, 3), st.integers(0, 3),
        ),
    )  # fmt: skip

    async def check(pairs: list[tuple[int, int]]) -> None:
        await FallingEdge(dut.clk)
        x, y = (np.array([pair[side] for pair in pairs], np.uint32) for side in (0, 1))
        assert (await sums_of(dut, x, y)).tolist() == [oracles.mpfr_add(*pair) for pair in pairs]

    await check_property(check, max_examples=200, pairs=st.lists(st.tuples(code, code), min_size=1, max_size=64))
