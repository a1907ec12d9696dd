# SPDX-License-Identifier: Apache-2.0
"""Lists that have failed in a node, and starts that it has ignored, as its registers remember them for a run's report."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from golden.config import CONTROL_PAGE_OFFSET
from golden.layout import (
    LIST_BLOCK,
    LIST_IGNORED,
    LIST_STRIDE,
    OFFSET_BITS,
    GlobalAddress,
    ListCause,
    ListRegister,
    Port,
)
from sw.backend import ArrayBackend, Site, read_blocks

__all__ = ["ListFailure", "ListFaults", "list_faults", "list_faults_cleared"]

_CAUSES = {
    ListCause.DESCRIPTOR: "there is no descriptor that the node can execute",
    ListCause.ENDS: "neither source nor destination is in the node",
    ListCause.MISALIGNED: "an address or a stride is no multiple of the granule",
    ListCause.OFFSET: "a granule lies outside of what is there",
    ListCause.UNREACHABLE: "there is no such node or link",
    ListCause.REFUSED: "nothing is at the offset, or no such semaphore",
    ListCause.ORDER: "an answer came out of order",
}


@dataclass(frozen=True)
class ListFailure:
    """The last list that failed in a place.

    Attributes
    ----------
    place : int
    cause : str
        Name of the ListCause.
    thread : int or None
        Who started it; None for a packet.
    descriptor : int
        Offset in the node of the descriptor that the place had then.
    address : int
        The global address that the cause is about.
    """

    place: int
    cause: str
    thread: int | None
    descriptor: int
    address: int

    def __str__(self) -> str:
        starter = "a packet" if self.thread is None else f"thread {self.thread}"
        at = GlobalAddress.unpack(self.address)
        where = f"offset {at.offset:#x} of row {at.y}, column {at.x}"
        if at.exit != Port.LOCAL:
            where = f"offset {at.offset | at.upper << OFFSET_BITS:#x} behind exit {at.exit} of row {at.y}, column {at.x}"
        return (
            f"the list that {starter} started in place {self.place} failed, descriptor at {self.descriptor:#x}: {self.cause}, "
            f"{_CAUSES[ListCause[self.cause]]} ({where})"
        )


@dataclass(frozen=True)
class ListFaults:
    """What a node remembers of lists that went wrong.

    Attributes
    ----------
    failures : tuple of ListFailure
        In the order of the places.
    ignored : int
        Starts by packets that found no free place.
    """

    failures: tuple[ListFailure, ...] = ()
    ignored: int = 0

    def __bool__(self) -> bool:
        return bool(self.failures or self.ignored)


def list_faults(array: ArrayBackend, sites: Sequence[Site]) -> list[ListFaults]:
    """What has gone wrong with lists in each of these nodes, since that was cleared."""
    places = array.config.lists
    if not places:
        return [ListFaults()] * len(sites)
    blocks = [
        (x, y, CONTROL_PAGE_OFFSET + register, length)
        for x, y in sites
        for register, length in ((LIST_BLOCK, places * LIST_STRIDE), (LIST_IGNORED, 8))
    ]
    contents = read_blocks(array, blocks)
    return [
        ListFaults(
            tuple(failure for place in range(places) if (failure := _failure(place, registers)) is not None),
            int.from_bytes(ignored, "little"),
        )
        for registers, ignored in zip(contents[::2], contents[1::2], strict=True)
    ]


def list_faults_cleared(site: Site, faults: ListFaults) -> list[tuple[int, int, int, bytes]]:
    """The writes, as ``sw.backend.write_blocks`` takes them, that make a node forget these."""
    registers = [LIST_BLOCK + failure.place * LIST_STRIDE + ListRegister.FAILURE for failure in faults.failures]
    registers += [LIST_IGNORED] if faults.ignored else []
    return [(*site, CONTROL_PAGE_OFFSET + register, bytes(8)) for register in registers]


def _failure(place: int, registers: bytes) -> ListFailure | None:
    failure, address = (
        struct.unpack_from("<Q", registers, place * LIST_STRIDE + register)[0]
        for register in (ListRegister.FAILURE, ListRegister.ADDRESS)
    )
    cause = ListCause(failure & 7)
    if cause is ListCause.NONE:
        return None
    thread = None if failure >> 3 & 1 else failure >> 4 & 3
    return ListFailure(place, cause.name, thread, failure >> 32 & (1 << OFFSET_BITS) - 1, address)
