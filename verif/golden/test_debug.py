# SPDX-License-Identifier: Apache-2.0
"""Debug mode of the golden node, sentence by sentence."""

from __future__ import annotations

import pytest

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig, preset
from golden.instruction import Retirement
from golden.layout import (
    DEBUG_BLOCK,
    DEBUG_BUSY,
    DEBUG_CAUSE,
    DEBUG_FAILED,
    DEBUG_STRIDE,
    SRAM_BASE,
    THREAD_BLOCK,
    Cause,
    ControlRegister,
    Csr,
    DebugCommand,
    DebugControl,
    DebugReason,
    DebugRegister,
    Event,
    GlobalAddress,
    Kind,
    NetworkError,
    ThreadRegister,
    ThreadState,
    debug_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from golden.node import GoldenNode
from golden.packet import Packet, write_packets
from golden.thread import Thread
from verif.golden.encoding import encode, program

TINY = preset("tiny")
LINE = TINY.line_bytes
CONFIGS = [TINY, preset("nano")]
HALT = encode("halt", 0)
SPIN = encode("jal", 0, 0)
EBREAK = encode("ebreak")
ILLEGAL = 0
STOP, RESUME, STEP = DebugCommand
BUSY = 1 << DEBUG_BUSY
FAILED = 1 << DEBUG_FAILED


class Debugged:
    """A node with a program, and what a debugger does to one of its threads."""

    def __init__(self, *words: int, config: NodeConfig = TINY, x: dict[int, int] | None = None, start: bool = True):
        self.node = GoldenNode(config)
        self.node.load(program([*words, HALT]))
        self.thread: Thread = self.node.threads[0]
        for register, value in (x or {}).items():
            self.thread.x[register] = value
        if start:
            self.thread.start(SRAM_BASE)

    def write(self, register: DebugRegister, value: int, thread: int = 0) -> None:
        self.node.write_register(DEBUG_BLOCK + DEBUG_STRIDE * thread + register, value)

    def read(self, register: DebugRegister, thread: int = 0) -> int:
        return self.node.read_register(DEBUG_BLOCK + DEBUG_STRIDE * thread + register)

    def command(self, command: int) -> None:
        self.write(DebugRegister.COMMAND, command)

    def step(self) -> None:
        self.command(STEP)
        self.node.run(100)

    def inject(self, word: int) -> None:
        self.write(DebugRegister.INSTRUCTION, word)

    @property
    def status(self) -> int:
        return self.read(DebugRegister.STATUS)

    @property
    def where(self) -> tuple[ThreadState, int, int]:
        """State, words from the start of the program to the pc, reason and the other bits of the debug block's STATUS."""
        return self.thread.state, (self.thread.pc - SRAM_BASE) // 4, self.status

    def fail_request(self) -> None:
        self.node.deliver(Packet(Kind.ERROR, 0, 0, 0x40, sem=NetworkError.BAD_OFFSET))


def stopped(*words: int, **arguments: object) -> Debugged:
    """One whose thread is STOPPED before the first of these words."""
    debugged = Debugged(*words, **arguments)  # type: ignore[arg-type]
    debugged.command(STOP)
    return debugged


# -- registers --------------------------------------------------------------------------------------------------------


def test_registers_are_zero_after_reset_and_the_others_of_the_block_read_zero() -> None:
    node = GoldenNode(TINY)
    assert [node.read_register(DEBUG_BLOCK + offset) for offset in range(0, 0x100, 8)] == [0] * 32
    for offset in range(0, 0x100, 8):
        node.write_register(DEBUG_BLOCK + offset, (1 << 64) - 1)
    kept = {DebugRegister.CONTROL: 3, DebugRegister.DATA: (1 << 64) - 1}
    for thread in range(4):
        for offset in range(0, DEBUG_STRIDE, 8):
            expected = kept.get(offset, 0) if thread < TINY.threads else 0  # type: ignore[call-overload]
            assert node.read_register(DEBUG_BLOCK + thread * DEBUG_STRIDE + offset) == expected, (thread, hex(offset))


def test_debug_blocks_are_reached_by_packets_and_each_is_its_threads_own() -> None:
    array = GoldenArray(TINY, 1, 2)
    array.write_register(1, 0, debug_offset(1, DebugRegister.COMMAND), STOP)
    array.write_register(1, 0, debug_offset(1, DebugRegister.DATA), 77)
    assert array.read_register(1, 0, debug_offset(1, DebugRegister.DATA)) == 77
    assert array.read_register(1, 0, debug_offset(0, DebugRegister.DATA)) == 0
    assert [thread.state for thread in array.node(1, 0).threads] == [ThreadState.HALTED, ThreadState.STOPPED]
    assert array.read_register(1, 0, CONTROL_PAGE_OFFSET + ControlRegister.STATUS) >> 20 & 0xF == 2


@pytest.mark.parametrize("value", [0, 4, 5, 1 << 32 | STOP, 1 << 63 | STOP])
def test_other_commands_are_ignored(value: int) -> None:
    debugged = Debugged(SPIN)
    debugged.command(value)
    assert debugged.where == (ThreadState.RUNNING, 0, 0)


def test_commands_of_one_packet_take_effect_in_the_order_of_the_registers() -> None:
    array = GoldenArray(TINY, 1, 1)
    first = (STOP, DebugControl.TRAP, 0, encode("csrrs", 5, Csr.DSCRATCH0, 0))
    block = GlobalAddress(0, 0, debug_offset(0, DebugRegister.COMMAND))
    data = b"".join(value.to_bytes(8, "little") for value in first)
    for packet in write_packets(TINY.line_bytes, block, data, array.topology.host_link):
        array.send(packet)
    thread = array.node(0, 0).threads[0]
    assert (thread.state, thread.debug.control, thread.debug.read(DebugRegister.STATUS)) == (
        ThreadState.STOPPED, DebugControl.TRAP, DebugReason.REQUEST,
    )  # fmt: skip


# -- STOP -------------------------------------------------------------------------------------------------------------


def test_stop_of_a_running_thread_keeps_what_has_retired_and_shows_the_next_instruction() -> None:
    debugged = Debugged(*[encode("addi", 5, 5, 1)] * 8)
    debugged.node.run(3)
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 3, DebugReason.REQUEST)
    assert debugged.node.run(100) == 0
    assert (debugged.thread.x[5], debugged.thread.minstret) == (3, 3)
    assert debugged.node.read_register(THREAD_BLOCK + ThreadRegister.STATE) == ThreadState.STOPPED
    assert debugged.node.status == 1 << 20


