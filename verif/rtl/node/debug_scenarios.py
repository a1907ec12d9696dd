# SPDX-License-Identifier: Apache-2.0
"""What a debugger may do with a thread, compared with what comes of it in the golden node."""

from __future__ import annotations

from collections.abc import Callable

from golden.config import NodeConfig
from golden.layout import (
    SRAM_BASE,
    Cause,
    ControlRegister,
    Csr,
    DebugCommand,
    DebugControl,
    DebugReason,
    DebugRegister,
    GlobalAddress,
    Port,
    ThreadRegister,
    ThreadState,
    control_offset,
    debug_offset,
    semaphore_offset,
    thread_offset,
)
from sw.assembler import assemble
from verif.golden.encoding import encode
from verif.rtl.node.debugged import Debugged

__all__ = ["BUSY", "ENDS", "SCENARIOS", "scratch_of", "stop_after"]

STOP, RESUME, STEP = DebugCommand.STOP, DebugCommand.RESUME, DebugCommand.STEP
HALTED, WAITING, TRAPPED, STOPPED = (
    ThreadState.HALTED, ThreadState.WAITING, ThreadState.TRAPPED, ThreadState.STOPPED,
)  # fmt: skip

#: Nobody answers what is read there.
_SILENCE = int(GlobalAddress(0, 0, 0, Port.WEST))
#: Requests to it fail.
_NOWHERE = int(GlobalAddress(99, 99))

_NOP = encode("addi", 0, 0, 0)


def scratch_of(config: NodeConfig) -> int:
    """Offset of SRAM that no program here uses, aligned to an accumulator."""
    return config.sram_bytes // 2


# -- stops at any time -------------------------------------------------------------------------------------------------

#: Programs of thread 0 that end, or wait for ever, a few cycles behind their start.
ENDS = {
    "halt": "_start: li a0, 5\n nop\n nop\n halt a0\n nop\n",
    "trap": "_start: li a0, 5\n nop\n nop\n ecall\n nop\n",
    "handled trap": "_start: la a0, 1f\n csrw mtvec, a0\n nop\n ld a1, 0(zero)\n nop\n 1: addi a2, a2, 1\n halt a2\n",
    "wait": "_start: li a0, 5\n nop\n swait 1, a0\n nop\n halt a0\n",
    "exit": "_start: la a0, tohost\n li a1, 9\n nop\n sd a1, 0(a0)\n 1: j 1b\n .balign 8\n tohost: .dword 0\n",
    "division": "_start: li a0, 100\n li a1, 7\n div a2, a0, a1\n nop\n add a3, a2, a1\n halt a3\n",
}

#: Everything that takes time or goes elsewhere. What is sent goes to the own node.
BUSY = """
_start: la t0, handler
        csrw mtvec, t0
        la s0, lines
        li a0, 1000003
        li a1, 17
        div a2, a0, a1
        mul a3, a0, a1
        remw a4, a0, a1
        ld a5, 0(s0)
        add a5, a5, a2
        vld v1, 0(s0)
        vld v2, LINE_BYTES(s0)
        li t1, 8
        vlds.8 v3, (s0), t1
        vadd.f32 v4, v1, v2
        vexp2.f32 v5, v4
        vredsum.f32 v6, v5
        vst v6, 2 * LINE_BYTES(s0)
        vlt.f32 p1, v1, v2
        pmv.x.p a6, p1
        mzero m0
        addi s1, s0, LINE_BYTES
        mstep.bf16.mm m0, (s0), (s1)
        mstep.bf16 m0, v1, v2
        la s2, tile
        mst.f32 m0, (s2)
        csrr t2, mnode
        la t3, lines
        slli t3, t3, 43
        srli t3, t3, 43
        add t2, t2, t3
        nread v7, (t2)
        vadd.i32 v8, v7, v1
        nwrite.s v8, (t2), 1
        li t4, 1
        swait 1, t4
        csrr a7, mflags
        li t5, 3
1:      addi t5, t5, -1
        bnez t5, 1b
        ecall
        lw t6, 2(s0)
        vlds.8 v3, (zero), t1
        ebreak
        fence.i
        call function
        sd a2, 8(s0)
        ld a4, 8(s0)
        halt a4
function: addi a0, a0, 1
        ret
handler: csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
        .balign 16 * LINE_BYTES
lines:  .word 0x3f800000, 0x40000000, 0x40400000, 0x3f000000, 0x3f801234, 0x3f803f80, 0x40004040, 7
        .balign 16 * LINE_BYTES
tile:   .zero 64 * LINE_BYTES
"""


