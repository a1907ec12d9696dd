# SPDX-License-Identifier: Apache-2.0
"""What is found out about a size: it does what the golden node does, and how fast it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from golden.matrix import matmul
from scripts.d1.product import random_operand
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.benchmarks.scalar import SCALAR_BENCHMARKS, run_scalar
from sw.kernels.matmul import run_matmul
from verif.sizes.execution import Difference, compare, hazard_programs, random_programs
from verif.sizes.grid import Size

__all__ = ["BENCHMARKS", "Execution", "Tell", "execute", "simulator"]

#: Random programs of a few hundred to a few thousand instructions each.
RANDOM_PROGRAMS = 4

#: Scalar benchmarks that are run, by name: code with loops that can be foreseen, and code with branches that cannot.
BENCHMARKS = {
    benchmark.name: benchmark for benchmark in SCALAR_BENCHMARKS if benchmark.name in ("integer_product", "state_machine")
}

#: Length of the cube that is multiplied.
_CUBE = 32

#: Told what is being done.
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Execution:
    """How a size executes.

    Attributes
    ----------
    instructions : int
        That were compared with the golden node.
    matmul_cycles : int
        Of a BF16 product of 32 x 32 x 32.
    matmul_utilisation : float
        Matrix steps per cycle meanwhile.
    instructions_per_cycle : dict of str to (float, float)
        Of scalar benchmarks: one thread, and all threads at once.
    """

    instructions: int
    matmul_cycles: int
    matmul_utilisation: float
    instructions_per_cycle: dict[str, tuple[float, float]]


def simulator(size: Size, tell: Tell = lambda note: None) -> SimulatorLibrary:
    """The compiled node, from the cache or built now; raises as ``scripts.simulator.build``."""
    return build(size.config, "macro", progress=lambda stage, done: tell(stage), quick=True)


def execute(size: Size, tell: Tell = lambda note: None) -> Execution:
    """Build a node of a size, compare it with the golden node, and measure it.

    Raises
    ------
    Difference
        If it does something else than the golden node does, or a benchmark's result is wrong.
    SimulatorError
        If it cannot be built.
    """
    library = simulator(size, tell)
    programs = itertools.chain(random_programs(size.config, RANDOM_PROGRAMS, seed=1), hazard_programs(size.config))
    instructions = compare(library, programs, tell)
    tell("matrix product")
    rng = np.random.default_rng(1)
    a, b = random_operand(rng, _CUBE, _CUBE), random_operand(rng, _CUBE, _CUBE)
    with SimulatedArray(size.config, 1, 1, library=library, threads=1) as array:
        product = run_matmul(array, a, b)
    if not np.array_equal(product.c, matmul(a, b)):
        raise Difference("the matrix product is wrong")
    rates = {}
    for name, benchmark in BENCHMARKS.items():
        tell(benchmark.title)
        found = []
        for threads in (1, size.threads):
            with SimulatedArray(size.config, 1, 1, library=library, threads=1) as array:
                result = run_scalar(array, benchmark, threads)
            if not result.report.passed:
                raise Difference(f"{benchmark.title} on {threads} of {size.threads} threads: {result.report.summary()}")
            found.append(result.instructions_per_cycle)
        rates[name] = (found[0], found[1])
    return Execution(instructions, product.cycles, product.utilisation, rates)
