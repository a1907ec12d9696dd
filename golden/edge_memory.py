# SPDX-License-Identifier: Apache-2.0
"""A memory at a link that leads out of an array: where it is, how large, and how fast. What it holds is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from golden.layout import LINK_PORTS, OFFSET_BITS, UPPER_BITS, GlobalAddress, Port
from golden.topology_error import TopologyError, check_whole

#: Bits of an address in a memory: those of an offset, and ``upper``.
MEMORY_ADDRESS_BITS = OFFSET_BITS + UPPER_BITS

#: What the size of a memory is a multiple of: the longest line.
MEMORY_UNIT_BYTES = 64

MAX_MEMORY_LATENCY = 100_000

#: More than a line per cycle makes no memory faster, since a link brings at most one request per cycle.
MAX_MEMORY_RATE = 1024


@dataclass(frozen=True)
class EdgeMemory:
    """One memory.

    Parameters
    ----------
    x, y : int
        The node that it is attached to.
    port : Port
        By which link; that must lead out of the array, which :class:`golden.topology.Topology` checks.
    bytes : int
        Its size: a multiple of 64, up to 32 GiB.
    latency : int
        Cycles from a READ on the link to its answer on the link, if the memory has nothing else to do; 1 to 100,000.
    bytes_per_cycle : int
        What it moves per cycle, reads and writes together; 1 to 1024.

    Raises
    ------
    TopologyError
        If a value is outside of what is stated above.
    """

    x: int
    y: int
    port: Port
    bytes: int
    latency: int
    bytes_per_cycle: int

    def __post_init__(self) -> None:
        if self.port not in LINK_PORTS:
            raise TopologyError(f"memories: port = {self.port!r} is no link; it must be NORTH, EAST, SOUTH or WEST")
        object.__setattr__(self, "port", Port(self.port))
        check_whole("memories: bytes", self.bytes, MEMORY_UNIT_BYTES, 1 << MEMORY_ADDRESS_BITS)
        if self.bytes % MEMORY_UNIT_BYTES:
            raise TopologyError(f"memories: bytes = {self.bytes} is no multiple of {MEMORY_UNIT_BYTES}")
        check_whole("memories: latency", self.latency, 1, MAX_MEMORY_LATENCY)
        check_whole("memories: bytes_per_cycle", self.bytes_per_cycle, 1, MAX_MEMORY_RATE)

    @property
    def link(self) -> tuple[int, int, Port]:
        """Where it is attached: x, y, port."""
        return self.x, self.y, self.port

    def address(self, offset: int = 0) -> GlobalAddress:
        """The global address of a byte of it; ValueError if that is not there."""
        self.check(offset, 1)
        upper, low = divmod(offset, 1 << OFFSET_BITS)
        return GlobalAddress(self.x, self.y, low, self.port, upper)

    def check(self, offset: int, length: int) -> None:
        """ValueError unless these bytes are there."""
        if offset < 0 or length < 0 or offset + length > self.bytes:
            raise ValueError(
                f"{length} bytes at {offset:#x} are not in the memory of {self.bytes} bytes at the {self.port.name.lower()} link"
                f" of node x={self.x}, y={self.y}"
            )
