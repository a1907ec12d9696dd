# SPDX-License-Identifier: Apache-2.0
"""The end of a link of the mesh: what stands where another node would be."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import TrafficClass
from rtl.interfaces import FlitLayout, LinkSignature
from rtl.network.credits import Credits
from rtl.network.fifo import Fifo

__all__ = ["PacketLayout", "PacketPort"]


class PacketLayout(data.StructLayout):
    """A flit and its class."""

    def __init__(self, config: NodeConfig):
        super().__init__({"flit": FlitLayout(config), "traffic_class": len(TrafficClass) - 1})


class PacketPort(wiring.Component):
    """Sends and receives packets on a link as two streams.

    One buffer holds what arrives in both classes: credits bound how much of each there can be, and what it holds is always
    taken in the end, whatever its class.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    send : In(stream of PacketLayout); ready as soon as the class has a credit
    received : Out(stream of PacketLayout)
    link_out : Out(LinkSignature)
    link_in : In(LinkSignature)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "send": In(stream.Signature(PacketLayout(config))),
                "received": Out(stream.Signature(PacketLayout(config))),
                "link_out": Out(LinkSignature(config)),
                "link_in": In(LinkSignature(config)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chosen = self.send.payload.traffic_class
        valid, refund = Signal(2), Signal(2)
        flit = Signal(FlitLayout(self.config), reset_less=True)
        m.d.comb += [self.link_out.valid.eq(valid), self.link_out.flit.eq(flit), self.link_in.credit.eq(refund)]

        available = Signal(2)
        goes = self.send.valid & self.send.ready
        m.d.comb += self.send.ready.eq(available.bit_select(chosen, 1))
        for c in TrafficClass:
            m.submodules[f"{c.name.lower()}_credits"] = credits = Credits(self.config.channel_depth)
            own = Signal(name=f"sends_{c.name.lower()}")
            m.d.comb += [
                own.eq(goes & (chosen == c)),
                available[c].eq(credits.available),
                credits.spend.eq(own),
                credits.refund.eq(self.link_out.credit[c]),
            ]
            m.d.sync += valid[c].eq(own)
        with m.If(goes):
            m.d.sync += flit.eq(self.send.payload.flit)

        # Both classes' credits together fit, so the buffer's ready is not asked for.
        m.submodules.buffer = buffer = Fifo(PacketLayout(self.config), len(TrafficClass) * self.config.channel_depth)
        wiring.connect(m, buffer.o, wiring.flipped(self.received))
        m.d.comb += [
            buffer.i.valid.eq(self.link_in.valid.any()),
            buffer.i.payload.flit.eq(self.link_in.flit),
            buffer.i.payload.traffic_class.eq(self.link_in.valid[TrafficClass.RESPONSE]),
        ]
        leaves = self.received.valid & self.received.ready
        for c in TrafficClass:
            m.d.sync += refund[c].eq(leaves & (self.received.payload.traffic_class == c))
        return m
