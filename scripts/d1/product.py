# SPDX-License-Identifier: Apache-2.0
"""A matrix product on an array, from random operands to the comparison with the golden model: ``d1 matmul``, ``d1 demo``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import NodeConfig, preset
from golden.formats import format_of
from golden.layout import FormatDescriptor, FormatKind
from golden.matrix import matmul
from golden.topology import Topology
from scripts.d1.backends import OpenedArray, open_array
from scripts.d1.checkpoints import CheckpointChoice, Checkpointer, program_digest
from scripts.d1.errors import CommandError, ExitCode
from scripts.d1.memory import require_memory
from scripts.d1.operand_formats import BF16, bias_of, chosen_format, name_of
from scripts.d1.options import ArrayShape
from scripts.d1.report import Stages
from scripts.simulator.checkpoint import Checkpoint, read_checkpoint
from sw.backend import topology_of
from sw.kernels.live_grid import live_grid
from sw.kernels.matmul import MatmulPlan, plan, run_matmul
from sw.kernels.product import MatmulError, MatmulFailed, MatmulResult, ProductState
from sw.kernels.spread import SpreadPlan, plan_spread, run_spread

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
class Product:
    """A product of random operands.

    Attributes
    ----------
    m, n, k, seed : int
    a_format, b_format : FormatDescriptor
        Formats of A and B.
    spread : bool
        Whether each node has one block of each operand, and gets all else from other nodes while it computes.
    """

    m: int
    n: int
    k: int
    seed: int
    a_format: FormatDescriptor = BF16
    b_format: FormatDescriptor = BF16
    spread: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The product as JSON has it."""
        return {
            "m": self.m,
            "n": self.n,
            "k": self.k,
            "seed": self.seed,
            "format_a": name_of(self.a_format),
            "bias_a": bias_of(self.a_format),
            "format_b": name_of(self.b_format),
            "bias_b": bias_of(self.b_format),
            "spread": self.spread,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Product:
        """The inverse of ``as_dict``."""
        a_format, b_format = (chosen_format(side, values[f"format_{side}"], values[f"bias_{side}"]) for side in ("a", "b"))
        return cls(values["m"], values["n"], values["k"], values["seed"], a_format, b_format, values["spread"])

    def plan(self, config: NodeConfig, topology: Topology, stages: Stages) -> MatmulPlan | SpreadPlan:
        """How an array computes it; CommandError if it cannot."""
        try:
            with stages.stage("plan") as stage:
                grid = live_grid(topology)
                make = plan_spread if self.spread else plan
                rows, columns = len(grid), len(grid[0])
                work = make(config, rows, columns, self.m, self.n, self.k, self.a_format, self.b_format, sites=grid)
                stage.note = f"{work.total_steps:,} matrix steps, {work.lines_sent:,} lines to exchange"
                if not topology.is_whole:
                    stage.note += f", {len(work.nodes)} of {topology.nodes} nodes used"
                return work
        except MatmulError as error:
            raise CommandError(str(error)) from None


@dataclass(frozen=True)
class ProductReport:
    """What a product gave.

    Attributes
    ----------
    product : Product
    array : dict
        What ran: config, array, backend, arithmetic and the like.
    description : str
        The same in words.
    result : MatmulResult
    mismatches : int or None
        Elements whose bits differ from the golden model's; None if they were not compared.
    node_cycles_per_second : float
        Cycles x nodes over the time that they took in this process.
    notes : tuple of str
        Lines for the user at the end.
    """

    product: Product
    array: dict[str, Any]
    description: str
    result: MatmulResult
    mismatches: int | None
    node_cycles_per_second: float
    notes: tuple[str, ...] = ()

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
            **self.product.as_dict(),
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
        elements = self.product.m * self.product.n
        if self.mismatches is None:
            equal = "not compared"
        elif self.mismatches:
            equal = f"NO: {self.mismatches} of {elements} elements differ"
        else:
            equal = f"yes, all {elements} elements"
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
    product: Product,
    config: NodeConfig,
    shape: ArrayShape,
    *,
    backend: str,
    arithmetic: str,
    verify: bool,
    stages: Stages,
    checkpoints: CheckpointChoice | None = None,
) -> ProductReport:
    """Make an array, multiply random operands on it, and compare with the golden model.

    Raises
    ------
    CommandError
        If the product or the array does not fit, or a node did not end with success.
    """
    require_memory(config, shape)
    work = product.plan(config, shape.topology, stages)
    return _run(product, config, shape, work, ProductState(), None, backend, arithmetic, verify, stages, checkpoints)


