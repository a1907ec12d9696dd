# SPDX-License-Identifier: Apache-2.0
"""Breakpoints in the memory of a node: ``ebreak`` in place of instructions, which every debugger of its threads knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from golden.isa import INSTRUCTIONS
from golden.layout import SRAM_BASE
from sw.backend import ArrayBackend
from sw.debug_port import DebugError

__all__ = ["NodeMemory"]

_EBREAK = INSTRUCTIONS["ebreak"].match.to_bytes(4, "little")


class NodeMemory:
    """SRAM of a node as its program means it, with breakpoints in it.

    Parameters
    ----------
    array : ArrayBackend
    x, y : int
        A node that is there.

    Members
    -------
    breakpoints : dict of int to bytes
        Addresses, and the instructions that belong there.
    users : set of int
        Threads that have a debugger.
    version : int
        Changes with everything that is written, so that debuggers know whether their threads may have fetched old code.
    """

    def __init__(self, array: ArrayBackend, x: int, y: int):
        self._array = array
        self._node = x, y
        self.breakpoints: dict[int, bytes] = {}
        self.users: set[int] = set()
        self.version = 0

    def read(self, address: int, length: int) -> bytes:
        """Bytes of memory; where there are breakpoints, the instructions that belong there.

        Raises
        ------
        DebugError
            If they are not in the SRAM.
        """
        self._check(f"{length} bytes at {address:#x}", address, length)
        contents = bytearray(self._array.read(*self._node, address - SRAM_BASE, length))
        for start, instruction in self.breakpoints.items():
            for where, byte in enumerate(instruction, start - address):
                if 0 <= where < length:
                    contents[where] = byte
        return bytes(contents)

    def write(self, address: int, contents: bytes) -> None:
        """Write bytes of memory; breakpoints stay, above what is written. Raises as :meth:`read`."""
        self._check(f"{len(contents)} bytes at {address:#x}", address, len(contents))
        beneath = bytearray(contents)
        for start, instruction in self.breakpoints.items():
            belongs = bytearray(instruction)
            for where in range(max(start, address), min(start + 4, address + len(contents))):
                belongs[where - start] = contents[where - address]
                beneath[where - address] = _EBREAK[where - start]
            self.breakpoints[start] = bytes(belongs)
        self._put(address, bytes(beneath))

    def add(self, address: int) -> None:
        """Put a breakpoint; nothing changes if it is there.

        Raises
        ------
        DebugError
            If no instruction can be there.
        """
        self._check(f"a breakpoint at {address:#x}", address, 4)
        if address % 4:
            raise DebugError(f"a breakpoint at {address:#x} is misaligned; instructions lie at multiples of 4")
        if address not in self.breakpoints:
            self.breakpoints[address] = self._array.read(*self._node, address - SRAM_BASE, 4)
            self._put(address, _EBREAK)

    def remove(self, address: int) -> None:
        """Take a breakpoint away; DebugError if there is none."""
        if address not in self.breakpoints:
            raise DebugError(f"there is no breakpoint at {address:#x}")
        self._put(address, self.breakpoints.pop(address))

    @contextmanager
    def lifted(self, address: int) -> Iterator[None]:
        """Have the instruction that belongs there at a breakpoint for a while."""
        self._put(address, self.breakpoints[address])
        try:
            yield
        finally:
            self._put(address, _EBREAK)

    def _put(self, address: int, contents: bytes) -> None:
        self._array.write(*self._node, address - SRAM_BASE, contents)
        self.version += 1

    def _check(self, what: str, address: int, length: int) -> None:
        end = SRAM_BASE + self._array.config.sram_bytes
        if length < 0 or not SRAM_BASE <= address <= end - length:
            raise DebugError(f"{what} would not lie in the SRAM, which is {SRAM_BASE:#x} to {end - 1:#x}")
