# SPDX-License-Identifier: Apache-2.0
"""Runs the same programs on a compiled array and on the golden one, and compares all that follows from the programs alone.

Nothing here is done per cycle: the engine records what retires, and arrays of records are compared.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CONTROL_PAGE_BYTES, CONTROL_PAGE_OFFSET, NodeConfig
from golden.instruction import Retirement
from golden.isa import decode
from golden.layout import (
    COUNTER_BLOCK,
    COUNTER_STRIDE,
    PIPE_EVENTS,
    SEMAPHORE_BLOCK,
    SEMAPHORE_STRIDE,
    SRAM_BASE,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    Kind,
    ThreadRegister,
    control_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from golden.packet import Packet
from scripts.simulator import SimulatedArray
from scripts.simulator.build import SimulatorLibrary
from scripts.simulator.library import RETIREMENT
from sw.disassembler import disassemble
from verif.rtl.node.timed import TIMED_BITS

__all__ = ["RETIREMENT", "ArrayProgram", "BadProgram", "Difference", "GoldenRun", "Outcome", "run"]

#: A node's place: x, y.
Site = tuple[int, int]

#: Cycles after which the hardware is asked for the first time how far it is, and those that it may take: per instruction of the
#: golden model, and for the shortest programs.
_FIRST_CYCLES_PER_INSTRUCTION, _CYCLES_PER_INSTRUCTION, _CYCLES_AT_LEAST = 15, 400, 20_000

#: What the golden model may execute: far above what programs take that end.
_GOLDEN_CYCLES = 5_000_000

#: Instructions that are shown before one that differs, and words of code around it.
_SHOWN, _AROUND = 12, 8

_NO_CAUSE = 255

_NODE_REGISTERS = (
    ControlRegister.CONFIG, ControlRegister.COORDINATES, ControlRegister.TOHOST_ADDRESS, ControlRegister.TOHOST,
    ControlRegister.STATUS, ControlRegister.MATRIX_STEPS, ControlRegister.RETIRED, ControlRegister.REQUESTS_SENT,
    ControlRegister.LINES_LOADED, ControlRegister.LINES_STORED,
)  # fmt: skip

_RECEIVED = control_offset(ControlRegister.REQUESTS_RECEIVED)


class BadProgram(Exception):
    """The golden model does not come to the end of a program: a defect of the program."""


@dataclass(frozen=True)
class ArrayProgram:
    """Programs of all threads of an array.

    Attributes
    ----------
    config : NodeConfig
    rows, columns : int
    memory : dict of (x, y) to bytes
        SRAM of nodes, from its start on.
    starts : tuple of (x, y, thread, address)
        Threads that the host starts. Others may be started by these.
    tohost : dict of (x, y) to int
        Address of ``tohost``.
    """

    config: NodeConfig
    rows: int
    columns: int
    memory: dict[Site, bytes]
    starts: tuple[tuple[int, int, int, int], ...]
    tohost: dict[Site, int]


@dataclass(frozen=True)
class Difference:
    """The first difference of a program's two runs: what differs, in a line, and what helps to understand it."""

    what: str
    context: str = ""

    def __str__(self) -> str:
        return f"{self.what}\n{self.context}" if self.context else self.what


@dataclass(frozen=True)
class Outcome:
    """How a program went.

    Attributes
    ----------
    difference : Difference or None
    retirements : array of dtype RETIREMENT
        What the hardware retired.
    instructions : int
        Retired by the golden model.
    cycles : int
        Of the hardware.
    golden_seconds, engine_seconds, compare_seconds : float
        Time on the processor.
    """

    difference: Difference | None
    retirements: npt.NDArray[np.void]
    instructions: int
    cycles: int
    golden_seconds: float
    engine_seconds: float
    compare_seconds: float


class GoldenRun:
    """A program on the golden array.

    Parameters
    ----------
    program : ArrayProgram
    limit : int
        Cycles after which it gives up.

    Members
    -------
    array : GoldenArray
    records : dict of (x, y) to list of Retirement
    vector_keys, vector_data : dict of (x, y) to list
        Vector registers written, as thread << 5 | register, and with what.

    Raises
    ------
    BadProgram
        If the program does not end.
    """

    def __init__(self, program: ArrayProgram, limit: int = _GOLDEN_CYCLES):
        config = program.config
        self.array = GoldenArray(config, program.rows, program.columns)
        self.records: dict[Site, list[Retirement]] = {}
        self.vector_keys: dict[Site, list[int]] = {}
        self.vector_data: dict[Site, list[bytes]] = {}
        for site in program.memory:
            node = self.array.node(*site)
            self.records[site] = []
            node.on_retire = self.records[site].append
            keys, data = self.vector_keys.setdefault(site, []), self.vector_data.setdefault(site, [])

            def note(thread: int, register: int, value: bytes, keys: list[int] = keys, data: list[bytes] = data) -> None:
                keys.append(thread << 5 | register)
                data.append(value)

            node.on_vector_write = note
        _load(self.array, program)
        result = self.array.run(limit)
        if result.reason != "ended":
            threads = ", ".join(
                f"x={t.x} y={t.y} thread {t.thread} {t.state.name} at {t.pc:#x}" for t in self.array.thread_states()
            )
            raise BadProgram(f"the golden model's run comes to {result.reason}: {threads}")