def stop_after(both: Debugged, source: str, delay: int, *, registers: bool = False) -> None:
    """Stop thread 0 so many cycles behind its start, compare it with a golden one that has retired as much, and let both end."""
    program = assemble(source, config=both.config)
    both.load(program)
    if program.tohost:
        both.write(control_offset(ControlRegister.TOHOST_ADDRESS), program.tohost)
    start = (thread_offset(0, ThreadRegister.PC), program.entry)
    stop = (debug_offset(0, DebugRegister.COMMAND), STOP)
    both.golden.write(start, stop)
    if delay:
        both.seen.write(start)
        both.seen.run(delay - 1)
        both.seen.write(stop)
    else:
        # One packet right behind the other.
        both.seen.write(start, stop)
    both.settle(0)
    assert both.state(0) is STOPPED
    ended = both.follow(0)
    both.check_thread(0, f"stopped {delay} cycles behind its start")
    assert both.seen.run(1000) == "stopped"
    before = both.compiled.cycle
    both.seen.run(1000)
    assert both.compiled.cycle == before, "a node of which all threads are stopped goes on"
    if registers:
        both.check_registers(0, scratch_of(both.config))
    if not ended:
        both.write_debug(0, DebugRegister.COMMAND, RESUME)
    both.run()
    both.check_retired(0)
    both.check_thread(0, "at the end")
    both.check_vector_writes()


# -- what a debugger asks for, step by step ----------------------------------------------------------------------------

_STRAIGHT = """
_start: addi a0, a0, 1
        addi a1, a1, 2
        addi a2, a2, 3
        addi a3, a3, 4
        swait 1, a0
        addi a0, a0, 5
        ebreak
        ecall
        halt a0
        .balign 0x80
handler: csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
"""
_HANDLER, _SWAIT, _EBREAK, _ECALL, _HALT = (SRAM_BASE + offset for offset in (0x80, 0x10, 0x18, 0x1C, 0x20))


def _prepare(both: Debugged, *, handler: bool = False) -> None:
    """STOP thread 0 before the first of a few instructions."""
    both.load(assemble(_STRAIGHT, config=both.config))
    both.command(0, STOP)
    both.place(0, SRAM_BASE)
    if handler:
        both.set_register(0, 11, _HANDLER)
        both.inject(0, encode("csrrw", 0, Csr.MTVEC, 11))


def _now(both: Debugged) -> tuple[ThreadState, int, DebugReason]:
    """Where thread 0 is, which is where it is in the golden node."""
    both.check_thread(0, "now")
    both.check_retired(0)
    status = control_offset(ControlRegister.STATUS)
    assert both.seen.read(status) == both.golden.read(status)
    return both.state(0), both.pc(0), both.status(0).reason


def _go(both: Debugged, command: DebugCommand) -> tuple[ThreadState, int, DebugReason]:
    """A command, and what has become of thread 0 when nothing goes on any more."""
    both.command(0, command)
    both.run()
    return _now(both)


def steps_one_by_one(both: Debugged) -> None:
    """A step is one instruction, whatever could follow it. It is no start, but a stop."""
    _prepare(both)
    first, last = (control_offset(register) for register in (ControlRegister.FIRST_START, ControlRegister.LAST_STOP))
    started, stopped = both.seen.read(first), both.seen.read(last)
    for number in range(1, 5):
        assert _go(both, STEP) == (STOPPED, SRAM_BASE + 4 * number, DebugReason.STEP)
        assert both.seen.read(first) == started
        assert stopped < (stopped := both.seen.read(last))


