# SPDX-License-Identifier: Apache-2.0
"""The routines, written for a configuration.

They follow the calling convention of RISC-V, change only registers that are the caller's to save (of scalar ones a0 to a7 and t0
to t6, of vector registers v0 to v15), and use no stack. They may lie anywhere.

A *group* is what a node knows of a rectangle that it belongs to: ``GROUP_BYTES`` of its SRAM, which ``d1_group`` fills in.
"""

from __future__ import annotations

from collections.abc import Iterator

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, OFFSET_BITS
from sw.collectives.group import group_source
from sw.collectives.group_layout import X_SHIFT, Y_SHIFT, Group
from sw.collectives.semaphores import CollectiveSemaphores

__all__ = ["ENTRY_POINTS", "collectives_source"]

#: Labels of the routines.
ENTRY_POINTS = ("d1_group", "d1_barrier", "d1_broadcast", "d1_all_reduce_f32", "d1_all_reduce_bf16")

#: Lines that are in registers at a time, from most to fewest: each waits once for its semaphore and once for its loads.
_BATCHES = (8, 4, 2, 1)

#: Lines that a node waits for at a time, of more than a semaphore counts.
_MOST_AWAITED = 1 << 14


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
        *group_source(config),
        *_barrier(config, semaphores),
        *_broadcast(config, semaphores),
        *_all_reduce(config, semaphores, "f32"),
        *_all_reduce(config, semaphores, "bf16"),
        *_spread(config, semaphores),
    ]
    return "\n".join(lines) + "\n"


def _gather(semaphores: CollectiveSemaphores) -> list[str]:
    """Wait for those that the node awaits, and tell the next one; the node in the middle of all has none and goes to label 2."""
    return [
        *[f"ld t0, {Group.AWAITED}(a0)", f"ld t1, {Group.UP}(a0)", f"ld t2, {Group.RECTANGLE}(a0)"],
        *["beqz t0, 1f", f"swait {semaphores.gather}, t0", "1:", "bltz t1, 2f", f"npost (t1), {semaphores.gather}"],
    ]


def _barrier(config: NodeConfig, semaphores: CollectiveSemaphores) -> Iterator[str]:
    """a0 group, which stays."""
    # How many lines of instructions it touches does not depend on where the routines lie.
    yield from [".balign 64", "d1_barrier:", f"ld t3, {Group.TREE}(a0)", "li t6, 1", *_gather(semaphores)]
    yield from [f"swait {semaphores.down}, t6", "bnez t3, 3f", "li a0, 0", "ret"]
    yield from ["2:", "bnez t3, 4f", f"npost (t2), {semaphores.down}", f"swait {semaphores.down}, t6", "li a0, 0", "ret"]
    if config.route_bits:
        # Heads first, for the same reason as below.
        yield from [".Ltell_heads:", f"addi t0, a0, {Group.HEADS}", *_tell_listed(semaphores.down)]
        yield from [".Ltell_others:", f"addi t0, a0, {Group.OTHERS}", *_tell_listed(semaphores.down), "li a0, 0", "ret"]
    # The column first: what is told there is told on.
    yield from [
        "4:",
        *["bltz t3, .Ltell_heads"] * bool(config.route_bits),
        f"ld t0, {Group.OWN}(a0)",
        f"ld t2, {Group.NORTH}(a0)",
        f"ld t3, {Group.SOUTH}(a0)",
        f"li t4, {1 << Y_SHIFT}",
    ]
    yield from _tell(semaphores.down)
    yield from ["3:", *["bltz t3, .Ltell_others"] * bool(config.route_bits)]
    yield from [f"ld t0, {Group.OWN}(a0)", f"ld t2, {Group.WEST}(a0)", f"ld t3, {Group.EAST}(a0)", f"li t4, {1 << X_SHIFT}"]
    yield from _tell(semaphores.down)
    yield from ["li a0, 0", "ret"]


def _tell(semaphore: int) -> list[str]:
    """Post at all nodes from t2 up to t0 and from t3 down to t0, without it, t4 apart."""
    up = ["beq t2, t0, 7f", "6:", f"npost (t2), {semaphore}", "add t2, t2, t4", "bne t2, t0, 6b", "7:"]
    down = ["beq t3, t0, 9f", "8:", f"npost (t3), {semaphore}", "sub t3, t3, t4", "bne t3, t0, 8b", "9:"]
    return up + down


def _tell_listed(semaphore: int) -> list[str]:
    """Post at all nodes of the list at t0, up to a negative entry."""
    return [
        "j 6f",
        "5:",
        f"slli t1, t1, {X_SHIFT}",
        f"npost (t1), {semaphore}",
        "6:",
        "lw t1, 0(t0)",
        "addi t0, t0, 4",
        "bgez t1, 5b",
    ]


