# SPDX-License-Identifier: Apache-2.0
"""Choice of the requester that was served least recently."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LeastRecent"]


class LeastRecent(wiring.Component):
    """Chooses one of those that request, combinationally: the one whose last turn is longest ago.

    Whoever goes before a requester has its own turn behind that one's from then on, so a requester loses at most as often as
    there are others before it is served, even if it does not request all the time in between. After reset the order is
    that of the indices.

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
        # Of every two: whether the lower index goes first.
        first = {(low, high): Signal(name=f"first{low}_{high}", init=1) for high in range(self.count) for low in range(high)}
        beaten_by = [
            Cat(
                self.request[other] & (first[other, mine] if other < mine else ~first[mine, other])
                for other in range(self.count)
                if other != mine
            )
            for mine in range(self.count)
        ]
        m.d.comb += self.grant.eq(Cat(self.request[mine] & ~beaten_by[mine].any() for mine in range(self.count)))
        for (low, high), signal in first.items():
            with m.If(self.serve & self.grant[low]):
                m.d.sync += signal.eq(0)
            with m.Elif(self.serve & self.grant[high]):
                m.d.sync += signal.eq(1)
        return m
