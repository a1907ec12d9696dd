# SPDX-License-Identifier: Apache-2.0
"""Counters of events of a pipelined node, of programs whose cycles are known one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cocotb

from golden.config import preset
from golden.layout import (
    EVENT_INHIBITS,
    SRAM_BASE,
    STALL_EVENTS,
    Event,
    Kind,
    ThreadRegister,
    counter_offset,
    semaphore_offset,
    thread_offset,
)
from sw.assembler import assemble
from verif.bench import start
from verif.rtl.node.host import NodeHost
from verif.rtl.node.node_bench import bench_config, run_node_bench

CONFIG = preset("tiny")

#: Counts while ``body`` is executed. Meanwhile the front end gets ahead; what comes before is over.
MEASURED = """
_start: li s1, {inhibit}
        csrw mcountinhibit, s1
        {clear}
        li s2, SRAM_BASE + SRAM_BYTES - 256
        la s3, target
        csrr s4, mnode
        li s5, {semaphore}
        add s4, s4, s5
        li s6, -1
        li s7, 3
        {before}
        divu t0, s6, s7
        add t0, t0, t0
        j 1f
        .balign 16
     1: divu t0, s6, s7
        add t0, t0, t0
        csrw mcountinhibit, zero
        {body}
target: csrw mcountinhibit, s1
        nop
        nop
        halt zero
"""


@dataclass(frozen=True)
class Case:
    """Instructions, in how many cycles they are issued, and what is counted of them and of the write that ends counting."""

    body: str
    issue_cycles: int
    counts: dict[Event, int] = field(default_factory=dict)
    before: str = ""


CASES = {
    "two independent instructions go together": Case("add t1, s1, s1\n add t2, s1, s1", 1, {Event.INTEGER: 3}),
    "two dependent ones do not": Case("add t1, s1, s1\n add t2, t1, t1", 2, {Event.INTEGER: 3}),
    "an operand that is loaded": Case(
        "ld t1, (s2)\n add t1, t1, t1", 2, {Event.INTEGER: 2, Event.LOAD: 1, Event.OPERAND: 1}
    ),
    "an operand that is multiplied": Case("mul t1, s7, s7\n add t1, t1, t1", 2, {Event.INTEGER: 3, Event.OPERAND: 2}),
    "an operand that is divided": Case("divu t1, s6, s7\n add t1, t1, t1", 2, {Event.INTEGER: 3, Event.OPERAND: 67}),
    # The next division may be issued in the cycle before the one in which the result may be used.
    "a divider that is occupied": Case("divu t1, s6, s7\n divu t2, s6, s7", 2, {Event.INTEGER: 3, Event.STRUCTURAL: 66}),
    "a pipe that is occupied": Case(
        "mst.bf16 m0, (s2)\n sd zero, 128(s2)", 2, {Event.INTEGER: 1, Event.STORE: 2, Event.STRUCTURAL: 1}
    ),
    # With two passes a result comes seven cycles after X, and the flags with it.
    "a CSR instruction behind a SIMD operation": Case(
        "vadd.i32 v1, v2, v3", 1, {Event.INTEGER: 1, Event.SIMD: 1, Event.OPERAND: 8}
    ),
    "a jump that was not predicted": Case("jr s3", 1, {Event.INTEGER: 2, Event.FETCH: 3}),
    "a branch that was not predicted, with operands in registers": Case(
        "bnez s2, target", 1, {Event.INTEGER: 2, Event.FETCH: 2}
    ),
    "such a branch whose operand is still on its way there": Case(
        "addi s2, s2, 1\n bnez s2, target", 2, {Event.INTEGER: 3, Event.FETCH: 3}
    ),
    # An operation may be used nine cycles behind its issue. The second one waits for that in its queue, and only what is to be
    # alone waits for both.
    "scalars behind SIMD operations that wait": Case(
        "vadd.i32 v1, v2, v3\n vadd.i32 v1, v1, v3\n add t1, s1, s1\n add t2, s1, s1", 3,
        {Event.INTEGER: 3, Event.SIMD: 2, Event.OPERAND: 15},
    ),
    # The queue has two places. The fourth one waits for six cycles until the second has its operand, and for another one until
    # that has left the queue; then for nine more each.
    "a queue that is full": Case(
        "vadd.i32 v1, v2, v3\n" + 3 * "vadd.i32 v1, v1, v3\n" + "add t1, s1, s1", 4,
        {Event.INTEGER: 2, Event.SIMD: 4, Event.OPERAND: 6 + 25, Event.STRUCTURAL: 1},
    ),
    # What is written waits for operands of the one in the queue, and of it alone.
    "a load behind an operation that has to read its register": Case(
        "vadd.i32 v1, v2, v3\n vadd.i32 v4, v1, v5\n vld v6, (s2)\n vld v5, (s2)", 3,
        {Event.INTEGER: 1, Event.SIMD: 2, Event.LOAD: 2, Event.OPERAND: 8 + 7},
    ),
    # Lines 0 and 2 are in one bank: each step takes two cycles, and what comes next waits for the second one. In the second cycle
    # of the first step all is granted.
    "a bank that both operands want": Case(
        "mstep.bf16.mm m0, (t3), (t4)\n mstep.bf16.mm m1, (t3), (t4)", 2,
        {Event.INTEGER: 1, Event.MATRIX: 2, Event.BANK: 1, Event.OPERAND: 1},
        before="addi t3, s2, 0\n addi t4, s2, 32",
    ),
    "loads, stores and what needs no memory": Case(
        "vld v4, (s2)\n mzero m0\n vst v5, 16(s2)\n sd zero, 32(s2)", 3,
        {Event.INTEGER: 1, Event.MATRIX: 1, Event.LOAD: 1, Event.STORE: 2},
    ),
}  # fmt: skip


def test_counts_are_those_of_the_cycles() -> None:
    run_node_bench(CONFIG, __name__, tests=["known_cycles"], arithmetic="macro")


def test_waiting_for_others_is_counted_as_such() -> None:
    run_node_bench(CONFIG, __name__, tests=["network", "banks", "semaphores"], arithmetic="macro")


async def reset(dut: Any) -> NodeHost:
    """A host of a node that was just reset."""
    dut.rst.value = 1
    host = NodeHost(dut, bench_config())
    await host.step()
    await host.step()
    dut.rst.value = 0
    return host


async def run(host: NodeHost, source: str) -> None:
    """Execute a program in thread 0."""
    program = assemble(source, config=host.config)
    for address, contents in program.segments:
        host.write(address - SRAM_BASE, contents)
    host.start_thread(0, program.entry)


def measured(body: str, before: str = "") -> str:
    """A program that counts from the first instruction of ``body`` on."""
    clear = "\n".join(f"csrw {name}, zero" for name in ("mcycle", *(f"mhpmcounter{event}" for event in Event)))
    return MEASURED.format(inhibit=5 | EVENT_INHIBITS, semaphore=semaphore_offset(1), body=body, before=before, clear=clear)


async def counters(host: NodeHost, thread: int = 0) -> tuple[int, dict[Event, int]]:
    """mcycle, and the events that are not 0."""
    values = {event: await host.read_register(counter_offset(thread, event)) for event in Event}
    return await host.read_register(counter_offset(thread, 0)), {event: value for event, value in values.items() if value}


@cocotb.test()
async def known_cycles(dut: Any) -> None:
    await start(dut)
    failed = []
    for about, case in CASES.items():
        host = await reset(dut)
        await run(host, measured(case.body, case.before))
        await host.finish()
        cycles, counts = await counters(host)
        expected = case.issue_cycles + 1 + sum(case.counts.get(event, 0) for event in STALL_EVENTS)
        shown = {event.name: count for event, count in counts.items()}
        if (cycles, counts) != (expected, case.counts):
            failed.append(f"{about}: {cycles} cycles and {shown}, expected {expected}")
    assert not failed, "\n".join(failed)


@cocotb.test()
async def network(dut: Any) -> None:
    """The node's own control page takes a packet in two cycles, so that requests to it have to wait for room."""
    await start(dut)
    host = await reset(dut)
    count = 24
    await run(host, measured("\n".join(["nsd zero, (s4)"] * count)))
    await host.finish()
    cycles, counts = await counters(host)
    assert counts[Event.STORE] == count
    assert cycles == count + 1 + sum(counts.get(event, 0) for event in STALL_EVENTS)
    assert counts[Event.CREDIT] > count // 2
    assert counts.keys() <= {Event.INTEGER, Event.STORE, Event.CREDIT, Event.FETCH}


