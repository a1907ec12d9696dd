# SPDX-License-Identifier: Apache-2.0
"""The board's end of the host link: frames on one side, packets on the other."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fpga.frame_receiver import FrameReceiver
from fpga.frame_transmitter import FrameTransmitter
from fpga.frames import HEADER_BYTES, FrameType, Identity, flit_bytes
from fpga.packet_port import PacketPort
from golden.config import NodeConfig
from golden.layout import TrafficClass
from rtl.interfaces import FlitLayout, LinkSignature

__all__ = ["RESET_CYCLES", "HostLink"]

#: How long RESET holds the nodes in reset.
RESET_CYCLES = 16


class HostLink(wiring.Component):
    """Carries packets between a serial line and a link of the mesh, as docs/fpga.md describes.

    A frame from the host that is damaged, out of order, of a wrong length or without room is not executed; the
    acknowledgement tells which one is expected. So nothing on the host's side can make anything here overflow, and no frame
    is executed twice.

    Parameters
    ----------
    config : NodeConfig
    identity : Identity
        What IDENTITY answers.

    Members
    -------
    i_valid, i_error : In(1), i_data : In(8), bytes as UartReceiver has them; at least RESET_CYCLES apart
    o : Out(stream of 8 bits), bytes to the host
    link_out : Out(LinkSignature), link_in : In(LinkSignature), to and from the array
    reset : In(1), does what the frame RESET does
    reset_nodes : Out(1), from a flip-flop
    active : Out(1), strobe: a good frame arrived
    """

    def __init__(self, config: NodeConfig, identity: Identity):
        self.config = config
        self.identity = identity
        super().__init__(
            {
                "i_valid": In(1),
                "i_data": In(8),
                "i_error": In(1),
                "reset": In(1),
                "o": Out(stream.Signature(8)),
                "link_out": Out(LinkSignature(config)),
                "link_in": In(LinkSignature(config)),
                "reset_nodes": Out(1),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        resetting = Signal()
        m.submodules.receiver = receiver = FrameReceiver()
        port, transmitter = PacketPort(self.config), FrameTransmitter()
        m.submodules.port = ResetInserter(resetting)(port)
        m.submodules.transmitter = ResetInserter(resetting)(transmitter)
        wiring.connect(m, port.link_out, wiring.flipped(self.link_out))
        wiring.connect(m, port.link_in, wiring.flipped(self.link_in))
        wiring.connect(m, transmitter.o, wiring.flipped(self.o))

        reset_count = Signal(range(RESET_CYCLES + 1))
        m.d.comb += resetting.eq(reset_count != 0)
        m.d.sync += self.reset_nodes.eq(resetting)
        with m.If(resetting):
            m.d.sync += reset_count.eq(reset_count - 1)

        #: The sequence number of the next frame that is executed, and whether ACKNOWLEDGE and IDENTITY are to be sent.
        expected, acknowledge, introduce = Signal(8), Signal(), Signal()
        self._send(m, transmitter, port, resetting, expected, acknowledge, introduce)
        # What a frame asks for in the cycle in which the last answer of that kind begins is a new answer: it is set after
        # being cleared.
        self._receive(m, receiver, port, reset_count, expected, acknowledge, introduce)
        return m

    def _receive(
        self, m: Any, receiver: Any, port: Any, reset_count: Any, expected: Any, acknowledge: Any, introduce: Any
    ) -> None:
        """Takes frames apart and executes them."""
        length = flit_bytes(self.config)
        header = Signal(8 * HEADER_BYTES, reset_less=True)
        contents = Signal(8 * length, reset_less=True)
        count = Signal(range(HEADER_BYTES + length + 2))
        kind, sequence = header[0:8], header[8:16]
        pending, response, refused = Signal(), Signal(), Signal()
        m.d.comb += [
            receiver.i_valid.eq(self.i_valid),
            receiver.i_data.eq(self.i_data),
            receiver.i_error.eq(self.i_error),
            self.active.eq(receiver.good),
            port.send.valid.eq(pending),
            port.send.payload.flit.eq(contents[: FlitLayout(self.config).size]),
            port.send.payload.traffic_class.eq(response),
        ]
        with m.If(port.send.ready):
            m.d.sync += pending.eq(0)

        # A packet is sent from the register that it is received into; one that comes before that has happened is refused.
        with m.If(receiver.first):
            m.d.sync += [count.eq(0), refused.eq(0)]
        with m.If(receiver.valid):
            with m.If(count != HEADER_BYTES + length + 1):
                m.d.sync += count.eq(count + 1)
            with m.If(count < HEADER_BYTES):
                m.d.sync += header.eq(Cat(header[8:], receiver.data))
            with m.Elif(pending):
                m.d.sync += refused.eq(1)
            with m.Else():
                m.d.sync += contents.eq(Cat(contents[8:], receiver.data))

        in_order, bare = sequence == expected, count == HEADER_BYTES
        is_packet = ((kind == FrameType.REQUEST) | (kind == FrameType.RESPONSE)) & (count == HEADER_BYTES + length)
        with m.If(receiver.good):
            with m.If((kind == FrameType.HELLO) & bare):
                m.d.sync += [expected.eq(sequence + 1), introduce.eq(1)]
            with m.Elif((kind == FrameType.RESET) & bare):
                m.d.sync += acknowledge.eq(1)
                with m.If(in_order):
                    m.d.sync += [expected.eq(expected + 1), reset_count.eq(RESET_CYCLES), pending.eq(0)]
            with m.Elif(is_packet):
                m.d.sync += acknowledge.eq(1)
                with m.If(in_order & ~refused):
                    m.d.sync += [expected.eq(expected + 1), pending.eq(1), response.eq(kind == FrameType.RESPONSE)]
        with m.If(self.reset):
            m.d.sync += [reset_count.eq(RESET_CYCLES), pending.eq(0)]

    def _send(self, m: Any, transmitter: Any, port: Any, resetting: Any, expected: Any, acknowledge: Any, introduce: Any) -> None:
        """Composes frames: IDENTITY first, then packets; an acknowledgement of its own only if nothing else carries it."""
        length = flit_bytes(self.config)
        assert length >= Identity.BYTES
        packet = port.received
        kind, sequence, told = Signal(8), Signal(8), Signal(8)
        index, last_index = Signal(range(HEADER_BYTES + length)), Signal(range(HEADER_BYTES + length))
        carries_packet, busy = Signal(), Signal()

        with m.If(~busy & ~resetting):
            m.d.sync += [index.eq(0), told.eq(expected), carries_packet.eq(0), acknowledge.eq(0)]
            with m.If(introduce):
                m.d.sync += [busy.eq(1), kind.eq(FrameType.IDENTITY), last_index.eq(HEADER_BYTES + Identity.BYTES - 1)]
                m.d.sync += introduce.eq(0)
            with m.Elif(packet.valid):
                is_response = packet.payload.traffic_class == TrafficClass.RESPONSE
                m.d.sync += [busy.eq(1), carries_packet.eq(1), last_index.eq(HEADER_BYTES + length - 1)]
                m.d.sync += kind.eq(Mux(is_response, FrameType.BOARD_RESPONSE, FrameType.BOARD_REQUEST))
            with m.Elif(acknowledge):
                m.d.sync += [busy.eq(1), kind.eq(FrameType.ACKNOWLEDGE), last_index.eq(HEADER_BYTES - 1)]

        flit = packet.payload.flit.as_value()
        identity = Const(int.from_bytes(self.identity.pack(), "little"), 8 * length)
        payload = Signal(8 * length)
        payload_index = Signal(range(length))
        byte, last = transmitter.i.payload.byte, transmitter.i.payload.last
        m.d.comb += [
            payload.eq(Mux(carries_packet, flit, identity)),
            payload_index.eq(index - HEADER_BYTES),
            transmitter.i.valid.eq(busy),
            last.eq(index == last_index),
            packet.ready.eq(busy & carries_packet & transmitter.i.ready & last),
        ]
        with m.Switch(index):
            for number, value in enumerate((kind, sequence, told)):
                with m.Case(number):
                    m.d.comb += byte.eq(value)
            with m.Default():
                m.d.comb += byte.eq(payload.word_select(payload_index, 8))
        with m.If(busy & transmitter.i.ready):
            m.d.sync += index.eq(index + 1)
            with m.If(last):
                m.d.sync += busy.eq(0)
        with m.If(packet.ready):
            m.d.sync += sequence.eq(sequence + 1)
        with m.If(resetting):
            m.d.sync += busy.eq(0)
