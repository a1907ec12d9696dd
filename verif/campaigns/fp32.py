# SPDX-License-Identifier: Apache-2.0
"""The model's binary32 operations against the oracles on many random operands of every operation.

>>> run(pairs=1000, seed=1, operations=("add", "madd"), processes=1)
[]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.layout import Flag
from verif.golden import fp32_oracle, fp32_vectors
from verif.golden.fp32_model import by_numpy, expected, model

#: Called with the name of an operation and how many more of its operands have been compared.
Progress = Callable[[str, int], None]

#: Operands that are compared at once.
CHUNK = 50_000

#: Mismatches that are kept of each chunk.
KEPT = 20


@dataclass(frozen=True)
class Mismatch:
    """An operation on operands whose result or flags differ from the oracle's.

    Attributes
    ----------
    operation : str
    operands : tuple of int
        Codes.
    seen, wanted : tuple of int
        Code and flags, of the model and of the oracle.
    """

    operation: str
    operands: tuple[int, ...]
    seen: tuple[int, int]
    wanted: tuple[int, int]

    def __str__(self) -> str:
        def shown(result: tuple[int, int]) -> str:
            return f"{result[0]:#010x} {Flag(result[1])!r}"

        codes = ", ".join(f"{operand:#010x}" for operand in self.operands)
        return f"{self.operation}({codes}) gives {shown(self.seen)}, not {shown(self.wanted)}"


def _ignore(operation: str, count: int) -> None:
    pass


def compare(operation: str, *operands: npt.NDArray[np.uint32]) -> list[Mismatch]:
    """The first mismatches of an operation on arrays (n,), with an oracle that has flags, and with NumPy where it can."""
    (codes, flags), (wanted, raised) = model(operation, *operands), expected(operation, *operands)
    differs = (codes != wanted) | (flags != raised)
    if (values := by_numpy(operation, *operands)) is not None:
        # Where the other oracle agrees with the model, NumPy's result is what was wanted.
        wanted = np.where(differs, wanted, values)
        differs |= codes != values
    mismatches = []
    for i in np.flatnonzero(differs)[:KEPT]:
        seen, right = (int(codes[i]), int(flags[i])), (int(wanted[i]), int(raised[i]))
        mismatches.append(Mismatch(operation, tuple(int(array[i]) for array in operands), seen, right))
    return mismatches


def _random(operation: str, count: int, seed: tuple[int, ...]) -> list[Mismatch]:
    arity = fp32_oracle.OPERATIONS[operation]
    return compare(operation, *fp32_vectors.operands(operation, arity, np.random.default_rng(seed), count))


def _chunks(pairs: int, seed: int, operations: Collection[str]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    names = list(fp32_oracle.OPERATIONS)
    for operation in operations:
        for chunk, start in enumerate(range(0, pairs, CHUNK)):
            yield operation, min(CHUNK, pairs - start), (seed, names.index(operation), chunk)


def run(
    pairs: int,
    seed: int,
    progress: Progress = _ignore,
    *,
    operations: Collection[str] = tuple(fp32_oracle.OPERATIONS),
    processes: int | None = None,
) -> list[Mismatch]:
    """Compare ``pairs`` random operands (pairs, triples or single ones) of each operation, values and flags.

    Parameters
    ----------
    pairs : int
        How many of each operation.
    seed : int
        Equal seeds give equal operands, whatever the number of processes.
    progress : Progress
        Is told of every chunk that is done.
    operations : collection of str
        Keys of ``fp32_oracle.OPERATIONS``; all by default.
    processes : int, optional
        Worker processes, by default one for each core; 1 works in this process.

    Returns
    -------
    list of Mismatch
        Empty if all is well; at most `KEPT` of each chunk.

    Raises
    ------
    KeyError
        If there is no such operation.
    """
    for operation in operations:
        fp32_oracle.OPERATIONS[operation]
    count = processes or os.cpu_count() or 1
    mismatches: list[Mismatch] = []
    if count == 1:
        for chunk in _chunks(pairs, seed, operations):
            mismatches += _random(*chunk)
            progress(*chunk[:2])
        return mismatches
    with ProcessPoolExecutor(count) as pool:
        pending: dict[Future[list[Mismatch]], tuple[str, int]] = {}

        def collect(*, all_of_them: bool) -> None:
            while pending and (all_of_them or len(pending) >= 4 * count):
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    mismatches.extend(future.result())
                    progress(*pending.pop(future))

        for operation, size, key in _chunks(pairs, seed, operations):
            pending[pool.submit(_random, operation, size, key)] = (operation, size)
            collect(all_of_them=False)
        collect(all_of_them=True)
    return sorted(mismatches, key=lambda mismatch: (mismatch.operation, mismatch.operands))
