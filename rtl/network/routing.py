# SPDX-License-Identifier: Apache-2.0
"""The way of a flit out of a node."""

from amaranth import Cat, Const, Mux, Signal
from amaranth.lib import wiring

from golden.layout import LINK_PORTS, ROUTE_ENTRY_BITS, Port, RouteEntry
from rtl.network.route_table import RouteTable

__all__ = ["ALL_LINKS", "UNDELIVERABLE", "Ways", "present_links"]

#: Every link present, as in ``links``: a bit each.
ALL_LINKS = (1 << len(LINK_PORTS)) - 1

#: A flit's way out, beside the values of Port: to the network interface, as undeliverable.
UNDELIVERABLE = 5


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
    x, y, links : Value
        Own coordinates, links that there are.
    routes : RoutePort, seen from the router
    flits : int
        Flits whose ways are wanted at once.
    """

    def __init__(self, m, config, x, y, links, routes, flits):
        self._m = m
        self._x, self._y, self._links = x, y, links
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

    def find(self, name, flit, valid, arrival):
        """The way out for a flit, one-hot over the values of Port and ``UNDELIVERABLE``; 0 if it is not ``valid``.

        A flit never turns back to its ``arrival``: an exit or a table that names a link between nodes would make it, and it could
        go to and fro for ever.
        """
        m, x, y = self._m, self._x, self._y
        port = Signal(3, name=f"{name}_port")
        way = Signal(UNDELIVERABLE + 1, name=f"{name}_way")
        entry = self._entry(flit, valid)
        with m.If((flit.x == x) & (flit.y == y)):
            m.d.comb += port.eq(flit.exit)
        with m.Elif(entry != RouteEntry.DIMENSION_ORDER):
            m.d.comb += port.eq(entry)
        with m.Elif(flit.x != x):
            m.d.comb += port.eq(Mux(flit.x < x, Port.WEST, Port.EAST))
        with m.Else():
            m.d.comb += port.eq(Mux(flit.y < y, Port.NORTH, Port.SOUTH))
        # Exits and entries 5 to 7 are like links that are absent.
        linked = Cat(1, self._links, Const(0, 3)).bit_select(port, 1)
        reachable = linked if arrival is Port.LOCAL else linked & (port != arrival)
        with m.If(valid):
            m.d.comb += way.eq(1 << Mux(reachable, port, UNDELIVERABLE))
        return way
