# SPDX-License-Identifier: Apache-2.0
"""Threads, semaphores, tohost, control page and network interface of one golden node."""

from __future__ import annotations

import pytest

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig, preset
from golden.layout import (
    SEMAPHORE_BLOCK,
    SRAM_BASE,
    THREAD_BLOCK,
    THREAD_STRIDE,
    Cause,
    ControlRegister,
    Csr,
    GlobalAddress,
    Kind,
    NetworkError,
    Port,
    ThreadRegister,
    ThreadState,
    thread_offset,
)
from golden.node import GoldenNode
from golden.packet import Packet
from golden.program import Program, ProgramError
from verif.golden.encoding import encode, program, run_words

TINY, D1 = preset("tiny"), preset("d1")
LINE = TINY.line_bytes
HALT = encode("halt", 0)
SPIN = encode("jal", 0, 0)


def started(*words: int, x: dict[int, int] | None = None, links: int = 0) -> GoldenNode:
    """A node whose thread 0 is about to execute these words."""
    node = GoldenNode(TINY, links=links)
    node.load(program(list(words)))
    for register, value in (x or {}).items():
        node.threads[0].x[register] = value
    node.threads[0].start(SRAM_BASE)
    return node


def field(thread: int, register: ThreadRegister) -> int:
    """Offset in the control page."""
    return THREAD_BLOCK + thread * THREAD_STRIDE + register


# -- threads and semaphores -------------------------------------------------------------------------------------------


def test_reset_state_is_halted_and_zero() -> None:
    node = GoldenNode(TINY)
    assert [thread.state for thread in node.threads] == [ThreadState.HALTED] * TINY.threads
    assert not node.active
    assert node.status == 0
    assert node.run() == 0


def test_halt_gives_the_whole_register_as_exit_code() -> None:
    node = run_words(TINY, encode("addi", 5, 0, -1), encode("halt", 5))
    assert node.exit_code == (1 << 64) - 1
    assert node.threads[0].pc == SRAM_BASE + 8


def test_start_keeps_registers_and_clears_the_exit_code() -> None:
    node = run_words(TINY, encode("addi", 5, 5, 1), encode("halt", 5))
    node.write_register(field(0, ThreadRegister.PC), SRAM_BASE)
    assert (node.exit_code, node.threads[0].state) == (0, ThreadState.RUNNING)
    node.run()
    assert node.exit_code == 2


def test_start_of_a_running_thread_moves_it() -> None:
    node = started(SPIN, encode("addi", 5, 0, 9), encode("halt", 5))
    node.run(10)
    assert node.read_register(field(0, ThreadRegister.STATE)) == ThreadState.RUNNING
    node.write_register(field(0, ThreadRegister.PC), SRAM_BASE + 4)
    node.run()
    assert node.exit_code == 9


def test_stop_by_the_state_register_keeps_the_pc() -> None:
    node = started(encode("addi", 1, 0, 1), SPIN)
    node.run(10)
    node.write_register(field(0, ThreadRegister.STATE), 0)
    assert node.read_register(field(0, ThreadRegister.PC)) == SRAM_BASE + 4
    assert node.status & 0xFFF == 0


def test_swait_waits_for_enough_and_subtracts() -> None:
    node = started(encode("swait", 3, 5), encode("halt", 5), x={5: 0x10002})
    node.run()
    assert node.threads[0].state is ThreadState.WAITING
    assert node.status & 0xFF == 0x10
    assert (node.threads[0].pc, node.threads[0].minstret) == (SRAM_BASE, 0)
    assert node.read_register(field(0, ThreadRegister.WAIT)) == 2 << 16 | 3
    node.post(3, 1)
    node.run()
    assert node.threads[0].state is ThreadState.WAITING
    node.post(3, 4)
    node.run()
    assert node.threads[0].state is ThreadState.HALTED
    assert node.semaphores[3] == 3
    assert node.read_register(field(0, ThreadRegister.WAIT)) == 0


