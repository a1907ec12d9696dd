# SPDX-License-Identifier: Apache-2.0
"""Cycle counts of the main job equal the checked-in ones exactly, and reach what the project promises."""

from __future__ import annotations

import pytest

from golden.config import PRESETS
from scripts.d1.baselines import CASES, FOUR_NODES, ONE_NODE, Case, measure, read_baselines, record
from scripts.d1.benchmarks import network_figures
from scripts.d1.report import Stages


def utilisation_per_node(case: Case) -> list[float]:
    """Of a baseline: steps per cycle of each node."""
    counts = read_baselines()[case.name]
    return [steps / cycles for steps, cycles in zip(counts["steps_per_node"], counts["cycles_per_node"], strict=True)]


def test_every_case_has_its_baseline_and_no_other_is_kept() -> None:
    assert set(read_baselines()) == {case.name for case in CASES}


@pytest.mark.rtl
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cycle_counts_equal_their_baseline(case: Case) -> None:
    assert record(measure(case, Stages())) == read_baselines()[case.name], "if this is meant: make baselines"


@pytest.mark.rtl
def test_a_hop_takes_one_cycle_and_a_link_carries_a_line_per_cycle() -> None:
    config = PRESETS["tiny"]
    expected = {"cycles_per_hop": 1, "bytes_per_cycle_and_link": config.line_bytes}
    assert network_figures(config, Stages()) == expected


def test_one_node_with_everything_in_its_sram_keeps_its_matrix_unit_busy_97_percent() -> None:
    assert min(utilisation_per_node(ONE_NODE)) >= 0.97


def test_four_nodes_that_exchange_tiles_keep_their_matrix_units_busy_90_percent() -> None:
    assert min(utilisation_per_node(FOUR_NODES)) >= 0.90
