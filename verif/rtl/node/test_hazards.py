# SPDX-License-Identifier: Apache-2.0
"""Instructions right behind those that they depend on, in all pairs that the pipeline must keep apart.

Every thread runs the same program on data of its own, in lock-step with the golden node. x8 points to the thread's lines: eight
with inputs, then room. Traps skip the instruction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE, Cause, ThreadRegister, ThreadState, thread_offset
from golden.program import Program
from sw.assembler import assemble
from verif.bench import bench_rng, start
from verif.rtl.node.comparison import Access, Comparison
from verif.rtl.node.host import NodeHost
from verif.rtl.node.node_bench import WIDE, WIDE_SEQUENTIAL, bench_config, run_node_bench

#: Bytes of code of a program, and of data per thread behind it. Then comes what the host writes.
CODE_BYTES, DATA_BYTES = 0x2000, 0x400
SCRATCH = CODE_BYTES + 4 * DATA_BYTES
INPUT_LINES = 8

CONFIGS = pytest.mark.parametrize(
    "config, arithmetic",
    [(preset("nano"), "rtl"), (preset("tiny"), "rtl"), (WIDE, "macro"), (WIDE_SEQUENTIAL, "macro")],
    ids=lambda p: getattr(p, "name", p),
)

#: Before every program. s1, s2: room for operands A and B of two lines each; s3: for results; s4: accumulator to load. s5:
#: second line of A, whose bank is another one than those of s1 and s2 where lines alternate.
PROLOGUE = """
_start: la t6, handler
        csrw mtvec, t6
        csrr t0, mhartid
        andi t0, t0, 3
        slli t0, t0, 10
        li s0, SRAM_BASE + 0x2000
        add s0, s0, t0
        addi s1, s0, 8 * LINE_BYTES
        addi s5, s1, LINE_BYTES
        addi s2, s1, 2 * LINE_BYTES
        addi s3, s2, 2 * LINE_BYTES
        addi s4, s3, 4 * LINE_BYTES
        mzero m0
        mzero m1
        li a0, 0x0047
        li a1, 0x0087
        setfmt f1, a0
        setfmt f2, a0
        setfmt f3, a1
        setfmt f5, a1
        li a0, 0xc0
        setfmt f6, a0
        li a0, 0x140
        setfmt f7, a0
        li t5, 7
        pmv.p.x p1, t5
        ld a0, 4 * LINE_BYTES(s0)
        pmv.p.x p2, a0
        pmv.p.x p3, s0
        pmv.p.x p4, zero
        pmv.p.x p5, zero
"""

EPILOGUE = """
        mst.f32 m0, (s3)
        mst.f32 m1, (s4)
        pmv.x.p a0, p1
        pmv.x.p a1, p2
        pmv.x.p a2, p3
        pmv.x.p a3, p4
        pmv.x.p a4, p5
        csrr a5, mflags
        halt zero
handler: csrr t6, mepc
        addi t6, t6, 4
        csrw mepc, t6
        mret
