# SPDX-License-Identifier: Apache-2.0
"""Serves the request packets that arrive at a node, one after the other."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring

from golden.config import NodeConfig
from golden.layout import SEMAPHORE_ID_BITS, Kind, NetworkError, Port
from rtl.network.request_view import RequestView
from rtl.network.server import server_members

__all__ = ["SerialServer"]


class SerialServer(wiring.Component):
    """As :class:`rtl.network.server.RequestServer`, but with room for one response: a request that needs another one stays until
    that has left. It suits links on which a flit takes several cycles. Each register of the control page takes as long as the
    page wants.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    Those of :class:`rtl.network.server.RequestServer`.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(server_members(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        flit = self.requests.payload.flit
        undeliverable = self.requests.payload.undeliverable
        m.submodules.view = view = RequestView(config)
        m.d.comb += [view.valid.eq(self.requests.valid & ~self.requests.ready), view.request.eq(self.requests.payload)]
        # What is to be done is known in the cycle after.
        answers_next = Signal()
        sram_write, sram_read, in_page, failure, stray = (
            Signal(name=name) for name in ("sram_write", "sram_read", "in_page", "failure", "stray")
        )
        m.d.sync += [
            sram_write.eq(view.sram_write),
            # Asked for when there is room for what is read.
            sram_read.eq(view.sram_read & ~answers_next),
            in_page.eq(view.control),
            failure.eq(view.failure),
            stray.eq(view.stray),
        ]

        # SRAM reads the line in a cycle of ``reading``, and ``answering`` follows when all is there.
        reading, answering = Signal(), Signal()
        asks = Signal()
        m.d.comb += [
            asks.eq(~reading & ~answering),
            self.write.req.eq(sram_write),
            self.write.address.eq(view.line),
            self.write.mask.eq(flit.mask),
            self.write.data.eq(flit.data),
            self.read.req.eq(sram_read),
            self.read.address.eq(view.line),
        ]

        # Control page: registers of the line one by one.
        registers = config.line_bytes // 8
        index = Signal(range(registers))
        asks_page, masked = Signal(), Signal()
        step, last = Signal(), Signal()
        m.d.comb += [
            asks_page.eq(in_page & ~self.post_valid & (view.is_write | asks)),
            masked.eq(view.is_write & ~flit.mask.word_select(index, 8).all()),
            step.eq(asks_page & (masked | self.control.ready)),
            last.eq(step & (index == registers - 1)),
            self.control.register.eq(Cat(index, flit.offset[(config.line_bytes - 1).bit_length() : 12])),
            self.control.access.eq(asks_page & ~masked),
            self.control.write.eq(asks_page & view.is_write & ~masked),
            self.control.write_data.eq(flit.data.word_select(index, 64)),
        ]
        with m.If(step):
            m.d.sync += index.eq(index + 1)

        fails, written, answered = Signal(), Signal(), Signal()
        m.d.comb += [
            fails.eq(failure & asks),
            written.eq((self.write.grant & sram_write) | (last & view.is_write)),
            answered.eq((self.read.grant & sram_read) | (last & view.is_read) | fails),
            self.requests.ready.eq(written | answered | stray),
            self.received.eq((written | answered) & ~undeliverable),
            self.dropped.eq(stray),
        ]
        m.d.comb += answers_next.eq(reading | (last & view.is_read) | fails | (answering & ~self.responses.ready))
        m.d.sync += [reading.eq(self.read.grant & sram_read), answering.eq(answers_next)]

        post_sem, post_valid = Signal(SEMAPHORE_ID_BITS, reset_less=True), Signal()
        m.d.sync += post_valid.eq(written & flit.post)
        with m.If(written):
            m.d.sync += post_sem.eq(flit.sem)
        m.d.comb += [self.post_valid.eq(post_valid), self.post_sem.eq(post_sem)]

        answer = Signal(data.ArrayLayout(64, registers), reset_less=True)
        error = Signal(NetworkError, reset_less=True)
        for number in range(registers):
            with m.If(fails):
                m.d.sync += answer[number].eq(0)
            with m.Elif(reading | (step & view.is_read & (index == number))):
                m.d.sync += answer[number].eq(Mux(reading, self.read.data.word_select(number, 64), self.control.read_data))
        response = Signal.like(self.responses.payload, reset_less=True)
        with m.If(answered):
            m.d.sync += [
                error.eq(Mux(undeliverable, NetworkError.UNREACHABLE, Mux(view.bad_offset, NetworkError.BAD_OFFSET, 0))),
                response.x.eq(flit.src_x),
                response.y.eq(flit.src_y),
                response.exit.eq(flit.src_exit),
                response.offset.eq(flit.offset),
                response.upper.eq(Mux(undeliverable | view.is_read, flit.upper, 0)),
                response.src_x.eq(Mux(undeliverable, flit.x, self.x)),
                response.src_y.eq(Mux(undeliverable, flit.y, self.y)),
                response.src_exit.eq(Mux(undeliverable, flit.exit, Port.LOCAL)),
                response.tag.eq(flit.tag),
            ]
        m.d.comb += [
            self.responses.valid.eq(answering),
            self.responses.payload.eq(response),
            self.responses.payload.kind.eq(Mux(error == 0, Kind.READ_DATA, Kind.ERROR)),
            self.responses.payload.sem.eq(error),
            self.responses.payload.data.eq(answer),
            self.busy.eq(self.requests.valid | reading | answering | post_valid),
        ]
        return m
