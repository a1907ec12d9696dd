# SPDX-License-Identifier: Apache-2.0
"""Counters of events of a pipelined node, of programs whose cycles are known one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cocotb

from golden.config import preset
from golden.layout import EVENT_INHIBITS, SRAM_BASE, Event, ThreadRegister, counter_offset, semaphore_offset, thread_offset
from sw.assembler import assemble
from verif.bench import start
from verif.rtl.node.host import NodeHost
from verif.rtl.node.node_bench import bench_config, run_node_bench

CONFIG = preset("tiny")

#: Counts while ``body`` is executed. Meanwhile the front end gets ahead; what comes before is over.
MEASURED = """
_start: li s1, {inhibit}
        csrw mcountinhibit, s1
        csrw mcycle, zero
        la s2, data
        la s3, target
        csrr s4, mnode
        li s5, {semaphore}
        add s4, s4, s5
        li s6, -1
        li s7, 3
        {before}
        div t0, s6, s7
        add t0, t0, t0
        j 1f
        .balign 16
     1: div t0, s6, s7
        add t0, t0, t0
        csrw mcountinhibit, zero
        {body}
target: csrw mcountinhibit, s1
        nop
        nop
        halt zero
        .balign 64
data:   .zero 256
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
    "an operand that is divided": Case("div t1, s6, s7\n add t1, t1, t1", 2, {Event.INTEGER: 3, Event.OPERAND: 67}),
    "a divider that is occupied": Case("div t1, s6, s7\n div t2, s6, s7", 2, {Event.INTEGER: 3, Event.STRUCTURAL: 67}),
    "a pipe that is occupied by an access that is granted line by line": Case(
        "mst.f32 m0, (s2)\n sd zero, 128(s2)", 2, {Event.INTEGER: 1, Event.STORE: 2, Event.STRUCTURAL: 3}
    ),
    "a jump that was not predicted": Case("jr s3", 1, {Event.INTEGER: 2, Event.FETCH: 3}),
    # Lines 0 and 2 are in one bank: each step takes two cycles, and what comes next waits for the second one.
    "a bank that both operands want": Case(
        "mstep.bf16.mm m0, (t3), (t4)\n mstep.bf16.mm m1, (t3), (t4)", 2,
        {Event.INTEGER: 1, Event.MATRIX: 2, Event.BANK: 2},
        before="addi t3, s2, 0\n addi t4, s2, 32",
    ),
    "every pipe": Case(
        "vadd.i32 v1, v2, v3\n mzero m0\n vld v4, (s2)\n vst v5, 16(s2)", 3,
        {Event.INTEGER: 1, Event.SIMD: 1, Event.MATRIX: 1, Event.LOAD: 1, Event.STORE: 1},
    ),
}  # fmt: skip


def test_counts_are_those_of_the_cycles() -> None:
    run_node_bench(CONFIG, __name__, tests=["known_cycles"], arithmetic="macro")


def test_room_in_the_network_and_semaphores_are_counted_as_such() -> None:
    run_node_bench(CONFIG, __name__, tests=["network", "semaphores"], arithmetic="macro")


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
    return MEASURED.format(inhibit=5 | EVENT_INHIBITS, semaphore=semaphore_offset(1), body=body, before=before)


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
        expected = case.issue_cycles + 1 + sum(count for event, count in case.counts.items() if event >= Event.FETCH)
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
    assert cycles == count + 1 + sum(counts.get(event, 0) for event in Event if event >= Event.FETCH)
    assert counts[Event.CREDIT] > count // 2
    assert counts.keys() <= {Event.INTEGER, Event.STORE, Event.CREDIT, Event.FETCH}


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
    assert host.active_cycles[0] == host.issue_cycles[0] + sum(counts.get(event, 0) for event in Event if event >= Event.FETCH)
    stable = await counters(host)
    host.cycle += 1000
    await host.step()
    assert (await counters(host))[1] == stable[1]
    assert await host.read_register(thread_offset(0, ThreadRegister.RETIRED)) == await host.read_register(counter_offset(0, 2))
