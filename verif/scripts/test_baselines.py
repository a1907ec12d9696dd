# SPDX-License-Identifier: Apache-2.0
"""Cycle counts of the main job equal the checked-in ones exactly, and reach what the project promises."""

from __future__ import annotations

import pytest

from golden.config import PRESETS
from scripts.d1 import benchmarks
from scripts.d1.baselines import (
    CASES,
    EIGHT_BITS,
    FOUR_NODES,
    ONE_NODE,
    SMALL_CUBE,
    SMALL_SHAPES,
    Case,
    measure,
    read_baselines,
    record,
)
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


@pytest.mark.rtl
def test_a_multiply_add_of_all_lanes_and_a_matrix_step_are_issued_in_every_cycle() -> None:
    rates = benchmarks.issue_rates(PRESETS["d1"], Stages())
    assert set(rates) == {"simd_operations_per_cycle", "matrix_steps_per_cycle", "fp32_flop_per_cycle"}
    # What is missing are the cycles before the first and after the last one.
    assert min(rates["simd_operations_per_cycle"], rates["matrix_steps_per_cycle"]) > 0.99
    assert rates["fp32_flop_per_cycle"] > 0.99 * 32


def test_one_node_with_everything_in_its_sram_keeps_its_matrix_unit_busy_99_percent() -> None:
    assert min(utilisation_per_node(ONE_NODE)) >= 0.99


def test_a_cube_of_64_keeps_the_matrix_unit_busy_91_percent() -> None:
    assert min(utilisation_per_node(SMALL_CUBE)) >= 0.91


def test_what_is_not_a_step_costs_a_cube_of_any_size_at_most_110_cycles() -> None:
    for case in SMALL_SHAPES:
        counts = read_baselines()[case.name]
        if case.m == case.n == case.k:
            assert counts["cycles"] - counts["steps_per_node"][0] <= 110


def test_golden_figures_name_every_format_and_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks, "_ELEMENTS", 1 << 10)
    monkeypatch.setattr(benchmarks, "_LOOP_ITERATIONS", 100)
    converts = benchmarks.convert_speed(Stages())
    assert set(converts) == {"1-4-3", "1-5-2", "shp", "uhp", "bf16", "fp32"}
    for speeds in converts.values():
        assert set(speeds) == {"encode_per_second", "encode_stochastic_per_second", "decode_per_second"}
        assert min(speeds.values()) > 0
    golden = benchmarks.golden_speed(Stages())
    assert set(golden) == {f"gmac_per_second_{name}" for name in ("wide", "normal", "1-4-3")} | {"instructions_per_second"}
    assert min(golden.values()) > 0


def test_operands_of_eight_bits_keep_the_matrix_unit_busy_99_percent() -> None:
    assert min(utilisation_per_node(EIGHT_BITS)) >= 0.99


@pytest.mark.rtl
def test_operands_of_eight_bits_are_read_with_half_the_lines_of_bf16() -> None:
    eight, sixteen = (measure(case, Stages()) for case in (EIGHT_BITS, ONE_NODE))
    assert eight.steps_per_node == sixteen.steps_per_node
    assert (eight.lines_loaded_per_step, sixteen.lines_loaded_per_step) == (1.0, 2.0)


def test_four_nodes_that_exchange_tiles_keep_their_matrix_units_busy_97_percent() -> None:
    assert min(utilisation_per_node(FOUR_NODES)) >= 0.97
