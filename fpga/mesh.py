# SPDX-License-Identifier: Apache-2.0
"""Nodes of a board, wired as a mesh."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, Port
from rtl.interfaces import LinkSignature
from rtl.node import node_name

__all__ = ["Mesh", "mesh_variants"]

#: Direction of a link -> the neighbour's row and column, relative.
_STEP = {Port.NORTH: (-1, 0), Port.EAST: (0, 1), Port.SOUTH: (1, 0), Port.WEST: (0, -1)}

#: The host stands here: the link of node (0, 0) that it is at.
_HOST = (0, 0, Port.WEST)


def _neighbour(rows: int, columns: int, row: int, column: int, port: Port) -> tuple[int, int] | None:
    there = row + _STEP[port][0], column + _STEP[port][1]
    return there if 0 <= there[0] < rows and 0 <= there[1] < columns else None


def _edges(row: int, column: int) -> int:
    """The links of a node that lead out of the array: a bit for each of north, east, south, west."""
    return sum(((row, column, port) == _HOST) << bit for bit, port in enumerate(LINK_PORTS))


def _present(rows: int, columns: int, row: int, column: int) -> int:
    """The links that a node has, likewise."""
    inner = sum((_neighbour(rows, columns, row, column, port) is not None) << bit for bit, port in enumerate(LINK_PORTS))
    return inner | _edges(row, column)


def mesh_variants(rows: int, columns: int) -> list[int]:
    """Links of the variants of nodes that a :class:`Mesh` of this size instantiates, each once."""
    return sorted({_present(rows, columns, row, column) for row in range(rows) for column in range(columns)})


class Mesh(wiring.Component):
    """Rows and columns of nodes, the host at the west link of node (0, 0), and the count of cycles that they share.

    Nodes are instances of the Verilog modules that ``rtl.export`` makes, each of the variant with the links that it has.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int
        At least 1 each. Node (row, column) has y = row, x = column.

    Members
    -------
    link_out : Out(LinkSignature), link_in : In(LinkSignature), to and from the host
    reset : In(1), synchronous; takes effect in the next cycle
    idle, running, waiting, trapped, exited : Out(rows x columns), any thread of each node, row by row

    Raises
    ------
    ValueError
        If there is no node.
    """

    def __init__(self, config: NodeConfig, rows: int, columns: int):
        if rows < 1 or columns < 1:
            raise ValueError(f"an array of {rows}x{columns} has no node; it needs at least one row and one column")
        self.config = config
        self.rows = rows
        self.columns = columns
        states = dict.fromkeys(("idle", "running", "waiting", "trapped", "exited"), Out(rows * columns))
        super().__init__(
            {
                "link_out": Out(LinkSignature(config)),
                "link_in": In(LinkSignature(config)),
                "reset": In(1),
                **states,
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        reset, cycle = Signal(init=1), Signal(64)
        m.d.sync += [reset.eq(self.reset), cycle.eq(Mux(reset, 0, cycle + 1))]

        sites = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        links = {(*site, port): _Link(self.config, *site, port) for site in sites for port in LINK_PORTS}
        for index, (row, column) in enumerate(sites):
            running, waiting, trapped = (Signal(4, name=f"{state}_{row}_{column}") for state in ("running", "waiting", "trapped"))
            m.d.comb += [
                self.running[index].eq(running.any()),
                self.waiting[index].eq(waiting.any()),
                self.trapped[index].eq(trapped.any()),
            ]
            pins: dict[str, Any] = {
                "i_clk": ClockSignal(),
                "i_rst": reset,
                "i_x": column,
                "i_y": row,
                "i_links": _present(self.rows, self.columns, row, column),
                "i_edges": _edges(row, column),
                "i_cycle": cycle,
                "o_idle": self.idle[index],
                "o_running": running,
                "o_waiting": waiting,
                "o_trapped": trapped,
                "o_exited": self.exited[index],
            }
            for port in LINK_PORTS:
                pins |= self._link_pins(links, row, column, port)
            m.submodules[f"node_{row}_{column}"] = Instance(node_name(_present(self.rows, self.columns, row, column)), **pins)

        first = links[_HOST]
        m.d.comb += [
            self.link_out.valid.eq(first.valid),
            self.link_out.flit.eq(first.flit),
            self.link_in.credit.eq(first.credit),
        ]
        return m

    def _link_pins(self, links: dict[tuple[int, int, Port], _Link], row: int, column: int, port: Port) -> dict[str, Any]:
        """What a node has at one of its links; nothing comes in where there is none."""
        name = port.name.lower()
        there = _neighbour(self.rows, self.columns, row, column, port)
        valid: Any = 0
        flit: Any = 0
        credit: Any = 0
        if (row, column, port) == _HOST:
            valid, flit, credit = self.link_in.valid, self.link_in.flit, self.link_out.credit
        elif there is not None:
            other = links[*there, port.opposite]
            valid, flit, credit = other.valid, other.flit, other.credit
        own = links[row, column, port]
        return {
            f"o_{name}_out_valid": own.valid,
            f"o_{name}_out_flit": own.flit,
            f"o_{name}_in_credit": own.credit,
            f"i_{name}_in_valid": valid,
            f"i_{name}_in_flit": flit,
            f"i_{name}_out_credit": credit,
        }


class _Link:
    """What a node drives at one of its links: flits that leave, and credits for those that arrived."""

    def __init__(self, config: NodeConfig, row: int, column: int, port: Port):
        name = f"{port.name.lower()}_of_{row}_{column}"
        self.valid = Signal(2, name=f"{name}_valid")
        self.flit = Signal(LinkSignature(config).members["flit"].shape, name=f"{name}_flit")
        self.credit = Signal(2, name=f"{name}_credit")
