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
    waits; whatever is killed leaves no result.

    Parameters
    ----------
    width : int
        Bits of operands and result, even.
    stages : int
        Registers on the way, 1 to 3: behind the sum; before it, where four products of halves wait; and before these, where
        operands wait.
    threads : int
        Threads that can be killed, one by one.
    tag_bits : int
        Bits that come out with the result as they went in.

    Members
    -------
    valid : In(1); thread : In(range(threads)); tag : In(tag_bits); op : In(MultiplyOp); word : In(1); a, b : In(width)
        An operation enters at the end of the cycle.
    kill : In(threads)
        Operations of these threads, with the one that enters, are dropped at the end of the cycle.
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
                "kill": In(threads),
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

        def register(value):
            held = Signal.like(value, reset_less=True)
            m.d.sync += held.eq(value)
            return held

        # Which operation is where.
        valid, thread, tag, op, word = self.valid, self.thread, self.tag, self.op, self.word
        under_way = []
        for _ in range(self.stages):
            valid, entering = Signal(), valid & ~self.kill.bit_select(thread, 1)
            m.d.sync += valid.eq(entering)
            under_way.append(valid)
            thread, tag = register(thread), register(tag)
        m.d.comb += [
            self.busy.eq(Cat(under_way).any()),
            self.result_valid.eq(valid),
            self.result_thread.eq(thread),
            self.result_tag.eq(tag),
        ]

        # Operands as signed numbers of one bit more: low halves without a sign, upper ones with theirs.
        a_signed, b_signed = (op != MultiplyOp.HIGH_UNSIGNED), (op == MultiplyOp.HIGH)
        low_a, low_b = self.a[:half], self.b[:half]
        high_a, high_b = (Signal(half + 1, name=name) for name in ("high_a", "high_b"))
        m.d.comb += [
            high_a.eq(Cat(self.a[half:], self.a[-1] & a_signed)),
            high_b.eq(Cat(self.b[half:], self.b[-1] & b_signed)),
        ]
        if self.stages == 3:
            low_a, low_b, high_a, high_b, op, word = map(register, (low_a, low_b, high_a, high_b, op, word))

        products = []
        for name, x, y in (
            ("low", low_a, low_b),
            ("first", high_a.as_signed(), low_b),
            ("second", low_a, high_b.as_signed()),
            ("high", high_a.as_signed(), high_b.as_signed()),
        ):
            product = Signal((x * y).shape(), name=f"{name}_product")
            m.d.comb += product.eq(x * y)
            products.append(product)
        if self.stages >= 2:
            *products, op, word = map(register, (*products, op, word))

        low, first, second, high = products
        total = Signal(2 * self.width)
        # Beside the low product there is room for the upper one.
        m.d.comb += total.eq(Cat(low, high[: self.width]).as_signed() + ((first + second) << half))
        wanted = Signal(self.width)
        m.d.comb += wanted.eq(Mux(op == MultiplyOp.LOW, total[: self.width], total[self.width :]))
        with m.If(word):
            m.d.comb += wanted[half:].eq(total[half - 1].replicate(half))
        m.d.comb += self.result.eq(register(wanted))
        return m
