# SPDX-License-Identifier: Apache-2.0
"""``d1 bench network``: what it measures, draws and refuses."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from scripts.network.curves import Curve, Job
from scripts.network.measurement import Measurement
from scripts.network.plots import plot
from scripts.simulator.errors import ToolMissing
from verif.scripts.command import d1, refused


@pytest.mark.rtl
def test_figures_as_json_and_as_a_table() -> None:
    # The harness takes a while to build on a busy machine.
    outcome = d1("bench", "network", "--array", "3x3", "--pattern", "neighbour", "--channel-depth", "5", "--json")
    assert outcome.code == 0, outcome.stderr
    figures = outcome.json
    assert figures["passed"]
    assert (figures["rows"], figures["columns"], figures["channel_depth"], figures["seed"]) == (3, 3, 5, 1)
    assert [check["figure"] for check in figures["checks"]] == ["hops + 1 cycles", "1 flits per cycle on each"]
    assert [(each["pattern"], each["classes"]) for each in figures["curves"]] == [
        ("neighbour", "requests"),
        ("neighbour", "both"),
    ]
    for each in figures["curves"]:
        assert each["zero_load_latency"] == 2
        assert 0.5 < each["saturation_of_bound"] <= 1
        first = each["points"][0]
        assert first["offered"] == pytest.approx(0.05 * each["bound"], rel=0.2)
        assert 2 <= first["median"] <= first["mean"] <= first["p99"] + 1
        assert set(first["classes"]) == ({"request"} if each["classes"] == "requests" else {"request", "response"})
    table = d1("bench", "network", "--array", "3x3", "--pattern", "neighbour", "--channel-depth", "5")
    assert table.code == 0
    assert "hops + 1 cycles" in table.stdout
    assert [line.split()[:3] for line in table.stdout.splitlines() if line.strip().startswith("neighbour")] == [
        ["neighbour", "requests", "2.00"],
        ["neighbour", "both", "2.00"],
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--pattern", "rain"], "--pattern 'rain' is not one of uniform, transpose,"),
        (
            ["--pattern", "transpose", "--array", "3x4"],
            "--pattern transpose needs an array with as many rows as columns, not 3x4",
        ),
        (["--array", "2x8"], "--array 2x8: rows and columns go from 3 to 16"),
        (["--array", "17x8"], "--array 17x8: rows and columns go from 3 to 16"),
        (["--config", "nano"], "--config nano has links that carry a flit in 4 cycles; choose a preset with 1"),
        (["--channel-depth", "2"], "channel_depth = 2 is outside of 3 to 64"),
        (["--plot", "figure.pdf"], "--plot figure.pdf: the name has to end with .svg or .png"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], message: str) -> None:
    refused(d1("bench", "network", *arguments), 2, message)


@pytest.fixture
def curve() -> Curve:
    """A curve of three points that nobody measured."""

    def measured(latency: int) -> Measurement:
        return Measurement(3, 3, 10, (9, 0), (9, 0), (0, 0), (9, 0), ({latency: 9}, {}), {}, {(0, 0, 2): 5}, 9, 9, 20)

    points = {Fraction(part, 10): measured(latency) for part, latency in ((1, 3), (5, 5), (9, 200))}
    return Curve(Job(Path("none"), 3, 3, "uniform"), points, Fraction(1, 2), measured(300))


def test_plots_are_equal_for_equal_curves(curve: Curve, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg", "one.png"):
        plot(tmp_path / name, "title", [curve])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "uniform, requests" in (tmp_path / "one.svg").read_text()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_missing_matplotlib_is_named_with_what_to_do(curve: Curve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ToolMissing, match=r"matplotlib.* is missing; install it: pip install 'opend1\[plots\]'") as caught:
        plot(tmp_path / "one.svg", "title", [curve])
    assert caught.value.exit_code == 3
    assert not list(tmp_path.iterdir())