"""

#: One of every way through the SIMD unit and the converters, with inputs that raise flags.
OPERATIONS = (
    "vadd.f32 v9, v1, v2", "vmul.bf16 v9, v1, v2, p3", "vmadd.f32 v9, v4, v5", "vexp2.f32 v9, v1", "vrcp.bf16 v9, v4",
    "vrsqrt.f32 v9, v5", "vredsum.f32 v9, v1", "vredsum.bf16 v9, v5", "vredmin.i8 v9, v1", "vredmax.i16 v9, v2",
    "vcvt.x0.f32 v9, v5, f1", "vcvt.f32.x1 v9, v6, f5", "vcvt.bf16.f32 v9, v1, v5", "vlt.f32 p5, v5, v6",
    "veq.bf16 p5, v1, v1, p2", "vadd.i8 v9, v1, v2", "vcvt.i32.f32 v9, v5", "mst.bf16 m0, (s3)", "mst.x m0, (s3), f1",
    "mst.x m0, (s3), f6",
)  # fmt: skip

STOCHASTIC = (
    "vadd.bf16.s v9, v1, v2", "vcvt.bf16.f32.s v9, v1, v2", "vcvt.x0.f32.s v9, v1, f1", "vcvt.x1.f32.s v9, v2, f6, p3",
    "vredsum.bf16.s v9, v1", "vexp2.bf16.s v9, v1", "mst.x.s m0, (s3), f1", "mst.x.s m0, (s3), f6", "mst.x.s m0, (s3), f7",
    "mst.x.s m0, (s3), f0",
)  # fmt: skip

#: Everything that changes or reads an accumulator.
ACCUMULATOR = (
    "mzero {m}", "mld.f32 {m}, (s4)", "mst.f32 {m}, (s3)", "mst.bf16 {m}, (s3)", "mst.x {m}, (s3), f5",
    "mstep.x.mm {m}, (s1), (s2), f2", "mstepz.x.mm {m}, (s1), (s2), f8", "mstep.x.mm {m}, (s2), (s1), f1",
    "mstep.bf16 {m}, v1, v2", "mstep.xh {m}, v1, v2, f2", "mstep.bf16.mm {m}, (s1), (s2)", "mstepz.bf16 {m}, v2, v1",
    "mstep.bf16.mm {m}, (s1), (s5)", "mstep.x.mm {m}, (s5), (s1), f3",
)  # fmt: skip


def nops(count: int) -> str:
    return "nop\n" * count


def all_vectors() -> str:
    """v0 to v15 from the inputs."""
    return "".join(f"vld v{number}, {number % INPUT_LINES} * LINE_BYTES(s0)\n" for number in range(16))


def operands() -> str:
    """Four lines of operands of matrix steps, of which A has two and B has two."""
    return "vst v0, 0(s1)\n vst v1, LINE_BYTES(s1)\n vst v2, 0(s2)\n vst v3, LINE_BYTES(s2)\n"


def result(m: str = "m0") -> str:
    """An accumulator as it is now, shown as vector registers that are written."""
    return f"mst.f32 {m}, (s3)\n vld v9, 0(s3)\n vld v9, 3 * LINE_BYTES(s3)\n"


# -- programs: name -> cases, which follow each other ------------------------------------------------------------------


def flags() -> Iterator[str]:
    """CSR instructions right behind operations see and keep all their flags, and no later ones."""
    yield operands() + "mstep.bf16.mm m0, (s1), (s2)\n mstep.bf16 m0, v5, v5\n"
    for operation in OPERATIONS:
        yield f"csrw mflags, zero\n {operation}\n csrr a0, mflags\n {operation}\n csrw mflags, zero\n csrr a1, mflags\n"
        yield f"{operation}\n csrrci a2, mflags, 31\n {operation}\n {operation}\n csrrs a3, mflags, t5\n"
    for slow, fast in itertools.product(("vexp2.f32 v9, v5", "vredsum.bf16 v9, v4"), OPERATIONS):
        yield f"csrw mflags, zero\n {slow}\n {fast.replace('v9', 'v10')}\n csrr a0, mflags\n"


def seeds() -> Iterator[str]:
    """A seed holds for the next stochastic operation and not for the one before; each takes its steps once."""
    yield operands() + "mstep.bf16.mm m0, (s1), (s2)\n"
    for first, second in itertools.product(STOCHASTIC, STOCHASTIC[:7]):
        yield f"csrwi mseed, 5\n {first}\n {second}\n vcvt.bf16.f32.s v10, v1, v2\n csrwi mseed, 9\n {second}\n vld v11, 0(s3)\n"
    # Operations that draw nothing, while a store does.
    for store, distance in itertools.product(STOCHASTIC[6:], range(4)):
        others = "".join(f"{nops(distance)} {name} v1{number}, v1, v2\n" for number, name in enumerate(("vadd.f32", "vadd.i8")))
        yield f"csrwi mseed, 5\n {others} {store}\n {others} {store}\n vcvt.bf16.f32.s v9, v1, v2\n vld v9, 0(s3)\n"


def formats() -> Iterator[str]:
    """A descriptor holds for the next instruction and not for the one before."""
    yield operands()
    users = (
        "vcvt.f32.x0 v9, v1, f{n}", "vcvt.x1.f32 v9, v2, f{n}", "mstep.xl m0, v1, v2, f{n}", "mstep.xh m0, v1, v2, f{other}",
        "mstep.x.mm m0, (s1), (s2), f{n}", "mstep.x.mm m0, (s1), (s2), f{other}", "mst.x m0, (s3), f{n}",
    )  # fmt: skip
    for user in users:
        for first, second in itertools.permutations((0, 0x45, 0x48, 0x85, 0x145), 2):
            use = user.format(n=12, other=13)
            yield f"li a0, {first}\n li a1, {second}\n setfmt f12, a0\n {use}\n setfmt f12, a1\n {use}\n"
            yield f"csrw mformat3, a0\n {use}\n csrr a2, mformat3\n vld v10, 0(s3)\n"
        yield result()


def order() -> Iterator[str]:
    """A step of two reads lines as they were before the stores behind it, both lines of both operands."""
    stores = (
        "vst v7, 0(a0)", "sd t5, 0(a0)", "sb t5, 0(a0)", "vst.p v7, (a0), 0", "mst.f32 m1, (a0)", "mst.x m1, (a0), f7",
        "mst.x m1, (a0), f1",
    )  # fmt: skip
    # A in 8 bits and B in BF16, the other way round, both BF16, both 8 bits.
    for step, (base, line), store in itertools.product(
        (
            "mstepz.x.mm m0, (s1), (s2), f1",
            "mstepz.x.mm m0, (s1), (s2), f0",
            "mstepz.x.mm m0, (s1), (s2), f8",
            "mstepz.x.mm m0, (s1), (s2), f2",
        ),
        itertools.product(("s1", "s2"), (0, 1)),
        stores,
    ):
        pointer = f"addi a0, {base}, {line} * LINE_BYTES\n"
        yield operands() + pointer + f"{step}\n {store}\n" + result()
    # Loads see what the stores right before them have written.
    for load in (
        "vld v9, 0(s1)",
        "vlds.8 v9, (s1), a1",
        "mld.f32 m0, (s1)",
        "mstepz.bf16.mm m0, (s1), (s2)",
        "mstepz.x.mm m0, (s1), (s2), f8",
    ):
        yield f"li a1, 8\n {operands()} vst v7, 0(s1)\n {load}\n sd t5, 0(s1)\n {load}\n mst.x m1, (s1), f0\n {load}\n" + result()


def accumulators() -> Iterator[str]:
    """All pairs of instructions on one accumulator, next to each other and with another accumulator's between."""
    yield operands() + "vst v1, 0(s4)\n vst v2, LINE_BYTES(s4)\n"
    for first, second in itertools.product(ACCUMULATOR, ACCUMULATOR):
        yield f"{first.format(m='m0')}\n {second.format(m='m0')}\n" + result()
    some = ACCUMULATOR[4:8] + ACCUMULATOR[-2:]
    for first, between, last in itertools.product(some, some, some):
        yield f"{first.format(m='m0')}\n {between.format(m='m1')}\n {last.format(m='m0')}\n"
        yield result() + result("m1")


