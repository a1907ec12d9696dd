# SPDX-License-Identifier: Apache-2.0
"""Brings a granule from its place in one line to its place in another."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig

__all__ = ["GranuleMover", "word_bits"]

#: Bits of the smallest granule, which all of them are made of.
_WORD = 64


def word_bits(config: NodeConfig) -> int:
    """Bits of the number of a word of 8 bytes in a line."""
    return (config.line_bytes // 8 - 1).bit_length()


class GranuleMover(wiring.Component):
    """Turns a line so that a granule lies where it goes, without a register.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    line : In(8 * line_bytes), what was read
    padding : In(1), zeros instead
    granule : In(2), 8 << granule bytes
    source, destination : In(words' number), where the granule lies, and where it goes; multiples of the granule
    moved : Out(8 * line_bytes), defined where ``words`` is set
    words : Out(line_bytes / 8), one bit for each 8 bytes of the granule
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line, number = 8 * config.line_bytes, word_bits(config)
        super().__init__(
            {
                "line": In(line),
                "padding": In(1),
                "granule": In(2),
                "source": In(number),
                "destination": In(number),
                "moved": Out(line),
                "words": Out(config.line_bytes // 8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        distance = Signal(len(self.source))
        m.d.comb += distance.eq(self.destination - self.source)
        turned = Mux(self.padding, 0, self.line)
        for bit in range(len(distance)):
            stage = Signal(len(self.line), name=f"turned{bit}")
            m.d.comb += stage.eq(Mux(distance[bit], turned.rotate_left(_WORD << bit), turned))
            turned = stage
        m.d.comb += self.moved.eq(turned)
        with m.Switch(self.granule):
            for code in range(4):
                words = 1 << code
                if words <= len(self.words):
                    with m.Case(code):
                        m.d.comb += self.words.eq(Const((1 << words) - 1, len(self.words)) << self.destination)
        return m
