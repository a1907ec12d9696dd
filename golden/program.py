# SPDX-License-Identifier: Apache-2.0
"""A program as it is loaded into a node: bytes at addresses, where to start, where it reports its end.

ELF files and assembler sources become one of these in ``sw``; the models only see this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from golden.config import NodeConfig
from golden.layout import SRAM_BASE


class ProgramError(ValueError):
    """A program that a node cannot hold; the message names the part, where it lies and what is there."""


@dataclass(frozen=True)
class Program:
    """Everything that is needed to load and start a program.

    Attributes
    ----------
    segments : tuple of (int, bytes)
        Start address (0x8000_0000 based) and contents of each part, in the order in which they are written.
    entry : int
        Address at which thread 0 starts.
    tohost : int or None
        Address of ``tohost``, 8-byte aligned, if the program ends by storing there.
    symbols : mapping of str to int
        Addresses by name, for reports.
    made_for : int or None
        ``NodeConfig.descriptor`` of the nodes that it was assembled for, if it depends on them.
    """

    segments: tuple[tuple[int, bytes], ...]
    entry: int
    tohost: int | None = None
    symbols: Mapping[str, int] = field(default_factory=dict)
    made_for: int | None = None

    def check(self, config: NodeConfig) -> None:
        """Raise ProgramError unless a node of that configuration can hold and start the program, and is what it was made for."""
        if self.made_for not in (None, config.descriptor):
            raise ProgramError(
                f"the program was assembled for other nodes, with {_described(self.made_for or 0)}; those of '{config.name}' "
                f"have {_described(config.descriptor)}; assemble it for '{config.name}'"
            )
        end = SRAM_BASE + config.sram_bytes
        for address, contents in self.segments:
            if address < SRAM_BASE or address + len(contents) > end:
                raise ProgramError(
                    f"the segment of {len(contents)} bytes at {address:#x} does not fit into the SRAM of '{config.name}', "
                    f"{SRAM_BASE:#x} to {end - 1:#x}"
                )
        if not SRAM_BASE <= self.entry < end:
            raise ProgramError(f"the entry {self.entry:#x} lies outside of the SRAM of '{config.name}'")
        if self.entry % 4:
            raise ProgramError(f"the entry {self.entry:#x} is not a multiple of 4")
        if self.tohost is not None and (self.tohost % 8 or not SRAM_BASE <= self.tohost < end):
            raise ProgramError(f"tohost {self.tohost:#x} is not an 8-byte aligned address of the SRAM of '{config.name}'")
        if not any(contents for _, contents in self.segments):
            raise ProgramError("the program is empty; it needs at least one instruction")


def _described(descriptor: int) -> str:
    """A ``NodeConfig.descriptor`` in words."""
    return (
        f"instruction set {descriptor & 0xFF}, lines of {descriptor >> 8 & 0xFF} bytes, threads: {descriptor >> 16 & 0xF}, "
        f"accumulators: {descriptor >> 20 & 0xF}, semaphores: {descriptor >> 24 & 0xFF}, "
        f"{(descriptor >> 32 & 0xFF_FFFF) << 4} bytes of SRAM, lists: {descriptor >> 59}"
    )
