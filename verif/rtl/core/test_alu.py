# SPDX-License-Identifier: Apache-2.0
"""The ALU against Python's integers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rtl.core.alu import Alu
from rtl.core.decoder import AluOp
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(Alu(), clocked=False)
EDGES = [0, 1, 2, 31, 32, 63, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
OPERANDS = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**64 - 1), st.integers(0, 63))
WORD_OPS = {AluOp.ADD, AluOp.SUB, AluOp.SLL, AluOp.SRL, AluOp.SRA}


def signed(value: int, bits: int) -> int:
    value %= 1 << bits
    return value - (1 << bits) if value >> bits - 1 else value


def expected(op: AluOp, word: bool, a: int, b: int) -> int:
    """Bits of the result, as the RISC-V specification defines the instruction."""
    bits = 32 if word else 64
    amount, low = b % bits, a % (1 << bits)
    value = {
        AluOp.ADD: a + b,
        AluOp.SUB: a - b,
        AluOp.SLL: low << amount,
        AluOp.SLT: int(signed(a, 64) < signed(b, 64)),
        AluOp.SLTU: int(a < b),
        AluOp.XOR: a ^ b,
        AluOp.SRL: low >> amount,
        AluOp.SRA: signed(a, bits) >> amount,
        AluOp.OR: a | b,
        AluOp.AND: a & b,
        AluOp.NONE: 0,
    }[op]
    return signed(value, bits) % 2**64


@property_settings(300)
@given(st.lists(st.tuples(st.sampled_from(list(AluOp)), st.booleans(), OPERANDS, OPERANDS), min_size=1, max_size=30))
def test_results_and_comparisons(operations: list[tuple[AluOp, bool, int, int]]) -> None:
    alu = SIMULATION.component

    async def check(context: Any) -> None:
        for op, wants_word, a, b in operations:
            word = wants_word and op in WORD_OPS
            for signal, value in ((alu.op, op), (alu.word, word), (alu.a, a), (alu.b, b)):
                context.set(signal, value)
            assert context.get(alu.result) == expected(op, word, a, b), (op, word, hex(a), hex(b))
            assert context.get(alu.equal) == (a == b)
            if op in (AluOp.ADD, AluOp.NONE):
                assert context.get(alu.total) == (a + b) % 2**64
            else:
                assert context.get(alu.less) == (signed(a, 64) < signed(b, 64))
                assert context.get(alu.less_unsigned) == (a < b)

    SIMULATION.run(check)
