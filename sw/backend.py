# SPDX-License-Identifier: Apache-2.0
"""What a host needs of an array: the golden one, the compiled one and boards have it alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from golden.config import NodeConfig
from golden.layout import ThreadState
from golden.link_loss import LinkLoss
from golden.topology import Link, Site, Topology

__all__ = [
    "ArrayBackend",
    "BatchBackend",
    "BreakableBackend",
    "DescribedBackend",
    "HostError",
    "RunOutcome",
    "ServedBackend",
    "Site",
    "ThreadSnapshot",
    "all_sites",
    "read_blocks",
    "topology_of",
    "write_blocks",
]


class HostError(ValueError):
    """Something was asked for that the array does not have; the message names it and what there is."""


class RunOutcome(Protocol):
    """How a backend's run ended."""

    @property
    def reason(self) -> str:
        """ "ended", "limit", "deadlock", or "stopped" if nothing can move and threads are STOPPED."""

    @property
    def cycles(self) -> int:
        """Cycles that passed in this run."""


class ThreadSnapshot(Protocol):
    """State of one thread, as a backend sees it without packets.

    A backend that knows them also has ``semaphore``, ``needed`` and ``value`` of a waiting thread.
    """

    @property
    def x(self) -> int: ...

    @property
    def y(self) -> int: ...

    @property
    def thread(self) -> int: ...

    @property
    def state(self) -> ThreadState: ...

    @property
    def pc(self) -> int: ...


class ArrayBackend(Protocol):
    """An array of nodes that a host reaches by packets. ``x`` is the column, ``y`` the row; offsets lie in a node's window."""

    @property
    def config(self) -> NodeConfig: ...

    @property
    def rows(self) -> int: ...

    @property
    def columns(self) -> int: ...

    def write(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write bytes into a node's window; ValueError where that would do nothing in the control page."""

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of a node's window."""

    def write_register(self, x: int, y: int, offset: int, value: int) -> None:
        """Write a 64-bit register of the control page."""

    def read_register(self, x: int, y: int, offset: int) -> int:
        """Read a 64-bit register of the control page."""

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read SRAM through the back door, for tests and debuggers."""

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write SRAM through the back door."""

    def run(self, max_cycles: int) -> RunOutcome:
        """Run until all threads have stopped, the limit is reached, or nothing can move any more."""

    def thread_states(self) -> Sequence[ThreadSnapshot]:
        """State of every thread, row by row."""


@runtime_checkable
class ServedBackend(Protocol):
    """A backend that looks at its nodes by itself while they run, and lets the host look as well."""

    def run_served(self, max_cycles: int, serve: Callable[[], bool]) -> RunOutcome:
        """As ``run``, and calls ``serve`` at each look; True says that it has answered somebody, who can go on then."""


@runtime_checkable
class DescribedBackend(Protocol):
    """A backend that may have dead nodes and links."""

    @property
    def topology(self) -> Topology: ...


@runtime_checkable
class BreakableBackend(Protocol):
    """A backend whose links can die while it runs."""

    @property
    def cycle(self) -> int: ...

    @property
    def lost_links(self) -> tuple[LinkLoss, ...]:
        """Links that have died, oldest first."""

    def plan_kill(self, cycle: int, link: Link) -> None:
        """Let a link die before that cycle of the array, if it runs so far."""


@runtime_checkable
class BatchBackend(Protocol):
    """A backend that has several packets under way at a time."""

    def write_many(self, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Write blocks (x, y, offset, contents), in this order."""

    def read_many(self, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Read blocks (x, y, offset, length)."""


def topology_of(array: ArrayBackend) -> Topology:
    """Which nodes and links an array has; all of them, if the backend does not say otherwise."""
    return array.topology if isinstance(array, DescribedBackend) else Topology(array.rows, array.columns)


def all_sites(array: ArrayBackend) -> list[Site]:
    """Every node of an array, row by row."""
    return list(topology_of(array).sites())


def write_blocks(array: ArrayBackend, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
    """Write blocks (x, y, offset, contents) in this order, all at once if the backend can."""
    if isinstance(array, BatchBackend):
        array.write_many(list(blocks))
        return
    for x, y, offset, contents in blocks:
        array.write(x, y, offset, contents)


def read_blocks(array: ArrayBackend, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
    """Read blocks (x, y, offset, length), all at once if the backend can."""
    if isinstance(array, BatchBackend):
        return list(array.read_many(list(blocks)))
    return [array.read(x, y, offset, length) for x, y, offset, length in blocks]
