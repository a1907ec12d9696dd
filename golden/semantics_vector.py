# SPDX-License-Identifier: Apache-2.0
"""What loads and stores of vector registers do to a thread.

Semantic functions as in ``golden.semantics_scalar``. A vector register whose ``nread`` is under way is None; an instruction
that names it waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golden.access import check_load, check_store
from golden.instruction import MASK_64, Fields, Operation, signed
from golden.semantics_scalar import Semantics

if TYPE_CHECKING:
    from golden.thread import Thread

_GRANULES_BYTES = (8, 16)


def _load(post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, vd, rs1, immediate, following = thread.x, thread.v, fields.rd, fields.rs1, fields.imm_i, pc + 4
        sram, line = thread.node.sram, thread.config.line_bytes
        limit = len(sram)
        advanced = thread.writable(rs1)

        def operation() -> int | None:
            if v[vd] is None:
                return None
            address = x[rs1] if post_increment else x[rs1] + immediate & MASK_64
            start = check_load(address, line, limit, line)
            v[vd] = bytes(sram[start : start + line])
            if post_increment:
                x[advanced] = address + immediate & MASK_64
            thread.lines_loaded += 1
            return following

        return operation, thread.block_on(vd)

    return bind


def _store(post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, vs2, rs1, immediate, following = thread.x, thread.v, fields.rs2, fields.rs1, fields.imm_s, pc + 4
        sram, line = thread.node.sram, thread.config.line_bytes
        limit = len(sram)
        advanced = thread.writable(rs1)

        def operation() -> int | None:
            data = v[vs2]
            if data is None:
                return None
            address = x[rs1] if post_increment else x[rs1] + immediate & MASK_64
            start = check_store(address, line, limit, line)
            sram[start : start + line] = data
            if post_increment:
                x[advanced] = address + immediate & MASK_64
            thread.lines_stored += 1
            return following

        return operation, thread.block_on(vs2)

    return bind


def _gather(thread: Thread, vd: int, granule: int, addresses: list[int]) -> None:
    """vd = granules from these addresses and zeros behind them; traps at the first bad one, with nothing written."""
    sram, line = thread.node.sram, thread.config.line_bytes
    data = bytearray()
    for address in addresses:
        start = check_load(address, granule, len(sram), granule)
        data += sram[start : start + granule]
    thread.v[vd] = bytes(data.ljust(line, b"\0"))
    thread.lines_loaded += len(addresses)


def _load_strided(granule: int, counted: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, vd, rs1, rs2, following = thread.x, thread.v, fields.rd, fields.rs1, fields.rs2, pc + 4
        granules = thread.config.line_bytes // granule

        def operation() -> int | None:
            if v[vd] is None:
                return None
            base, stride = x[rs1], signed(x[rs2], 32)
            count = min(granules, max(0, signed(x[rs2] >> 32, 32))) if counted else granules
            _gather(thread, vd, granule, [base + i * stride & MASK_64 for i in range(count)])
            return following

        return operation, thread.block_on(vd)

    return bind


def _load_indexed(granule: int) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, vd, rs1, vs2, following = thread.x, thread.v, fields.rd, fields.rs1, fields.rs2, pc + 4
        granules = thread.config.line_bytes // granule

        def operation() -> int | None:
            offsets = v[vs2]
            if offsets is None or v[vd] is None:
                return None
            base = x[rs1]
            addresses = [base + int.from_bytes(offsets[4 * i : 4 * i + 4], "little") & MASK_64 for i in range(granules)]
            _gather(thread, vd, granule, addresses)
            return following

        return operation, thread.block_on(vs2, vd)

    return bind


def _table() -> dict[str, Semantics]:
    table: dict[str, Semantics] = {
        "vld": _load(post_increment=False),
        "vld.p": _load(post_increment=True),
        "vst": _store(post_increment=False),
        "vst.p": _store(post_increment=True),
    }
    for granule in _GRANULES_BYTES:
        table[f"vlds.{granule}"] = _load_strided(granule, counted=False)
        table[f"vldsz.{granule}"] = _load_strided(granule, counted=True)
        table[f"vldx.{granule}"] = _load_indexed(granule)
    return table


#: Semantics by mnemonic.
VECTOR_SEMANTICS = _table()
