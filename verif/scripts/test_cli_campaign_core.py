# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign core``: what it runs, what it says when something differs, and that an interrupt leaves a summary."""

from __future__ import annotations

import json

import pytest

from golden.layout import Cause
from scripts.d1.main import run
from verif.campaigns import core
from verif.scripts.command import d1, refused

DIFFERENCE = core.FoundDifference(
    "tiny", 4, 17, "node x=0 y=0 thread 1 differs at its instruction 5", "  expected add\n  seen sub"
)


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> core.Report:
    """What the campaign comes to, without running it."""
    found = core.Report(tallies={"tiny": core.Tally(3, 30_000, 45_000, 0.5, 0.25, 0.125)}, seconds=2.0)
    found.coverage.instructions["add"] = 7
    found.coverage.causes[Cause.BREAKPOINT] = 2
    found.coverage.pairs["alu", "load"] = 5
    monkeypatch.setattr(core, "run", lambda *arguments, **options: found)
    return found


@pytest.mark.rtl
def test_campaign_runs_so_many_instructions_and_reports_what_was_executed() -> None:
    outcome = d1("campaign", "core", "--config", "tiny", "--instructions", "20000", "--processes", "1", "--json")
    assert outcome.code == 0, outcome
    found = outcome.json
    assert (found["passed"], found["interrupted"], found["differences"]) == (True, False, [])
    assert found["instructions"] >= 20_000
    assert found["configs"]["tiny"]["programs"] >= 1
    assert found["coverage"]["instructions"]["addi"] > 0
    assert "programs on tiny: " in outcome.stderr
    assert "per second" in outcome.stderr


def test_tables_show_rates_and_what_was_never_executed(report: core.Report, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["campaign", "core", "--config", "tiny"]) == 0
    shown = capsys.readouterr().out
    for part in ("30,000", "120,000", "60,000", "1 of ", "BREAKPOINT", "lui, auipc", "alu"):
        assert part in shown


@pytest.mark.parametrize("as_json", [False, True])
def test_difference_fails_the_campaign_with_the_command_that_repeats_it(
    as_json: bool, report: core.Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report.differences.append(DIFFERENCE)
    assert run(["campaign", "core", *(["--json"] if as_json else [])]) == 1
    shown = capsys.readouterr().out
    command = "d1 campaign core --config tiny --seed 4 --program 17"
    if as_json:
        found = json.loads(shown)
        assert not found["passed"]
        assert found["differences"][0]["command"] == command
        assert found["differences"][0]["what"] == DIFFERENCE.what
    else:
        for part in (DIFFERENCE.what, "expected add", command):
            assert part in shown


def test_interrupt_leaves_a_summary(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(program: object, library: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(core, "run_lockstep", interrupted)
    monkeypatch.setattr(core, "build", lambda config, progress=None: None)
    monkeypatch.setattr(core, "_library", lambda config: None)
    assert run(["campaign", "core", "--config", "tiny", "--processes", "1"]) == 130
    assert "interrupted" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (("--config", "huge"), ("'huge'", "tiny, nano")),
        (("--program", "3"), ("--program", "--config")),
        (("--program", "3", "--config", "tiny", "--config", "nano"), ("--program", "--config")),
        (("--instructions", "0"), ("--instructions",)),
    ],
)
def test_wrong_use_is_refused(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(d1("campaign", "core", *arguments), 2, *parts)
