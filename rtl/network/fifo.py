# SPDX-License-Identifier: Apache-2.0
"""A queue of stream payloads."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["Fifo"]


class Fifo(wiring.Component):
    """First in, first out. What enters in one cycle can leave from the next on; takes and gives one payload per cycle.

    ``i.ready`` and ``o.valid`` come from registers alone, so no combinational path leads through the queue.

    Parameters
    ----------
    shape : shape-like
        Of the payload.
    depth : int
        Payloads that it holds, at least 1. Full rate needs 2.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    level : Out(0..depth), payloads held
    """

    def __init__(self, shape, depth: int):
        if depth < 1:
            raise ValueError(f"depth = {depth}: a queue holds at least 1")
        self.shape = shape
        self.depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "level": Out(range(depth + 1))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.shape, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        level = Signal(range(self.depth + 1))

        push, pop = Signal(), Signal()
        m.d.comb += [
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(level != self.depth),
            self.o.valid.eq(level != 0),
            self.o.payload.eq(read.data),
            self.level.eq(level),
            write.data.eq(self.i.payload),
            write.en.eq(push),
        ]
        m.d.sync += level.eq(level + push - pop)
        for port, moves in ((write, push), (read, pop)):
            index = Signal(range(self.depth), name=f"{'write' if port is write else 'read'}_index")
            m.d.comb += port.addr.eq(index)
            with m.If(moves):
                m.d.sync += index.eq(Mux(index == self.depth - 1, 0, index + 1))
        return m