def resume_product(checkpoints: CheckpointChoice, *, verify: bool, stages: Stages) -> ProductReport:
    """Go on with a product from its checkpoint; otherwise as :func:`run_product`.

    Raises
    ------
    scripts.simulator.checkpoint.CheckpointError
        If there is no checkpoint in the file.
    CommandError
        If it is not one of a product as it would be planned now.
    """
    assert checkpoints.resume is not None
    saved = read_checkpoint(checkpoints.resume)
    run = saved.run
    if run is None or "product" not in run:
        held = "a run of a program; d1 run --resume goes on with it" if run and "program" in run else "no matrix product"
        raise CommandError(f"{saved.path} holds {held}. d1 matmul --checkpoint writes one that d1 matmul goes on with")
    product, shape = Product.from_dict(run["product"]), ArrayShape.of(saved.topology, run["array"])
    require_memory(saved.config, shape)
    work = product.plan(saved.config, shape.topology, stages)
    if run["plan"] != _digest(work):
        raise CommandError(f"{saved.path} is a product as another version planned it; go on with that one, or begin anew")
    state = ProductState.from_dict(run)
    return _run(product, saved.config, shape, work, state, saved, "rtl", saved.arithmetic, verify, stages, checkpoints)


def run_product_on(product: Product, opened: OpenedArray, *, verify: bool, stages: Stages) -> ProductReport:
    """Multiply random operands on an array that is open already; raises as :func:`run_product`."""
    product.plan(opened.array.config, topology_of(opened.array), stages)
    return _multiply(product, opened, ProductState(), verify, stages)


def _digest(work: MatmulPlan | SpreadPlan) -> str:
    """Hexadecimal digest of a plan: the program, which nodes run it, and where operands and results lie in them."""
    places = work.offsets if isinstance(work, SpreadPlan) else {"a": work.a, "b": work.b, "c": work.c}
    facts = (program_digest(work.program), [node.site for node in work.nodes], sorted(places.items()))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _run(
    product: Product,
    config: NodeConfig,
    shape: ArrayShape,
    work: MatmulPlan | SpreadPlan,
    state: ProductState,
    saved: Checkpoint | None,
    backend: str,
    arithmetic: str,
    verify: bool,
    stages: Stages,
    checkpoints: CheckpointChoice | None,
) -> ProductReport:
    """On an array of its own, which takes the state of a checkpoint if one is given, and writes others if asked for."""
    checkpointer = None
    if checkpoints is not None and checkpoints.path is not None:
        facts = {"product": product.as_dict(), "plan": _digest(work), "array": str(shape)}
        checkpointer = Checkpointer(checkpoints.path, checkpoints.every, facts, state)
    with open_array(config, shape, backend, arithmetic, stages, resume=saved, checkpointer=checkpointer) as opened:
        report = _multiply(product, opened, state, verify, stages)
    # What there is to say of checkpoints is known once the array is closed.
    return replace(report, notes=tuple(opened.notes))


def _multiply(product: Product, opened: OpenedArray, state: ProductState, verify: bool, stages: Stages) -> ProductReport:
    m, n, k = product.m, product.n, product.k
    a_format, b_format = product.a_format, product.b_format
    rng = np.random.default_rng(product.seed)
    a, b = random_operand(rng, m, k, a_format), random_operand(rng, k, n, b_format)
    titles = {
        "load": "boot: program and operands, by packets through one link",
        "run": f"multiply {m}x{k} by {k}x{n} on {opened.description}",
        "read": "read the result back, by packets",
    }
    passed = state.passed
    try:
        with stages.follow(titles) as tell:
            multiply = run_spread if product.spread else run_matmul
            result = multiply(opened.array, a, b, tell, a_format, b_format, state)
    except MatmulFailed as error:
        raise CommandError(str(error), ExitCode.FAILED) from None
    mismatches = None
    if verify:
        with stages.stage("compare with the golden model") as stage:
            expected = matmul(a, b, format_of(a_format), format_of(b_format))
            mismatches = int(np.count_nonzero(expected != result.c))
            stage.note = "all bits equal" if mismatches == 0 else f"{mismatches} elements differ"
    nodes = len(result.steps_per_node)
    speed = (result.cycles - passed) * nodes / result.seconds if result.seconds else 0.0
    return ProductReport(product, opened.as_dict(), opened.description, result, mismatches, speed)
