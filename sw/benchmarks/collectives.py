# SPDX-License-Identifier: Apache-2.0
"""How many cycles barriers, broadcasts and sums take, when all nodes of a rectangle call them at the same time.

Each node makes the call twice before, so that code and predictions are where they stay. Then all wait for a cycle that one of
them has named, each in a loop of a few cycles, and note when they call and when they have returned.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from sw.assembler import assemble
from sw.collectives import GROUP_BYTES, collectives_source
from sw.host import ArrayBackend, all_sites, load_program, read_blocks, run_program, write_blocks

__all__ = ["COLLECTIVES", "CollectiveResult", "run_collective"]

#: What can be measured; each is the routine ``d1_<name>``.
COLLECTIVES = ("barrier", "broadcast", "all_reduce_f32", "all_reduce_bf16")

#: From the cycle in which the beginning is named until it: more than it takes to tell all nodes.
_AHEAD_CYCLES = 1024

_MAX_CYCLES = 1_000_000

_SOURCE = """
        .globl  _start
_start: la      s0, parameters
        la      s1, group
        jal     s2, call_group
        jal     s2, call
        jal     s2, call
        # A line with the cycle to begin in, of the first node.
        csrr    t0, mcycle
        li      t1, {ahead}
        add     t0, t0, t1
        la      a1, beginning
        sd      t0, 0(a1)
        mv      a0, s1
        li      a2, 1
        ld      a3, 40(s0)
        ld      a4, 48(s0)
        jal     d1_broadcast
        la      t0, beginning
        ld      t0, 0(t0)
1:      csrr    t1, mcycle
        bltu    t1, t0, 1b
        la      s3, times
        csrr    s4, mcycle
        jal     s2, call
        csrr    s5, mcycle
        sd      s4, 0(s3)
        sd      s5, 8(s3)
        halt    zero

call_group:
        mv      a0, s1
        ld      a1, 0(s0)
        ld      a2, 8(s0)
        ld      a3, 16(s0)
        ld      a4, 24(s0)
        la      a5, data
        ld      a6, 32(s0)
        jal     d1_group
        bnez    a0, failed
        jr      s2
call:   mv      a0, s1
        la      a1, data + {two_inboxes}
        {arguments}
        jal     d1_{name}
        bnez    a0, failed
        jr      s2
failed: li      a0, 1
        halt    a0
{routines}
        .data
        .balign 64
beginning:
        .zero   64
group:  .zero   {group_bytes}
parameters:
        .zero   64
times:  .zero   64
data:   .zero   {data_bytes}
"""


@dataclass(frozen=True)
class CollectiveResult:
    """What a run gave.

    Attributes
    ----------
    cycles : int
        From the last node's call to the last one's return.
    spread_cycles : int
        From the first node's return to the last one's.
    """

    cycles: int
    spread_cycles: int


def run_collective(array: ArrayBackend, name: str, columns: int, rows: int, lines: int = 0) -> CollectiveResult:
    """Run on the live nodes of the rectangle of so many columns and rows in the north-west corner of an array at rest.

    Where nodes are dead, routing tables must count already.

    Parameters
    ----------
    array : ArrayBackend
        Of simulated nodes, whose cycles mean something.
    name : str
        One of COLLECTIVES.
    columns, rows : int
    lines : int
        Lines of the vector; a barrier has none.

    Raises
    ------
    ValueError
        If a parameter is not as stated.
    RuntimeError
        If a node did not end with success.
    """
    if name not in COLLECTIVES:
        raise ValueError(f"there is no collective {name!r}; there are {', '.join(COLLECTIVES)}")
    if not (1 <= columns <= array.columns and 1 <= rows <= array.rows):
        raise ValueError(f"{rows} rows, {columns} columns are not in an array of {array.rows}x{array.columns}")
    program = assemble(_source(array.config, name, lines), "collective.s", array.config)
    sites = [(x, y) for x, y in all_sites(array) if x < columns and y < rows]
    load_program(array, program, sites)
    parameters = struct.pack("<7Q", 0, 0, columns, rows, lines, *sites[0])
    write_blocks(array, [(x, y, program.symbols["parameters"] - SRAM_BASE, parameters) for x, y in sites])
    report = run_program(array, program, _MAX_CYCLES, sites, load=False)
    if not report.passed:
        raise RuntimeError(report.summary())
    times = [
        struct.unpack("<2Q", block)
        for block in read_blocks(array, [(x, y, program.symbols["times"] - SRAM_BASE, 16) for x, y in sites])
    ]
    called, returned = [each[0] for each in times], [each[1] for each in times]
    return CollectiveResult(max(returned) - max(called), max(returned) - min(returned))


def _source(config: NodeConfig, name: str, lines: int) -> str:
    vector = lines * config.line_bytes
    arguments = {
        "barrier": "",
        "broadcast": f"li a2, {lines}\nld a3, 40(s0)\nld a4, 48(s0)",
    }.get(name, f"la a2, data + {3 * vector}\nli a3, {lines}")
    return _SOURCE.format(
        ahead=_AHEAD_CYCLES,
        name=name,
        arguments=arguments,
        two_inboxes=2 * vector,
        routines=collectives_source(config),
        group_bytes=GROUP_BYTES,
        data_bytes=4 * vector,
    )
