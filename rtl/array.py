# SPDX-License-Identifier: Apache-2.0
"""An array of nodes, elaborated flat."""

from collections.abc import Callable

from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, Port, phit_bits

__all__ = ["FlatArray"]

_STEP = {Port.NORTH: (-1, 0), Port.EAST: (0, 1), Port.SOUTH: (1, 0), Port.WEST: (0, -1)}


class FlatArray(wiring.Component):
    """A mesh of nodes in one design, for comparison with the engine, which runs many instances of one compiled node.

    Node (row, column) has coordinates y = row, x = column. The west link of node (0, 0) goes to the host; links at all other
    edges are absent.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int
        At least 1 each.
    node_factory : callable
        Makes a node: a component whose members are the boundary of ``docs/architecture.md`` by their flat names
        (``north_out_valid``, ...). Called once per site.

    Members
    -------
    host_in_valid : In(2), host_in_flit : In(phit), host_in_credit : Out(2)
        From the host to the array, named as node (0, 0) sees it; ``host_in_credit`` returns credits to the host.
    host_out_valid : Out(2), host_out_flit : Out(phit), host_out_credit : In(2)
        From the array to the host.
    cycle : In(64)
        Handed to every node that has a ``cycle``.
    n<row>_<column>_<member>
        Every other member of every node; of links, what the node drives.

    Raises
    ------
    ValueError
        If there is no node.
    """

    def __init__(self, config: NodeConfig, rows: int, columns: int, node_factory: Callable[[], wiring.Component]):
        if rows < 1 or columns < 1:
            raise ValueError(f"an array of {rows} x {columns} nodes has no node")
        self.config = config
        self.rows = rows
        self.columns = columns
        self.nodes = {(row, column): node_factory() for row in range(rows) for column in range(columns)}
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
        self._inner = links | {"x", "y", "links", "cycle"}
        for (row, column), node in self.nodes.items():
            for name, member in node.signature.members.items():
                if name not in self._inner:
                    members[f"n{row}_{column}_{name}"] = member
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        for (row, column), node in self.nodes.items():
            m.submodules[f"n{row}_{column}"] = node
            m.d.comb += [node.x.eq(column), node.y.eq(row)]
            if "cycle" in node.signature.members:
                m.d.comb += node.cycle.eq(self.cycle)
            for name, member in node.signature.members.items():
                if name in self._inner:
                    continue
                inside, outside = getattr(node, name), getattr(self, f"n{row}_{column}_{name}")
                if member.is_signature:
                    inner, outer = wiring.flipped(outside), inside
                    wiring.connect(m, inner, outer)
                elif member.flow == In:
                    m.d.comb += Value.cast(inside).eq(Value.cast(outside))
                else:
                    m.d.comb += Value.cast(outside).eq(Value.cast(inside))
            present = 0
            for bit, port in enumerate(LINK_PORTS):
                neighbour = self.nodes.get((row + _STEP[port][0], column + _STEP[port][1]))
                name = port.name.lower()
                if neighbour is not None:
                    there, prefix = neighbour, port.opposite.name.lower()
                    received = (f"{prefix}_out_valid", f"{prefix}_out_flit", f"{prefix}_in_credit")
                elif (row, column, port) == (0, 0, Port.WEST):
                    there, received = self, ("host_in_valid", "host_in_flit", "host_out_credit")
                else:
                    continue
                present |= 1 << bit
                for target, source in zip(("in_valid", "in_flit", "out_credit"), received, strict=True):
                    m.d.comb += Value.cast(getattr(node, f"{name}_{target}")).eq(Value.cast(getattr(there, source)))
            m.d.comb += node.links.eq(present)
        first = self.nodes[0, 0]
        m.d.comb += [
            self.host_in_credit.eq(first.west_in_credit),
            self.host_out_valid.eq(first.west_out_valid),
            self.host_out_flit.eq(Value.cast(first.west_out_flit)),
        ]
        return m
