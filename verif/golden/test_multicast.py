# SPDX-License-Identifier: Apache-2.0
"""A write to a rectangle of golden nodes reaches each of them once, from wherever it was sent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
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
from golden.mesh import GoldenArray
from golden.packet import Packet
from verif.golden.encoding import encode

TINY = preset("tiny")
LINE = TINY.line_bytes
FULL = (1 << LINE) - 1
ROWS, COLUMNS = 4, 5
SITES = [(x, y) for y in range(ROWS) for x in range(COLUMNS)]


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
