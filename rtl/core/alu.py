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
    and both comparisons, one rotator all shifts.

    Members
    -------
    op : In(AluOp)
    word : In(1)
    a, b : In(64)
    result : Out(64)
    total : Out(64)
        ``a + b`` if ``op`` is ADD or NONE; of all 64 bits, even if ``word`` is set.
    equal, less, less_unsigned : Out(1)
        Comparisons of all 64 bits, valid if ``op`` is neither ADD nor NONE.
    """

    def __init__(self):
        super().__init__(
            {
                "op": In(AluOp),
                "word": In(1),
                "a": In(64),
                "b": In(64),
                "result": Out(64),
                "total": Out(64),
                "equal": Out(1),
                "less": Out(1),
                "less_unsigned": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        op, word, a, b = self.op, self.word, self.a, self.b
        subtract = Signal()
        total = Signal(65)
        m.d.comb += [
            subtract.eq((op != AluOp.ADD) & (op != AluOp.NONE)),
            total.eq(a + (b ^ subtract.replicate(64)) + subtract),
            self.total.eq(total[:64]),
            self.equal.eq(a == b),
            self.less_unsigned.eq(~total[64]),
            self.less.eq(Mux(a[63] ^ b[63], a[63], total[63])),
        ]

        # A shift is a rotation to the left, of which the bits that came round are replaced.
        shifts, right = Signal(), Signal()
        amount = Signal(6)
        m.d.comb += [
            right.eq((op == AluOp.SRL) | (op == AluOp.SRA)),
            shifts.eq(right | (op == AluOp.SLL)),
            amount.eq(Cat(b[:5], b[5] & ~word)),
        ]
        turns = Signal(6)
        m.d.comb += turns.eq((amount ^ right.replicate(6)) + right)
        coarse = Signal(64)
        with m.Switch(turns[4:]):
            for quarter in range(4):
                with m.Case(quarter):
                    m.d.comb += coarse.eq(a.rotate_left(16 * quarter))
        # Multipliers turn by less than a quarter: FPGAs have them to spare, and selectors are dear.
        factor = Signal(16)
        m.d.comb += factor.eq(1 << turns[:4])
        products = [Signal(32, name=f"product{quarter}") for quarter in range(4)]
        for quarter, product in enumerate(products):
            m.d.comb += product.eq(coarse.word_select(quarter, 16) * factor)
        # What leaves the upper end of a quarter comes into the next one.
        before = products[-1:] + products[:-1]
        rotated = Signal(64)
        m.d.comb += rotated.eq(Cat(low[:16] | high[16:] for low, high in zip(products, before, strict=True)))
        # The last place that stays, or the first one, as two digits in base 8; every place compares itself with it.
        end = Signal(6)
        m.d.comb += end.eq(Mux(right, Cat(~amount[:5], ~amount[5] & ~word), amount))
        beyond, at, within = Signal(8), Signal(8), Signal(8)
        for digit in range(8):
            # The upper half of words is all extension.
            here = shifts & ~word if digit >= 4 else shifts
            m.d.comb += [
                beyond[digit].eq(here & Mux(right, digit < end[3:], digit > end[3:])),
                at[digit].eq(here & (digit == end[3:])),
                within[digit].eq(Mux(right, digit <= end[:3], digit >= end[:3])),
            ]
        stays = Signal(64)
        m.d.comb += stays.eq(
            Cat(bit.replicate(8) for bit in beyond) | (Cat(bit.replicate(8) for bit in at) & within.replicate(8))
        )

        # One gate after another instead of a selector: every source is 0 unless it is wanted.
        adds = (op == AluOp.ADD) | (op == AluOp.SUB)
        logic = Signal(64)
        with m.Switch(op):
            with m.Case(AluOp.XOR):
                m.d.comb += logic.eq(a ^ b)
            with m.Case(AluOp.OR):
                m.d.comb += logic.eq(a | b)
            with m.Case(AluOp.AND):
                m.d.comb += logic.eq(a & b)
            with m.Case(AluOp.SLT):
                m.d.comb += logic.eq(self.less)
            with m.Case(AluOp.SLTU):
                m.d.comb += logic.eq(self.less_unsigned)
        arithmetic = op == AluOp.SRA
        # Halves of their own, since the extension of words makes the upper one depend on the lower.
        lower, upper = Signal(32), Signal(32)
        fills = (arithmetic & Mux(word, a[31], a[63]), Mux(word, lower[31], arithmetic & a[63]))
        for number, (half, gate, fill) in enumerate(zip((lower, upper), (adds, adds & ~word), fills, strict=True)):
            part = slice(32 * number, 32 * number + 32)
            m.d.comb += half.eq(
                logic[part]
                | (total[part] & gate.replicate(32))
                | (rotated[part] & stays[part])
                | (fill.replicate(32) & ~stays[part])
            )
        m.d.comb += self.result.eq(Cat(lower, upper))
        return m