def test_swait_for_nothing_goes_on() -> None:
    assert run_words(TINY, encode("swait", 0, 0), HALT).threads[0].state is ThreadState.HALTED


def test_spost_wakes_another_thread() -> None:
    node = started(encode("spost", 1, 5), HALT, encode("swait", 1, 5), encode("halt", 5), x={5: 7})
    node.threads[1].x[5] = 7
    node.threads[1].start(SRAM_BASE + 8)
    node.run()
    assert [thread.state for thread in node.threads] == [ThreadState.HALTED] * 2
    assert node.threads[1].exit_code == 7
    assert node.semaphores[1] == 0


def waiting(amounts: dict[int, int], *words: int, config: NodeConfig = D1) -> GoldenNode:
    """A node whose threads have begun, in this order, to wait for so much of semaphore 3; ``words`` follow at SRAM_BASE + 8."""
    node = GoldenNode(config)
    node.load(program([encode("swait", 3, 5), HALT, *words]))
    for thread, amount in amounts.items():
        node.threads[thread].x[5] = amount
        node.threads[thread].start(SRAM_BASE)
        node.run()
    assert [node.threads[thread].state for thread in amounts] == [ThreadState.WAITING] * len(amounts)
    return node


def test_of_those_who_are_covered_the_one_that_waits_longest_takes() -> None:
    node = waiting({2: 1, 0: 3, 1: 1})
    for through in ([2], [2, 1]):
        node.post(3, 1)
        node.run()
        assert [n for n in (2, 0, 1) if node.threads[n].state is ThreadState.HALTED] == through
    node = waiting({2: 1, 0: 3, 1: 1})
    node.post(3, 3)
    node.run()
    assert [node.threads[n].state for n in (2, 0, 1)] == [ThreadState.HALTED, ThreadState.WAITING, ThreadState.HALTED]
    assert node.semaphores[3] == 1


def test_a_running_thread_does_not_take_what_a_waiting_one_is_covered_for() -> None:
    """It posts what the other waits for, and asks for it at once."""
    words = encode("spost", 3, 5), encode("swait", 3, 5), encode("spost", 3, 5), HALT
    node = waiting({1: 2}, *words, config=TINY)
    node.threads[0].x[5] = 2
    node.threads[0].start(SRAM_BASE + 8)
    node.run()
    assert [(thread.state, thread.minstret) for thread in node.threads] == [
        (ThreadState.WAITING, 1),
        (ThreadState.HALTED, 2),
    ]


def test_a_running_thread_takes_what_is_too_little_for_those_who_wait() -> None:
    node = waiting({1: 2}, encode("spost", 3, 5), encode("swait", 3, 5), HALT, config=TINY)
    node.threads[0].x[5] = 1
    node.threads[0].start(SRAM_BASE + 8)
    node.run()
    assert [thread.state for thread in node.threads] == [ThreadState.HALTED, ThreadState.WAITING]
    assert node.semaphores[3] == 0


def test_nothing_is_kept_for_a_thread_that_goes_elsewhere() -> None:
    """It is stopped while it is covered; what it waited for is free for all then."""
    node = waiting({1: 1}, encode("swait", 3, 5), HALT, config=TINY)
    node.post(3, 1)
    node.write_register(field(1, ThreadRegister.STATE), 0)
    node.threads[0].x[5] = 1
    node.threads[0].start(SRAM_BASE + 8)
    node.run()
    assert (node.threads[0].state, node.semaphores[3]) == (ThreadState.HALTED, 0)


def test_posts_saturate_and_report_it() -> None:
    node = started(encode("spost", 1, 5), encode("spost", 1, 6), HALT, x={5: 0xABC_FFFE, 6: 1})
    node.run()
    assert (node.semaphores[1], node.status >> 13 & 1) == (0xFFFF, 0)
    node.write_register(SEMAPHORE_BLOCK + 8, 0x7_0001)
    assert (node.read_register(SEMAPHORE_BLOCK + 8), node.status >> 13 & 1) == (0xFFFF, 1)


