# SPDX-License-Identifier: Apache-2.0
"""All sizes of the pipelined core: each in lock-step with the golden node, with its speed and its area. Results are kept."""

from __future__ import annotations

import functools
import json
import os
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fpga.errors import FpgaError
from fpga.tools import find_tool
from scripts.simulator import SimulatorError
from scripts.simulator.build import library_key
from scripts.simulator.cache import Cache, digest
from scripts.simulator.toolchain import find_toolchain
from verif.bench import verilator_environment
from verif.sizes.area import KINDS, PARTS, area, core_design, synthesise
from verif.sizes.execution import Difference
from verif.sizes.grid import BASE, BUILT, SIZES, Size, covering
from verif.sizes.measure import BENCHMARKS, Execution, execute
from verif.sizes.record import Entry, complete, hardware_key, load, save

__all__ = ["COLUMNS", "Progress", "SizeOutcome", "in_order", "known", "markdown", "measure", "missing", "record", "row", "run"]

_ROOT = Path(__file__).resolve().parent.parent.parent

#: While nothing is done, progress is told this often.
_BEAT_SECONDS = 5.0

#: What is executed depends on these, beside the hardware.
_SOURCES = (
    "golden", "sw", "verif/rtl/node", "verif/golden/encoding.py",
    "verif/sizes/grid.py", "verif/sizes/execution.py", "verif/sizes/measure.py",
)  # fmt: skip

#: So do areas on these.
_DESIGN = ("rtl", "golden/config.py", "golden/isa.py", "golden/layout.py", "verif/sizes/area.py", "fpga/flows/ecp5.py")

#: Told of a size what is being done.
Progress = Callable[[Size, str], None]


@dataclass
class SizeOutcome:
    """What became of a size.

    Attributes
    ----------
    size : Size
    execution : Execution or None
        None if it failed, or was not measured.
    area : dict of str to dict of str to int
        By part and kind; empty if it failed, or was not measured.
    errors : list of str
    seconds : float
    hardware : str
        Key of the hardware that was measured.
    """

    size: Size
    execution: Execution | None = None
    area: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    hardware: str = ""

    @property
    def current(self) -> bool:
        """The hardware has not changed since."""
        return self.hardware == hardware_key(self.size)

    @property
    def passed(self) -> bool:
        """Nothing failed, and nothing is missing."""
        return not self.errors and self.execution is not None and bool(self.area)

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"d1 campaign sizes --only {self.size}"

    def total(self, kind: str) -> int:
        """Of the whole core."""
        return sum(part[kind] for part in self.area.values())

    def as_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            **asdict(self.size),
            "size": str(self.size),
            "passed": self.passed,
            "current": self.current,
            "errors": self.errors,
            "execution": asdict(self.execution) if self.execution else None,
            "area": {"total": {kind: self.total(kind) for kind in KINDS}, **self.area} if self.area else None,
            "seconds": self.seconds,
        }


def in_order(sizes: Collection[Size]) -> list[Size]:
    """Sizes in the order in which they are measured: first those that stand for all, so that a run that is ended says most; last
    those that have the hardware of others."""
    first = [size for size in covering() if size in sizes]
    return [*first, *(size for size in sorted(sizes, key=lambda size: (size.built != size, size)) if size not in first)]


