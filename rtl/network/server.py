# SPDX-License-Identifier: Apache-2.0
"""Serves the request packets that arrive at a node."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    EXIT_BITS,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    TAG_BITS,
    UPPER_BITS,
    Kind,
    NetworkError,
    Port,
)
from rtl.interfaces import ControlPort, ReadPort, WritePort, flit_stream
from rtl.network.fifo import Fifo
from rtl.network.request_view import RequestView
from rtl.network.router import eject_stream

__all__ = ["RequestServer", "server_members"]


def server_members(config: NodeConfig) -> dict:
    """Members of a server of requests; :class:`RequestServer` says what they are."""
    return {
        "x": In(COORDINATE_BITS),
        "y": In(COORDINATE_BITS),
        "requests": In(eject_stream(config)),
        "responses": Out(flit_stream(config)),
        "read": Out(ReadPort(config)),
        "write": Out(WritePort(config)),
        "control": Out(ControlPort()),
        "post_valid": Out(1),
        "post_sem": Out(SEMAPHORE_ID_BITS),
        "received": Out(1),
        "dropped": Out(1),
        "busy": Out(1),
    }


class _ResponseLayout(data.StructLayout):
    """What differs between responses."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "error": unsigned(2),  # NetworkError, or 0 for READ_DATA
                "x": unsigned(COORDINATE_BITS),
                "y": unsigned(COORDINATE_BITS),
                "exit": unsigned(EXIT_BITS),
                "upper": unsigned(UPPER_BITS),
                "offset": unsigned(OFFSET_BITS),
                "src_x": unsigned(COORDINATE_BITS),
                "src_y": unsigned(COORDINATE_BITS),
                "src_exit": unsigned(EXIT_BITS),
                "tag": unsigned(TAG_BITS),
                "data": unsigned(8 * config.line_bytes),
            }
        )


