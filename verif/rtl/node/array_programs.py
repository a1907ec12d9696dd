# SPDX-License-Identifier: Apache-2.0
"""Random programs for all threads of an array, which follow from a seed."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, GlobalAddress
from verif.rtl.node.choices import SeededChoices
from verif.rtl.node.items import ItemMaker
from verif.rtl.node.lockstep import ArrayProgram
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, ProgramTooLong, assemble, data_address, memory_of, template


def array_program(config: NodeConfig, seed: str, rows: int = 1, columns: int = 2) -> ArrayProgram:
    """The program of a seed."""
    choices = SeededChoices(seed)
    memory, starts = {}, []
    for y in range(rows):
        for x in range(columns):
            image = bytearray(config.sram_bytes)
            for thread in range(config.threads):
                maker = ItemMaker(config, thread, choices, absent=GlobalAddress(columns, 0))
                items = [maker.nest(8) if choices.integer(0, 2) == 0 else maker.any() for _ in range(choices.integer(5, 60))]
                templates = [template(maker) for _ in range(2)]
                while True:
                    try:
                        words = assemble(config, thread, items, templates=templates)
                        break
                    except ProgramTooLong:
                        items.pop()
                start = thread * CODE_BYTES
                image[start : start + 4 * len(words)] = b"".join(word.to_bytes(4, "little") for word in words)
                place = data_address(config, thread) - SRAM_BASE
                image[place : place + DATA_BYTES] = (memory_of(choices) * DATA_BYTES)[:DATA_BYTES]
                starts.append((x, y, thread, SRAM_BASE + start))
            memory[x, y] = bytes(image)
    return ArrayProgram(config, rows, columns, memory, tuple(starts), {})
