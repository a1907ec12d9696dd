# SPDX-License-Identifier: Apache-2.0
"""Golden nodes and arrays that execute lists, for tests of what those do."""

from __future__ import annotations

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig, preset
from golden.layout import (
    LIST_BLOCK,
    LIST_DESCRIPTOR_BYTES,
    LIST_START,
    LIST_STRIDE,
    GlobalAddress,
    ListCause,
    ListRegister,
    Port,
)
from golden.list_descriptor import ListDescriptor
from golden.mesh import GoldenArray
from golden.node import GoldenNode
from golden.packet import Packet
from sw.backend import ArrayBackend
from verif.golden.list_oracle import Pattern

TINY = preset("tiny").replace(lists=2)
WIDE = preset("d1").replace(lists=8)
CONFIGS = {"tiny": TINY, "medium": preset("medium").replace(lists=4), "d1": WIDE}
LINE = TINY.line_bytes

#: Where tests have things in SRAM: descriptors, a source, a destination.
LISTS, SOURCE, DESTINATION, SIZE = 0x0, 0x1000, 0x2000, 0x1000


def noise(length: int, seed: int = 1) -> bytes:
    return bytes((i * 167 + i // 251 * 13 + seed * 59) % 256 for i in range(length))


def register(place: int, which: ListRegister) -> int:
    return CONTROL_PAGE_OFFSET + LIST_BLOCK + place * LIST_STRIDE + which


def address(x: int, offset: int, exit: int = Port.LOCAL) -> int:
    return int(GlobalAddress(x, 0, offset, exit))


def described(pattern: Pattern, source: int, destination: int) -> ListDescriptor:
    """The list of a pattern between two memories, given by the addresses of their first bytes."""
    return ListDescriptor(pattern.granule, source + pattern.source, destination + pattern.destination, pattern.dimensions)


def start(array: ArrayBackend, *descriptors: ListDescriptor | bytes, x: int = 0) -> None:
    """Start lists in a node by packets; as many as it has places for."""
    for number, descriptor in enumerate(descriptors):
        offset = LISTS + number * LIST_DESCRIPTOR_BYTES
        array.poke(x, 0, offset, descriptor if isinstance(descriptor, bytes) else descriptor.pack())
        array.write_register(x, 0, CONTROL_PAGE_OFFSET + LIST_START, offset)


def two_nodes(config: NodeConfig = TINY) -> GoldenArray:
    array = GoldenArray(config, 1, 2)
    for x in range(2):
        array.poke(x, 0, SOURCE, noise(SIZE, x))
        array.poke(x, 0, DESTINATION, noise(SIZE, x + 2))
    return array


def failure(array: ArrayBackend, place: int = 0, x: int = 0) -> tuple[ListCause, int]:
    """Why the last list of a place failed, and the address."""
    value = array.read_register(x, 0, register(place, ListRegister.FAILURE))
    return ListCause(value & 7), array.read_register(x, 0, register(place, ListRegister.ADDRESS))


def leaving(config: NodeConfig, *descriptors: ListDescriptor) -> list[Packet]:
    """What a node alone, with a link to the east, sends for these lists."""
    node = GoldenNode(config, links=0b0010)
    node.sram[SOURCE : SOURCE + SIZE] = noise(SIZE)
    for number, descriptor in enumerate(descriptors):
        offset = LISTS + number * LIST_DESCRIPTOR_BYTES
        node.sram[offset : offset + LIST_DESCRIPTOR_BYTES] = descriptor.pack()
        assert node.lists.start(offset, None)
    node.run(1000)
    assert all(port is Port.EAST for port, _ in node.departed)
    return [packet for _, packet in node.departed]


def state(node: GoldenNode, place: int = 0) -> int:
    return node.read_register(LIST_BLOCK + place * LIST_STRIDE + ListRegister.STATE)
