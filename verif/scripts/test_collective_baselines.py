# SPDX-License-Identifier: Apache-2.0
"""Cycles of barriers, broadcasts and sums equal the checked-in ones exactly, and barriers keep what their contract states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.d1.baselines import read_baselines
from scripts.d1.collective_baselines import (
    BARRIER_BOUNDS,
    BARRIERS,
    CASES,
    FILE,
    LIVE_BARRIER_BOUNDS,
    LIVE_BARRIERS,
    SLOW,
    CollectiveCase,
    measure,
    record,
)
from scripts.d1.report import Stages

DOCUMENT = Path(__file__).parents[2] / "docs" / "collectives.md"


def test_every_case_has_its_baseline_and_no_other_is_kept() -> None:
    assert list(read_baselines(FILE)) == [case.name for case in CASES]


@pytest.mark.rtl
def test_cycles_equal_their_baselines() -> None:
    measured = {case.name: record(measure(case, Stages())) for case in CASES if case not in SLOW}
    slow = {case.name for case in SLOW}
    kept = {name: counts for name, counts in read_baselines(FILE).items() if name not in slow}
    assert measured == kept, "if this is meant: make baselines"


@pytest.mark.parametrize("bounds_of, barriers", [(BARRIER_BOUNDS, BARRIERS), (LIVE_BARRIER_BOUNDS, LIVE_BARRIERS)])
@pytest.mark.parametrize("config", BARRIER_BOUNDS)
def test_barriers_take_a_constant_and_so_many_cycles_per_hop_of_the_diameter(
    config: str, bounds_of: dict[str, tuple[int, int]], barriers: tuple[CollectiveCase, ...]
) -> None:
    constant, per_hop = bounds_of[config]
    kept = read_baselines(FILE)
    taken = {case.diameter: kept[case.name]["cycles"] for case in barriers if case.config == config}
    bounds = {diameter: constant + per_hop * diameter for diameter in taken}
    assert all(taken[diameter] <= bounds[diameter] for diameter in taken)
    # The bound is not one that anything keeps: the largest rectangle comes near it.
    assert taken[max(taken)] > 0.95 * bounds[max(taken)]


def test_the_document_has_the_baselines() -> None:
    text = DOCUMENT.read_text()
    for case in CASES:
        cycles = read_baselines(FILE)[case.name]["cycles"]
        shape = f"{case.rows}×{case.columns}" + f" less {len(case.dead)}" * bool(case.dead)
        assert re.search(
            rf"^\| `{case.config}` \| {case.what} \| {shape} \| {case.lines or ''} ?\| {cycles:,} \|$", text, re.M
        ), case.name
    bounds = [*BARRIER_BOUNDS.items(), *LIVE_BARRIER_BOUNDS.items()]
    for config, (constant, per_hop) in bounds:
        assert f"{constant} + {per_hop} × D on `{config}`".replace("1 × ", "") in text
