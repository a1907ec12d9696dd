# SPDX-License-Identifier: Apache-2.0
"""Bytes from the serial line to bodies of frames."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.crc import CHECKED, SerialCrc
from fpga.frames import CHECK_BYTES, ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Removes flags, escapes and the check sequence, and tells good frames from damaged ones.

    ``first`` strobes when a frame begins, then ``valid`` with each bit of the body, eight in successive cycles for a byte, low
    bit first, and ``good`` or ``bad`` when the frame ends. Nothing can be held up. Bytes between frames are frames too: damaged
    ones.

    Members
    -------
    i_valid : In(1), strobe: ``i_data`` arrived; at least 10 cycles apart
    i_data : In(8)
    i_error : In(1), strobe: a byte was lost
    first : Out(1)
    valid : Out(1), bit : Out(1)
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
                "bit": Out(1),
                "good": Out(1),
                "bad": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        is_flag, is_escape = self.i_data == FLAG, self.i_data == ESCAPE
        escaped, spoiled = Signal(), Signal()

        byte, left = Signal(8, reset_less=True), Signal(range(9))
        # The last bytes are the check sequence, so a bit is passed on only when as many have followed.
        held, count = Signal(8 * CHECK_BYTES, reset_less=True), Signal(range(CHECK_BYTES + 1))
        full = count == CHECK_BYTES
        m.d.comb += [
            crc.shift.eq(left != 0),
            crc.bit.eq(byte[0]),
            self.valid.eq((left != 0) & full),
            self.bit.eq(held[0]),
        ]
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), byte.eq(byte >> 1), held.eq(Cat(held[1:], byte[0]))]
            with m.If((left == 1) & ~full):
                m.d.sync += count.eq(count + 1)

        with m.If(self.i_valid):
            with m.If(is_flag):
                m.d.comb += [
                    self.first.eq(1),
                    self.good.eq(full & (crc.value == CHECKED) & ~escaped & ~spoiled),
                    self.bad.eq(~self.good & ((count != 0) | escaped | spoiled)),
                    crc.start.eq(1),
                ]
                m.d.sync += [count.eq(0), escaped.eq(0), spoiled.eq(0)]
            with m.Elif(is_escape):
                m.d.sync += escaped.eq(1)
            with m.Else():
                m.d.sync += [byte.eq(self.i_data ^ (escaped << (ESCAPE_XOR.bit_length() - 1))), left.eq(8), escaped.eq(0)]
        with m.If(self.i_error):
            m.d.sync += spoiled.eq(1)
        return m