def masks() -> Iterator[str]:
    """Predicates right behind what makes them."""
    makers = (
        "vlt.f32 p4, v1, v2", "vle.bf16 p4, v2, v1, p3", "veq.i8 p4, v1, v5", "pand p4, p1, p2", "pandn p4, p3, p1",
        "pmv.p.x p4, s0", "vlt.i16 p4, v1, v2, p4", "pxor p4, p4, p3",
    )  # fmt: skip
    users = (
        "vadd.f32 v9, v1, v2, p4", "vsel v9, v1, v2, p4", "vmul.bf16 v9, v1, v2, p4", "por p5, p4, p1", "pand p5, p1, p4",
        "pmv.x.p a0, p4", "vlt.f32 p5, v1, v2, p4", "vexp2.f32 v9, v1, p4", "vtrn.e32 v9, v0, 1, p4", "veq.i8 p4, v1, v1, p1",
    )  # fmt: skip
    for maker, user in itertools.product(makers, users):
        yield f"{maker}\n {user}\n pmv.x.p a1, p5\n"
    for maker, other in itertools.permutations(makers, 2):
        yield f"{maker}\n {other}\n pmv.x.p a1, p4\n {maker.replace('p4', 'p0', 1)}\n pmv.x.p a2, p0\n"


def registers() -> Iterator[str]:
    """Vector registers that several instructions write, or that the next one needs."""
    writers = (
        "vld v9, 0(s0)", "vexp2.f32 v9, v1", "vadd.f32 v9, v1, v2", "vadd.bf16 v9, v2, v1", "vredsum.i8 v9, v1",
        "vlds.8 v9, (s0), a1", "nread v9, (a2)", "vbc.e64 v9, s0", "vtrn.e32 v9, v0, 2",
    )  # fmt: skip
    users = (
        "vst v9, 0(s1)",
        "vadd.i32 v10, v9, v9",
        "mstepz.bf16 m0, v9, v2",
        "nwrite v9, (a3)",
        "vldx.8 v10, (s0), v9",
        "vtrn.e8 v10, v8, 1",
    )
    yield "li a1, 8\n csrr a2, mnode\n li a3, SRAM_BASE\n sub a3, s0, a3\n add a3, a3, a2\n mv a2, a3\n addi a3, a3, 48 * 16\n"
    for first, second in itertools.product(writers, writers):
        yield f"{first}\n {second}\n {second}\n {first}\n vst v9, 0(s1)\n"
    for writer, user in itertools.product(writers, users):
        yield f"{writer}\n {user}\n vld v9, LINE_BYTES(s0)\n"
        yield f"{writer}\n vadd.f32 v9, v9, v9\n vmadd.bf16 v9, v1, v2\n {user}\n"


