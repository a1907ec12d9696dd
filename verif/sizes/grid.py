# SPDX-License-Identifier: Apache-2.0
"""Sizes of the pipelined core: the cross product of its four widths, and a few of them in which all pairs of values occur."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import astuple, dataclass, replace

from golden.config import NodeConfig, preset

__all__ = ["BASE", "BUILT", "SIZES", "VALUES", "Size", "covering", "parse_size"]

#: Values of each parameter.
VALUES: dict[str, tuple[int, ...]] = {
    "threads": (1, 2, 4),
    "fetch_bytes": (8, 16, 32),
    "decode_width": tuple(range(1, 9)),
    "issue_width": (1, 2, 4),
}

#: What all sizes have in common: ``medium`` with less SRAM, and without list transfers, which are beside the core. Its lines are
#: as long as the widest fetch.
BASE = preset("medium").replace(name="medium with 32 KiB", sram_blocks=4, sram_ways=1, bank_lines=256, lists=0)


@dataclass(frozen=True, order=True)
class Size:
    """A size; the parameters are fields of NodeConfig."""

    threads: int
    fetch_bytes: int
    decode_width: int
    issue_width: int

    def __str__(self) -> str:
        return "/".join(map(str, astuple(self)))

    @property
    def config(self) -> NodeConfig:
        """The node of this size.

        Raises
        ------
        ConfigError
            If there is none.
        """
        return BASE.replace(
            name=f"size {self}",
            threads=self.threads,
            fetch_bytes=self.fetch_bytes,
            decode_width=self.decode_width,
            issue_width=self.issue_width,
        )

    @property
    def built(self) -> Size:
        """The size of the same hardware that has no decoders in vain: two lanes have at most a window's words each."""
        return replace(self, decode_width=min(self.decode_width, 2 * self.fetch_bytes // 4))


#: All sizes. NodeConfig refuses none of them.
SIZES: tuple[Size, ...] = tuple(Size(*values) for values in itertools.product(*VALUES.values()))

#: Those that differ in their hardware.
BUILT: tuple[Size, ...] = tuple(size for size in SIZES if size.built == size)


def parse_size(text: str) -> Size:
    """The size of a text such as ``4/16/4/2``: threads, bytes fetched, decoders, width of issue.

    Raises
    ------
    ValueError
        If the text is not of that form.
    golden.config.ConfigError
        If there is no node of that size.
    """
    parts = text.split("/")
    if len(parts) != len(VALUES) or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"'{text}' is no size; sizes are written THREADS/FETCH/DECODE/ISSUE, for instance 4/16/4/2")
    size = Size(*map(int, parts))
    assert size.config
    return size


def covering(sizes: Collection[Size] = BUILT) -> tuple[Size, ...]:
    """A few sizes in which every pair of values of two parameters occurs that occurs in ``sizes``.

    Greedy: the next is the one with the most pairs that have not occurred yet, and of these the first in order.
    """
    missing = set().union(*map(_pairs, sizes))
    chosen = []
    while missing:
        best = max(sorted(sizes), key=lambda size: len(missing & _pairs(size)))
        chosen.append(best)
        missing -= _pairs(best)
    return tuple(chosen)


def _pairs(size: Size) -> set[tuple[tuple[int, int], ...]]:
    """Pairs of (place, value) that occur in a size."""
    return set(itertools.combinations(enumerate(astuple(size)), 2))
