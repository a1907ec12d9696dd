# SPDX-License-Identifier: Apache-2.0
"""Bodies of frames to bytes for the serial line."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fpga.crc import SerialCrc
from fpga.frames import CHECK_BYTES, ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["BodyLayout", "FrameTransmitter"]


class BodyLayout(data.StructLayout):
    """A bit of a body; ``last`` marks the one that ends it."""

    def __init__(self) -> None:
        super().__init__({"bit": 1, "last": 1})


class FrameTransmitter(wiring.Component):
    """Adds flags, escapes and the check sequence.

    A byte is collected bit by bit, in 8 cycles, while the one before is on the line.

    Members
    -------
    i : In(stream of BodyLayout), bytes low bit first
    o : Out(stream of 8 bits)
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(BodyLayout())), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        byte, bits = Signal(8, reset_less=True), Signal(range(8))
        escaping, checking, bytes_left = Signal(), Signal(), Signal(range(CHECK_BYTES + 1))

        takes, bit = Signal(), Signal()
        # It takes long to tell what the next bit is, so the check sequence gets it a cycle later, which is before a byte of it
        # is wanted: a whole byte has to be sent first.
        counted = Signal()
        m.d.sync += [counted.eq(takes & ~checking), crc.bit.eq(self.i.payload.bit)]
        m.d.comb += [
            bit.eq(Mux(checking, ~crc.value[0], self.i.payload.bit)),
            crc.shift.eq(counted | (takes & checking)),
            crc.out.eq(~counted),
        ]
        with m.If(takes):
            m.d.sync += [byte.eq(Cat(byte[1:], bit)), bits.eq(bits + 1)]

        special = (byte == FLAG) | (byte == ESCAPE)
        with m.FSM():
            with m.State("OPEN"):
                m.d.comb += [self.o.valid.eq(self.i.valid), self.o.payload.eq(FLAG), crc.start.eq(1)]
                m.d.sync += [checking.eq(0), bytes_left.eq(CHECK_BYTES), bits.eq(0)]
                with m.If(self.o.valid & self.o.ready):
                    m.next = "COLLECT"
            with m.State("COLLECT"):
                m.d.comb += [self.i.ready.eq(~checking), takes.eq(checking | self.i.valid)]
                with m.If(takes & (bits == 7)):
                    m.next = "SEND"
                with m.If(self.i.valid & self.i.ready & self.i.payload.last):
                    m.d.sync += checking.eq(1)
            with m.State("SEND"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(Mux(escaping, byte ^ ESCAPE_XOR, Mux(special, ESCAPE, byte))),
                ]
                with m.If(self.o.ready):
                    m.d.sync += escaping.eq(special & ~escaping)
                    with m.If(~special | escaping):
                        m.next = "COLLECT"
                        # `checking` is set with the body's last bit, so its last byte counts too.
                        with m.If(checking):
                            m.d.sync += bytes_left.eq(bytes_left - 1)
                            with m.If(bytes_left == 0):
                                m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                with m.If(self.o.ready):
                    m.next = "OPEN"
        return m
