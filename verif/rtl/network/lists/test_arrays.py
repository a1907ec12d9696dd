# SPDX-License-Identifier: Apache-2.0
"""Nodes execute lists as golden ones do: memory, semaphores, registers, and threads that start lists or hear of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, WINDOW_BYTES
from golden.layout import LIST_IGNORED, LIST_START, SRAM_BASE, ListCause, ListRegister, ThreadRegister, ThreadState, thread_offset
from golden.list_descriptor import Dimension, ListDescriptor
from scripts.simulator import SimulatorLibrary, build
from verif.golden.list_bench import DESTINATION, LISTS, SIZE, SOURCE, address, described, failure, register, start
from verif.golden.list_oracle import Pattern, patterns
from verif.rtl.network.lists.arrays import CONFIG, LISTS_OF_PROGRAMS, Array, compare, fill, load, pair
from verif.rtl.simulate import property_settings

LINE, END = CONFIG.line_bytes, CONFIG.sram_bytes

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module")
def library() -> SimulatorLibrary:
    return build(CONFIG, "macro")


#: What moves where: the node that executes, the source's node, the destination's.
WAYS = {"to itself": (0, 0, 0), "push": (0, 0, 1), "pull": (0, 1, 0)}


@pytest.mark.parametrize("way", WAYS)
def test_any_pattern_moves_what_the_model_moves(library: SimulatorLibrary, way: str) -> None:
    here, source, destination = WAYS[way]
    with pair(library) as arrays:

        @property_settings(25)
        @given(patterns(LINE, SIZE), st.booleans())
        def check(pattern: Pattern, chained: bool) -> None:
            descriptor = described(pattern, address(source, SOURCE), address(destination, DESTINATION))
            descriptor = dataclasses.replace(descriptor, post_source=1, post_destination=3)
            following = dataclasses.replace(descriptor, post_source=None, post_destination=2)
            for array in arrays:
                fill(array)
                array.poke(here, 0, 0x400, following.pack())
                start(array, dataclasses.replace(descriptor, following=0x400 if chained else None), x=here)
                assert array.run(20_000).reason == "ended"
            compare(*arrays)

        check()


def test_many_lists_of_both_nodes_at_once(library: SimulatorLibrary) -> None:
    part = SIZE // 8
    with pair(library) as arrays:

        @property_settings(20)
        @given(st.lists(st.tuples(patterns(LINE, part), st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=8))
        def check(lists: list[tuple[Pattern, int, int]]) -> None:
            for array in arrays:
                fill(array)
                for x in range(2):
                    # Pushes to anywhere, and pulls from anywhere; the node itself is one end.
                    start(
                        array,
                        *(
                            dataclasses.replace(
                                described(
                                    pattern,
                                    address(x if pushes else other, SOURCE),
                                    address(other if pushes else x, DESTINATION + number * part),
                                ),
                                post_source=number,
                                post_destination=number,
                            )
                            for number, (pattern, pushes, other) in enumerate(lists)
                            if number % 2 == x
                        ),
                        x=x,
                    )
                assert array.run(20_000).reason == "ended"
            compare(*arrays)

        check()


GOOD = ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION), (Dimension(4, 16, 16),))


def words_with(changes: dict[int, int]) -> bytes:
    words = GOOD.words()
    for number, value in changes.items():
        words[number] = value
    return b"".join(word.to_bytes(8, "little") for word in words)


@pytest.mark.parametrize(
    "data, cause",
    [
        (bytes(128), ListCause.DESCRIPTOR),
        (words_with({1: address(1, SOURCE)}), ListCause.ENDS),
        (words_with({1: address(0, SOURCE + 8)}), ListCause.MISALIGNED),
        (dataclasses.replace(GOOD, source=address(0, END - 16)).pack(), ListCause.OFFSET),
        (dataclasses.replace(GOOD, destination=address(1, WINDOW_BYTES - 16)).pack(), ListCause.OFFSET),
        (dataclasses.replace(GOOD, source=address(1, WINDOW_BYTES - 16), destination=address(0, 0x400)).pack(), ListCause.OFFSET),
        (dataclasses.replace(GOOD, source=address(1, 0), destination=address(0, END - 16)).pack(), ListCause.OFFSET),
        (dataclasses.replace(GOOD, following=64).pack(), ListCause.DESCRIPTOR),
        (dataclasses.replace(GOOD, following=1 << 63).pack(), ListCause.DESCRIPTOR),
        (dataclasses.replace(GOOD, destination=address(5, 0x40), dimensions=(Dimension(1),)).pack(), ListCause.UNREACHABLE),
        (dataclasses.replace(GOOD, destination=address(1, END), dimensions=(Dimension(1),)).pack(), ListCause.REFUSED),
        (dataclasses.replace(GOOD, source=address(5, 0x40), destination=address(0, 0x400)).pack(), ListCause.UNREACHABLE),
        (dataclasses.replace(GOOD, source=address(1, END - 32), destination=address(0, 0x400)).pack(), ListCause.REFUSED),
        (dataclasses.replace(GOOD, source=address(1, 0), destination=address(0, 0x400), post_source=9).pack(), ListCause.REFUSED),
    ],
)
def test_lists_that_fail(library: SimulatorLibrary, data: bytes, cause: ListCause) -> None:
    with pair(library) as arrays:
        for array in arrays:
            start(array, data)
            assert array.run(5000).reason == "ended"
            assert failure(array)[0] == cause
        compare(*arrays)
        for array in arrays:
            array.write_register(0, 0, register(0, ListRegister.FAILURE), 1)
        compare(*arrays)
        # The place is free again.
        for array in arrays:
            start(array, dataclasses.replace(GOOD, post_destination=1))
            assert array.run(5000).reason == "ended"
        compare(*arrays)


@pytest.mark.parametrize("offset", [64, END, 1 << 63, CONTROL_PAGE_OFFSET])
def test_descriptors_that_are_not_there(library: SimulatorLibrary, offset: int) -> None:
    with pair(library) as arrays:
        for array in arrays:
            array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START, offset)
            assert array.run(1000).reason == "ended"
        compare(*arrays)


@pytest.mark.parametrize("destination, cause", [(address(5, 0), ListCause.UNREACHABLE), (address(1, END), ListCause.REFUSED)])
def test_an_endless_push_that_is_refused_ends(library: SimulatorLibrary, destination: int, cause: ListCause) -> None:
    endless = ListDescriptor(16, address(0, SOURCE), destination, (Dimension(60, 0, 16),), LISTS, 1, 2)
    with pair(library) as (_, array):
        start(array, endless)
        assert array.run(2000).reason == "ended"
        assert failure(array)[0] == cause
        assert array.read_register(0, 0, register(0, ListRegister.STATE)) == 0


def test_what_no_place_is_free_for_is_counted(library: SimulatorLibrary) -> None:
    endless = ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION), (Dimension(9, 16, 16),), LISTS)
    with pair(library) as (_, array):
        start(array, *[endless] * CONFIG.lists, GOOD, GOOD, GOOD)
        assert array.run(3000).reason == "limit"
        assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == 3
        array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED, 0)
        assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == 0
        start(array, GOOD)
        assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_IGNORED) == 1
        # An end can be put to it.
        array.poke(0, 0, LISTS, GOOD.pack())
        assert array.run(3000).reason == "ended"
        assert array.peek(1, 0, DESTINATION, 9 * 16) == array.peek(0, 0, SOURCE, 9 * 16)


def cycles_of(library: SimulatorLibrary, descriptor: ListDescriptor) -> int:
    with pair(library) as (_, array):
        start(array, descriptor)
        result = array.run(20_000)
        assert result.reason == "ended"
        return result.cycles


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("granule", [16, 8])
def test_a_granule_per_cycle(library: SimulatorLibrary, way: str, granule: int) -> None:
    _, source, destination = WAYS[way]

    def moving(count: int) -> ListDescriptor:
        dimensions = (Dimension(count, granule, granule),)
        return ListDescriptor(granule, address(source, SOURCE), address(destination, DESTINATION), dimensions)

    assert cycles_of(library, moving(240)) - cycles_of(library, moving(40)) == 200


# -- threads ----------------------------------------------------------------------------------------------------------


def run_program(arrays: Sequence[Array], source: str, descriptor: ListDescriptor | bytes) -> None:
    """Let thread 0 of node 0 execute a program, with the descriptor's address in a0, and compare."""
    data = descriptor if isinstance(descriptor, bytes) else descriptor.pack()
    for array in arrays:
        array.poke(0, 0, LISTS_OF_PROGRAMS, data)
        load(array, 0, f"_start: li a0, {SRAM_BASE + LISTS_OF_PROGRAMS}\n{source}")
        assert array.run(20_000).reason == "ended"
    golden, simulated = arrays
    for which in ("STATE", "CAUSE", "VALUE", "EXIT_CODE", "RETIRED"):
        offset = thread_offset(0, ThreadRegister[which])
        assert simulated.read_register(0, 0, offset) == golden.read_register(0, 0, offset), which
    compare(golden, simulated)


