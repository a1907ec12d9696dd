# SPDX-License-Identifier: Apache-2.0
"""Packets on their way from the array to the host, kept until the host has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.block_ram import BlockRam
from golden.config import NodeConfig
from golden.layout import TrafficClass, phit_bits
from rtl.interfaces import LinkSignature

__all__ = ["PacketRing"]

#: Timeouts in a row after which nothing is sent again until something is heard.
_STRIKES = 15


class PacketRing(wiring.Component):
    """The sender of a sliding window with go-back-N: packets are numbered, and kept until they are acknowledged.

    Block RAM holds them, as they came. Nodes get credits for what is free in it, so that it never overflows. Its upper half
    holds rows that never change, since blocks of RAM are larger than a ring.

    Parameters
    ----------
    config : NodeConfig
    slots : int
        Packets that it keeps; a power of two, at most 64, so that half of the sequence numbers tell old from new.
    timeout_cycles : int
        When nothing is left to send and nothing was acknowledged for so long, everything is sent again.
    constants : sequence of int
        At most ``slots * link_passes`` rows.

    Members
    -------
    link_in : In(LinkSignature)
    hold : In(1), the nodes are in reset: they have all their credits afterwards
    settled : Out(1), there is room for what the nodes may send after the reset
    oldest, next : Out(8), number of the oldest packet that is kept, and of the next one to be sent
    pending : Out(1), there is a next one
    take : In(1), strobe: it is being sent; ``next`` moves on
    acknowledge : In(1), strobe: the packets before ``acknowledged`` (In(8)) have arrived
    go_back : In(1), strobe: what is kept is sent again; it may come with ``acknowledge``
    drop : In(1), strobe: what is kept is dropped
    heard : In(1), strobe: the host is there
    busy : Out(1), ``oldest`` is on its way to where it belongs; the strobes above must not come
    slot, row, constant : In, which row to read: of the packet in that slot (its number's low bits), or of the constants
    data : Out(phit), traffic_class : Out(1), that row, in the cycle after the next: block RAM is slow
    """

    def __init__(self, config: NodeConfig, slots: int, timeout_cycles: int, constants: Sequence[int]):
        self.config = config
        self.slots = slots
        self.timeout_cycles = timeout_cycles
        self.constants = tuple(constants)
        rows = slots * config.link_passes
        assert len(self.constants) <= rows
        super().__init__(
            {
                "link_in": In(LinkSignature(config)),
                "hold": In(1),
                "settled": Out(1),
                "oldest": Out(8),
                "next": Out(8),
                "pending": Out(1),
                "take": In(1),
                "acknowledge": In(1),
                "acknowledged": In(8),
                "go_back": In(1),
                "drop": In(1),
                "heard": In(1),
                "busy": Out(1),
                "slot": In(range(slots)),
                "row": In(range(max(config.link_passes, len(self.constants)))),
                "constant": In(1),
                "data": Out(phit_bits(config)),
                "traffic_class": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, passes, rows = phit_bits(self.config), self.config.link_passes, self.slots * self.config.link_passes
        m.submodules.memory = memory = BlockRam(width + 1, 2 * rows, init=[0] * rows + list(self.constants))
        write, read = memory.write, memory.read

        # Arrival: a flit's phits become rows of a slot.
        head, row = Signal(8), Signal(range(passes))
        slot_bits = len(self.slot)
        arrives, arrived = Signal(), Signal()
        m.d.comb += [
            arrives.eq(self.link_in.valid.any() & ~self.hold),
            arrived.eq(arrives & (row == passes - 1)),
            write.en.eq(arrives),
            write.addr.eq(Cat(row, head[:slot_bits])),
            write.data.eq(Cat(Value.cast(self.link_in.flit), self.link_in.valid[TrafficClass.RESPONSE])),
        ]
        with m.If(arrives):
            m.d.sync += row.eq(row + 1)
        with m.If(self.hold):
            m.d.sync += row.eq(0)
        with m.If(arrived):
            m.d.sync += head.eq(head + 1)

        row_bits = (passes - 1).bit_length()
        constant_bits = len(self.slot) + row_bits
        row_read = Signal(width + 1, reset_less=True)
        m.d.comb += [
            read.addr.eq(Cat(Mux(self.constant, self.row, Cat(self.row[:row_bits], self.slot))[:constant_bits], self.constant)),
            Cat(self.data, self.traffic_class).eq(row_read),
        ]
        m.d.sync += row_read.eq(read.data)

        self._credits(m, arrived)
        self._window(m, head)
        return m

    def _credits(self, m: Any, arrived: Any) -> None:
        """Gives credits back while free slots exceed what the nodes may still send."""
        depth = self.config.channel_depth
        reserved = len(TrafficClass) * depth
        spare = Signal(signed((self.slots + reserved).bit_length() + 1), init=self.slots - reserved)
        freed = Signal()
        m.d.comb += freed.eq(self.busy)
        owed = [Signal(range(depth + 1), name=f"owed_{c.name.lower()}") for c in TrafficClass]
        refund, paid = Signal(2), Signal(2)
        # Nodes in reset take all their credits at once, whatever is free; they stay there until it is. Classes take turns.
        may_pay = (spare > 0) | self.hold
        turn = Signal()
        with m.If(paid.any()):
            m.d.sync += turn.eq(paid[0])
        m.d.comb += [
            paid[0].eq(may_pay & (owed[0] != 0) & (~turn | (owed[1] == 0))),
            paid[1].eq(may_pay & (owed[1] != 0) & ~paid[0]),
            self.settled.eq(~paid.any() & (spare >= 0)),
        ]
        m.d.sync += [refund.eq(Mux(self.hold, 0, paid)), spare.eq(spare + freed - paid.any())]
        m.d.comb += self.link_in.credit.eq(refund)
        for c in TrafficClass:
            m.d.sync += owed[c].eq(owed[c] + (arrived & self.link_in.valid[c]) - paid[c])

    def _window(self, m: Any, head: Any) -> None:
        """What is kept, what is sent next, and when it is sent again."""
        target, back = Signal(8), Signal()
        kept, confirmed = Signal(8), Signal(8)
        m.d.comb += [
            kept.eq(head - self.oldest),
            confirmed.eq(self.acknowledged - self.oldest),
            self.pending.eq(self.next != head),
            self.busy.eq(self.oldest != target),
        ]
        with m.If(self.take):
            m.d.sync += self.next.eq(self.next + 1)
        with m.If(self.busy):
            m.d.sync += self.oldest.eq(self.oldest + 1)
            with m.If(self.next == self.oldest):
                m.d.sync += self.next.eq(self.next + 1)
        with m.Elif(back):
            m.d.sync += [self.next.eq(self.oldest), back.eq(0)]

        # Numbers of packets that are not kept are old news.
        with m.If(self.acknowledge & (confirmed <= kept)):
            m.d.sync += target.eq(self.acknowledged)
        with m.If(self.drop):
            m.d.sync += target.eq(head)
        with m.If(self.go_back):
            m.d.sync += back.eq(1)

        timer = Signal(range(self.timeout_cycles))
        strikes = Signal(range(_STRIKES + 1))
        with m.If(self.pending | self.busy | (self.next == self.oldest)):
            m.d.sync += timer.eq(0)
        with m.Elif(strikes != _STRIKES):
            m.d.sync += timer.eq(timer + 1)
            with m.If(timer == self.timeout_cycles - 1):
                m.d.sync += [timer.eq(0), back.eq(1), strikes.eq(strikes + 1)]
        with m.If(self.heard):
            m.d.sync += strikes.eq(0)
