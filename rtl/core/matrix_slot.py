# SPDX-License-Identifier: Apache-2.0
"""The matrix slot: stages X and M of matrix operations, and the operand registers of the matrix array."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import Cause
from rtl.core.addresses import in_sram, line_of
from rtl.core.bundles import IssueLayout, RetireLayout, write_scalar
from rtl.core.csr import TrapLayout
from rtl.core.scalar_registers import ScalarWrites
from rtl.interfaces import ReadPort, line_address_bits

__all__ = ["MATRIX_LATENCY_CYCLES", "MatrixSlot"]

#: Cycles from an operation's entry into the matrix array until its accumulator can be read.
MATRIX_LATENCY_CYCLES = 6


class MatrixSlot(wiring.Component):
    """Feeds the matrix array with one operation per cycle.

    A step from SRAM asks both load ports in X and stalls until each has granted; operand A may come earlier than B and waits
    in its register. An accumulator load asks for one line per cycle of X and passes each as an operation of its own.

    Members
    -------
    issue_valid : In(1), issue : In(IssueLayout)
        Enters X at the end of the cycle; only while ``stall`` is 0.
    x_valid, stall : Out(1); x : Out(IssueLayout)
        The instruction in X.
    x_writes : Out(ScalarWrites)
        Pointers that it advances.
    retire : Out(RetireLayout)
        The instruction in M.
    trap : Out(TrapLayout)
    load0, load1 : Out(ReadPort)
        Operands A and B.
    vs1_address, vs2_address : Out(7)
        Vector registers of the instruction in X, thread in the upper bits.
    vs1, vs2 : In(8 * line_bytes)
        Their values, one cycle later.
    op, entry, line, zero, a, b : Out
        To the matrix array.
    accumulators_busy : Out(threads * accumulators)
        An operation on this accumulator is under way.
    stepped : Out(1)
        A matrix step enters the array.
    busy : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        entries = config.threads * config.accumulators
        super().__init__(
            {
                "issue_valid": In(1),
                "issue": In(IssueLayout()),
                "x_valid": Out(1),
                "x": Out(IssueLayout()),
                "stall": Out(1),
                "x_writes": Out(ScalarWrites()),
                "retire": Out(RetireLayout()),
                "trap": Out(TrapLayout()),
                "load0": Out(ReadPort(config)),
                "load1": Out(ReadPort(config)),
                "vs1_address": Out(7),
                "vs2_address": Out(7),
                "vs1": In(line),
                "vs2": In(line),
                "op": Out(2),
                "entry": Out(range(entries)),
                "line": Out(range(config.accumulator_lines)),
                "zero": Out(1),
                "a": Out(line),
                "b": Out(line),
                "accumulators_busy": Out(entries),
                "stepped": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        x = self.x
        decoded, insn, pc = x.fetched.decoded, x.fetched.insn, x.fetched.pc
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)
        line_bits = line_address_bits(config)

        with m.If(~self.stall):
            m.d.sync += self.x_valid.eq(self.issue_valid)
            with m.If(self.issue_valid):
                m.d.sync += x.eq(self.issue)

        # -- checks, A before B ------------------------------------------------------------------------------------
        row = Signal(range(config.accumulator_lines))
        last_row = row == config.accumulator_lines - 1
        from_memory = decoded.step_memory | decoded.accumulator_load
        fits_a = Mux(
            decoded.accumulator_load,
            in_sram(config, x.rs1, config.accumulator_bytes),
            in_sram(config, x.rs1, line_bytes),
        )
        cause, value, trap = Signal(6), Signal(64), Signal()
        for address, used, fits in (
            (x.rs2, decoded.step_memory, in_sram(config, x.rs2, line_bytes)),
            (x.rs1, from_memory, fits_a),
        ):
            misaligned = address[:byte_bits].any()
            with m.If(used & (misaligned | ~fits)):
                m.d.comb += [
                    trap.eq(1),
                    cause.eq(Mux(misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)),
                    value.eq(address),
                ]
        good = Signal()
        m.d.comb += [
            good.eq(self.x_valid & ~trap),
            self.trap.valid.eq(self.x_valid & trap),
            self.trap.cause.eq(cause),
            self.trap.value.eq(value),
            self.trap.pc.eq(pc),
        ]

        # -- operands from SRAM ------------------------------------------------------------------------------------
        have_a, have_b = Signal(), Signal()
        line_a = Signal(line_bits)
        m.d.comb += [
            line_a.eq(line_of(config, x.rs1)),
            self.load0.req.eq(good & ((decoded.step_memory & ~have_a) | decoded.accumulator_load)),
            self.load0.address.eq(Mux(decoded.accumulator_load, line_a + row, line_a)),
            self.load1.req.eq(good & decoded.step_memory & ~have_b),
            self.load1.address.eq(line_of(config, x.rs2)),
        ]
        got_a, got_b = have_a | self.load0.grant, have_b | self.load1.grant
        with m.If(good & decoded.step_memory):
            m.d.comb += self.stall.eq(~(got_a & got_b))
            m.d.sync += [have_a.eq(got_a & ~got_b), have_b.eq(got_b & ~got_a)]
        with m.Elif(good & decoded.accumulator_load):
            m.d.comb += self.stall.eq(~(self.load0.grant & last_row))
            with m.If(self.load0.grant):
                m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        finishes = Signal()
        m.d.comb += finishes.eq(good & ~self.stall)

        # -- scalar side, stage M ----------------------------------------------------------------------------------
        advance_a = Mux(decoded.accumulator_load, config.accumulator_bytes, line_bytes)
        rs1_field, rs2_field = insn[15:20], insn[20:25]
        next_a, next_b = Signal(64), Signal(64)
        m.d.comb += [next_a.eq(x.rs1 + advance_a), next_b.eq(x.rs2 + line_bytes)]
        # Two pointers are never in the same half, so the second assignment only fills what the first leaves free.
        m.d.comb += write_scalar(self.x_writes, rs1_field, next_a, finishes & decoded.post_rs1)
        with m.If(finishes & decoded.post_rs2 & rs2_field.any()):
            for parity in range(2):
                with m.If(rs2_field[0] == parity):
                    m.d.comb += [
                        self.x_writes.valid[parity].eq(1),
                        self.x_writes.number[parity].eq(rs2_field[1:]),
                        self.x_writes.data[parity].eq(next_b),
                    ]
        m.d.sync += [
            self.retire.valid.eq(self.x_valid & ~self.stall),
            self.retire.writes.eq(self.x_writes),
        ]
        with m.If(self.x_valid):
            m.d.sync += [
                self.retire.thread.eq(x.thread),
                self.retire.pc.eq(pc),
                self.retire.insn.eq(insn),
                self.retire.trap.eq(trap),
                self.retire.cause.eq(cause),
                self.retire.value.eq(value),
            ]

        # -- operations on their way: M, operand registers, matrix array -------------------------------------------
        x_op = Signal(2)
        x_entry = Signal.like(self.entry)
        m.d.comb += x_entry.eq(Cat(insn[7:12][: ceil_log2(config.accumulators)], x.thread))
        with m.If(finishes & (decoded.step | decoded.step_memory)):
            m.d.comb += x_op.eq(1)
        with m.Elif(good & decoded.accumulator_load & self.load0.grant):
            m.d.comb += x_op.eq(2)
        with m.Elif(finishes & decoded.clear):
            m.d.comb += x_op.eq(3)

        m_op = Signal(2)
        m_entry, m_line, m_zero = Signal.like(self.entry), Signal.like(self.line), Signal()
        take_a, take_b, take_registers = Signal(), Signal(), Signal()
        m.d.comb += [
            self.vs1_address.eq(Cat(rs1_field, x.thread)),
            self.vs2_address.eq(Cat(rs2_field, x.thread)),
        ]
        m.d.sync += [
            m_op.eq(x_op),
            m_entry.eq(x_entry),
            m_line.eq(row),
            m_zero.eq(insn[25]),
            take_a.eq(self.load0.req & self.load0.grant),
            take_b.eq(self.load1.req & self.load1.grant),
            take_registers.eq(finishes & decoded.step),
            self.op.eq(m_op),
            self.entry.eq(m_entry),
            self.line.eq(m_line),
            self.zero.eq(m_zero),
        ]
        with m.If(take_registers):
            m.d.sync += [self.a.eq(self.vs1), self.b.eq(self.vs2)]
        with m.If(take_a):
            m.d.sync += self.a.eq(self.load0.data)
        with m.If(take_b):
            m.d.sync += self.b.eq(self.load1.data)

        stages = [(self.x_valid, x_entry), (m_op.any(), m_entry), (self.op.any(), self.entry)]
        for stage in range(1, MATRIX_LATENCY_CYCLES):
            active = Signal(name=f"active{stage}")
            where = Signal.like(self.entry, name=f"entry{stage}")
            m.d.sync += [active.eq(stages[-1][0]), where.eq(stages[-1][1])]
            stages.append((active, where))
        for number in range(len(self.accumulators_busy)):
            m.d.comb += self.accumulators_busy[number].eq(Cat(active & (where == number) for active, where in stages).any())
        m.d.comb += [
            self.stepped.eq(self.op == 1),
            self.busy.eq(Cat(active for active, _ in stages).any() | self.retire.valid),
        ]
        return m
