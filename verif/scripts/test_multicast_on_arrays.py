# SPDX-License-Identifier: Apache-2.0
"""Writes to rectangles of compiled nodes: what golden ones do, from threads and from the host, all at the same time."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from golden.config import CONTROL_PAGE_OFFSET, preset
from golden.layout import (
    ROUTE_CONTROL,
    ROUTE_ENABLE,
    SRAM_BASE,
    Cause,
    GlobalAddress,
    Kind,
    Port,
    ThreadRegister,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray, NetworkAccessError
from golden.packet import Packet
from golden.topology import Topology
from scripts.simulator import SimulatedArray, SimulatorLibrary
from sw.assembler import assemble
from sw.routing import set_up_routes

CONFIG = preset("tiny")
LINE = CONFIG.line_bytes
ROWS, COLUMNS = 2, 3
SITES = [(x, y) for y in range(ROWS) for x in range(COLUMNS)]
SENDS = 6

#: Writes a line to each address of a list and posts semaphore 1 there; ends when as many have come as will.
PROGRAM = f"""
_start: la s0, mine
        vld v1, (s0)
        la s1, list
        li s2, {SENDS}
1:      ld a0, (s1)
        nwrite.s v1, (a0), 1
        addi s1, s1, 8
        addi s2, s2, -1
        bnez s2, 1b
        la a0, awaited
        ld a0, (a0)
        swait 1, a0
        halt zero
        .align 4
mine:   .zero {LINE}
list:   .zero {8 * SENDS}
awaited: .zero 8
        .align 4
