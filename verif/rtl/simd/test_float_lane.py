# SPDX-License-Identifier: Apache-2.0
"""Both float lanes against oracles of IEEE 754, fed in every cycle."""

from __future__ import annotations

from typing import Any, NamedTuple

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from rtl.arithmetic import fp32_fma, small_fma
from rtl.simd.float_lane import FloatLane
from rtl.simd.small_float_lane import SMALL_FLOAT_LANE_CYCLES, SmallFloatLane
from verif.bench import bench_parameters, bench_rng, check_property, from_words, play, run_bench, start, to_words
from verif.golden.vectors import FP32_CORNERS
from verif.rtl.arithmetic.tampered_round import TamperedRound
from verif.rtl.simd import float_vectors as vectors

LANES = 4


class Kind(NamedTuple):
    """A lane, its latency, the module that rounds for it, the cycles that it takes for an operation, and the bits of its results
    that mean something in compares."""

    lane: Any
    latency: int
    rounds: Any
    cycles: int
    truth: int


KINDS = {
    "full": Kind(FloatLane, 4, fp32_fma, 1, 0xFFFF_FFFF),
    "small": Kind(SmallFloatLane, SMALL_FLOAT_LANE_CYCLES, small_fma, 2, 1),
}

#: Mistakes planted in the rounders of the lanes.
MISTAKES = ("none", "ties away", "sticky bits ignored", "tiny before rounding")


class Lanes(wiring.Component):
    """Lanes of a kind side by side."""

    def __init__(self, kind: str) -> None:
        self.kind = KINDS[kind]
        codes = {name: In(32 * LANES) for name in ("a", "b", "c")}
        super().__init__({"op": In(8 * LANES), "second": In(1), **codes, "results": Out(32 * LANES), "flags": Out(8 * LANES)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for index in range(LANES):
            m.submodules[f"lane{index}"] = lane = self.kind.lane()
            m.d.comb += [
                lane.op.eq(self.op.word_select(index, 8)[:5]),
                *(getattr(lane, name).eq(getattr(self, name).word_select(index, 32)) for name in ("a", "b", "c")),
                self.results.word_select(index, 32).eq(lane.result),
                self.flags.word_select(index, 8).eq(lane.flags),
            ]
            if self.kind.cycles > 1:
                m.d.comb += lane.second.eq(self.second)
        return m


def run_lanes(kind: str, test: str, count: int = 0) -> None:
    _, latency, _, cycles, truth = KINDS[kind]
    parameters = {"count": count, "latency": latency, "cycles": cycles, "truth": truth}
    run_bench(Lanes(kind), tests=[test], parameters=parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_results_and_flags_are_those_of_ieee_754(kind: str) -> None:
    run_lanes(kind, "vectors_in_every_cycle", 5_000)


@pytest.mark.parametrize("kind", KINDS)
def test_operations_on_one_number_are_right_on_every_bf16_number(kind: str) -> None:
    run_lanes(kind, "every_bf16_number")


@pytest.mark.parametrize("kind", KINDS)
def test_results_and_flags_of_any_numbers_are_those_of_ieee_754(kind: str) -> None:
    run_lanes(kind, "any_numbers")


@pytest.mark.parametrize("kind", KINDS)
def test_planted_mistakes_of_rounding_are_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = iter(MISTAKES)
    monkeypatch.setattr(KINDS[kind].rounds, "Round", lambda width: TamperedRound(width, next(planted)))
    run_lanes(kind, "mistakes_in_all_lanes_but_the_first", 200)


async def results_of(dut: Any, operations: vectors.Operations) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Results and flags; lanes take one operation after the other."""
    count, cycles = len(operations), bench_parameters()["cycles"]
    latency = bench_parameters()["latency"] + cycles - 1
    inputs = {
        name: to_words(np.pad(getattr(operations, name), (0, -count % LANES)).reshape(-1, LANES).repeat(cycles, axis=0))
        for name in ("op", "a", "b", "c")
    }
    inputs["second"] = [int(cycle % cycles > 0) for cycle in range(len(inputs["op"]))]
    record = await play(dut, inputs, ["results", "flags"], extra_cycles=latency)
    results = from_words(record["results"][latency::cycles], np.zeros(LANES, np.uint32)).reshape(-1)[:count]
    compares = np.isin(operations.op, [vectors.NUMBERS[name] for name in ("eq", "lt", "le")])
    results = np.where(compares, results & np.uint32(bench_parameters()["truth"]), results)
    return results, from_words(record["flags"][latency::cycles], np.zeros(LANES, np.uint8)).reshape(-1)[:count]


def wrong(operations: vectors.Operations, codes: np.ndarray[Any, Any], flags: np.ndarray[Any, Any]) -> str:
    """A line for each of the first wrong results; empty if all are right."""
    right_codes, right_flags = operations.results()
    where = np.nonzero((codes != right_codes) | (flags != right_flags))[0][:10]
    lines = str(operations[where]).splitlines()
    return "\n".join(
        f"{line} is {right_codes[i]:#010x} with flags {right_flags[i]:#x}, not {codes[i]:#010x} with {flags[i]:#x}"
        for line, i in zip(lines, where, strict=True)
    )


@cocotb.test()
async def vectors_in_every_cycle(dut: Any) -> None:
    await start(dut)
    operations = vectors.mixed(bench_rng(), bench_parameters()["count"])
    assert not (text := wrong(operations, *await results_of(dut, operations))), text


@cocotb.test()
async def every_bf16_number(dut: Any) -> None:
    await start(dut)
    operations = vectors.all_bf16_operands()
    assert not (text := wrong(operations, *await results_of(dut, operations))), text


@cocotb.test()
async def mistakes_in_all_lanes_but_the_first(dut: Any) -> None:
    await start(dut)
    operations = vectors.mixed(bench_rng(), bench_parameters()["count"])
    codes, flags = await results_of(dut, operations[np.repeat(np.arange(len(operations)), LANES)])
    found = [bool(wrong(operations, codes[lane::LANES], flags[lane::LANES])) for lane in range(LANES)]
    assert found == [False, True, True, True], dict(zip(MISTAKES, found, strict=True))


@cocotb.test()
async def any_numbers(dut: Any) -> None:
    await start(dut)
    code = st.one_of(
        st.integers(0, 0xFFFF_FFFF),
        st.sampled_from(FP32_CORNERS),
        # Few significant bits and near exponents: ties, cancellation, carries.
        st.builds(
            lambda sign, field, top, low: sign << 31 | field << 23 | top << 21 | low,
            st.integers(0, 1), st.integers(100, 130), st.integers(0, 3), st.integers(0, 3),
        ),
    )  # fmt: skip

    async def check(listed: list[tuple[int, int, int, int]]) -> None:
        await FallingEdge(dut.clk)
        op, a, b, c = np.array(listed, np.uint32).T
        operations = vectors.Operations(op.astype(np.uint8), a, b, c)
        assert not (text := wrong(operations, *await results_of(dut, operations))), text

    operation = st.tuples(st.sampled_from(sorted(vectors.NAMES)), code, code, code)
    await check_property(check, max_examples=200, listed=st.lists(operation, min_size=1, max_size=64))
