# SPDX-License-Identifier: Apache-2.0
"""C macros for the instructions of Xd1, one for each row of the instruction table, as inline assembly.

C compilers know neither the instructions nor their registers. So an instruction is written as ``.insn`` with its fields, which
GNU's assembler and LLVM's take alike; vector registers, accumulators, predicates, format descriptors, semaphores and immediates
are numbers that must be constants when compiling, and scalar registers are chosen by the compiler.

An instruction that advances two pointers needs an even and an odd register, which cannot be asked of a compiler: its pointers
are put into t5 and t6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, OPERAND_FIELDS, Extension, Instruction, Unit
from sw.encoding import OPERANDS, OperandKind

__all__ = ["Intrinsic", "intrinsic_name", "intrinsics"]

#: Fields of an instruction in R format: name -> (lowest bit, bits).
_FIELDS = {"rd": (7, 5), "rs1": (15, 5), "rs2": (20, 5), "funct7": (25, 7)}
_SCALARS = ("rd", "rs1", "rs2")

#: One even and one odd register that compilers need for nothing else: x30 and x31.
_PAIR = ("t5", "t6")

#: Units whose instructions other threads, nodes or the host may have to do with.
_SHARED_UNITS = (Unit.NETWORK, Unit.SYNC)


@dataclass(frozen=True)
class Intrinsic:
    """The macro of an instruction.

    Attributes
    ----------
    name : str
    row : Instruction
    parameters : tuple of str
        Operands of the row that it takes, in this order; rd is its value instead.
    text : str
        The definition in C, with a comment before it.
    """

    name: str
    row: Instruction
    parameters: tuple[str, ...]
    text: str


def intrinsic_name(mnemonic: str, masked: bool = False) -> str:
    """Name of an instruction's macro; ``masked`` for the one that takes an operand which may be left out."""
    return f"d1_{mnemonic.replace('.', '_')}{'_m' * masked}"


def intrinsics(config: NodeConfig) -> Iterator[Intrinsic]:
    """Macros of all instructions of Xd1, in the order of the table.

    Parameters have the order in which operands are written, but offsets come after their address. A row whose mask may be left
    out has two macros: one without it, and one with ``_m`` behind its name.

    Parameters
    ----------
    config : NodeConfig
        The node, whose accumulators and semaphores are all that macros accept.
    """
    for row in INSTRUCTIONS.values():
        if row.extension is not Extension.XD1:
            continue
        parameters = _parameters(row)
        given = tuple(operand for operand in parameters if operand not in row.optional_operands)
        comment = f"/* {row.mnemonic} {row.syntax}".rstrip() + f": {row.function} */\n"
        if row.optional_operands:
            name, masked = intrinsic_name(row.mnemonic), intrinsic_name(row.mnemonic, masked=True)
            arguments = ", ".join(given)
            zeros = ", 0" * len(row.optional_operands)
            yield Intrinsic(name, row, given, f"{comment}#define {name}({arguments}) {masked}({arguments}{zeros})\n")
            yield Intrinsic(masked, row, parameters, _definition(masked, row, config))
        else:
            name = intrinsic_name(row.mnemonic)
            yield Intrinsic(name, row, given, comment + _definition(name, row, config))


def _parameters(row: Instruction) -> tuple[str, ...]:
    """What the macro takes of a row's operands."""
    address_first = re.sub(r"(imm_\w)\((\w+)\)", r"\2, \1", row.syntax)
    return tuple(operand for operand in re.findall(r"\w+", address_first) if operand != "rd")


