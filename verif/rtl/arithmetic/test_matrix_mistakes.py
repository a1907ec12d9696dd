# SPDX-License-Identifier: Apache-2.0
"""Mistakes planted in the hardware of matrix steps are found by the vectors that its benches use."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K
from golden.layout import BIAS_BITS, FormatKind
from rtl.arithmetic import dot4
from rtl.arithmetic.dot4 import Dot4
from rtl.arithmetic.operand import EXPONENT_OFFSET, OPERAND_KIND_BITS, OperandDecoder
from verif.bench import bench_parameters, from_words, play, run_bench, start, to_words
from verif.golden import oracles, vectors
from verif.rtl.arithmetic.tampered_round import TamperedRound

#: Cycles from operands to sums, of the unit and of the small one.
LATENCIES = {False: 4, True: 6}

MISTAKES = ("none", "ties away", "truncation", "window of 33", "denormals not normalised", "swapped bias sides")

KINDS = {8: FormatKind.BF16, 4: FormatKind.CFP8_143, 5: FormatKind.CFP8_152}


class _Dot4(Dot4):
    """The four-product unit with a mistake."""

    def __init__(self, mistake: str, small: bool) -> None:
        self.mistake = mistake
        super().__init__(small)

    def elaborate(self, platform: Any) -> Module:
        rounds = self.mistake if self.mistake in ("ties away", "truncation") else "none"
        window = 33 if self.mistake == "window of 33" else dot4.WINDOW_BITS
        with (
            patch.object(dot4, "Round", lambda width: TamperedRound(width, rounds)),
            patch.object(dot4, "WINDOW_BITS", window),
        ):
            return super().elaborate(platform)


class Mistaken(wiring.Component):
    """A four-product unit with each of the mistakes, all with the same operands."""

    def __init__(self, small: bool) -> None:
        self.small = small
        sides = {
            f"{name}_{side}": In(bits)
            for side in "ab"
            for name, bits in (("codes", 16 * MATRIX_K), ("kind", OPERAND_KIND_BITS), ("bias", BIAS_BITS))
        }
        super().__init__({**sides, "sums": Out(32 * len(MISTAKES))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for lane, mistake in enumerate(MISTAKES):
            m.submodules[f"dot{lane}"] = dot = _Dot4(mistake, self.small)
            for side, other in ("ab", "ba"):
                m.submodules[f"decode_{side}{lane}"] = decoder = OperandDecoder(MATRIX_K)
                kind, bias = (getattr(self, f"{name}_{side}") for name in ("kind", "bias"))
                m.d.comb += [
                    decoder.codes.eq(getattr(self, f"codes_{side}")),
                    decoder.kind.eq(kind),
                    decoder.bias.eq(getattr(self, f"bias_{other}") if mistake == "swapped bias sides" else bias),
                    getattr(dot, side).eq(decoder.operands),
                ]
                if mistake == "denormals not normalised":
                    smallest = Mux(kind == FormatKind.BF16.value, EXPONENT_OFFSET - 126, EXPONENT_OFFSET + 1 - bias)
                    for k in range(MATRIX_K):
                        right, given = decoder.operands[k], getattr(dot, side)[k]
                        missing = Signal(signed(11), name=f"missing_{side}{k}")
                        m.d.comb += missing.eq(smallest - right.exponent)
                        with m.If((missing > 0) & ~right.zero):
                            m.d.comb += [given.exponent.eq(smallest), given.significand.eq(right.significand >> missing[:4])]
            m.d.comb += self.sums.word_select(lane, 32).eq(dot.sum)
        return m


@pytest.mark.parametrize("small", [False, True])
def test_planted_mistakes_are_found(small: bool) -> None:
    run_bench(Mistaken(small), parameters={"small": small})


@cocotb.test()
async def mistakes_in_all_units_but_the_first(dut: Any) -> None:
    await start(dut)
    inputs: dict[str, list[int]] = {f"{name}_{side}": [] for side in "ab" for name in ("codes", "kind", "bias")}
    expected = []
    directed = vectors.FormatSteps(oracles.BF16, oracles.BF16, *vectors.directed_steps())
    for part in (directed, *vectors.format_steps(12)):
        for side, fmt, codes in (("a", part.a_format, part.a), ("b", part.b_format, part.b)):
            inputs[f"codes_{side}"] += to_words(codes.astype(np.uint16))
            inputs[f"kind_{side}"] += [KINDS[fmt.exponent_bits].value] * len(codes)
            inputs[f"bias_{side}"] += [fmt.bias_field] * len(codes)
        expected += [
            oracles.matrix_sum(row, column, oracles.RIGHT, part.a_format, part.b_format)
            for row, column in zip(part.a.tolist(), part.b.tolist(), strict=True)
        ]
    latency = LATENCIES[bench_parameters()["small"]]
    record = await play(dut, inputs, ["sums"], extra_cycles=latency)
    sums = from_words(record["sums"][latency:], np.zeros(len(MISTAKES), np.uint32))[: len(expected)]
    found = (sums != np.array(expected, np.uint32)[:, None]).any(axis=0).tolist()
    assert found == [False, *[True] * (len(MISTAKES) - 1)], dict(zip(MISTAKES, found, strict=True))