def run(sizes: Collection[Size], progress: Progress, *, processes: int | None = None) -> Iterator[SizeOutcome]:
    """Measure sizes, each as soon as there is a process for it; outcomes come as they are done.

    Parameters
    ----------
    sizes : collection of Size
    progress : callable
        Told of everything if one process works, else now and then of a size that is under way.
    processes : int, optional
        Worker processes, by default one for each core; 1 works in this process.

    Raises
    ------
    ToolMissing
        If there is no compiler or no Yosys.
    """
    _require_tools()
    ordered = in_order(sizes)
    count = processes or os.cpu_count() or 1
    if count == 1:
        for size in ordered:
            yield measure(size, lambda note, size=size: progress(size, note))  # type: ignore[misc]
        return
    with ProcessPoolExecutor(count) as pool:
        pending: dict[Future[SizeOutcome], Size] = {pool.submit(measure, size): size for size in ordered}
        try:
            while pending:
                for future in wait(pending, _BEAT_SECONDS, FIRST_COMPLETED).done:
                    del pending[future]
                    yield future.result()
                if pending:
                    progress(next((size for future, size in pending.items() if future.running()), ordered[-1]), "under way")
        finally:
            pool.shutdown(cancel_futures=True)


def _require_tools() -> None:
    # C++ that does not depend on the size is compiled once.
    os.environ["OBJCACHE"] = verilator_environment()["OBJCACHE"]
    find_toolchain()
    find_tool("yosys")


def measure(size: Size, tell: Callable[[str], None] = lambda note: None) -> SizeOutcome:
    """Measure one size, or take what is kept of its hardware; errors of this size are part of the outcome."""
    start = time.monotonic()
    outcome = SizeOutcome(size, hardware=hardware_key(size))
    try:
        outcome.execution = _execution(size.built, tell)
    except (Difference, SimulatorError, RuntimeError) as error:
        outcome.errors.append(f"{type(error).__name__}: {error}")
    try:
        outcome.area = _area(size.built, tell)
    except FpgaError as error:
        outcome.errors.append(f"{type(error).__name__}: {error}")
    outcome.seconds = time.monotonic() - start
    return outcome


def known(sizes: Collection[Size]) -> list[SizeOutcome]:
    """What earlier runs have found out about sizes, in their order: on this machine, else what is recorded.

    Of some sizes only one of execution and area may be known.
    """
    executions, areas, recorded = Cache("size-executions"), Cache("size-areas"), load()
    found = []
    for size in sorted(sizes):
        outcome = SizeOutcome(size, hardware=hardware_key(size))
        if executions.find(_execution_key(size.built)):
            outcome.execution = _execution(size.built, lambda note: None)
        if areas.find(_area_key(size.built)):
            outcome.area = _area(size.built, lambda note: None)
        entry = recorded.get(size)
        if entry and not (outcome.execution and outcome.area):
            outcome = SizeOutcome(size, entry.execution, entry.area, hardware=entry.hardware)
        if outcome.execution or outcome.area:
            found.append(outcome)
    return found


def record(outcomes: Sequence[SizeOutcome]) -> None:
    """Put into the record what did not fail; what it has of other sizes stays."""
    entries = load()
    entries |= {o.size: Entry(o.execution, o.area, o.hardware) for o in outcomes if not o.errors and (o.execution or o.area)}
    save(entries)


def missing(sizes: Collection[Size]) -> list[Size]:
    """Those of the sizes that the record does not have in full, of the hardware as it is now."""
    there = complete(load())
    return [size for size in sizes if size not in there]


# -- what is kept ------------------------------------------------------------------------------------------------------


def _execution(size: Size, tell: Callable[[str], None]) -> Execution:
    def make(folder: Path) -> None:
        (folder / "execution.json").write_text(json.dumps(asdict(execute(size, tell))))

    folder = Cache("size-executions").build(_execution_key(size), make)
    kept = json.loads((folder / "execution.json").read_text())
    kept["instructions_per_cycle"] = {name: tuple(rates) for name, rates in kept["instructions_per_cycle"].items()}
    return Execution(**kept)


def _execution_key(size: Size) -> str:
    return digest([], _contents(_SOURCES), library_key(size.config, "macro", None, find_toolchain(), quick=True))


