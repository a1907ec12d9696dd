# SPDX-License-Identifier: Apache-2.0
"""Cycle counts of the core's benchmarks equal the checked-in ones exactly, and reach what the project promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.d1.baselines import SMALL_SHAPES, read_baselines
from scripts.d1.core_baselines import (
    CASES,
    EXCHANGES,
    FILE,
    SCALAR_CASES,
    CoreCase,
    CoreCounts,
    measure,
)
from scripts.d1.report import Stages
from sw.benchmarks.exchange_source import Sender
from sw.benchmarks.scalar import SCALAR_BENCHMARKS


def kept(case: CoreCase) -> dict[str, int]:
    """The baseline of a case."""
    counts: dict[str, int] = read_baselines(FILE)[case.name]
    return counts


def instructions_per_cycle(case: CoreCase) -> float:
    counts = kept(case)
    return counts["retired"] / counts["cycles"]


def test_every_case_has_its_baseline_and_no_other_is_kept() -> None:
    assert list(read_baselines(FILE)) == [case.name for case in CASES]


@pytest.mark.rtl
def test_cycle_counts_equal_their_baselines() -> None:
    measured = {case.name: measure(case, Stages()).record() for case in CASES}
    assert measured == read_baselines(FILE), "if this is meant: make baselines"


def test_one_thread_issues_an_instruction_per_cycle_and_four_together_1_8() -> None:
    alone, together = (
        [instructions_per_cycle(case) for case in SCALAR_CASES if case.name.endswith(f", {threads}")]
        for threads in ("1 thread", "4 threads")
    )
    assert len(alone) == len(together) == 5
    assert min(alone) >= 1.0
    assert min(together) >= 1.8


def test_four_threads_are_faster_than_one_after_the_other() -> None:
    cycles = [kept(case)["cycles"] for case in SCALAR_CASES]
    for alone, together in zip(cycles[::2], cycles[1::2], strict=True):
        assert together < 4 * alone


@pytest.mark.parametrize("sender, lines_per_cycle", [(Sender.THREADS, 0.98), (Sender.PUSH, 0.99), (Sender.PULL, 0.49)])
def test_a_tile_exchange_at_the_rate_of_the_link_costs_the_computing_threads_less_than_3_percent(
    sender: Sender, lines_per_cycle: float
) -> None:
    """READs take half of a link both ways."""
    alone, beside = kept(EXCHANGES[Sender.NOBODY]), kept(EXCHANGES[sender])
    assert alone["steps"] == beside["steps"]
    assert alone["steps"] / alone["step_cycles"] >= 0.99
    assert beside["step_cycles"] < 1.03 * alone["step_cycles"]
    assert beside["lines_each_way"] / beside["send_cycles"] >= lines_per_cycle
    # Lines go both ways for as long as steps are made.
    assert beside["send_cycles"] > beside["step_cycles"]
    assert beside["bank_conflicts"] <= 10


def test_the_readme_has_the_baselines() -> None:
    lines = (Path(__file__).parents[2] / "README.md").read_text().split("\n")
    for case in SMALL_SHAPES:
        counts = read_baselines()[case.name]
        busy = 100 * counts["steps_per_node"][0] / counts["cycles"]
        start = f"| {case.m}×{case.n}×{case.k} | {counts['cycles']:,} | {busy:.1f} %"
        assert [line for line in lines if line.startswith(start)], start
    for title, alone, together in zip(
        (benchmark.title for benchmark in SCALAR_BENCHMARKS), SCALAR_CASES[::2], SCALAR_CASES[1::2], strict=True
    ):
        end = f" | {instructions_per_cycle(alone):.2f} | {instructions_per_cycle(together):.2f} |"
        assert [line for line in lines if line.startswith(f"| {title}") and line.endswith(end)], title + end


def test_rates_are_counts_over_their_own_cycles() -> None:
    counts = CoreCounts(
        {"step_cycles": 10, "steps": 5, "send_cycles": 20, "lines": 5}, {"lines_per_cycle": ("lines", "send_cycles")}
    )
    assert counts.rates() == {"lines_per_cycle": 0.25}
    assert counts.cycles == 10