def test_stop_of_a_halted_thread() -> None:
    debugged = Debugged()
    debugged.node.run()
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.REQUEST)


def test_stop_of_a_thread_that_was_never_started() -> None:
    debugged = Debugged(start=False)
    debugged.command(STOP)
    assert (debugged.thread.state, debugged.thread.pc) == (ThreadState.STOPPED, 0)


def test_stop_of_a_trapped_thread_stays_at_the_instruction_which_traps_again_when_it_goes_on() -> None:
    debugged = Debugged(encode("addi", 5, 0, 1), ILLEGAL)
    debugged.node.run()
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.REQUEST)
    debugged.thread.mcause = 0
    debugged.command(RESUME)
    debugged.node.run()
    assert (debugged.thread.state, debugged.thread.mcause) == (ThreadState.TRAPPED, Cause.ILLEGAL_INSTRUCTION)


def test_stop_of_a_waiting_thread_is_at_its_swait_which_executes_again() -> None:
    debugged = Debugged(encode("swait", 3, 5), x={5: 2})
    debugged.node.run()
    assert debugged.thread.state is ThreadState.WAITING
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 0, DebugReason.REQUEST)
    assert debugged.node.read_register(THREAD_BLOCK + ThreadRegister.WAIT) == 0
    debugged.node.post(3, 2)
    assert debugged.node.run() == 0
    assert (debugged.node.semaphores[3], debugged.thread.minstret) == (2, 0)
    debugged.command(RESUME)
    debugged.node.run()
    assert (debugged.thread.state, debugged.node.semaphores[3], debugged.thread.minstret) == (ThreadState.HALTED, 0, 2)


def test_stop_of_a_thread_that_waits_for_a_read_lets_the_read_come() -> None:
    debugged = Debugged(encode("nread", 1, 5), encode("vst", 1, 0, 7), x={5: 0x1000, 7: SRAM_BASE + 0x100})
    departed: list[Packet] = []
    debugged.node._transport = lambda node, packet: departed.append(packet)
    debugged.node.run()
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.REQUEST)
    debugged.node.deliver(Packet(Kind.READ_DATA, 0, 0, 0, tag=departed[0].tag, data=b"\x5a" * LINE))
    assert debugged.thread.v[1] == b"\x5a" * LINE
    assert debugged.node.run() == 0
    debugged.command(RESUME)
    debugged.node.run()
    assert bytes(debugged.node.sram[0x100 : 0x100 + LINE]) == b"\x5a" * LINE


def test_stop_of_a_stopped_thread_does_nothing() -> None:
    debugged = stopped(encode("addi", 5, 5, 1))
    debugged.step()
    assert debugged.status == DebugReason.STEP
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.STEP)


def test_a_stopped_thread_that_is_moved_does_not_wait_for_a_read_any_more() -> None:
    debugged = Debugged(encode("nread", 1, 5), encode("vst", 1, 0, 7), x={5: 0x1000, 7: SRAM_BASE + 0x100})
    debugged.node._transport = lambda node, packet: None
    debugged.node.run()
    assert debugged.thread.blocked == 1
    debugged.command(STOP)
    assert debugged.thread.blocked is None
    debugged.inject(encode("jal", 0, 4))
    debugged.command(RESUME)
    debugged.node.run()
    assert debugged.thread.state is ThreadState.HALTED


