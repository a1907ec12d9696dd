# SPDX-License-Identifier: Apache-2.0
"""The matrix accumulators of a thread, evaluated when they are read.

A matrix step only notes its operand lines, as they are at that moment. Reading an accumulator evaluates what is noted, all
accumulators in one batch, which lets NumPy work on thousands of steps at once. The bits are those of one step after the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.arithmetic import fp32_to_bf16
from golden.config import MATRIX_K, NodeConfig
from golden.matrix import accumulate, step_sums

#: Steps noted before they are evaluated anyway, which bounds the memory that they take.
QUEUED_STEPS_MAX = 8192


class Accumulators:
    """M x N FP32 accumulators of one thread, +0 at first.

    Parameters
    ----------
    config : NodeConfig
        Gives their number and shape.
    """

    def __init__(self, config: NodeConfig):
        self._m = config.matrix_m
        self._n = config.matrix_n
        self._values = np.zeros((config.accumulators, self._m, self._n), np.uint32)
        self._operands_a: list[list[bytes | bytearray]] = [[] for _ in range(config.accumulators)]
        self._operands_b: list[list[bytes | bytearray]] = [[] for _ in range(config.accumulators)]
        self._queued = 0

    def step(self, accumulator: int, a: bytes | bytearray, b: bytes | bytearray) -> None:
        """Note md += A.B for a line of A (M x 4 BF16) and a line of B (4 x N BF16), which the caller does not change later."""
        self._operands_a[accumulator].append(a)
        self._operands_b[accumulator].append(b)
        self._queued += 1
        if self._queued >= QUEUED_STEPS_MAX:
            self._evaluate()

    def restart(self, accumulator: int, a: bytes | bytearray, b: bytes | bytearray) -> None:
        """Note md = A.B."""
        self.clear(accumulator)
        self.step(accumulator, a, b)

    def clear(self, accumulator: int) -> None:
        """md = +0 in all elements."""
        self._forget(accumulator)
        self._values[accumulator] = 0

    def load(self, accumulator: int, data: bytes | bytearray) -> None:
        """md = M x N FP32, row-major, little endian."""
        self._forget(accumulator)
        self._values[accumulator] = np.frombuffer(data, "<u4").reshape(self._m, self._n)

    def read(self, accumulator: int) -> npt.NDArray[np.uint32]:
        """The FP32 codes of md, uint32 of shape (M, N)."""
        if self._operands_a[accumulator]:
            self._evaluate()
        return self._values[accumulator].copy()

    def fp32(self, accumulator: int) -> bytes:
        """md as it is stored in FP32."""
        return self.read(accumulator).astype("<u4").tobytes()

    def bf16(self, accumulator: int) -> bytes:
        """md as it is stored in BF16."""
        return fp32_to_bf16(self.read(accumulator)).astype("<u2").tobytes()

    def _forget(self, accumulator: int) -> None:
        self._queued -= len(self._operands_a[accumulator])
        self._operands_a[accumulator].clear()
        self._operands_b[accumulator].clear()

    def _evaluate(self) -> None:
        """Evaluate every noted step; accumulators with equally many steps go together."""
        by_length: dict[int, list[int]] = {}
        for accumulator, operands in enumerate(self._operands_a):
            if operands:
                by_length.setdefault(len(operands), []).append(accumulator)
        for steps, group in by_length.items():
            shape = (len(group), steps)
            a = np.frombuffer(b"".join(b"".join(self._operands_a[i]) for i in group), "<u2")
            b = np.frombuffer(b"".join(b"".join(self._operands_b[i]) for i in group), "<u2")
            sums = step_sums(a.reshape(*shape, self._m, MATRIX_K), b.reshape(*shape, MATRIX_K, self._n))
            self._values[group] = accumulate(self._values[group], np.moveaxis(sums, 1, 0))
            for accumulator in group:
                self._forget(accumulator)
