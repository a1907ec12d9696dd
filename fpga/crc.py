# SPDX-License-Identifier: Apache-2.0
"""CRC-32 as in Ethernet and zlib, a bit per cycle: a serial line leaves more cycles than that."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CHECKED", "SerialCrc"]

_BITS = 32

#: x**32 + x**26 + ... + 1, lowest bit of the register first.
_POLYNOMIAL = 0xEDB88320

#: What the register holds after a message and its own check sequence, sent low byte first (zlib's ``crc32`` inverted).
CHECKED = 0xDEBB20E3


class SerialCrc(wiring.Component):
    """The register of a CRC-32 that takes bits low one first. Inverted, it is the check sequence.

    Members
    -------
    start : In(1), strobe: a message begins
    shift : In(1), strobe: takes ``bit``
    bit : In(1)
    out : In(1), with ``shift``: instead of taking a bit, the check sequence moves on, low bit first
    value : Out(32)
    """

    def __init__(self) -> None:
        super().__init__({"start": In(1), "shift": In(1), "bit": In(1), "out": In(1), "value": Out(_BITS, init=(1 << _BITS) - 1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        feedback = Signal()
        m.d.comb += feedback.eq((self.value[0] ^ self.bit) & ~self.out)
        with m.If(self.shift):
            m.d.sync += self.value.eq(self.value >> 1 ^ Mux(feedback, Const(_POLYNOMIAL, _BITS), 0))
        with m.If(self.start):
            m.d.sync += self.value.eq((1 << _BITS) - 1)
        return m
