# SPDX-License-Identifier: Apache-2.0
"""The golden node's routing table: registers, entries, and what packets do by it."""

from __future__ import annotations

import random

import pytest

from golden.config import CONTROL_PAGE_OFFSET, preset
from golden.layout import (
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_ENABLE,
    ROUTE_FAR,
    ControlRegister,
    Kind,
    NetworkError,
    Port,
    RouteEntry,
    far_route,
    route_place,
)
from golden.node import GoldenNode
from golden.packet import Packet
from golden.routes import RouteTable

TINY = preset("tiny")
SIGNS = (-1, 0, 1)


def set_entry(table: RouteTable, x: int, y: int, entry: int) -> None:
    """Change one entry by its register."""
    offset, low = route_place(x, y)
    register = offset - CONTROL_PAGE_OFFSET
    table.write(register, table.read(register) & ~(0xF << low) | entry << low)


def test_places_are_laid_out_for_32_by_32_whatever_the_table_covers() -> None:
    assert route_place(0, 0) == (CONTROL_PAGE_OFFSET + 0x800, 0)
    assert route_place(15, 0) == (CONTROL_PAGE_OFFSET + 0x800, 60)
    assert route_place(16, 0) == (CONTROL_PAGE_OFFSET + 0x808, 0)
    assert route_place(17, 31) == (CONTROL_PAGE_OFFSET + 0x9F8, 4)
    assert [far_route(x, y) for y in SIGNS for x in SIGNS] == list(range(9))


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_registers_keep_three_bits_of_each_entry_that_the_table_covers(bits: int) -> None:
    table, rng = RouteTable(bits, 3, 5), random.Random(bits)
    written = {register: rng.getrandbits(64) for register in range(ROUTE_BLOCK, 0x1000, 8)}
    for register, value in written.items():
        table.write(register, value)
    for register, value in written.items():
        expected = 0
        if register < ROUTE_FAR:
            y, half = divmod((register - ROUTE_BLOCK) // 8, 2)
            if y < 1 << bits:
                columns = min(16, max(0, (1 << bits) - 16 * half))
                expected = value & int("7" * columns or "0", 16)
        elif register == ROUTE_FAR:
            expected = value & 0x7_7777_7777
        elif register == ROUTE_CONTROL:
            expected = value & 1
        assert table.read(register) == expected, hex(register)


def test_without_a_table_its_registers_read_0_and_nothing_changes() -> None:
    table = RouteTable(0, 1, 1)
    for register in range(ROUTE_BLOCK, 0x1000, 8):
        table.write(register, (1 << 64) - 1)
        assert table.read(register) == 0
    assert table.port(0, 1) is Port.WEST


def test_an_entry_counts_for_its_destination_alone_and_only_while_the_table_is_enabled() -> None:
    bits, x, y = 3, 8 + 2, 16 + 5
    for entry in range(8):
        table = RouteTable(bits, x, y)
        set_entry(table, 6, 7, entry)
        assert table.port(8 + 6, 16 + 7) is Port.EAST
        table.write(ROUTE_CONTROL, ROUTE_ENABLE)
        expected = {0: Port.EAST, 1: Port.NORTH, 2: Port.EAST, 3: Port.SOUTH, 4: Port.WEST}.get(entry)
        assert table.port(8 + 6, 16 + 7) is expected
        assert table.port(8 + 7, 16 + 7) is Port.EAST
        assert table.port(8 + 2, 16 + 7) is Port.SOUTH
        table.write(ROUTE_CONTROL, 0)
        assert table.port(8 + 6, 16 + 7) is Port.EAST


def test_destinations_outside_of_the_table_have_an_entry_by_direction() -> None:
    bits, x, y = 3, 8 + 2, 16 + 5
    table = RouteTable(bits, x, y)
    table.write(ROUTE_CONTROL, ROUTE_ENABLE)
    entries = [1, 2, 3, 4, 0, 5, 3, 2, 1]
    table.write(ROUTE_FAR, sum(entry << 4 * index for index, entry in enumerate(entries)))
    for index, (dy, dx) in enumerate((dy, dx) for dy in SIGNS for dx in SIGNS):
        if dx or dy:
            # The low bits are those of some entry of the table, which must not count.
            assert table.entry(x + 8 * dx, y + 8 * dy) is RouteEntry(entries[index])


def test_packets_go_by_the_table_and_their_own_node_never_looks_it_up() -> None:
    node = GoldenNode(TINY, x=1, y=1, links=0b0111)
    for y in range(3):
        for x in range(3):
            set_entry(node.router.routes, x, y, RouteEntry.SOUTH)
    node.write_register(ROUTE_CONTROL, ROUTE_ENABLE)

    def port(x: int, y: int, arrival: Port = Port.LOCAL, exit: int = Port.LOCAL) -> Port | None:
        (found,) = node.router.next_ports(Packet(Kind.WRITE, x, y, 0, exit), arrival)
        return found

    assert port(2, 1) is Port.SOUTH
    assert port(2, 1, Port.SOUTH) is None, "it would turn back"
    assert port(1, 1) is Port.LOCAL
    assert port(1, 1, exit=Port.EAST) is Port.EAST
    set_entry(node.router.routes, 2, 1, RouteEntry.WEST)
    assert port(2, 1) is None, "there is no such link"
    set_entry(node.router.routes, 2, 1, RouteEntry.UNREACHABLE)
    assert port(2, 1) is None
    assert node.read_register(ROUTE_CONTROL) == ROUTE_ENABLE


def test_what_the_table_calls_unreachable_is_answered_by_an_error() -> None:
    node = GoldenNode(TINY, x=1, y=0, links=0b1111)
    set_entry(node.router.routes, 0, 0, RouteEntry.NORTH)
    set_entry(node.router.routes, 2, 0, RouteEntry.UNREACHABLE)
    node.write_register(ROUTE_CONTROL, ROUTE_ENABLE)
    node.refuse(Packet(Kind.READ, 2, 0, 16, tag=3))
    ((port, error),) = node.departed
    assert (port, error.kind, error.sem) == (Port.NORTH, Kind.ERROR, NetworkError.UNREACHABLE)
    assert (error.x, error.src_x, error.tag) == (0, 2, 3)


@pytest.mark.parametrize("name, bits", [("d1", 5), ("tiny", 4), ("nano", 0)])
def test_a_node_tells_how_much_its_table_covers(name: str, bits: int) -> None:
    assert GoldenNode(preset(name)).read_register(ControlRegister.CONFIG) >> 56 & 7 == bits
