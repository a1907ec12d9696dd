# SPDX-License-Identifier: Apache-2.0
"""Matrix products C = A.B on a node or on an array of nodes: BF16 operands, FP32 result, any shape that fits.

C is cut into one block of tiles per node: node (row r, column c) computes block (r, c) from row block r of A and column block c
of B. At the start each panel of A's row block is in exactly one node of that row, and each panel of B's column block in exactly
one node of that column. Every node sends what it has to the others that need it, and computes from what it has until the rest
has arrived. All nodes use the same addresses, so a panel is sent to the offset that it comes from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from golden.config import MATRIX_K, NodeConfig
from golden.layout import SRAM_BASE, ControlRegister, GlobalAddress
from golden.program import Program
from sw.assembler import assemble
from sw.host import ArrayBackend, RunReport, all_sites, control_registers, load_program, read_blocks, run_program, write_blocks
from sw.kernels.matmul_source import (
    A_ARRIVED,
    B_ARRIVED,
    HEADER,
    ITEM,
    JOB,
    MAX_BLOCKS,
    MAX_RECEIVERS,
    BlockShape,
    matmul_source,
    send_label,
)
from sw.kernels.packing import Bf16Codes, Fp32Codes, pack_a, pack_b, tiles, unpack_c
from sw.kernels.placement import place

#: Called with a stage's name, and how much of how much is done.
Progress = Callable[[str, int, int], None]

#: How often two regions are read in the same cycle, relative to the operands of a step. Code is mostly in the line buffers.
_CONFLICTS = {("a", "b"): 1.0, ("program", "a"): 0.1, ("program", "b"): 0.1}

#: Share of SRAM that the list of items may take before items become longer.
_ITEMS_SHARE = 1 / 32

#: Semaphores count to this.
_MAX_COUNT = 0xFFFF

#: Cycles that a run may take: per step or line sent, and beyond. Far more than it needs, so that only a defect reaches it.
_CYCLES_PER_STEP = 64
_CYCLES_BEYOND = 200_000


class MatmulError(ValueError):
    """A product that cannot be computed; the message says what is wrong, what is needed and what there is."""


class MatmulFailed(RuntimeError):
    """A run that did not end with success; ``report`` has every node."""

    def __init__(self, report: RunReport):
        super().__init__(report.summary())
        self.report = report


@dataclass(frozen=True)
class NodePlan:
    """One node's part.

    Attributes
    ----------
    row, column : int
        Site in the array.
    tile_rows, tile_columns : range
        Tiles of C that it computes, and so the panels that it needs.
    a_panels, b_panels : range
        Panels of A and of B that it has at the start.
    tables : bytes
        What the host writes behind the code.
    """

    row: int
    column: int
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
    """Everything that follows from configuration, array and shape.

    Attributes
    ----------
    config : NodeConfig
    rows, columns : int
        Shape of the array.
    m, n, k : int
        C is m x n, K is k.
    steps : int
        Matrix steps per tile.
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
    steps: int
    program: Program
    a: int
    b: int
    c: int
    tables: int
    bytes_needed: int
    source: str
    nodes: tuple[NodePlan, ...]

    @property
    def panel_bytes(self) -> int:
        """Bytes of a panel of A or B."""
        return self.steps * self.config.line_bytes

    @property
    def total_steps(self) -> int:
        """Matrix steps of all nodes."""
        return self.steps * sum(node.tiles for node in self.nodes)

    @property
    def lines_sent(self) -> int:
        """Lines of operands that travel between nodes."""
        needed = sum(len(node.tile_rows) + len(node.tile_columns) for node in self.nodes if node.tiles)
        own = sum(len(node.a_panels) + len(node.b_panels) for node in self.nodes if node.tiles)
        return (needed - own) * self.steps


@dataclass(frozen=True)
class MatmulResult:
    """What a run gave.

    Attributes
    ----------
    c : uint32 array (m, n)
        FP32 codes.
    cycles : int
        From the first start of a thread in any node to the last stop in any.
    steps_per_node, cycles_per_node : tuple of int
        Matrix steps, and cycles from a node's first start to its last stop, row by row.
    utilisation_per_node : tuple of float
        Steps per cycle of each node's matrix unit, 0 to 1.
    packets : int
        Request packets that nodes sent while it ran.
    bank_conflicts : int
        Accesses that had to wait for a bank.
    seconds : float
        Time that the run took, without loading and reading back.
    report : RunReport
    """

    c: Fp32Codes
    cycles: int
    steps_per_node: tuple[int, ...]
    cycles_per_node: tuple[int, ...]
    utilisation_per_node: tuple[float, ...]
    packets: int
    bank_conflicts: int
    seconds: float
    report: RunReport

    @property
    def utilisation(self) -> float:
        """Mean over the nodes."""
        return sum(self.utilisation_per_node) / len(self.utilisation_per_node)


