# SPDX-License-Identifier: Apache-2.0
"""Arrays to run on: the compiled hardware or the golden model, made by one call."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from golden.config import PRESETS, NodeConfig
from golden.mesh import GoldenArray, RunResult
from scripts.d1.checkpoints import Checkpointer
from scripts.d1.errors import CommandError
from scripts.d1.kanata import may_be_replaced
from scripts.d1.memory import require_memory
from scripts.d1.options import ArrayShape, PipelineView
from scripts.d1.pipeline_trace import PipelineTrace
from scripts.d1.ranks import processes
from scripts.d1.report import Stage, Stages
from scripts.d1.trace import trace_golden, trace_records
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from scripts.simulator.checkpoint import Checkpoint, check_choice
from scripts.simulator.ranked import RankedArray
from sw.host import ArrayBackend
from sw.routing import proved_routes, require_tables, set_up_routes

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


class Watching(SimulatedArray):
    """A simulated array that calls ``watchers`` while it runs, about ten times a second, and at the end of each run.

    If it has a ``checkpointer``, that cuts runs into pieces.
    """

    def __init__(self, *arguments: Any, **options: Any):
        self.watchers: list[Callable[[SimulatedArray], None]] = []
        self.checkpointer: Checkpointer | None = None
        super().__init__(*arguments, **options)

    def run(
        self, max_cycles: int | None = None, progress: Callable[[SimulatedArray], None] | None = None, until: str = "ended"
    ) -> RunResult:
        """As ``SimulatedArray.run``."""

        def tell(array: SimulatedArray) -> None:
            for watcher in (*self.watchers, *([progress] if progress else [])):
                watcher(array)

        try:
            if self.checkpointer is None or max_cycles is None:
                return super().run(max_cycles, tell, until)
            inner = super().run
            return self.checkpointer.run(self, lambda cycles: inner(cycles, tell, until), max_cycles)
        finally:
            tell(self)


class WatchedArray(Watching):
    """In this process."""


class WatchedRankedArray(Watching, RankedArray):
    """In several processes."""


def show_progress(array: ArrayBackend, stage: Stage) -> None:
    """Tell in a stage how far a simulated array is, and how fast it goes on; other backends tell nothing."""
    if not isinstance(array, Watching):
        return
    first, start = array.cycle, time.monotonic()

    def tell(watched: SimulatedArray) -> None:
        rate = (watched.cycle - first) / max(time.monotonic() - start, 1e-3)
        stage.advance(None, f"cycle {watched.cycle:,}, {rate:,.0f} per second")

    array.watchers.append(tell)


@contextmanager
def open_array(
    config: NodeConfig,
    shape: ArrayShape,
    backend: str,
    arithmetic: str,
    stages: Stages,
    *,
    trace: Path | None = None,
    pipeline: PipelineView | None = None,
    waves: Path | None = None,
    symbols: Mapping[str, int] | None = None,
    resume: Checkpoint | None = None,
    checkpointer: Checkpointer | None = None,
) -> Iterator[OpenedArray]:
    """Make an array, with its simulator built first if it has to be; where something is dead, it routes around that already.

    Parameters
    ----------
    backend : str
        ``rtl`` or ``golden``.
    arithmetic : str
        ``rtl`` or ``macro``; without effect on the golden model.
    trace, waves : Path, optional
        Files for the retirement log and for waveforms.
    pipeline : PipelineView, optional
        What to write for the pipeline viewer.
    symbols : mapping of str to int, optional
        Names for the retirement log and the viewer.
    resume : Checkpoint, optional
        Of the same array, whose state it takes.
    checkpointer : Checkpointer, optional
        Writes checkpoints while the array runs.

    Raises
    ------
    scripts.simulator.checkpoint.CheckpointError
        If the simulator is not that of the checkpoint.
    CommandError
        If it does not fit into memory, or waveforms or a pipeline are wanted of what has none.
    sw.routing.RoutingError
        If there are no routes around what is dead, or the nodes have no tables for them.
    """
    require_memory(config, shape)
    if resume is None:
        _find_routes(config, shape, stages)
    pipeline = _pipeline(pipeline, config, shape, backend)
    if backend == "golden":
        if waves is not None:
            raise CommandError("--waves records signals, and the golden model has none; leave out --backend golden")
        array = GoldenArray(config, topology=shape.topology)
        set_up_routes(array)
        opened = OpenedArray(
            array,
            f"{shape} '{config.name}', golden model",
            {"config": config.name, **shape.as_dict(), "backend": backend, "arithmetic": None},
        )
        with contextlib.ExitStack() as stack:
            if trace is not None:
                trace_golden(array, stack.enter_context(trace.open("w")), symbols or {})
                opened.notes.append(f"trace: {trace}")
            yield opened
        return
    if waves is not None and waves.suffix.lower() not in WAVE_FORMATS:
        raise CommandError(f"--waves {waves} must end in {' or '.join(WAVE_FORMATS)}")
    wave_format = None if waves is None else waves.suffix.lower()[1:]
    if resume is not None:
        check_choice(resume, config, arithmetic, wave_format, pipeline is not None)
    library = build_simulator(config, arithmetic, wave_format, stages, observe=pipeline is not None)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(trace.open("w")) if trace is not None else None
        simulated: Watching
        together = processes()
        if together is None:
            simulated = WatchedArray(config, library=library, waves=waves, topology=shape.topology)
        else:
            simulated = WatchedRankedArray(config, library=library, waves=waves, topology=shape.topology, processes=together)
        stack.enter_context(simulated)
        if resume is None:
            set_up_routes(simulated)
        else:
            with stages.stage(f"resume from {resume.path}") as stage:
                simulated.restore(resume)
                stage.note = f"cycle {resume.cycle:,}"
        simulated.checkpointer = checkpointer
        opened = OpenedArray(
            simulated,
            f"{shape} '{config.name}', rtl with {arithmetic} arithmetic{f', {together.size} processes' if together else ''}",
            {
                "config": config.name,
                **shape.as_dict(),
                "backend": backend,
                "arithmetic": arithmetic,
                "simulator_cached": library.cached,
                "simulator_key": library.key,
                **({"ranks": together.size} if together else {}),
            },
        )
        if log is not None:
            target = log
            simulated.trace()
            simulated.watchers.append(lambda array: trace_records(array.retirements(), target, symbols or {}))
            opened.notes.append(f"trace: {trace}")
        if pipeline is not None:
            view = PipelineTrace(simulated, pipeline, symbols or {})
            # What there is to say of the file is known when it is closed, which is before this.
            stack.callback(lambda: opened.notes.extend(view.notes()))
            stack.enter_context(view)
            simulated.watchers.append(view.take)
        if waves is not None:
            column, row, _ = shape.topology.host_link
            opened.notes.append(f"waves of node row {row}, column {column}: gtkwave {shlex.quote(str(waves))}")
        yield opened
        if checkpointer is not None and checkpointer.written_cycle is not None:
            opened.notes.append(f"checkpoint of cycle {checkpointer.written_cycle:,}: {checkpointer.path}")


def _find_routes(config: NodeConfig, shape: ArrayShape, stages: Stages) -> None:
    """Find and prove routes around what is dead, if anything is, before anything is built."""
    if shape.topology.is_whole:
        return
    with stages.stage(f"routes around what is dead in {shape}") as stage:
        routes = proved_routes(shape.topology)
        stage.note = "none are needed"
        if routes is not None:
            require_tables(config, shape.topology)
            stage.note = "proved: every packet arrives, and none can wait for itself"


def _pipeline(pipeline: PipelineView | None, config: NodeConfig, shape: ArrayShape, backend: str) -> PipelineView | None:
    """What is to be written for the pipeline viewer, if anything.

    Raises
    ------
    CommandError
        If it is asked for what has no pipeline, or the file is there and holds something else.
    """
    has_pipeline = backend != "golden" and config.core == "pipelined"
    if pipeline is None or not (pipeline.asked or has_pipeline):
        return None
    if backend == "golden":
        raise CommandError("--kanata shows the pipeline, and the golden model has none; use --backend rtl")
    if config.core != "pipelined":
        others = ", ".join(name for name, each in PRESETS.items() if each.core == "pipelined")
        raise CommandError(
            f"--kanata shows the pipeline, and the core of '{config.name}' is {config.core}: it executes one instruction at a"
            f" time; use --config with one of {others}, or --trace, which tells the cycle of each instruction"
        )
    if pipeline.row >= shape.rows or pipeline.column >= shape.columns:
        raise CommandError(
            f"--kanata-node {pipeline.row},{pipeline.column} is not in an array of {shape}; rows and columns count from 0"
        )
    if not shape.topology.is_live(pipeline.column, pipeline.row):
        if pipeline.asked:
            raise CommandError(f"--kanata-node {pipeline.row},{pipeline.column} is dead in {shape}; name another node")
        column, row, _ = shape.topology.host_link
        pipeline = replace(pipeline, row=row, column=column)
    if not may_be_replaced(pipeline.path):
        raise CommandError(
            f"{pipeline.path} is there, and is no Kanata file, so that it is not overwritten; name another file with --kanata, or"
            " leave it out with --no-kanata"
        )
    return pipeline


def build_simulator(
    config: NodeConfig, arithmetic: str, waves: str | None, stages: Stages, *, observe: bool = False
) -> SimulatorLibrary:
    """Build the simulator of a configuration as a stage of its own, or take it from the cache.

    Parameters
    ----------
    observe : bool
        With the outputs that show every instruction and every cycle of the pipeline.

    Raises
    ------
    scripts.simulator.errors.ToolMissing
        If g++, make, perl or Verilator is not there.
    scripts.simulator.errors.BuildError
        If one of them rejects what it is given.
    """
    with stages.stage(f"simulator of '{config.name}', {arithmetic} arithmetic{', observed' if observe else ''}") as stage:
        library = build(config, arithmetic, waves, lambda what, done: stage.advance(done, what), observe=observe)
        stage.note = "from the cache" if library.cached else "built, and cached from now on"
    return library
