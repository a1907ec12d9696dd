# SPDX-License-Identifier: Apache-2.0
"""Puts the engine of lists between a node's network interface and all that the two of them use."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, OFFSET_BITS, SEMAPHORE_ID_BITS, TAG_NUMBER_BITS, Kind, TagOwner
from rtl.interfaces import FlitLayout, ReadPort, WritePort, flit_stream
from rtl.network.lists.engine import ListEngine
from rtl.network.lists.turns import ReadTurns, StreamTurns, WriteTurns
from rtl.network.route_table import RoutePort
from rtl.network.router import eject_stream

__all__ = ["ListAttachment"]


class ListAttachment(wiring.Component):
    """The engine of lists, and its share of the ports of SRAM, the router, semaphores, and reports of errors.

    The interface and the engine take turns at SRAM and at the way of requests into the router. Responses to lists do not reach
    the interface. No request reaches it in a cycle in which a list's post waits or a packet is about to start a list, so a post
    waits two cycles at most, and no register of the control page is written in the cycle of a post. An ERROR for a thread waits
    a cycle when a list has failed.

    Parameters
    ----------
    config : NodeConfig
        ``lists`` is at least 2, and links are not narrow.

    Members
    -------
    x, y : In(13), own coordinates
    interface_read : In(ReadPort), interface_write : In(WritePort), interface_inject : In(flit_stream),
    interface_request : Out(eject_stream), interface_response : Out(eject_stream), interface_posts : In(1)
        The network interface; ``interface_posts``: it posts a semaphore in this cycle.
    read : Out(ReadPort), write : Out(WritePort), inject : Out(flit_stream),
    eject_request : In(eject_stream), eject_response : In(eject_stream)
        SRAM and router.
    start : In(1), start_thread : In(2), start_offset : In(21), room : Out(1), registers : In(RoutePort)
        As in :class:`rtl.network.lists.engine.ListEngine`.
    post : Out(1), post_sem : Out(5), strobe: post the semaphore by one; never in a cycle of ``interface_posts``
    error : Out(1), error_thread : Out(2), error_at : Out(64)
        Strobe: a thread's list has failed. No other error strobes in that cycle.
    progress : Out(1), a list goes on
    busy : Out(1), clear only if no register changes at the end of this cycle
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "interface_read": In(ReadPort(config)),
                "interface_write": In(WritePort(config)),
                "interface_inject": In(flit_stream(config)),
                "interface_request": Out(eject_stream(config)),
                "interface_response": Out(eject_stream(config)),
                "interface_posts": In(1),
                "read": Out(ReadPort(config)),
                "write": Out(WritePort(config)),
                "inject": Out(flit_stream(config)),
                "eject_request": In(eject_stream(config)),
                "eject_response": In(eject_stream(config)),
                "start": In(1),
                "start_thread": In(2),
                "start_offset": In(OFFSET_BITS),
                "room": Out(1),
                "registers": In(RoutePort()),
                "post": Out(1),
                "post_sem": Out(SEMAPHORE_ID_BITS),
                "error": Out(1),
                "error_thread": Out(2),
                "error_at": Out(64),
                "progress": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.engine = engine = ListEngine(config)
        m.submodules.reads = reads = ReadTurns(config, 2)
        m.submodules.writes = writes = WriteTurns(config, 2)
        m.submodules.requests = requests = StreamTurns(FlitLayout(config), 2)
        for port, turns in (("read", reads), ("write", writes)):
            wiring.connect(m, wiring.flipped(getattr(self, f"interface_{port}")), turns.users[0])
            wiring.connect(m, getattr(engine, port), turns.users[1])
            wiring.connect(m, turns.port, wiring.flipped(getattr(self, port)))
        wiring.connect(m, wiring.flipped(self.interface_inject), requests.sources[0])
        wiring.connect(m, engine.requests, requests.sources[1])
        wiring.connect(m, requests.o, wiring.flipped(self.inject))
        wiring.connect(m, wiring.flipped(self.registers), engine.registers)
        for name in ("x", "y", "start", "start_thread", "start_offset"):
            m.d.comb += getattr(engine, name).eq(getattr(self, name))
        for name in ("room", "error", "error_thread", "error_at", "progress", "busy"):
            m.d.comb += getattr(self, name).eq(getattr(engine, name))

        held = Signal()
        arriving, request = self.eject_request, self.interface_request
        m.d.comb += [
            held.eq(engine.posts.valid | engine.starting),
            request.payload.eq(arriving.payload),
            request.valid.eq(arriving.valid & ~held),
            arriving.ready.eq(request.ready & ~held),
            engine.posts.ready.eq(~self.interface_posts),
            self.post.eq(engine.posts.valid & engine.posts.ready),
            self.post_sem.eq(engine.posts.payload),
        ]

        answer, response = self.eject_response, self.interface_response
        flit = answer.payload.flit
        of_list, waits = Signal(), Signal()
        m.d.comb += [
            of_list.eq(
                ~answer.payload.undeliverable
                & (flit.tag[TAG_NUMBER_BITS:] == TagOwner.LIST)
                & ((flit.kind == Kind.READ_DATA) | (flit.kind == Kind.ERROR))
            ),
            waits.eq(engine.error & (flit.kind == Kind.ERROR)),
            engine.responses.payload.eq(flit),
            engine.responses.valid.eq(answer.valid & of_list),
            response.payload.eq(answer.payload),
            response.valid.eq(answer.valid & ~of_list & ~waits),
        ]
        with m.If(of_list):
            m.d.comb += answer.ready.eq(engine.responses.ready)
        with m.Else():
            m.d.comb += answer.ready.eq(response.ready & ~waits)
        return m
