# SPDX-License-Identifier: Apache-2.0
"""The program of the matrix product, written for a configuration, formats, a depth and the shape of an array.

All nodes run the same code; what differs is in the node's tables, which the host writes behind the code (``tables``):

- The *header*: next item, first item, bytes of a row of C tiles, first job (8 bytes each).
- *Jobs* of the last thread, which sends the node's own panels to the other nodes before it computes. A job is source address,
  lines, handler (4 bytes each), 4 bytes unused, and a global address (8 bytes) per receiver.
- *Items*, which all threads take in order, the pointer to the next one under the lock: addresses of the first A panel, first B
  panel and first C tile (4 bytes each), blocks and handler (2 bytes each). A handler is a distance from the start of the code.

An item is a row of *blocks*, each of R x S tiles in as many accumulators. Who takes an item of no blocks keeps the lock: a
*wait* item has a number of lines for the address of A, and whoever took it waits until so many have arrived, so nobody starts
what lies behind it. Behind the others lies an *end* item for each thread, and with the last one the lock is kept for good.

What comes before the first step and behind the last one is all that a node's matrix unit stands still. So the first thread
takes its item before the others run, with the lock that it has from the beginning; a thread takes its next item while the last
steps are under way, before it stores; and each thread ends by itself. The first one only makes sure that the others have begun,
so that a node has ended when no thread runs. All semaphores are zero again then. The code may lie anywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import THREAD_BLOCK, THREAD_STRIDE
from sw.kernels.operands import Operands

HEADER = struct.Struct("<4Q")
JOB = struct.Struct("<3I4x")
RECEIVER = struct.Struct("<Q")
ITEM = struct.Struct("<3I2H")

#: Items count blocks in 16 bits.
MAX_BLOCKS = 0xFFFF

#: Semaphores of the kernel: who may take an item, lines of A and of B that arrived, threads that have begun beside the first.
LOCK, A_ARRIVED, B_ARRIVED, STARTED = range(4)

#: Registers for receivers' addresses: most receivers that a line is sent to after one load.
_RECEIVERS = ("a1", "a2", "a3", "a4", "a5", "a6", "a7", "s8")
MAX_RECEIVERS = len(_RECEIVERS)

#: Most vector registers that the sender fills before it sends, which covers the latency of a load.
_MAX_LOADED = 8

#: Steps between two branches: at least so many, that what the branch costs is small, and no more than gain anything.
_MIN_RUN, _MAX_RUN = 16, 32


@dataclass(frozen=True)
class BlockShape:
    """Tiles of C that a thread computes at a time: ``rows`` x ``columns``, each 1 or 2."""

    rows: int
    columns: int

    @classmethod
    def largest(cls, config: NodeConfig) -> BlockShape:
        """The largest for which a thread has accumulators."""
        return cls(2 if config.accumulators >= 4 else 1, 2 if config.accumulators >= 2 else 1)

    @property
    def label(self) -> str:
        """Name of its handler."""
        return f"block_{self.rows}x{self.columns}"

    @property
    def adding_label(self) -> str:
        """Name of the handler that adds to what C holds."""
        return f"{self.label}_adding"


def send_label(semaphore: int, receivers: int) -> str:
    """Name of the handler that sends lines to that many nodes and posts that semaphore there."""
    return f"send_{'ab'[semaphore - A_ARRIVED]}_{receivers}"


def matmul_source(
    config: NodeConfig, operands: Operands, length: int, shapes: Sequence[BlockShape], sends: Sequence[tuple[int, int]]
) -> str:
    """Assembler source of the kernel.

    Parameters
    ----------
    config : NodeConfig
    operands : Operands
        Formats of A and B.
    length : int
        Matrix instructions per tile: K over their depth, rounded up.
    shapes : sequence of BlockShape
        Shapes of blocks that items name.
    sends : sequence of (int, int)
        Semaphore and number of receivers of the handlers that jobs name.
    """
    parts = [start(config, operands, length), take(config, {"wait_a": A_ARRIVED, "wait_b": B_ARRIVED})]
    parts += [block(config, operands, length, shape) for shape in shapes]
    parts += [_sender(config, sends)]
    # Tables hold double words.
    parts += [".balign 8", "tables:"]
    return "\n".join(parts) + "\n"


def _a_panel_register(operands: Operands) -> str:
    """Register with the bytes of a panel of A; that of B is s2."""
    return "s2" if operands.a_lines == operands.b_lines else "s9"


def _prepare(config: NodeConfig, operands: Operands, length: int) -> list[str]:
    """With the tables in s0, what else stays as it is: s1 one, s2 and s9 bytes of panels, s3 of a row of C tiles, s4 the code."""
    lines = ["ld s3, 16(s0)", "la s4, code", "li s1, 1", f"li s2, {length * operands.b_lines * config.line_bytes}"]
    if operands.a_lines != operands.b_lines:
        lines += [f"li {_a_panel_register(operands)}, {length * operands.a_lines * config.line_bytes}"]
    if operands.named:
        for name, descriptor in (("f0", operands.a), ("f1", operands.b)):
            lines += [f"li t0, {int(descriptor)}", f"setfmt {name}, t0"]
    return lines


def _start_thread(thread: int, label: str) -> list[str]:
    """Starts a thread of this node."""
    offset = CONTROL_PAGE_OFFSET + THREAD_BLOCK + thread * THREAD_STRIDE
    return ["csrr t1, mnode", f"li t2, {offset}", "add t1, t1, t2", f"la t3, {label}", "nsd t3, (t1)"]


def start(config: NodeConfig, operands: Operands, length: int) -> str:
    """Where threads start: the first one at ``_start``, the last one at ``sender``, those between at ``computing``.

    The first one starts the last one and computes; the last one starts the others and sends before it computes.
    """
    last = config.threads - 1
    prepare = _prepare(config, operands, length)
    lines = ["code:", ".globl _start", "_start:"]
    lines += _start_thread(last, "sender") if last else ["j sender", "worker:"]
    # tp is what a thread waits for at its end.
    lines += ["la s0, tables", *prepare, *[f"li tp, {last}"] * bool(last), "ld t0, 8(s0)", "jal taken", "jr t2"]
    if last:
        lines += ["computing:", "li s1, 1", f"spost {STARTED}, s1"]
        lines += ["worker:", "la s0, tables", *prepare, "li tp, 0", "jal take", "jr t2"]
    return "\n".join(lines)


def take(config: NodeConfig, waits: Mapping[str, int], unpacking: Sequence[str] = ()) -> str:
    """Subroutine with the next item: s5, a1, a6 its addresses of A, B and C, s6 blocks, t2 the handler to jump to.

    ``taken`` is where the first thread, which has the lock already, enters with its item in t0. ``waits`` has the handlers that
    wait, and for which semaphore; ``unpacking`` is what else is done with what an item holds.
    """
    several = config.threads > 1
    lines = ["take:", *[f"swait {LOCK}, s1"] * several, "locked:", "ld t0, 0(s0)", "taken:"]
    lines += ["lhu s6, 12(t0)", "lhu t2, 14(t0)", f"addi t1, t0, {ITEM.size}", "sd t1, 0(s0)"]
    lines += ["snez t1, s6", f"spost {LOCK}, t1"] * several
    lines += ["lwu s5, 0(t0)", "lwu a1, 4(t0)", "lwu a6, 8(t0)", *unpacking, "add t2, t2, s4", "ret"]
    for handler, semaphore in waits.items():
        lines += [f"{handler}:", f"swait {semaphore}, s5", "jal locked", "jr t2"]
    lines += ["end:", *[f"swait {STARTED}, tp"] * several, "halt zero"]
    return "\n".join(lines)


def block(
    config: NodeConfig, operands: Operands, length: int, shape: BlockShape, *, adds: bool = False, finish: str | None = None
) -> str:
    """Handler of an item of blocks.

    It is called as the shape's label says, or with ``adds``, ``adding_label``: then accumulators begin with what C holds. With
    ``finish``, that subroutine is called for the next item, behind the last stores.

    A pointers are even registers and B pointers odd ones, as steps that advance both want it. Panels follow each other, so
    the last pointers end where the next block's begin. Neighbouring instructions work on different accumulators, so that those
    of two steps interleave.
    """
    a, b, c = ("a0", "a2"), ("a1", "a3"), ("a4", "a5")
    # A loop that a thread's part of the instruction cache holds is not read again; one that is too long is read ahead of need.
    unrolled = max(_MIN_RUN, min(_MAX_RUN, _buffered(config) - 1)) // (shape.rows * shape.columns)
    peeled = (length - 1) % unrolled + 1
    mnemonics, formats = ("x", ", f0") if operands.named else ("bf16", "")
    label = shape.adding_label if adds else shape.label

    lines = ["    mv a4, a6"]
    if shape.columns == 2:
        lines += ["    add a3, a1, s2"]
    if shape.rows == 2:
        lines += ["    add a5, a6, s3"]
    lines += [f"{label}_next:", "    mv a0, s5", f"    add t3, s5, {_a_panel_register(operands)}"]
    if shape.rows == 2:
        lines += ["    mv a2, t3"]
    if adds:
        for row in range(shape.rows):
            lines += [f"    mv t4, {c[row]}"]
            lines += [f"    mld.f32.p m{row * shape.columns + column}, (t4)+" for column in range(shape.columns)]

    def step(zero: bool) -> Iterator[str]:
        for row in range(shape.rows):
            for column in range(shape.columns):
                a_advances, b_advances = column == shape.columns - 1, row == shape.rows - 1
                suffix = "mp"[a_advances] + "mp"[b_advances]
                yield (
                    f"    mstep{'z' * zero}.{mnemonics}.{suffix} m{row * shape.columns + column}, "
                    f"({a[row]}){'+' * a_advances}, ({b[column]}){'+' * b_advances}{formats}"
                )

    for index in range(peeled):
        lines += step(zero=index == 0 and not adds)
    # The loop starts at a line, so that it takes as few of the buffered lines as can be; what pads lies before the handler.
    instructions = sum(not line.endswith(":") for line in lines)
    per_line = config.line_bytes // 4
    lines = [f"    .balign {config.line_bytes}", *["    nop"] * (-instructions % per_line), f"{label}:", *lines]
    if peeled < length:
        lines += [f"{label}_loop:"]
        for _ in range(unrolled):
            lines += step(zero=False)
        lines += [f"    bne a0, t3, {label}_loop"]
    stores = [
        f"    mst.f32.p m{row * shape.columns + column}, ({c[row]})+"
        for row in range(shape.rows)
        for column in range(shape.columns)
    ]
    lines += ["    addi s6, s6, -1", f"    beqz s6, {label}_last", *stores]
    if shape.columns == 2:
        lines += ["    mv a1, a3", "    add a3, a3, s2"]
    lines += [f"    j {label}_next", f"{label}_last:"]
    # The next item is taken in the cycles that the last steps need to reach their accumulators.
    lines += [*stores, f"    jal {finish}"] if finish else ["    jal take", *stores]
    lines += ["    jr t2"]
    return "\n".join(lines)


def start_others(config: NodeConfig) -> list[str]:
    """What the last thread begins with: it starts those between the first one and itself."""
    last = config.threads - 1
    lines = [line for thread in range(1, last) for line in _start_thread(thread, "computing")]
    return [*lines, *["li s1, 1", f"spost {STARTED}, s1"] * bool(last)]


def _sender(config: NodeConfig, sends: Sequence[tuple[int, int]]) -> str:
    lines = ["sender:", *start_others(config)]
    lines += [
        "    la s7, tables",
        "    ld s7, 24(s7)",
        "    la s4, code",
        "next_job:",
        "    lwu a0, 0(s7)",
        "    lwu t1, 4(s7)",
        "    lwu t0, 8(s7)",
        "    add t0, t0, s4",
        "    jr t0",
    ]
    for semaphore, receivers in sends:
        label = send_label(semaphore, receivers)
        loaded = _MAX_LOADED
        while loaded > 1 and loaded * (receivers + 1) + 2 > _buffered(config):
            loaded //= 2

        def send(count: int, semaphore: int = semaphore, receivers: int = receivers) -> Iterator[str]:
            for vector in range(count):
                yield f"    vld.p v{vector}, (a0), {config.line_bytes}"
            for vector in range(count):
                for register in _RECEIVERS[:receivers]:
                    yield f"    nwrite.sp v{vector}, ({register})+, {semaphore}"

        lines += [f"{label}:"]
        lines += [
            f"    ld {register}, {JOB.size + RECEIVER.size * index}(s7)" for index, register in enumerate(_RECEIVERS[:receivers])
        ]
        lines += [
            f"    addi s7, s7, {JOB.size + RECEIVER.size * receivers}",
            f"    andi t2, t1, {loaded - 1}",
            f"    srli t1, t1, {loaded.bit_length() - 1}",
            f"    beqz t1, {label}_rest",
            f"{label}_loop:",
            *send(loaded),
            "    addi t1, t1, -1",
            f"    bnez t1, {label}_loop",
            f"{label}_rest:",
            "    beqz t2, next_job",
            f"{label}_single:",
            *send(1),
            "    addi t2, t2, -1",
            f"    bnez t2, {label}_single",
            "    j next_job",
        ]
    return "\n".join(lines)


def _buffered(config: NodeConfig) -> int:
    """Instructions of a loop that stays in a thread's part of the instruction cache, in which one line is read ahead."""
    return (config.fetch_lines - 1) * config.line_bytes // 4
