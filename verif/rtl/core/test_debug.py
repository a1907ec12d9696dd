# SPDX-License-Identifier: Apache-2.0
"""Debug mode of a thread, proved: a step is one instruction or one trap, and a thread that is stopped does nothing by itself.

What is around the thread's own parts does whatever it may: instructions come when they like, leave X in any way, gathers and
stores that end the program stay there, packets and network errors arrive in any cycle.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import DebugReason, ThreadState
from rtl.core.debug import DebugWriteLayout, ThreadDebug
from rtl.core.thread_control import ThreadControl
from verif.formal.proof import Counterexample, check_bounded, check_reachable

#: A STOP, an instruction that is injected or a step, one that parks and wakes, and what is behind it.
CYCLES = 16


class Outcome(IntEnum):
    """What becomes of an instruction in its first cycle in X, or in its last one if it is a gather."""

    RETIRES = 0
    TRAPS = 1
    PARKS = 2
    HALTS = 3
    BREAKS = 4
    JUMPS = 5
    EXITS = 6


class OneThread(wiring.Component):
    """Thread control and debug mode of a thread in free surroundings, with the properties.

    Members
    -------
    write, start, stop, misaligned : In
        Packets, one at a time.
    error : In(1), returns : In(1), others_exit : In(1), posts : In(1)
        A jump ``returns`` from a handler.
    offers : In(2)
        Instructions that could be issued.
    gathers : In(1), outcome : In(3), stays : In(1)
        What is in X is a gather; what becomes of it; it does not leave yet.
    has_handler : In(1)
    stepped, broke_in_step, waited, failed : Out(1)
        Something that has to be possible has happened.
    """

    def __init__(self, debug: type[ThreadDebug] = ThreadDebug) -> None:
        self._debug = debug
        super().__init__(
            {
                "write": In(DebugWriteLayout()),
                "control_bits": In(2),
                "start": In(1),
                "stop": In(1),
                "misaligned": In(1),
                "error": In(1),
                "returns": In(1),
                "others_exit": In(1),
                "posts": In(1),
                "offers": In(2),
                "gathers": In(1),
                "outcome": In(3),
                "stays": In(1),
                "has_handler": In(1),
                "stepped": Out(1),
                "broke_in_step": Out(1),
                "waited": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.debug = debug = self._debug()
        m.submodules.control = control = ThreadControl(semaphores=1)
        packets = [*(self.write[name] for name in self.write.shape().members), self.start, self.stop]
        m.d.comb += Assume(sum(packets) <= 1)

        # X: an instruction in its first cycle, a gather that stays, a store that will end the program.
        first, gathering, exiting = Signal(), Signal(), Signal()
        leaves, outcome = Signal(), Signal(Outcome)
        m.d.comb += [
            leaves.eq((first | gathering) & ~(self.stays & (gathering | self.gathers))),
            outcome.eq(self.outcome),
            Assume(self.outcome <= max(Outcome)),
            # Gathers read, and nothing else; who does not stop at ebreak traps; what is injected neither parks nor halts.
            Assume(~(gathering | self.gathers) | (outcome == Outcome.RETIRES) | (outcome == Outcome.TRAPS)),
            Assume((outcome != Outcome.BREAKS) | debug.stops_at_ebreak),
            Assume(~debug.injecting | ((outcome != Outcome.PARKS) & (outcome != Outcome.HALTS))),
        ]

        def leaves_as(*outcomes: Outcome) -> Any:
            return leaves & Cat(outcome == each for each in outcomes).any()

        retires = leaves_as(Outcome.RETIRES, Outcome.HALTS, Outcome.JUMPS, Outcome.EXITS)
        exits = (exiting | leaves_as(Outcome.EXITS)) & ~self.stays
        issues = (
            (control.run | debug.injecting)
            & ~control.hold
            & ~debug.hold
            & ~(exiting | (first & (outcome == Outcome.EXITS)))
            & ~gathering
            & ~(first & self.gathers)
            & ~control.redirect
        )
        issued = Mux(debug.single, self.offers.any(), self.offers)
        m.d.sync += [
            first.eq(issues & issued.any()),
            gathering.eq((first | gathering) & ~leaves),
            exiting.eq((exiting | leaves_as(Outcome.EXITS)) & ~exits),
        ]
        # The second one of a group retires with the first, if that does not go elsewhere.
        two = Signal()
        m.d.sync += two.eq(issues & (issued > 1))
        m.d.comb += Assume(~(two & first & self.gathers))

        m.d.comb += [
            debug.write.eq(self.write),
            debug.written.eq(self.control_bits),
            debug.restart.eq(self.start | self.stop),
            debug.state.eq(control.state),
            debug.in_slot.eq(control.in_slot),
            debug.exiting.eq(exiting | (first & (outcome == Outcome.EXITS))),
            debug.parks.eq(control.park),
            debug.breaks.eq(leaves_as(Outcome.BREAKS)),
            debug.handled.eq(control.handled),
            debug.trap.eq(control.trap.valid),
            control.start.eq(self.start),
            control.start_pc.eq(Mux(self.misaligned, 2, 0)),
            control.stop.eq(self.stop),
            control.exit.eq(self.others_exit | exits),
            control.debug_stop.eq(debug.stop),
            control.resume.eq(debug.resume),
            control.debug_hold.eq(debug.hold),
            control.injecting.eq(debug.injecting),
            control.trap.valid.eq(leaves_as(Outcome.TRAPS)),
            control.jump.eq(leaves_as(Outcome.JUMPS, Outcome.PARKS, Outcome.BREAKS, Outcome.HALTS, Outcome.EXITS)),
            control.halt.eq(leaves_as(Outcome.HALTS)),
            control.park.eq(leaves_as(Outcome.PARKS)),
            control.park_amount.eq(1),
            control.semaphores[0].eq(self.posts),
            control.wake.eq(control.covered),
            control.error.eq(self.error),
            control.returns.eq(leaves_as(Outcome.JUMPS) & self.returns),
            control.in_slot.eq(first | gathering),
            control.vector.eq(Mux(self.has_handler, 4, 0)),
        ]

        # What the thread does: instructions that are its own, and traps that it takes.
        does = Signal(2)
        m.d.comb += does.eq(
            (retires & ~debug.injecting) + (two & retires & ~debug.injecting) + (control.taken.valid & ~self.start)
        )
        stopped = control.state == ThreadState.STOPPED
        in_step, done = Signal(), Signal(2)
        ended = self.start | self.stop | (control.state == ThreadState.HALTED) | (control.state == ThreadState.TRAPPED)
        with m.If(self.write.step & debug.resume):
            m.d.sync += [in_step.eq(1), done.eq(0)]
        with m.Elif(ended | debug.stop):
            m.d.sync += in_step.eq(0)
        with m.Elif(in_step):
            m.d.sync += done.eq(Mux(done + does > 3, 3, done + does))
        # The reason shows in the next cycle.
        stops_step, was_done = Signal(), Signal(2)
        m.d.sync += [stops_step.eq(in_step & debug.stop & ~ended), was_done.eq(done)]
        reason = debug.status[:3]
        whole = (reason == DebugReason.STEP) | (reason == DebugReason.TRAP)
        # A thread that has ended is stopped by a request alone. Where it has left debug mode, nothing injected is left.
        asked, left = Signal(), Signal()
        with m.If(self.start | self.stop | debug.stop):
            m.d.sync += asked.eq(0)
        with m.If(self.write.stop):
            m.d.sync += asked.eq(1)
        active = (control.state == ThreadState.RUNNING) | (control.state == ThreadState.WAITING)
        m.d.sync += left.eq(debug.injecting & ~stopped & ~(first | gathering | exiting))
        m.d.comb += [
            Assert(~debug.stop | active | asked),
            Assert(~left | ~debug.injecting),
            Assert(~in_step | (done + does <= 1) | ended),
            Assert(~stops_step | (was_done == whole)),
            # Where a debugger looks, everything is still.
            Assert(~stopped | (does == 0)),
            Assert(~debug.stop | ~(first | gathering | exiting)),
            Assert(~debug.inject | ~(first | gathering)),
            Assert(~debug.injecting | ~two),
            self.stepped.eq(stops_step & (reason == DebugReason.STEP)),
            self.broke_in_step.eq(stops_step & (reason == DebugReason.EBREAK)),
            self.waited.eq(in_step & (control.state == ThreadState.WAITING)),
            self.failed.eq(debug.status[9]),
        ]
        return m


def test_a_step_is_one_instruction_or_one_trap_and_nothing_goes_on_in_a_thread_that_is_stopped() -> None:
    check_bounded(OneThread(), CYCLES)


def test_steps_and_injected_instructions_can_end_in_every_way() -> None:
    for output in ("stepped", "broke_in_step", "waited", "failed"):
        check_reachable(OneThread(), output, CYCLES)


class _Hasty(ThreadDebug):
    """Lets the thread issue what it likes."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.hold.eq(0)
        return m


def test_a_step_that_does_not_hold_the_thread_is_found() -> None:
    with pytest.raises(Counterexample):
        check_bounded(OneThread(_Hasty), CYCLES)
