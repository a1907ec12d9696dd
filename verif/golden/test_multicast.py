# SPDX-License-Identifier: Apache-2.0
"""A write to a rectangle of golden nodes reaches each of them once, from wherever it was sent."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, preset
from golden.layout import (
    ROUTE_CONTROL,
    ROUTE_ENABLE,
    SRAM_BASE,
    Cause,
    GlobalAddress,
    Kind,
    NetworkError,
    Port,
    ThreadRegister,
    ThreadState,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray, NetworkAccessError
from golden.multicast import ROUTE_CONTROL_OFFSET
from golden.packet import Packet
from golden.topology import Topology
from sw.routing import RoutingError, set_up_routes
from verif.golden.encoding import encode

TINY = preset("tiny")
LINE = TINY.line_bytes
FULL = (1 << LINE) - 1
ROWS, COLUMNS = 4, 5
SITES = [(x, y) for y in range(ROWS) for x in range(COLUMNS)]

#: What the host writes to which rectangle.
HOST_MULTICASTS: dict[str, Any] = {
    "corner": st.sampled_from(SITES),
    "columns": st.integers(1, COLUMNS),
    "rows": st.integers(1, ROWS),
    "offset": st.integers(0, 5 * LINE),
    "data": st.binary(max_size=3 * LINE),
    "post": st.sampled_from([None, 0, 3]),
}


def array_of() -> GoldenArray:
    return GoldenArray(TINY, ROWS, COLUMNS)


def packet(address: GlobalAddress, kind: Kind = Kind.WRITE, **more: int) -> Packet:
    """From the host, which posts semaphore 1, so that deliveries are counted."""
    write = kind is Kind.WRITE
    return Packet(
        kind, address.x, address.y, address.offset, address.exit, src_exit=Port.WEST, upper=address.upper,
        post=write, sem=int(write), mask=FULL * write, data=bytes(range(LINE)) * write, **more,
    )  # fmt: skip


def posts(array: GoldenArray) -> dict[tuple[int, int], int]:
    """How often a packet arrived at each node that got one."""
    return {(x, y): n for x, y in SITES if (n := array.node(x, y).semaphores[1])}


@settings(max_examples=60, deadline=None)
@given(
    source=st.sampled_from([None, *SITES]),
    corner=st.sampled_from(SITES),
    columns=st.integers(1, COLUMNS + 2),
    rows=st.integers(1, ROWS + 2),
)
def test_each_node_of_the_rectangle_gets_it_once(
    source: tuple[int, int] | None, corner: tuple[int, int], columns: int, rows: int
) -> None:
    array = array_of()
    address = GlobalAddress.rectangle(*corner, columns, rows, offset=2 * LINE)
    if source is None:
        array.send(packet(address))
    else:
        # Where the program lies nobody writes.
        node = array.node(*source)
        node.sram[0x400:0x408] = encode("nwrite.s", 3, 5, 1).to_bytes(4, "little") + encode("halt", 0).to_bytes(4, "little")
        node.threads[0].v[3] = bytes(range(LINE))
        node.threads[0].x[5] = int(address)
        array.write_register(*source, thread_offset(0, ThreadRegister.PC), SRAM_BASE + 0x400)
        array.run(100)
    x, y = corner
    inside = [(i, j) for i, j in SITES if x <= i < x + columns and y <= j < y + rows]
    assert posts(array) == dict.fromkeys(inside, 1)
    for i, j in SITES:
        expected = bytes(range(LINE)) if (i, j) in inside else bytes(LINE)
        assert array.peek(i, j, 2 * LINE, LINE) == expected
    beyond = (columns, rows) != (1, 1) and (x + columns > COLUMNS or y + rows > ROWS)
    if source is None:
        assert bool(array.host_inbox) == beyond
        assert {(answer.kind, answer.sem, answer.failed_address) for answer in array.host_inbox} <= {
            (Kind.ERROR, NetworkError.UNREACHABLE, int(address))
        }
    else:
        thread = array.node(*source).threads[0]
        assert thread.state is (ThreadState.TRAPPED if beyond else ThreadState.HALTED)
        if beyond:
            assert (thread.mcause, thread.mtval) == (Cause.NETWORK_ERROR, int(address))


def test_each_node_that_has_no_such_offset_refuses_for_itself() -> None:
    array = array_of()
    array.send(packet(GlobalAddress.rectangle(1, 1, 2, 2, offset=TINY.sram_bytes)))
    expected = {(Kind.ERROR, NetworkError.BAD_OFFSET, int(GlobalAddress(x, y, TINY.sram_bytes))) for x in (1, 2) for y in (1, 2)}
    assert {(answer.kind, answer.sem, answer.failed_address) for answer in array.host_inbox} == expected
    assert len(array.host_inbox) == 4


def test_registers_of_the_control_page_are_written_in_every_node() -> None:
    array, data = array_of(), (5).to_bytes(8, "little")
    offset = semaphore_offset(2)
    low = offset % LINE
    address = GlobalAddress.rectangle(0, 0, COLUMNS, ROWS, offset=offset - low)
    array.send(
        Packet(
            Kind.WRITE, 0, 0, address.offset, upper=address.upper, src_exit=Port.WEST, mask=0xFF << low,
            data=bytes(low) + data + bytes(LINE - low - 8),
        )
    )  # fmt: skip
    assert all(array.node(x, y).semaphores[2] == 5 for x, y in SITES)


def test_a_rectangle_is_not_read() -> None:
    array = array_of()
    array.send(packet(GlobalAddress.rectangle(1, 1, 2, 1), Kind.READ, tag=7))
    (answer,) = array.host_inbox
    assert (answer.kind, answer.sem, answer.tag) == (Kind.ERROR, NetworkError.BAD_OFFSET, 7)
    assert answer.failed_address == int(GlobalAddress.rectangle(1, 1, 2, 1))


def test_upper_bits_of_what_lies_behind_an_exit_are_no_rectangle() -> None:
    array = array_of()
    sent = Packet(Kind.WRITE, 0, 0, 0, exit=Port.WEST, upper=3, data=bytes(LINE))
    node = array.node(3, 2)
    node.send(sent)
    node.flush()
    assert array.host_inbox == [sent]
    assert not posts(array)


def test_a_router_whose_table_is_enabled_refuses_multicasts() -> None:
    array = array_of()
    array.write_register(0, 0, CONTROL_PAGE_OFFSET + ROUTE_CONTROL, ROUTE_ENABLE)
    array.send(packet(GlobalAddress.rectangle(1, 1, 2, 1)))
    (answer,) = array.host_inbox
    assert (answer.kind, answer.sem) == (Kind.ERROR, NetworkError.UNREACHABLE)
    array.send(packet(GlobalAddress.rectangle(1, 1, 1, 1)))
    assert posts(array) == {(1, 1): 1}


@settings(max_examples=60, deadline=None)
@given(
    host=st.integers(0, ROWS - 1),
    dead=st.sets(st.sampled_from([site for site in SITES if site[0]]), max_size=4),
    corner=st.sampled_from(SITES),
    columns=st.integers(1, COLUMNS),
    rows=st.integers(1, ROWS),
)
def test_a_dead_node_takes_from_a_multicast_what_lies_behind_it(
    host: int, dead: set[tuple[int, int]], corner: tuple[int, int], columns: int, rows: int
) -> None:
    array = GoldenArray(TINY, topology=Topology(ROWS, COLUMNS, dead_nodes=frozenset(dead), host=(0, host, Port.WEST)))
    x, y = corner
    columns, rows = min(columns, COLUMNS - x), min(rows, ROWS - y)
    # Every way of a copy, step by step: the host's row first.
    ways = [
        [(i, host) for i in range(to_x + 1)]
        + [(to_x, j) for j in range(host, to_y, 1 if to_y > host else -1)][1:]
        + [(to_x, to_y)]
        for to_x in range(x, x + columns)
        for to_y in range(y, y + rows)
    ]
    live = [[site not in dead for site in way] for way in ways]
    reached = {way[-1] for way, lives in zip(ways, live, strict=True) if all(lives)}
    cut_at = {way[lives.index(False) - 1] for way, lives in zip(ways, live, strict=True) if not all(lives)}
    address = GlobalAddress.rectangle(x, y, columns, rows)
    array.send(dataclasses.replace(packet(address), src_y=host))
    got = {site: array.node(*site).semaphores[1] for site in array.topology.sites()}
    assert {site: count for site, count in got.items() if count} == dict.fromkeys(reached, 1)
    # One answer from each node at which a copy ends, which says what it was that could not be written, and not where. It goes
    # along that node's row, where a dead node takes it as well.
    answered = [(i, j) for i, j in cut_at if not any((k, j) in dead for k in range(i))]
    assert [(each.kind, each.sem, each.failed_address) for each in array.host_inbox] == [
        (Kind.ERROR, NetworkError.UNREACHABLE, int(address))
    ] * len(answered)


@settings(max_examples=40, deadline=None)
@given(
    **HOST_MULTICASTS,
)
def test_the_host_writes_bytes_to_a_rectangle(
    corner: tuple[int, int], columns: int, rows: int, offset: int, data: bytes, post: int | None
) -> None:
    array, (x, y) = array_of(), corner
    columns, rows = min(columns, COLUMNS - x), min(rows, ROWS - y)
    before = bytes(range(7, 7 + 10 * LINE))
    for site in SITES:
        array.poke(*site, 0, before)
    array.multicast(x, y, columns, rows, offset, data, post)
    lines = len({(offset + place) // LINE for place in range(len(data))})
    for i, j in SITES:
        inside = x <= i < x + columns and y <= j < y + rows
        expected = before[:offset] + data + before[offset + len(data) :] if inside else before
        assert array.peek(i, j, 0, len(before)) == expected
        assert array.node(i, j).semaphores == [lines if inside and n == post else 0 for n in range(TINY.semaphores)]
    assert not array.host_inbox


def test_what_the_host_cannot_write_to_a_rectangle_is_an_error() -> None:
    array = array_of()
    with pytest.raises(NetworkAccessError, match="offset 0x10 of node x=3, y=1 failed: there is no such node"):
        array.multicast(3, 1, 3, 2, LINE, bytes(LINE))
    with pytest.raises(NetworkAccessError, match="neither SRAM nor control page"):
        array.multicast(0, 0, 2, 2, TINY.sram_bytes, bytes(1))
    with pytest.raises(ValueError, match="columns = 0"):
        array.multicast(0, 0, 0, 2, 0, bytes(1))
    assert not array.host_inbox


@settings(max_examples=40, deadline=None)
@given(
    dead=st.sets(st.sampled_from([site for site in SITES if site != (0, 0)]), max_size=3),
    tables=st.booleans(),
    **HOST_MULTICASTS,
)
def test_the_host_writes_to_the_live_nodes_of_a_rectangle_as_a_multicast_would(
    dead: set[tuple[int, int]],
    tables: bool,
    corner: tuple[int, int],
    columns: int,
    rows: int,
    offset: int,
    data: bytes,
    post: int | None,
) -> None:
    array = GoldenArray(TINY, topology=Topology(ROWS, COLUMNS, dead_nodes=frozenset(dead)))
    whole, (x, y) = array_of(), corner
    try:
        set_up_routes(array)
    except RoutingError:
        assume(False)
    if tables:
        for site in array.topology.sites():
            array.write_register(*site, ROUTE_CONTROL_OFFSET, ROUTE_ENABLE)
    reaches_beyond = x + columns > COLUMNS or y + rows > ROWS
    for each, refuses in ((whole, reaches_beyond and data), (array, reaches_beyond)):
        with pytest.raises(NetworkAccessError, match="no such node") if refuses else contextlib.nullcontext():
            each.multicast(x, y, columns, rows, offset, data, post)
    for site in array.topology.sites():
        assert array.peek(*site, 0, 8 * LINE) == whole.peek(*site, 0, 8 * LINE)
        assert array.node(*site).semaphores == whole.node(*site).semaphores
    assert not array.host_inbox


@pytest.mark.parametrize("columns, rows, name", [(0, 1, "columns = 0"), (129, 1, "columns = 129"), (1, 200, "rows = 200")])
def test_sides_that_no_address_has_are_refused(columns: int, rows: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is outside of 1 to 128"):
        GlobalAddress.rectangle(0, 0, columns, rows)


@given(
    st.builds(
        GlobalAddress, st.integers(0, 8191), st.integers(0, 8191), st.integers(0, 2**21 - 1), st.sampled_from(Port),
        st.integers(0, 2**14 - 1),
    )
)  # fmt: skip
def test_addresses_of_64_bits_are_unpacked_as_they_were(address: GlobalAddress) -> None:
    assert int(address) < 1 << 64
    assert GlobalAddress.unpack(int(address)) == address
