# SPDX-License-Identifier: Apache-2.0
"""The program of the matrix product whose operands are spread over the nodes.

Threads, items and blocks are those of :mod:`sw.kernels.matmul_source`, but for this:

- The last thread does not compute, but moves operands: it starts list transfers, which bring panels from the nodes that have them
  into working buffers while the others compute. *Moves* say which, one for each phase of the plan: offsets of the lists of A and
  of B (0: none), and how many items of the phase before the last have to be done before the buffers may be written to (4 bytes
  each, and 4 unused). Behind them lie two without lists, so that it ends when all is done, with all semaphores zero.
- Whoever is done with an item, results stored, posts the semaphore of its phase, that of even or of odd phases, as bit 0 of the
  address of C says.
- Lists post for each part that arrived, A and B for themselves, even and odd phases (of A: residences) for themselves.

Two neighbouring phases have different semaphores, and none begins before the one before the last is done: so no count is ever
taken for another phase's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from golden.config import NodeConfig
from golden.layout import LIST_DESCRIPTOR_BYTES
from sw.kernels.matmul_source import A_ARRIVED, B_ARRIVED, BlockShape, block, start, start_others, take
from sw.kernels.operands import Operands

#: What ``tables`` begins with: next item, first item, bytes of a row of C tiles, first move, end of the moves.
SPREAD_HEADER = struct.Struct("<5Q")
MOVE = struct.Struct("<3I4x")

#: Semaphores, of even and of odd phases: parts of A and of B that arrived, items that are done.
ARRIVED = {"a": (A_ARRIVED, 4), "b": (B_ARRIVED, 5)}
DONE = (6, 7)

#: Semaphores and threads that a node must have.
SEMAPHORES = 8
THREADS = 2


def wait_label(operand: str, parity: int) -> str:
    """Name of the handler that waits for parts of an operand, "a" or "b"."""
    return f"wait_{operand}{parity}"


def spread_source(config: NodeConfig, operands: Operands, length: int, shapes: Sequence[BlockShape], adds: bool) -> str:
    """Assembler source of the kernel.

    Parameters
    ----------
    config : NodeConfig
        With several threads.
    operands : Operands
        Formats of A and B.
    length : int
        Matrix instructions of a block at a time.
    shapes : sequence of BlockShape
        Shapes of blocks that items name.
    adds : bool
        Whether some of the items add to what C holds.
    """
    waits = {wait_label(operand, parity): ARRIVED[operand][parity] for operand in ARRIVED for parity in (0, 1)}
    parts = [start(config, operands, length), _done(), take(config, waits, ["andi s10, a6, 1", "sub a6, a6, s10"])]
    for adding in (False, True)[: 1 + adds]:
        parts += [block(config, operands, length, shape, adds=adding, finish="done") for shape in shapes]
    parts += ["\n".join(_mover(config)), f".balign {LIST_DESCRIPTOR_BYTES}", "tables:"]
    return "\n".join(parts) + "\n"


def _done() -> str:
    """Posts what the item in hand is to post, whose parity is in s10, and goes on with ``take``."""
    return "\n".join(["done:", "bnez s10, done_odd", f"spost {DONE[0]}, s1", "j take", "done_odd:", f"spost {DONE[1]}, s1"])


def _mover(config: NodeConfig) -> list[str]:
    """The last thread, at ``sender``."""
    lines = ["sender:", *start_others(config), "la s0, tables", "ld s7, 24(s0)", "ld s8, 32(s0)", "next_move:"]
    for parity, semaphore in enumerate(DONE):
        lines += ["lwu t0, 8(s7)", f"swait {semaphore}, t0"]
        for index, operand in enumerate(ARRIVED):
            label = f"moved_{operand}{parity}"
            lines += [f"lwu t1, {4 * index}(s7)", f"beqz t1, {label}", "nlist t1", f"{label}:"]
        lines += [f"addi s7, s7, {MOVE.size}", *["beq s7, s8, moved"] * (parity == 0)]
    return [*lines, "bne s7, s8, next_move", "moved:", "halt zero"]
