# SPDX-License-Identifier: Apache-2.0
"""Programs on a compiled node of any size, compared with the golden node: what retires, what is written, how it ends.

What the golden node does depends on the number of threads, and on no other width of the core. So it runs each program once for
all sizes with as many threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.instruction import Retirement
from golden.isa import decode
from golden.layout import (
    PIPE_EVENTS,
    SRAM_BASE,
    ControlRegister,
    ThreadRegister,
    control_offset,
    counter_offset,
    thread_offset,
)
from golden.node import GoldenNode
from scripts.simulator import SimulatedArray
from sw.assembler import assemble as assemble_source
from sw.disassembler import disassemble
from verif.rtl.node import test_hazards as hazards
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, assemble, data_address, memory, programs

__all__ = ["Case", "Difference", "compare", "hazard_cases", "random_cases"]

#: Cycles in which every program ends.
_LIMIT = 400_000

#: Registers that follow from the programs alone. Of a gather that traps, the hardware has read some granules, and the golden node none.
_THREAD_REGISTERS = (
    ThreadRegister.PC, ThreadRegister.STATE, ThreadRegister.CAUSE, ThreadRegister.VALUE, ThreadRegister.EXIT_CODE,
    ThreadRegister.RETIRED,
)  # fmt: skip
_NODE_REGISTERS = (
    ControlRegister.TOHOST, ControlRegister.STATUS, ControlRegister.MATRIX_STEPS, ControlRegister.RETIRED,
    ControlRegister.REQUESTS_SENT, ControlRegister.LINES_STORED,
)  # fmt: skip

#: A retired instruction as numbers: pc, word, whether it trapped, cause, value, and of the even and the odd register whether it was
#: written, its number, its value.
_COLUMNS = 11

#: Instructions around a difference that are shown.
_AROUND = 8


class Difference(AssertionError):
    """The node and the golden node differ; the message says where, with the program around it."""


@dataclass(frozen=True)
class _Outcome:
    """What the golden node did."""

    retired: list[npt.NDArray[np.uint64]]
    vectors: dict[tuple[int, int], list[bytes]]
    sram: bytes
    registers: dict[int, int]
    instructions: int


@dataclass(frozen=True)
class Case:
    """A program for each thread of a node.

    Attributes
    ----------
    name : str
    config : NodeConfig
        Of some size; only ``threads`` and what all sizes have in common matter.
    contents : tuple of (int, bytes)
        What SRAM holds, by offset.
    starts : tuple of int
        Where each thread starts.
    """

    name: str
    config: NodeConfig
    contents: tuple[tuple[int, bytes], ...] = field(repr=False)
    starts: tuple[int, ...] = field(repr=False)

    @cached_property
    def outcome(self) -> _Outcome:
        """What the golden node does."""
        config = self.config
        node = GoldenNode(config, links=0b1000)
        records: list[list[Retirement]] = [[] for _ in range(config.threads)]
        vectors: dict[tuple[int, int], list[bytes]] = {}
        node.on_retire = lambda record: records[record.thread].append(record)
        node.on_vector_write = lambda thread, register, value: vectors.setdefault((thread, register), []).append(value)
        for offset, contents in self.contents:
            node.sram[offset : offset + len(contents)] = contents
        for thread, start in zip(node.threads, self.starts, strict=True):
            thread.start(start)
        node.run()
        assert not node.active, f"{self.name}: the golden node does not end"
        gathers_trapped = any(_traps_in_a_gather(record) for stream in records for record in stream)
        return _Outcome(
            [np.array([_numbers(record) for record in stream], np.uint64).reshape(-1, _COLUMNS) for stream in records],
            vectors,
            bytes(node.sram),
            {offset: node.read_register(offset % 0x1000) for offset in _registers(config, gathers_trapped)},
            sum(map(len, records)),
        )


def _traps_in_a_gather(record: Retirement) -> bool:
    row = decode(record.word) if record.cause is not None else None
    return row is not None and row.mnemonic.startswith(("vlds", "vldx"))


def _registers(config: NodeConfig, gathers_trapped: bool) -> Iterator[int]:
    for thread in range(config.threads):
        for field_ in _THREAD_REGISTERS:
            yield thread_offset(thread, field_)
        for number in (2, *PIPE_EVENTS):
            yield counter_offset(thread, number)
    for register in _NODE_REGISTERS:
        yield control_offset(register)
    if not gathers_trapped:
        yield control_offset(ControlRegister.LINES_LOADED)


def _numbers(record: Retirement) -> tuple[int, ...]:
    written = {register & 1: (1, register, value) for register, value in record.writes}
    trapped = record.cause is not None
    return (
        record.pc, record.word, int(trapped), record.cause or 0, record.value or 0,
        *written.get(0, (0, 0, 0)), *written.get(1, (0, 0, 0)),
    )  # fmt: skip


def random_cases(config: NodeConfig, count: int, seed: int) -> list[Case]:
    """Random programs from the instruction table: ``count`` for every thread."""
    cases: list[Case] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(threads=st.tuples(*(programs(config, thread) for thread in range(config.threads))), data=memory())
    def collect(threads: tuple[list[Any], ...], data: bytes) -> None:
        contents = []
        for thread, items in enumerate(threads):
            code = b"".join(word.to_bytes(4, "little") for word in assemble(config, thread, items))
            contents += [
                (thread * CODE_BYTES, code),
                (data_address(config, thread) - SRAM_BASE, (data * DATA_BYTES)[:DATA_BYTES]),
            ]
        starts = tuple(SRAM_BASE + thread * CODE_BYTES for thread in range(config.threads))
        cases.append(Case(f"random program {len(cases)} of seed {seed}", config, tuple(contents), starts))

    collect()
    return cases


def hazard_cases(config: NodeConfig, names: Sequence[str] = tuple(hazards.PROGRAMS)) -> Iterator[Case]:
    """Instructions right behind those that they depend on: the programs of ``verif.rtl.node.test_hazards``."""
    for name in names:
        for number, source in enumerate(hazards.pieces(hazards.PROGRAMS[name]())):
            program = assemble_source(source, config=config)
            data = [
                (hazards.CODE_BYTES + thread * hazards.DATA_BYTES, hazards.inputs(config, thread)) for thread in range(config.threads)
            ]
            code = [(address - SRAM_BASE, bytes(contents)) for address, contents in program.segments]
            yield Case(f"hazards of {name}, part {number}", config, (*code, *data), (SRAM_BASE,) * config.threads)


def compare(array: SimulatedArray, case: Case) -> int:
    """Run a program on an array of one node after reset, and compare everything with the golden node.

    Returns
    -------
    int
        Instructions that retired or trapped.

    Raises
    ------
    Difference
        At the first one.
    """
    outcome = case.outcome
    for offset, contents in case.contents:
        array.poke(0, 0, offset, contents)
    array.trace(True, True)
    array.write_many(
        [(0, 0, thread_offset(thread, ThreadRegister.PC), start.to_bytes(8, "little")) for thread, start in enumerate(case.starts)]
    )
    result = array.run(_LIMIT)
    if result.reason != "ended":
        raise Difference(f"{case.name}: the program has not ended, {result.reason} after {result.cycles} cycles")
    _compare_retired(case, array.retirements())
    _compare_vectors(case, array.vector_writes())
    _compare_end(case, array)
    return outcome.instructions


def _compare_retired(case: Case, records: npt.NDArray[np.void]) -> None:
    seen = np.zeros((len(records), _COLUMNS), np.uint64)
    trapped = records["trap"] != 0
    cause = np.where(trapped, records["cause"], 0)
    columns = [records["pc"], np.where(cause == 1, 0, records["insn"]), trapped, cause, np.where(trapped, records["value"], 0)]
    for half in range(2):
        written = records["rd_valid"] >> half & 1
        columns += [written, written * records["rd_address"][:, half], written * records["rd_data"][:, half]]
    for number, column in enumerate(columns):
        seen[:, number] = column
    for thread, wanted in enumerate(case.outcome.retired):
        mine = seen[records["thread"] == thread]
        common = min(len(mine), len(wanted))
        differing = np.flatnonzero((mine[:common] != wanted[:common]).any(axis=1))
        if len(differing) or len(mine) != len(wanted):
            place = int(differing[0]) if len(differing) else common
            raise Difference(
                f"{case.name}: thread {thread} differs at its instruction {place} of {len(wanted)}\n"
                f"  expected {_show(wanted, place)}\n  seen     {_show(mine, place)}\n  before it\n"
                + "\n".join(f"    {_show(wanted, before)}" for before in range(max(0, place - _AROUND), place))
            )


def _show(stream: npt.NDArray[np.uint64], place: int) -> str:
    if place >= len(stream):
        return "nothing"
    pc, word, trapped, cause, value, *written = map(int, stream[place])
    text = f"{pc:#x} {disassemble(word, pc)}"
    if trapped:
        text += f" traps with cause {cause}, value {value:#x}"
    return text + "".join(f" x{written[at + 1]}={written[at + 2]:#x}" for at in (0, 3) if written[at])


def _compare_vectors(case: Case, records: npt.NDArray[np.void]) -> None:
    seen: dict[tuple[int, int], list[bytes]] = {}
    for record in records:
        seen.setdefault((int(record["thread"]), int(record["register"])), []).append(record["data"].tobytes())
    for where in sorted(seen.keys() | case.outcome.vectors.keys()):
        written, wanted = seen.get(where, []), case.outcome.vectors.get(where, [])
        if written != wanted:
            common = min(len(written), len(wanted))
            place = next((n for n in range(common) if written[n] != wanted[n]), common)
            value, expected = ((each[place][::-1].hex() if place < len(each) else "nothing") for each in (written, wanted))
            raise Difference(
                f"{case.name}: thread {where[0]} v{where[1]}, write {place} of {len(wanted)}: {value}, expected {expected}"
            )


def _compare_end(case: Case, array: SimulatedArray) -> None:
    sram, wanted = array.peek(0, 0, 0, case.config.sram_bytes), case.outcome.sram
    if sram != wanted:
        place = next(at for at in range(len(wanted)) if sram[at] != wanted[at])
        raise Difference(f"{case.name}: memory differs at offset {place:#x}: {sram[place]:#04x}, expected {wanted[place]:#04x}")
    registers = case.outcome.registers
    for (offset, expected), value in zip(
        registers.items(), array.read_many([(0, 0, offset, 8) for offset in registers]), strict=True
    ):
        number = int.from_bytes(value, "little")
        if number != expected:
            raise Difference(f"{case.name}: register {offset:#x} of the control page: {number:#x}, expected {expected:#x}")
