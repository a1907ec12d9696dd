# SPDX-License-Identifier: Apache-2.0
"""No thread starves: what all the others take again and again, the last thread has within a bound, whatever their rhythm.

All but the last thread go round a loop for ever; the last one ends the program when it has got through, once, and says how many
cycles that took.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE, ThreadRegister, ThreadState, semaphore_offset, thread_offset
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.assembler import assemble
from sw.host import load_program, start
from verif.rtl.node.starvation_mistakes import StarvationMistake, StarvingNode

pytestmark = pytest.mark.rtl

TINY, D1 = preset("tiny"), preset("d1")

PROGRAM = """
_start: csrr t0, mhartid
        andi t0, t0, 3
        la s1, took
        la s2, lines
        csrr s3, mnode
        li t1, SRAM_BASE
        sub t1, s2, t1
        add s3, s3, t1
        li s4, 1
        li a2, DIVIDEND
        li a3, 3
        li t1, LAST
        beq t0, t1, last
        .align 6
again:  {loop}
        j again
        .align 6
last:   li t5, DELAY
1:      addi t5, t5, -1
        bnez t5, 1b
        csrr s5, mcycle
        {once}
        csrr s6, mcycle
        sub s6, s6, s5
        sd s6, 0(s1)
        sd s4, 8(s1)
        j .
        .align 6
took:   .dword 0
tohost: .dword 0
        .align 6
lines:  .zero LINE_BYTES
"""

#: Cycles after which a thread counts as starved: many times what all bounds allow.
LIMIT = 20_000

#: The one of which there is one.
SEMAPHORE = 2

#: Packets between a post and a start: with some of them the start comes before the thread has taken.
FILLERS = range(10)


@dataclass(frozen=True)
class Contest:
    """What the others do over and over, what the last thread does once, and how long that may take it."""

    loop: str
    once: str
    bound_cycles: int
    dividend: int = 0
    delay: int = 20


def nops(count: int) -> str:
    return "nop\n" * count


def divisions(config: NodeConfig) -> Iterator[Contest]:
    """Each other thread divides once before the last one at most, beside that which is under way, in no more than 68 cycles."""
    bound = 68 * (config.threads + 1) + 20
    for dividend in (-7, 0x7F7F7F):
        for fill in range(8):
            for delay in (20, 21):
                loop = f"div a0, a2, a3\n{nops(fill)}div a1, a2, a3\n{nops(fill)}"
                yield Contest(loop, "div a4, a2, a3\n add a4, a4, a4\n", bound, dividend, delay)


def responses(config: NodeConfig) -> Iterator[Contest]:
    """A response comes in nearly every cycle. A load waits only while another one keeps a response out.

    The loop fits into the instruction cache, and is longer than a response takes.
    """
    for count in range(8, 15):
        for delay in (30, 33):
            loop = "".join(f"nread v{number}, (s3)\n" for number in range(count))
            yield Contest(loop, "vld v20, 0(s2)\n", 6, delay=delay)


def semaphores(config: NodeConfig) -> Iterator[Contest]:
    """Each other thread has the semaphore once before the last one at most, and hands it on within 8 cycles and what it does."""
    for fill in range(6):
        for delay in range(30, 36):
            loop = f"swait {SEMAPHORE}, s4\n{nops(fill)}spost {SEMAPHORE}, s4\n"
            yield Contest(loop, loop, config.threads * (8 + fill), delay=delay)


CONTESTS = {"divider": divisions, "responses": responses, "semaphores": semaphores}


def cycles_taken(library: SimulatorLibrary, contest: Contest, rows: int = 1, y: int = 0) -> int | None:
    """How long the last thread of a node took, or None if it has starved."""
    config = library.config
    names = {"LAST": config.threads - 1, "DELAY": contest.delay, "DIVIDEND": contest.dividend}
    source = PROGRAM.format(loop=contest.loop, once=contest.once)
    program = assemble(source, config=config, defines=names)
    with SimulatedArray(config, rows, 1, library=library) as array:
        load_program(array, program, [(0, y)])
        for thread in range(config.threads):
            start(array, 0, y, thread, program.entry)
        array.write_register(0, y, semaphore_offset(SEMAPHORE), 1)
        if array.run(LIMIT).reason != "ended":
            return None
        return int.from_bytes(array.peek(0, y, program.symbols["took"] - SRAM_BASE, 8), "little")


@pytest.mark.parametrize("name", CONTESTS)
@pytest.mark.parametrize("config", [TINY, D1], ids=lambda config: config.name)
def test_nobody_waits_longer_than_for_all_others_once(config: NodeConfig, name: str) -> None:
    library = build(config, quick=True)
    for contest in CONTESTS[name](config):
        took = cycles_taken(library, contest)
        assert took is not None, contest
        assert took <= contest.bound_cycles, contest


def left_waiting(library: SimulatorLibrary, fillers: int, rows: int = 1, y: int = 0) -> bool:
    """Two threads wait; the first is covered, and started elsewhere a little later, behind so many packets that mean nothing.

    Whether the second one waits for ever, though it is covered then.
    """
    program = assemble(f"_start: li s4, 1\n swait {SEMAPHORE}, s4\n halt s4\n over: halt zero\n", config=library.config)
    with SimulatedArray(library.config, rows, 1, library=library) as array:
        load_program(array, program, [(0, y)])
        for thread in (0, 1):
            start(array, 0, y, thread, program.entry)
            array.run(200)
        elsewhere = thread_offset(0, ThreadRegister.PC), program.symbols["over"]
        nothing = library.config.sram_bytes - 8, 0
        registers = [(semaphore_offset(SEMAPHORE), 1), *[nothing] * fillers, elsewhere]
        array.write_many([(0, y, offset, value.to_bytes(8, "little")) for offset, value in registers])
        array.run(400)
        value = array.read_register(0, y, semaphore_offset(SEMAPHORE))
        state = array.read_register(0, y, thread_offset(1, ThreadRegister.STATE))
        return value == 1 and state == ThreadState.WAITING


def test_what_a_thread_was_woken_for_is_free_for_others_when_it_goes_elsewhere() -> None:
    assert not any(left_waiting(build(TINY, quick=True), fillers) for fillers in FILLERS)


def starved(mistake: StarvationMistake) -> bool:
    """Whether a thread waits longer than it may, or for ever, in the node that makes the mistake."""
    library, rows = build(TINY, node=StarvingNode, quick=True), len(StarvationMistake)
    contests = [contest for of_kind in CONTESTS.values() for contest in of_kind(TINY)]
    taken = ((cycles_taken(library, contest, rows, mistake), contest.bound_cycles) for contest in contests)
    return any(cycles is None or cycles > bound for cycles, bound in taken) or any(
        left_waiting(library, fillers, rows, mistake) for fillers in FILLERS
    )


def test_threads_starve_if_the_core_forgets_who_waits() -> None:
    assert [mistake for mistake in StarvationMistake if not starved(mistake)] == [StarvationMistake.NONE]
