# SPDX-License-Identifier: Apache-2.0
"""First states of the sequential core: an instruction is taken up and sent its way."""

from amaranth.hdl import Mux

from golden.layout import Cause, FormatKind, ThreadState
from rtl.core.decoder import AluOp
from rtl.sequential.parts import Shown
from rtl.sequential.steps import advance_b, choose_rs2, compute, traps

__all__ = ["execute", "ready"]


def ready(m, p):
    """Nothing has been begun: what disturbs the thread takes effect, or the next instruction is taken up."""
    with m.State("READY"):
        m.d.comb += p.debug.settle.eq(p.debug.stops)
        m.d.sync += [p.granule.eq(0), p.row.eq(0), p.pair_number.eq(0), p.reads_second.eq(0)]
        with m.If(p.debug.stops):
            with m.If(p.state == ThreadState.RUNNING):
                m.d.sync += p.state.eq(ThreadState.STOPPED)
        with m.Elif(p.registers.event_waiting):
            # The thread stays here until the event has come.
            m.d.sync += p.rests.eq(1)
            with m.If(p.debug.resume):
                m.next = "RESUME"
            # A start at an address that no instruction can have.
            with m.If(p.registers.start & p.registers.start_pc[:2].any()):
                m.d.sync += p.asynchronous.eq(1)
                traps(m, p, Cause.INSTRUCTION_MISALIGNED, Shown.PC)
        with m.Elif(p.pending & (p.state != ThreadState.TRAPPED) & (p.state != ThreadState.STOPPED)):
            m.next = "NETWORK_ERROR"
        with m.Elif(p.waiting & p.covered):
            m.d.sync += p.state.eq(ThreadState.RUNNING)
        with m.Elif(
            ((p.state == ThreadState.RUNNING) | p.debug.injecting) & p.fetch.coming & ~p.clearing & ~p.registers.clearing
        ):
            m.d.sync += p.retirement.rd_valid.eq(0)
            m.next = "READ"


def execute(m, p):
    """Scalar operands become a result, an address, or the target of a jump."""
    datapath, decoded, insn = p.datapath, p.decoded, p.insn
    line_bytes = p.config.line_bytes
    gathers = decoded.gather_stride | decoded.gather_index
    # Their result is 0 at first.
    bit_by_bit = decoded.multiply | decoded.divide
    from_memory = decoded.step_memory | decoded.accumulator_load
    shifts = (decoded.alu == AluOp.SLL) | (decoded.alu == AluOp.SRL) | (decoded.alu == AluOp.SRA)
    writes_read_only = decoded.csr & insn[30:32].all() & ((insn[12:14] == 1) | insn[15:20].any())
    with m.State("READ"):
        # Scalar registers have been read.
        m.d.comb += [
            p.reads_first.eq(1),
            datapath.from_rs1.eq(decoded.reads_rs1 & ~bit_by_bit),
            datapath.from_pc.eq(decoded.source_pc | decoded.jal | decoded.fence_i),
            # Accesses use the pointer as it is before it advances.
            datapath.from_immediate.eq(decoded.source_immediate & ~decoded.post_rs1 & ~decoded.halt),
            datapath.rs2_parts.eq((~decoded.source_immediate & ~gathers & ~bit_by_bit).replicate(4)),
        ]
        with m.If(from_memory):
            # The pointer to A as it advances.
            wide_a = p.pair & (p.formats.scalar_format.kind == FormatKind.BF16)
            operand_bytes = Mux(wide_a, 2 * line_bytes, line_bytes)
            m.d.comb += datapath.extra.eq(Mux(decoded.accumulator_load, p.config.accumulator_bytes, operand_bytes))
        m.d.sync += p.reads_second.eq(1)
        m.next = "EXECUTE"
    with m.State("EXECUTE"):
        m.d.sync += [p.rd.eq(insn[7:12]), p.retirement.pc.eq(p.fetch.pc), p.retirement.insn.eq(insn)]
        compute(m, p)
        m.d.comb += [
            p.lines.start.eq(1),
            p.multiply_divide.begin.eq(1),
            p.multiply_divide.reset.eq(1),
            datapath.plain.eq(decoded.alu == AluOp.NONE),
            datapath.set_shift.eq(shifts),
        ]
        with m.If(from_memory):
            advance_b(m, p)
        with m.Elif(bit_by_bit):
            choose_rs2(m, p)
        with m.Else():
            # The way back from a jump.
            m.d.comb += [datapath.from_pc.eq(1), datapath.extra.eq(4)]

        # Of what an instruction is, only one is true; those that it may be together with another one come first.
        ways = {
            "JUMP": decoded.jal | decoded.jalr,
            "BRANCH": decoded.branch,
            "FENCE": decoded.fence_i,
            "ASK": decoded.csr | decoded.mret | decoded.halt,
            "COMPARE": decoded.swait,
            "POST": decoded.spost,
            "FORMAT": decoded.setfmt,
            "DESTINATION": decoded.vector_load,
            "CHECK": decoded.load | decoded.store | decoded.vector_store | decoded.accumulator_store | decoded.nwrite
            | decoded.nread | decoded.nsd,
            "OPERANDS": from_memory,
            "CLEAR": decoded.clear,
            "OPERAND_B": decoded.simd | decoded.step,
            "COMBINE": decoded.predicate,
            "SHIFT": shifts,
            "FIRST_BIT": bit_by_bit,
        }  # fmt: skip
        m.next = "WRITE"
        for state, taken in ways.items():
            with m.If(taken):
                m.next = state
        with m.If(decoded.ecall):
            traps(m, p, Cause.ECALL_MACHINE, Shown.NOTHING)
        with m.If(decoded.ebreak):
            traps(m, p, Cause.BREAKPOINT, Shown.PC)
            with m.If(p.debug.stops_at_ebreak):
                m.d.comb += p.debug.ebreak.eq(1)
                m.next = "READY"
        # A debugger's thread neither ends nor waits for a semaphore.
        not_injected = p.debug.injecting & (decoded.halt | decoded.swait)
        with m.If(decoded.illegal | p.fetch.rejected | writes_read_only | p.no_operand | not_injected):
            traps(m, p, Cause.ILLEGAL_INSTRUCTION, Shown.WORD)
        with m.If(p.fetch.fault):
            traps(m, p, Cause.INSTRUCTION_ACCESS_FAULT, Shown.PC)