# -- RESUME -----------------------------------------------------------------------------------------------------------


def test_resume_goes_on_at_the_pc() -> None:
    debugged = Debugged(*[encode("addi", 5, 5, 1)] * 8)
    debugged.node.run(3)
    debugged.command(STOP)
    debugged.command(RESUME)
    assert debugged.thread.state is ThreadState.RUNNING
    debugged.node.run()
    assert (debugged.thread.state, debugged.thread.x[5], debugged.status) == (ThreadState.HALTED, 8, DebugReason.REQUEST)


@pytest.mark.parametrize("command", [RESUME, STEP])
def test_resume_and_step_are_for_stopped_threads(command: int) -> None:
    debugged = Debugged(encode("addi", 5, 5, 1), ILLEGAL)
    debugged.command(command)
    assert debugged.where == (ThreadState.RUNNING, 0, 0)
    debugged.node.run()
    debugged.command(command)
    assert debugged.where == (ThreadState.TRAPPED, 1, 0)
    debugged.thread.stop(ThreadState.HALTED)
    debugged.command(command)
    assert debugged.where == (ThreadState.HALTED, 1, 0)


def test_resume_and_step_do_not_write_first_start_but_stops_write_last_stop() -> None:
    debugged = Debugged(*[encode("addi", 5, 5, 1)] * 8)
    first, last = (int(register) for register in (ControlRegister.FIRST_START, ControlRegister.LAST_STOP))
    debugged.node.clock.cycle = 40
    debugged.thread.start(SRAM_BASE)
    debugged.node.write_register(THREAD_BLOCK + ThreadRegister.STATE, 0)
    debugged.node.clock.cycle = 50
    debugged.thread.start(SRAM_BASE)
    debugged.node.run(5)
    debugged.command(STOP)
    assert [debugged.node.read_register(register) for register in (first, last)] == [50, 55]
    assert not debugged.node.active
    debugged.node.clock.cycle = 60
    debugged.step()
    assert [debugged.node.read_register(register) for register in (first, last)] == [50, 61]
    debugged.node.clock.cycle = 70
    debugged.command(RESUME)
    debugged.node.run()
    assert [debugged.node.read_register(register) for register in (first, last)] == [50, 72]


# -- STEP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_step_retires_exactly_one_instruction(config: NodeConfig) -> None:
    debugged = stopped(*[encode("addi", 5, 5, 1)] * 5, encode("jal", 0, -4 * 5), config=config)
    records: list[Retirement] = []
    debugged.node.on_retire = records.append
    for number in range(1, 20):
        debugged.command(STEP)
        assert (debugged.thread.state, debugged.status & BUSY) == (ThreadState.RUNNING, BUSY)
        debugged.node.run(100)
        assert debugged.where == (ThreadState.STOPPED, number % 6, DebugReason.STEP)
        assert len(records) == debugged.thread.minstret == number


def test_a_step_also_stops_where_nobody_looks_on() -> None:
    debugged = Debugged(encode("addi", 5, 5, 1), encode("addi", 5, 5, 1), encode("jal", 0, -8))
    debugged.node.run(6)
    debugged.command(STOP)
    debugged.step()
    assert (debugged.where, debugged.thread.x[5]) == ((ThreadState.STOPPED, 1, DebugReason.STEP), 5)


def test_a_step_takes_one_trap() -> None:
    debugged = stopped(ILLEGAL, HALT, HALT, encode("addi", 5, 0, 1))
    debugged.thread.mtvec = SRAM_BASE + 12
    debugged.step()
    assert debugged.where == (ThreadState.STOPPED, 3, DebugReason.STEP)
    assert (debugged.thread.mcause, debugged.thread.mepc, debugged.thread.minstret) == (Cause.ILLEGAL_INSTRUCTION, SRAM_BASE, 0)


def test_a_step_takes_a_pending_network_error_first() -> None:
    debugged = stopped(encode("addi", 5, 0, 1), HALT)
    debugged.thread.mtvec = SRAM_BASE + 4
    debugged.fail_request()
    assert debugged.where == (ThreadState.STOPPED, 0, DebugReason.REQUEST)
    debugged.step()
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.STEP)
    assert (debugged.thread.mcause, debugged.thread.mepc, debugged.thread.x[5]) == (Cause.NETWORK_ERROR, SRAM_BASE, 0)


@pytest.mark.parametrize(("word", "state"), [(HALT, ThreadState.HALTED), (ILLEGAL, ThreadState.TRAPPED)])
def test_what_ends_the_thread_in_a_step_leaves_it_as_ever(word: int, state: ThreadState) -> None:
    debugged = stopped(word)
    debugged.step()
    assert (debugged.thread.state, debugged.status) == (state, DebugReason.REQUEST)


