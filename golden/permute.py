# SPDX-License-Identifier: Apache-2.0
"""Moving bytes and lanes within vectors: shuffle, slide, broadcast, transpose, widen and narrow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from golden.config import NodeConfig
from golden.integer import LANE_TYPES, Lanes, extend, saturate

#: Rows and columns of the matrices that ``vtrn`` transposes.
TRANSPOSE_SIDE = 8


def shuffle(a: Lanes, indices: Lanes) -> Lanes:
    """Lane i is lane ``indices[i]`` of a, modulo their number, which is a power of two."""
    return a[indices & indices.dtype.type(len(a) - 1 & int(np.iinfo(indices.dtype).max))]


def slide_up(line: bytes, distance: int) -> bytes:
    """Byte i is byte i - distance, or 0 where there is none."""
    size = len(line)
    kept = max(0, size - distance)
    return bytes(size - kept) + line[:kept]


def slide_down(line: bytes, distance: int) -> bytes:
    """Byte i is byte i + distance, or 0 where there is none."""
    return line[distance:].ljust(len(line), b"\0")


def broadcast(lane: bytes, line_bytes: int) -> bytes:
    """A line full of copies of one lane."""
    return lane * (line_bytes // len(lane))


def transpose_group(config: NodeConfig, bits: int) -> int:
    """Registers that hold an 8 x 8 matrix of elements of so many bits."""
    return TRANSPOSE_SIDE * TRANSPOSE_SIDE * bits // (8 * config.line_bytes)


def transpose(group: Sequence[bytes], bits: int, part: int) -> bytes:
    """Register ``part`` of the transpose of the row-major 8 x 8 matrix in a group of registers."""
    matrix = np.frombuffer(b"".join(group), LANE_TYPES[bits]).reshape(TRANSPOSE_SIDE, TRANSPOSE_SIDE)
    start = part * len(group[0])
    return matrix.T.tobytes()[start : start + len(group[0])]


def widen(a: Lanes, half: int, *, signed: bool) -> Lanes:
    """The lanes of the lower (0) or upper (1) half of a, extended to twice the bits."""
    count = len(a) // 2
    return extend(a[half * count : (half + 1) * count], signed=signed)


def narrow(a: Lanes, b: Lanes, *, signed: bool) -> Lanes:
    """The lanes of a, then those of b, saturated to half the bits."""
    return saturate(np.concatenate([a, b]), signed=signed)
