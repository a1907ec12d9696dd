# SPDX-License-Identifier: Apache-2.0
"""Instruction fetch: line buffers and an instruction register per thread, one SRAM port for all."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS
from rtl.core.addresses import in_sram, line_of
from rtl.core.decoder import DecodedLayout, Decoder
from rtl.core.registered_grant import registers_grants
from rtl.interfaces import ReadPort, line_address_bits
from rtl.network.arbiter import RoundRobin

__all__ = ["Fetch", "FetchedLayout", "ThreadFetch"]


class FetchedLayout(data.StructLayout):
    """An instruction that waits to be issued. ``fault``: its address lies outside of SRAM, and it shows as an illegal word 0."""

    def __init__(self):
        super().__init__({"pc": 64, "insn": 32, "fault": 1, "decoded": DecodedLayout()})


class ThreadFetch(wiring.Component):
    """Front end of one thread: the fetch address, a few lines of code, the instruction register.

    An instruction at the fetch address is decoded and enters the instruction register when that is free or being taken; where
    grants of SRAM are registered, it waits in a register before the decoder, and so does a line's number before SRAM. Lines
    are requested when they are needed, and the line after the current one ahead of need; replacement goes round and spares
    the current line on behalf of the latter. Outside of SRAM the fetch address stays where it is.

    Members
    -------
    run : In(1)
        Fetch at all.
    redirect : In(1), target : In(64)
        Continue at ``target``; what is fetched so far is dropped.
    flush : In(1)
        Forget all lines, those under way too.
    head_valid : Out(1), head : Out(FetchedLayout)
        The instruction register.
    take : In(1)
        The head is issued in this cycle.
    next_pc : Out(64)
        Address of the next instruction to issue.
    want : Out(1), ahead : Out(1), line : Out(line number)
        A line is wanted; ``ahead`` if there is no hurry. Held until the line is granted or not wanted any more.
    granted : In(1)
        The wanted line is read in this cycle.
    fill : In(8 * line_bytes)
        Its data, in the cycle after.
    busy : Out(1)
        A line is under way.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "run": In(1),
                "redirect": In(1),
                "target": In(64),
                "flush": In(1),
                "head_valid": Out(1),
                "head": Out(FetchedLayout()),
                "take": In(1),
                "next_pc": Out(64),
                "want": Out(1),
                "ahead": Out(1),
                "line": Out(line_address_bits(config)),
                "granted": In(1),
                "fill": In(8 * config.line_bytes),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        entries = config.fetch_lines
        line_bits = line_address_bits(config)
        byte_bits = ceil_log2(config.line_bytes)

        m.submodules.decoder = decoder = Decoder(config)
        pc = Signal(64)
        tags = [Signal(line_bits, name=f"tag{i}", reset_less=True) for i in range(entries)]
        valid = Signal(entries)
        victim = Signal(range(entries))

        fill_pending = Signal()
        fill_line = Signal(line_bits, reset_less=True)
        fill_entry = Signal(range(entries))

        in_range = Signal()
        m.d.comb += in_range.eq(in_sram(config, pc, 1))
        line = Signal(line_bits)
        m.d.comb += line.eq(line_of(config, pc))
        following = Signal(line_bits + 1)
        m.d.comb += following.eq(line + 1)

        def present(number):
            """One bit per entry that holds the line, and one for the line under way."""
            held = Cat(valid[i] & (tags[i] == number[:line_bits]) for i in range(entries))
            return held, fill_pending & (fill_line == number[:line_bits])

        hits, coming = present(line)
        hit = Signal(entries)
        m.d.comb += hit.eq(hits & in_range.replicate(entries))
        hit_entry = Signal(range(entries))
        for i in range(entries):
            with m.If(hit[i]):
                m.d.comb += hit_entry.eq(i)
        ahead_hits, ahead_coming = present(following)

        current = Signal(8 * config.line_bytes)
        if entries == 2:
            # LUT memories for two lines would be larger than registers.
            lines = [Signal(8 * config.line_bytes, name=f"line{entry}", reset_less=True) for entry in range(entries)]
            m.d.comb += current.eq(Mux(hit_entry, lines[1], lines[0]))
            for number, held in enumerate(lines):
                with m.If(fill_pending & (fill_entry == number)):
                    m.d.sync += held.eq(self.fill)
        else:
            m.submodules.lines = memory = Memory(shape=8 * config.line_bytes, depth=entries, init=[])
            fill_port, read_port = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                read_port.addr.eq(hit_entry),
                current.eq(read_port.data),
                fill_port.en.eq(fill_pending),
                fill_port.addr.eq(fill_entry),
                fill_port.data.eq(self.fill),
            ]
        word = Signal(32)
        with m.If(hit.any()):
            m.d.comb += word.eq(current.word_select(pc[2:byte_bits], 32))
        deliver, moves = Signal(), Signal()
        m.d.comb += [deliver.eq(self.run & (~in_range | hit.any())), moves.eq(~self.head_valid | self.take)]
        found = Signal(data.StructLayout({"pc": 64, "insn": 32, "fault": 1}))
        m.d.comb += [found.pc.eq(pc), found.insn.eq(word), found.fault.eq(~in_range)]
        delivered, decoding, enters = deliver, found, moves
        if registers_grants(config):
            waiting, waiting_valid = Signal.like(found, reset_less=True), Signal()
            enters = moves | ~waiting_valid
            with m.If(enters):
                m.d.sync += waiting_valid.eq(deliver)
                with m.If(deliver):
                    m.d.sync += waiting.eq(found)
            with m.If(self.redirect):
                m.d.sync += waiting_valid.eq(0)
            delivered, decoding = waiting_valid, waiting
        with m.If(enters & deliver & in_range):
            # SRAM ends below the end of its window.
            m.d.sync += pc[2:OFFSET_BITS].eq(pc[2:OFFSET_BITS] + 1)
        head = Signal(FetchedLayout(), reset_less=True)
        m.d.comb += [decoder.insn.eq(decoding.insn), self.head.eq(head)]
        with m.If(moves):
            m.d.sync += self.head_valid.eq(delivered)
            with m.If(delivered):
                m.d.sync += [
                    head.pc.eq(decoding.pc),
                    head.insn.eq(decoding.insn),
                    head.fault.eq(decoding.fault),
                    head.decoded.eq(decoder.decoded),
                ]
        with m.If(self.redirect):
            m.d.sync += [self.head_valid.eq(0), pc.eq(self.target)]
        # Nothing but a redirection changes the upper part.
        upper = pc[OFFSET_BITS:]
        m.d.comb += self.next_pc.eq(Cat(pc[:OFFSET_BITS], upper))
        with m.If(delivered):
            m.d.comb += self.next_pc.eq(Cat(decoding.pc[:OFFSET_BITS], upper))
        with m.If(self.head_valid):
            m.d.comb += self.next_pc.eq(Cat(head.pc[:OFFSET_BITS], upper))

        needed, lacks, lacking = Signal(), Signal(), Signal(line_bits)
        m.d.comb += [
            needed.eq(in_range & ~hit.any() & ~coming),
            lacks.eq(needed | (hit.any() & (following < config.sram_lines) & ~ahead_hits.any() & ~ahead_coming)),
            lacking.eq(Mux(needed, line, following)),
        ]
        if registers_grants(config):
            asks, asks_ahead, asked = Signal(), Signal(reset_less=True), Signal(line_bits, reset_less=True)
            with m.If(~asks):
                m.d.sync += [asks.eq(self.run & lacks), asks_ahead.eq(~needed), asked.eq(lacking)]
            with m.If(self.granted | self.redirect):
                m.d.sync += asks.eq(0)
            m.d.comb += [self.want.eq(asks & ~self.flush), self.ahead.eq(asks_ahead), self.line.eq(asked)]
        else:
            m.d.comb += [self.want.eq(self.run & ~self.flush & lacks), self.ahead.eq(~needed), self.line.eq(lacking)]
        # Reading ahead must not throw out the line that is being executed.
        entry = Signal(range(entries))
        m.d.comb += entry.eq(victim + (self.ahead & (victim == hit_entry)))
        m.d.sync += fill_pending.eq(self.granted)
        with m.If(self.granted):
            m.d.sync += [
                fill_line.eq(self.line),
                fill_entry.eq(entry),
                victim.eq(entry + 1),
                valid.bit_select(entry, 1).eq(0),
            ]
        m.d.comb += self.busy.eq(fill_pending)
        with m.If(fill_pending):
            m.d.sync += valid.bit_select(fill_entry, 1).eq(1)
            for i in range(entries):
                with m.If(fill_entry == i):
                    m.d.sync += tags[i].eq(fill_line)
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        return m


