# SPDX-License-Identifier: Apache-2.0
"""How a product whose operands are spread over the nodes is cut into phases, for which operands come one after the other.

K is cut into *chunks*, the node's tile rows into *groups*, its tile columns into *strips*. In a *residence*, one group and one
chunk, the panels of A for them stay in SRAM; in each of its *phases* the panels of B of one strip join them. Chunks come in
ascending order, which keeps the order of accumulation, and those behind the first add to what C holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from golden.config import NodeConfig
from sw.kernels.matmul_source import BlockShape
from sw.kernels.operands import Operands
from sw.kernels.packing import tiles
from sw.kernels.partition import share

#: Cycles to allow for a line that comes from another node: links, and nodes that are asked by several, are shared.
_CYCLES_PER_LINE = 3

#: Cycles to allow for a phase beyond its steps: lists, items, and waits of threads for each other.
_CYCLES_PER_PHASE = 60


@dataclass(frozen=True)
class Cut:
    """Sizes of the pieces.

    Attributes
    ----------
    chunks : int
        Of K.
    length : int
        Matrix instructions of a tile in a chunk.
    group : int
        Tile rows.
    strip : int
        Tile columns.
    """

    chunks: int
    length: int
    group: int
    strip: int


@dataclass(frozen=True)
class Phase:
    """Tiles of a node's part of C for which it has operands at the same time, in ``chunk`` of K.

    Attributes
    ----------
    number, residence, chunk : int
        Counted from 0.
    tile_rows, tile_columns : range
        Within the node's part.
    begins : bool
        Whether it is the first phase of its residence.
    """

    number: int
    residence: int
    chunk: int
    tile_rows: range
    tile_columns: range
    begins: bool


@dataclass(frozen=True)
class SpreadGrid:
    """A product in tiles and matrix instructions, and which of them are whose.

    A node computes the tiles of C in its tile rows and columns. Of A it has its tile rows, in the part of K that ``a_depth`` says
    for its column of nodes; of B its tile columns, in the part that ``b_depth`` says for its row.
    """

    config: NodeConfig
    operands: Operands
    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    cut: Cut

    @classmethod
    def of(cls, config: NodeConfig, operands: Operands, rows: int, columns: int, m: int, n: int, k: int, cut: Cut) -> SpreadGrid:
        """Of a product's shape."""
        return cls(config, operands, rows, columns, tiles(m, config.matrix_m), tiles(n, config.matrix_n), cut)

    # -- who has what -------------------------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Matrix instructions of a tile; zeros fill K to the end of the last chunk."""
        return self.cut.chunks * self.cut.length

    def rows_of(self, row: int) -> range:
        """Tile rows of a row of nodes."""
        return share(self.tile_rows, self.rows, row)

    def columns_of(self, column: int) -> range:
        """Tile columns of a column of nodes."""
        return share(self.tile_columns, self.columns, column)

    def a_depth(self, column: int) -> range:
        """Part of K of which a column of nodes has A, in instructions."""
        return share(self.depth, self.columns, column)

    def b_depth(self, row: int) -> range:
        """Part of K of which a row of nodes has B."""
        return share(self.depth, self.rows, row)

    # -- in which order -----------------------------------------------------------------------------------------------

    @property
    def moves_a(self) -> bool:
        """Whether panels of A have to come from other nodes, or from one place to another."""
        return self.columns > 1 or self.cut.chunks > 1

    @property
    def moves_b(self) -> bool:
        """Whether panels of B have to."""
        return self.rows > 1 or self.cut.chunks > 1

    def phases(self, row: int, column: int) -> Iterator[Phase]:
        """Those of a node, in order."""
        rows, columns = len(self.rows_of(row)), len(self.columns_of(column))
        number = residence = 0
        for chunk in range(self.cut.chunks if rows and columns else 0):
            first = number
            for tile_rows in _pieces(rows, self.cut.group):
                for tile_columns in _pieces(columns, self.cut.strip):
                    yield Phase(number, residence, chunk, tile_rows, tile_columns, tile_columns.start == 0)
                    number += 1
                residence += 1
            # A phase waits for all before the last, so what a chunk adds to has been stored if two phases lie between.
            if number - first == 1 < self.cut.chunks:
                yield Phase(number, residence, chunk, range(0), range(0), False)
                number += 1

    def pieces_of_a(self, tile_rows: range) -> Iterator[range]:
        """Parts in which the panels of a residence come: of one row of blocks, one, two, two, four, four and so on.

        So work begins early, and the next part has come by the time that it is needed if panels come half as fast again as steps
        use them.
        """
        start, size = tile_rows.start, BlockShape.largest(self.config).rows
        for part in itertools.count():
            if start >= tile_rows.stop:
                return
            yield range(start, min(start + (size << part // 2), tile_rows.stop))
            start += size << part // 2

    # -- room ---------------------------------------------------------------------------------------------------------

    def line_bytes(self, operand: str) -> int:
        """Bytes of an operand that an instruction takes."""
        return (self.operands.a_lines if operand == "a" else self.operands.b_lines) * self.config.line_bytes

    def regions(self) -> dict[str, int]:
        """Bytes of SRAM for operands and result in the node that has most; a name stands for each region.

        ``own_a``, ``own_b`` and ``c`` are the node's blocks, ``a`` and ``b`` working buffers.
        """
        rows, columns = tiles(self.tile_rows, self.rows), tiles(self.tile_columns, self.columns)
        residences = self.cut.chunks * tiles(rows, self.cut.group)
        phases = residences * tiles(columns, self.cut.strip)
        regions = {
            "own_a": rows * tiles(self.depth, self.columns) * self.line_bytes("a"),
            "own_b": columns * tiles(self.depth, self.rows) * self.line_bytes("b"),
            "c": rows * columns * self.config.accumulator_bytes,
        }
        if self.moves_a:
            regions["a"] = min(2, residences) * self.buffer_bytes("a")
        if self.moves_b:
            regions["b"] = min(2, phases) * self.buffer_bytes("b")
        return regions

    def buffer_bytes(self, operand: str) -> int:
        """Bytes of a working buffer, of which there are two if they are used in turn."""
        return (self.cut.group if operand == "a" else self.cut.strip) * self.cut.length * self.line_bytes(operand)

    # -- time ---------------------------------------------------------------------------------------------------------

    def estimate(self) -> int:
        """Roughly the cycles that the node takes which has most to do."""
        rows, columns = tiles(self.tile_rows, self.rows), tiles(self.tile_columns, self.columns)
        cut = self.cut
        groups, strips = tiles(rows, cut.group), tiles(columns, cut.strip)
        residences = cut.chunks * groups
        a, b = (
            _CYCLES_PER_LINE * moved * cut.length * lines
            for moved, lines in ((self.moves_a, self.operands.a_lines), (self.moves_b, self.operands.b_lines))
        )
        steps = cut.group * cut.strip * cut.length * self.operands.steps
        first = min(cut.group, BlockShape.largest(self.config).rows) * a + cut.strip * b
        with_a = max(steps, cut.group * a + cut.strip * b)
        others = max(steps, cut.strip * b)
        adding = (cut.chunks - 1) * rows * columns * self.config.accumulator_lines
        return first + residences * (with_a + (strips - 1) * others + strips * _CYCLES_PER_PHASE) + adding


def candidates(config: NodeConfig, operands: Operands, rows: int, columns: int, m: int, n: int, k: int) -> list[SpreadGrid]:
    """Ways to cut a product that leave room for a program, best first.

    Parameters
    ----------
    config : NodeConfig
    operands : Operands
    rows, columns : int
        Shape of the grid of nodes.
    m, n, k : int
        Shape of the product.
    """
    instructions = tiles(k, operands.depth)
    node_rows, node_columns = tiles(tiles(m, config.matrix_m), rows), tiles(tiles(n, config.matrix_n), columns)
    uncut = SpreadGrid.of(config, operands, rows, columns, m, n, k, Cut(1, instructions, node_rows, node_columns)).regions()
    if uncut["own_a"] + uncut["own_b"] + uncut["c"] > config.sram_bytes:
        return []
    found = []
    for chunks in sorted({tiles(instructions, length) for length in _halved(instructions)}):
        for group in _halved(node_rows):
            for strip in _halved(node_columns):
                cut = Cut(chunks, tiles(instructions, chunks), group, strip)
                grid = SpreadGrid.of(config, operands, rows, columns, m, n, k, cut)
                if sum(grid.regions().values()) < config.sram_bytes:
                    found.append(grid)
    return sorted(found, key=SpreadGrid.estimate)


def _halved(length: int) -> list[int]:
    """A length, half of it, and so on, rounded up, to 1."""
    return sorted({tiles(length, 1 << power) for power in range(math.ceil(math.log2(length)) + 1)}, reverse=True)


def _pieces(length: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, length)) for start in range(0, length, size))