def test_an_exit_by_tohost_ends_a_step_and_leaves_other_stopped_threads() -> None:
    debugged = stopped(encode("sd", 6, 0, 5), SPIN, x={5: SRAM_BASE + 0x200, 6: 1})
    other = debugged.node.threads[1]
    other.suspend(DebugReason.REQUEST)
    debugged.node.tohost_address = SRAM_BASE + 0x200
    debugged.step()
    assert (debugged.thread.state, other.state, debugged.node.exited) == (ThreadState.HALTED, ThreadState.STOPPED, True)


def test_a_step_at_a_swait_waits_and_stops_when_it_has_retired() -> None:
    debugged = stopped(encode("swait", 3, 5), x={5: 2})
    debugged.step()
    assert debugged.where == (ThreadState.WAITING, 0, BUSY | DebugReason.REQUEST)
    debugged.node.post(3, 5)
    debugged.node.run()
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.STEP)
    assert (debugged.node.semaphores[3], debugged.thread.minstret) == (3, 1)


def test_stop_ends_a_step_that_is_under_way() -> None:
    debugged = stopped(encode("swait", 3, 5), x={5: 2})
    debugged.step()
    debugged.command(STOP)
    assert debugged.where == (ThreadState.STOPPED, 0, DebugReason.REQUEST)
    debugged.node.post(3, 5)
    assert debugged.node.run() == 0


def test_a_start_and_a_halt_end_a_step_that_is_under_way() -> None:
    debugged = stopped(encode("swait", 3, 5), *[encode("addi", 5, 5, 1)] * 3, x={5: 2})
    debugged.step()
    debugged.node.write_register(THREAD_BLOCK + ThreadRegister.PC, SRAM_BASE + 4)
    debugged.node.run()
    assert (debugged.thread.state, debugged.thread.x[5], debugged.status) == (ThreadState.HALTED, 5, DebugReason.REQUEST)
    debugged.command(STOP)
    debugged.thread.pc = SRAM_BASE
    debugged.step()
    debugged.node.write_register(THREAD_BLOCK + ThreadRegister.STATE, 0)
    assert debugged.where == (ThreadState.HALTED, 0, DebugReason.REQUEST)


def test_a_thread_goes_on_at_the_word_that_a_misaligned_start_points_into() -> None:
    debugged = Debugged(SPIN, encode("halt", 5), start=False, x={5: 3})
    debugged.thread.start(SRAM_BASE + 6)
    thread = debugged.thread
    assert (thread.state, thread.pc, thread.mepc, thread.mtval) == (
        ThreadState.TRAPPED, SRAM_BASE + 4, SRAM_BASE + 4, SRAM_BASE + 6,
    )  # fmt: skip
    debugged.command(STOP)
    debugged.step()
    assert (thread.state, thread.exit_code) == (ThreadState.HALTED, 3)


# -- CONTROL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_step", [False, True])
def test_ebreak_stops_the_thread_and_changes_nothing(by_step: bool) -> None:
    debugged = stopped(EBREAK)
    records: list[Retirement] = []
    debugged.node.on_retire = records.append
    debugged.write(DebugRegister.CONTROL, DebugControl.EBREAK)
    debugged.thread.mtvec = SRAM_BASE + 4
    debugged.command(STEP if by_step else RESUME)
    debugged.node.run()
    thread = debugged.thread
    assert debugged.where == (ThreadState.STOPPED, 0, DebugReason.EBREAK)
    assert (thread.mepc, thread.mcause, thread.mtval, thread.minstret, records) == (0, 0, 0, 0, [])


def test_ebreak_traps_without_the_bit() -> None:
    debugged = Debugged(EBREAK)
    debugged.write(DebugRegister.CONTROL, DebugControl.TRAP)
    debugged.node.run()
    assert (debugged.thread.state, debugged.thread.mcause) == (ThreadState.TRAPPED, Cause.BREAKPOINT)


@pytest.mark.parametrize("by_step", [False, True])
def test_a_trap_stops_the_thread_before_the_handlers_first_instruction(by_step: bool) -> None:
    debugged = stopped(encode("addi", 5, 0, 1) if not by_step else ILLEGAL, ILLEGAL, encode("addi", 6, 0, 1))
    debugged.write(DebugRegister.CONTROL, DebugControl.TRAP)
    debugged.thread.write_csr(Csr.MSTATUS, 8)
    debugged.thread.mtvec = SRAM_BASE + 8
    debugged.command(STEP if by_step else RESUME)
    debugged.node.run()
    thread = debugged.thread
    assert debugged.where == (ThreadState.STOPPED, 2, DebugReason.TRAP)
    assert (thread.mepc, thread.mcause, thread.mtval) == (SRAM_BASE + 4 * (not by_step), Cause.ILLEGAL_INSTRUCTION, 0)
    assert (thread.read_csr(Csr.MSTATUS), thread.x[6]) == (0x1880, 0)
    debugged.command(RESUME)
    debugged.node.run()
    assert (thread.state, thread.x[6]) == (ThreadState.HALTED, 1)