def step_that_waits(both: Debugged) -> None:
    """In a step, a thread waits at its swait, and can be stopped there; the step is done when the swait is."""
    _prepare(both)
    both.set_register(0, 10, 10)
    both.place(0, _SWAIT)
    assert _go(both, STEP) == (WAITING, _SWAIT, DebugReason.REQUEST)
    assert both.status(0).busy
    assert _go(both, STOP) == (STOPPED, _SWAIT, DebugReason.REQUEST)
    assert _go(both, STEP) == (WAITING, _SWAIT, DebugReason.REQUEST)
    both.write(semaphore_offset(1), 9)
    both.run()
    assert _now(both) == (WAITING, _SWAIT, DebugReason.REQUEST)
    both.write(semaphore_offset(1), 1)
    both.run()
    assert _now(both) == (STOPPED, _SWAIT + 4, DebugReason.STEP)
    assert not both.status(0).busy


def breakpoints(both: Debugged) -> None:
    """An ebreak stops if the debugger wants that, again and again, and traps if not."""
    _prepare(both, handler=True)
    both.write_debug(0, DebugRegister.CONTROL, DebugControl.EBREAK)
    both.place(0, _EBREAK - 4)
    for command in (RESUME, STEP, RESUME):
        assert _go(both, command) == (STOPPED, _EBREAK, DebugReason.EBREAK)
    both.write_debug(0, DebugRegister.CONTROL, 0)
    assert _go(both, STEP) == (STOPPED, _HANDLER, DebugReason.STEP)


def traps(both: Debugged) -> None:
    """A trap is a step, and stops the thread before its handler if the debugger wants that."""
    _prepare(both, handler=True)
    for control, command, reason in (
        (0, STEP, DebugReason.STEP),
        (DebugControl.TRAP, STEP, DebugReason.TRAP),
        (DebugControl.TRAP, RESUME, DebugReason.TRAP),
    ):
        both.write_debug(0, DebugRegister.CONTROL, control)
        both.place(0, _ECALL)
        assert _go(both, command) == (STOPPED, _HANDLER, reason)
    for _ in range(3):
        assert _go(both, STEP)[2] is DebugReason.STEP
    assert _go(both, STEP) == (STOPPED, _HALT, DebugReason.STEP)
    # A start that traps.
    both.start(0, SRAM_BASE + 2)
    both.run()
    assert _now(both) == (STOPPED, _HANDLER, DebugReason.TRAP)


def ends(both: Debugged) -> None:
    """What ends a thread in a step ends it as ever."""
    _prepare(both)
    both.place(0, _HALT)
    assert _go(both, STEP) == (HALTED, _HALT + 4, DebugReason.REQUEST)
    assert _go(both, RESUME) == _go(both, STEP) == (HALTED, _HALT + 4, DebugReason.REQUEST)
    assert _go(both, STOP) == (STOPPED, _HALT + 4, DebugReason.REQUEST)
    both.write_debug(0, DebugRegister.CONTROL, DebugControl.TRAP)
    for command in (STEP, RESUME):
        both.place(0, _ECALL)
        assert _go(both, command)[:2] == (TRAPPED, _ECALL)
        assert _go(both, STOP) == (STOPPED, _ECALL, DebugReason.REQUEST)
    both.start(0, SRAM_BASE + 2)
    both.run()
    assert _now(both)[0] is TRAPPED
    assert _go(both, STOP) == (STOPPED, SRAM_BASE, DebugReason.REQUEST)
    assert _go(both, STEP) == (STOPPED, SRAM_BASE + 4, DebugReason.STEP)


