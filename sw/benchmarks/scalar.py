# SPDX-License-Identifier: Apache-2.0
"""Scalar benchmarks: programs of one thread, or of all at once on own data, each of which judges its own result.

Each is a source beside this file behind ``main.s``, which says what a thread's data begins with. Data comes from a seed; expected
results are computed here, in Python.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, ControlRegister
from golden.program import Program
from sw.assembler import assemble
from sw.host import ArrayBackend, RunReport, control_registers, load_program, run_program, write_blocks

_FOLDER = Path(__file__).parent

_WORD = (1 << 64) - 1

#: Bytes that code and tables of a program may take; data begins behind them, in the next block if there are several.
_PROGRAM_BYTES = 4096

#: Makes a thread's data for an address, beginning with the expected result.
Maker = Callable[[random.Random, int], bytes]


@dataclass(frozen=True)
class ScalarBenchmark:
    """A benchmark.

    Attributes
    ----------
    name : str
        Of its source.
    title : str
    make : callable
        Makes the data of a thread.
    max_cycles : int
        Far more than it takes.
    """

    name: str
    title: str
    make: Maker
    max_cycles: int = 1_000_000

    @property
    def source(self) -> str:
        """The whole program's source."""
        return (_FOLDER / "main.s").read_text() + (_FOLDER / f"{self.name}.s").read_text()


@dataclass(frozen=True)
class ScalarResult:
    """What a run gave.

    Attributes
    ----------
    cycles : int
        From the first thread's start to the last one's stop.
    retired : int
        Instructions of all threads.
    results : tuple of int
        Of each thread.
    report : RunReport
        Passed if all results are as expected.
    """

    cycles: int
    retired: int
    results: tuple[int, ...]
    report: RunReport

    @property
    def instructions_per_cycle(self) -> float:
        """Of all threads together."""
        return self.retired / self.cycles


def run_scalar(array: ArrayBackend, benchmark: ScalarBenchmark, threads: int, seed: int = 1) -> ScalarResult:
    """Run a benchmark on node (0, 0) of an array that is at rest.

    Parameters
    ----------
    array : ArrayBackend
    benchmark : ScalarBenchmark
    threads : int
        Threads that run it, each on own data.
    seed : int

    Raises
    ------
    ValueError
        If the node has fewer threads or too little SRAM.
    """
    config = array.config
    if not 1 <= threads <= config.threads:
        raise ValueError(f"threads = {threads}: a node of '{config.name}' has 1 to {config.threads}")
    first, stride = data_places(config)
    program = scalar_program(config, benchmark, threads)
    generator = random.Random(seed)
    blocks = []
    for thread in range(threads):
        offset = first + thread * stride
        contents = benchmark.make(generator, SRAM_BASE + offset)
        if len(contents) > stride:
            raise ValueError(
                f"data of {benchmark.name} takes {len(contents)} bytes of SRAM for each thread; "
                f"a node of '{config.name}' has {stride} for each of its {config.threads}"
            )
        blocks.append((0, 0, offset, contents + bytes(-len(contents) % 8)))
    load_program(array, program, sites=[(0, 0)])
    write_blocks(array, blocks)
    ((before,),) = control_registers(array, [(0, 0)], [ControlRegister.RETIRED])
    report = run_program(array, program, benchmark.max_cycles, sites=[(0, 0)], load=False)
    registers = (ControlRegister.RETIRED, ControlRegister.FIRST_START, ControlRegister.LAST_STOP)
    ((retired, start, stop),) = control_registers(array, [(0, 0)], registers)
    results = (array.read(0, 0, first + thread * stride + 8, 8) for thread in range(threads))
    return ScalarResult(stop - start, retired - before, tuple(int.from_bytes(each, "little") for each in results), report)


def scalar_program(config: NodeConfig, benchmark: ScalarBenchmark, threads: int) -> Program:
    """The program for so many threads."""
    first, stride = data_places(config)
    defines = {"RUN_THREADS": threads, "DATA": SRAM_BASE + first, "DATA_STRIDE": stride}
    return assemble(benchmark.source, f"{benchmark.name}.s", config, defines)