def test_a_network_error_and_a_misaligned_start_stop_the_thread_too() -> None:
    debugged = stopped(SPIN)
    debugged.write(DebugRegister.CONTROL, DebugControl.TRAP)
    debugged.thread.mtvec = SRAM_BASE + 4
    debugged.fail_request()
    debugged.command(RESUME)
    debugged.node.run()
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.TRAP)
    debugged.thread.debug.reason = DebugReason.NONE
    debugged.node.write_register(THREAD_BLOCK + ThreadRegister.PC, SRAM_BASE + 2)
    assert debugged.where == (ThreadState.STOPPED, 1, DebugReason.TRAP)
    assert debugged.thread.mcause == Cause.INSTRUCTION_MISALIGNED


def test_without_a_handler_the_thread_becomes_trapped_as_ever() -> None:
    debugged = Debugged(ILLEGAL)
    debugged.write(DebugRegister.CONTROL, DebugControl.TRAP | DebugControl.EBREAK)
    debugged.node.run()
    assert debugged.where == (ThreadState.TRAPPED, 0, DebugReason.NONE)


# -- injected instructions --------------------------------------------------------------------------------------------


def test_an_injected_instruction_executes_and_does_not_retire() -> None:
    debugged = stopped(HALT)
    debugged.thread.mscratch = 42
    records: list[Retirement] = []
    debugged.node.on_retire = records.append
    debugged.inject(encode("csrrs", 6, Csr.MSCRATCH, 0) | 0xABCD << 32)
    assert debugged.where == (ThreadState.STOPPED, 0, DebugReason.REQUEST)
    assert (debugged.thread.x[6], debugged.thread.minstret, debugged.thread.retired, records) == (42, 0, 0, [])
    assert [debugged.thread.read_counter(event) for event in Event] == [0] * len(Event)


EVENTS = [
    (encode("vld", 1, 0, 5), Event.LOAD),
    (encode("vadd.f32", 1, 2, 3), Event.SIMD),
    (encode("mzero", 0), Event.MATRIX),
]


@pytest.mark.parametrize(("word", "event"), EVENTS)
def test_an_injected_instruction_is_no_event_and_those_that_follow_are(word: int, event: Event) -> None:
    debugged = stopped(word, x={5: SRAM_BASE})
    debugged.inject(word)
    assert debugged.status == DebugReason.REQUEST
    assert [debugged.thread.read_counter(event) for event in Event] == [0] * len(Event)
    debugged.step()
    assert debugged.thread.read_counter(event) == 1


def test_accesses_requests_and_matrix_steps_count_as_ever() -> None:
    debugged = stopped(HALT, x={5: SRAM_BASE, 6: 0})
    for word in (encode("vld", 1, 0, 5), encode("vst", 1, 0, 5), encode("nwrite", 1, 6), encode("mstep.bf16.mm", 0, 5, 5)):
        debugged.inject(word)
        assert debugged.status == DebugReason.REQUEST, hex(word)
    counted = ("LINES_LOADED", "LINES_STORED", "REQUESTS_SENT", "MATRIX_STEPS", "RETIRED")
    assert [debugged.node.read_register(ControlRegister[name]) for name in counted] == [3, 1, 1, 1, 0]


def test_vector_writes_show() -> None:
    debugged = stopped(HALT, x={5: SRAM_BASE + 0x400})
    debugged.node.sram[0x400 : 0x400 + LINE] = bytes(range(LINE))
    seen: list[tuple[int, int, bytes]] = []
    debugged.node.on_vector_write = lambda *write: seen.append(write)
    debugged.inject(encode("vld", 7, 0, 5))
    assert seen == [(0, 7, bytes(range(LINE)))]


@pytest.mark.parametrize("state", [ThreadState.RUNNING, ThreadState.HALTED, ThreadState.TRAPPED, ThreadState.WAITING])
def test_an_instruction_is_ignored_unless_the_thread_is_stopped(state: ThreadState) -> None:
    word = {ThreadState.RUNNING: SPIN, ThreadState.HALTED: HALT, ThreadState.TRAPPED: ILLEGAL}
    debugged = Debugged(word.get(state, encode("swait", 0, 5)), x={5: 1})
    debugged.node.run(3)
    assert debugged.thread.state is state
    debugged.inject(encode("addi", 6, 0, 2))
    assert (debugged.thread.x[6], debugged.status) == (0, 0)
    debugged.command(STOP)
    assert debugged.thread.x[6] == 0


def test_instruction_memory_is_not_read() -> None:
    debugged = Debugged(start=False)
    debugged.command(STOP)
    assert debugged.thread.pc == 0
    debugged.inject(encode("addi", 6, 0, 2))
    assert (debugged.thread.x[6], debugged.thread.pc, debugged.status) == (2, 0, DebugReason.REQUEST)


