# SPDX-License-Identifier: Apache-2.0
"""Exact cycle counts of matrix products whose operands are spread over arrays of nodes.

They are kept and compared as those of other products are: see :mod:`scripts.d1.baselines`. Large arrays take minutes, so
``d1 bench arrays`` measures and writes them, and the test suite compares the small ones.
"""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from golden.config import preset
from golden.layout import SRAM_BASE, ControlRegister, ThreadRegister, control_offset, thread_offset
from golden.matrix import matmul
from golden.topology import TOPOLOGIES, Site, Topology
from scripts.d1.baselines import FOLDER, record
from scripts.d1.product import random_operand
from scripts.simulator import SimulatedArray, build
from sw.assembler import assemble
from sw.host import load_program
from sw.kernels.matmul import run_matmul
from sw.kernels.product import MatmulResult
from sw.kernels.spread import run_spread
from sw.routing import set_up_routes

FILE = FOLDER / "arrays.json"

#: Cycles for which an array is simulated in which one node is busy.
_IDLE_CYCLES = 200_000

#: A loop that does not end.
_LOOP = "_start: addi a0, a0, 1\n j _start\n"

#: Cycles before the array is saturated, and for which it is simulated then.
_WARM_CYCLES, _SATURATED_CYCLES = 500, 4_000

#: A loop that does not end either: 64 matrix steps over operands in SRAM, of a line each, and all over again. The line between A
#: and B puts the two of a step into different banks, and with fewer steps in a round the loop's own instructions cost steps.
_UNROLLED = 8
_STEPS = """
        .globl  _start
_start: la      s0, left
        la      s1, right
1:      mv      a0, s0
        mv      a1, s1
        li      t0, 64
2:      {steps}
        addi    t0, t0, -{unrolled}
        bnez    t0, 2b
        j       1b
        .data
        .balign 64
left:   .zero   {operand_bytes}
        .zero   {line_bytes}
right:  .zero   {operand_bytes}
"""


@dataclass(frozen=True)
class ArrayCase:
    """A product: preset, array as ``--array`` names it, shape, and whether its operands are spread."""

    config: str
    array: str
    m: int
    n: int
    k: int
    spread: bool = True

    @property
    def name(self) -> str:
        """Key in the file."""
        return f"{self.config} {self.array}, {self.m}x{self.n}x{self.k}"

    @property
    def topology(self) -> Topology:
        """The array."""
        if self.array in TOPOLOGIES:
            return TOPOLOGIES[self.array]
        rows, columns = map(int, self.array.split("x"))
        return Topology(rows, columns)


def _scaled(block: int, edges: tuple[int, ...]) -> tuple[ArrayCase, ...]:
    """Products of square arrays in which each node has a square block of each matrix, so that K grows with the array."""
    return tuple(ArrayCase("d1", f"{edge}x{edge}", block * edge, block * edge, block * edge) for edge in edges)


#: Weak scaling, by the edge of the blocks.
WEAK_SCALING = {128: _scaled(128, (1, 2, 4, 8)), 256: _scaled(256, (1, 2, 4, 8))}
#: Products that the test suite measures.
SMALL = (
    ArrayCase("tiny", "1x1", 8, 8, 16),
    ArrayCase("tiny", "2x2", 33, 17, 21),
    ArrayCase("tiny", "2x3", 20, 24, 60),
    WEAK_SCALING[128][1],
)
#: The product for which the project promises how busy the matrix units are.
PROMISED = WEAK_SCALING[256][2]
#: A block of 32 x 32 of C in each of the 342 nodes that make whole columns of 19. Operands are not spread: for blocks of this
#: size, the links of a row of 18 nodes would carry less than the matrix units use.
DIE = ArrayCase("d1", "d1-die", 608, 576, 256, spread=False)
CASES = tuple(dict.fromkeys((*SMALL, *WEAK_SCALING[128], *WEAK_SCALING[256], DIE)))


def make_array(case: ArrayCase, threads: int | None = None) -> SimulatedArray:
    """An array for a case, macro arithmetic, with routes around what is dead."""
    config = preset(case.config)
    array = SimulatedArray(config, topology=case.topology, library=build(config), threads=threads)
    set_up_routes(array)
    return array


def measure(case: ArrayCase, threads: int | None = None) -> tuple[MatmulResult, dict[str, Any]]:
    """Run a case, and what it took of the machine.

    That is ``threads`` of the engine, ``seconds``, ``processor_seconds`` of all threads together, ``cycles_per_second`` and
    ``cycles_per_processor_second``, ``node_cycles_per_second``; ``peak_bytes``, the most memory that this process had until the
    end of the run; and ``load``, the load average of a minute before and after it.

    Raises
    ------
    AssertionError
        If a bit of the result differs from the golden model's.
    """
    rng = np.random.default_rng(1)
    a, b = random_operand(rng, case.m, case.k), random_operand(rng, case.k, case.n)
    before = os.getloadavg()[0]
    with make_array(case, threads) as array:
        result = (run_spread if case.spread else run_matmul)(array, a, b)
        used = {
            "threads": array.threads,
            "seconds": result.seconds,
            "processor_seconds": result.processor_seconds,
            "cycles_per_second": result.cycles / result.seconds,
            "cycles_per_processor_second": result.cycles / result.processor_seconds,
            "node_cycles_per_second": result.cycles * case.topology.nodes / result.seconds,
            "peak_bytes": _peak_bytes(),
            "load": [before, os.getloadavg()[0]],
        }
    assert np.array_equal(matmul(a, b), result.c), f"{case.name}: the result differs from the golden model's"
    return result, used


