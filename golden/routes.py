# SPDX-License-Identifier: Apache-2.0
"""The routing table of a node: what it says about a destination, and its registers in the control page."""

from __future__ import annotations

from golden.layout import (
    FAR_ROUTES,
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_COORDINATE_BITS,
    ROUTE_ENABLE,
    ROUTE_ENTRY_BITS,
    ROUTE_FAR,
    ROUTE_NIBBLE_BITS,
    ROUTE_STRIDE,
    ROUTES_PER_REGISTER,
    Port,
    RouteEntry,
    far_route,
)

_ENTRY_MASK = (1 << ROUTE_ENTRY_BITS) - 1
_REGISTER_BYTES = 8


def _sign(difference: int) -> int:
    return (difference > 0) - (difference < 0)


class RouteTable:
    """One node's table.

    Parameters
    ----------
    bits : int
        ``NodeConfig.route_bits``: low bits of each coordinate that have entries. 0: no table; its registers read 0.
    x, y : int
        Coordinates of the node.

    Members
    -------
    enabled : bool
        Whether the table counts. Without that, every destination has the entry DIMENSION_ORDER.
    """

    def __init__(self, bits: int, x: int, y: int):
        self.enabled = False
        self._bits = bits
        self._size = 1 << bits if bits else 0
        self._x, self._y = x, y
        self._near: dict[tuple[int, int], int] = {}
        self._far = [0] * FAR_ROUTES

    def entry(self, x: int, y: int) -> RouteEntry:
        """What counts for packets to the node (x, y), which is not this one."""
        if not self.enabled:
            return RouteEntry.DIMENSION_ORDER
        bits, low = self._bits, self._size - 1
        signs = _sign((x >> bits) - (self._x >> bits)), _sign((y >> bits) - (self._y >> bits))
        value = self._far[far_route(*signs)] if any(signs) else self._near.get((x & low, y & low), 0)
        return RouteEntry(min(value, RouteEntry.UNREACHABLE))

    def port(self, x: int, y: int) -> Port | None:
        """The port to leave by to the node (x, y), which is not this one; None if it cannot be reached from here."""
        entry = self.entry(x, y)
        if entry is RouteEntry.UNREACHABLE:
            return None
        if entry is not RouteEntry.DIMENSION_ORDER:
            return Port(entry)
        if x != self._x:
            return Port.EAST if x > self._x else Port.WEST
        return Port.SOUTH if y > self._y else Port.NORTH

    def read(self, register: int) -> int:
        """Value of the register at a byte offset in the control page; 0 if it is none of the table's."""
        if register == ROUTE_CONTROL:
            return self.enabled * ROUTE_ENABLE
        if register == ROUTE_FAR:
            return sum(entry << ROUTE_NIBBLE_BITS * index for index, entry in enumerate(self._far))
        return sum(self._near.get(place, 0) << shift for place, shift in self._places(register))

    def write(self, register: int, value: int) -> None:
        """Write the register at a byte offset in the control page; ignored if it is none of the table's."""
        if not self._bits:
            return
        if register == ROUTE_CONTROL:
            self.enabled = bool(value & ROUTE_ENABLE)
        elif register == ROUTE_FAR:
            self._far = [value >> ROUTE_NIBBLE_BITS * index & _ENTRY_MASK for index in range(FAR_ROUTES)]
        for place, shift in self._places(register):
            self._near[place] = value >> shift & _ENTRY_MASK

    def _places(self, register: int) -> list[tuple[tuple[int, int], int]]:
        """The entries that a register holds: coordinates' low bits, and lowest bit in the register."""
        if not ROUTE_BLOCK <= register < ROUTE_BLOCK + (ROUTE_STRIDE << ROUTE_COORDINATE_BITS):
            return []
        y, within = divmod(register - ROUTE_BLOCK, ROUTE_STRIDE)
        first = within // _REGISTER_BYTES * ROUTES_PER_REGISTER
        return [
            ((first + n, y), ROUTE_NIBBLE_BITS * n)
            for n in range(ROUTES_PER_REGISTER)
            if first + n < self._size and y < self._size
        ]
