# SPDX-License-Identifier: Apache-2.0
"""Operands of matrix steps and additions that reach every rule: corners, near misses and structured random numbers.

Benches of hardware use the same vectors. Arrays of codes come back, a fixed seed gives fixed vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from verif.golden import oracles

Codes = npt.NDArray[np.unsignedinteger[Any]]
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


@dataclass(frozen=True)
class FormatSteps:
    """Rows and columns (n, 4) of single steps, codes of these formats."""

    a_format: oracles.OperandFormat
    b_format: oracles.OperandFormat
    a: Codes
    b: Codes


#: Bias fields of both sides: extremes, usual ones, and some in between.
_BIASES = ((0, 0), (63, 63), (0, 63), (63, 0), (7, 15), (50, 22))


def _corners(fmt: oracles.OperandFormat) -> Codes:
    """Zero, the denormals' ends, the smallest normals, a middle one, the largest exponent's, of both signs."""
    if fmt.is_bf16:
        return np.array(BF16_CORNERS, np.uint16)
    one = 1 << fmt.mantissa_bits
    middle = 1 << fmt.bits - 3
    magnitudes = (0, 1, one - 1, one, one + 1, middle, middle | one - 1, fmt.sign - one, fmt.sign - one + 1, fmt.sign - 1)
    return np.array([sign | magnitude for magnitude in magnitudes for sign in (0, fmt.sign)], np.uint8)


def _format_operand(rng: np.random.Generator, fmt: oracles.OperandFormat, count: int) -> Codes:
    """Codes (count, 4): of CFP8 any; of BF16 within a binade or fifty, with denormals and a few special values."""
    if not fmt.is_bf16:
        return rng.integers(0, 1 << fmt.bits, (count, 4), dtype=np.uint8)
    spread = rng.choice((1, 6, 25), (count, 1))
    field = rng.integers(-10, 255, (count, 1)) + rng.integers(-25, 26, (count, 4)) * spread // 25
    codes = np.clip(field, 0, 254) << 7 | rng.integers(0, 128, (count, 4)) * (rng.random((count, 4)) < 0.7)
    codes = (codes | rng.integers(0, 2, (count, 4)) << 15).astype(np.uint16)
    special = rng.random(codes.shape) < 0.01
    codes[special] = rng.choice(BF16_CORNERS, int(special.sum()))
    return codes


def _directed_mixed(fmt: oracles.OperandFormat) -> tuple[Codes, Codes]:
    """CFP8 and BF16 codes (n, 4) of steps in which the exponents of a CFP8 denormal and of a CFP8 zero matter."""
    denormal, normal, zero = 1, 1 << fmt.mantissa_bits, 0
    u = 1 + 2.0**-7
    cases: list[tuple[tuple[int, ...], tuple[float, ...]]] = [
        # The cancelled denormal's leading bit decides where the window ends, which cuts into what is left.
        ((denormal, denormal | fmt.sign, normal, zero), (1, 1, u * 2.0 ** -(fmt.mantissa_bits + distance), 0))
        for distance in range(20, 36)
    ]
    # Zeros have no exponent and no sign.
    cases.append(((zero, normal, zero, zero), (2.0**100, u, 0, 0)))
    cases.append(((zero | fmt.sign,) * 4, (1, 1, 1, 1)))
    narrow = np.array([case[0] for case in cases], np.uint8)
    return narrow, np.array([[bf16(value) for value in case[1]] for case in cases], np.uint16)


def format_steps(count: int, seed: int = 1) -> list[FormatSteps]:
    """Steps for all pairs of formats that the matrix unit takes, each with several biases: directed, corners, random numbers.

    Parameters
    ----------
    count : int
        Random steps per pair of formats and biases. Two fifths of them cancel.
    seed : int
    """
    rng = np.random.default_rng(seed)
    makers: tuple[Callable[[int], oracles.OperandFormat], ...] = (oracles.bf16, oracles.cfp8_143, oracles.cfp8_152)
    result = []
    for make_a, make_b, (a_bias, b_bias) in itertools.product(makers, makers, _BIASES):
        a_format, b_format = make_a(a_bias), make_b(b_bias)
        a, b = _format_operand(rng, a_format, count), _format_operand(rng, b_format, count)
        for codes, fmt in ((a, a_format), (b, b_format)):
            corner = rng.random(codes.shape) < rng.choice((0.0, 0.1, 0.6), (count, 1), p=(0.6, 0.3, 0.1))
            codes[corner] = rng.choice(_corners(fmt), int(corner.sum()))
        cancels = rng.random(count) < 0.4
        a[cancels, 1] = a[cancels, 0] ^ a.dtype.type(a_format.sign)
        b[cancels, 1] = b[cancels, 0]
        if a_format.is_bf16 != b_format.is_bf16:
            narrow, wide = _directed_mixed(b_format if a_format.is_bf16 else a_format)
            directed_a, directed_b = (wide, narrow) if a_format.is_bf16 else (narrow, wide)
            a, b = np.concatenate([directed_a, a]), np.concatenate([directed_b, b])
        order = np.argsort(rng.random(a.shape), axis=1)
        result.append(FormatSteps(a_format, b_format, np.take_along_axis(a, order, 1), np.take_along_axis(b, order, 1)))
    return result


def addend_pairs(rng: np.random.Generator, count: int) -> tuple[Fp32, Fp32]:
    """All pairs of binary32 corners, any codes, and codes that lie close enough to each other to cancel or round."""
    corners = np.array(list(itertools.product(FP32_CORNERS, repeat=2)), np.uint32)
    first = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    second = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    near = rng.random(count) < 0.7
    field = np.clip((first >> 23 & 0xFF).astype(np.int64) + rng.integers(-26, 27, count), 0, 255).astype(np.uint32)
    second = np.where(near, second & np.uint32(0x807F_FFFF) | field << np.uint32(23), second)
    return np.concatenate([corners[:, 0], first]), np.concatenate([corners[:, 1], second])
