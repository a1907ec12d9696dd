# SPDX-License-Identifier: Apache-2.0
"""Cycles of products with spread operands equal the checked-in ones exactly, reach what is promised, and stand in documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.d1.array_baselines import (
    CASES,
    DIE,
    FILE,
    PROMISED,
    SMALL,
    WEAK_SCALING,
    ArrayCase,
    alone,
    figures,
    measure,
    saturated_figures,
)
from scripts.d1.baselines import read_baselines, record
from verif.scripts.command import d1, refused

ROOT = Path(__file__).parents[2]


def busy(case: ArrayCase) -> list[float]:
    """Of a baseline: steps per cycle of each node."""
    counts = read_baselines(FILE)[case.name]
    return [steps / cycles for steps, cycles in zip(counts["steps_per_node"], counts["cycles_per_node"], strict=True) if steps]


def test_every_case_has_its_baseline_and_no_other_is_kept() -> None:
    assert list(read_baselines(FILE)) == [case.name for case in CASES]


@pytest.mark.rtl
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_cycle_counts_equal_their_baseline(case: ArrayCase) -> None:
    result, used = measure(case)
    assert record(result) == read_baselines(FILE)[case.name], "if this is meant: d1 bench arrays --only small --write-baselines"
    assert used["peak_bytes"] > 0


def test_sixteen_nodes_that_exchange_blocks_keep_each_matrix_unit_busy_95_percent() -> None:
    assert (PROMISED.array, PROMISED.m, PROMISED.n, PROMISED.k) == ("4x4", 1024, 1024, 1024)
    counts = read_baselines(FILE)[PROMISED.name]
    assert sum(counts["steps_per_node"]) == 1024**3 // 256
    # From the first thread's start in any node to the last one's halt in any.
    assert min(counts["steps_per_node"]) / counts["cycles"] >= 0.95
    assert min(busy(PROMISED)) >= 0.95


def test_documents_have_the_baselines() -> None:
    lines = (ROOT / "docs" / "large-arrays.md").read_text().split("\n")
    for case in (*WEAK_SCALING[128], *WEAK_SCALING[256], DIE):
        cycles, shares = read_baselines(FILE)[case.name]["cycles"], busy(case)
        mean, least = 100 * sum(shares) / len(shares), 100 * min(shares)
        shape = f"| {case.array.replace('x', '×')} | {case.m}×{case.n}×{case.k} | {cycles:,} | {mean:.1f} % | {least:.1f} % |"
        assert [line for line in lines if line.startswith(shape)], shape
    readme = f"{read_baselines(FILE)[PROMISED.name]['cycles']:,} | {100 * sum(busy(PROMISED)) / 16:.1f} %"
    assert readme in (ROOT / "README.md").read_text()


@pytest.mark.rtl
def test_command_measures_a_part_and_compares_it() -> None:
    outcome = d1("bench", "arrays", "--only", "weak-scaling", "--largest", "1", "--json")
    assert outcome.code == 0, outcome
    measured_all: dict[str, Any] = outcome.json
    assert measured_all["passed"] is True
    assert list(measured_all["products"]) == [each[0].name for each in WEAK_SCALING.values()]
    for name, measured in measured_all["products"].items():
        assert (measured["nodes"], measured["as_baseline"], measured["record"]) == (1, True, read_baselines(FILE)[name])
        assert {"cycles_per_second", "node_cycles_per_second", "peak_bytes", "utilisation", "load"} <= set(measured)


def test_plot_that_is_no_picture_is_refused() -> None:
    refused(d1("bench", "arrays", "--plot", "arrays.txt"), 2, "arrays.txt", ".svg or .png")


@pytest.mark.rtl
def test_memory_is_that_of_the_process_that_measures_and_of_none_that_started_it() -> None:
    large = np.ones(1 << 26)
    assert alone(figures, SMALL[0])["peak_bytes"] < large.nbytes


@pytest.mark.rtl
def test_a_saturated_array_makes_steps_in_all_nodes_and_cycles() -> None:
    used = saturated_figures(ArrayCase("tiny", "2x2", 8, 8, 16), 1, cycles=1000)
    assert used["cycles"] == 1000
    assert used["steps_per_cycle"] > 0.8
