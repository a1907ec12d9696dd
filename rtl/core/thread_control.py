# SPDX-License-Identifier: Apache-2.0
"""State of one thread: started, waiting, halted, trapped or stopped; where its traps and jumps go."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import GLOBAL_ADDRESS_BITS, MAX_UNHANDLED_ERRORS, OFFSET_BITS, SEMAPHORE_VALUE_BITS, Cause, ThreadState
from rtl.core.csr import TrapLayout

__all__ = ["ThreadControl"]


class ThreadControl(wiring.Component):
    """One thread's state machine.

    Where several things happen in one cycle, they count as having happened in this order: wake, park or halt, debugger, start,
    trap, stop, exit of the node. A start drops the trap of the instruction in X and a pending network error. What stays in X
    after a start or an end of its thread does not trap any more, and after a start it does not jump either.

    Members
    -------
    start : In(1), start_pc : In(64); stop : In(1)
        From the control page. A misaligned start traps.
    exit : In(1)
        The node's program has ended: halt, if it runs or waits.
    debug_stop : In(1), resume : In(1)
        Be STOPPED, when nothing of the thread is ``in_slot``; be RUNNING.
    debug_hold : In(1)
        A debugger lets the thread take no network error.
    injecting : In(1)
        The instruction in X is injected: it may jump, but its trap is not taken, and no network error holds it up.
    trap : In(TrapLayout)
        Of the instruction that the thread has in X.
    jump : In(1), target : In(64)
        The instruction in X continues elsewhere.
    halt : In(1), exit_operand : In(64); park : In(1), park_sem, park_amount : In
        From the instruction in X.
    error : In(1), error_address : In
        A request of this thread has failed.
    returns : In(1)
        The instruction in X is an ``mret``, which commits: the next network error may be taken.
    in_slot : In(1)
        An instruction of this thread is in X that has not committed yet.
    next_pc : In(64)
        Address of the next instruction to issue.
    vector : In(64)
        mtvec.
    semaphores : In
    covered : Out(1), wait_sem : Out(5)
        The thread is WAITING, and the semaphore holds what it waits for; which one it waits for, or has waited for last.
    wake : In(1)
        Be RUNNING; only where ``covered``.
    state : Out(ThreadState)
    run : Out(1)
        RUNNING.
    hold : Out(1)
        Nothing may be issued: a network error is to be taken first, or what is in X belongs to the time before the start.
    taken : Out(TrapLayout), handled : Out(1)
        The trap that the thread takes at the end of the cycle, for the CSRs; its handler gets it.
    redirect : Out(1), redirect_target : Out(64), flush : Out(1)
        To fetch; what is issued in this cycle is dropped as well.
    exit_code : Out(64)
    unhandled_errors : Out(8)
        Failed requests since the last start for which no trap was taken.
    wait : Out(32)
        What the thread waits for, as register WAIT of the control page.
    busy : Out(1)
        The state may change by itself.
    """

    def __init__(self, semaphores: int):
        super().__init__(
            {
                "start": In(1),
                "start_pc": In(64),
                "stop": In(1),
                "exit": In(1),
                "debug_stop": In(1),
                "resume": In(1),
                "debug_hold": In(1),
                "injecting": In(1),
                "trap": In(TrapLayout()),
                "jump": In(1),
                "target": In(64),
                "halt": In(1),
                "exit_operand": In(64),
                "park": In(1),
                "park_sem": In(5),
                "park_amount": In(SEMAPHORE_VALUE_BITS),
                "error": In(1),
                "error_address": In(GLOBAL_ADDRESS_BITS),
                "returns": In(1),
                "in_slot": In(1),
                "next_pc": In(64),
                "vector": In(64),
                "semaphores": In(data.ArrayLayout(SEMAPHORE_VALUE_BITS, semaphores)),
                "covered": Out(1),
                "wait_sem": Out(5),
                "wake": In(1),
                "state": Out(ThreadState, init=ThreadState.HALTED),
                "run": Out(1),
                "hold": Out(1),
                "taken": Out(TrapLayout()),
                "handled": Out(1),
                "redirect": Out(1),
                "redirect_target": Out(64),
                "flush": Out(1),
                "exit_code": Out(64),
                "unhandled_errors": Out(range(MAX_UNHANDLED_ERRORS + 1)),
                "wait": Out(32),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        state = self.state
        wait_sem, wait_amount = Signal(5, reset_less=True), Signal(SEMAPHORE_VALUE_BITS, reset_less=True)
        failed, failed_address = Signal(), Signal(GLOBAL_ADDRESS_BITS, reset_less=True)
        # A network error was taken, and no mret or start has come since: the next one waits for it.
        handling = Signal()
        # What is in X is from before the thread's end or start, or even from before a start.
        left_behind, replaced = Signal(), Signal()

        waiting, stopped = state == ThreadState.WAITING, state == ThreadState.STOPPED
        available = Signal(SEMAPHORE_VALUE_BITS)
        for number in range(len(self.semaphores)):
            with m.If(wait_sem == number):
                m.d.comb += available.eq(self.semaphores[number])
        pending, takes_errors = Signal(), Signal()
        m.d.comb += [
            pending.eq(failed & ~handling),
            takes_errors.eq(pending & (state != ThreadState.TRAPPED) & ~stopped),
            self.run.eq(state == ThreadState.RUNNING),
            self.wait_sem.eq(wait_sem),
            self.covered.eq(waiting & (available >= wait_amount)),
            self.hold.eq((pending & ~self.injecting) | left_behind),
            self.wait.eq(Mux(waiting, Cat(wait_sem, C(0, 11), wait_amount), 0)),
            self.busy.eq(self.run | self.wake | takes_errors),
        ]

        misaligned_start = self.start & self.start_pc[:2].any()
        takes_error = takes_errors & ~self.in_slot & ~self.debug_hold & ~self.start
        trapped = self.trap.valid & ~self.start & ~left_behind & ~self.injecting
        # Where the thread is, as far as anything from outside of its instructions is concerned.
        here = Signal(64)
        with m.If(self.start):
            m.d.comb += here.eq(self.start_pc)
        with m.Elif(trapped):
            # It was fetched after the last redirection, and only those change the upper part.
            m.d.comb += here.eq(Cat(self.trap.pc[:OFFSET_BITS], self.next_pc[OFFSET_BITS:]))
        with m.Else():
            m.d.comb += here.eq(self.next_pc)
        m.d.comb += [
            self.taken.valid.eq(misaligned_start | trapped | takes_error),
            self.taken.pc.eq(here),
        ]
        with m.If(self.start):
            m.d.comb += [self.taken.cause.eq(Cause.INSTRUCTION_MISALIGNED), self.taken.value.eq(self.start_pc)]
        with m.Elif(trapped):
            m.d.comb += [self.taken.cause.eq(self.trap.cause), self.taken.value.eq(self.trap.value)]
        with m.Else():
            m.d.comb += [self.taken.cause.eq(Cause.NETWORK_ERROR), self.taken.value.eq(failed_address)]
        has_handler = self.vector.any() & (self.run | waiting | self.start)
        m.d.comb += self.handled.eq(self.taken.valid & has_handler)
        jumps = self.jump & ~replaced
        exits = self.exit & ~stopped

        # Gathers find out in later cycles of X that they trap.
        with m.If(~self.in_slot):
            m.d.sync += [left_behind.eq(0), replaced.eq(0)]
        with m.Elif(self.start | self.stop | exits):
            m.d.sync += [left_behind.eq(1), replaced.eq(replaced | self.start)]
        with m.If(self.error & ~failed):
            m.d.sync += [failed.eq(1), failed_address.eq(self.error_address)]
        unhandled = self.unhandled_errors
        with m.If(self.error & ~takes_error & (unhandled != MAX_UNHANDLED_ERRORS)):
            m.d.sync += unhandled.eq(unhandled + 1)
        with m.If(takes_error & ~self.error):
            m.d.sync += unhandled.eq(unhandled - 1)
        with m.If(self.returns):
            m.d.sync += handling.eq(0)
        with m.If(self.wake):
            m.d.sync += state.eq(ThreadState.RUNNING)
        with m.If(self.park):
            m.d.sync += [
                state.eq(ThreadState.WAITING),
                wait_sem.eq(self.park_sem),
                wait_amount.eq(self.park_amount),
            ]
        with m.If(self.halt):
            m.d.sync += [state.eq(ThreadState.HALTED), self.exit_code.eq(self.exit_operand)]
        with m.If(self.start):
            m.d.sync += [state.eq(ThreadState.RUNNING), self.exit_code.eq(0), failed.eq(0), unhandled.eq(0), handling.eq(0)]
        with m.If(self.taken.valid):
            m.d.sync += state.eq(Mux(has_handler, ThreadState.RUNNING, ThreadState.TRAPPED))
            with m.If(takes_error):
                m.d.sync += [failed.eq(0), handling.eq(1)]
        ends_trapped = self.taken.valid & ~has_handler
        with m.If(self.stop | (self.exit & (self.run | waiting) & ~ends_trapped)):
            m.d.sync += state.eq(ThreadState.HALTED)
        with m.If(self.debug_stop & ~self.start & ~self.stop):
            m.d.sync += state.eq(ThreadState.STOPPED)
        with m.If(self.resume):
            m.d.sync += state.eq(ThreadState.RUNNING)

        with m.If(self.handled):
            m.d.comb += self.redirect_target.eq(self.vector)
        with m.Elif(jumps & ~self.taken.valid & ~self.start):
            m.d.comb += self.redirect_target.eq(self.target)
        with m.Else():
            m.d.comb += self.redirect_target.eq(here)
        m.d.comb += [
            self.redirect.eq(self.taken.valid | self.start | jumps | self.stop | exits | self.debug_stop),
            self.flush.eq(self.start),
        ]
        return m
