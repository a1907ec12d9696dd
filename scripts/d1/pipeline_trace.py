# SPDX-License-Identifier: Apache-2.0
"""The file for the pipeline viewer, filled while an observed array runs."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from scripts.d1.instruction_facts import ResultKind, Write
from scripts.d1.kanata import KanataFile
from scripts.d1.options import PipelineView
from scripts.d1.pipeline import FIRST_QUEUED_PIPE, Execution, Issue, ObservedCycle, PipelineFollower
from scripts.simulator import SimulatedArray

__all__ = ["PipelineTrace"]

#: Where the viewer runs in a browser.
VIEWER = "https://shioyadan.github.io/Konata/stable/"

_Records = np.ndarray[Any, np.dtype[np.void]]


class PipelineTrace:
    """Observes one node of an array from now on, and writes the file.

    Parameters
    ----------
    array : SimulatedArray
        Made with ``observe``.
    view : PipelineView
        The file, the node, and what is to be shown.
    symbols : mapping of str to int

    Raises
    ------
    OSError
        If the file cannot be written.
    """

    def __init__(self, array: SimulatedArray, view: PipelineView, symbols: Mapping[str, int]):
        self._array = array
        self._view = view
        self._node = view.column, view.row
        self._late_channels = array.config.issue_width
        self._file = KanataFile(view.path)
        self._follower = PipelineFollower(
            self._file, array.config.threads, symbols, view.first, view.cycles, queues=bool(array.config.vector_queue)
        )
        array.observe(rvfi=True, xvfi={"vector", "predicate"}, view=True, node=self._node)

    def __enter__(self) -> PipelineTrace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.take(self._array)
            self._follower.close()
        finally:
            self._file.close()

    def notes(self) -> list[str]:
        """What to tell the user when the run has ended."""
        view = self._view
        place = f"pipeline of node row {view.row}, column {view.column}"
        if not self._file.instructions:
            return [f"{place}: nothing was fetched from cycle {view.first} on, and {view.path} shows no instruction"]
        notes = [f"{place}: konata.sh {shlex.quote(str(view.path))}, or drop the file on {VIEWER}"]
        if self._follower.left_out:
            notes.append(
                f"{view.path} shows what was fetched in {view.cycles} cycles, and the run went on; --kanata-cycles shows more,"
                " --kanata-from begins later"
            )
        return notes

    def take(self, array: SimulatedArray) -> None:
        """Write what has happened since the last call; as soon as nothing more is to be written, nothing is observed."""
        if self._follower.done:
            return
        writes = self._writes(array)
        for observed in _observed(array.view_records()):
            for cycle in [cycle for cycle in writes if cycle < observed.cycle]:
                self._follower.cycle(ObservedCycle(cycle), writes.pop(cycle))
            self._follower.cycle(observed, writes.pop(observed.cycle, ()))
        for cycle, written in writes.items():
            self._follower.cycle(ObservedCycle(cycle), written)
        if self._follower.done:
            array.observe(node=self._node)

    def _writes(self, array: SimulatedArray) -> dict[int, list[Write]]:
        """Registers written behind X, by cycle, the oldest first."""
        rvfi = array.rvfi_records()
        vector, predicate = array.xvfi_records("vector"), array.xvfi_records("predicate")
        writes: dict[int, list[Write]] = defaultdict(list)
        for kind, records, register in (
            (ResultKind.SCALAR, rvfi[rvfi["channel"] >= self._late_channels], "rd_addr"),
            (ResultKind.VECTOR, vector, "vd"),
            (ResultKind.PREDICATE, predicate, "pd"),
        ):
            for cycle, thread, number in zip(*(records[name].tolist() for name in ("cycle", "thread", register)), strict=True):
                writes[cycle - 1].append(Write(thread, kind, number))
        return dict(sorted(writes.items()))


def _observed(records: _Records) -> Iterator[ObservedCycle]:
    """What view records say; what they show has happened in the cycle before theirs."""
    names = records.dtype.names or ()
    for values in zip(*(records[name].tolist() for name in names), strict=True):
        shown: dict[str, Any] = dict(zip(names, values, strict=True))
        fetched, injected = shown["fetch_count"], shown["inject"]
        yield ObservedCycle(
            shown["cycle"] - 1,
            fetch=(shown["fetch_thread"], shown["fetch_pc"], shown["fetch_words"][:fetched]) if fetched else None,
            # One packet comes at a time, and so does what it injects.
            injections=((injected.bit_length() - 1, shown["inject_word"]),) if injected else (),
            decode=shown["decode"],
            correct=shown["correct"],
            redirect=shown["redirect"],
            issues=[Issue(pipe, byte >> 4 & 3, byte & 3) for pipe, byte in enumerate(shown["issue"]) if byte & 0x80],
            stays=shown["stays"],
            waits=shown["waits"],
            killed=shown["killed"],
            commits=shown["commit"],
            traps=shown["trap"],
            stalls=shown["stall"],
            executions=[
                Execution(pipe, byte >> 4 & 3, bool(byte & 1), bool(byte & 2))
                for pipe, byte in enumerate(shown.get("execute", ()), start=FIRST_QUEUED_PIPE)
                if byte & 0x80
            ],
            starved=shown.get("starved", ()),
        )
