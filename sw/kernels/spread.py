# SPDX-License-Identifier: Apache-2.0
"""Matrix products whose operands are spread over an array: each node has one block of A, of B and of C, and nothing else of them.

Node (row r, column c) of the grid has block (r, c) of each matrix. While it computes its block of C, list transfers bring what it
needs of A from the nodes of its row, and of B from those of its column, into working buffers. Each node pulls for itself, when
its own buffers are free, so nodes never wait for each other: blocks of A and B lie in their nodes unchanged all the time.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, FormatDescriptor
from golden.program import Program
from sw.assembler import assemble
from sw.backend import topology_of
from sw.host import ArrayBackend, load_program, read_blocks, write_blocks
from sw.kernels.live_grid import LiveGrid, live_grid
from sw.kernels.matmul_source import BlockShape
from sw.kernels.operands import BF16
from sw.kernels.packing import Fp32Codes, OperandCodes, pack_a, pack_b, unpack_c
from sw.kernels.placement import place
from sw.kernels.product import MatmulError, MatmulResult, ProductState, Progress, check_operands, planned_operands, run_loaded
from sw.kernels.spread_cut import SpreadGrid, candidates
from sw.kernels.spread_source import ARRIVED, SEMAPHORES, THREADS, spread_source
from sw.kernels.spread_tables import NodeTables

#: How often other nodes read a block, relative to the operands of a step.
_PULLED = 0.05


@dataclass(frozen=True)
class SpreadPlan:
    """Everything that follows from configuration, array, shape and formats.

    Attributes
    ----------
    grid : SpreadGrid
        Which node has what, and in which order it computes.
    program : Program
        The code, the same in every node.
    offsets : dict of str to int
        Where regions lie in SRAM, the same in every node: the node's blocks ``own_a``, ``own_b`` and ``c``, and the working
        buffers ``a`` and ``b``.
    source : str
        The program's source.
    nodes : tuple of NodeTables
        Row by row.
    """

    grid: SpreadGrid
    program: Program
    offsets: dict[str, int]
    source: str
    nodes: tuple[NodeTables, ...]

    @property
    def total_steps(self) -> int:
        """Matrix steps of all nodes."""
        return self.grid.tile_rows * self.grid.tile_columns * self.grid.depth * self.grid.operands.steps

    @property
    def lines_sent(self) -> int:
        """Lines of operands that travel between nodes."""
        return sum(
            pull.lines
            for node in self.nodes
            for phase in self.grid.phases(node.row, node.column)
            for operand in ARRIVED
            for panels in node.pieces(phase, operand)
            for pull in node.pulls(phase, operand, panels)
            if pull.site != node.site
        )


def plan_spread(
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
) -> SpreadPlan:
    """How an array computes a product whose operands are spread over its nodes.

    Parameters
    ----------
    config : NodeConfig
        With list transfers and two threads or more.
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
        If nodes cannot do it, a length is below 1, a format is no operand, or a node's blocks and buffers do not fit into SRAM.
    """
    operands = planned_operands(rows, columns, m, n, k, a_format, b_format)
    needs = (("lists", config.lists, 2), ("threads", config.threads, THREADS), ("semaphores", config.semaphores, SEMAPHORES))
    for name, value, least in needs:
        if value < least:
            raise MatmulError(
                f"a node '{config.name}' has {name} = {value}, but a product with spread operands needs {least} or more. "
                "Use the preset d1, medium or tiny, or do without spreading"
            )
    places = sites or tuple(tuple((column, row) for column in range(columns)) for row in range(rows))
    for grid in candidates(config, operands, rows, columns, m, n, k):
        found = _lay_out(grid, places)
        if found is not None:
            return found
    raise MatmulError(
        f"a product of {m} x {n} x {k} with its operands spread over {rows}x{columns} nodes does not fit: blocks of A, B and C, "
        f"and buffers, are more than the {config.sram_bytes} bytes of SRAM of a node '{config.name}'. "
        "Use more nodes, a smaller shape or a larger preset"
    )


def _lay_out(grid: SpreadGrid, sites: LiveGrid) -> SpreadPlan | None:
    """The plan for a way to cut the product, None if it does not fit."""
    config = grid.config
    largest = BlockShape.largest(config)
    shapes = [BlockShape(r, c) for r in range(largest.rows, 0, -1) for c in range(largest.columns, 0, -1)]
    source = spread_source(config, grid.operands, grid.cut.length, shapes, grid.cut.chunks > 1)
    # Without a configuration, the assembler leaves it to `place` to say whether the code fits.
    program = assemble(source, "spread.s")

    def nodes(offsets: dict[str, int]) -> tuple[NodeTables, ...]:
        places = ((row, column) for row in range(grid.rows) for column in range(grid.columns))
        return tuple(NodeTables(grid, program, offsets, sites, row, column) for row, column in places)

    end = program.symbols["tables"] - SRAM_BASE + max(node.size for node in nodes({}))
    regions = {"program": end + -end % config.line_bytes, **grid.regions()}
    if sum(regions.values()) > config.sram_bytes:
        return None
    read = ("a" if grid.moves_a else "own_a", "b" if grid.moves_b else "own_b")
    conflicts = {read: 1.0, **{("program", each): 0.1 for each in read}}
    conflicts |= {(own, each): _PULLED for own in ("own_a", "own_b") if own not in read for each in read}
    offsets = place(config, regions, conflicts)
    return None if offsets is None else SpreadPlan(grid, program, offsets, source, nodes(offsets))


def run_spread(
    array: ArrayBackend,
    a_codes: OperandCodes,
    b_codes: OperandCodes,
    progress: Progress | None = None,
    a_format: FormatDescriptor = BF16,
    b_format: FormatDescriptor = BF16,
    state: ProductState | None = None,
) -> MatmulResult:
    """Compute C = A.B with operands spread over an array whose nodes are at rest. Dead nodes are left out (:func:`live_grid`).

    Parameters and exceptions are those of :func:`sw.kernels.matmul.run_matmul`.
    """
    check_operands(a_codes, b_codes, a_format, b_format)
    (m, k), n = a_codes.shape, b_codes.shape[1]
    sites = live_grid(topology_of(array))
    work = plan_spread(array.config, len(sites), len(sites[0]), m, n, k, a_format, b_format, sites=sites)
    tell: Progress = progress or (lambda stage, done, total: None)
    state = state or ProductState()
    if not state.started:
        _load(array, work, a_codes, b_codes, tell)
    lines = work.lines_sent
    result = run_loaded(
        array, work.program, [node.site for node in work.nodes], work.total_steps + lines,
        lambda: _read(array, work, m, n, tell), tell, state,
    )  # fmt: skip
    # Nodes count what their threads send; lists ask for a line with a packet each.
    return dataclasses.replace(result, packets=result.packets + lines)


def _load(array: ArrayBackend, work: SpreadPlan, a_codes: OperandCodes, b_codes: OperandCodes, tell: Progress) -> None:
    grid = work.grid
    depth = grid.depth * grid.operands.depth
    panels = {"own_a": pack_a(grid.config, a_codes, depth), "own_b": pack_b(grid.config, b_codes, depth)}
    for index, node in enumerate(work.nodes):
        tell("load", index, len(work.nodes))
        load_program(array, work.program, sites=[node.site])
        own = {
            "own_a": (grid.rows_of(node.row), grid.a_depth(node.column), grid.operands.a_lines),
            "own_b": (grid.columns_of(node.column), grid.b_depth(node.row), grid.operands.b_lines),
        }
        blocks = [(node.offset, node.contents)]
        for region, (tile_range, part, lines) in own.items():
            block = panels[region][tile_range.start : tile_range.stop, part.start * lines : part.stop * lines]
            blocks.append((work.offsets[region], block.tobytes()))
        write_blocks(array, [(*node.site, offset, contents) for offset, contents in blocks if contents])
    tell("load", len(work.nodes), len(work.nodes))


def _read(array: ArrayBackend, work: SpreadPlan, m: int, n: int, tell: Progress) -> Fp32Codes:
    grid, config = work.grid, work.grid.config
    c = np.empty((grid.tile_rows, grid.tile_columns, config.matrix_m, config.matrix_n), np.uint32)
    for index, node in enumerate(work.nodes):
        tell("read", index, len(work.nodes))
        rows, columns = grid.rows_of(node.row), grid.columns_of(node.column)
        if rows and columns:
            length = len(rows) * len(columns) * config.accumulator_bytes
            (contents,) = read_blocks(array, [(*node.site, work.offsets["c"], length)])
            shape = (len(rows), len(columns), config.matrix_m, config.matrix_n)
            c[rows.start : rows.stop, columns.start : columns.stop] = np.frombuffer(contents, "<u4").reshape(shape)
    tell("read", len(work.nodes), len(work.nodes))
    return unpack_c(c, m, n)
