# SPDX-License-Identifier: Apache-2.0
"""Figures of boards: what is measured, how it is kept, and the tables that are made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fpga import measurements
from fpga.build import BuildResult
from fpga.choice import choose
from fpga.cli import fpga
from fpga.errors import BuildFailed, FpgaError
from fpga.measurements import BEGIN, END, Matmul, Measurement, load, markdown, matmul_utilisation, replace_part
from fpga.report import BuildReport, Resource
from golden.config import preset

README = Path(__file__).parents[2] / "README.md"

NANO = preset("nano")

ONE = Measurement(
    board="ulx3s-85f",
    design="array",
    config="nano",
    rows=2,
    columns=2,
    clock_mhz=50.0,
    key=NANO.key,
    tools={"yosys": "1"},
    resources={
        "LUT4": Resource(60_000, 80_000),
        "FF": Resource(1_234, 80_000),
        "DSP": Resource(16, 156),
        "BRAM": Resource(32, 208),
    },
    fmax_mhz={"1": 51.0, "2": 54.0, "3": 49.0, "4": 52.5, "5": 53.0},
    build_seconds=390.0,
    matmul=Matmul(64, 80_000, 0.625),
)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(fpga, ["report", *arguments])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of measurements of the test's own."""
    path = tmp_path / "measurements.json"
    measurements.save([ONE], path)
    for function in (measurements.load, measurements.save, measurements.update):
        monkeypatch.setattr(function, "__defaults__", (path,))
    return path


def test_the_readmes_table_is_that_of_the_file() -> None:
    page = README.read_text()
    assert replace_part(page, markdown(load())) == page, "d1 fpga report --write README.md"


def test_the_file_of_measurements_is_of_boards_and_nodes_that_there_are_with_all_seeds() -> None:
    known = load()
    for one in known:
        choice = choose(one.board, design=one.design, config=one.config)
        assert choice.settings.config is not None
        assert one.current == (one.key == choice.settings.config.key)
        assert len(one.fmax_mhz) >= 5
        assert {"LUT4", "FF", "DSP", "BRAM"} <= set(one.resources)
    assert len({one.name for one in known}) == len(known)


def test_a_row_tells_shares_median_range_and_products() -> None:
    row = measurements.row(ONE)
    assert len(row) == len(measurements.HEADER)
    assert row == (
        "ulx3s-85f",
        "2x2 nano",
        "60,000 (75 %)",
        "1,234 (2 %)",
        "16 (10 %)",
        "32 (15 %)",
        "52.5 (49.0–54.0)",
        "50 MHz",
        "6.5 min",
        f"{4 * NANO.macs_per_step / NANO.matrix_step_cycles * 50:,.0f} M",
        "62 % of 64³",
    )


def test_a_measurement_of_an_earlier_node_is_marked_and_the_mark_explained() -> None:
    assert "†" not in markdown([ONE])
    lines = markdown([ONE, replace(ONE, board="icepi-zero", key="another")]).splitlines()
    assert lines[2].startswith("| ulx3s-85f | ")
    assert lines[3].startswith("| icepi-zero † | ")
    assert lines[4:] == ["", "† measured before the preset of its nodes changed last"]


def test_peak_counts_every_node_at_the_clock_or_the_median_fmax_whichever_is_lower() -> None:
    per_cycle = 4 * NANO.macs_per_step / NANO.matrix_step_cycles
    assert ONE.macs_per_second == per_cycle * 50e6
    assert replace(ONE, clock_mhz=60.0).macs_per_second == per_cycle * 52.5e6
    assert replace(ONE, matmul=None).macs_per_second is None


def test_a_memory_without_a_core_has_a_row_without_products() -> None:
    resources = {"LUT4": Resource(3_000, 5_280), "FF": Resource(900, 5_280), "DSP": Resource(0, 8), "BRAM": Resource(4, 30)}
    one = replace(ONE, board="icebreaker", design="memory", resources=resources | {"SPRAM": Resource(2, 4)}, matmul=None)
    row = measurements.row(one)
    assert row[1] == "memory of nano"
    assert row[5] == "4 (13 %) + 2 (50 %) SPRAM"
    assert row[-2:] == ("–", "–")


def test_a_later_measurement_of_the_same_replaces_the_earlier_one(file: Path) -> None:
    assert load() == [ONE]
    other = replace(ONE, board="icepi-zero", rows=1, columns=1)
    measurements.update(other)
    measurements.update(replace(ONE, build_seconds=1.0))
    assert load() == [replace(ONE, build_seconds=1.0), other]