def test_threads_take_turns() -> None:
    flag = SRAM_BASE + 0x200
    node = started(encode("lw", 6, 0, 5), encode("beq", 6, 0, -4), HALT, encode("sw", 5, 0, 5), HALT, x={5: flag})
    node.threads[1].x[5] = flag
    node.threads[1].start(SRAM_BASE + 12)
    node.run(100_000)
    assert not node.active


# -- tohost -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "store, register, value",
    [
        ("sb", 0x8123_4567_FEDC_8A0B, 0x0B),
        ("sh", 0x8123_4567_FEDC_8A0B, 0x8A0B),
        ("sw", 0x8123_4567_FEDC_8A0B, 0xFEDC_8A0B),
        ("sd", 0x0000_FFFF_FFFF_FFFF, 0x0000_FFFF_FFFF_FFFF),
    ],
)
def test_odd_store_to_tohost_without_device_and_command_ends_all_threads(store: str, register: int, value: int) -> None:
    node = started(encode(store, 6, 0, 5), SPIN, SPIN, x={5: SRAM_BASE + 0x100, 6: register})
    node.threads[1].start(SRAM_BASE + 8)
    node.write_register(ControlRegister.TOHOST_ADDRESS, SRAM_BASE + 0x100)
    node.run(1000)
    assert [thread.state for thread in node.threads] == [ThreadState.HALTED] * 2
    assert (node.tohost, node.exit_code, node.exited) == (value, value >> 1, True)
    assert node.status >> 12 & 1
    assert int.from_bytes(node.sram[0x100:0x108], "little") == value
    assert (node.threads[0].pc, node.threads[0].minstret) == (SRAM_BASE + 4, 1)
    node.write_register(ControlRegister.TOHOST_ADDRESS, SRAM_BASE + 0x100)
    assert (node.tohost, node.status >> 12 & 1) == (0, 0)


@pytest.mark.parametrize("store, offset, value", [("sd", 0, 2), ("sb", 1, 1), ("sw", 4, 1), ("sd", 8, 1), ("sd", -8, 1)])
def test_other_stores_around_tohost_only_store(store: str, offset: int, value: int) -> None:
    node = started(encode(store, 6, offset, 5), HALT, x={5: SRAM_BASE + 0x100, 6: value})
    node.write_register(ControlRegister.TOHOST_ADDRESS, SRAM_BASE + 0x100)
    node.run()
    assert (node.exited, node.threads[0].minstret) == (False, 2)
    assert node.sram[0x100 + offset] == value


@pytest.mark.parametrize("value", [*(1 << bit | 1 for bit in range(48, 64)), (1 << 64) - 1, 1 << 56 | 1 << 48 | ord("A")])
def test_odd_store_to_tohost_with_a_device_or_command_only_stores(value: int) -> None:
    node = started(encode("sd", 6, 0, 5), HALT, x={5: SRAM_BASE + 0x100, 6: value})
    node.write_register(ControlRegister.TOHOST_ADDRESS, SRAM_BASE + 0x100)
    node.run()
    assert (node.exited, node.tohost, node.threads[0].minstret) == (False, 0, 2)
    assert int.from_bytes(node.sram[0x100:0x108], "little") == value


def test_tohost_leaves_a_trapped_thread_trapped() -> None:
    node = started(encode("ebreak"), encode("sd", 6, 0, 5), HALT)
    node.write_register(ControlRegister.TOHOST_ADDRESS, SRAM_BASE + 0x100)
    node.run()
    node.threads[1].x[5], node.threads[1].x[6] = SRAM_BASE + 0x100, 1
    node.threads[1].start(SRAM_BASE + 4)
    node.run()
    assert [thread.state for thread in node.threads] == [ThreadState.TRAPPED, ThreadState.HALTED]
    assert node.exited


