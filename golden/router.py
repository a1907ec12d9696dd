# SPDX-License-Identifier: Apache-2.0
"""The rule by which a node's router sends packets on."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, RECTANGLE_SIDE_BITS, Port
from golden.packet import Packet
from golden.routes import RouteTable

_SIDE_MASK = (1 << RECTANGLE_SIDE_BITS) - 1


class Router:
    """One node's router.

    Parameters
    ----------
    config : NodeConfig
    x, y : int
        Coordinates of the node.
    links : int
        Links present: bit 0 north, 1 east, 2 south, 3 west.
    edges : int
        Those of them that lead out of the array.

    Members
    -------
    routes : RouteTable
    """

    def __init__(self, config: NodeConfig, x: int, y: int, links: int, edges: int):
        self.x, self.y, self.links, self.edges = x, y, links, edges
        self.routes = RouteTable(config.route_bits, x, y)

    def next_ports(self, packet: Packet, arrival: Port) -> tuple[Port | None, ...]:
        """The ports through which a packet is sent on, of a multicast one copy each; None: it is undeliverable here.

        A port without a link is undeliverable, and so are the port of arrival, where only an ``exit``, a table or a rectangle
        beyond the edge could lead, and an ``exit`` to another node. Of several such copies one is counted, and it comes last:
        what is delivered is answered first.

        Parameters
        ----------
        packet : Packet
        arrival : Port
            Where it came in; LOCAL for the node's own.
        """
        if not packet.is_multicast:
            ports: list[Port | None] = [self._port(packet)]
        elif self.routes.enabled:
            return (None,)
        else:
            ports = list(self._branches(packet, arrival)) or [None]
        leads_on = [port for port in ports if port is not None and self._leads_on(port, arrival)]
        return tuple(leads_on) if len(leads_on) == len(ports) else (*leads_on, None)

    def _leads_on(self, port: Port, arrival: Port) -> bool:
        if port is Port.LOCAL:
            return True
        return port is not arrival and bool(self.links >> LINK_PORTS.index(port) & 1)

    def _port(self, packet: Packet) -> Port | None:
        """To other nodes as the routing table says, else by the exit."""
        if (packet.x, packet.y) != (self.x, self.y):
            return self.routes.port(packet.x, packet.y)
        if packet.exit == Port.LOCAL:
            return Port.LOCAL
        leads_out = packet.exit <= Port.WEST and self.edges >> LINK_PORTS.index(Port(packet.exit)) & 1
        return Port(packet.exit) if leads_out else None

    def _branches(self, packet: Packet, arrival: Port) -> list[Port]:
        """The ways of a multicast: along the row in which it was sent, and from there north and south in every column."""
        last_x, last_y = packet.x + (packet.upper & _SIDE_MASK), packet.y + (packet.upper >> RECTANGLE_SIDE_BITS)
        columns, rows = range(packet.x, last_x + 1), range(packet.y, last_y + 1)
        vertical = arrival in (Port.NORTH, Port.SOUTH)
        # By such a link packets come out of this column, or in its own row from a host.
        in_column = vertical and packet.src_y != self.y
        heading = arrival.opposite if arrival is not Port.LOCAL and (in_column or not vertical) else None
        ways = []
        if not in_column:
            if self.x < last_x and heading is not Port.WEST:
                ways.append(Port.EAST)
            if self.x > packet.x and heading is not Port.EAST:
                ways.append(Port.WEST)
        if self.x in columns:
            if self.y > packet.y and (not in_column or heading is Port.NORTH):
                ways.append(Port.NORTH)
            if self.y < last_y and (not in_column or heading is Port.SOUTH):
                ways.append(Port.SOUTH)
            if self.y in rows:
                ways.append(Port.LOCAL)
        return ways
