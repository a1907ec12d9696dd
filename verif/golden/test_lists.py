# SPDX-License-Identifier: Apache-2.0
"""List transfers of the model: any pattern moves what NumPy says, and posts tell of it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, WINDOW_BYTES
from golden.edge_memory import EdgeMemory
from golden.layout import (
    LIST_DESCRIPTOR_BYTES,
    LIST_IGNORED,
    LIST_READS,
    LIST_START,
    GlobalAddress,
    Kind,
    ListCause,
    ListRegister,
    ListState,
    Port,
)
from golden.list_descriptor import Dimension, ListDescriptor
from golden.mesh import GoldenArray
from golden.node import GoldenNode
from golden.topology import Topology
from verif.golden.list_bench import (
    CONFIGS,
    DESTINATION,
    LISTS,
    SIZE,
    SOURCE,
    TINY,
    WIDE,
    address,
    described,
    failure,
    leaving,
    noise,
    register,
    start,
    state,
    two_nodes,
)
from verif.golden.list_oracle import Pattern, patterns

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
        assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == expected
    assert array.read_register(0, 0, register(2, ListRegister.STATE)) == 0
    assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START) == 0
    array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED, 1)
    assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == 0
    start(array, endless)
    assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == 1


def test_a_node_without_lists_has_none_of_the_registers() -> None:
    array = GoldenArray(TINY.replace(lists=0), 1, 1)
    array.poke(0, 0, LISTS, ListDescriptor(8, address(0, SOURCE), address(0, DESTINATION), (Dimension(1),)).pack())
    array.node(0, 0).write_register(LIST_START, LISTS)
    assert array.run(100).cycles == 0
    assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == 0
    assert array.peek(0, 0, DESTINATION, 8) == bytes(8)


def test_a_host_can_wait_for_a_list_without_running_the_array() -> None:
    array = two_nodes()
    start(array, ListDescriptor(16, address(1, SOURCE), address(0, DESTINATION), (Dimension(100, 16, 16),)))
    while array.read_register(0, 0, register(0, ListRegister.STATE)):
        pass
    assert array.peek(0, 0, DESTINATION, 1600) == array.peek(1, 0, SOURCE, 1600)
