# SPDX-License-Identifier: Apache-2.0
"""Nothing that belongs to a thread toggles while the thread is halted, trapped or waits, whatever the others do.

Flip-flops are those of the Verilog of a node, and whose they are is told by their names. The contract excepts none: the counter
of cycles in which a thread waits changes when the wait begins and when it ends, and mcycle is a base that stands still. Words of
memories are not flip-flops; they change by writes of their thread only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from golden.layout import SRAM_BASE, ThreadState, semaphore_offset
from rtl.export import TOP, export_node
from scripts.simulator import SimulatedArray, build
from sw.assembler import assemble
from sw.host import load_program, start
from verif.rtl.node.node_bench import NARROW

pytestmark = pytest.mark.rtl

CONFIG = NARROW.replace(name="four-threads", threads=4, decode_width=2)

#: Cycles that are watched, and those before in which what a thread had under way comes to its end.
WATCHED, SETTLING = 400, 200

#: Every thread begins with one round of work, so that its registers hold something. What it does then follows from its number and
#: from ROTATION: 0 and 1 go on working until the host says stop, 2 waits for a semaphore that 0 posts in the end, 3 ends.
PROGRAM = """
_start: csrr s0, mhartid
        andi s0, s0, 3
        slli t0, s0, 10
        li s1, SRAM_BASE + 0x2000
        add s1, s1, t0
        addi s2, s1, 128
        csrr s3, mnode
        slli t0, s0, 10
        add s3, s3, t0
        li t0, 0x2000
        add s3, s3, t0
        li t0, SEMAPHORE
        csrr s4, mnode
        add s4, s4, t0
        la t0, handler
        csrw mtvec, t0
        li s5, 0x2545f491
        li t0, 0x0047
        setfmt f1, t0
        li s11, 1
        jal ra, work
        addi s0, s0, ROTATION
        andi s0, s0, 3
        li t0, 2
        beq s0, t0, waits
        bgtu s0, t0, ends
again:  jal ra, work
        la t0, stop
        ld t0, 0(t0)
        beqz t0, again
        bnez s0, over
        spost 3, s11
over:   halt zero

waits:  swait 3, s11
        halt s11

ends:   csrw mtvec, zero
        TRAPS
        halt zero

work:   ld a0, 0(s1)
        add a1, a0, s5
        sd a1, 8(s1)
        mul a2, a1, a1
        div a3, a2, a1
        csrrw a4, mscratch, a3
        vld v1, 0(s1)
        vadd.f32 v2, v1, v1
        vexp2.f32 v3, v2
        vst v2, 0(s2)
        veq.f32 p1, v1, v2
        pmv.x.p a5, p1
        mstepz.bf16.mm m0, (s1), (s2)
        mstep.bf16 m1, v1, v2
        mst.f32 m1, (s2)
        mld.f32 m0, (s2)
        mst.x.s m0, (s2), f1
        li t0, 16
        vlds.8 v4, (s1), t0
        vcvt.x0.f32.s v5, v1, f1
        nread v6, (s3)
        nwrite v1, (s3)
        nsd s11, (s4)
        vst v6, 16(s2)
        spost 1, s11
        swait 1, s11
        ecall
        slli t0, s5, 13
        xor s5, s5, t0
        srli t0, s5, 7
        xor s5, s5, t0
        andi t0, s5, 1
        beqz t0, 1f
        addi a6, a6, 1
1:      andi t0, s5, 2
        beqz t0, 2f
        ret
2:      sd s5, 16(s1)
        ret

handler: csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
        .align 3