MOVES = {
    "addi": (encode("addi", 6, 0, 2), 1),
    "jal": (encode("jal", 1, 16), 5),
    "jal to the next": (encode("jal", 1, 4), 2),
    "jal to itself": (encode("jal", 1, 0), 1),
    "jalr": (encode("jalr", 1, 8, 5), 2),
    "taken": (encode("beq", 0, 0, -4), 0),
    "taken to the next": (encode("beq", 0, 0, 4), 2),
    "not taken": (encode("bne", 0, 0, 12), 1),
    "not taken to the next": (encode("bne", 0, 0, 4), 1),
    "mret": (encode("mret"), 7),
    "csr": (encode("csrrs", 6, Csr.MEPC, 0), 1),
}


@pytest.mark.parametrize("name", MOVES)
def test_the_pc_stays_unless_the_instruction_jumps(name: str) -> None:
    word, place = MOVES[name]
    debugged = Debugged(encode("addi", 7, 0, 1), *[SPIN] * 9, x={5: SRAM_BASE})
    debugged.node.run(1)
    debugged.command(STOP)
    debugged.thread.mepc = SRAM_BASE + 28
    debugged.inject(word)
    assert debugged.where == (ThreadState.STOPPED, place, DebugReason.REQUEST)
    if name.startswith("jal"):
        assert debugged.thread.x[1] == SRAM_BASE + 8
    debugged.inject(encode("auipc", 9, 0))
    assert debugged.thread.x[9] == SRAM_BASE + 4 * place


TRAPPING = {
    "illegal": (ILLEGAL, Cause.ILLEGAL_INSTRUCTION),
    "halt": (HALT, Cause.ILLEGAL_INSTRUCTION),
    "swait": (encode("swait", 0, 0), Cause.ILLEGAL_INSTRUCTION),
    "accumulator": (encode("mzero", 7), Cause.ILLEGAL_INSTRUCTION),
    "csr": (encode("csrrw", 0, 0x7B0, 0), Cause.ILLEGAL_INSTRUCTION),
    "read-only csr": (encode("csrrw", 0, Csr.MHARTID, 0), Cause.ILLEGAL_INSTRUCTION),
    "ebreak": (EBREAK, Cause.BREAKPOINT),
    "ecall": (encode("ecall"), Cause.ECALL_MACHINE),
    "jump": (encode("jal", 1, 6), Cause.INSTRUCTION_MISALIGNED),
    "branch": (encode("beq", 0, 0, 6), Cause.INSTRUCTION_MISALIGNED),
    "load misaligned": (encode("ld", 6, 1, 5), Cause.LOAD_MISALIGNED),
    "load fault": (encode("ld", 6, 0, 0), Cause.LOAD_ACCESS_FAULT),
    "store misaligned": (encode("sd", 6, 1, 5), Cause.STORE_MISALIGNED),
    "store fault": (encode("sd", 6, 0, 0), Cause.STORE_ACCESS_FAULT),
    "vector fault": (encode("vld", 6, 0, 7), Cause.LOAD_ACCESS_FAULT),
}


@pytest.mark.parametrize("control", [0, DebugControl.EBREAK | DebugControl.TRAP])
@pytest.mark.parametrize("name", TRAPPING)
def test_a_trap_of_an_injected_instruction_is_not_taken(name: str, control: int) -> None:
    word, cause = TRAPPING[name]
    debugged = stopped(HALT, x={5: SRAM_BASE, 1: 9, 6: 9})
    debugged.thread.mtvec = SRAM_BASE + 4
    debugged.write(DebugRegister.CONTROL, control)
    before = bytes(debugged.node.sram), list(debugged.thread.x)
    debugged.inject(word)
    thread = debugged.thread
    assert debugged.where == (ThreadState.STOPPED, 0, DebugReason.REQUEST | FAILED | cause << DEBUG_CAUSE)
    assert (thread.mepc, thread.mcause, thread.mtval, thread.mstatus) == (0, 0, 0, 0x1800)
    assert (bytes(debugged.node.sram), thread.x) == before
    debugged.inject(encode("addi", 6, 0, 2))
    assert debugged.status == DebugReason.REQUEST, "the next one did not fail"


def test_dscratch0_is_the_data_register_of_injected_instructions() -> None:
    debugged = stopped(encode("csrrs", 6, Csr.DSCRATCH0, 0))
    debugged.write(DebugRegister.DATA, 0xDEAD_BEEF_0000_0001)
    debugged.inject(encode("csrrs", 6, Csr.DSCRATCH0, 0))
    assert debugged.thread.x[6] == 0xDEAD_BEEF_0000_0001
    debugged.thread.x[7] = 6
    debugged.inject(encode("csrrw", 8, Csr.DSCRATCH0, 7))
    assert (debugged.read(DebugRegister.DATA), debugged.thread.x[8]) == (6, 0xDEAD_BEEF_0000_0001)
    debugged.inject(encode("csrrsi", 8, Csr.DSCRATCH0, 9))
    assert debugged.read(DebugRegister.DATA) == 15
    debugged.step()
    assert (debugged.thread.state, debugged.thread.mcause) == (ThreadState.TRAPPED, Cause.ILLEGAL_INSTRUCTION)


