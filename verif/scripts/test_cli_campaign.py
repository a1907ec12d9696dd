# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign``: what it compares, what it says when something differs, and when a package is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden.layout import Flag
from scripts.d1.main import run
from verif.campaigns import fp32
from verif.golden import fp32_oracle
from verif.scripts.command import d1, refused


def test_campaign_compares_so_many_operands_of_every_operation() -> None:
    outcome = d1("campaign", "fp32", "--pairs", "300", "--seed", "5", "--json")
    assert outcome.code == 0, outcome
    report = outcome.json
    assert (report["passed"], report["pairs"], report["seed"], report["mismatches"]) == (True, 300, 5, [])
    assert report["operations"] == {name: {"compared": 300, "mismatches": 0} for name in fp32_oracle.OPERATIONS}
    assert "FP32 operations, 300 operands of each: " in outcome.stderr
    assert "all bits and flags equal" in outcome.stderr


def test_table_has_every_operation() -> None:
    outcome = d1("campaign", "fp32", "--pairs", "50", "--processes", "1")
    assert outcome.code == 0
    for name in fp32_oracle.OPERATIONS:
        assert f"  {name} " in outcome.stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_mismatch_fails_the_campaign_and_is_shown(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = fp32.Mismatch("mul", (0x3F800000, 0x40000000), (0x40000001, int(Flag.INEXACT)), (0x40000000, 0))
    monkeypatch.setattr(fp32, "run", lambda *arguments, **options: [wrong])
    assert run(["campaign", "fp32", "--pairs", "7", *(["--json"] if as_json else [])]) == 1
    shown = capsys.readouterr().out
    if as_json:
        assert '"passed": false' in shown
        assert '"operation": "mul"' in shown
    else:
        assert "mul(0x3f800000, 0x40000000) gives 0x40000001" in shown


def test_missing_package_is_named_with_its_fix(tmp_path: Path) -> None:
    (tmp_path / "gmpy2.py").write_text("raise ModuleNotFoundError(\"No module named 'gmpy2'\", name='gmpy2')\n")
    root = Path(__file__).resolve().parents[2]
    outcome = d1("campaign", "fp32", "--pairs", "1", env={"PYTHONPATH": f"{tmp_path}:{root}"})
    refused(outcome, 3, "'gmpy2'", "not installed", "pip install -e '.[test]'")


@pytest.mark.parametrize(
    "arguments, part", [(("--pairs", "0"), "--pairs"), (("--seed", "-1"), "--seed"), (("--processes", "0"), "--processes")]
)
def test_numbers_out_of_range_are_refused(arguments: tuple[str, str], part: str) -> None:
    refused(d1("campaign", "fp32", *arguments), 2, part)
