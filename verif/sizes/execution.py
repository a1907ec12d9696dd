# SPDX-License-Identifier: Apache-2.0
"""What nodes of all sizes execute in lock-step with the golden node: random programs, and all hazards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from scripts.simulator import SimulatorLibrary
from sw.assembler import assemble
from verif.rtl.node import test_hazards as hazards
from verif.rtl.node.array_programs import array_program
from verif.rtl.node.lockstep import ArrayProgram, run

__all__ = ["Difference", "compare", "hazard_programs", "random_programs"]

#: Name and what is executed.
NamedProgram = tuple[str, ArrayProgram]


class Difference(AssertionError):
    """A node does something else than the golden node does; the message says what and where."""


def random_programs(config: NodeConfig, count: int, seed: int) -> Iterator[NamedProgram]:
    """Random programs for all threads of a node, which exchange data, start and stop each other; they follow from the seed."""
    for number in range(count):
        yield f"random program {number} of seed {seed}", array_program(config, f"sizes {seed} {number}", rows=1, columns=1)


def hazard_programs(config: NodeConfig, names: Sequence[str] = tuple(hazards.PROGRAMS)) -> Iterator[NamedProgram]:
    """Instructions right behind those that they depend on: the programs of ``verif.rtl.node.test_hazards``.

    Every thread runs the same code on data of its own.
    """
    for name in names:
        for number, source in enumerate(hazards.pieces(hazards.PROGRAMS[name]())):
            memory = bytearray(config.sram_bytes)
            for address, contents in assemble(source, config=config).segments:
                memory[address - SRAM_BASE : address - SRAM_BASE + len(contents)] = contents
            for thread in range(config.threads):
                start, data = hazards.CODE_BYTES + thread * hazards.DATA_BYTES, hazards.inputs(config, thread)
                memory[start : start + len(data)] = data
            starts = tuple((0, 0, thread, SRAM_BASE) for thread in range(config.threads))
            yield f"hazards of {name}, part {number}", ArrayProgram(config, 1, 1, {(0, 0): bytes(memory)}, starts, {})


def compare(library: SimulatorLibrary, programs: Iterable[NamedProgram], tell: Callable[[str], None] = lambda note: None) -> int:
    """Run programs on a compiled node, each from reset, and on the golden one; returns how many instructions have retired.

    Raises
    ------
    Difference
        At the first one.
    """
    instructions = 0
    for name, program in programs:
        tell(name)
        outcome = run(program, library)
        if outcome.difference is not None:
            raise Difference(f"{name}: {outcome.difference}")
        instructions += outcome.instructions
    return instructions
