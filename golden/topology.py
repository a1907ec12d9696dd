# SPDX-License-Identifier: Apache-2.0
"""Which nodes and links an array has: its size, what is dead, where the host is attached, and how it is cut into dies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from golden.edge_memory import EdgeMemory
from golden.layout import COORDINATE_BITS, LINK_PORTS, Port
from golden.topology_error import TopologyError, check_whole, is_whole

#: Coordinates of a node: x (column), y (row).
Site = tuple[int, int]

#: A link as one of its ends has it: x, y and the port there.
Link = tuple[int, int, Port]

#: Most cycles that a link between dies may take.
MAX_LINK_CYCLES = 1024

#: How coordinates change from a node to its neighbour at a port.
STEPS = {Port.NORTH: (0, -1), Port.EAST: (1, 0), Port.SOUTH: (0, 1), Port.WEST: (-1, 0)}

#: In which order ports of a node at the edge are looked at for the host.
_HOST_PORTS = (Port.WEST, Port.NORTH, Port.EAST, Port.SOUTH)


@dataclass(frozen=True)
class Topology:
    """An array of rows x columns sites, some of which may be dead.

    Parameters
    ----------
    rows, columns : int
        Sites lie at y = row, x = column; 1 to 8192 each.
    dead_nodes : set of (x, y)
        Sites without a node. Links there are absent.
    dead_links : set of (x, y, Port)
        Links between two nodes that are absent, named at either end; they are kept as EAST or SOUTH of their western or
        northern end.
    host : (x, y, Port), optional
        The link by which the host is attached: it leads out of the array from a live node. If left out, it is the west link
        of the first live node in column 0, else the first link of the first live node at the edge, row by row, that leads out.
    die_rows, die_columns : int
        Size of a die, whose first one starts at (0, 0); 0 means that dies have no limit in that direction.
    die_link_cycles : int
        Cycles of links between dies, 1 to 1024; links within a die, and those that lead out of the array, take 1.
    memories : tuple of EdgeMemory
        Memories, each at a link of its own that leads out of the array from a live node; none at the host's.

    Raises
    ------
    TopologyError
        If a value is outside of what is stated above, or no node is left.
    """

    rows: int
    columns: int
    dead_nodes: frozenset[Site] = frozenset()
    dead_links: frozenset[Link] = frozenset()
    host: Link | None = None
    die_rows: int = 0
    die_columns: int = 0
    die_link_cycles: int = 1
    memories: tuple[EdgeMemory, ...] = ()

    def __post_init__(self) -> None:
        most = 1 << COORDINATE_BITS
        ranges = (
            ("rows", 1, most),
            ("columns", 1, most),
            ("die_rows", 0, most),
            ("die_columns", 0, most),
            ("die_link_cycles", 1, MAX_LINK_CYCLES),
        )
        for name, low, high in ranges:
            check_whole(name, getattr(self, name), low, high)
        if self.die_link_cycles > 1 and not (self.die_rows or self.die_columns):
            raise TopologyError(
                f"die_link_cycles = {self.die_link_cycles} has no dies to stand between; give die_rows or die_columns"
            )
        dead_nodes = frozenset(self._checked_site("dead_nodes", site) for site in self.dead_nodes)
        object.__setattr__(self, "dead_nodes", dead_nodes)
        if len(dead_nodes) == self.rows * self.columns:
            raise TopologyError(f"all {len(dead_nodes)} nodes are in dead_nodes; at least one has to live")
        object.__setattr__(self, "dead_links", frozenset(self._checked_link(link) for link in self.dead_links))
        object.__setattr__(self, "host", self._first_edge() if self.host is None else self._checked_edge("host", self.host))
        object.__setattr__(self, "memories", tuple(sorted(self.memories, key=lambda memory: _by_row(memory.link))))
        taken = {self.host_link: "the host"}
        for memory in self.memories:
            link = self._checked_edge("memories", memory.link)
            if link in taken:
                raise TopologyError(f"memories: the {_worded(link)} has {taken[link]} already; each needs a link of its own")
            taken[link] = "a memory"

    @classmethod
    def of(cls, rows: int | None, columns: int | None, topology: Topology | None) -> Topology:
        """The array that a caller gives either by its size, for a whole one, or by its topology.

        Raises
        ------
        TypeError
            If it is neither or both.
        TopologyError
            If there is no array of that size.
        """
        if topology is not None:
            if rows is not None or columns is not None:
                raise TypeError("an array is given by rows and columns, or by topology, not by both")
            return topology
        if rows is None or columns is None:
            raise TypeError("an array needs rows and columns, or topology")
        return cls(rows, columns)

    # -- what there is ------------------------------------------------------------------------------------------------

    @property
    def host_link(self) -> Link:
        """The link by which the host is attached, which is known once the array is made."""
        assert self.host is not None
        return self.host

    @property
    def nodes(self) -> int:
        """Live nodes."""
        return self.rows * self.columns - len(self.dead_nodes)

    @property
    def is_whole(self) -> bool:
        """Whether no node and no link is dead."""
        return not (self.dead_nodes or self.dead_links)

    def sites(self) -> Iterator[Site]:
        """Live nodes, row by row."""
        return ((x, y) for y in range(self.rows) for x in range(self.columns) if (x, y) not in self.dead_nodes)

    def contains(self, x: int, y: int) -> bool:
        """Whether these coordinates lie in the array, dead or alive."""
        return 0 <= x < self.columns and 0 <= y < self.rows

    def is_live(self, x: int, y: int) -> bool:
        """Whether there is a node."""
        return self.contains(x, y) and (x, y) not in self.dead_nodes

    def memory(self, x: int, y: int, port: Port) -> EdgeMemory:
        """The memory at a link; ValueError if there is none, listing those that exist."""
        for memory in self.memories:
            if memory.link == (x, y, port):
                return memory
        there = "; ".join(_worded(memory.link) for memory in self.memories)
        raise ValueError(f"there is no memory at the {_worded((x, y, port))}; memories are at: {there or 'none'}")

    def neighbour(self, x: int, y: int, port: Port) -> Site | None:
        """The node at the other end of a link of node (x, y); None if there is none, as where host and memories are."""
        step_x, step_y = STEPS[port]
        there = x + step_x, y + step_y
        if not (self.is_live(x, y) and self.is_live(*there)) or normal_link((x, y, port)) in self.dead_links:
            return None
        return there

    def links(self, x: int, y: int) -> int:
        """Links of node (x, y) in the order of LINK_PORTS, to host and memories as well: bit 0 north, 1 east, 2 south, 3 west."""
        inner = sum((self.neighbour(x, y, port) is not None) << bit for bit, port in enumerate(LINK_PORTS))
        return inner | self.edges(x, y)

    def edges(self, x: int, y: int) -> int:
        """Those links of node (x, y) that lead out of the array, to host and memories; bits as in ``links``."""
        return sum(self._leads_out((x, y, port)) << bit for bit, port in enumerate(LINK_PORTS))

    def link_cycles(self, x: int, y: int, port: Port) -> int:
        """Cycles that a link takes; ValueError if node (x, y) has none at that port."""
        there = self.neighbour(x, y, port)
        if there is None:
            if self._leads_out((x, y, port)):
                return 1
            raise ValueError(f"node x={x}, y={y} has no link to the {port.name.lower()}")
        return 1 if self._die(x, y) == self._die(*there) else self.die_link_cycles

    def missing(self, x: int, y: int) -> str:
        """Why there is no node at (x, y), for messages."""
        if self.contains(x, y):
            return f"node x={x}, y={y} is dead in this array of {self.rows} rows and {self.columns} columns"
        return f"there is no node x={x}, y={y} in an array of {self.rows} rows and {self.columns} columns"

    def replace(self, **changes: Any) -> Topology:
        """A copy with some fields changed, checked anew. The host stays where it is, unless it is changed too."""
        return replace(self, **changes)

    # -- as JSON ------------------------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """The array as JSON has it."""
        x, y, port = self.host_link
        return {
            "rows": self.rows,
            "columns": self.columns,
            "dead_nodes": [{"row": y, "column": x} for x, y in sorted(self.dead_nodes, key=_by_row)],
            "dead_links": [_named(link) for link in sorted(self.dead_links, key=_by_row)],
            "host": _named((x, y, port)),
            "die_rows": self.die_rows,
            "die_columns": self.die_columns,
            "die_link_cycles": self.die_link_cycles,
            "memories": [
                _named(memory.link) | {name: getattr(memory, name) for name in _MEMORY_FACTS} for memory in self.memories
            ],
        }

    def to_json(self) -> str:
        """Text of a file that describes the array."""
        return json.dumps(self.as_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: Any) -> Topology:
        """The inverse of ``as_dict``; what has a default may be left out. TopologyError if it is something else."""
        if not isinstance(values, Mapping):
            raise TopologyError("an array is described by a JSON object with rows, columns, dead_nodes, dead_links and so on")
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise TopologyError(f"'{name}' is no part of an array's description; parts are {', '.join(known)}")
        for name in ("rows", "columns"):
            if name not in values:
                raise TopologyError(f"'{name}' is missing in the array's description; it is the number of {name}")
        read: dict[str, Any] = dict(values)
        for name in ("dead_nodes", "dead_links"):
            entries = values.get(name, [])
            if not isinstance(entries, list):
                raise TopologyError(f"{name} = {entries!r} is no list")
            read[name] = frozenset(_unnamed(name, entry, linked=name == "dead_links") for entry in entries)
        entries = values.get("memories", [])
        if not isinstance(entries, list):
            raise TopologyError(f"memories = {entries!r} is no list")
        read["memories"] = tuple(_memory(entry) for entry in entries)
        if values.get("host") is not None:
            read["host"] = _unnamed("host", values["host"], linked=True)
        return cls(**read)

    @classmethod
    def from_json(cls, text: str) -> Topology:
        """The array that a text of ``to_json`` describes; TopologyError if it describes none."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise TopologyError(f"line {error.lineno}, column {error.colno} is no JSON: {error.msg}") from None
        return cls.from_dict(values)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _die(self, x: int, y: int) -> Site:
        return x // self.die_columns if self.die_columns else 0, y // self.die_rows if self.die_rows else 0

    def _checked_site(self, what: str, site: Site) -> Site:
        if not (isinstance(site, tuple) and len(site) == 2 and all(map(is_whole, site))):
            raise TopologyError(f"{what}: {site!r} is no node; it must be (x, y)")
        if not self.contains(*site):
            x, y = site
            raise TopologyError(
                f"{what}: node x={x}, y={y} is not in the array; x goes from 0 to {self.columns - 1}, y from 0 to {self.rows - 1}"
            )
        return site

    def _checked_ends(self, what: str, link: Link) -> tuple[Link, Site]:
        """A link, and where it leads, which may be out of the array."""
        if not (isinstance(link, tuple) and len(link) == 3 and link[2] in LINK_PORTS):
            raise TopologyError(f"{what}: {link!r} is no link; it must be (x, y, port), with port NORTH, EAST, SOUTH or WEST")
        x, y = self._checked_site(what, link[:2])
        port = Port(link[2])
        step_x, step_y = STEPS[port]
        return (x, y, port), (x + step_x, y + step_y)

    def _checked_link(self, link: Link) -> Link:
        (x, y, port), there = self._checked_ends("dead_links", link)
        if not self.contains(*there):
            raise TopologyError(
                f"dead_links: the {port.name.lower()} link of node x={x}, y={y} leads out of the array; only links between "
                "two nodes can be dead"
            )
        return normal_link((x, y, port))

    def _leads_out(self, link: Link) -> bool:
        """Whether the host or a memory is attached there."""
        return link == self.host or any(memory.link == link for memory in self.memories)

    def _checked_edge(self, what: str, link: Link) -> Link:
        """A link at which something is attached."""
        (x, y, port), there = self._checked_ends(what, link)
        if self.contains(*there):
            raise TopologyError(f"{what}: the {_worded(link)} leads to another node; it must lead out of the array")
        if (x, y) in self.dead_nodes:
            raise TopologyError(f"{what}: node x={x}, y={y} is dead; it must be a live node of the edge")
        return x, y, port

    def _first_edge(self) -> Link:
        for y in range(self.rows):
            if (0, y) not in self.dead_nodes:
                return 0, y, Port.WEST
        for x, y in self.sites():
            for port in _HOST_PORTS:
                step_x, step_y = STEPS[port]
                if not self.contains(x + step_x, y + step_y):
                    return x, y, port
        raise TopologyError("no node at the edge of the array is alive, so that there is no link for the host")