def plan(config: NodeConfig, rows: int, columns: int, m: int, n: int, k: int) -> MatmulPlan:
    """How an array computes a product.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int
        Shape of the array, each at least 1.
    m, n, k : int
        Shape of the product: A is m x k, B is k x n. Each at least 1.

    Raises
    ------
    MatmulError
        If a length is below 1, a node's part does not fit into its SRAM, or more lines arrive than semaphores count.
    """
    for name, value in (("rows", rows), ("columns", columns), ("m", m), ("n", n), ("k", k)):
        if value < 1:
            raise MatmulError(f"{name} = {value} is not allowed; it must be at least 1")
    found = _try_plan(config, rows, columns, m, n, k)
    if isinstance(found, MatmulPlan):
        lines = max(max(len(node.tile_rows), len(node.tile_columns)) for node in found.nodes) * found.steps
        if rows * columns > 1 and lines > _MAX_COUNT:
            raise MatmulError(
                f"a product of {m} x {n} x {k} sends up to {lines} lines of an operand to a node on an array of "
                f"{rows}x{columns}, but semaphores count to {_MAX_COUNT} only. Use a smaller k, or more nodes"
            )
        return found
    cube = _largest_cube(config, rows, columns)
    largest = f"the largest cube that fits is {cube} x {cube} x {cube}" if cube else "not even 1 x 1 x 1 fits"
    raise MatmulError(
        f"a product of {m} x {n} x {k} needs {found} bytes of SRAM per node on an array of {rows}x{columns}, but a node "
        f"'{config.name}' has {config.sram_bytes}; {largest}. Use more nodes, a smaller shape or a larger preset"
    )


def _largest_cube(config: NodeConfig, rows: int, columns: int) -> int:
    """Largest s for which s x s x s fits, 0 if none does."""
    low, high = 0, 1
    while isinstance(_try_plan(config, rows, columns, high, high, high), MatmulPlan):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if isinstance(_try_plan(config, rows, columns, middle, middle, middle), MatmulPlan):
            low = middle
        else:
            high = middle
    return low


