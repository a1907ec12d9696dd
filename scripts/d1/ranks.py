# SPDX-License-Identifier: Apache-2.0
"""The command in several processes: how they are started, and what each of them does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from scripts.d1.errors import ExitCode
from scripts.launched import launched_rank, launched_ranks
from scripts.simulator.processes import Processes, find_program, join
from scripts.simulator.ranked import serve

__all__ = ["processes", "run_together", "start_ranks"]

_ROOT = Path(__file__).resolve().parents[2]

_processes: Processes | None = None


def processes() -> Processes | None:
    """The processes that simulate arrays together; None if this is the only one."""
    return _processes


def run_together(command: Callable[[], Any], guarded: Callable[[Callable[[], Any]], int]) -> int:
    """What this process does of a command: the first runs it, the others help. Returns the exit code.

    Parameters
    ----------
    command : callable
        The command itself.
    guarded : callable
        Calls something, tells of its errors, and returns an exit code.
    """
    if launched_rank() != 0:
        # What fails in all of them is told once.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
    code = guarded(_join)
    if _processes is None:
        return code
    if _processes.rank != 0:
        serve(_processes)
        return ExitCode.PASSED
    try:
        return guarded(command)
    finally:
        _processes.end()


def _join() -> None:
    global _processes
    _processes = join()


def start_ranks(ctx: click.Context, ranks: int) -> None:
    """What ``--ranks`` does: has ``mpirun`` run the same command, unless it does already; does not return then.

    Raises
    ------
    click.UsageError
        If this process is one of another number.
    ToolMissing
        If there is no MPI.
    """
    running = launched_ranks()
    if ranks == running:
        return
    if running != 1:
        raise click.UsageError(f"--ranks is {ranks}, but mpirun has started {running} processes; leave it out")
    find_program("mpicxx")
    launcher = find_program("mpirun")
    words = ctx.find_root().obj
    command = [str(launcher), "-n", str(ranks), sys.executable, "-m", "scripts.d1.main", *words]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.execve(launcher, command, {**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
