# SPDX-License-Identifier: Apache-2.0
"""Network interface: between a node's router on one side, its core and SRAM on the other."""

from amaranth import C, Cat, Module, Mux, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, SEMAPHORE_ID_BITS, TAG_BITS, TAG_NUMBER_BITS, Kind, Port, TagOwner
from rtl.interfaces import ControlPort, CoreNetworkPort, GlobalAddressLayout, ReadPort, WritePort, flit_stream
from rtl.network.fifo import Fifo
from rtl.network.register_chain import RegisterChain
from rtl.network.router import eject_stream
from rtl.network.serial_server import SerialServer
from rtl.network.server import RequestServer

__all__ = ["NetworkInterface"]


class _CoreRequestLayout(data.StructLayout):
    """What the core says about a request."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "read": unsigned(1),
                "address": GlobalAddressLayout(),
                "post": unsigned(1),
                "sem": unsigned(SEMAPHORE_ID_BITS),
                "tag": unsigned(TAG_NUMBER_BITS),
                "mask": unsigned(config.line_bytes),
                "data": unsigned(8 * config.line_bytes),
            }
        )


class NetworkInterface(wiring.Component):
    """Sends the core's requests, serves requests that arrive (:class:`rtl.network.server.RequestServer`, where links are narrow
    :class:`rtl.network.serial_server.SerialServer`), and hands responses to the core.

    A request that the core enters in cycle t is offered to the router in t + 1, and in t + 2 where links are narrow and the core
    pipelined. READ_DATA of a thread goes to the core as it stands in the router's register, ERROR as a strobe that is always
    taken; so responses drain as fast as the core takes them. Those whose tags name another owner nobody waits for. An
    undeliverable response is dropped, and so is a request that came as a
    response.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    x, y : In(13), own coordinates
    eject_request, eject_response : In(eject_stream), from the router
    inject_request, inject_response : Out(flit_stream), to the router
    core : In(CoreNetworkPort)
    read : Out(ReadPort), write : Out(WritePort), to SRAM
    control : Out(ControlPort)
    sent : Out(1), strobe: a request of the core entered the router
    received : Out(1), strobe: a request meant for this node was served
    dropped : Out(1), strobe: a response was undeliverable
    busy : Out(1), clear only if no register changes at the end of this cycle
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "eject_request": In(eject_stream(config)),
                "eject_response": In(eject_stream(config)),
                "inject_request": Out(flit_stream(config)),
                "inject_response": Out(flit_stream(config)),
                "core": In(CoreNetworkPort(config)),
                "read": Out(ReadPort(config)),
                "write": Out(WritePort(config)),
                "control": Out(ControlPort()),
                "sent": Out(1),
                "received": Out(1),
                "dropped": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core = self.core

        narrow = self.config.link_passes > 1
        m.submodules.server = server = (SerialServer if narrow else RequestServer)(self.config)
        wiring.connect(m, wiring.flipped(self.eject_request), server.requests)
        wiring.connect(m, server.responses, wiring.flipped(self.inject_response))
        wiring.connect(m, server.read, wiring.flipped(self.read))
        wiring.connect(m, server.write, wiring.flipped(self.write))
        wiring.connect(m, server.control, wiring.flipped(self.control))
        m.d.comb += [
            server.x.eq(self.x),
            server.y.eq(self.y),
            core.post_valid.eq(server.post_valid),
            core.post_sem.eq(server.post_sem),
            core.post_amount.eq(1),
            self.received.eq(server.received),
        ]

        # Requests of the core that wait for the router. A core that enters a request in the cycle after it saw that there is
        # room counts on two places, and four sustain one per cycle. Where links are narrow area counts for more.
        layout, at_once = _CoreRequestLayout(self.config), self.config.core == "sequential"
        places = 1 if at_once else 2 if narrow else 4
        m.submodules.requests = queue = RegisterChain(layout) if places == 2 else Fifo(layout, places)
        m.d.comb += [core.tx_room.eq(queue.level <= max(0, places - 2)), queue.i.valid.eq(core.tx_valid)]
        for field in ("read", "address", "post", "sem", "tag", "mask", "data"):
            m.d.comb += getattr(queue.i.payload, field).eq(getattr(core, f"tx_{field}"))

        head, request = queue.o.payload, self.inject_request.payload
        m.d.comb += [
            self.inject_request.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.inject_request.ready),
            self.sent.eq(queue.o.valid & self.inject_request.ready),
            request.kind.eq(Mux(head.read, Kind.READ, Kind.WRITE)),
            request.src_x.eq(self.x),
            request.src_y.eq(self.y),
            request.src_exit.eq(Port.LOCAL),
            request.tag.eq(Cat(head.tag, C(TagOwner.THREAD, TAG_BITS - TAG_NUMBER_BITS))),
        ]
        for field in ("x", "y", "exit", "upper", "offset"):
            m.d.comb += getattr(request, field).eq(getattr(head.address, field))
        for field in ("post", "sem", "mask", "data"):
            m.d.comb += getattr(request, field).eq(getattr(head, field))

        response, flit = self.eject_response, self.eject_response.payload.flit
        owner, arrives = flit.tag[TAG_NUMBER_BITS:], response.valid & ~response.payload.undeliverable
        of_thread = arrives & (owner == TagOwner.THREAD)
        is_data, is_error = flit.kind == Kind.READ_DATA, flit.kind == Kind.ERROR
        m.d.comb += [
            core.rx_valid.eq(of_thread & is_data),
            core.rx_tag.eq(flit.tag),
            core.rx_data.eq(flit.data),
            core.error_valid.eq(of_thread & is_error),
            core.error_tag.eq(flit.tag),
            response.ready.eq(~core.rx_valid | core.rx_ready),
            self.dropped.eq(server.dropped | (response.valid & ~(arrives & (is_data | is_error)))),
            self.busy.eq(server.busy | core.tx_valid | queue.o.valid | response.valid),
        ]
        failed = GlobalAddressLayout()(core.error_address)
        m.d.comb += [
            failed.offset.eq(flit.offset),
            failed.x.eq(flit.src_x),
            failed.y.eq(flit.src_y),
            failed.exit.eq(flit.src_exit),
            failed.upper.eq(flit.upper),
        ]
        return m