def _definition(name: str, row: Instruction, config: NodeConfig) -> str:
    """The macro that emits the instruction."""
    lines = [_check(name, operand, config) for operand in row.operands if operand not in _SCALARS]
    lines += [
        f'_Static_assert(sizeof({each}) == 8, "{name}: {each} must be a pointer or 8 bytes");' for each in row.post_increment
    ]
    result = "d1_result" if "rd" in row.operands else None
    pair = row.post_increment if len(row.post_increment) == 2 else ()
    if result:
        lines.append(f"unsigned long {result};")
    # All are evaluated before one of the registers is set, which evaluating could change.
    lines += [f"__typeof__({each}) d1_{each} = ({each});" for each in pair]
    lines += [
        f'register __typeof__({each}) d1_{register} __asm__("{register}") = d1_{each};'
        for each, register in zip(pair, _PAIR, strict=False)
    ]
    outputs = [f'"=r"({result})'] if result else []
    if pair:
        outputs += [f'"+r"(d1_{register})' for register in _PAIR]
    else:
        outputs += [f'"+r"({each})' for each in row.post_increment]
    written = (*(("rd",) if result else ()), *row.post_increment)
    others = [operand for operand in row.operands if operand not in written]
    inputs = [f'"r"((unsigned long)({each}))' if each in _SCALARS else f'"i"({each})' for each in others]
    clobbers = ' : "memory"' if "(" in row.syntax or row.unit in _SHARED_UNITS else ""
    numbers = {operand: number for number, operand in enumerate((*written, *others))}
    lines.append(f'__asm__ volatile("{_directive(row, numbers)}" : {", ".join(outputs)} : {", ".join(inputs)}{clobbers});')
    lines += [f"({each}) = d1_{register};" for each, register in zip(pair, _PAIR, strict=False)]
    if row.mnemonic == "halt":
        lines.append("__builtin_unreachable();")
    head = f"#define {name}({', '.join(_parameters(row))})"
    if result:
        return _continued([f"{head} __extension__ ({{", *(f"    {line}" for line in lines), f"    {result}; }})"])
    return _continued([f"{head} do {{", *(f"    {line}" for line in lines), "} while (0)"])


def _continued(lines: Sequence[str]) -> str:
    """Lines of one macro."""
    return " \\\n".join(lines) + "\n"


def _check(name: str, operand: str, config: NodeConfig) -> str:
    """A compile-time check of a number."""
    low, high, what = OPERANDS[operand].low, OPERANDS[operand].high, OPERANDS[operand].kind.value.partition(" (")[0]
    if OPERANDS[operand].kind is OperandKind.ACCUMULATOR:
        high = config.accumulators - 1
    elif OPERANDS[operand].kind is OperandKind.SEMAPHORE:
        high = config.semaphores - 1
    condition = f"({operand}) >= {low} && ({operand}) <= {high}"
    return f'_Static_assert({condition}, "{name}: {operand} must be {what}, {low} to {high}");'


def _directive(row: Instruction, numbers: dict[str, int]) -> str:
    """The ``.insn`` of a row; ``numbers`` are the places of its operands in the inline assembly."""
    opcode, funct3 = row.match & 0x7F, row.match >> 12 & 7
    registers = {field: _register(row, field, numbers) for field in _SCALARS}
    if "imm_i" in row.operands:
        return f".insn i {opcode:#x}, {funct3}, {registers['rd']}, {registers['rs1']}, %{numbers['imm_i']}"
    if "imm_s" in row.operands:
        return f".insn s {opcode:#x}, {funct3}, {registers['rs2']}, %{numbers['imm_s']}({registers['rs1']})"
    funct7 = _sum(row, "funct7", numbers)
    return f".insn r {opcode:#x}, {funct3}, {funct7}, {registers['rd']}, {registers['rs1']}, {registers['rs2']}"


def _register(row: Instruction, field: str, numbers: dict[str, int]) -> str:
    """A register field, as the name of a scalar register of that number."""
    if field in row.operands:
        return f"%{numbers[field]}"
    return f"x{_sum(row, field, numbers)}"


def _sum(row: Instruction, field: str, numbers: dict[str, int]) -> str:
    """A field made of the row's fixed bits and of constant operands; in a register field there is one or the other."""
    low, bits = _FIELDS[field]
    mask = (1 << bits) - 1
    fixed = row.match >> low & mask
    terms = [str(fixed)] if fixed else []
    for operand in row.operands:
        place = OPERAND_FIELDS[operand] & mask << low
        if operand not in _SCALARS and place:
            shift = (place & -place).bit_length() - 1 - low
            terms.append(f"%{numbers[operand]} << {shift}" if shift else f"%{numbers[operand]}")
    assert field == "funct7" or len(terms) < 2, f"{row.mnemonic}: {field} is no register"
    return " | ".join(terms) or "0"
