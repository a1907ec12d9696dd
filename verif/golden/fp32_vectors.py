# SPDX-License-Identifier: Apache-2.0
"""Operands of binary32 operations: all pairs and triples of corners, and structured random numbers.

A fixed seed gives fixed vectors.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from verif.golden.vectors import FP32_CORNERS, addend_pairs

Fp32 = npt.NDArray[np.uint32]

#: Of every kind of number some: zero, smallest, denormals, normals around them, ones, large ones, infinity, NaN.
_FEW = (
    0x0000_0000, 0x0000_0001, 0x0000_0003, 0x007F_FFFF, 0x0080_0000, 0x0080_0001, 0x00FF_FFFF, 0x3380_0000, 0x3F7F_FFFF,
    0x3F80_0000, 0x3F80_0001, 0x3FFF_FFFF, 0x4B80_0001, 0x7EFF_FFFF, 0x7F00_0000, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001,
    0x7FC0_0000,
)  # fmt: skip
FEW_CORNERS = tuple(sign | magnitude for magnitude in _FEW for sign in (0, 0x8000_0000))


def _any_code(rng: np.random.Generator, count: int) -> Fp32:
    return rng.integers(0, 1 << 32, count, dtype=np.uint32)


def _with_field(codes: Fp32, field: npt.NDArray[np.int64]) -> Fp32:
    return codes & np.uint32(0x807F_FFFF) | np.clip(field, 0, 255).astype(np.uint32) << np.uint32(23)


def _short(rng: np.random.Generator, codes: Fp32) -> Fp32:
    """Some of the codes with few significant bits, so that results are exact or ties."""
    kept = rng.integers(0, 24, codes.shape, dtype=np.uint32)
    return np.where(rng.random(codes.shape) < 0.3, codes & np.uint32(0xFFFF_FFFF) << kept, codes)


def factor_pairs(rng: np.random.Generator, count: int) -> tuple[Fp32, Fp32]:
    """Any codes, and codes whose product lies within reach, often at the edges: next to overflow, denormal, or vanishing."""
    a, b = _short(rng, _any_code(rng, count)), _short(rng, _any_code(rng, count))
    edge = rng.choice((-150, -138, -127, -126, -100, 0, 100, 127), count) + rng.integers(-3, 4, count)
    field_a = rng.integers(0, 255, count)
    b = np.where(rng.random(count) < 0.8, _with_field(b, edge + 254 - field_a), b)
    return _with_field(a, field_a), b


def random_triples(rng: np.random.Generator, count: int) -> tuple[Fp32, Fp32, Fp32]:
    """Factors as above; addends of any size, near the product, or next to its opposite, so that little is left."""
    a, b = factor_pairs(rng, count)
    with np.errstate(all="ignore"):
        product = a.view(np.float32) * b.view(np.float32)
    opposite = (product.view(np.uint32) ^ np.uint32(0x8000_0000)) + rng.integers(-3, 4, count).astype(np.uint32)
    field = (product.view(np.uint32) >> 23 & 0xFF).astype(np.int64)
    near = _with_field(_any_code(rng, count), field + rng.integers(-50, 51, count))
    choice = rng.random(count)
    return a, b, np.where(choice < 0.3, opposite, np.where(choice < 0.8, _short(rng, near), _any_code(rng, count)))


def singles(rng: np.random.Generator, count: int) -> Fp32:
    """Corners, neighbours of powers of two and of numbers and a half, and any codes; as INT32, edges of exactness too."""
    powers = (np.arange(256, dtype=np.uint32)[:, None] << np.uint32(23)) + np.arange(-3, 4).astype(np.uint32)
    halves = (np.arange(-40, 41, dtype=np.float32) / np.float32(2)).view(np.uint32)
    limits = np.array([2.0**31, 2.0**31 - 128, 2.0**31 + 256, 2.0**30 + 64, 8388607.5, 4194303.5, 8388609], np.float32)
    integers = np.int64(1) << np.arange(32)[:, None] | np.int64(1) << np.arange(32)[None, :]
    integers = np.concatenate([(integers + step).ravel() for step in (-1, 0, 1)])
    known = np.concatenate([
        np.array(FP32_CORNERS, np.uint32), powers.ravel(), halves, limits.view(np.uint32), integers.astype(np.uint32)
    ])  # fmt: skip
    both = np.concatenate([known, known ^ np.uint32(0x8000_0000), -known])
    return np.concatenate([both, _short(rng, _any_code(rng, count))])


def operands(operation: str, arity: int, rng: np.random.Generator, count: int) -> tuple[Fp32, ...]:
    """``count`` random operands that suit an operation."""
    if arity == 1:
        return (_short(rng, _any_code(rng, count)),)
    if arity == 3:
        return random_triples(rng, count)
    if operation == "mul":
        return factor_pairs(rng, count)
    first, second = addend_pairs(rng, count)
    # Without the corners, which come first.
    first, second = first[-count:], second[-count:]
    return first, np.where(rng.random(count) < 0.05, first ^ rng.integers(0, 4, count).astype(np.uint32), second)


def suite(operation: str, arity: int, count: int, seed: int = 1) -> tuple[Fp32, ...]:
    """All pairs of corners, or all triples of the few, or known single numbers; then ``count`` random operands."""
    rng = np.random.default_rng(seed)
    if arity == 1:
        return (singles(rng, count),)
    corners = FP32_CORNERS if arity == 2 else FEW_CORNERS
    grid = np.array(list(itertools.product(corners, repeat=arity)), np.uint32).T
    return tuple(np.concatenate(pair) for pair in zip(grid, operands(operation, arity, rng, count), strict=True))
