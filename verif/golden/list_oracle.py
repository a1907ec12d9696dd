# SPDX-License-Identifier: Apache-2.0
"""List transfers in NumPy, all granules at once, and random lists for tests."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from golden.list_descriptor import Dimension

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pattern:
    """What a list does between two memories; offsets are those of its two addresses."""

    granule: int
    source: int
    destination: int
    dimensions: tuple[Dimension, ...]

    def addresses(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Of all granules in order: source (meaningful where valid), destination, and whether they are valid."""
        shape = [dimension.count for dimension in reversed(self.dimensions)]
        indices = np.indices(shape).reshape(len(shape), -1)[::-1]
        source, destination = np.full(prod(shape), self.source), np.full(prod(shape), self.destination)
        valid = np.ones(prod(shape), bool)
        for dimension, index in zip(self.dimensions, indices, strict=True):
            source += (index - dimension.first) * dimension.source_stride
            destination += index * dimension.destination_stride
            end = dimension.count if dimension.end is None else dimension.end
            valid &= (index >= dimension.first) & (index < end)
        return source, destination, valid

    def applied(self, source: bytes, destination: bytes) -> bytes:
        """The destination's memory after the list; where granules meet, the last one counts."""
        inside = np.arange(self.granule)
        read, written, valid = self.addresses()
        taken = np.frombuffer(source, np.uint8)[np.where(valid, read, 0)[:, None] + inside]
        result = np.frombuffer(destination, np.uint8).copy()
        for data, start in zip(np.where(valid[:, None], taken, 0), written, strict=True):
            result[start + inside] = data
        return result.tobytes()


def _spans(dimension: Dimension) -> tuple[int, int]:
    """Steps that a dimension takes from its first granule to the last one: of valid ones at the source; at the destination."""
    end = dimension.count if dimension.end is None else min(dimension.end, dimension.count)
    return max(0, end - 1 - dimension.first), dimension.count - 1


@st.composite
def patterns(draw: st.DrawFn, line: int, size: int, most: int = 64) -> Pattern:
    """Lists of any shape, of at most so many granules, whose offsets stay within ``size`` bytes."""
    granule = draw(st.sampled_from([granule for granule in (8, 16, 32, 64) if granule <= line]))
    places = size // granule
    dimensions: list[Dimension] = []
    # Granules between the lowest and the highest one so far, and how far below the first one the lowest is.
    extents, below = [0, 0], [0, 0]
    for _ in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, min(most, 8)))
        most //= count
        bounds = Dimension(count, first=draw(st.integers(0, count)), end=draw(st.none() | st.integers(0, count + 1)))
        strides = []
        for side, span in enumerate(_spans(bounds)):
            furthest = min(20, (places - 1 - extents[side]) // max(1, span))
            stride = draw(st.integers(-furthest, furthest))
            extents[side] += abs(stride) * span
            below[side] += max(0, -stride) * span
            strides.append(stride * granule)
        dimensions.append(Dimension(count, strides[0], strides[1], bounds.first, bounds.end))
    source, destination = (draw(st.integers(below[side], places - 1 - extents[side] + below[side])) * granule for side in (0, 1))
    return Pattern(granule, source, destination, tuple(dimensions))
