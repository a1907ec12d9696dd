# SPDX-License-Identifier: Apache-2.0
"""What the sequential core stores or sends."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.decoder import DecodedLayout

__all__ = ["Outgoing"]


class Outgoing(wiring.Component):
    """A line with its mask: a scalar in all places that it may go to, a vector register, or part of an accumulator.

    Which of them is in a register, since it takes long to tell; so it is that of the instruction of the cycle before.

    Members
    -------
    insn : In(32), decoded : In(DecodedLayout)
    scalar : In(64), vector, accumulator, converted : In(line)
    scale : In(2)
        Logarithm of the bytes of an element that is converted.
    place : In(low bits of an address)
        Where the scalar, or a part of an accumulator, goes in the line.
    data : Out(line), mask : Out(line_bytes)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "insn": In(32),
                "decoded": In(DecodedLayout()),
                "scalar": In(64),
                "vector": In(line),
                "accumulator": In(line),
                "converted": In(line),
                "scale": In(2),
                "place": In(ceil_log2(config.line_bytes)),
                "data": Out(line),
                "mask": Out(config.line_bytes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        decoded, line_bytes = self.decoded, self.config.line_bytes
        line, eight = 8 * line_bytes, 64
        narrow = [log for log in range(3) if line_bytes >> 2 - log <= eight // 8]

        # Nothing that is not wanted shows, so that sources meet in gates instead of selectors.
        wants_vector, wants_accumulator, wants_converted, wants_scalar = (
            Signal(name=f"wants_{source}") for source in ("vector", "accumulator", "converted", "scalar")
        )
        in_eight = Signal()
        m.d.sync += [
            wants_vector.eq(decoded.vector_store | decoded.nwrite),
            wants_accumulator.eq(decoded.accumulator_store & ~decoded.converts),
            wants_converted.eq(decoded.accumulator_store & decoded.converts),
            wants_scalar.eq(decoded.store | decoded.nsd),
            in_eight.eq(decoded.accumulator_store & decoded.converts & Cat(self.scale == log for log in narrow).any()),
        ]

        # Up to eight bytes, as often as there is room. An accumulator's line becomes a quarter of a line, a half or all of it.
        source, size = Signal(eight), Signal(2)
        quarter_log = ceil_log2(line_bytes) - 2
        m.d.comb += source.eq(
            (self.scalar & wants_scalar.replicate(eight)) | (self.converted[:eight] & in_eight.replicate(eight))
        )
        m.d.sync += size.eq(Mux(decoded.store, self.insn[12:14], Mux(decoded.nsd, 3, quarter_log + self.scale)))
        replicated = Signal(eight)
        with m.Switch(size):
            for log in range(4):
                with m.Case(log):
                    m.d.comb += replicated.eq(source[: 8 << log].replicate(8 >> log))
        converted = Signal(line)
        with m.If(wants_converted & ~in_eight), m.Switch(self.scale):
            for log in (log for log in range(3) if log not in narrow):
                with m.Case(log):
                    m.d.comb += converted.eq(self.converted[: line >> 2 - log].replicate(4 >> log))
        m.d.comb += self.data.eq(
            (self.vector & wants_vector.replicate(line))
            | (self.accumulator & wants_accumulator.replicate(line))
            | replicated.replicate(line // eight)
            | converted
        )

        with m.If(wants_vector | wants_accumulator):
            m.d.comb += self.mask.eq(~0)
        with m.Elif(wants_converted), m.Switch(self.scale):
            for log in range(3):
                part = line_bytes >> 2 - log
                with m.Case(log):
                    m.d.comb += self.mask.eq(((1 << part) - 1) << (self.place & (line_bytes - part)))
        with m.Else():
            m.d.comb += self.mask.eq(((1 << (1 << size)) - 1) << self.place)
        return m
