# SPDX-License-Identifier: Apache-2.0
"""Operands of encoding that reach every rule of a format. Nothing here is random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from golden import formats
from golden.formats import FP32, Format
from golden.layout import BIAS_BITS
from verif.golden import format_oracle
from verif.golden.format_oracle import Rules

BIASES = range(1 << BIAS_BITS)

#: The configurable formats: how the model makes them, and the oracle.
CONFIGURABLE: dict[str, tuple[Callable[[int], Format], Callable[[int], Rules]]] = {
    "cfp8_143": (formats.cfp8_143, format_oracle.cfp8_143),
    "cfp8_152": (formats.cfp8_152, format_oracle.cfp8_152),
    "shp": (formats.shp, format_oracle.shp),
}
FIXED = {"uhp": (formats.UHP, format_oracle.UHP), "bf16": (formats.BF16, format_oracle.BF16)}

# fmt: off
#: Zero, denormals, smallest and largest numbers, infinity, signalling and quiet NaN with all kinds of payload.
_EXTREMES = (
    0x0000_0000, 0x0000_0001, 0x0000_8000, 0x0000_8001, 0x0001_7FFF, 0x0001_8000, 0x0040_0000, 0x007F_FFFF, 0x0080_0000,
    0x7F7F_7FFF, 0x7F7F_8000, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001, 0x7F80_8000, 0x7FBF_FFFF, 0x7FC0_0000, 0x7FC0_0001,
    0x7FFF_FFFF,
)
# fmt: on


def fp32_extremes() -> npt.NDArray[np.uint32]:
    """binary32 codes that are special in any format, both signs."""
    codes = np.array(_EXTREMES, np.uint32)
    return np.concatenate([codes, codes | np.uint32(0x8000_0000)])


def _around(rules: Rules, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    grid = [float(magnitude) for magnitude in format_oracle.magnitudes(rules)]
    numbers = np.array([*grid, 2 * grid[-1] - grid[-2]]) * (float(rules.unit) / 2)
    points = np.concatenate([numbers[codes], (numbers[codes] + numbers[codes + 1]) / 2])
    with np.errstate(over="ignore"):
        wide = points.astype(np.float32).view(np.uint32).astype(np.int64)
    neighbours = np.concatenate([wide - 1, wide, wide + 1])
    wide = np.unique(neighbours[(neighbours >= 0) & (neighbours <= FP32.infinity)])
    return np.concatenate([wide, wide | 0x8000_0000]).astype(np.uint32)


def encode_vectors(rules: Rules) -> npt.NDArray[np.uint32]:
    """binary32 codes: every magnitude of a format of at most 16 bits and the first one beyond, the midpoints above them, the
    float32 neighbours of each; and the extremes. Both signs."""
    return np.concatenate([_around(rules, np.arange(rules.top + 1)), fp32_extremes()])


def edge_vectors(rules: Rules) -> npt.NDArray[np.uint32]:
    """The same of those numbers alone that lie where a rule begins or ends: zero, the smallest normal, the largest."""
    codes = np.concatenate([np.arange(16), rules.normal + np.arange(-8, 8), rules.top - np.arange(16)])
    return np.concatenate([_around(rules, np.unique(codes[(codes >= 0) & (codes <= rules.top)])), fp32_extremes()])
