# SPDX-License-Identifier: Apache-2.0
"""The registers of the control page that are not somebody else's, and the page's read selector."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.config import NodeConfig
from golden.layout import (
    COUNTER_BLOCK,
    COUNTER_STRIDE,
    DEBUG_BLOCK,
    DEBUG_STRIDE,
    DROPPED_BIT,
    LINK_PORTS,
    LOST_LINKS_BIT,
    MAX_UNHANDLED_ERRORS,
    OVERFLOW_BIT,
    OVERFLOWED_SEMAPHORE_BIT,
    SEMAPHORE_BLOCK,
    SEMAPHORE_ID_BITS,
    SEMAPHORE_VALUE_BITS,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    DebugCommand,
    DebugRegister,
    ThreadRegister,
    ThreadState,
)
from rtl.core.debug import CONTROL_BITS, DebugWriteLayout
from rtl.core.link_watch import LinkWatch
from rtl.core.selector import select_register
from rtl.core.semaphores import PostLayout
from rtl.interfaces import ControlPort

__all__ = ["ControlPage", "ThreadStatus"]


class ThreadStatus(wiring.Signature):
    """What the control page shows of a thread; ``counted`` is the counter that the page asks for."""

    def __init__(self):
        super().__init__(
            {
                "pc": Out(64),
                "state": Out(ThreadState),
                "cause": Out(64),
                "value": Out(64),
                "exit_code": Out(64),
                "retired": Out(64),
                "wait": Out(32),
                "unhandled_errors": Out(range(MAX_UNHANDLED_ERRORS + 1)),
                "counted": Out(64),
                "debug_control": Out(CONTROL_BITS),
                "debug_status": Out(64),
                "debug_data": Out(64),
            }
        )


class ControlPage(wiring.Component):
    """Reads and writes of the control page, and the node's own registers in it, as ``golden.layout`` lists them.

    Members
    -------
    port : In(ControlPort)
    descriptor, coordinates, cycle : In(64)
    threads : In(ThreadStatus).array(threads), semaphores : In(semaphores x 16)
    links : In(4)
    semaphore_overflow : In(1), overflowed_semaphore : In(5), clear_overflow : Out(1)
        Levels that STATUS shows, and a strobe: a write of STATUS clears them, as it clears what STATUS has of drops and links.
    dropped, stepped, sent, received : In(1); conflicts : In(3); retired : In(3)
        Events of the cycle.
    exit : In(1), exit_value : In(64)
        A store has ended the program.
    counter : Out(4)
        The counter of each thread that ``threads`` is to show.
    tohost : Out(64)
        Address of that store, 0 if there is none.
    start, stop : Out(threads), start_pc : Out(64)
    debug_thread : Out(threads), debug : Out(DebugWriteLayout), debug_written : Out(64)
        What is written into the debug block of a thread.
    post : Out(PostLayout)
    exited : Out(1)
    busy : Out(1)
        A register changes by itself.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        threads = config.threads
        super().__init__(
            {
                "port": In(ControlPort()),
                "descriptor": In(64),
                "coordinates": In(64),
                "cycle": In(64),
                "threads": In(ThreadStatus()).array(threads),
                "semaphores": In(data.ArrayLayout(SEMAPHORE_VALUE_BITS, config.semaphores)),
                "links": In(4),
                "semaphore_overflow": In(1),
                "overflowed_semaphore": In(SEMAPHORE_ID_BITS),
                "clear_overflow": Out(1),
                "dropped": In(1),
                "stepped": In(1),
                "sent": In(1),
                "received": In(1),
                "conflicts": In(3),
                "lines_loaded": In(2),
                "lines_stored": In(1),
                "retired": In(3),
                "exit": In(1),
                "exit_value": In(64),
                "counter": Out(4),
                "tohost": Out(64),
                "start": Out(threads),
                "stop": Out(threads),
                "start_pc": Out(64),
                "debug_thread": Out(threads),
                "debug": Out(DebugWriteLayout()),
                "debug_written": Out(64),
                "post": Out(PostLayout()),
                "exited": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        port, threads = self.port, self.config.threads

        def mask(state: ThreadState):
            return Cat(self.threads[t].state == state for t in range(threads))

        running, waiting, trapped, stopped = (
            mask(state) for state in (ThreadState.RUNNING, ThreadState.WAITING, ThreadState.TRAPPED, ThreadState.STOPPED)
        )
        exit_value, first_start, last_stop = Signal(64), Signal(64), Signal(64)
        undeliverable = Signal()
        m.submodules.watch = watch = LinkWatch()
        status = Signal(64)
        m.d.comb += [
            status[0:4].eq(running),
            status[4:8].eq(waiting),
            status[8:12].eq(trapped),
            status[12].eq(self.exited),
            status[OVERFLOW_BIT].eq(self.semaphore_overflow),
            status[DROPPED_BIT].eq(undeliverable),
            status[16:20].eq(self.links),
            status[20:24].eq(stopped),
            status[OVERFLOWED_SEMAPHORE_BIT:][:SEMAPHORE_ID_BITS].eq(self.overflowed_semaphore),
            status[LOST_LINKS_BIT:][: len(LINK_PORTS)].eq(watch.lost),
            self.clear_overflow.eq(port.write & (port.register == ControlRegister.STATUS // 8)),
            watch.links.eq(self.links),
            watch.clear.eq(self.clear_overflow),
        ]

        readable = {
            ControlRegister.CONFIG: self.descriptor,
            ControlRegister.COORDINATES: self.coordinates,
            ControlRegister.CYCLE: self.cycle,
            ControlRegister.TOHOST_ADDRESS: self.tohost,
            ControlRegister.TOHOST: exit_value,
            ControlRegister.STATUS: status,
            ControlRegister.FIRST_START: first_start,
            ControlRegister.LAST_STOP: last_stop,
        }
        events = {
            ControlRegister.MATRIX_STEPS: self.stepped,
            ControlRegister.RETIRED: self.retired,
            ControlRegister.REQUESTS_SENT: self.sent,
            ControlRegister.REQUESTS_RECEIVED: self.received,
            ControlRegister.BANK_CONFLICTS: self.conflicts,
            ControlRegister.LINES_LOADED: self.lines_loaded,
            ControlRegister.LINES_STORED: self.lines_stored,
        }
        assert {*readable, *events} == set(ControlRegister)
        for register, event in events.items():
            readable[register] = count = Signal(64, name=f"{register.name.lower()}_count")
            with m.If(event.any()):
                m.d.sync += count.eq(count + event)
        registers = {register // 8: value for register, value in readable.items()}
        for number in range(threads):
            thread = self.threads[number]
            for register, value in (
                (ThreadRegister.PC, thread.pc),
                (ThreadRegister.STATE, thread.state),
                (ThreadRegister.CAUSE, thread.cause),
                (ThreadRegister.VALUE, thread.value),
                (ThreadRegister.EXIT_CODE, thread.exit_code),
                (ThreadRegister.RETIRED, thread.retired),
                (ThreadRegister.WAIT, thread.wait),
                (ThreadRegister.UNHANDLED_ERRORS, thread.unhandled_errors),
            ):
                registers[(THREAD_BLOCK + number * THREAD_STRIDE + register) // 8] = value
            for register, value in (
                (DebugRegister.CONTROL, thread.debug_control),
                (DebugRegister.STATUS, thread.debug_status),
                (DebugRegister.DATA, thread.debug_data),
            ):
                registers[(DEBUG_BLOCK + number * DEBUG_STRIDE + register) // 8] = value
        for number in range(self.config.semaphores):
            registers[SEMAPHORE_BLOCK // 8 + number] = self.semaphores[number]
        selected, _ = select_register(m, port.register, registers)
        m.d.comb += [port.read_data.eq(selected), port.ready.eq(1), self.counter.eq(port.register)]
        with m.Switch(port.register[len(self.counter) :]):
            for number in range(threads):
                with m.Case(COUNTER_BLOCK // COUNTER_STRIDE + number):
                    m.d.comb += port.read_data.eq(self.threads[number].counted)

        semaphore = port.register - SEMAPHORE_BLOCK // 8
        m.d.comb += [
            self.start_pc.eq(port.write_data),
            self.debug_written.eq(port.write_data),
            self.post.valid.eq(port.write & (semaphore >= 0) & (semaphore < self.config.semaphores)),
            self.post.sem.eq(semaphore[:SEMAPHORE_ID_BITS]),
            self.post.amount.eq(port.write_data[:SEMAPHORE_VALUE_BITS]),
        ]
        for number in range(threads):
            block = (THREAD_BLOCK + number * THREAD_STRIDE) // 8
            m.d.comb += [
                self.start[number].eq(port.write & (port.register == block + ThreadRegister.PC // 8)),
                self.stop[number].eq(port.write & (port.register == block + ThreadRegister.STATE // 8)),
            ]
        # A debug block is as many registers as its place counts.
        in_block = exact_log2(DEBUG_STRIDE // 8)
        with m.If(port.write), m.Switch(port.register[in_block:]):
            for number in range(threads):
                with m.Case((DEBUG_BLOCK + number * DEBUG_STRIDE) // DEBUG_STRIDE):
                    m.d.comb += self.debug_thread[number].eq(1)
        with m.Switch(port.register[:in_block]):
            with m.Case(DebugRegister.COMMAND // 8):
                m.d.comb += [
                    self.debug.stop.eq(port.write_data == DebugCommand.STOP),
                    self.debug.resume.eq(port.write_data == DebugCommand.RESUME),
                    self.debug.step.eq(port.write_data == DebugCommand.STEP),
                ]
            for register in (DebugRegister.CONTROL, DebugRegister.INSTRUCTION, DebugRegister.DATA):
                with m.Case(register // 8):
                    m.d.comb += self.debug[register.name.lower()].eq(1)

        with m.If(self.exit):
            m.d.sync += [self.exited.eq(1), exit_value.eq(self.exit_value)]
        with m.If(port.write & (port.register == ControlRegister.TOHOST_ADDRESS // 8)):
            m.d.sync += [self.tohost.eq(port.write_data), self.exited.eq(0), exit_value.eq(0)]
        with m.If(self.clear_overflow):
            m.d.sync += undeliverable.eq(0)
        with m.If(self.dropped):
            m.d.sync += undeliverable.eq(1)

        active, was_active = Signal(), Signal()
        m.d.comb += [active.eq(running.any() | waiting.any()), self.busy.eq((active != was_active) | watch.busy)]
        m.d.sync += was_active.eq(active)
        with m.If(self.start.any() & ~active):
            m.d.sync += first_start.eq(self.cycle)
        # A misaligned start may end in the cycle in which it begins.
        with m.If((was_active & ~active) | (self.start.any() & ~active & self.start_pc[:2].any())):
            m.d.sync += last_stop.eq(self.cycle)
        return m
