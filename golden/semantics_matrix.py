# SPDX-License-Identifier: Apache-2.0
"""What matrix instructions do to a thread: steps, accumulator loads and stores.

Semantic functions as in ``golden.semantics_scalar``. A vector register whose ``nread`` is under way is None; an instruction
that names it waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from golden.access import check_load, check_store
from golden.formats import BF16, encode_codes, format_of
from golden.instruction import MASK_64, Fields, Operation, Trap
from golden.layout import SRAM_BASE, Cause
from golden.semantics_scalar import Semantics

if TYPE_CHECKING:
    from golden.formats import Format
    from golden.thread import Thread

#: Steps of one instruction with named formats and operands in memory.
_NAMED_STEPS = 2


def _step_registers(zero: bool) -> Semantics:
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


def _step_memory(zero: bool, a_plus: bool, b_plus: bool) -> Semantics:
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
                check_load(a, line, last + line, line)
                check_load(b, line, last + line, line)
            step(md, sram[a_start : a_start + line], sram[b_start : b_start + line])
            if a_plus:
                x[a_advanced] = a + line & MASK_64
            if b_plus:
                x[b_advanced] = b + line & MASK_64
            thread.matrix_steps += 1
            thread.lines_loaded += 2
            return following

        return operation, None

    return bind


def _named_step_registers(zero: bool, upper: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        v, md, vs1, vs2, following = thread.v, thread.accumulator(fields.rd), fields.rs1, fields.rs2, pc + 4
        operands, fab, word, line = thread.formats.matrix_operands, fields.fab, fields.word, thread.config.line_bytes
        step = thread.accumulators.restart if zero else thread.accumulators.step

        def operation() -> int | None:
            a, b, taken = v[vs1], v[vs2], operands[fab]
            if a is None or b is None:
                return None
            if taken is None:
                raise Trap(Cause.ILLEGAL_INSTRUCTION, word)
            formats, a_bytes, b_bytes = taken
            # A tile that fills the register has no halves.
            a_start = line - a_bytes if upper else 0
            b_start = line - b_bytes if upper else 0
            step(md, a[a_start : a_start + a_bytes], b[b_start : b_start + b_bytes], formats)
            thread.matrix_steps += 1
            return following

        return operation, thread.block_on(vs1, vs2)

    return bind


def _named_step_memory(zero: bool, a_plus: bool, b_plus: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, md, rs1, rs2, following = thread.x, thread.accumulator(fields.rd), fields.rs1, fields.rs2, pc + 4
        if a_plus and b_plus and not (rs1 ^ rs2) & 1:
            thread.reject()
        operands, fab, word = thread.formats.matrix_operands, fields.fab, fields.word
        sram, line = thread.node.sram, thread.config.line_bytes
        limit = len(sram)
        a_advanced, b_advanced = thread.writable(rs1), thread.writable(rs2)
        step = thread.accumulators.restart if zero else thread.accumulators.step

        def operation() -> int:
            taken = operands[fab]
            if taken is None:
                raise Trap(Cause.ILLEGAL_INSTRUCTION, word)
            formats, a_bytes, b_bytes = taken
            a_bytes *= _NAMED_STEPS
            b_bytes *= _NAMED_STEPS
            a, b = x[rs1], x[rs2]
            a_start = check_load(a, line, limit, a_bytes)
            b_start = check_load(b, line, limit, b_bytes)
            step(md, sram[a_start : a_start + a_bytes], sram[b_start : b_start + b_bytes], formats, _NAMED_STEPS)
            if a_plus:
                x[a_advanced] = a + a_bytes & MASK_64
            if b_plus:
                x[b_advanced] = b + b_bytes & MASK_64
            thread.matrix_steps += _NAMED_STEPS
            thread.lines_loaded += (a_bytes + b_bytes) // line
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
            start = check_load(address, line, limit, size)
            load(md, sram[start : start + size])
            if post_increment:
                x[advanced] = address + size & MASK_64
            thread.lines_loaded += size // line
            return following

        return operation, None

    return bind


def _store_accumulator(thread: Thread, md: int, rs1: int, fmt: Format | None, stochastic: bool, post_increment: bool) -> None:
    """Store md at the address in x[rs1] as it is, or encoded to a format."""
    sram, config = thread.node.sram, thread.config
    item = 4 if fmt is None else fmt.dtype.itemsize
    size = config.matrix_m * config.matrix_n * item
    address = thread.x[rs1]
    start = check_store(address, min(config.line_bytes, size), len(sram), size)
    codes = thread.accumulators.read(md)
    # The generators step whatever the format is.
    random = thread.random.draw(config.accumulator_lines).reshape(codes.shape) if stochastic else None
    if fmt is not None:
        codes, flags = encode_codes(codes, fmt, random)
        thread.mflags |= int(np.bitwise_or.reduce(flags, axis=None))
    sram[start : start + size] = codes.astype(codes.dtype.newbyteorder("<"), copy=False).tobytes()
    if post_increment:
        thread.x[thread.writable(rs1)] = address + size & MASK_64
    thread.lines_stored += config.accumulator_lines


def _accumulator_store(fmt: Format | None, post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        md, rs1, following = thread.accumulator(fields.rd), fields.rs1, pc + 4

        def operation() -> int:
            _store_accumulator(thread, md, rs1, fmt, False, post_increment)
            return following

        return operation, None

    return bind


def _named_accumulator_store(stochastic: bool, post_increment: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        md, rs1, number, formats, following = thread.accumulator(fields.rd), fields.rs1, fields.rs2, thread.formats, pc + 4

        def operation() -> int:
            _store_accumulator(thread, md, rs1, format_of(formats[number]), stochastic, post_increment)
            return following

        return operation, None

    return bind


def _table() -> dict[str, Semantics]:
    table: dict[str, Semantics] = {"mzero": _mzero}
    for prefix, zero in (("mstep", False), ("mstepz", True)):
        table[f"{prefix}.bf16"] = _step_registers(zero)
        for half in "lh":
            table[f"{prefix}.x{half}"] = _named_step_registers(zero, half == "h")
        for suffix in ("mm", "mp", "pm", "pp"):
            table[f"{prefix}.bf16.{suffix}"] = _step_memory(zero, suffix[0] == "p", suffix[1] == "p")
            table[f"{prefix}.x.{suffix}"] = _named_step_memory(zero, suffix[0] == "p", suffix[1] == "p")
    for suffix in ("", ".p"):
        plus = bool(suffix)
        table[f"mld.f32{suffix}"] = _accumulator_load(plus)
        table[f"mst.f32{suffix}"] = _accumulator_store(None, plus)
        table[f"mst.bf16{suffix}"] = _accumulator_store(BF16, plus)
    for suffix in ("", ".s", ".p", ".sp"):
        table[f"mst.x{suffix}"] = _named_accumulator_store("s" in suffix, "p" in suffix)
    return table


#: Semantics by mnemonic.
MATRIX_SEMANTICS = _table()
