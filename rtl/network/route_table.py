# SPDX-License-Identifier: Apache-2.0
"""The routing table of a node."""

from amaranth import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    FAR_ROUTES,
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_COORDINATE_BITS,
    ROUTE_ENABLE,
    ROUTE_ENTRY_BITS,
    ROUTE_FAR,
    ROUTE_NIBBLE_BITS,
    ROUTES_PER_REGISTER,
)

__all__ = ["DestinationLayout", "RoutePort", "RouteTable"]


class DestinationLayout(data.StructLayout):
    """Coordinates of the node that a packet goes to."""

    def __init__(self):
        super().__init__({"x": COORDINATE_BITS, "y": COORDINATE_BITS})


class RoutePort(wiring.Signature):
    """The control page to a routing table, as the page sees it.

    ``register`` is the offset in the page divided by 8. ``read_data`` belongs to it in the same cycle, and is 0 if that register
    is none of the table's. With ``write``, ``write_data`` is written at the end of the cycle.

    Members
    -------
    register : Out(9), write : Out(1), write_data : Out(64), read_data : In(64)
    """

    def __init__(self):
        super().__init__({"register": Out(9), "write": Out(1), "write_data": Out(64), "read_data": In(64)})


class RouteTable(wiring.Component):
    """Looks up how packets leave a node, as ``golden.layout`` lays it out from ``ROUTE_BLOCK`` on; combinational.

    While it is not enabled, every lookup finds DIMENSION_ORDER. What is written counts from the next cycle on. A memory holds the
    entries: reset leaves them as they are.

    Parameters
    ----------
    config : NodeConfig
        Its ``route_bits`` is not 0.
    lookups : int
        Packets that are looked up at once.

    Members
    -------
    x, y : In(13), own coordinates
    port : In(RoutePort)
    asks : In(lookups), a packet is there
    destinations : In(DestinationLayout).array(lookups)
    entries : Out(3).array(lookups)
        RouteEntry for that packet, 0 without one. What it is for the node's own coordinates means nothing.
    enabled : Out(1), from a register

    Raises
    ------
    ValueError
        If ``route_bits`` is 0.
    """

    def __init__(self, config: NodeConfig, lookups: int):
        if not config.route_bits:
            raise ValueError("route_bits = 0: such a node has no routing table")
        self.config = config
        self.lookups = lookups
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "port": In(RoutePort()),
                "asks": In(lookups),
                "destinations": In(DestinationLayout()).array(lookups),
                "entries": Out(ROUTE_ENTRY_BITS).array(lookups),
                "enabled": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = self.config.route_bits
        column_bits = min(bits, exact_log2(ROUTES_PER_REGISTER))
        shape = data.ArrayLayout(ROUTE_ENTRY_BITS, 1 << column_bits)
        m.submodules.entries = memory = Memory(shape=shape, depth=1 << 2 * bits - column_bits, init=[])
        far = Signal(data.ArrayLayout(ROUTE_ENTRY_BITS, FAR_ROUTES))
        self._page(m, memory, far)

        for number in range(self.lookups):
            destination, entry = self.destinations[number], self.entries[number]
            read, direction = memory.read_port(domain="comb"), Signal(range(FAR_ROUTES), name=f"direction{number}")
            x, y, own_x, own_y = (place[bits:] for place in (destination.x, destination.y, self.x, self.y))
            column, row = (Mux(it < own, 0, Mux(it == own, 1, 2)) for it, own in ((x, own_x), (y, own_y)))
            m.d.comb += read.addr.eq(Cat(destination.x[column_bits:bits], destination.y[:bits]))
            with m.If(self.enabled & self.asks[number]):
                with m.If((x == own_x) & (y == own_y)):
                    m.d.comb += entry.eq(read.data[destination.x[:column_bits]])
                with m.Else():
                    m.d.comb += [direction.eq(3 * row + column), entry.eq(far[direction])]
        return m

    def _page(self, m, memory, far):
        """The registers in the control page."""
        port, bits = self.port, self.config.route_bits
        # Registers of the block by row, and within a row by the upper bits of the column.
        part_bits = ROUTE_COORDINATE_BITS - exact_log2(ROUTES_PER_REGISTER)
        part, row = port.register[:part_bits], port.register[part_bits:][:ROUTE_COORDINATE_BITS]
        block_bits = part_bits + ROUTE_COORDINATE_BITS
        parts = max(0, bits - exact_log2(ROUTES_PER_REGISTER))
        in_table, is_far, is_control = Signal(), Signal(), Signal()
        read, write = memory.read_port(domain="comb"), memory.write_port()
        m.d.comb += [
            in_table.eq((port.register[block_bits:] == ROUTE_BLOCK // 8 >> block_bits) & ~Cat(part[parts:], row[bits:]).any()),
            is_far.eq(port.register == ROUTE_FAR // 8),
            is_control.eq(port.register == ROUTE_CONTROL // 8),
            read.addr.eq(Cat(part[:parts], row[:bits])),
            write.addr.eq(read.addr),
            write.en.eq(port.write & in_table),
        ]

        with m.If(in_table):
            m.d.comb += port.read_data.eq(_nibbles(read.data))
        with m.If(is_far):
            m.d.comb += port.read_data.eq(_nibbles(far))
        with m.If(is_control):
            m.d.comb += port.read_data.eq(self.enabled)
        m.d.comb += write.data.eq(_entries(port.write_data, len(write.data)))
        with m.If(port.write & is_far):
            m.d.sync += far.eq(_entries(port.write_data, len(far)))
        with m.If(port.write & is_control):
            m.d.sync += self.enabled.eq(port.write_data & ROUTE_ENABLE)


def _nibbles(entries):
    """A register of the control page that holds these entries."""
    return Cat(Cat(entry, C(0, ROUTE_NIBBLE_BITS - ROUTE_ENTRY_BITS)) for entry in entries)


def _entries(register, count):
    """So many entries that a register of the control page holds."""
    return Cat(register.word_select(number, ROUTE_NIBBLE_BITS)[:ROUTE_ENTRY_BITS] for number in range(count))
