# SPDX-License-Identifier: Apache-2.0
"""The instruction that starts a list: what it checks, when it waits, and who hears of a list that failed."""

from __future__ import annotations

import dataclasses

import pytest

from golden.config import PRESETS, NodeConfig, preset
from golden.layout import (
    DEBUG_BUSY,
    LIST_BLOCK,
    LIST_DESCRIPTOR_BYTES,
    SRAM_BASE,
    Cause,
    DebugCommand,
    DebugRegister,
    GlobalAddress,
    ListState,
    ThreadState,
)
from golden.list_descriptor import Dimension, ListDescriptor
from golden.node import GoldenNode
from sw.assembler import assemble
from verif.golden.encoding import encode, program

TINY = preset("tiny").replace(lists=2)
DESCRIPTOR, SOURCE, DESTINATION = 0x800, 0x1000, 0x2000
AT = SRAM_BASE + DESCRIPTOR
A0 = 10
LIST = ListDescriptor(
    16, int(GlobalAddress(0, 0, SOURCE)), int(GlobalAddress(0, 0, DESTINATION)), (Dimension(8, 16, 16),), post_destination=3
)
ENDLESS = dataclasses.replace(LIST, following=DESCRIPTOR)


def node_with(words: list[int], config: NodeConfig = TINY, descriptor: ListDescriptor = LIST, a0: int = AT) -> GoldenNode:
    """A node whose thread 0 is about to execute these words, with the descriptor's address in a0."""
    node = GoldenNode(config)
    node.load(program(words))
    node.sram[DESCRIPTOR : DESCRIPTOR + LIST_DESCRIPTOR_BYTES] = descriptor.pack()
    node.sram[SOURCE : SOURCE + 128] = bytes(range(128))
    node.threads[0].x[A0] = a0
    node.threads[0].start(SRAM_BASE)
    return node


def test_a_program_starts_a_list_and_waits_for_it() -> None:
    source = "_start: li a1, 7\n sd a1, 0(a2)\n nlist a0\n li t0, 1\n swait 3, t0\n ld a3, 0(a4)\n halt a3"
    node = node_with([encode("halt", 0)])
    node.load(assemble(source, config=TINY))
    node.threads[0].x[12] = SRAM_BASE + SOURCE
    node.threads[0].x[14] = SRAM_BASE + DESTINATION
    node.run(1000)
    assert node.threads[0].state is ThreadState.HALTED
    assert node.exit_code == 7
    assert node.sram[DESTINATION + 8 : DESTINATION + 128] == bytes(range(8, 128))


@pytest.mark.parametrize(
    "address, cause",
    [
        (AT + 64, Cause.LOAD_MISALIGNED),
        (AT + 1, Cause.LOAD_MISALIGNED),
        (SRAM_BASE + TINY.sram_bytes, Cause.LOAD_ACCESS_FAULT),
        (DESCRIPTOR, Cause.LOAD_ACCESS_FAULT),
    ],
)
def test_addresses_without_a_descriptor_trap(address: int, cause: Cause) -> None:
    node = node_with([encode("nlist", A0)], a0=address)
    node.run(100)
    thread = node.threads[0]
    assert (thread.state, thread.mcause, thread.mtval) == (ThreadState.TRAPPED, cause, address)
    assert not node.lists.busy


@pytest.mark.parametrize("name", [name for name, config in PRESETS.items() if not config.lists])
def test_it_is_illegal_where_there_are_no_lists(name: str) -> None:
    node = node_with([encode("nlist", A0)], PRESETS[name])
    node.run(100)
    assert (node.threads[0].mcause, node.threads[0].mtval) == (Cause.ILLEGAL_INSTRUCTION, encode("nlist", A0))


def full() -> GoldenNode:
    """A node in which endless lists have all places, and thread 0 waits for one."""
    node = node_with([*[encode("nlist", A0)] * 3, encode("halt", 0)], descriptor=ENDLESS)
    node.run(500)
    assert (node.threads[0].state, node.threads[0].pc) == (ThreadState.RUNNING, SRAM_BASE + 8)
    return node


def test_it_waits_for_a_free_place() -> None:
    node = full()
    node.run(500)
    assert (node.threads[0].minstret, node.threads[0].pc) == (2, SRAM_BASE + 8)
    node.sram[DESCRIPTOR : DESCRIPTOR + LIST_DESCRIPTOR_BYTES] = LIST.pack()
    node.run(500)
    assert (node.threads[0].state, node.threads[0].minstret) == (ThreadState.HALTED, 4)
    assert not node.lists.busy


def test_a_thread_that_waits_for_a_place_can_be_started_elsewhere() -> None:
    node = full()
    node.threads[0].start(SRAM_BASE + 12)
    node.run(500)
    assert node.threads[0].state is ThreadState.HALTED


def test_an_injected_one_waits_as_well() -> None:
    node = full()
    debug = node.threads[0].debug
    debug.write(DebugRegister.COMMAND, DebugCommand.STOP)
    debug.write(DebugRegister.INSTRUCTION, encode("nlist", A0))
    node.run(500)
    assert debug.read(DebugRegister.STATUS) >> DEBUG_BUSY & 1
    node.sram[DESCRIPTOR : DESCRIPTOR + LIST_DESCRIPTOR_BYTES] = LIST.pack()
    node.run(500)
    assert not debug.read(DebugRegister.STATUS) >> DEBUG_BUSY & 1
    assert not node.lists.busy


def test_the_thread_hears_of_a_list_that_failed() -> None:
    nowhere = dataclasses.replace(LIST, destination=int(GlobalAddress(1, 0, 0x40)))
    node = node_with([encode("nlist", A0), encode("jal", 0, 0)], descriptor=nowhere)
    node.run(500)
    thread = node.threads[0]
    assert (thread.state, thread.mcause, thread.mtval) == (
        ThreadState.TRAPPED,
        Cause.NETWORK_ERROR,
        int(GlobalAddress(1, 0, 0x40)),
    )
    assert node.read_register(LIST_BLOCK) == ListState.FREE
