# SPDX-License-Identifier: Apache-2.0
"""States of the sequential core that feed the SIMD unit and the matrix array, and store what comes out of the latter."""

from amaranth.hdl import C, Mux, Signal

from golden.layout import Cause
from rtl.matrix.array import MatrixOp
from rtl.matrix.timing import convert_cycles
from rtl.sequential.operands import LineChoice
from rtl.sequential.parts import Shown
from rtl.sequential.steps import advance, advance_b, compute, end, end_access, give_way, traps

__all__ = ["enter_simd", "load_accumulator", "step", "store_accumulator"]


def enter_simd(m, p):
    """Vector operands of SIMD operations and of matrix steps, one register per cycle."""
    decoded, vectors, lines = p.decoded, p.vectors, p.lines
    rd = p.insn[7:12]
    # In a register, since lines are wide and told late what to do.
    names_a = Signal()
    m.d.sync += names_a.eq(decoded.reads_vs1 | decoded.transpose)
    with m.State("OPERAND_B"):
        # What enters line A while the register still waits is followed by what it waits for, and nobody sees line B before.
        m.d.comb += lines.enter_vector.eq(~p.feed.waits)
        with m.If(~p.simd_waits & ~p.feed.waits):
            with m.If(vectors.waits & (decoded.reads_vs2 | decoded.transpose)):
                give_way(m, p)
            with m.Else():
                m.d.comb += vectors.address.eq(p.register_a)
                m.next = "OPERAND_A"
    with m.State("OPERAND_A"):
        with m.If(vectors.waits & names_a):
            m.d.comb += vectors.address.eq(p.register_a)
            give_way(m, p)
        with m.Else():
            m.d.comb += [lines.enter_vector.eq(1), vectors.address.eq(rd)]
            with m.If(decoded.step):
                m.d.comb += p.feed.put.eq(1)
                end(m, p)
            with m.Else():
                m.next = "ENTER"
    with m.State("ENTER"):
        m.d.comb += vectors.address.eq(rd)
        with m.If(vectors.waits & decoded.writes_vd):
            give_way(m, p)
        with m.Elif(~p.slots.simd_taken):
            with m.If(p.pair_number == p.last_pair):
                m.d.comb += [p.simd_enters.eq(1), p.advances.eq(1)]
                end(m, p)
            with m.Else():
                m.d.comb += p.simd_collects.eq(1)
                m.d.sync += p.pair_number.eq(p.pair_number + 1)
                m.next = "NEXT_PAIR"
    with m.State("NEXT_PAIR"):
        # The number of the pair has changed; its second register is being read.
        m.next = "OPERAND_B"


def step(m, p):
    """Matrix operations in SRAM. A step asks for operand B and then for A, and for both again where it is two."""
    lines, feed, decoded, checks, datapath = p.lines, p.feed, p.decoded, p.checks, p.datapath
    second = Signal()
    with m.State("OPERANDS"):
        # The result is the pointer to A as it advances, and then that to B.
        m.d.comb += [lines.choice.eq(LineChoice.B), lines.enter_port.eq(1), p.counts.eq(1)]
        advance_b(m, p)
        with m.If(checks.a_misaligned | checks.a_bad):
            traps(m, p, Mux(checks.a_misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT), Shown.RS1)
        with m.Elif(decoded.step_memory & (checks.b_misaligned | checks.b_bad)):
            traps(m, p, Mux(checks.b_misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT), Shown.RS2)
        with m.Elif(decoded.accumulator_load):
            m.next = "LOAD_ROW"
        with m.Else():
            m.d.comb += lines.wants.eq(~feed.waits)
            with m.If(lines.granted):
                compute(m, p)
                m.d.comb += datapath.write.eq(decoded.post_rs1)
                m.next = "STEP"
    with m.State("CLEAR"):
        m.d.comb += feed.operation.op.eq(MatrixOp.CLEAR)
        with m.If(~feed.waits):
            m.d.comb += feed.put.eq(1)
            end(m, p)
    with m.State("STEP"):
        m.d.comb += [
            lines.wants.eq(1),
            lines.choice.eq(LineChoice.A),
            lines.enter_port.eq(1),
            p.counts.eq(~second | p.wide_a),
            lines.next_a.eq(p.wide_a & lines.granted),
            lines.next_b.eq(p.wide_b & lines.granted),
            feed.put.eq(lines.granted),
            p.datapath.number.eq(p.insn[20:25]),
            p.datapath.write.eq(decoded.post_rs2 & ~second & lines.granted),
        ]
        with m.If(second):
            m.d.comb += [feed.operation.half.eq(1), feed.operation.zero.eq(0)]
        with m.If(lines.granted):
            m.d.sync += second.eq(p.pair & ~second)
            with m.If(p.pair & ~second):
                m.next = "SECOND_STEP"
            with m.Else():
                end(m, p)
    with m.State("SECOND_STEP"):
        # An operand that has no line of its own for the second operation comes again.
        m.d.comb += [
            lines.wants.eq(~feed.waits),
            lines.choice.eq(LineChoice.B),
            lines.enter_port.eq(1),
            p.counts.eq(p.wide_b),
        ]
        with m.If(lines.granted):
            m.next = "STEP"


def load_accumulator(m, p):
    """One line of an accumulator after the other."""
    lines, feed = p.lines, p.feed
    with m.State("LOAD_ROW"):
        m.d.comb += [
            lines.wants.eq(~feed.waits),
            lines.choice.eq(LineChoice.A),
            lines.enter_port.eq(1),
            p.counts.eq(1),
            feed.operation.op.eq(MatrixOp.LOAD_LINE),
        ]
        with m.If(lines.granted):
            m.d.comb += [feed.put.eq(1), lines.next_a.eq(1)]
            m.d.sync += p.row.eq(p.row + 1)
            with m.If(p.row_last):
                # The result has been the advanced pointer all the time.
                m.d.comb += p.datapath.write.eq(p.decoded.post_rs1)
                end(m, p)


def store_accumulator(m, p):
    """One line of the accumulator after the other, converted or not; the result is the address of what it becomes."""
    config, decoded, datapath = p.config, p.decoded, p.datapath
    takes = convert_cycles(config)
    left = Signal(range(max(2, takes)))

    def choose():
        """The address moves on to the next line, or the pointer to the next accumulator."""
        with m.If(p.row_last):
            advance(m, p)
        with m.Else():
            part = C(config.line_bytes // 4, 16) << p.scale
            m.d.comb += [datapath.from_result.eq(1), datapath.extra.eq(part)]

    def store():
        m.d.comb += p.store.req.eq(1)
        with m.If(p.store.grant):
            m.d.sync += p.row.eq(p.row + 1)
            with m.If(p.row_last):
                end_access(m, p)
            with m.Else():
                compute(m, p)
                m.next = "ROW"

    with m.State("ROW"):
        # The array is being told which line to show.
        choose()
        m.next = "SHOWN"
    with m.State("SHOWN"):
        choose()
        with m.If(decoded.converts):
            m.d.comb += [p.converts.eq(1), p.advances.eq(takes == 1)]
            m.d.sync += left.eq(takes - 1)
            m.next = "CONVERT"
        with m.Else():
            store()
    with m.State("CONVERT"):
        choose()
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
            m.d.comb += p.advances.eq(left == 1)
        with m.Else():
            m.d.comb += p.converted_now.eq(1)
            store()
