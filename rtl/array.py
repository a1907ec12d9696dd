# SPDX-License-Identifier: Apache-2.0
"""An array of nodes, elaborated flat."""

from collections.abc import Callable

from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, phit_bits
from rtl.network.bridge import Bridge

__all__ = ["FlatArray"]


class FlatArray(wiring.Component):
    """A mesh of nodes in one design, for comparison with the engine, which runs many instances of one compiled node.

    Node (row, column) has coordinates y = row, x = column. Links that take more than a cycle have a
    :class:`rtl.network.bridge.Bridge` in each direction. Memories at the edge are left out: nothing answers on their links.

    Parameters
    ----------
    config : NodeConfig
    topology : Topology
        Which nodes and links there are, how many cycles each link takes, and where the host is; see ``golden/topology.py``.
    node_factory : callable
        Makes a node: a component whose members are the boundary of ``docs/architecture.md`` by their flat names
        (``north_out_valid``, ...). Called once per live site.

    Raises
    ------
    ValueError
        If the array has memories, which are no hardware of ours.

    Members
    -------
    host_in_valid : In(2), host_in_flit : In(phit), host_in_credit : Out(2)
        From the host to the array, named as the node there sees it; ``host_in_credit`` returns credits to the host.
    host_out_valid : Out(2), host_out_flit : Out(phit), host_out_credit : In(2)
        From the array to the host.
    cycle : In(64)
        Handed to every node that has a ``cycle``.
    n<row>_<column>_<member>
        Every other member of every node; of links, what the node drives.
    """

    def __init__(self, config: NodeConfig, topology, node_factory: Callable[[], wiring.Component]):
        if topology.memories:
            raise ValueError("an array with memories cannot be elaborated flat; leave 'memories' out of its description")
        self.config = config
        self.topology = topology
        self.nodes = {site: node_factory() for site in topology.sites()}
        flit = phit_bits(config)
        members = {
            "host_in_valid": In(2),
            "host_in_flit": In(flit),
            "host_in_credit": Out(2),
            "host_out_valid": Out(2),
            "host_out_flit": Out(flit),
            "host_out_credit": In(2),
            "cycle": In(64),
        }
        links = {f"{port.name.lower()}_{way}" for port in LINK_PORTS for way in ("in_valid", "in_flit", "out_credit")}
        self._inner = links | {"x", "y", "links", "edges", "cycle"}
        for (x, y), node in self.nodes.items():
            for name, member in node.signature.members.items():
                if name not in self._inner:
                    members[f"n{y}_{x}_{name}"] = member
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        for (x, y), node in self.nodes.items():
            m.submodules[f"n{y}_{x}"] = node
            m.d.comb += [node.x.eq(x), node.y.eq(y)]
            m.d.comb += [node.links.eq(self.topology.links(x, y)), node.edges.eq(self.topology.edges(x, y))]
            if "cycle" in node.signature.members:
                m.d.comb += node.cycle.eq(self.cycle)
            for name, member in node.signature.members.items():
                if name in self._inner:
                    continue
                inside, outside = getattr(node, name), getattr(self, f"n{y}_{x}_{name}")
                if member.is_signature:
                    wiring.connect(m, wiring.flipped(outside), inside)
                elif member.flow == In:
                    self._join(m, inside, outside)
                else:
                    self._join(m, outside, inside)
            for port in LINK_PORTS:
                there = self.topology.neighbour(x, y, port)
                if there is not None:
                    self._link(m, (x, y, port), self.nodes[there])
        x, y, port = self.topology.host_link
        first, name = self.nodes[x, y], port.name.lower()
        for way, drives, wants in (("in", ("credit",), ("valid", "flit")), ("out", ("valid", "flit"), ("credit",))):
            for wire in drives:
                self._join(m, getattr(self, f"host_{way}_{wire}"), getattr(first, f"{name}_{way}_{wire}"))
            for wire in wants:
                self._join(m, getattr(first, f"{name}_{way}_{wire}"), getattr(self, f"host_{way}_{wire}"))
        return m

    def _link(self, m, link, receiver):
        """The direction of a link that leads away from the node that it is named at."""
        x, y, port = link
        out, into = f"{port.name.lower()}_out", f"{port.opposite.name.lower()}_in"
        cycles = self.topology.link_cycles(x, y, port)
        sender = self.nodes[x, y]
        if cycles == 1:
            for wire in ("valid", "flit"):
                self._join(m, getattr(receiver, f"{into}_{wire}"), getattr(sender, f"{out}_{wire}"))
            self._join(m, getattr(sender, f"{out}_credit"), getattr(receiver, f"{into}_credit"))
            return
        m.submodules[f"n{y}_{x}_{port.name.lower()}"] = bridge = Bridge(self.config, cycles)
        for wire in ("valid", "flit"):
            self._join(m, getattr(bridge.i, wire), getattr(sender, f"{out}_{wire}"))
            self._join(m, getattr(receiver, f"{into}_{wire}"), getattr(bridge.o, wire))
        self._join(m, getattr(sender, f"{out}_credit"), bridge.i.credit)
        self._join(m, bridge.o.credit, getattr(receiver, f"{into}_credit"))

    @staticmethod
    def _join(m, target, source):
        m.d.comb += Value.cast(target).eq(Value.cast(source))
