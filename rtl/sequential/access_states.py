# SPDX-License-Identifier: Apache-2.0
"""States of the sequential core that access SRAM and the network."""

from amaranth.hdl import Cat, Mux, Signal
from amaranth.utils import ceil_log2

from golden.layout import Cause
from rtl.sequential.node_registers import NodeCommand
from rtl.sequential.scalar import ResultSource
from rtl.sequential.steps import advance, compute, end_access, give_way, traps

__all__ = ["access", "gather"]


def access(m, p):
    """One access to SRAM or to the network, at the address that is the result."""
    decoded, datapath, lines, network, checks = p.decoded, p.datapath, p.lines, p.network, p.checks
    insn = p.insn
    stores = decoded.store | decoded.vector_store | decoded.accumulator_store | decoded.nwrite | decoded.nsd
    vector = decoded.vector_store | (decoded.nwrite & ~insn[27]) | decoded.nread

    def choose():
        """What the result may become: the pointer as it advances, or what a store has stored, if it ends the program."""
        with m.If(decoded.post_rs1):
            advance(m, p)
        with m.Else():
            size = insn[12:14]
            m.d.comb += datapath.rs2_parts.eq(Cat(1, size != 0, size >= 2, size == 3))

    with m.State("CHECK"):
        # The address is being checked.
        choose()
        m.next = "ACCESS"
    with m.State("DESTINATION"):
        # Line A is where a vector load leaves what it reads.
        m.d.comb += lines.clear.eq(~p.feed.waits)
        with m.If(~p.simd_waits & ~p.feed.waits):
            with m.If(p.vectors.waits):
                give_way(m, p)
            with m.Elif(decoded.gather_index):
                m.next = "INDICES"
            with m.Elif(decoded.gather_stride):
                m.next = "GRANULE"
            with m.Else():
                m.next = "ACCESS"
    with m.State("ACCESS"):
        choose()
        # An error that a register waits for comes before whatever is wrong with the instruction that names it.
        with m.If(vector & (p.simd_waits | p.vectors.waits)):
            with m.If(~p.simd_waits):
                give_way(m, p)
        with m.Elif(checks.misaligned):
            traps(m, p, Mux(stores, Cause.STORE_MISALIGNED, Cause.LOAD_MISALIGNED))
        with m.Elif(checks.bad):
            traps(m, p, Mux(stores, Cause.STORE_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT))
        with m.Elif(decoded.load | decoded.vector_load):
            m.d.comb += [lines.wants.eq(1), p.counts.eq(decoded.vector_load), lines.enter_port.eq(decoded.vector_load)]
            with m.If(lines.granted):
                m.next = "LOADED"
        with m.Elif(decoded.accumulator_store):
            with m.If(p.feed.drained):
                m.next = "ROW"
        with m.Elif(decoded.store | decoded.vector_store):
            m.d.comb += p.store.req.eq(1)
            with m.If(p.store.grant):
                with m.If(decoded.store & checks.ends):
                    compute(m, p)
                    m.next = "EXIT"
                with m.Else():
                    end_access(m, p)
        with m.Elif(network.tx_room):
            m.d.comb += [network.tx_valid.eq(1), p.vectors.reserve.eq(decoded.nread)]
            end_access(m, p)
        with m.Else():
            give_way(m, p)

    with m.State("LOADED"):
        advance(m, p)
        with m.If(decoded.load):
            m.d.comb += [datapath.source.eq(ResultSource.LOADED), datapath.set_extension.eq(1)]
            m.next = "SHIFT"
        with m.Else():
            m.next = "FILL"

    with m.State("FILL"):
        m.d.comb += p.writes_line.eq(1)
        end_access(m, p)

    with m.State("EXIT"):
        m.d.comb += [p.registers.go.eq(1), p.registers.kind.eq(NodeCommand.EXIT)]
        m.next = "REGISTERS"


def gather(m, p):
    """Granules of a line, one after the other: at the address that is the result, or beside rs1."""
    config, decoded, datapath, lines, checks = p.config, p.decoded, p.datapath, p.lines, p.checks
    granule, wide = p.granule, p.insn[25]
    last = granule == Mux(wide, max(1, config.line_bytes // 16) - 1, config.line_bytes // 8 - 1)
    bound = datapath.rs2[32:]
    skipped = Signal()

    def next_granule():
        m.d.sync += granule.eq(granule + 1)
        with m.If(last):
            m.next = "FILL"
        with m.Elif(decoded.gather_index):
            m.next = "INDEX"
        with m.Else():
            compute(m, p)
            m.next = "GRANULE"

    def next_address():
        """Choose operands for the address of the next granule, for the next cycle."""
        m.d.comb += [datapath.from_result.eq(1), datapath.rs2_parts.eq(0b0111), datapath.rs2_word.eq(1)]

    with m.State("INDICES"):
        # They pass line A twice, and so they become line B.
        m.d.comb += p.vectors.address.eq(p.insn[20:25])
        m.next = "INDICES_A"
    with m.State("INDICES_A"):
        m.d.comb += p.vectors.address.eq(p.insn[20:25])
        with m.If(p.vectors.waits):
            give_way(m, p)
        with m.Else():
            m.d.comb += lines.enter_vector.eq(1)
            m.next = "INDICES_B"
    with m.State("INDICES_B"):
        m.d.comb += lines.enter_vector.eq(1)
        m.next = "INDEX"
    with m.State("INDEX"):
        index = lines.b.word_select(granule[: ceil_log2(config.fp32_lanes)], 32)
        m.d.comb += [datapath.from_rs1.eq(1), datapath.extra.eq(index), lines.clear.eq(granule == 0)]
        m.next = "INDEXED"
    with m.State("INDEXED"):
        compute(m, p)
        m.next = "GRANULE"
    with m.State("GRANULE"):
        # The address is being checked. Granules beyond the bound are neither read nor checked.
        next_address()
        m.d.sync += skipped.eq(decoded.gather_bound & (bound[-1] | (~bound[3:].any() & (bound[:3] <= granule))))
        m.next = "GATHER"
    with m.State("GATHER"):
        next_address()
        with m.If(skipped):
            next_granule()
        with m.Elif(checks.misaligned):
            traps(m, p, Cause.LOAD_MISALIGNED)
        with m.Elif(checks.bad):
            traps(m, p, Cause.LOAD_ACCESS_FAULT)
        with m.Else():
            m.d.comb += [lines.wants.eq(1), lines.enter_granule.eq(1), p.counts.eq(1)]
            with m.If(lines.granted):
                m.next = "GATHERED"
    with m.State("GATHERED"):
        next_granule()
