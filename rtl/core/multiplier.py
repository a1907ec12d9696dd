# SPDX-License-Identifier: Apache-2.0
"""A pipelined integer multiplier."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier", "MultiplyOp"]


class MultiplyOp(enum.Enum, shape=2):
    """What is wanted of a product: bits 0 and 1 of funct3."""

    #: The low half.
    LOW = 0
    #: The high half of the product of two signed numbers, of a signed and an unsigned one, of two unsigned ones.
    HIGH = 1
    HIGH_MIXED = 2
    HIGH_UNSIGNED = 3


class Multiplier(wiring.Component):
    """Takes two operands in each cycle, and shows half of their product ``stages`` cycles later.

    ``word`` asks for the low half of the product's low half, sign-extended; ``op`` is LOW then. Between issue and result nothing
    waits.

    Parameters
    ----------
    width : int
        Bits of operands and result, even.
    stages : int
        Registers on the way, 1 to 3: behind the sum; before it, where four products of halves wait; and before these, where
        operands wait.
    threads : int
        Threads whose number comes out with the result as it went in.
    tag_bits : int
        Bits that come out with the result as they went in.

    Members
    -------
    valid : In(1); thread : In(range(threads)); tag : In(tag_bits); op : In(MultiplyOp); word : In(1); a, b : In(width)
        An operation enters at the end of the cycle.
    result_valid : Out(1); result_thread : Out(range(threads)); result_tag : Out(tag_bits); result : Out(width)
        The operation that entered ``stages`` cycles ago; undefined without ``result_valid``.
    busy : Out(1)
        An operation is under way.

    Raises
    ------
    ValueError
        If the width is odd, or the number of stages is none of 1 to 3.
    """

    def __init__(self, width: int = 64, *, stages: int = 3, threads: int = 1, tag_bits: int = 0):
        if width < 2 or width % 2:
            raise ValueError(f"width = {width}: operands have an even number of bits, 2 at least")
        if stages not in (1, 2, 3):
            raise ValueError(f"stages = {stages}: a multiplier has 1, 2 or 3 registers on the way")
        self.width, self.stages, self.threads, self.tag_bits = width, stages, threads, tag_bits
        super().__init__(
            {
                "valid": In(1),
                "thread": In(range(threads)),
                "tag": In(tag_bits),
                "op": In(MultiplyOp),
                "word": In(1),
                "a": In(width),
                "b": In(width),
                "result_valid": Out(1),
                "result_thread": Out(range(threads)),
                "result_tag": Out(tag_bits),
                "result": Out(width),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        half = self.width // 2

        def register(enters, value):
            held = Signal.like(value, reset_less=True)
            with m.If(enters):
                m.d.sync += held.eq(value)
            return held

        # Which operation is where. Where none is, nothing changes.
        present = [self.valid]
        thread, tag, op, word = self.thread, self.tag, self.op, self.word
        for stage in range(self.stages):
            following = Signal(name=f"valid{stage}")
            m.d.sync += following.eq(present[-1])
            thread, tag = register(present[-1], thread), register(present[-1], tag)
            present.append(following)
        m.d.comb += [
            self.busy.eq(Cat(present[1:]).any()),
            self.result_valid.eq(present[-1]),
            self.result_thread.eq(thread),
            self.result_tag.eq(tag),
        ]

        a, b = self.a, self.b
        if self.stages == 3:
            a, b, op, word = (register(present[0], value) for value in (a, b, op, word))

        # Products of halves without signs. What the sign of an operand counts less than as another bit is the other operand, in
        # the upper half.
        products = []
        for name, x, y in (("low", a[:half], b[:half]), ("first", a[half:], b[:half]), ("second", a[:half], b[half:]),
                           ("high", a[half:], b[half:])):  # fmt: skip
            product = Signal(self.width, name=f"{name}_product")
            m.d.comb += product.eq(x * y)
            products.append(product)
        a_negative, b_negative = (op != MultiplyOp.HIGH_UNSIGNED) & a[-1], (op == MultiplyOp.HIGH) & b[-1]
        excess = Signal(self.width)
        m.d.comb += excess.eq(Mux(a_negative, b, 0) + Mux(b_negative, a, 0))
        if self.stages >= 2:
            *products, excess, op, word = (register(present[-3], value) for value in (*products, excess, op, word))

        low, first, second, high = products
        middle, without_excess = Signal(half + 2), Signal(self.width)
        lower, upper, wanted = (Signal(self.width, name=name) for name in ("lower", "upper", "wanted"))
        m.d.comb += [
            middle.eq(low[half:] + first[:half] + second[:half]),
            lower.eq(Cat(low[:half], middle[:half])),
            without_excess.eq(high - excess),
            upper.eq(without_excess + (first[half:] + second[half:] + middle[half:])),
            wanted.eq(Mux(op == MultiplyOp.LOW, lower, upper)),
        ]
        with m.If(word):
            m.d.comb += wanted[half:].eq(lower[half - 1].replicate(half))
        m.d.comb += self.result.eq(register(present[-2], wanted))
        return m
