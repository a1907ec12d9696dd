# SPDX-License-Identifier: Apache-2.0
"""The instruction cache, proved: what hits is what memory holds, requests keep their rules, and who waits is served."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.frontend.entry import WORD_ADDRESS_BITS
from rtl.frontend.icache import InstructionCache
from rtl.interfaces import line_address_bits
from verif.formal.proof import check_bounded, check_reachable

SMALLEST = NodeConfig(line_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=16, threads=1, fetch_lines=2, fetch_bytes=8)
CONFIGS = [SMALLEST, SMALLEST.replace(threads=2), SMALLEST.replace(threads=2, fetch_lines=4, fetch_bytes=16)]


class Contract(wiring.Component):
    """The cache before a memory of which one arbitrary line is known; flushes change it, all other lines are arbitrary.

    Lookups, flushes, drops, grants and the threads that run are free. With ``eager`` memory grants at once, and threads run and
    stay where they are, so that none waits for long.
    """

    def __init__(self, config: NodeConfig, *, eager: bool = False):
        self.config = config
        self.eager = eager
        threads = config.threads
        super().__init__(
            {
                "line": In(line_address_bits(config)),
                "value": In(8 * config.line_bytes),
                "other": In(8 * config.line_bytes),
                "grant": In(1),
                "flush": In(1),
                "lookup": In(threads),
                "address": In(WORD_ADDRESS_BITS),
                "run": In(threads),
                "drop": In(threads),
                "hits": Out(1),
                "hits_anew": Out(1),
                "replaced": Out(1),
                "longest": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        threads = config.threads
        m.submodules.cache = cache = InstructionCache(config)
        port = cache.port
        first, line, value, flushed = Signal(init=1), Signal.like(self.line), Signal.like(self.value), Signal()
        asks, asked, arrives = Signal(), Signal.like(self.line), Signal()
        m.d.sync += [
            first.eq(0),
            line.eq(self.line),
            value.eq(self.value),
            flushed.eq(self.flush),
            asks.eq(port.req & ~port.grant),
            asked.eq(port.address),
            arrives.eq(port.req & port.grant & (port.address == self.line)),
        ]
        in_line = (config.line_bytes // 4 - 1).bit_length()
        in_window = (config.window_bytes // 4 - 1).bit_length()
        looked = self.address[in_line:]
        windows = config.line_bytes // config.window_bytes
        expected = Signal(8 * config.window_bytes)
        m.d.comb += expected.eq(self.value)
        if windows > 1:
            m.d.comb += expected.eq(self.value.word_select(self.address[in_window:in_line], 8 * config.window_bytes))
        m.d.comb += [
            Assume(first | (line == self.line)),
            Assume(first | flushed | (value == self.value)),
            Assume((self.lookup & (self.lookup - 1)[:threads]) == 0),
            Assume((self.lookup & cache.waits) == 0),
            Assume(~self.lookup.any() | (self.address < config.sram_bytes // 4)),
            Assume((self.lookup & ~self.run) == 0),
            cache.flush.eq(self.flush),
            cache.lookup.eq(self.lookup),
            cache.address.eq(self.address),
            cache.run.eq(self.run),
            cache.drop.eq(self.drop),
            port.grant.eq(self.grant & port.req),
            # What was granted before a flush is from the memory before it.
            port.data.eq(Mux(arrives, Mux(flushed, value, self.value), self.other)),
        ]
        hits = self.lookup.any() & cache.hit & (looked == self.line)
        m.d.comb += [
            Assert(~hits | (cache.words == expected)),
            # A request stays until it is granted.
            Assert(~asks | (port.req & (port.address == asked))),
            Assert(~port.req | (port.address < config.sram_lines)),
        ]
        seen, flushes_since, left = Signal(), Signal(), Signal()
        with m.If(hits):
            m.d.sync += seen.eq(1)
        with m.If(self.flush & seen):
            m.d.sync += flushes_since.eq(1)
        with m.If(self.lookup.any() & ~cache.hit & (looked == self.line) & seen & ~flushes_since):
            m.d.sync += left.eq(1)
        m.d.comb += [
            self.hits.eq(hits),
            self.hits_anew.eq(hits & flushes_since & (self.value != 0)),
            self.replaced.eq(left & hits),
        ]
        if self.eager:
            longest = Signal(threads)
            # Lookups come one at a time, and so do requests and what they bring: nobody waits for another thread.
            bound = 2
            m.d.comb += Assume(self.grant & self.run.all() & ~self.drop.any() & ~self.flush)
            for thread in range(threads):
                waited = Signal(range(bound + 2), name=f"waited{thread}")
                m.d.sync += waited.eq(Mux(cache.waits[thread], waited + 1, 0))
                m.d.comb += [Assert(waited <= bound), longest[thread].eq(waited == bound)]
            m.d.comb += self.longest.eq(Cat(longest).any())
        return m


@pytest.mark.parametrize("config, cycles", [*zip(CONFIGS, (7, 6, 6), strict=True)], ids=["one", "two", "two-large"])
def test_what_hits_is_what_memory_holds_since_the_last_flush_and_requests_stay_until_granted(
    config: NodeConfig, cycles: int
) -> None:
    check_bounded(Contract(config), cycles)


@pytest.mark.parametrize("config", CONFIGS[:2], ids=["one", "two"])
def test_who_waits_for_a_line_waits_for_two_cycles_if_memory_grants_at_once(config: NodeConfig) -> None:
    check_bounded(Contract(config, eager=True), 8)
    check_reachable(Contract(config, eager=True), "longest", 8)


@pytest.mark.parametrize("output", ["hits", "hits_anew", "replaced"])
def test_hits_come_before_and_after_flushes_and_replacements(output: str) -> None:
    check_reachable(Contract(SMALLEST), output, 12)
