# SPDX-License-Identifier: Apache-2.0
"""``d1.h``, the header of C programs for a node: its sizes, its registers, and a macro for every instruction of Xd1."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import (
    BIAS_BITS,
    COORDINATE_BITS,
    LIST_BLOCK,
    LIST_DESCRIPTOR_BYTES,
    LIST_IGNORED,
    LIST_MAGIC,
    LIST_START,
    LIST_STRIDE,
    OFFSET_BITS,
    SEMAPHORE_BLOCK,
    SEMAPHORE_STRIDE,
    SRAM_BASE,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    Csr,
    Flag,
    FormatKind,
    ListField,
    ListRegister,
    ThreadRegister,
)
from sw.c.intrinsics import intrinsics

__all__ = ["header"]

_TOP = """\
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C for a node '{name}', made of the instruction table: d1 cc --header --config {name}
 *
 * d1_<mnemonic>(...) is the instruction of that name, with _ for its dots. Operands stand in the order in which assembler source
 * has them, but offsets come after their address. Numbers of vector registers, accumulators, predicates, format descriptors and
 * semaphores, and immediates, must be constants. rs1 and rs2 are values; a pointer that the instruction advances is a variable,
 * which is advanced. d1_<mnemonic>_m takes the predicate pm as a mask besides.
 *
 * Compilers know nothing of vector registers, accumulators, predicates and format descriptors: they stay as they are until
 * another instruction writes them, also over calls, and each thread has its own.
 */
#ifndef D1_H
#define D1_H

#include <stdint.h>
"""

_HELPERS = """\
/* Starts at a line, as operands of vector and matrix instructions must. */
#define D1_ALIGNED __attribute__((aligned(D1_LINE_BYTES)))

/* CSRs by number, which must be a constant. */
#define d1_read_csr(number) __extension__ ({ \\
    unsigned long d1_value; \\
    __asm__ volatile("csrr %0, %1" : "=r"(d1_value) : "i"(number)); \\
    d1_value; })
#define d1_write_csr(number, value) \\
    __asm__ volatile("csrw %0, %1" : : "i"(number), "r"((unsigned long)(value)) : "memory")

/* A format descriptor, as d1_setfmt takes it: one of the kinds above, and a bias. */
#define d1_format(kind, bias) ((kind) << D1_BIAS_BITS | (bias))
"""

_BOTTOM = """\
#include <d1_node.h>

#endif
"""


def header(config: NodeConfig) -> str:
    """The text of ``d1.h`` for a node.

    Parameters
    ----------
    config : NodeConfig
        The node; programs that use the header are for this one only.
    """
    sizes = {
        "SRAM_BASE": SRAM_BASE,
        "SRAM_BYTES": config.sram_bytes,
        "BLOCK_BYTES": config.block_bytes,
        "LINE_BYTES": config.line_bytes,
        "THREADS": config.threads,
        "ACCUMULATORS": config.accumulators,
        "SEMAPHORES": config.semaphores,
        "MATRIX_M": config.matrix_m,
        "MATRIX_N": config.matrix_n,
        "ACC_BYTES": config.accumulator_bytes,
        "LISTS": config.lists,
    }
    addresses = {
        "OFFSET_BITS": OFFSET_BITS,
        "COORDINATE_BITS": COORDINATE_BITS,
        "CONTROL_PAGE": CONTROL_PAGE_OFFSET,
        "THREAD_BLOCK": CONTROL_PAGE_OFFSET + THREAD_BLOCK,
        "THREAD_STRIDE": THREAD_STRIDE,
        "SEMAPHORE_BLOCK": CONTROL_PAGE_OFFSET + SEMAPHORE_BLOCK,
        "SEMAPHORE_STRIDE": SEMAPHORE_STRIDE,
        "LIST_BLOCK": CONTROL_PAGE_OFFSET + LIST_BLOCK,
        "LIST_STRIDE": LIST_STRIDE,
        "LIST_START": CONTROL_PAGE_OFFSET + LIST_START,
        "LIST_IGNORED": CONTROL_PAGE_OFFSET + LIST_IGNORED,
        "LIST_DESCRIPTOR_BYTES": LIST_DESCRIPTOR_BYTES,
        "LIST_MAGIC": LIST_MAGIC,
    }
    parts = [
        _TOP.format(name=config.name),
        "/* Sizes of the node; a matrix step takes M x 4 by 4 x N elements. */",
        _defines("", sizes.items()),
        "/* Addresses of the array, see docs/architecture.md: offsets in a node's window. */",
        _defines("", addresses.items()),
        "/* Registers of the control page that exist once per node, from D1_CONTROL_PAGE on. */",
        _defines("CONTROL_", _members(ControlRegister)),
        "/* Registers of a thread, from D1_THREAD_BLOCK + thread * D1_THREAD_STRIDE on. */",
        _defines("THREAD_", _members(ThreadRegister)),
        "/* CSRs. */",
        _defines("CSR_", _members(Csr)),
        "/* Bits of the CSR mflags. */",
        _defines("FLAG_", _members(Flag)),
        "/* Kinds of number format. */",
        _defines("KIND_", _members(FormatKind)) + f"#define D1_BIAS_BITS {BIAS_BITS}\n",
        "/* Lowest bits of fields of a list's control word; d1_lists.h makes it. */",
        _defines("LIST_FIELD_", _members(ListField)),
        "/* Registers of a place for lists, from D1_LIST_BLOCK + place * D1_LIST_STRIDE on. */",
        _defines("LIST_", _members(ListRegister)),
        _HELPERS,
        *(each.text for each in intrinsics(config)),
        _BOTTOM,
    ]
    return "\n".join(parts)


def _members(values: type[IntEnum] | type[IntFlag]) -> Iterable[tuple[str, int]]:
    return [(member.name or "", int(member)) for member in values]


def _defines(prefix: str, values: Iterable[tuple[str, int]]) -> str:
    """Constants, one a line; addresses and register numbers are easier to compare in hexadecimal."""
    return "".join(f"#define D1_{prefix}{name} {value if value < 256 else f'{value:#x}'}\n" for name, value in values)