@cocotb.test()
async def banks(dut: Any) -> None:
    """A host that reads the line that a thread reads takes its bank in turn with it."""
    await start(dut)
    host = await reset(dut)
    await run(
        host, measured("li t1, 100\n 1: ld t0, (s2)\n ld t2, (s2)\n ld t3, (s2)\n ld t4, (s2)\n addi t1, t1, -1\n bnez t1, 1b")
    )
    await host.until(lambda: bool(int(dut.running.value)), "the start")
    while int(dut.running.value):
        if host.queued < 4:
            host.send(kind=Kind.READ, offset=host.config.sram_bytes - 256)
        await host.step()
    await host.finish()
    cycles, counts = await counters(host)
    assert counts[Event.LOAD] == 400
    # A host's read loses to a load once, and then goes before the next one.
    assert counts.get(Event.BANK, 0) >= 100, counts
    issuing = cycles - sum(counts.get(event, 0) for event in STALL_EVENTS)
    # Four loads are issued one by one, and whatever else either together with one of them or in a cycle of its own.
    assert 400 <= issuing <= 605


@cocotb.test()
async def semaphores(dut: Any) -> None:
    """A thread that waits counts, also while nobody evaluates the node, and whoever reads it meanwhile sees how far it is."""
    await start(dut)
    host = await reset(dut)
    await run(host, "_start: li a0, 1\n swait 1, a0\n halt zero")
    await host.until(lambda: int(dut.waiting.value) == 1 and bool(int(dut.idle.value)), "an idle node that waits")
    where = counter_offset(0, Event.SEMAPHORE)
    first, then = await host.read_register(where), host.cycle
    await host.until(lambda: bool(int(dut.idle.value)), "rest")
    host.cycle += 100_000
    host.active_cycles[0] += 100_000
    second = await host.read_register(where)
    assert second - first == host.cycle - then
    host.write_register(semaphore_offset(1), 1)
    await host.finish()
    _, counts = await counters(host)
    assert counts[Event.SEMAPHORE] > 100_000
    assert host.active_cycles[0] == host.issue_cycles[0] + sum(counts.get(event, 0) for event in STALL_EVENTS)
    stable = await counters(host)
    host.cycle += 1000
    await host.step()
    assert (await counters(host))[1] == stable[1]
    assert await host.read_register(thread_offset(0, ThreadRegister.RETIRED)) == await host.read_register(counter_offset(0, 2))