def test_vector_store_to_tohost_does_not_end_the_program() -> None:
    node = started(encode("vld", 1, 0, 5), encode("vst", 1, 0, 5), HALT, x={5: SRAM_BASE + 0x100})
    node.sram[0x100] = 1
    node.write_register(ControlRegister.TOHOST_ADDRESS, SRAM_BASE + 0x100)
    node.run()
    assert not node.exited
    assert node.threads[0].state is ThreadState.HALTED


# -- control page -----------------------------------------------------------------------------------------------------


def test_node_registers_read_what_they_describe() -> None:
    node = GoldenNode(TINY, x=3, y=2, links=0b1010)
    read = node.read_register
    assert read(ControlRegister.CONFIG) == TINY.descriptor
    assert read(ControlRegister.COORDINATES) == int(GlobalAddress(3, 2))
    assert read(ControlRegister.STATUS) == 0b1010 << 16
    node.clock.cycle = 100
    node.load(program([encode("addi", 1, 0, 1), encode("csrrw", 0, Csr.MINSTRET, 0), encode("ebreak")]))
    node.write_register(field(0, ThreadRegister.PC), SRAM_BASE)
    node.run()
    assert read(ControlRegister.CYCLE) == 103
    assert read(ControlRegister.FIRST_START) == 100
    assert 100 < read(ControlRegister.LAST_STOP) <= 103
    assert read(ControlRegister.RETIRED) == 2
    assert read(field(0, ThreadRegister.RETIRED)) == 0, "minstret was written"
    assert read(field(0, ThreadRegister.PC)) == read(field(0, ThreadRegister.VALUE)) == SRAM_BASE + 8
    assert read(field(0, ThreadRegister.STATE)) == ThreadState.TRAPPED
    assert read(field(0, ThreadRegister.CAUSE)) == Cause.BREAKPOINT
    assert read(ControlRegister.STATUS) & 0xFFFF == 0x100


def test_unused_and_read_only_registers_read_0_and_ignore_writes() -> None:
    node = GoldenNode(TINY)
    missing_thread, missing_semaphore = THREAD_BLOCK + THREAD_STRIDE * TINY.threads, SEMAPHORE_BLOCK + 8 * TINY.semaphores
    unused = (0x078, 0x0F8, THREAD_BLOCK + 0x38, missing_thread, missing_semaphore, 0xFF8)
    for register in (*unused, ControlRegister.TOHOST, ControlRegister.STATUS, ControlRegister.RETIRED):
        node.write_register(register, (1 << 64) - 1)
        assert node.read_register(register) == 0
    node.write_register(ControlRegister.CONFIG, 0)
    assert node.read_register(ControlRegister.CONFIG) == TINY.descriptor
    assert not node.active


def request(kind: Kind, offset: int, **contents: int | bytes | bool) -> Packet:
    """A request of a host at the west."""
    return Packet(kind, 0, 0, offset, src_exit=Port.WEST, **contents)  # type: ignore[arg-type]


def test_read_packet_returns_the_line_whatever_the_low_bits() -> None:
    node = GoldenNode(TINY, links=0b1000)
    node.sram[LINE : 2 * LINE] = bytes(range(LINE))
    node.deliver(request(Kind.READ, LINE + 5, tag=0x5A))
    ((port, answer),) = node.departed
    assert (port, answer.kind, answer.data, answer.tag) == (Port.WEST, Kind.READ_DATA, bytes(range(LINE)), 0x5A)
    assert (answer.exit, answer.offset, answer.src_exit) == (Port.WEST, LINE + 5, Port.LOCAL)


def test_write_packet_changes_masked_bytes_then_posts() -> None:
    node = GoldenNode(TINY)
    node.deliver(request(Kind.WRITE, LINE, mask=0b1010, data=b"\xee" * LINE, post=True, sem=2))
    assert node.sram[LINE : LINE + 4] == b"\x00\xee\x00\xee"
    assert node.semaphores[2] == 1
    assert node.read_register(ControlRegister.REQUESTS_RECEIVED) == 1


