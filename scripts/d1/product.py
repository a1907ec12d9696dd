# SPDX-License-Identifier: Apache-2.0
"""A matrix product on an array, from random operands to the comparison with the golden model: ``d1 matmul``, ``d1 demo``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import NodeConfig, preset
from golden.formats import format_of
from golden.layout import FormatDescriptor, FormatKind
from golden.matrix import matmul
from golden.topology import Topology
from scripts.d1.backends import OpenedArray, open_array
from scripts.d1.errors import CommandError, ExitCode
from scripts.d1.memory import require_memory
from scripts.d1.operand_formats import BF16, bias_of, name_of
from scripts.d1.options import ArrayShape
from scripts.d1.report import Stages
from sw.backend import topology_of
from sw.kernels.live_grid import live_grid
from sw.kernels.matmul import plan, run_matmul
from sw.kernels.product import MatmulError, MatmulFailed, MatmulResult
from sw.kernels.spread import plan_spread, run_spread

#: BF16 operands are +-1.f x 2**e with e uniform in this range: over seven orders of magnitude, products over fourteen.
EXPONENTS = (-12, 12)

_BF16_BIAS = 127
_BF16_FRACTION_BITS = 7


def random_operand(
    rng: np.random.Generator, rows: int, columns: int, descriptor: FormatDescriptor = BF16
) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Codes (rows, columns) of both signs over many orders of magnitude: sign, exponent and fraction uniform.

    Those of 8 bits are any code; those of BF16 have exponents of the range above.
    """
    shape = (rows, columns)
    if descriptor.kind is not FormatKind.BF16:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    sign = rng.integers(0, 2, shape, dtype=np.uint16) << 15
    exponent = rng.integers(_BF16_BIAS + EXPONENTS[0], _BF16_BIAS + EXPONENTS[1], shape, dtype=np.uint16, endpoint=True)
    fraction = rng.integers(0, 1 << _BF16_FRACTION_BITS, shape, dtype=np.uint16)
    return (sign | exponent << _BF16_FRACTION_BITS | fraction).astype(np.uint16)


@dataclass(frozen=True)
class ProductReport:
    """What a product gave.

    Attributes
    ----------
    m, n, k, seed : int
    a_format, b_format : FormatDescriptor
        Formats of A and B.
    spread : bool
        Whether each node had one block of each operand and nothing else of them.
    array : dict
        What ran: config, array, backend, arithmetic and the like.
    description : str
        The same in words.
    result : MatmulResult
    mismatches : int or None
        Elements whose bits differ from the golden model's; None if they were not compared.
    node_cycles_per_second : float
        Cycles x nodes over the time that the run took.
    """

    m: int
    n: int
    k: int
    seed: int
    a_format: FormatDescriptor
    b_format: FormatDescriptor
    spread: bool
    array: dict[str, Any]
    description: str
    result: MatmulResult
    mismatches: int | None
    node_cycles_per_second: float

    @property
    def passed(self) -> bool:
        """Whether all bits are equal, as far as they were compared."""
        return not self.mismatches

    @property
    def utilisation_of_peak(self) -> float | None:
        """Mean share of the steps that the matrix units could have made; None on the golden model, which has no cycles."""
        if self.array["backend"] == "golden":
            return None
        return self.result.utilisation * preset(self.array["config"]).matrix_step_cycles

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "passed": self.passed,
            "m": self.m,
            "n": self.n,
            "k": self.k,
            "seed": self.seed,
            "format_a": name_of(self.a_format),
            "bias_a": bias_of(self.a_format),
            "format_b": name_of(self.b_format),
            "bias_b": bias_of(self.b_format),
            "spread": self.spread,
            **self.array,
            "cycles": self.result.cycles,
            "utilisation": self.result.utilisation,
            "utilisation_of_peak": self.utilisation_of_peak,
            "utilisation_per_node": list(self.result.utilisation_per_node),
            "cycles_per_node": list(self.result.cycles_per_node),
            "steps_per_node": list(self.result.steps_per_node),
            "packets": self.result.packets,
            "bank_conflicts": self.result.bank_conflicts,
            "lines_loaded": self.result.lines_loaded,
            "lines_stored": self.result.lines_stored,
            "lines_loaded_per_step": self.result.lines_loaded_per_step,
            "verified": self.mismatches is not None,
            "mismatches": self.mismatches,
            "node_cycles_per_second": self.node_cycles_per_second,
            "seconds": self.result.seconds,
        }

    def rows(self) -> list[tuple[str, str]]:
        """The report as a table of (what, value): what ran, then what it gave."""
        per_node = ", ".join(f"{100 * each:.2f} %" for each in self.result.utilisation_per_node[:8])
        more = len(self.result.utilisation_per_node) - 8
        counted = "cycles" if self.array["backend"] != "golden" else "cycles (the model counts one per instruction)"
        if self.mismatches is None:
            equal = "not compared"
        elif self.mismatches:
            equal = f"NO: {self.mismatches} of {self.m * self.n} elements differ"
        else:
            equal = f"yes, all {self.m * self.n} elements"
        of_peak = []
        if self.utilisation_of_peak is not None and self.utilisation_of_peak != self.result.utilisation:
            most = f"one step in {preset(self.array['config']).matrix_step_cycles} cycles"
            of_peak.append((f"of the most it can do, {most}", f"{100 * self.utilisation_of_peak:.2f} %"))
        return [
            ("ran on", self.description),
            (counted, f"{self.result.cycles:,}"),
            ("matrix steps", f"{sum(self.result.steps_per_node):,}"),
            ("matrix-unit utilisation per node", per_node + (f" and {more} more" if more > 0 else "")),
            ("matrix-unit utilisation, mean", f"{100 * self.result.utilisation:.2f} %"),
            *of_peak,
            ("packets moved between nodes", f"{self.result.packets:,}"),
            ("bank conflicts", f"{self.result.bank_conflicts:,}"),
            ("SRAM lines loaded per matrix step", f"{self.result.lines_loaded_per_step:.2f}"),
            ("node-cycles per second", f"{self.node_cycles_per_second:,.0f}"),
            ("result bits equal the golden model's", equal),
        ]