def _area(size: Size, tell: Callable[[str], None]) -> dict[str, dict[str, int]]:
    def make(folder: Path) -> None:
        tell("elaboration")
        design = core_design(size.config)
        yosys = find_tool("yosys")
        found = {}
        for number, name in enumerate(design.modules, 1):
            tell(f"synthesis of module {number} of {len(design.modules)}")
            found[name] = synthesise(design, name, yosys)
        parts = area(design, lambda name: found[name])
        (folder / "area.json").write_text(json.dumps(parts))

    folder = Cache("size-areas").build(_area_key(size), make)
    kept: dict[str, dict[str, int]] = json.loads((folder / "area.json").read_text())
    return kept


def _area_key(size: Size) -> str:
    return digest([], _contents(_DESIGN), size.config.key, find_tool("yosys").version)


@functools.cache
def _contents(sources: tuple[str, ...]) -> str:
    """Digest of files, and of all files in folders."""
    paths = [path for source in sources for path in (_ROOT / source, *sorted((_ROOT / source).rglob("*")))]
    files = [path for path in paths if path.is_file() and path.suffix != ".pyc"]
    return digest([(path.relative_to(_ROOT).as_posix(), path.read_bytes()) for path in files])


# -- the list ----------------------------------------------------------------------------------------------------------

#: Of the list.
COLUMNS = (
    "size",
    "lock-step",
    "steps per cycle",
    *(benchmark.title for benchmark in BENCHMARKS.values()),
    "LUT4",
    *(f"{part} LUT4" for part in PARTS),
    *(kind for kind in KINDS if kind != "LUT4"),
)

_HEADING = """\
# Sizes of the pipelined core

Written by `d1 campaign sizes --write {name}`. A size is threads / bytes fetched per cycle / decoders / instructions that a thread
issues per cycle; there are {count} in all, and a node can be made of each. Decoders form two lanes, which have at most as many as
words are fetched; more are not built. So {built} sizes differ in their hardware, and the others are listed with what those have.
All else is as in the preset `medium`, with {kib} KiB of SRAM and without list transfers.

{state}

- **lock-step** - instructions that did the same as on the golden node, bit for bit: random programs of all threads, and all
  hazards of `verif/rtl/node/test_hazards.py`.
- **steps per cycle** - of the matrix unit, in a BF16 product of 32x32x32.
- **instructions per cycle** - of {benchmarks}: on one thread, and on all threads at once.
- **area** - of the core on an ECP5, after synthesis. Every module is synthesised alone, once for all sizes that have it, and
  a core's area is the **sum over its modules**: nothing is optimised across modules, and what one makes that nobody uses counts.
  So these areas are for comparing sizes with each other: synthesised as a whole, the core of 1/8/1/1 takes a seventh less LUT4
  than its sum, and 6 % fewer flip-flops. Matrix array, SIMD unit, random lanes, SRAM, router and network interface do not depend
  on the size and are not counted, nor are the register files, which depend on the number of threads alone: for each thread 256
  bytes of scalar registers with 12 read and 15 write ports, and 1 KiB of vector registers with 7 and 2. LUT4 has carry chains
  (two each) and memories in LUTs (six for 16x4 bits) in it.
"""


