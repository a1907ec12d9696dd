# SPDX-License-Identifier: Apache-2.0
"""What a matrix array answers, cycle by cycle: arithmetic by the golden model, time by the array's contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import matrix
from golden.arithmetic import fp32_add
from golden.config import MATRIX_K, NodeConfig

#: Cycles from an op to the first read that sees it, and to the next op on its accumulator.
READ_DISTANCE = 6
OP_DISTANCE = 2

Words = npt.NDArray[np.uint32]


class Op(IntEnum):
    """Ops by their numbers."""

    NONE = 0
    STEP = 1
    LOAD_LINE = 2
    CLEAR = 3


@dataclass(frozen=True)
class Cycle:
    """Inputs of a cycle; a and b are lines of bytes."""

    op: Op = Op.NONE
    entry: int = 0
    line: int = 0
    zero: int = 0
    a: bytes = b""
    b: bytes = b""
    read_entry: int = 0
    read_line: int = 0
    rst: int = 0


class MatrixArrayModel:
    """Accumulators of an array, starting as zero."""

    def __init__(self, config: NodeConfig):
        self.config = config
        entries = config.threads * config.accumulators
        self.accumulators = np.zeros((entries, config.matrix_m, config.matrix_n), np.uint32)

    def answers(self, cycles: list[Cycle]) -> list[bytes]:
        """``read_data`` in the cycle after each of ``cycles``; ops keep their distance."""
        config = self.config
        steps = [i for i, cycle in enumerate(cycles) if cycle.op is Op.STEP]
        sums = dict(zip(steps, self._sums([cycles[i] for i in steps]), strict=True))
        answers = []
        alive: dict[int, Cycle] = {}
        for now, cycle in enumerate(cycles):
            lines = self.accumulators[cycle.read_entry].reshape(config.accumulator_lines, -1)
            answers.append(lines[cycle.read_line].tobytes())
            # What entered READ_DISTANCE - 1 cycles ago is written at the end of this one.
            if (due := alive.pop(now - READ_DISTANCE + 1, None)) is not None:
                self._write(due, sums.get(now - READ_DISTANCE + 1))
            if cycle.op is not Op.NONE:
                alive[now] = cycle
            if cycle.rst:
                alive.clear()
        return answers

    def _sums(self, cycles: list[Cycle]) -> Words:
        m, n = self.config.matrix_m, self.config.matrix_n
        a = np.frombuffer(b"".join(cycle.a for cycle in cycles), np.uint16).reshape(-1, m, MATRIX_K)
        b = np.frombuffer(b"".join(cycle.b for cycle in cycles), np.uint16).reshape(-1, MATRIX_K, n)
        return matrix.step_sums(a, b)

    def _write(self, cycle: Cycle, sums: Words | None) -> None:
        accumulator = self.accumulators[cycle.entry]
        if cycle.op is Op.STEP:
            assert sums is not None
            before: Any = np.zeros_like(accumulator) if cycle.zero else accumulator
            accumulator[:] = fp32_add(before, sums)
        elif cycle.op is Op.CLEAR:
            accumulator[:] = 0
        else:
            accumulator.reshape(self.config.accumulator_lines, -1)[cycle.line] = np.frombuffer(cycle.a, np.uint32)
