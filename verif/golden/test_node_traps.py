# SPDX-License-Identifier: Apache-2.0
"""Traps and CSRs of the golden node, one line of the contract each."""

from __future__ import annotations

import pytest

from golden.config import preset
from golden.instruction import Retirement
from golden.isa import INSTRUCTIONS
from golden.layout import (
    EVENT_INHIBITS,
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    MISA_VALUE,
    SRAM_BASE,
    Cause,
    Csr,
    GlobalAddress,
    ThreadState,
    hart_id,
)
from golden.node import GoldenNode
from verif.golden.encoding import encode, load_constant, program, run_words

TINY = preset("tiny")
END = SRAM_BASE + TINY.sram_bytes
LINE = TINY.line_bytes
NOWHERE = 0x1000
MINUS_1 = (1 << 64) - 1
HALT = encode("halt", 0)

#: Instruction word, registers, cause and mtval (None: the pc).
TRAPS = {
    "all zeros": (0, {}, Cause.ILLEGAL_INSTRUCTION, 0),
    "all ones": (0xFFFF_FFFF, {}, Cause.ILLEGAL_INSTRUCTION, 0xFFFF_FFFF),
    "compressed": (0x0001, {}, Cause.ILLEGAL_INSTRUCTION, 1),
    "behind multiply": (0x0420_81B3, {}, Cause.ILLEGAL_INSTRUCTION, 0x0420_81B3),
    "high half of words": (0x0220_91BB, {}, Cause.ILLEGAL_INSTRUCTION, 0x0220_91BB),
    "ecall": (encode("ecall"), {}, Cause.ECALL_MACHINE, 0),
    "ebreak": (encode("ebreak"), {}, Cause.BREAKPOINT, None),
    "jal to a half": (encode("jal", 1, 6), {}, Cause.INSTRUCTION_MISALIGNED, SRAM_BASE + 6),
    "jalr to a half": (encode("jalr", 1, 0, 5), {5: SRAM_BASE + 3}, Cause.INSTRUCTION_MISALIGNED, SRAM_BASE + 2),
    "branch to a half": (encode("beq", 0, 0, 10), {}, Cause.INSTRUCTION_MISALIGNED, SRAM_BASE + 10),
    "ld misaligned": (encode("ld", 1, 4, 5), {5: SRAM_BASE}, Cause.LOAD_MISALIGNED, SRAM_BASE + 4),
    "lh misaligned outside": (encode("lh", 1, 1, 5), {5: 0}, Cause.LOAD_MISALIGNED, 1),
    "lb below": (encode("lb", 1, -1, 5), {5: SRAM_BASE}, Cause.LOAD_ACCESS_FAULT, SRAM_BASE - 1),
    "lw behind": (encode("lw", 1, 0, 5), {5: END}, Cause.LOAD_ACCESS_FAULT, END),
    "ld wraps": (encode("ld", 1, -8, 5), {5: 0}, Cause.LOAD_ACCESS_FAULT, MINUS_1 - 7),
    "sw misaligned": (encode("sw", 1, 2, 5), {5: SRAM_BASE}, Cause.STORE_MISALIGNED, SRAM_BASE + 2),
    "sd behind": (encode("sd", 1, 0, 5), {5: END}, Cause.STORE_ACCESS_FAULT, END),
    "vld misaligned": (encode("vld", 1, 8, 5), {5: SRAM_BASE}, Cause.LOAD_MISALIGNED, SRAM_BASE + 8),
    "vld behind": (encode("vld", 1, 0, 5), {5: END}, Cause.LOAD_ACCESS_FAULT, END),
    "vld.p misaligned": (encode("vld.p", 1, 5, LINE), {5: SRAM_BASE + 4}, Cause.LOAD_MISALIGNED, SRAM_BASE + 4),
    "vst misaligned": (encode("vst", 1, 8, 5), {5: SRAM_BASE}, Cause.STORE_MISALIGNED, SRAM_BASE + 8),
    "vst.p nowhere": (encode("vst.p", 1, 5, LINE), {5: NOWHERE}, Cause.STORE_ACCESS_FAULT, NOWHERE),
    "gather misaligned": (encode("vlds.16", 1, 5, 0), {5: SRAM_BASE + 8}, Cause.LOAD_MISALIGNED, SRAM_BASE + 8),
    "second granule": (encode("vldsz.8", 1, 5, 6), {5: END - 8, 6: 2 << 32 | 8}, Cause.LOAD_ACCESS_FAULT, END),
    "index": (encode("vldx.8", 1, 5, 2), {5: NOWHERE}, Cause.LOAD_ACCESS_FAULT, NOWHERE),
    "group of a transpose": (encode("vtrn.e32", 1, 8, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("vtrn.e32", 1, 8, 0)),
    "step A's second line": (
        encode("mstep.x.pp", 0, 5, 6, 3), {5: END - LINE, 6: SRAM_BASE}, Cause.LOAD_ACCESS_FAULT, END - LINE,
    ),
    "mst.x misaligned": (encode("mst.x.sp", 0, 5, 3), {5: SRAM_BASE + 4}, Cause.STORE_MISALIGNED, SRAM_BASE + 4),
    "mst.x nowhere": (encode("mst.x", 0, 5, 3), {5: NOWHERE}, Cause.STORE_ACCESS_FAULT, NOWHERE),
    "CSR behind the formats": (encode("csrrs", 1, 0x7C6, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0x7C6, 0)),
    "step A before B": (
        encode("mstep.bf16.pp", 0, 5, 6), {5: NOWHERE, 6: SRAM_BASE + 1}, Cause.LOAD_ACCESS_FAULT, NOWHERE,
    ),
    "step A misaligned": (encode("mstep.bf16.mm", 0, 5, 6), {5: NOWHERE + 8, 6: SRAM_BASE}, Cause.LOAD_MISALIGNED, NOWHERE + 8),
    "step B": (encode("mstepz.bf16.pp", 0, 5, 6), {5: SRAM_BASE, 6: END}, Cause.LOAD_ACCESS_FAULT, END),
    "accumulator": (encode("mzero", TINY.accumulators), {}, Cause.ILLEGAL_INSTRUCTION, encode("mzero", TINY.accumulators)),
    "even and even": (
        encode("mstep.bf16.pp", 0, 4, 6), {4: SRAM_BASE, 6: SRAM_BASE},
        Cause.ILLEGAL_INSTRUCTION, encode("mstep.bf16.pp", 0, 4, 6),
    ),
    "odd and odd": (encode("mstepz.bf16.pp", 0, 5, 7), {}, Cause.ILLEGAL_INSTRUCTION, encode("mstepz.bf16.pp", 0, 5, 7)),
    "mld misaligned": (encode("mld.f32", 0, 5), {5: SRAM_BASE + 8}, Cause.LOAD_MISALIGNED, SRAM_BASE + 8),
    "mld behind": (encode("mld.f32.p", 0, 5), {5: END}, Cause.LOAD_ACCESS_FAULT, END),
    "mst misaligned": (encode("mst.f32", 0, 5), {5: SRAM_BASE + 8}, Cause.STORE_MISALIGNED, SRAM_BASE + 8),
    "mst.bf16 misaligned": (encode("mst.bf16", 0, 5), {5: SRAM_BASE + 4}, Cause.STORE_MISALIGNED, SRAM_BASE + 4),
    "mst.bf16 nowhere": (encode("mst.bf16.p", 0, 5), {5: NOWHERE}, Cause.STORE_ACCESS_FAULT, NOWHERE),
    "nwrite misaligned": (encode("nwrite", 1, 5), {5: 1 << 60 | 8}, Cause.STORE_MISALIGNED, 1 << 60 | 8),
    "nwrite exit 5": (encode("nwrite.p", 1, 5), {5: 5 << 47}, Cause.STORE_ACCESS_FAULT, 5 << 47),
    "nwrite exit 6, bit 50": (encode("nwrite", 1, 5), {5: 6 << 47 | 1 << 50}, Cause.STORE_ACCESS_FAULT, 6 << 47 | 1 << 50),
    "nwrite semaphore": (encode("nwrite.s", 1, 5, 8), {}, Cause.ILLEGAL_INSTRUCTION, encode("nwrite.s", 1, 5, 8)),
    "nread misaligned": (encode("nread", 1, 5), {5: 8}, Cause.LOAD_MISALIGNED, 8),
    "nread of two columns": (encode("nread", 1, 5), {5: 1 << 50}, Cause.LOAD_ACCESS_FAULT, 1 << 50),
    "nread of rows, misaligned": (encode("nread", 1, 5), {5: 1 << 63 | 8}, Cause.LOAD_MISALIGNED, 1 << 63 | 8),
    "nread exit 7": (encode("nread", 1, 5), {5: 7 << 47}, Cause.LOAD_ACCESS_FAULT, 7 << 47),
    "nsd misaligned": (encode("nsd", 1, 5), {5: 4}, Cause.STORE_MISALIGNED, 4),
    "nsd exit 5, bit 63": (encode("nsd", 1, 5), {5: 5 << 47 | 1 << 63}, Cause.STORE_ACCESS_FAULT, 5 << 47 | 1 << 63),
    "swait": (encode("swait", TINY.semaphores, 5), {}, Cause.ILLEGAL_INSTRUCTION, encode("swait", TINY.semaphores, 5)),
    "spost": (encode("spost", 31, 5), {}, Cause.ILLEGAL_INSTRUCTION, encode("spost", 31, 5)),
    "CSR of supervisors": (encode("csrrs", 1, 0x302, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0x302, 0)),
    "mcounteren": (encode("csrrs", 1, 0x306, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0x306, 0)),
    "no event of mcycle": (encode("csrrs", 1, 0x321, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0x321, 0)),
    "no counter 1": (encode("csrrs", 1, 0xB01, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0xB01, 0)),
    "behind counter 31": (encode("csrrs", 1, 0xB20, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0xB20, 0)),
    "mconfigptr written": (
        encode("csrrw", 1, Csr.MCONFIGPTR, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrw", 1, Csr.MCONFIGPTR, 0),
    ),
    "user counter": (encode("csrrs", 1, 0xC00, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 1, 0xC00, 0)),
    "csrrw read-only": (encode("csrrw", 0, Csr.MHARTID, 0), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrw", 0, Csr.MHARTID, 0)),
    "csrrs read-only": (encode("csrrs", 0, Csr.MNODE, 5), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrs", 0, Csr.MNODE, 5)),
    "csrrci read-only": (encode("csrrci", 0, Csr.MNODE, 1), {}, Cause.ILLEGAL_INSTRUCTION, encode("csrrci", 0, Csr.MNODE, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_trap_without_handler_stops_the_thread_and_changes_nothing(name: str) -> None:
    word, registers, cause, value = TRAPS[name]
    node = GoldenNode(TINY)
    records: list[Retirement] = []
    node.on_retire = records.append
    node.load(program([word, HALT]))
    thread = node.threads[0]
    for register, content in registers.items():
        thread.x[register] = content
    thread.write_csr(Csr.MSTATUS, 8)
    before, memory = list(thread.x), bytes(node.sram)
    thread.start(SRAM_BASE)
    node.run()
    expected = SRAM_BASE if value is None else value
    assert (thread.state, thread.pc, thread.mepc) == (ThreadState.TRAPPED, SRAM_BASE, SRAM_BASE)
    assert (thread.mcause, thread.mtval, thread.read_csr(Csr.MSTATUS)) == (cause, expected, 0x1880)
    assert records == [Retirement(0, SRAM_BASE, word, cause, expected)]
    assert (thread.x[:32], bytes(node.sram), thread.minstret) == (before[:32], memory, 0)


@pytest.mark.parametrize("name", TRAPS)
def test_trap_with_handler_goes_there_and_mret_comes_back(name: str) -> None:
    word, registers, cause, value = TRAPS[name]
    handler = SRAM_BASE + 0x40
    node = GoldenNode(TINY)
    node.load(program([word, encode("addi", 30, 0, 7), HALT]))
    code = [
        encode("csrrs", 28, Csr.MCAUSE, 0), encode("csrrs", 29, Csr.MTVAL, 0), encode("csrrs", 31, Csr.MSTATUS, 0),
        encode("csrrs", 27, Csr.MEPC, 0), encode("addi", 27, 27, 4), encode("csrrw", 0, Csr.MEPC, 27), encode("mret"),
    ]  # fmt: skip
    node.sram[0x40 : 0x40 + 4 * len(code)] = b"".join(w.to_bytes(4, "little") for w in code)
    thread = node.threads[0]
    for register, content in registers.items():
        thread.x[register] = content
    thread.mtvec = handler
    thread.write_csr(Csr.MSTATUS, 8)
    thread.start(SRAM_BASE)
    node.run()
    assert (thread.x[28], thread.x[29]) == (cause, SRAM_BASE if value is None else value)
    assert thread.x[31] == 0x1880, "MPIE has MIE, MIE is 0"
    assert thread.read_csr(Csr.MSTATUS) == 0x1888, "mret brings MIE back and sets MPIE"
    assert (thread.x[30], thread.state) == (7, ThreadState.HALTED)


def test_running_off_the_end_of_sram_faults_at_the_fetch() -> None:
    node = GoldenNode(TINY)
    records: list[Retirement] = []
    node.on_retire = records.append
    node.sram[-4:] = encode("addi", 1, 0, 1).to_bytes(4, "little")
    node.threads[0].start(END - 4)
    node.run()
    assert [(r.pc, r.cause, r.value) for r in records] == [(END - 4, None, None), (END, Cause.INSTRUCTION_ACCESS_FAULT, END)]


def test_branch_not_taken_does_not_check_its_target() -> None:
    assert run_words(TINY, encode("bne", 0, 0, 6), HALT).threads[0].state is ThreadState.HALTED


def test_misaligned_start_traps_at_once() -> None:
    node = GoldenNode(TINY)
    thread = node.threads[0]
    thread.exit_code = 5
    thread.start(SRAM_BASE + 6)
    assert (thread.state, thread.mcause, thread.mtval) == (ThreadState.TRAPPED, Cause.INSTRUCTION_MISALIGNED, SRAM_BASE + 6)
    assert (thread.pc, thread.mepc, thread.exit_code) == (SRAM_BASE + 4, SRAM_BASE + 4, 0)


def test_whole_accumulator_must_lie_in_sram() -> None:
    config = preset("medium")
    end = SRAM_BASE + config.sram_bytes
    start = end - config.line_bytes
    assert config.accumulator_lines == 2
    for mnemonic, cause in (("mld.f32", Cause.LOAD_ACCESS_FAULT), ("mst.f32", Cause.STORE_ACCESS_FAULT)):
        thread = run_words(config, encode(mnemonic, 0, 5), HALT, x={5: start}).threads[0]
        assert (thread.mcause, thread.mtval) == (cause, start)
    assert run_words(config, encode("mst.bf16", 0, 5), HALT, x={5: start}).threads[0].state is ThreadState.HALTED


WRITABLE = {
    Csr.MSTATUS: 0x1888, Csr.MISA: MISA_VALUE, Csr.MIE: 0, Csr.MTVEC: MINUS_1 - 3, Csr.MSCRATCH: MINUS_1,
    Csr.MEPC: MINUS_1 - 3, Csr.MCAUSE: MINUS_1, Csr.MTVAL: MINUS_1, Csr.MIP: 0, Csr.MINSTRET: MINUS_1, Csr.MCYCLE: MINUS_1,
    Csr.MCOUNTINHIBIT: 5 | EVENT_INHIBITS,
    # Kind 7 is written as 0.
    Csr.MFORMAT0: 0x003F_003F_003F_003F, Csr.MFORMAT1: 0x003F_003F_003F_003F, Csr.MFORMAT2: 0x003F_003F_003F_003F,
    Csr.MFORMAT3: 0x003F_003F_003F_003F, Csr.MFLAGS: 0x3F, Csr.MSEED: 0xFFFF_FFFF,
}  # fmt: skip


@pytest.mark.parametrize("number", [base + n for base in (MHPMCOUNTER_BASE, MHPMEVENT_BASE) for n in (14, 17, 31)])
def test_performance_counters_without_an_event_exist_and_read_zero(number: int) -> None:
    words = [encode("csrrw", 6, number, 5), encode("csrrs", 7, number, 0), encode("csrrs", 8, number, 5)]
    thread = run_words(TINY, *words, HALT, x={5: MINUS_1, 6: 1, 7: 1, 8: 1}).threads[0]
    assert (thread.state, thread.x[6:9]) == (ThreadState.HALTED, [0, 0, 0])


@pytest.mark.parametrize("csr", WRITABLE)
def test_csr_keeps_exactly_its_writable_bits(csr: Csr) -> None:
    words = [encode("csrrw", 0, csr, 5), encode("csrrs", 6, csr, 0), encode("csrrw", 7, csr, 0), encode("csrrs", 8, csr, 0)]
    thread = run_words(TINY, *words, HALT, x={5: MINUS_1}).threads[0]
    assert thread.x[6] == WRITABLE[csr]
    zeroed = {Csr.MSTATUS: 0x1800, Csr.MISA: MISA_VALUE}.get(csr, 0)
    assert thread.x[8] == zeroed


def test_csr_instructions_set_clear_and_swap() -> None:
    csr = Csr.MSCRATCH
    words = [
        encode("csrrwi", 10, csr, 0b10101), encode("csrrs", 11, csr, 5), encode("csrrc", 12, csr, 6),
        encode("csrrsi", 13, csr, 0b01000), encode("csrrci", 14, csr, 0b00001), encode("csrrw", 15, csr, 15), HALT,
    ]  # fmt: skip
    thread = run_words(TINY, *words, x={5: 0xF00, 6: 0x1300, 15: 99}).threads[0]
    assert thread.x[10:16] == [0, 0b10101, 0xF15, 0xC15, 0xC1D, 0xC1C]
    assert thread.mscratch == 99


def test_set_and_clear_with_source_field_0_read_only_csrs() -> None:
    words = [encode(name, 5, Csr.MCONFIG, 0) for name in ("csrrs", "csrrc", "csrrsi", "csrrci")]
    thread = run_words(TINY, *words, HALT).threads[0]
    assert (thread.state, thread.x[5]) == (ThreadState.HALTED, TINY.descriptor)


def test_identity_csrs_tell_node_and_thread() -> None:
    node = GoldenNode(TINY, x=5, y=9)
    csrs = (Csr.MHARTID, Csr.MNODE, Csr.MVENDORID, Csr.MARCHID, Csr.MIMPID, Csr.MISA)
    node.load(program([*(encode("csrrs", 10 + i, csr, 0) for i, csr in enumerate(csrs)), HALT]))
    node.threads[1].start(SRAM_BASE)
    node.run()
    assert node.threads[1].x[10:16] == [hart_id(5, 9, 1), int(GlobalAddress(5, 9)), 0, 0, 0, MISA_VALUE]


def test_minstret_counts_instructions_before_it_and_takes_writes_as_they_are() -> None:
    read = encode("csrrs", 10, Csr.MINSTRET, 0)
    thread = run_words(TINY, encode("addi", 1, 0, 0), encode("addi", 1, 0, 0), read, HALT).threads[0]
    assert (thread.x[10], thread.minstret) == (2, 4)
    words = [encode("csrrw", 11, Csr.MINSTRET, 5), read, HALT]
    thread = run_words(TINY, *words, x={5: 100}).threads[0]
    assert (thread.x[11], thread.x[10], thread.minstret, thread.retired) == (0, 100, 102, 3)


def test_trapping_instruction_does_not_count_as_retired() -> None:
    words = [encode("csrrw", 0, Csr.MTVEC, 5), encode("ecall"), encode("csrrs", 10, Csr.MINSTRET, 0), HALT]
    thread = run_words(TINY, *words, x={5: SRAM_BASE + 8}).threads[0]
    assert thread.x[10] == 1


def test_mcycle_grows_by_a_cycle_per_instruction_and_goes_on_from_what_is_written() -> None:
    words = [
        encode("csrrs", 10, Csr.MCYCLE, 0), encode("csrrs", 11, Csr.MCYCLE, 0), encode("csrrw", 12, Csr.MCYCLE, 5),
        encode("csrrs", 13, Csr.MCYCLE, 0), encode("addi", 0, 0, 0), encode("csrrs", 14, Csr.MCYCLE, 6),
        encode("csrrs", 15, Csr.MCYCLE, 0),
    ]  # fmt: skip
    node = run_words(TINY, *words, HALT, x={5: 1 << 40, 6: 1})
    first = node.threads[0].x[10]
    assert node.threads[0].x[11:16] == [first + 1, first + 2, 1 << 40, (1 << 40) + 2, (1 << 40) + 3]
    assert node.clock.cycle < 100, "the cycle count from outside is not the thread's to write"


def test_mcycle_wraps() -> None:
    words = [encode("csrrw", 0, Csr.MCYCLE, 5), encode("csrrs", 10, Csr.MCYCLE, 0), encode("csrrs", 11, Csr.MCYCLE, 0), HALT]
    assert run_words(TINY, *words, x={5: MINUS_1}).threads[0].x[10:12] == [MINUS_1, 0]


def test_inhibited_mcycle_stands_still_keeps_writes_and_goes_on_from_there() -> None:
    cycle, inhibit = Csr.MCYCLE, Csr.MCOUNTINHIBIT
    words = [
        encode("csrrw", 0, cycle, 5), encode("csrrwi", 0, inhibit, 1), encode("csrrs", 10, cycle, 0),
        encode("csrrs", 11, cycle, 0), encode("csrrw", 12, cycle, 6), encode("csrrs", 13, cycle, 0),
        encode("csrrsi", 14, inhibit, 0x7), encode("csrrs", 15, cycle, 0), encode("csrrwi", 16, inhibit, 0),
        encode("csrrs", 17, cycle, 0), encode("csrrs", 18, cycle, 0),
    ]  # fmt: skip
    thread = run_words(TINY, *words, HALT, x={5: 1000, 6: 77}).threads[0]
    assert thread.x[10:19] == [1001, 1001, 1001, 77, 1, 77, 5, 77, 78]


def test_inhibited_minstret_stands_still_while_everything_else_counts() -> None:
    instret, inhibit = Csr.MINSTRET, Csr.MCOUNTINHIBIT
    words = [
        encode("csrrw", 0, instret, 5), encode("csrrwi", 0, inhibit, 4), encode("csrrs", 10, instret, 0), encode("addi", 1, 1, 1),
        encode("csrrs", 11, instret, 0), encode("csrrw", 12, instret, 6), encode("csrrs", 13, instret, 0),
        encode("csrrwi", 0, inhibit, 0), encode("csrrs", 14, instret, 0), encode("csrrs", 15, instret, 0), HALT,
    ]  # fmt: skip
    thread = run_words(TINY, *words, x={5: 1000, 6: MINUS_1}).threads[0]
    assert thread.x[10:16] == [1001, 1001, 1001, MINUS_1, MINUS_1, 0], "the writer of mcountinhibit counts as it was before"
    assert thread.retired == len(words)


def test_threads_inhibit_and_write_their_own_counters() -> None:
    node = GoldenNode(TINY)
    node.load(program([encode("csrrwi", 0, Csr.MCOUNTINHIBIT, 5), encode("csrrwi", 0, Csr.MCYCLE, 7), HALT]))
    node.threads[0].start(SRAM_BASE)
    node.run()
    assert node.threads[0].read_csr(Csr.MCYCLE) == 7
    assert (node.threads[1].count_inhibit, node.threads[1].read_csr(Csr.MCYCLE)) == (0, node.clock.cycle)


def test_retirement_stream_shows_every_write_once_even_register_first() -> None:
    node = GoldenNode(TINY)
    records: list[Retirement] = []
    vectors: list[tuple[int, int, bytes]] = []
    node.on_retire = records.append
    node.on_vector_write = lambda *write: vectors.append(write)
    data = SRAM_BASE + 0x100
    words = [
        encode("addi", 0, 0, 5), encode("addi", 1, 1, 0), encode("mstep.bf16.pp", 0, 5, 6), encode("vld.p", 3, 6, LINE),
        encode("sd", 1, 0, 5), encode("jal", 1, 4), encode("csrrs", 2, Csr.MINSTRET, 0), HALT,
    ]  # fmt: skip
    node.load(program(words))
    node.sram[0x100 : 0x100 + 3 * LINE] = bytes(range(3 * LINE))
    thread = node.threads[0]
    thread.x[1], thread.x[5], thread.x[6] = 77, data, data
    thread.start(SRAM_BASE)
    node.run()
    assert [record.writes for record in records] == [
        (), ((1, 77),), ((6, data + LINE), (5, data + LINE)), ((6, data + 2 * LINE),), (), ((1, SRAM_BASE + 24),), ((2, 6),), (),
    ]  # fmt: skip
    assert [record.pc for record in records] == [SRAM_BASE + 4 * i for i in range(len(words))]
    assert [record.word for record in records] == words
    assert vectors == [(0, 3, bytes(range(LINE, 2 * LINE)))]


def test_observed_and_unobserved_runs_are_the_same() -> None:
    words = [
        *load_constant(5, SRAM_BASE + 0x400), encode("addi", 6, 0, 40),
        encode("addi", 7, 7, 3), encode("sd", 7, 0, 5), encode("addi", 5, 5, 8), encode("addi", 6, 6, -1),
        encode("bne", 6, 0, -16), encode("csrrs", 8, Csr.MINSTRET, 0), encode("csrrs", 9, Csr.MCYCLE, 0), encode("halt", 7),
    ]  # fmt: skip
    plain = run_words(TINY, *words)
    seen = GoldenNode(TINY)
    seen.on_retire = lambda record: None
    seen.load(program(words))
    seen.threads[0].start(SRAM_BASE)
    seen.run()
    assert seen.sram == plain.sram
    assert seen.threads[0].x == plain.threads[0].x
    assert seen.clock.cycle == plain.clock.cycle


def test_table_of_traps_covers_every_unit_that_can_trap() -> None:
    words = [row[0] for row in TRAPS.values()]
    prefixes = ("jal", "beq", "ld", "sd", "vld", "vst", "vtrn", "mstep", "mld", "mst", "nwrite", "nread", "nsd", "swait", "csrrw")
    for prefix in prefixes:
        rows = [row for row in INSTRUCTIONS.values() if row.mnemonic.startswith(prefix)]
        assert any(row.encodes(word) for row in rows for word in words), prefix