class RequestServer(wiring.Component):
    """Takes requests in order, does what they ask for, and answers READs and failures.

    - WRITE in SRAM: one per cycle. READ in SRAM: one per cycle; the response is offered two cycles after the grant.
    - The control page: one register per cycle, lowest first, ``line_bytes / 8`` cycles per packet. A WRITE writes registers
      whose eight mask bits are all set.
    - A post follows in the cycle after the last write. No register is written in a cycle of a post.
    - Undeliverable: ERROR with UNREACHABLE, which names the destination. Neither SRAM nor control page, a post to a semaphore
      that the node does not have, or a READ from a rectangle: ERROR with BAD_OFFSET, which names this node; nothing is written.
    - A packet that is neither WRITE nor READ has no business among requests: dropped.

    A request that needs a response waits until there is room for it, and holds up those behind it.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    x, y : In(13), own coordinates
    requests : In(eject_stream)
    responses : Out(flit_stream)
    read : Out(ReadPort), write : Out(WritePort), to SRAM
    control : Out(ControlPort)
    post_valid : Out(1), post_sem : Out(5), strobe: post the semaphore by one
    received : Out(1), strobe: a WRITE or READ that was meant for this node was served
    dropped : Out(1), strobe: a packet was dropped
    busy : Out(1), clear only if no register changes at the end of this cycle
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(server_members(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        flit = self.requests.payload.flit
        undeliverable = self.requests.payload.undeliverable
        line_low = (config.line_bytes - 1).bit_length()

        m.submodules.view = view = RequestView(config)
        m.d.comb += [view.valid.eq(self.requests.valid), view.request.eq(self.requests.payload)]
        is_write, is_read, fails, bad_offset = view.is_write, view.is_read, view.fails, view.bad_offset
        sram_write, sram_read, control, failure, stray = (
            getattr(view, name) for name in ("sram_write", "sram_read", "control", "failure", "stray")
        )

        # Responses that wait for the router. Three sustain one READ per cycle; the fourth rides over a cycle lost to another
        # input.
        places = 4
        m.submodules.responses = queue = Fifo(_ResponseLayout(config), places)
        pending = Signal()
        room = Signal()
        m.d.comb += room.eq((queue.level + pending) < places)

        m.d.comb += [
            self.write.req.eq(sram_write),
            self.write.address.eq(view.line),
            self.write.mask.eq(flit.mask),
            self.write.data.eq(flit.data),
            self.read.req.eq(sram_read & room),
            self.read.address.eq(view.line),
        ]

        # Control page: registers of the line one by one.
        registers = config.line_bytes // 8
        index = Signal(range(registers))
        step, last, masked = Signal(), Signal(), Signal()
        registers_read = Signal(data.ArrayLayout(64, registers), reset_less=True)
        m.d.comb += [
            step.eq(control & ~self.post_valid & (is_write | room)),
            last.eq(step & (index == registers - 1)),
            masked.eq(is_write & ~flit.mask.word_select(index, 8).all()),
            self.control.access.eq(step & ~masked),
            self.control.register.eq(Cat(index, flit.offset[line_low:12])),
            self.control.write.eq(step & is_write & ~masked),
            self.control.write_data.eq(flit.data.word_select(index, 64)),
        ]
        with m.If(step):
            m.d.sync += index.eq(index + 1)
            with m.If(is_read):
                m.d.sync += registers_read[index].eq(self.control.read_data)

        served, answered = Signal(), Signal()
        m.d.comb += [
            answered.eq(self.read.grant & self.read.req | (last & is_read) | (failure & room)),
            served.eq(answered | (self.write.grant & sram_write) | (last & is_write)),
            self.requests.ready.eq(served | stray),
            self.received.eq(served & ~undeliverable),
            self.dropped.eq(stray),
        ]

        post_sem = Signal(SEMAPHORE_ID_BITS, reset_less=True)
        post_valid = Signal()
        m.d.sync += post_valid.eq(served & is_write & flit.post & ~fails)
        with m.If(served):
            m.d.sync += post_sem.eq(flit.sem)
        m.d.comb += [self.post_valid.eq(post_valid), self.post_sem.eq(post_sem)]

        # The answer enters its queue a cycle after the request was served, together with what SRAM read.
        answer = Signal(_ResponseLayout(config), reset_less=True)
        from_sram, from_control = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += pending.eq(answered)
        with m.If(answered):
            m.d.sync += [
                answer.error.eq(Mux(undeliverable, NetworkError.UNREACHABLE, Mux(bad_offset, NetworkError.BAD_OFFSET, 0))),
                answer.x.eq(flit.src_x),
                answer.y.eq(flit.src_y),
                answer.exit.eq(flit.src_exit),
                answer.offset.eq(flit.offset),
                answer.upper.eq(Mux(undeliverable | is_read, flit.upper, 0)),
                answer.src_x.eq(Mux(undeliverable, flit.x, self.x)),
                answer.src_y.eq(Mux(undeliverable, flit.y, self.y)),
                answer.src_exit.eq(Mux(undeliverable, flit.exit, Port.LOCAL)),
                answer.tag.eq(flit.tag),
                from_sram.eq(sram_read),
                from_control.eq(control),
            ]
        m.d.comb += [queue.i.valid.eq(pending), queue.i.payload.eq(answer)]
        with m.If(from_sram):
            m.d.comb += queue.i.payload.data.eq(self.read.data)
        with m.Elif(from_control):
            m.d.comb += queue.i.payload.data.eq(registers_read)
        with m.Else():
            m.d.comb += queue.i.payload.data.eq(0)

        head, response = queue.o.payload, self.responses.payload
        m.d.comb += [
            self.responses.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.responses.ready),
            response.kind.eq(Mux(head.error == 0, Kind.READ_DATA, Kind.ERROR)),
            response.sem.eq(head.error),
        ]
        for field in ("x", "y", "exit", "upper", "offset", "src_x", "src_y", "src_exit", "tag", "data"):
            m.d.comb += getattr(response, field).eq(getattr(head, field))
        m.d.comb += self.busy.eq(self.requests.valid | pending | queue.o.valid | post_valid)
        return m
