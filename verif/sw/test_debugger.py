# SPDX-License-Identifier: Apache-2.0
"""The debugger, alike on the golden array, on simulated ones and on a board."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.instruction import Retirement
from golden.isa import INSTRUCTIONS, decode
from golden.layout import (
    CSR_NUMBERS,
    EVENT_INHIBITS,
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    MISA_VALUE,
    SRAM_BASE,
    Cause,
    ControlRegister,
    Csr,
    DebugReason,
    DebugRegister,
    Event,
    FormatDescriptor,
    ThreadState,
    control_offset,
    debug_offset,
    hart_id,
)
from golden.mesh import GoldenArray
from scripts.simulator import SimulatedArray, build
from sw.assembler import assemble
from sw.backend import ArrayBackend
from sw.debugger import DebugError, Debugger, NoAnswerError
from sw.host import HostError, load_program, run_program, start
from verif.fpga.board_model import GoldenBoard
from verif.fpga.test_board_backend import connect
from verif.sw.instruction_tour import instruction_tour

CONFIGS = {name: preset(name) for name in ("tiny", "nano")}
TINY = CONFIGS["tiny"]
MASK = (1 << 64) - 1

#: Makes an array of one row and so many columns.
Maker = Callable[[int], Any]


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param(("golden", name), id=f"golden-{name}") for name in CONFIGS),
        *(pytest.param(("simulated", name), id=f"simulated-{name}", marks=pytest.mark.rtl) for name in CONFIGS),
        pytest.param(("board", "tiny"), id="board-tiny"),
    ],
)
def maker(request: pytest.FixtureRequest) -> Iterator[Maker]:
    """Each backend with a pipelined core and a sequential one."""
    way, name = request.param
    config = CONFIGS[name]
    opened: list[SimulatedArray] = []
    library = build(config, "macro") if way == "simulated" else None

    def make(columns: int = 1) -> Any:
        if way == "board":
            return connect(GoldenBoard(config, 1, columns))[0]
        if library is None:
            return GoldenArray(config, 1, columns)
        opened.append(SimulatedArray(config, 1, columns, threads=1, library=library))
        return opened[-1]

    yield make
    for array in opened:
        array.close()


def loaded(array: ArrayBackend, source: str, *, run: bool = True) -> dict[str, int]:
    """Load a program into node (0, 0) and start thread 0; returns its symbols."""
    program = assemble(source, config=array.config)
    load_program(array, program, [(0, 0)])
    if run:
        start(array, 0, 0, 0, program.entry)
    return dict(program.symbols)


def attached(array: ArrayBackend, source: str, **options: Any) -> tuple[Debugger, dict[str, int]]:
    """A debugger of a thread that is STOPPED at the start of a program."""
    debugger = Debugger(array, **options)
    debugger.stop()
    symbols = loaded(array, source, run=False)
    debugger.write("pc", SRAM_BASE)
    return debugger, symbols


COUNTING = """
_start: li a0, 0
loop:   addi a0, a0, 1
        addi a1, a0, 5
        j loop
