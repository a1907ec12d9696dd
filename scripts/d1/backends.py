# SPDX-License-Identifier: Apache-2.0
"""Arrays to run on: the compiled hardware or the golden model, made by one call."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golden.config import NodeConfig
from golden.mesh import GoldenArray, RunResult
from scripts.d1.errors import CommandError
from scripts.d1.memory import require_memory
from scripts.d1.options import ArrayShape
from scripts.d1.report import Stages
from scripts.d1.trace import trace_golden, trace_records
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.host import ArrayBackend

#: What waveforms can be written as, by the file's suffix.
WAVE_FORMATS = (".vcd", ".fst")


@dataclass
class OpenedArray:
    """An array that is ready, and what it is.

    Attributes
    ----------
    array : ArrayBackend
    description : str
        For titles, such as ``2x2 'd1', rtl with macro arithmetic``.
    facts : dict
        The same for JSON.
    notes : list of str
        Lines for the user at the end, such as where waveforms are.
    """

    array: ArrayBackend
    description: str
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """What ran, as JSON has it."""
        return dict(self.facts)


class WatchedArray(SimulatedArray):
    """A simulated array that calls ``watchers`` while it runs, about ten times a second, and at the end of each run."""

    def __init__(self, *arguments: Any, **options: Any):
        self.watchers: list[Callable[[SimulatedArray], None]] = []
        super().__init__(*arguments, **options)

    def run(
        self, max_cycles: int | None = None, progress: Callable[[SimulatedArray], None] | None = None, until: str = "ended"
    ) -> RunResult:
        """As ``SimulatedArray.run``."""

        def tell(array: SimulatedArray) -> None:
            for watcher in (*self.watchers, *([progress] if progress else [])):
                watcher(array)

        try:
            return super().run(max_cycles, tell, until)
        finally:
            tell(self)


@contextmanager
def open_array(
    config: NodeConfig,
    shape: ArrayShape,
    backend: str,
    arithmetic: str,
    stages: Stages,
    *,
    trace: Path | None = None,
    waves: Path | None = None,
    symbols: Mapping[str, int] | None = None,
) -> Iterator[OpenedArray]:
    """Make an array, with its simulator built first if it has to be.

    Parameters
    ----------
    backend : str
        ``rtl`` or ``golden``.
    arithmetic : str
        ``rtl`` or ``macro``; without effect on the golden model.
    trace, waves : Path, optional
        Files for the retirement log and for waveforms.
    symbols : mapping of str to int, optional
        Names for the retirement log.

    Raises
    ------
    CommandError
        If it does not fit into memory, or waveforms are wanted of the golden model.
    """
    require_memory(config, shape)
    if backend == "golden":
        if waves is not None:
            raise CommandError("--waves records signals, and the golden model has none; leave out --backend golden")
        array = GoldenArray(config, shape.rows, shape.columns)
        opened = OpenedArray(
            array,
            f"{shape} '{config.name}', golden model",
            {"config": config.name, "array": str(shape), "backend": backend, "arithmetic": None},
        )
        with contextlib.ExitStack() as stack:
            if trace is not None:
                trace_golden(array, stack.enter_context(trace.open("w")), symbols or {})
                opened.notes.append(f"trace: {trace}")
            yield opened
        return
    if waves is not None and waves.suffix.lower() not in WAVE_FORMATS:
        raise CommandError(f"--waves {waves} must end in {' or '.join(WAVE_FORMATS)}")
    library = build_simulator(config, arithmetic, None if waves is None else waves.suffix.lower()[1:], stages)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(trace.open("w")) if trace is not None else None
        simulated = WatchedArray(config, shape.rows, shape.columns, library=library, waves=waves)
        stack.enter_context(simulated)
        opened = OpenedArray(
            simulated,
            f"{shape} '{config.name}', rtl with {arithmetic} arithmetic",
            {
                "config": config.name,
                "array": str(shape),
                "backend": backend,
                "arithmetic": arithmetic,
                "simulator_cached": library.cached,
                "simulator_key": library.key,
            },
        )
        if log is not None:
            target = log
            simulated.trace()
            simulated.watchers.append(lambda array: trace_records(array.retirements(), target, symbols or {}))
            opened.notes.append(f"trace: {trace}")
        if waves is not None:
            opened.notes.append(f"waves of node row 0, column 0: gtkwave {shlex.quote(str(waves))}")
        yield opened


def build_simulator(config: NodeConfig, arithmetic: str, waves: str | None, stages: Stages) -> SimulatorLibrary:
    """Build the simulator of a configuration as a stage of its own, or take it from the cache.

    Raises
    ------
    scripts.simulator.errors.ToolMissing
        If g++, make, perl or Verilator is not there.
    scripts.simulator.errors.BuildError
        If one of them rejects what it is given.
    """
    with stages.stage(f"simulator of '{config.name}', {arithmetic} arithmetic") as stage:
        library = build(config, arithmetic, waves, lambda what, done: stage.advance(done, what))
        stage.note = "from the cache" if library.cached else "built, and cached from now on"
    return library
