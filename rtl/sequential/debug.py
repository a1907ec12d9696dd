# SPDX-License-Identifier: Apache-2.0
"""Debug mode of the sequential core: why its thread stops, and what is injected."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import DEBUG_BUSY, DEBUG_CAUSE, DEBUG_FAILED, DebugCommand, DebugControl, DebugReason, ThreadState

__all__ = ["CONTROL_BITS", "STATUS_BITS", "SequentialDebug"]

#: Bits of the registers CONTROL and STATUS that are not always 0.
CONTROL_BITS = len(DebugControl)
STATUS_BITS = DEBUG_CAUSE + 6


class SequentialDebug(wiring.Component):
    """The state of a debugger's commands.

    Packets are taken in READY only, where no instruction has been begun, so a STOP takes effect at once. What an instruction
    brings about (the end of a step, ``ebreak``, a trap) does in the READY that follows it.

    Members
    -------
    state : In(ThreadState)
    command, inject : In(1), written : In(64)
        A packet writes COMMAND or INSTRUCTION with ``written``, which has been the same in the cycle before.
    restart : In(1)
        A packet starts or halts the thread.
    suspend, resume, accept : Out(1)
        In the cycle of ``command`` or ``inject``: the thread becomes STOPPED; it is to go on; what is written is to be executed.
    retire, fail, handled, ebreak : In(1), cause : In(6)
        An instruction ends; it is an injected one and does by a trap, for ``cause``; a trap has found its handler; an ``ebreak``
        is to stop the thread.
    stops : Out(1), settle : In(1)
        The thread is to become STOPPED if it is RUNNING; that is done.
    injecting : Out(1)
        The instruction is injected.
    stops_at_ebreak : Out(1)
    control : In(2), status : Out(22)
        Registers: the one of the page, and what it shows.
    busy : Out(1)
        Something changes by itself.
    """

    def __init__(self):
        super().__init__(
            {
                "state": In(ThreadState),
                "command": In(1),
                "inject": In(1),
                "written": In(64),
                "restart": In(1),
                "suspend": Out(1),
                "resume": Out(1),
                "accept": Out(1),
                "retire": In(1),
                "fail": In(1),
                "handled": In(1),
                "ebreak": In(1),
                "cause": In(6),
                "stops": Out(1),
                "settle": In(1),
                "injecting": Out(1),
                "stops_at_ebreak": Out(1),
                "control": In(CONTROL_BITS),
                "status": Out(STATUS_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Why the thread is to stop, if it is.
        pending, reason = Signal(DebugReason), Signal(DebugReason)
        stepping, failed, cause = Signal(), Signal(), Signal(6)
        stopped, free = Signal(), Signal()
        # In a register, since there is time for it.
        known = Signal()
        m.d.sync += known.eq(~self.written[2:].any())
        m.d.comb += [
            stopped.eq(self.state == ThreadState.STOPPED),
            free.eq(stopped & ~self.injecting),
            self.suspend.eq(self.command & known & (self.written[:2] == DebugCommand.STOP) & ~stopped),
            # RESUME and STEP differ in their lowest bit.
            self.resume.eq(self.command & known & self.written[1] & free),
            self.accept.eq(self.inject & free),
            self.stops.eq(pending != DebugReason.NONE),
            self.stops_at_ebreak.eq(self.control[0] & ~self.injecting),
            self.status.eq(
                Cat(
                    reason,
                    C(0, DEBUG_BUSY - len(reason)),
                    stepping | self.injecting,
                    failed,
                    C(0, DEBUG_CAUSE - DEBUG_FAILED - 1),
                    cause,
                )
            ),
            self.busy.eq(self.injecting | self.stops),
        ]

        with m.If(self.ebreak):
            m.d.sync += pending.eq(DebugReason.EBREAK)
        with m.Elif(self.handled & self.control[1]):
            m.d.sync += pending.eq(DebugReason.TRAP)
        with m.Elif(stepping & (self.handled | self.retire)):
            m.d.sync += pending.eq(DebugReason.STEP)
        with m.Elif(self.settle):
            m.d.sync += pending.eq(DebugReason.NONE)

        # What has ended the thread in its step leaves the reason.
        with m.If(self.suspend | (self.settle & (self.state == ThreadState.RUNNING))):
            m.d.sync += reason.eq(Mux(self.suspend, DebugReason.REQUEST, pending))
        with m.If(self.resume):
            m.d.sync += stepping.eq(self.written[0])
        with m.Elif(self.suspend | self.settle | self.restart | (self.state == ThreadState.TRAPPED)):
            m.d.sync += stepping.eq(0)

        with m.If(self.accept):
            m.d.sync += [self.injecting.eq(1), failed.eq(0), cause.eq(0)]
        with m.Elif(self.restart | self.retire | self.fail):
            m.d.sync += self.injecting.eq(0)
        with m.If(self.fail):
            m.d.sync += [failed.eq(1), cause.eq(self.cause)]
        return m
