# SPDX-License-Identifier: Apache-2.0
"""Round-robin choice among requesters."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Chooses one of those that request, combinationally, starting behind the one that was served last.

    A requester that keeps requesting is served within as many served cycles as there are requesters.

    Parameters
    ----------
    count : int
        Number of requesters, at least 1.

    Members
    -------
    request : In(count)
    grant : Out(count), one-hot if anyone requests, else 0
    serve : In(1), the one chosen is served in this cycle
    """

    def __init__(self, count: int):
        if count < 1:
            raise ValueError(f"count = {count}: a choice needs at least 1")
        self.count = count
        super().__init__({"request": In(count), "grant": Out(count), "serve": In(1)})

    def elaborate(self, platform):
        m = Module()
        behind = Signal(self.count)  # those with a higher index than the one served last
        preferred, candidates, later = Signal(self.count), Signal(self.count), Signal(self.count)
        m.d.comb += [
            preferred.eq(self.request & behind),
            candidates.eq(Mux(preferred.any(), preferred, self.request)),
            self.grant.eq(candidates & ~later),
        ]
        # Those behind the first candidate, by doubling: no carry ripples, and it is a few operations on words in a simulator.
        above, reach = candidates << 1, 1
        while reach < self.count - 1:
            above |= above << reach
            reach *= 2
        m.d.comb += later.eq(above)
        with m.If(self.serve & self.request.any()):
            m.d.sync += behind.eq(later)
        return m