def test_write_that_posts_a_missing_semaphore_fails_and_writes_nothing() -> None:
    node = GoldenNode(TINY, links=0b1000)
    node.deliver(request(Kind.WRITE, LINE, mask=1, data=b"\xee" * LINE, post=True, sem=TINY.semaphores))
    ((_, answer),) = node.departed
    assert (answer.kind, answer.sem, node.sram[LINE]) == (Kind.ERROR, NetworkError.BAD_OFFSET, 0)


def test_control_write_takes_registers_with_a_full_mask_lowest_first() -> None:
    node = GoldenNode(TINY)
    offset = thread_offset(1, ThreadRegister.PC)
    data = SRAM_BASE.to_bytes(8, "little") + bytes(8)
    node.deliver(request(Kind.WRITE, offset, mask=0x00FF, data=data))
    assert node.threads[1].state is ThreadState.RUNNING
    node.deliver(request(Kind.WRITE, offset, mask=0xFEFF, data=data))
    assert node.threads[1].state is ThreadState.RUNNING, "STATE was not written in full"
    node.deliver(request(Kind.WRITE, offset, mask=0xFFFF, data=data))
    assert node.threads[1].state is ThreadState.HALTED, "PC, then STATE"


def test_control_read_returns_the_registers_of_the_line() -> None:
    node = GoldenNode(TINY, links=0b1000)
    node.deliver(request(Kind.READ, CONTROL_PAGE_OFFSET))
    data = node.departed[0][1].data
    assert data == TINY.descriptor.to_bytes(8, "little") + bytes(8)


@pytest.mark.parametrize("offset", [TINY.sram_bytes, CONTROL_PAGE_OFFSET - LINE])
def test_request_to_a_hole_is_answered_with_bad_offset(offset: int) -> None:
    node = GoldenNode(TINY, links=0b1000)
    for kind in (Kind.READ, Kind.WRITE):
        node.deliver(request(kind, offset, tag=3, mask=1, data=bytes(LINE), post=True))
        _, answer = node.departed.pop()
        assert (answer.kind, answer.sem, answer.tag) == (Kind.ERROR, NetworkError.BAD_OFFSET, 3)
        assert answer.failed_address == offset
    assert node.semaphores[0] == 0


def test_undeliverable_request_is_answered_and_response_counted_off() -> None:
    node = GoldenNode(TINY, links=0b1000)
    node.refuse(Packet(Kind.WRITE, 4, 5, 0x40, src_exit=Port.WEST, tag=9))
    _, answer = node.departed.pop()
    assert (answer.kind, answer.sem, answer.tag) == (Kind.ERROR, NetworkError.UNREACHABLE, 9)
    assert answer.failed_address == int(GlobalAddress(4, 5, 0x40))
    assert node.status >> 14 & 1 == 0
    node.refuse(answer)
    assert node.departed == []
    assert node.status >> 14 & 1 == 1


# -- a thread's own packets -------------------------------------------------------------------------------------------


def test_thread_reaches_its_own_node_by_packets() -> None:
    control = CONTROL_PAGE_OFFSET + ControlRegister.COORDINATES
    words = [
        encode("nwrite.sp", 1, 5, 4), encode("nread", 2, 6), encode("nsd", 7, 8), encode("vst", 2, 0, 9),
        encode("nread", 3, 10), encode("vst", 3, LINE, 9), encode("swait", 4, 11), HALT,
    ]  # fmt: skip
    base = SRAM_BASE + 0x200
    x = {5: 0x100, 6: 0x100, 7: 0x1234, 8: 0x108, 9: base, 10: control - 8, 11: 1}
    node = started(*words, x=x)
    node.threads[0].v[1] = b"\xab" * LINE
    node.run()
    assert node.threads[0].state is ThreadState.HALTED
    assert bytes(node.sram[0x200 : 0x200 + LINE]) == b"\xab" * LINE
    assert bytes(node.sram[0x100:0x110]) == b"\xab" * 8 + (0x1234).to_bytes(8, "little")
    assert int.from_bytes(node.sram[0x200 + LINE + 0 : 0x200 + LINE + 8], "little") == TINY.descriptor
    assert node.threads[0].x[5] == 0x100 + LINE
    assert node.read_register(ControlRegister.REQUESTS_SENT) == 4
    assert node.read_register(ControlRegister.REQUESTS_RECEIVED) == 4


