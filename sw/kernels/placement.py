# SPDX-License-Identifier: Apache-2.0
"""Where a kernel's regions lie in SRAM: what is read at the same time should lie in different blocks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from golden.config import NodeConfig


def place(config: NodeConfig, regions: Mapping[str, int], conflicts: Mapping[tuple[str, str], float]) -> dict[str, int] | None:
    """Offsets for a few regions: of all orders, packed or aligned to blocks, the one with the fewest bank conflicts.

    Parameters
    ----------
    config : NodeConfig
    regions : mapping of str to int
        Name and bytes of each region. The first one is put at offset 0; regions start at lines.
    conflicts : mapping of (str, str) to float
        How often both regions of a pair are read in the same cycle. Pairs that are not listed never are: writes do not
        get in the way of reads.

    Returns
    -------
    dict of str to int, or None
        Offset of each region; None if they do not fit at all.
    """
    first, *others = regions
    best: tuple[float, int] | None = None
    chosen: dict[str, int] | None = None
    for order in itertools.permutations(others):
        for alignments in itertools.product((config.line_bytes, config.block_bytes), repeat=len(others)):
            offsets, end = {first: 0}, regions[first]
            for name, alignment in zip(order, alignments, strict=True):
                offsets[name] = end + -end % alignment
                end = offsets[name] + regions[name]
            if end > config.sram_bytes:
                continue
            shares = {name: _shares(config, offsets[name], regions[name]) for name in regions}
            cost = sum(
                weight * sum(x * y for x, y in zip(shares[one], shares[other], strict=True))
                for (one, other), weight in conflicts.items()
            )
            if best is None or (cost, end) < best:
                best, chosen = (cost, end), offsets
    return chosen


def _shares(config: NodeConfig, offset: int, size: int) -> Sequence[float]:
    """Share of a region that lies in each block."""
    starts = range(0, config.sram_bytes, config.block_bytes)
    overlaps = (min(offset + size, start + config.block_bytes) - max(offset, start) for start in starts)
    return [max(0, overlap) / size if size else 0.0 for overlap in overlaps]
