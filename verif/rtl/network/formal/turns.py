# SPDX-License-Identifier: Apache-2.0
"""The router's rule with coordinates as wide as they are: which turns flits take in dimension order, wherever a node lies."""

from __future__ import annotations

from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import COORDINATE_BITS, LINK_PORTS, Kind, Port
from rtl.interfaces import FlitLayout
from rtl.network.route_table import RoutePort
from rtl.network.routing import WAYS, Ways
from verif.rtl.network.formal.small import Small

__all__ = ["Turns"]


class Turns(wiring.Component):
    """A flit goes on in its row, or from there into a column, or on in its column, or out of the array, and never back.

    So a flit on an eastward link waits for eastward links further east, for northward and southward ones, or for what takes
    flits out of the array, and so on: in no array a circle of links can wait for each other, whatever flits are addressed to.

    Proved by induction over the hops of a flit, for any node: given what is said below of flits that come by a link from another
    node, the same is true of those that leave by one, at its other end. It is true of flits that enter: nodes, hosts and memories
    give their own row in multicasts, which is taken for granted.

    - What comes by a link to the north or south is in the column of its destination; a multicast has left its sender's row.
    - What comes by a link to the east or west, if it is a multicast, is in its sender's row.

    Parameters
    ----------
    edges : bool
        Whether the router is told which links lead out of the array. One that takes all of them for such is what it had been
        before it was: by an exit, flits went on to other nodes.

    Members
    -------
    x, y : In(13), links, edges : In(4), flit : In(FlitLayout), is_request : In(1); all free
    arrives : In(5), by which ways it arrives, of the values of Port; free
    turned : Out(1), a flit leaves a row for a column
    """

    def __init__(self, *, edges: bool = True):
        self._told = edges
        self._flit = FlitLayout(Small())  # type: ignore[arg-type]
        members: dict[str, Any] = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS), "links": In(4), "edges": In(4)}
        members |= {"flit": In(self._flit), "is_request": In(1), "arrives": In(len(Port)), "routes": In(RoutePort())}
        super().__init__(members | {"turned": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        told = self.edges if self._told else Const(-1, len(LINK_PORTS))
        rule = Ways(m, Small(), self.x, self.y, self.links, told, self.routes, len(Port))
        turned = Signal()
        multicast = self.is_request & (self.flit.kind == Kind.WRITE) & (self.flit.exit == Port.LOCAL) & self.flit.upper.any()
        in_row = ~multicast | (self.flit.src_y == self.y)
        southward, northward = (
            Mux(multicast, left, self.flit.x == self.x) for left in (self.flit.src_y < self.y, self.flit.src_y > self.y)
        )
        for arrival in Port:
            name = arrival.name.lower()
            way = Signal(WAYS, name=f"by_{name}")
            m.d.comb += way.eq(rule.find(name, self.flit, self.arrives[arrival], arrival, self.is_request))
            enters = Const(1, 1) if arrival is Port.LOCAL else self.edges[LINK_PORTS.index(arrival)]
            # What is known of the flit, if it came this way, and where it may go then.
            known, ways = in_row, tuple(LINK_PORTS)
            if arrival in (Port.NORTH, Port.SOUTH):
                known, ways = (southward if arrival is Port.NORTH else northward), (arrival.opposite,)
            elif arrival is not Port.LOCAL:
                ways = (Port.NORTH, Port.SOUTH, arrival.opposite)
            m.d.comb += Assume(~self.arrives[arrival] | Mux(enters, in_row, known))
            for bit, port in enumerate(LINK_PORTS):
                # Rows count from the north: at the other end of a link to the north the own row is one less.
                column = Mux(multicast, self.flit.src_y >= self.y if port is Port.NORTH else self.flit.src_y <= self.y,
                             self.flit.x == self.x)  # fmt: skip
                there = column if port in (Port.NORTH, Port.SOUTH) else in_row
                goes_on = way[port] & ~self.edges[bit]
                m.d.comb += [Assert(~goes_on | there), Assert(~goes_on | enters | int(port in ways))]
                if arrival is Port.EAST and port is Port.NORTH:
                    m.d.comb += turned.eq(goes_on & ~enters)
        # A register, so that there is something that has a clock.
        m.d.sync += self.turned.eq(turned)
        return m
