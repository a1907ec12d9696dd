# SPDX-License-Identifier: Apache-2.0
"""A queue of stream payloads."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["Fifo"]


class Fifo(wiring.Component):
    """First in, first out. What enters in one cycle can leave from the next on; takes and gives one payload per cycle.

    ``i.ready`` and ``o.valid`` come from registers alone, so no combinational path leads through the queue. Payloads are in
    registers if there are one or two, else in a memory.

    Parameters
    ----------
    shape : shape-like
        Of the payload.
    depth : int
        Payloads that it holds, at least 1. Full rate needs 2.
    beside : int
        Bits that travel beside the payload. They are no part of it so that a simulator, which keeps a payload as one number,
        need not put the two together in every cycle.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    i_beside, o_beside : In(beside), Out(beside), as valid as the payload
    level : Out(0..depth), payloads held
    """

    def __init__(self, shape, depth: int, *, beside: int = 0):
        if depth < 1:
            raise ValueError(f"depth = {depth}: a queue holds at least 1")
        self.shape = shape
        self.depth = depth
        self.beside = beside
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "i_beside": In(beside),
                "o_beside": Out(beside),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        level = Signal(range(self.depth + 1))

        push, pop = Signal(), Signal()
        m.d.comb += [
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(level != self.depth),
            self.o.valid.eq(level != 0),
            self.level.eq(level),
        ]
        m.d.sync += level.eq(level + push - pop)
        indices = []
        for name, moves in (("write", push), ("read", pop)):
            index = Signal(range(self.depth), name=f"{name}_index")
            indices.append(index)
            with m.If(moves):
                m.d.sync += index.eq(Mux(index == self.depth - 1, 0, index + 1))

        parts = {"payload": (self.shape, self.i.payload, self.o.payload)}
        if self.beside:
            parts["beside"] = (self.beside, self.i_beside, self.o_beside)
        for name, (shape, entering, leaving) in parts.items():
            if self.depth <= 2:
                places = [Signal(shape, name=f"{name}{place}", reset_less=True) for place in range(self.depth)]
                for place, value in enumerate(places):
                    with m.If(push & (indices[0] == place)):
                        m.d.sync += value.eq(entering)
                    with m.If(indices[1] == place):
                        m.d.comb += leaving.eq(value)
                continue
            m.submodules[name] = memory = Memory(shape=shape, depth=self.depth, init=[])
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(push),
                write.addr.eq(indices[0]),
                write.data.eq(entering),
                read.addr.eq(indices[1]),
                leaving.eq(read.data),
            ]
        return m
