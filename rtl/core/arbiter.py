# SPDX-License-Identifier: Apache-2.0
"""Round-robin arbiter for the few threads of a core."""

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Grants one of the requests, without a register; the one after the last that advanced comes first.

    A request that stays is granted after at most ``count - 1`` others have advanced.

    Parameters
    ----------
    count : int
        Requesters, 1 or more.

    Members
    -------
    requests : In(count)
    grant : Out(count)
        One-hot; 0 without requests.
    advance : In(1)
        The grant is used in this cycle, and the turn passes on.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({"requests": In(count), "grant": Out(count), "advance": In(1)})

    def elaborate(self, platform):
        m = Module()
        # Requesters after the last winner, who go first.
        later = Signal(self.count)
        first = self.requests & later

        def lowest(requests):
            taken = C(0, 1)
            bits = []
            for i in range(self.count):
                bits.append(requests[i] & ~taken)
                taken = taken | requests[i]
            return Cat(bits)

        with m.If(first.any()):
            m.d.comb += self.grant.eq(lowest(first))
        with m.Else():
            m.d.comb += self.grant.eq(lowest(self.requests))
        with m.If(self.advance & self.requests.any()):
            for i in range(self.count):
                m.d.sync += later[i].eq(self.grant[:i].any() if i else 0)
        return m
