# SPDX-License-Identifier: Apache-2.0
"""A queue of two wide payloads without a choice among them."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterChain"]


class RegisterChain(wiring.Component):
    """First in, first out, through two registers one behind the other. What enters in cycle t can leave from t + 2 on.

    As :class:`rtl.network.fifo.Fifo`, but registers are all that it takes. ``i.ready`` and ``o.valid`` come from registers
    alone, so no combinational path leads through it.

    Parameters
    ----------
    shape : shape-like
        Of the payload.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    level : Out(0..2), payloads held
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "level": Out(range(3))})

    def elaborate(self, platform):
        m = Module()
        entered, leaving = (Signal(self.shape, name=name, reset_less=True) for name in ("entered", "leaving"))
        has_entered, can_leave = Signal(), Signal()
        push, moves = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~(has_entered & can_leave)),
            push.eq(self.i.valid & self.i.ready),
            moves.eq(has_entered & (~can_leave | self.o.ready)),
            self.o.valid.eq(can_leave),
            self.o.payload.eq(leaving),
            self.level.eq(has_entered + can_leave),
        ]
        m.d.sync += [has_entered.eq(push | (has_entered & ~moves)), can_leave.eq(moves | (can_leave & ~self.o.ready))]
        with m.If(push):
            m.d.sync += entered.eq(self.i.payload)
        with m.If(moves):
            m.d.sync += leaving.eq(entered)
        return m