def ports() -> Iterator[str]:
    """Results that are due in the same cycle, in every distance."""
    slow = ("vexp2.f32 v9, v1", "vredsum.f32 v9, v2", "vadd.bf16 v9, v1, v2", "vadd.f32 v9, v1, v2")
    fast = ("vld v10, 0(s0)", "pmv.p.x p4, s0", "vadd.i8 v10, v1, v2", "vadd.bf16 v10, v2, v2", "vlds.8 v10, (s0), t5")
    for first, second, distance in itertools.product(slow[2:], fast, range(12)):
        yield f"{first}\n {nops(distance)} {second}\n"
    for first, second in itertools.product(slow, fast):
        yield f"{first}\n" + f"{second}\n {second.replace('v10', 'v11')}\n" * 30


def queues() -> Iterator[str]:
    """Operations that wait in queues, which get full, and instructions that touch the same registers, accumulators, memory."""
    yield operands() + "csrr a2, mnode\n li a3, SRAM_BASE\n sub a3, s0, a3\n add a2, a2, a3\n li a1, 8\n"
    waiting = (
        "vadd.f32 v10, v9, v2", "vmadd.bf16 v10, v2, v9", "vlt.f32 p4, v9, v2", "vtrn.e32 v10, v16, 1", "mstepz.bf16 m0, v9, v2",
        "vcvt.bf16.f32.s v10, v9, v2",
    )  # fmt: skip
    younger = (
        "vld v2, 0(s0)", "vld v10, 0(s0)", "vst v10, 0(s1)", "nread v2, (a2)", "nread v10, (a2)", "vldx.8 v11, (s0), v10",
        "vadd.i32 v2, v1, v3", "vadd.f32 v11, v10, v3, p4", "mstep.bf16 m0, v10, v2", "mstep.bf16.mm m0, (s1), (s2)",
        "mst.f32 m0, (s3)", "mld.f32 m0, (s3)", "mzero m0", "pmv.x.p a0, p4", "pmv.p.x p4, s0", "csrr a0, mflags",
        "vst v7, 0(s1)", "vtrn.e32 v2, v16, 0", "mst.x.s m0, (s3), f1", "csrwi mseed, 5",
    )  # fmt: skip
    for slow, first, second in itertools.product(("vexp2.f32 v9, v1", "nread v9, (a2)", "vld v9, 0(s0)"), waiting, younger):
        yield f"{slow}\n {first}\n {second}\n vxor v13, v10, v2\n"
    for slow, count, second in itertools.product(("vexp2.f32 v9, v1", "vredsum.f32 v9, v2"), (1, 2, 5, 9), younger):
        # Chains: the next one waits for the one before; and operations on both queues in turns.
        yield f"{slow}\n" + f"vadd.i32 v9, v9, v10\n {waiting[4]}\n vadd.i32 v10, v9, v2\n" * count + f"{second}\n" + result()


