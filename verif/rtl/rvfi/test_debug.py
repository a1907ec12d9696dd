# SPDX-License-Identifier: Apache-2.0
"""What a debugger has a thread do between its own instructions shows among them, and registers stay consistent."""

from __future__ import annotations

import pytest

from golden.config import preset
from golden.layout import DebugCommand, ThreadState
from sw.assembler import assemble
from verif.rtl.node.debugged import Debugged
from verif.rtl.rvfi.sources import check_records
from verif.rtl.rvfi.test_observed import follow, place_and_word
from verif.rtl.rvfi.test_rvfi import observed, rebuild_all

CONFIG = preset("tiny")

SOURCE = """
_start: la t0, handler
        csrw mtvec, t0
        la s0, data
loop:   ld a0, (s0)
        mul a1, a0, a0
        ld a2, 1(s0)
        sd a1, 8(s0)
        vld v1, (s0)
        vadd.i32 v2, v1, v1
        vst v2, 2 * LINE_BYTES(s0)
        addi a3, a3, 1
        j loop
handler: csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
last:   addi a3, a3, 1
        halt a3
        .align 6
data:   .dword 3, 4, 5, 6
"""

#: What the debugger injects: results that come at once and late, accesses to memory, traps, vectors.
INJECTED = (
    "addi a4, a1, 3", "ld a5, 0(s0)", "mul a6, a5, a4", "div a7, a6, a4", "add a7, a7, a7", "ld a5, 1(s0)", "csrr a5, mhartid",
    "sd a6, 16(s0)", "lw zero, 16(s0)", "ecall", "auipc a5, 1", "vadd.i32 v3, v1, v1", "vst v3, 0(s0)",
    "beq zero, a1, _start", "fence.i",
)  # fmt: skip


@pytest.mark.rtl
def test_injected_instructions_show_among_those_of_their_thread() -> None:
    program = assemble(SOURCE, config=CONFIG)
    words = {text: int.from_bytes(assemble(f"_start: {text}", config=CONFIG).segments[0][1][:4], "little") for text in INJECTED}
    with Debugged(observed(CONFIG)) as both:
        array = both.compiled
        array.observe(rvfi=True, xvfi=True, view=True)
        both.load(program)
        both.command(0, DebugCommand.STOP)
        both.place(0, program.entry)
        failed = []
        for round_ in range(3):
            for _ in range(7):
                both.command(0, DebugCommand.STEP)
            for text, word in words.items():
                if both.inject(0, word).failed:
                    failed.append(text)
            assert failed == ["ld a5, 1(s0)", "ecall"] * (round_ + 1)
        both.place(0, program.symbols["last"])
        both.command(0, DebugCommand.RESUME)
        both.run()
        assert both.state(0) is ThreadState.HALTED
        # A thread that has ended can be made to go on, and to start as ever.
        both.command(0, DebugCommand.STOP)
        both.place(0, program.symbols["last"])
        both.command(0, DebugCommand.RESUME)
        both.run()
        both.start(0, program.symbols["last"])
        both.run()
        both.check_retired(0)
        both.check_vector_writes()
        cycles = array.view_records()
        monitors = check_records(CONFIG, array.rvfi_records())
        rebuild_all(CONFIG, monitors, array)
    instructions = monitors[0, 0, 0].instructions
    injected = [it for it in instructions if it.debug]
    placed = 3
    assert len(injected) == 3 * len(INJECTED) + 3 * placed
    assert [it.insn for it in injected if it.trap] == [words[text] for text in ("ld a5, 1(s0)", "ecall")] * 3
    own = [it for it in instructions if not it.debug]
    assert len(own) == 3 * 7 + 3 * 2
    assert sum(it.halt for it in instructions) == 3
    assert [it.insn for it in instructions if it.intr][-1] == own[-2].insn, "it was started"
    assert follow(CONFIG, cycles)[0].committed == [place_and_word(it) for it in instructions]