def _load(array: Any, program: ArrayProgram) -> None:
    """Put a program into an array, and let the host's packets that start it set out."""
    for (x, y), contents in program.memory.items():
        array.poke(x, y, 0, contents)
    for (x, y), address in program.tohost.items():
        _send_register(array, x, y, CONTROL_PAGE_OFFSET + ControlRegister.TOHOST_ADDRESS, address)
    for x, y, thread, address in program.starts:
        _send_register(array, x, y, thread_offset(thread, ThreadRegister.PC), address)


def _send_register(array: Any, x: int, y: int, offset: int, value: int) -> None:
    line = array.config.line_bytes
    inside = offset % line
    data = (value << 8 * inside).to_bytes(line, "little")
    array.send(Packet(Kind.WRITE, x, y, offset, src_exit=array.topology.host_link[2], mask=0xFF << inside, data=data))


def run(program: ArrayProgram, library: SimulatorLibrary) -> Outcome:
    """Run a program on both, and compare.

    Parameters
    ----------
    program : ArrayProgram
    library : SimulatorLibrary
        Compiled node of that configuration.

    Raises
    ------
    BadProgram
        If the golden model does not come to the program's end.
    """
    start = time.process_time()
    golden = GoldenRun(program)
    instructions = sum(thread.retired for site in program.memory for thread in golden.array.node(*site).threads)
    golden_end = time.process_time()
    with SimulatedArray(program.config, program.rows, program.columns, threads=1, library=library) as array:
        array.trace(retirements=True, vector_writes=True)
        _load(array, program)
        result = array.run(_CYCLES_AT_LEAST + _FIRST_CYCLES_PER_INSTRUCTION * instructions)
        retirements, writes = array.retirements(), array.vector_writes()
        # What differs already need not go on.
        if result.reason == "limit" and all(
            _streams(site, program, golden, retirements, True) is None for site in program.memory
        ):
            result = array.run(_CYCLES_AT_LEAST + _CYCLES_PER_INSTRUCTION * instructions)
            retirements = np.concatenate([retirements, array.retirements()])
            writes = np.concatenate([writes, array.vector_writes()])
        engine_end, cycles = time.process_time(), array.cycle
        difference = _compare(program, golden, array, result.reason, retirements, writes)
    return Outcome(
        difference,
        retirements,
        instructions,
        cycles,
        golden_end - start,
        engine_end - golden_end,
        time.process_time() - engine_end,
    )


def _compare(
    program: ArrayProgram,
    golden: GoldenRun,
    array: SimulatedArray,
    reason: str,
    retirements: npt.NDArray[np.void],
    writes: npt.NDArray[np.void],
) -> Difference | None:
    for site in program.memory:
        difference = _streams(site, program, golden, retirements) or _vectors(site, golden, writes)
        if difference:
            return difference
    if reason != "ended":
        threads = ", ".join(f"x={t.x} y={t.y} thread {t.thread} {t.state.name} at {t.pc:#x}" for t in array.thread_states())
        return Difference(f"the node's run comes to {reason}, the golden one to its end: {threads}")
    for site in program.memory:
        difference = _registers(site, program, golden, array) or _memory(site, program, golden, array)
        if difference:
            return difference
    return _inbox(golden, array)


# -- retirement streams ------------------------------------------------------------------------------------------------


def _streams(
    site: Site, program: ArrayProgram, golden: GoldenRun, retirements: npt.NDArray[np.void], unfinished: bool = False
) -> Difference | None:
    """The first difference of what the threads of a node retired; where they are unfinished, as far as they are."""
    of_site = retirements[(retirements["x"] == site[0]) & (retirements["y"] == site[1])]
    for thread in range(program.config.threads):
        expected = [record for record in golden.records[site] if record.thread == thread]
        seen = of_site[of_site["thread"] == thread]
        count = min(len(expected), len(seen))
        wanted, got = _columns_of_golden(expected[:count]), _columns(seen[:count])
        unequal = np.zeros(count, bool)
        for name, column in wanted.items():
            unequal |= column != got[name]
        places = np.flatnonzero(unequal)
        if places.size == 0 and (len(expected) == len(seen) or (unfinished and len(expected) > len(seen))):
            continue
        place = int(places[0]) if places.size else count
        return _stream_difference(site, thread, place, expected, seen, golden)
    return None