def transposes() -> Iterator[str]:
    """Parts of groups whose registers have just been written, also into the group itself."""
    for bits, writer, distance in itertools.product(
        (8, 16, 32), ("vld v0, 0(s0)", "vadd.f32 v1, v1, v2", "vexp2.f32 v0, v2"), range(2)
    ):
        yield f"{writer}\n vtrn.e{bits} v9, v0, 0\n vtrn.e{bits} v10, v0, 0, p3\n {nops(distance)} vadd.bf16 v1, v2, v3\n"
        yield f"vtrn.e{bits} v0, v0, 0\n vtrn.e{bits} v1, v0, 0\n vld v0, 0(s0)\n"
    for part in range(8):
        yield f"vtrn.e32 v{part}, v0, {part}\n"
    for _ in range(2):
        yield "vadd.bf16 v9, v1, v2\n vtrn.e16 v10, v0, 0\n vmul.f32 v11, v1, v2\n vtrn.e8 v12, v0, 0\n"


def gathers() -> Iterator[str]:
    """Gathers behind stores and computed offsets, and behind gathers that trap in any granule."""
    yield "li a2, SRAM_BASE + SRAM_BYTES\n li a1, 8\n li a4, 4\n vbc.e32 v12, a1\n vand v12, v12, v7\n"
    for bad in range(5):
        yield f"addi a3, a2, -8 * {bad}\n vlds.8 v9, (a3), a1\n vlds.8 v9, (s0), a1\n vlds.16 v10, (s0), a1\n vst v9, 0(s1)\n"
        yield f"addi a3, s0, 4 * {bad}\n vlds.8 v9, (a3), a4\n vldsz.8 v9, (s0), a5\n vldx.8 v11, (s0), v12\n"
    for count, stride in itertools.product((-1, 0, 1, 2, 3, 4, 5, 2**31 - 1, -(2**31)), (8, -8, 16, 4)):
        yield f"li a5, {(count << 32 | stride % 2**32) % 2**64}\n vldsz.8 v9, (s1), a5\n vldsz.16 v10, (s1), a5\n vst v9, 0(s1)\n"
    for writer in ("vadd.i32 v12, v12, v12", "vbc.e32 v12, a1", "vexp2.f32 v12, v5", "vbc.e32 v12, zero, p3", "vld v12, 0(s0)"):
        yield f"{writer}\n vldx.8 v9, (s0), v12\n vldx.16 v10, (s0), v12\n vld v9, 0(s0)\n"


def responses() -> Iterator[str]:
    """Lines that come from the network while other results take the registers' port."""
    yield "csrr a2, mnode\n li a3, SRAM_BASE\n sub a3, s0, a3\n add a2, a2, a3\n addi a3, a2, LINE_BYTES\n"
    fillers = (
        "vld v10, 0(s0)\n", "vadd.f32 v10, v1, v2\n", "pmv.p.x p4, s0\n", "vadd.bf16 v10, v1, v2\n vld v11, 0(s0)\n",
        "vexp2.f32 v10, v1\n", "mst.f32 m0, (s3)\n vld v10, 0(s0)\n",
    )  # fmt: skip
    for filler, count in itertools.product(fillers, (1, 5, 20)):
        yield f"nread v9, (a2)\n nread v13, (a3)\n {filler * count} vst v9, 0(s1)\n vadd.f32 v9, v13, v9\n nread v9, (a3)\n"


