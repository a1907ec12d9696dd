# SPDX-License-Identifier: Apache-2.0
"""List transfers of the model: any pattern moves what NumPy says, posts tell of it, and what is wrong ends the list."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, WINDOW_BYTES, NodeConfig, preset
from golden.edge_memory import EdgeMemory
from golden.layout import (
    LIST_BLOCK,
    LIST_DESCRIPTOR_BYTES,
    LIST_READS,
    LIST_START,
    LIST_STRIDE,
    Cause,
    GlobalAddress,
    Kind,
    ListCause,
    ListField,
    ListRegister,
    ListState,
    NetworkError,
    Port,
    ThreadState,
)
from golden.list_descriptor import Dimension, ListDescriptor, ListError
from golden.mesh import GoldenArray
from golden.node import GoldenNode
from golden.packet import Packet
from golden.topology import Topology
from verif.golden.list_oracle import Pattern, patterns

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


def start(array: GoldenArray, *descriptors: ListDescriptor | bytes, x: int = 0) -> None:
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


def failure(array: GoldenArray, place: int = 0, x: int = 0) -> tuple[ListCause, int]:
    """Why the last list of a place failed, and the address."""
    value = array.read_register(x, 0, register(place, ListRegister.FAILURE))
    return ListCause(value & 7), array.read_register(x, 0, register(place, ListRegister.ADDRESS))


#: What moves where: the node that executes, the source's node, the destination's.
WAYS = {"to itself": (0, 0, 0), "push": (0, 0, 1), "pull": (0, 1, 0)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CONFIGS)
def test_any_pattern_moves_what_numpy_says(name: str, way: str) -> None:
    config, (here, source, destination) = CONFIGS[name], WAYS[way]

    @settings(max_examples=20, deadline=None)
    @given(patterns(config.line_bytes, SIZE))
    def check(pattern: Pattern) -> None:
        array = two_nodes(config)
        before = array.peek(destination, 0, DESTINATION, SIZE)
        descriptor = described(pattern, address(source, SOURCE), address(destination, DESTINATION))
        start(array, dataclasses.replace(descriptor, post_source=1, post_destination=3), x=here)
        assert array.run(100_000).reason == "ended"
        assert failure(array, x=here) == (ListCause.NONE, 0)
        expected = pattern.applied(array.peek(source, 0, SOURCE, SIZE), before)
        assert array.peek(destination, 0, DESTINATION, SIZE) == expected
        posts = {(source, 1), (destination, 3)}
        for x in range(2):
            assert array.node(x, 0).semaphores == [(x, s) in posts for s in range(config.semaphores)]

    check()


@given(
    patterns(64, WINDOW_BYTES), st.none() | st.integers(0, 31), st.none() | st.integers(0, 31), st.none() | st.integers(0, 2**21)
)
def test_a_descriptor_is_what_its_bytes_say(pattern: Pattern, first: int | None, second: int | None, behind: int | None) -> None:
    descriptor = dataclasses.replace(
        described(pattern, address(3, 0), address(5, 0)), post_source=first, post_destination=second, following=behind
    )
    data = descriptor.pack()
    assert len(data) == LIST_DESCRIPTOR_BYTES
    same = ListDescriptor.unpack(data)
    assert same.pack() == data
    assert (same.source, same.destination, same.granule) == (descriptor.source, descriptor.destination, descriptor.granule)
    assert list(same.granules()) == list(descriptor.granules())


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


@settings(max_examples=40, deadline=None)
@given(patterns(64, SIZE))
def test_granules_travel_together_as_long_as_they_go_to_one_line(pattern: Pattern) -> None:
    packets = leaving(WIDE, dataclasses.replace(described(pattern, address(0, SOURCE), address(1, 0)), post_destination=7))
    _, written, _ = pattern.addresses()
    packed: list[tuple[int, int]] = []
    held = 0
    for offset in map(int, written):
        bits = (1 << pattern.granule) - 1 << offset % 64
        if packed and held < 64 // pattern.granule and packed[-1][0] == offset - offset % 64:
            packed[-1] = (packed[-1][0], packed[-1][1] | bits)
            held += 1
        else:
            packed.append((offset - offset % 64, bits))
            held = 1
    assert [(packet.offset, packet.mask) for packet in packets] == packed
    assert [packet.post for packet in packets] == [False] * (len(packets) - 1) + [True]
    assert {(packet.kind, packet.sem if packet.post else 7, packet.tag >> 8) for packet in packets} == {(Kind.WRITE, 7, 1)}


def test_lists_take_turns_packet_by_packet() -> None:
    rows = Dimension(3, 64, 64)
    lists = [ListDescriptor(64, address(0, SOURCE + i * 256), address(1, i * 4096), (rows,)) for i in range(8)]
    packets = leaving(WIDE, *lists)
    assert [packet.offset for packet in packets] == [i * 4096 + 64 * k for k in range(3) for i in range(8)]


def test_no_packet_and_no_read_serves_more_granules_than_a_line_has() -> None:
    again = Dimension(20, 8, 0), Dimension(20, 0, 8)
    writes = leaving(WIDE, ListDescriptor(8, address(0, SOURCE), address(1, 0), again[:1]))
    assert [packet.data[:8] for packet in writes] == [noise(SIZE)[8 * i :][:8] for i in (7, 15, 19)]
    assert len(leaving(WIDE, ListDescriptor(8, address(1, 0), address(0, DESTINATION), again[1:]))) == 3


def test_reads_of_one_line_are_one_request_and_so_many_are_under_way() -> None:
    eight = ListDescriptor(8, address(1, 0), address(0, DESTINATION), (Dimension(8, 8, 64), Dimension(40, 64, 8)))
    requests = leaving(WIDE, eight)
    assert [packet.kind for packet in requests] == [Kind.READ] * LIST_READS
    assert [packet.offset for packet in requests] == [64 * i for i in range(LIST_READS)]


@settings(max_examples=40, deadline=None)
@given(patterns(64, SIZE), st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_answers_may_come_late_and_padding_is_written_in_its_turn(pattern: Pattern, pauses: list[int]) -> None:
    node = GoldenNode(WIDE, links=0b0010)
    far, near = noise(SIZE, 4), noise(SIZE, 5)
    node.sram[DESTINATION : DESTINATION + SIZE] = near
    node.sram[:LIST_DESCRIPTOR_BYTES] = described(pattern, address(1, 0), address(0, DESTINATION)).pack()
    assert node.lists.start(0, None)
    answered: list[int] = []
    for turns in range(300):
        node.run(pauses[turns % len(pauses)])
        if len(answered) < len(node.departed):
            read = node.departed[len(answered)][1]
            answered.append(read.offset)
            node.deliver(read.answer(far[read.offset : read.offset + 64]))
    assert state(node) == 0
    assert node.sram[DESTINATION : DESTINATION + SIZE] == pattern.applied(far, near)
    expected: list[int] = []
    held = 0
    before = -1
    for offset, valid in zip(*pattern.addresses()[::2], strict=True):
        line = int(offset) // 64 * 64 if valid else -1
        held = held + 1 if line == before and held < 64 // pattern.granule else 1
        before = line
        if valid and held == 1:
            expected.append(line)
    assert answered == expected


def test_strides_of_attached_memory_have_35_bits() -> None:
    far = (1 << 34) + (1 << 21) - 64
    target = address(1, far & WINDOW_BYTES - 1, Port.EAST) | far >> 21 << 50
    packets = leaving(WIDE, ListDescriptor(64, address(0, SOURCE), target, (Dimension(2, 0, 64), Dimension(2, 0, -(1 << 31)))))
    offsets = [far, far + 64, far - (1 << 31), far - (1 << 31) + 64]
    assert [packet.upper << 21 | packet.offset for packet in packets] == offsets


def test_a_push_to_a_rectangle_posts_in_every_node() -> None:
    array = GoldenArray(TINY, 3, 3)
    array.poke(0, 0, SOURCE, noise(256))
    rectangle = int(GlobalAddress(1, 0, DESTINATION)) | 1 << 50 | 2 << 57
    start(array, ListDescriptor(16, address(0, SOURCE), rectangle, (Dimension(16, 16, 16),), None, 1, 2))
    assert array.run(1000).reason == "ended"
    assert failure(array) == (ListCause.NONE, 0)
    for x in range(3):
        for y in range(3):
            assert array.peek(x, y, DESTINATION, 256) == (noise(256) if x else bytes(256))
            assert array.node(x, y).semaphores[2] == (x > 0)


def test_memories_are_pulled_from_and_pushed_to_beyond_a_window() -> None:
    memory = EdgeMemory(1, 0, Port.EAST, bytes=1 << 33, latency=1, bytes_per_cycle=64)
    array = GoldenArray(TINY, topology=Topology(1, 2, memories=(memory,)))
    contents = array.memory(1, 0, Port.EAST)
    far, pitch = (1 << 32) + (1 << 21) - 32, 1 << 30
    for row in range(4):
        contents.write(far + row * pitch, noise(64, row))

    def attached(offset: int) -> int:
        return int(GlobalAddress(1, 0, offset % WINDOW_BYTES, Port.EAST, offset // WINDOW_BYTES))

    rows = Dimension(4, 16, 16), Dimension(4, pitch, 64)
    start(array, ListDescriptor(16, attached(far), address(0, DESTINATION), rows, None, None, 2))
    assert array.run(1000).reason == "ended"
    assert array.peek(0, 0, DESTINATION, 256) == b"".join(noise(64, row) for row in range(4))
    back = Dimension(4, 16, 16), Dimension(4, 64, -pitch)
    start(array, ListDescriptor(16, address(0, DESTINATION), attached(far + 3 * pitch + 64), back))
    assert array.run(1000).reason == "ended"
    assert [contents.read(far + 64 + row * pitch, 64) for row in (3, 2, 1, 0)] == [noise(64, row) for row in range(4)]
    assert failure(array) == (ListCause.NONE, 0)
    # A memory has no semaphore that a packet could post.
    start(array, ListDescriptor(16, address(0, DESTINATION), attached(far), rows[:1], None, None, 2))
    assert array.run(1000).reason == "ended"
    assert failure(array) == (ListCause.REFUSED, attached(far + 48))


def test_a_chain_is_executed_in_order_and_each_part_posts() -> None:
    array = two_nodes()
    parts = [
        ListDescriptor(16, address(0, SOURCE + 256 * i), address(1, DESTINATION), (Dimension(16, 16, 16),), None, i, i + 1)
        for i in range(3)
    ]
    linked = [
        dataclasses.replace(part, following=LISTS + (i + 1) * LIST_DESCRIPTOR_BYTES if i < 2 else None)
        for i, part in enumerate(parts)
    ]
    start(array, b"".join(part.pack() for part in linked))
    assert array.run(1000).reason == "ended"
    assert array.peek(1, 0, DESTINATION, 256) == array.peek(0, 0, SOURCE + 512, 256)
    assert array.node(0, 0).semaphores[:4] == [1, 1, 1, 0]
    assert array.node(1, 0).semaphores[:4] == [0, 1, 1, 1]


def test_a_chain_that_leads_back_goes_on_for_ever() -> None:
    array = two_nodes()
    start(array, ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION), (Dimension(4, 16, 16),), LISTS, None, 2))
    assert array.run(500).reason == "limit"
    assert array.node(1, 0).semaphores[2] == 100
    assert array.read_register(0, 0, register(0, ListRegister.STATE)) == ListState.RUNNING | 1 << 3


def test_a_start_without_a_free_place_is_ignored_and_counted() -> None:
    array = two_nodes()
    endless = ListDescriptor(8, address(0, SOURCE), address(1, DESTINATION), (Dimension(1),), LISTS)
    for expected in (0, 0, 1, 2):
        start(array, endless)
        assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START) == expected
    assert array.read_register(0, 0, register(2, ListRegister.STATE)) == 0


def test_a_node_without_lists_has_none_of_the_registers() -> None:
    array = GoldenArray(preset("tiny"), 1, 1)
    start(array, ListDescriptor(8, address(0, SOURCE), address(0, DESTINATION), (Dimension(1),)))
    assert array.run(100).cycles == 0
    assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START) == 0
    assert array.peek(0, 0, DESTINATION, 8) == bytes(8)


def test_a_host_can_wait_for_a_list_without_running_the_array() -> None:
    array = two_nodes()
    start(array, ListDescriptor(16, address(1, SOURCE), address(0, DESTINATION), (Dimension(100, 16, 16),)))
    while array.read_register(0, 0, register(0, ListRegister.STATE)):
        pass
    assert array.peek(0, 0, DESTINATION, 1600) == array.peek(1, 0, SOURCE, 1600)


# ---------------------------------------------------------------------------------------------------------------------
# What is wrong
# ---------------------------------------------------------------------------------------------------------------------

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


def state(node: GoldenNode, place: int = 0) -> int:
    return node.read_register(LIST_BLOCK + place * LIST_STRIDE + ListRegister.STATE)


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
