# SPDX-License-Identifier: Apache-2.0
"""A host at the end of a serial line, as the mesh sees it: a link."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.baud import BitPeriod
from fpga.frames import Identity
from fpga.host_link import HostLink
from fpga.uart_receiver import UartReceiver
from fpga.uart_transmitter import UartTransmitter
from golden.config import NodeConfig
from rtl.interfaces import LinkSignature

__all__ = ["SerialHost"]

#: Cycles for which ``activity`` stays on after a frame, as a power of two.
_ACTIVITY_BITS = 20


class SerialHost(wiring.Component):
    """UART and host link.

    Parameters
    ----------
    config : NodeConfig
    identity : Identity
        What the board says about itself; its clock is that of the domain ``sync``.
    baud : int
        Bits per second on the serial line.

    Members
    -------
    rx : In(1), tx : Out(1), the serial line
    reset : In(1), resets the nodes and what is under way to and from them
    link_out : Out(LinkSignature), link_in : In(LinkSignature), to and from the array
    reset_nodes : Out(1), from a flip-flop
    activity : Out(1), a frame came from the host a moment ago

    Raises
    ------
    ValueError
        If the clock cannot make the baud rate.
    """

    def __init__(self, config: NodeConfig, identity: Identity, baud: int):
        self.config = config
        self.identity = identity
        self.period = BitPeriod(identity.clock_hz, baud)
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "reset": In(1),
                "link_out": Out(LinkSignature(config)),
                "link_in": In(LinkSignature(config)),
                "reset_nodes": Out(1),
                "activity": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.period)
        m.submodules.transmitter = transmitter = UartTransmitter(self.period)
        m.submodules.link = link = HostLink(self.config, self.identity)
        wiring.connect(m, link.o, transmitter.i)
        wiring.connect(m, link.link_out, wiring.flipped(self.link_out))
        wiring.connect(m, link.link_in, wiring.flipped(self.link_in))
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            link.i_valid.eq(receiver.valid),
            link.i_data.eq(receiver.data),
            link.i_error.eq(receiver.error),
            link.reset.eq(self.reset),
            self.reset_nodes.eq(link.reset_nodes),
        ]

        quiet_for = Signal(_ACTIVITY_BITS + 1, init=1 << _ACTIVITY_BITS)
        m.d.comb += self.activity.eq(~quiet_for[-1])
        with m.If(link.active):
            m.d.sync += quiet_for.eq(0)
        with m.Elif(self.activity):
            m.d.sync += quiet_for.eq(quiet_for + 1)
        return m
