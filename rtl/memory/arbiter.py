# SPDX-License-Identifier: Apache-2.0
"""Arbitration of requesters over banks that serve one of them per cycle."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BankArbiter"]


class BankArbiter(wiring.Component):
    """Grants each bank to one of the requesters that want it, combinationally.

    Of the requesters of one bank the one that has waited longest goes first; among equals, the one with the lower index. So
    a requester that lost the cycle before goes before one that comes new, and nobody waits longer than there are other
    requesters: whoever is served while another waits has waited less than that one from then on. A requester that withdraws
    has not waited.

    Parameters
    ----------
    requesters : int
        Number of requesters, at least 2.
    bank_bits : int
        Bits of a bank's number; 0 if there is one bank.

    Members
    -------
    request : In(requesters)
    bank : In(requesters x bank_bits), which bank each of them wants
    grant : Out(requesters), at most one per bank, in the same cycle
    lost : Out(requesters), those that request and are not granted
    """

    def __init__(self, requesters: int, bank_bits: int):
        if requesters < 2:
            raise ValueError(f"requesters = {requesters}: arbitration needs at least 2")
        self.requesters = requesters
        #: How long each of them has waited, in cycles, for proofs.
        self.waited = [Signal(range(requesters), name=f"waited{i}") for i in range(requesters)]
        super().__init__(
            {
                "request": In(requesters),
                "bank": In(data.ArrayLayout(bank_bits, requesters)),
                "grant": Out(requesters),
                "lost": Out(requesters),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count, waited = self.requesters, self.waited

        beaten_by = [[] for _ in range(count)]
        for low in range(count):
            for high in range(low + 1, count):
                same_bank = (self.bank[low] == self.bank[high]) if len(self.bank[low]) else 1
                low_first = Signal(name=f"first{low}_{high}")
                m.d.comb += low_first.eq(waited[low] >= waited[high])
                beaten_by[high].append(self.request[low] & same_bank & low_first)
                beaten_by[low].append(self.request[high] & same_bank & ~low_first)

        m.d.comb += self.lost.eq(Cat(self.request[i] & Cat(beaten_by[i]).any() for i in range(count)))
        m.d.comb += self.grant.eq(self.request & ~self.lost)
        for i in range(count):
            longer = Mux(waited[i] == count - 1, waited[i], waited[i] + 1)
            m.d.sync += waited[i].eq(Mux(self.lost[i], longer, 0))
        return m