def pointers() -> Iterator[str]:
    """Pointers that advance, used and changed by the next instruction."""
    yield operands() + "li a5, 8\n"
    for first in (
        "mstep.x.pp m0, (a0)+, (a1)+, f0", "mstep.x.pp m0, (a1)+, (a0)+, f2", "mstep.x.pm m0, (a0)+, (a1), f8",
        "mstep.x.mp m0, (a0), (a1)+, f8", "mstepz.x.pp m0, (a0)+, (a1)+, f1", "vst.p v1, (a0), 2 * LINE_BYTES",
        "vld.p v9, (a1), -LINE_BYTES", "mst.x.p m0, (a0)+, f1", "mst.x.sp m0, (a1)+, f7", "mld.f32.p m0, (a0)+",
        "mst.bf16.p m0, (a0)+",
    ):  # fmt: skip
        for second in (
            "mstep.x.pp m0, (a0)+, (a1)+, f8", "vst.p v2, (a1), LINE_BYTES", "add a0, a0, a5", "sd a0, 0(s3)",
            "vlds.8 v9, (a1), a5", "mst.f32 m0, (a0)", "mstep.bf16.mm m1, (a0), (a1)",
        ):  # fmt: skip
            yield f"addi a0, s1, LINE_BYTES\n addi a1, s1, 2 * LINE_BYTES\n {first}\n {second}\n"
            yield "sub a2, a0, s0\n sub a3, a1, s0\n"
        yield result() + operands()


PROGRAMS = {
    program.__name__: program
    for program in (
        flags,
        seeds,
        formats,
        order,
        accumulators,
        masks,
        registers,
        ports,
        queues,
        transposes,
        gathers,
        responses,
        pointers,
    )
}


def pieces(cases: Iterator[str]) -> Iterator[str]:
    """Sources of programs that hold all the cases and fit in the room for code."""
    body: list[str] = []
    lines = 0
    for case in cases:
        more = case.count("\n")
        # A line is a few words at most, on average less than two.
        if lines + more > CODE_BYTES // 8 - 100:
            yield PROLOGUE + all_vectors() + "".join(body) + EPILOGUE
            body, lines = [], 0
        body.append(case)
        lines += more
    yield PROLOGUE + all_vectors() + "".join(body) + EPILOGUE


def inputs(config: NodeConfig, thread: int) -> bytes:
    """Lines 0 to 3 of moderate BF16 numbers, which are valid codes of eight bits too; 4 to 7 of anything, corners included."""
    rng = bench_rng(thread)
    words = config.line_bytes
    moderate = (rng.integers(0x3E00, 0x4180, 2 * words) | rng.integers(0, 2, 2 * words) << 15).astype("<u2")
    corners = np.array([0, 1 << 31, 0x3F80_0000, 0x7F80_0000, 0x7F80_0001, 1, 0x7F7F_FFFF, 0xFF80_BF80], "<u4")
    anything = np.where(rng.random(words) < 0.5, rng.choice(corners, words), rng.integers(0, 1 << 32, words)).astype("<u4")
    return moderate.tobytes() + anything.tobytes()


@CONFIGS
def test_what_follows_at_once_does_what_the_golden_node_does(config: NodeConfig, arithmetic: str) -> None:
    run_node_bench(config, __name__, tests=["hazards"], arithmetic=arithmetic)


@cocotb.test()
async def hazards(dut: Any) -> None:
    config = bench_config()
    await start(dut)
    numbers = bench_rng().integers((0, 0, 0), (4, 1 << 21, 2), (50, 3))
    traffic = [Access(int(pause), int(offset), bool(writes)) for pause, offset, writes in numbers]
    for (name, cases), busy in itertools.product(PROGRAMS.items(), (False, True)):
        for number, source in enumerate(pieces(cases())):
            both = Comparison(dut, config)
            await both.reset()
            load(both, source)
            for thread in range(config.threads):
                both.start_thread(thread, SRAM_BASE)
            try:
                await both.run(traffic if busy else (), SCRATCH, limit=100_000)
                both.compare_execution(range(config.threads))
                await both.compare_memory(CODE_BYTES, config.threads * DATA_BYTES)
                await both.compare_registers()
            except AssertionError as error:
                raise AssertionError(f"{name}, part {number}: {error}") from None


