# SPDX-License-Identifier: Apache-2.0
"""The board's end of the host link: frames on one side, packets on the other."""

from __future__ import annotations

import dataclasses
from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fpga.frame_receiver import FrameReceiver
from fpga.frame_transmitter import FrameTransmitter
from fpga.frames import HEADER_BYTES, SESSION_BYTES, FrameType, Identity, flit_bytes
from fpga.packet_queue import PacketQueue
from fpga.packet_ring import PacketRing
from golden.config import NodeConfig
from golden.layout import TrafficClass, flit_bits, phit_bits
from rtl.interfaces import LinkSignature

__all__ = ["RESET_CYCLES", "HostLink"]

#: How long RESET holds the nodes in reset, at least.
RESET_CYCLES = 16

#: Packets under way in either direction: at 3 Mbaud what the line carries in 4 ms.
SLOTS = 32

#: Seconds after which packets that the host does not acknowledge are sent again. USB adapters keep bytes for up to 16 ms.
_TIMEOUT_SECONDS = 0.1

_SEQUENCED = (FrameType.RESET, FrameType.REQUEST, FrameType.RESPONSE)


class HostLink(wiring.Component):
    """Carries packets between a serial line and a link of the mesh, as docs/fpga.md describes.

    A frame from the host that is damaged, out of order, of a wrong length or without room is not executed, and no frame is
    executed twice. What leaves the array is kept until the host has it. Nothing on the host's side can make anything here
    overflow.

    Parameters
    ----------
    config : NodeConfig
    identity : Identity
        What IDENTITY answers; ``window`` and ``session`` are filled in.
    slots : int
        Packets under way in either direction, a power of two from 8 to 64; those that the link's receivers hold count.
    timeout_cycles : int, optional
        After which packets are sent again.

    Members
    -------
    i_valid, i_error : In(1), i_data : In(8), bytes as UartReceiver has them; at least RESET_CYCLES apart
    o : Out(stream of 8 bits), bytes to the host
    link_out : Out(LinkSignature), link_in : In(LinkSignature), to and from the array
    reset : In(1), does what the frame RESET does
    reset_nodes : Out(1), from a flip-flop
    active : Out(1), strobe: a good frame arrived

    Raises
    ------
    ValueError
        If the slots are none of those, or too few for the buffers of the nodes' links.
    """

    def __init__(self, config: NodeConfig, identity: Identity, *, slots: int = SLOTS, timeout_cycles: int | None = None):
        if slots not in (8, 16, 32, 64):
            raise ValueError(f"slots = {slots} is not one of 8, 16, 32, 64")
        reserved = len(TrafficClass) * config.channel_depth
        if reserved >= slots:
            raise ValueError(
                f"channel_depth = {config.channel_depth} lets a node send {reserved} packets at once; "
                f"a host link of {slots} slots takes less than {slots}"
            )
        self.config = config
        self.identity = dataclasses.replace(identity, window=slots, session=0)
        self.slots = slots
        # A power of two needs no comparison.
        self.timeout_cycles = timeout_cycles or 1 << (round(_TIMEOUT_SECONDS * identity.clock_hz) - 1).bit_length()
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
        m.submodules.transmitter = transmitter = FrameTransmitter()
        queue = PacketQueue(self.config, self.slots)
        m.submodules.queue = ResetInserter(resetting)(queue)
        m.submodules.ring = ring = PacketRing(self.config, self.slots, self.timeout_cycles, self._identity_rows())
        wiring.connect(m, queue.link_out, wiring.flipped(self.link_out))
        wiring.connect(m, ring.link_in, wiring.flipped(self.link_in))
        wiring.connect(m, transmitter.o, wiring.flipped(self.o))

        # Nodes come out of reset with all their credits, so they stay there until the ring has room for as much.
        reset_count = Signal(range(RESET_CYCLES + 1))
        m.d.comb += [resetting.eq(reset_count != 0), ring.hold.eq(resetting)]
        m.d.sync += self.reset_nodes.eq(resetting)
        with m.If((reset_count > 1) | ((reset_count == 1) & ring.settled)):
            m.d.sync += reset_count.eq(reset_count - 1)
        with m.If(self.reset):
            m.d.sync += reset_count.eq(RESET_CYCLES)

        #: The number of the next frame that is executed, the session, the number of the last POLL, and what is to be sent.
        state = _State()
        self._send(m, transmitter, queue, ring, state)
        # What a frame asks for in the cycle in which the last answer of that kind begins is a new answer: it is set after
        # being cleared.
        self._receive(m, receiver, queue, ring, reset_count, state)
        return m

    def _identity_rows(self) -> list[int]:
        """The fixed part of IDENTITY in rows as wide as the ring's."""
        width = phit_bits(self.config)
        value = int.from_bytes(self.identity.pack()[: Identity.FIXED_BYTES], "little")
        return [value >> start & (1 << width) - 1 for start in range(0, 8 * Identity.FIXED_BYTES, width)]

    def _receive(self, m: Any, receiver: Any, queue: Any, ring: Any, reset_count: Any, state: _State) -> None:
        """Takes frames apart and executes them."""
        length = flit_bytes(self.config)
        assert 8 * length == flit_bits(self.config)
        header = Signal(8 * HEADER_BYTES, reset_less=True)
        bits, count = Signal(3), Signal(range(HEADER_BYTES + length + 2))
        kind, sequence, acknowledged = header[0:8], header[8:16], header[16:24]
        m.d.comb += [
            receiver.i_valid.eq(self.i_valid),
            receiver.i_data.eq(self.i_data),
            receiver.i_error.eq(self.i_error),
            self.active.eq(receiver.good),
            queue.clear.eq(receiver.first),
            queue.bit.eq(receiver.bit),
            queue.traffic_class.eq(kind == FrameType.RESPONSE),
        ]
        with m.If(receiver.valid):
            m.d.sync += bits.eq(bits + 1)
            with m.If((bits == 7) & (count != HEADER_BYTES + length + 1)):
                m.d.sync += count.eq(count + 1)
            with m.If(count < HEADER_BYTES):
                m.d.sync += header.eq(Cat(header[1:], receiver.bit))
            with m.Elif(count < HEADER_BYTES + length):
                m.d.comb += queue.shift.eq(1)
        with m.If(receiver.first):
            m.d.sync += [bits.eq(0), count.eq(0)]

        # The form of the frame that is collected is known before it ends.
        bare = count == HEADER_BYTES
        is_packet, is_reset, is_hello, is_new = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            is_packet.eq(((kind == FrameType.REQUEST) | (kind == FrameType.RESPONSE)) & (count == HEADER_BYTES + length)),
            is_reset.eq((kind == FrameType.RESET) & bare),
            is_hello.eq((kind == FrameType.HELLO) & (bare | (count == HEADER_BYTES + SESSION_BYTES))),
            is_new.eq(~bare & (~state.open | (queue.recent != state.session))),
        ]
        control = {
            name: Signal(name=f"is_{name.name.lower()}") for name in (FrameType.ACKNOWLEDGE, FrameType.REJECT, FrameType.POLL)
        }
        for name, is_it in control.items():
            m.d.sync += is_it.eq((kind == name) & bare)
        is_sequenced = is_packet | is_reset

        ahead = Signal(8)
        m.d.sync += ahead.eq(sequence - state.expected)
        in_order, is_old = ahead == 0, ahead[7]
        m.d.comb += [ring.acknowledged.eq(acknowledged), ring.heard.eq(receiver.good)]
        with m.If(receiver.good):
            with m.If(is_hello):
                m.d.sync += state.introduce.eq(1)
                with m.If(is_new):
                    m.d.comb += ring.drop.eq(1)
                    m.d.sync += [
                        state.session.eq(queue.recent),
                        state.open.eq(1),
                        state.expected.eq(sequence),
                        state.acknowledge.eq(0),
                        state.wants_reject.eq(0),
                        state.rejected.eq(0),
                        state.polled.eq(0),
                    ]
            with m.Elif(~state.open), m.If(is_sequenced | control[FrameType.POLL]):
                # Who goes on with a session that is no more, learns it from the IDENTITY.
                m.d.sync += state.introduce.eq(1)
            with m.Else():
                m.d.comb += [
                    ring.acknowledge.eq(is_sequenced | Cat(*control.values()).any()),
                    ring.go_back.eq(control[FrameType.REJECT]),
                ]
                with m.If(control[FrameType.POLL]):
                    m.d.sync += [state.polled.eq(1), state.poll.eq(sequence)]
                with m.If(is_sequenced):
                    with m.If(in_order & ~(is_packet & queue.refused)):
                        m.d.sync += [state.expected.eq(state.expected + 1), state.acknowledge.eq(1), state.rejected.eq(0)]
                        m.d.comb += queue.commit.eq(is_packet)
                        with m.If(is_reset):
                            m.d.sync += reset_count.eq(RESET_CYCLES)
                    with m.Elif(is_old):
                        m.d.sync += state.acknowledge.eq(1)
                    with m.Elif(~state.rejected):
                        m.d.sync += state.wants_reject.eq(1)

    def _send(self, m: Any, transmitter: Any, queue: Any, ring: Any, state: _State) -> None:
        """Composes frames bit by bit: header, rows of the ring, the session in IDENTITY.

        An acknowledgement of its own is sent only if nothing else carries it.
        """
        width, passes = phit_bits(self.config), self.config.link_passes
        header = Signal(8 * HEADER_BYTES, reset_less=True)
        slot = Signal(range(self.slots), reset_less=True)
        row, position = Signal.like(ring.row), Signal(range(max(width, 8 * HEADER_BYTES, 8 * SESSION_BYTES)))
        identity, packet = Signal(), Signal()
        row_ends = position == width - 1
        fixed_rows, fixed_rest = divmod(8 * Identity.FIXED_BYTES - 1, width)
        bit, last, ends = Signal(), Signal(), Signal()
        goes = transmitter.i.valid & transmitter.i.ready
        #: The row that is asked for is there: what the ring shows comes a cycle after a new row's first. The row of a packet's
        #: header, which has its class, is a cycle later still, but the flag before the header takes one.
        steady = Signal()

        next_row = Signal.like(row)
        m.d.comb += [
            next_row.eq(row),
            ring.slot.eq(slot),
            ring.row.eq(next_row),
            ring.constant.eq(identity),
            transmitter.i.payload.bit.eq(bit),
            transmitter.i.payload.last.eq(last & ends),
        ]
        m.d.sync += [row.eq(next_row), steady.eq(~(goes & ends))]
        with m.If(goes):
            m.d.sync += position.eq(Mux(ends, 0, position + 1))

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += next_row.eq(0)
                m.d.sync += [slot.eq(ring.next), identity.eq(0), packet.eq(0), steady.eq(0)]
                header_sequence, header_type = Signal(8), Signal(8)
                begins = Signal()
                with m.If(ring.busy):
                    pass
                with m.Elif(state.introduce):
                    m.d.comb += [begins.eq(1), header_type.eq(FrameType.IDENTITY), header_sequence.eq(ring.oldest)]
                    m.d.sync += [identity.eq(1), state.introduce.eq(0)]
                with m.Elif(state.polled):
                    m.d.comb += [begins.eq(1), header_type.eq(FrameType.BOARD_ACKNOWLEDGE), header_sequence.eq(state.poll)]
                    m.d.sync += state.polled.eq(0)
                with m.Elif(state.wants_reject & ~queue.full & ~ring.hold):
                    m.d.comb += [begins.eq(1), header_type.eq(FrameType.BOARD_REJECT)]
                    m.d.sync += [state.wants_reject.eq(0), state.rejected.eq(1)]
                with m.Elif(ring.pending & state.open):
                    m.d.comb += [begins.eq(1), ring.take.eq(1), header_sequence.eq(ring.next)]
                    # The class is in the row that is being read; it goes into the header with its first bit.
                    m.d.comb += header_type.eq(FrameType.BOARD_REQUEST)
                    m.d.sync += packet.eq(1)
                with m.Elif(state.acknowledge):
                    m.d.comb += [begins.eq(1), header_type.eq(FrameType.BOARD_ACKNOWLEDGE), header_sequence.eq(state.poll)]
                with m.If(begins):
                    m.d.sync += [header.eq(Cat(header_type, header_sequence, state.expected)), state.acknowledge.eq(0)]
                    m.next = "HEADER"
            with m.State("HEADER"):
                classed = packet & (position == 0) & ring.traffic_class
                m.d.comb += [
                    transmitter.i.valid.eq(steady),
                    bit.eq(header[0] | classed),
                    ends.eq(position == 8 * HEADER_BYTES - 1),
                    last.eq(~packet & ~identity),
                ]
                with m.If(goes):
                    m.d.sync += header.eq(header >> 1)
                    with m.If(ends):
                        m.next = "IDLE"
                        with m.If(packet | identity):
                            m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += [
                    transmitter.i.valid.eq(steady),
                    bit.eq(ring.data.bit_select(position, 1)),
                    last.eq(packet & (row == passes - 1)),
                    ends.eq(row_ends | (identity & (row == fixed_rows) & (position == fixed_rest))),
                ]
                with m.If(goes & ends):
                    m.d.comb += next_row.eq(row + 1)
                    with m.If(last):
                        m.next = "IDLE"
                    with m.Elif(identity & (row == fixed_rows)):
                        m.next = "SESSION"
            with m.State("SESSION"):
                m.d.comb += [
                    transmitter.i.valid.eq(1),
                    bit.eq(state.session.bit_select(position[:5], 1)),
                    ends.eq(position == 8 * SESSION_BYTES - 1),
                    last.eq(1),
                ]
                with m.If(goes & ends):
                    m.next = "IDLE"


class _State:
    """What receiving and sending share.

    Members
    -------
    open : a session has begun; session : its number
    expected : number of the next frame that is executed
    poll : number of the last POLL
    introduce, polled, wants_reject, acknowledge : IDENTITY, the answer to POLL, BOARD_REJECT, BOARD_ACKNOWLEDGE is to be sent
    rejected : BOARD_REJECT was sent, and no frame was executed since
    """

    def __init__(self) -> None:
        self.open = Signal(name="open")
        self.session = Signal(8 * SESSION_BYTES, name="session")
        self.expected = Signal(8, name="expected")
        self.poll = Signal(8, name="poll")
        self.introduce = Signal(name="introduce")
        self.polled = Signal(name="polled")
        self.wants_reject = Signal(name="wants_reject")
        self.acknowledge = Signal(name="acknowledge")
        self.rejected = Signal(name="rejected")
