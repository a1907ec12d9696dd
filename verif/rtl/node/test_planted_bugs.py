# SPDX-License-Identifier: Apache-2.0
"""Comparison with the golden node finds mistakes planted in the core: programs that pass without them fail with them.

The monitor of RVFI finds those that scalar instructions show, without a golden node. All mistakes are in one build; an input of
the node chooses one. If a program passes with its mistake, benches that compare in the same way do not find such mistakes any
more.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cocotb
import pytest

from golden.config import preset
from golden.layout import SRAM_BASE
from rtl.export import TOP, export_node
from rtl.macros.verilog import MACRO_SOURCES
from verif.bench import run_bench, start
from verif.rtl.node.comparison import Comparison
from verif.rtl.node.mistakes import Mistake, MistakenNode
from verif.rtl.node.test_hazards import CODE_BYTES, DATA_BYTES, EPILOGUE, PROLOGUE, all_vectors, load, nops, operands, result
from verif.rtl.rvfi.monitor import RvfiError
from verif.rtl.rvfi.sources import RvfiPorts, monitor_of

CONFIG = preset("tiny")

#: Again and again, at all places of a group, whatever the other thread leaves free.
_MISPREDICTED = "".join(
    nops(n % 3) + "mv a1, s0\n beq a1, s0, 1f\n addi a0, a0, 1\n addi a0, a0, 2\n 1: addi a2, a0, 1\n" for n in range(6)
)
#: The same, with operands that have been in registers for some time, and at times, thanks to a division, with what is behind the
#: branch decoded before it is issued.
_CORRECTED = "mv a1, s0\n" + "".join(
    nops(3 + n % 4) + "div a3, s0, s1\n" * (n % 3) + "beq a1, s0, 1f\n addi a0, a0, 1\n addi a0, a0, 2\n 1: addi a2, a0, 1\n"
    for n in range(12)
)
_TRAPS = "".join(nops(n % 3) + "ld a0, 0(zero)\n addi a1, a1, 1\n addi a2, a2, 1\n" for n in range(6))
#: Code of the thread's own that is replaced, in lines of all sets of the instruction cache: where other code has the same set,
#: the old line may be gone before it is called.
_REWRITTEN = "la a0, 1f\n lw a1, 0(a0)\n lw a2, 4(a0)\n lw a3, 8(a0)\n j 2f\n 1: li a4, 1\n jr ra\n li a4, 2\n 2:\n" + "".join(
    f"addi a5, s1, {line} * LINE_BYTES\n sw a2, 4(a5)\n"
    + "".join(f"sw {word}, 0(a5)\n fence.i\n jalr ra, 0(a5)\n" for word in ("a1", "a3"))
    for line in range(4)
)

#: What shows each mistake; every thread runs it on lines of its own, as in test_hazards.
PROGRAMS = {
    Mistake.X_NOT_FORWARDED: "li a0, 1\n addi a0, a0, 1\n add a1, a0, a0\n sub a1, a1, a0\n",
    Mistake.LATE_NOT_FORWARDED: "ld a0, 0(s0)\n add a1, a0, a0\n mul a2, a1, a1\n add a3, a2, a2\n",
    Mistake.LOAD_RELEASED_EARLY: "ld a0, 0(s0)\n add a1, a0, a0\n lb a0, 5(s0)\n add a1, a0, a0\n",
    Mistake.PRODUCT_RELEASED_EARLY: "mul a0, s0, s0\n add a1, a0, a0\n",
    Mistake.ACCESS_FAULT_FIRST: "li a0, 1\n ld a1, 0(a0)\n csrr a0, mcause\n",
    Mistake.X0_WRITTEN: "addi zero, s0, 5\n add a0, zero, zero\n sub a1, zero, s0\n",
    Mistake.KILL_IGNORED: _TRAPS + _MISPREDICTED,
    Mistake.OTHER_THREADS_OPERANDS: "add a0, s0, s1\n add a1, s1, s2\n sub a0, a0, a1\n",
    Mistake.BRANCH_NOT_REDIRECTED: _MISPREDICTED,
    Mistake.WRITE_BEFORE_OLDER_READ: f"{operands()} addi a0, s1, LINE_BYTES\n mstepz.x.mm m0, (s1), (s2), f8\n vst v7, 0(a0)\n"
    + result(),
    Mistake.VECTOR_NOT_AWAITED: "vexp2.f32 v9, v1\n vst v9, 0(s3)\n vld v10, 0(s3)\n",
    Mistake.PREDICATE_NOT_AWAITED: "vlt.f32 p4, v1, v2\n pmv.x.p a0, p4\n vle.f32 p4, v1, v2\n pmv.x.p a0, p4\n",
    Mistake.ACCUMULATOR_NOT_AWAITED: "mstep.bf16 m0, v0, v1\n" + result(),
    Mistake.FLAGS_NOT_AWAITED: "csrw mflags, zero\n vexp2.f32 v9, v1\n csrr a0, mflags\n",
    Mistake.ISSUED_IN_SPITE_OF_REDIRECTION: _MISPREDICTED,
    Mistake.FENCE_WITHOUT_FLUSH: _REWRITTEN,
    Mistake.MRET_WITHOUT_UNSTACKING: "li a0, 0x88\n csrc mstatus, a0\n ld a1, 0(zero)\n csrr a0, mstatus\n",
    Mistake.STORE_ACCESS_FAULT_FIRST: "li a0, 1\n sd a1, 0(a0)\n csrr a0, mcause\n",
    Mistake.OTHER_THREADS_CSRS: "csrw mscratch, s0\n csrr a0, mscratch\n",
    Mistake.QUEUED_READS_FORGOTTEN: "vexp2.f32 v9, v1\n vadd.f32 v10, v9, v2\n vld v2, 0(s3)\n vst v10, 0(s1)\n vld v11, 0(s1)\n",
    Mistake.QUEUED_WRITES_FORGOTTEN: "vexp2.f32 v9, v1\n vadd.f32 v10, v9, v2\n vst v10, 0(s1)\n vld v11, 0(s1)\n",
    Mistake.QUEUE_OUT_OF_ORDER: "vexp2.f32 v9, v1\n" + "".join(f"vadd.i32 v10, v9, v{n}\n vxor v9, v10, v2\n" for n in range(4)),
    Mistake.QUEUE_OVERRUN: "vexp2.f32 v9, v1\n" + "".join(f"vadd.i32 v9, v9, v{n}\n" for n in range(1, 8)),
    Mistake.QUEUES_NOT_AWAITED: "li a0, 0x45\n vexp2.f32 v9, v1\n vcvt.x0.f32 v10, v9, f12\n setfmt f12, a0\n",
    Mistake.CORRECTED_ASTRAY: _CORRECTED,
    Mistake.CORRECTION_IGNORED: _CORRECTED,
}  # fmt: skip

#: What RVFI does not show: causes of traps, CSRs, what memory holds and in which order it is accessed, all that is not scalar.
NOT_IN_RVFI = {
    Mistake.ACCESS_FAULT_FIRST,
    Mistake.WRITE_BEFORE_OLDER_READ,
    Mistake.VECTOR_NOT_AWAITED,
    Mistake.PREDICATE_NOT_AWAITED,
    Mistake.ACCUMULATOR_NOT_AWAITED,
    Mistake.FLAGS_NOT_AWAITED,
    Mistake.FENCE_WITHOUT_FLUSH,
    Mistake.MRET_WITHOUT_UNSTACKING,
    Mistake.STORE_ACCESS_FAULT_FIRST,
    Mistake.OTHER_THREADS_CSRS,
    Mistake.QUEUED_READS_FORGOTTEN,
    Mistake.QUEUED_WRITES_FORGOTTEN,
    Mistake.QUEUE_OUT_OF_ORDER,
    Mistake.QUEUE_OVERRUN,
    Mistake.QUEUES_NOT_AWAITED,
}


def test_every_mistake_has_a_program() -> None:
    assert [Mistake.NONE, *PROGRAMS] == list(Mistake)


@pytest.mark.rtl
def test_mistakes_planted_in_the_core_are_found() -> None:
    files = export_node(CONFIG, arithmetic="macro", sram="macro", node=functools.partial(MistakenNode, observe=True))
    sources: list[str | Path] = [text for name, text in files.items() if name.endswith((".v", ".sv"))]
    run_bench(toplevel=TOP, sources=[*sources, *MACRO_SOURCES], tests=["mistakes"])


@cocotb.test()
async def mistakes(dut: Any) -> None:
    await start(dut)
    unexpected = []
    for mistake, body in PROGRAMS.items():
        source = PROLOGUE + all_vectors() + body + EPILOGUE
        for error in await differences(dut, Mistake.NONE, source):
            unexpected.append(f"{mistake.name}: its program fails without it: {error}")
        found = await differences(dut, mistake, source)
        if not any(not isinstance(error, RvfiError) for error in found):
            unexpected.append(f"{mistake.name}: its program passes with it")
        if any(isinstance(error, RvfiError) for error in found) == (mistake in NOT_IN_RVFI):
            unexpected.append(f"{mistake.name}: the monitor of RVFI found {found}")
    assert not unexpected, "\n".join(unexpected)


class Watch:
    """The monitors of all threads, which look until one of them finds something."""

    def __init__(self, dut: Any):
        self.found: list[Exception] = []
        self._threads = [(RvfiPorts(dut, thread), monitor_of(CONFIG)) for thread in range(CONFIG.threads)]

    def __call__(self) -> None:
        if not self.found:
            try:
                for ports, monitor in self._threads:
                    monitor.cycle(ports.sample())
            except RvfiError as error:
                self.found.append(error)

    def finish(self) -> None:
        for _, monitor in self._threads:
            monitor.finish()


async def differences(dut: Any, mistake: Mistake, source: str) -> list[Exception]:
    """What monitors and the comparison with the golden node find: nothing, or the first difference of each."""
    dut.mistake.value = mistake
    both = Comparison(dut, CONFIG)
    await both.reset()
    watch = Watch(dut)
    both.host.watchers.append(watch)
    load(both, source)
    threads = range(CONFIG.threads)
    for thread in threads:
        both.start_thread(thread, SRAM_BASE)
    try:
        await both.run(limit=1500)
        both.compare_execution(threads)
        await both.compare_memory(CODE_BYTES, CONFIG.threads * DATA_BYTES)
        await both.compare_registers()
        watch.finish()
    # The bench knows of no late result that nobody waits for.
    except (AssertionError, KeyError, IndexError) as error:
        return [*watch.found, error]
    return watch.found
