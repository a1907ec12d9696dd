# SPDX-License-Identifier: Apache-2.0
"""What the instructions of Xd1 do to a thread: vector memory, SIMD lanes, matrix, network and synchronisation.

Semantic functions as in ``golden.semantics_scalar``. A vector register whose ``nread`` is under way is None; an instruction
that names it waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from golden.arithmetic import bf16_to_fp32, fp32_add, fp32_to_bf16
from golden.instruction import MASK_64, Fields, Operation, Trap, defer
from golden.layout import (
    COORDINATE_BITS,
    OFFSET_BITS,
    SEMAPHORE_VALUE_BITS,
    SRAM_BASE,
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
_SEMAPHORE_MASK = (1 << SEMAPHORE_VALUE_BITS) - 1

#: Tag of a thread's read: read << 7 | thread << 5 | vector register; of its write: thread << 5.
TAG_READ = 1 << 7
TAG_THREAD_SHIFT = 5

_Lanes = npt.NDArray[np.uint32]


def _check(address: int, alignment: int, limit: int, size: int, misaligned: Cause, fault: Cause) -> int:
    """The position in SRAM of ``size`` bytes at an address; traps if it is misaligned or not all of it is there."""
    if address & alignment - 1:
        raise Trap(misaligned, address)
    start = address - SRAM_BASE
    if not 0 <= start <= limit - size:
        raise Trap(fault, address)
    return start


def _check_load(address: int, alignment: int, limit: int, size: int) -> int:
    return _check(address, alignment, limit, size, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)


def _check_store(address: int, alignment: int, limit: int, size: int) -> int:
    return _check(address, alignment, limit, size, Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)


# ---------------------------------------------------------------------------------------------------------------------
# Vector memory
# ---------------------------------------------------------------------------------------------------------------------


def _vector_load(post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, vd, rs1, immediate, following = thread.x, thread.v, fields.rd, fields.rs1, fields.imm_i, pc + 4
        sram, line = thread.node.sram, thread.config.line_bytes
        limit = len(sram)
        advanced = thread.writable(rs1)

        def operation() -> int | None:
            if v[vd] is None:
                return None
            address = x[rs1] if post_increment else x[rs1] + immediate & MASK_64
            start = _check_load(address, line, limit, line)
            v[vd] = bytes(sram[start : start + line])
            if post_increment:
                x[advanced] = address + immediate & MASK_64
            return following

        return operation, thread.block_on(vd)

    return bind


def _vector_store(post_increment: bool) -> Semantics:
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
            start = _check_store(address, line, limit, line)
            sram[start : start + line] = data
            if post_increment:
                x[advanced] = address + immediate & MASK_64
            return following

        return operation, thread.block_on(vs2)

    return bind


# ---------------------------------------------------------------------------------------------------------------------
# SIMD lanes
# ---------------------------------------------------------------------------------------------------------------------


def _simd_unary(compute: Callable[[bytes], bytes]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        v, vd, vs1, following = thread.v, fields.rd, fields.rs1, pc + 4

        def operation() -> int | None:
            a = v[vs1]
            if a is None or v[vd] is None:
                return None
            v[vd] = compute(a)
            return following

        return operation, thread.block_on(vs1, vd)

    return bind


def _simd_binary(compute: Callable[[bytes, bytes], bytes]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        v, vd, vs1, vs2, following = thread.v, fields.rd, fields.rs1, fields.rs2, pc + 4

        def operation() -> int | None:
            a, b = v[vs1], v[vs2]
            if a is None or b is None or v[vd] is None:
                return None
            v[vd] = compute(a, b)
            return following

        return operation, thread.block_on(vs1, vs2, vd)

    return bind


def _fp32_lanes(data: bytes) -> _Lanes:
    return np.frombuffer(data, "<u4").astype(np.uint32)


def _widen(half: bytes) -> bytes:
    return bf16_to_fp32(np.frombuffer(half, "<u2").astype(np.uint16)).astype("<u4").tobytes()


def _vadd_f32(a: bytes, b: bytes) -> bytes:
    return fp32_add(_fp32_lanes(a), _fp32_lanes(b)).astype("<u4").tobytes()


def _vcvt_bf16_f32(a: bytes, b: bytes) -> bytes:
    return fp32_to_bf16(_fp32_lanes(a + b)).astype("<u2").tobytes()


# ---------------------------------------------------------------------------------------------------------------------
# Matrix
# ---------------------------------------------------------------------------------------------------------------------


def _matrix_step_registers(zero: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        v, md, vs1, vs2, following = thread.v, thread.accumulator(fields.rd), fields.rs1, fields.rs2, pc + 4
        step = thread.accumulators.restart if zero else thread.accumulators.step

        def operation() -> int | None:
            a, b = v[vs1], v[vs2]
            if a is None or b is None:
                return None
            step(md, a, b)
            thread.matrix_steps += 1
            return following

        return operation, thread.block_on(vs1, vs2)

    return bind


def _matrix_step_memory(zero: bool, a_plus: bool, b_plus: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, md, rs1, rs2, following = thread.x, thread.accumulator(fields.rd), fields.rs1, fields.rs2, pc + 4
        if a_plus and b_plus and not (rs1 ^ rs2) & 1:
            thread.reject()
        sram, line = thread.node.sram, thread.config.line_bytes
        last = len(sram) - line
        misaligned = line - 1
        a_advanced, b_advanced = thread.writable(rs1), thread.writable(rs2)
        step = thread.accumulators.restart if zero else thread.accumulators.step

        def operation() -> int:
            a, b = x[rs1], x[rs2]
            a_start, b_start = a - SRAM_BASE, b - SRAM_BASE
            # One test for the common case; which check fails first is found out only when one does.
            if (a | b) & misaligned or not (0 <= a_start <= last and 0 <= b_start <= last):
                _check_load(a, line, last + line, line)
                _check_load(b, line, last + line, line)
            step(md, sram[a_start : a_start + line], sram[b_start : b_start + line])
            if a_plus:
                x[a_advanced] = a + line & MASK_64
            if b_plus:
                x[b_advanced] = b + line & MASK_64
            thread.matrix_steps += 1
            return following

        return operation, None

    return bind


def _mzero(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    md, clear, following = thread.accumulator(fields.rd), thread.accumulators.clear, pc + 4

    def operation() -> int:
        clear(md)
        return following

    return operation, None


def _accumulator_load(post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, md, rs1, following = thread.x, thread.accumulator(fields.rd), fields.rs1, pc + 4
        sram, line, size = thread.node.sram, thread.config.line_bytes, thread.config.accumulator_bytes
        limit, advanced, load = len(sram), thread.writable(rs1), thread.accumulators.load

        def operation() -> int:
            address = x[rs1]
            start = _check_load(address, line, limit, size)
            load(md, sram[start : start + size])
            if post_increment:
                x[advanced] = address + size & MASK_64
            return following

        return operation, None

    return bind


def _accumulator_store(bf16: bool, post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, md, rs1, following = thread.x, thread.accumulator(fields.rd), fields.rs1, pc + 4
        sram, config = thread.node.sram, thread.config
        size = config.accumulator_bytes // (2 if bf16 else 1)
        alignment = min(config.line_bytes, size)
        limit, advanced = len(sram), thread.writable(rs1)
        image = thread.accumulators.bf16 if bf16 else thread.accumulators.fp32

        def operation() -> int:
            address = x[rs1]
            start = _check_store(address, alignment, limit, size)
            sram[start : start + size] = image(md)
            if post_increment:
                x[advanced] = address + size & MASK_64
            return following

        return operation, None

    return bind


# ---------------------------------------------------------------------------------------------------------------------
# Network and synchronisation
# ---------------------------------------------------------------------------------------------------------------------


def _check_global(address: int, alignment: int, misaligned: Cause, fault: Cause) -> None:
    if address & alignment - 1:
        raise Trap(misaligned, address)
    if address >> _EXIT_SHIFT > Port.WEST:
        raise Trap(fault, address)


def _request(thread: Thread, kind: Kind, address: int, tag: int, **contents: int | bytes | bool) -> Packet:
    node = thread.node
    return Packet(
        kind,
        address >> OFFSET_BITS & _COORDINATE_MASK,
        address >> OFFSET_BITS + COORDINATE_BITS & _COORDINATE_MASK,
        address & _OFFSET_MASK,
        address >> _EXIT_SHIFT,
        node.x,
        node.y,
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


def _nread(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, v, vd, rs1, line = thread.x, thread.v, fields.rd, fields.rs1, thread.config.line_bytes
    block = thread.block_on(vd)

    def complete() -> int | None:
        if v[vd] is None:
            return block()
        address = x[rs1]
        _check_global(address, line, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)
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


def _swait(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    x, rs1, semaphore, semaphores = thread.x, fields.rs1, thread.semaphore(fields.rd), thread.node.semaphores

    def complete() -> int | None:
        needed = x[rs1] & _SEMAPHORE_MASK
        if semaphores[semaphore] < needed:
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
        "vld": _vector_load(post_increment=False),
        "vld.p": _vector_load(post_increment=True),
        "vst": _vector_store(post_increment=False),
        "vst.p": _vector_store(post_increment=True),
        "vadd.f32": _simd_binary(_vadd_f32),
        "vcvt.f32.bf16l": _simd_unary(lambda a: _widen(a[: len(a) // 2])),
        "vcvt.f32.bf16h": _simd_unary(lambda a: _widen(a[len(a) // 2 :])),
        "vcvt.bf16.f32": _simd_binary(_vcvt_bf16_f32),
        "mzero": _mzero,
        "nread": _nread,
        "nsd": _nsd,
        "swait": _swait,
        "spost": _spost,
        "halt": _halt,
    }
    for prefix, zero in (("mstep", False), ("mstepz", True)):
        table[f"{prefix}.bf16"] = _matrix_step_registers(zero)
        for suffix in ("mm", "mp", "pm", "pp"):
            table[f"{prefix}.bf16.{suffix}"] = _matrix_step_memory(zero, suffix[0] == "p", suffix[1] == "p")
    for suffix in ("", ".p"):
        table[f"mld.f32{suffix}"] = _accumulator_load(post_increment=bool(suffix))
        table[f"mst.f32{suffix}"] = _accumulator_store(bf16=False, post_increment=bool(suffix))
        table[f"mst.bf16{suffix}"] = _accumulator_store(bf16=True, post_increment=bool(suffix))
    for suffix in ("", ".s", ".p", ".sp"):
        table[f"nwrite{suffix}"] = _nwrite(post="s" in suffix, post_increment="p" in suffix)
    return table


#: Semantics by mnemonic.
XD1_SEMANTICS = _table()
