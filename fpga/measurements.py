# SPDX-License-Identifier: Apache-2.0
"""What boards come to, measured: the file of figures, and the table that is made of it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fpga.boards import BOARDS
from fpga.build import Tell, build
from fpga.choice import Choice
from fpga.errors import BuildFailed, FpgaError
from fpga.flows import FLOWS
from fpga.report import Resource
from fpga.tools import find_tool
from golden.config import NodeConfig, preset

__all__ = [
    "BEGIN", "END", "MEASUREMENTS", "Matmul", "Measurement", "load", "markdown", "matmul_utilisation", "measure", "replace_part",
    "save", "update",
]  # fmt: skip

#: The figures, under version control.
MEASUREMENTS = Path(__file__).parent / "measurements.json"

#: What stands before and after the table in a page.
BEGIN, END = "<!-- boards: begin -->", "<!-- boards: end -->"

#: Marks rows of nodes that are no longer what their preset is.
_EARLIER = "†"

#: Edges of the products that utilisation is measured with: the largest that fits is taken.
_EDGES = (256, 128, 64, 32, 16, 8)


@dataclass(frozen=True)
class Matmul:
    """A square product on the simulated array: its edge, and which part of the matrix units' cycles it used."""

    edge: int
    cycles: int
    utilisation: float


@dataclass(frozen=True)
class Measurement:
    """A design on a board, built with several seeds.

    Attributes
    ----------
    board, design, config : str
    rows, columns : int
    clock_mhz : float
        That the design is built for.
    key : str
        Of the nodes' configuration.
    tools : dict of str to str
        Versions.
    resources : dict of str to Resource
    fmax_mhz : dict of str to float
        By seed.
    build_seconds : float
        Export, synthesis and, in the median over the seeds, place and route and packing.
    matmul : Matmul or None
        None for designs that cannot multiply.
    """

    board: str
    design: str
    config: str
    rows: int
    columns: int
    clock_mhz: float
    key: str
    tools: dict[str, str]
    resources: dict[str, Resource]
    fmax_mhz: dict[str, float] = field(default_factory=dict)
    build_seconds: float = 0.0
    matmul: Matmul | None = None

    @property
    def name(self) -> tuple[str, str, str, int, int]:
        """What it is a measurement of; a later one of the same replaces it."""
        return self.board, self.design, self.config, self.rows, self.columns

    @property
    def current(self) -> bool:
        """Whether its nodes have the configuration that the preset has now."""
        return self.key == preset(self.config).key

    @property
    def fmax_median_mhz(self) -> float:
        """Over the seeds."""
        return statistics.median(self.fmax_mhz.values())

    @property
    def macs_per_second(self) -> float | None:
        """Most multiply-accumulates, at the board's clock or the median Fmax, whichever is lower; None without a matrix unit."""
        if self.matmul is None:
            return None
        config = preset(self.config)
        megahertz = min(self.clock_mhz, self.fmax_median_mhz)
        return self.rows * self.columns * config.macs_per_step / config.matrix_step_cycles * megahertz * 1e6


