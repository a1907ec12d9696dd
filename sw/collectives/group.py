# SPDX-License-Identifier: Apache-2.0
"""Groups: the routine by which a node finds out what it has to know of a rectangle that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import COORDINATE_BITS, OFFSET_BITS, RECTANGLE_SIDE_BITS, ROUTE_CONTROL, ROUTE_ENABLE, UPPER_BITS
from sw.collectives.group_layout import X_SHIFT, Y_SHIFT, Group
from sw.collectives.live_group import group_of_live_nodes, live_sites

__all__ = ["group_source"]

#: At most so many nodes tell the one in the middle themselves that they have come to a barrier, which takes a post per cycle.
#: More nodes are sooner when they tell the middle of their row, although that costs the time of a node once.
_DIRECT_NODES = 16

#: Columns and rows together from which on it is sooner to halve both, at the cost of another node's time: the posts that a node
#: awaits then come from one side, and no sooner than it can take them.
_HALVED_SIDES = 26
assert _HALVED_SIDES > _DIRECT_NODES + 1, "the nodes that tell the middle themselves are not halved"


def group_source(config: NodeConfig) -> Iterator[str]:
    """The routine ``d1_group``.

    a0 group, a1 and a2 column and row of the north-west corner, a3 columns, a4 rows, a5 inbox, a6 lines of it.
    """
    yield from ["d1_group:", "csrr t0, mnode"]
    # The place within the rectangle, if it is there; both numbers are unsigned then.
    yield from [f"slli t1, t0, {64 - Y_SHIFT}", f"srli t1, t1, {64 - COORDINATE_BITS}", "sub t1, t1, a1", "bgeu t1, a3, 9f"]
    yield from [f"srli t2, t0, {Y_SHIFT}", "sub t2, t2, a2", "bgeu t2, a4, 9f", "bltz a6, 9f"]
    yield from _multicasts(config)
    if config.route_bits:
        yield from live_sites(config)
    yield from [f"sd t0, {Group.OWN}(a0)", f"sd a6, {Group.LINES}(a0)"]
    yield from [*_gathering(), f"ld a6, {Group.LINES}(a0)"]
    yield from ["addi a3, a3, -1", "addi a4, a4, -1"]
    # Corners, and all nodes as one address.
    yield from [f"slli t3, t1, {X_SHIFT}", "sub t3, t0, t3", f"slli t4, t2, {Y_SHIFT}", "sub t3, t3, t4"]
    yield from [f"sd t3, {Group.NORTH_WEST}(a0)", f"slli t4, a4, {RECTANGLE_SIDE_BITS}", "or t4, t4, a3"]
    yield from [f"slli t4, t4, {64 - UPPER_BITS}", "add t4, t3, t4", f"sd t4, {Group.RECTANGLE}(a0)"]
    yield from [f"slli t4, a3, {X_SHIFT}", "add t3, t3, t4", f"slli t4, a4, {Y_SHIFT}", "add t3, t3, t4"]
    yield f"sd t3, {Group.SOUTH_EAST}(a0)"
    # Sums go along the rows to the east, and along the last column to the south. Inboxes lie alike in all nodes.
    yield from [f"slli t3, a5, {64 - OFFSET_BITS}", f"srli t3, t3, {64 - OFFSET_BITS}", "add t3, t3, t0"]
    yield from [f"slli a6, a6, {config.line_bytes.bit_length() - 1}", "li t4, -1", "li t5, -1", "li t6, 0"]
    yield from ["beq t1, a3, 5f", f"li t4, {1 << X_SHIFT}", "add t4, t3, t4", "j 7f"]
    yield from ["5:", "beq t2, a4, 6f", f"li t5, {1 << Y_SHIFT}", "add t5, t3, t5", "add t5, t5, a6"]
    yield from ["6:", "beqz t2, 7f", "add t6, a5, a6"]
    yield from ["7:", f"sd t4, {Group.ROW_NEXT}(a0)", f"sd t5, {Group.COLUMN_NEXT}(a0)", f"sd t6, {Group.FROM_NORTH}(a0)"]
    yield from ["bnez t1, 8f", "li a5, 0", "8:", f"sd a5, {Group.FROM_WEST}(a0)", "li a0, 0", "ret"]
    yield from ["9:", "li a0, -1", "ret"]
    if config.route_bits:
        yield from group_of_live_nodes(config)


def _multicasts(config: NodeConfig) -> Iterator[str]:
    """Find out whether multicasts reach the rectangle: t0 the node, a3 columns, a4 rows.

    They do not if it is too large for an address, or the routing tables count, of which the node's own speaks for all.
    """
    line = config.line_bytes
    register = CONTROL_PAGE_OFFSET + ROUTE_CONTROL
    # The line with the register goes by way of the group, which has a whole line somewhere and nothing in it yet.
    yield from [f"li t3, {register - register % line}", "add t3, t0, t3", "nread v0, (t3)"]
    yield from [f"addi t4, a0, {line - 1}", f"andi t4, t4, -{line}", "vst v0, 0(t4)", f"ld t3, {register % line}(t4)"]
    yield from [f"andi t3, t3, {ROUTE_ENABLE}", "addi t4, a3, -1", "addi t5, a4, -1", "or t4, t4, t5"]
    yield from [f"srli t4, t4, {RECTANGLE_SIDE_BITS}", "or t3, t3, t4", f"sd t3, {Group.TREE}(a0)"]


def _gathering() -> Iterator[str]:
    """Who awaits and tells whom: t0 the node, t1 and t2 its place, a3 columns, a4 rows, which stay, as a0 and a5 do."""
    yield from ["mul t5, a3, a4", "add t6, a3, a4", f"sltiu a7, t6, {_HALVED_SIDES}"]
    yield from _nearest_middle("t1", "a3", "t3", "a1")
    yield from _nearest_middle("t2", "a4", "t4", "a2")
    # t5 becomes what the node awaits, t6 the node that it tells.
    yield from [f"slli t6, t3, {X_SHIFT}", "add t6, t0, t6", f"addi a6, t5, -{_DIRECT_NODES + 1}", "bgez a6, 1f"]
    yield from [
        f"slli a6, t4, {Y_SHIFT}",
        "add t6, t6, a6",
        "addi t5, t5, -1",
        "or a6, t3, t4",
        "beqz a6, 2f",
        "li t5, 0",
        "j 3f",
    ]
    yield from ["1:", "li t5, 0", "bnez t3, 3f", "mv t5, a1", f"slli t6, t4, {Y_SHIFT}", "add t6, t0, t6", "bnez t4, 3f"]
    yield from ["add t5, t5, a2", "bnez a7, 2f"]
    # Of halves, the four nodes around the middle, or two: the south-eastern one awaits the others.
    yield from ["srli a1, a3, 1", "sub a1, a1, t1", "srli a2, a4, 1", "sub a2, a2, t2"]
    yield from [
        f"slli t6, a1, {X_SHIFT}",
        "add t6, t0, t6",
        f"slli a6, a2, {Y_SHIFT}",
        "add t6, t6, a6",
        "or a6, a1, a2",
        "bnez a6, 3f",
    ]
    yield from ["addi t5, t5, 3", "sltiu a1, a3, 2", "sltiu a2, a4, 2", "or a1, a1, a2", "slli a1, a1, 1", "sub t5, t5, a1"]
    yield from ["2:", "li t6, -1", "3:", f"sd t5, {Group.AWAITED}(a0)", f"sd t6, {Group.UP}(a0)"]
    # Whom it tells on the way back without multicasts: the column of the middle its rows, and the middle that column.
    yield from [f"sd t0, {Group[name]}(a0)" for name in ("NORTH", "SOUTH", "WEST", "EAST")]
    yield from ["srli t3, a3, 1", "bne t1, t3, 4f", *_both_ends("t1", "a3", X_SHIFT, Group.WEST, Group.EAST)]
    yield from ["srli t4, a4, 1", "bne t2, t4, 4f", *_both_ends("t2", "a4", Y_SHIFT, Group.NORTH, Group.SOUTH)]
    yield "4:"


def _nearest_middle(place: str, count: str, way: str, others: str) -> list[str]:
    """Steps from a place in a row or column to the node in the middle, and how many that one awaits of it.

    If a7 is 0 the row or column is halved: those before the middle have the one before it.
    """
    return [
        *[f"srli {way}, {count}, 1", f"mv {others}, {count}", "bnez a7, 1f"],
        *[f"sub {others}, {count}, {way}", f"bgeu {place}, {way}, 1f", f"mv {others}, {way}", f"addi {way}, {way}, -1"],
        *["1:", f"sub {way}, {way}, {place}", f"addi {others}, {others}, -1"],
    ]


def _both_ends(place: str, count: str, shift: int, first_end: int, other_end: int) -> list[str]:
    """Store the nodes at both ends of a row or a column, of which t0 is node number ``place``; changes t5."""
    return [
        *[f"slli t5, {place}, {shift}", "sub t5, t0, t5", f"sd t5, {first_end}(a0)"],
        *[f"sub t5, {count}, {place}", "addi t5, t5, -1", f"slli t5, t5, {shift}", "add t5, t0, t5", f"sd t5, {other_end}(a0)"],
    ]
