# SPDX-License-Identifier: Apache-2.0
"""What network and synchronisation instructions do to a thread.

Semantic functions as in ``golden.semantics_scalar``. A vector register whose ``nread`` is under way is None; an instruction
that names it waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golden.access import check_load
from golden.instruction import MASK_64, Fields, Operation, Trap, defer
from golden.layout import (
    COORDINATE_BITS,
    EXIT_BITS,
    GLOBAL_ADDRESS_BITS,
    LIST_DESCRIPTOR_BYTES,
    OFFSET_BITS,
    SEMAPHORE_VALUE_BITS,
    UPPER_BITS,
    Cause,
    Kind,
    Port,
    ThreadState,
)
from golden.packet import Packet
from golden.semantics_scalar import Semantics

if TYPE_CHECKING:
    from golden.thread import Thread

_OFFSET_MASK = (1 << OFFSET_BITS) - 1
_COORDINATE_MASK = (1 << COORDINATE_BITS) - 1
_EXIT_SHIFT = OFFSET_BITS + 2 * COORDINATE_BITS
_EXIT_MASK = (1 << EXIT_BITS) - 1
_UPPER_SHIFT = GLOBAL_ADDRESS_BITS - UPPER_BITS
_SEMAPHORE_MASK = (1 << SEMAPHORE_VALUE_BITS) - 1

#: Tag of a thread's read: read << 7 | thread << 5 | vector register; of its write: thread << 5.
TAG_READ = 1 << 7
TAG_THREAD_SHIFT = 5


def _check_global(address: int, alignment: int, misaligned: Cause, fault: Cause) -> None:
    if address & alignment - 1:
        raise Trap(misaligned, address)
    if address >> _EXIT_SHIFT & _EXIT_MASK > Port.WEST:
        raise Trap(fault, address)


def _request(thread: Thread, kind: Kind, address: int, tag: int, **contents: int | bytes | bool) -> Packet:
    node = thread.node
    return Packet(
        kind,
        address >> OFFSET_BITS & _COORDINATE_MASK,
        address >> OFFSET_BITS + COORDINATE_BITS & _COORDINATE_MASK,
        address & _OFFSET_MASK,
        address >> _EXIT_SHIFT & _EXIT_MASK,
        node.x,
        node.y,
        upper=address >> _UPPER_SHIFT,
        tag=tag | thread.number << TAG_THREAD_SHIFT,
        **contents,  # type: ignore[arg-type]
    )


def _nwrite(post: bool, post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, vs2, rs1 = thread.x, thread.v, fields.rs2, fields.rs1
        line, advanced = thread.config.line_bytes, thread.writable(rs1)
        semaphore = thread.semaphore(fields.rd) if post else 0
        block = thread.block_on(vs2)

        def complete() -> int | None:
            data = v[vs2]
            if data is None:
                return block()
            address = x[rs1]
            _check_global(address, line, Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)
            mask = (1 << line) - 1
            thread.node.send(_request(thread, Kind.WRITE, address, 0, post=post, sem=semaphore, mask=mask, data=data))
            if post_increment:
                x[advanced] = address + line & MASK_64
            return pc + 4

        return defer, complete

    return bind


def _npost(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, rs1, line, semaphore = thread.x, fields.rs1, thread.config.line_bytes, thread.semaphore(fields.rd)

    def complete() -> int:
        address = x[rs1]
        _check_global(address, line, Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)
        thread.node.send(_request(thread, Kind.WRITE, address, 0, post=True, sem=semaphore, data=bytes(line)))
        return pc + 4

    return defer, complete


def _nread(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, v, vd, rs1, line = thread.x, thread.v, fields.rd, fields.rs1, thread.config.line_bytes
    block = thread.block_on(vd)

    def complete() -> int | None:
        if v[vd] is None:
            return block()
        address = x[rs1]
        _check_global(address, line, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)
        if address >> _UPPER_SHIFT and not address >> _EXIT_SHIFT & _EXIT_MASK:
            # A rectangle, of which nothing is read.
            raise Trap(Cause.LOAD_ACCESS_FAULT, address)
        thread.expect(vd)
        thread.node.send(_request(thread, Kind.READ, address, TAG_READ | vd))
        return pc + 4

    return defer, complete


def _nsd(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, rs2, rs1, line = thread.x, fields.rs2, fields.rs1, thread.config.line_bytes

    def complete() -> int:
        address = x[rs1]
        _check_global(address, 8, Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)
        position = address % line
        data = bytearray(line)
        data[position : position + 8] = x[rs2].to_bytes(8, "little")
        thread.node.send(_request(thread, Kind.WRITE, address, 0, mask=0xFF << position, data=bytes(data)))
        return pc + 4

    return defer, complete


def _nlist(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, rs1, node, limit = thread.x, fields.rs1, thread.node, thread.config.sram_bytes
    if not thread.config.lists:
        thread.reject()

    def complete() -> int | None:
        offset = check_load(x[rs1], LIST_DESCRIPTOR_BYTES, limit, LIST_DESCRIPTOR_BYTES)
        if not node.lists.start(offset, thread.number):
            thread.held = True
            return None
        return pc + 4

    return defer, complete


def _swait(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, rs1, semaphore, node = thread.x, fields.rs1, thread.semaphore(fields.rd), thread.node
    semaphores = node.semaphores

    def complete() -> int | None:
        needed = x[rs1] & _SEMAPHORE_MASK
        # What a waiting thread is covered for is due to it; who has been woken has waited longest of all.
        due_to_another = not thread.woken and node.next_waiter(semaphore) is not None
        if semaphores[semaphore] < needed or due_to_another:
            thread.wait_for(semaphore, needed)
            return None
        semaphores[semaphore] -= needed
        return pc + 4

    return defer, complete


def _spost(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    x, rs1, semaphore, node, following = thread.x, fields.rs1, thread.semaphore(fields.rd), thread.node, pc + 4

    def operation() -> int:
        node.post(semaphore, x[rs1] & _SEMAPHORE_MASK)
        return following

    return operation, None


def _halt(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, rs1 = thread.x, fields.rs1

    def complete() -> int:
        thread.exit_code = x[rs1]
        thread.stop(ThreadState.HALTED)
        return pc + 4

    return defer, complete


def _table() -> dict[str, Semantics]:
    table: dict[str, Semantics] = {
        "npost": _npost,
        "nread": _nread,
        "nsd": _nsd,
        "nlist": _nlist,
        "swait": _swait,
        "spost": _spost,
        "halt": _halt,
    }
    for suffix in ("", ".s", ".p", ".sp"):
        table[f"nwrite{suffix}"] = _nwrite(post="s" in suffix, post_increment="p" in suffix)
    return table


#: Semantics by mnemonic.
NETWORK_SEMANTICS = _table()
