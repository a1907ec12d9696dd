# SPDX-License-Identifier: Apache-2.0
"""The format descriptors of a thread."""

from __future__ import annotations

import functools
from typing import NamedTuple

from golden.accumulators import BF16_PAIR, FormatPair
from golden.config import MATRIX_K, NodeConfig
from golden.formats import format_of
from golden.layout import FORMAT_DESCRIPTORS, FormatDescriptor, FormatKind

#: Descriptors in one CSR, and the bits of each there.
DESCRIPTORS_PER_CSR = 4
_DESCRIPTOR_BITS = 16

_MATRIX_KINDS = (FormatKind.BF16, FormatKind.CFP8_143, FormatKind.CFP8_152)


class MatrixOperands(NamedTuple):
    """What a matrix step with named formats takes: formats of A and B, bytes of a tile of A and of one of B."""

    formats: FormatPair
    a_bytes: int
    b_bytes: int


@functools.cache
def _matrix_pair(a: FormatDescriptor, b: FormatDescriptor) -> FormatPair | None:
    """The formats, always the same object for the same ones; None if the matrix unit does not take them."""
    if a.kind not in _MATRIX_KINDS or b.kind not in _MATRIX_KINDS:
        return None
    pair = (format_of(a), format_of(b))
    return BF16_PAIR if pair == BF16_PAIR else pair


class FormatDescriptors:
    """Sixteen descriptors, BF16 at first.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    matrix_operands : list of (MatrixOperands or None)
        By the ``fab`` of a step: what it takes, None if it is illegal.
    """

    def __init__(self, config: NodeConfig):
        self._config = config
        self._descriptors = [FormatDescriptor.unpack(0)] * FORMAT_DESCRIPTORS
        self.matrix_operands: list[MatrixOperands | None] = [self._operands(fab) for fab in range(FORMAT_DESCRIPTORS)]

    def __getitem__(self, number: int) -> FormatDescriptor:
        return self._descriptors[number]

    def write(self, number: int, value: int) -> None:
        """Make a descriptor of the low bits of a value."""
        self._descriptors[number] = FormatDescriptor.unpack(value)
        for fab in (number, number ^ 1):
            self.matrix_operands[fab] = self._operands(fab)

    def read_csr(self, number: int) -> int:
        """Value of CSR ``mformat<number>``."""
        first = DESCRIPTORS_PER_CSR * number
        return sum(int(self._descriptors[first + i]) << _DESCRIPTOR_BITS * i for i in range(DESCRIPTORS_PER_CSR))

    def write_csr(self, number: int, value: int) -> None:
        """Write CSR ``mformat<number>``."""
        for i in range(DESCRIPTORS_PER_CSR):
            self.write(DESCRIPTORS_PER_CSR * number + i, value >> _DESCRIPTOR_BITS * i)

    def _operands(self, fab: int) -> MatrixOperands | None:
        formats = _matrix_pair(self._descriptors[fab], self._descriptors[fab ^ 1])
        if formats is None:
            return None
        elements = (self._config.matrix_m * MATRIX_K, MATRIX_K * self._config.matrix_n)
        return MatrixOperands(formats, *(n * fmt.dtype.itemsize for n, fmt in zip(elements, formats, strict=True)))