def _broadcast(config: NodeConfig, semaphores: CollectiveSemaphores) -> Iterator[str]:
    """a0 group, a1 buffer, a2 lines, a3 and a4 column and row of the node that has them."""
    # The column, and the row, lie between those of the corners.
    yield "d1_broadcast:"
    for corner, order in ((Group.NORTH_WEST, "{1}, {0}"), (Group.SOUTH_EAST, "{0}, {1}")):
        yield from [
            f"ld t0, {corner}(a0)",
            f"slli t1, t0, {64 - Y_SHIFT}",
            f"srli t1, t1, {64 - COORDINATE_BITS}",
            f"srli t0, t0, {Y_SHIFT}",
        ]
        yield from [f"bltu {order.format('t1', 'a3')}, 9f", f"bltu {order.format('t0', 'a4')}, 9f"]
    if config.route_bits:
        yield from [f"ld t0, {Group.TREE}(a0)", "bgez t0, 1f", f"ld t0, {Group.NORTH_WEST}(a0)", f"srli t1, t0, {Y_SHIFT}"]
        yield from [
            "sub t1, a4, t1",
            "slli t1, t1, 2",
            "add t1, t1, a0",
            f"lwu t1, {Group.LIVE}(t1)",
            f"slli t0, t0, {64 - Y_SHIFT}",
        ]
        yield from [
            f"srli t0, t0, {64 - COORDINATE_BITS}",
            "sub t0, a3, t0",
            "srl t1, t1, t0",
            "andi t1, t1, 1",
            "beqz t1, 9f",
            "1:",
        ]
    yield from [f"slli a3, a3, {X_SHIFT}", f"slli a4, a4, {Y_SHIFT}", "add a3, a3, a4"]
    # Nobody writes into a buffer whose node is not ready for it.
    yield from [f"ld t3, {Group.TREE}(a0)", f"ld t4, {Group.OWN}(a0)", "mv a7, a1", "beqz a2, 5f", *_gather(semaphores)]
    yield from ["bne a3, t4, 4f", "li t6, 1", f"swait {semaphores.down}, t6", "j 3f"]
    yield from ["2:", "beq a3, t4, 3f", f"npost (a3), {semaphores.down}", "j 4f"]
    # To all, or to the top of those that there are; else from neighbour to neighbour, beginning here.
    yield from ["3:", "bgtz t3, 4f", *_offset("t6", "a1"), "add t2, t2, t6", "mv t0, a2"]
    for batch in _BATCHES:
        yield from ["6:", f"li t6, {batch}", "bltu t0, t6, 7f", f"addi t0, t0, -{batch}"]
        yield from (f"vld.p v{each}, (a1), {config.line_bytes}" for each in range(batch))
        yield from (f"nwrite.sp v{each}, (t2)+, {semaphores.down}" for each in range(batch))
        yield from [*["j 6b"] * (batch == _BATCHES[0]), "7:"]
    yield from ["4:", "bnez t3, 8f", *_take("a2", "t6", semaphores.down), "5:", "li a0, 0", "ret"]
    yield from ["8:", "mv t6, a3", "mv a5, a2", "mv a2, a7", "jal a6, .Lspread", "li a0, 0", "ret"]
    yield from ["9:", "li a0, -1", "ret"]


def _offset(register: str, address: str) -> list[str]:
    """The offset in a node's window of an address of its own."""
    return [f"slli {register}, {address}, {64 - OFFSET_BITS}", f"srli {register}, {register}, {64 - OFFSET_BITS}"]


def _take(lines: str, scratch: str, semaphore: int) -> list[str]:
    """Wait for any number of lines, in a register that does not keep it."""
    return [
        *[f"li {scratch}, {_MOST_AWAITED}", "6:", f"bgeu {scratch}, {lines}, 7f"],
        *[f"swait {semaphore}, {scratch}", f"sub {lines}, {lines}, {scratch}", "j 6b", "7:", f"swait {semaphore}, {lines}"],
    ]