def load(both: Comparison, source: str) -> Program:
    """Queue a program, from the start of SRAM, and the inputs of all threads."""
    program = assemble(source, config=both.config)
    for address, contents in program.segments:
        assert len(contents) <= CODE_BYTES
        both.write(address - SRAM_BASE, contents)
    for thread in range(both.config.threads):
        both.write(CODE_BYTES + thread * DATA_BYTES, inputs(both.config, thread).ljust(DATA_BYTES, b"\0"))
    return program


def test_a_thread_that_ends_while_its_operations_run_starts_again_with_their_results() -> None:
    # Operations take longest there.
    run_node_bench(preset("nano"), __name__, tests=["restarts"])


@cocotb.test()
async def restarts(dut: Any) -> None:
    config = bench_config()
    await start(dut)
    last = "vexp2.bf16 v9, v5\n vexp2.f32 v10, v6\n vlt.f32 p5, v5, v6\n mstep.x.mm m0, (s1), (s2), f0\n halt zero\n"
    for again, delay in itertools.product(
        ("csrr a0, mflags", "vst v9, 0(s3)", "vst v10, 0(s3)", "pmv.x.p a0, p5", "mst.f32 m0, (s3)", "vst v1, LINE_BYTES(s2)"),
        (0, 1, 5, 30, 150),
    ):
        both = Comparison(dut, config)
        await both.reset()
        program = load(both, PROLOGUE + all_vectors() + operands() + last + f"second: {again}\n csrr a1, mflags\n" + EPILOGUE)
        for pc in (program.entry, program.symbols["second"]):
            both.start_thread(0, pc)
            both.golden.run()
            await both.host.until(lambda: bool(int(dut.running.value)), "the start")
            await both.host.until(lambda: not int(dut.running.value), "the end")
            for _ in range(delay):
                await both.host.step()
        await both.host.finish()
        both.compare_execution([0])
        await both.compare_memory(CODE_BYTES, DATA_BYTES)
        await both.compare_registers()


def test_a_thread_that_is_started_or_stopped_drops_the_trap_of_a_gather_that_was_under_way() -> None:
    run_node_bench(preset("tiny"), __name__, tests=["dropped_traps"])


@cocotb.test()
async def dropped_traps(dut: Any) -> None:
    """The last granule of the gather is bad. Whenever the host's packet comes, the thread ends as that says."""
    config = bench_config()
    await start(dut)
    host = NodeHost(dut, config)
    program = assemble(
        f"_start: li a0, SRAM_BASE + SRAM_BYTES + 8 - LINE_BYTES\n li a1, 8\n {nops(20)} vlds.8 v1, (a0), a1\n"
        "second: li a0, 7\n halt a0",
        config=config,
    )
    ends = set()
    for register, value in ((ThreadRegister.PC, program.symbols["second"]), (ThreadRegister.STATE, 0)):
        for delay in range(15, 55):
            dut.rst.value = 1
            await host.step()
            await host.step()
            dut.rst.value = 0
            host = NodeHost(dut, config)
            for address, contents in program.segments:
                host.write(address - SRAM_BASE, contents)
            host.start_thread(0, program.entry)
            await host.until(lambda: bool(int(dut.running.value)), "the start")
            for _ in range(delay):
                await host.step()
            host.write_register(thread_offset(0, register), value)
            await host.finish(500)
            fields = (ThreadRegister.STATE, ThreadRegister.EXIT_CODE, ThreadRegister.CAUSE)
            state, code, cause = [await host.read_register(thread_offset(0, field)) for field in fields]
            assert (state, code) == (ThreadState.HALTED, 7 if register is ThreadRegister.PC else 0), f"after {delay} cycles"
            ends.add(cause)
    assert ends == {0, Cause.LOAD_ACCESS_FAULT}
