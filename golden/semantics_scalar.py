# SPDX-License-Identifier: Apache-2.0
"""What RV64I, M, Zicsr, fence.i and the privileged instructions do to a thread.

Each semantic function binds one decoded instruction to a thread and an address, and returns what executes it (see
``golden.instruction.Operation``). Source: The RISC-V Instruction Set Manual, volumes I and II.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from golden.instruction import MASK_64, Fields, Operation, Trap, defer, signed
from golden.layout import SRAM_BASE, TOHOST_PAYLOAD_BITS, Cause
from golden.multiply_divide import MULTIPLY_DIVIDE

if TYPE_CHECKING:
    from golden.thread import Thread

#: Binds an instruction: (thread, fields, pc) to its operation and its completion, None if it never needs one.
Semantics = Callable[["Thread", Fields, int], tuple[Operation, Operation | None]]

_SIGN = 1 << 63

#: A value stored to ``tohost`` ends the program if of these bits only bit 0 is set.
_ENDS = MASK_64 << TOHOST_PAYLOAD_BITS & MASK_64 | 1


def _sext32(value: int) -> int:
    """The low 32 bits, sign-extended to a register value."""
    return signed(value, 32) & MASK_64


#: Results of two register values; the names are those of the register forms.
_ALU: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b & MASK_64,
    "sub": lambda a, b: a - b & MASK_64,
    "sll": lambda a, b: a << (b & 63) & MASK_64,
    "slt": lambda a, b: int(a ^ _SIGN < b ^ _SIGN),
    "sltu": lambda a, b: int(a < b),
    "xor": lambda a, b: a ^ b,
    "srl": lambda a, b: a >> (b & 63),
    "sra": lambda a, b: signed(a, 64) >> (b & 63) & MASK_64,
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "addw": lambda a, b: _sext32(a + b),
    "subw": lambda a, b: _sext32(a - b),
    "sllw": lambda a, b: _sext32(a << (b & 31)),
    "srlw": lambda a, b: _sext32((a & 0xFFFF_FFFF) >> (b & 31)),
    "sraw": lambda a, b: signed(a, 32) >> (b & 31) & MASK_64,
}

#: Immediate form to the operation that it shares; shifts take ``shamt``, whose bit 5 is 0 in the 32-bit ones.
_ALU_IMMEDIATE = {
    "addi": "add", "slti": "slt", "sltiu": "sltu", "xori": "xor", "ori": "or", "andi": "and", "addiw": "addw",
}  # fmt: skip
_ALU_SHIFT = {"slli": "sll", "srli": "srl", "srai": "sra", "slliw": "sllw", "srliw": "srlw", "sraiw": "sraw"}

#: When branches are taken, by mnemonic.
CONDITIONS: dict[str, Callable[[int, int], bool]] = {
    "beq": lambda a, b: a == b,
    "bne": lambda a, b: a != b,
    "blt": lambda a, b: a ^ _SIGN < b ^ _SIGN,
    "bge": lambda a, b: a ^ _SIGN >= b ^ _SIGN,
    "bltu": lambda a, b: a < b,
    "bgeu": lambda a, b: a >= b,
}

#: Load to its bytes and whether it extends the sign.
_LOADS = {
    "lb": (1, True), "lh": (2, True), "lw": (4, True), "ld": (8, False),
    "lbu": (1, False), "lhu": (2, False), "lwu": (4, False),
}  # fmt: skip
_STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}


def _alu(compute: Callable[[int, int], int]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, destination, rs1, rs2, following = thread.x, fields.destination, fields.rs1, fields.rs2, pc + 4

        def operation() -> int:
            x[destination] = compute(x[rs1], x[rs2])
            return following

        return operation, None

    return bind


def _alu_immediate(compute: Callable[[int, int], int], shift: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, destination, rs1, following = thread.x, fields.destination, fields.rs1, pc + 4
        immediate = fields.shamt if shift else fields.imm_i & MASK_64

        def operation() -> int:
            x[destination] = compute(x[rs1], immediate)
            return following

        return operation, None

    return bind


def _constant(value: Callable[[Fields, int], int]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, destination, following = thread.x, fields.destination, pc + 4
        result = value(fields, pc) & MASK_64

        def operation() -> int:
            x[destination] = result
            return following

        return operation, None

    return bind


def _jal(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    x, destination, link = thread.x, fields.destination, pc + 4
    target = pc + fields.imm_j & MASK_64

    def operation() -> int:
        if target & 3:
            raise Trap(Cause.INSTRUCTION_MISALIGNED, target)
        x[destination] = link
        return target

    return operation, None


def _jalr(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    x, destination, rs1, immediate, link = thread.x, fields.destination, fields.rs1, fields.imm_i, pc + 4

    def operation() -> int:
        target = x[rs1] + immediate & MASK_64 - 1
        if target & 3:
            raise Trap(Cause.INSTRUCTION_MISALIGNED, target)
        x[destination] = link
        return target

    return operation, None


def _branch(condition: Callable[[int, int], bool]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, rs1, rs2, following = thread.x, fields.rs1, fields.rs2, pc + 4
        target = pc + fields.imm_b & MASK_64

        def operation() -> int:
            if condition(x[rs1], x[rs2]):
                if target & 3:
                    raise Trap(Cause.INSTRUCTION_MISALIGNED, target)
                return target
            return following

        return operation, None

    return bind


def _load(size: int, extend: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        x, destination, rs1, immediate, following = thread.x, fields.destination, fields.rs1, fields.imm_i, pc + 4
        sram = thread.node.sram
        misaligned, limit = size - 1, len(sram)
        convert = int.from_bytes

        def operation() -> int:
            address = x[rs1] + immediate & MASK_64
            if address & misaligned:
                raise Trap(Cause.LOAD_MISALIGNED, address)
            start = address - SRAM_BASE
            if not 0 <= start < limit:
                raise Trap(Cause.LOAD_ACCESS_FAULT, address)
            x[destination] = convert(sram[start : start + size], "little", signed=extend) & MASK_64
            return following

        return operation, None

    return bind


def _store(size: int) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, rs2, rs1, immediate, following = thread.x, fields.rs2, fields.rs1, fields.imm_s, pc + 4
        node = thread.node
        sram = node.sram
        misaligned, limit = size - 1, len(sram)
        mask = (1 << 8 * size) - 1

        def operation() -> int | None:
            address = x[rs1] + immediate & MASK_64
            if address & misaligned:
                raise Trap(Cause.STORE_MISALIGNED, address)
            start = address - SRAM_BASE
            if not 0 <= start < limit:
                raise Trap(Cause.STORE_ACCESS_FAULT, address)
            value = x[rs2] & mask
            if address == node.tohost_address and value & _ENDS == 1:
                return None
            sram[start : start + size] = value.to_bytes(size, "little")
            thread.lines_stored += 1
            return following

        def complete() -> int:
            """The store that ends the program: halting threads needs this one's pc."""
            value = x[rs2] & mask
            start = (x[rs1] + immediate & MASK_64) - SRAM_BASE
            sram[start : start + size] = value.to_bytes(size, "little")
            thread.lines_stored += 1
            node.exit(value)
            return following

        return operation, complete

    return bind


