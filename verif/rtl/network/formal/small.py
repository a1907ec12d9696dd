# SPDX-License-Identifier: Apache-2.0
"""Routers as small as proofs want them: flits of one byte, channels shallower than those of nodes, a node and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from golden.layout import LINK_PORTS, RECTANGLE_SIDE_BITS, Kind, Port
from rtl.interfaces import FlitLayout

__all__ = ["CENTRE", "Small", "SmallFlit", "expand", "ways_of"]

#: Coordinates of the router, so that there is a node on each side of it.
CENTRE = 1


@dataclass(frozen=True)
class Small:
    """What a router asks of a configuration. Nodes have longer lines and deeper channels; the router treats all alike."""

    channel_depth: int = 2
    line_bytes: int = 1
    route_bits: int = 0
    link_passes: int = 1


class SmallFlit(data.StructLayout):
    """What differs among flits: the rest of their fields is 0.

    ``second`` chooses the second kind of its class; ``columns`` and ``rows`` are the extent of a multicast, less one;
    ``elsewhere`` tells that its sender is in another row; ``mark`` tells it from others.
    """

    def __init__(self) -> None:
        super().__init__({"second": 1, "x": 2, "y": 2, "exit": 3, "columns": 2, "rows": 2, "elsewhere": 1, "byte": 1, "mark": 2})


def expand(m: Module, name: str, small: Any, traffic_class: Any) -> Any:
    """The flit of a class, which is 0 for requests, as a router takes it."""
    flit = Signal(FlitLayout(Small()), name=name)  # type: ignore[arg-type]
    first = Mux(traffic_class, Kind.READ_DATA, Kind.WRITE)
    m.d.comb += [
        flit.kind.eq(Mux(small.second, Mux(traffic_class, Kind.ERROR, Kind.READ), first)),
        flit.x.eq(small.x),
        flit.y.eq(small.y),
        flit.exit.eq(small.exit),
        flit.upper.eq(Cat(small.columns, Const(0, RECTANGLE_SIDE_BITS - 2), small.rows)),
        flit.src_y.eq(Cat(~small.elsewhere, Const(0, 1))),
        flit.data.eq(small.byte.replicate(8)),
        flit.tag.eq(small.mark),
    ]
    return flit


def ways_of(m: Module, small: Any, is_request: Value, arrival: Value, links: Value, edges: Value) -> Signal:
    """Where a flit has to leave, said anew: a bit each of the values of Port, and the sixth as undeliverable.

    Rows and columns are looked at one by one, as there are three of each. ``arrival`` is a value of Port.
    """
    lies = {Port.NORTH: small.y < CENTRE, Port.SOUTH: small.y > CENTRE, Port.WEST: small.x < CENTRE, Port.EAST: small.x > CENTRE}
    one, copies = Signal(len(Port), name="one"), Signal(len(Port), name="copies")
    home = ~Cat(lies.values()).any()
    m.d.comb += one.eq(
        Mux(
            home,
            Mux(small.exit <= Port.WEST, 1 << small.exit, 0),
            Cat(
                0,
                *(
                    lies[port] & (~(lies[Port.WEST] | lies[Port.EAST]) if port in (Port.NORTH, Port.SOUTH) else 1)
                    for port in LINK_PORTS
                ),
            ),
        )
    )
    # The rectangle's part in the own column and beside it; coordinates go on beyond the three.
    last_x, last_y = small.x + small.columns, small.y + small.rows
    column, row = ~lies[Port.EAST] & (last_x >= CENTRE), ~lies[Port.SOUTH] & (last_y >= CENTRE)
    vertical = (arrival == Port.NORTH) | (arrival == Port.SOUTH)
    along_row = ~vertical | ~small.elsewhere
    m.d.comb += copies.eq(
        Cat(
            column & row,
            column & lies[Port.NORTH] & ((arrival != Port.NORTH) | along_row),
            along_row & (last_x > CENTRE) & (arrival != Port.EAST),
            column & (last_y > CENTRE) & ((arrival != Port.SOUTH) | along_row),
            along_row & lies[Port.WEST] & (arrival != Port.WEST),
        )
    )
    multicast = is_request & ~small.second & (small.exit == Port.LOCAL) & Cat(small.columns, small.rows).any()
    reachable = Cat(1, *(links[bit] & (arrival != port) for bit, port in enumerate(LINK_PORTS)))
    wanted, allowed = Signal(len(Port), name="wanted"), Signal(len(Port), name="allowed")
    ways = Signal(len(Port) + 1, name="expected")
    m.d.comb += [
        wanted.eq(Mux(multicast, copies, one)),
        allowed.eq(Mux(multicast | ~home, reachable, reachable & Cat(1, edges))),
        ways.eq(Cat(wanted & allowed, (wanted & ~allowed).any() | ~wanted.any())),
    ]
    return ways
