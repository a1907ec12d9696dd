# SPDX-License-Identifier: Apache-2.0
"""What the example programs compute, beyond the exit code by which they judge themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from golden.config import PRESETS, NodeConfig
from golden.formats import BF16, decode
from golden.layout import SRAM_BASE
from golden.mesh import GoldenArray
from golden.program import Program
from sw.assembler import assemble
from sw.host import run_program

EXAMPLES = Path(__file__).resolve().parents[2] / "sw" / "examples"
ROW = 42


def executed(source: str, config: NodeConfig) -> tuple[GoldenArray, Program]:
    """A node that has run the program with success."""
    program = assemble(source, config=config)
    array = GoldenArray(config, 1, 1)
    report = run_program(array, program, 100_000)
    assert report.passed, report.summary()
    return array, program


def softmax(config: NodeConfig, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The results of the softmax example with another seed, as they are and as they are in binary64."""
    source = (EXAMPLES / "softmax.s").read_text().replace(".equ SEED, 1\n", f".equ SEED, {seed}\n")
    array, program = executed(source, config)

    def row(label: str) -> np.ndarray:
        contents = array.peek(0, 0, program.symbols[label] - SRAM_BASE, 2 * ROW)
        return decode(np.frombuffer(contents, np.uint16), BF16)

    powers = np.exp(row("row").astype(np.float64))
    return row("result"), powers / powers.sum()


@pytest.mark.parametrize("preset", PRESETS)
def test_softmax_gives_bf16_neighbours_of_the_exact_results(preset: str) -> None:
    results, exact = softmax(PRESETS[preset])
    spacing = 2.0 ** (np.floor(np.log2(exact)) - 7)
    # Rounding stochastically takes one of the two neighbours. What precedes it is off by less than 2**-17, which matters only
    # where the exact result is that near to a number of the format.
    assert (np.abs(results - exact) < spacing + exact * 2.0**-17).all()
    assert len(np.unique(results)) > 30


def test_softmax_rounds_up_and_down_by_its_seed_and_is_unbiased() -> None:
    # Seeds that differ in a few low bits only have first draws that do so too.
    seeds = np.random.default_rng(1).integers(0, 1 << 32, 40)
    runs = [softmax(PRESETS["small"], seed)[0].astype(np.float64) for seed in seeds]
    exact = softmax(PRESETS["small"])[1]
    spread = np.ptp(runs, axis=0) > 0
    assert spread.mean() > 0.9
    # A draw between neighbours has a standard deviation of at most half their distance; the mean of 40 may be off by five.
    spacing = 2.0 ** (np.floor(np.log2(exact)) - 7)
    assert (np.abs(np.mean(runs, axis=0) - exact) < 5 * spacing / 2 / np.sqrt(40) + exact * 2.0**-17).all()


def test_softmax_leaves_nothing_behind_the_row() -> None:
    config = PRESETS["d1"]
    array, program = executed((EXAMPLES / "softmax.s").read_text(), config)
    beyond = array.peek(0, 0, program.symbols["result"] - SRAM_BASE, 2 * config.line_bytes)[2 * ROW :]
    assert beyond == bytes(len(beyond))