def markdown(outcomes: Sequence[SizeOutcome], name: str = "docs/sizes.md") -> str:
    """A page with every size that did not fail, and the names of those that did or that nothing is known of."""
    good = sorted((outcome for outcome in outcomes if not outcome.errors), key=lambda outcome: outcome.size)
    failed = sorted((outcome for outcome in outcomes if outcome.errors), key=lambda outcome: outcome.size)
    listed = {outcome.size for outcome in (*good, *failed)}
    unknown = [size for size in SIZES if size not in listed]
    earlier = sum(not outcome.current for outcome in good)
    state = f"{sum(outcome.execution is not None for outcome in good)} sizes were run, and do what the golden node does; "
    state += f"{sum(bool(outcome.area) for outcome in good)} were synthesised."
    if unknown:
        state += f" {len(unknown)} were not measured yet, and are not in the table: {_ranges(unknown)}."
    if earlier:
        state += f" {earlier}, marked with an asterisk, were measured before sources of the hardware changed last."
    if failed:
        state += " These failed: " + ", ".join(f"`{outcome.command}`" for outcome in failed) + "."
    titles = [benchmark.title for benchmark in BENCHMARKS.values()]
    heading = _HEADING.format(
        name=name,
        count=len(SIZES),
        built=len(BUILT),
        kib=BASE.sram_bytes >> 10,
        state=state,
        benchmarks=" and ".join(f"the {title}" for title in titles),
    )
    lines = [heading, f"| {' | '.join(COLUMNS)} |", "|---|" + "--:|" * (len(COLUMNS) - 1)]
    lines += [f"| {' | '.join(row(outcome))} |" for outcome in good]
    synthesised = [outcome for outcome in good if outcome.area]
    # Of some sizes only, medians would tell what else these have in common.
    if len(synthesised) == len(SIZES):
        lines += ["", *_shares(synthesised)]
    return "\n".join([*lines, ""])


def row(outcome: SizeOutcome) -> tuple[str, ...]:
    """A size's columns in the list; what is not known stays empty."""
    return f"{outcome.size}{'' if outcome.current else ' *'}", *_execution_columns(outcome), *_area_columns(outcome)


def _execution_columns(outcome: SizeOutcome) -> tuple[str, ...]:
    execution = outcome.execution
    if execution is None:
        return ("",) * (2 + len(BENCHMARKS))
    rates = [execution.instructions_per_cycle[name] for name in BENCHMARKS]
    return (
        f"{execution.instructions:,}",
        f"{execution.matmul_utilisation:.2f}",
        *(f"{one:.2f}, {every:.2f}" if outcome.size.threads > 1 else f"{one:.2f}" for one, every in rates),
    )


def _area_columns(outcome: SizeOutcome) -> tuple[str, ...]:
    if not outcome.area:
        return ("",) * (len(KINDS) + len(PARTS))
    return (
        f"{outcome.total('LUT4'):,}",
        *(f"{outcome.area[part]['LUT4']:,}" for part in PARTS),
        *(f"{outcome.total(kind):,}" for kind in KINDS if kind != "LUT4"),
    )


def _shares(outcomes: Sequence[SizeOutcome]) -> Iterator[str]:
    """What each part of the core depends on: medians over the sizes with a value of a parameter."""
    yield "## What depends on what"
    yield ""
    yield "Medians of LUT4 over all sizes that have a parameter's value."
    yield ""
    yield f"| parameter | value | sizes | {' | '.join(PARTS)} | core |"
    yield "|---|--:|--:|" + "--:|" * (len(PARTS) + 1)
    by_value: Mapping[str, list[int]] = {
        name: sorted({getattr(outcome.size, name) for outcome in outcomes}) for name in asdict(outcomes[0].size)
    }
    for name, values in by_value.items():
        for value in values:
            chosen = [outcome for outcome in outcomes if getattr(outcome.size, name) == value]
            medians = [statistics.median(outcome.area[part]["LUT4"] for outcome in chosen) for part in PARTS]
            medians.append(statistics.median(outcome.total("LUT4") for outcome in chosen))
            yield f"| {name} | {value} | {len(chosen)} | {' | '.join(f'{median:,.0f}' for median in medians)} |"


def _ranges(sizes: Sequence[Size]) -> str:
    """Sizes with the decoders of those that are alike in all else together, as in ``4/16/3, 5, 7/2``."""
    together: dict[tuple[int, int, int], list[int]] = {}
    for size in sizes:
        together.setdefault((size.threads, size.fetch_bytes, size.issue_width), []).append(size.decode_width)
    return "; ".join(
        f"{threads}/{fetch}/{', '.join(map(str, decoders)) if len(decoders) < 8 else '1 to 8'}/{issue}"
        for (threads, fetch, issue), decoders in sorted(together.items())
    )
