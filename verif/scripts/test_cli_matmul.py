# SPDX-License-Identifier: Apache-2.0
"""``d1 matmul`` and what it needs: JSON, comparison, shapes that cannot be, tools that are missing; ``d1 verilog``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.d1.product import random_operand
from verif.scripts.command import d1, refused
from verif.scripts.test_cli import path_without

BACKENDS = pytest.mark.parametrize("backend", ["golden", pytest.param("rtl", marks=pytest.mark.rtl)])
KEYS = {"cycles", "utilisation", "utilisation_per_node", "mismatches", "node_cycles_per_second", "passed"}


def test_operands_have_both_signs_and_many_orders_of_magnitude() -> None:
    codes = random_operand(np.random.default_rng(1), 64, 64)
    values = (codes.astype(np.uint32) << 16).view(np.float32)
    assert np.isfinite(values).all()
    assert 0.4 < (values < 0).mean() < 0.6
    assert np.abs(values).max() / np.abs(values).min() > 1e6
    assert len(np.unique(codes)) > 2000


@BACKENDS
@pytest.mark.parametrize("array, shape", [("1x1", (8, 8, 8)), ("2x2", (9, 7, 5)), ("2x3", (1, 1, 1)), ("1x2", (3, 30, 33))])
def test_product_of_any_shape_equals_the_golden_model(backend: str, array: str, shape: tuple[int, int, int]) -> None:
    m, n, k = map(str, shape)
    options = ("--config", "tiny", "--array", array, "--backend", backend, "--json")
    outcome = d1("matmul", "--m", m, "--n", n, "--k", k, *options)
    assert outcome.code == 0, outcome
    report = outcome.json
    rows, columns = map(int, array.split("x"))
    assert report.keys() >= KEYS
    assert (report["passed"], report["mismatches"], report["backend"], report["array"]) == (True, 0, backend, array)
    assert len(report["utilisation_per_node"]) == rows * columns
    assert report["utilisation"] == pytest.approx(sum(report["utilisation_per_node"]) / (rows * columns))
    assert 0 < report["utilisation"] <= 1
    assert report["node_cycles_per_second"] > 0


@BACKENDS
@pytest.mark.parametrize("formats, told, lines_per_step", [
    (("--format-a", "1-4-3", "--format-b", "1-5-2"), ("1-4-3", 7, "1-5-2", 15), 1.0),
    (("--format-a", "1-5-2", "--bias-a", "0", "--format-b", "1-4-3", "--bias-b", "63"), ("1-5-2", 0, "1-4-3", 63), 1.0),
    (("--format-b", "1-4-3", "--bias-b", "11"), ("bf16", None, "1-4-3", 11), 1.5),
    ((), ("bf16", None, "bf16", None), 2.0),
])  # fmt: skip
def test_operands_may_have_any_format(
    backend: str, formats: tuple[str, ...], told: tuple[str | int | None, ...], lines_per_step: float
) -> None:
    options = ("--m", "9", "--n", "6", "--k", "13", "--config", "tiny", "--array", "1x1", "--backend", backend, "--json")
    report = d1("matmul", *formats, *options).json
    assert (report["passed"], report["mismatches"]) == (True, 0)
    assert tuple(report[key] for key in ("format_a", "bias_a", "format_b", "bias_b")) == told
    assert report["lines_loaded_per_step"] == lines_per_step
    assert report["lines_loaded"] == lines_per_step * sum(report["steps_per_node"])


@pytest.mark.rtl
@pytest.mark.parametrize("array", ["1x1", "2x1", "2x2"])
@pytest.mark.parametrize("formats", [("1-4-3", "bf16"), ("bf16", "1-5-2"), ("1-5-2", "1-4-3")], ids="-".join)
def test_second_steps_that_wait_for_a_bank_keep_the_operand_that_they_share(array: str, formats: tuple[str, str]) -> None:
    # On the smallest SRAM, operands, code and results lie in the same banks.
    shape = ("--m", "16", "--n", "16", "--k", "64")
    options = ("--format-a", formats[0], "--format-b", formats[1], "--config", "tiny", "--array", array, "--json")
    report = d1("matmul", *shape, *options).json
    assert (report["passed"], report["mismatches"]) == (True, 0)
    assert report["bank_conflicts"] > 0


@BACKENDS
@pytest.mark.parametrize("array, shape, formats", [
    ("2x2", (9, 7, 50), ()), ("2x3", (20, 24, 60), ("--format-b", "1-4-3")), ("2x2", (16, 16, 300), ()),
])  # fmt: skip
def test_operands_may_be_spread_over_the_nodes(
    backend: str, array: str, shape: tuple[int, int, int], formats: tuple[str, ...]
) -> None:
    m, n, k = map(str, shape)
    options = ("--spread", "--config", "tiny", "--array", array, "--backend", backend, "--json")
    report = d1("matmul", "--m", m, "--n", n, "--k", k, *formats, *options).json
    assert (report["spread"], report["passed"], report["mismatches"]) == (True, True, 0)
    assert report["packets"] > sum(steps > 0 for steps in report["steps_per_node"])


@pytest.mark.parametrize("options, parts", [
    (("--config", "small"), ("'small'", "lists = 0", "d1, medium or tiny")),
    (("--config", "tiny", "--m", "1000"), ("1000 x 256 x 256", "16384 bytes", "more nodes")),
])  # fmt: skip
def test_operands_that_cannot_be_spread_are_refused(options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(d1("matmul", "--spread", *options), 2, *parts)


@pytest.mark.parametrize("arguments, parts", [
    (("--format-a", "fp8"), ("--format-a", "'fp8'", "1-4-3")),
    (("--format-a", "1-4-3", "--bias-a", "64"), ("--bias-a", "64")),
    (("--bias-b", "3"), ("--bias-b 3", "bf16 has a fixed bias", "--format-b 1-4-3 or 1-5-2")),
])  # fmt: skip
def test_format_that_is_none_is_refused(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(d1("matmul", *arguments), 2, *parts)


def test_seed_decides_the_operands_and_nothing_else_does() -> None:
    options = (
        "matmul",
        "--m",
        "8",
        "--n",
        "8",
        "--k",
        "8",
        "--config",
        "tiny",
        "--array",
        "1x1",
        "--backend",
        "golden",
        "--json",
    )
    first, second = (d1(*options, "--seed", "5").json for _ in range(2))
    for report in (first, second):
        del report["seconds"], report["node_cycles_per_second"]
    assert first == second


def test_without_verification_nothing_is_compared() -> None:
    options = ("--m", "8", "--n", "8", "--k", "8", "--config", "tiny", "--array", "1x1", "--backend", "golden")
    report = d1("matmul", *options, "--no-verify", "--json").json
    assert (report["mismatches"], report["verified"], report["passed"]) == (None, False, True)
    assert "not compared" in d1("matmul", *options, "--no-verify").stdout


def test_table_says_what_ran_and_that_all_bits_are_equal() -> None:
    options = ("--m", "8", "--n", "8", "--k", "8", "--config", "tiny", "--array", "2x1", "--backend", "golden")
    outcome = d1("matmul", *options)
    assert outcome.code == 0
    assert "2x1 'tiny', golden model" in outcome.stdout
    assert "yes, all 64 elements" in outcome.stdout


@pytest.mark.parametrize(
    "length, value", [("--m", "0"), ("--n", "0"), ("--k", "0"), ("--m", "-4"), ("--k", "1.5"), ("--n", "9" * 30)]
)
def test_length_that_is_no_usable_number_is_refused(length: str, value: str) -> None:
    refused(d1("matmul", length, value), 2, length, value)


@pytest.mark.parametrize("shape", [(4096, 4096, 4096), (10**9, 1, 1), (1, 10**9, 10**9), (1, 1, 10**12)])
def test_product_that_does_not_fit_is_refused_with_what_would(shape: tuple[int, int, int]) -> None:
    m, n, k = map(str, shape)
    refused(d1("matmul", "--m", m, "--n", n, "--k", k), 2, "bytes", "largest", f"{m} x {n} x {k}")


@pytest.mark.parametrize("program", ["g++", "make", "perl"])
def test_missing_program_is_named_with_its_fix(program: str, tmp_path: Path) -> None:
    environment = {"PATH": path_without(tmp_path / "bin", program), "D1_CACHE": str(tmp_path / "cache"), "CXX": None}
    refused(d1("build", "--config", "tiny", env=environment), 3, program, f"apt-get install {program}")
    options = ("--config", "tiny", "--m", "8", "--n", "8", "--k", "8")
    refused(d1("matmul", *options, env=environment), 3, program, f"apt-get install {program}")


def test_golden_backend_needs_no_compiler(tmp_path: Path) -> None:
    environment = {"PATH": path_without(tmp_path / "bin", "g++", "make", "perl"), "D1_CACHE": str(tmp_path / "cache")}
    options = ("--config", "tiny", "--m", "8", "--n", "8", "--k", "8", "--backend", "golden", "--json")
    assert d1("matmul", *options, env=environment).json["passed"] is True


def test_cache_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(d1("build", "--config", "tiny", env={"D1_CACHE": str(tmp_path / "file")}), 1, "cache", "D1_CACHE")


@pytest.mark.rtl
def test_build_is_taken_from_the_cache_the_second_time() -> None:
    first, second = (d1("build", "--config", "tiny", "--json").json for _ in range(2))
    assert second["cached"] is True
    assert (first["key"], first["path"]) == (second["key"], second["path"])


def test_verilog_has_the_node_and_its_ports(tmp_path: Path) -> None:
    report = d1("verilog", "--config", "tiny", "--out", tmp_path / "out", "--json").json
    node = (tmp_path / "out" / f"{report['top']}.v").read_text()
    assert f"module {report['top']}(" in node
    ports = (tmp_path / "out" / "ports.md").read_text()
    for direction, side in (("input", "in"), ("output", "out")):
        bits = f"{direction} [1:0] west_{side}_valid"
        assert bits in node
        assert f"| `west_{side}_valid` | {direction} | 2 |" in ports


def test_verilog_of_an_observed_node_has_ports_that_show_its_instructions(tmp_path: Path) -> None:
    d1("verilog", "--config", "small", "--observe", "--out", tmp_path / "out")
    node = (tmp_path / "out" / "d1_node.v").read_text()
    ports = (tmp_path / "out" / "ports.md").read_text()
    for name, bits in (("rvfi1_insn", 4 * 32), ("xvfi_vector0_vd", 5), ("view_commit", 6)):
        assert f"output [{bits - 1}:0] {name}" in node
        assert f"| `{name}` | output | {bits} |" in ports


def test_verilog_of_a_sequential_node_is_not_observed(tmp_path: Path) -> None:
    refused(d1("verilog", "--config", "nano", "--observe", "--out", tmp_path / "out"), 2, "nano", "pipelined")


def test_verilog_onto_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(d1("verilog", "--config", "tiny", "--out", tmp_path / "file"), 2, "file")
