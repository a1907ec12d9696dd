# SPDX-License-Identifier: Apache-2.0
"""Matrix products C = A.B on a node or on an array of nodes: BF16 or CFP8 operands, FP32 result, any shape that fits.

C is cut into one block of tiles per node: node (row r, column c) computes block (r, c) from row block r of A and column block c
of B. At the start each panel of A's row block is in exactly one node of that row, and each panel of B's column block in exactly
one node of that column. Every node sends what it has to the others that need it, and computes from what it has until the rest
has arrived. All nodes use the same addresses, so a panel is sent to the offset that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, FormatDescriptor, GlobalAddress
from golden.program import Program
from golden.topology import Site
from sw.assembler import assemble
from sw.backend import topology_of
from sw.host import ArrayBackend, load_program, read_blocks, write_blocks
from sw.kernels.live_grid import LiveGrid, live_grid
from sw.kernels.matmul_source import (
    A_ARRIVED,
    B_ARRIVED,
    HEADER,
    ITEM,
    JOB,
    MAX_RECEIVERS,
    RECEIVER,
    BlockShape,
    matmul_source,
    send_label,
)
from sw.kernels.operands import BF16, Operands
from sw.kernels.packing import Fp32Codes, OperandCodes, pack_a, pack_b, tiles, unpack_c
from sw.kernels.partition import Grid, Part
from sw.kernels.placement import place
from sw.kernels.product import MatmulError, MatmulResult, ProductState, Progress, check_operands, planned_operands, run_loaded

#: How often two regions are read in the same cycle, relative to the operands of a step. Code is mostly in the line buffers.
_CONFLICTS = {("a", "b"): 1.0, ("program", "a"): 0.1, ("program", "b"): 0.1}

#: Semaphores count to this.
_MAX_COUNT = 0xFFFF


@dataclass(frozen=True)
class NodePlan:
    """One node's part.

    Attributes
    ----------
    row, column : int
        Place in the grid of nodes.
    site : (x, y)
        Place in the array.
    tile_rows, tile_columns : range
        Tiles of C that it computes, and so the panels that it needs.
    a_panels, b_panels : range
        Panels of A and of B that it has at the start.
    tables : bytes
        What the host writes behind the code.
    """

    row: int
    column: int
    site: Site
    tile_rows: range
    tile_columns: range
    a_panels: range
    b_panels: range
    tables: bytes

    @property
    def tiles(self) -> int:
        """Tiles of C."""
        return len(self.tile_rows) * len(self.tile_columns)


@dataclass(frozen=True)
class MatmulPlan:
    """Everything that follows from configuration, array, shape and formats.

    Attributes
    ----------
    config : NodeConfig
    rows, columns : int
        Shape of the grid of nodes.
    m, n, k : int
        C is m x n, K is k.
    operands : Operands
        Formats of A and B.
    length : int
        Matrix instructions per tile.
    program : Program
        The code, the same in every node.
    a, b, c, tables : int
        Offsets in SRAM, the same in every node.
    bytes_needed : int
        Bytes of SRAM that the largest node needs.
    source : str
        The program's source.
    nodes : tuple of NodePlan
        Row by row.
    """

    config: NodeConfig
    rows: int
    columns: int
    m: int
    n: int
    k: int
    operands: Operands
    length: int
    program: Program
    a: int
    b: int
    c: int
    tables: int
    bytes_needed: int
    source: str
    nodes: tuple[NodePlan, ...]

    @property
    def steps(self) -> int:
        """Matrix steps per tile."""
        return self.length * self.operands.steps

    @property
    def a_panel_bytes(self) -> int:
        """Bytes of a panel of A."""
        return self.length * self.operands.a_lines * self.config.line_bytes

    @property
    def b_panel_bytes(self) -> int:
        """Bytes of a panel of B."""
        return self.length * self.operands.b_lines * self.config.line_bytes

    @property
    def total_steps(self) -> int:
        """Matrix steps of all nodes."""
        return self.steps * sum(node.tiles for node in self.nodes)

    @property
    def lines_sent(self) -> int:
        """Lines of operands that travel between nodes."""
        computing = [node for node in self.nodes if node.tiles]
        a_panels = sum(len(node.tile_rows) - len(node.a_panels) for node in computing)
        b_panels = sum(len(node.tile_columns) - len(node.b_panels) for node in computing)
        return (a_panels * self.operands.a_lines + b_panels * self.operands.b_lines) * self.length


def plan(
    config: NodeConfig,
    rows: int,
    columns: int,
    m: int,
    n: int,
    k: int,
    a_format: FormatDescriptor = BF16,
    b_format: FormatDescriptor = BF16,
    *,
    sites: LiveGrid | None = None,
) -> MatmulPlan:
    """How an array computes a product.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int
        Shape of the grid of nodes, each at least 1.
    m, n, k : int
        Shape of the product: A is m x k, B is k x n. Each at least 1.
    a_format, b_format : FormatDescriptor
        Formats of A and B: BF16, CFP8_143 or CFP8_152.
    sites : rows of (x, y), optional
        Where the nodes of the grid lie in the array; if left out, at x = column, y = row.

    Raises
    ------
    MatmulError
        If a length is below 1, a format is no operand, a node's part does not fit into its SRAM, or more lines arrive than
        semaphores count.
    """
    operands = planned_operands(rows, columns, m, n, k, a_format, b_format)
    layout = _lay_out(config, operands, rows, columns, m, n, k)
    if layout.offsets is None:
        cube = _largest_cube(config, operands, rows, columns)
        largest = f"the largest cube that fits is {cube} x {cube} x {cube}" if cube else "not even 1 x 1 x 1 fits"
        raise MatmulError(
            f"a product of {m} x {n} x {k} needs {layout.bytes_needed} bytes of SRAM per node on an array of {rows}x{columns}, "
            f"but a node '{config.name}' has {config.sram_bytes}; {largest}. Use more nodes, a smaller shape or a larger preset"
        )
    length = tiles(k, operands.depth)
    grid = Grid(config, rows, columns, tiles(m, config.matrix_m), tiles(n, config.matrix_n))
    most_rows, most_columns = tiles(grid.tile_rows, rows), tiles(grid.tile_columns, columns)
    lines = max(most_rows * operands.a_lines, most_columns * operands.b_lines) * length
    if rows * columns > 1 and lines > _MAX_COUNT:
        raise MatmulError(
            f"a product of {m} x {n} x {k} sends up to {lines} lines of an operand to a node on an array of "
            f"{rows}x{columns}, but semaphores count to {_MAX_COUNT} only. Use a smaller k, or more nodes"
        )
    places = sites or tuple(tuple((column, row) for column in range(columns)) for row in range(rows))
    tables = _Tables(grid, operands, length, layout.program, layout.offsets, places)
    return MatmulPlan(
        config=config,
        rows=rows,
        columns=columns,
        m=m,
        n=n,
        k=k,
        operands=operands,
        length=length,
        program=layout.program,
        a=layout.offsets["a"],
        b=layout.offsets["b"],
        c=layout.offsets["c"],
        tables=layout.program.symbols["tables"] - SRAM_BASE,
        bytes_needed=layout.bytes_needed,
        source=layout.source,
        nodes=tuple(
            NodePlan(
                row=part.row,
                column=part.column,
                site=places[part.row][part.column],
                tile_rows=part.tile_rows,
                tile_columns=part.tile_columns,
                a_panels=part.tile_rows[part.a_own.start : part.a_own.stop],
                b_panels=part.tile_columns[part.b_own.start : part.b_own.stop],
                tables=tables.of(part),
            )
            for part in grid.parts()
        ),
    )


def _largest_cube(config: NodeConfig, operands: Operands, rows: int, columns: int) -> int:
    """Largest s for which s x s x s fits, 0 if none does."""

    def fits(side: int) -> bool:
        # Most lengths fail here already, without a program.
        tile_rows, tile_columns = (tiles(tiles(side, config.matrix_m), parts) for parts in (rows, columns))
        lines = (tile_rows * operands.a_lines + tile_columns * operands.b_lines) * tiles(side, operands.depth)
        if lines * config.line_bytes + tile_rows * tile_columns * config.accumulator_bytes > config.sram_bytes:
            return False
        return _lay_out(config, operands, rows, columns, side, side, side).offsets is not None

    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class _Layout:
    """Where everything lies, or how much would be needed: ``offsets`` is None if it does not fit."""

    bytes_needed: int
    offsets: dict[str, int] | None
    source: str
    program: Program


def _lay_out(config: NodeConfig, operands: Operands, rows: int, columns: int, m: int, n: int, k: int) -> _Layout:
    length = tiles(k, operands.depth)
    grid = Grid(config, rows, columns, tiles(m, config.matrix_m), tiles(n, config.matrix_n))
    most_rows, most_columns = tiles(grid.tile_rows, rows), tiles(grid.tile_columns, columns)
    source = matmul_source(config, operands, length, *_handlers(config, rows, columns))
    # Without a configuration, the assembler leaves it to `place` to say whether the code fits.
    program = assemble(source, "matmul.s")
    end = program.symbols["tables"] - SRAM_BASE + max(grid.tables_bytes(part) for part in grid.parts())
    regions = {
        "program": end + -end % config.line_bytes,
        "a": most_rows * length * operands.a_lines * config.line_bytes,
        "b": most_columns * length * operands.b_lines * config.line_bytes,
        "c": most_rows * most_columns * config.accumulator_bytes,
    }
    return _Layout(sum(regions.values()), place(config, regions, _CONFLICTS), source, program)


def _handlers(config: NodeConfig, rows: int, columns: int) -> tuple[list[BlockShape], list[tuple[int, int]]]:
    """Shapes of blocks, and (semaphore, receivers) of sending, that any node may need."""
    largest = BlockShape.largest(config)
    shapes = [BlockShape(r, c) for r in range(largest.rows, 0, -1) for c in range(largest.columns, 0, -1)]
    sends = []
    for semaphore, nodes in ((A_ARRIVED, columns), (B_ARRIVED, rows)):
        sends += [(semaphore, receivers) for receivers in range(1, min(nodes - 1, MAX_RECEIVERS) + 1)]
    return shapes, sends


class _Tables:
    """Writes the tables of a node."""

    def __init__(
        self, grid: Grid, operands: Operands, length: int, program: Program, offsets: dict[str, int], sites: LiveGrid
    ) -> None:
        self.grid = grid
        self.sites = sites
        self.lines = {"a": length * operands.a_lines, "b": length * operands.b_lines}
        self.symbols = program.symbols
        self.offsets = offsets

    def of(self, part: Part) -> bytes:
        """The tables of one node."""
        jobs, items = b"".join(self._jobs(part)), b"".join(self._items(part))
        first_job = self.symbols["tables"] + HEADER.size
        first_item = first_job + len(jobs)
        row_bytes = len(part.tile_columns) * self.grid.config.accumulator_bytes
        return HEADER.pack(first_item, first_item, row_bytes, first_job) + jobs + items

    def _handler(self, label: str) -> int:
        return self.symbols[label] - self.symbols["code"]

    def _panel(self, region: str, panel: int) -> int:
        return self.offsets[region] + panel * self.lines[region] * self.grid.config.line_bytes

    def _jobs(self, part: Part) -> Iterator[bytes]:
        along_row, along_column = self.grid.receivers(part)
        for region, semaphore, panels, receivers in (
            ("a", A_ARRIVED, part.a_own, along_row),
            ("b", B_ARRIVED, part.b_own, along_column),
        ):
            for first in range(0, len(receivers), MAX_RECEIVERS):
                group = receivers[first : first + MAX_RECEIVERS]
                offset = self._panel(region, panels.start)
                handler = self._handler(send_label(semaphore, len(group)))
                yield JOB.pack(SRAM_BASE + offset, len(panels) * self.lines[region], handler)
                for row, column in group:
                    x, y = self.sites[row][column]
                    yield RECEIVER.pack(int(GlobalAddress(x=x, y=y, offset=offset)))
        yield JOB.pack(0, 0, self._handler("worker"))

    def _items(self, part: Part) -> Iterator[bytes]:
        accumulator_bytes, columns = self.grid.config.accumulator_bytes, len(part.tile_columns)
        height = BlockShape.largest(self.grid.config).rows
        for rectangle in self.grid.rectangles(part):
            if rectangle.wait:
                handler, panels = rectangle.wait
                yield ITEM.pack(panels * self.lines[handler.removeprefix("wait_")], 0, 0, 0, self._handler(handler))
            items = self.grid.rows_of_blocks(rectangle.tile_columns)
            for row in range(rectangle.tile_rows.start, rectangle.tile_rows.stop, height):
                shape_rows = min(height, rectangle.tile_rows.stop - row)
                for column, width, blocks in items:
                    yield ITEM.pack(
                        SRAM_BASE + self._panel("a", row),
                        SRAM_BASE + self._panel("b", column),
                        SRAM_BASE + self.offsets["c"] + (row * columns + column) * accumulator_bytes,
                        blocks,
                        self._handler(BlockShape(shape_rows, width).label),
                    )
        end = self._handler("end")
        yield ITEM.pack(0, 0, 0, 1, end) * (self.grid.config.threads - 1) + ITEM.pack(0, 0, 0, 0, end)


def run_matmul(
    array: ArrayBackend,
    a_codes: OperandCodes,
    b_codes: OperandCodes,
    progress: Progress | None = None,
    a_format: FormatDescriptor = BF16,
    b_format: FormatDescriptor = BF16,
    state: ProductState | None = None,
) -> MatmulResult:
    """Compute C = A.B on an array whose nodes are at rest, by packets alone. Dead nodes are left out (:func:`live_grid`).

    Parameters
    ----------
    array : ArrayBackend
    a_codes : array (m, k), uint16 for BF16, uint8 for CFP8
    b_codes : array (k, n), likewise
    progress : callable, optional
        Told about the stages "load", "run" and "read".
    a_format, b_format : FormatDescriptor
        Formats of A and B: BF16, CFP8_143 or CFP8_152.
    state : ProductState, optional
        Kept up to date while the product runs. One that was started already goes on: operands are those of then, and the array
        is in its state of that time.

    Raises
    ------
    MatmulError
        If the shapes do not fit each other or the array, or codes are not of their format's type.
    MatmulFailed
        If a node did not end with success.
    """
    check_operands(a_codes, b_codes, a_format, b_format)
    (m, k), n = a_codes.shape, b_codes.shape[1]
    grid = live_grid(topology_of(array))
    work = plan(array.config, len(grid), len(grid[0]), m, n, k, a_format, b_format, sites=grid)
    tell: Progress = progress or (lambda stage, done, total: None)
    state = state or ProductState()
    if not state.started:
        _load(array, work, a_codes, b_codes, tell)
    busiest = work.steps * max(node.tiles for node in work.nodes) + work.lines_sent
    return run_loaded(
        array, work.program, [node.site for node in work.nodes], busiest, lambda: _read(array, work, tell), tell, state
    )


def _load(array: ArrayBackend, work: MatmulPlan, a_codes: OperandCodes, b_codes: OperandCodes, tell: Progress) -> None:
    depth = work.operands.depth
    a, b = pack_a(work.config, a_codes, depth), pack_b(work.config, b_codes, depth)
    for index, node in enumerate(work.nodes):
        tell("load", index, len(work.nodes))
        load_program(array, work.program, sites=[node.site])
        a_first, b_first = node.a_panels.start - node.tile_rows.start, node.b_panels.start - node.tile_columns.start
        blocks = [
            (work.tables, node.tables),
            (work.a + a_first * work.a_panel_bytes, a[node.a_panels.start : node.a_panels.stop].tobytes()),
            (work.b + b_first * work.b_panel_bytes, b[node.b_panels.start : node.b_panels.stop].tobytes()),
        ]
        write_blocks(array, [(*node.site, offset, contents) for offset, contents in blocks if contents])
    tell("load", len(work.nodes), len(work.nodes))


def _read(array: ArrayBackend, work: MatmulPlan, tell: Progress) -> Fp32Codes:
    config = work.config
    c = np.empty((tiles(work.m, config.matrix_m), tiles(work.n, config.matrix_n), config.matrix_m, config.matrix_n), np.uint32)
    for index, node in enumerate(work.nodes):
        tell("read", index, len(work.nodes))
        if node.tiles:
            (contents,) = read_blocks(array, [(*node.site, work.c, node.tiles * config.accumulator_bytes)])
            shape = (len(node.tile_rows), len(node.tile_columns), config.matrix_m, config.matrix_n)
            part = np.frombuffer(contents, "<u4").reshape(shape)
            c[node.tile_rows.start : node.tile_rows.stop, node.tile_columns.start : node.tile_columns.stop] = part
    tell("read", len(work.nodes), len(work.nodes))
    return unpack_c(c, work.m, work.n)
