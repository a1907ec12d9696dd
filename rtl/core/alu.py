# SPDX-License-Identifier: Apache-2.0
"""The scalar arithmetic-logic unit."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.core.decoder import AluOp

__all__ = ["Alu"]


class Alu(wiring.Component):
    """RV64I arithmetic, logic, shifts and comparisons, without a register.

    ``word`` makes it work on the low 32 bits and sign-extend the result, as the W instructions do. One adder serves ADD, SUB
    and both comparisons.

    Members
    -------
    op : In(AluOp)
    word : In(1)
    a, b : In(64)
    result : Out(64)
    equal, less, less_unsigned : Out(1)
        Comparisons of all 64 bits, valid if ``op`` is not ADD.
    """

    op: In(AluOp)
    word: In(1)
    a: In(64)
    b: In(64)
    result: Out(64)
    equal: Out(1)
    less: Out(1)
    less_unsigned: Out(1)

    def elaborate(self, platform):
        m = Module()
        subtract = Signal()
        total = Signal(65)
        m.d.comb += [
            subtract.eq(self.op != AluOp.ADD),
            total.eq(self.a + (self.b ^ subtract.replicate(64)) + subtract),
            self.equal.eq(self.a == self.b),
            self.less_unsigned.eq(~total[64]),
            self.less.eq(Mux(self.a[63] ^ self.b[63], self.a[63], total[63])),
        ]

        arithmetic = Signal()
        amount = Signal(6)
        shift_in = Signal(64)
        low = self.a[:32]
        m.d.comb += [
            arithmetic.eq(self.op == AluOp.SRA),
            amount.eq(Mux(self.word, self.b[:5], self.b[:6])),
            shift_in.eq(Mux(self.word, Cat(low, (arithmetic & low[31]).replicate(32)), self.a)),
        ]

        result = Signal(64)
        with m.Switch(self.op):
            with m.Case(AluOp.ADD, AluOp.SUB):
                m.d.comb += result.eq(total[:64])
            with m.Case(AluOp.SLL):
                m.d.comb += result.eq((shift_in << amount)[:64])
            with m.Case(AluOp.SRL, AluOp.SRA):
                m.d.comb += result.eq(Cat(shift_in, arithmetic & shift_in[63]).as_signed() >> amount)
            with m.Case(AluOp.SLT):
                m.d.comb += result.eq(self.less)
            with m.Case(AluOp.SLTU):
                m.d.comb += result.eq(self.less_unsigned)
            with m.Case(AluOp.XOR):
                m.d.comb += result.eq(self.a ^ self.b)
            with m.Case(AluOp.OR):
                m.d.comb += result.eq(self.a | self.b)
            with m.Case(AluOp.AND):
                m.d.comb += result.eq(self.a & self.b)
        m.d.comb += self.result.eq(Mux(self.word, Cat(result[:32], result[31].replicate(32)), result))
        return m