def _columns_of_golden(records: Sequence[Retirement]) -> dict[str, npt.NDArray[Any]]:
    count = len(records)
    columns: dict[str, npt.NDArray[Any]] = {
        "pc": np.fromiter((r.pc for r in records), np.uint64, count),
        "word": np.fromiter((r.word for r in records), np.uint32, count),
        "cause": np.fromiter((_NO_CAUSE if r.cause is None else r.cause for r in records), np.uint8, count),
        "value": np.fromiter((r.value or 0 for r in records), np.uint64, count),
    }
    registers, values = np.zeros((count, 2), np.uint8), np.zeros((count, 2), np.uint64)
    for place, record in enumerate(records):
        for register, value in record.writes:
            registers[place, register & 1] = register
            values[place, register & 1] = value
    return columns | {"even": registers[:, 0], "odd": registers[:, 1], "even value": values[:, 0], "odd value": values[:, 1]}


def _columns(records: npt.NDArray[np.void]) -> dict[str, npt.NDArray[Any]]:
    traps = records["trap"] != 0
    columns = {
        "pc": records["pc"],
        # There is no word where nothing can be fetched.
        "word": np.where(traps & (records["cause"] == 1), 0, records["insn"]),
        "cause": np.where(traps, records["cause"], _NO_CAUSE),
        "value": np.where(traps, records["value"], 0),
    }
    for half, name in enumerate(("even", "odd")):
        written = records["rd_valid"] >> half & 1 != 0
        columns[name] = np.where(written, records["rd_address"][:, half], 0)
        columns[f"{name} value"] = np.where(written, records["rd_data"][:, half], 0)
    return columns


def _stream_difference(
    site: Site, thread: int, place: int, expected: Sequence[Retirement], seen: npt.NDArray[np.void], golden: GoldenRun
) -> Difference:
    want = expected[place] if place < len(expected) else None
    got = _record(seen[place]) if place < len(seen) else None
    sram = golden.array.node(*site).sram
    before = [f"    {_show(record)}" for record in expected[max(0, place - _SHOWN) : place]]
    lines = ["before:", *before, f"  expected {_show(want)}", f"  seen     {_show(got)}"]
    pc = want.pc if want else got.pc if got else SRAM_BASE
    lines.append("code as it is at the end:")
    for address in range(max(SRAM_BASE, pc - 4 * _AROUND), min(SRAM_BASE + len(sram), pc + 4 * _AROUND), 4):
        word = int.from_bytes(sram[address - SRAM_BASE : address - SRAM_BASE + 4], "little")
        lines.append(f"  {'>' if address == pc else ' '} {address:#x}: {disassemble(word, address)}")
    return Difference(f"node x={site[0]} y={site[1]} thread {thread} differs at its instruction {place}", "\n".join(lines))


def _record(record: np.void) -> Retirement:
    trap = bool(record["trap"])
    writes = tuple(
        (int(record["rd_address"][half]), int(record["rd_data"][half]))
        for half in range(2)
        if int(record["rd_valid"]) >> half & 1
    )
    cause = int(record["cause"]) if trap else None
    value = int(record["value"]) if trap else None
    return Retirement(int(record["thread"]), int(record["pc"]), int(record["insn"]), cause, value, writes)


def _show(record: Retirement | None) -> str:
    if record is None:
        return "nothing"
    text = f"{record.pc:#x} {disassemble(record.word, record.pc)}"
    if record.cause is not None:
        text += f" traps with cause {record.cause}, value {record.value or 0:#x}"
    return text + "".join(f" x{register}={value:#x}" for register, value in record.writes)


# -- vector registers --------------------------------------------------------------------------------------------------


