# SPDX-License-Identifier: Apache-2.0
"""Notices links that go away."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import LINK_PORTS

__all__ = ["LinkWatch"]


class LinkWatch(wiring.Component):
    """Remembers which links were there in one cycle and are not in the next.

    Members
    -------
    links : In(4), links present: north, east, south, west
    clear : In(1), strobe: forget what has gone before this cycle
    lost : Out(4), links that have gone, from the second cycle after the last one that they were there in
    busy : Out(1), clear only if no register changes at the end of this cycle, but for ``clear``
    """

    def __init__(self):
        count = len(LINK_PORTS)
        super().__init__({"links": In(count), "clear": In(1), "lost": Out(count), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        before = Signal.like(self.links)
        m.d.sync += [before.eq(self.links), self.lost.eq(Mux(self.clear, 0, self.lost) | (before & ~self.links))]
        m.d.comb += self.busy.eq(before != self.links)
        return m
