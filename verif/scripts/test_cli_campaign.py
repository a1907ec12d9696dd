# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign``: what it compares, what it says when something differs, and when a package is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from golden.layout import Flag
from scripts.d1.main import run
from verif.campaigns import boards, formal, fp32, netlist, routers, sizes
from verif.golden import fp32_oracle
from verif.scripts.command import d1, refused
from verif.sizes import record
from verif.sizes.area import KINDS, PARTS
from verif.sizes.grid import Size
from verif.sizes.measure import BENCHMARKS, Execution


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


def test_boards_are_built_and_held_against_their_fpgas() -> None:
    outcome = d1("campaign", "boards", "ulx3s-85f", "tang-nano-20k", "--design", "blinky", "--json")
    assert outcome.code == 0, outcome
    assert outcome.json["passed"]
    for board in outcome.json["boards"]:
        assert 0 < board["used"]["FF"] < board["available"]["FF"]
        assert board["fmax_mhz"] == []
        assert f"{board['board']}: " in outcome.stderr
    table = d1("campaign", "boards", "ulx3s-85f", "--design", "blinky")
    assert table.code == 0
    assert "ulx3s-85f" in table.stdout
    assert "(0 %)" in table.stdout


def test_design_that_does_not_fit_fails_the_campaign(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = boards.BoardOutcome("ulx3s-85f", "node of 'd1'", {"LUT4": 90_000}, {"LUT4": 83_640}, error="does not fit: LUT4")

    def build(
        names: object, tell: Callable[[str, str], None], *, done: Callable[[object], None], **options: object
    ) -> list[object]:
        tell(outcome.board, "synthesis")
        done(outcome)
        return [outcome]

    monkeypatch.setattr(boards, "run", build)
    assert run(["campaign", "boards"]) == 1
    shown = capsys.readouterr()
    assert "90,000 (108 %)" in shown.out
    assert "FAILED: does not fit" in shown.err


def test_netlist_that_fails_or_shows_no_fault_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen, seen = (netlist.FaultOutcome(cell, caught, "silence") for cell, caught in (("a.lut", False), ("b.lut", True)))
    for outcome, code in (
        (netlist.NetlistOutcome({"LUT4": 5}, True, "", ["passed"], 1.0), 0),
        (netlist.NetlistOutcome({"LUT4": 5}, False, "no answer", [], 1.0), 1),
        (netlist.NetlistOutcome({"LUT4": 5}, True, "", ["passed"], 1.0, [unseen]), 1),
        (netlist.NetlistOutcome({"LUT4": 5}, True, "", ["passed"], 1.0, [unseen, seen]), 0),
    ):
        monkeypatch.setattr(netlist, "run", lambda *arguments, outcome=outcome, **options: outcome)
        assert run(["campaign", "netlist", "--step", "hello"]) == code
        shown = capsys.readouterr().out
        assert ("FAILED: no answer" in shown) is (not outcome.passed)
        assert ("fault in a.lut: NOT SEEN" in shown) is (unseen in outcome.faults)
        assert ("fault in b.lut: silence" in shown) is (seen in outcome.faults)
        assert run(["campaign", "netlist", "--step", "hello", "--json"]) == code
        assert f'"passed": {str(code == 0).lower()}' in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, part",
    [
        (("netlist", "--board", "de10"), "de10"),
        (("netlist", "--step", "fly"), "fly"),
        (("netlist", "--faults", "-1"), "--faults"),
        (("netlist", "--board", "tang-nano-20k", "--step", "hello"), "no ECP5"),
        (("boards", "de10"), "de10"),
        (("boards", "--seeds", "2"), "--pnr"),
        (("boards", "icebreaker", "--design", "array"), "does not fit"),
    ],
)
def test_boards_and_steps_that_are_not_there_are_refused(arguments: tuple[str, ...], part: str) -> None:
    refused(d1("campaign", *arguments), 2, part)


