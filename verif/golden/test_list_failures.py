# SPDX-License-Identifier: Apache-2.0
"""Lists that cannot be executed, or fail on the way: each ends with its cause and an address, and its starter hears of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from golden.config import CONTROL_PAGE_OFFSET, WINDOW_BYTES
from golden.layout import (
    LIST_BLOCK,
    LIST_DESCRIPTOR_BYTES,
    LIST_START,
    Cause,
    ListCause,
    ListField,
    ListRegister,
    ListState,
    NetworkError,
    Port,
    ThreadState,
)
from golden.list_descriptor import Dimension, ListDescriptor, ListError
from golden.node import GoldenNode
from golden.packet import Packet
from verif.golden.list_bench import (
    DESTINATION,
    LINE,
    LISTS,
    SIZE,
    SOURCE,
    TINY,
    address,
    failure,
    register,
    start,
    state,
    two_nodes,
)

GOOD = ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION), (Dimension(4, 16, 16),))
HERE = address(0, LISTS)


def words_with(changes: dict[int, int]) -> bytes:
    words = GOOD.words()
    for number, value in changes.items():
        words[number] = value
    return b"".join(word.to_bytes(8, "little") for word in words)


CONTROL = GOOD.words()[0]


@pytest.mark.parametrize(
    "data, cause",
    [
        (bytes(128), ListCause.DESCRIPTOR),
        (words_with({0: CONTROL ^ 1}), ListCause.DESCRIPTOR),
        (words_with({0: CONTROL | 1 << 23}), ListCause.DESCRIPTOR),
        (words_with({0: CONTROL | 1 << 63}), ListCause.DESCRIPTOR),
        (words_with({0: CONTROL | 2 << ListField.GRANULE}), ListCause.DESCRIPTOR),
        (words_with({8: 0}), ListCause.DESCRIPTOR),
        (words_with({1: address(0, SOURCE) | 5 << 47}), ListCause.DESCRIPTOR),
        (words_with({2: address(0, SOURCE) | 7 << 47}), ListCause.DESCRIPTOR),
        (words_with({1: address(0, SOURCE) | 1 << 50}), ListCause.DESCRIPTOR),
        (words_with({0: CONTROL | 1 << ListField.POST_SOURCE | 8 << ListField.SOURCE_SEMAPHORE}), ListCause.DESCRIPTOR),
        (words_with({1: address(1, SOURCE)}), ListCause.ENDS),
        (words_with({1: address(0, SOURCE, Port.WEST)}), ListCause.ENDS),
        (words_with({1: address(1, SOURCE), 2: address(0, DESTINATION) | 1 << 50}), ListCause.ENDS),
        (words_with({1: address(1, SOURCE + 8)}), ListCause.ENDS),
        (words_with({1: address(0, SOURCE + 8)}), ListCause.MISALIGNED),
        (words_with({2: address(1, DESTINATION + 4)}), ListCause.MISALIGNED),
        (words_with({4: 8 | 16 << 32}), ListCause.MISALIGNED),
        (words_with({4: 16 | 24 << 32}), ListCause.MISALIGNED),
        (words_with({5: 8 | 24 << 32, 9: 0, 3: 7, 12: 1, 15: 1}), None),
    ],
)
def test_descriptors_that_cannot_be_executed(data: bytes, cause: ListCause | None) -> None:
    array = two_nodes()
    before = array.peek(1, 0, DESTINATION, SIZE)
    start(array, data)
    assert array.run(1000).reason == "ended"
    assert failure(array) == ((cause, HERE) if cause else (ListCause.NONE, 0))
    assert (array.peek(1, 0, DESTINATION, SIZE) == before) == (cause is not None)


@pytest.mark.parametrize("offset", [64, TINY.sram_bytes, 1 << 63, CONTROL_PAGE_OFFSET])
def test_descriptors_that_are_not_there(offset: int) -> None:
    array = two_nodes()
    array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START, offset)
    assert array.run(1000).reason == "ended"
    assert failure(array) == (ListCause.DESCRIPTOR, address(0, offset % WINDOW_BYTES))
    start(array, dataclasses.replace(GOOD, following=offset))
    assert array.run(1000).reason == "ended"
    assert failure(array) == (ListCause.DESCRIPTOR, address(0, offset % WINDOW_BYTES))
    assert array.peek(1, 0, DESTINATION, 64) == array.peek(0, 0, SOURCE, 64)


END = TINY.sram_bytes


@pytest.mark.parametrize(
    "source, destination, dimensions, failing",
    [
        (address(0, END - 16), address(1, 0), (Dimension(2, 16, 16),), address(0, END)),
        (address(0, 0), address(1, 0), (Dimension(2, -16, 16),), address(0, WINDOW_BYTES - 16)),
        (address(0, 0), address(1, WINDOW_BYTES - 16), (Dimension(2, 0, 16),), address(1, 0)),
        (address(1, WINDOW_BYTES - 16), address(0, 0x100), (Dimension(2, 16, 16),), address(1, 0)),
        (address(1, 0), address(0, END - 16), (Dimension(2, 16, 16),), address(0, END)),
        (address(0, 0), address(1, 0), (Dimension(3, 1 << 30, 16, 0, 3),), address(0, 0)),
    ],
)
def test_granules_outside_of_what_is_there(source: int, destination: int, dimensions: Sequence[Dimension], failing: int) -> None:
    array = two_nodes()
    start(array, ListDescriptor(16, source, destination, dimensions, None, 1, 2))
    assert array.run(1000).reason == "ended"
    assert failure(array) == (ListCause.OFFSET, failing)
    for x in range(2):
        assert array.node(x, 0).semaphores[1:3] == [0, 0]


def test_padding_may_have_no_place_at_the_source() -> None:
    array = two_nodes()
    start(array, ListDescriptor(16, address(0, END - 16), address(1, DESTINATION), (Dimension(3, 16, 16, 1, 2),)))
    assert array.run(1000).reason == "ended"
    assert failure(array) == (ListCause.NONE, 0)
    assert array.peek(1, 0, DESTINATION, 48) == bytes(16) + array.peek(0, 0, END - 16, 16) + bytes(16)


@pytest.mark.parametrize(
    "source, destination, cause, failing",
    [
        (address(0, SOURCE), address(5, 0x40), ListCause.UNREACHABLE, address(5, 0x40)),
        (address(0, SOURCE), address(1, END - 32), ListCause.REFUSED, address(1, END)),
        (address(5, 0x40), address(0, DESTINATION), ListCause.UNREACHABLE, address(5, 0x40)),
        (address(1, END - 32), address(0, DESTINATION), ListCause.REFUSED, address(1, END)),
    ],
)
def test_errors_of_the_network_end_a_list(source: int, destination: int, cause: ListCause, failing: int) -> None:
    array = two_nodes()
    start(array, ListDescriptor(16, source, destination, (Dimension(60, 16, 16),), LISTS, 1, 2))
    assert array.run(1000).reason == "ended"
    assert failure(array) == (cause, failing)
    assert array.node(0, 0).semaphores[1:3] == [0, 0]
    array.write_register(0, 0, register(0, ListRegister.FAILURE), 0)
    assert failure(array) == (ListCause.NONE, 0)


def pulling(node: GoldenNode, offset: int = LISTS) -> list[Packet]:
    """Start a pull of a node alone, and the READs that it has sent."""
    descriptor = ListDescriptor(16, address(1, 0), address(0, DESTINATION), (Dimension(3, 16, 16),))
    node.sram[offset : offset + LIST_DESCRIPTOR_BYTES] = descriptor.pack()
    assert node.lists.start(offset, 0)
    node.run(100)
    return [packet for _, packet in node.departed]


def test_a_pull_that_failed_keeps_its_place_until_all_is_answered() -> None:
    node = GoldenNode(TINY, links=0b0010)
    reads = pulling(node)
    assert state(node) == ListState.RUNNING | 1 << 2 | 3 << 8
    node.deliver(reads[0].error(NetworkError.BAD_OFFSET))
    assert state(node) == ListState.ENDING | 1 << 2 | 2 << 8
    node.deliver(reads[1].answer(b"\1" * LINE))
    node.deliver(reads[2].answer(b"\1" * LINE))
    assert state(node) == 0
    assert node.sram[DESTINATION : DESTINATION + 48] == bytes(48)
    node.deliver(reads[2].answer(b"\1" * LINE))
    assert state(node) == 0


def test_answers_out_of_order_end_a_pull() -> None:
    node = GoldenNode(TINY, links=0b0010)
    reads = pulling(node)
    node.deliver(reads[1].answer(b"\1" * LINE))
    assert node.read_register(LIST_BLOCK + ListRegister.FAILURE) & 7 == ListCause.ORDER
    assert node.read_register(LIST_BLOCK + ListRegister.ADDRESS) == address(1, 16)
    assert state(node) & 3 == ListState.ENDING


def test_the_thread_that_started_a_list_takes_its_trap() -> None:
    node = GoldenNode(TINY)
    node.sram[0:128] = dataclasses.replace(GOOD, destination=address(5, 0)).pack()
    assert node.lists.start(0, 1)
    node.run(100)
    assert [thread.state for thread in node.threads] == [ThreadState.HALTED, ThreadState.TRAPPED]
    assert (node.threads[1].mcause, node.threads[1].mtval) == (Cause.NETWORK_ERROR, address(5, 0))
    assert node.read_register(LIST_BLOCK + ListRegister.FAILURE) == ListCause.UNREACHABLE | 1 << 4


def test_an_error_that_comes_late_leaves_the_next_list_of_the_place_alone() -> None:
    node = GoldenNode(TINY, links=0b0010)
    node.sram[0:128] = GOOD.pack()
    assert node.lists.start(0, 1)
    node.run(100)
    write = node.departed[-1][1]
    pulling(node, 0x200)
    node.deliver(write.error(NetworkError.UNREACHABLE))
    assert state(node) == ListState.RUNNING | 1 << 2 | 3 << 8 | 0x200 << 32
    assert node.read_register(LIST_BLOCK + ListRegister.FAILURE) == ListCause.UNREACHABLE | 1 << 4 | 0x200 << 32
    assert node.threads[1].mcause == Cause.NETWORK_ERROR


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"granule": 24}, "granule = 24 is not one of 8, 16, 32, 64"),
        ({"dimensions": ()}, "a list has 1 to 4 dimensions, not 0"),
        ({"source": 1 << 64}, "source = 0x10000000000000000 does not fit into 64 bits"),
        ({"destination": 5 << 47}, "destination = 0x2800000000000 has exit 5; ports are 0 to 4"),
        ({"source": 1 << 50}, "source = 0x4000000000000 has bits above 49, which name several nodes"),
        ({"post_source": 32}, "post_source = 32 is outside of 0 to 31"),
        ({"following": -1}, "following = -0x1 does not fit into 64 bits"),
    ],
)
def test_descriptors_that_cannot_be_written(changes: dict, message: str) -> None:
    with pytest.raises(ListError, match=message):
        dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize("values", [(0,), (65_536,), (1, 1 << 31), (1, 0, -(1 << 31) - 1), (1, 0, 0, -1), (1, 0, 0, 0, 65_536)])
def test_dimensions_that_cannot_be_written(values: tuple[int, ...]) -> None:
    with pytest.raises(ListError, match=r"is outside of|does not fit"):
        Dimension(*values)
