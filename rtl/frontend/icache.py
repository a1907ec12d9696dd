# SPDX-License-Identifier: Apache-2.0
"""The instruction cache that all threads share."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.frontend.entry import WORD_ADDRESS_BITS, window_words
from rtl.interfaces import ReadPort, line_address_bits
from rtl.network.arbiter import RoundRobin

__all__ = ["InstructionCache"]

_WAYS = 2


class InstructionCache(wiring.Component):
    """Two ways of SRAM lines, the one used longer ago replaced, not coherent with stores.

    A lookup answers in the same cycle. One that misses makes its thread wait until the line has arrived. Lines are asked for one
    at a time: those that threads wait for first, round-robin; then the one missed in this cycle; then the line behind the one
    looked up, if it is in SRAM and not here. That one does not replace the line looked up, which was used last. A line under
    way is not asked for again, whoever misses it. A miss in cycle t asks SRAM in t + 1; granted there, it hits from t + 3 on.

    Threads whose line arrived go first with their next lookup: nothing can replace the line before.

    Parameters
    ----------
    config : NodeConfig
        There are ``threads * fetch_lines`` lines, but not more than half of SRAM.

    Members
    -------
    port : Out(ReadPort)
        ``req`` and ``address`` are flip-flops.
    flush : In(1)
        Forget all lines, those under way too; who waits for one waits for it to be read again.
    lookup : In(threads), at most one-hot
        The thread that looks up ``address``; it does not wait.
    address : In(word address in the node's window), in SRAM if there is a lookup
    hit : Out(1), words : Out(8 * window_bytes)
        The aligned window that the address lies in, in the cycle of the lookup.
    run : In(threads)
        Threads whose lines are asked for.
    drop : In(threads)
        The thread does not wait any more: it goes on elsewhere.
    waits : Out(threads)
    first : Out(threads)
        The line that the thread waited for arrived in the cycle before.
    busy : Out(1)
        A line is asked for or under way, or a flip-flop changes in the next cycle without any input.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "port": Out(ReadPort(config)),
                "flush": In(1),
                "lookup": In(config.threads),
                "address": In(WORD_ADDRESS_BITS),
                "hit": Out(1),
                "words": Out(8 * config.window_bytes),
                "run": In(config.threads),
                "drop": In(config.threads),
                "waits": Out(config.threads),
                "first": Out(config.threads),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        threads = config.threads
        line_bits = line_address_bits(config)
        # A tag of at least one bit remains, however small SRAM is.
        set_bits = min(ceil_log2(threads * config.fetch_lines // _WAYS), line_bits - 1)
        sets = 1 << set_bits
        in_line = ceil_log2(config.line_bytes // 4)

        line, following = Signal(line_bits), Signal(line_bits + 1)
        m.d.comb += [line.eq(self.address[in_line:]), following.eq(line + 1)]

        asks, asked = Signal(), Signal(line_bits, reset_less=True)
        arriving, arriving_line = Signal(), Signal(line_bits, reset_less=True)

        def coming(number):
            return (asks & (asked == number)) | (arriving & (arriving_line == number))

        # The ways
        valid = [Signal(sets, name=f"valid{way}") for way in range(_WAYS)]
        oldest = Signal(sets)
        replaced = Signal()
        fill_set, looked_set = arriving_line[:set_bits], line[:set_bits]
        m.d.comb += replaced.eq(oldest.bit_select(fill_set, 1))
        hits, ahead_hits = Signal(_WAYS), Signal(_WAYS)
        for way in range(_WAYS):
            m.submodules[f"tags{way}"] = tags = Memory(shape=line_bits - set_bits, depth=sets, init=[])
            m.submodules[f"lines{way}"] = lines = Memory(shape=8 * config.line_bytes, depth=sets, init=[])
            tag_write, tag_read, tag_ahead = tags.write_port(), tags.read_port(domain="comb"), tags.read_port(domain="comb")
            line_write, line_read = lines.write_port(), lines.read_port(domain="comb")
            fills = Signal(name=f"fills{way}")
            m.d.comb += [
                fills.eq(arriving & (replaced == way)),
                tag_write.addr.eq(fill_set),
                tag_write.data.eq(arriving_line[set_bits:]),
                tag_write.en.eq(fills),
                line_write.addr.eq(fill_set),
                line_write.data.eq(self.port.data),
                line_write.en.eq(fills),
                tag_read.addr.eq(looked_set),
                line_read.addr.eq(looked_set),
                tag_ahead.addr.eq(following[:set_bits]),
                hits[way].eq(valid[way].bit_select(looked_set, 1) & (tag_read.data == line[set_bits:])),
                ahead_hits[way].eq(
                    valid[way].bit_select(following[:set_bits], 1) & (tag_ahead.data == following[set_bits:line_bits])
                ),
            ]
            with m.If(self.lookup.any() & hits[way]):
                with m.Switch(self.address[ceil_log2(window_words(config)) : in_line]):
                    for window in range(config.line_bytes // config.window_bytes):
                        with m.Case(window):
                            m.d.comb += self.words.eq(line_read.data.word_select(window, 8 * config.window_bytes))
                m.d.sync += oldest.bit_select(looked_set, 1).eq(1 - way)
            with m.If(fills):
                m.d.sync += [valid[way].bit_select(fill_set, 1).eq(1), oldest.bit_select(fill_set, 1).eq(1 - way)]
            with m.If(self.flush):
                m.d.sync += valid[way].eq(0)
        m.d.comb += self.hit.eq(hits.any())

        # Threads that wait
        misses = Signal()
        m.d.comb += misses.eq(self.lookup.any() & ~self.hit)
        wants, arrived = Signal(threads), Signal(threads)
        waited = [Signal(line_bits, name=f"waited{thread}", reset_less=True) for thread in range(threads)]
        for thread in range(threads):
            waits = self.waits[thread]
            m.d.comb += [
                wants[thread].eq(waits & self.run[thread] & ~coming(waited[thread])),
                arrived[thread].eq(waits & arriving & (arriving_line == waited[thread])),
            ]
            with m.If(arrived[thread]):
                m.d.sync += waits.eq(0)
            # A line that arrives in this cycle hits in the next one.
            with m.If(self.lookup[thread] & ~self.hit & ~(arriving & (arriving_line == line))):
                m.d.sync += [waits.eq(1), waited[thread].eq(line)]
            with m.If(self.drop[thread]):
                m.d.sync += waits.eq(0)
        m.d.sync += self.first.eq(arrived)

        # What SRAM is asked for
        m.submodules.turns = turns = RoundRobin(threads)
        free = Signal()
        m.d.comb += [free.eq(~asks | self.port.grant), turns.request.eq(wants), turns.serve.eq(free)]
        ahead = Signal()
        m.d.comb += ahead.eq(
            self.lookup.any() & (following < config.sram_lines) & ~ahead_hits.any() & ~coming(following[:line_bits])
        )
        with m.If(free):
            m.d.sync += asks.eq(0)
            with m.If(wants.any()):
                m.d.sync += asks.eq(1)
                for thread in range(threads):
                    with m.If(turns.grant[thread]):
                        m.d.sync += asked.eq(waited[thread])
            with m.Elif(misses & ~coming(line)):
                m.d.sync += [asks.eq(1), asked.eq(line)]
            with m.Elif(ahead):
                m.d.sync += [asks.eq(1), asked.eq(following)]
        m.d.comb += [self.port.req.eq(asks), self.port.address.eq(asked)]
        m.d.sync += arriving.eq(asks & self.port.grant & ~self.flush)
        with m.If(self.port.grant):
            m.d.sync += arriving_line.eq(asked)
        m.d.comb += self.busy.eq(asks | arriving | self.first.any())
        return m