stop:   .dword 0
"""

_MODULE = re.compile(r"module \\?(\S+) ?\(")
_ASSIGNED = re.compile(r"(?:^|\s)(\\\S+ |[\w$]+)(?:\[[^\]]*\])? <= ")
_OWN_MODULE = re.compile(r"\.(?:control|csrs|debug|queue|buffer)(\d)\b")
_OWN_REGISTER = re.compile(r"(?:late_registers|busy|at_home|waited|woken)(\d)$|threads__(\d)__")
_RETIREMENT = re.compile(r"retirement__(\d+)__")

#: Registers with a bit for each thread, by module.
_MASKS = {
    "d1_node": ("running", "waiting", "trapped", "stopped"),
    "d1_node.core.frontend.cache": ("waits", "first"),
}


@dataclass(frozen=True)
class FlipFlop:
    """A register of the node that belongs to a thread, or that bit of one."""

    module: str
    name: str
    bit: int | None = None


def registers(verilog: str) -> list[tuple[str, str]]:
    """Module and name of every register that a clock edge writes."""
    found: dict[tuple[str, str], None] = {}
    module, clocked = "", False
    for line in verilog.splitlines():
        if match := _MODULE.match(line):
            module, clocked = match[1], False
        elif line.startswith("  always @(posedge clk)"):
            clocked = True
        elif re.match(r"  \S", line):
            clocked = False
        if clocked:
            found |= dict.fromkeys((module, name.strip().lstrip("\\")) for name in _ASSIGNED.findall(line))
    return list(found)


def owned(thread: int, found: list[tuple[str, str]]) -> list[FlipFlop]:
    """Those that belong to a thread."""
    mine = []
    for module, name in found:
        if name in _MASKS.get(module, ()):
            mine.append(FlipFlop(module, name, thread))
            continue
        in_core = module.startswith("d1_node.core")
        owner = _OWN_MODULE.search(module) or (_OWN_REGISTER.match(name) if in_core else None)
        number = int(next(group for group in owner.groups() if group)) if owner else None
        if module == "d1_node.core" and (port := _RETIREMENT.match(name)):
            number = int(port[1]) // CONFIG.issue_width
        if number == thread:
            mine.append(FlipFlop(module, name))
    return mine


def edges(path: Path, wanted: list[FlipFlop]) -> dict[FlipFlop, list[int]]:
    """The times at which these registers change, in a VCD that begins with the value of each."""
    named = {(each.module, each.name): each for each in wanted}
    by_bit: dict[tuple[str, str], list[FlipFlop]] = defaultdict(list)
    for each in wanted:
        by_bit[each.module, each.name].append(each)
    codes: dict[str, list[FlipFlop]] = defaultdict(list)
    values: dict[FlipFlop, str] = {}
    changes: dict[FlipFlop, list[int]] = {each: [] for each in wanted}
    scope: list[str] = []
    time = 0
    with path.open() as file:
        for line in file:
            if line.startswith("#"):
                time = int(line[1:])
            elif line.startswith(("0", "1", "b")):
                value, code = line.split() if line[0] == "b" else (line[0], line[1:].strip())
                for each in codes.get(code, ()):
                    new = value.lstrip("b").lstrip("0") if each.bit is None else value.lstrip("b").zfill(64)[-1 - each.bit]
                    if values.setdefault(each, new) != new:
                        values[each] = new
                        changes[each].append(time)
            else:
                words = line.split()
                if words[:1] == ["$scope"]:
                    scope.append(words[2])
                elif words[:1] == ["$upscope"]:
                    scope.pop()
                elif words[:1] == ["$var"]:
                    place = ".".join(scope[1:]), words[4]
                    if place in named:
                        codes[words[3]] += by_bit[place]
    assert set(values) == set(wanted), f"the waves do not show {set(wanted) - set(values)}"
    return changes


def part_of(flip_flop: FlipFlop) -> str:
    """The last part of the module's name, without the number of the thread, or one that makes it unique."""
    return re.sub(r"(\$\d+|\d)$", "", flip_flop.module.split(".")[-1])


@pytest.fixture(scope="module")
def flip_flops() -> list[list[FlipFlop]]:
    """What belongs to each thread."""
    found = registers(export_node(CONFIG, arithmetic="macro", sram="macro")[f"{TOP}.v"])
    return [owned(thread, found) for thread in range(CONFIG.threads)]


def test_threads_have_the_same_flip_flops(flip_flops: list[list[FlipFlop]]) -> None:
    names = [sorted(re.sub(r"\d", "", f"{each.module} {each.name}") for each in mine) for mine in flip_flops]
    assert all(mine == names[0] for mine in names)
    assert {part_of(each) for each in flip_flops[1]} == {
        "d1_node", "core", "control", "csrs", "events", "debug", "queue", "buffer", "fetch", "cache", "vectors", "predicates",
        "waiters",
    }  # fmt: skip


