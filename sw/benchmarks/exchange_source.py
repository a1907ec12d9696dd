# SPDX-License-Identifier: Apache-2.0
"""The program of the tile exchange: see :mod:`sw.benchmarks.exchange`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from golden.config import NodeConfig
from golden.layout import LIST_DESCRIPTOR_BYTES, OFFSET_BITS, SRAM_BASE, ThreadRegister, thread_offset

#: Blocks of SRAM that hold operand A, operand B with the results behind it, what is sent, and what arrives; block 0 has the code.
BLOCK_A, BLOCK_B, BLOCK_OUT, BLOCK_IN = 1, 2, 3, 4

#: Threads that multiply, the even ones, and threads that send, the odd ones. When threads choose pipes in turn, one also gets the
#: turns of those right before it that want other pipes: so those that want the same ones get equal shares.
COMPUTING = SENDING = 2

#: Tiles of C that a thread computes: rows and columns, each in an accumulator.
ROWS = COLUMNS = 2

#: Tiles of a panel between two branches.
TILES_UNROLLED = 8

#: Lines that a sending thread has in registers, between two branches.
BATCH = 16

#: Semaphores: who sends has begun; lines or lists that arrived; threads that ended; lists whose source has been read.
_BEGUN, ARRIVED, _ENDED, SENT = range(4)


class Sender(Enum):
    """What moves lines to the other node while threads compute; the value says what else happens."""

    NOBODY = "alone"
    THREADS = "while 2 exchange tiles"
    PUSH = "while lists push tiles both ways"
    PULL = "while lists pull tiles both ways"

    @property
    def threads(self) -> int:
        """Threads that it takes. One starts a list and waits for it."""
        return {Sender.NOBODY: 0, Sender.THREADS: SENDING}.get(self, 1)

    @property
    def lists(self) -> bool:
        """Whether it is list transfers."""
        return self in (Sender.PUSH, Sender.PULL)


def results_offset(config: NodeConfig, length: int) -> int:
    """Offset of C, behind B."""
    return BLOCK_B * config.block_bytes + COLUMNS * length * config.line_bytes


def exchange_source(config: NodeConfig, sender: Sender, length: int, lines: int, passes: int) -> str:
    """The program's source; see :func:`sw.benchmarks.exchange.run_exchange` for its parameters."""
    others = [(2 * number, "computing") for number in range(1, COMPUTING)]
    others += [(2 * number + 1, "starting" if sender.lists else "sending") for number in range(sender.threads)]
    source = [".globl _start", "_start:", "csrr t0, mnode"]
    for thread, label in others:
        source += [f"li t1, {thread_offset(thread, ThreadRegister.PC)}", "add t1, t0, t1", f"la t2, {label}", "nsd t2, (t1)"]
    source += ["jal compute", f"li t0, {len(others)}", f"swait {_ENDED}, t0", "halt zero"]
    source += ["computing:", "jal compute", "ended:", "li t0, 1", f"spost {_ENDED}, t0", "halt zero"]
    source += [
        *_compute(config, bool(sender.threads), length),
        *(_start_list() if sender.lists else _send(config, lines, passes)),
    ]
    # A pair of cycle counts for each thread.
    source += [".data", ".balign 8", "times:", f".zero {16 * (COMPUTING + SENDING)}"]
    # The host's part: it is not the same on both nodes.
    source += [f".balign {LIST_DESCRIPTOR_BYTES}", "list:", f".zero {LIST_DESCRIPTOR_BYTES}"]
    return "\n".join(source) + "\n"


def _number() -> list[str]:
    """s1 is the thread's number among those that do the same, s0 the place of its times."""
    return ["csrr s1, mhartid", "andi s1, s1, 3", "la s0, times", "slli t0, s1, 4", "add s0, s0, t0", "srli s1, s1, 1"]


