# SPDX-License-Identifier: Apache-2.0
"""Debug mode of the pipelined core against the golden node, by packets: stops, steps, injected instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import OFFSET_BITS, SRAM_BASE, Cause, DebugCommand, DebugRegister, ThreadRegister, debug_offset, thread_offset
from golden.layout import ThreadState as State
from scripts.simulator import SimulatorLibrary, build
from sw.assembler import assemble as assemble_text
from verif.bench import bench_seed
from verif.golden.encoding import encode
from verif.rtl.node.debug_scenarios import BUSY, ENDS, SCENARIOS, scratch_of, stop_after
from verif.rtl.node.debugged import Debugged
from verif.rtl.node.node_bench import WIDE
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, Item, assemble, data_address, memory, programs

STOP, RESUME, STEP = DebugCommand.STOP, DebugCommand.RESUME, DebugCommand.STEP

CONFIGS = {"tiny": preset("tiny"), "wide": WIDE}


@pytest.fixture(scope="module", params=CONFIGS)
def library(request: Any) -> SimulatorLibrary:
    # Tests of observation compile the large node too, observed; the other one is compiled as it is everywhere.
    return build(CONFIGS[request.param], observe=request.param == "wide")


def properties(max_examples: int) -> Callable[[Any], Any]:
    """Decorator of properties of a whole node."""

    def decorate(test: Any) -> Any:
        settings = hypothesis.settings(max_examples=max_examples, deadline=None, print_blob=True, database=None)
        return settings(hypothesis.seed(bench_seed())(hypothesis.given(data=st.data())(test)))

    return decorate


# -- stops at any time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
def test_a_stop_in_any_cycle_around_an_end_leaves_the_thread_stopped_where_it_is(library: SimulatorLibrary, end: str) -> None:
    for delay in range(40):
        with Debugged(library) as both:
            stop_after(both, ENDS[end], delay)


def test_a_stop_finds_a_thread_of_which_everything_is_under_way_between_two_instructions(library: SimulatorLibrary) -> None:
    for delay in range(0, 400, 5):
        with Debugged(library) as both:
            stop_after(both, BUSY, delay, registers=delay % 25 == 0)


# -- random programs ---------------------------------------------------------------------------------------------------


def all_programs(config: NodeConfig) -> st.SearchStrategy[list[list[Item]]]:
    return st.tuples(*(programs(config, thread, 12) for thread in range(config.threads))).map(list)


def without_errors(threads: list[list[Item]]) -> list[list[Item]]:
    """The programs without requests that fail: when such a trap comes depends on the cycle, and it makes no record."""

    def fails(item: Item) -> bool:
        rows = [decode(word) for word in words_of([item])]
        return any(
            row and following and row.unit is Unit.NETWORK and following.mnemonic == "swait" for row, following in pairwise(rows)
        )

    return [[item for item in items if not fails(item)] for items in threads]


def entry(thread: int) -> int:
    return SRAM_BASE + thread * CODE_BYTES


def load(both: Debugged, threads: Sequence[Sequence[Item]], data: bytes) -> None:
    """Put a program and data for each thread into both memories."""
    for thread, items in enumerate(threads):
        both.poke(
            thread * CODE_BYTES, b"".join(word.to_bytes(4, "little") for word in assemble(both.config, thread, list(items)))
        )
        both.poke(data_address(both.config, thread) - SRAM_BASE, (data * DATA_BYTES)[:DATA_BYTES])


def behind(config: NodeConfig) -> int:
    """Offset of SRAM behind all data of random programs."""
    return data_address(config, config.threads) - SRAM_BASE


def finish(both: Debugged) -> None:
    """Let both end, and compare everything."""
    both.run()
    threads = range(both.config.threads)
    for thread in threads:
        both.check_retired(thread)
        both.check_thread(thread, "at the end")
    both.check_vector_writes()
    both.check_memory(data_address(both.config, 0) - SRAM_BASE, len(threads) * DATA_BYTES)


@properties(12)
def test_every_step_of_a_random_program_is_that_of_the_golden_node(library: SimulatorLibrary, data: st.DataObject) -> None:
    config = library.config
    stepped = data.draw(st.integers(0, config.threads - 1))
    with Debugged(library) as both:
        load(both, data.draw(all_programs(config)), data.draw(memory()))
        both.command(stepped, STOP)
        both.place(stepped, entry(stepped))
        for thread in set(range(config.threads)) - {stepped}:
            both.start(thread, entry(thread))
        steps = errors = 0
        while both.state(stepped) is State.STOPPED:
            records = len(both.expected(stepped))
            both.command(stepped, STEP)
            steps += 1
            both.check_thread(stepped, f"after step {steps}")
            if len(both.expected(stepped)) == records:
                errors += 1
                assert both.node.threads[stepped].mcause == Cause.NETWORK_ERROR
        finish(both)
        assert steps == len(both.retired(stepped)) + errors


@properties(12)
def test_a_thread_stopped_in_any_cycle_is_where_its_retired_instructions_have_brought_it(
    library: SimulatorLibrary, data: st.DataObject
) -> None:
    config = library.config
    stopped = data.draw(st.integers(0, config.threads - 1))
    with Debugged(library) as both:
        load(both, data.draw(all_programs(config).map(without_errors)), data.draw(memory()))
        for thread in range(config.threads):
            both.start(thread, entry(thread))
        both.golden.command(stopped, STOP)
        for delay in data.draw(st.lists(st.integers(0, 150), min_size=1, max_size=4)):
            both.seen.run(delay)
            both.seen.command(stopped, STOP)
            both.settle(stopped)
            ended = both.follow(stopped)
            both.check_thread(stopped, "stopped")
            both.check_registers(stopped, behind(config))
            if ended:
                break
            both.seen.command(stopped, RESUME)
        else:
            both.golden.command(stopped, RESUME)
        finish(both)


# -- injected instructions ---------------------------------------------------------------------------------------------


def words_of(items: Sequence[Item]) -> list[int]:
    """All words of items, in the order in which they lie in memory."""
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
        st.builds(lambda rd, rs1, n: encode("jalr", rd, n, rs1), register, register, st.integers(-8, 8)),
        st.just(encode("mret")),
    )


@properties(20)
def test_injected_instructions_do_what_those_of_the_golden_node_do(library: SimulatorLibrary, data: st.DataObject) -> None:
    config = library.config
    stopped = data.draw(st.integers(0, config.threads - 1))
    threads = data.draw(all_programs(config))
    injected: list[int] = []
    for item in threads[stopped]:
        injected += words_of([item])
        injected += data.draw(st.lists(any_jump(), max_size=1))
    with Debugged(library) as both:
        load(both, [items if thread != stopped else [] for thread, items in enumerate(threads)], data.draw(memory()))
        both.start(stopped, entry(stopped))
        both.run()
        both.command(stopped, STOP)
        retired = len(both.retired(stopped))
        for thread in set(range(config.threads)) - {stopped}:
            both.start(thread, entry(thread))
        for word in injected:
            both.inject(stopped, word)
            # What is relative to a PC outside of SRAM's window is not defined.
            if both.pc(stopped) >> OFFSET_BITS != SRAM_BASE >> OFFSET_BITS:
                both.place(stopped, entry(stopped))
        both.check_registers(stopped, behind(config))
        finish(both)
        assert len(both.retired(stopped)) == retired


def test_a_start_or_halt_ends_an_injected_gather_wherever_it_is(library: SimulatorLibrary) -> None:
    program = assemble_text("_start: addi a1, a1, 1\n addi a1, a1, 2\n halt a1\n", config=library.config)
    gather, count = encode("vlds.8", 5, 10, 12), encode("addi", 13, 13, 1)
    for word in (gather, count):
        for field in (ThreadRegister.STATE, ThreadRegister.PC):
            for others in range(10):
                with Debugged(library) as both:
                    both.load(program)
                    both.command(0, STOP)
                    both.set_register(0, 10, SRAM_BASE + scratch_of(library.config))
                    both.set_register(0, 12, 8)
                    both.seen.write(
                        (debug_offset(0, DebugRegister.INSTRUCTION), word),
                        *[(debug_offset(0, DebugRegister.STATUS), 0)] * others,
                        (thread_offset(0, field), program.entry),
                    )
                    both.golden.write((thread_offset(0, field), program.entry))
                    both.run()
                    both.check_retired(0)
                    assert both.state(0) is State.HALTED
                    assert not both.status(0).busy
                    both.command(0, STOP)
                    assert not both.inject(0, gather).failed
                    both.inject(0, encode("csrrw", 0, 0x7B2, 11))


# -- what a debugger asks for, step by step ----------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_debugger_gets_what_it_asks_for(library: SimulatorLibrary, scenario: str) -> None:
    with Debugged(library) as both:
        SCENARIOS[scenario](both)


def test_nothing_depends_on_whether_stopped_nodes_are_evaluated(library: SimulatorLibrary) -> None:
    runs = []
    for skipping in (False, True):
        with Debugged(library) as both:
            both.compiled.set_skipping(skipping)
            both.compiled.record_boundary()
            both.load(assemble_text(BUSY, config=library.config))
            both.start(0, SRAM_BASE)
            for delay in (50, 70, 90, 110):
                both.seen.run(delay)
                both.seen.command(0, STOP)
                both.settle(0)
                both.seen.inject(0, encode("addi", 0, 0, 0))
                for command in (STEP, STEP, RESUME):
                    both.seen.command(0, command)
                    both.settle(0)
            both.seen.run(3000)
            both.seen.command(0, STOP)
            for _ in range(20):
                both.status(0)
            runs.append((both.compiled.boundary_records().tobytes(), both.compiled.evaluations(0, 0)))
    assert runs[0][0] == runs[1][0]
    assert runs[1][1] < runs[0][1]


@properties(30)
def test_whatever_comes_a_thread_can_be_stopped_and_used_afterwards(library: SimulatorLibrary, data: st.DataObject) -> None:
    """Commands, instructions, starts and halts at any time, also while a thread is busy."""
    config = library.config
    thread = st.integers(0, config.threads - 1)
    program = assemble_text(BUSY, config=config)
    words = st.one_of(
        st.sampled_from((encode("vlds.8", 3, 8, 6), encode("nread", 7, 7), encode("div", 12, 10, 11), encode("ebreak"))),
        any_jump(),
        st.integers(0, 2**32 - 1),
    )
    write = st.one_of(
        st.tuples(thread.map(lambda t: debug_offset(t, DebugRegister.COMMAND)), st.sampled_from(DebugCommand)),
        st.tuples(thread.map(lambda t: debug_offset(t, DebugRegister.COMMAND)), st.sampled_from(DebugCommand)),
        st.tuples(thread.map(lambda t: debug_offset(t, DebugRegister.INSTRUCTION)), words),
        st.tuples(thread.map(lambda t: debug_offset(t, DebugRegister.CONTROL)), st.integers(0, 3)),
        st.tuples(thread.map(lambda t: thread_offset(t, ThreadRegister.PC)), st.sampled_from((program.entry, 2, 0x1000))),
        st.tuples(thread.map(lambda t: thread_offset(t, ThreadRegister.STATE)), st.just(0)),
    )
    with Debugged(library) as both:
        both.load(program)
        for writes, cycles in data.draw(
            st.lists(st.tuples(st.lists(write, min_size=1, max_size=5), st.integers(0, 60)), min_size=3, max_size=25)
        ):
            both.seen.write(*writes)
            both.seen.run(cycles)
        for number in range(config.threads):
            both.seen.write((thread_offset(number, ThreadRegister.STATE), 0))
        both.seen.run(1000)
        for number in range(config.threads):
            both.seen.command(number, STOP)
            both.settle(number)
            assert both.state(number) is State.STOPPED
            value = 0x1234_5678_9ABC_DEF0 + number
            both.seen.write((debug_offset(number, DebugRegister.DATA), value))
            both.seen.inject(number, encode("csrrs", 10, 0x7B2, 0))
            both.settle(number)
            both.seen.inject(number, encode("addi", 10, 10, 1))
            both.settle(number)
            both.seen.inject(number, encode("csrrw", 0, 0x7B2, 10))
            both.settle(number)
            assert both.data(number) == value + 1
        assert both.seen.run(1000) == "stopped"
