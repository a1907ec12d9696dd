# SPDX-License-Identifier: Apache-2.0
"""Credits of a sender."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Credits"]


class Credits(wiring.Component):
    """Counts the places that are free at a receiver.

    Parameters
    ----------
    depth : int
        Places of the receiver, all free after reset; at least 1.

    Members
    -------
    spend : In(1), a flit is sent in this cycle; only while ``available``
    refund : In(1), the receiver gave one place back
    available : Out(1), from a register: a refund can be spent in the next cycle
    count : Out(0..depth)
    """

    def __init__(self, depth: int):
        if depth < 1:
            raise ValueError(f"depth = {depth}: a receiver has at least 1 place")
        self.depth = depth
        super().__init__({"spend": In(1), "refund": In(1), "available": Out(1), "count": Out(range(depth + 1))})

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(self.depth + 1), init=self.depth)
        m.d.sync += count.eq(count + self.refund - self.spend)
        m.d.comb += [self.count.eq(count), self.available.eq(count != 0)]
        return m
