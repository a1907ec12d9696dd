# SPDX-License-Identifier: Apache-2.0
"""Programs that call collectives as a script in each node's SRAM says, so that one program serves all tests.

A script is a list of calls, each with seven arguments. Between two of them a node may wait for a while, and note the cycle.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, GlobalAddress
from golden.program import Program
from sw.assembler import assemble
from sw.collectives import GROUP_BYTES, collectives_source
from sw.host import ArrayBackend, RunReport, Site, load_program, run_program, write_blocks

#: A call: label of the routine, and its arguments.
Call = tuple[str, tuple[int, ...]]

_ARGUMENTS = 7
_CALL = struct.Struct(f"<{1 + _ARGUMENTS}Q")

_DRIVER = """
_start: la      s0, script
        la      s1, results
1:      ld      t0, 0(s0)
        beqz    t0, 3f
        ld      a0, 8(s0)
        ld      a1, 16(s0)
        ld      a2, 24(s0)
        ld      a3, 32(s0)
        ld      a4, 40(s0)
        ld      a5, 48(s0)
        ld      a6, 56(s0)
        addi    s0, s0, 64
        jalr    t0
        beqz    a0, 1b
        halt    a0
3:      halt    zero
# a0 rounds of a loop.
delay:  beqz    a0, 2f
1:      addi    a0, a0, -1
        bnez    a0, 1b
2:      ret
# Counts in memory.
count:  ld      t0, 0(a0)
        addi    t0, t0, 1
        sd      t0, 0(a0)
        li      a0, 0
        ret
# The dword at a global address a0, which starts a line, by way of the line at a1.
ask:    nread   v16, (a0)
        vst     v16, 0(a1)
        ld      t0, 0(a1)
        sd      t0, 0(s1)
        addi    s1, s1, 8
        li      a0, 0
        ret
now:    csrr    t0, mcycle
        sd      t0, 0(s1)
        addi    s1, s1, 8
        li      a0, 0
        ret
# The caller's saved registers and stack pointer are as they were, whatever is called between these two.
mark:   mv      sp, a0
        mv      s2, a0
        mv      s11, a0
        li      a0, 0
        ret
marked: xor     t0, sp, a0
        xor     t1, s2, a0
        xor     t2, s11, a0
        or      a0, t0, t1
        or      a0, a0, t2
        ret
"""


class Scripts:
    """Memory of a test's program: the routines, groups, a script, results, and lines of data.

    Parameters
    ----------
    config : NodeConfig
    calls : int
        Most calls of a script.
    results : int
        Most results.
    groups : int
    lines : int
        Lines of data.
    replace : pair of str, optional
        Planted bug: every occurrence of the one is replaced by the other in the routines' source.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        calls: int,
        results: int = 0,
        groups: int = 1,
        lines: int = 0,
        replace: tuple[str, str] | None = None,
    ):
        routines = collectives_source(config)
        if replace is not None:
            assert replace[0] in routines, replace[0]
            routines = routines.replace(*replace)
        data = [".balign 64", "groups:", f".zero {groups * GROUP_BYTES}", "script:", f".zero {_CALL.size * (calls + 1)}"]
        data += ["results:", f".zero {8 * results}", ".balign 64", "data:", f".zero {lines * config.line_bytes}"]
        self.config = config
        self.program: Program = assemble("\n".join([_DRIVER, routines, *data]) + "\n", config=config)

    def group(self, number: int = 0) -> int:
        """Address of a group."""
        return self.program.symbols["groups"] + number * GROUP_BYTES

    def line(self, number: int) -> int:
        """Address of a line of data."""
        return self.program.symbols["data"] + number * self.config.line_bytes

    def remote(self, site: Site, address: int) -> int:
        """Global address of what lies at an address in a node."""
        return int(GlobalAddress(*site, address - SRAM_BASE))

    def run(
        self,
        array: ArrayBackend,
        scripts: Mapping[Site, Sequence[Call]],
        data: Mapping[Site, Sequence[tuple[int, bytes]]] | None = None,
        max_cycles: int = 2_000_000,
    ) -> RunReport:
        """Load program, scripts and data (address, contents), and run the nodes that have a script."""
        symbols = self.program.symbols
        load_program(array, self.program, list(scripts))
        blocks = []
        for (x, y), calls in scripts.items():
            image = b"".join(
                _CALL.pack(symbols[label], *(each % 2**64 for each in arguments), *[0] * (_ARGUMENTS - len(arguments)))
                for label, arguments in calls
            )
            blocks.append((x, y, symbols["script"] - SRAM_BASE, image + bytes(_CALL.size)))
        for (x, y), contents in (data or {}).items():
            blocks += [(x, y, address - SRAM_BASE, each) for address, each in contents]
        write_blocks(array, blocks)
        return run_program(array, self.program, max_cycles, list(scripts), load=False)

    def results(self, array: ArrayBackend, site: Site, count: int) -> list[int]:
        """What a node has kept."""
        contents = array.read(*site, self.program.symbols["results"] - SRAM_BASE, 8 * count)
        return list(struct.unpack(f"<{count}Q", contents))
