# SPDX-License-Identifier: Apache-2.0
"""Memories at the edge of the golden array: their descriptions, their bytes, who reaches them, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import PRESETS, preset
from golden.edge_memory import MAX_MEMORY_LATENCY, MAX_MEMORY_RATE, EdgeMemory
from golden.layout import OFFSET_BITS, SRAM_BASE, Cause, GlobalAddress, Kind, NetworkError, Port
from golden.memory_model import MemoryModel
from golden.mesh import GoldenArray
from golden.packet import Packet
from golden.topology import Topology, TopologyError
from sw.assembler import assemble
from sw.host import run_program
from sw.routing import set_up_routes

TINY = preset("tiny")
LINE = TINY.line_bytes
LARGEST = 1 << 35


def described(x: int = 1, y: int = 0, port: Port = Port.EAST, **changes: Any) -> EdgeMemory:
    return EdgeMemory(**{"x": x, "y": y, "port": port, "bytes": 1 << 23, "latency": 10, "bytes_per_cycle": 64, **changes})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"bytes": 0}, r"memories: bytes = 0 is outside of 64 to 34359738368"),
        ({"bytes": LARGEST + 64}, "memories: bytes = 34359738432 is outside"),
        ({"bytes": 96}, "memories: bytes = 96 is no multiple of 64"),
        ({"bytes": 64.0}, "memories: bytes = 64.0 is no whole number"),
        ({"latency": 0}, "memories: latency = 0 is outside of 1 to 100000"),
        ({"latency": MAX_MEMORY_LATENCY + 1}, "memories: latency = 100001 is outside"),
        ({"bytes_per_cycle": 0}, "memories: bytes_per_cycle = 0 is outside of 1 to 1024"),
        ({"bytes_per_cycle": MAX_MEMORY_RATE + 1}, "memories: bytes_per_cycle = 1025 is outside"),
        ({"port": Port.LOCAL}, "memories: port = .* is no link"),
    ],
)
def test_what_no_memory_can_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        described(**changes)


def test_arrays_list_their_memories_and_have_their_links() -> None:
    north, east = described(0, 0, Port.NORTH), described(1, 1, Port.EAST, bytes=LARGEST)
    topology = Topology(2, 2, memories=(east, north))
    assert topology.memories == (north, east)
    assert topology.memory(1, 1, Port.EAST) is east
    assert [topology.links(x, y) for y in range(2) for x in range(2)] == [0b1111, 0b1100, 0b0011, 0b1011]
    assert [topology.edges(x, y) for y in range(2) for x in range(2)] == [0b1001, 0, 0, 0b0010]
    assert topology.link_cycles(1, 1, Port.EAST) == 1
    assert topology.neighbour(1, 1, Port.EAST) is None
    assert Topology.from_json(topology.to_json()) == topology
    with pytest.raises(ValueError, match="no memory at the east link of node x=1, y=0; memories are at: north link of node x=0"):
        topology.memory(1, 0, Port.EAST)


def test_addresses_reach_the_last_byte_of_the_largest_memory() -> None:
    memory = described(5, 3, Port.SOUTH, bytes=LARGEST)
    assert int(memory.address(LARGEST - 1)) == (1 << 14) - 1 << 50 | 3 << 47 | 3 << 34 | 5 << 21 | (1 << 21) - 1
    assert GlobalAddress.unpack(int(memory.address(1 << OFFSET_BITS))) == GlobalAddress(5, 3, 0, Port.SOUTH, 1)
    with pytest.raises(ValueError, match="are not in the memory of 34359738368 bytes at the south link of node x=5, y=3"):
        memory.address(LARGEST)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, (1 << 16) - 20, (1 << 21) - 3, (1 << 34) - 5, LARGEST - 70_000]),
            st.integers(0, 40),
            st.binary(max_size=200),
        ),
        max_size=12,
    ),
    st.integers(0, 40),
)
def test_the_back_door_reads_what_was_written_last(writes: list[tuple[int, int, bytes]], start: int) -> None:
    model = MemoryModel(described(bytes=LARGEST), LINE)
    held: dict[int, int] = {}
    for base, offset, data in writes:
        model.write(base + offset, data)
        held |= {base + offset + n: byte for n, byte in enumerate(data)}
    for base in {base for base, *_ in writes}:
        assert model.read(base + start, 300) == bytes(held.get(base + start + n, 0) for n in range(300))


def test_the_back_door_takes_arrays_of_any_layout_and_says_what_is_not_there() -> None:
    model = MemoryModel(described(bytes=1 << 20), LINE)
    values = np.arange(12, dtype=np.int32).reshape(3, 4)
    model.write(100, values.T)
    assert model.read(100, 48) == values.T.tobytes()
    for offset, length in ((-1, 1), ((1 << 20) - 47, 48), (0, -1)):
        with pytest.raises(ValueError, match="are not in the memory of 1048576 bytes"):
            model.read(offset, length)
    with pytest.raises(ValueError, match="are not in the memory"):
        model.write((1 << 20) - 47, values)


def ask(array: GoldenArray, memory: EdgeMemory, offset: int, **fields: Any) -> Packet | None:
    """The answer to a READ by the host, or to what ``fields`` make of it."""
    address = GlobalAddress(memory.x, memory.y, offset & (1 << OFFSET_BITS) - 1, memory.port, offset >> OFFSET_BITS)
    x, y, port = array.topology.host_link
    values = {"x": address.x, "y": address.y, "offset": address.offset, "exit": address.exit, "upper": address.upper}
    array.send(Packet(**{"kind": Kind.READ, **values, "src_x": x, "src_y": y, "src_exit": port, "tag": 77, **fields}))
    return array.host_inbox.pop() if array.host_inbox else None


def test_packets_of_the_host_read_and_write_under_masks() -> None:
    memory = described(1, 2, Port.EAST)
    array = GoldenArray(TINY, topology=Topology(3, 2, memories=(memory,)))
    far = (3 << OFFSET_BITS) + 5 * LINE
    array.memory(1, 2, Port.EAST).write(far, bytes(range(LINE)))
    assert ask(array, memory, far, kind=Kind.WRITE, mask=0b101, data=b"\xee" * LINE) is None
    expected = b"\xee\x01\xee" + bytes(range(3, LINE))
    answer = ask(array, memory, far + 3)
    assert answer is not None
    assert (answer.kind, answer.data, answer.tag, answer.upper) == (Kind.READ_DATA, expected, 77, 3)
    assert array.memory(1, 2, Port.EAST).read(far, LINE) == expected


@pytest.mark.parametrize(
    "offset, fields, reason",
    [
        (1 << 23, {}, NetworkError.BAD_OFFSET),
        ((1 << 23) + 5, {"kind": Kind.WRITE, "mask": 1, "data": bytes(LINE)}, NetworkError.BAD_OFFSET),
        (0, {"kind": Kind.WRITE, "mask": 1, "data": bytes(LINE), "post": True}, NetworkError.BAD_OFFSET),
        # Beyond the eastern edge: dimension order takes it to the memory, which is not what it is for.
        (0, {"x": 2, "exit": Port.LOCAL, "upper": 0}, NetworkError.UNREACHABLE),
        (0, {"x": 2}, NetworkError.UNREACHABLE),
    ],
)
def test_what_cannot_be_done_is_answered_by_an_error_that_names_it(
    offset: int, fields: dict[str, Any], reason: NetworkError
) -> None:
    memory = described(1, 0, Port.EAST)
    array = GoldenArray(TINY, topology=Topology(1, 2, memories=(memory,)))
    answer = ask(array, memory, offset, **fields)
    assert answer is not None
    assert (answer.kind, answer.sem) == (Kind.ERROR, reason)
    assert answer.failed_address == int(
        GlobalAddress(
            fields.get("x", 1), 0, offset & (1 << OFFSET_BITS) - 1, fields.get("exit", Port.EAST),
            fields.get("upper", offset >> OFFSET_BITS),
        )
    )  # fmt: skip
    assert array.memory(1, 0, Port.EAST).errors == 1
    assert array.memory(1, 0, Port.EAST).read(0, LINE) == bytes(LINE)


def test_a_rectangle_beyond_the_edge_leaves_nothing_in_a_memory() -> None:
    memory = described(1, 0, Port.EAST)
    array = GoldenArray(TINY, topology=Topology(1, 2, memories=(memory,)))
    beyond = GlobalAddress.rectangle(0, 0, columns=3, rows=1)
    fields = {"x": 0, "exit": Port.LOCAL, "upper": beyond.upper, "kind": Kind.WRITE, "mask": 1, "data": b"\x01" * LINE}
    answer = ask(array, memory, 0, **fields)
    assert answer is not None
    assert answer.sem == NetworkError.UNREACHABLE
    assert array.memory(1, 0, Port.EAST).read(0, LINE) == bytes(LINE)
    assert [array.peek(x, 0, 0, 1) for x in range(2)] == [b"\x01", b"\x01"]


@pytest.mark.parametrize("access", ["nread v1, (a0)", "nwrite v1, (a0)", "nsd a0, (a0)"])
def test_threads_trap_beyond_the_end_with_the_address(access: str) -> None:
    memory = described(0, 0, Port.EAST)
    array = GoldenArray(TINY, topology=Topology(1, 1, memories=(memory,)))
    address = int(memory.address(0)) | 4 << 50
    report = run_program(array, assemble(f"li a0, {address}\n{access}\nvmv v2, v1\n1: j 1b", config=TINY), 1000)
    trap = report.nodes[0].trap
    assert trap is not None
    assert (trap.cause, trap.value) == (Cause.NETWORK_ERROR, address)


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_threads_read_and_write_above_two_mebibytes(config: Any) -> None:
    memory = described(1, 0, Port.SOUTH, bytes=LARGEST)
    array = GoldenArray(config, topology=Topology(1, 2, memories=(memory,)))
    line = config.line_bytes
    array.memory(1, 0, Port.SOUTH).write(LARGEST - line, bytes(range(line)))
    source = f"li a0, {int(memory.address(LARGEST - line))}\nnread v1, (a0)\nli a0, {int(memory.address(1 << 34))}\n"
    report = run_program(array, assemble(source + "nwrite v1, (a0)\nnread v2, (a0)\nvmv v3, v2\nhalt zero", config=config), 1000)
    assert report.passed, report.summary()
    assert array.memory(1, 0, Port.SOUTH).read(1 << 34, line) == bytes(range(line))


def test_routes_around_dead_nodes_lead_to_memories_and_back() -> None:
    memory = described(3, 1, Port.EAST)
    dead = frozenset({(2, 1), (3, 2), (1, 3)})
    array = GoldenArray(
        TINY, topology=Topology(4, 4, dead_nodes=dead, dead_links=frozenset({(0, 0, Port.EAST)}), memories=(memory,))
    )
    array.memory(3, 1, Port.EAST).write(0, bytes(range(LINE)))
    set_up_routes(array)
    program = assemble(
        f"li a0, {int(memory.address(0))}\nnread v1, (a0)\nla t0, line\nvst v1, 0(t0)\nhalt zero\n"
        ".bss\n.balign LINE_BYTES\nline: .zero LINE_BYTES",
        config=TINY,
    )
    assert run_program(array, program, 10_000).passed
    for x, y in array.topology.sites():
        assert array.peek(x, y, program.symbols["line"] - SRAM_BASE, LINE) == bytes(range(LINE))
