# SPDX-License-Identifier: Apache-2.0
"""Tests the SRAM of every node by READ and WRITE packets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fpga.ladder.step import LadderFailure, Say, Tell, quiet
from sw.host import ArrayBackend, Site, all_sites, read_blocks, write_blocks

__all__ = ["PATTERNS", "check_memory"]

#: Bytes of a node's SRAM, a row per line.
Lines = npt.NDArray[np.uint8]

#: Makes a node's contents of its number, the lines and the bytes of a line.
Pattern = Callable[[int, int, int], Lines]

#: Lines that are written or read between two reports of progress.
_CHUNK_LINES = 64

_RANDOM_SEED = 1


def _constant(value: int) -> Pattern:
    return lambda node, lines, width: np.full((lines, width), value, np.uint8)


def _checkerboard(value: int) -> Pattern:
    """Neighbouring bits differ, and so do neighbouring lines."""

    def pattern(node: int, lines: int, width: int) -> Lines:
        column = np.where(np.arange(lines) % 2, value ^ 0xFF, value).astype(np.uint8)
        return np.repeat(column[:, None], width, axis=1)

    return pattern


def _addresses(node: int, lines: int, width: int) -> Lines:
    """Every word of 32 bits holds where it is: its node and its offset."""
    words = np.arange(0, lines * width, 4, dtype="<u4") | np.uint32(node << 21)
    return words.view(np.uint8).reshape(lines, width)


def _walking_ones(node: int, lines: int, width: int) -> Lines:
    """One bit is set in each line, another one in the next."""
    bits = np.zeros((lines, 8 * width), np.uint8)
    bits[np.arange(lines), np.arange(lines) % (8 * width)] = 1
    return np.packbits(bits, axis=1, bitorder="little")


def _random(node: int, lines: int, width: int) -> Lines:
    return np.random.default_rng([_RANDOM_SEED, node]).integers(0, 256, (lines, width), np.uint8)


#: In the order in which they are written, upwards and downwards in turn.
PATTERNS: dict[str, Pattern] = {
    "zeros": _constant(0x00),
    "ones": _constant(0xFF),
    "checkerboard": _checkerboard(0x55),
    "inverse checkerboard": _checkerboard(0xAA),
    "addresses": _addresses,
    "walking ones": _walking_ones,
    "random": _random,
}


def check_memory(array: ArrayBackend, say: Say, tell: Tell = quiet, *, patterns: Sequence[str] = tuple(PATTERNS)) -> None:
    """Write each pattern into the whole SRAM of every node, then read it all back and compare.

    Parameters
    ----------
    array : ArrayBackend
        Whose nodes are at rest. What SRAM held is lost.
    say : callable
        Takes the lines of the result.
    tell : callable, optional
        Takes progress.
    patterns : sequence of str
        Keys of :data:`PATTERNS`.

    Raises
    ------
    LadderFailure
        After the first pattern that does not come back: the first address, what was expected there and found, and how many
        bytes differ.
    """
    sites, config = all_sites(array), array.config
    say(f"memtest: {array.rows}x{array.columns} of '{config.name}', {config.sram_bytes} bytes of SRAM each")
    for number, name in enumerate(patterns):
        contents = {site: PATTERNS[name](node, config.sram_lines, config.line_bytes) for node, site in enumerate(sites)}
        chunks = [(site, first) for site in sites for first in range(0, config.sram_lines, _CHUNK_LINES)]
        order = chunks[::-1] if number % 2 else chunks
        for done, (site, first) in enumerate(order):
            tell(f"{name}: writing", done, len(chunks))
            part = contents[site][first : first + _CHUNK_LINES]
            write_blocks(array, [(*site, first * config.line_bytes, part.tobytes())])
        found: dict[Site, list[bytes]] = {site: [] for site in sites}
        for done, (site, first) in enumerate(chunks):
            tell(f"{name}: reading", done, len(chunks))
            length = len(contents[site][first : first + _CHUNK_LINES]) * config.line_bytes
            found[site] += read_blocks(array, [(*site, first * config.line_bytes, length)])
        _compare(name, contents, {site: b"".join(parts) for site, parts in found.items()})
        say(f"{name}: good")
    say(f"passed: {len(patterns)} patterns, {len(sites) * config.sram_bytes} bytes")


def _compare(name: str, contents: dict[Site, Lines], found: dict[Site, bytes]) -> None:
    first, wrong = "", 0
    for (x, y), lines in contents.items():
        expected, read = lines.reshape(-1), np.frombuffer(found[x, y], np.uint8)
        where = np.flatnonzero(expected != read)
        if where.size and not first:
            offset = int(where[0])
            first = f"row {y}, column {x}, offset {offset:#x}: expected {expected[offset]:#04x}, found {read[offset]:#04x}"
        wrong += where.size
    if first:
        raise LadderFailure(f"{name}: {first}; {wrong} of {sum(map(len, found.values()))} bytes differ")
