# SPDX-License-Identifier: Apache-2.0
"""What a node notes of a rectangle that it belongs to."""

from __future__ import annotations

from enum import IntEnum

from golden.layout import COORDINATE_BITS, OFFSET_BITS, ROUTE_COORDINATE_BITS

__all__ = ["ENTRY_BYTES", "GROUP_BYTES", "X_SHIFT", "Y_SHIFT", "Group"]

#: Bytes of a group, which starts at a double word.
GROUP_BYTES = 512

#: Shifts of the coordinates in a global address.
X_SHIFT, Y_SHIFT = OFFSET_BITS, OFFSET_BITS + COORDINATE_BITS


class Group(IntEnum):
    """Offsets in a group. Addresses of nodes have offset 0."""

    OWN = 0
    #: Barrier: how many posts the node awaits before it tells the next one, whose address follows; that of the node in the middle
    #: is negative.
    AWAITED = 8
    UP = 16
    #: Nodes that are to be told that the barrier is over, without multicasts: the first one of each direction. They end before
    #: the node itself.
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
    #: All nodes; where sites have none, the node at the top, which passes on what all shall get.
    RECTANGLE = 112
    #: Not 0 if multicasts do not reach them; negative if some of the sites have no node.
    TREE = 120
    #: The rest is there for rectangles with sites that have no node. Live sites of each row, a bit for each column.
    LIVE = 128
    #: Coordinates, with their bits as in an address, of the nodes that the top tells of, and of those that the node tells of in
    #: its row; a negative number ends each.
    HEADS = 256
    OTHERS = 384


#: Bytes of an entry of LIVE, HEADS and OTHERS.
ENTRY_BYTES = 4
#: Most rows and columns of a rectangle in which sites have no node: those of the largest routing table.
_MOST_SIDES = 1 << ROUTE_COORDINATE_BITS
assert Group.HEADS - Group.LIVE == Group.OTHERS - Group.HEADS == GROUP_BYTES - Group.OTHERS == _MOST_SIDES * ENTRY_BYTES
