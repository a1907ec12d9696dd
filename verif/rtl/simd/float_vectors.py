# SPDX-License-Identifier: Apache-2.0
"""Operations of the float lane, mixed, with what IEEE 754 makes of them.

Beside the operands that the model is tested on, there are those that hardware finds hard: products that begin with zeros, and
results that are tiny or just not. A fixed seed gives fixed vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verif.golden import fp32_model, fp32_oracle, fp32_vectors

Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]

#: The lane's numbers of operations, by the names of the oracle, which does not know ``move``.
NUMBERS = {
    **{name: number for number, name in enumerate(("add", "sub", "mul", "madd", "msub", "nmsub", "nmadd", "min", "max"))},
    **{name: number for number, name in enumerate(("sgnj", "sgnjn", "sgnjx", "eq", "lt", "le"), 9)},
    **{"class": 16, "to_int": 20, "to_int_zero": 21, "from_int": 22, "move": 24},
}
NAMES = {number: name for name, number in NUMBERS.items()}

#: What stands in operands that an operation does not have: a signalling NaN would be noticed.
UNUSED = 0x7F80_0001

_SIGNS = np.array([0, 0x8000_0000], np.uint32)


@dataclass(frozen=True)
class Operations:
    """Operations side by side, arrays (n,): uint8 numbers, uint32 codes."""

    op: npt.NDArray[np.uint8]
    a: Codes
    b: Codes
    c: Codes

    def __len__(self) -> int:
        return len(self.op)

    def __getitem__(self, index: npt.NDArray[np.int64] | slice) -> Operations:
        return Operations(self.op[index], self.a[index], self.b[index], self.c[index])

    def __str__(self) -> str:
        rows = zip(self.op.tolist(), self.a.tolist(), self.b.tolist(), self.c.tolist(), strict=True)
        return "\n".join(f"{NAMES[op]} {a:#010x} {b:#010x} {c:#010x}" for op, a, b, c in rows)

    def results(self) -> tuple[Codes, Flags]:
        """Results and flags by an oracle."""
        codes, flags = self.a.copy(), np.zeros(len(self), np.uint8)
        for name, arity in fp32_oracle.OPERATIONS.items():
            if name in NUMBERS:
                where = self.op == NUMBERS[name]
                operands = (self.a[where], self.b[where], self.c[where])[:arity]
                codes[where], flags[where] = fp32_model.expected(name, *operands)
        return codes, flags


def operations(name: str, *operands: Codes) -> Operations:
    """One operation on arrays of as many operands as it has."""
    count = len(operands[0])
    unused = [np.full(count, UNUSED, np.uint32)] * (3 - len(operands))
    return Operations(np.full(count, NUMBERS[name], np.uint8), *operands, *unused)


def joined(*parts: Operations) -> Operations:
    return Operations(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("op", "a", "b", "c")))


def _pack(rng: np.random.Generator, field: npt.NDArray[np.int64]) -> Codes:
    """Codes of any sign with these exponent fields, half of them with few significant bits."""
    fraction = rng.integers(0, 1 << 23, len(field)) >> np.where(rng.random(len(field)) < 0.5, rng.integers(0, 24, len(field)), 0)
    return np.bitwise_or(rng.choice(_SIGNS, len(field)), (field << 23 | fraction).astype(np.uint32))


def denormal_factors(rng: np.random.Generator, count: int) -> tuple[Codes, Codes, Codes]:
    """A denormal number and a large one, whose product begins with zeros, and an addend about its last bits."""
    field = rng.integers(150, 255, count)
    a = _pack(rng, np.zeros(count, np.int64))
    a &= rng.choice(np.array([0x8000_0001, 0x8000_0003, 0x807F_FFFF], np.uint32), count)
    b = _pack(rng, field)
    b &= rng.choice(np.array([0xFF80_0000, 0xFFFF_FFFF], np.uint32), count)
    c = _pack(rng, np.clip(field - 126 - rng.integers(-2, 56, count), 0, 254))
    swap = rng.random(count) < 0.5
    return np.where(swap, b, a), np.where(swap, a, b), c


def least_normal_results(rng: np.random.Generator, count: int) -> tuple[Codes, Codes, Codes]:
    """Factors and addends whose results lie within two units of the least normal number."""
    a = _pack(rng, rng.integers(27, 127, count))
    b = (np.ldexp(1.0, -126) / a.view(np.float32).astype(np.float64)).astype(np.float32).view(np.uint32)
    return a, b, rng.integers(0, 3, count).astype(np.uint32) | rng.choice(_SIGNS, count)


def mixed(rng: np.random.Generator, count: int) -> Operations:
    """Corners and random operands of every operation, 2 * ``count`` at most, and the hard ones; in any order."""
    parts = []
    for name in NUMBERS:
        arity = fp32_oracle.OPERATIONS.get(name, 1)
        suite = operations(name, *fp32_vectors.suite(name, arity, count, seed=int(rng.integers(1 << 32))))
        parts.append(suite[rng.permutation(len(suite))[: 2 * count]])
        if name in ("mul", "madd", "msub", "nmsub", "nmadd"):
            parts += [operations(name, *source(rng, count)[:arity]) for source in (denormal_factors, least_normal_results)]
    everything = joined(*parts)
    return everything[rng.permutation(len(everything))]


def all_bf16_operands() -> Operations:
    """The operations on one number, on every BF16 number and on every 16-bit integer at both ends of a register."""
    codes = np.arange(1 << 16, dtype=np.uint32)
    low = codes.astype(np.uint16).view(np.int16).astype(np.int32).view(np.uint32)
    wide = (operations(name, codes << np.uint32(16)) for name in ("class", "to_int", "to_int_zero", "from_int"))
    return joined(*wide, operations("from_int", low))
