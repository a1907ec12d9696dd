# SPDX-License-Identifier: Apache-2.0
"""Set-up says what a machine lacks, installs once, and does so anew when dependencies change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts import set_up


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A project folder in which nothing is set up; returns the programs that set-up calls, which all succeed."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(set_up, "ROOT", str(tmp_path))
    monkeypatch.setattr(set_up, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(set_up, "STAMP", str(tmp_path / ".venv" / "opend1.json"))
    monkeypatch.setattr(set_up, "PYTHON", str(tmp_path / ".venv" / "bin" / "python"))
    called: list[list[str]] = []

    def call(command: list[str]) -> int:
        called.append(command)
        Path(set_up.PYTHON).parent.mkdir(parents=True, exist_ok=True)
        Path(set_up.PYTHON).touch()
        return 0

    monkeypatch.setattr(set_up.subprocess, "call", call)
    return called


def test_first_run_makes_the_environment_and_installs_into_it(project: list[list[str]], tmp_path: Path) -> None:
    assert set_up.main(["test"]) == 0
    make, install = project
    assert make[1:] == ["-m", "venv", str(tmp_path / ".venv")]
    assert install[0] == set_up.PYTHON
    assert install[-2:] == ["--editable", f"{tmp_path}[test]"]


def test_second_run_does_nothing(project: list[list[str]]) -> None:
    assert set_up.main(["test"]) == 0
    project.clear()
    assert set_up.main(["test"]) == 0
    assert set_up.main([]) == 0
    assert project == []


def test_extras_add_up(project: list[list[str]]) -> None:
    assert set_up.main(["fpga"]) == 0
    assert set_up.main(["test"]) == 0
    assert project[-1][-1].endswith("[fpga,test]")
    assert json.loads(Path(set_up.STAMP).read_text())["extras"] == ["fpga", "test"]


def test_changed_dependencies_are_installed_anew(project: list[list[str]], tmp_path: Path) -> None:
    assert set_up.main([]) == 0
    project.clear()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert set_up.main([]) == 0
    assert [command[1:3] for command in project] == [["-m", "pip"]]


def test_damaged_stamp_is_no_stamp(project: list[list[str]]) -> None:
    assert set_up.main([]) == 0
    project.clear()
    Path(set_up.STAMP).write_text("{")
    assert set_up.main([]) == 0
    assert project


def test_failed_installation_is_told_and_not_stamped(
    project: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(set_up.subprocess, "call", lambda command: 1)
    assert set_up.main([]) == 3
    assert "set-up failed" in capsys.readouterr().err
    assert not Path(set_up.STAMP).exists()


@pytest.mark.parametrize("program", ["g++", "make", "perl"])
def test_missing_program_is_named_with_its_fix(
    program: str, project: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else f"/usr/bin/{name}")
    assert set_up.main([]) == 3
    assert capsys.readouterr().err == f"missing: {program}\n    fix: apt-get install {program}\n"
    assert project == []


def test_old_python_is_named_with_its_fix(
    project: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(set_up.sys, "version_info", (3, 9, 2))
    assert set_up.main([]) == 3
    told = capsys.readouterr().err
    assert "Python 3.11 or newer" in told
    assert "is 3.9.2" in told
    assert "make PYTHON=python3.11" in told


def test_missing_venv_module_is_named_with_its_fix(
    project: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(set_up.importlib.util, "find_spec", lambda name: None)
    assert set_up.main([]) == 3
    assert "python3-venv" in capsys.readouterr().err
