# SPDX-License-Identifier: Apache-2.0
"""One node of an array, as an array of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from golden.config import NodeConfig
from sw.host import ArrayBackend, RunOutcome, ThreadSnapshot, read_blocks, write_blocks

__all__ = ["NodeView"]


class NodeView:
    """A node, with the interface of ``sw.host.ArrayBackend``: node (0, 0) is the one at the site.

    Parameters
    ----------
    array : ArrayBackend
        Whose other nodes are at rest.
    x, y : int
        Site of the node.
    """

    rows = 1
    columns = 1

    def __init__(self, array: ArrayBackend, x: int, y: int):
        self._array = array
        self._x = x
        self._y = y

    @property
    def config(self) -> NodeConfig:
        """Of the node."""
        return self._array.config

    def write(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write bytes into the node's window."""
        self._array.write(self._x + x, self._y + y, offset, data)

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of the node's window."""
        return self._array.read(self._x + x, self._y + y, offset, length)

    def write_many(self, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Write blocks (x, y, offset, contents), in this order."""
        write_blocks(self._array, [(self._x + x, self._y + y, offset, data) for x, y, offset, data in blocks])

    def read_many(self, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Read blocks (x, y, offset, length)."""
        return read_blocks(self._array, [(self._x + x, self._y + y, offset, length) for x, y, offset, length in blocks])

    def write_register(self, x: int, y: int, offset: int, value: int) -> None:
        """Write a 64-bit register of the control page."""
        self._array.write_register(self._x + x, self._y + y, offset, value)

    def read_register(self, x: int, y: int, offset: int) -> int:
        """Read a 64-bit register of the control page."""
        return self._array.read_register(self._x + x, self._y + y, offset)

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read SRAM through the back door."""
        return self._array.peek(self._x + x, self._y + y, offset, length)

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write SRAM through the back door."""
        self._array.poke(self._x + x, self._y + y, offset, data)

    def run(self, max_cycles: int) -> RunOutcome:
        """Run until all threads have stopped, the limit is reached, or nothing can move any more."""
        return self._array.run(max_cycles)

    def thread_states(self) -> Sequence[ThreadSnapshot]:
        """State of every thread of the node."""
        return [thread for thread in self._array.thread_states() if (thread.x, thread.y) == (self._x, self._y)]
