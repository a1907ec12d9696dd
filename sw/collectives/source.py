# SPDX-License-Identifier: Apache-2.0
"""The routines, written for a configuration.

They follow the calling convention of RISC-V, change only registers that are the caller's to save (of scalar ones a0 to a7 and t0
to t6, of vector registers v0 to v15), and use no stack. They may lie anywhere.

A *group* is what a node knows of a rectangle that it belongs to: ``GROUP_BYTES`` of its SRAM, which ``d1_group`` fills in.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, OFFSET_BITS
from sw.collectives.semaphores import CollectiveSemaphores

__all__ = ["ENTRY_POINTS", "GROUP_BYTES", "collectives_source"]

#: Labels of the routines.
ENTRY_POINTS = ("d1_group", "d1_barrier", "d1_broadcast", "d1_all_reduce_f32", "d1_all_reduce_bf16")

#: Bytes of a group, which starts at a double word.
GROUP_BYTES = 128

#: Shifts of the coordinates in a global address.
_X, _Y = OFFSET_BITS, OFFSET_BITS + COORDINATE_BITS

#: Lines that are in registers at a time, from most to fewest: each waits once for its semaphore and once for its loads.
_BATCHES = (8, 4, 2, 1)


class _Group(IntEnum):
    """Offsets in a group. Addresses of nodes have offset 0."""

    OWN = 0
    #: Barrier: how many posts the node awaits before it tells the next one, whose address follows; that of the node in the middle
    #: is negative.
    AWAITED = 8
    UP = 16
    #: Nodes that are to be told that the barrier is over: the first one of each direction. They end before the node itself.
    NORTH = 24
    SOUTH = 32
    WEST = 40
    EAST = 48
    #: Corners.
    NORTH_WEST = 56
    SOUTH_EAST = 64
    #: Sums: where lines go on, negative if they do not, and where they come in, 0 if they do not.
    ROW_NEXT = 72
    COLUMN_NEXT = 80
    FROM_WEST = 88
    FROM_NORTH = 96
    #: Lines of each inbox.
    LINES = 104


def collectives_source(config: NodeConfig, semaphores: CollectiveSemaphores | None = None) -> str:
    """Assembler source of all routines.

    Parameters
    ----------
    config : NodeConfig
        The node, for which the program is made.
    semaphores : CollectiveSemaphores, optional
        The last four of the node if left out.

    Raises
    ------
    CollectiveError
        If the node does not have those semaphores.
    """
    semaphores = semaphores or CollectiveSemaphores.of(config)
    semaphores.check(config)
    lines = [
        *(f".globl {label}" for label in ENTRY_POINTS),
        *_group(config),
        *_barrier(semaphores),
        *_broadcast(),
        *_all_reduce(config, semaphores, "f32"),
        *_all_reduce(config, semaphores, "bf16"),
        *_spread(config, semaphores),
    ]
    return "\n".join(lines) + "\n"


def _group(config: NodeConfig) -> Iterator[str]:
    """a0 group, a1 and a2 column and row of the north-west corner, a3 columns, a4 rows, a5 inbox, a6 lines of it."""
    shift = config.line_bytes.bit_length() - 1
    yield from ["d1_group:", "csrr t0, mnode"]
    # The place within the rectangle, if it is there; both numbers are unsigned then.
    yield from [f"slli t1, t0, {64 - _Y}", f"srli t1, t1, {64 - COORDINATE_BITS}", "sub t1, t1, a1", "bgeu t1, a3, 9f"]
    yield from [f"srli t2, t0, {_Y}", "sub t2, t2, a2", "bgeu t2, a4, 9f"]
    yield from ["addi a3, a3, -1", "addi a4, a4, -1", "bltz a6, 9f"]
    yield from [f"sd t0, {_Group.OWN}(a0)", f"sd a6, {_Group.LINES}(a0)"]
    # Corners.
    yield from [f"slli t3, t1, {_X}", "sub t3, t0, t3", f"slli t4, t2, {_Y}", "sub t3, t3, t4", f"sd t3, {_Group.NORTH_WEST}(a0)"]
    yield from [f"slli t4, a3, {_X}", "add t3, t3, t4", f"slli t4, a4, {_Y}", "add t3, t3, t4", f"sd t3, {_Group.SOUTH_EAST}(a0)"]
    # Most nodes tell the node in the middle of their row, and nobody else.
    yield from [f"sd t0, {_Group[name]}(a0)" for name in ("NORTH", "SOUTH", "WEST", "EAST")]
    yield from [f"sd zero, {_Group.AWAITED}(a0)", "addi t3, a3, 1", "srli t3, t3, 1", "sub t3, t3, t1"]
    yield from [f"slli t4, t3, {_X}", "add t4, t0, t4", "bnez t3, 1f"]
    # That one awaits its row, and tells the node in the middle of its column.
    yield from [f"slli t4, t1, {_X}", "sub t4, t0, t4", f"sd t4, {_Group.WEST}(a0)"]
    yield from ["sub t4, a3, t1", f"slli t4, t4, {_X}", "add t4, t0, t4", f"sd t4, {_Group.EAST}(a0)"]
    yield from ["mv t5, a3", "addi t3, a4, 1", "srli t3, t3, 1", "sub t3, t3, t2", f"slli t4, t3, {_Y}", "add t4, t0, t4"]
    yield "bnez t3, 2f"
    # The node in the middle of all.
    yield from [f"slli t4, t2, {_Y}", "sub t4, t0, t4", f"sd t4, {_Group.NORTH}(a0)"]
    yield from ["sub t4, a4, t2", f"slli t4, t4, {_Y}", "add t4, t0, t4", f"sd t4, {_Group.SOUTH}(a0)"]
    yield from ["add t5, t5, a4", "li t4, -1"]
    yield from ["2:", f"sd t5, {_Group.AWAITED}(a0)", "1:", f"sd t4, {_Group.UP}(a0)"]
    # Sums go along the rows to the east, and along the last column to the south. Inboxes lie alike in all nodes.
    yield from [f"slli t3, a5, {64 - OFFSET_BITS}", f"srli t3, t3, {64 - OFFSET_BITS}", "add t3, t3, t0"]
    yield from [f"slli a6, a6, {shift}", "li t4, -1", "li t5, -1", "li t6, 0"]
    yield from ["beq t1, a3, 3f", f"li t4, {1 << _X}", "add t4, t3, t4", "j 4f"]
    yield from ["3:", "beq t2, a4, 5f", f"li t5, {1 << _Y}", "add t5, t3, t5", "add t5, t5, a6"]
    yield from ["5:", "beqz t2, 4f", "add t6, a5, a6"]
    yield from ["4:", f"sd t4, {_Group.ROW_NEXT}(a0)", f"sd t5, {_Group.COLUMN_NEXT}(a0)", f"sd t6, {_Group.FROM_NORTH}(a0)"]
    yield from ["bnez t1, 6f", "li a5, 0", "6:", f"sd a5, {_Group.FROM_WEST}(a0)", "li a0, 0", "ret"]
    yield from ["9:", "li a0, -1", "ret"]


def _barrier(semaphores: CollectiveSemaphores) -> Iterator[str]:
    """a0 group, which stays."""
    yield from ["d1_barrier:", f"ld t0, {_Group.AWAITED}(a0)", f"ld t1, {_Group.UP}(a0)", "li t6, 1"]
    yield from [f"swait {semaphores.gather}, t0", "bltz t1, 1f", f"npost (t1), {semaphores.gather}"]
    # While it waits.
    yield from [f"ld t0, {_Group.OWN}(a0)", f"ld t2, {_Group.WEST}(a0)", f"ld t3, {_Group.EAST}(a0)", f"li t4, {1 << _X}"]
    yield from [f"swait {semaphores.down}, t6", "j 2f", "1:"]
    # The column first: what is told there is told on.
    yield from [f"ld t0, {_Group.OWN}(a0)", f"ld t2, {_Group.NORTH}(a0)", f"ld t3, {_Group.SOUTH}(a0)", f"li t4, {1 << _Y}"]
    yield from _tell(semaphores.down)
    yield from [f"ld t2, {_Group.WEST}(a0)", f"ld t3, {_Group.EAST}(a0)", f"li t4, {1 << _X}", "2:"]
    yield from _tell(semaphores.down)
    yield from ["li a0, 0", "ret"]


def _tell(semaphore: int) -> list[str]:
    """Post at all nodes from t2 up to t0 and from t3 down to t0, without it, t4 apart."""
    up = ["beq t2, t0, 7f", "6:", f"npost (t2), {semaphore}", "add t2, t2, t4", "bne t2, t0, 6b", "7:"]
    down = ["beq t3, t0, 9f", "8:", f"npost (t3), {semaphore}", "sub t3, t3, t4", "bne t3, t0, 8b", "9:"]
    return up + down


def _broadcast() -> Iterator[str]:
    """a0 group, a1 buffer, a2 lines, a3 and a4 column and row of the node that has them."""
    # The column, and the row, lie between those of the corners.
    yield "d1_broadcast:"
    for corner, order in ((_Group.NORTH_WEST, "{1}, {0}"), (_Group.SOUTH_EAST, "{0}, {1}")):
        yield from [
            f"ld t0, {corner}(a0)",
            f"slli t1, t0, {64 - _Y}",
            f"srli t1, t1, {64 - COORDINATE_BITS}",
            f"srli t0, t0, {_Y}",
        ]
        yield from [f"bltu {order.format('t1', 'a3')}, 1f", f"bltu {order.format('t0', 'a4')}, 1f"]
    yield from [f"slli a3, a3, {_X}", f"slli a4, a4, {_Y}", "add a3, a3, a4", "mv a7, ra", "mv a4, a0"]
    # Nobody writes into a buffer whose node is not ready for it.
    yield from ["jal d1_barrier", "mv a0, a4", "mv t6, a3", "mv a5, a2", "mv a2, a1", "jal a6, .Lspread", "li a0, 0", "jr a7"]
    yield from ["1:", "li a0, -1", "ret"]


def _all_reduce(config: NodeConfig, semaphores: CollectiveSemaphores, lanes: str) -> Iterator[str]:
    """a0 group, a1 from, a2 to, a3 lines."""
    yield from [f"d1_all_reduce_{lanes}:", "mv a7, ra"]
    # As many lines at a time as the inboxes hold: all are free again when the sum has come back.
    yield from [f".Lpart_{lanes}:", "beqz a3, 8f", f"ld t4, {_Group.LINES}(a0)", "beqz t4, 9f", "bltu t4, a3, 1f", "mv t4, a3"]
    yield from ["1:", "sub a3, a3, t4", "mv a5, t4", "mv t5, a2"]
    yield from [f"ld t0, {_Group.FROM_WEST}(a0)", f"ld t1, {_Group.FROM_NORTH}(a0)"]
    yield from [f"ld t2, {_Group.ROW_NEXT}(a0)", f"ld t3, {_Group.COLUMN_NEXT}(a0)"]
    line = config.line_bytes
    for batch in _BATCHES:
        own, coming = range(batch), range(batch, 2 * batch)
        yield from ["6:", f"li t6, {batch}", "bltu t4, t6, 7f", f"addi t4, t4, -{batch}"]
        yield from (f"vld.p v{each}, (a1), {line}" for each in own)
        for inbox, semaphore in (("t0", semaphores.row), ("t1", semaphores.column)):
            yield from [f"beqz {inbox}, 1f", f"swait {semaphore}, t6"]
            yield from (f"vld.p v{each}, ({inbox}), {line}" for each in coming)
            yield from (f"vadd.{lanes} v{mine}, v{theirs}, v{mine}" for mine, theirs in zip(own, coming, strict=True))
            yield "1:"
        for target, semaphore in (("t2", semaphores.row), ("t3", semaphores.column)):
            yield f"bltz {target}, 2f"
            yield from (f"nwrite.sp v{each}, ({target})+, {semaphore}" for each in own)
            yield from ["j 3f", "2:"]
        yield from (f"vst.p v{each}, (t5), {line}" for each in own)
        # Only of the largest there may be several.
        yield from ["3:", *["j 6b"] * (batch == _BATCHES[0]), "7:"]
    yield from [f"ld t6, {_Group.SOUTH_EAST}(a0)", "jal a6, .Lspread", f"j .Lpart_{lanes}"]
    yield from ["8:", "li a0, 0", "jr a7", "9:", "li a0, -1", "jr a7"]


def _spread(config: NodeConfig, semaphores: CollectiveSemaphores) -> Iterator[str]:
    """a2 buffer, a5 lines, t6 the node that has them, a6 the way back: along its column, and from there along the rows.

    a2 is behind the lines afterwards; a0, a1, a3 and a7 stay.
    """
    line = config.line_bytes

    def place(register: str, address: str) -> list[str]:
        return [f"slli {register}, {address}, {64 - _Y}", f"srli {register}, {register}, {64 - COORDINATE_BITS}"]

    # t0 to t3 become the addresses in north, south, west and east, or stay negative.
    yield from [".Lspread:", f"ld t4, {_Group.OWN}(a0)", "lui t2, 0x80000", "mv t3, t2", *place("a4", "t4"), *place("t5", "t6")]
    yield from [f"ld t0, {_Group.NORTH_WEST}(a0)", *place("t0", "t0"), f"ld t1, {_Group.SOUTH_EAST}(a0)", *place("t1", "t1")]
    yield from ["bltu t5, a4, 1f", "bgeu t0, a4, 1f", f"li t2, {1 << _X}", "sub t2, t4, t2"]
    yield from ["1:", "bltu a4, t5, 2f", "bgeu a4, t1, 2f", f"li t3, {1 << _X}", "add t3, t4, t3"]
    yield from ["2:", "lui t0, 0x80000", "mv t1, t0", "bne a4, t5, 4f", f"srli a4, t4, {_Y}", f"srli t5, t6, {_Y}"]
    yield from ["bltu t5, a4, 3f", f"ld t1, {_Group.NORTH_WEST}(a0)", f"srli t1, t1, {_Y}", "bgeu t1, a4, 3f"]
    yield from [f"li t0, {1 << _Y}", "sub t0, t4, t0"]
    yield from ["3:", "lui t1, 0x80000", "bltu a4, t5, 4f"]
    yield from [f"ld t5, {_Group.SOUTH_EAST}(a0)", f"srli t5, t5, {_Y}", "bgeu a4, t5, 4f"]
    yield from [f"li t1, {1 << _Y}", "add t1, t4, t1"]
    yield from ["4:", "sub t6, t6, t4", "and t5, t0, t1", "and t5, t5, t2", "and t5, t5, t3", "bltz t5, 8f"]
    yield from [f"slli a4, a2, {64 - OFFSET_BITS}", f"srli a4, a4, {64 - OFFSET_BITS}"]
    yield from (f"add t{number}, t{number}, a4" for number in range(4))
    for batch in _BATCHES:
        yield from ["5:", f"li t5, {batch}", "bltu a5, t5, 7f", f"addi a5, a5, -{batch}"]
        yield from ["beqz t6, 6f", f"swait {semaphores.down}, t5", "6:"]
        yield from (f"vld.p v{each}, (a2), {line}" for each in range(batch))
        for target in ("t0", "t1", "t2", "t3"):
            yield f"bltz {target}, 6f"
            yield from (f"nwrite.sp v{each}, ({target})+, {semaphores.down}" for each in range(batch))
            yield "6:"
        yield from [*["j 5b"] * (batch == _BATCHES[0]), "7:"]
    yield "jr a6"
    # It sends nothing on.
    yield from ["8:", "beqz t6, 9f", f"swait {semaphores.down}, a5", "9:"]
    yield from [f"slli a5, a5, {line.bit_length() - 1}", "add a2, a2, a5", "jr a6"]