def test_thread_starts_and_stops_threads_by_nsd() -> None:
    pc_1 = thread_offset(1, ThreadRegister.PC)
    state_0 = thread_offset(0, ThreadRegister.STATE)
    words = [encode("nsd", 6, 5), SPIN, encode("nsd", 0, 7), HALT]
    node = started(*words, x={5: pc_1, 6: SRAM_BASE + 8})
    node.threads[1].x[7] = state_0
    node.run(10_000)
    assert not node.active
    assert node.threads[0].pc == SRAM_BASE + 4
    assert node.threads[1].minstret == 2


def test_thread_moves_itself_by_nsd() -> None:
    words = [encode("nsd", 6, 5), SPIN, encode("addi", 9, 0, 5), encode("halt", 9)]
    node = started(*words, x={5: thread_offset(0, ThreadRegister.PC), 6: SRAM_BASE + 8})
    node.run(1000)
    assert node.exit_code == 5


def test_failed_write_traps_with_its_global_address() -> None:
    target = int(GlobalAddress(7, 0, 0x40))
    node = started(encode("nwrite", 1, 5), SPIN, x={5: target})
    node.run(1000)
    thread = node.threads[0]
    assert (thread.state, thread.mcause, thread.mtval) == (ThreadState.TRAPPED, Cause.NETWORK_ERROR, target)
    assert (thread.pc, thread.mepc) == (SRAM_BASE + 4, SRAM_BASE + 4)


def test_failed_read_leaves_the_vector_register_as_it_was() -> None:
    words = [encode("csrrw", 0, Csr.MTVEC, 6), encode("nread", 1, 5), encode("vst", 1, 0, 7), HALT]
    node = started(*words, x={5: TINY.sram_bytes, 6: SRAM_BASE + 8, 7: SRAM_BASE + 0x100})
    node.threads[0].v[1] = b"\x5a" * LINE
    node.run()
    thread = node.threads[0]
    assert (thread.state, thread.mcause, thread.mtval) == (ThreadState.HALTED, Cause.NETWORK_ERROR, TINY.sram_bytes)
    assert bytes(node.sram[0x100 : 0x100 + LINE]) == b"\x5a" * LINE


def test_network_error_wakes_a_waiting_thread_and_a_second_one_is_dropped() -> None:
    node = started(encode("swait", 0, 5), HALT, encode("csrrs", 9, Csr.MTVAL, 0), encode("halt", 9), x={5: 1})
    node.run()
    thread = node.threads[0]
    thread.mtvec = SRAM_BASE + 8
    for offset in (0x40, 0x80):
        node.deliver(Packet(Kind.ERROR, 0, 0, offset, src_x=9, sem=NetworkError.UNREACHABLE))
    node.run()
    assert (thread.state, thread.mepc) == (ThreadState.HALTED, SRAM_BASE)
    assert thread.exit_code == int(GlobalAddress(9, 0, 0x40))


def test_network_error_turns_a_halted_thread_into_a_trapped_one_even_with_a_handler() -> None:
    node = started(HALT)
    node.run()
    node.threads[0].mtvec = SRAM_BASE
    node.deliver(Packet(Kind.ERROR, 0, 0, 0x40, sem=NetworkError.BAD_OFFSET))
    assert (node.threads[0].state, node.threads[0].pc) == (ThreadState.TRAPPED, SRAM_BASE + 4)


def test_start_clears_a_pending_network_error() -> None:
    node = started(SPIN, HALT)
    node.run(5)
    node.deliver(Packet(Kind.ERROR, 0, 0, 0x40, sem=NetworkError.BAD_OFFSET))
    node.threads[0].start(SRAM_BASE + 4)
    node.run()
    assert node.threads[0].state is ThreadState.HALTED