def network_errors(both: Debugged) -> None:
    """A network error stays pending while instructions are injected, and is what a step takes, but not before a ``mret``."""
    _prepare(both, handler=True)
    both.set_register(0, 12, _NOWHERE)
    for command in (STEP, RESUME):
        both.write_debug(0, DebugRegister.CONTROL, DebugControl.TRAP if command == RESUME else 0)
        both.inject(0, encode("nsd", 0, 12))
        both.seen.run(400)
        assert not both.inject(0, encode("addi", 13, 12, 1)).failed
        both.place(0, SRAM_BASE + 4)
        assert _go(both, command)[:2] == (STOPPED, _HANDLER)
        assert both.golden.read(thread_offset(0, ThreadRegister.CAUSE)) == Cause.NETWORK_ERROR
        both.inject(0, encode("mret"))
    both.write_debug(0, DebugRegister.CONTROL, 0)
    for unhandled in (0, 1, 2):
        both.inject(0, encode("nsd", 0, 12))
        both.seen.run(400)
        if not unhandled:
            assert _go(both, STEP)[:2] == (STOPPED, _HANDLER)
        for each in (both.seen, both.golden):
            assert each.read(thread_offset(0, ThreadRegister.UNHANDLED_ERRORS)) == unhandled
    both.place(0, SRAM_BASE + 4)
    assert _go(both, STEP)[:2] == (STOPPED, SRAM_BASE + 8)
    both.inject(0, encode("mret"))
    assert _now(both)[0] is STOPPED
    both.write(thread_offset(0, ThreadRegister.STATE), 0)
    both.run()
    assert _now(both)[0] is TRAPPED


def waiting_injection(both: Debugged) -> None:
    """An injected instruction that waits for ever holds up commands; a start and a write to STATE end it.

    A store does, which waits at issue; a SIMD operation would wait in its queue, where there is one.
    """
    _prepare(both)
    both.set_register(0, 12, _SILENCE)
    both.inject(0, encode("nread", 5, 12))
    before = both.pc(0)
    for field in (ThreadRegister.STATE, ThreadRegister.PC):
        both.write_debug(0, DebugRegister.INSTRUCTION, encode("vst", 5, 0, 12))
        both.golden.run()
        assert both.seen.run(30_000) == "stopped"
        for command in (STOP, RESUME, STEP):
            both.write_debug(0, DebugRegister.COMMAND, command)
        both.check_thread(0, "with an instruction that waits")
        assert (both.state(0), both.status(0).busy, both.pc(0)) == (STOPPED, True, before)
        both.write(thread_offset(0, field), _HALT)
        both.run()
        assert _now(both)[0] is HALTED
        assert not both.status(0).busy
        both.command(0, STOP)
        both.place(0, before)
        assert not both.inject(0, encode("addi", 10, 10, 1)).failed
    both.check_retired(0)


def exits(both: Debugged) -> None:
    """An exit of the program leaves stopped threads stopped, with what is injected; one in a step ends the thread."""
    _prepare(both)
    exit_at = SRAM_BASE + 0x200
    source = f"la a0, {exit_at}\n li a1, 1\n sd a1, 0(a0)\n nop\n nop\n"
    both.load(assemble(source, config=both.config, base=SRAM_BASE + 0x100))
    both.write(control_offset(ControlRegister.TOHOST_ADDRESS), exit_at)
    both.set_register(0, 12, _SILENCE)
    both.inject(0, encode("nread", 5, 12))
    both.write_debug(0, DebugRegister.INSTRUCTION, encode("vst", 5, 0, 12))
    if both.config.threads > 1:
        both.start(1, SRAM_BASE + 0x100)
        both.golden.run()
        both.seen.run(400)
        assert both.compiled.node_state(0, both.seen.y).exited
    assert _now(both)[0] is STOPPED
    assert both.status(0).busy
    both.write(thread_offset(0, ThreadRegister.STATE), 0)
    # In a step of its own.
    both.write(control_offset(ControlRegister.TOHOST_ADDRESS), exit_at)
    both.command(0, STOP)
    both.place(0, SRAM_BASE + 0x100)
    for _ in range(8):
        if both.state(0) is STOPPED:
            _go(both, STEP)
    assert _now(both)[0] is HALTED
    # Injected.
    both.write(control_offset(ControlRegister.TOHOST_ADDRESS), exit_at)
    both.command(0, STOP)
    both.inject(0, encode("sd", 11, 0, 10))
    assert both.compiled.node_state(0, both.seen.y).exited
    assert _now(both)[0] is STOPPED


