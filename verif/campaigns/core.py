# SPDX-License-Identifier: Apache-2.0
"""Random programs on compiled arrays in lock-step with the golden ones, for millions of instructions.

>>> found = run(instructions=2000, seed=1, configs=("tiny",), processes=1)
>>> found.differences
[]
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field

from golden.config import PRESETS, NodeConfig
from scripts.simulator.build import Progress as BuildProgress
from scripts.simulator.build import SimulatorLibrary, build
from verif.campaigns.coverage import Coverage
from verif.rtl.node.array_programs import array_program
from verif.rtl.node.lockstep import run as run_lockstep
from verif.rtl.node.node_bench import NARROW, WIDE, WIDE_SEQUENTIAL

__all__ = ["CONFIGS", "DEFAULT_CONFIGS", "FoundDifference", "Report", "Tally", "UnknownConfig", "run", "run_program"]

#: Configurations by name: presets, and some that no preset is like.
CONFIGS: dict[str, NodeConfig] = {
    **PRESETS,
    **{config.name: config for config in (WIDE, NARROW, WIDE_SEQUENTIAL)},
}  # fmt: skip

#: What a campaign runs that is not told otherwise.
DEFAULT_CONFIGS = ("tiny", "nano", "d1", "wide", "narrow", "wide-sequential")

#: Programs with differences after which a campaign ends.
KEPT = 5

#: Programs that are under way per process.
_AHEAD = 3


class UnknownConfig(ValueError):
    """A configuration that a campaign does not have."""


@dataclass(frozen=True)
class FoundDifference:
    """A program whose runs differ.

    Attributes
    ----------
    config : str
    seed, program : int
    what, context : str
        See ``verif.rtl.node.lockstep.Difference``.
    """

    config: str
    seed: int
    program: int
    what: str
    context: str

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"d1 campaign core --config {self.config} --seed {self.seed} --program {self.program}"


@dataclass
class Tally:
    """What was done: programs, instructions retired, cycles of the hardware, time on processors."""

    programs: int = 0
    instructions: int = 0
    cycles: int = 0
    golden_seconds: float = 0.0
    engine_seconds: float = 0.0
    other_seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Add what was done elsewhere."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Report:
    """How a campaign went.

    Attributes
    ----------
    tallies : dict of str to Tally
        By configuration.
    coverage : Coverage
    differences : list of FoundDifference
    seconds : float
        From start to end.
    interrupted : bool
        Whether it was ended before its time.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)
    differences: list[FoundDifference] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def total(self) -> Tally:
        """Of all configurations."""
        total = Tally()
        for tally in self.tallies.values():
            total.add(tally)
        return total


@dataclass(frozen=True)
class _Result:
    tally: Tally
    coverage: Coverage
    difference: FoundDifference | None


#: Called with the configuration and the report so far whenever a program is done.
Progress = Callable[[str, Report], None]


def _ignore(config: str, report: Report) -> None:
    pass


@functools.cache
def _library(config: str) -> SimulatorLibrary:
    return build(CONFIGS[config])


def run_program(config: str, seed: int, program: int) -> _Result:
    """Run one program of a campaign."""
    start = time.process_time()
    made = array_program(CONFIGS[config], f"{config} {seed} {program}")
    outcome = run_lockstep(made, _library(config))
    coverage = Coverage()
    coverage.note(outcome.retirements)
    found = None
    if outcome.difference is not None:
        found = FoundDifference(config, seed, program, outcome.difference.what, outcome.difference.context)
    rest = time.process_time() - start - outcome.golden_seconds - outcome.engine_seconds
    tally = Tally(1, outcome.instructions, outcome.cycles, outcome.golden_seconds, outcome.engine_seconds, rest)
    return _Result(tally, coverage, found)


def _start_worker() -> None:
    """Interrupts are the parent's matter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _in_order(
    config: str, seed: int, programs: Iterator[int], pool: ProcessPoolExecutor | None, processes: int
) -> Iterator[_Result]:
    """Results of programs in their order, whatever the number of processes; without end if ``programs`` has none."""
    if pool is None:
        for program in programs:
            yield run_program(config, seed, program)
        return
    pending: deque[Future[_Result]] = deque()
    try:
        for program in programs:
            pending.append(pool.submit(run_program, config, seed, program))
            if len(pending) >= _AHEAD * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def run(
    instructions: int,
    seed: int,
    progress: Progress = _ignore,
    *,
    configs: Sequence[str] = DEFAULT_CONFIGS,
    processes: int | None = None,
    program: int | None = None,
    build_progress: Callable[[str], BuildProgress] | None = None,
) -> Report:
    """Run random programs until so many instructions have retired, in equal shares on each configuration.

    Parameters
    ----------
    instructions : int
    seed : int
        Equal seeds make equal programs, whatever the number of processes. It, the configuration and its number make a program.
    progress : Progress
    configs : sequence of str
        Keys of CONFIGS.
    processes : int, optional
        Worker processes, by default one for each core; 1 works in this process.
    program : int, optional
        Run this program alone.
    build_progress : function of str, optional
        Gives what is told how the simulator of a configuration is built.

    Returns
    -------
    Report
        With at most KEPT differences, after which it ends. An interrupt ends it too.

    Raises
    ------
    UnknownConfig
    ToolMissing, BuildError
        From building the simulators.
    """
    for config in configs:
        if config not in CONFIGS:
            raise UnknownConfig(f"there is no configuration '{config}'; there are {', '.join(CONFIGS)}")
    count = processes or os.cpu_count() or 1
    report, start = Report(), time.monotonic()
    pool = None
    try:
        for config in configs:
            build(CONFIGS[config], progress=build_progress(config) if build_progress else None)
        pool = ProcessPoolExecutor(count, initializer=_start_worker) if count > 1 and program is None else None
        share = -(-instructions // len(configs))
        for config in configs:
            tally = report.tallies[config] = Tally()
            numbers = itertools.count() if program is None else iter((program,))
            results = _in_order(config, seed, numbers, pool, count)
            for result in results:
                tally.add(result.tally)
                report.coverage.add(result.coverage)
                if result.difference:
                    report.differences.append(result.difference)
                report.seconds = time.monotonic() - start
                progress(config, report)
                if tally.instructions >= share or len(report.differences) >= KEPT:
                    break
            results.close()  # type: ignore[attr-defined]
            if len(report.differences) >= KEPT:
                break
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    report.seconds = time.monotonic() - start
    return report
