# SPDX-License-Identifier: Apache-2.0
"""Arrays in several processes: the same bits and cycles as in one, and one message if anything fails."""

from __future__ import annotations

import functools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.d1.main import run
from scripts.simulator import SimulatorLibrary, ToolMissing
from scripts.simulator.processes import find_program
from verif.scripts import ranked_scenario
from verif.scripts.command import PATIENCE, ROOT, Outcome, d1, refused


def _launcher() -> Path | None:
    try:
        find_program("mpicxx")
        return find_program("mpirun")
    except ToolMissing:
        return None


LAUNCHER = _launcher()
needs_mpi = pytest.mark.skipif(LAUNCHER is None, reason="no MPI here: pip install 'opend1[mpi]'")

#: Open MPI refuses both unless it is told that they are meant.
_LENIENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


@functools.cache
def alone(library: Path, name: str, folder: Path) -> dict[str, Any]:
    """The scenario in one process, with its checkpoint in ``folder``."""
    return ranked_scenario.in_one_process(pickle.loads(library.read_bytes()), name, folder / f"{name}.d1c")


def together(ranks: int, library: Path, names: str, threads: int, folder: Path, what: str = "whole") -> dict[str, Any]:
    """Scenarios in several processes, see ``ranked_scenario``."""
    words = [str(library), names, str(threads), str(folder), what]
    command = [str(LAUNCHER), "-n", str(ranks), sys.executable, "-m", ranked_scenario.__name__, *words]
    environment = {**os.environ, **_LENIENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert isinstance(shown, dict)
    return shown


@pytest.fixture(scope="module")
def library(standin: SimulatorLibrary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ranked") / "library"
    file.write_bytes(pickle.dumps(standin))
    return file


@needs_mpi
@pytest.mark.parametrize("name, ranks, threads", [("4x4", 2, 2), ("rows", 3, 1), ("dies", 2, 1), ("dies", 3, 1)])
def test_processes_change_nothing(library: Path, tmp_path: Path, name: str, ranks: int, threads: int) -> None:
    expected = alone(library, name, library.parent)
    assert expected["reason"] == ("deadlock" if name == "rows" else "ended")
    assert together(ranks, library, name, threads, tmp_path)[name] == expected
    assert (tmp_path / f"{name}.d1c").read_bytes() == (library.parent / f"{name}.d1c").read_bytes()


@needs_mpi
def test_processes_change_nothing_of_lists(tmp_path: Path, tiny_macro: SimulatorLibrary) -> None:
    nodes = tmp_path / "library"
    nodes.write_bytes(pickle.dumps(tiny_macro))
    expected = alone(nodes, "lists", tmp_path)
    assert expected["reason"] == "ended"
    assert together(2, nodes, "lists", 1, tmp_path, "resume")["lists"]["memory"] == expected["memory"]
    assert together(2, nodes, "lists", 1, tmp_path)["lists"] == expected


@needs_mpi
def test_processes_go_on_from_the_checkpoint_of_one(library: Path) -> None:
    expected = alone(library, "dies", library.parent)
    shown = together(2, library, "dies", 1, library.parent, "resume")["dies"]
    compared = set(shown) - {"first records"}
    assert {name: shown[name] for name in compared} == {name: expected[name] for name in compared}


# -- the command ------------------------------------------------------------------------------------------------------

#: Takes long enough for a checkpoint.
PROGRAM = """
        li t0, 3000
1:      addi t0, t0, -1
        bnez t0, 1b
        halt zero
"""


@pytest.fixture
def program(tmp_path: Path, tiny_macro: SimulatorLibrary) -> Path:
    assert tiny_macro.path.exists()
    file = tmp_path / "count.s"
    file.write_text(PROGRAM)
    return file


def facts(outcome: Outcome) -> dict[str, Any]:
    """What does not depend on time and processes."""
    assert outcome.code == 0, outcome
    return {name: value for name, value in outcome.json.items() if name not in ("seconds", "ranks", "simulator_cached")}


@needs_mpi
def test_d1_run_starts_processes_by_itself(program: Path, tmp_path: Path) -> None:
    arguments = ("run", program, "--config", "tiny", "--array", "2x2", "--json")
    expected = facts(d1(*arguments))
    file = tmp_path / "run.d1c"
    ranked = d1(*arguments, "--ranks", "2", "--checkpoint", file, "--checkpoint-every", "2000", env=_LENIENT)
    assert ranked.json["ranks"] == 2
    assert facts(ranked) == expected
    assert "checkpoint of cycle" in ranked.stderr
    assert facts(d1("run", program, "--resume", file, "--ranks", "2", "--json", env=_LENIENT)) == expected


@needs_mpi
def test_bad_input_gives_one_message(program: Path, tmp_path: Path) -> None:
    refused(d1("run", program, "--ranks", "3", "--config", "tiny", "--array", "2x2", env=_LENIENT), 2, "at most 2")
    refused(d1("run", tmp_path / "none.s", "--ranks", "2", env=_LENIENT), 2, "none.s")
    failing = tmp_path / "failing.s"
    failing.write_text("li a0, 3\nhalt a0\n")
    outcome = d1("run", failing, "--ranks", "2", "--config", "tiny", "--array", "1x2", env=_LENIENT)
    assert outcome.code == 1
    assert outcome.stderr.count("d1: ") == 1


@needs_mpi
@pytest.mark.parametrize("interrupt", [False, True], ids=["one is killed", "the user interrupts"])
def test_all_processes_end(tmp_path: Path, tiny_macro: SimulatorLibrary, interrupt: bool) -> None:
    assert tiny_macro.path.exists()
    endless = tmp_path / "endless.s"
    endless.write_text("1: j 1b\n")
    command = [str(LAUNCHER), "-n", "2", sys.executable, "-m", "scripts.d1.main", "run", str(endless)]
    command += ["--config", "tiny", "--array", "2x2"]
    environment = {**os.environ, **_LENIENT, "PYTHONPATH": str(ROOT)}
    output = tmp_path / "output"
    with open(output, "wb") as file:
        # As a terminal has it, Ctrl-C goes to a group of processes.
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        ranks: list[int] = []
        while len(ranks) < 2:
            time.sleep(0.2)
            ranks = [pid for pid in _children(process.pid) if b"scripts.d1.main" in _words(pid)]
        while b"from the cache" not in output.read_bytes():
            time.sleep(0.2)
        time.sleep(2)
        if interrupt:
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 130
            assert output.read_bytes().count(b"d1: interrupted") == 1
        else:
            os.kill(ranks[1], signal.SIGKILL)
            assert process.wait(60) != 0
        assert not [pid for pid in ranks if b"scripts.d1.main" in _words(pid)]
    finally:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    """All processes below one, in the order of their numbers."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = {pid}
    found: list[int] = []
    while more := {child for child, parent in parents.items() if parent in below and child not in below}:
        below |= more
        found += more
    return sorted(found)


def _words(pid: int) -> list[bytes]:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_without_mpi_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # MPI may be beside this interpreter.
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "halt.s"
    file.write_text("halt zero\n")
    assert run(["run", str(file), "--config", "tiny", "--ranks", "2"]) == 3
    assert re.fullmatch(r"d1: mpicxx is missing; .*pip install 'opend1\[mpi\]'\n", capsys.readouterr().err)


@needs_mpi
def test_processes_of_another_mpi_are_told(program: Path) -> None:
    # As if a launcher had started two, of which MPI knows nothing.
    outcome = d1("run", program, env={"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"})
    refused(outcome, 1, "mpirun has started 2 processes", "use mpirun and mpicxx of one MPI")
