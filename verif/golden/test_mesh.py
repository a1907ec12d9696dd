# SPDX-License-Identifier: Apache-2.0
"""The golden array: host access, routing to the edges, threads of several nodes, and how runs end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, PRESETS, NodeConfig, preset
from golden.layout import (
    SRAM_BASE,
    Cause,
    ControlRegister,
    GlobalAddress,
    Kind,
    NetworkError,
    Port,
    ThreadRegister,
    ThreadState,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray, NetworkAccessError, RunResult, ThreadReport
from golden.packet import Packet
from verif.golden.encoding import encode

TINY = preset("tiny")
LINE = TINY.line_bytes
HALT = encode("halt", 0)
SPIN = encode("jal", 0, 0)


def code(*words: int) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


def boot(array: GoldenArray, x: int, y: int, *words: int, thread: int = 0, registers: dict[int, int] | None = None) -> None:
    """Load and start a thread from the host; registers by the back door."""
    at = 0x400 * thread
    array.write(x, y, at, code(*words))
    for register, value in (registers or {}).items():
        array.node(x, y).threads[thread].x[register] = value
    array.write_register(x, y, thread_offset(thread, ThreadRegister.PC), SRAM_BASE + at)


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_host_reads_back_what_it_wrote_in_every_node(config: NodeConfig) -> None:
    array = GoldenArray(config, rows=2, columns=3)
    for y in range(2):
        for x in range(3):
            data = bytes((x + 4 * y + i) % 251 for i in range(200))
            array.write(x, y, 37, data)
            assert array.read(x, y, 37, 200) == data
            assert array.peek(x, y, 30, 207) == bytes(7) + data
            assert array.read_register(x, y, control_offset(ControlRegister.COORDINATES)) == int(GlobalAddress(x, y))
    assert array.host_inbox == []


@settings(max_examples=50, deadline=None)
@given(offset=st.integers(0, 300), data=st.binary(max_size=100), start=st.integers(0, 300), length=st.integers(0, 100))
def test_packets_and_back_door_see_the_same_memory(offset: int, data: bytes, start: int, length: int) -> None:
    array = GoldenArray(TINY, 1, 1)
    array.poke(0, 0, 0, bytes(range(256)) * 2)
    array.write(0, 0, offset, data)
    expected = bytearray(bytes(range(256)) * 2)
    expected[offset : offset + len(data)] = data
    assert array.read(0, 0, start, length) == bytes(expected[start : start + length])
    assert array.peek(0, 0, 0, 512) == bytes(expected)


def test_host_writes_take_one_packet_per_line() -> None:
    array = GoldenArray(TINY, 1, 1)
    array.write(0, 0, 3, bytes(2 * LINE))
    assert array.read_register(0, 0, control_offset(ControlRegister.REQUESTS_RECEIVED)) == 4


def test_registers_are_written_one_by_one() -> None:
    array = GoldenArray(TINY, 1, 2)
    array.write_register(1, 0, semaphore_offset(3), 5)
    array.write_register(1, 0, semaphore_offset(2), 1)
    array.write_register(1, 0, semaphore_offset(3), 2)
    assert [array.read_register(1, 0, semaphore_offset(i)) for i in range(4)] == [0, 0, 1, 7]
    with pytest.raises(ValueError, match="multiple of 8"):
        array.write_register(1, 0, semaphore_offset(3) + 4, 0)
    with pytest.raises(ValueError, match="multiple of 8"):
        array.read_register(1, 0, semaphore_offset(3) + 4)


@pytest.mark.parametrize("x, y", [(2, 0), (0, 3), (8191, 8191)])
def test_access_to_a_node_that_is_not_there_names_it(x: int, y: int) -> None:
    array = GoldenArray(TINY, rows=3, columns=2)
    for access in (lambda: array.read(x, y, 0x40, 1), lambda: array.write(x, y, 0x40, b"1")):
        with pytest.raises(NetworkAccessError, match=rf"0x40 of node x={x}, y={y} .* no such node") as caught:
            access()
        assert (caught.value.address, caught.value.reason) == (GlobalAddress(x, y, 0x40), NetworkError.UNREACHABLE)
    assert array.host_inbox == []


@pytest.mark.parametrize("offset", [TINY.sram_bytes, CONTROL_PAGE_OFFSET - 1])
def test_access_to_an_offset_that_is_not_there_names_it(offset: int) -> None:
    array = GoldenArray(TINY, 2, 2)
    with pytest.raises(NetworkAccessError, match=f"{offset:#x} of node x=1, y=1 .* neither SRAM") as caught:
        array.read(1, 1, offset, 1)
    assert caught.value.reason is NetworkError.BAD_OFFSET
    with pytest.raises(NetworkAccessError):
        array.write(1, 1, offset, b"1")


def test_write_across_the_end_of_sram_fails_where_the_hole_begins() -> None:
    array = GoldenArray(TINY, 1, 1)
    with pytest.raises(NetworkAccessError) as caught:
        array.write(0, 0, TINY.sram_bytes - LINE, b"\x01" * 2 * LINE)
    assert caught.value.address.offset == TINY.sram_bytes
    assert array.peek(0, 0, TINY.sram_bytes - 1, 1) == b"\x01"


def test_arguments_out_of_range_are_refused() -> None:
    for rows, columns in ((0, 1), (1, 0), (8193, 1)):
        with pytest.raises(ValueError, match="outside of 1 to 8192"):
            GoldenArray(TINY, rows, columns)
    array = GoldenArray(TINY, 1, 1)
    with pytest.raises(ValueError, match="does not fit"):
        array.read(0, 0, 1 << 21, 1)
    with pytest.raises(ValueError, match="no node x=1"):
        array.peek(1, 0, 0, 1)
    for offset, length in ((-1, 1), (TINY.sram_bytes, 1), (0, TINY.sram_bytes + 1)):
        with pytest.raises(ValueError, match="not in an SRAM"):
            array.peek(0, 0, offset, length)
    with pytest.raises(ValueError, match="not in an SRAM"):
        array.poke(0, 0, TINY.sram_bytes - 1, b"12")
    with pytest.raises(ValueError, match="until"):
        array.run(until="sunset")


def test_links_are_those_of_a_mesh_and_the_host() -> None:
    array = GoldenArray(TINY, rows=2, columns=2)
    north, east, south, west = 1, 2, 4, 8
    links = {(x, y): array.node(x, y).links for x in range(2) for y in range(2)}
    assert links == {(0, 0): east | south | west, (1, 0): south | west, (0, 1): north | east, (1, 1): north | west}


# -- threads over the mesh --------------------------------------------------------------------------------------------


def test_neighbours_exchange_lines_with_semaphores() -> None:
    """Every node writes a line into every node, then waits for one from each."""
    rows, columns = 2, 3
    array = GoldenArray(TINY, rows, columns)
    nodes = [(x, y) for y in range(rows) for x in range(columns)]
    for index, (x, y) in enumerate(nodes):
        words = [encode("vld", 1, 0, 5)]
        registers = {5: SRAM_BASE + 0x800, 6: len(nodes)}
        array.poke(x, y, 0x800, bytes([index + 1]) * LINE)
        for target, (to_x, to_y) in enumerate(nodes):
            words.append(encode("nwrite.s", 1, 10 + target, 2))
            registers[10 + target] = int(GlobalAddress(to_x, to_y, 0x900 + LINE * index))
        boot(array, x, y, *words, encode("swait", 2, 6), encode("halt", 6), registers=registers)
    result = array.run()
    assert result.reason == "ended"
    assert 0 < result.cycles == array.cycle
    expected = b"".join(bytes([i + 1]) * LINE for i in range(len(nodes)))
    for x, y in nodes:
        assert array.peek(x, y, 0x900, len(expected)) == expected
        assert array.read_register(x, y, thread_offset(0, ThreadRegister.EXIT_CODE)) == len(nodes)
        assert array.read_register(x, y, semaphore_offset(2)) == 0


def test_remote_read_and_remote_start() -> None:
    array = GoldenArray(TINY, 2, 2)
    array.poke(1, 1, 0x100, bytes(range(LINE)))
    array.write(1, 1, 0, code(HALT))
    words = [encode("nread", 3, 5), encode("vst", 3, 0, 6), encode("nsd", 7, 8), HALT]
    registers = {
        5: int(GlobalAddress(1, 1, 0x100)), 6: SRAM_BASE + 0x200, 7: SRAM_BASE,
        8: int(GlobalAddress(1, 1, thread_offset(1, ThreadRegister.PC))),
    }  # fmt: skip
    boot(array, 0, 0, *words, registers=registers)
    assert array.run().reason == "ended"
    assert array.peek(0, 0, 0x200, LINE) == bytes(range(LINE))
    assert array.node(1, 1).threads[1].minstret == 1


def test_writes_of_a_thread_arrive_before_its_post() -> None:
    array = GoldenArray(TINY, 1, 2)
    target = int(GlobalAddress(1, 0, 0x200))
    sender = [encode("nsd", 6, 5), encode("addi", 6, 6, 1), encode("nwrite.s", 1, 7, 0), encode("bne", 6, 8, -12), HALT]
    boot(array, 0, 0, *sender, registers={5: target, 6: 1, 7: target + LINE, 8: 50})
    receiver = [
        encode("swait", 0, 5), encode("ld", 7, 0, 6), encode("bltu", 7, 8, 16), encode("addi", 8, 8, 1),
        encode("bne", 8, 9, -16), HALT, encode("ebreak"),
    ]  # fmt: skip
    boot(array, 1, 0, *receiver, registers={5: 1, 6: SRAM_BASE + 0x200, 8: 1, 9: 50})
    assert array.run().reason == "ended"
    assert {report.state for report in array.thread_states()} == {ThreadState.HALTED}


@pytest.mark.parametrize(
    "target", [GlobalAddress(2, 0), GlobalAddress(0, 2), GlobalAddress(1, 1, 0, Port.SOUTH), GlobalAddress(1, 0, TINY.sram_bytes)]
)
def test_thread_that_sends_into_the_void_traps_with_the_address(target: GlobalAddress) -> None:
    array = GoldenArray(TINY, 2, 2)
    boot(array, 0, 1, encode("nwrite", 1, 5), SPIN, registers={5: int(target)})
    assert array.run(1000).reason == "ended"
    thread = array.node(0, 1).threads[0]
    assert (thread.state, thread.mcause, thread.mtval) == (ThreadState.TRAPPED, Cause.NETWORK_ERROR, int(target))


def test_exit_that_names_a_link_between_nodes_is_unreachable() -> None:
    array = GoldenArray(TINY, 1, 2)
    target = int(GlobalAddress(0, 0, 0, Port.EAST))
    boot(array, 0, 0, encode("nread", 1, 5), encode("vst", 1, 0, 0), registers={5: target})
    assert array.run(1000).reason == "ended"
    assert array.node(0, 0).threads[0].mtval == target


def test_threads_reach_the_host() -> None:
    array = GoldenArray(TINY, 2, 2)
    boot(array, 1, 1, encode("nwrite", 1, 5), HALT, registers={5: int(GlobalAddress(0, 0, 0x40, Port.WEST))})
    array.node(1, 1).threads[0].v[1] = b"\x42" * LINE
    assert array.run().reason == "ended"
    (packet,) = array.host_inbox
    assert (packet.kind, packet.data, packet.src_x, packet.src_y, packet.offset) == (Kind.WRITE, b"\x42" * LINE, 1, 1, 0x40)
    assert array.read(1, 1, 0, 4) == code(encode("nwrite", 1, 5)), "accesses leave the inbox alone"
    assert array.host_inbox == [packet]


def test_response_with_nowhere_to_go_is_counted_off() -> None:
    array = GoldenArray(TINY, 1, 2)
    array.send(Packet(Kind.READ, 1, 0, 0, src_x=1, src_y=0, src_exit=Port.EAST))
    assert array.read_register(1, 0, control_offset(ControlRegister.STATUS)) >> 14 & 1 == 1


def test_by_an_exit_nothing_goes_on_to_another_node() -> None:
    array = GoldenArray(TINY, 2, 2)
    array.send(Packet(Kind.READ, 1, 1, 0, src_x=0, src_y=0, src_exit=Port.SOUTH))
    lost = [array.read_register(x, y, control_offset(ControlRegister.STATUS)) >> 14 & 1 for y in range(2) for x in range(2)]
    assert lost == [1, 0, 0, 0]


# -- how runs end -----------------------------------------------------------------------------------------------------


def test_array_without_threads_has_ended() -> None:
    assert GoldenArray(TINY, 2, 2).run() == RunResult("ended", 0)


def test_limit_stops_a_loop_and_the_run_can_go_on() -> None:
    array = GoldenArray(TINY, 1, 1)
    boot(array, 0, 0, SPIN)
    assert array.run(max_cycles=1000) == RunResult("limit", 1000)
    assert array.run(max_cycles=1) == RunResult("limit", 1)
    assert array.cycle == 1001
    array.write_register(0, 0, thread_offset(0, ThreadRegister.STATE), 0)
    assert array.run() == RunResult("ended", 0)


def test_missing_post_is_a_deadlock_and_the_report_says_what_is_missing() -> None:
    array = GoldenArray(TINY, 1, 2)
    boot(array, 0, 0, encode("addi", 5, 0, 3), encode("swait", 6, 5), HALT)
    boot(array, 1, 0, HALT, thread=1)
    array.write_register(0, 0, semaphore_offset(6), 2)
    assert array.run().reason == "deadlock"
    assert array.thread_states() == [
        ThreadReport(0, 0, 0, ThreadState.WAITING, SRAM_BASE + 4, semaphore=6, needed=3, value=2),
        ThreadReport(0, 0, 1, ThreadState.HALTED, 0),
        ThreadReport(1, 0, 0, ThreadState.HALTED, 0),
        ThreadReport(1, 0, 1, ThreadState.HALTED, SRAM_BASE + 0x404),
    ]
    array.write_register(0, 0, semaphore_offset(6), 1)
    assert array.run().reason == "ended"


def test_read_that_the_host_never_answers_is_a_deadlock() -> None:
    array = GoldenArray(TINY, 1, 1)
    words = [encode("nread", 9, 5), encode("vst", 9, 0, 6), HALT]
    boot(array, 0, 0, *words, registers={5: int(GlobalAddress(0, 0, 0, Port.WEST)), 6: SRAM_BASE + 0x100})
    assert array.run().reason == "deadlock"
    assert array.thread_states()[0] == ThreadReport(0, 0, 0, ThreadState.RUNNING, SRAM_BASE + 4, register=9)
    array.send(array.host_inbox.pop().answer(b"\x01" * LINE))
    assert array.run().reason == "ended"
    assert array.peek(0, 0, 0x100, LINE) == b"\x01" * LINE


def test_a_waiting_node_is_no_deadlock_while_another_runs() -> None:
    array = GoldenArray(TINY, 1, 2)
    boot(array, 0, 0, encode("swait", 0, 5), HALT, registers={5: 1})
    boot(array, 1, 0, SPIN)
    assert array.run(5000).reason == "limit"


def test_spinning_threads_do_not_starve_the_one_that_frees_them() -> None:
    array = GoldenArray(TINY, 2, 2)
    for x, y in ((0, 0), (1, 0), (0, 1)):
        boot(array, x, y, encode("ld", 6, 0, 5), encode("beq", 6, 0, -4), HALT, registers={5: SRAM_BASE + 0x200})
    words = [encode("addi", 6, 6, -1), encode("bne", 6, 0, -4), *(encode("nsd", 5, register) for register in (10, 11, 12)), HALT]
    targets = {10 + i: int(GlobalAddress(x, y, 0x200)) for i, (x, y) in enumerate(((0, 0), (1, 0), (0, 1)))}
    boot(array, 1, 1, *words, registers={5: 1, 6: 2000, **targets})
    result = array.run(100_000)
    assert result.reason == "ended"
    assert 4000 < result.cycles < 6000