#: Thread 0 works at once, each other one when it has its one of a semaphore.
CONTENTION = """
_start: csrr t0, mhartid
        andi t0, t0, 3
        li s1, 1
        beqz t0, works
        swait 3, s1
works:  addi a0, a0, 1
        j works
"""


def test_of_threads_that_wait_for_a_semaphore_a_post_wakes_the_one_that_can_take(
    tmp_path: Path, flip_flops: list[list[FlipFlop]]
) -> None:
    library = build(CONFIG, "macro", "vcd", quick=True)
    program = assemble(CONTENTION, config=CONFIG)
    with SimulatedArray(CONFIG, 1, 1, library=library) as array:
        load_program(array, program)
        for thread in (0, 2, 1, 3):
            start(array, 0, 0, thread, program.entry)
            array.run(SETTLING)
        path = tmp_path / "waves.vcd"
        array.open_waves(path)
        array.run(20)
        array.write_register(0, 0, semaphore_offset(3), 1)
        array.run(WATCHED)
        array.close_waves()
        assert array.node_state(0, 0).waiting == 0b1010
        for left in (0b1000, 0):
            array.write_register(0, 0, semaphore_offset(3), 1)
            array.run(SETTLING)
            assert array.node_state(0, 0).waiting == left

    changes = edges(path, [each for mine in flip_flops for each in mine])
    toggling = [{each.name: changes[each][:4] for each in mine if changes[each]} for mine in flip_flops]
    assert toggling[2], "the one that has waited longest goes on"
    assert not toggling[1]
    assert not toggling[3]


@pytest.mark.parametrize("rotation", range(CONFIG.threads))
def test_nothing_of_a_thread_toggles_while_it_waits_or_has_ended(
    tmp_path: Path, flip_flops: list[list[FlipFlop]], rotation: int
) -> None:
    traps = rotation % 2 == 0
    source = PROGRAM.replace("TRAPS", ".word 0" if traps else "")
    program = assemble(source, config=CONFIG, defines={"ROTATION": rotation, "SEMAPHORE": semaphore_offset(0)})
    thread_of = [(role - rotation) % 4 for role in range(4)]
    library = build(CONFIG, "macro", "vcd", quick=True)
    with SimulatedArray(CONFIG, 1, 1, library=library) as array:
        load_program(array, program)
        for thread in range(CONFIG.threads):
            start(array, 0, 0, thread, program.entry)
        waiting, ended = 1 << thread_of[2], 1 << thread_of[3]
        for _ in range(100):
            array.run(100)
            state = array.node_state(0, 0)
            if state.waiting & waiting and not state.running & ended:
                break
        array.run(SETTLING)
        path = tmp_path / "waves.vcd"
        array.open_waves(path)
        array.run(WATCHED)
        array.close_waves()
        state = array.node_state(0, 0)
        assert state.waiting & waiting
        assert state.running == 1 << thread_of[0] | 1 << thread_of[1]
        assert bool(state.trapped & ended) == traps
        array.write(0, 0, program.symbols["stop"] - SRAM_BASE, b"\1")
        assert array.run(20_000).reason == "ended"
        states = {report.thread: report.state for report in array.thread_states()}
        assert states[thread_of[2]] is ThreadState.HALTED, "the wait was one"

    changes = edges(path, [each for mine in flip_flops for each in mine])
    for role in (2, 3):
        mine = flip_flops[thread_of[role]]
        toggling = {f"{each.module} {each.name}": changes[each][:4] for each in mine if changes[each]}
        assert not toggling, f"thread {thread_of[role]} is at rest"
    for role in (0, 1):
        busy = {part_of(each) for each in flip_flops[thread_of[role]] if changes[each]}
        assert busy >= {"core", "csrs", "events", "queue", "buffer", "fetch", "vectors"}, (
            "what works toggles, under the same names"
        )