def injected_jumps(both: Debugged) -> None:
    """What goes elsewhere when it is injected takes the thread along, and nothing else does."""
    _prepare(both, handler=True)
    both.inject(0, encode("csrrw", 0, Csr.MEPC, 11))
    for word, distance in (
        (encode("jal", 1, 0x40), 0x40),
        (encode("beq", 0, 0, 0x20), 0x20),
        (encode("beq", 11, 0, 0x20), 0),
        (encode("bne", 11, 0, -0x10), -0x10),
        (encode("mret"), _HANDLER - SRAM_BASE - 0x50),
        (encode("jal", 1, 6), 0),
        (encode("bgeu", 0, 0, 0x22), 0),
        (encode("fence.i"), 0),
        (encode("auipc", 13, 5), 0),
        (encode("ebreak"), 0),
        (encode("halt", 0), 0),
        (encode("swait", 1, 0), 0),
    ):
        before = both.pc(0)
        both.inject(0, word)
        assert both.pc(0) == before + distance
    both.check_registers(0, scratch_of(both.config))
    assert both.retired(0) == []


def injected_counts(both: Debugged) -> None:
    """What is injected does not count, but for accesses and requests."""
    _prepare(both)
    both.set_register(0, 12, SRAM_BASE + scratch_of(both.config))
    for word in (
        encode("addi", 10, 10, 1), encode("mul", 10, 10, 10), encode("vld", 1, 0, 12), encode("vst", 1, 0, 12),
        encode("vadd.i32", 1, 1, 1), encode("mzero", 0), encode("mstep.bf16.mm", 0, 12, 12), encode("csrrw", 0, Csr.MINSTRET, 10),
    ):  # fmt: skip
        both.inject(0, word)
    for register in (ControlRegister.RETIRED, ControlRegister.MATRIX_STEPS, ControlRegister.LINES_LOADED,
                     ControlRegister.LINES_STORED):  # fmt: skip
        offset = control_offset(register)
        assert both.seen.read(offset) == both.golden.read(offset), register.name
    both.check_registers(0, scratch_of(both.config))
    assert both.retired(0) == []


#: What each instruction fails with that is injected into a thread whose registers are 0.
_FAILURES = {
    encode("halt", 0): Cause.ILLEGAL_INSTRUCTION,
    encode("swait", 0, 0): Cause.ILLEGAL_INSTRUCTION,
    0: Cause.ILLEGAL_INSTRUCTION,
    encode("csrrs", 1, 0x7FF, 0): Cause.ILLEGAL_INSTRUCTION,
    encode("csrrw", 1, Csr.MNODE, 1): Cause.ILLEGAL_INSTRUCTION,
    encode("ecall"): Cause.ECALL_MACHINE,
    encode("ebreak"): Cause.BREAKPOINT,
    encode("jal", 1, 6): Cause.INSTRUCTION_MISALIGNED,
    encode("jalr", 1, 2, 0): Cause.INSTRUCTION_MISALIGNED,
    encode("beq", 0, 0, 10): Cause.INSTRUCTION_MISALIGNED,
    encode("lw", 1, 2, 0): Cause.LOAD_MISALIGNED,
    encode("ld", 1, 0, 0): Cause.LOAD_ACCESS_FAULT,
    encode("vld", 1, 8, 0): Cause.LOAD_MISALIGNED,
    encode("vlds.8", 1, 0, 0): Cause.LOAD_ACCESS_FAULT,
    encode("mstep.bf16.mm", 0, 0, 0): Cause.LOAD_ACCESS_FAULT,
    encode("sd", 1, 4, 0): Cause.STORE_MISALIGNED,
    encode("sb", 1, 0, 0): Cause.STORE_ACCESS_FAULT,
    encode("mst.f32", 0, 0): Cause.STORE_ACCESS_FAULT,
}


