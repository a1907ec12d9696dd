# SPDX-License-Identifier: Apache-2.0
"""Instruction fetch of the sequential core: word by word, without a buffer of lines."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.decoder import DecodedLayout, RowCompletion, RowLayout, RowLookup
from rtl.interfaces import ReadPort

__all__ = ["SequentialFetch"]


class SequentialFetch(wiring.Component):
    """The next instruction, decoded in a register, and one word ahead of it.

    Every word is read from SRAM when there is room for it, so that there is nothing old to be forgotten: a redirection
    suffices after code has changed. Outside of SRAM nothing is read, and the instruction is a fault.

    Members
    -------
    port : Out(ReadPort)
    run : In(1)
        Fetch at all.
    redirect : In(1), target : In(64)
        Continue at ``target``; what is fetched so far is dropped.
    take : In(1), keep : In(1)
        The instruction has been executed; with ``keep`` the address stays. Not in a cycle of ``redirect``.
    inject : In(1), word : In(32)
        While nothing is fetched: ``word`` is the next instruction to execute, whatever is there so far. Nothing follows it before
        a redirection.
    pc : Out(64)
        Address of the next instruction to execute, whether it is there or not; in the cycle after ``take`` still that of the one
        that was taken. The lowest two bits are those of ``target`` in the cycle after a redirection, and then 0.
    coming : Out(1), rs1, rs2 : Out(5)
        It will be there in the next cycle, and the fields of its registers.
    valid : Out(1), insn : Out(32), fault : Out(1), decoded : Out(DecodedLayout)
        It is there. ``insn`` and ``decoded`` stay for two cycles after a redirection.
    rejected : Out(1)
        The instruction of the cycle before is illegal although ``decoded.illegal`` was clear; it must have no effect.
    busy : Out(1)
        A word is under way, or the address.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "port": Out(ReadPort(config)),
                "run": In(1),
                "redirect": In(1),
                "target": In(64),
                "take": In(1),
                "keep": In(1),
                "inject": In(1),
                "word": In(32),
                "pc": Out(64),
                "coming": Out(1),
                "rs1": Out(5),
                "rs2": Out(5),
                "valid": Out(1),
                "insn": Out(32),
                "fault": Out(1),
                "decoded": Out(DecodedLayout()),
                "rejected": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        byte_bits, offset_bits = ceil_log2(config.line_bytes), OFFSET_BITS
        # Of the word to read next. SRAM ends below the end of its window, so nothing but a redirection changes the upper part.
        ahead, in_window = Signal(offset_bits - 2), Signal()
        in_range = in_window & (ahead < config.sram_bytes // 4)
        word, place = Signal(32, reset_less=True), Signal(byte_bits - 2, reset_less=True)
        waits, fails, reading = Signal(), Signal(), Signal()
        # The instruction register is full; what it holds was taken in the cycle before: that comes too late to do more with it.
        full, taken, advances = Signal(), Signal(), Signal()
        moves, asks = Signal(), Signal()
        insn, row = Signal(32, reset_less=True), Signal(RowLayout(), reset_less=True)
        fields = Signal(32)
        m.d.comb += [
            self.valid.eq(full & ~taken),
            moves.eq(~self.valid),
            self.coming.eq(self.valid | waits),
            fields.eq(Mux(self.valid, insn, word)),
            self.rs1.eq(fields[15:20]),
            self.rs2.eq(fields[20:25]),
            asks.eq(self.run & ~reading & ~waits),
            self.port.req.eq(asks & in_range),
            self.port.address.eq(ahead[byte_bits - 2 :]),
            self.busy.eq(reading | taken),
        ]
        m.d.sync += [
            taken.eq(self.take),
            advances.eq(self.take & ~self.keep),
            reading.eq(self.port.grant & self.port.req),
        ]
        with m.If(self.port.grant & self.port.req):
            m.d.sync += [ahead.eq(ahead + 1), place.eq(ahead)]
        with m.If(reading):
            m.d.sync += [word.eq(self.port.data.word_select(place, 32)), waits.eq(1), fails.eq(0)]
        with m.Elif(asks & ~in_range):
            m.d.sync += [word.eq(0), waits.eq(1), fails.eq(1)]
        with m.Elif(moves):
            m.d.sync += waits.eq(0)

        m.submodules.lookup = lookup = RowLookup()
        m.submodules.completion = completion = RowCompletion(config)
        m.d.comb += [
            lookup.insn.eq(word),
            completion.insn.eq(insn),
            completion.row.eq(row),
            self.insn.eq(insn),
            self.decoded.eq(Cat(row.flags, row.alu, completion.immediate)),
        ]
        m.d.sync += self.rejected.eq(completion.rejected)
        with m.If(moves):
            m.d.sync += full.eq(waits)
            with m.If(waits):
                m.d.sync += [insn.eq(word), self.fault.eq(fails), row.eq(lookup.row)]
        m.d.sync += self.pc[:2].eq(0)
        with m.If(advances):
            m.d.sync += self.pc[2:offset_bits].eq(self.pc[2:offset_bits] + 1)
        with m.If(self.inject):
            m.d.sync += [word.eq(self.word), waits.eq(1), fails.eq(0), full.eq(0)]
        with m.If(self.redirect):
            m.d.sync += [
                self.pc.eq(self.target),
                ahead.eq(self.target[2:]),
                in_window.eq(self.target[offset_bits:] == SRAM_BASE >> offset_bits),
                full.eq(0),
                waits.eq(0),
                reading.eq(0),
            ]
        return m
