# SPDX-License-Identifier: Apache-2.0
"""Bytes from the serial line to bodies of frames."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from fpga.frames import CHECK_BYTES, ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Removes flags, escapes and the check sequence, and tells good frames from damaged ones.

    ``first`` strobes when a frame begins, then ``valid`` strobes with each byte of the body, and ``good`` or ``bad`` when the
    frame ends, in a later cycle than its last byte. Nothing can be held up. Bytes between frames are frames too: damaged ones.

    Members
    -------
    i_valid : In(1), strobe: ``i_data`` arrived; at most every second cycle
    i_data : In(8)
    i_error : In(1), strobe: a byte was lost
    first : Out(1)
    valid : Out(1), data : Out(8)
    good, bad : Out(1)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i_valid": In(1),
                "i_data": In(8),
                "i_error": In(1),
                "first": Out(1),
                "valid": Out(1),
                "data": Out(8),
                "good": Out(1),
                "bad": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        is_flag, is_escape = self.i_data == FLAG, self.i_data == ESCAPE
        escaped, spoiled = Signal(), Signal()
        byte, taken = Signal(8), Signal()
        m.d.comb += [
            taken.eq(self.i_valid & ~is_flag & ~is_escape),
            byte.eq(Mux(escaped, self.i_data ^ ESCAPE_XOR, self.i_data)),
            crc.valid.eq(taken),
            crc.data.eq(byte),
        ]

        # The last bytes are the check sequence, so a byte is passed on only when as many have followed.
        held = Signal(8 * CHECK_BYTES, reset_less=True)
        count = Signal(range(CHECK_BYTES + 1))
        full = count == CHECK_BYTES
        m.d.comb += [self.valid.eq(taken & full), self.data.eq(held[:8])]
        with m.If(taken):
            m.d.sync += [held.eq(Cat(held[8:], byte)), escaped.eq(0)]
            with m.If(~full):
                m.d.sync += count.eq(count + 1)
        with m.If(self.i_valid & is_escape):
            m.d.sync += escaped.eq(1)
        with m.If(self.i_error):
            m.d.sync += spoiled.eq(1)
        with m.If(self.i_valid & is_flag):
            m.d.comb += [
                self.first.eq(1),
                self.good.eq(full & crc.match_detected & ~escaped & ~spoiled),
                self.bad.eq(~self.good & ((count != 0) | escaped | spoiled)),
                crc.start.eq(1),
            ]
            m.d.sync += [count.eq(0), escaped.eq(0), spoiled.eq(0)]
        return m