@pytest.mark.parametrize("name", ["csrrs", "csrrw", "csrrci"])
def test_dscratch0_is_illegal_in_programs(name: str) -> None:
    debugged = Debugged(encode(name, 0, Csr.DSCRATCH0, 0))
    debugged.node.run()
    assert (debugged.thread.state, debugged.thread.mcause) == (ThreadState.TRAPPED, Cause.ILLEGAL_INSTRUCTION)


@pytest.mark.parametrize("inhibit", [0, 5, 1 << Event.INTEGER])
@pytest.mark.parametrize("csr", [Csr.MINSTRET, Csr.MCYCLE, 0xB00 + Event.INTEGER, 0xB00 + Event.LOAD])
def test_counters_hold_what_an_injected_instruction_writes(csr: int, inhibit: int) -> None:
    debugged = Debugged(*[encode("addi", 7, 7, 1)] * 20, x={5: 1000})
    debugged.node.run(7)
    debugged.command(STOP)
    debugged.thread.x[6] = inhibit
    debugged.inject(encode("csrrw", 0, Csr.MCOUNTINHIBIT, 6))
    debugged.inject(encode("csrrw", 0, csr, 5))
    debugged.inject(encode("csrrs", 8, csr, 0))
    assert debugged.thread.x[8] == 1000
    if csr != Csr.MCYCLE:
        debugged.step()
        debugged.inject(encode("csrrs", 8, csr, 0))
        counts = {Csr.MINSTRET: inhibit != 5, 0xB00 + Event.INTEGER: not inhibit >> Event.INTEGER}.get(csr, False)
        assert debugged.thread.x[8] == 1000 + counts


@pytest.mark.parametrize("inhibit", [5, 1 << Event.INTEGER])
def test_an_injected_write_of_mcountinhibit_leaves_the_counters_at_what_they_were(inhibit: int) -> None:
    debugged = Debugged(*[encode("addi", 7, 7, 1)] * 20, x={5: inhibit})
    debugged.node.run(7)
    debugged.command(STOP)
    for value in (5, 0):
        debugged.inject(encode("csrrw", 0, Csr.MCOUNTINHIBIT, value))
        counts = debugged.thread.minstret, debugged.thread.read_counter(Event.INTEGER), debugged.thread.cycles
        assert counts == (7, 7, 7)


def test_a_pending_network_error_does_not_hold_it_up_and_stays() -> None:
    debugged = stopped(HALT)
    debugged.thread.mtvec = SRAM_BASE
    debugged.fail_request()
    debugged.inject(encode("addi", 6, 0, 2))
    assert (debugged.thread.x[6], debugged.thread.mcause, debugged.status) == (2, 0, DebugReason.REQUEST)
    debugged.command(RESUME)
    debugged.node.run(1)
    assert debugged.thread.mcause == Cause.NETWORK_ERROR


def test_an_exit_by_an_injected_store_leaves_the_thread_stopped() -> None:
    debugged = stopped(HALT, x={5: SRAM_BASE + 0x200, 6: 3})
    other = debugged.node.threads[1]
    other.start(SRAM_BASE)
    debugged.node.tohost_address = SRAM_BASE + 0x200
    debugged.inject(encode("sd", 6, 0, 5))
    assert (debugged.thread.state, other.state, debugged.node.exit_code) == (ThreadState.STOPPED, ThreadState.HALTED, 1)


def test_fence_i_makes_the_thread_see_changed_code() -> None:
    debugged = Debugged(encode("addi", 5, 5, 1), encode("jal", 0, -4))
    debugged.node.run(20)
    debugged.command(STOP)
    debugged.node.sram[0:8] = EBREAK.to_bytes(4, "little") * 2
    debugged.write(DebugRegister.CONTROL, DebugControl.EBREAK)
    debugged.inject(encode("fence.i"))
    debugged.command(RESUME)
    debugged.node.run(20)
    assert debugged.status == DebugReason.EBREAK


class Waiting(Debugged):
    """A stopped thread whose injected store waits for a read of v1 that the test answers."""

    def __init__(self, word: int = encode("vst", 1, 0, 7)) -> None:
        super().__init__(encode("nread", 1, 5), SPIN, x={5: 0x1000, 7: SRAM_BASE + 0x100})
        departed: list[Packet] = []
        self.node._transport = lambda node, packet: departed.append(packet)
        self.node.run(2)
        self.command(STOP)
        self.inject(word)
        assert self.where == (ThreadState.STOPPED, 1, BUSY | DebugReason.REQUEST)
        self.tag = departed[0].tag

    def answer(self) -> None:
        self.node.deliver(Packet(Kind.READ_DATA, 0, 0, 0, tag=self.tag, data=b"\x5a" * LINE))

    @property
    def stored(self) -> bool:
        return bytes(self.node.sram[0x100 : 0x100 + LINE]) == b"\x5a" * LINE


