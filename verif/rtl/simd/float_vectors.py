# SPDX-License-Identifier: Apache-2.0
"""Operations of the float lane that reach every rule: grids of corners and structured random numbers.

Arrays of operations and codes come back, one element per operation; a fixed seed gives fixed vectors.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verif.golden.vectors import FP32_CORNERS
from verif.rtl.simd.float_oracle import Op

Codes = npt.NDArray[np.uint32]

MULTIPLY_ADDS = (Op.MADD, Op.MSUB, Op.NMSUB, Op.NMADD)
UNARY = (Op.CLASS, Op.TO_INT, Op.TO_INT_ZERO, Op.FROM_INT, Op.MOVE)
BINARY = tuple(op for op in Op if op not in MULTIPLY_ADDS + UNARY)

#: For grids of three: zeros, ends of the denormals, normals and infinities, both kinds of NaN, ones and neighbours.
_TRIPLE_CORNERS = (
    *(0x0000_0000, 0x8000_0000, 0x0000_0001, 0x8000_0003, 0x007F_FFFF, 0x0080_0000, 0x8080_0001, 0x00FF_FFFF),
    *(0x3380_0000, 0xBF7F_FFFF, 0x3F80_0000, 0xBF80_0000, 0x3F80_0001, 0x3FFF_FFFF, 0x4B7F_FFFF),
    *(0x7F7F_FFFF, 0xFF7F_FFFF, 0x7F80_0000, 0xFF80_0000, 0x7F80_0001, 0x7FC0_0000),
)

_INTEGER_CORNERS = (
    *(0x3F00_0000, 0x3EFF_FFFF, 0x3F00_0001, 0x3FC0_0000, 0x4020_0000, 0x4B00_0001, 0x4B80_0001),
    *(0x4EFF_FFFF, 0x4F00_0000, 0x4F00_0001, 0x4F7F_FFFF, 0x4F80_0000, 0x5F00_0000),
)


@dataclass(frozen=True)
class Operations:
    """Operations side by side: uint8 numbers of Op, uint32 codes."""

    op: npt.NDArray[np.uint8]
    a: Codes
    b: Codes
    c: Codes

    def __len__(self) -> int:
        return len(self.op)


def _of(op: object, a: object, b: object, c: object) -> Operations:
    ops, *codes = np.broadcast_arrays(np.asarray(op, np.uint8), *(np.asarray(code, np.uint32) for code in (a, b, c)))
    return Operations(ops.ravel(), *(code.ravel() for code in codes))


def joined(*parts: Operations) -> Operations:
    return Operations(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("op", "a", "b", "c")))


def _numbers(*ops: Op) -> npt.NDArray[np.uint8]:
    return np.array(ops, np.uint8)


def corners() -> Operations:
    """All pairs of corners under the operations on two numbers, triples of some under the multiply-adds, and each alone."""
    pairs = np.array(list(itertools.product(FP32_CORNERS, repeat=2)), np.uint32)
    triples = np.array(list(itertools.product(_TRIPLE_CORNERS, repeat=3)), np.uint32)
    signed = [sign | code for code in _INTEGER_CORNERS for sign in (0, 0x8000_0000)]
    integers = [(sign * (1 << bit) + offset) % (1 << 32) for bit in range(32) for offset in range(-2, 3) for sign in (1, -1)]
    alone = np.array([*FP32_CORNERS, *signed, *integers], np.uint32)
    return joined(
        _of(_numbers(*BINARY)[:, None], pairs[:, 0], pairs[:, 1], 0xFFFF_FFFF),
        _of(_numbers(*MULTIPLY_ADDS)[:, None], triples[:, 0], triples[:, 1], triples[:, 2]),
        _of(_numbers(*UNARY)[:, None], alone, 0xFFFF_FFFF, 0xFFFF_FFFF),
    )


def _significands(rng: np.random.Generator, count: int) -> Codes:
    """23 bits: any, or a run of ones, perhaps with a bit beside it, which makes ties, carries and near misses likely."""
    high, low = np.sort(rng.integers(0, 24, (2, count)), axis=0)[::-1]
    runs = (1 << high) - (1 << low) ^ np.where(rng.random(count) < 0.5, 1 << rng.integers(0, 23, count), 0)
    return np.where(rng.random(count) < 0.4, rng.integers(0, 1 << 23, count), runs).astype(np.uint32) & np.uint32(0x7F_FFFF)


def _pack(rng: np.random.Generator, field: npt.NDArray[np.int64]) -> Codes:
    sign = rng.integers(0, 2, len(field)).astype(np.uint32) << np.uint32(31)
    return sign | np.clip(field, 0, 255).astype(np.uint32) << np.uint32(23) | _significands(rng, len(field))


def _fields(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    anywhere, ends = rng.integers(0, 256, count), rng.choice([0, 0, 1, 2, 24, 253, 254, 255], count)
    return np.where(rng.random(count) < 0.3, ends, anywhere)


def near_operations(rng: np.random.Generator, count: int) -> Operations:
    """Any operations on numbers whose exponents are close enough to interact, with cancellation down to the last bits."""
    op = rng.choice(_numbers(*Op, *MULTIPLY_ADDS * 3, *(Op.ADD, Op.SUB, Op.MUL) * 2), count)
    field_a = _fields(rng, count)
    # Products about one, at the ends of the exponents, or anywhere; addends at any distance that matters.
    target = rng.choice([127, 0, 1, -24, 254], count) + rng.integers(-4, 5, count)
    field_b = np.where(rng.random(count) < 0.6, target + 127 - field_a, _fields(rng, count))
    summing = np.isin(op, _numbers(Op.ADD, Op.SUB))
    field_b = np.where(summing & (rng.random(count) < 0.8), field_a + rng.integers(-27, 28, count), field_b)
    field_b = np.clip(field_b, 0, 255)
    near = np.clip(field_a + field_b - 127 + rng.integers(-52, 29, count), 0, 254)
    field_c = np.where(rng.random(count) < 0.85, near, _fields(rng, count))
    integral = np.isin(op, _numbers(Op.TO_INT, Op.TO_INT_ZERO))
    field_a = np.where(integral & (rng.random(count) < 0.9), rng.integers(124, 160, count), field_a)
    a, b, c = _pack(rng, field_a), _pack(rng, field_b), _pack(rng, field_c)

    # Addends beside the negative product, whose leading bits cancel.
    with np.errstate(all="ignore"):
        product = (a.view(np.float32) * b.view(np.float32)).view(np.uint32)
    opposite = product ^ np.uint32(0x8000_0000)
    beside = (opposite + rng.integers(-2, 3, count).astype(np.uint32)).astype(np.uint32)
    c = np.where(rng.random(count) < 0.3, beside, c)
    other_sign = a ^ np.uint32(0x8000_0000) ^ rng.integers(0, 4, count).astype(np.uint32)
    b = np.where(summing & (rng.random(count) < 0.2), other_sign, b)
    a = np.where(op == Op.FROM_INT, _integers(rng, count), a)
    return Operations(op.astype(np.uint8), a, b.astype(np.uint32), c.astype(np.uint32))


def _integers(rng: np.random.Generator, count: int) -> Codes:
    wide = (_significands(rng, count).astype(np.int64) | 1 << 23) << rng.integers(0, 9, count)
    value = wide + rng.integers(-200, 201, count) >> rng.integers(0, 31, count)
    return (np.where(rng.random(count) < 0.5, value, -value) & 0xFFFF_FFFF).astype(np.uint32)


def denormal_factors(rng: np.random.Generator, count: int) -> Operations:
    """Multiply-adds of a denormal number and a large one, whose product begins with zeros, and an addend about its last bits."""
    field_b = rng.integers(150, 255, count)
    a = _pack(rng, np.zeros(count, np.int64)) & rng.choice(np.array([0x8000_0001, 0x8000_0003, 0x807F_FFFF], np.uint32), count)
    b = _pack(rng, field_b)
    c = _pack(rng, np.clip(field_b - 126 - rng.integers(-2, 56, count), 0, 254))
    # Factors of the least product, and addends that leave no more than its last bits.
    b = np.where(rng.random(count) < 0.5, b & np.uint32(0xFF80_0000), b)
    swap = rng.random(count) < 0.5
    return Operations(rng.choice(_numbers(*MULTIPLY_ADDS), count), np.where(swap, b, a), np.where(swap, a, b), c)


def least_normal_results(rng: np.random.Generator, count: int) -> Operations:
    """Multiply-adds and products within two units of the least normal number, where results are tiny or are not."""
    a = _pack(rng, rng.integers(27, 127, count))
    b = (np.ldexp(1.0, -126) / a.view(np.float32).astype(np.float64)).astype(np.float32).view(np.uint32)
    c = rng.choice(np.array([0, 1, 2], np.uint32), count) | rng.choice(np.array([0, 1 << 31], np.uint32), count)
    return Operations(rng.choice(_numbers(*MULTIPLY_ADDS, Op.MUL), count), a, b, c)


def structured_operations(rng: np.random.Generator, count: int) -> Operations:
    """``count`` random operations, some of them made for products that begin with zeros and for underflow."""
    few = count // 8
    return joined(denormal_factors(rng, few), least_normal_results(rng, few), near_operations(rng, count - 2 * few))


def all_operations(rng: np.random.Generator, count: int) -> Operations:
    """Corners, and ``count`` random operations."""
    return joined(corners(), structured_operations(rng, count))


def all_bf16_operands() -> Operations:
    """The operations on one number, on every BF16 number and on every 16-bit integer at both ends of a register."""
    codes = np.arange(1 << 16, dtype=np.uint32)
    numbers = _of(_numbers(Op.CLASS, Op.TO_INT, Op.TO_INT_ZERO, Op.FROM_INT)[:, None], codes << np.uint32(16), 0, 0)
    low = codes.astype(np.uint16).view(np.int16).astype(np.int32).view(np.uint32)
    return joined(numbers, _of(Op.FROM_INT, low, 0, 0))
