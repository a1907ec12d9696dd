# SPDX-License-Identifier: Apache-2.0
"""A hardware thread of the golden node: its registers, traps, and the loop that executes instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from golden.accumulators import Accumulators
from golden.config import NodeConfig
from golden.debug import DebugBlock
from golden.descriptors import FormatDescriptors
from golden.event_counts import EventCounts, event_of
from golden.instruction import MASK_64, Executable, Fields, IllegalInstruction, Operation, Retirement, Trap
from golden.isa import INSTRUCTIONS, decode
from golden.layout import (
    CSR_NUMBERS,
    INJECTED_CSRS,
    MAX_UNHANDLED_ERRORS,
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    MISA_VALUE,
    SRAM_BASE,
    Cause,
    CountInhibit,
    Csr,
    DebugControl,
    DebugReason,
    Event,
    Flag,
    ThreadState,
    hart_id,
)
from golden.random import RandomLanes
from golden.semantics_scalar import SCALAR_SEMANTICS
from golden.semantics_xd1 import XD1_SEMANTICS

if TYPE_CHECKING:
    from golden.node import GoldenNode

_SEMANTICS = SCALAR_SEMANTICS | XD1_SEMANTICS
if _SEMANTICS.keys() != INSTRUCTIONS.keys():
    raise ImportError(f"instruction table and semantics differ: {sorted(_SEMANTICS.keys() ^ INSTRUCTIONS.keys())}")

_MSTATUS_MIE = 1 << 3
_MSTATUS_MPIE = 1 << 7
_MSTATUS_MPP = 3 << 11

#: CSR numbers from here on are read-only.
_READ_ONLY_CSRS = 0xC00

_CSR_NUMBERS = frozenset(CSR_NUMBERS.values()) - INJECTED_CSRS

_FORMAT_CSRS = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)
_ALL_FLAGS = sum(Flag)
_ALL_INHIBITS = sum(CountInhibit)
#: As plain numbers, with which Python calculates faster.
_INHIBITS_CYCLES, _INHIBITS_RETIRED = int(CountInhibit.CY), int(CountInhibit.IR)
_SEED_MASK = 0xFFFF_FFFF
_COUNTER_CSRS = {MHPMCOUNTER_BASE + event: event for event in Event}
_EVENT_CSRS = {MHPMEVENT_BASE + event: event for event in Event}

_PREDICATES = 8


class Thread:
    """One thread.

    Decoded instructions are kept per address until ``fence.i`` or a start, as the hardware may keep fetched lines: a program
    that changes its code without ``fence.i`` has no defined meaning.

    Parameters
    ----------
    node : GoldenNode
        Owner of SRAM, semaphores and network.
    number : int
        Thread number.

    Members
    -------
    x : list of int
        Scalar registers, 64 bits unsigned; a 33rd element takes results for x0.
    v : list of (bytes or None)
        Vector registers; None while an ``nread`` into it is under way.
    p : list of int
        Predicates, a bit per byte of a vector register; a ninth element takes what is written to p0, which is all ones.
    accumulators : Accumulators
    formats : FormatDescriptors
    random : RandomLanes
        Generators of stochastic rounding.
    state : ThreadState
    pc, exit_code, minstret, mepc, mcause, mtval, mtvec, mscratch, mstatus, mflags : int
    count_inhibit, cycle_offset : int
        mcountinhibit; what mcycle has beyond the clock's count, or all of mcycle while it is inhibited.
    events : EventCounts or None
        Performance counters; a sequential core has none.
    retired, matrix_steps, lines_loaded, lines_stored : int
        Counts since reset, which no instruction can write.
    network_error : int or None
        Global address of a failed request whose trap is still to be taken.
    unhandled_errors : int
        Failed requests since the last start for which no trap was taken.
    handling_error : bool
        A trap NETWORK_ERROR was taken, and neither ``mret`` nor a start has followed: a pending one waits for that.
    debug : DebugBlock
    """

    def __init__(self, node: GoldenNode, number: int):
        self.node = node
        self.config: NodeConfig = node.config
        self.number = number
        self.x = [0] * 33
        self.v: list[bytes | None] = [bytes(self.config.line_bytes)] * 32
        self.p = [(1 << self.config.line_bytes) - 1] + [0] * _PREDICATES
        self.accumulators = Accumulators(self.config)
        self.formats = FormatDescriptors(self.config)
        self.random = RandomLanes(self.config.fp32_lanes)
        self.state = ThreadState.HALTED
        self.pc = 0
        self.exit_code = 0
        self.retired = 0
        self.matrix_steps = 0
        self.lines_loaded = 0
        self.lines_stored = 0
        self.network_error: int | None = None
        self.unhandled_errors = 0
        self.handling_error = False
        self.mstatus = _MSTATUS_MPP
        self.mtvec = self.mscratch = self.mepc = self.mcause = self.mtval = self.minstret = self.mflags = 0
        self.count_inhibit = self.cycle_offset = 0
        self.events = EventCounts() if self.config.core == "pipelined" else None
        #: Semaphore and count that the thread waits for, meaningful while it is WAITING.
        self.awaited: tuple[int, int] = (0, 0)
        #: Whether the next instruction is the swait that the thread has just been woken for.
        self.woken = False
        #: Vector register whose nread the next instruction needs.
        self.blocked: int | None = None
        #: Whether the next instruction is an nlist that found no free place.
        self.held = False
        self.debug = DebugBlock(self, _SEMANTICS)
        self._reads: dict[int, bytes | None] = {}
        self._code: dict[int, Executable] = {}
        #: All that has been decoded, by address and word: code is mostly the same after ``fence.i``.
        self._decoded: dict[tuple[int, int], Executable] = {}
        self._csr_values = self._readers()

    # -- control ------------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether it is RUNNING or WAITING."""
        return self.state in (ThreadState.RUNNING, ThreadState.WAITING)

    def start(self, address: int) -> None:
        """Start it, or move it, as a write to its PC register does."""
        self.node.note_start()
        self.state = ThreadState.RUNNING
        self.exit_code = 0
        self.network_error = None
        self.unhandled_errors = 0
        self.handling_error = False
        self.blocked = None
        self.held = False
        self.debug.abandon()
        self.pc = address & MASK_64 - 3
        self.forget_code()
        if address & 3:
            self._enter_trap(Cause.INSTRUCTION_MISALIGNED, address)

    def stop(self, state: ThreadState) -> None:
        """End it as HALTED or TRAPPED."""
        was_active = self.active
        self.state = state
        self.blocked = None
        self.held = False
        self.debug.abandon()
        if was_active:
            self.node.note_stop()
        if state is ThreadState.HALTED:
            self._take_network_error()

    def suspend(self, reason: DebugReason) -> None:
        """Become STOPPED, whatever it does, with the next instruction at ``pc``."""
        was_active = self.active
        self.state = ThreadState.STOPPED
        self.blocked = None
        self.held = False
        self.debug.reason = reason
        self.debug.abandon()
        if was_active:
            self.node.note_stop()

    def fail_request(self, address: int, register: int | None) -> None:
        """A request failed: trap NETWORK_ERROR becomes pending, unless one is, and counts until it is taken. A read's vector
        register is as before.

        Parameters
        ----------
        address : int
            Global address that failed.
        register : int or None
            Vector register of a read; None for a write.
        """
        if register is not None and register in self._reads:
            self.v[register] = self._reads.pop(register)
            self._unblock(register)
        self.unhandled_errors = min(self.unhandled_errors + 1, MAX_UNHANDLED_ERRORS)
        if self.network_error is None:
            self.network_error = address
        if self.state is ThreadState.HALTED:
            self._take_network_error()

    def receive(self, register: int, data: bytes) -> None:
        """The line that ``nread`` asked for has come; what was not asked for is ignored."""
        if register in self._reads:
            del self._reads[register]
            self.v[register] = data
            self.node.note_vector_write(self.number, register, data)
            self._unblock(register)

    def _unblock(self, register: int) -> None:
        if self.blocked == register:
            self.blocked = None
            self.debug.attempt()

    def release(self) -> None:
        """A place for lists has become free: an nlist that waits tries again."""
        if self.held:
            self.held = False
            self.debug.attempt()

    # -- what semantics use -------------------------------------------------------------------------------------------

    @staticmethod
    def reject() -> NoReturn:
        """The instruction being bound is illegal."""
        raise IllegalInstruction

    @staticmethod
    def writable(register: int) -> int:
        """Where a result for that scalar register goes."""
        return register or 32

    @staticmethod
    def writable_predicate(register: int) -> int:
        """Where a result for that predicate register goes."""
        return register or _PREDICATES

    def accumulator(self, number: int) -> int:
        """The number, if the configuration has that accumulator; else the instruction is illegal."""
        if number >= self.config.accumulators:
            self.reject()
        return number

    def semaphore(self, number: int) -> int:
        """The number, if the configuration has that semaphore; else the instruction is illegal."""
        if number >= self.config.semaphores:
            self.reject()
        return number

    def block_on(self, *registers: int) -> Operation:
        """A completion for instructions that wait until none of these vector registers has an ``nread`` under way."""

        def complete() -> None:
            self.blocked = next(register for register in registers if self.v[register] is None)

        return complete

    def expect(self, register: int) -> None:
        """An ``nread`` into that vector register starts."""
        self._reads[register] = self.v[register]
        self.v[register] = None

    def wait_for(self, semaphore: int, needed: int) -> None:
        """Become WAITING until the semaphore holds what is needed, behind all threads that wait already."""
        self.awaited = (semaphore, needed)
        self.node.queue_waiter(self)
        self.state = ThreadState.WAITING

    def forget_code(self) -> None:
        """Fetch and decode everything anew."""
        self._code.clear()

    def return_from_trap(self) -> None:
        """MIE = MPIE; MPIE = 1; a pending NETWORK_ERROR may be taken."""
        enabled = _MSTATUS_MIE if self.mstatus & _MSTATUS_MPIE else 0
        self.mstatus = _MSTATUS_MPP | _MSTATUS_MPIE | enabled
        self.handling_error = False

    def check_csr(self, number: int, writes: bool) -> None:
        """The instruction being bound is illegal if there is no such CSR, or it writes a read-only one."""
        if number in INJECTED_CSRS and self.debug.injecting:
            return
        if number not in _CSR_NUMBERS or (writes and number >= _READ_ONLY_CSRS):
            self.reject()

    def read_csr(self, number: int) -> int:
        """Value of a CSR that exists."""
        if number in _FORMAT_CSRS:
            return self.formats.read_csr(number - Csr.MFORMAT0)
        if self.events is not None and number in _EVENT_CSRS:
            return _EVENT_CSRS[number]
        if number in _COUNTER_CSRS:
            return self.read_counter(_COUNTER_CSRS[number])
        reader = self._csr_values.get(number)
        return reader() if reader else 0

    def _readers(self) -> dict[int, Callable[[], int]]:
        """What gives the values of CSRs that are not read as 0."""
        node = self.node
        return {
            Csr.MSTATUS: lambda: self.mstatus,
            Csr.MISA: lambda: MISA_VALUE,
            Csr.MTVEC: lambda: self.mtvec,
            Csr.MSCRATCH: lambda: self.mscratch,
            Csr.MEPC: lambda: self.mepc,
            Csr.MCAUSE: lambda: self.mcause,
            Csr.MTVAL: lambda: self.mtval,
            Csr.MFLAGS: lambda: self.mflags,
            Csr.MSEED: lambda: self.random.seed,
            Csr.MCOUNTINHIBIT: lambda: self.count_inhibit | (self.events.inhibit if self.events else 0),
            Csr.DSCRATCH0: lambda: self.debug.data,
            Csr.MCYCLE: lambda: self.cycles,
            Csr.MINSTRET: lambda: self.minstret,
            Csr.MNODE: lambda: node.address,
            Csr.MCONFIG: lambda: self.config.descriptor,
            Csr.MHARTID: lambda: hart_id(node.x, node.y, self.number),
        }

    def write_csr(self, number: int, value: int) -> None:
        """Write a CSR that is not read-only; what the layout says is not writable stays."""
        if number == Csr.MSTATUS:
            self.mstatus = _MSTATUS_MPP | value & (_MSTATUS_MIE | _MSTATUS_MPIE)
        elif number == Csr.MTVEC:
            self.mtvec = value & MASK_64 - 3
        elif number == Csr.MSCRATCH:
            self.mscratch = value
        elif number == Csr.MEPC:
            self.mepc = value & MASK_64 - 3
        elif number == Csr.MCAUSE:
            self.mcause = value
        elif number == Csr.MTVAL:
            self.mtval = value
        elif number in _FORMAT_CSRS:
            self.formats.write_csr(number - Csr.MFORMAT0, value)
        elif number == Csr.MFLAGS:
            self.mflags = value & _ALL_FLAGS
        elif number == Csr.MSEED:
            self.random.reseed(value & _SEED_MASK)
        elif number == Csr.MCOUNTINHIBIT:
            self._inhibit(value & _ALL_INHIBITS)
            if self.events is not None:
                self.events.set_inhibit(value, self.retired + self._writer)
        elif self.events is not None and number in _COUNTER_CSRS:
            self.events.write(_COUNTER_CSRS[number], value, self.retired + self._writer)
        elif number == Csr.MCYCLE:
            # The writing instruction takes a cycle, which must not show on top of the value.
            self.cycle_offset = value - (0 if self.count_inhibit & CountInhibit.CY else self.node.clock.cycle + self._writer)
        elif number == Csr.MINSTRET:
            # The writing instruction is counted when it retires, and must not show on top of the value.
            self.minstret = value - (0 if self.count_inhibit & CountInhibit.IR else self._writer)
        elif number == Csr.DSCRATCH0:
            self.debug.data = value

    @property
    def _writer(self) -> int:
        """What an instruction that writes a counter adds to counters by itself: injected ones take no time and do not retire."""
        return 0 if self.debug.injecting else 1

    def read_counter(self, event: Event) -> int:
        """Value of a performance counter."""
        return self.events.read(event, self.retired) if self.events is not None else 0

    @property
    def cycles(self) -> int:
        """Value of mcycle."""
        now = 0 if self.count_inhibit & _INHIBITS_CYCLES else self.node.clock.cycle
        return self.cycle_offset + now & MASK_64

    def _inhibit(self, inhibit: int) -> None:
        """Write mcountinhibit; for the writing instruction itself, what it was before holds."""
        changed = self.count_inhibit ^ inhibit
        if changed & CountInhibit.CY:
            end = self.node.clock.cycle + self._writer
            self.cycle_offset += end if inhibit & CountInhibit.CY else -end
        if changed & CountInhibit.IR:
            self.minstret = self.minstret + (self._writer if inhibit & CountInhibit.IR else -self._writer) & MASK_64
        self.count_inhibit = inhibit

    # -- execution ----------------------------------------------------------------------------------------------------

    def run(self, budget: int) -> int:
        """Execute up to ``budget`` instructions, trapping ones included, as long as the thread can go on.

        Returns
        -------
        int
            Instructions executed; the clock has advanced by as many cycles.
        """
        node = self.node
        executed = 0
        while executed < budget and self._ready():
            if node.observed or self.debug.stepping or self.woken:
                executed += self._step()
                self.woken = False
            else:
                executed += self._burst(budget - executed)
            node.flush()
        return executed

    def _ready(self) -> bool:
        """Whether an instruction can be executed now. Takes a pending NETWORK_ERROR, and wakes up if the wait is over."""
        if self.active:
            self._take_network_error()
        if self.state is ThreadState.WAITING:
            if self.node.next_waiter(self.awaited[0]) is not self:
                return False
            self.state = ThreadState.RUNNING
            self.woken = True
        return self.state is ThreadState.RUNNING and self.blocked is None and not self.held

    def _burst(self, budget: int) -> int:
        """Execute instructions that need nothing but their operands in a tight loop, then one of any other kind."""
        pc = self.pc
        code = self._code
        executed = 0
        try:
            while executed < budget:
                following = code[pc].operation()
                if following is None:
                    break
                pc = following
                executed += 1
            else:
                self._retire(executed, pc)
                self.node.clock.cycle += executed
                return executed
        except (KeyError, Trap):
            # Not decoded yet, or it traps: nothing has changed, so the general step below does it again in full.
            pass
        self._retire(executed, pc)
        self.node.clock.cycle += executed
        return executed + self._step()

    def _step(self) -> int:
        """Execute one instruction whatever it is; returns 1, or 0 if it has to wait."""
        pc = self.pc
        node = self.node
        word = 0
        try:
            executable = self._code.get(pc) or self._bind(pc)
            word = executable.word
            following = executable.operation()
            if following is None:
                following = executable.complete()
        except Trap as trap:
            if trap.cause is Cause.BREAKPOINT and self.debug.control & DebugControl.EBREAK:
                self.suspend(DebugReason.EBREAK)
                return 0
            if node.observed:
                node.note_retirement(Retirement(self.number, pc, word, trap.cause, trap.value))
            node.clock.cycle += 1
            self._enter_trap(trap.cause, trap.value)
            return 1
        if following is None:
            return 0
        self._retire(1, following)
        node.clock.cycle += 1
        if node.observed:
            writes = tuple((register, self.x[register]) for register in executable.scalar_writes)
            node.note_retirement(Retirement(self.number, pc, word, writes=writes))
            if executable.vector_write is not None:
                data = self.v[executable.vector_write]
                assert data is not None, "only nread leaves a register busy"
                node.note_vector_write(self.number, executable.vector_write, data)
        if self.debug.stepping:
            self.suspend(DebugReason.STEP)
        return 1

    def _retire(self, count: int, pc: int) -> None:
        self.pc = pc
        self.retired += count
        if not self.count_inhibit & _INHIBITS_RETIRED:
            self.minstret = self.minstret + count & MASK_64

    def _bind(self, pc: int) -> Executable:
        """Fetch, decode and bind the instruction at an address, and keep it."""
        start = pc - SRAM_BASE
        if not 0 <= start < len(self.node.sram):
            raise Trap(Cause.INSTRUCTION_ACCESS_FAULT, pc)
        word = int.from_bytes(self.node.sram[start : start + 4], "little")
        executable = self._decoded.get((pc, word))
        if executable is None:
            executable = self._decoded[pc, word] = self._decode(pc, word)
        self._code[pc] = executable
        return executable

    def _decode(self, pc: int, word: int) -> Executable:
        """Decode a word at an address, and bind it to this thread."""
        row, fields = decode(word), Fields(word)
        if row is not None:
            try:
                operation, complete = _SEMANTICS[row.mnemonic](self, fields, pc)
                if self.events is not None:
                    event = event_of(row)
                    operation = self.events.counting(event, operation)
                    complete = complete and self.events.counting(event, complete)
                return Executable(fields, row, operation, complete)
            except IllegalInstruction:
                pass
        return Executable(fields, None, self._illegal(word))

    @staticmethod
    def _illegal(word: int) -> Operation:
        def operation() -> NoReturn:
            raise Trap(Cause.ILLEGAL_INSTRUCTION, word)

        return operation

    def _take_network_error(self) -> None:
        """Trap NETWORK_ERROR, if one is pending and none is handled; a HALTED thread becomes TRAPPED, whatever its mtvec."""
        address = self.network_error
        if address is None or self.handling_error:
            return
        self.network_error = None
        self.unhandled_errors -= 1
        self.handling_error = True
        self.blocked = None
        self.held = False
        if self.state is ThreadState.WAITING:
            self.state = ThreadState.RUNNING
        self._enter_trap(Cause.NETWORK_ERROR, address)

    def _enter_trap(self, cause: Cause, value: int) -> None:
        self.mepc = self.pc
        self.mcause = cause
        self.mtval = value
        previous = _MSTATUS_MPIE if self.mstatus & _MSTATUS_MIE else 0
        self.mstatus = _MSTATUS_MPP | previous
        if self.mtvec == 0 or self.state is ThreadState.HALTED:
            self.stop(ThreadState.TRAPPED)
        else:
            self.pc = self.mtvec
            if self.debug.control & DebugControl.TRAP:
                self.suspend(DebugReason.TRAP)
            elif self.debug.stepping:
                self.suspend(DebugReason.STEP)
