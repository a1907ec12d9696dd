# SPDX-License-Identifier: Apache-2.0
"""The campaign of boards: what it builds, what it says of designs that do not fit and of tools that fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fpga.boards import BOARDS
from fpga.build import BuildResult
from fpga.errors import BuildFailed, ToolMissing, UnknownBoard
from fpga.report import BuildReport, Resource
from verif.campaigns import boards


class Builder:
    """Stands in for the build flow; every board takes half of its FPGA, but for those that are named.

    Members
    -------
    calls : list of (board, design, seed or None)
    excess : set of str
        Boards whose design takes one look-up table too many.
    errors : dict of str to Exception
        Raised for boards.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int | None]] = []
        self.excess: set[str] = set()
        self.errors: dict[str, Exception] = {}

    def __call__(self, board: Any, design: Any, settings: Any, *, seed: int = 1, place: bool = True, tell: Any) -> BuildResult:
        self.calls.append((board.name, design.name, seed if place else None))
        tell("synthesis", 0.0, "begins")
        if board.name in self.errors:
            raise self.errors[board.name]
        available = boards.capacity(board)
        used = {name: has + 1 if board.name in self.excess else has // 2 for name, has in available.items()}
        resources = {name: Resource(used[name], available[name] if place else None) for name in available}
        report = BuildReport(
            board.name, design.name, None, 1, 1, seed, settings.clock_hz / 1e6, resources, 40.0 + seed if place else None
        )
        return BuildResult(None, report, {}, {}, Path())


def quiet(board: str, note: str) -> None:
    pass


def test_every_board_that_nodes_run_on_is_built_with_its_default_design() -> None:
    builder = Builder()
    told = []
    outcomes = boards.run(boards.tier_one(), lambda board, note: told.append(board), builder=builder)
    wanted = [(board.name, board.default_design, None) for board in BOARDS.values() if board.tier == 1]
    assert len(wanted) > 3
    assert builder.calls == wanted
    assert all(outcome.passed and outcome.used and outcome.fmax_mhz == [] for outcome in outcomes)
    assert list(dict.fromkeys(told)) == [name for name, _, _ in wanted]


def test_every_board_has_a_capacity_for_each_resource() -> None:
    for board in BOARDS.values():
        assert {"LUT4", "FF", "DSP", "BRAM"} <= set(boards.capacity(board)), board.name


def test_seeds_are_placed_and_routed_and_their_clocks_reported() -> None:
    builder = Builder()
    (outcome,) = boards.run(["ulx3s-85f"], quiet, design="node", seeds=3, builder=builder)
    assert builder.calls == [("ulx3s-85f", "node", seed) for seed in (None, 1, 2, 3)]
    assert outcome.fmax_mhz == [41.0, 42.0, 43.0]
    assert outcome.fmax_median_mhz == 42.0
    assert outcome.as_dict()["fmax_median_mhz"] == 42.0


def test_design_that_does_not_fit_fails_and_is_not_placed() -> None:
    builder = Builder()
    builder.excess = {"ulx3s-85f"}
    bad, good = boards.run(["ulx3s-85f", "colorlight-i9"], quiet, seeds=1, builder=builder)
    assert not bad.passed
    assert "does not fit: LUT4 83,641 of 83,640" in bad.error
    assert good.passed
    assert [seed for name, _, seed in builder.calls if name == "ulx3s-85f"] == [None]


def test_tools_that_fail_or_are_missing_fail_their_board_only() -> None:
    builder = Builder()
    builder.errors = {"ulx3s-85f": BuildFailed("no way"), "colorlight-i5": ToolMissing("yosys is missing")}
    failed, missing, good = boards.run(["ulx3s-85f", "colorlight-i5", "colorlight-i9"], quiet, builder=builder)
    assert (failed.error, failed.missing) == ("no way", False)
    assert (missing.error, missing.missing) == ("yosys is missing", True)
    assert good.passed


def test_unknown_board_is_refused_before_anything_is_built() -> None:
    builder = Builder()
    with pytest.raises(UnknownBoard):
        boards.run(["ulx3s-85f", "de10"], quiet, builder=builder)
    assert builder.calls == []
