# SPDX-License-Identifier: Apache-2.0
"""The matrix accumulators of a thread, evaluated when they are read.

A matrix step only notes its operands, as they are at that moment, and their formats. Reading an accumulator evaluates what is
noted, all accumulators in one batch per pair of formats, which lets NumPy work on thousands of steps at once. The bits are those
of one step after the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.config import MATRIX_K, NodeConfig
from golden.formats import BF16, Codes, Format
from golden.matrix import accumulate, step_sums

#: Steps noted before they are evaluated anyway, which bounds the memory that they take.
QUEUED_STEPS_MAX = 8192

#: Formats of A and B.
FormatPair = tuple[Format, Format]

BF16_PAIR: FormatPair = (BF16, BF16)


def _codes(data: bytes, fmt: Format) -> Codes:
    return np.frombuffer(data, fmt.dtype.newbyteorder("<")).astype(fmt.dtype, copy=False)


class _Run:
    """Steps of one accumulator that follow each other and have the same formats, as chunks of one or more whole tiles."""

    __slots__ = ("a", "b", "formats")

    def __init__(self, formats: FormatPair):
        self.formats = formats
        self.a: list[bytes | bytearray] = []
        self.b: list[bytes | bytearray] = []


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
        self._queues: list[list[_Run]] = [[] for _ in range(config.accumulators)]
        #: Steps noted since the last evaluation, with those that were discarded.
        self._queued = 0

    def step(
        self,
        accumulator: int,
        a: bytes | bytearray,
        b: bytes | bytearray,
        formats: FormatPair = BF16_PAIR,
        steps: int = 1,
    ) -> None:
        """Note md += A.B, once or several times.

        Parameters
        ----------
        accumulator : int
        a, b : bytes or bytearray
            M x 4 codes of A and 4 x N codes of B for each step, one tile after the other. The caller does not change them later.
        formats : (Format, Format)
            Those of A and B.
        steps : int
            Tiles in ``a``, and in ``b``.
        """
        queue = self._queues[accumulator]
        if not queue or queue[-1].formats is not formats:
            queue.append(_Run(formats))
        run = queue[-1]
        run.a.append(a)
        run.b.append(b)
        self._queued += steps
        if self._queued >= QUEUED_STEPS_MAX:
            self._evaluate()

    def restart(
        self,
        accumulator: int,
        a: bytes | bytearray,
        b: bytes | bytearray,
        formats: FormatPair = BF16_PAIR,
        steps: int = 1,
    ) -> None:
        """As ``step``, from md = +0."""
        self.clear(accumulator)
        self.step(accumulator, a, b, formats, steps)

    def clear(self, accumulator: int) -> None:
        """md = +0 in all elements."""
        self._queues[accumulator].clear()
        self._values[accumulator] = 0

    def load(self, accumulator: int, data: bytes | bytearray) -> None:
        """md = M x N FP32, row-major, little endian."""
        self._queues[accumulator].clear()
        self._values[accumulator] = np.frombuffer(data, "<u4").reshape(self._m, self._n)

    def read(self, accumulator: int) -> npt.NDArray[np.uint32]:
        """The FP32 codes of md, uint32 of shape (M, N)."""
        if self._queues[accumulator]:
            self._evaluate()
        return self._values[accumulator].copy()

    def _evaluate(self) -> None:
        """Evaluate every noted step."""
        sums = self._sums()
        by_length: dict[int, list[int]] = {}
        for accumulator, terms in sums.items():
            by_length.setdefault(len(terms), []).append(accumulator)
        # Accumulators with equally many steps go together.
        for group in by_length.values():
            terms_of_group = np.stack([sums[accumulator] for accumulator in group], axis=1)
            self._values[group] = accumulate(self._values[group], terms_of_group)
        for queue in self._queues:
            queue.clear()
        self._queued = 0

    def _sums(self) -> dict[int, npt.NDArray[np.uint32]]:
        """The sums of the noted steps in order, uint32 (steps, M, N), of each accumulator that has any."""
        by_formats: dict[FormatPair, list[_Run]] = {}
        for queue in self._queues:
            for run in queue:
                by_formats.setdefault(run.formats, []).append(run)
        of_run: dict[_Run, npt.NDArray[np.uint32]] = {}
        for (a_format, b_format), runs in by_formats.items():
            lines_a, lines_b = [b"".join(run.a) for run in runs], [b"".join(run.b) for run in runs]
            a = _codes(b"".join(lines_a), a_format).reshape(-1, self._m, MATRIX_K)
            b = _codes(b"".join(lines_b), b_format).reshape(-1, MATRIX_K, self._n)
            tile_bytes = self._m * MATRIX_K * a_format.dtype.itemsize
            ends = np.cumsum([len(line) // tile_bytes for line in lines_a])
            of_run |= zip(runs, np.split(step_sums(a, b, a_format, b_format), ends[:-1]), strict=True)
        return {
            accumulator: np.concatenate([of_run[run] for run in queue]) for accumulator, queue in enumerate(self._queues) if queue
        }
