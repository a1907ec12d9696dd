# SPDX-License-Identifier: Apache-2.0
"""Exact cycle counts of the core's benchmarks on full-size nodes: scalar programs, and tile exchanges beside matrix steps.

They are kept and compared as those of matrix products are: see :mod:`scripts.d1.baselines`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from golden.config import preset
from scripts.d1.backends import build_simulator
from scripts.d1.baselines import FOLDER
from scripts.d1.report import Stages
from scripts.simulator import SimulatedArray
from sw.benchmarks.exchange import run_exchange
from sw.benchmarks.exchange_source import Sender
from sw.benchmarks.scalar import SCALAR_BENCHMARKS, ScalarBenchmark, run_scalar

FILE = FOLDER / "core.json"

#: Threads on which a scalar benchmark runs: alone, and as many as a node has.
THREADS = (1, 4)

_CONFIG = preset("d1")


@dataclass(frozen=True)
class CoreCounts:
    """What a benchmark counted.

    Attributes
    ----------
    counts : dict of str to int
        By name; all exact.
    per_cycle : dict of str to (str, str)
        Rates: which count over which count of cycles.
    """

    counts: dict[str, int]
    per_cycle: dict[str, tuple[str, str]]

    @property
    def cycles(self) -> int:
        """Cycles that it is about: the first count of cycles."""
        return next(count for name, count in self.counts.items() if name.endswith("cycles"))

    def record(self) -> dict[str, int]:
        """What is kept."""
        return dict(self.counts)

    def rates(self) -> dict[str, float]:
        """The rates."""
        return {name: self.counts[what] / self.counts[cycles] for name, (what, cycles) in self.per_cycle.items()}


@dataclass(frozen=True)
class CoreCase:
    """A benchmark: its key in the file, columns of the array, and what runs on it."""

    name: str
    columns: int
    run: Callable[[SimulatedArray], CoreCounts]


def _scalar(benchmark: ScalarBenchmark, threads: int) -> CoreCase:
    def run(array: SimulatedArray) -> CoreCounts:
        result = run_scalar(array, benchmark, threads)
        if not result.report.passed:
            raise RuntimeError(f"{benchmark.name}: {result.report.summary()}")
        counts = {"cycles": result.cycles, "retired": result.retired}
        return CoreCounts(counts, {"instructions_per_cycle": ("retired", "cycles")})

    return CoreCase(f"{benchmark.title}, {threads} thread{'s' * (threads > 1)}", 1, run)


def _exchange(sender: Sender) -> CoreCase:
    def run(array: SimulatedArray) -> CoreCounts:
        result = run_exchange(array, sender)
        counts = {"step_cycles": result.step_cycles, "steps": result.steps}
        per_cycle = {"steps_per_cycle": ("steps", "step_cycles")}
        if sender.threads:
            counts |= {"send_cycles": result.send_cycles, "lines_each_way": result.lines}
            per_cycle["lines_per_cycle_each_way"] = ("lines_each_way", "send_cycles")
        return CoreCounts({**counts, "bank_conflicts": result.bank_conflicts}, per_cycle)

    return CoreCase(f"matrix steps of 2 threads, {sender.value}", 2, run)


EXCHANGES = {sender: _exchange(sender) for sender in Sender}
SCALAR_CASES = tuple(_scalar(benchmark, threads) for benchmark in SCALAR_BENCHMARKS for threads in THREADS)
CASES = (*SCALAR_CASES, *EXCHANGES.values())


def measure(case: CoreCase, stages: Stages) -> CoreCounts:
    """Run a case on compiled nodes with macro arithmetic, which is cycle-exact.

    Raises
    ------
    RuntimeError
        If a result is wrong: a wrong result's cycles mean nothing.
    """
    library = build_simulator(_CONFIG, "macro", None, stages)
    with stages.stage(case.name) as stage:
        with SimulatedArray(_CONFIG, 1, case.columns, library=library) as array:
            counts = case.run(array)
        stage.note = f"{counts.cycles} cycles"
    return counts
