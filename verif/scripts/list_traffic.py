# SPDX-License-Identifier: Apache-2.0
"""Lists between all nodes of an array, which threads start and wait for, beside what they compute."""

from __future__ import annotations

import dataclasses

from golden.layout import SRAM_BASE, GlobalAddress, ThreadRegister, thread_offset
from scripts.simulator import SimulatedArray
from sw import lists
from sw.assembler import assemble
from verif.golden.list_bench import DESTINATION, SIZE, SOURCE, noise

__all__ = ["start_lists"]

_LISTS, _SEMAPHORE, _ROWS = 0x400, 1, 8

PROGRAM = f"""
_start: li a0, {SRAM_BASE + _LISTS}
        nlist a0
        li a1, 300
1:      addi a1, a1, -1
        bnez a1, 1b
        li t0, 2
        swait {_SEMAPHORE}, t0
        halt zero
"""


def start_lists(array: SimulatedArray) -> None:
    """Let each node of a whole array fill the node opposite to it, and fetch the same of the node beside that.

    Both take half of the destination, row by row in the order of columns, so that lines are put together of parts.
    """
    config, half = array.config, SIZE // 2
    code = b"".join(contents for _, contents in assemble(PROGRAM, config=config).segments)
    for number, (x, y) in enumerate(array.topology.sites()):
        opposite = (array.columns - 1 - x, array.rows - 1 - y)
        beside = (x, array.rows - 1 - y)
        chain = [
            descriptor
            for (here, there), start in ((((x, y), opposite), 0), ((beside, (x, y)), half))
            for descriptor in lists.transpose(
                config,
                int(GlobalAddress(*here, SOURCE + start)),
                int(GlobalAddress(*there, DESTINATION + start)),
                rows=_ROWS,
                columns=half // 8 // _ROWS,
                element_bytes=8,
                source_pitch=half // _ROWS,
                destination_pitch=8 * _ROWS,
            )
        ]
        # The first one posts, too.
        chain[0] = dataclasses.replace(chain[0], post_destination=_SEMAPHORE)
        array.poke(x, y, 0, code)
        array.poke(x, y, SOURCE, noise(SIZE, number))
        array.poke(x, y, _LISTS, lists.chain(chain, _LISTS, post_destination=_SEMAPHORE))
    for x, y in array.topology.sites():
        array.write(x, y, thread_offset(0, ThreadRegister.PC), SRAM_BASE.to_bytes(8, "little"))