def read_topology(path: Path) -> Topology:
    """The array that a JSON file describes.

    Raises
    ------
    TopologyError
        If it describes none; the message names the file.
    OSError
        If it cannot be read.
    """
    try:
        return Topology.from_json(path.read_text(encoding="utf-8"))
    except (TopologyError, UnicodeDecodeError) as error:
        raise TopologyError(f"{path}: {error}") from None


def normal_link(link: Link) -> Link:
    """The same link, named at its western or northern end."""
    x, y, port = link
    if port in (Port.EAST, Port.SOUTH):
        return link
    step_x, step_y = STEPS[port]
    return x + step_x, y + step_y, port.opposite


def _by_row(place: tuple[int, ...]) -> tuple[int, ...]:
    x, y, *port = place
    return y, x, *port


def _named(link: Link) -> dict[str, Any]:
    x, y, port = link
    return {"row": y, "column": x, "port": port.name.lower()}


def _worded(link: Link) -> str:
    x, y, port = link
    return f"{Port(port).name.lower()} link of node x={x}, y={y}"


#: What a memory's description has beside its link.
_MEMORY_FACTS = ("bytes", "latency", "bytes_per_cycle")


def _memory(entry: Any) -> EdgeMemory:
    """A memory out of a JSON object."""
    names = ("row", "column", "port", *_MEMORY_FACTS)
    if not isinstance(entry, Mapping) or set(entry) != set(names):
        raise TopologyError(f"memories: {json.dumps(entry)} is no JSON object with {', '.join(names)}, and nothing else")
    x, y, port = _unnamed("memories", {name: entry[name] for name in names[:3]}, linked=True)
    return EdgeMemory(x, y, port, **{name: entry[name] for name in _MEMORY_FACTS})


