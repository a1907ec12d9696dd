# SPDX-License-Identifier: Apache-2.0
"""Every intrinsic is its instruction with the operands that are written; operands that cannot be do not compile."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from golden.config import NodeConfig, preset
from golden.isa import CUSTOM_0, CUSTOM_1, CUSTOM_2, CUSTOM_3, INSTRUCTIONS, Extension, Unit
from golden.program import Program
from scripts.d1.compilers import Compiler
from scripts.d1.errors import CommandError
from sw.assembler.assembler import predefined_symbols
from sw.c.header import header
from sw.c.intrinsics import Intrinsic, intrinsics
from sw.encoding import OPERANDS, decode_operands
from verif.sw.c_programs import COMPILERS, compile_c

D1 = preset("d1")
INTRINSICS = list(intrinsics(D1))
CUSTOM = (CUSTOM_0, CUSTOM_1, CUSTOM_2, CUSTOM_3)

#: Scalar operands -> the parameter of a test's function that holds it, and the register in which the ABI passes it.
SCALARS = {"rs1": ("x", 10), "rs2": ("y", 11)}
#: Registers of pointers, where an instruction advances two.
PAIR = {"rs1": 30, "rs2": 31}

#: Units whose instructions access memory, this node's or another's, or order accesses to it.
TOUCHING_MEMORY = (Unit.VECTOR_LOAD, Unit.VECTOR_STORE, Unit.ACCUMULATOR_STORE, Unit.NETWORK, Unit.SYNC)

#: Sets of operand values for each intrinsic.
VARIANTS = 4


def highest(operand: str, config: NodeConfig) -> int:
    """The largest number that an operand may be."""
    return {"md": config.accumulators - 1, "sem": config.semaphores - 1}.get(operand, OPERANDS[operand].high)


def operands(each: Intrinsic, variant: int) -> dict[str, int]:
    """Values for the constant operands: all the lowest, all the highest, or different ones."""
    draw = random.Random(f"{each.name} {variant}")
    values = {}
    for operand in each.parameters:
        if operand not in SCALARS:
            low, high = OPERANDS[operand].low, highest(operand, D1)
            values[operand] = (low, high)[variant] if variant < 2 else draw.randint(low, high)
    return values


def function(each: Intrinsic, variant: int) -> str:
    """A C function that is the intrinsic."""
    values = operands(each, variant)
    arguments = ", ".join(SCALARS[operand][0] if operand in SCALARS else str(values[operand]) for operand in each.parameters)
    result = "return " if "rd" in each.row.operands else ""
    kind = "unsigned long" if result else "void"
    name = f"use_{each.name}_{variant}"
    return f"{kind} {name}(unsigned long x, unsigned long y) {{ {result}{each.name}({arguments}); (void)x; (void)y; }}\n"


def words(program: Program, name: str, functions: Mapping[int, str]) -> list[int]:
    """Instruction words of a function, up to the next one."""
    start = program.symbols[name]
    ((base, contents),) = [(base, contents) for base, contents in program.segments if base <= start < base + len(contents)]
    found = []
    for address in range(start, base + len(contents), 4):
        if address != start and address in functions:
            break
        found.append(int.from_bytes(contents[address - base : address - base + 4], "little"))
    return found


@pytest.mark.parametrize("compiler", COMPILERS, ids=str)
@pytest.mark.parametrize("level", ["2", "0"])
def test_every_intrinsic_is_its_instruction_with_the_operands_that_are_written(
    compiler: Compiler, level: str, tmp_path: Path
) -> None:
    uses = [(each, variant) for each in INTRINSICS for variant in range(VARIANTS)]
    source = '#include <d1.h>\n#pragma GCC diagnostic ignored "-Wreturn-type"\n' + "".join(function(*use) for use in uses)
    source += "int main(void) { return 0; }\n"
    program = compile_c(tmp_path, source, D1, compiler=compiler, level=level, extra=["-Wl,--no-gc-sections"])
    functions = {address: name for name, address in program.symbols.items()}
    for each, variant in uses:
        name = f"use_{each.name}_{variant}"
        custom = [word for word in words(program, name, functions) if word & 0x7F in CUSTOM]
        assert len(custom) == 1, name
        decoded = decode_operands(custom[0])
        assert decoded is not None, name
        row, values = decoded
        assert row is each.row, name
        masks = {operand: 0 for operand in row.optional_operands if operand not in each.parameters}
        expected = operands(each, variant) | masks
        assert {operand: values[operand] for operand in expected} == expected, name
        scalars = {operand: values[operand] for operand in row.operands if operand in SCALARS}
        if len(row.post_increment) == 2:
            assert scalars == PAIR, name
        elif level != "0":
            assert scalars == {operand: SCALARS[operand][1] for operand in scalars}, name


def test_there_is_an_intrinsic_for_every_instruction_of_the_extension() -> None:
    wanted = {row.mnemonic for row in INSTRUCTIONS.values() if row.extension is Extension.XD1}
    assert {each.row.mnemonic for each in INTRINSICS} == wanted
    names = [each.name for each in INTRINSICS]
    assert len(set(names)) == len(names)
    assert {each.name for each in INTRINSICS if each.row.optional_operands} >= {"d1_vadd_f32", "d1_vadd_f32_m"}


def test_compilers_are_told_which_intrinsics_touch_memory() -> None:
    # Not all compilers take advantage of what they are not told, so programs cannot show it.
    for each in INTRINSICS:
        if "__asm__" not in each.text:
            continue
        row = each.row
        touches = row.unit in TOUCHING_MEMORY or (row.unit is Unit.MATRIX and "rs1" in row.operands)
        assert ('"memory"' in each.text) == touches, each.name


def test_the_header_has_the_constants_of_assembler_source() -> None:
    for name in ("d1", "nano"):
        text = header(preset(name))
        for symbol, value in predefined_symbols(preset(name)).items():
            assert f"#define D1_{symbol} {value if value < 256 else f'{value:#x}'}\n" in text


USE = "#include <d1.h>\nint main(void) {{ long p = 0, v = 1; {} return p + v; }}\n"


@pytest.mark.parametrize(
    "statement, complaint",
    [
        ("d1_vadd_f32(32, 0, 0);", "vd must be a vector register, 0 to 31"),
        ("d1_vadd_f32_m(0, 0, -1, 0);", "vs2 must be a vector register"),
        ("d1_vadd_f32_m(0, 0, 0, 8);", "pm must be a predicate, 0 to 7"),
        ("d1_vld(0, p, 2048);", "imm_i must be a number, -2048 to 2047"),
        ("d1_mzero(4);", "md must be an accumulator, 0 to 3"),
        ("d1_swait(16, 1);", "sem must be a semaphore number, 0 to 15"),
        ("d1_vtrn_e8(0, 0, 16);", "part must be a number, 0 to 15"),
        ("d1_setfmt(16, p);", "fmt must be a format descriptor, 0 to 15"),
        ("int narrow = 0; d1_vld_p(0, narrow, 16);", "rs1 must be a pointer or 8 bytes"),
        ("d1_vxor(v, 0, 0);", "not constant|constant expression"),
    ],
)
def test_operands_that_cannot_be_do_not_compile(statement: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=complaint):
        compile_c(tmp_path, USE.format(statement), D1)


def test_constants_may_be_any_constant_expression(tmp_path: Path) -> None:
    compile_c(tmp_path, "enum { V = 3 };\n" + USE.format("d1_vadd_f32(V, V + 1, 1 << 2);"), D1, level="0")