def test_unanswered_read_blocks_only_what_needs_the_register() -> None:
    host = int(GlobalAddress(0, 0, 0, Port.WEST))
    words = [encode("nread", 1, 5), encode("addi", 6, 0, 1), encode("vadd.f32", 2, 3, 3), encode("vst", 1, 0, 7), HALT]
    node = started(*words, x={5: host, 7: SRAM_BASE + 0x100}, links=0b1000)
    written: list[tuple[int, int, bytes]] = []
    node.on_vector_write = lambda *write: written.append(write)
    node.run()
    thread = node.threads[0]
    assert (thread.x[6], thread.pc, thread.blocked, thread.state) == (1, SRAM_BASE + 12, 1, ThreadState.RUNNING)
    ((port, packet),) = node.departed
    assert (port, packet.tag, packet.exit) == (Port.WEST, 0x81, Port.WEST)
    node.deliver(packet.answer(b"\x77" * LINE))
    node.run()
    assert thread.state is ThreadState.HALTED
    assert bytes(node.sram[0x100 : 0x100 + LINE]) == b"\x77" * LINE
    assert written == [(0, 2, bytes(LINE)), (0, 1, b"\x77" * LINE)]


@pytest.mark.parametrize(
    "word",
    [
        encode("vld", 1, 0, 7), encode("vst.p", 1, 7, 0), encode("vadd.f32", 1, 2, 2), encode("vadd.f32", 2, 3, 1),
        encode("vcvt.f32.bf16l", 2, 1), encode("vcvt.f32.bf16h", 1, 2),
        encode("mstep.bf16", 0, 2, 1), encode("mstepz.xh", 0, 1, 2, 0), encode("vlds.8", 1, 7, 0), encode("vldx.16", 2, 7, 1),
        encode("nwrite", 1, 8), encode("nread", 1, 8),
    ],
)  # fmt: skip
def test_every_use_of_a_register_under_way_waits(word: int) -> None:
    host = int(GlobalAddress(0, 0, 0, Port.WEST))
    node = started(encode("nread", 1, 5), word, HALT, x={5: host, 7: SRAM_BASE + 0x100, 8: 0x80}, links=0b1000)
    node.run()
    assert (node.threads[0].blocked, node.threads[0].pc) == (1, SRAM_BASE + 4)
    node.deliver(node.departed[0][1].answer(bytes(LINE)))
    node.run()
    assert node.threads[0].state is ThreadState.HALTED


def test_response_that_nobody_waits_for_is_ignored() -> None:
    node = GoldenNode(TINY)
    node.deliver(Packet(Kind.READ_DATA, 0, 0, 0, tag=0x81, data=b"\x11" * LINE))
    assert node.threads[0].v[1] == bytes(LINE)


# -- programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad, reason",
    [
        (Program(((SRAM_BASE, bytes(TINY.sram_bytes + 1)),), SRAM_BASE), "does not fit"),
        (Program(((SRAM_BASE - 4, bytes(8)),), SRAM_BASE), "does not fit"),
        (Program((), SRAM_BASE + TINY.sram_bytes), "entry .* outside"),
        (Program((), SRAM_BASE + 2), "multiple of 4"),
        (Program((), SRAM_BASE, tohost=SRAM_BASE + 4), "tohost"),
    ],
)
def test_program_that_a_node_cannot_hold_is_refused_with_the_reason(bad: Program, reason: str) -> None:
    with pytest.raises(ProgramError, match=reason):
        GoldenNode(TINY).load(bad)


def test_loading_names_tohost() -> None:
    node = GoldenNode(TINY)
    node.load(Program(((SRAM_BASE + 8, b"ab"), (SRAM_BASE, b"c")), SRAM_BASE, tohost=SRAM_BASE + 64))
    assert bytes(node.sram[:10]) == b"c" + bytes(7) + b"ab"
    assert node.read_register(ControlRegister.TOHOST_ADDRESS) == SRAM_BASE + 64
