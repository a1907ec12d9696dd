# SPDX-License-Identifier: Apache-2.0
"""The pipe of all that decides where a thread goes on, beside plain integer operations: branches, CSRs, traps, semaphores."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SEMAPHORE_ID_BITS, SEMAPHORE_VALUE_BITS, SRAM_BASE, Cause
from rtl.core.csr import CsrOp
from rtl.core.pipes.alu import connect_alu
from rtl.core.pipes.bundles import commit, enter_x, in_window, pipe_members, write_scalar
from rtl.frontend.entry import BranchUpdate

__all__ = ["ControlPipe"]


class ControlPipe(wiring.Component):
    """Executes in one cycle, and never stalls.

    A branch goes on where the front end has gone on already, or goes since the branch was issued, unless that was wrong; then it
    redirects. What an instruction does to its thread strobes in its only cycle in X, and not if it is killed or traps.

    Members
    -------
    Those of :func:`rtl.core.pipes.bundles.pipe_members`, and
    redirect : Out(1), target : Out(64)
        The thread goes on there. Traps also redirect, which thread control does.
    update : Out(BranchUpdate)
        What the predictor learns.
    halt, park, flush, mret, breaks : Out(1)
        halt: ends with exit code rs1. park: waits for ``amount`` of ``semaphore``. flush: fence.i. breaks: stops at an
        ``ebreak``, which does not retire.
    injected : In(1), stops_at_ebreak : In(1)
        A debugger injects the instruction in X: its thread redirects to where it jumps, and nowhere else. ``ebreak`` stops.
    upper : In(64 - OFFSET_BITS)
        Upper part of the thread's addresses, which is not that of SRAM at an instruction access fault.
    exception_pc : In(64)
        mepc of the thread in X.
    csr_number, csr_op, csr_operand : Out; csr_read, csr_exists : In
        CSR file of the thread in X.
    set_format : Out(1)
        Write the format descriptor that the instruction names with ``csr_operand``.
    semaphore : Out(5), amount : Out(16), take, post : Out(1), covered : In(1)
        Change of a semaphore, and whether it holds the amount and that is not due to another thread.
    predicate : In(line_bytes)
        The predicate ps1 of the instruction in X.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                **pipe_members(),
                "redirect": Out(1),
                "target": Out(64),
                "update": Out(BranchUpdate()),
                "halt": Out(1),
                "park": Out(1),
                "flush": Out(1),
                "mret": Out(1),
                "breaks": Out(1),
                "injected": In(1),
                "stops_at_ebreak": In(1),
                "upper": In(64 - OFFSET_BITS),
                "exception_pc": In(64),
                "csr_number": Out(12),
                "csr_op": Out(CsrOp),
                "csr_operand": Out(64),
                "csr_read": In(64),
                "csr_exists": In(1),
                "set_format": Out(1),
                "semaphore": Out(SEMAPHORE_ID_BITS),
                "amount": Out(SEMAPHORE_VALUE_BITS),
                "take": Out(1),
                "post": Out(1),
                "covered": In(1),
                "predicate": In(config.line_bytes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        x = enter_x(m, self)
        entry = x.entry
        decoded, insn = entry.decoded, entry.insn
        funct3, rd, rs1 = insn[12:15], insn[7:12], insn[15:20]
        alu = connect_alu(m, x)

        # -- where it goes on --------------------------------------------------------------------------------------
        condition, jump = Signal(), Signal()
        with m.Switch(funct3[1:]):
            with m.Case(0b00):
                m.d.comb += condition.eq(alu.equal)
            with m.Case(0b10):
                m.d.comb += condition.eq(alu.less)
            with m.Case(0b11):
                m.d.comb += condition.eq(alu.less_unsigned)
        m.d.comb += jump.eq(decoded.jal | decoded.jalr | (decoded.branch & (condition ^ funct3[0])))
        # The upper part of an address in the window is known, so that a relative target is near it.
        pc = Cat(C(0, 2), entry.pc)
        near, relative, jumps_to = Signal(signed(OFFSET_BITS + 2)), Signal(64), Signal(64)
        m.d.comb += [
            near.eq(pc + decoded.immediate[: OFFSET_BITS + 1].as_signed()),
            relative[: OFFSET_BITS + 1].eq(near),
            relative[OFFSET_BITS + 1 :].eq((SRAM_BASE >> OFFSET_BITS + 1) - near[-1]),
            jumps_to.eq(Mux(decoded.jalr, Cat(C(0, 1), alu.total[1:]), relative)),
        ]
        following = Signal.like(entry.pc)
        m.d.comb += following.eq(entry.pc + 1)
        mispredicted, parks, breaks, leaves_window = Signal(), Signal(), Signal(), Signal()
        m.d.comb += leaves_window.eq(jump & (jumps_to[OFFSET_BITS:] != SRAM_BASE >> OFFSET_BITS))
        with m.If(jump):
            m.d.comb += mispredicted.eq(
                ~entry.predicted | (entry.follows != jumps_to[2:OFFSET_BITS]) | leaves_window | self.injected
            )
        with m.Else():
            m.d.comb += mispredicted.eq(entry.predicted)
        m.d.comb += [
            parks.eq(decoded.swait & ~self.covered),
            breaks.eq(decoded.ebreak & self.stops_at_ebreak),
        ]
        with m.If(decoded.mret):
            m.d.comb += self.target.eq(self.exception_pc)
        with m.Elif(jump):
            m.d.comb += self.target.eq(jumps_to)
        with m.Elif(parks | breaks):
            m.d.comb += self.target.eq(in_window(entry.pc))
        with m.Else():
            m.d.comb += self.target.eq(in_window(following))

        # -- traps, the first that holds ---------------------------------------------------------------------------
        address = Cat(C(0, 2), entry.pc, self.upper)
        writes_csr = (funct3[:2] == 1) | rs1.any()
        trap, cause, value = Signal(), Signal(6), Signal(64)
        with m.If(entry.fault):
            m.d.comb += [trap.eq(1), cause.eq(Cause.INSTRUCTION_ACCESS_FAULT), value.eq(address)]
        with m.Elif(
            decoded.illegal
            | (decoded.csr & (~self.csr_exists | (writes_csr & insn[30:32].all())))
            | (self.injected & (decoded.halt | decoded.swait))
        ):
            m.d.comb += [trap.eq(1), cause.eq(Cause.ILLEGAL_INSTRUCTION), value.eq(insn)]
        with m.Elif(decoded.ecall):
            m.d.comb += [trap.eq(1), cause.eq(Cause.ECALL_MACHINE)]
        with m.Elif(decoded.ebreak & ~self.stops_at_ebreak):
            m.d.comb += [trap.eq(1), cause.eq(Cause.BREAKPOINT), value.eq(address)]
        with m.Elif(jump & jumps_to[1]):
            m.d.comb += [trap.eq(1), cause.eq(Cause.INSTRUCTION_MISALIGNED), value.eq(jumps_to)]

        # -- what it does ------------------------------------------------------------------------------------------
        good = Signal()
        m.d.comb += [
            # Behind what is injected, nothing has been fetched.
            self.redirect.eq(
                Mux(
                    self.injected,
                    (mispredicted | decoded.mret) & ~trap,
                    mispredicted | decoded.halt | decoded.fence_i | decoded.mret | parks | breaks,
                )
            ),
            good.eq(self.first & ~self.killed & ~trap),
            self.bad.eq(self.first & (trap | self.redirect | x.corrected)),
            self.update.valid.eq(good & (decoded.branch | decoded.jal | decoded.jalr) & ~leaves_window & ~self.injected),
            self.update.pc.eq(entry.pc),
            self.update.conditional.eq(decoded.branch),
            self.update.taken.eq(jump),
            self.update.target.eq(jumps_to[2:OFFSET_BITS]),
            self.halt.eq(good & decoded.halt),
            self.park.eq(good & parks),
            self.breaks.eq(good & breaks),
            self.take.eq(good & decoded.swait & self.covered),
            self.post.eq(good & decoded.spost),
            self.semaphore.eq(rd),
            self.amount.eq(x.rs1[:SEMAPHORE_VALUE_BITS]),
            self.flush.eq(good & decoded.fence_i),
            self.mret.eq(good & decoded.mret),
            self.csr_number.eq(insn[20:32]),
            # Of register and immediate field, one is 0.
            self.csr_operand.eq(alu.total),
            self.set_format.eq(good & decoded.setfmt),
        ]
        with m.If(good & decoded.csr & writes_csr):
            m.d.comb += self.csr_op.eq(funct3[:2])
        # The ALU's result is 0 where the result comes from elsewhere.
        elsewhere = Signal(64)
        with m.If(decoded.csr):
            m.d.comb += elsewhere.eq(self.csr_read)
        with m.Elif(decoded.jal | decoded.jalr):
            m.d.comb += elsewhere.eq(in_window(following))
        with m.Elif(decoded.predicate):
            m.d.comb += elsewhere.eq(self.predicate)
        m.d.comb += [
            *write_scalar(self, rd, alu.result | elsewhere, decoded.writes_rd & ~decoded.multiply & ~decoded.divide),
            # A parked swait has not been executed: it retires when it is executed again with the semaphore covered.
            *commit(
                self, self.first & ~self.killed & (trap | ~(parks | breaks)), trap, cause, value, pc=address,
                late=(decoded.multiply | decoded.divide) & rd.any(),
            ),
        ]  # fmt: skip
        return m
