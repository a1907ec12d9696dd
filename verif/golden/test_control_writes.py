# SPDX-License-Identifier: Apache-2.0
"""A host's write into the control page does all that it says, or raises; exactly what a node takes can be written."""

from __future__ import annotations

import pytest

from golden.config import CONTROL_PAGE_BYTES, CONTROL_PAGE_OFFSET, PRESETS, NodeConfig
from golden.control_writes import ControlWriteError, check_control_write
from golden.layout import (
    LIST_START,
    SEMAPHORE_BLOCK,
    ControlRegister,
    ThreadRegister,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from golden.node import GoldenNode

TINY = PRESETS["tiny"]


@pytest.mark.parametrize(
    "offset, length, complaint",
    [
        (0x1F_FF00, 8, "0x1fff00"),  # no register
        (control_offset(ControlRegister.CYCLE), 8, "0x1ff010"),  # read only
        (thread_offset(TINY.threads, ThreadRegister.PC), 8, "can be written"),  # a thread too many
        (semaphore_offset(TINY.semaphores), 8, "can be written"),
        (control_offset(ControlRegister.STATUS), 4, "write 8 bytes at a multiple of 8"),
        (control_offset(ControlRegister.STATUS) + 4, 8, "no whole registers"),
        (semaphore_offset(TINY.semaphores - 1), 16, f"{semaphore_offset(TINY.semaphores):#x}"),
        (CONTROL_PAGE_OFFSET - 8, 16, f"{CONTROL_PAGE_OFFSET:#x}"),
    ],
)
def test_what_would_vanish_is_refused_with_offset_and_what_is_allowed(offset: int, length: int, complaint: str) -> None:
    array = GoldenArray(TINY, 1, 1)
    with pytest.raises(ControlWriteError, match=complaint):
        array.write(0, 0, offset, bytes(length))
    with pytest.raises(ControlWriteError, match=complaint):
        array.multicast(0, 0, 1, 1, offset, bytes(length))


@pytest.mark.parametrize(
    "offset, length", [(0, 3), (TINY.sram_bytes - 1, 1), (semaphore_offset(0), 16), (CONTROL_PAGE_OFFSET, 0)]
)
def test_memory_by_bytes_and_registers_as_a_whole_can_be_written(offset: int, length: int) -> None:
    check_control_write(TINY, offset, length)


def page(node: GoldenNode) -> list[int]:
    return [node.read_register(each) for each in range(0, CONTROL_PAGE_BYTES, 8)]


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_whatever_changes_a_node_can_be_written(config: NodeConfig) -> None:
    """A write of ones by the back door, which ignores what cannot be written, changes something but where a write is no value."""
    for register in range(0, CONTROL_PAGE_BYTES, 8):
        node = GoldenNode(config)
        before = page(node)
        node.write_register(register, 1)
        if page(node) != before:
            check_control_write(config, CONTROL_PAGE_OFFSET + register, 8)


def test_a_node_without_lists_has_no_start_for_them() -> None:
    check_control_write(TINY, CONTROL_PAGE_OFFSET + LIST_START, 8)
    with pytest.raises(ControlWriteError, match=f"semaphores \\({CONTROL_PAGE_OFFSET + SEMAPHORE_BLOCK:#x}, ...\\)"):
        check_control_write(PRESETS["nano"], CONTROL_PAGE_OFFSET + LIST_START, 8)
