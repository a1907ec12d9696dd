# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of ``d1 run`` and ``d1 matmul``: their options, what is written while a program runs, and what it goes on from."""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from golden.mesh import RunResult
from golden.program import Program
from scripts.d1.errors import CommandError
from scripts.d1.options import ArrayShape, OutputFile
from sw.run_state import RunState

if TYPE_CHECKING:
    from scripts.simulator import SimulatedArray
    from scripts.simulator.checkpoint import Checkpoint

__all__ = ["CheckpointChoice", "Checkpointer", "checkpoint_options", "program_digest", "program_facts", "resumed"]

DEFAULT_INTERVAL_CYCLES = 10_000_000


@dataclass(frozen=True)
class CheckpointChoice:
    """What the options say. ``path``: where to write, if at all; ``resume``: what to go on from, if from anything."""

    path: Path | None
    every: int
    resume: Path | None


def checkpoint_options(goes_on: str, said: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--checkpoint``, ``--checkpoint-every`` and ``--resume``, passed as ``checkpoints``, of a command with ``--backend``.

    Parameters
    ----------
    goes_on : str
        What --resume does.
    said : sequence of str
        Options that a checkpoint says, so that nobody gives them beside it.
    """
    return functools.partial(_with_options, goes_on, said)


def _with_options(goes_on: str, said: Sequence[str], command: Callable[..., Any]) -> Callable[..., Any]:
    @click.option(
        "--checkpoint",
        type=OutputFile(),
        help="Write the state of everything to FILE while the program runs, to go on from with --resume (rtl only).",
    )
    @click.option(
        "--checkpoint-every",
        type=click.IntRange(min=1),
        metavar="CYCLES",
        help=f"Cycles from one checkpoint to the next.  [default: {DEFAULT_INTERVAL_CYCLES}]",
    )
    @click.option(
        "--resume",
        type=click.Path(dir_okay=False, path_type=Path),
        help=goes_on,
    )
    @click.pass_context
    @functools.wraps(command)
    def with_checkpoints(
        ctx: click.Context,
        checkpoint: Path | None,
        checkpoint_every: int | None,
        resume: Path | None,
        backend: str,
        **others: Any,
    ) -> Any:
        if checkpoint_every is not None and checkpoint is None:
            raise click.UsageError("--checkpoint-every belongs to --checkpoint FILE, and none is given")
        for name, path in (("--checkpoint", checkpoint), ("--resume", resume)):
            if path is not None and backend != "rtl":
                raise click.UsageError(f"{name} is the state of simulated hardware, and --backend is {backend}; leave one out")
        if resume is not None:
            for name in said:
                if ctx.get_parameter_source(name.replace("-", "_")) is click.core.ParameterSource.COMMANDLINE:
                    raise click.UsageError(f"--{name} is what --resume {resume} says; leave it out")
        choice = CheckpointChoice(checkpoint, checkpoint_every or DEFAULT_INTERVAL_CYCLES, resume)
        return command(checkpoints=choice, backend=backend, **others)

    return with_checkpoints


def program_digest(program: Program) -> str:
    """Hexadecimal digest of all of a program that a run depends on."""
    sum_ = hashlib.sha256(struct.pack("<Qq", program.entry, -1 if program.tohost is None else program.tohost))
    for address, contents in program.segments:
        sum_.update(struct.pack("<QQ", address, len(contents)) + contents)
    return sum_.hexdigest()


def resumed(checkpoint: Checkpoint, program: Program) -> tuple[ArrayShape, RunState]:
    """The array of a checkpoint as the user has named it, and where the run of a program stands.

    Raises
    ------
    CommandError
        If the checkpoint is not one of this program's run.
    """
    run = checkpoint.run
    if run is not None and "product" in run:
        raise CommandError(f"{checkpoint.path} is a matrix product; d1 matmul --resume goes on with it")
    if run is None or "program" not in run:
        raise CommandError(f"{checkpoint.path} holds an array, but no run of a program; d1 run --checkpoint writes one that does")
    if run["program"] != program_digest(program):
        raise CommandError(f"{checkpoint.path} is a run of another program; give the one that it was written with")
    return ArrayShape.of(checkpoint.topology, run["array"]), RunState.from_dict(run)


def program_facts(program: Program, shape: ArrayShape) -> dict[str, Any]:
    """What a checkpoint says of the run of a program."""
    return {"program": program_digest(program), "array": str(shape)}


class Checkpointer:
    """Writes a checkpoint each time that so many cycles have passed.

    Parameters
    ----------
    path : Path
    every : int
        Cycles.
    facts : mapping
        What the checkpoint says of the run beside its state, as JSON has it.
    state : RunState
        Of the run, which keeps it up to date.

    Members
    -------
    written_cycle : int or None
        Cycle of the last checkpoint.
    """

    def __init__(self, path: Path, every: int, facts: Mapping[str, Any], state: RunState):
        self.path = path
        self._every = every
        self._facts = facts
        self._state = state
        self._due: int | None = None
        self.written_cycle: int | None = None

    def run(self, array: SimulatedArray, run: Callable[[int], RunResult], max_cycles: int) -> RunResult:
        """What ``run(max_cycles)`` does, in pieces, between which checkpoints are written."""
        passed = 0
        while True:
            if self._due is None:
                self._due = array.cycle + self._every
            elif array.cycle >= self._due:
                array.save(self.path, {**self._facts, **self._state.as_dict(passed)})
                self.written_cycle = array.cycle
                self._due = array.cycle + self._every
            result = run(min(max_cycles - passed, self._due - array.cycle))
            passed += result.cycles
            if result.reason != "limit" or passed >= max_cycles:
                return RunResult(result.reason, passed)
