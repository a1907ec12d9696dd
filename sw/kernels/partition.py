# SPDX-License-Identifier: Apache-2.0
"""How the tiles of a matrix product are dealt out to the nodes of an array, and in which order a node computes its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from golden.config import NodeConfig
from sw.kernels.matmul_source import HEADER, ITEM, JOB, MAX_BLOCKS, MAX_RECEIVERS, RECEIVER, BlockShape
from sw.kernels.packing import tiles

#: The list of items may take one part in so many of SRAM before items become longer.
_ITEMS_SHARE = 32


def share(length: int, parts: int, index: int) -> range:
    """Part ``index`` of a length cut into nearly equal parts."""
    return range(length * index // parts, length * (index + 1) // parts)


@dataclass(frozen=True)
class Part:
    """What one node has to do, in tiles: ``a_own`` and ``b_own`` count within its own rows and columns."""

    row: int
    column: int
    tile_rows: range
    tile_columns: range
    a_own: range
    b_own: range


@dataclass(frozen=True)
class Rectangle:
    """Tiles of a node's part of C that are computed when ``wait`` (handler, panels to arrive) is over."""

    tile_rows: range
    tile_columns: range
    wait: tuple[str, int] | None = None


@dataclass(frozen=True)
class Grid:
    """How tiles are dealt out to nodes and cut into blocks."""

    config: NodeConfig
    rows: int
    columns: int
    tile_rows: int
    tile_columns: int

    def part(self, row: int, column: int) -> Part:
        """The part of one node."""
        own_rows, own_columns = share(self.tile_rows, self.rows, row), share(self.tile_columns, self.columns, column)
        a_own, b_own = share(len(own_rows), self.columns, column), share(len(own_columns), self.rows, row)
        return Part(row, column, own_rows, own_columns, a_own, b_own)

    def parts(self) -> Iterator[Part]:
        """All of them, row by row."""
        return (self.part(row, column) for row in range(self.rows) for column in range(self.columns))

    def receivers(self, part: Part) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Who gets the node's panels of A and of B, as (row, column): the nodes of its row and column that compute anything."""
        along_row = [(part.row, column) for column in range(self.columns) if column != part.column] if part.a_own else []
        along_column = [(row, part.column) for row in range(self.rows) if row != part.row] if part.b_own else []
        return [site for site in along_row if self._computes(*site)], [site for site in along_column if self._computes(*site)]

    def _computes(self, row: int, column: int) -> bool:
        return bool(share(self.tile_rows, self.rows, row)) and bool(share(self.tile_columns, self.columns, column))

    @property
    def span(self) -> int:
        """Tile columns of an item: one block, or as many as keep the list of items short."""
        shape = BlockShape.largest(self.config)
        most_rows, most_columns = tiles(self.tile_rows, self.rows), tiles(self.tile_columns, self.columns)
        blocks = tiles(most_rows, shape.rows) * tiles(most_columns, shape.columns)
        return shape.columns * min(MAX_BLOCKS, tiles(blocks * ITEM.size * _ITEMS_SHARE, self.config.sram_bytes))

    def rectangles(self, part: Part) -> Iterator[Rectangle]:
        """What needs only own panels, then what needs A of others, then what needs B of others."""
        rows, columns, a_own, b_own = len(part.tile_rows), len(part.tile_columns), part.a_own, part.b_own
        if not rows or not columns:
            return
        yield Rectangle(a_own, b_own)
        if len(a_own) < rows:
            yield Rectangle(range(a_own.start), b_own, ("wait_a", rows - len(a_own)))
            yield Rectangle(range(a_own.stop, rows), b_own)
        if len(b_own) < columns:
            yield Rectangle(range(rows), range(b_own.start), ("wait_b", columns - len(b_own)))
            yield Rectangle(range(rows), range(b_own.stop, columns))

    def rows_of_blocks(self, tile_columns: range) -> list[tuple[int, int, int]]:
        """Items that cover a row of blocks: first tile column, tile columns of a block, blocks."""
        widest = BlockShape.largest(self.config).columns
        found = []
        column = tile_columns.start
        while column < tile_columns.stop:
            rest = tile_columns.stop - column
            width = min(widest, rest)
            blocks = min(rest, self.span) // width
            found.append((column, width, blocks))
            column += blocks * width
        return found

    def tables_bytes(self, part: Part) -> int:
        """Bytes of a node's tables."""
        height = BlockShape.largest(self.config).rows
        items = self.config.threads
        for rectangle in self.rectangles(part):
            items += rectangle.wait is not None
            items += tiles(len(rectangle.tile_rows), height) * len(self.rows_of_blocks(rectangle.tile_columns))
        receivers = [len(sites) for sites in self.receivers(part)]
        jobs = 1 + sum(tiles(count, MAX_RECEIVERS) for count in receivers)
        return HEADER.size + jobs * JOB.size + sum(receivers) * RECEIVER.size + items * ITEM.size