def _all_reduce(config: NodeConfig, semaphores: CollectiveSemaphores, lanes: str) -> Iterator[str]:
    """a0 group, a1 from, a2 to, a3 lines."""
    line = config.line_bytes
    yield from [f"d1_all_reduce_{lanes}:", "mv a7, ra"]
    # As many lines at a time as the inboxes hold: all are free again when the sum has come back.
    yield from [f".Lpart_{lanes}:", "beqz a3, 8f", f"ld t4, {Group.LINES}(a0)", "beqz t4, 9f", "bltu t4, a3, 1f", "mv t4, a3"]
    yield from ["1:", "sub a3, a3, t4", "mv a5, t4", "mv t5, a2", f"ld a6, {Group.TREE}(a0)"]
    yield from [f"ld t0, {Group.FROM_WEST}(a0)", f"ld t1, {Group.FROM_NORTH}(a0)"]
    yield from [f"ld t2, {Group.ROW_NEXT}(a0)", f"ld t3, {Group.COLUMN_NEXT}(a0)"]
    yield from [f"ld a4, {Group.RECTANGLE}(a0)", *_offset("t6", "a2"), "add a4, a4, t6"]
    for batch in _BATCHES:
        own, coming = range(batch), range(batch, 2 * batch)
        yield from ["6:", f"li t6, {batch}", "bltu t4, t6, 7f", f"addi t4, t4, -{batch}"]
        yield from (f"vld.p v{each}, (a1), {line}" for each in own)
        for inbox, semaphore in (("t0", semaphores.row), ("t1", semaphores.column)):
            yield from [f"beqz {inbox}, 1f", f"swait {semaphore}, t6"]
            yield from (f"vld.p v{each}, ({inbox}), {line}" for each in coming)
            yield from (f"vadd.{lanes} v{mine}, v{theirs}, v{mine}" for mine, theirs in zip(own, coming, strict=True))
            yield "1:"
        # On to the next node, or, as the sum is complete, to all or to the top of those that there are; without multicasts, into
        # the own memory first.
        for target, branch, semaphore in (
            ("t2", "bltz t2", semaphores.row), ("t3", "bltz t3", semaphores.column), ("a4", "bgtz a6", semaphores.down)
        ):  # fmt: skip
            yield f"{branch}, 2f"
            yield from (f"nwrite.sp v{each}, ({target})+, {semaphore}" for each in own)
            yield from ["j 3f", "2:"]
        yield from (f"vst.p v{each}, (t5), {line}" for each in own)
        # Only of the largest there may be several.
        yield from ["3:", *["j 6b"] * (batch == _BATCHES[0]), "7:"]
    yield from ["bnez a6, 1f", f"slli t6, a5, {line.bit_length() - 1}", "add a2, a2, t6", *_take("a5", "t6", semaphores.down)]
    yield from [f"j .Lpart_{lanes}", "1:", f"ld t6, {Group.SOUTH_EAST}(a0)", "jal a6, .Lspread", f"j .Lpart_{lanes}"]
    yield from ["8:", "li a0, 0", "jr a7", "9:", "li a0, -1", "jr a7"]


def _spread(config: NodeConfig, semaphores: CollectiveSemaphores) -> Iterator[str]:
    """Without multicasts: a2 buffer, a5 lines, t6 the node that has them, a6 the way back; along its column, and from there along
    the rows. Where sites have no node, from the top, which gets them as the others do.

    a2 is behind the lines afterwards; a0, a1, a3 and a7 stay.
    """
    line = config.line_bytes

    def place(register: str, address: str) -> list[str]:
        return [f"slli {register}, {address}, {64 - Y_SHIFT}", f"srli {register}, {register}, {64 - COORDINATE_BITS}"]

    # t0 to t3 become the addresses in north, south, west and east, or stay negative.
    yield ".Lspread:"
    if config.route_bits:
        yield from [f"ld t0, {Group.TREE}(a0)", "bgez t0, 1f"]
        sides = (Group.NORTH, Group.SOUTH, Group.WEST, Group.EAST)
        yield from (f"ld t{number}, {side}(a0)" for number, side in enumerate(sides))
        yield from ["li t6, 1", "j 5f", "1:"]
    yield from [f"ld t4, {Group.OWN}(a0)", "lui t2, 0x80000", "mv t3, t2", *place("a4", "t4"), *place("t5", "t6")]
    yield from [f"ld t0, {Group.NORTH_WEST}(a0)", *place("t0", "t0"), f"ld t1, {Group.SOUTH_EAST}(a0)", *place("t1", "t1")]
    yield from ["bltu t5, a4, 1f", "bgeu t0, a4, 1f", f"li t2, {1 << X_SHIFT}", "sub t2, t4, t2"]
    yield from ["1:", "bltu a4, t5, 2f", "bgeu a4, t1, 2f", f"li t3, {1 << X_SHIFT}", "add t3, t4, t3"]
    yield from ["2:", "lui t0, 0x80000", "mv t1, t0", "bne a4, t5, 4f", f"srli a4, t4, {Y_SHIFT}", f"srli t5, t6, {Y_SHIFT}"]
    yield from ["bltu t5, a4, 3f", f"ld t1, {Group.NORTH_WEST}(a0)", f"srli t1, t1, {Y_SHIFT}", "bgeu t1, a4, 3f"]
    yield from [f"li t0, {1 << Y_SHIFT}", "sub t0, t4, t0"]
    yield from ["3:", "lui t1, 0x80000", "bltu a4, t5, 4f"]
    yield from [f"ld t5, {Group.SOUTH_EAST}(a0)", f"srli t5, t5, {Y_SHIFT}", "bgeu a4, t5, 4f"]
    yield from [f"li t1, {1 << Y_SHIFT}", "add t1, t4, t1"]
    yield from ["4:", "sub t6, t6, t4", "5:", "and t5, t0, t1", "and t5, t5, t2", "and t5, t5, t3", "bltz t5, 8f"]
    yield from _offset("a4", "a2")
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
    yield from [
        "8:",
        f"slli t5, a5, {line.bit_length() - 1}",
        "add a2, a2, t5",
        "beqz t6, 9f",
        *_take("a5", "t5", semaphores.down),
    ]
    yield from ["9:", "jr a6"]
