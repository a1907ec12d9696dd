# SPDX-License-Identifier: Apache-2.0
"""Whatever comes from outside at whatever time, what RVFI shows stays the story of a RISC-V machine."""

from __future__ import annotations

import itertools

import pytest

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, ControlRegister, ThreadRegister, control_offset, thread_offset
from scripts.simulator import SimulatedArray
from sw.assembler import assemble
from verif.rtl.rvfi.monitor import RvfiInstruction
from verif.rtl.rvfi.sources import check_records
from verif.rtl.rvfi.test_rvfi import CONFIGS, observed, rebuild_all

#: With a handler and without: loads, products, quotients, gathers of which the last granule is bad, requests that fail, a
#: semaphore that nobody posts, ends of each kind.
SOURCE = """
handled: la t0, handler
        csrw mtvec, t0
        j common
plain:  csrw mtvec, zero
common: la s0, data
        li s1, SRAM_BASE + SRAM_BYTES + 8 - LINE_BYTES
        li s2, 8
        csrr s3, mnode
        li s4, 0x1e0000
        add s3, s3, s4
        ld a0, (s0)
        mul a1, a0, a0
        div a2, a1, a0
        addi a3, a3, 1
        vlds.8 v2, (s0), s2
        ld a4, 8(s0)
        sd a2, 16(s0)
        vld v3, (s0)
        vadd.i32 v4, v3, v3
        vst v4, LINE_BYTES(s0)
        vlds.8 v1, (s1), s2
        nread v5, (s3)
        addi a5, a5, 2
        bnez a4, 1f
        addi a5, a5, 4
1:      rem a2, a1, a3
        mul a2, a2, a2
        vlds.8 v1, (s1), s2
        addi a6, a6, 1
        nread v5, (s3)
        vlds.8 v2, (s0), s2
        swait 1, s2
        halt a6
exits:  la s0, data
        li a0, 1
        ld a1, (s0)
        sd a0, 24(s0)
        addi a2, a2, 1
        halt a2
handler: csrr t0, mepc
        csrr t1, mcause
        li t2, 24
        beq t1, t2, 1f
        addi t0, t0, 4
1:      csrw mepc, t0
        mret
        .align 6
data:   .dword 3, 4, 0, 0, 0, 0, 0, 0
        .align 6
        .dword 0, 0, 0, 0, 0, 0, 0, 0
"""


@pytest.mark.rtl
@CONFIGS
def test_starts_and_stops_at_any_time_leave_the_stream_of_a_thread_consistent(config: NodeConfig) -> None:
    program = assemble(SOURCE, config=config)
    symbols = program.symbols
    with SimulatedArray(config, 1, 1, library=observed(config), threads=1) as array:
        for address, contents in program.segments:
            array.poke(0, 0, address - SRAM_BASE, contents)
        array.write_register(0, 0, control_offset(ControlRegister.TOHOST_ADDRESS), symbols["data"] + 24)
        array.observe(rvfi=True, xvfi=True)
        # What a packet does comes some 15 cycles after it was sent.
        for delay, (entry, stops) in itertools.product(range(1, 60), (("handled", False), ("plain", False), ("handled", True))):
            for thread in range(config.threads):
                array.write_register(0, 0, thread_offset(thread, ThreadRegister.PC), symbols[entry])
            array.run(max_cycles=2 * delay)
            if stops:
                array.write_register(0, 0, thread_offset(0, ThreadRegister.STATE), 0)
            if delay % 7 == 0:
                array.write_register(0, 0, thread_offset(config.threads - 1, ThreadRegister.PC), symbols["exits"])
                array.run(max_cycles=delay)
        array.run(max_cycles=2000)
        monitors = check_records(config, array.rvfi_records())
        rebuild_all(config, monitors, array)
    for monitor in monitors.values():
        instructions = monitor.instructions
        assert surprises(instructions) > 100
        assert sum(it.halt for it in instructions) > 20


def surprises(instructions: list[RvfiInstruction]) -> int:
    """Instructions that lie elsewhere than where the one before them goes on."""
    return sum(it.pc_rdata != before.pc_wdata for before, it in itertools.pairwise(instructions))