def test_a_program_starts_a_list_and_waits_for_it(library: SimulatorLibrary) -> None:
    source = f"""
        li a1, 7
        li a2, {SRAM_BASE + SOURCE}
        li a4, {SRAM_BASE + DESTINATION}
        li t0, 1
        sd a1, 0(a2)
        nlist a0
        swait 3, t0
        ld a3, 0(a4)
        sd a3, 16(a4)
        halt a3
    """
    itself = dataclasses.replace(GOOD, destination=address(0, DESTINATION), post_destination=3, dimensions=(Dimension(1),))
    with pair(library) as arrays:
        run_program(arrays, source, itself)
        assert arrays[1].read_register(0, 0, thread_offset(0, ThreadRegister.EXIT_CODE)) == 7


@pytest.mark.parametrize("distance", [1, 16, 64, END - LISTS_OF_PROGRAMS, -(1 << 31), 1 << 21])
def test_addresses_without_a_descriptor_trap(library: SimulatorLibrary, distance: int) -> None:
    with pair(library) as arrays:
        run_program(arrays, f"li a1, {distance}\nadd a0, a0, a1\nnlist a0\nhalt zero", GOOD)
        assert arrays[1].read_register(0, 0, thread_offset(0, ThreadRegister.STATE)) == ThreadState.TRAPPED


