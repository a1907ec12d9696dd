# SPDX-License-Identifier: Apache-2.0
"""The same lists on an array of golden nodes and on one of simulated ones, for tests that compare the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from golden.config import CONTROL_PAGE_OFFSET, preset
from golden.layout import LIST_IGNORED, SRAM_BASE, ListRegister, ThreadRegister, semaphore_offset, thread_offset
from golden.mesh import GoldenArray
from scripts.simulator import SimulatedArray, SimulatorLibrary
from sw.assembler import assemble
from verif.golden.list_bench import DESTINATION, SIZE, SOURCE, noise, register

CONFIG = preset("tiny")
COLUMNS = 2

#: Where descriptors lie that programs start.
LISTS_OF_PROGRAMS = 0x800

Array = GoldenArray | SimulatedArray


@dataclass(frozen=True)
class Observed:
    """What the host can see of a node: its memory, its registers of lists, its semaphores."""

    memory: bytes
    registers: list[int]
    semaphores: list[int]


def observed(array: Array, x: int) -> Observed:
    registers = [register(place, which) for place in range(CONFIG.lists) for which in ListRegister]
    registers.append(CONTROL_PAGE_OFFSET + LIST_IGNORED)
    return Observed(
        array.peek(x, 0, 0, CONFIG.sram_bytes),
        [array.read_register(x, 0, offset) for offset in registers],
        [array.read_register(x, 0, semaphore_offset(number)) for number in range(CONFIG.semaphores)],
    )


def fill(array: Array) -> None:
    """Put something into sources and destinations."""
    for x in range(COLUMNS):
        array.poke(x, 0, SOURCE, noise(SIZE, x))
        array.poke(x, 0, DESTINATION, noise(SIZE, x + 2))


@contextmanager
def pair(library: SimulatorLibrary) -> Iterator[tuple[GoldenArray, SimulatedArray]]:
    """A golden and a simulated array of two nodes, filled alike."""
    golden = GoldenArray(CONFIG, 1, COLUMNS)
    with SimulatedArray(CONFIG, 1, COLUMNS, library=library, threads=1) as simulated:
        for array in (golden, simulated):
            fill(array)
        yield golden, simulated


def compare(golden: Array, simulated: Array) -> None:
    """Both arrays are the same for the host."""
    for x in range(COLUMNS):
        assert observed(simulated, x) == observed(golden, x), f"node x={x}"


def load(array: Array, x: int, source: str) -> Mapping[str, int]:
    """Let thread 0 of a node begin a program; returns its symbols."""
    program = assemble(source, config=CONFIG)
    for address, contents in program.segments:
        array.poke(x, 0, address - SRAM_BASE, contents)
    array.write_register(x, 0, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
    return program.symbols