def matmul_utilisation(config: NodeConfig, rows: int, columns: int) -> Matmul:
    """Measure a square product, the largest that fits, with ``d1 matmul`` on the compiled simulator.

    Parameters
    ----------
    config : NodeConfig
        A preset.
    rows, columns : int
        Of the array.

    Raises
    ------
    BuildFailed
        If no product runs; the message has the command's own words.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = ""
    for edge in _EDGES:
        command = [sys.executable, "-m", "scripts.d1.main", "matmul", "--json", "--config", config.name]
        command += ["--array", f"{rows}x{columns}", *(word for side in "mnk" for word in (f"--{side}", str(edge)))]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode == 0:
            result = json.loads(done.stdout)
            steps, cycles = sum(result["steps_per_node"]), result["cycles"]
            return Matmul(edge, cycles, steps * config.matrix_step_cycles / (cycles * rows * columns))
        said = done.stderr.strip()
    raise BuildFailed(f"d1 matmul on {rows}x{columns} '{config.name}' failed: {said}")


def measure(
    choice: Choice,
    seeds: Iterable[int],
    *,
    tell: Tell = lambda stage, seconds, note: None,
    multiply: Callable[[NodeConfig, int, int], Matmul] = matmul_utilisation,
) -> Measurement:
    """Build a choice with seeds and put together what it comes to.

    Parameters
    ----------
    choice : Choice
        Of a design with nodes.
    seeds : iterable of int
    tell : callable
        Gets progress.
    multiply : callable
        Measures utilisation.

    Raises
    ------
    FpgaError
        If a build fails.
    """
    board, design, settings = choice.board, choice.design, choice.settings
    if settings.config is None:
        raise ValueError(f"'{design.name}' has no nodes to measure")
    flow = FLOWS[board.family]
    results = {seed: build(board, design, settings, seed=seed, tell=tell) for seed in seeds}
    fmax = {str(seed): result.report.fmax_mhz for seed, result in results.items()}
    return Measurement(
        board=board.name,
        design=design.name,
        config=settings.config.name,
        rows=settings.rows,
        columns=settings.columns,
        clock_mhz=settings.clock_hz / 1e6,
        key=settings.config.key,
        tools={name: find_tool(name).version for name in ("yosys", flow.placer, flow.packer)},
        resources=next(iter(results.values())).report.resources,
        fmax_mhz={seed: round(value, 2) for seed, value in fmax.items() if value is not None},
        build_seconds=round(statistics.median(sum(result.full_seconds.values()) for result in results.values()), 1),
        matmul=None if design.name == "memory" else multiply(settings.config, settings.rows, settings.columns),
    )


def load(path: Path = MEASUREMENTS) -> list[Measurement]:
    """The measurements of a file, in the order of the boards."""
    found = []
    for entry in json.loads(path.read_text())["measurements"]:
        entry["resources"] = {name: Resource(**resource) for name, resource in entry["resources"].items()}
        entry["matmul"] = entry["matmul"] and Matmul(**entry["matmul"])
        found.append(Measurement(**entry))
    return found


def save(measurements: Sequence[Measurement], path: Path = MEASUREMENTS) -> None:
    """Write the measurements of a file, sorted."""
    boards = list(BOARDS)
    ordered = sorted(measurements, key=lambda one: (boards.index(one.board) if one.board in boards else len(boards), one.name))
    path.write_text(json.dumps({"measurements": [asdict(one) for one in ordered]}, indent=2) + "\n")


def update(measurement: Measurement, path: Path = MEASUREMENTS) -> None:
    """Put a measurement into a file, in the place of an earlier one of the same."""
    save([*(one for one in load(path) if one.name != measurement.name), measurement], path)


HEADER = (
    "board", "nodes", "LUT4", "FF", "DSP", "block RAM", "Fmax, MHz", "clock", "build", "peak MAC/s", "matmul",
)  # fmt: skip


def row(measurement: Measurement) -> tuple[str, ...]:
    """A measurement as a row under :data:`HEADER`."""
    values = measurement.fmax_mhz.values()
    resources = dict(measurement.resources)
    ram = _used(resources.pop("BRAM"))
    if "SPRAM" in resources:
        ram += f" + {_used(resources.pop('SPRAM'))} SPRAM"
    what = f"{measurement.rows}x{measurement.columns} {measurement.config}"
    peak, product = measurement.macs_per_second, measurement.matmul
    fmax = f"{measurement.fmax_median_mhz:.1f} ({min(values):.1f}–{max(values):.1f})" if values else "–"
    return (
        measurement.board if measurement.current else f"{measurement.board} {_EARLIER}",
        what if measurement.design in ("node", "array") else f"{measurement.design} of {measurement.config}",
        *(_used(resources[name]) for name in ("LUT4", "FF", "DSP")),
        ram,
        fmax,
        f"{measurement.clock_mhz:g} MHz",
        f"{measurement.build_seconds / 60:.1f} min",
        "–" if peak is None else f"{peak / 1e6:,.0f} M",
        "–" if product is None else f"{100 * product.utilisation:.0f} % of {product.edge}³",
    )


def markdown(measurements: Iterable[Measurement]) -> str:
    """The table of measurements, as a page has it."""
    known = list(measurements)
    if not known:
        return "Nothing has been measured yet.\n"
    lines = [HEADER, ("---",) * len(HEADER), *map(row, known)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if all(one.current for one in known):
        return table
    return f"{table}\n{_EARLIER} measured before the preset of its nodes changed last\n"


def replace_part(page: str, table: str) -> str:
    """A page with the table between :data:`BEGIN` and :data:`END` replaced.

    Raises
    ------
    FpgaError
        If the page does not have both.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise FpgaError(f"the page has no place for the table: lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table}{END}{after}"


def _used(resource: Resource) -> str:
    if resource.share is None:
        return f"{resource.used:,}"
    return f"{resource.used:,} ({100 * resource.share:.0f} %)"