def test_more_lists_than_places_wait(library: SimulatorLibrary) -> None:
    posting = dataclasses.replace(GOOD, dimensions=(Dimension(30, 16, 16),), post_source=2)
    source = "\n".join(["nlist a0"] * 11) + "\nli t0, 11\nswait 2, t0\nhalt t0"
    with pair(library) as arrays:
        run_program(arrays, source, posting)


def test_a_thread_that_waits_for_a_place_can_be_started_elsewhere(library: SimulatorLibrary) -> None:
    endless = dataclasses.replace(GOOD, following=LISTS_OF_PROGRAMS)
    with pair(library) as (_, array):
        array.poke(0, 0, LISTS_OF_PROGRAMS, endless.pack())
        lists = "nlist a0\n" * (CONFIG.lists + 1)
        symbols = load(array, 0, f"_start: li a0, {SRAM_BASE + LISTS_OF_PROGRAMS}\n{lists}halt zero\nelsewhere: halt t0")
        state = thread_offset(0, ThreadRegister.STATE)
        assert array.run(1000).reason == "limit"
        assert array.read_register(0, 0, state) == ThreadState.RUNNING
        array.write_register(0, 0, thread_offset(0, ThreadRegister.PC), symbols["elsewhere"])
        assert array.run(1000).reason == "limit"
        assert array.read_register(0, 0, state) == ThreadState.HALTED
        array.poke(0, 0, LISTS_OF_PROGRAMS, GOOD.pack())
        assert array.run(1000).reason == "ended"


@pytest.mark.parametrize(
    "failing",
    [
        bytes(128),
        dataclasses.replace(GOOD, source=address(0, END)),
        dataclasses.replace(GOOD, destination=address(5, 0x40), dimensions=(Dimension(1),)),
        dataclasses.replace(GOOD, source=address(5, 0x40), destination=address(0, DESTINATION)),
    ],
)
@pytest.mark.parametrize("handled", [False, True])
def test_the_thread_hears_of_a_list_that_failed(
    library: SimulatorLibrary, failing: ListDescriptor | bytes, handled: bool
) -> None:
    handler = "la t0, handler\ncsrw mtvec, t0\n" if handled else ""
    source = f"{handler}nlist a0\nswait 7, a0\nhalt zero\n.align 2\nhandler: csrr a1, mtval\nhalt a1"
    with pair(library) as arrays:
        run_program(arrays, source, failing)
        state = arrays[1].read_register(0, 0, thread_offset(0, ThreadRegister.STATE))
        assert state == (ThreadState.HALTED if handled else ThreadState.TRAPPED)


def test_lists_go_on_beside_threads_that_load_store_and_send(library: SimulatorLibrary) -> None:
    """Thread 0 copies and sends lines, while lists push, pull and pad."""
    source = f"""
        li a1, {SRAM_BASE + SOURCE}
        li a2, {SRAM_BASE + 0x3000}
        li a3, {address(1, 0x3000)}
        li a4, 24
        nlist a0
1:      vld v1, (a1)
        vst v1, (a2)
        nwrite.s v1, (a3), 5
        nread v2, (a3)
        addi a1, a1, {LINE}
        addi a2, a2, {LINE}
        addi a3, a3, {LINE}
        addi a4, a4, -1
        bnez a4, 1b
        li t0, 1
        swait 3, t0
        halt zero
    """
    of_thread = ListDescriptor(
        8, address(0, SOURCE), address(1, DESTINATION), (Dimension(12, 8, 16), Dimension(4, 96, 192)), post_source=3
    )
    pull = ListDescriptor(16, address(1, SOURCE), address(0, DESTINATION + 0x400), (Dimension(60, 16, 16, 3, 50),))
    with pair(library) as arrays:
        for array in arrays:
            array.poke(0, 0, 0xA00, pull.pack())
            array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START, 0xA00)
        run_program(arrays, source, of_thread)
