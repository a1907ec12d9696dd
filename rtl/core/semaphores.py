# SPDX-License-Identifier: Apache-2.0
"""The node's counting semaphores."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import SEMAPHORE_ID_BITS, SEMAPHORE_VALUE_BITS

__all__ = ["PostLayout", "Semaphores"]


class PostLayout(data.StructLayout):
    """A change of one semaphore: ``amount`` is added, or subtracted where the port takes."""

    def __init__(self):
        super().__init__({"valid": 1, "sem": SEMAPHORE_ID_BITS, "amount": SEMAPHORE_VALUE_BITS})


class Semaphores(wiring.Component):
    """Counters of 16 bits. All changes of a cycle take effect at its end, takes before posts.

    A take must be covered by the value of the cycle. Posts beyond 65,535 leave 65,535 and set ``overflow`` for good.

    Members
    -------
    take : In(PostLayout)
        From the scalar slot.
    posts : In(3 x PostLayout)
        From the scalar slot, from packets, from the control page.
    values : Out(config.semaphores x 16 bits)
    overflow : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "take": In(PostLayout()),
                "posts": In(data.ArrayLayout(PostLayout(), 3)),
                "values": Out(data.ArrayLayout(SEMAPHORE_VALUE_BITS, config.semaphores)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        limit = (1 << SEMAPHORE_VALUE_BITS) - 1
        for number in range(self.config.semaphores):
            value = self.values[number]
            amounts = []
            touched = []
            for port in (self.take, *(self.posts[i] for i in range(3))):
                amount = Signal(SEMAPHORE_VALUE_BITS)
                with m.If(port.valid & (port.sem == number)):
                    m.d.comb += amount.eq(port.amount)
                amounts.append(amount)
                touched.append(port.valid & (port.sem == number))
            taken, *posted = amounts
            total = Signal(SEMAPHORE_VALUE_BITS + 2)
            m.d.comb += total.eq(value - taken + sum(posted))
            with m.If(touched[0] | touched[1] | touched[2] | touched[3]):
                with m.If(total > limit):
                    m.d.sync += [value.eq(limit), self.overflow.eq(1)]
                with m.Else():
                    m.d.sync += value.eq(total)
        return m
