# SPDX-License-Identifier: Apache-2.0
"""States of the sequential core that scalar instructions, traps and the thread need."""

from amaranth.hdl import Mux

from golden.layout import Cause, ThreadState
from rtl.core.csr import CsrOp
from rtl.sequential.node_registers import NodeCommand
from rtl.sequential.parts import Shown
from rtl.sequential.scalar import ResultSource
from rtl.sequential.steps import compute, end, traps

__all__ = ["ask_registers", "jump", "scalar", "trap"]


def scalar(m, p):
    """Results that need more than one operation, and the write of any result."""
    datapath, decoded = p.datapath, p.decoded
    with m.State("SHIFT"):
        with m.If(datapath.shifts):
            m.d.comb += datapath.source.eq(ResultSource.SHIFTED)
        with m.Else():
            m.next = "WRITE"

    with m.State("WRITE"):
        m.d.comb += datapath.write.eq(decoded.writes_rd | decoded.post_rs1)
        end(m, p)


def jump(m, p):
    """The target of a jump is the result; the way back comes after it."""
    datapath, decoded, funct3 = p.datapath, p.decoded, p.insn[12:15]
    with m.State("BRANCH"):
        # The result is the difference of what is compared.
        m.d.comb += [datapath.from_pc.eq(1), datapath.from_immediate.eq(1)]
        with m.If(Mux(funct3[2], datapath.less, datapath.zero) ^ funct3[0]):
            m.next = "TARGET"
        with m.Else():
            end(m, p)
    with m.State("FENCE"):
        # What is injected is not followed by anything that has been fetched.
        m.d.comb += [p.fetch.redirect.eq(~p.debug.injecting), p.finish.eq(p.debug.injecting), p.retire.eq(1)]
        m.next = "READY"
    with m.State("RESUME"):
        m.d.comb += datapath.from_pc.eq(1)
        m.next = "RESUMED"
    with m.State("RESUMED"):
        compute(m, p)
        m.next = "GO_ON"
    with m.State("GO_ON"):
        m.d.comb += p.fetch.redirect.eq(1)
        m.d.sync += p.state.eq(ThreadState.RUNNING)
        m.next = "READY"
    with m.State("TARGET"):
        compute(m, p)
        m.next = "JUMP"
    with m.State("JUMP"):
        with m.If(p.result[1]):
            traps(m, p, Cause.INSTRUCTION_MISALIGNED)
        with m.Else():
            # What the instruction register holds goes with the jump; the way back does not.
            compute(m, p)
            m.d.comb += p.fetch.redirect.eq(1)
            with m.If(decoded.jal | decoded.jalr):
                m.next = "LINK"
            with m.Else():
                m.d.comb += p.retire.eq(1)
                m.next = "READY"
    with m.State("LINK"):
        m.d.comb += [datapath.write.eq(1), datapath.number.eq(p.rd), p.retire.eq(1)]
        m.next = "READY"


def ask_registers(m, p):
    """What the node's registers and semaphores have to do with."""
    decoded, registers, insn = p.decoded, p.registers, p.insn
    with m.State("ASK"):
        # A SIMD operation may still raise flags.
        with m.If(~p.simd_waits):
            m.d.comb += registers.go.eq(1)
            m.next = "REGISTERS"
        with m.If(decoded.mret):
            m.d.comb += registers.kind.eq(NodeCommand.MRET)
        with m.Elif(decoded.halt):
            m.d.comb += registers.kind.eq(NodeCommand.HALT)
        with m.Elif((insn[12:14] == 1) | insn[15:20].any()):
            m.d.comb += registers.op.eq(CsrOp(insn[12:14]))
    with m.State("COMPARE"):
        # The semaphore is being compared with the result.
        m.next = "WAIT"
    with m.State("WAIT"):
        with m.If(p.covered):
            m.d.comb += p.semaphores.take.eq(1)
            end(m, p)
        with m.Else():
            m.d.sync += p.state.eq(ThreadState.WAITING)
            m.next = "READY"
    with m.State("POST"):
        m.d.comb += p.semaphores.post.eq(1)
        end(m, p)
    with m.State("FORMAT"):
        m.d.comb += p.sets_format.eq(1)
        end(m, p)
    with m.State("COMBINE"):
        m.d.comb += p.datapath.outside.eq(p.predicates.read_data[0])
        with m.If(~p.simd_waits):
            with m.If(decoded.writes_pd):
                m.d.comb += p.combines.eq(1)
                end(m, p)
            with m.Else():
                m.d.comb += p.datapath.source.eq(ResultSource.OUTSIDE)
                m.next = "WRITE"
    with m.State("REGISTERS"):
        with m.If(registers.done):
            m.d.comb += p.datapath.source.eq(ResultSource.OUTSIDE)
            with m.If(decoded.csr & ~registers.exists):
                traps(m, p, Cause.ILLEGAL_INSTRUCTION, Shown.WORD)
            with m.Elif(decoded.csr):
                m.next = "WRITE"
            with m.Elif(decoded.mret):
                m.d.sync += p.handles_error.eq(0)
                m.next = "JUMP"
            with m.Else():
                # What is injected may have ended the program, but not its thread.
                with m.If(~p.debug.injecting):
                    m.d.sync += p.state.eq(ThreadState.HALTED)
                end(m, p)


def trap(m, p):
    """Traps of instructions, of network errors and of starts, from their cause to their handler."""
    datapath, registers, state = p.datapath, p.registers, p.state
    with m.State("NETWORK_ERROR"):
        m.d.comb += [
            registers.go.eq(1),
            registers.kind.eq(NodeCommand.TRAP),
            registers.cause.eq(Cause.NETWORK_ERROR),
            registers.operand.eq(p.failed_address),
        ]
        m.d.comb += p.takes_error.eq(1)
        m.d.sync += [p.failed.eq(0), p.handles_error.eq(1)]
        m.next = "HANDLER"
    with m.State("SHOW"):
        m.d.comb += [
            datapath.from_pc.eq(p.shown == Shown.PC),
            datapath.from_rs1.eq(p.shown == Shown.RS1),
            datapath.rs2_parts.eq((p.shown == Shown.RS2).replicate(4)),
            datapath.extra.eq(Mux(p.shown == Shown.WORD, p.insn, 0)),
        ]
        m.next = "VALUE"
    with m.State("VALUE"):
        compute(m, p)
        m.next = "TRAP"
    with m.State("TRAP"):
        m.d.comb += registers.kind.eq(NodeCommand.TRAP)
        with m.If(p.debug.injecting):
            m.d.comb += [p.debug.fail.eq(1), p.finish.eq(1)]
            m.next = "READY"
        with m.Else():
            m.d.comb += [registers.go.eq(1), p.trapped.eq(~p.asynchronous)]
            m.next = "HANDLER"
        m.d.sync += p.asynchronous.eq(0)
    with m.State("HANDLER"):
        with m.If(registers.done):
            m.d.comb += datapath.source.eq(ResultSource.OUTSIDE)
            m.next = "HANDLE"
    with m.State("HANDLE"):
        with m.If(~datapath.zero & (p.waiting | (state == ThreadState.RUNNING))):
            m.d.sync += state.eq(ThreadState.RUNNING)
            m.d.comb += [p.fetch.redirect.eq(1), p.debug.handled.eq(1)]
        with m.Else():
            m.d.sync += state.eq(ThreadState.TRAPPED)
        m.next = "READY"