def failures(both: Debugged) -> None:
    """What traps when it is injected fails with its cause, and does nothing."""
    _prepare(both)
    both.write_debug(0, DebugRegister.CONTROL, DebugControl.EBREAK | DebugControl.TRAP)
    for word, cause in _FAILURES.items():
        status = both.inject(0, word)
        assert (status.failed, status.cause, status.reason) == (True, cause, DebugReason.REQUEST)
        assert not both.inject(0, _NOP).failed
    both.check_registers(0, scratch_of(both.config))
    assert both.retired(0) == []


def scratch_is_for_debuggers(both: Debugged) -> None:
    """A program does not find dscratch0."""
    _prepare(both, handler=True)
    both.poke(0, encode("csrrs", 13, Csr.DSCRATCH0, 0).to_bytes(4, "little"))
    both.write_debug(0, DebugRegister.DATA, 77)
    assert _go(both, STEP)[1] == _HANDLER
    assert both.golden.read(thread_offset(0, ThreadRegister.CAUSE)) == Cause.ILLEGAL_INSTRUCTION


def one_packet(both: Debugged) -> None:
    """Registers of one packet take effect in their order."""
    block = debug_offset(0, DebugRegister.COMMAND)

    def packed(*values: int) -> bytes:
        return b"".join(value.to_bytes(8, "little") for value in values)

    # The instruction finds the thread stopped.
    for side in (both.seen, both.golden):
        side.write_bytes(block, packed(STOP, DebugControl.TRAP, 0, encode("addi", 10, 0, 7)))
    both.settle(0)
    both.inject(0, encode("csrrw", 0, Csr.DSCRATCH0, 10))
    assert both.data(0) == 7
    both.load(assemble("1: j 1b", config=both.config))
    both.place(0, SRAM_BASE)
    # Now it finds it running. Other commands are none.
    both.seen.write_bytes(block, packed(RESUME, 0, 0, encode("addi", 10, 0, 9)))
    both.seen.write(*((block, number) for number in (0, 4, 1 << 32 | STOP, 2**64 - 1)))
    assert both.state(0) is ThreadState.RUNNING
    both.seen.command(0, STOP)
    both.settle(0)
    both.seen.inject(0, encode("csrrw", 0, Csr.DSCRATCH0, 10))
    both.settle(0)
    assert both.data(0) == 7


def step_that_exits_late(both: Debugged) -> None:
    """Packets that write into the bank hold up the store of a step that ends the program: the step ends with the exit."""
    _prepare(both)
    exit_at = 0x200
    both.poke(0, encode("sd", 11, 0, 10).to_bytes(4, "little"))
    both.set_register(0, 10, SRAM_BASE + exit_at)
    both.set_register(0, 11, 1)
    for writes in range(4, 16):
        both.write(control_offset(ControlRegister.TOHOST_ADDRESS), SRAM_BASE + exit_at)
        both.command(0, STOP)
        both.place(0, SRAM_BASE)
        both.golden.command(0, STEP)
        both.golden.run()
        both.seen.write((debug_offset(0, DebugRegister.COMMAND), STEP), *[(exit_at + 8, 0)] * writes)
        both.settle(0)
        assert _now(both)[0] is HALTED


def busy_stops(both: Debugged) -> None:
    """A gather, a division and a request under way are no matter for a stop."""
    stop_after(both, BUSY, 40)


#: Each takes a node that has just been reset.
SCENARIOS: dict[str, Callable[[Debugged], None]] = {
    scenario.__name__: scenario
    for scenario in (
        steps_one_by_one, step_that_waits, breakpoints, traps, ends, network_errors, waiting_injection, exits, injected_jumps,
        injected_counts, failures, scratch_is_for_debuggers, one_packet, step_that_exits_late, busy_stops,
    )
}  # fmt: skip
