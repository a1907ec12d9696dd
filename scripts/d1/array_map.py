# SPDX-License-Identifier: Apache-2.0
"""An array drawn in text: nodes, links, what is dead, dies, and where host and memories are."""

from __future__ import annotations

from golden.layout import Port
from golden.topology import STEPS, Topology

#: What the signs of a map mean.
LEGEND = "o node, x dead node, -- | link, == # link between dies that takes more than a cycle, no line: no link, H host, M memory"

_ACROSS, _DOWN = 3, 2


def draw(topology: Topology) -> list[str]:
    """Lines of a map: row 0 on top, column 0 on the left."""
    width, height = _ACROSS * (topology.columns - 1) + 1, _DOWN * (topology.rows - 1) + 1
    # A margin for host and memories.
    canvas = [[" "] * (width + 4) for _ in range(height + 2)]

    def put(column: int, row: int, text: str) -> None:
        canvas[row + 1][column + 2 : column + 2 + len(text)] = text

    for y in range(topology.rows):
        for x in range(topology.columns):
            left, top = _ACROSS * x, _DOWN * y
            put(left, top, "o" if topology.is_live(x, y) else "x")
            for port, thin, thick in ((Port.EAST, "--", "=="), (Port.SOUTH, "|", "#")):
                if topology.neighbour(x, y, port) is not None:
                    sign = thin if topology.link_cycles(x, y, port) == 1 else thick
                    step_x, step_y = STEPS[port]
                    put(left + step_x, top + step_y, sign)
    attached = [(topology.host_link, "H"), *((memory.link, "M") for memory in topology.memories)]
    for (x, y, port), sign in attached:
        left, top = _ACROSS * x, _DOWN * y
        place, text = {
            Port.NORTH: ((left, top - 1), sign),
            Port.EAST: ((left + 1, top), f"-{sign}"),
            Port.SOUTH: ((left, top + 1), sign),
            Port.WEST: ((left - 2, top), f"{sign}-"),
        }[port]
        put(*place, text)
    lines = ["".join(row).rstrip() for row in canvas]
    return [line for n, line in enumerate(lines) if line or 0 < n < len(lines) - 1]
