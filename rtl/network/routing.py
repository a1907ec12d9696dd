# SPDX-License-Identifier: Apache-2.0
"""The way of a flit out of a node."""

from amaranth import Cat, Const, Mux, Signal, signed
from amaranth.lib import wiring

from golden.layout import COORDINATE_BITS, LINK_PORTS, RECTANGLE_SIDE_BITS, ROUTE_ENTRY_BITS, Kind, Port, RouteEntry
from rtl.network.route_table import RouteTable

__all__ = ["ALL_LINKS", "UNDELIVERABLE", "WAYS", "Ways", "present_links"]

#: Every link present, as in ``links``: a bit each.
ALL_LINKS = (1 << len(LINK_PORTS)) - 1

#: A flit's way out, beside the values of Port: to the network interface, as undeliverable.
UNDELIVERABLE = 5

#: Ways out in all.
WAYS = UNDELIVERABLE + 1


def present_links(links: int) -> list[Port]:
    """The links whose bits are set.

    Raises
    ------
    ValueError
        If that is not a number of four bits.
    """
    if not 0 <= links <= ALL_LINKS:
        raise ValueError(f"links = {links} is outside of 0 to {ALL_LINKS}")
    return [port for bit, port in enumerate(LINK_PORTS) if links >> bit & 1]


class Ways:
    """The rule by which a router sends flits on, and its routing table if the node has one.

    Parameters
    ----------
    m : Module
        Of the router, in which all is built.
    config : NodeConfig
    x, y, links, edges : Value
        Own coordinates, links that there are, links that lead out of the array.
    routes : RoutePort, seen from the router
    flits : int
        Flits whose ways are wanted at once.
    """

    def __init__(self, m, config, x, y, links, edges, routes, flits):
        self._m = m
        self._x, self._y, self._links, self._edges = x, y, links, edges
        self._table = None
        self._found = 0
        if config.route_bits:
            m.submodules.route_table = self._table = RouteTable(config, flits)
            wiring.connect(m, wiring.flipped(routes), self._table.port)
            m.d.comb += [self._table.x.eq(x), self._table.y.eq(y)]

    def _entry(self, flit, valid):
        """What the table says about one flit more."""
        if self._table is None:
            return Const(RouteEntry.DIMENSION_ORDER, ROUTE_ENTRY_BITS)
        table, number = self._table, self._found
        self._found += 1
        self._m.d.comb += [
            table.asks[number].eq(valid),
            table.destinations[number].x.eq(flit.x),
            table.destinations[number].y.eq(flit.y),
        ]
        return table.entries[number]

    def find(self, name, flit, valid, arrival, is_request):
        """The ways out for a flit, a bit each of the values of Port and ``UNDELIVERABLE``; 0 if it is not ``valid``.

        There is one, but for a multicast, which only a flit ``is_request`` can be. A flit never turns back to its ``arrival``: an
        exit, a table, or a rectangle beyond the edge would make it, and it could go to and fro for ever. By an exit it leaves the
        array or not at all: on the way to another node, it could take turns that dimension order and tables exclude.
        """
        m = self._m
        # Where this node lies from the destination, or from the north-west corner of a rectangle.
        right, down = (Signal(signed(COORDINATE_BITS + 1), name=f"{name}_{way}") for way in ("right", "down"))
        m.d.comb += [right.eq(self._x - flit.x), down.eq(self._y - flit.y)]
        port = Signal(3, name=f"{name}_port")
        way = Signal(WAYS, name=f"{name}_way")
        entry = self._entry(flit, valid)
        reachable = Cat(1, (self._links[bit] if link != arrival else 0 for bit, link in enumerate(LINK_PORTS)))
        leads_on = Signal(len(reachable), name=f"{name}_leads_on")
        m.d.comb += leads_on.eq(reachable)
        with m.If((right == 0) & (down == 0)):
            m.d.comb += [port.eq(flit.exit), leads_on.eq(reachable & Cat(1, self._edges))]
        with m.Elif(entry != RouteEntry.DIMENSION_ORDER):
            m.d.comb += port.eq(entry)
        with m.Elif(right != 0):
            m.d.comb += port.eq(Mux(right > 0, Port.WEST, Port.EAST))
        with m.Else():
            m.d.comb += port.eq(Mux(down > 0, Port.NORTH, Port.SOUTH))
        multicast = is_request & (flit.kind == Kind.WRITE) & (flit.exit == Port.LOCAL) & flit.upper.any()
        with m.If(valid):
            with m.If(multicast):
                refused = Const(0) if self._table is None else self._table.enabled
                branches = Mux(refused, 0, self._branches(flit, right, down, arrival))
                m.d.comb += way.eq(Cat(branches & reachable, (branches & ~reachable).any() | ~branches.any()))
            with m.Else():
                # Exits and entries 5 to 7 are like links that are absent.
                m.d.comb += way.eq(1 << Mux(Cat(leads_on, Const(0, 3)).bit_select(port, 1), port, UNDELIVERABLE))
        return way

    def _branches(self, flit, right, down, arrival):
        """Ports by which copies of a multicast want to leave.

        It goes along the row in which it was sent, and from there north and south in every column, so what it does next follows
        from where it came in: a flit that moves in its column is no longer in the row of its sender.
        """
        vertical = arrival in (Port.NORTH, Port.SOUTH)
        in_row = flit.src_y == self._y if vertical else Const(1)
        columns, rows = flit.upper[:RECTANGLE_SIDE_BITS], flit.upper[RECTANGLE_SIDE_BITS:]
        in_columns, in_rows = (right >= 0) & (right <= columns), (down >= 0) & (down <= rows)
        # Straight on, or from where it was sent to both sides; never against the way by which it came.
        wanted = {
            Port.LOCAL: in_columns & in_rows,
            Port.NORTH: in_columns & (down > 0) & (in_row if arrival is Port.NORTH else 1),
            Port.SOUTH: in_columns & (down < rows) & (in_row if arrival is Port.SOUTH else 1),
            Port.EAST: in_row & (right < columns) & int(arrival is not Port.EAST),
            Port.WEST: in_row & (right > 0) & int(arrival is not Port.WEST),
        }
        return Cat(wanted[port] for port in Port)
