# SPDX-License-Identifier: Apache-2.0
"""Several users of one port of SRAM, or of one way into the router, taking turns."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.interfaces import ReadPort, WritePort
from rtl.network.arbiter import RoundRobin

__all__ = ["ReadTurns", "StreamTurns", "WriteTurns"]


class _PortTurns(wiring.Component):
    """What turns at both kinds of ports have in common."""

    def __init__(self, signature: wiring.Signature, count: int):
        self.count = count
        super().__init__({"users": In(signature).array(count), "port": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.choice = choice = RoundRobin(self.count)
        m.d.comb += [self.port.req.eq(choice.request.any()), choice.serve.eq(self.port.grant)]
        for number, user in enumerate(self.users):
            m.d.comb += [
                choice.request[number].eq(user.req),
                user.grant.eq(choice.grant[number] & self.port.grant),
            ]
            with m.If(choice.grant[number]):
                m.d.comb += self._chosen(user)
            m.d.comb += self._shared(user)
        return m


class ReadTurns(_PortTurns):
    """Users of a port that reads SRAM take turns, grant by grant.

    A user that keeps asking waits for one grant of each other one at most. No cycle is lost.

    Parameters
    ----------
    config : NodeConfig
    count : int

    Members
    -------
    users : In(ReadPort).array(count)
    port : Out(ReadPort)
    """

    def __init__(self, config: NodeConfig, count: int):
        super().__init__(ReadPort(config), count)

    def _chosen(self, user):
        return [self.port.address.eq(user.address)]

    def _shared(self, user):
        return [user.data.eq(self.port.data)]


class WriteTurns(_PortTurns):
    """Users of a port that writes SRAM take turns, grant by grant.

    A user that keeps asking waits for one grant of each other one at most. No cycle is lost.

    Parameters
    ----------
    config : NodeConfig
    count : int

    Members
    -------
    users : In(WritePort).array(count)
    port : Out(WritePort)
    """

    def __init__(self, config: NodeConfig, count: int):
        super().__init__(WritePort(config), count)

    def _chosen(self, user):
        return [getattr(self.port, name).eq(getattr(user, name)) for name in ("address", "mask", "data")]

    def _shared(self, user):
        return []


class StreamTurns(wiring.Component):
    """Sources of one stream take turns, payload by payload.

    What has been offered stays until it is taken, even if the others offer something: routers remember which copies of a
    multicast have left. A source that keeps offering waits for one payload of each other one at most. No cycle is lost, and
    nothing is registered on the way.

    Parameters
    ----------
    shape : shape-like
        Of the payload.
    count : int

    Members
    -------
    sources : In(stream of shape).array(count)
    o : Out(stream of shape)
    chosen : Out(count), whose payload ``o`` shows, one bit if it is valid
    """

    def __init__(self, shape, count: int):
        self.count = count
        signature = stream.Signature(shape)
        super().__init__({"sources": In(signature).array(count), "o": Out(signature), "chosen": Out(count)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.choice = choice = RoundRobin(self.count)
        kept = Signal(self.count)  # whose payload was offered in the cycle before, and not taken
        for number, source in enumerate(self.sources):
            m.d.comb += [
                choice.request[number].eq(source.valid),
                source.ready.eq(self.chosen[number] & self.o.ready),
            ]
            with m.If(self.chosen[number]):
                m.d.comb += self.o.payload.eq(source.payload)
        still = kept & choice.request
        m.d.comb += [
            self.chosen.eq(Mux(still.any(), still, choice.grant)),
            self.o.valid.eq(choice.request.any()),
            choice.serve.eq(~still.any()),
        ]
        m.d.sync += kept.eq(Mux(self.o.ready, 0, self.chosen))
        return m
