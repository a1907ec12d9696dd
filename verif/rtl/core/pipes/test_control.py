# SPDX-License-Identifier: Apache-2.0
"""The control pipe: where threads go on, traps and their order, what strobes, and that what is killed does nothing."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import OFFSET_BITS, SRAM_BASE, Cause
from rtl.core.csr import CsrOp
from rtl.core.pipes.control import ControlPipe
from verif.golden.encoding import encode
from verif.rtl.core.pipes.pipe_bench import Entering, Executed, Model, PipeBench, check_commit, enter, with_operands
from verif.rtl.core.test_alu import OPERANDS
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("tiny")
SIMULATION = Simulation(PipeBench(ControlPipe(CONFIG), CONFIG))
BENCH = SIMULATION.component
PIPE = BENCH.pipe
END = SRAM_BASE + CONFIG.sram_bytes

#: Strobes of a cycle in which nothing happens to a thread.
STROBES = ("redirect", "halt", "park", "flush", "mret", "take", "post", "set_format", "breaks")


def setup(context: Any) -> None:
    context.set(PIPE.upper, SRAM_BASE >> OFFSET_BITS)
    context.set(PIPE.csr_exists, 1)
    context.set(PIPE.killed, 0)


async def into_x(context: Any, entering: Entering) -> None:
    """Let an instruction enter, and the cycle begin in which it is in X."""
    enter(context, BENCH, entering)
    await context.tick()
    enter(context, BENCH, None)


def check_nothing(context: Any) -> None:
    """Nothing commits, and nothing happens to a thread."""
    assert not context.get(PIPE.commit.valid)
    assert not context.get(PIPE.trap.valid)
    assert not context.get(PIPE.update.valid)
    assert context.get(PIPE.csr_op) == CsrOp.NONE
    for strobe in STROBES[1:]:
        assert not context.get(getattr(PIPE, strobe)), strobe


def check_killed(context: Any) -> None:
    """In the same cycle, the instruction in X does nothing if it is killed."""
    context.set(PIPE.killed, 1)
    check_nothing(context)
    context.set(PIPE.killed, 0)


# -- branches and jumps ------------------------------------------------------------------------------------------------

#: Where something is, mostly close to the limits of SRAM and of its window.
PLACES = st.one_of(
    st.sampled_from((SRAM_BASE, SRAM_BASE + 4, END - 4, END - 8)),
    st.integers(0, CONFIG.sram_bytes // 4 - 1).map(lambda word: SRAM_BASE + 4 * word),
)
PREDICTIONS = ("none", "right", "behind", "elsewhere")


def jumps() -> st.SearchStrategy[tuple[Entering, str, bool]]:
    """A branch or jump, what the front end has made of it, and whether it is killed."""

    def of_row(row: Any, noise: int, pc: int, rs1: int, rs2: int | None, near: bool) -> Entering:
        insn = int(row.match | noise & ~row.mask & 0xFFFF_FFFF)
        if near and row.mnemonic == "jalr":
            rs1 = pc - ((insn >> 20 ^ 0x800) - 0x800) + (noise & 0xFE)
        return with_operands(Entering(insn, pc, rs1 % 2**64, rs1 % 2**64 if rs2 is None else rs2, noise & 3, noise >> 2 & 3))[0]

    rows = st.sampled_from([row for row in INSTRUCTIONS.values() if row.unit is Unit.BRANCH])
    noise = st.integers(0, 2**32 - 1)
    entering = st.builds(of_row, rows, noise, PLACES, OPERANDS, st.none() | OPERANDS, st.booleans())
    return st.tuples(entering, st.sampled_from(PREDICTIONS), st.booleans())


def predicted(prediction: str, entering: Entering, next_pc: int) -> Entering:
    """The instruction as the front end shows it after this prediction."""
    where = {"none": None, "right": next_pc, "behind": entering.pc + 4, "elsewhere": entering.pc + 0x40 & ~3}[prediction]
    if prediction == "right" and next_pc == entering.pc + 4:
        where = None
    return entering._replace(follows=where)


@property_settings(150)
@given(st.lists(jumps(), min_size=1, max_size=12))
def test_a_thread_goes_on_where_the_golden_one_does_whatever_was_predicted(stimuli: list[tuple[Entering, str, bool]]) -> None:
    model = Model(CONFIG)

    async def check(context: Any) -> None:
        setup(context)
        for plain, prediction, killed in stimuli:
            plain, registers = with_operands(plain)
            expected = model.execute(plain.insn, plain.pc, registers)
            traps = expected.record.cause is not None
            entering = plain if traps and prediction == "right" else predicted(prediction, plain, expected.next_pc)
            await into_x(context, entering)
            if killed:
                check_killed(context)
            check_commit(context, PIPE, entering, expected)
            if traps:
                assert context.get(PIPE.bad)
                assert not context.get(PIPE.update.valid)
            else:
                _check_redirection(context, entering, expected)
            await context.tick()
            check_nothing(context)

    SIMULATION.run(check)


def _check_redirection(context: Any, entering: Entering, expected: Executed) -> None:
    behind, window = entering.pc + 4, 1 << OFFSET_BITS
    goes_on = behind if entering.follows is None else SRAM_BASE + entering.follows % window
    redirects, taken = context.get(PIPE.redirect), context.get(PIPE.update.taken)
    # Going on behind the branch, and jumping to what is behind it, are told apart; where it comes to the same, both may be right.
    if goes_on != expected.next_pc or goes_on != behind or not (taken or entering.follows):
        assert redirects == (goes_on != expected.next_pc)
    assert context.get(PIPE.bad) == redirects
    if redirects:
        assert context.get(PIPE.target) == expected.next_pc
    # Targets outside of the window are not learnt.
    inside = expected.next_pc >> OFFSET_BITS == SRAM_BASE >> OFFSET_BITS
    assert context.get(PIPE.update.valid) == (inside or not taken)
    assert context.get(PIPE.update.pc) == entering.pc % window >> 2
    assert context.get(PIPE.update.conditional) == (entering.insn & 0x7F == 0x63)
    assert taken == (expected.next_pc != behind) or expected.next_pc == behind
    if taken and inside:
        assert context.get(PIPE.update.target) == expected.next_pc % window >> 2


def test_branches_in_every_combination_of_outcome_and_prediction() -> None:
    """All six, taken and not, against all predictions: a redirection exactly if the front end is elsewhere."""
    pairs = ((5, 5), (3, 5), (5, 3), (2**64 - 1, 0), (0, 2**64 - 1), (1 << 63, 1))
    model = Model(CONFIG)
    pc = SRAM_BASE + 0x100
    seen = set()

    async def check(context: Any) -> None:
        setup(context)
        branches = [row.mnemonic for row in INSTRUCTIONS.values() if "imm_b" in row.operands]
        for mnemonic, (a, b), distance, prediction in itertools.product(branches, pairs, (-0x80, 0x7C), PREDICTIONS):
            plain = Entering(encode(mnemonic, 1, 2, distance), pc, a, b)
            expected = model.execute(plain.insn, pc, {1: a, 2: b})
            entering = predicted(prediction, plain, expected.next_pc)
            await into_x(context, entering)
            taken = expected.next_pc != pc + 4
            assert context.get(PIPE.update.taken) == taken
            _check_redirection(context, entering, expected)
            seen.add((mnemonic, taken, prediction, context.get(PIPE.redirect)))

        assert {(mnemonic, taken) for mnemonic, taken, *_ in seen} == set(itertools.product(branches, (False, True)))

    SIMULATION.run(check)


# -- traps, and their order --------------------------------------------------------------------------------------------


def test_traps_come_in_the_order_of_the_contract() -> None:
    """Each cause, with the causes behind it present as well where an instruction can have both."""
    pc = SRAM_BASE + 0x40
    misaligned = encode("jal", 1, 0x102)
    unknown = encode("csrrw", 1, 0x7FF, 2)
    cases = [
        # Outside of SRAM there is no word: an illegal one stands for it.
        (Entering(0, pc, fault=True), 1, Cause.INSTRUCTION_ACCESS_FAULT, pc),
        (Entering(0, pc), 1, Cause.ILLEGAL_INSTRUCTION, 0),
        (Entering(0xFFFF_FFFF, pc), 1, Cause.ILLEGAL_INSTRUCTION, 0xFFFF_FFFF),
        (Entering(unknown, pc), 0, Cause.ILLEGAL_INSTRUCTION, unknown),
        (Entering(encode("csrrs", 1, 0xF14, 0), pc), 1, None, 0),
        (Entering(encode("csrrwi", 0, 0xF14, 0), pc), 1, Cause.ILLEGAL_INSTRUCTION, encode("csrrwi", 0, 0xF14, 0)),
        (Entering(encode("csrrs", 1, 0xC00, 3), pc), 1, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0xC00, 3)),
        (Entering(encode("ecall"), pc), 1, Cause.ECALL_MACHINE, 0),
        (Entering(encode("ebreak"), pc), 1, Cause.BREAKPOINT, pc),
        (Entering(misaligned, pc), 1, Cause.INSTRUCTION_MISALIGNED, pc + 0x102),
        (Entering(misaligned, pc, follows=pc + 0x100), 1, Cause.INSTRUCTION_MISALIGNED, pc + 0x102),
        (Entering(encode("jalr", 1, 2, 2), pc, rs1=pc + 0x11), 1, Cause.INSTRUCTION_MISALIGNED, pc + 0x12),
        (Entering(encode("beq", 1, 2, 0x102), pc, 5, 5), 1, Cause.INSTRUCTION_MISALIGNED, pc + 0x102),
        (Entering(encode("beq", 1, 2, 0x102), pc, 5, 6), 1, None, 0),
    ]

    async def check(context: Any) -> None:
        setup(context)
        for entering, exists, cause, value in cases:
            context.set(PIPE.csr_exists, exists)
            await into_x(context, entering)
            check_killed(context)
            assert context.get(PIPE.trap.valid) == context.get(PIPE.commit.trap) == (cause is not None)
            assert context.get(PIPE.commit.valid)
            if cause is not None:
                seen = [context.get(getattr(PIPE.trap, name)) for name in ("cause", "value", "pc")]
                assert seen == [cause, value, pc]
                assert context.get(PIPE.bad)
                for strobe in ("halt", "park", "flush", "mret", "take", "post", "set_format"):
                    assert not context.get(getattr(PIPE, strobe))
                assert context.get(PIPE.csr_op) == CsrOp.NONE
                assert not context.get(PIPE.update.valid)

    SIMULATION.run(check)


def test_where_nothing_is_fetched_the_whole_address_is_told() -> None:
    async def check(context: Any) -> None:
        setup(context)
        context.set(PIPE.upper, 0x123)
        await into_x(context, Entering(0, SRAM_BASE + 0x40, fault=True))
        assert context.get(PIPE.trap.value) == context.get(PIPE.trap.pc) == 0x123 << OFFSET_BITS | 0x40

    SIMULATION.run(check)


# -- CSRs, semaphores, and the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mnemonic", [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.CSR])
def test_csr_instructions_read_the_register_and_write_it_unless_the_source_is_0(mnemonic: str) -> None:
    immediate = mnemonic.endswith("i")
    operation = {"csrrw": CsrOp.WRITE, "csrrs": CsrOp.SET, "csrrc": CsrOp.CLEAR}[mnemonic.removesuffix("i")]

    async def check(context: Any) -> None:
        setup(context)
        for rd, source, value in itertools.product((0, 7), (0, 9), (0, 0x1234_5678_9ABC_DEF0)):
            held = 0 if source == 0 else value
            await into_x(context, Entering(encode(mnemonic, rd, 0x340, source), rs1=held, rs2=value))
            context.set(PIPE.csr_read, 0xFEDC_BA98_7654_3210)
            check_killed(context)
            writes = source != 0 or operation is CsrOp.WRITE
            assert context.get(PIPE.csr_number) == 0x340
            assert context.get(PIPE.csr_op) == (operation if writes else CsrOp.NONE)
            assert context.get(PIPE.csr_operand) == (source if immediate else held)
            assert context.get(PIPE.commit.writes[0].valid) == (rd != 0)
            if rd:
                assert context.get(PIPE.commit.writes[0].data) == 0xFEDC_BA98_7654_3210
            assert not context.get(PIPE.redirect)

    SIMULATION.run(check)


def test_each_instruction_that_changes_its_thread_strobes_once() -> None:
    pc = SRAM_BASE + 0x80
    behind = pc + 4
    rs1 = 0x5_0003
    #: Instruction, whether the semaphore holds what is asked for, what strobes, where the thread goes on, whether it retires.
    cases: list[tuple[int, bool, set[str], int | None, bool]] = [
        (encode("halt", 2), False, {"halt"}, behind, True),
        (encode("fence.i"), False, {"flush"}, behind, True),
        (encode("mret"), False, {"mret"}, SRAM_BASE + 0x400, True),
        (encode("swait", 3, 2), True, {"take"}, None, True),
        (encode("swait", 3, 2), False, {"park"}, pc, False),
        (encode("spost", 3, 2), False, {"post"}, None, True),
        (encode("setfmt", 5, 2), False, {"set_format"}, None, True),
        (encode("wfi"), False, set(), None, True),
        (encode("fence", 15, 15), False, set(), None, True),
        (encode("addi", 1, 2, 3), True, set(), None, True),
        (encode("mul", 1, 2, 3), True, set(), None, True),
    ]

    async def check(context: Any) -> None:
        setup(context)
        context.set(PIPE.exception_pc, SRAM_BASE + 0x400)
        for insn, covered, strobes, target, retires in cases:
            context.set(PIPE.covered, covered)
            await into_x(context, Entering(insn, pc, rs1=rs1, thread=1))
            check_killed(context)
            assert context.get(PIPE.commit.valid) == retires
            assert {name for name in STROBES[1:] if context.get(getattr(PIPE, name))} == strobes
            assert context.get(PIPE.redirect) == context.get(PIPE.bad) == (target is not None)
            if target is not None:
                assert context.get(PIPE.target) == target
            if strobes & {"take", "park", "post"}:
                assert (context.get(PIPE.semaphore), context.get(PIPE.amount)) == (3, rs1 & 0xFFFF)
            if "set_format" in strobes:
                assert context.get(PIPE.csr_operand) == rs1
            assert not context.get(PIPE.trap.valid)
            await context.tick()
            check_nothing(context)

    SIMULATION.run(check)


def test_what_a_debugger_injects_goes_where_it_jumps_and_ebreak_stops_where_it_wants_that() -> None:
    pc = SRAM_BASE + 0x80
    #: Instruction, whether it is injected, whether ebreak stops, what strobes, where the thread goes on, the cause of its trap.
    cases: list[tuple[int, bool, bool, set[str], int | None, Cause | None]] = [
        (encode("ebreak"), False, True, {"breaks"}, pc, None),
        (encode("ebreak"), True, False, set(), None, Cause.BREAKPOINT),
        (encode("halt", 2), True, False, set(), None, Cause.ILLEGAL_INSTRUCTION),
        (encode("swait", 3, 2), True, False, set(), None, Cause.ILLEGAL_INSTRUCTION),
        (encode("spost", 3, 2), True, False, {"post"}, None, None),
        (encode("fence.i"), True, False, {"flush"}, None, None),
        (encode("mret"), True, False, {"mret"}, SRAM_BASE + 0x400, None),
        (encode("jal", 1, 0x40), True, False, set(), pc + 0x40, None),
        (encode("jal", 1, 0x42), True, False, set(), None, Cause.INSTRUCTION_MISALIGNED),
        (encode("beq", 0, 0, 0x40), True, False, set(), pc + 0x40, None),
        (encode("bne", 0, 0, 0x40), True, False, set(), None, None),
        (encode("addi", 1, 2, 3), True, False, set(), None, None),
    ]

    async def check(context: Any) -> None:
        setup(context)
        context.set(PIPE.exception_pc, SRAM_BASE + 0x400)
        for insn, injected, stops, strobes, target, cause in cases:
            context.set(PIPE.injected, injected)
            context.set(PIPE.stops_at_ebreak, stops)
            # The front end has gone along already where it can; what is injected redirects all the same.
            for follows in (None, pc + 0x40) if target == pc + 0x40 else (None,):
                await into_x(context, Entering(insn, pc, follows=follows))
                check_killed(context)
                assert context.get(PIPE.commit.valid) == ("breaks" not in strobes)
                assert context.get(PIPE.trap.valid) == (cause is not None)
                assert cause is None or context.get(PIPE.trap.cause) == cause
                assert {name for name in STROBES[1:] if context.get(getattr(PIPE, name))} == strobes
                assert context.get(PIPE.redirect) == (target is not None)
                assert target is None or context.get(PIPE.target) == target
                assert not context.get(PIPE.update.valid)
                await context.tick()
                check_nothing(context)

    SIMULATION.run(check)


@pytest.mark.parametrize("mnemonic", [row.mnemonic for row in INSTRUCTIONS.values() if row.unit in (Unit.MULTIPLY, Unit.DIVIDE)])
def test_results_of_multiplications_and_divisions_come_late_unless_they_are_for_x0(mnemonic: str) -> None:
    async def check(context: Any) -> None:
        setup(context)
        for rd in (0, 5):
            await into_x(context, Entering(encode(mnemonic, rd, 2, 3), rs1=6, rs2=3))
            assert context.get(PIPE.commit.valid)
            assert context.get(PIPE.commit.late) == (rd != 0)
            assert not context.get(PIPE.commit.writes[0].valid)
            assert not context.get(PIPE.writes[0].valid)
            assert not context.get(PIPE.bad)

    SIMULATION.run(check)


def test_moves_from_a_predicate_extend_it_with_zeros() -> None:
    async def check(context: Any) -> None:
        setup(context)
        for value in (0, 0x8001, 0xFFFF):
            context.set(PIPE.predicate, value)
            await into_x(context, Entering(encode("pmv.x.p", 5, 3), rs1=7, rs2=9))
            assert context.get(PIPE.commit.writes[0].data) == value

    SIMULATION.run(check)
