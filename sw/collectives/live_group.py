# SPDX-License-Identifier: Apache-2.0
"""Groups of a rectangle in which some sites have no node: which have one, and who tells whom then."""

from __future__ import annotations

from collections.abc import Iterator

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import OFFSET_BITS, ROUTE_BLOCK, ROUTE_NIBBLE_BITS, ROUTE_STRIDE, RouteEntry
from sw.collectives.group_layout import ENTRY_BYTES, X_SHIFT, Y_SHIFT, Group

__all__ = ["group_of_live_nodes", "live_sites"]

#: An address that is none: still negative when the offset of a line is added to it.
_NOWHERE = "lui {}, 0x80000"


def live_sites(config: NodeConfig) -> Iterator[str]:
    """Find out which sites of the rectangle have a node, if routing tables count: they say that no others are reached.

    a0 group, whose TREE is known, a1 and a2 its corner, a3 columns, a4 rows, t0 the node, t1 and t2 its place; all stay but a1
    and a2. Goes to another routine if a site has none.

    Tables as the host writes them cover the array; of a rectangle that goes beyond what they cover all sites have a node.
    """
    line, side = config.line_bytes, 1 << config.route_bits
    saved = ("t1", "t2", "a5", "a6")
    yield "beqz t3, .Lall_live"
    for first, count in (("a1", "a3"), ("a2", "a4")):
        yield from [f"add t3, {first}, {count}", "addi t3, t3, -1", f"xor t3, t3, {first}", f"srli t3, t3, {config.route_bits}"]
        yield "bnez t3, .Lall_live"
    yield from (f"sd {register}, {Group.OTHERS + 8 * number}(a0)" for number, register in enumerate(saved))
    # a1 the first column, a2 the row, a5 where its sites are noted, a6 whether any has no node, a7 behind the last column.
    yield from [
        f"andi a1, a1, {side - 1}",
        f"andi a2, a2, {side - 1}",
        f"addi a5, a0, {Group.LIVE}",
        "li a6, 0",
        "add a7, a1, a3",
    ]
    # A row's entries, by way of the group as above, become a number of 128 bits in t1 and t2.
    yield from [
        "1:",
        f"slli t3, a2, {ROUTE_STRIDE.bit_length() - 1}",
        f"li t4, {CONTROL_PAGE_OFFSET + ROUTE_BLOCK}",
        "add t3, t3, t4",
    ]
    yield from [f"andi t4, t3, {line - 1}", "sub t3, t3, t4", "add t3, t0, t3", "nread v0, (t3)"]
    yield from [
        f"addi t5, a0, {line - 1}",
        f"andi t5, t5, -{line}",
        "vst v0, 0(t5)",
        "add t5, t5, t4",
        "ld t1, 0(t5)",
        "ld t2, 8(t5)",
    ]
    yield from ["li t5, 0", "li t6, 0"]
    yield from ["2:", f"andi t3, t1, {(1 << ROUTE_NIBBLE_BITS) - 1}", f"sltiu t3, t3, {RouteEntry.UNREACHABLE}", "sll t3, t3, t6"]
    yield from ["or t5, t5, t3", f"srli t1, t1, {ROUTE_NIBBLE_BITS}", f"slli t4, t2, {64 - ROUTE_NIBBLE_BITS}", "or t1, t1, t4"]
    yield from [f"srli t2, t2, {ROUTE_NIBBLE_BITS}", "addi t6, t6, 1", "bltu t6, a7, 2b", "srl t5, t5, a1"]
    yield from ["sw t5, 0(a5)", "li t3, 1", "sll t3, t3, a3", "addi t3, t3, -1", "xor t3, t3, t5", "or a6, a6, t3"]
    yield from [
        f"addi a5, a5, {ENTRY_BYTES}",
        "addi a2, a2, 1",
        "slli t3, a4, 2",
        "add t3, t3, a0",
        f"addi t3, t3, {Group.LIVE}",
    ]
    yield from ["bne a5, t3, 1b", "mv t3, a6"]
    yield from (f"ld {register}, {Group.OTHERS + 8 * number}(a0)" for number, register in enumerate(saved))
    yield from ["bnez t3, .Lgroup_of_live_nodes", ".Lall_live:"]