def _compute(config: NodeConfig, communicating: bool, length: int) -> Iterator[str]:
    """The inner loop of the matrix product's kernel, once."""
    panel = length * config.line_bytes
    yield from ["compute:", *_number()]
    yield from [
        f"li a0, {SRAM_BASE + BLOCK_A * config.block_bytes}",
        f"li t0, {ROWS * panel}",
        "mul t0, t0, s1",
        "add a0, a0, t0",
    ]
    yield from [f"li t0, {panel}", "add a2, a0, t0", "mv t3, a2"]
    yield from [f"li a1, {SRAM_BASE + BLOCK_B * config.block_bytes}", "add a3, a1, t0"]
    yield from [f"li t0, {ROWS * COLUMNS * config.accumulator_bytes}", "mul t0, t0, s1"]
    yield from [f"li a4, {SRAM_BASE + results_offset(config, length)}", "add a4, a4, t0"]
    yield from [f"li t0, {int(communicating)}", f"swait {_BEGUN}, t0", "csrr s2, mcycle"]
    yield from (f"mzero m{number}" for number in range(ROWS * COLUMNS))
    yield "steps:"
    for _ in range(TILES_UNROLLED):
        yield from ["mstep.bf16.mm m0, (a0), (a1)", "mstep.bf16.pm m1, (a0)+, (a3)"]
        yield from ["mstep.bf16.mp m2, (a2), (a1)+", "mstep.bf16.pp m3, (a2)+, (a3)+"]
    yield from ["bne a0, t3, steps", "csrr s3, mcycle", "sd s2, 0(s0)", "sd s3, 8(s0)"]
    yield from (f"mst.f32.p m{number}, (a4)+" for number in range(ROWS * COLUMNS))
    yield "ret"


def _send(config: NodeConfig, lines: int, passes: int) -> Iterator[str]:
    """Requests and loads in turn: two such threads keep the pipes of both busy. What is sent was loaded a batch before."""
    line = config.line_bytes
    yield from ["sending:", *_number()]
    yield from [f"li t0, {lines * line}", "mul t1, s1, t0"]
    # The other node's x differs in its lowest bit.
    yield from [f"li t0, {1 << OFFSET_BITS}", "csrr s4, mnode", "xor s4, s4, t0"]
    yield from [f"li t0, {BLOCK_IN * config.block_bytes}", "add s4, s4, t0", "add s4, s4, t1"]
    yield from [f"li s5, {SRAM_BASE + BLOCK_OUT * config.block_bytes}", "add s5, s5, t1"]
    yield from [f"li s6, {passes}", "li t0, 1", f"spost {_BEGUN}, t0", "csrr s2, mcycle"]
    yield from ["pass:", "mv a0, s5", "mv a1, s4", f"li a2, {lines // BATCH - 1}"]
    loads = [f"vld.p v{register}, (a0), {line}" for register in range(BATCH)]
    requests = [f"nwrite.sp v{register}, (a1)+, {ARRIVED}" for register in range(BATCH)]
    yield from [*loads, "beqz a2, rest", f".balign {config.line_bytes}", "batch:"]
    for number, (request, load) in enumerate(zip(requests, loads, strict=True)):
        yield from [request, load]
        if number == BATCH // 2:
            yield "addi a2, a2, -1"
    yield from ["bnez a2, batch", "rest:", *requests]
    yield from ["addi s6, s6, -1", "bnez s6, pass", "csrr s3, mcycle", "sd s2, 0(s0)", "sd s3, 8(s0)"]
    yield from [f"li t0, {lines * passes}", f"swait {ARRIVED}, t0", "j ended"]


def _start_list() -> Iterator[str]:
    """Start the list, and wait until it is over and the other node's as well."""
    yield from ["starting:", *_number(), "la a0, list", f"li t0, {COMPUTING}", f"spost {_BEGUN}, t0"]
    yield from [
        "li t0, 1",
        "csrr s2, mcycle",
        "nlist a0",
        f"swait {SENT}, t0",
        f"swait {ARRIVED}, t0",
        "csrr s3, mcycle",
        "sd s2, 0(s0)",
        "sd s3, 8(s0)",
        "j ended",
    ]
