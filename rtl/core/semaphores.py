# SPDX-License-Identifier: Apache-2.0
"""The node's counting semaphores."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import SEMAPHORE_ID_BITS, SEMAPHORE_VALUE_BITS

__all__ = ["PostLayout", "Semaphores"]


class PostLayout(data.StructLayout):
    """A change of one semaphore: ``amount`` is added, or subtracted where the port takes."""

    def __init__(self):
        super().__init__({"valid": 1, "sem": SEMAPHORE_ID_BITS, "amount": SEMAPHORE_VALUE_BITS})


class Semaphores(wiring.Component):
    """Counters of 16 bits. All changes of a cycle take effect at its end, takes before posts.

    A take must be covered by the value of the cycle. Posts beyond 65,535 leave 65,535 and set ``overflow``, until
    ``clear``; ``overflowed`` is the first semaphore that it happened to, and 0 where ``overflow`` is clear.

    Members
    -------
    number : In(5), amount : In(16), take, post : In(1)
        From the instruction that changes one; ``take`` and ``post`` never come together.
    covered : Out(1)
        Whether semaphore ``number`` holds ``amount``; any value with ``post``.
    outside : In(PostLayout)
        From packets and from the control page.
    values : Out(config.semaphores x 16 bits)
    overflow : Out(1), overflowed : Out(5)
    clear : In(1)
        An overflow in the same cycle shows nevertheless.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "number": In(SEMAPHORE_ID_BITS),
                "amount": In(SEMAPHORE_VALUE_BITS),
                "take": In(1),
                "post": In(1),
                "covered": Out(1),
                "outside": In(PostLayout()),
                "values": Out(data.ArrayLayout(SEMAPHORE_VALUE_BITS, config.semaphores)),
                "overflow": Out(1),
                "overflowed": Out(SEMAPHORE_ID_BITS),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        values, outside = self.values, self.outside
        number_bits = ceil_log2(self.config.semaphores)

        # One adder for that instruction's change and one for that from outside, which comes behind it on the same semaphore.
        inner, outer = (Signal(number_bits, name=name) for name in ("inner", "outer"))
        inner_total, outer_total = (Signal(SEMAPHORE_VALUE_BITS + 1, name=f"{name}_total") for name in ("inner", "outer"))
        inner_value, outer_value = (Signal(SEMAPHORE_VALUE_BITS, name=f"{name}_value") for name in ("inner", "outer"))
        changed = self.take | self.post
        inner_full, outer_full = self.post & inner_total[-1], outside.valid & outer_total[-1]
        m.d.comb += [
            inner.eq(self.number),
            inner_total.eq(values[inner] + Mux(self.post, self.amount, ~self.amount) + ~self.post),
            # A carry out of the complement's sum says that nothing had to be borrowed.
            self.covered.eq(inner_total[-1]),
            inner_value.eq(inner_total[:-1] | inner_full.replicate(SEMAPHORE_VALUE_BITS)),
            outer.eq(outside.sem),
            outer_total.eq(Mux(changed & (inner == outer), inner_value, values[outer]) + outside.amount),
            outer_value.eq(outer_total[:-1] | outer_full.replicate(SEMAPHORE_VALUE_BITS)),
        ]
        with m.If(self.clear):
            m.d.sync += [self.overflow.eq(0), self.overflowed.eq(0)]
        with m.If(inner_full | outer_full):
            m.d.sync += self.overflow.eq(1)
            with m.If(~self.overflow | self.clear):
                m.d.sync += self.overflowed.eq(Mux(inner_full, inner, outer))
        for number in range(self.config.semaphores):
            with m.If(changed & (inner == number)):
                m.d.sync += values[number].eq(inner_value)
            with m.If(outside.valid & (outer == number)):
                m.d.sync += values[number].eq(outer_value)
        return m
