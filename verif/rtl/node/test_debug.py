# SPDX-License-Identifier: Apache-2.0
"""Debug mode of the pipelined core against the golden node, by packets: stops, steps, injected instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import (
    SRAM_BASE,
    Cause,
    ControlRegister,
    DebugCommand,
    DebugControl,
    DebugReason,
    DebugRegister,
    ThreadRegister,
    ThreadState,
    control_offset,
    thread_offset,
)
from scripts.simulator import SimulatorLibrary, build
from sw.assembler import assemble as assemble_text
from verif.bench import bench_seed
from verif.golden.encoding import encode
from verif.rtl.node.debugged import Debugged
from verif.rtl.node.node_bench import WIDE
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, Item, assemble, data_address, memory, programs

CONFIGS = {"tiny": preset("tiny"), "wide": WIDE}
STOP, RESUME, STEP = DebugCommand.STOP, DebugCommand.RESUME, DebugCommand.STEP


@pytest.fixture(scope="module", params=CONFIGS)
def library(request: Any) -> SimulatorLibrary:
    return build(CONFIGS[request.param])


def scenarios(max_examples: int) -> Callable[[Any], Any]:
    """Decorator of properties of a whole node."""

    def decorate(test: Any) -> Any:
        settings = hypothesis.settings(
            max_examples=max_examples,
            deadline=None,
            print_blob=True,
            database=None,
            suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
        )
        return settings(hypothesis.seed(bench_seed())(test))

    return decorate


def scratch_of(config: NodeConfig) -> int:
    """Offset of SRAM that no program uses, for an accumulator."""
    return data_address(config, config.threads) - SRAM_BASE


class Loaded:
    """A node with a program for each thread, in both memories."""

    def __init__(self, library: SimulatorLibrary, threads: list[list[Item]], data: bytes):
        self.config = library.config
        self.both = Debugged(self.config, library)
        for thread, items in enumerate(threads):
            code = b"".join(word.to_bytes(4, "little") for word in assemble(self.config, thread, items))
            self.both.poke(thread * CODE_BYTES, code)
            self.both.poke(data_address(self.config, thread) - SRAM_BASE, (data * DATA_BYTES)[:DATA_BYTES])

    def __enter__(self) -> Debugged:
        return self.both

    def __exit__(self, *_: object) -> None:
        self.both.close()


def finish(both: Debugged) -> None:
    """Let both end, and compare everything."""
    both.run()
    threads = range(both.config.threads)
    for thread in threads:
        both.check_retired(thread)
        both.check_thread(thread, "at the end")
    both.check_vector_writes()
    both.check_memory(data_address(both.config, 0) - SRAM_BASE, len(threads) * DATA_BYTES)


def all_programs(config: NodeConfig, max_items: int) -> st.SearchStrategy[list[list[Item]]]:
    return st.tuples(*(programs(config, thread, max_items) for thread in range(config.threads))).map(list)


@scenarios(12)
@hypothesis.given(data=st.data())
def test_every_step_of_a_random_program_is_that_of_the_golden_node(library: SimulatorLibrary, data: st.DataObject) -> None:
    config = library.config
    threads = data.draw(all_programs(config, 12))
    stepped = data.draw(st.integers(0, config.threads - 1))
    with Loaded(library, threads, data.draw(memory())) as both:
        both.command(stepped, STOP)
        both.place(stepped, SRAM_BASE + stepped * CODE_BYTES)
        for thread in set(range(config.threads)) - {stepped}:
            both.start(thread, SRAM_BASE + thread * CODE_BYTES)
        steps = 0
        while both.state(stepped) is ThreadState.STOPPED:
            both.command(stepped, STEP)
            steps += 1
            both.check_thread(stepped, f"after step {steps}")
        finish(both)
        assert steps == len(both.retired(stepped))


@scenarios(12)
@hypothesis.given(data=st.data())
def test_a_thread_stopped_in_any_cycle_is_where_its_retired_instructions_have_brought_it(
    library: SimulatorLibrary, data: st.DataObject
) -> None:
    config = library.config
    threads = data.draw(all_programs(config, 12))
    stopped = data.draw(st.integers(0, config.threads - 1))
    with Loaded(library, threads, data.draw(memory())) as both:
        for thread in range(config.threads):
            both.start(thread, SRAM_BASE + thread * CODE_BYTES)
        both.golden.write_register(0, 0, both.block(stopped), STOP)
        for delay in data.draw(st.lists(st.integers(0, 150), min_size=1, max_size=4)):
            if delay:
                both.seen.run(max_cycles=delay)
            both.seen.write_register(0, 0, both.block(stopped), STOP)
            both.settle(stopped)
            both.follow(stopped)
            both.check_thread(stopped, "stopped")
            both.check_registers(stopped, scratch_of(config))
            both.seen.write_register(0, 0, both.block(stopped), RESUME)
        both.golden.write_register(0, 0, both.block(stopped), RESUME)
        finish(both)


# -- injected instructions ---------------------------------------------------------------------------------------------


def words_of(items: Sequence[Item]) -> list[int]:
    """All words of items, as they would be executed once without jumping."""
    words: list[int] = []
    for item in items:
        words += item.words
        if item.branch:
            mnemonic, operands = item.branch
            words.append(encode(mnemonic, *operands, 8))
        words += words_of(item.body)
    return words


def any_jump() -> st.SearchStrategy[int]:
    """A branch or jump, also to places that are none."""
    register = st.integers(0, 31)
    branches = [row.mnemonic for row in INSTRUCTIONS.values() if "imm_b" in row.operands]
    return st.one_of(
        st.builds(encode, st.sampled_from(branches), register, register, st.integers(-64, 63).map(lambda n: 2 * n)),
        st.builds(lambda rd, n: encode("jal", rd, 2 * n), register, st.integers(-64, 63)),
        st.builds(lambda rd, rs1, n: encode("jalr", rd, rs1, n), register, register, st.integers(-8, 8)),
        st.just(encode("mret")),
    )


@scenarios(20)
@hypothesis.given(data=st.data())
def test_injected_instructions_do_what_those_of_the_golden_node_do(library: SimulatorLibrary, data: st.DataObject) -> None:
    config = library.config
    stopped = data.draw(st.integers(0, config.threads - 1))
    threads = data.draw(all_programs(config, 12))
    injected: list[int] = []
    for item in data.draw(programs(config, stopped, 12)):
        injected += words_of([item])
        injected += data.draw(st.lists(any_jump(), max_size=1))
    with Loaded(
        library, [items if thread != stopped else [] for thread, items in enumerate(threads)], data.draw(memory())
    ) as both:
        both.start(stopped, SRAM_BASE + stopped * CODE_BYTES)
        both.run()
        both.command(stopped, STOP)
        retired = len(both.retired(stopped))
        for thread in set(range(config.threads)) - {stopped}:
            both.start(thread, SRAM_BASE + thread * CODE_BYTES)
        for word in injected:
            row = decode(word)
            both.inject(stopped, word)
            # Nobody waits for what requests do.
            if row is not None and row.unit is Unit.NETWORK:
                both.seen.run(max_cycles=200)
        both.check_registers(stopped, scratch_of(config))
        finish(both)
        assert len(both.retired(stopped)) == retired


#: What each instruction fails with that is injected into a thread whose registers are 0.
FAILURES = {
    encode("halt", 0): Cause.ILLEGAL_INSTRUCTION,
    encode("swait", 0, 0): Cause.ILLEGAL_INSTRUCTION,
    0: Cause.ILLEGAL_INSTRUCTION,
    encode("csrrs", 1, 0x7FF, 0): Cause.ILLEGAL_INSTRUCTION,
    encode("csrrw", 1, 0xFC0, 1): Cause.ILLEGAL_INSTRUCTION,
    encode("ecall"): Cause.ECALL_MACHINE,
    encode("ebreak"): Cause.BREAKPOINT,
    encode("jal", 1, 6): Cause.INSTRUCTION_MISALIGNED,
    encode("jalr", 1, 0, 2): Cause.INSTRUCTION_MISALIGNED,
    encode("beq", 0, 0, 10): Cause.INSTRUCTION_MISALIGNED,
    encode("lw", 1, 2, 0): Cause.LOAD_MISALIGNED,
    encode("ld", 1, 0, 0): Cause.LOAD_ACCESS_FAULT,
    encode("vld", 1, 8, 0): Cause.LOAD_MISALIGNED,
    encode("sd", 1, 4, 0): Cause.STORE_MISALIGNED,
    encode("sb", 1, 0, 0): Cause.STORE_ACCESS_FAULT,
    encode("mst.f32", 0, 0): Cause.STORE_ACCESS_FAULT,
    encode("vlds.8", 1, 0, 0): Cause.LOAD_ACCESS_FAULT,
}


def test_what_traps_when_it_is_injected_fails_with_its_cause_and_does_nothing(library: SimulatorLibrary) -> None:
    both = Debugged(library.config, library)
    both.write(both.block(0, DebugRegister.CONTROL), DebugControl.EBREAK | DebugControl.TRAP)
    both.command(0, STOP)
    both.place(0, SRAM_BASE + 0x40)
    for word, cause in FAILURES.items():
        status = both.inject(0, word)
        assert (status.failed, status.cause, status.reason) == (True, cause, DebugReason.REQUEST)
        assert not both.inject(0, encode("addi", 0, 0, 0)).failed
    both.check_registers(0, scratch_of(library.config))
    assert both.retired(0) == []
    both.close()


# -- programs that stop by themselves, and stops at any time -------------------------------------------------------------

#: Everything that takes time or goes elsewhere. Thread 0 executes it; its node is also the one that it sends to.
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
        nread v7, t2
        vadd.i32 v8, v7, v1
        nwrite.s v8, t2, 1
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


#: Programs of thread 0 that end, or wait for ever, a few cycles behind their start.
ENDS = {
    "halt": "_start: li a0, 5\n nop\n nop\n halt a0\n nop\n",
    "trap": "_start: li a0, 5\n nop\n nop\n ecall\n nop\n",
    "handled trap": "_start: la a0, 1f\n csrw mtvec, a0\n nop\n ld a1, 0(zero)\n nop\n 1: addi a2, a2, 1\n halt a2\n",
    "wait": "_start: li a0, 5\n nop\n swait 1, a0\n nop\n halt a0\n",
    "exit": "_start: la a0, tohost\n li a1, 9\n nop\n sd a1, 0(a0)\n 1: j 1b\n .balign 8\n tohost: .dword 0\n",
    "division": "_start: li a0, 100\n li a1, 7\n div a2, a0, a1\n nop\n add a3, a2, a1\n halt a3\n",
}


def stopped_after(library: SimulatorLibrary, source: str, delay: int, registers: bool) -> None:
    """Stop thread 0 in a cycle, compare it with a golden one that has retired as much, and let both go on to their ends."""
    both = Debugged(library.config, library)
    program = assemble_text(source, config=library.config)
    both.load(program)
    if program.tohost:
        both.write(control_offset(ControlRegister.TOHOST_ADDRESS), program.tohost)
    start = (0, 0, thread_offset(0, ThreadRegister.PC), program.entry.to_bytes(8, "little"))
    stop = (0, 0, both.block(0), STOP.to_bytes(8, "little"))
    if delay:
        both.seen.write_many([start])
        if delay > 1:
            both.seen.run(max_cycles=delay - 1)
        both.seen.write_many([stop])
    else:
        # One packet right behind the other.
        both.seen.write_many([start, stop])
    for x, y, offset, value in (start, stop):
        both.golden.write(x, y, offset, value)
    both.settle(0)
    assert both.state(0) is ThreadState.STOPPED
    both.follow(0)
    both.check_thread(0, f"stopped {delay} cycles behind its start")
    assert both.seen.run(max_cycles=1000).reason == "stopped"
    before = both.seen.evaluations(0, 0)
    assert both.seen.run(max_cycles=1000).cycles == 0
    assert both.seen.evaluations(0, 0) == before
    if registers:
        both.check_registers(0, library.config.sram_bytes // 2)
    both.write(both.block(0), RESUME)
    both.run()
    both.check_retired(0)
    both.check_thread(0, "at the end")
    both.check_vector_writes()
    both.close()


@pytest.mark.parametrize("end", ENDS)
def test_a_stop_in_any_cycle_around_an_end_leaves_the_thread_stopped_where_it_is(library: SimulatorLibrary, end: str) -> None:
    for delay in range(40):
        stopped_after(library, ENDS[end], delay, registers=False)


def test_a_stop_finds_a_thread_of_which_everything_is_under_way_between_two_instructions(library: SimulatorLibrary) -> None:
    for delay in range(0, 400, 3):
        stopped_after(library, BUSY, delay, registers=delay % 8 == 0)
