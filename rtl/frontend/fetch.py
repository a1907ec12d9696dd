# SPDX-License-Identifier: Apache-2.0
"""Fetch: where each thread goes on, one window of one thread per cycle, and the windows that wait for decoders."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.frontend.buffer import FetchBuffer
from rtl.frontend.entry import WORD_ADDRESS_BITS, FetchWindow, window_words
from rtl.network.arbiter import RoundRobin

__all__ = ["FetchUnit"]


class FetchUnit(wiring.Component):
    """Chooses a thread, round-robin among those that run, have room and do not wait for a line, and fetches one window of it.

    Cache and predictor answer in the same cycle; the window, from the fetch address to its end or to the first branch that is
    predicted taken, enters the thread's buffer at its end. Outside of SRAM a window is one word 0 with ``fault``, and the fetch
    address stays.

    Only a redirection changes the upper bits of a thread's addresses.

    Parameters
    ----------
    config : NodeConfig
    observe : bool
        Have the members ``enters`` and ``entering``.

    Members
    -------
    lookup : Out(threads), at most one-hot
        The thread that looks its line up at ``address``.
    address : Out(word address in the node's window)
    hit : In(1), words : In(8 * window_bytes)
        The cache's answer.
    waits : In(threads), first : In(threads)
        Threads that wait for lines, and those whose turn it is first.
    taken : In(1), word : In(word in the window), target : In(word address)
        The predictor's answer for ``address``.
    threads : array of

        run : In(1)
        redirect : In(1), redirect_target : In(64)
            Continue there; what is fetched is dropped.
        correct : In(1), correct_target : In(word address)
            The same, on behalf of decoders, in the same node's window. A redirection in the same cycle goes before.
        inject : In(1), word : In(32)
            A word enters the buffer, which is empty, as if it were the one at ``fetch_pc``, without a prediction. The thread
            does not run; it goes on at ``fetch_pc``.
        valid : Out(1), window : Out(FetchWindow)
            What decoders get next.
        lane_a : In(1), lane_b : In(1)
            See FetchBuffer.
        fetch_pc : Out(word address)
            Where it is fetched next.
        upper : Out(64 - OFFSET_BITS)
            Upper bits of all its addresses.

    enters : Out(threads), entering : Out(FetchWindow), if observed
        The thread whose buffer a window enters at the end of the cycle, and the window; but for injected words.
    """

    def __init__(self, config: NodeConfig, observe: bool = False):
        self.config = config
        self._observe = observe
        observed = {"enters": Out(config.threads), "entering": Out(FetchWindow(config))} if observe else {}
        words = window_words(config)
        thread = wiring.Signature(
            {
                "run": In(1),
                "redirect": In(1),
                "redirect_target": In(64),
                "correct": In(1),
                "correct_target": In(WORD_ADDRESS_BITS),
                "inject": In(1),
                "word": In(32),
                "valid": Out(1),
                "window": Out(FetchWindow(config)),
                "lane_a": In(1),
                "lane_b": In(1),
                "fetch_pc": Out(WORD_ADDRESS_BITS),
                "upper": Out(64 - OFFSET_BITS),
            }
        )
        super().__init__(
            {
                "lookup": Out(config.threads),
                "address": Out(WORD_ADDRESS_BITS),
                "hit": In(1),
                "words": In(32 * words),
                "waits": In(config.threads),
                "first": In(config.threads),
                "taken": In(1),
                "word": In(range(words)),
                "target": In(WORD_ADDRESS_BITS),
                "threads": Out(thread).array(config.threads),
                **observed,
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        count = config.threads
        words = window_words(config)
        in_window = ceil_log2(words)

        m.submodules.turns = turns = RoundRobin(count)
        wants, urgent = Signal(count), Signal(count)
        m.d.comb += [
            urgent.eq(wants & self.first),
            turns.request.eq(Mux(urgent.any(), urgent, wants)),
            turns.serve.eq(1),
        ]

        # The window fetched
        in_sram, delivers = Signal(), Signal()
        fetched = Signal(FetchWindow(config))
        start, end, window_pc = Signal(in_window), Signal(in_window), Signal(WORD_ADDRESS_BITS - in_window)
        follows = Signal(WORD_ADDRESS_BITS)
        m.d.comb += [
            self.lookup.eq(Mux(in_sram, turns.grant, 0)),
            delivers.eq(wants.any() & (~in_sram | self.hit)),
            start.eq(self.address[:in_window]),
            end.eq(Mux(self.taken, self.word, words - 1)),
            window_pc.eq(self.address[in_window:] + 1),
            follows.eq(Mux(self.taken, self.target, Cat(C(0, in_window), window_pc))),
            fetched.pc.eq(self.address),
            fetched.follows.eq(self.target),
            fetched.fault.eq(~in_sram),
        ]
        with m.If(in_sram):
            m.d.comb += [fetched.count.eq(end - start + 1), fetched.predicted.eq(self.taken)]
            with m.Switch(start):
                for number in range(words):
                    with m.Case(number):
                        m.d.comb += fetched.words.as_value()[: 32 * (words - number)].eq(self.words[32 * number :])
        with m.Else():
            m.d.comb += fetched.count.eq(1)

        for i, thread in enumerate(self.threads):
            m.submodules[f"buffer{i}"] = buffer = FetchBuffer(config)
            at_home = Signal(name=f"at_home{i}")
            with m.If(turns.grant[i]):
                m.d.comb += [
                    self.address.eq(thread.fetch_pc),
                    in_sram.eq(at_home & (thread.fetch_pc < config.sram_bytes // 4)),
                ]
            m.d.comb += [
                wants[i].eq(thread.run & buffer.room & ~self.waits[i]),
                buffer.enter.eq(turns.grant[i] & delivers),
                buffer.entering.eq(fetched),
                buffer.inject.eq(thread.inject),
                buffer.pc.eq(thread.fetch_pc),
                buffer.word.eq(thread.word),
                buffer.lane_a.eq(thread.lane_a),
                buffer.lane_b.eq(thread.lane_b),
                buffer.drop.eq(thread.redirect | thread.correct),
                thread.valid.eq(buffer.valid),
                thread.window.eq(buffer.window),
            ]
            with m.If(thread.redirect):
                m.d.sync += [
                    thread.fetch_pc.eq(thread.redirect_target[2:OFFSET_BITS]),
                    thread.upper.eq(thread.redirect_target[OFFSET_BITS:]),
                    at_home.eq(thread.redirect_target[OFFSET_BITS:] == SRAM_BASE >> OFFSET_BITS),
                ]
            with m.Elif(thread.correct):
                m.d.sync += thread.fetch_pc.eq(thread.correct_target)
            with m.Elif(turns.grant[i] & delivers & in_sram):
                m.d.sync += thread.fetch_pc.eq(follows)
            if self._observe:
                m.d.comb += self.enters[i].eq(turns.grant[i] & delivers & ~buffer.drop)
        if self._observe:
            m.d.comb += self.entering.eq(fetched)
        return m
