# SPDX-License-Identifier: Apache-2.0
"""Objects are taken from the cache if they would come out the same, and made anew otherwise."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from verif.object_cache import object_cache_command

SOURCE = '#include "value.h"\nint value() { return VALUE + EXTRA; }\n'


@dataclass(frozen=True)
class Compiler:
    """g++ that notes each object that it makes, behind the cache."""

    folder: Path

    @property
    def runs(self) -> int:
        return (self.folder / "runs").read_text().count("run")

    @property
    def kept(self) -> int:
        return len(list((self.folder / "kept").glob("*.o")))

    def command(self, *arguments: str) -> list[str]:
        return [*shlex.split(object_cache_command(self.folder / "kept")), str(self.folder / "cxx"), *arguments]

    def __call__(self, folder: Path, *options: str, source: str = "../value.cpp", code: int = 0) -> bytes:
        """The object of ``source``, compiled in the subfolder ``obj`` of a folder."""
        work = folder / "obj"
        work.mkdir(exist_ok=True)
        command = self.command(*(options or ("-O1", "-DEXTRA=0")), "-MMD", "-I..", "-c", "-o", "value.o", source)
        done = subprocess.run(command, cwd=work, text=True, capture_output=True)
        assert done.returncode == code, done.stderr
        return (work / "value.o").read_bytes() if code == 0 else done.stderr.encode()


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    (tmp_path / "runs").touch()
    program = tmp_path / "cxx"
    note = f'case "$*" in *" -E "*) ;; *) echo run >> {shlex.quote(str(tmp_path / "runs"))} ;; esac'
    program.write_text(f'#!/bin/sh\n{note}\nexec {shutil.which("g++")} "$@"\n')
    program.chmod(0o755)
    return Compiler(tmp_path)


def sources(folder: Path, value: int = 1) -> Path:
    """A folder with a source and its header."""
    folder.mkdir(exist_ok=True)
    (folder / "value.cpp").write_text(SOURCE)
    (folder / "value.h").write_text(f"#define VALUE {value}\n")
    return folder


def test_the_same_text_in_another_folder_is_compiled_once(compiler: Compiler, tmp_path: Path) -> None:
    first, second = compiler(sources(tmp_path / "a")), compiler(sources(tmp_path / "b"))
    assert first == second
    assert compiler.runs == compiler.kept == 1


@pytest.mark.parametrize("options", [("-O0", "-DEXTRA=0"), ("-O1", "-DEXTRA=1"), ("-O1", "-DEXTRA=0", "-fPIC")])
def test_other_options_are_another_object(compiler: Compiler, tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = sources(tmp_path / "a")
    compiler(folder)
    compiler(folder, *options)
    assert compiler.runs == compiler.kept == 2


def test_another_header_is_another_object(compiler: Compiler, tmp_path: Path) -> None:
    assert compiler(sources(tmp_path / "a", 1)) != compiler(sources(tmp_path / "b", 2))
    assert compiler.runs == 2


def test_another_compiler_is_another_object(compiler: Compiler, tmp_path: Path) -> None:
    folder = sources(tmp_path / "a")
    compiler(folder)
    program = tmp_path / "cxx"
    program.write_text(program.read_text() + "# changed\n")
    compiler(folder)
    assert compiler.runs == compiler.kept == 2


def test_sources_of_the_folder_itself_and_debugging_information_are_not_kept(compiler: Compiler, tmp_path: Path) -> None:
    folder = sources(tmp_path / "a")
    (folder / "obj").mkdir()
    (folder / "obj" / "value.cpp").write_text(SOURCE)
    for _ in range(2):
        compiler(folder, source="value.cpp")
        compiler(folder, "-g", "-DEXTRA=0")
    assert compiler.runs == 4
    assert compiler.kept == 0


@pytest.mark.parametrize("text", ["int f() { return undeclared; }\n", '#include "nowhere.h"\n'])
def test_what_does_not_compile_fails_with_the_compilers_words_each_time(compiler: Compiler, tmp_path: Path, text: str) -> None:
    folder = sources(tmp_path / "a")
    (folder / "value.cpp").write_text(text)
    for _ in range(2):
        assert b"value.cpp:1" in compiler(folder, code=1)
    assert compiler.kept == 0


def test_every_other_command_goes_to_the_compiler(compiler: Compiler) -> None:
    done = subprocess.run(compiler.command("--version"), text=True, capture_output=True)
    assert done.returncode == 0
    assert "g++" in done.stdout or "GCC" in done.stdout


def test_processes_that_need_the_same_object_at_once_make_it_once(compiler: Compiler, tmp_path: Path) -> None:
    folders = [sources(tmp_path / name) for name in "abc"]
    command = compiler.command("-DEXTRA=0", "-I.", "-c", "-o", "value.o", "./value.cpp")
    running = [subprocess.Popen(command, cwd=folder) for folder in folders]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len({(folder / "value.o").read_bytes() for folder in folders}) == 1
    assert compiler.runs == compiler.kept == 1
