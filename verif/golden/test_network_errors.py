# SPDX-License-Identifier: Apache-2.0
"""NETWORK_ERROR: a handler is never interrupted by the next one, and each error is a trap or counts as unhandled."""

from __future__ import annotations

import pytest

from golden.config import preset
from golden.layout import (
    MAX_UNHANDLED_ERRORS,
    SRAM_BASE,
    THREAD_BLOCK,
    Cause,
    DebugCommand,
    DebugRegister,
    ThreadRegister,
    ThreadState,
)
from golden.node import GoldenNode
from golden.thread import Thread
from verif.golden.encoding import encode

TINY = preset("tiny")
NOP = encode("addi", 0, 0, 0)
HANDLER = SRAM_BASE + 0x100
#: Addresses that failed.
FIRST, SECOND, THIRD = 5 << 21, 6 << 21, 7 << 21


def code(*words: int) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


def unhandled(node: GoldenNode) -> int:
    return node.read_register(THREAD_BLOCK + ThreadRegister.UNHANDLED_ERRORS)


def errors(thread: Thread, *addresses: int) -> None:
    for address in addresses:
        thread.fail_request(address, None)


def handling() -> GoldenNode:
    """A node whose thread 0 executes nops, with a handler of a nop and ``mret``, in which it is for the first error."""
    node = GoldenNode(TINY)
    node.sram[: 4 * 64] = code(*[NOP] * 64)
    node.sram[0x100:0x108] = code(NOP, encode("mret"))
    thread = node.threads[0]
    thread.mtvec = HANDLER
    thread.start(SRAM_BASE)
    node.run(1)
    errors(thread, FIRST)
    node.run(1)
    assert (thread.pc, thread.mepc, thread.mtval) == (HANDLER + 4, SRAM_BASE + 4, FIRST)
    return node


def test_an_error_in_the_handler_waits_for_mret_and_is_taken_at_once_then() -> None:
    node = handling()
    thread = node.threads[0]
    errors(thread, SECOND)
    assert unhandled(node) == 1
    node.run(1)
    assert (thread.mtval, thread.pc, unhandled(node)) == (FIRST, SRAM_BASE + 4, 1)
    node.run(1)
    assert (thread.mtval, thread.mcause, thread.mepc, unhandled(node)) == (SECOND, Cause.NETWORK_ERROR, SRAM_BASE + 4, 0)
    node.run(2)
    assert (thread.pc, unhandled(node)) == (SRAM_BASE + 8, 0)


def test_errors_that_come_while_one_is_pending_are_counted_and_have_no_trap() -> None:
    node = handling()
    thread = node.threads[0]
    errors(thread, SECOND, THIRD, THIRD)
    assert unhandled(node) == 3
    node.run(2)
    assert (thread.mtval, unhandled(node)) == (SECOND, 2)
    node.run(3)
    assert (thread.mtval, unhandled(node)) == (SECOND, 2)


def test_the_count_saturates_and_a_start_clears_it_and_ends_the_handling() -> None:
    node = handling()
    thread = node.threads[0]
    errors(thread, *[SECOND] * 300)
    assert unhandled(node) == MAX_UNHANDLED_ERRORS
    thread.start(SRAM_BASE)
    assert unhandled(node) == 0
    node.run(1)
    assert thread.mtval == FIRST
    errors(thread, THIRD)
    node.run(1)
    assert (thread.mtval, unhandled(node)) == (THIRD, 0)


@pytest.mark.parametrize("stop", [True, False])
def test_a_thread_that_ends_in_the_handler_stays_halted_with_its_errors_unhandled(stop: bool) -> None:
    node = handling()
    thread = node.threads[0]
    if stop:
        errors(thread, SECOND)
        node.write_register(THREAD_BLOCK + ThreadRegister.STATE, 0)
    else:
        node.sram[0x104:0x108] = code(encode("halt", 0))
        thread.forget_code()
        errors(thread, SECOND)
        node.run(10)
    errors(thread, THIRD)
    assert (thread.state, thread.mtval, unhandled(node)) == (ThreadState.HALTED, FIRST, 2)


def test_a_thread_that_ends_outside_of_the_handler_is_trapped_by_a_pending_error() -> None:
    node = handling()
    thread = node.threads[0]
    node.run(1)
    thread.stop(ThreadState.HALTED)
    errors(thread, SECOND, THIRD)
    assert (thread.state, thread.mtval, unhandled(node)) == (ThreadState.TRAPPED, SECOND, 1)


def test_without_a_handler_errors_behind_the_first_are_counted() -> None:
    node = GoldenNode(TINY)
    node.sram[:64] = code(*[NOP] * 16)
    thread = node.threads[0]
    thread.start(SRAM_BASE)
    errors(thread, FIRST, SECOND)
    node.run(1)
    errors(thread, THIRD)
    assert (thread.state, thread.mtval, unhandled(node)) == (ThreadState.TRAPPED, FIRST, 2)


def test_a_step_in_the_handler_executes_an_instruction_and_one_at_its_mret_leaves_the_next_error_to_the_next_step() -> None:
    node = handling()
    thread = node.threads[0]
    errors(thread, SECOND)
    command = [(DebugRegister.COMMAND, value) for value in (DebugCommand.STOP, DebugCommand.STEP, DebugCommand.STEP)]
    seen = []
    for register, value in command:
        thread.debug.write(register, value)
        node.run(10)
        seen.append((thread.state, thread.pc, thread.mtval))
    assert seen == [
        (ThreadState.STOPPED, HANDLER + 4, FIRST),
        (ThreadState.STOPPED, SRAM_BASE + 4, FIRST),
        (ThreadState.STOPPED, HANDLER, SECOND),
    ]


def test_an_injected_mret_ends_the_handling() -> None:
    node = handling()
    thread = node.threads[0]
    errors(thread, SECOND)
    thread.debug.write(DebugRegister.COMMAND, DebugCommand.STOP)
    thread.debug.write(DebugRegister.INSTRUCTION, encode("mret"))
    assert (thread.pc, unhandled(node)) == (SRAM_BASE + 4, 1)
    thread.debug.write(DebugRegister.COMMAND, DebugCommand.RESUME)
    node.run(1)
    assert (thread.mtval, thread.mepc, unhandled(node)) == (SECOND, SRAM_BASE + 4, 0)
