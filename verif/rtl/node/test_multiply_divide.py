# SPDX-License-Identifier: Apache-2.0
"""M on whole nodes: every instruction with operands at the edges, hazards around it, and threads that are stopped meanwhile."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Extension
from golden.layout import SRAM_BASE, ThreadRegister, ThreadState, thread_offset
from sw.assembler import assemble
from verif.bench import start
from verif.rtl.node.comparison import Comparison
from verif.rtl.node.host import NodeHost
from verif.rtl.node.node_bench import bench_config, run_node_bench

MNEMONICS = [row.mnemonic for row in INSTRUCTIONS.values() if row.extension is Extension.RV64M]

#: Operands: both signs, zero, overflow, words whose upper halves must not matter, one bit, all bits.
PAIRS = (
    (7, 3), (-7, 3), (7, -3), (-7, -3), (0, 5), (-5, 0), (0, 0), (-(1 << 63), -1), (-(1 << 31), -1), (1 << 31, -1), (-1, 1 << 63),
    (0x1234_5678_9ABC_DEF0, 0xFEDC_BA98_0000_0001), (0xFFFF_FFFF_0000_0064, 0x1_0000_0007), (1 << 32, 1 << 31), (-1, -1),
    ((1 << 63) - 1, 2), (0x8000_0000_0000_0001, 0xFFFF_FFFF), (1 << 63, 1),
)  # fmt: skip


@pytest.mark.parametrize("test", ["edges", "hazards", "stopping"])
@pytest.mark.parametrize("config", [preset("nano"), preset("tiny")], ids=lambda p: p.name)
def test_node(config: NodeConfig, test: str) -> None:
    run_node_bench(config, __name__, tests=[test])


def test_matrix_steps_of_a_thread_go_on_while_another_one_divides() -> None:
    run_node_bench(preset("tiny"), __name__, tests=["sharing"])


async def same_as_golden(dut: Any, source: str) -> None:
    """Both run the program and retire the same."""
    config = bench_config()
    program = assemble(source, config=config)
    both = Comparison(dut, config)
    await both.reset()
    for address, contents in program.segments:
        both.write(address - SRAM_BASE, contents)
    both.start_thread(0, program.entry)
    await both.run()
    both.compare_execution([0])
    await both.compare_registers()


@cocotb.test()
async def edges(dut: Any) -> None:
    """Every instruction gives what the golden node gives, for all pairs of operands."""
    await start(dut)
    dwords = "\n".join(f".dword {a % 2**64:#x}, {b % 2**64:#x}" for a, b in PAIRS)
    for mnemonic in MNEMONICS:
        await same_as_golden(
            dut,
            f"_start: la a0, pairs\n li t0, {len(PAIRS)}\n 1: ld a1, 0(a0)\n ld a2, 8(a0)\n {mnemonic} a3, a1, a2\n"
            f" addi a0, a0, 16\n addi t0, t0, -1\n bnez t0, 1b\n halt zero\n .align 3\n pairs: {dwords}",
        )


@cocotb.test()
async def hazards(dut: Any) -> None:
    """Operands come from what is just before, results go to what is just after, and x0 stays 0."""
    await start(dut)
    for mnemonic in MNEMONICS:
        await same_as_golden(
            dut,
            f"""_start: la a0, cell
            li a1, -1000
            li a2, 7
            {mnemonic} a1, a1, a2
            {mnemonic} a2, a1, a1
            {mnemonic} zero, a1, a2
            add a3, zero, a2
            ld a4, 0(a0)
            {mnemonic} a4, a4, a4
            sd a4, 0(a0)
            ld a4, 0(a0)
            csrr a5, minstret
            {mnemonic} a5, a5, a4
            csrw mscratch, a5
            {mnemonic} a6, a5, a2
            beq a6, a5, 1f
            addi a6, a6, 1
            1: {mnemonic} a7, a6, a6
            csrr a6, mscratch
            vbc.e64 v1, a7
            jal 2f
            2: {mnemonic} a0, ra, a2
            halt a0
            .align 3
            cell: .dword 0x123456789""",
        )


@cocotb.test()
async def stopping(dut: Any) -> None:
    """A thread that is stopped while it multiplies or divides has executed what it retired, nothing else, and goes on."""
    await start(dut)
    config = bench_config()
    dut.rst.value = 1
    host = NodeHost(dut, config)
    await host.step()
    await host.step()
    dut.rst.value = 0
    program = assemble(
        "_start: li a0, 3\n li a2, -5\n again: mulh a1, a2, a0\n divu a2, a2, a0\n xori a2, a2, -1\n j again\n"
        "first: halt a1\n second: halt a2",
        config=config,
    )
    for address, contents in program.segments:
        host.write(address - SRAM_BASE, contents)

    async def ends(address: int) -> int:
        host.start_thread(0, address)
        await host.finish(2000)
        assert await host.read_register(thread_offset(0, ThreadRegister.STATE)) == ThreadState.HALTED
        return await host.read_register(thread_offset(0, ThreadRegister.EXIT_CODE))

    pc = program.entry
    values: dict[int, int] = {}
    for delay in range(0, 90, 7):
        host.retired[0].clear()
        host.start_thread(0, pc)
        await host.until(lambda: bool(int(dut.running.value)), "a running thread")
        for _ in range(delay):
            await host.step()
        host.write_register(thread_offset(0, ThreadRegister.STATE), 0)
        await host.finish(2000)
        assert await host.read_register(thread_offset(0, ThreadRegister.STATE)) == ThreadState.HALTED
        for record in host.retired[0]:
            assert record.pc == pc
            assert record.cause is None
            values |= dict(record.writes)
            pc = program.symbols["again"] if pc == program.symbols["first"] - 4 else pc + 4
        assert await host.read_register(thread_offset(0, ThreadRegister.PC)) == pc
        for name, register in (("first", 11), ("second", 12)):
            assert await ends(program.symbols[name]) == values.get(register, 0)


@cocotb.test()
async def sharing(dut: Any) -> None:
    """The other pipes are not held up by a division."""
    await start(dut)
    config = bench_config()
    dut.rst.value = 1
    host = NodeHost(dut, config)
    await host.step()
    await host.step()
    dut.rst.value = 0
    steps = "mzero m0\n" * 150
    program = assemble(f"_start: li a0, -1\n li a1, 1\n divu a2, a0, a1\n halt a2\n second: {steps} halt zero", config=config)
    for address, contents in program.segments:
        host.write(address - SRAM_BASE, contents)
    host.start_thread(1, program.symbols["second"])
    await host.until(lambda: bool(host.retired[1]), "the second thread's start")
    host.start_thread(0, program.entry)
    await host.until(lambda: len(host.retired[0]) == 3, "the division")
    before = len(host.retired[1])
    await host.until(lambda: len(host.retired[0]) == 4, "what needs the quotient")
    assert len(host.retired[1]) - before > 20
    await host.finish()