class Fetch(wiring.Component):
    """All threads' front ends on one SRAM port. Lines that are needed go before lines ahead of need, round-robin in both.

    Members
    -------
    port : Out(ReadPort)
    threads : array of the members of ThreadFetch that face the core
    busy : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        thread = wiring.Signature(
            {
                "run": In(1),
                "redirect": In(1),
                "target": In(64),
                "flush": In(1),
                "head_valid": Out(1),
                "head": Out(FetchedLayout()),
                "take": In(1),
                "next_pc": Out(64),
            }
        )
        super().__init__({"port": Out(ReadPort(config)), "threads": Out(thread).array(config.threads), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        count = self.config.threads
        threads = [ThreadFetch(self.config) for _ in range(count)]
        m.submodules.arbiter = arbiter = RoundRobin(count)
        needed = Cat(t.want & ~t.ahead for t in threads)
        wanted = Cat(t.want for t in threads)
        m.d.comb += [
            arbiter.request.eq(Mux(needed.any(), needed, wanted)),
            arbiter.serve.eq(self.port.grant),
            self.port.req.eq(wanted.any()),
            self.busy.eq(Cat(t.busy for t in threads).any()),
        ]
        for i, thread in enumerate(threads):
            m.submodules[f"thread{i}"] = thread
            outer = self.threads[i]
            m.d.comb += [
                thread.run.eq(outer.run),
                thread.redirect.eq(outer.redirect),
                thread.target.eq(outer.target),
                thread.flush.eq(outer.flush),
                thread.take.eq(outer.take),
                outer.head_valid.eq(thread.head_valid),
                outer.head.eq(thread.head),
                outer.next_pc.eq(thread.next_pc),
                thread.granted.eq(self.port.grant & arbiter.grant[i]),
                thread.fill.eq(self.port.data),
            ]
            with m.If(arbiter.grant[i]):
                m.d.comb += self.port.address.eq(thread.line)
        return m