def data_places(config: NodeConfig) -> tuple[int, int]:
    """Offset of the first thread's data, and distance of the next one's: blocks of their own if there are so many."""
    if config.sram_blocks > config.threads:
        return config.block_bytes, config.block_bytes
    stride = (config.sram_bytes - _PROGRAM_BYTES) // config.threads
    return _PROGRAM_BYTES, stride - stride % config.line_bytes


def _fold(values: Sequence[int], start: int = 0) -> int:
    """h = 31 * h + value over all values, modulo 2**64."""
    total = start
    for value in values:
        total = (31 * total + value) & _WORD
    return total


def _list(generator: random.Random, base: int, elements: int = 160, rounds: int = 8) -> bytes:
    header = struct.calcsize("<4Q")
    places = [base + header + 16 * place for place in generator.sample(range(elements), elements)]
    values = [generator.getrandbits(64) for _ in places]
    walked = values
    visited: list[int] = []
    for _ in range(rounds):
        walked = walked[::-1]
        visited += walked
    contents = bytearray(16 * elements)
    for place, following, value in zip(places, [*places[1:], 0], values, strict=True):
        struct.pack_into("<2Q", contents, place - base - header, following, value)
    return struct.pack("<4Q", _fold(visited), 0, places[0], rounds) + contents


def _matrices(generator: random.Random, base: int, n: int = 16) -> bytes:
    a, b = ([[generator.randrange(-(1 << 31), 1 << 31) for _ in range(n)] for _ in range(n)] for _ in range(2))
    c = [[sum(x * row[column] for x, row in zip(line, b, strict=True)) for column in range(n)] for line in a]
    order = [
        c[row + down][column + right]
        for row in range(0, n, 2)
        for column in range(0, n, 2)
        for down in range(2)
        for right in range(2)
    ]
    header = struct.calcsize("<5Q")
    contents = b"".join(struct.pack(f"<{n}i", *row) for row in a + b)
    return struct.pack("<5Q", _fold(order), 0, base + header, base + header + 4 * n * n, n) + contents


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
_OPERATORS = "+-*/=();"


def _text(generator: random.Random, base: int, tokens: int = 400) -> bytes:
    text, identifiers, numbers, operators, sums = "", 0, 0, 0, 0
    characters = 0
    for _ in range(tokens):
        kind = generator.choice("iiino")
        if kind == "i":
            token = generator.choice(_LETTERS)
            token += "".join(generator.choices(_LETTERS + _DIGITS, k=generator.randrange(2, 10)))
            identifiers, sums = identifiers + 1, sums + _fold(token.encode())
        elif kind == "n":
            token = "".join(generator.choices(_DIGITS, k=generator.randrange(1, 7)))
            numbers, sums = numbers + 1, sums + int(token)
        else:
            token = generator.choice(_OPERATORS)
            operators, characters = operators + 1, characters + ord(token)
        text += token + " "
    expected = _fold([identifiers, numbers, operators, characters], sums & _WORD)
    header = struct.calcsize("<3Q")
    return struct.pack("<3Q", expected, 0, base + header) + text.encode() + b"\0"


def _crc_table() -> bytes:
    """Remainders of the 256 bytes, reflected."""
    words = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xEDB88320 if byte & 1 else 0)
        words.append(byte)
    return struct.pack("<256I", *words)


def _crc_by_table(generator: random.Random, base: int, length: int = 1024) -> bytes:
    header, table, contents = struct.calcsize("<5Q"), _crc_table(), generator.randbytes(length)
    places = base + header + len(table), length, base + header
    # One byte beyond the last one is loaded.
    return struct.pack("<5Q", zlib.crc32(contents), 0, *places) + table + contents + bytes(8)


def _crc_by_bits(generator: random.Random, base: int, length: int = 192) -> bytes:
    contents = generator.randbytes(length)
    return struct.pack("<4Q", zlib.crc32(contents), 0, base + struct.calcsize("<4Q"), length) + contents


SCALAR_BENCHMARKS = (
    ScalarBenchmark("list_walk", "linked list, reversed and walked", _list),
    ScalarBenchmark("integer_product", "integer matrix product", _matrices),
    ScalarBenchmark("state_machine", "lexer", _text),
    ScalarBenchmark("crc32_table", "CRC-32 by a table", _crc_by_table),
    ScalarBenchmark("crc32_bitwise", "CRC-32 bit by bit", _crc_by_bits),
)