"""


# -- registers --------------------------------------------------------------------------------------------------------


def written_csr(config: NodeConfig, name: str, value: int) -> int:
    """What a CSR holds after it has been written."""
    number = CSR_NUMBERS[name]
    events = {MHPMCOUNTER_BASE + event for event in Event} if config.core == "pipelined" else set()
    masks = {
        Csr.MSTATUS: 0x88, Csr.MTVEC: MASK - 3, Csr.MSCRATCH: MASK, Csr.MEPC: MASK - 3, Csr.MCAUSE: MASK, Csr.MTVAL: MASK,
        Csr.MFLAGS: 0x3F, Csr.MSEED: 0xFFFF_FFFF, Csr.MCYCLE: MASK, Csr.MINSTRET: MASK,
        Csr.MCOUNTINHIBIT: 5 | (EVENT_INHIBITS if events else 0), **dict.fromkeys(events, MASK),
    }  # fmt: skip
    fixed: dict[int, int] = {Csr.MSTATUS: 0x1800, Csr.MISA: MISA_VALUE}
    if events:
        fixed |= {MHPMEVENT_BASE + event: event for event in Event}
    if name.startswith("mformat"):
        return sum(int(FormatDescriptor.unpack(value >> shift & 0xFFFF)) << shift for shift in range(0, 64, 16))
    return fixed.get(number, 0) | value & masks.get(number, 0)


def values_of(config: NodeConfig, name: str) -> st.SearchStrategy[int | bytes]:
    numbers = st.one_of(st.sampled_from((0, 1, MASK, 1 << 63, 0x5555_5555_5555_5555)), st.integers(0, MASK))
    if name == "pc":
        return st.integers(0, config.sram_bytes // 4 - 1).map(lambda word: SRAM_BASE + 4 * word)
    if re.fullmatch(r"p\d", name):
        full = (1 << config.line_bytes) - 1
        return st.just(full) if name == "p0" else st.integers(0, full)
    if re.fullmatch(r"[vm]\d+", name):
        size = config.line_bytes if name[0] == "v" else config.accumulator_bytes
        return st.binary(min_size=size, max_size=size)
    return st.just(0) if name == "x0" else numbers


def expected(config: NodeConfig, name: str, value: int | bytes) -> int | bytes:
    return written_csr(config, name, value) if name in CSR_NUMBERS and isinstance(value, int) else value


@pytest.fixture
def idle(maker: Maker) -> tuple[Debugger, dict[str, int | bytes]]:
    """A debugger of a thread that has never run, and what its registers hold."""
    debugger = Debugger(maker(1))
    debugger.stop()
    debugger.write("mcountinhibit", 5)
    return debugger, {name: debugger.read(name) for name in debugger.registers.names}


def is_fixed(name: str) -> bool:
    return name in CSR_NUMBERS and CSR_NUMBERS[name] >= 0xC00


def test_registers_hold_what_is_written_and_no_other_changes(idle: tuple[Debugger, dict[str, int | bytes]]) -> None:
    debugger, held = idle
    config = debugger.registers._config
    names = st.sampled_from([name for name in held if not is_fixed(name) and name not in ("mcycle", "mcountinhibit")])

    @settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        chosen = data.draw(st.lists(names, min_size=1, max_size=8, unique=True))
        for name in chosen:
            value = data.draw(values_of(config, name))
            debugger.write(name, value)
            held[name] = expected(config, name, value)
        others = data.draw(st.lists(names, max_size=4))
        assert {name: debugger.read(name) for name in (*chosen, *others)} == {name: held[name] for name in (*chosen, *others)}

    check()
    assert {name: debugger.read(name) for name in held} == held


def test_registers_of_every_kind_are_there_after_reset(idle: tuple[Debugger, dict[str, int | bytes]]) -> None:
    debugger, held = idle
    config = debugger.registers._config
    assert [held[f"x{number}"] for number in range(32)] == [0] * 32
    assert held["p0"] == (1 << config.line_bytes) - 1
    assert (held["mhartid"], held["mconfig"], held["misa"]) == (hart_id(0, 0, 0), config.descriptor, MISA_VALUE)
    assert f"m{config.accumulators - 1}" in held
    assert f"m{config.accumulators}" not in held
    assert "dscratch0" not in held


@pytest.mark.parametrize("scratch", [None, 0x40])
def test_scratch_memory_and_the_borrowed_register_are_as_before(maker: Maker, scratch: int | None) -> None:
    array = maker(1)
    size = array.config.accumulator_bytes
    where = array.config.sram_bytes - size if scratch is None else scratch
    contents = bytes(range(1, 256)) * 5
    array.write(0, 0, where, contents[:size])
    debugger = Debugger(array, scratch=None if scratch is None else SRAM_BASE + scratch)
    debugger.stop()
    debugger.write("t0", 77)
    for name in ("v3", "m1", "p1", "mscratch"):
        debugger.write(name, debugger.read(name))
    assert debugger.read("x5") == 77
    assert array.read(0, 0, where, size) == contents[:size]


def test_registers_are_those_that_the_program_uses(maker: Maker) -> None:
    source = """
    _start: ebreak
            add a1, a0, a0
            vadd.i32 v2, v1, v1
            pand p2, p1, p1
            csrr a2, mscratch
            ebreak
    """
    debugger, _ = attached(maker(1), source)
    line = debugger.registers._config.line_bytes
    assert debugger.run_until_stop(10_000).reason is DebugReason.EBREAK
    debugger.write("a0", 21)
    debugger.write("v1", bytes([3, 0, 0, 0] * (line // 4)))
    debugger.write("p1", 0x1234)
    debugger.write("mscratch", 99)
    debugger.write("pc", SRAM_BASE + 4)
    assert debugger.run_until_stop(10_000).pc == SRAM_BASE + 20
    assert [debugger.read(name) for name in ("x11", "p2", "a2")] == [42, 0x1234, 99]
    assert debugger.read("v2") == bytes([6, 0, 0, 0] * (line // 4))


# -- stepping ---------------------------------------------------------------------------------------------------------


def free_run(config: NodeConfig) -> tuple[list[Retirement], GoldenArray]:
    """What the tour retires when nobody disturbs it."""
    array = GoldenArray(config, 1, 1)
    records: list[Retirement] = []
    array.node(0, 0).on_retire = records.append
    assert run_program(array, instruction_tour(config), 100_000).passed
    return records, array


def test_a_stepped_program_does_what_it_does_on_its_own(maker: Maker) -> None:
    array = maker(1)
    config = array.config
    records, golden = free_run(config)
    executed = {row.mnemonic for record in records if record.cause is None and (row := decode(record.word)) is not None}
    assert set(INSTRUCTIONS) - executed == {"ebreak", "ecall"} | (set() if config.lists else {"nlist"})
    program = instruction_tour(config)
    load_program(array, program)
    debugger = Debugger(array)
    debugger.stop()
    debugger.write("pc", program.entry)
    for record, following in pairwise(records):
        reached = debugger.step(max_cycles=5000)
        assert (reached.state, reached.reason, reached.pc) == (ThreadState.STOPPED, DebugReason.STEP, following.pc), record
        for register, value in record.writes:
            # A cycle count is not the program's.
            if record.word >> 20 != Csr.MCYCLE or record.word & 0x7F != 0x73:
                assert debugger.read(f"x{register}") == value, record
    assert debugger.read("minstret") == sum(record.cause is None for record in records) - 1
    thread = golden.node(0, 0).threads[0]
    assert [debugger.read(f"x{number}") for number in range(32)] == thread.x[:32]
    assert [debugger.read(f"v{number}") for number in range(32)] == thread.v
    assert [debugger.read(f"p{number}") for number in range(8)] == thread.p[:8]
    assert debugger.step().state is ThreadState.HALTED
    length = max(len(contents) for _, contents in program.segments)
    assert array.read(0, 0, 0, length) == golden.read(0, 0, 0, length)
    retired = control_offset(ControlRegister.RETIRED)
    assert array.read_register(0, 0, retired) == golden.read_register(0, 0, retired)


def test_steps_count(maker: Maker) -> None:
    debugger, symbols = attached(maker(1), COUNTING)
    assert debugger.step(8).pc == symbols["loop"] + 4
    assert debugger.read("a0") == 3


def test_steps_end_with_the_thread(maker: Maker) -> None:
    debugger, _ = attached(maker(1), "_start: nop\nhalt zero")
    reached = debugger.step(100)
    assert (reached.state, reached.pc) == (ThreadState.HALTED, SRAM_BASE + 8)
    assert debugger.stop().state is ThreadState.STOPPED


def test_a_step_takes_a_trap_to_its_handler(maker: Maker) -> None:
    debugger, symbols = attached(maker(1), "_start: .word 0\nhalt zero\n.balign 4\nhandler: j handler")
    debugger.write("mtvec", symbols["handler"])
    reached = debugger.step()
    assert (reached.reason, reached.pc) == (DebugReason.STEP, symbols["handler"])
    assert (debugger.read("mcause"), debugger.read("mepc")) == (Cause.ILLEGAL_INSTRUCTION, SRAM_BASE)


def test_a_step_that_waits_for_nobody_is_told_and_stop_ends_it(maker: Maker) -> None:
    debugger, _ = attached(maker(1), "_start: li t0, 1\nswait 2, t0\nhalt zero", patience_cycles=2000)
    debugger.step()
    with pytest.raises(NoAnswerError, match="does not finish a STEP: it waits for a semaphore that nobody posts"):
        debugger.step()
    reached = debugger.stop()
    assert (reached.state, reached.reason, reached.pc) == (ThreadState.STOPPED, DebugReason.REQUEST, SRAM_BASE + 4)


# -- running and breakpoints ------------------------------------------------------------------------------------------


def test_a_running_thread_is_stopped_anywhere_and_goes_on(maker: Maker) -> None:
    array = maker(1)
    symbols = loaded(array, COUNTING)
    debugger = Debugger(array)
    assert array.run(300).reason == "limit"
    reached = debugger.stop()
    assert (reached.state, reached.reason) == (ThreadState.STOPPED, DebugReason.REQUEST)
    assert symbols["loop"] <= reached.pc < symbols["loop"] + 12
    first = debugger.read("a0")
    assert debugger.read("a0") == first
    debugger.resume()
    array.run(300)
    debugger.stop()
    assert debugger.read("a0") > first > 0  # type: ignore[operator]


def test_a_breakpoint_stops_the_thread_each_time_until_it_is_removed(maker: Maker) -> None:
    debugger, symbols = attached(maker(1), COUNTING)
    where = symbols["loop"] + 4
    debugger.add_breakpoint(where)
    debugger.add_breakpoint(where)
    for count in (1, 2, 3):
        reached = debugger.run_until_stop(10_000)
        assert (reached.state, reached.reason, reached.pc) == (ThreadState.STOPPED, DebugReason.EBREAK, where)
        assert debugger.read("a0") == count
    assert debugger.breakpoints == (where,)
    debugger.remove_breakpoint(where)
    assert debugger.breakpoints == ()
    with pytest.raises(NoAnswerError, match=r"did not stop in 500 cycles; it is RUNNING at pc 0x800000"):
        debugger.run_until_stop(500)


def test_breakpoints_beside_each_other_are_all_met_and_stepped_over(maker: Maker) -> None:
    debugger, symbols = attached(maker(1), COUNTING)
    places = [symbols["loop"] + 4 * word for word in range(3)]
    for place in places:
        debugger.add_breakpoint(place)
    assert [debugger.run_until_stop(10_000).pc for _ in range(7)] == [places[n % 3] for n in range(7)]
    assert [debugger.step().pc for _ in range(4)] == [places[n % 3] for n in range(1, 5)]
    assert debugger.read("a0") == 4


def test_a_breakpoint_at_a_jump_to_itself_is_met_again(maker: Maker) -> None:
    debugger, _ = attached(maker(1), "_start: j _start")
    debugger.add_breakpoint(SRAM_BASE)
    for _ in range(3):
        assert debugger.run_until_stop(10_000).pc == SRAM_BASE
    assert debugger.read("minstret") == 3


def test_breakpoints_do_not_show_in_memory_and_stay_where_it_is_written(maker: Maker) -> None:
    array = maker(1)
    debugger, symbols = attached(array, COUNTING)
    code = array.read(0, 0, 0, 16)
    where = symbols["loop"] + 4
    debugger.add_breakpoint(where)
    assert array.read(0, 0, where - SRAM_BASE, 4) == INSTRUCTIONS["ebreak"].match.to_bytes(4, "little")
    for start_, length in ((0, 16), (2, 5), (where - SRAM_BASE + 1, 2), (where - SRAM_BASE + 4, 4)):
        assert debugger.read_memory(SRAM_BASE + start_, length) == code[start_ : start_ + length]
    # addi a1, a0, 6 from its second half on.
    debugger.write_memory(where + 2, bytes([0x65, 0x00]) + code[where - SRAM_BASE + 4 : where - SRAM_BASE + 8])
    assert debugger.run_until_stop(10_000).pc == where
    debugger.step()
    assert debugger.read("a1") == 7
    debugger.remove_breakpoint(where)
    assert array.read(0, 0, where - SRAM_BASE, 4) == bytes([*code[where - SRAM_BASE :][:2], 0x65, 0x00])


def test_code_that_is_written_is_executed(maker: Maker) -> None:
    debugger, symbols = attached(maker(1), COUNTING)
    debugger.step(8)
    nop = INSTRUCTIONS["addi"].match.to_bytes(4, "little")
    debugger.write_memory(symbols["loop"], nop)
    debugger.step(9)
    assert debugger.read("a0") == 3


def test_a_programs_own_ebreak_stops_it_and_stays(maker: Maker) -> None:
    debugger, _ = attached(maker(1), "_start: nop\nebreak\nhalt zero")
    for _ in range(2):
        reached = debugger.run_until_stop(10_000)
        assert (reached.reason, reached.pc) == (DebugReason.EBREAK, SRAM_BASE + 4)
    assert debugger.step(5) == reached
    debugger.add_breakpoint(SRAM_BASE + 4)
    assert debugger.run_until_stop(10_000) == reached
    debugger.remove_breakpoint(SRAM_BASE + 4)
    debugger.write("pc", SRAM_BASE + 8)
    assert debugger.run_until_stop(10_000).state is ThreadState.HALTED


def test_ends_and_traps_are_told(maker: Maker) -> None:
    debugger, symbols = attached(maker(1), "_start: halt zero\nbad: .word 0\nhandler: j handler")
    assert debugger.run_until_stop(10_000).state is ThreadState.HALTED
    debugger.stop()
    debugger.write("pc", symbols["bad"])
    reached = debugger.run_until_stop(10_000)
    assert (reached.state, reached.pc, reached.cause, reached.value) == (ThreadState.TRAPPED, symbols["bad"], 2, 0)
    assert str(reached) == f"TRAPPED at pc {symbols['bad']:#x}: ILLEGAL_INSTRUCTION, value 0x0"
    debugger.stop()
    debugger.write("mtvec", symbols["handler"])
    debugger.halts_on_traps = True
    assert debugger.halts_on_traps
    reached = debugger.run_until_stop(10_000)
    assert (reached.state, reached.reason, reached.pc) == (ThreadState.STOPPED, DebugReason.TRAP, symbols["handler"])
    assert (reached.cause, debugger.read("mepc")) == (Cause.ILLEGAL_INSTRUCTION, symbols["bad"])
    debugger.halts_on_traps = False
    debugger.write("pc", symbols["bad"])
    with pytest.raises(NoAnswerError):
        debugger.run_until_stop(500)


def test_a_thread_that_waits_for_nobody_is_told(maker: Maker) -> None:
    debugger, _ = attached(maker(1), "_start: li t0, 1\nswait 2, t0\nhalt zero")
    with pytest.raises(NoAnswerError, match="cannot stop, since nothing moves in the array; it is WAITING at pc 0x80000004"):
        debugger.run_until_stop(10_000_000)
    assert debugger.stop().pc == SRAM_BASE + 4


# -- several threads and nodes ----------------------------------------------------------------------------------------


def test_nodes_are_debugged_one_by_one(maker: Maker) -> None:
    array = maker(2)
    program = assemble(COUNTING, config=array.config)
    load_program(array, program)
    for x in range(2):
        start(array, x, 0, 0, program.entry)
    first, second = (Debugger(array, x=x) for x in range(2))
    first.stop()
    array.run(200)
    assert (first.state, second.state) == (ThreadState.STOPPED, ThreadState.RUNNING)
    assert second.stop().state is ThreadState.STOPPED
    first.add_breakpoint(program.symbols["loop"])
    assert first.run_until_stop(10_000).pc == program.symbols["loop"]
    assert second.read("mhartid") == hart_id(1, 0, 0)
    assert second.state is ThreadState.STOPPED


def test_threads_of_a_node_share_breakpoints() -> None:
    array = GoldenArray(TINY, 1, 1)
    first, symbols = attached(array, COUNTING)
    second = first.beside(1)
    second.stop()
    second.write("pc", SRAM_BASE)
    first.add_breakpoint(symbols["loop"])
    second.add_breakpoint(symbols["loop"])
    assert [thread.run_until_stop(10_000).reason for thread in (first, second)] == [DebugReason.EBREAK] * 2
    assert [thread.run_until_stop(10_000).pc for thread in (first, second)] == [symbols["loop"]] * 2
    second.detach()
    assert (second.state, first.breakpoints) == (ThreadState.RUNNING, (symbols["loop"],))
    second.stop()
    first.remove_breakpoint(symbols["loop"])
    assert array.read(0, 0, 0, 16) == assemble(COUNTING, config=TINY).segments[0][1][:16]


def test_detaching_leaves_the_program_alone(maker: Maker) -> None:
    array = maker(1)
    source = "_start: li a0, 200\nloop: addi a0, a0, -1\nbnez a0, loop\nhalt a0"
    symbols = loaded(array, source, run=False)
    with Debugger(array) as debugger:
        debugger.stop()
        debugger.write("pc", SRAM_BASE)
        debugger.add_breakpoint(symbols["loop"])
        debugger.run_until_stop(1000)
    assert array.read(0, 0, 0, 16) == assemble(source, config=array.config).segments[0][1][:16]
    assert array.read_register(0, 0, debug_offset(0, DebugRegister.CONTROL)) == 0
    assert array.run(10_000).reason == "ended"
    assert debugger.state is ThreadState.HALTED


def test_detaching_from_a_running_thread_takes_its_breakpoints_away(maker: Maker) -> None:
    array = maker(1)
    with Debugger(array) as debugger:
        debugger.stop()
        symbols = loaded(array, "_start: nop\nloop: j loop\nnever: nop", run=False)
        debugger.write("pc", SRAM_BASE)
        debugger.add_breakpoint(symbols["never"])
        debugger.resume()
    assert debugger.state is ThreadState.RUNNING
    assert array.read(0, 0, symbols["never"] - SRAM_BASE, 4) == INSTRUCTIONS["addi"].match.to_bytes(4, "little")


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ({"thread": 2}, "there is no thread 2; a node 'tiny' has 2"),
        ({"x": 1}, "there is no node in row 0, column 1"),
        ({"scratch": 0x40}, "16 bytes at 0x40 cannot be the debugger's scratch memory; it has to start a line of 16 bytes"),
        ({"scratch": SRAM_BASE + 8}, "cannot be the debugger's scratch memory"),
    ],
)
def test_places_that_are_not_there_are_refused(place: dict[str, int], complaint: str) -> None:
    with pytest.raises(HostError, match=complaint):
        Debugger(GoldenArray(TINY, 1, 1), **place)


WHILE_IT_RUNS: dict[str, Callable[[Debugger], object]] = {
    "read": lambda debugger: debugger.read("a0"),
    "write": lambda debugger: debugger.write("a0", 1),
    "step": lambda debugger: debugger.step(),
    "resume": lambda debugger: debugger.resume(),
    "add": lambda debugger: debugger.add_breakpoint(SRAM_BASE),
    "remove": lambda debugger: debugger.remove_breakpoint(SRAM_BASE),
}


@pytest.mark.parametrize("action", WHILE_IT_RUNS)
def test_a_thread_that_runs_has_to_be_stopped_first(action: str) -> None:
    array = GoldenArray(TINY, 1, 1)
    loaded(array, COUNTING)
    with pytest.raises(DebugError, match=r"^thread 0 of the node in row 0, column 0 is RUNNING, not STOPPED; stop it first$"):
        WHILE_IT_RUNS[action](Debugger(array))


REFUSED: dict[str, tuple[Callable[[Debugger], object], str]] = {
    "register": (lambda debugger: debugger.read("v32"), r"there is no register 'v32' in a node 'tiny'.*did you mean 'v3"),
    "accumulator": (lambda debugger: debugger.read("m2"), "there is no register 'm2'.*m0 to m1"),
    "format": (lambda debugger: debugger.read("f1"), "there is no register 'f1'"),
    "dscratch0": (lambda debugger: debugger.read("dscratch0"), "there is no register 'dscratch0'"),
    "size": (lambda debugger: debugger.write("v1", bytes(8)), "^v1 holds 16 bytes, and cannot become 8 bytes$"),
    "number for bytes": (lambda debugger: debugger.write("v1", 8), "^v1 holds 16 bytes, and cannot become 8$"),
    "bytes for a number": (lambda debugger: debugger.write("a0", bytes(8)), "^a0 holds a number from 0 .*become 8 bytes$"),
    "too large": (lambda debugger: debugger.write("a0", 1 << 64), "^a0 holds a number from 0 to 0xffffffffffffffff, and cannot"),
    "negative": (lambda debugger: debugger.write("mscratch", -1), "^mscratch holds a number .* become -0x1$"),
    "predicate": (lambda debugger: debugger.write("p1", 1 << 16), "^p1 holds a number from 0 to 0xffff"),
    "p0": (lambda debugger: debugger.write("p0", 1), "^p0 is always 0xffff, and cannot become 0x1$"),
    "x0": (lambda debugger: debugger.write("zero", 1), "^zero is always 0x0, and cannot become 0x1$"),
    "read-only": (lambda debugger: debugger.write("mhartid", 1), "^mhartid is read-only$"),
    "pc": (lambda debugger: debugger.write("pc", SRAM_BASE + 2), "^pc cannot become 0x80000002; instructions lie at multiples"),
    "steps": (lambda debugger: debugger.step(0), "^0 steps cannot be taken; there must be at least 1$"),
    "breakpoint": (lambda debugger: debugger.add_breakpoint(0x1000), "^a breakpoint at 0x1000 would not lie in the SRAM"),
    "behind": (
        lambda debugger: debugger.add_breakpoint(SRAM_BASE + TINY.sram_bytes),
        "would not lie in the SRAM, which is 0x800",
    ),
    "misaligned": (
        lambda debugger: debugger.add_breakpoint(SRAM_BASE + 2),
        "^a breakpoint at 0x80000002 is misaligned; instructions lie at multiples of 4$",
    ),
    "none": (lambda debugger: debugger.remove_breakpoint(SRAM_BASE), "^there is no breakpoint at 0x80000000$"),
    "memory": (lambda debugger: debugger.read_memory(SRAM_BASE - 1, 2), "^2 bytes at 0x7fffffff would not lie in the SRAM"),
    "instruction": (
        lambda debugger: debugger._port.inject("ld", rd=5, rs1=0, imm_i=0),
        r"^the injected instruction `ld t0, 0\(zero\)` failed in thread 0 of the node in row 0, column 0: LOAD_ACCESS_FAULT$",
    ),
}


@pytest.mark.parametrize("action", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_sentence(action: str) -> None:
    debugger, _ = attached(GoldenArray(TINY, 1, 1), COUNTING)
    attempt, complaint = REFUSED[action]
    with pytest.raises(DebugError, match=complaint):
        attempt(debugger)
    assert debugger.step(2).pc == SRAM_BASE + 8


def test_a_failed_instruction_is_told_and_the_borrowed_register_is_restored(maker: Maker) -> None:
    debugger, _ = attached(maker(1), COUNTING)
    debugger.write("t0", 5)
    with pytest.raises(DebugError, match="LOAD_MISALIGNED"), debugger.registers._borrow(SRAM_BASE + 1):
        debugger._port.inject("ld", rd=6, rs1=5, imm_i=0)
    assert debugger.read("t0") == 5


def test_an_instruction_that_never_finishes_is_told(maker: Maker) -> None:
    # A read of the host's side of the west link, which answers none.
    array = maker(1)
    source = "_start: li t0, 4 << 47\nnread v1, (t0)\nnop\nhalt zero"
    debugger, _ = attached(array, source, patience_cycles=3000)
    debugger.step(3)
    with pytest.raises(NoAnswerError, match=r"does not finish the injected instruction `vst v1, 0\(t0\)`: "):
        debugger.read("v1")
    start(array, 0, 0, 0, SRAM_BASE + 12)
    assert debugger.run_until_stop(1000).state is ThreadState.HALTED
