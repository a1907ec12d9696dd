# SPDX-License-Identifier: Apache-2.0
"""Debug mode of one thread: its debug block in the control page, and what a debugger makes the thread do."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import DEBUG_BUSY, DEBUG_CAUSE, DEBUG_FAILED, DebugControl, DebugReason, ThreadState

__all__ = ["CONTROL_BITS", "DebugWriteLayout", "ThreadDebug"]

#: Bits of the register CONTROL.
CONTROL_BITS = len(DebugControl)

_UNDER_WAY = ("requested", "stepping", "broke", "trapped", "spent", "injecting")


class DebugWriteLayout(data.StructLayout):
    """What a packet writes into a thread's debug block: one of three commands, or a register. At most one bit is set."""

    def __init__(self):
        super().__init__(dict.fromkeys(("stop", "resume", "step", "control", "instruction", "data"), 1))


class ThreadDebug(wiring.Component):
    """Stops a thread between two instructions, lets it go on or make a step, and executes injected instructions.

    A thread that is to stop issues nothing more, and stops when what of it is in X has committed. In a step, and when an
    instruction is injected, it issues one instruction, and is done when that has committed. What is injected enters the fetch
    buffer of the thread, which is empty.

    Members
    -------
    write : In(DebugWriteLayout), written : In(64)
        What a packet writes at the end of the cycle.
    restart : In(1)
        The control page starts the thread, or makes it HALTED, at the end of the cycle.
    state : In(3)
        ThreadState.
    in_slot : In(1)
        An instruction of the thread is in X that has not committed before.
    exiting : In(1)
        There is a store of it in X that ends the program.
    parks, breaks : In(1)
        What is in X waits for a semaphore; or is an ``ebreak`` that stops the thread.
    handled : In(1)
        The thread takes a trap that its handler gets.
    trap : In(1), cause : In(6)
        The instruction in X traps, whether its thread takes that or not.
    write_data : In(1), data_written : In(64)
        An instruction writes DATA.
    resume : Out(1), stop : Out(1)
        The thread is RUNNING, or STOPPED, from the next cycle on.
    hold : Out(1)
        Nothing may be issued, and no network error taken.
    single : Out(1)
        No more than one instruction is to be issued.
    inject : Out(1)
        ``written`` holds a word that enters the fetch buffer at the end of the cycle.
    injecting : Out(1)
        What the thread issues and has in X is injected.
    stops_at_ebreak : Out(1)
        An ``ebreak`` in X stops the thread.
    control : Out(2), status : Out(64), data : Out(64)
        Registers as the control page shows them.
    busy : Out(1)
        Something here, or the thread's state, may change by itself, though the thread does not run.
    """

    def __init__(self):
        super().__init__(
            {
                "write": In(DebugWriteLayout()),
                "written": In(64),
                "restart": In(1),
                "state": In(ThreadState),
                "in_slot": In(1),
                "exiting": In(1),
                "parks": In(1),
                "breaks": In(1),
                "handled": In(1),
                "trap": In(1),
                "cause": In(6),
                "write_data": In(1),
                "data_written": In(64),
                "resume": Out(1),
                "stop": Out(1),
                "hold": Out(1),
                "single": Out(1),
                "inject": Out(1),
                "injecting": Out(1),
                "stops_at_ebreak": Out(1),
                "control": Out(CONTROL_BITS),
                "status": Out(64),
                "data": Out(64),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        write = self.write
        # Why the thread is to stop; a step does when its instruction is ``spent``. All in one: simulators copy each register.
        under_way = Signal(data.StructLayout(dict.fromkeys(_UNDER_WAY, 1)))
        requested, stepping, broke, trapped, spent, injecting = (under_way[name] for name in _UNDER_WAY)
        shown = Signal(data.StructLayout({"reason": DebugReason, "failed": 1, "cause": 6, "control": CONTROL_BITS}))
        reason, failed, cause, control = shown.reason, shown.failed, shown.cause, shown.control

        waiting, stopped = self.state == ThreadState.WAITING, self.state == ThreadState.STOPPED
        active = (self.state == ThreadState.RUNNING) | waiting
        # Where no debugger is at work nothing here changes, and simulators need not look at it.
        awake, free, settled, stepped = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            awake.eq(under_way.as_value().any() | write.as_value().any() | control.any()),
            self.injecting.eq(injecting),
            self.single.eq(stepping | injecting),
            self.hold.eq(requested | broke | trapped | (self.single & (self.in_slot | spent))),
            self.stops_at_ebreak.eq(control[0] & ~injecting),
            self.control.eq(control),
            self.status.eq(
                Cat(
                    reason,
                    C(0, DEBUG_BUSY - len(reason)),
                    requested | stepping | broke | trapped | injecting,
                    failed,
                    C(0, DEBUG_CAUSE - DEBUG_FAILED - 1),
                    cause,
                )
            ),
        ]
        assert [DebugControl.EBREAK, DebugControl.TRAP] == [1, 2]
        with m.If(awake):
            m.d.comb += [
                free.eq(stopped & ~injecting),
                settled.eq(~self.in_slot & ~self.exiting),
                stepped.eq(stepping & spent),
                # What has halted or trapped the thread for good in the meantime is undone by nothing but a request.
                self.stop.eq(settled & ~stopped & (requested | (active & (broke | trapped | stepped)))),
                self.resume.eq((write.resume | write.step) & free),
                self.inject.eq(write.instruction & free),
                self.busy.eq(requested | broke | trapped | spent | injecting | (stepping & ~waiting)),
            ]
            # An instruction that has been issued is spent, but for a ``swait`` that will be executed again.
            with m.If(self.single & self.in_slot & ~self.parks):
                m.d.sync += spent.eq(1)
            with m.If(injecting & spent & settled):
                m.d.sync += [injecting.eq(0), spent.eq(0)]
            with m.If(~active):
                m.d.sync += [stepping.eq(0), broke.eq(0), trapped.eq(0)]
                with m.If(~injecting):
                    m.d.sync += spent.eq(0)
            with m.If(self.breaks):
                m.d.sync += broke.eq(1)
            with m.If(self.restart | self.stop):
                m.d.sync += [requested.eq(0), stepping.eq(0), broke.eq(0), trapped.eq(0), spent.eq(injecting & ~settled)]
                with m.If(settled):
                    m.d.sync += injecting.eq(0)
            with m.If(self.handled):
                m.d.sync += trapped.eq(control[1])
                with m.If(stepping & ~self.restart):
                    m.d.sync += spent.eq(1)
            with m.If(stopped):
                m.d.sync += requested.eq(0)
            with m.Elif(write.stop):
                m.d.sync += requested.eq(1)
            with m.If(write.step & free):
                m.d.sync += stepping.eq(1)
            with m.If(self.inject):
                m.d.sync += [injecting.eq(1), failed.eq(0), cause.eq(0)]
            with m.Elif(injecting & self.trap):
                m.d.sync += [failed.eq(1), cause.eq(self.cause)]
            with m.If(self.stop):
                m.d.sync += reason.eq(
                    Mux(
                        active & (broke | trapped | stepped),
                        Mux(broke, DebugReason.EBREAK, Mux(trapped, DebugReason.TRAP, DebugReason.STEP)),
                        DebugReason.REQUEST,
                    )
                )

            with m.If(write.control):
                m.d.sync += control.eq(self.written)
            with m.If(write.data):
                m.d.sync += self.data.eq(self.written)
            with m.If(self.write_data):
                m.d.sync += self.data.eq(self.data_written)
        return m