def group_of_live_nodes(config: NodeConfig) -> Iterator[str]:
    """The rest of ``d1_group`` where some of the sites have no node.

    a0 group, whose LIVE is known, t0 the node, t1 and t2 its place, a3 columns, a4 rows, a5 inbox, a6 lines of it.

    Each row has a head, its first node from the middle on to the east, or the last one before it. The top is the head of the
    first row from the middle on to the south that has nodes, or of the last one before it.
    """
    yield from [
        ".Lgroup_of_live_nodes:",
        "li t3, -1",
        f"sd t3, {Group.TREE}(a0)",
        f"sd t0, {Group.OWN}(a0)",
        f"sd a6, {Group.LINES}(a0)",
    ]
    # The corners, of which broadcasts take the sides.
    yield from [
        f"slli t3, t1, {X_SHIFT}",
        "sub t3, t0, t3",
        f"slli t4, t2, {Y_SHIFT}",
        "sub t3, t3, t4",
        f"sd t3, {Group.NORTH_WEST}(a0)",
    ]
    yield from ["addi t4, a3, -1", f"slli t4, t4, {X_SHIFT}", "add t4, t3, t4", "addi t5, a4, -1", f"slli t5, t5, {Y_SHIFT}"]
    yield from ["add t4, t4, t5", f"sd t4, {Group.SOUTH_EAST}(a0)"]
    # Inboxes as if all neighbours were there; whoever has none forgets its own.
    yield from [f"slli a6, a6, {config.line_bytes.bit_length() - 1}", f"sd a5, {Group.FROM_WEST}(a0)", "add a6, a5, a6"]
    yield from [f"sd a6, {Group.FROM_NORTH}(a0)", _NOWHERE.format("t4")]
    nowhere = (Group.NORTH, Group.SOUTH, Group.WEST, Group.EAST, Group.ROW_NEXT, Group.COLUMN_NEXT)
    yield from (f"sd t4, {field}(a0)" for field in nowhere)
    # Row by row: a1 where its sites are noted, until a4, the node's own at t2; a2 its first site, from which a3 leads to the
    # middle; a5 the end of HEADS; a6 the row in the middle, until the top is known.
    yield from [
        "mv a2, t3",
        "srli a3, a3, 1",
        f"slli a3, a3, {X_SHIFT}",
        f"addi a1, a0, {Group.LIVE}",
        f"addi a5, a0, {Group.HEADS}",
    ]
    yield from [
        "srli a6, a4, 1",
        "slli a6, a6, 2",
        "add a6, a6, a1",
        "slli a4, a4, 2",
        "add a4, a4, a1",
        "slli t2, t2, 2",
        "add t2, t2, a1",
    ]
    # t3 its sites, from t6 on, t4 its head, t5 its last node, a7 its middle.
    yield from ["1:", "lwu t3, 0(a1)", "beqz t3, 8f", "mv t6, a2", "add a7, a2, a3", "li t4, -1"]
    yield from ["2:", "andi t1, t3, 1", "beqz t1, 3f", "mv t5, t6", "bge t4, a7, 3f", "mv t4, t6"]
    yield from ["3:", f"li t1, {1 << X_SHIFT}", "add t6, t6, t1", "srli t3, t3, 1", "bnez t3, 2b"]
    yield from ["beqz a6, 4f", f"sd t4, {Group.RECTANGLE}(a0)", "bltu a1, a6, 4f", "li a6, 0"]
    yield from ["4:", "bltu t2, a1, 6f", "bne a1, t2, 5f", f"sd t4, {Group.UP}(a0)", f"sd a2, {Group.AWAITED}(a0)", "j 8f"]
    # Of the rows to the north the last one counts, to the south the first.
    yield from ["5:", f"sd t4, {Group.NORTH}(a0)", "j 7f"]
    yield from ["6:", f"ld t1, {Group.SOUTH}(a0)", "bgez t1, 7f", f"sd t4, {Group.SOUTH}(a0)", f"sd t5, {Group.COLUMN_NEXT}(a0)"]
    yield from ["7:", f"srli t4, t4, {X_SHIFT}", "sw t4, 0(a5)", f"addi a5, a5, {ENTRY_BYTES}"]
    yield from ["8:", f"addi a1, a1, {ENTRY_BYTES}", f"li t1, {1 << Y_SHIFT}", "add a2, a2, t1", "bne a1, a4, 1b"]
    # The node's own row: a1 the end of OTHERS.
    yield from ["lwu t3, 0(t2)", f"ld t6, {Group.AWAITED}(a0)", f"addi a1, a0, {Group.OTHERS}"]
    yield from ["1:", "andi t1, t3, 1", "beqz t1, 3f", "beq t6, t0, 3f", f"srli t1, t6, {X_SHIFT}", "sw t1, 0(a1)"]
    yield from [f"addi a1, a1, {ENTRY_BYTES}", "bltu t0, t6, 2f", f"sd t6, {Group.WEST}(a0)", "j 3f"]
    yield from ["2:", f"ld t1, {Group.EAST}(a0)", "bgez t1, 3f", f"sd t6, {Group.EAST}(a0)"]
    yield from ["3:", f"li t1, {1 << X_SHIFT}", "add t6, t6, t1", "srli t3, t3, 1", "bnez t3, 1b"]
    # Both lists end, and how long they are says how many posts are awaited.
    yield from ["li t1, -1", "sw t1, 0(a5)", "sw t1, 0(a1)", "sub a5, a5, a0", f"addi a5, a5, -{Group.HEADS}", "srli a5, a5, 2"]
    yield from ["sub a1, a1, a0", f"addi a1, a1, -{Group.OTHERS}", "srli a1, a1, 2"]
    # Sums: to the node in the east, and from the last node of a row to that of the next one. Inboxes lie alike in all nodes.
    yield from [f"ld t3, {Group.FROM_WEST}(a0)", f"ld t4, {Group.WEST}(a0)", "bgez t4, 1f", f"sd zero, {Group.FROM_WEST}(a0)"]
    yield from [
        "1:",
        f"slli t3, t3, {64 - OFFSET_BITS}",
        f"srli t3, t3, {64 - OFFSET_BITS}",
        f"ld t4, {Group.EAST}(a0)",
        "bltz t4, 2f",
    ]
    yield from ["add t3, t3, t4", f"sd t3, {Group.ROW_NEXT}(a0)", _NOWHERE.format("t5"), f"sd t5, {Group.COLUMN_NEXT}(a0)"]
    yield from [f"sd zero, {Group.FROM_NORTH}(a0)", "j 4f"]
    yield from [
        "2:",
        f"ld t3, {Group.FROM_NORTH}(a0)",
        f"ld t4, {Group.NORTH}(a0)",
        "bgez t4, 3f",
        f"sd zero, {Group.FROM_NORTH}(a0)",
    ]
    yield from ["3:", f"slli t3, t3, {64 - OFFSET_BITS}", f"srli t3, t3, {64 - OFFSET_BITS}", f"ld t4, {Group.COLUMN_NEXT}(a0)"]
    yield from ["bltz t4, 4f", "add t3, t3, t4", f"sd t3, {Group.COLUMN_NEXT}(a0)"]
    # What goes to all goes from the top to the heads, and from them to both sides: away from where it came.
    yield from ["4:", _NOWHERE.format("t3"), f"ld t4, {Group.UP}(a0)", "beq t4, t0, 6f", f"sd zero, {Group.AWAITED}(a0)"]
    yield from [f"sw t1, {Group.OTHERS}(a0)", f"sd t3, {Group.NORTH}(a0)", f"sd t3, {Group.SOUTH}(a0)", "bltu t0, t4, 5f"]
    yield from [f"sd t3, {Group.WEST}(a0)", "j 8f", "5:", f"sd t3, {Group.EAST}(a0)", "j 8f"]
    yield from ["6:", f"ld t4, {Group.RECTANGLE}(a0)", "bne t4, t0, 7f", "add a1, a1, a5", "mv t4, t1"]
    yield from ["7:", f"sd t4, {Group.UP}(a0)", f"sd a1, {Group.AWAITED}(a0)", "bltz t4, 8f", f"srli t4, t4, {Y_SHIFT}"]
    yield from [
        f"srli t5, t0, {Y_SHIFT}",
        "bltu t4, t5, 9f",
        f"sd t3, {Group.SOUTH}(a0)",
        "j 8f",
        "9:",
        f"sd t3, {Group.NORTH}(a0)",
    ]
    yield from ["8:", "li a0, 0", "ret"]
