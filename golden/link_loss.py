# SPDX-License-Identifier: Apache-2.0
"""Links that die while an array runs: what was lost with them, who waits for it, and plans of when they die."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from golden.layout import (
    LIST_TAG_PLACE,
    LIST_TAG_READ,
    TAG_NUMBER_BITS,
    Kind,
    NetworkError,
    Port,
    TagOwner,
    TrafficClass,
)
from golden.packet import Packet
from golden.semantics_network import TAG_READ, TAG_THREAD_SHIFT
from golden.topology import Link, Topology, TopologyError

_REGISTER_MASK = (1 << TAG_THREAD_SHIFT) - 1


@dataclass(frozen=True)
class Waiting:
    """Somebody who waits for an answer that cannot come.

    Attributes
    ----------
    row, column : int
        The node; of the host, the one that it is attached to.
    thread, register : int or None
        Of a thread: its number, and the vector register that it reads into.
    place : int or None
        Of a list transfer: its place.
    """

    row: int
    column: int
    thread: int | None = None
    register: int | None = None
    place: int | None = None

    def __str__(self) -> str:
        node = f"row {self.row}, column {self.column}"
        if self.thread is not None:
            return f"thread {self.thread} of node {node} waits for vector register {self.register}"
        if self.place is not None:
            return f"the list in place {self.place} of node {node} waits for an answer"
        return f"what is attached to node {node} waits for an answer"


@dataclass(frozen=True)
class LostFlit:
    """A packet that was on a link when it died.

    Attributes
    ----------
    traffic_class : TrafficClass
    packet : Packet
    """

    traffic_class: TrafficClass
    packet: Packet

    @property
    def waiting(self) -> Waiting | None:
        """Who waits for it, or for its answer; None if nobody does, as of a WRITE."""
        packet = self.packet
        if packet.kind is Kind.WRITE:
            return None
        ends = (packet.src_x, packet.src_y, packet.src_exit) if packet.kind is Kind.READ else (packet.x, packet.y, packet.exit)
        x, y, port = ends
        if port != Port.LOCAL:
            return Waiting(y, x)
        if packet.tag >> TAG_NUMBER_BITS == TagOwner.LIST:
            return Waiting(y, x, place=packet.tag >> LIST_TAG_PLACE & 7) if packet.tag & LIST_TAG_READ else None
        if packet.tag & TAG_READ:
            return Waiting(y, x, packet.tag >> TAG_THREAD_SHIFT & 3, packet.tag & _REGISTER_MASK)
        return None

    def as_dict(self) -> dict[str, Any]:
        """The packet as JSON has it, without its data."""
        packet = self.packet
        facts: dict[str, Any] = {
            "kind": packet.kind.name,
            "class": self.traffic_class.name,
            "source": _end(packet.src_x, packet.src_y, packet.src_exit),
            "destination": _end(packet.x, packet.y, packet.exit),
            "offset": packet.offset,
            "tag": packet.tag,
        }
        if packet.post:
            facts["semaphore"] = packet.sem
        if packet.kind is Kind.ERROR:
            facts["reason"] = NetworkError(packet.sem).name
        return facts

    def __str__(self) -> str:
        packet = self.packet
        text = (
            f"{packet.kind.name} from {_worded(packet.src_x, packet.src_y, packet.src_exit)} to"
            f" {_worded(packet.x, packet.y, packet.exit)}, offset {packet.offset:#x}, tag {packet.tag:#x}"
        )
        return f"{text}, which posts semaphore {packet.sem}" if packet.post else text


@dataclass(frozen=True)
class LinkLoss:
    """A link that died.

    Attributes
    ----------
    x, y, port : int, int, Port
        Its western or northern end.
    cycle : int
        The first in which it carries nothing.
    lost : tuple of LostFlit
        What was on it; where flits take several cycles, it is complete that many cycles and three more later.
    """

    x: int
    y: int
    port: Port
    cycle: int
    lost: tuple[LostFlit, ...] = ()

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Who waits for what was lost."""
        return tuple(each.waiting for each in self.lost if each.waiting is not None)

    def as_dict(self) -> dict[str, Any]:
        """The loss as JSON has it."""
        return {
            "row": self.y,
            "column": self.x,
            "port": self.port.name.lower(),
            "cycle": self.cycle,
            "lost": [each.as_dict() for each in self.lost],
        }

    def __str__(self) -> str:
        lost = f"{len(self.lost)} packets were lost on it" if self.lost else "nothing was on it"
        return f"the {self.port.name.lower()} link of node row {self.y}, column {self.x} died before cycle {self.cycle}: {lost}"


class KillPlan:
    """Links that are to die, by the cycle of the array before which they do."""

    def __init__(self) -> None:
        self._planned: list[tuple[int, Link]] = []

    def add(self, topology: Topology, now: int, cycle: int, link: Link) -> None:
        """Another one.

        Raises
        ------
        TopologyError
            If there is no such link between two nodes, now or then.
        ValueError
            If the cycle has passed.
        """
        if cycle < now:
            raise ValueError(f"cycle = {cycle} has passed; the array is in cycle {now}")
        then = topology
        for _, earlier in self._planned:
            then = without_link(then, earlier)
        without_link(then, link)
        self._planned = sorted([*self._planned, (cycle, link)], key=lambda planned: planned[0])

    @property
    def next_cycle(self) -> int | None:
        """When the next one dies; None if none is left."""
        return self._planned[0][0] if self._planned else None

    def take(self, now: int) -> list[Link]:
        """Those that die now or should have before."""
        due = [link for cycle, link in self._planned if cycle <= now]
        self._planned = [planned for planned in self._planned if planned[0] > now]
        return due


def without_link(topology: Topology, link: Link) -> Topology:
    """An array with one link less; TopologyError if there is no such link between two nodes."""
    x, y, port = link
    fewer = topology.replace(dead_links=topology.dead_links | {link})
    if topology.neighbour(x, y, port) is None:
        raise TopologyError(f"the {port.name.lower()} link of node x={x}, y={y} is not there; name a link between two live nodes")
    return fewer


def _end(x: int, y: int, port: int) -> dict[str, Any]:
    return {"row": y, "column": x} | ({} if port == Port.LOCAL else {"port": port})


def _worded(x: int, y: int, port: int) -> str:
    node = f"row {y}, column {x}"
    return node if port == Port.LOCAL else f"port {port} of {node}"