def _unnamed(what: str, entry: Any, linked: bool) -> tuple[Any, ...]:
    """Coordinates and, of a link, its port out of a JSON object."""
    wanted = ["row", "column", *(["port"] if linked else [])]
    if not isinstance(entry, Mapping) or set(entry) != set(wanted) or not (is_whole(entry["row"]) and is_whole(entry["column"])):
        form = '{"row": 0, "column": 0' + (', "port": "east"}' if linked else "}")
        raise TopologyError(f"{what}: {json.dumps(entry)} is not of the form {form}")
    if not linked:
        return entry["column"], entry["row"]
    names = {port.name.lower(): port for port in LINK_PORTS}
    if entry["port"] not in list(names):
        raise TopologyError(f"{what}: port {json.dumps(entry['port'])} is not one of {', '.join(names)}")
    return entry["column"], entry["row"], names[entry["port"]]


#: Named arrays. ``d1-die`` has the published count of 354 live nodes of 360; which six are dead is this project's choice: they
#: lie alone, in different rows and columns, one of them at the edge.
TOPOLOGIES: dict[str, Topology] = {
    "d1-die": Topology(20, 18, dead_nodes=frozenset({(4, 2), (13, 4), (8, 9), (1, 13), (17, 15), (10, 18)})),
}


def topology_preset(name: str) -> Topology:
    """The array of that name; TopologyError if there is none, listing those that exist."""
    try:
        return TOPOLOGIES[name]
    except KeyError:
        raise TopologyError(f"there is no array '{name}'; named arrays are {', '.join(TOPOLOGIES)}") from None
