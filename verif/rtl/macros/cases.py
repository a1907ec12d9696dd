# SPDX-License-Identifier: Apache-2.0
"""Operations of the SIMD unit with operands that suit them, and what the golden model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import BIAS_BITS, FormatDescriptor, FormatKind
from golden.simd import SimdOperands, SimdResult, execute, transpose_group
from rtl.simd.operations import operation, sub_operation
from verif.golden import fp32_vectors, vectors

Bytes = npt.NDArray[np.uint8]
Rng = np.random.Generator

MNEMONICS = tuple(row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD)

_INTEGER_CORNERS: dict[int, npt.NDArray[np.unsignedinteger]] = {
    1: np.array([0, 1, 2, 0x7F, 0x80, 0x81, 0xFF], np.uint8),
    2: np.array([0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x8001, 0xFF7F, 0xFFFF], np.uint16),
    4: np.array([0, 1, 2, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_7FFF, 0xFFFF_FFFF], np.uint32),
}


@dataclass(frozen=True)
class Case:
    """One operation: ``op`` and ``sub`` as the macro's ports have them, and the pairs of registers that transposes collect."""

    mnemonic: str
    op: int
    sub: int
    operands: SimdOperands
    expected: SimdResult

    @property
    def is_compare(self) -> bool:
        """Whether the result is a predicate."""
        return self.expected.value is None

    @property
    def pairs(self) -> list[tuple[bytes, bytes]]:
        """What comes in ``a`` and ``b``, the last one with ``valid``; a group of one is ``a`` alone."""
        group = self.operands.group
        if not group:
            return [(self.operands.a, self.operands.b)]
        return list(zip(group[::2], group[1::2], strict=True)) if len(group) > 1 else [(group[0], self.operands.b)]

    @property
    def result(self) -> int:
        """What the port ``result`` holds; of compares in as many bits as the line has bytes."""
        if self.expected.predicate is not None:
            return self.expected.predicate
        assert self.expected.value is not None
        return int.from_bytes(self.expected.value, "little")


def _floats(rng: Rng, lanes: int, is_bf16: bool) -> tuple[npt.NDArray[np.unsignedinteger], ...]:
    """Three lines of numbers that meet: products near the addends, sums that cancel, corners, any codes."""
    kind = rng.integers(4)
    if kind == 0:
        corners = vectors.BF16_CORNERS if is_bf16 else vectors.FP32_CORNERS
        return tuple(rng.choice(np.array(corners, np.uint16 if is_bf16 else np.uint32), lanes) for _ in range(3))
    if kind == 1:
        # Around 1, where all results are numbers.
        field = rng.integers(0x3E00_0000, 0x4200_0000, (3, lanes)) | rng.integers(0, 2, (3, lanes)) << 31
        codes = tuple(field.astype(np.uint32))
    else:
        codes = fp32_vectors.random_triples(rng, lanes)
        if kind == 2:
            # Additions want addends near each other, not products.
            first, second = vectors.addend_pairs(rng, lanes)
            codes = (first[-lanes:], second[-lanes:], codes[2])
    return tuple((code >> np.uint32(16)).astype(np.uint16) for code in codes) if is_bf16 else codes


def _lines(mnemonic: str, size: int, rng: Rng) -> list[bytes]:
    """Three lines, mostly of the type that the operation works on."""
    _, _, kinds = mnemonic.partition(".")
    source = kinds.split(".")[-1 if mnemonic.startswith("vcvt") else 0].removesuffix("s")
    if mnemonic.startswith("vcvt") and mnemonic.endswith(".s"):
        source = "f32"
    choice = rng.random()
    if choice < 0.1 or (source.startswith("f32") and choice < 0.9):
        return [line.tobytes() for line in _floats(rng, size // 4, False)]
    if choice < 0.2 or (source.startswith("bf16") and choice < 0.9):
        return [line.tobytes() for line in _floats(rng, size // 2, True)]
    lane = int(rng.choice((1, 2, 4)))
    lines = []
    for _ in range(3):
        numbers = np.frombuffer(rng.bytes(size), _INTEGER_CORNERS[lane].dtype).copy()
        corner = rng.random(len(numbers)) < rng.choice((0.0, 0.5))
        numbers[corner] = rng.choice(_INTEGER_CORNERS[lane], int(corner.sum()))
        lines.append(numbers.tobytes())
    return lines


def _mask(size: int, rng: Rng) -> int:
    """All bytes, some of them, one lane, or none."""
    full = (1 << size) - 1
    kind = rng.integers(8)
    if kind < 3:
        return full
    if kind == 7:
        return 0
    if kind == 6:
        return (0xF << 4 * int(rng.integers(size // 4))) & full
    return int.from_bytes(rng.bytes(size // 8), "little")


def _scalar(size: int, rng: Rng) -> int:
    """Distances around those that matter, or any 64 bits."""
    kind = rng.integers(4)
    if kind == 0:
        return int(rng.integers(1 << 63)) << 1 | int(rng.integers(2))
    if kind == 1:
        return (1 << int(rng.integers(64))) | int(rng.integers(size))
    return int(rng.integers(2 * size))


def _descriptor(rng: Rng) -> FormatDescriptor:
    bias = int(rng.choice((0, 7, 15, 31, 63))) if rng.random() < 0.5 else int(rng.integers(1 << BIAS_BITS))
    return FormatDescriptor(FormatKind(int(rng.integers(len(FormatKind)))), bias)


def draw_case(config: NodeConfig, mnemonic: str, rng: Rng) -> Case:
    """One operation with random operands."""
    size = config.line_bytes
    a, b, c = _lines(mnemonic, size, rng)
    group: tuple[bytes, ...] = ()
    part = 0
    if mnemonic.startswith("vtrn"):
        group = tuple(rng.bytes(size) for _ in range(transpose_group(config, int(mnemonic.removeprefix("vtrn.e")))))
        part = int(rng.integers(len(group)))
    operands = SimdOperands(
        a=a,
        b=b,
        c=c,
        scalar=_scalar(size, rng),
        mask=_mask(size, rng),
        descriptor=_descriptor(rng),
        random=rng.integers(0, 1 << 24, (2, config.fp32_lanes), dtype=np.uint32),
        group=group,
        part=part,
    )
    fixed = sub_operation(mnemonic)
    sub = part if group else int(rng.integers(32)) if fixed is None else fixed
    return Case(mnemonic, operation(mnemonic), sub, operands, execute(mnemonic, config, operands))


def draw_cases(config: NodeConfig, rng: Rng, count: int, mnemonics: Sequence[str] = MNEMONICS) -> list[Case]:
    """So many operations, each instruction as often as any other, in random order."""
    names = [mnemonics[i % len(mnemonics)] for i in range(count)]
    return [draw_case(config, names[i], rng) for i in rng.permutation(count)]
