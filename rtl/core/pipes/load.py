# SPDX-License-Identifier: Apache-2.0
"""The pipe of loads: scalar registers, vector registers, gathers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import Cause
from rtl.core.addresses import in_sram, line_of
from rtl.core.pipes.bundles import ScalarWriteLayout, commit, enter_x, pipe_members, write_scalar
from rtl.core.vector_registers import RegisterNumber
from rtl.interfaces import ReadPort

__all__ = ["LoadPipe"]


class LoadPipe(wiring.Component):
    """Reads SRAM, one access per cycle; stalls in X until it is granted.

    Whether a load traps is certain in its first cycle. Gathers make an access for each granule, trap at the first bad one, and
    commit with the last; nothing of their thread may be issued meanwhile.

    Members
    -------
    Those of :func:`rtl.core.pipes.bundles.pipe_members`, and
    read : Out(ReadPort)
    late : Out(ScalarWriteLayout)
        What a scalar load has read, in the cycle after its grant.
    vs2 : In(8 * line_bytes)
        Indices of the instruction in X.
    gathers : Out(1)
        There is a gather in X.
    loaded : Out(1)
        A line is read for a vector register.
    vector_write : Out(RegisterNumber), vector_data : Out(8 * line_bytes)
        Write of a vector register, two cycles after the instruction has left X.
    busy : Out(1)
        Something is in X or on its way to a register.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                **pipe_members(),
                "read": Out(ReadPort(config)),
                "late": Out(ScalarWriteLayout()),
                "vs2": In(line),
                "gathers": Out(1),
                "loaded": Out(1),
                "vector_write": Out(RegisterNumber()),
                "vector_data": Out(line),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)
        x = enter_x(m, self)
        decoded, insn = x.entry.decoded, x.entry.insn
        rd, rs1, size, wide = insn[7:12], insn[15:20], insn[12:14], insn[25]

        # -- address -----------------------------------------------------------------------------------------------
        gather = decoded.gather_stride | decoded.gather_index
        granule, next_granule = Signal(range(max(2, line_bytes // 8))), Signal(range(max(2, line_bytes // 8)))
        granule_done, skipped = Signal(), Signal()
        # Strides are signed words; indices are unsigned.
        step, total, address = Signal(64), Signal(64), Signal(64)
        with m.If(decoded.gather_index):
            m.d.comb += step.eq(self.vs2.word_select(granule, 32))
        with m.Elif(decoded.gather_stride):
            m.d.comb += step.eq(Cat(x.rs2[:32], x.rs2[31].replicate(32)))
        with m.Else():
            m.d.comb += step.eq(Cat(decoded.immediate, decoded.immediate[31].replicate(32)))
        m.d.comb += [total.eq(x.rs1 + step), address.eq(Mux(decoded.post_rs1 | decoded.gather_stride, x.rs1, total))]

        # -- checks ------------------------------------------------------------------------------------------------
        low_bits = Signal(byte_bits)
        with m.If(decoded.load):
            m.d.comb += low_bits.eq((1 << size) - 1)
        with m.Elif(gather):
            m.d.comb += low_bits.eq(Mux(wide, 15, 7))
        with m.Else():
            m.d.comb += low_bits.eq(line_bytes - 1)
        # Granules beyond the bound of a gather are neither read nor checked.
        bound = x.rs2[32:]
        misaligned, trap, good = Signal(), Signal(), Signal()
        m.d.comb += [
            skipped.eq(decoded.gather_bound & (bound[-1] | (~bound[len(granule) :].any() & (bound[: len(granule)] <= granule)))),
            misaligned.eq((address[:byte_bits] & low_bits).any()),
            trap.eq(~skipped & (misaligned | ~in_sram(config, address))),
            good.eq(self.x_valid & ~self.killed & ~(trap & (self.first | gather))),
        ]

        # -- accesses ----------------------------------------------------------------------------------------------
        granule_last = ~gather | (granule == Mux(wide, max(1, line_bytes // 16) - 1, line_bytes // 8 - 1))
        finishes = Signal()
        m.d.comb += [
            # Requests do not wait for the checks: what traps reads in vain.
            self.read.req.eq(self.x_valid & ~skipped),
            self.read.address.eq(line_of(config, address)),
            granule_done.eq(good & (skipped | self.read.grant)),
            finishes.eq(granule_done & granule_last),
            self.stall.eq(good & ~finishes),
            self.bad.eq(self.first & trap),
            self.gathers.eq(self.x_valid & gather),
            self.loaded.eq(granule_done & decoded.vector_load & ~skipped),
            next_granule.eq(Mux(granule_last, 0, granule + 1)),
        ]
        with m.If(granule_done & gather):
            m.d.sync += granule.eq(next_granule)
            with m.If(decoded.gather_stride & ~granule_last):
                m.d.sync += x.rs1.eq(total)
        with m.If(self.x_valid & ~self.stall):
            m.d.sync += granule.eq(0)
        certain = Mux(gather, self.x_valid & (trap | finishes), self.first) & ~self.killed
        m.d.comb += [
            *write_scalar(self, rs1, total, decoded.post_rs1),
            *commit(
                self, certain, trap, Mux(misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT), address,
                late=decoded.load & rd.any(),
            ),
        ]  # fmt: skip

        # -- a scalar on its way to its register -------------------------------------------------------------------
        load_done, load_low, load_size, load_unsigned = Signal(), Signal(byte_bits), Signal(2), Signal()
        m.d.sync += load_done.eq(finishes & decoded.load)
        with m.If(finishes & decoded.load):
            m.d.sync += [
                load_low.eq(address[:byte_bits]),
                load_size.eq(size),
                load_unsigned.eq(insn[14]),
                self.late.thread.eq(x.thread),
                self.late.number.eq(rd),
            ]
        # Loads are aligned: an upper part of what is loaded comes from few places.
        loaded, eight = Signal(64), Signal(64)
        with m.If(load_done):
            m.d.comb += eight.eq(self.read.data.word_select(load_low[3:], 64))
        m.d.comb += [
            loaded[0:8].eq(eight.word_select(load_low[:3], 8)),
            loaded[8:16].eq(eight.word_select(load_low[1:3], 16)[8:]),
            loaded[16:32].eq(eight.word_select(load_low[2], 32)[16:]),
            loaded[32:].eq(eight[32:]),
            self.late.valid.eq(load_done & self.late.number.any()),
        ]
        with m.Switch(load_size):
            for log in range(4):
                bits = 8 << log
                with m.Case(log):
                    sign = loaded[bits - 1] & ~load_unsigned
                    m.d.comb += self.late.data.eq(Cat(loaded[:bits], sign.replicate(64 - bits)))

        # -- a line on its way to its register ---------------------------------------------------------------------
        line_loaded = Signal(8 * line_bytes, reset_less=True)
        loads_line, takes_granule, wide_granule, zero_granule = Signal(), Signal(), Signal(), Signal()
        taken, taken_from = Signal.like(granule), Signal(byte_bits)
        in_m = Signal(RegisterNumber())
        m.d.sync += [
            loads_line.eq(finishes & decoded.vector_load & ~gather),
            takes_granule.eq(granule_done & gather),
            in_m.valid.eq(finishes & decoded.vector_load),
            self.vector_write.valid.eq(in_m.valid),
        ]
        with m.If(granule_done & decoded.vector_load):
            m.d.sync += [
                wide_granule.eq(wide),
                zero_granule.eq(skipped),
                taken.eq(granule),
                taken_from.eq(address[:byte_bits]),
                in_m.number.eq(rd),
                in_m.thread.eq(x.thread),
            ]
        with m.If(in_m.valid):
            m.d.sync += [self.vector_write.number.eq(in_m.number), self.vector_write.thread.eq(in_m.thread)]
        with m.If(loads_line):
            m.d.sync += line_loaded.eq(self.read.data)
        with m.If(takes_granule):
            value = Signal(128)
            with m.If(~zero_granule):
                with m.If(wide_granule):
                    sixteen = self.read.data.word_select(taken_from[4:], 128) if byte_bits > 4 else self.read.data
                    m.d.comb += value.eq(sixteen)
                with m.Else():
                    m.d.comb += value.eq(self.read.data.word_select(taken_from[3:], 64))
            with m.If(wide_granule):
                place = line_loaded.word_select(taken[: byte_bits - 4], 128) if byte_bits > 4 else line_loaded
                m.d.sync += place.eq(value)
            with m.Else():
                m.d.sync += line_loaded.word_select(taken, 64).eq(value[:64])
        m.d.comb += [
            self.vector_data.eq(line_loaded),
            self.busy.eq(self.x_valid | load_done | in_m.valid | self.vector_write.valid | takes_granule),
        ]
        return m