def test_a_measurement_takes_medians_over_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(board: Any, design: Any, settings: Any, *, seed: int, tell: Any) -> BuildResult:
        fmax, path = {1: 50.0, 2: 40.123, 3: 60.0}[seed], Path()
        report = BuildReport(
            board.name, design.name, settings.config.name, 2, 2, seed, 25.0, ONE.resources, fmax
        )  # fmt: skip
        return BuildResult(path, report, {}, {"synthesis": 100.0, "place and route": 10.0 * seed}, path)

    monkeypatch.setattr(measurements, "build", build)
    one = measurements.measure(
        choose("ulx3s-85f", array="2x2"), (1, 2, 3), multiply=lambda config, rows, columns: Matmul(8, rows, columns)
    )
    assert one.fmax_mhz == {"1": 50.0, "2": 40.12, "3": 60.0}
    assert (one.fmax_median_mhz, one.build_seconds, one.matmul) == (50.0, 120.0, Matmul(8, 2, 2))
    assert (one.name, one.key, one.resources) == (ONE.name, NANO.key, ONE.resources)
    assert set(one.tools) == {"yosys", "nextpnr-ecp5", "ecppack"}
    with pytest.raises(ValueError, match="'blinky' has no nodes"):
        measurements.measure(choose("ulx3s-85f", design="blinky"), (1,))


def test_utilisation_is_that_of_the_largest_product_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Done:
        stderr = "does not fit"

        def __init__(self, edge: str):
            self.returncode = 2 if int(edge) > 32 else 0
            self.stdout = json.dumps({"steps_per_node": [100, 60], "cycles": 800})

    def run(command: list[str], **named: Any) -> Done:
        asked.append(command)
        return Done(command[-1])

    monkeypatch.setattr("subprocess.run", run)
    product = matmul_utilisation(NANO, 1, 2)
    assert product == Matmul(32, 800, 160 * NANO.matrix_step_cycles / (800 * 2))
    assert [command[-1] for command in asked] == ["256", "128", "64", "32"]
    assert asked[0][asked[0].index("--array") + 1] == "1x2"
    monkeypatch.setattr(Done, "__init__", lambda self, edge: setattr(self, "returncode", 1))
    with pytest.raises(BuildFailed, match="does not fit"):
        matmul_utilisation(NANO, 1, 2)


@pytest.mark.rtl
def test_utilisation_comes_from_the_compiled_simulator() -> None:
    product = matmul_utilisation(preset("tiny"), 1, 1)
    assert product.edge == 32
    assert 0.3 < product.utilisation <= 1


def test_the_command_prints_and_writes_the_table(file: Path, tmp_path: Path) -> None:
    assert "52.5 (49.0–54.0)" in invoke().stdout
    shown = json.loads(invoke("ulx3s-85f", "--json").stdout)["measurements"]
    assert (shown[0]["board"], shown[0]["macs_per_second"]) == ("ulx3s-85f", ONE.macs_per_second)
    assert "nothing has been measured" in invoke("icepi-zero").stdout
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert invoke("--write", str(page)).exit_code == 0
    assert page.read_text() == f"before\n{BEGIN}\n{markdown([ONE])}{END}\nafter\n"
    page.write_text("no place")
    assert isinstance(invoke("--write", str(page)).exception, FpgaError)


def test_measuring_takes_the_boards_that_are_named_with_the_seeds_from_1(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def measure(choice: Any, seeds: Any, **named: Any) -> Measurement:
        taken.append((choice.describe(), list(seeds)))
        return replace(ONE, board=choice.board.name)

    monkeypatch.setattr(measurements, "measure", measure)
    result = invoke("colorlight-i9", "--measure", "--seeds", "2")
    assert result.exit_code == 0, result.output
    assert taken == [("node of 'nano' on colorlight-i9", [1, 2])]
    assert [one.board for one in load()] == ["ulx3s-85f", "colorlight-i9"]
    taken.clear()
    invoke("--measure", "--seeds", "1")
    assert ("array 2x2 of 'nano' on ulx3s-85f", [1]) in taken
    assert not any("icebreaker" in what for what, _ in taken)
    assert "has no nodes" in invoke("ulx3s-85f", "--measure", "--design", "blinky").output