def run_product(
    config: NodeConfig,
    shape: ArrayShape,
    m: int,
    n: int,
    k: int,
    *,
    backend: str,
    arithmetic: str,
    seed: int,
    verify: bool,
    stages: Stages,
    a_format: FormatDescriptor = BF16,
    b_format: FormatDescriptor = BF16,
    spread: bool = False,
) -> ProductReport:
    """Make an array, multiply random operands on it, and compare with the golden model.

    With ``spread``, each node has one block of A, B and C, and gets all else from other nodes while it computes.

    Raises
    ------
    CommandError
        If the product or the array does not fit, or a node did not end with success.
    """
    require_memory(config, shape)
    _plan(config, shape.topology, m, n, k, stages, a_format, b_format, spread)
    with open_array(config, shape, backend, arithmetic, stages) as opened:
        return _multiply(opened, m, n, k, seed, verify, stages, a_format, b_format, spread)


def run_product_on(
    opened: OpenedArray,
    m: int,
    n: int,
    k: int,
    *,
    seed: int,
    verify: bool,
    stages: Stages,
    a_format: FormatDescriptor = BF16,
    b_format: FormatDescriptor = BF16,
    spread: bool = False,
) -> ProductReport:
    """Multiply random operands on an array that is open already; raises as :func:`run_product`."""
    array = opened.array
    _plan(array.config, topology_of(array), m, n, k, stages, a_format, b_format, spread)
    return _multiply(opened, m, n, k, seed, verify, stages, a_format, b_format, spread)


def _plan(
    config: NodeConfig,
    topology: Topology,
    m: int,
    n: int,
    k: int,
    stages: Stages,
    a_format: FormatDescriptor,
    b_format: FormatDescriptor,
    spread: bool,
) -> None:
    """Refuse a product that does not fit, before anything is built or loaded."""
    try:
        with stages.stage("plan") as stage:
            grid = live_grid(topology)
            make = plan_spread if spread else plan
            work = make(config, len(grid), len(grid[0]), m, n, k, a_format, b_format, sites=grid)
            stage.note = f"{work.total_steps:,} matrix steps, {work.lines_sent:,} lines to exchange"
            if not topology.is_whole:
                stage.note += f", {len(work.nodes)} of {topology.nodes} nodes used"
    except MatmulError as error:
        raise CommandError(str(error)) from None


def _multiply(
    opened: OpenedArray,
    m: int,
    n: int,
    k: int,
    seed: int,
    verify: bool,
    stages: Stages,
    a_format: FormatDescriptor,
    b_format: FormatDescriptor,
    spread: bool,
) -> ProductReport:
    rng = np.random.default_rng(seed)
    a, b = random_operand(rng, m, k, a_format), random_operand(rng, k, n, b_format)
    titles = {
        "load": "boot: program and operands, by packets through one link",
        "run": f"multiply {m}x{k} by {k}x{n} on {opened.description}",
        "read": "read the result back, by packets",
    }
    try:
        with stages.follow(titles) as tell:
            result = (run_spread if spread else run_matmul)(opened.array, a, b, tell, a_format, b_format)
    except MatmulFailed as error:
        raise CommandError(str(error), ExitCode.FAILED) from None
    mismatches = None
    if verify:
        with stages.stage("compare with the golden model") as stage:
            expected = matmul(a, b, format_of(a_format), format_of(b_format))
            mismatches = int(np.count_nonzero(expected != result.c))
            stage.note = "all bits equal" if mismatches == 0 else f"{mismatches} elements differ"
    nodes = len(result.steps_per_node)
    speed = result.cycles * nodes / result.seconds if result.seconds else 0.0
    return ProductReport(
        m, n, k, seed, a_format, b_format, spread, opened.as_dict(), opened.description, result, mismatches, speed
    )