inbox:  .zero {LINE * SENDS * len(SITES)}
"""


def rectangle(rng: random.Random, offset: int) -> GlobalAddress:
    """Any that lies in the array, one node among them."""
    (x, last_x), (y, last_y) = (sorted(rng.choices(range(count), k=2)) for count in (COLUMNS, ROWS))
    return GlobalAddress.rectangle(x, y, last_x - x + 1, last_y - y + 1, offset)


def covers(address: GlobalAddress, x: int, y: int) -> bool:
    return address.x <= x <= address.x + (address.upper & 127) and address.y <= y <= address.y + (address.upper >> 7)


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(3))
def test_all_nodes_write_to_rectangles_at_once(tiny_macro: SimulatorLibrary, seed: int) -> None:
    rng, program = random.Random(seed), assemble(PROGRAM, config=CONFIG)
    at = {name: program.symbols[name] - SRAM_BASE for name in ("mine", "list", "awaited", "inbox")}
    (segment,) = (contents for address, contents in program.segments if address == SRAM_BASE)
    lines = [rng.randbytes(LINE) for _ in SITES]
    # Each sender has lines of its own in everybody's inbox.
    lists = [
        [rectangle(rng, at["inbox"] + LINE * (SENDS * sender + number)) for number in range(SENDS)]
        for sender in range(len(SITES))
    ]
    awaited = {(x, y): sum(covers(address, x, y) for each in lists for address in each) for x, y in SITES}

    def memory(array: Any) -> list[bytes]:
        for number, (x, y) in enumerate(SITES):
            contents = bytearray(segment)
            contents[at["mine"] : at["mine"] + LINE] = lines[number]
            packed = b"".join(int(address).to_bytes(8, "little") for address in lists[number])
            contents[at["list"] : at["awaited"] + 8] = packed + awaited[x, y].to_bytes(8, "little")
            array.write(x, y, 0, bytes(contents))
        for x, y in SITES:
            array.write_register(x, y, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
        assert array.run(50_000).reason == "ended"
        # As many as were awaited, and not one more.
        assert not any(array.read_register(x, y, semaphore_offset(1)) for x, y in SITES)
        return [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in SITES]

    with SimulatedArray(CONFIG, ROWS, COLUMNS, library=tiny_macro, threads=1) as simulated:
        assert memory(simulated) == memory(GoldenArray(CONFIG, ROWS, COLUMNS))


@pytest.mark.rtl
def test_rectangles_of_the_host_and_what_is_wrong_with_them(tiny_macro: SimulatorLibrary) -> None:
    rng = random.Random(5)
    packets = []
    for tag in range(40):
        offset = rng.choice((0, LINE, 5 * LINE, CONFIG.sram_bytes, semaphore_offset(0)))
        columns, rows = (rng.randrange(1, count + 2) if tag % 10 else 1 for count in (COLUMNS, ROWS))
        address = GlobalAddress.rectangle(rng.randrange(COLUMNS), rng.randrange(ROWS), columns, rows, offset)
        kind = Kind.WRITE if tag % 5 else Kind.READ
        write = kind is Kind.WRITE
        packets.append(
            Packet(
                kind, address.x, address.y, offset, src_exit=Port.WEST, tag=tag, post=write and tag % 3 == 0, sem=tag % 9 * write,
                mask=((1 << LINE) - 1) * write, data=rng.randbytes(LINE) * write, upper=address.upper,
            )
        )  # fmt: skip

    def outcome(array: Any) -> Any:
        for number, packet in enumerate(packets):
            if number == len(packets) - 5:
                array.write_register(0, 0, CONTROL_PAGE_OFFSET + ROUTE_CONTROL, ROUTE_ENABLE)
            array.send(packet)
            array.run(2000)
        inbox = sorted(dataclasses.astuple(packet) for packet in array.host_inbox)
        semaphores = [array.read_register(x, y, semaphore_offset(n)) for x, y in SITES for n in range(CONFIG.semaphores)]
        return inbox, semaphores, [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in SITES]

    with SimulatedArray(CONFIG, ROWS, COLUMNS, library=tiny_macro, threads=1) as simulated:
        golden, seen = outcome(GoldenArray(CONFIG, ROWS, COLUMNS)), outcome(simulated)
    assert seen == golden
    assert {packet[0] for packet in golden[0]} == {Kind.READ_DATA, Kind.ERROR}


@pytest.mark.rtl
def test_a_thread_learns_which_rectangle_reached_beyond_the_array(tiny_macro: SimulatorLibrary) -> None:
    address = int(GlobalAddress.rectangle(1, 0, COLUMNS, ROWS, 0x400))
    program = assemble(f"_start: li a0, {address}\n nwrite v0, (a0)\n 1: j 1b", config=CONFIG)
    (segment,) = (contents for start, contents in program.segments if start == SRAM_BASE)
    with SimulatedArray(CONFIG, ROWS, COLUMNS, library=tiny_macro, threads=1) as array:
        array.write(0, 0, 0, segment)
        array.write_register(0, 0, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
        array.run(2000)
        assert array.read_register(0, 0, thread_offset(0, ThreadRegister.CAUSE)) == Cause.NETWORK_ERROR
        assert array.read_register(0, 0, thread_offset(0, ThreadRegister.VALUE)) == address


@pytest.mark.rtl
@pytest.mark.parametrize("dead", [(1, 0), (2, 1), (1, 2)])
def test_copies_behind_a_dead_node_are_answered_as_on_golden_nodes(tiny_macro: SimulatorLibrary, dead: tuple[int, int]) -> None:
    topology = Topology(3, 3, dead_nodes=frozenset({dead}), host=(0, 1, Port.WEST))

    def outcome(array: Any) -> Any:
        for tag in range(3):
            address = GlobalAddress.rectangle(tag, 0, 3 - tag, 3)
            array.send(
                Packet(
                    Kind.WRITE, address.x, address.y, 0, src_y=1, src_exit=Port.WEST, tag=tag, post=True, sem=1,
                    mask=(1 << LINE) - 1, data=bytes([tag + 1] * LINE), upper=address.upper,
                )
            )  # fmt: skip
            array.run(2000)
        inbox = sorted(dataclasses.astuple(packet) for packet in array.host_inbox)
        return inbox, [array.peek(*site, 0, LINE) for site in topology.sites()]

    with SimulatedArray(CONFIG, topology=topology, library=tiny_macro, threads=1) as simulated:
        golden, seen = outcome(GoldenArray(CONFIG, topology=topology)), outcome(simulated)
    assert seen == golden
    assert golden[0]


@pytest.mark.rtl
@pytest.mark.parametrize(
    "dead, beyond",
    [(frozenset(), (3, 1, 1, 3)), (frozenset({(1, 1), (3, 2)}), (2, 0, 3, 3))],
    ids=["by-one-packet", "where-tables-count"],
)
def test_the_hosts_multicast_is_done_when_it_returns(
    dead: frozenset[tuple[int, int]], beyond: tuple[int, int, int, int], tiny_macro: SimulatorLibrary
) -> None:
    rng = random.Random(7)
    topology = Topology(3, 4, dead_nodes=dead, host=(3, 1, Port.EAST))
    golden = GoldenArray(CONFIG, topology=topology)
    with SimulatedArray(CONFIG, topology=topology, library=tiny_macro, threads=1) as simulated:
        for array in (golden, simulated) if dead else ():
            set_up_routes(array)
        for _ in range(20):
            x, y, offset = rng.randrange(4), rng.randrange(3), rng.randrange(8 * LINE)
            rectangle = x, y, rng.randrange(1, 5 - x), rng.randrange(1, 4 - y)
            data, post = rng.randbytes(rng.randrange(1, 4 * LINE)), rng.choice((None, 2))
            for array in (golden, simulated):
                array.multicast(*rectangle, offset, data, post)
            # The back door sees what has arrived, and waits for nothing.
            assert all(simulated.peek(*site, 0, 12 * LINE) == golden.peek(*site, 0, 12 * LINE) for site in topology.sites())
        for site in topology.sites():
            posts = [array.read_register(*site, semaphore_offset(2)) for array in (golden, simulated)]
            assert posts[0] == posts[1]
        for wrong in ((*beyond, 0, bytes(LINE)), (0, 0, 4, 3, CONFIG.sram_bytes, bytes(LINE))):
            messages = []
            for array in (golden, simulated):
                with pytest.raises(NetworkAccessError) as failure:
                    array.multicast(*wrong)
                messages.append(str(failure.value).split("failed")[1])
            assert messages[0] == messages[1]
        assert not simulated.host_inbox