def _part(length: int, parts: int, index: int) -> range:
    """Part ``index`` of a length cut into nearly equal parts."""
    return range(length * index // parts, length * (index + 1) // parts)


def _largest_part(length: int, parts: int) -> int:
    return -(-length // parts)


def _try_plan(config: NodeConfig, rows: int, columns: int, m: int, n: int, k: int) -> MatmulPlan | int:
    """The plan, or the bytes that a node would need."""
    steps = tiles(k, MATRIX_K)
    tile_rows, tile_columns = tiles(m, config.matrix_m), tiles(n, config.matrix_n)
    most_rows, most_columns = _largest_part(tile_rows, rows), _largest_part(tile_columns, columns)
    operands = {
        "a": most_rows * steps * config.line_bytes,
        "b": most_columns * steps * config.line_bytes,
        "c": most_rows * most_columns * config.accumulator_bytes,
    }
    if sum(operands.values()) > config.sram_bytes:
        # The exact size of code and tables does not matter any more.
        return sum(operands.values()) + HEADER.size

    source = matmul_source(config, steps, *_handlers(config, rows, columns))
    program = assemble(source, "matmul.s", config=config)
    code = program.symbols["tables"] - SRAM_BASE
    tables = _Tables(config, rows, columns, steps, tile_rows, tile_columns, program, {name: 0 for name in operands})
    sizes = [len(tables.node(row, column).tables) for row in range(rows) for column in range(columns)]
    end = code + max(sizes)
    regions = {"program": end + -end % config.line_bytes, **operands}
    offsets = place(config, regions, _CONFLICTS)
    if offsets is None:
        return sum(regions.values())
    tables = _Tables(config, rows, columns, steps, tile_rows, tile_columns, program, offsets)
    return MatmulPlan(
        config=config,
        rows=rows,
        columns=columns,
        m=m,
        n=n,
        k=k,
        steps=steps,
        program=program,
        a=offsets["a"],
        b=offsets["b"],
        c=offsets["c"],
        tables=code,
        bytes_needed=sum(regions.values()),
        source=source,
        nodes=tuple(tables.node(row, column) for row in range(rows) for column in range(columns)),
    )


def _handlers(config: NodeConfig, rows: int, columns: int) -> tuple[list[BlockShape], list[tuple[int, int]]]:
    """Shapes of blocks, and (semaphore, receivers) of sending, that any node may need."""
    largest = BlockShape.largest(config)
    shapes = [BlockShape(r, c) for r in range(largest.rows, 0, -1) for c in range(largest.columns, 0, -1)]
    sends = []
    for semaphore, nodes in ((A_ARRIVED, columns), (B_ARRIVED, rows)):
        sends += [(semaphore, receivers) for receivers in range(1, min(nodes - 1, MAX_RECEIVERS) + 1)]
    return shapes, sends


@dataclass(frozen=True)
class _Tables:
    """Makes the nodes' parts; offsets are those of ``place``."""

    config: NodeConfig
    rows: int
    columns: int
    steps: int
    tile_rows: int
    tile_columns: int
    program: Program
    offsets: dict[str, int]

    def node(self, row: int, column: int) -> NodePlan:
        """The part of one node."""
        own_rows = _part(self.tile_rows, self.rows, row)
        own_columns = _part(self.tile_columns, self.columns, column)
        a_panels = _part(len(own_rows), self.columns, column)
        b_panels = _part(len(own_columns), self.rows, row)
        jobs = b"".join(self._jobs(row, column, a_panels, b_panels))
        items = b"".join(self._items(len(own_rows), len(own_columns), a_panels, b_panels))
        first_job = self.program.symbols["tables"] + HEADER.size
        first_item = first_job + len(jobs)
        header = HEADER.pack(first_item, first_item, len(own_columns) * self.config.accumulator_bytes, first_job)
        return NodePlan(
            row=row,
            column=column,
            tile_rows=own_rows,
            tile_columns=own_columns,
            a_panels=range(own_rows.start + a_panels.start, own_rows.start + a_panels.stop),
            b_panels=range(own_columns.start + b_panels.start, own_columns.start + b_panels.stop),
            tables=header + jobs + items,
        )

    def _handler(self, label: str) -> int:
        return self.program.symbols[label] - self.program.symbols["code"]

    def _offset(self, region: str, panel: int) -> int:
        return self.offsets[region] + panel * self.steps * self.config.line_bytes

    def _jobs(self, row: int, column: int, a_panels: range, b_panels: range) -> Iterator[bytes]:
        """Panels of A go along the row, panels of B along the column, to every node that computes anything."""
        along_row = [(row, other) for other in range(self.columns) if other != column and self._computes(row, other)]
        along_column = [(other, column) for other in range(self.rows) if other != row and self._computes(other, column)]
        for region, semaphore, panels, receivers in (
            ("a", A_ARRIVED, a_panels, along_row),
            ("b", B_ARRIVED, b_panels, along_column),
        ):
            if not panels:
                continue
            offset = self._offset(region, panels.start)
            for first in range(0, len(receivers), MAX_RECEIVERS):
                group = receivers[first : first + MAX_RECEIVERS]
                handler = self._handler(send_label(semaphore, len(group)))
                yield JOB.pack(SRAM_BASE + offset, len(panels) * self.steps, handler)
                for y, x in group:
                    yield int(GlobalAddress(x=x, y=y, offset=offset)).to_bytes(8, "little")
        yield JOB.pack(0, 0, self._handler("worker"))

    def _computes(self, row: int, column: int) -> bool:
        return bool(_part(self.tile_rows, self.rows, row)) and bool(_part(self.tile_columns, self.columns, column))

    def _items(self, rows: int, columns: int, a_own: range, b_own: range) -> Iterator[bytes]:
        """What needs only own panels, then what needs A of others, then what needs B of others."""
        if rows and columns:
            all_rows = range(rows)
            yield from self._blocks(columns, a_own, b_own)
            if len(a_own) < rows:
                yield ITEM.pack((rows - len(a_own)) * self.steps, 0, 0, 1, self._handler("wait_a"))
                yield from self._blocks(columns, range(a_own.start), b_own)
                yield from self._blocks(columns, range(a_own.stop, rows), b_own)
            if len(b_own) < columns:
                yield ITEM.pack((columns - len(b_own)) * self.steps, 0, 0, 1, self._handler("wait_b"))
                yield from self._blocks(columns, all_rows, range(b_own.start))
                yield from self._blocks(columns, all_rows, range(b_own.stop, columns))
        yield ITEM.pack(0, 0, 0, 1, self._handler("end"))

    def _blocks(self, columns: int, tile_rows: range, tile_columns: range) -> Iterator[bytes]:
        """Items of a rectangle of tiles; ``columns`` are those of the node."""
        shape = BlockShape.largest(self.config)
        budget = self.config.sram_bytes * _ITEMS_SHARE / ITEM.size
        most_blocks = tiles(_largest_part(self.tile_rows, self.rows), shape.rows) * tiles(
            _largest_part(self.tile_columns, self.columns), shape.columns
        )
        span = min(MAX_BLOCKS, int(-(-most_blocks // budget))) * shape.columns
        for row in range(tile_rows.start, tile_rows.stop, shape.rows):
            height = min(shape.rows, tile_rows.stop - row)
            column = tile_columns.start
            while column < tile_columns.stop:
                rest = tile_columns.stop - column
                width = min(shape.columns, rest)
                blocks = min(rest, span) // width
                yield ITEM.pack(
                    SRAM_BASE + self._offset("a", row),
                    SRAM_BASE + self._offset("b", column),
                    SRAM_BASE + self.offsets["c"] + (row * columns + column) * self.config.accumulator_bytes,
                    blocks,
                    self._handler(BlockShape(height, width).label),
                )
                column += blocks * width


def run_matmul(array: ArrayBackend, a_codes: Bf16Codes, b_codes: Bf16Codes, progress: Progress | None = None) -> MatmulResult:
    """Compute C = A.B on an array whose nodes are at rest, by packets alone.

    Parameters
    ----------
    array : ArrayBackend
    a_codes : uint16 array (m, k), BF16 codes
    b_codes : uint16 array (k, n), BF16 codes
    progress : callable, optional
        Told about the stages "load", "run" and "read".

    Raises
    ------
    MatmulError
        If the shapes do not fit each other or the array.
    MatmulFailed
        If a node did not end with success.
    """
    if a_codes.ndim != 2 or b_codes.ndim != 2 or a_codes.shape[1] != b_codes.shape[0]:
        raise MatmulError(f"shapes {a_codes.shape} and {b_codes.shape} cannot be multiplied")
    (m, k), n = a_codes.shape, b_codes.shape[1]
    work = plan(array.config, array.rows, array.columns, m, n, k)
    tell: Progress = progress or (lambda stage, done, total: None)
    _load(array, work, a_codes, b_codes, tell)

    tell("run", 0, 1)
    sites = all_sites(array)
    counters = (ControlRegister.MATRIX_STEPS, ControlRegister.REQUESTS_SENT, ControlRegister.BANK_CONFLICTS)
    before = control_registers(array, sites, counters)
    limit = _CYCLES_BEYOND + _CYCLES_PER_STEP * (work.steps * max(node.tiles for node in work.nodes) + work.lines_sent)
    started = time.perf_counter()
    report = run_program(array, work.program, limit, load=False)
    seconds = time.perf_counter() - started
    tell("run", 1, 1)
    if not report.passed:
        raise MatmulFailed(report)
    after = control_registers(array, sites, counters)
    steps, packets, conflicts = ([late[i] - early[i] for early, late in zip(before, after, strict=True)] for i in range(3))
    times = control_registers(array, sites, (ControlRegister.FIRST_START, ControlRegister.LAST_STOP))
    cycles = [stop - start for start, stop in times]
    return MatmulResult(
        c=_read(array, work, tell),
        cycles=report.cycles,
        steps_per_node=tuple(steps),
        cycles_per_node=tuple(cycles),
        utilisation_per_node=tuple(s / c if c else 0.0 for s, c in zip(steps, cycles, strict=True)),
        packets=sum(packets),
        bank_conflicts=sum(conflicts),
        seconds=seconds,
        report=report,
    )


def _load(array: ArrayBackend, work: MatmulPlan, a_codes: Bf16Codes, b_codes: Bf16Codes, tell: Progress) -> None:
    a, b = pack_a(work.config, a_codes), pack_b(work.config, b_codes)
    for index, node in enumerate(work.nodes):
        tell("load", index, len(work.nodes))
        load_program(array, work.program, sites=[(node.column, node.row)])
        a_first, b_first = node.a_panels.start - node.tile_rows.start, node.b_panels.start - node.tile_columns.start
        blocks = [
            (work.tables, node.tables),
            (work.a + a_first * work.panel_bytes, a[node.a_panels.start : node.a_panels.stop].tobytes()),
            (work.b + b_first * work.panel_bytes, b[node.b_panels.start : node.b_panels.stop].tobytes()),
        ]
        write_blocks(array, [(node.column, node.row, offset, contents) for offset, contents in blocks if contents])
    tell("load", len(work.nodes), len(work.nodes))


def _read(array: ArrayBackend, work: MatmulPlan, tell: Progress) -> Fp32Codes:
    config = work.config
    c = np.empty((tiles(work.m, config.matrix_m), tiles(work.n, config.matrix_n), config.matrix_m, config.matrix_n), np.uint32)
    for index, node in enumerate(work.nodes):
        tell("read", index, len(work.nodes))
        if node.tiles:
            (contents,) = read_blocks(array, [(node.column, node.row, work.c, node.tiles * config.accumulator_bytes)])
            shape = (len(node.tile_rows), len(node.tile_columns), config.matrix_m, config.matrix_n)
            part = np.frombuffer(contents, "<u4").reshape(shape)
            c[node.tile_rows.start : node.tile_rows.stop, node.tile_columns.start : node.tile_columns.stop] = part
    tell("read", len(work.nodes), len(work.nodes))
    return unpack_c(c, work.m, work.n)
