# SPDX-License-Identifier: Apache-2.0
"""What SIMD operations, predicate operations and ``setfmt`` do to a thread; the lanes' arithmetic is ``golden.simd``'s.

Semantic functions as in ``golden.semantics_scalar``. A vector register whose ``nread`` is under way is None; an instruction
that names it waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from golden.instruction import Fields, Operation
from golden.isa import INSTRUCTIONS, Instruction, Unit
from golden.semantics_scalar import Semantics
from golden.simd import SimdOperands, execute, random_steps, transpose_group

if TYPE_CHECKING:
    from golden.thread import Thread

#: Generator steps whose bits an operation can take.
_RANDOM_ROWS = 2

#: Vector operands with their fields, as SimdOperands names them; ``vd`` as it is takes part in masking.
_LINES = {"vs1": ("a", "rs1"), "vs2": ("b", "rs2"), "vd": ("c", "rd")}


def _simd(row: Instruction) -> Semantics:
    mnemonic, names = row.mnemonic, row.operands
    scalar_field = "rs1" if "rs1" in names else "rs2" if "rs2" in names else None
    steps = random_steps(mnemonic)

    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, v, p, formats, config, following = thread.x, thread.v, thread.p, thread.formats, thread.config, pc + 4
        vd, pd, pm = fields.rd, thread.writable_predicate(fields.rd), fields.pm if "pm" in names else 0
        scalar = getattr(fields, scalar_field) if scalar_field else 0
        fmt = fields.rs2 if "fmt" in names else 0
        part = fields.rs2 if "part" in names else 0

        registers = {_LINES[name][0]: getattr(fields, _LINES[name][1]) for name in names if name in _LINES}
        group: range = range(0)
        if "part" in names:
            size = transpose_group(config, int(mnemonic.rpartition(".e")[2]))
            if fields.rs1 % size or part >= size:
                thread.reject()
            group = range(fields.rs1, fields.rs1 + size)
        needed = (*registers.values(), *group)
        nothing = bytes(config.line_bytes)

        def operation() -> int | None:
            lines = [line for line in map(v.__getitem__, needed) if line is not None]
            if len(lines) < len(needed):
                return None
            random = None
            if steps:
                random = np.zeros((_RANDOM_ROWS, config.fp32_lanes), np.uint32)
                random[:steps] = thread.random.draw(steps)
            named = dict(zip(registers, lines, strict=False))
            operands = SimdOperands(
                a=named.get("a", nothing),
                b=named.get("b", nothing),
                c=named.get("c", nothing),
                scalar=x[scalar],
                mask=p[pm],
                descriptor=formats[fmt],
                random=random,
                group=tuple(lines[len(registers) :]),
                part=part,
            )
            result = execute(mnemonic, config, operands)
            if result.value is not None:
                v[vd] = result.value
            if result.predicate is not None:
                p[pd] = result.predicate
            thread.mflags |= result.flags
            return following

        return operation, thread.block_on(*needed)

    return bind


def _predicate(combine: Callable[[int, int], int]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        p, pd, ps1, ps2, following = thread.p, thread.writable_predicate(fields.rd), fields.rs1, fields.rs2, pc + 4

        def operation() -> int:
            p[pd] = combine(p[ps1], p[ps2])
            return following

        return operation, None

    return bind


def _predicate_from_scalar(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    x, p, pd, rs1, following = thread.x, thread.p, thread.writable_predicate(fields.rd), fields.rs1, pc + 4
    ones = p[0]

    def operation() -> int:
        p[pd] = x[rs1] & ones
        return following

    return operation, None


def _scalar_from_predicate(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    x, destination, p, ps1, following = thread.x, fields.destination, thread.p, fields.rs1, pc + 4

    def operation() -> int:
        x[destination] = p[ps1]
        return following

    return operation, None


def _setfmt(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    x, rs1, fmt, formats, following = thread.x, fields.rs1, fields.rs2, thread.formats, pc + 4

    def operation() -> int:
        formats.write(fmt, x[rs1])
        return following

    return operation, None


#: Semantics by mnemonic.
SIMD_SEMANTICS: dict[str, Semantics] = {
    **{row.mnemonic: _simd(row) for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD},
    "pand": _predicate(lambda a, b: a & b),
    "por": _predicate(lambda a, b: a | b),
    "pxor": _predicate(lambda a, b: a ^ b),
    "pandn": _predicate(lambda a, b: a & ~b),
    "pmv.p.x": _predicate_from_scalar,
    "pmv.x.p": _scalar_from_predicate,
    "setfmt": _setfmt,
}