@pytest.mark.parametrize("as_json", [False, True])
def test_sizes_end_with_1_if_one_fails_and_tell_what_repeats_it(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(chosen: Collection[Size], tell: sizes.Progress, *, processes: int | None) -> list[sizes.SizeOutcome]:
        assert processes == 3
        area = {part: dict.fromkeys(KINDS, 1000) for part in PARTS}
        execution = Execution(1234, 900, 0.75, {name: (1.25, 2.0) for name in BENCHMARKS})
        good, bad = sorted(chosen)
        return [sizes.SizeOutcome(good, execution, area), sizes.SizeOutcome(bad, errors=["Difference: here"])]

    monkeypatch.setattr(sizes, "run", measured)
    names = ["--only", "4/16/3/1", "--only", "1/8/8/4", "--only", "4/16/3/1"]
    assert run(["campaign", "sizes", *names, "--processes", "3", *(["--json"] if as_json else [])]) == 1
    shown = capsys.readouterr()
    if as_json:
        report = json.loads(shown.out)
        assert [(each["size"], each["passed"]) for each in report["sizes"]] == [("1/8/8/4", True), ("4/16/3/1", False)]
        assert not report["passed"]
    else:
        assert "3,000" in shown.out
        assert "4/16/3/1 FAILED; to repeat it: d1 campaign sizes --only 4/16/3/1" in shown.out
    assert "4/16/3/1 FAILED: Difference: here" in shown.err


@pytest.mark.parametrize(
    "size, part",
    [("4/16/3", "THREADS/FETCH/DECODE/ISSUE"), ("3/16/4/2", "threads = 3 is not one of 1, 2, 4"), ("a/b/c/d", "a/b/c/d")],
)
def test_sizes_that_are_none_are_refused(size: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["campaign", "sizes", "--only", size]) == 2
    assert part in capsys.readouterr().err


def test_list_of_sizes_is_written_of_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D1_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(record, "RECORD", tmp_path / "measured.json")
    page = tmp_path / "sizes.md"
    assert run(["campaign", "sizes", "--kept", "--write", str(page)]) == 0
    assert "216 not measured" in capsys.readouterr().err
    assert page.read_text().startswith("# Sizes of the pipelined core")


def proof(*, proved: bool, reached: int | None, run: list[dict[str, int]] | None = None) -> formal.Outcome:
    return formal.Outcome("narrow", "insn_add", 8, proved, reached, 1.5, run or [])


@pytest.mark.parametrize(
    "outcome, code, shown",
    [
        (proof(proved=True, reached=5), 0, "proved"),
        (proof(proved=False, reached=5, run=[{"rvfi_valid": 1, "rvfi_insn": 0x33}]), 1, "rvfi_insn=0x33"),
        (proof(proved=True, reached=None), 1, "never"),
    ],
    ids=["proved", "fails", "untested"],
)
def test_a_property_that_fails_or_is_put_to_no_test_fails_the_campaign(
    outcome: formal.Outcome, code: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formal, "run", lambda *arguments, **options: [outcome])
    assert run(["campaign", "formal", "narrow/insn_add", "--depth", "8"]) == code
    assert shown in capsys.readouterr().out
    assert run(["campaign", "formal", "--json"]) == code
    assert f'"proved": {str(outcome.proved).lower()}' in capsys.readouterr().out


@pytest.mark.parametrize("depth, code, shown", [(6, 0, "found"), (None, 1, "MISSED")])
def test_a_planted_mistake_that_no_check_finds_fails_the_campaign(
    depth: int | None, code: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = formal.Finding("restarted", "loads", "LOADED_TOO_SOON", depth, 1.5)
    monkeypatch.setattr(formal, "find_mistakes", lambda *arguments, **options: [finding])
    assert run(["campaign", "formal", "restarted/loads", "--mistakes"]) == code
    assert shown in capsys.readouterr().out
    assert run(["campaign", "formal", "--mistakes", "--json"]) == code
    assert f'"passed": {str(depth is not None).lower()}' in capsys.readouterr().out


def test_checks_can_be_named() -> None:
    checks = d1("campaign", "formal", "--list", "--json").json["checks"]
    assert {"narrow/insn_add", "pair/program_order", "narrow-registers/registers"} <= set(checks)
    refused(d1("campaign", "formal", "narrow/insn_adx"), 2, "narrow/insn_adx", "--list")
    refused(d1("campaign", "formal", "--depth", "3"), 2, "--depth 3", "6")
    refused(d1("campaign", "formal", "--mistakes", "--depth", "9"), 2, "--depth", "--mistakes")


@pytest.mark.parametrize("check, code, shown", [(None, 0, "proved"), ("lost", 1, "FAILS: lost in cycle 4")])
def test_proofs_of_routers_are_reported(
    check: str | None, code: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = routers.Outcome("router/south-request", check, check and 4, 1.5)  # type: ignore[arg-type]
    monkeypatch.setattr(routers, "run", lambda *arguments: [outcome])
    assert run(["campaign", "routers", "router/south-request"]) == code
    assert shown in capsys.readouterr().out
    assert run(["campaign", "routers", "--json"]) == code


def test_proofs_of_routers_are_named_and_others_refused() -> None:
    assert d1("campaign", "routers", "--list", "--json").json["proofs"] == routers.names()
    refused(d1("campaign", "routers", "router/up"), 2, "router/up", "--list")
    refused(d1("campaign", "routers", "--depth", "3"), 2, "--depth 3", "6")