def _vectors(site: Site, golden: GoldenRun, writes: npt.NDArray[np.void]) -> Difference | None:
    """The first difference of what was written into a vector register of the node, in the order of each register."""
    writes = writes[(writes["x"] == site[0]) & (writes["y"] == site[1])]
    keys = writes["thread"].astype(np.int64) << 5 | writes["register"]
    wanted_keys = np.array(golden.vector_keys[site], np.int64)
    order, wanted_order = np.argsort(keys, kind="stable"), np.argsort(wanted_keys, kind="stable")
    keys, data = keys[order], writes["data"][order]
    line = data.shape[1]
    wanted_data = np.frombuffer(b"".join(golden.vector_data[site]), np.uint8).reshape(-1, line)[wanted_order]
    wanted_keys = wanted_keys[wanted_order]
    count = min(len(keys), len(wanted_keys))
    unequal = (keys[:count] != wanted_keys[:count]) | (data[:count] != wanted_data[:count]).any(axis=1)
    places = np.flatnonzero(unequal)
    if places.size == 0 and len(keys) == len(wanted_keys):
        return None
    place = int(places[0]) if places.size else count

    def shown(keys: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> str:
        if place >= len(keys):
            return "nothing"
        return f"thread {keys[place] >> 5} v{keys[place] & 31} = {data[place][::-1].tobytes().hex()}"

    first = int(wanted_keys[place] if place < len(wanted_keys) else keys[place])
    index = place - int(np.searchsorted(wanted_keys, first))
    return Difference(
        f"node x={site[0]} y={site[1]} thread {first >> 5} v{first & 31} differs at its write {index}",
        f"  expected {shown(wanted_keys, wanted_data)}\n  seen     {shown(keys, data)}",
    )


# -- final state -------------------------------------------------------------------------------------------------------


def _registers(site: Site, program: ArrayProgram, golden: GoldenRun, array: SimulatedArray) -> Difference | None:
    """The first register of the control page that differs, of those that follow from the program."""
    # A packet that reads this counter is not counted in it.
    received, expected = (
        array.read_register(*site, _RECEIVED),
        golden.array.node(*site).read_register(ControlRegister.REQUESTS_RECEIVED),
    )
    if received != expected:
        return Difference(f"node x={site[0]} y={site[1]} REQUESTS_RECEIVED is {received}, expected {expected}")
    pages = [a.read(*site, CONTROL_PAGE_OFFSET, CONTROL_PAGE_BYTES) for a in (golden.array, array)]
    wanted, seen = (np.frombuffer(page, "<u8") for page in pages)
    for name, offset in _exact_registers(site, program, golden):
        if int(wanted[offset // 8] ^ seen[offset // 8]) & ~TIMED_BITS.get(offset, 0):
            return Difference(
                f"node x={site[0]} y={site[1]} {name} is {int(seen[offset // 8]):#x}, expected {int(wanted[offset // 8]):#x}"
            )
    return None


def _exact_registers(site: Site, program: ArrayProgram, golden: GoldenRun) -> Iterator[tuple[str, int]]:
    inexact: list[ControlRegister] = []
    # Of a gather that traps, the hardware has read some granules, and the golden node none.
    rows = {decode(record.word) for record in golden.records[site] if record.cause is not None}
    if any(row is not None and row.mnemonic.startswith(("vlds", "vldx")) for row in rows):
        inexact.append(ControlRegister.LINES_LOADED)
    for register in _NODE_REGISTERS:
        if register not in inexact:
            yield register.name, register
    config = program.config
    for thread in range(config.threads):
        for field in ThreadRegister:
            yield f"thread {thread} {field.name}", THREAD_BLOCK + thread * THREAD_STRIDE + field
        if config.core == "pipelined":
            for number in (2, *PIPE_EVENTS):
                yield f"thread {thread} counter {number}", COUNTER_BLOCK + thread * COUNTER_STRIDE + 8 * number
    for semaphore in range(config.semaphores):
        yield f"semaphore {semaphore}", SEMAPHORE_BLOCK + semaphore * SEMAPHORE_STRIDE


def _memory(site: Site, program: ArrayProgram, golden: GoldenRun, array: SimulatedArray) -> Difference | None:
    """The first byte of SRAM that differs."""
    size = program.config.sram_bytes
    wanted, seen = (np.frombuffer(a.peek(*site, 0, size), np.uint8) for a in (golden.array, array))
    places = np.flatnonzero(wanted != seen)
    if places.size == 0:
        return None
    offset = int(places[0])
    line = offset - offset % program.config.line_bytes
    shown = [memory[line : line + program.config.line_bytes][::-1].tobytes().hex() for memory in (wanted, seen)]
    return Difference(
        f"node x={site[0]} y={site[1]} memory differs at {SRAM_BASE + offset:#x}, and in {places.size - 1} more bytes",
        f"  expected line {shown[0]}\n  seen          {shown[1]}",
    )


def _inbox(golden: GoldenRun, array: SimulatedArray) -> Difference | None:
    """Packets to the host, whose order between threads is nobody's."""
    wanted, seen = (sorted(map(_packet_values, a.host_inbox)) for a in (golden.array, array))
    if wanted == seen:
        return None
    only_wanted, only_seen = [p for p in wanted if p not in seen], [p for p in seen if p not in wanted]
    return Difference(
        f"{len(seen)} packets came to the host, expected {len(wanted)}",
        "\n".join([*(f"  missing {p}" for p in only_wanted[:4]), *(f"  not expected {p}" for p in only_seen[:4])]),
    )


def _packet_values(packet: Packet) -> tuple[object, ...]:
    """All fields, but for bytes that the mask leaves out, which mean nothing."""
    data = bytes(byte if packet.mask >> place & 1 else 0 for place, byte in enumerate(packet.data))
    names = [field.name for field in dataclasses.fields(packet) if field.name != "data"]
    return (*((name, int(getattr(packet, name))) for name in names), ("data", data.hex()))
