# SPDX-License-Identifier: Apache-2.0
"""Packets on their way from the host to the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.block_ram import BlockRam
from golden.config import NodeConfig
from golden.layout import TrafficClass, phit_bits
from rtl.interfaces import LinkSignature
from rtl.network.credits import Credits

__all__ = ["PacketQueue"]


class PacketQueue(wiring.Component):
    """Collects a packet bit by bit, keeps it when the frame turns out to be good, and sends it as the link has credits.

    Block RAM holds the queue.

    Parameters
    ----------
    config : NodeConfig
    slots : int
        Packets that it holds and one more; a power of two, at least 2.

    Members
    -------
    clear : In(1), strobe: a packet begins; what was collected and not committed is gone
    shift : In(1), strobe: takes ``bit``; at most as many as a packet has
    bit : In(1)
    traffic_class : In(1), of the packet that is collected
    commit : In(1), strobe: the packet is whole; at least two cycles after its last bit, and only if it is not ``refused``
    full : Out(1), there is no room for another one
    refused : Out(1), the one that is collected found no room, or began before a reset
    recent : Out(32), the bits that were taken last, the last one highest
    link_out : Out(LinkSignature)
    """

    def __init__(self, config: NodeConfig, slots: int):
        self.config = config
        self.slots = slots
        super().__init__(
            {
                "clear": In(1),
                "shift": In(1),
                "bit": In(1),
                "traffic_class": In(1),
                "commit": In(1),
                "full": Out(1),
                "refused": Out(1, init=1),
                "recent": Out(32),
                "link_out": Out(LinkSignature(config)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, passes = phit_bits(self.config), self.config.link_passes
        m.submodules.memory = memory = BlockRam(width + 1, self.slots * passes)
        write, read = memory.write, memory.read

        collected, bits = Signal(width, reset_less=True), Signal(range(width))
        head, tail = Signal(range(self.slots)), Signal(range(self.slots))
        row = Signal(range(passes))
        m.d.comb += [self.recent.eq(collected[-32:]), self.full.eq((head + 1)[: len(tail)] == tail)]
        m.d.comb += [
            write.addr.eq(Cat(row, head)),
            write.data.eq(Cat(collected, self.traffic_class)),
        ]
        stored = Signal()
        m.d.sync += stored.eq(0)
        with m.If(self.shift):
            m.d.sync += [collected.eq(Cat(collected[1:], self.bit)), bits.eq(bits + 1)]
            with m.If(bits == width - 1):
                m.d.sync += [bits.eq(0), stored.eq(1)]
        with m.If(stored):
            m.d.comb += write.en.eq(~self.full)
            m.d.sync += row.eq(row + 1)
            with m.If(self.full):
                m.d.sync += self.refused.eq(1)
        with m.If(self.clear):
            m.d.sync += [row.eq(0), bits.eq(0), self.refused.eq(0)]
        with m.If(self.commit):
            m.d.sync += head.eq(head + 1)

        # Rows are read a cycle ahead: the first one of the oldest packet stands at the output while it waits for a credit.
        sent, advance = Signal(range(passes)), Signal()
        next_sent = Signal.like(sent)
        m.d.comb += [next_sent.eq(sent + advance), read.addr.eq(Cat(next_sent, tail))]
        m.d.sync += sent.eq(next_sent)

        traffic_class = read.data[-1]
        available, valid = Signal(2), Signal(2)
        flit = Signal(width, reset_less=True)
        m.d.comb += [self.link_out.valid.eq(valid), Value.cast(self.link_out.flit).eq(flit)]
        goes = Signal()
        for c in TrafficClass:
            m.submodules[f"{c.name.lower()}_credits"] = credits = Credits(self.config.channel_depth)
            m.d.comb += [
                available[c].eq(credits.available),
                credits.spend.eq(goes & (traffic_class == c)),
                credits.refund.eq(self.link_out.credit[c]),
            ]
        m.d.sync += valid.eq(0)
        with m.If(advance):
            m.d.sync += [flit.eq(read.data[:-1]), valid.eq(Cat(~traffic_class, traffic_class))]
        with m.FSM():
            with m.State("EMPTY"), m.If(head != tail):
                m.next = "WAIT"
            with m.State("WAIT"), m.If(available.bit_select(traffic_class, 1)):
                m.d.comb += [goes.eq(1), advance.eq(1)]
                if passes == 1:
                    m.d.sync += tail.eq(tail + 1)
                    m.next = "EMPTY"
                else:
                    m.next = "SEND"
            if passes > 1:
                with m.State("SEND"):
                    m.d.comb += advance.eq(1)
                    with m.If(sent == passes - 1):
                        m.d.sync += tail.eq(tail + 1)
                        m.next = "EMPTY"
        return m
