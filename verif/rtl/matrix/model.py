# SPDX-License-Identifier: Apache-2.0
"""What a matrix array answers, cycle by cycle: arithmetic by the golden model, time by the array's contract."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import matrix
from golden.config import MATRIX_K, NodeConfig
from golden.formats import encode_codes, format_of
from golden.layout import FormatKind

Words = npt.NDArray[np.uint32]


class Op(IntEnum):
    """Ops by their numbers."""

    NONE = 0
    STEP = 1
    LOAD_LINE = 2
    CLEAR = 3


@dataclass(frozen=True)
class Cycle:
    """Inputs of a cycle; a and b are lines of bytes, random bits one number per lane."""

    op: Op = Op.NONE
    entry: int = 0
    line: int = 0
    zero: int = 0
    a: bytes = b""
    b: bytes = b""
    format_a: FormatKind = FormatKind.BF16
    format_b: FormatKind = FormatKind.BF16
    bias_a: int = 0
    bias_b: int = 0
    half: int = 0
    read_entry: int = 0
    read_line: int = 0
    convert: int = 0
    convert_format: FormatKind = FormatKind.BF16
    convert_bias: int = 0
    convert_stochastic: int = 0
    convert_random: tuple[int, ...] = ()
    rst: int = 0


@dataclass(frozen=True)
class Answer:
    """Outputs in the cycle after some inputs; None where the contract leaves them open. ``converted`` has all codes."""

    read_data: bytes | None
    converted: bytes | None
    convert_flags: int | None


def step_distance(config: NodeConfig) -> int:
    """Cycles from an op to the next one, whatever its accumulator."""
    return 2 * config.matrix_passes if config.matrix_passes > 2 else config.matrix_passes


def op_distance(config: NodeConfig) -> int:
    """Cycles from an op to the next one on its accumulator."""
    return max(2, step_distance(config))


def read_distance(config: NodeConfig) -> int:
    """Cycles from an op to the first read that sees it."""
    return unseen_distance(config) + config.matrix_passes * (2 if config.matrix_passes > 2 else 1)


def unseen_distance(config: NodeConfig) -> int:
    """Cycles from an op to the last read that surely does not see it."""
    match config.matrix_passes:
        case 1:
            return 5
        case 2:
            return 9
        case _:
            return 24


def convert_turns(config: NodeConfig) -> int:
    """Cycles in which a conversion takes its inputs."""
    return min(config.matrix_passes, config.fp32_lanes)


def convert_distance(config: NodeConfig) -> int:
    """Cycles from a conversion to its codes, and at least to the next one."""
    match config.matrix_passes:
        case 1:
            return 1
        case 2:
            return convert_turns(config) + 3
        case _:
            return convert_turns(config) + 4


class MatrixArrayModel:
    """Accumulators of an array, starting as zero, and the line converted last."""

    def __init__(self, config: NodeConfig):
        self.config = config
        entries = config.threads * config.accumulators
        self.accumulators = np.zeros((entries, config.matrix_m, config.matrix_n), np.uint32)
        #: Entries whose last op a reset cut short.
        self._unknown: set[int] = set()
        self._read: bytes | None = None
        self._converted: tuple[bytes | None, int | None] = None, None
        #: Since when a line is being converted, and what will come.
        self._converting: tuple[int, tuple[bytes | None, int | None]] | None = None

    def answers(self, cycles: list[Cycle]) -> list[Answer]:
        """Outputs in the cycle after each of ``cycles``; ops keep their distances."""
        config = self.config
        latest = read_distance(config) - 1
        steps = [i for i, cycle in enumerate(cycles) if cycle.op is Op.STEP]
        sums = self._sums({i: cycles[i] for i in steps})
        answers = []
        alive: dict[int, Cycle] = {}
        for now, cycle in enumerate(cycles):
            if cycle.convert:
                self._converted = None, None
                self._converting = now, self._convert(cycle)
            if self._converting is not None and now + 1 == self._converting[0] + convert_distance(config):
                self._converted, self._converting = self._converting[1], None
            before = self._read
            being_written = {each.entry for when, each in alive.items() if when < now - unseen_distance(config)}
            if cycle.read_entry in being_written | self._unknown:
                self._read = None
            else:
                lines = self.accumulators[cycle.read_entry].reshape(config.accumulator_lines, -1)
                self._read = lines[cycle.read_line].tobytes()
            if self._converting is not None and now + 1 < self._converting[0] + convert_turns(config) and self._read != before:
                # What is converted must not change meanwhile.
                self._converting = self._converting[0], (None, None)
            answers.append(Answer(self._read, *self._converted))
            # What is written by the end of this cycle.
            if (due := alive.pop(now - latest, None)) is not None:
                self._write(due, sums.get(now - latest))
            if cycle.op is not Op.NONE:
                alive[now] = cycle
            if cycle.rst:
                self._unknown |= {each.entry for when, each in alive.items() if when <= now - unseen_distance(config)}
                alive.clear()
                if self._converting is not None:
                    self._converted, self._converting = (None, None), None
        return answers

    def _sums(self, cycles: dict[int, Cycle]) -> dict[int, Words]:
        """S of steps by cycle."""
        shapes = {"a": (self.config.matrix_m, MATRIX_K), "b": (MATRIX_K, self.config.matrix_n)}
        groups = defaultdict(list)
        for now, cycle in cycles.items():
            groups[format_of(cycle.format_a, cycle.bias_a), format_of(cycle.format_b, cycle.bias_b)].append(now)
        sums: dict[int, Words] = {}
        for formats, members in groups.items():
            tiles = []
            for (side, shape), fmt in zip(shapes.items(), formats, strict=True):
                size = shape[0] * shape[1]
                codes = [np.frombuffer(getattr(cycles[now], side), fmt.dtype) for now in members]
                # A line of codes of 16 bits is one tile.
                halves = [cycles[now].half * size if fmt.bits == 8 else 0 for now in members]
                tiles.append([line[start : start + size].reshape(shape) for line, start in zip(codes, halves, strict=True)])
            sums |= zip(members, matrix.step_sums(np.stack(tiles[0]), np.stack(tiles[1]), *formats), strict=True)
        return sums

    def _convert(self, cycle: Cycle) -> tuple[bytes | None, int | None]:
        if self._read is None:
            return None, None
        values = np.frombuffer(self._read, np.uint32)
        random = np.array(cycle.convert_random, np.uint32) if cycle.convert_stochastic else None
        codes, flags = encode_codes(values, format_of(cycle.convert_format, cycle.convert_bias), random)
        return codes.tobytes(), int(np.bitwise_or.reduce(flags))

    def _write(self, cycle: Cycle, sums: Words | None) -> None:
        accumulator = self.accumulators[cycle.entry]
        if cycle.op is Op.STEP:
            assert sums is not None
            before: Any = np.zeros_like(accumulator) if cycle.zero else accumulator
            accumulator[:] = matrix.accumulate(before, sums[None])
        elif cycle.op is Op.CLEAR:
            accumulator[:] = 0
        else:
            accumulator.reshape(self.config.accumulator_lines, -1)[cycle.line] = np.frombuffer(cycle.a, np.uint32)
        if cycle.op is Op.CLEAR or (cycle.op is Op.STEP and cycle.zero):
            self._unknown.discard(cycle.entry)
