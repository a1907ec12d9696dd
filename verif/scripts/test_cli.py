# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: help, exit codes, what needs neither simulator nor programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from golden.config import PRESETS
from scripts.d1.main import COMMANDS
from scripts.d1.options import ArrayShape, ArrayType
from verif.scripts.command import PATIENCE, ROOT, d1, refused


def test_help_lists_every_subcommand() -> None:
    outcome = d1("--help")
    assert outcome.code == 0
    assert all(f"\n  {name}" in outcome.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_help(name: str) -> None:
    outcome = d1(name, "--help")
    assert outcome.code == 0
    assert outcome.stdout.startswith(f"Usage: d1 {name}")


def test_without_arguments_help_goes_to_stderr_as_wrong_use() -> None:
    outcome = d1()
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "Usage: d1" in outcome.stderr


def test_closed_output_is_no_defect() -> None:
    command = f"{shlex.quote(sys.executable)} -m scripts.d1.main config >&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_subcommand_is_refused() -> None:
    refused(d1("mulmat"), 2, "mulmat")


def test_config_lists_all_presets() -> None:
    assert [preset["name"] for preset in d1("config", "--json").json["presets"]] == list(PRESETS)


def test_config_gives_effective_values() -> None:
    values = d1("config", "d1", "--json").json
    assert (values["line_bytes"], values["sram_bytes"], values["matrix"], values["threads"]) == (64, 1280 << 10, "8x8x4", 4)


def test_config_shows_a_table_without_json() -> None:
    outcome = d1("config", "tiny")
    assert outcome.code == 0
    assert "line_bytes" in outcome.stdout


def test_doctor_finds_what_simulation_needs_on_this_machine() -> None:
    outcome = d1("doctor", "--json")
    assert outcome.code == 0, outcome
    assert outcome.json["passed"] is True


def path_without(folder: Path, *programs: str) -> str:
    """A PATH with everything that the present one has but those programs."""
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        if not os.path.isdir(directory):
            continue
        for entry in os.scandir(directory):
            if entry.name not in programs and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(os.path.abspath(entry.path))
    return str(folder)


@pytest.mark.parametrize("program", ["g++", "make", "perl"])
def test_doctor_names_a_missing_program_and_the_fix(program: str, tmp_path: Path) -> None:
    outcome = d1("doctor", "--json", env={"PATH": path_without(tmp_path / "bin", program), "CXX": None})
    assert outcome.code == 3
    (check,) = [check for check in outcome.json["checks"] if check["required"] and not check["ok"]]
    assert check["fix"] == f"apt-get install {program}"


def test_doctor_names_a_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = d1("doctor", env={"D1_CACHE": str(tmp_path / "file" / "cache")})
    assert outcome.code == 3
    assert "D1_CACHE" in outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "D2"),
        ("build", "--config", "D2"),
        ("run", "program.s", "--config", "D2"),
        ("matmul", "--config", "D2"),
        ("verilog", "--config", "D2", "--out", "out"),
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_unknown_preset_is_refused_with_the_presets_that_exist(arguments: tuple[str, ...], tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("halt zero\n")
    outcome = d1(*(str(source) if argument == source.name else argument for argument in arguments))
    refused(outcome, 2, "D2", *PRESETS)


@pytest.mark.parametrize(
    "shape", ["0x2", "2x0", "2", "2x", "x2", "2x2x2", "-1x2", "1.5x2", "8193x1", "two", "", "٢x٢", "9" * 99 + "x1"]
)
def test_array_that_is_no_shape_is_refused(shape: str) -> None:
    with pytest.raises(click.BadParameter, match="is no array"):
        ArrayType().convert(shape, None, None)


def test_array_is_rows_by_columns() -> None:
    assert ArrayType().convert("3x8192", None, None) == ArrayShape(rows=3, columns=8192)


def test_array_of_zero_is_refused() -> None:
    refused(d1("matmul", "--array", "0x2"), 2, "--array", "'0x2' is no array", "1 to 8192")


@pytest.mark.parametrize("backend", ["rtl", "golden"])
def test_array_larger_than_memory_is_refused_at_once(backend: str) -> None:
    outcome = d1("matmul", "--array", "8192x8192", "--backend", backend)
    refused(outcome, 2, "8192x8192", "GiB", "nodes fit")
