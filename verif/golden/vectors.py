# SPDX-License-Identifier: Apache-2.0
"""Operands of matrix steps and additions that reach every rule: corners, near misses and structured random numbers.

Benches of hardware use the same vectors. Arrays of codes come back, a fixed seed gives fixed vectors.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Bf16 = npt.NDArray[np.uint16]
Fp32 = npt.NDArray[np.uint32]

# fmt: off
#: Zero, denormals, smallest normals, ones and neighbours, largest numbers, infinity, NaN of several kinds.
_BF16_MAGNITUDES = (
    0x0000, 0x0001, 0x0041, 0x007F, 0x0080, 0x0081, 0x2000, 0x3F7F,
    0x3F80, 0x3F81, 0x3FFF, 0x5F80, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0,
)
_FP32_MAGNITUDES = (
    0x0000_0000, 0x0000_0001, 0x0000_0003, 0x0040_0000, 0x007F_FFFF, 0x0080_0000,
    0x0080_0001, 0x00FF_FFFF, 0x0100_0000, 0x0C00_0000, 0x337F_FFFF, 0x3380_0000,
    0x3380_0001, 0x3F00_0000, 0x3F7F_FFFF, 0x3F80_0000, 0x3F80_0001, 0x3FFF_FFFF,
    0x4B7F_FFFF, 0x4B80_0000, 0x7300_0000, 0x7EFF_FFFF, 0x7F00_0000, 0x7F7F_FFFE,
    0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001, 0x7FBF_FFFF, 0x7FC0_0000, 0x7FFF_FFFF,
)
# fmt: on

#: The codes above, and the same with the sign bit set.
BF16_CORNERS = tuple(sign | magnitude for magnitude in _BF16_MAGNITUDES for sign in (0, 0x8000))
FP32_CORNERS = tuple(sign | magnitude for magnitude in _FP32_MAGNITUDES for sign in (0, 0x8000_0000))


def bf16(value: float) -> int:
    """The code of a number that BF16 holds exactly."""
    code = int(np.float32(value).view(np.uint32))
    if float(np.float32(value)) != value or code & 0xFFFF:
        raise ValueError(f"{value} is no BF16 number")
    return code >> 16


def directed_steps() -> tuple[Bf16, Bf16]:
    """Rows and columns (n, 4) of single steps, each made for one rule or for two rules that meet."""
    u = 1 + 2.0**-7
    tiny, large = 2.0**-133, 2.0**127
    top = 2.0**127 * (2 - 2.0**-7)
    cases: list[tuple[tuple[float, ...], tuple[float, ...]]] = [
        # Ties to even, both ways; one unit beside the tie, both ways.
        ((1, 2.0**-12, 0, 0), (1, 2.0**-12, 0, 0)),
        ((1, 2.0**-23, 2.0**-12, 0), (1, 1, 2.0**-12, 0)),
        ((1, 2.0**-12, 2.0**-34, 0), (1, 2.0**-12, 1, 0)),
        ((1, 2.0**-12, -(2.0**-34), 0), (1, 2.0**-12, 1, 0)),
        ((1, 2.0**-12, 2.0**-35, 0), (1, 2.0**-12, 1, 0)),
        # The window's last bit survives, the next one does not.
        ((1, -1, u * 2.0**-20, 0), (1, 1, u, 0)),
        ((1, -1, u * 2.0**-21, 0), (1, 1, u, 0)),
        ((1, -1, -u * 2.0**-21, 0), (1, 1, u, 0)),
        ((1, -1, 2.0**-34, 0), (1, 1, 1, 0)),
        ((1, -1, 2.0**-35, 0), (1, 1, 1, 0)),
        ((1, -1, 2.0**-35, 2.0**-35), (1, 1, 1, 1)),
        # Two cuts of almost a whole last bit each move the sum from above a tie onto it.
        ((1, 14 * 2.0**-17, 255 * 2.0**-24, 255 * 2.0**-24), (1, 73 * 2.0**-17, 255 * 2.0**-25, 255 * 2.0**-25)),
        # A denormal's exponent is that of its leading bit.
        ((tiny, -(2.0**-33), u * 2.0**-53, 0), (2.0**100, 1, u, 0)),
        ((63 * tiny, -63 * tiny, u * 2.0**-50, 0), (2.0**100, 2.0**100, u, 0)),
        # Zeros have no exponent and no sign, except that all signs vanish.
        ((0, u * 2.0**-70, 0, 0), (top, u * 2.0**-60, top, 0)),
        ((0, u * 2.0**-60, 0, 0), (large, u * 2.0**-60, 0, 0)),
        ((-0.0, -0.0, -0.0, -0.0), (1, 1, 1, 1)),
        ((-0.0, 0, 1, -1), (1, -1, 1, 1)),
        # Overflow: by rounding, by one product, only in between, and not quite.
        ((top, top * 2.0**-8, 0, 0), (1, 1, 0, 0)),
        ((top, top * 2.0**-8, top * 2.0**-16, 0), (1, 1, 1, 0)),
        ((top, top * 2.0**-8, top * 2.0**-15, 2.0**103), (1, 1, 1, 1)),
        ((-top, 0, 0, 0), (top, 0, 0, 0)),
        ((top, -top, 1, 0), (top, top, 1, 0)),
        ((top, -top, top, -top), (top, top, 1, 1)),
        # Around the smallest numbers: normal, denormal, half of the last unit, and a sum that rounds to -0.
        ((2.0**-126, 0, 0, 0), (1, 0, 0, 0)),
        ((2.0**-126, -(2.0**-75), 0, 0), (1, 2.0**-75, 0, 0)),
        ((2.0**-100, 0, 0, 0), (2.0**-49, 0, 0, 0)),
        ((2.0**-100, 0, 0, 0), (2.0**-50, 0, 0, 0)),
        ((2.0**-100, 2.0**-100, 0, 0), (2.0**-50, 2.0**-60, 0, 0)),
        ((2.0**-100, 2.0**-100, 0, 0), (2.0**-50, 2.0**-61, 0, 0)),
        ((-(2.0**-100), 0, 0, 0), (2.0**-50, 0, 0, 0)),
        ((-(2.0**-100), 0, 0, 0), (2.0**-60, 0, 0, 0)),
        ((-(2.0**-100), 0, 0, 0), (2.0**-61, 0, 0, 0)),
        ((tiny, tiny, tiny, tiny), (tiny, tiny, tiny, tiny)),
    ]
    # Windows at the floor, one product next to and below it, with bits on both sides of the cut.
    for exponent in range(-130, -120):
        for step in (14, 19, 20, 21, 34):
            half = exponent // 2
            rest = 2.0 ** (exponent - half)
            cases.append(((2.0**half, -(2.0**half), u * 2.0**half, 0), (rest, rest, u * rest * 2.0**-step, 0)))
            cases.append(((u * 2.0**-70, 0, 0, 0), (u * 2.0 ** (exponent - step + 70), 0, 0, 0)))
    a, b = ([[bf16(x) for x in case[side]] for case in cases] for side in (0, 1))
    return np.array(a, np.uint16), np.array(b, np.uint16)


def corner_steps() -> tuple[Bf16, Bf16]:
    """Every pair of corners as a product alone, beside 1 * 1, and beside the largest product, which may cancel it."""
    pairs = list(itertools.product(BF16_CORNERS, repeat=2))
    a = [[x, 0x0000, 0x0000, 0x0000] for x, _ in pairs]
    a += [[0x3F80, x, 0x8000, 0x0000] for x, _ in pairs]
    a += [[0x7F7F, x, x, 0xFF7F] for x, _ in pairs]
    b = [[y, 0x0000, 0x0000, 0x0000] for _, y in pairs]
    b += [[0x3F80, y, 0x3F80, 0x8000] for _, y in pairs]
    b += [[0x7F7F, y, y, 0x7F7F] for _, y in pairs]
    return np.array(a, np.uint16), np.array(b, np.uint16)


def random_steps(rng: np.random.Generator, count: int) -> tuple[Bf16, Bf16]:
    """Steps (count, 4) of numbers whose products lie around one exponent, with cancellation, zeros and a few special values."""
    centre = rng.integers(-140, 130, (count, 1))
    exponents = centre - rng.integers(0, 45, (count, 4)) * (rng.random((count, 4)) < 0.7)
    exponent_a = np.clip(exponents // 2 + rng.integers(-60, 61, (count, 4)), -133, 127)
    denormal = rng.random((count, 4)) < 0.1
    exponent_a[denormal] = rng.integers(-133, -126, int(denormal.sum()))
    exponent_b = np.clip(exponents - exponent_a, -133, 127)

    def operand(exponent: npt.NDArray[np.int64]) -> Bf16:
        significand = 1 + rng.integers(0, 128, exponent.shape) / 128
        significand = np.where(rng.random(exponent.shape) < 0.3, 1, significand)
        value = np.ldexp(rng.choice((-1.0, 1.0), exponent.shape) * significand, exponent).astype(np.float32)
        return (value.view(np.uint32) >> np.uint32(16)).astype(np.uint16)

    a, b = operand(exponent_a), operand(exponent_b)
    cancels = rng.random(count) < 0.4
    a[cancels, 1] = a[cancels, 0] ^ 0x8000
    b[cancels, 1] = b[cancels, 0]
    for codes in (a, b):
        special = rng.random(codes.shape) < 0.01
        codes[special] = rng.choice(BF16_CORNERS, int(special.sum()))
        codes[rng.random(codes.shape) < 0.03] &= 0x8000
    order = rng.permuted(np.tile(np.arange(4), (count, 1)), axis=1)
    return np.take_along_axis(a, order, 1), np.take_along_axis(b, order, 1)


def all_steps(count: int, seed: int = 1) -> tuple[Bf16, Bf16]:
    """Directed, corner and ``count`` random steps."""
    parts = directed_steps(), corner_steps(), random_steps(np.random.default_rng(seed), count)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def addend_pairs(rng: np.random.Generator, count: int) -> tuple[Fp32, Fp32]:
    """All pairs of binary32 corners, any codes, and codes that lie close enough to each other to cancel or round."""
    corners = np.array(list(itertools.product(FP32_CORNERS, repeat=2)), np.uint32)
    first = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    second = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    near = rng.random(count) < 0.7
    field = np.clip((first >> 23 & 0xFF).astype(np.int64) + rng.integers(-26, 27, count), 0, 255).astype(np.uint32)
    second = np.where(near, second & np.uint32(0x807F_FFFF) | field << np.uint32(23), second)
    return np.concatenate([corners[:, 0], first]), np.concatenate([corners[:, 1], second])
