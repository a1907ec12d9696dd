# SPDX-License-Identifier: Apache-2.0
"""Counts of the mesh under random traffic equal the checked-in ones exactly, and it saturates where the project promises."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from scripts.d1.baselines import read_baselines
from scripts.d1.network_baselines import CASES, CONFIG, FILE, measure
from scripts.d1.report import Stages
from scripts.network.build import build_harness
from scripts.network.curves import CLASSES, Job, point

#: Part of the theoretical bound at which uniform traffic on 8x8 nodes must not saturate the mesh.
PROMISED = Fraction(3, 4)


@pytest.fixture(scope="module")
def program() -> Path:
    return build_harness(CONFIG)


def test_every_case_has_its_baseline_and_no_other_is_kept() -> None:
    assert list(read_baselines(FILE)) == [case.name for case in CASES]


@pytest.mark.rtl
def test_counts_equal_their_baselines() -> None:
    measured = {case.name: measure(case, Stages()).record() for case in CASES}
    assert measured == read_baselines(FILE), "if this is meant: make baselines"


@pytest.mark.rtl
@pytest.mark.parametrize("classes", CLASSES)
def test_three_quarters_of_the_bound_of_uniform_traffic_do_not_saturate_the_mesh(program: Path, classes: str) -> None:
    job = Job(program, 8, 8, "uniform", classes)
    assert job.bound == Fraction(4, 8) * (1 - Fraction(1, 64))
    measured = point(job, PROMISED)
    assert not job.saturated(measured)
    assert measured.rate(measured.accepted) == pytest.approx(float(PROMISED * job.bound), rel=0.01)
    assert job.saturated(point(job, Fraction(1)))
