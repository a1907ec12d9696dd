# SPDX-License-Identifier: Apache-2.0
"""Checks of addresses in SRAM: misaligned is found first, then what is not there."""

from __future__ import annotations

from golden.instruction import Trap
from golden.layout import SRAM_BASE, Cause


def _check(address: int, alignment: int, limit: int, size: int, misaligned: Cause, fault: Cause) -> int:
    if address & alignment - 1:
        raise Trap(misaligned, address)
    start = address - SRAM_BASE
    if not 0 <= start <= limit - size:
        raise Trap(fault, address)
    return start


def check_load(address: int, alignment: int, limit: int, size: int) -> int:
    """The position in SRAM from which an instruction loads.

    Parameters
    ----------
    address : int
        As the thread sees it.
    alignment : int
        What the address must be a multiple of, a power of two.
    limit : int
        Bytes of SRAM.
    size : int
        Bytes that must be there.

    Raises
    ------
    Trap
        LOAD_MISALIGNED or LOAD_ACCESS_FAULT with the address.
    """
    return _check(address, alignment, limit, size, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)


def check_store(address: int, alignment: int, limit: int, size: int) -> int:
    """The position in SRAM to which an instruction stores; as ``check_load``, with the causes of stores."""
    return _check(address, alignment, limit, size, Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)
