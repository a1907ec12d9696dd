# SPDX-License-Identifier: Apache-2.0
"""Reads descriptors from SRAM."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, LIST_DESCRIPTOR_BYTES, LIST_WORDS, ListCause
from rtl.interfaces import ReadPort
from rtl.network.lists.check import DescriptorCheck
from rtl.network.lists.layouts import ListLayout, place_bits

__all__ = ["DescriptorLoader", "LoadedLayout"]

_WORD_BYTES = 8


class LoadedLayout(data.StructLayout):
    """A descriptor that was read, and why it cannot be executed: ``cause`` is a ListCause, NONE if it can."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "place": unsigned(place_bits(config)),
                "cause": unsigned(3),
                "pull": unsigned(1),
                "chain": unsigned(1),
                "following": unsigned(64),
                "description": ListLayout(),
            }
        )


class _WantedLayout(data.StructLayout):
    """A place for lists, and its descriptor's offset in SRAM."""

    def __init__(self, config: NodeConfig):
        super().__init__({"place": unsigned(place_bits(config)), "offset": unsigned(64)})


class DescriptorLoader(wiring.Component):
    """Reads one descriptor after the other and says what it is.

    Without waiting for SRAM or for who takes the result, it takes 3 cycles and one for each line that holds what matters of a
    descriptor: two lines of 64 bytes, three of 32, six of 16. An offset that is no multiple of 128, or not in SRAM, is
    answered by DESCRIPTOR, and nothing is read.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    x, y : In(13), own coordinates
    wanted : In(stream of place and offset)
    read : Out(ReadPort)
    loaded : Out(stream of LoadedLayout)
    busy : Out(1), clear only if no register changes at the end of this cycle
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "wanted": In(stream.Signature(_WantedLayout(config))),
                "read": Out(ReadPort(config)),
                "loaded": Out(stream.Signature(LoadedLayout(config))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        line_words = config.line_bytes // _WORD_BYTES
        lines = -(-LIST_WORDS // line_words)
        line_low = (config.line_bytes - 1).bit_length()
        m.submodules.check = check = DescriptorCheck(config)

        place, start = Signal(place_bits(config)), Signal(range(config.sram_lines))
        absent = Signal()
        words = Signal(data.ArrayLayout(64, lines * line_words), reset_less=True)
        asked, arriving = Signal(range(lines + 1)), Signal(range(lines + 1))
        comes, idle = Signal(), Signal(init=1)
        wanted, loaded = self.wanted.payload, self.loaded.payload
        limit = config.sram_bytes - LIST_DESCRIPTOR_BYTES

        m.d.comb += [
            self.wanted.ready.eq(idle),
            self.read.req.eq(~idle & ~absent & (asked != lines)),
            self.read.address.eq(start + asked),
            self.loaded.valid.eq(~idle & (absent | ((arriving == lines) & ~comes))),
            self.busy.eq(~idle | self.wanted.valid),
        ]
        m.d.sync += comes.eq(self.read.req & self.read.grant)
        with m.If(idle & self.wanted.valid):
            m.d.sync += [
                idle.eq(0),
                place.eq(wanted.place),
                start.eq(wanted.offset[line_low:]),
                absent.eq(wanted.offset[: (LIST_DESCRIPTOR_BYTES - 1).bit_length()].any() | (wanted.offset > limit)),
                asked.eq(0),
                arriving.eq(0),
            ]
        with m.If(self.read.req & self.read.grant):
            m.d.sync += asked.eq(asked + 1)
        with m.If(comes):
            m.d.sync += arriving.eq(arriving + 1)
            for line in range(lines):
                with m.If(arriving == line):
                    for word in range(line_words):
                        m.d.sync += words[line * line_words + word].eq(self.read.data.word_select(word, 64))
        with m.If(self.loaded.valid & self.loaded.ready):
            m.d.sync += idle.eq(1)

        m.d.comb += [
            check.x.eq(self.x),
            check.y.eq(self.y),
            loaded.place.eq(place),
            loaded.pull.eq(check.pull),
            loaded.chain.eq(check.chain),
            loaded.following.eq(check.following),
            loaded.description.eq(check.description),
        ]
        m.d.comb += [check.words[word].eq(words[word]) for word in range(LIST_WORDS)]
        with m.If(absent):
            m.d.comb += loaded.cause.eq(ListCause.DESCRIPTOR)
        with m.Else():
            m.d.comb += loaded.cause.eq(check.cause)
        return m
