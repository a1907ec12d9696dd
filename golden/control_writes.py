# SPDX-License-Identifier: Apache-2.0
"""Which registers of the control page a host can write.

A node ignores what packets write elsewhere in the page, since programs may write whole lines of it. Hosts refuse that
instead: nobody means a write that does nothing.
"""

from __future__ import annotations

from functools import cache

from golden.config import CONTROL_PAGE_BYTES, CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import (
    DEBUG_BLOCK,
    DEBUG_STRIDE,
    LIST_BLOCK,
    LIST_IGNORED,
    LIST_START,
    LIST_STRIDE,
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_COORDINATE_BITS,
    ROUTE_FAR,
    ROUTE_STRIDE,
    SEMAPHORE_BLOCK,
    SEMAPHORE_STRIDE,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    DebugRegister,
    ListRegister,
    ThreadRegister,
)

__all__ = ["ControlWriteError", "check_control_write"]

_REGISTER_BYTES = 8


class ControlWriteError(ValueError):
    """A write would do nothing in the control page, or not all of what it says."""


def check_control_write(config: NodeConfig, offset: int, length: int) -> None:
    """Whether each byte that a host writes in the control page is part of a whole register that can be written.

    Parameters
    ----------
    config : NodeConfig
    offset : int
        Of the first byte in the node's window.
    length : int
        Bytes; those outside of the page are not looked at.

    Raises
    ------
    ControlWriteError
    """
    first = max(offset, CONTROL_PAGE_OFFSET)
    end = min(offset + length, CONTROL_PAGE_OFFSET + CONTROL_PAGE_BYTES)
    if first >= end:
        return
    if first % _REGISTER_BYTES or end % _REGISTER_BYTES:
        raise ControlWriteError(
            f"{length} bytes at offset {offset:#x} are no whole registers; in the control page, "
            f"from {CONTROL_PAGE_OFFSET:#x} on, write {_REGISTER_BYTES} bytes at a multiple of {_REGISTER_BYTES}"
        )
    for where in range(first, end, _REGISTER_BYTES):
        if where - CONTROL_PAGE_OFFSET not in _writable(config):
            raise ControlWriteError(
                f"a node '{config.name}' has no register at offset {where:#x} that can be written; there are {_allowed(config)}"
            )


@cache
def _writable(config: NodeConfig) -> frozenset[int]:
    """Offsets in the control page."""
    return frozenset(register for registers in _groups(config).values() for register in registers)


def _groups(config: NodeConfig) -> dict[str, list[int]]:
    """Offsets in the page of what can be written, by what it is called."""
    threads, places = range(config.threads), range(config.lists)
    groups: dict[str, list[int]] = {}
    for node_register in (ControlRegister.TOHOST_ADDRESS, ControlRegister.STATUS):
        groups[node_register.name] = [node_register]
    for register in (ThreadRegister.PC, ThreadRegister.STATE):
        groups[f"{register.name} of threads"] = [THREAD_BLOCK + number * THREAD_STRIDE + register for number in threads]
    groups["semaphores"] = [SEMAPHORE_BLOCK + number * SEMAPHORE_STRIDE for number in range(config.semaphores)]
    # A debug block may be written as a whole: STATUS lies within it, and ignores that.
    for debug in DebugRegister:
        groups[f"debug {debug.name}"] = [DEBUG_BLOCK + number * DEBUG_STRIDE + debug for number in threads]
    if config.route_bits:
        # It is laid out for the largest table, and may be written by whole rows of that.
        groups["routing table"] = list(range(ROUTE_BLOCK, ROUTE_BLOCK + (ROUTE_STRIDE << ROUTE_COORDINATE_BITS), _REGISTER_BYTES))
        groups |= {"ROUTE_FAR": [ROUTE_FAR], "ROUTE_CONTROL": [ROUTE_CONTROL]}
    if config.lists:
        groups["FAILURE of lists"] = [LIST_BLOCK + place * LIST_STRIDE + ListRegister.FAILURE for place in places]
        groups |= {"LIST_START": [LIST_START], "LIST_IGNORED": [LIST_IGNORED]}
    return groups


def _allowed(config: NodeConfig) -> str:
    return ", ".join(
        f"{name} ({CONTROL_PAGE_OFFSET + registers[0]:#x}{', ...' if len(registers) > 1 else ''})"
        for name, registers in _groups(config).items()
    )
