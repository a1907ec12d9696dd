# SPDX-License-Identifier: Apache-2.0
"""The host's reader of counters: which threads it names, what it knows of them, and how often it asks."""

from __future__ import annotations

import json
from collections.abc import Iterable

from golden.config import preset
from golden.layout import (
    PIPE_EVENTS,
    STALL_EVENTS,
    ControlRegister,
    Event,
    ThreadRegister,
    control_offset,
    counter_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from sw.assembler import assemble
from sw.counters import ThreadCounters, read_counters
from sw.host import run_program

TINY = preset("tiny")


class Registers:
    """A backend of nothing but registers of the control page, which counts its batches."""

    def __init__(self, registers: dict[tuple[int, int, int], int], preset_name: str = "tiny"):
        self.config = preset(preset_name)
        self.rows, self.columns = 1, 2
        self.batches = 0
        self._registers = registers

    def write_many(self, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
        raise AssertionError("nothing is to be written")

    def read_many(self, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        self.batches += 1
        return [
            b"".join(self._registers.get((x, y, offset + n), 0).to_bytes(8, "little") for n in range(0, length, 8))
            for x, y, offset, length in blocks
        ]


def ended(start: int, stop: int, x: int = 0) -> dict[tuple[int, int, int], int]:
    """Registers of a node that has ended."""
    return {
        (x, 0, control_offset(ControlRegister.FIRST_START)): start,
        (x, 0, control_offset(ControlRegister.LAST_STOP)): stop,
        (x, 0, control_offset(ControlRegister.CYCLE)): stop + 1000,
    }


def read(registers: dict[tuple[int, int, int], int], preset_name: str = "tiny", **options: object) -> list[ThreadCounters]:
    return read_counters(Registers(registers, preset_name), [(0, 0), (1, 0)], **options)  # type: ignore[arg-type]


def test_every_register_goes_to_its_place_in_one_batch() -> None:
    registers = ended(100, 600, x=1)
    registers |= {(1, 0, counter_offset(1, event)): 10 * event for event in Event}
    registers[1, 0, thread_offset(1, ThreadRegister.RETIRED)] = 250
    array = Registers(registers)
    (counters,) = read_counters(array, [(0, 0), (1, 0)])  # type: ignore[arg-type]
    assert array.batches == 1
    assert (counters.row, counters.column, counters.thread, counters.cycles, counters.retired) == (0, 1, 1, 500, 250)
    assert counters.instructions_per_cycle == 0.5
    assert counters.pipes == {event: 10 * event for event in PIPE_EVENTS}
    assert counters.stalls == {event: 10 * event for event in STALL_EVENTS}


def test_a_thread_that_only_waits_is_named_and_one_that_did_nothing_is_not() -> None:
    registers = ended(0, 9) | {(0, 0, counter_offset(1, Event.SEMAPHORE)): 9}
    assert [(each.row, each.column, each.thread) for each in read(registers)] == [(0, 0, 1)]
    assert read(ended(0, 9)) == []


def test_cycles_of_a_node_that_still_runs_are_those_until_now() -> None:
    registers = ended(100, 0) | {(0, 0, thread_offset(0, ThreadRegister.RETIRED)): 1}
    registers[0, 0, control_offset(ControlRegister.STATUS)] = 1 << 4
    assert read(registers)[0].cycles == 900


def test_a_sequential_core_has_neither_pipes_nor_stalls() -> None:
    registers = ended(0, 10) | {(0, 0, thread_offset(0, ThreadRegister.RETIRED)): 4, (0, 0, counter_offset(0, 3)): 7}
    (counters,) = read(registers, "nano")
    assert (counters.cycles, counters.retired, counters.pipes, counters.stalls) == (10, 4, None, None)


def test_of_the_golden_model_instructions_are_exact_and_cycles_unknown() -> None:
    array = GoldenArray(TINY, 1, 1)
    run_program(array, assemble("_start: la t0, _start\n ld t1, (t0)\n mzero m0\n halt zero", config=TINY), 100)
    (counters,) = read_counters(array, [(0, 0)], models_cycles=False)
    data = json.loads(json.dumps(counters.as_dict()))
    assert (data["cycles"], data["stalls"]) == (None, None)
    assert data["pipes"] == {"integer": data["retired"] - 2, "load": 1, "store": 0, "simd": 0, "matrix": 1}
