# SPDX-License-Identifier: Apache-2.0
"""Posts without data, and semaphores that overflow; on golden nodes and on compiled ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from golden.config import preset
from golden.layout import (
    OVERFLOW_BIT,
    OVERFLOWED_SEMAPHORE_BIT,
    SRAM_BASE,
    ControlRegister,
    GlobalAddress,
    ThreadRegister,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from scripts.simulator import SimulatedArray, build
from sw.assembler import assemble
from sw.backend import ArrayBackend
from sw.host import run_program

TINY = preset("tiny")
COLUMNS, ROWS = 3, 2


@pytest.fixture(params=["golden", pytest.param("rtl", marks=pytest.mark.rtl)])
def array(request: pytest.FixtureRequest) -> Iterator[ArrayBackend]:
    """An array of COLUMNS x ROWS nodes."""
    if request.param == "golden":
        yield GoldenArray(TINY, ROWS, COLUMNS)
    else:
        with SimulatedArray(TINY, ROWS, COLUMNS, threads=1, library=build(TINY, "macro")) as simulated:
            yield simulated


def run(array: ArrayBackend, source: str) -> None:
    """On the node in the corner."""
    report = run_program(array, assemble(source, config=TINY), 10_000, [(0, 0)])
    assert report.reason == "ended"


def status(array: ArrayBackend) -> int:
    return int.from_bytes(array.read(0, 0, control_offset(ControlRegister.STATUS), 8), "little")


def posted(array: ArrayBackend, semaphore: int) -> list[int]:
    """Values of a semaphore, row by row."""
    sites = [(x, y) for y in range(ROWS) for x in range(COLUMNS)]
    return [int.from_bytes(array.read(x, y, semaphore_offset(semaphore), 8), "little") for x, y in sites]


def test_a_post_alone_counts_at_one_node_and_writes_nothing(array: ArrayBackend) -> None:
    line = bytes(range(1, 1 + TINY.line_bytes))
    array.write(2, 1, TINY.line_bytes, line)
    address = int(GlobalAddress(2, 1, TINY.line_bytes))
    run(array, f"li a0, {address}\n npost (a0), 5\n npost (a0), 5\n npost (a0), 6\n halt zero")
    assert (posted(array, 5), posted(array, 6)) == ([0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 1])
    assert array.read(2, 1, TINY.line_bytes, TINY.line_bytes) == line


def test_status_names_the_first_semaphore_that_overflowed_until_it_is_written(array: ArrayBackend) -> None:
    full = "li a1, 65535\n spost {0}, a1\n csrr a0, mnode\n npost (a0), {0}\n"
    program = assemble(full.format(6) + full.format(3) + "li a1, 65535\n swait 6, a1\n swait 3, a1\n halt zero", config=TINY)
    array.write(0, 0, 0, program.segments[0][1])
    array.write_register(0, 0, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
    array.run(10_000)
    shown = status(array)
    assert shown >> OVERFLOW_BIT & 1
    assert shown >> OVERFLOWED_SEMAPHORE_BIT & 31 == 6
    array.write_register(0, 0, control_offset(ControlRegister.STATUS), 0)
    assert status(array) == shown & ~(1 << OVERFLOW_BIT | 31 << OVERFLOWED_SEMAPHORE_BIT)


def test_a_post_to_a_rectangle_counts_once_in_each_of_its_nodes(array: ArrayBackend) -> None:
    address = int(GlobalAddress.rectangle(1, 0, columns=2, rows=2))
    run(array, f"li a0, {address}\n npost (a0), 5\n halt zero")
    assert posted(array, 5) == [0, 1, 1, 0, 1, 1]