def figures(case: ArrayCase, threads: int | None = None) -> dict[str, Any]:
    """The same for JSON, with the exact counts as ``record``."""
    result, used = measure(case, threads)
    return {
        "nodes": case.topology.nodes,
        "computing_nodes": sum(steps > 0 for steps in result.steps_per_node),
        "record": record(result),
        "utilisation": result.utilisation,
        "least_utilisation": min(result.utilisation_per_node),
        **used,
    }


def idle_figures(case: ArrayCase, threads: int) -> dict[str, Any]:
    """How fast the array of a case is simulated while one node is busy, with a loop, and all others are idle."""
    program = assemble(_LOOP, config=preset(case.config))
    before = os.getloadavg()[0]
    with make_array(case, threads) as array:
        x, y, _ = case.topology.host_link
        load_program(array, program, [(x, y)])
        array.write_register(x, y, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
        started, worked = time.perf_counter(), time.process_time()
        cycles = array.run(_IDLE_CYCLES).cycles
        seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
        return {
            "threads": array.threads,
            "seconds": seconds,
            "processor_seconds": processor_seconds,
            "cycles_per_second": cycles / seconds,
            "cycles_per_processor_second": cycles / processor_seconds,
            "peak_bytes": _peak_bytes(),
            "load": [before, os.getloadavg()[0]],
        }


def saturated_figures(case: ArrayCase, threads: int, cycles: int = _SATURATED_CYCLES) -> dict[str, Any]:
    """How fast the array of a case is simulated while all threads of all nodes make matrix steps with operands from SRAM.

    ``steps_per_cycle`` is what a matrix unit makes meanwhile, the mean over all nodes; ``node_cycles_per_second`` counts
    nodes that were evaluated, which are all of them.

    Raises
    ------
    AssertionError
        If a node was not evaluated in every cycle.
    """
    config = preset(case.config)
    source = _STEPS.format(
        steps="mstep.bf16.pp m0, (a0)+, (a1)+\n" * _UNROLLED,
        unrolled=_UNROLLED,
        operand_bytes=64 * config.line_bytes,
        line_bytes=config.line_bytes,
    )
    program = assemble(source, config=config)
    sites = list(case.topology.sites())
    rng = np.random.default_rng(1)
    operands = random_operand(rng, 64, config.line_bytes // 2).tobytes()
    start = program.entry.to_bytes(8, "little")
    steps = control_offset(ControlRegister.MATRIX_STEPS)
    before = os.getloadavg()[0]
    with make_array(case, threads) as array:
        load_program(array, program, sites)
        for x, y in sites:
            for name in ("left", "right"):
                array.poke(x, y, program.symbols[name] - SRAM_BASE, operands)
        # Those that are farthest from the host begin first, so that nobody's traffic delays them for long.
        array.write_many(
            (x, y, thread_offset(thread, ThreadRegister.PC), start)
            for x, y in reversed(sites)
            for thread in range(config.threads)
        )
        array.run(_WARM_CYCLES)
        made, evaluated = _steps(array, sites, steps), array.node_cycles
        started, worked, first = time.perf_counter(), time.process_time(), array.cycle
        passed = array.run(cycles).cycles
        seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
        evaluated = array.node_cycles - evaluated
        assert evaluated == passed * len(sites), f"{evaluated} evaluations of {len(sites)} nodes in {passed} cycles"
        made = _steps(array, sites, steps) - made
        return {
            "threads": array.threads,
            "seconds": seconds,
            "processor_seconds": processor_seconds,
            "cycles": passed,
            "cycles_per_second": passed / seconds,
            "cycles_per_processor_second": passed / processor_seconds,
            "node_cycles_per_second": evaluated / seconds,
            "steps_per_cycle": made / ((array.cycle - first) * len(sites)),
            "peak_bytes": _peak_bytes(),
            "load": [before, os.getloadavg()[0]],
        }


def _steps(array: SimulatedArray, sites: list[Site], register: int) -> int:
    """Matrix steps that all nodes have made so far."""
    return sum(int.from_bytes(each, "little") for each in array.read_many([(*site, register, 8) for site in sites]))


def alone(function: Any, *arguments: Any) -> dict[str, Any]:
    """What a function gives in a process of its own, so that memory is what it alone takes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        given: dict[str, Any] = pool.submit(function, *arguments).result()
        return given


def _peak_bytes() -> int:
    """The most memory that this process had since its program was loaded: getrusage counts what came before, too, which is that
    of the process that started it."""
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    assert found, "no VmHWM in /proc/self/status"
    return int(found[1]) << 10
