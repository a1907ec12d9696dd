# SPDX-License-Identifier: Apache-2.0
"""The monitor takes what a RISC-V machine does, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from golden.config import preset
from golden.layout import SRAM_BASE
from sw.assembler import assemble
from verif.rtl.rvfi.model import execute
from verif.rtl.rvfi.monitor import RvfiError, RvfiInstruction, RvfiMonitor

MEMORY = range(SRAM_BASE, SRAM_BASE + 0x1000)

SOURCE = """
_start: li a0, 5
        la a1, data
loop:   ld a2, (a1)
        add a3, a3, a2
        sw a3, 8(a1)
        addi a0, a0, -1
        bnez a0, loop
        mul a4, a3, a3
        ld zero, (a1)
        add zero, a4, a4
        div a5, a4, a2
        lbu a6, 9(a1)
        halt zero
        .align 3
data:   .dword 0x0102030405060708, 0
"""


def executed() -> list[RvfiInstruction]:
    """What a machine shows that executes the program, in order."""
    program = assemble(SOURCE, config=preset("tiny"))
    memory = bytearray(len(MEMORY))
    for address, contents in program.segments:
        memory[address - SRAM_BASE : address - SRAM_BASE + len(contents)] = contents
    registers, pc = [0] * 32, program.entry
    shown: list[RvfiInstruction] = []
    blank = RvfiInstruction(*[0] * 20)
    while True:
        at = pc - SRAM_BASE
        insn = int.from_bytes(memory[at : at + 4], "little")
        it = replace(blank, order=len(shown), insn=insn, intr=int(not shown), mode=3, ixl=2, pc_rdata=pc)
        if insn & 0x7F not in (0x03, 0x13, 0x17, 0x23, 0x33, 0x37, 0x63):
            return [*shown, replace(it, pc_wdata=pc + 4, halt=1)]
        rs1, rs2 = registers[insn >> 15 & 31], registers[insn >> 20 & 31]
        first = execute(insn, pc, rs1, rs2, 0)
        assert first is not None
        place = first.address - SRAM_BASE
        loaded = int.from_bytes(memory[place : place + first.size], "little") if first.reads else 0
        effect = execute(insn, pc, rs1, rs2, loaded)
        assert effect is not None
        assert effect.pc is not None
        value = (effect.value or 0) if effect.rd else 0
        mask = (1 << effect.size) - 1
        shown.append(
            replace(
                it,
                rs1_addr=effect.rs1,
                rs2_addr=effect.rs2,
                rs1_rdata=registers[effect.rs1],
                rs2_rdata=registers[effect.rs2],
                rd_addr=effect.rd,
                rd_wdata=value,
                pc_wdata=effect.pc,
                mem_addr=effect.address,
                mem_rmask=mask if effect.reads else 0,
                mem_wmask=mask if effect.writes else 0,
                mem_rdata=loaded,
                mem_wdata=effect.data,
            )
        )
        if effect.rd:
            registers[effect.rd] = value
        if effect.writes:
            memory[place : place + effect.size] = effect.data.to_bytes(effect.size, "little")
        pc = effect.pc


SHOWN = executed()


def check_cycles(cycles: list[list[RvfiInstruction]]) -> RvfiMonitor:
    """The monitor, having seen all that in these cycles."""
    monitor = RvfiMonitor(MEMORY)
    for shown in cycles:
        monitor.cycle(shown)
    monitor.finish()
    return monitor


def check(shown: list[RvfiInstruction]) -> RvfiMonitor:
    """The same with a cycle for each instruction."""
    return check_cycles([[instruction] for instruction in shown])


def late(number: int, cycle: int) -> list[list[RvfiInstruction]]:
    """Cycles with an instruction each, but for one that shows together with a later one."""
    return [[it, SHOWN[number]] if it.order == cycle else [it] for it in SHOWN if it.order != number]


def first(which: Callable[[RvfiInstruction], object], after: int = 0) -> int:
    """Number of the first instruction of that kind."""
    return next(it.order for it in SHOWN if it.order >= after and which(it))


LOAD, STORE = first(lambda it: it.mem_rmask), first(lambda it: it.mem_wmask)
TAKEN = first(lambda it: it.pc_wdata != it.pc_rdata + 4)
PRODUCT = first(lambda it: it.insn & 0x7F == 0x33 and it.insn >> 25 == 1)
TO_X0 = first(lambda it: it.insn >> 7 & 31 == 0 and it.insn & 0x7F == 0x33)
LOAD_TO_X0 = TO_X0 - 1
LAST = len(SHOWN) - 1


def test_a_machine_that_does_what_it_must_is_taken() -> None:
    monitor = check(SHOWN)
    assert monitor.instructions == SHOWN
    assert monitor.checked == len(SHOWN)


def test_results_may_come_late_as_long_as_nobody_has_read_them() -> None:
    assert check_cycles(late(PRODUCT, PRODUCT + 1)).instructions == SHOWN


def test_a_result_that_shows_with_or_behind_its_reader_is_found() -> None:
    reader = first(lambda it: it.rs1_addr == SHOWN[PRODUCT].rd_addr, PRODUCT + 1)
    for delay in (0, 1):
        with pytest.raises(RvfiError, match="before what was written there shows"):
            check_cycles(late(PRODUCT, reader + delay))


def test_what_is_missing_is_found_at_the_end() -> None:
    with pytest.raises(RvfiError, match=f"instruction {LOAD} never came"):
        check([it for it in SHOWN if it.order != LOAD])


def test_what_comes_twice_is_found() -> None:
    for again in (LOAD, LAST):
        with pytest.raises(RvfiError, match="twice"):
            check([*SHOWN, SHOWN[again]])


@pytest.mark.parametrize(
    "number, changes, message",
    [
        (0, {"intr": 0}, "no intr"),
        (LOAD, {"mode": 0}, "mode"),
        (LOAD, {"mem_rdata": 1}, "rd_wdata"),
        (LOAD, {"mem_rmask": 0x0F}, "mem_rmask"),
        (LOAD, {"mem_addr": SHOWN[LOAD].mem_addr + 8}, "mem_addr"),
        (LOAD, {"rd_addr": 0, "rd_wdata": 0}, "rd_addr"),
        (LOAD, {"trap": 1}, "did something all the same"),
        (LOAD, {"trap": 1, "rd_addr": 0, "rd_wdata": 0, "mem_rmask": 0}, "no reason"),
        (LOAD, {"insn": SHOWN[LOAD].insn | 0x7000}, "illegal"),
        (STORE, {"mem_wdata": 0}, "mem_wdata"),
        (STORE, {"mem_wmask": 0xFF}, "mem_wmask"),
        (STORE, {"rs2_rdata": 0}, "holds"),
        (STORE, {"rd_wdata": 1}, "rd_wdata is 0x1"),
        (STORE, {"rd2_addr": 9, "rd2_wdata": 1}, "rd2_addr"),
        (TAKEN, {"pc_wdata": SHOWN[TAKEN].pc_rdata + 4}, "pc_wdata"),
        (TAKEN, {"rs1_addr": 0, "rs1_rdata": 0, "pc_wdata": SHOWN[TAKEN].pc_rdata + 4}, "rs1_addr"),
        (TAKEN + 1, {"pc_rdata": SHOWN[TAKEN].pc_rdata + 4}, "goes on at"),
        (PRODUCT, {"rd_wdata": SHOWN[PRODUCT].rd_wdata + 1}, "rd_wdata"),
        (TO_X0, {"rd_wdata": SHOWN[PRODUCT].rd_wdata * 2}, "rd_wdata"),
        (LOAD_TO_X0, {"mem_rmask": 0}, "mem_rmask"),
        (LAST, {"pc_wdata": SHOWN[LAST].pc_rdata}, "though it is no jump"),
        (LAST, {"mem_wmask": 1}, "no scalar memory"),
        (LAST, {"rd_wdata": 1}, "no register is written"),
        (LAST, {"rd_addr": 9, "rd2_addr": 9}, "written twice"),
        (LAST - 1, {"halt": 1}, "was not started again"),
        (LAST - 1, {"insn": 0x73, "rs1_addr": 0, "rs1_rdata": 0}, "must trap"),
    ],
)
def test_whatever_else_a_machine_does_is_found(number: int, changes: dict[str, int], message: str) -> None:
    with pytest.raises(RvfiError, match=message):
        check([*SHOWN[:number], replace(SHOWN[number], **changes), *SHOWN[number + 1 :]])


def test_a_misaligned_access_must_trap_and_a_handler_has_intr() -> None:
    wanted = replace(
        SHOWN[LOAD], insn=SHOWN[LOAD].insn | 1 << 20, trap=1, rd_addr=0, rd_wdata=0, mem_rmask=0, mem_addr=0, pc_wdata=SRAM_BASE
    )
    handler = replace(SHOWN[0], order=LOAD + 1)
    assert check([*SHOWN[:LOAD], wanted, handler]).checked == LOAD + 2
    with pytest.raises(RvfiError, match="first of a handler"):
        check([*SHOWN[:LOAD], wanted, replace(handler, intr=0)])
    with pytest.raises(RvfiError, match="must trap"):
        check([*SHOWN[:LOAD], replace(SHOWN[LOAD], insn=wanted.insn, mem_addr=SHOWN[LOAD].mem_addr + 1)])
    with pytest.raises(RvfiError, match="stays there"):
        check([*SHOWN[:LOAD], replace(wanted, halt=1)])
