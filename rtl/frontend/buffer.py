# SPDX-License-Identifier: Apache-2.0
"""The fetch buffer of one thread: two windows of words."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.frontend.entry import WORD_ADDRESS_BITS, FetchWindow, lane_widths, window_words

__all__ = ["FetchBuffer"]


class FetchBuffer(wiring.Component):
    """Two windows; the older one shifts as lanes take its words, so that decoders find the next word always in the same place.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    room : Out(1), a flip-flop
        Another window may enter.
    enter : In(1), entering : In(FetchWindow)
        A window enters at the end of the cycle; only with ``room``.
    inject : In(1), pc : In(word address), word : In(32)
        A word enters at the end of the cycle, without a prediction, as if it were the one at ``pc``; only if the buffer is empty
        and nothing else enters.
    valid : Out(1), window : Out(FetchWindow)
        The older window.
    lane_a : In(1), lane_b : In(1)
        That lane of decoders takes as many words as it has decoders, or what is left; lane B behind lane A. Only if valid.
    drop : In(1)
        Be empty in the next cycle.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "room": Out(1),
                "enter": In(1),
                "entering": In(FetchWindow(config)),
                "inject": In(1),
                "pc": In(WORD_ADDRESS_BITS),
                "word": In(32),
                "valid": Out(1),
                "window": Out(FetchWindow(config)),
                "lane_a": In(1),
                "lane_b": In(1),
                "drop": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = window_words(self.config)
        width_a, width_b = lane_widths(self.config)
        window = Signal(FetchWindow(self.config), reset_less=True)
        second, second_valid = Signal(FetchWindow(self.config), reset_less=True), Signal()
        m.d.comb += [self.window.eq(window), self.room.eq(~second_valid)]

        used_up = Signal()
        with m.If(~self.valid | used_up):
            m.d.sync += [self.valid.eq(self.enter | second_valid), second_valid.eq(0)]
            with m.If(second_valid):
                m.d.sync += window.eq(second)
            with m.Elif(self.enter):
                m.d.sync += window.eq(self.entering)
        with m.Elif(self.enter):
            m.d.sync += [second_valid.eq(1), second.eq(self.entering)]

        for lanes, width in ((0b01, width_a), (0b10, width_b), (0b11, width_a + width_b)):
            with m.If((self.lane_a == lanes & 1) & (self.lane_b == lanes >> 1)):
                m.d.comb += used_up.eq(window.count <= width)
                with m.If(window.count > width):
                    # Addresses count within the window only.
                    low = window.pc[: (words - 1).bit_length()]
                    m.d.sync += [low.eq(low + width), window.count.eq(window.count - width)]
                    m.d.sync += [window.words[i].eq(window.words[i + width]) for i in range(words - width)]
        with m.If(self.inject):
            m.d.sync += [
                self.valid.eq(1),
                window.pc.eq(self.pc),
                window.count.eq(1),
                window.predicted.eq(0),
                window.fault.eq(0),
                window.words[0].eq(self.word),
            ]
        with m.If(self.drop):
            m.d.sync += [self.valid.eq(0), second_valid.eq(0)]
        return m