def _csr(combine: Callable[[int, int], int], immediate: bool, always_writes: bool) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
        x, destination, source, number = thread.x, fields.destination, fields.rs1, fields.csr
        writes = always_writes or source != 0
        thread.check_csr(number, writes)

        def complete() -> int:
            operand = source if immediate else x[source]
            before = thread.read_csr(number)
            if writes:
                thread.write_csr(number, combine(before, operand))
            x[destination] = before
            return pc + 4

        return defer, complete

    return bind


def _trap(cause: Cause, value: Callable[[int], int]) -> Semantics:
    def bind(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
        def operation() -> int:
            raise Trap(cause, value(pc))

        return operation, None

    return bind


def _nothing(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, None]:
    following = pc + 4
    return lambda: following, None


def _fence_i(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    def complete() -> int:
        thread.forget_code()
        return pc + 4

    return defer, complete


def _mret(thread: Thread, fields: Fields, pc: int) -> tuple[Operation, Operation]:
    def complete() -> int:
        thread.return_from_trap()
        return thread.mepc

    return defer, complete


def _table() -> dict[str, Semantics]:
    table: dict[str, Semantics] = {name: _alu(compute) for name, compute in (_ALU | MULTIPLY_DIVIDE).items()}
    table |= {name: _alu_immediate(_ALU[shared], shift=False) for name, shared in _ALU_IMMEDIATE.items()}
    table |= {name: _alu_immediate(_ALU[shared], shift=True) for name, shared in _ALU_SHIFT.items()}
    table |= {name: _branch(condition) for name, condition in CONDITIONS.items()}
    table |= {name: _load(size, extend) for name, (size, extend) in _LOADS.items()}
    table |= {name: _store(size) for name, size in _STORES.items()}
    combinations: dict[str, Callable[[int, int], int]] = {
        "csrrw": lambda before, operand: operand,
        "csrrs": lambda before, operand: before | operand,
        "csrrc": lambda before, operand: before & ~operand,
    }
    for name, combine in combinations.items():
        table[name] = _csr(combine, immediate=False, always_writes=name == "csrrw")
        table[f"{name}i"] = _csr(combine, immediate=True, always_writes=name == "csrrw")
    return table | {
        "lui": _constant(lambda fields, pc: fields.imm_u),
        "auipc": _constant(lambda fields, pc: pc + fields.imm_u),
        "jal": _jal,
        "jalr": _jalr,
        "fence": _nothing,
        "wfi": _nothing,
        "fence.i": _fence_i,
        "ecall": _trap(Cause.ECALL_MACHINE, lambda pc: 0),
        "ebreak": _trap(Cause.BREAKPOINT, lambda pc: pc),
        "mret": _mret,
    }


#: Semantics by mnemonic.
SCALAR_SEMANTICS = _table()
