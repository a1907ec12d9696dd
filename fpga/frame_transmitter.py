# SPDX-License-Identifier: Apache-2.0
"""Bodies of frames to bytes for the serial line."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from fpga.frames import CHECK_BYTES, ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["BodyLayout", "FrameTransmitter"]


class BodyLayout(data.StructLayout):
    """A byte of a body; ``last`` marks the one that ends it."""

    def __init__(self) -> None:
        super().__init__({"byte": 8, "last": 1})


class FrameTransmitter(wiring.Component):
    """Adds flags, escapes and the check sequence.

    Members
    -------
    i : In(stream of BodyLayout)
    o : Out(stream of 8 bits)
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(BodyLayout())), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        byte, sends, escaping, done = Signal(8), Signal(), Signal(), Signal()
        check_index = Signal(range(CHECK_BYTES))

        # A byte that must be escaped takes two turns; `done` is its last one.
        special = (byte == FLAG) | (byte == ESCAPE)
        m.d.comb += done.eq(sends & self.o.ready & (~special | escaping))
        with m.If(sends):
            m.d.comb += [
                self.o.valid.eq(1),
                self.o.payload.eq(Mux(special, Mux(escaping, byte ^ ESCAPE_XOR, ESCAPE), byte)),
            ]
            with m.If(self.o.ready):
                m.d.sync += escaping.eq(special & ~escaping)

        m.d.comb += [crc.data.eq(byte)]
        with m.FSM():
            with m.State("OPEN"), m.If(self.i.valid):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG), crc.start.eq(1)]
                m.d.sync += check_index.eq(0)
                with m.If(self.o.ready):
                    m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [
                    byte.eq(self.i.payload.byte),
                    sends.eq(self.i.valid),
                    self.i.ready.eq(done),
                    crc.valid.eq(done),
                ]
                with m.If(done & self.i.payload.last):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += [byte.eq(crc.crc.word_select(check_index, 8)), sends.eq(1)]
                with m.If(done):
                    m.d.sync += check_index.eq(check_index + 1)
                    with m.If(check_index == CHECK_BYTES - 1):
                        m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                with m.If(self.o.ready):
                    m.next = "OPEN"
        return m
