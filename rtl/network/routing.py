# SPDX-License-Identifier: Apache-2.0
"""The way of a flit out of a node."""

from amaranth import Cat, Const, Mux, Signal

from golden.layout import LINK_PORTS, Port

__all__ = ["ALL_LINKS", "UNDELIVERABLE", "present_links", "way_out"]

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


def way_out(m, name, flit, valid, x, y, links, arrival):
    """The way out of node (x, y) for a flit, one-hot over the values of Port and ``UNDELIVERABLE``; 0 if it is not ``valid``.

    A flit never turns back to its ``arrival``: only an exit that names a link between nodes would make it, and it would go to
    and fro for ever.
    """
    port = Signal(3, name=f"{name}_port")
    way = Signal(UNDELIVERABLE + 1, name=f"{name}_way")
    with m.If(flit.x != x):
        m.d.comb += port.eq(Mux(flit.x < x, Port.WEST, Port.EAST))
    with m.Elif(flit.y != y):
        m.d.comb += port.eq(Mux(flit.y < y, Port.NORTH, Port.SOUTH))
    with m.Else():
        m.d.comb += port.eq(flit.exit)
    # Exits 5 to 7 are like links that are absent.
    linked = Cat(1, links, Const(0, 3)).bit_select(port, 1)
    reachable = linked if arrival is Port.LOCAL else linked & (port != arrival)
    with m.If(valid):
        m.d.comb += way.eq(1 << Mux(reachable, port, UNDELIVERABLE))
    return way
