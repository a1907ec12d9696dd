# SPDX-License-Identifier: Apache-2.0
"""All Python is linted, formatted and, but for elaboration code, type-checked; every source file names its licence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from verif.scripts.command import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("golden", "rtl", "sw", "verif", "fpga", "scripts")
SOURCES = {".py", ".c", ".cpp", ".h", ".hpp", ".v", ".s", ".S", ".ld"}
LICENCE = "SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("arguments", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join)
def test_tool_has_nothing_to_say(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_source_file_names_its_licence_in_its_first_lines() -> None:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*") if file.suffix in SOURCES]
    files += [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci" / "run"]
    lacking = [str(file.relative_to(ROOT)) for file in files if LICENCE not in "\n".join(file.read_text().splitlines()[:2])]
    assert not lacking, "\n".join(lacking)