def test_an_injected_instruction_waits_for_registers_as_ever() -> None:
    waiting = Waiting()
    waiting.answer()
    assert waiting.stored
    assert waiting.where == (ThreadState.STOPPED, 1, DebugReason.REQUEST)


def test_what_it_waits_for_is_written_before_its_own_result() -> None:
    waiting = Waiting(encode("vadd.i8", 2, 1, 1))
    seen: list[int] = []
    waiting.node.on_vector_write = lambda thread, register, data: seen.append(register)
    waiting.answer()
    assert seen == [1, 2]


def test_an_injected_instruction_goes_on_when_the_request_that_it_waits_for_fails() -> None:
    waiting = Waiting()
    waiting.node.deliver(Packet(Kind.ERROR, 0, 0, 0x40, tag=waiting.tag, sem=NetworkError.BAD_OFFSET))
    assert waiting.status == DebugReason.REQUEST
    assert waiting.thread.network_error is not None


@pytest.mark.parametrize("command", [STOP, RESUME, STEP])
def test_commands_are_ignored_while_an_injected_instruction_is_under_way(command: int) -> None:
    waiting = Waiting()
    waiting.command(command)
    waiting.inject(encode("addi", 8, 0, 2))
    assert waiting.where == (ThreadState.STOPPED, 1, BUSY | DebugReason.REQUEST)
    waiting.answer()
    assert waiting.stored
    assert waiting.where == (ThreadState.STOPPED, 1, DebugReason.REQUEST)
    assert waiting.thread.x[8] == 0


@pytest.mark.parametrize("register", [ThreadRegister.PC, ThreadRegister.STATE])
def test_a_start_and_a_halt_end_an_injected_instruction_that_waits(register: ThreadRegister) -> None:
    waiting = Waiting()
    waiting.node.write_register(THREAD_BLOCK + register, SRAM_BASE + 4)
    assert waiting.status == DebugReason.REQUEST
    waiting.answer()
    waiting.node.run(10)
    assert not waiting.stored
    assert waiting.thread.state is (ThreadState.RUNNING if register is ThreadRegister.PC else ThreadState.HALTED)


# -- starts, ends and arrays ------------------------------------------------------------------------------------------


def test_writing_pc_starts_a_stopped_thread_as_ever() -> None:
    debugged = stopped(HALT, encode("addi", 5, 0, 7), encode("halt", 5))
    debugged.node.write_register(THREAD_BLOCK + ThreadRegister.PC, SRAM_BASE + 4)
    debugged.node.run()
    assert (debugged.thread.state, debugged.thread.exit_code) == (ThreadState.HALTED, 7)


def test_writing_state_halts_a_stopped_thread() -> None:
    debugged = stopped(SPIN)
    debugged.node.write_register(THREAD_BLOCK + ThreadRegister.STATE, 0)
    assert debugged.where == (ThreadState.HALTED, 0, DebugReason.REQUEST)


def test_an_array_with_stopped_threads_neither_ends_nor_is_locked_up() -> None:
    array = GoldenArray(TINY, 1, 1)
    array.node(0, 0).load(program([SPIN, encode("swait", 0, 5), HALT]))
    array.node(0, 0).threads[1].x[5] = 1

    def start(thread: int, word: int) -> None:
        array.write_register(0, 0, thread_offset(thread, ThreadRegister.PC), SRAM_BASE + 4 * word)

    start(0, 0)
    assert array.run(100).reason == "limit"
    array.write_register(0, 0, debug_offset(0, DebugRegister.COMMAND), STOP)
    assert array.run(100).reason == "stopped"
    assert [report.state for report in array.thread_states()] == [ThreadState.STOPPED, ThreadState.HALTED]
    start(1, 1)
    assert array.run(100).reason == "stopped"
    assert [report.state for report in array.thread_states()] == [ThreadState.STOPPED, ThreadState.WAITING]
    array.write_register(0, 0, thread_offset(0, ThreadRegister.STATE), 0)
    assert array.run(100).reason == "deadlock"


def test_a_thread_stops_itself_and_another_by_packets() -> None:
    words = [encode("nsd", 6, 5), encode("addi", 9, 9, 1), encode("nsd", 6, 7), encode("addi", 9, 9, 1), HALT]
    x = {6: int(STOP), 5: debug_offset(1, DebugRegister.COMMAND), 7: debug_offset(0, DebugRegister.COMMAND)}
    debugged = Debugged(*words, x=x)
    debugged.node.run()
    assert debugged.where == (ThreadState.STOPPED, 3, DebugReason.REQUEST)
    assert (debugged.node.threads[1].state, debugged.thread.x[9]) == (ThreadState.STOPPED, 1)
