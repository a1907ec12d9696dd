# SPDX-License-Identifier: Apache-2.0
"""Exact cycle counts of matrix products on the compiled node, checked in as baselines.

The node is deterministic, and macro arithmetic is cycle-exact, so a count that moves is a change of the hardware, of the kernel
or of the engine. ``make baselines`` measures them anew; the commit that changes them says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from golden.config import preset
from golden.formats import format_of
from golden.layout import FormatDescriptor, FormatKind
from golden.matrix import matmul
from scripts.d1.backends import build_simulator
from scripts.d1.operand_formats import BF16, name_of
from scripts.d1.product import random_operand
from scripts.d1.report import Stages
from scripts.simulator import SimulatedArray
from sw.kernels.matmul import run_matmul
from sw.kernels.product import MatmulResult

#: Where baselines are kept: beside the test that compares them.
FOLDER = Path(__file__).resolve().parents[2] / "verif" / "baselines"

#: Those of matrix products.
FILE = FOLDER / "matmul.json"


@dataclass(frozen=True)
class Case:
    """A product: preset, array, shape and formats of its operands."""

    config: str
    rows: int
    columns: int
    m: int
    n: int
    k: int
    a_format: FormatDescriptor = BF16
    b_format: FormatDescriptor = BF16

    @property
    def name(self) -> str:
        """Key in the file."""
        name = f"{self.config} {self.rows}x{self.columns}, {self.m}x{self.n}x{self.k}"
        if self.a_format == self.b_format == BF16:
            return name
        return f"{name}, {name_of(self.a_format)} by {name_of(self.b_format)}"


ONE_NODE = Case("d1", 1, 1, 256, 256, 256)
SMALL_CUBE = Case("d1", 1, 1, 64, 64, 64)
#: What a full-size node makes of small shapes, on which start and end weigh most.
SMALL_SHAPES = (
    *(Case("d1", 1, 1, length, length, length) for length in (8, 16, 32)),
    SMALL_CUBE,
    Case("d1", 1, 1, 128, 128, 128),
    *(Case("d1", 1, 1, 64, 64, depth) for depth in (8, 256)),
)
FOUR_NODES = Case("d1", 2, 2, 256, 256, 256)
EIGHT_BITS = Case(
    "d1", 1, 1, 256, 256, 256, FormatDescriptor(FormatKind.CFP8_143, 7), FormatDescriptor(FormatKind.CFP8_152, 15)
)  # fmt: skip
CASES = (
    Case("tiny", 1, 1, 16, 16, 16),
    Case("tiny", 2, 2, 33, 17, 21),
    Case("nano", 1, 1, 16, 16, 16),
    Case("nano", 2, 2, 33, 17, 21),
    *SMALL_SHAPES,
    ONE_NODE,
    FOUR_NODES,
    EIGHT_BITS,
)


def measure(case: Case, stages: Stages, arithmetic: str = "macro") -> MatmulResult:
    """Run a case on the compiled node.

    Raises
    ------
    AssertionError
        If a bit of the result differs from the golden model's: a wrong result's cycles mean nothing.
    """
    config = preset(case.config)
    library = build_simulator(config, arithmetic, None, stages)
    rng = np.random.default_rng(1)
    a = random_operand(rng, case.m, case.k, case.a_format)
    b = random_operand(rng, case.k, case.n, case.b_format)
    with stages.stage(f"{case.name}, {arithmetic} arithmetic") as stage:
        with SimulatedArray(config, case.rows, case.columns, library=library) as array:
            result = run_matmul(array, a, b, a_format=case.a_format, b_format=case.b_format)
        stage.note = f"{result.cycles} cycles"
    expected = matmul(a, b, format_of(case.a_format), format_of(case.b_format))
    assert np.array_equal(expected, result.c), f"{case.name}: the result differs from the golden model's"
    return result


def record(result: MatmulResult) -> dict[str, Any]:
    """What is kept of a run: everything that is exact."""
    return {
        "cycles": result.cycles,
        "cycles_per_node": list(result.cycles_per_node),
        "steps_per_node": list(result.steps_per_node),
        "packets": result.packets,
        "bank_conflicts": result.bank_conflicts,
    }


def read_baselines(file: Path = FILE) -> dict[str, Any]:
    """The checked-in counts by case."""
    baselines: dict[str, Any] = json.loads(file.read_text())
    return baselines


def write_baselines(records: Mapping[str, Any], file: Path = FILE) -> None:
    """Replace the checked-in counts."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(records, indent=2) + "\n")
