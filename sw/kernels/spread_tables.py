# SPDX-License-Identifier: Apache-2.0
"""What a node is told in a product with spread operands: lists that bring panels, moves that start them, items that use them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from golden.layout import LIST_DESCRIPTOR_BYTES, SRAM_BASE, GlobalAddress
from golden.list_descriptor import ListDescriptor
from golden.program import Program
from golden.topology import Site
from sw.kernels.live_grid import LiveGrid
from sw.kernels.matmul_source import ITEM, BlockShape
from sw.kernels.spread_cut import Phase, SpreadGrid
from sw.kernels.spread_source import ARRIVED, MOVE, SPREAD_HEADER, wait_label
from sw.lists import chain, copy

#: Bytes of the header, behind which lists lie as they are aligned.
_HEADER_BYTES = -(-SPREAD_HEADER.size // LIST_DESCRIPTOR_BYTES) * LIST_DESCRIPTOR_BYTES


@dataclass(frozen=True)
class Pull:
    """Panels that come from one node: of which, by which list, and how many lines."""

    site: Site
    descriptor: ListDescriptor
    lines: int


@dataclass(frozen=True)
class NodeTables:
    """Tables of the node in ``row`` and ``column`` of the grid.

    Attributes
    ----------
    grid : SpreadGrid
    program : Program
    offsets : dict of str to int
        Where regions lie in SRAM.
    sites : rows of (x, y)
        Where the nodes of the grid lie in the array.
    row, column : int
    """

    grid: SpreadGrid
    program: Program
    offsets: dict[str, int]
    sites: LiveGrid
    row: int
    column: int

    @property
    def site(self) -> Site:
        """Where the node lies in the array."""
        return self.sites[self.row][self.column]

    @property
    def size(self) -> int:
        """Bytes of the tables, which do not depend on offsets."""
        lists = moves = items = 0
        for phase in self.grid.phases(self.row, self.column):
            pieces = {operand: self.pieces(phase, operand) for operand in ARRIVED}
            lists += sum(len(each) * len(self._sources(phase, operand)) for operand, each in pieces.items())
            items += sum(len(each) for each in pieces.values())
            items += sum(len(list(self._shapes(phase, tile_rows))) for tile_rows in pieces["a"] or [phase.tile_rows])
            moves += 1
        # Behind the last phase come two moves, and an item for each thread that computes.
        moves, items = moves + 2, items + self.grid.config.threads - 1
        return _HEADER_BYTES + lists * LIST_DESCRIPTOR_BYTES + moves * MOVE.size + items * ITEM.size

    @property
    def offset(self) -> int:
        """Where they lie in SRAM: behind the code."""
        return self.program.symbols["tables"] - SRAM_BASE

    @cached_property
    def contents(self) -> bytes:
        """What the host writes there."""
        lists, moves, items, done = b"", [], [], [0, 0]
        for phase in self.grid.phases(self.row, self.column):
            starts = []
            for operand in ARRIVED:
                found = self._list(phase, operand, self.offset + _HEADER_BYTES + len(lists))
                starts.append(SRAM_BASE + self.offset + _HEADER_BYTES + len(lists) if found else 0)
                lists += found
            blocks = list(self._items(phase))
            moves.append(starts)
            items += blocks
            done.append(sum(ITEM.unpack(item)[3] > 0 for item in blocks))
        computing = self.grid.config.threads - 1
        items += [ITEM.pack(0, 0, 0, int(index < computing - 1), self._handler("end")) for index in range(computing)]
        moved = b"".join(MOVE.pack(*starts, count) for starts, count in zip([*moves, (0, 0), (0, 0)], done, strict=True))
        first_move = SRAM_BASE + self.offset + _HEADER_BYTES + len(lists)
        first_item = first_move + len(moved)
        row_bytes = len(self.grid.columns_of(self.column)) * self.grid.config.accumulator_bytes
        header = SPREAD_HEADER.pack(first_item, first_item, row_bytes, first_move, first_item)
        return header.ljust(_HEADER_BYTES, b"\0") + lists + moved + b"".join(items)

    def pulls(self, phase: Phase, operand: str, panels: range) -> Iterator[Pull]:
        """How panels of an operand, within the node's part, get into the working buffer of a phase."""
        grid, step = self.grid, self.grid.line_bytes(operand)
        length = grid.cut.length
        buffer = self._panel(phase, operand, panels.start) - SRAM_BASE
        for site, depth, part in self._sources(phase, operand):
            row_bytes = len(part) * step
            source = self.offsets[f"own_{operand}"] + (panels.start * len(depth) + part.start - depth.start) * step
            (descriptor,) = copy(
                grid.config,
                _address(site, source),
                _address(self.site, buffer + (part.start - phase.chunk * length) * step),
                rows=len(panels), row_bytes=row_bytes, source_pitch=len(depth) * step, destination_pitch=length * step,
            )  # fmt: skip
            yield Pull(site, descriptor, len(panels) * row_bytes // grid.config.line_bytes)

    def _sources(self, phase: Phase, operand: str) -> list[tuple[Site, range, range]]:
        """Nodes that have parts of an operand for a phase: where, which part of K is theirs, and what of it is needed.

        They are asked in an order that begins behind this one, so that no node is asked by all at a time; this one comes last.
        """
        grid = self.grid
        if operand == "a":
            own, sites = self.column, self.sites[self.row]
        else:
            own, sites = self.row, tuple(row[self.column] for row in self.sites)
        found = []
        for index in (*range(own + 1, len(sites)), *range(own + 1)):
            depth = grid.a_depth(index) if operand == "a" else grid.b_depth(index)
            start, stop = phase.chunk * grid.cut.length, (phase.chunk + 1) * grid.cut.length
            part = range(max(start, depth.start), min(stop, depth.stop))
            if part:
                found.append((sites[index], depth, part))
        return found

    def pieces(self, phase: Phase, operand: str) -> list[range]:
        """Panels of an operand that have to come for a phase, in the parts in which they come; empty if they are there."""
        if operand == "a":
            return list(self.grid.pieces_of_a(phase.tile_rows)) if self.grid.moves_a and phase.begins else []
        return [phase.tile_columns] if self.grid.moves_b and phase.tile_columns else []

    def _list(self, phase: Phase, operand: str, offset: int) -> bytes:
        """The list that brings an operand for a phase, every part of which is posted; empty if nothing has to come."""
        semaphore = ARRIVED[operand][_turn(phase, operand)]
        parts = [
            dataclasses.replace(pull.descriptor, post_destination=semaphore)
            for panels in self.pieces(phase, operand)
            for pull in self.pulls(phase, operand, panels)
        ]
        return chain(parts, offset, post_destination=semaphore) if parts else b""

    def _items(self, phase: Phase) -> Iterator[bytes]:
        """Items of a phase: each row of blocks behind those that wait for what it needs."""
        for _ in self.pieces(phase, "b"):
            yield self._wait(phase, "b")
        coming = self.pieces(phase, "a")
        for tile_rows in coming or [phase.tile_rows]:
            if coming:
                yield self._wait(phase, "a")
            for row, column, blocks, shape in self._shapes(phase, tile_rows):
                yield self._blocks(phase, row, column, blocks, shape)

    def _shapes(self, phase: Phase, tile_rows: range) -> Iterator[tuple[int, int, int, BlockShape]]:
        """Rows of blocks that cover some tile rows in a phase: first tile row and column, blocks, and their shape."""
        largest = BlockShape.largest(self.grid.config)
        for row in range(tile_rows.start, tile_rows.stop, largest.rows):
            column = phase.tile_columns.start
            while column < phase.tile_columns.stop:
                rest = phase.tile_columns.stop - column
                shape = BlockShape(min(largest.rows, tile_rows.stop - row), min(largest.columns, rest))
                yield row, column, rest // shape.columns, shape
                column += rest - rest % shape.columns

    def _wait(self, phase: Phase, operand: str) -> bytes:
        return ITEM.pack(len(self._sources(phase, operand)), 0, 0, 0, self._handler(wait_label(operand, _turn(phase, operand))))

    def _blocks(self, phase: Phase, row: int, column: int, blocks: int, shape: BlockShape) -> bytes:
        tile = row * len(self.grid.columns_of(self.column)) + column
        return ITEM.pack(
            self._panel(phase, "a", row),
            self._panel(phase, "b", column),
            SRAM_BASE + self.offsets["c"] + tile * self.grid.config.accumulator_bytes | phase.number % 2,
            blocks,
            self._handler(shape.adding_label if phase.chunk else shape.label),
        )

    def _panel(self, phase: Phase, operand: str, panel: int) -> int:
        """Address of a panel where a phase has it: in the working buffer, or in the node's own block."""
        panel_bytes = self.grid.cut.length * self.grid.line_bytes(operand)
        if not (self.grid.moves_a if operand == "a" else self.grid.moves_b):
            return SRAM_BASE + self.offsets[f"own_{operand}"] + panel * panel_bytes
        first = (phase.tile_rows if operand == "a" else phase.tile_columns).start
        buffer = self.offsets[operand] + _turn(phase, operand) * self.grid.buffer_bytes(operand)
        return SRAM_BASE + buffer + (panel - first) * panel_bytes

    def _handler(self, label: str) -> int:
        return self.program.symbols[label] - self.program.symbols["code"]


def _turn(phase: Phase, operand: str) -> int:
    """Which of two buffers and semaphores a phase uses for an operand."""
    return (phase.residence if operand == "a" else phase.number) % 2


def _address(site: Site, offset: int) -> int:
    return int(GlobalAddress(x=site[0], y=site[1], offset=offset))
