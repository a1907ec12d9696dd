# SPDX-License-Identifier: Apache-2.0
"""CSRs and control page of a node with one thread, in one memory."""

from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    CSR_NUMBERS,
    DEBUG_BLOCK,
    INJECTED_CSRS,
    MAX_UNHANDLED_ERRORS,
    MISA_VALUE,
    OFFSET_BITS,
    SEMAPHORE_BLOCK,
    SEMAPHORE_ID_BITS,
    SEMAPHORE_VALUE_BITS,
    SRAM_BASE,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    DebugRegister,
    ThreadRegister,
    ThreadState,
)
from rtl.core.csr import FLAG_BITS, CsrOp
from rtl.core.link_watch import LinkWatch
from rtl.core.semaphores import PostLayout
from rtl.interfaces import ControlPort
from rtl.sequential.debug import CONTROL_BITS, STATUS_BITS
from rtl.sequential.recent_counts import RecentCounts
from rtl.sequential.selection import Selection

__all__ = ["NodeCommand", "NodeRegisters"]


class NodeCommand(enum.Enum, shape=3):
    """What the core wants of the registers."""

    CSR = 0
    TRAP = 1
    MRET = 2
    HALT = 3
    EXIT = 4


#: First word of the thread's block of the page.
_THREAD = 16


class _Word(enum.IntEnum, shape=5):
    """Registers and their places in memory. Of the page's, the numbers are those of the page where nothing speaks against it.

    The memory's words of those that are somewhere else are not used.
    """

    CONFIG = ControlRegister.CONFIG // 8
    COORDINATES = ControlRegister.COORDINATES // 8
    CYCLE = ControlRegister.CYCLE // 8
    TOHOST_ADDRESS = ControlRegister.TOHOST_ADDRESS // 8
    TOHOST = ControlRegister.TOHOST // 8
    STATUS = ControlRegister.STATUS // 8
    #: One word for both: the page alone shows the one, and the core alone asks for the other.
    MCOUNTINHIBIT = ControlRegister.STATUS // 8
    FIRST_START = ControlRegister.FIRST_START // 8
    LAST_STOP = ControlRegister.LAST_STOP // 8
    MATRIX_STEPS = ControlRegister.MATRIX_STEPS // 8
    RETIRED = ControlRegister.RETIRED // 8
    REQUESTS_SENT = ControlRegister.REQUESTS_SENT // 8
    REQUESTS_RECEIVED = ControlRegister.REQUESTS_RECEIVED // 8
    BANK_CONFLICTS = ControlRegister.BANK_CONFLICTS // 8
    LINES_LOADED = ControlRegister.LINES_LOADED // 8
    LINES_STORED = ControlRegister.LINES_STORED // 8
    MINSTRET = 15
    PC = _THREAD + ThreadRegister.PC // 8
    STATE = _THREAD + ThreadRegister.STATE // 8
    CAUSE = _THREAD + ThreadRegister.CAUSE // 8
    VALUE = _THREAD + ThreadRegister.VALUE // 8
    EXIT_CODE = _THREAD + ThreadRegister.EXIT_CODE // 8
    MSCRATCH = 21
    WAIT = _THREAD + ThreadRegister.WAIT // 8
    #: One word for both: the page alone shows the one, and asks for the other as one of the debug block.
    DATA = _THREAD + ThreadRegister.WAIT // 8
    #: One word for both: the page alone shows the one, and the core alone asks for the other.
    UNHANDLED_ERRORS = _THREAD + ThreadRegister.UNHANDLED_ERRORS // 8
    MHARTID = _THREAD + ThreadRegister.UNHANDLED_ERRORS // 8
    MTVEC = 24
    MEPC = 25
    MFORMAT = 26
    MISA = 27
    MSTATUS = 28
    MSEED = 29
    MFLAGS = 30
    #: What reads 0, and what is not there.
    ZERO = 31


_WORDS = 32

#: Registers that are in memory.
_STORED = (
    _Word.CYCLE, _Word.TOHOST_ADDRESS, _Word.TOHOST, _Word.FIRST_START, _Word.LAST_STOP, _Word.MATRIX_STEPS, _Word.RETIRED,
    _Word.REQUESTS_SENT, _Word.REQUESTS_RECEIVED, _Word.BANK_CONFLICTS, _Word.LINES_LOADED, _Word.LINES_STORED, _Word.MINSTRET,
    _Word.CAUSE, _Word.VALUE, _Word.EXIT_CODE, _Word.MTVEC, _Word.MSCRATCH, _Word.MEPC, _Word.MSEED,
)  # fmt: skip

#: The first of eight counters, whose last one is minstret.
_COUNTERS = _Word.MATRIX_STEPS

#: Cycles in which all counters are brought up to date, at most: four for each, four for an access of the page, and as many for
#: each of the CSR instructions that follow one another, ten cycles apart.
_TURN_CYCLES = 60

#: Words of CSRs, by bits 11, 10, 6 and 5 of their numbers, bit 3 or 4, and bits 2, 1 and 0.
_CSR_PATTERNS = {
    "0101----": _Word.DATA,
    "0-00-0-0": _Word.MSTATUS,
    "0-00-0-1": _Word.MISA,
    "0-00-1-0": _Word.ZERO,
    "0-00-1-1": _Word.MTVEC,
    "0-01000-": _Word.MCOUNTINHIBIT,
    "0-01001-": _Word.ZERO,
    "0-0101--": _Word.ZERO,
    "0-011---": _Word.ZERO,
    "001--000": _Word.MSCRATCH,
    "001--001": _Word.MEPC,
    "001--010": _Word.CAUSE,
    "001--011": _Word.VALUE,
    "001--1--": _Word.ZERO,
    "011--0--": _Word.MFORMAT,
    "011--1-0": _Word.MFLAGS,
    "011--1-1": _Word.MSEED,
    "10--000-": _Word.CYCLE,
    "10--0010": _Word.MINSTRET,
    "10--0011": _Word.ZERO,
    "10--01--": _Word.ZERO,
    "10--1---": _Word.ZERO,
    "111----0": _Word.COORDINATES,
    "111----1": _Word.CONFIG,
    "110--0--": _Word.ZERO,
    "110--1-0": _Word.MHARTID,
    "110--1-1": _Word.ZERO,
}

_HALF = 32


class NodeRegisters(wiring.Component):
    """Every CSR of a node's only thread, and its control page, as ``golden.layout`` lists them.

    One thing is done after the other, each in four cycles: two in which the halves of a word are read, and two in which they
    are shown, changed and written. In between the counters are brought up to date, one after the other, while they count; so a
    command may have to wait for three cycles, after a start for eight more, and an access of the page until each counter has
    had its turn. A read shows all events of the cycles before it was asked for.

    Memory has of mcycle how far it is behind the cycle count, or, while mcountinhibit stops it, all of it; what a CSR instruction
    writes there is brought into that form afterwards, which takes four cycles more, and so does a change of mcountinhibit.

    After reset, memory is cleared for 128 cycles.

    Parameters
    ----------
    config : NodeConfig
        With one thread.

    Members
    -------
    x, y : In(13); cycle : In(64); links : In(4)
    control : In(ControlPort)
    semaphores : In(semaphores x 16), state : In(ThreadState), wait : In(32), unhandled_errors : In(8), pc : In(64)
        What the page shows that is not here.
    semaphore_overflow : In(1), overflowed_semaphore : In(5), clear_overflow : Out(1)
        Levels that STATUS shows, and a strobe: a write of STATUS clears them, as it clears what STATUS has of drops and links.
    dropped : In(1), a strobe
    stepped, retired, sent, received, lines_stored : In(1); conflicts : In(3); lines_loaded : In(2)
        Events of the cycle. A CSR instruction retires in the cycle of ``done`` or later, but before the next ``go``; one that
        writes mcountinhibit counts as it was before.
    injected : In(1)
        What retires is injected, and does not count.
    start, stop : Out(1), start_pc : Out(64)
        The page starts or stops the thread at the end of this cycle, the one before ``control.ready``. ``state`` is active then
        for as long as it takes to do a command or another stop.
    command, inject : Out(1)
        The page writes ``start_pc``, which has been the same in the cycle before, into COMMAND or INSTRUCTION of the debug block,
        in the cycle before ``control.ready``.
    boundary : In(1), event_waiting : Out(1)
        The page changes what concerns the thread (start, stop, COMMAND, INSTRUCTION, TOHOST_ADDRESS) only in a cycle of
        ``boundary``, in which there is no command, and tells that it waits for one.
    debug_control : Out(2), debug_status : In(22)
        Registers of the debug block.
    post : Out(PostLayout)
        From the page.
    go : In(1), kind : In(NodeCommand), op : In(CsrOp), operand : In(64), cause : In(6)
        A command; there is none between ``go`` and ``done``.
    number : In(12), formats : In(64), pc : In(64)
        Of a command, from ``go`` until ``done``: the CSR, the value if it is one of mformat0 to mformat3, and what a trap
        leaves in mepc.
    done : Out(1), read : Out(64), exists : Out(1)
        The command is done: six cycles after ``go`` at the earliest, 10 for CSR where mcycle or mcountinhibit is written, 18 for
        TRAP. ``read`` and ``exists`` stay until the next
        ``go``: of CSR the value before, and whether there is such a register; of TRAP mtvec; of MRET mepc.
    write_formats, reseed : Out(1), written : Out(64)
        One of mformat0 to mformat3, or mseed, is written with this value at the end of the cycle, the one before ``done``.
    raise_flags : In(6)
        Sets bits of mflags; not while a command writes it.
    tohost_enabled : Out(1), tohost_offset : Out(21)
        TOHOST_ADDRESS is in the node's SRAM window, and where.
    exited : Out(1)
    clearing : Out(1)
        Memory is being cleared: no commands.
    busy : Out(1)
        A register changes by itself.
    """

    def __init__(self, config: NodeConfig):
        assert config.threads == 1
        self.config = config
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "cycle": In(64),
                "links": In(4),
                "control": In(ControlPort()),
                "semaphores": In(data.ArrayLayout(SEMAPHORE_VALUE_BITS, config.semaphores)),
                "state": In(ThreadState),
                "wait": In(32),
                "unhandled_errors": In(range(MAX_UNHANDLED_ERRORS + 1)),
                "pc": In(64),
                "semaphore_overflow": In(1),
                "overflowed_semaphore": In(SEMAPHORE_ID_BITS),
                "clear_overflow": Out(1),
                "dropped": In(1),
                "stepped": In(1),
                "retired": In(1),
                "injected": In(1),
                "sent": In(1),
                "received": In(1),
                "conflicts": In(3),
                "lines_loaded": In(2),
                "lines_stored": In(1),
                "start": Out(1),
                "stop": Out(1),
                "start_pc": Out(64),
                "command": Out(1),
                "inject": Out(1),
                "debug_control": Out(CONTROL_BITS),
                "debug_status": In(STATUS_BITS),
                "boundary": In(1),
                "event_waiting": Out(1),
                "post": Out(PostLayout()),
                "go": In(1),
                "kind": In(NodeCommand),
                "number": In(12),
                "op": In(CsrOp),
                "operand": In(64),
                "cause": In(6),
                "formats": In(64),
                "done": Out(1),
                "read": Out(64),
                "exists": Out(1),
                "write_formats": Out(1),
                "reseed": Out(1),
                "written": Out(64),
                "raise_flags": In(FLAG_BITS),
                "tohost_enabled": Out(1),
                "tohost_offset": Out(OFFSET_BITS),
                "exited": Out(1),
                "clearing": Out(1, init=1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # What is being done: its word, or semaphore, or register of the debug block; in which cycles halves are read, and in
        # which they are shown and written.
        self._word, self._semaphore, self._debug = Signal(5), Signal(), Signal()
        self._read_low, self._read_high, self._low, self._high = (
            Signal(name=name) for name in ("read_low", "read_high", "low", "high")
        )
        # It is the core's, or the page's. It writes the word, by this operation; it stores what is elsewhere.
        self._of_core, self._of_page, self._writes, self._op = Signal(), Signal(), Signal(), Signal(CsrOp, init=CsrOp.WRITE)
        self._copies = Signal()
        # A command that waits, and how far a trap has come.
        self._commanded, self._step = Signal(), Signal(2)
        # mcycle and minstret stand still; the latter does from the retirement of the instruction on that says so.
        self._cycle_stopped, self._instret_stopped, self._instret_stands = Signal(), Signal(), Signal()
        # The second step of a command for mcycle or mcountinhibit; mcycle stood still before; the core's mcycle has to do with
        # the clock.
        self._second, self._was_stopped, self._clocked = Signal(), Signal(), Signal()
        self._kind, self._csr_op = Signal(NodeCommand), Signal(CsrOp)
        self._operand, self._cause = Signal(64, reset_less=True), Signal(6, reset_less=True)
        # The clock as it was when something was asked for or had to be noted.
        self._time = Signal(64, reset_less=True)
        self._value, self._changed = Signal(_HALF), Signal(_HALF)
        self._finishes = Signal()
        # The thread has halted since its last start, so that EXIT_CODE is what memory holds.
        self._halted = Signal()
        m.submodules.watch = self._watch = LinkWatch()
        m.d.comb += [self._watch.links.eq(self.links), self._watch.clear.eq(self.clear_overflow)]

        self._take_commands(m)
        self._take_accesses(m)
        self._count(m)
        self._begin(m)
        self._show(m)
        self._change(m)
        self._finish(m)
        return m

    def _take_commands(self, m):
        with m.If(self.go):
            m.d.sync += [
                self._commanded.eq(1),
                self._step.eq(3),
                self._kind.eq(self.kind),
                self._csr_op.eq(self.op),
                self._operand.eq(self.operand),
                self._cause.eq(self.cause),
            ]
        # Which CSR it is is known by few bits of its number.
        number = self.number
        self._csr, self._csr_writes, exists = Signal(_Word), Signal(), Signal()
        with m.Switch(Cat(number[:3], number[3:5].any(), number[5:7], number[10:])):
            for pattern, word in _CSR_PATTERNS.items():
                with m.Case(pattern):
                    m.d.comb += self._csr.eq(word)
        groups: dict[int, list[int]] = {}
        for existing in (number for number in CSR_NUMBERS.values() if number not in INJECTED_CSRS):
            groups.setdefault(existing >> 3, []).append(existing & 7)
        with m.Switch(number[3:]):
            for group, members in groups.items():
                with m.Case(group), m.Switch(number[:3]):
                    with m.Case(*members):
                        m.d.comb += exists.eq(1)
        for existing in INJECTED_CSRS:
            with m.If(self.injected & (number == existing)):
                m.d.comb += exists.eq(1)
        m.d.comb += self._csr_writes.eq(exists & (self._csr_op != CsrOp.NONE))
        with m.If(self._finishes):
            m.d.sync += self.exists.eq(exists)

    def _take_accesses(self, m):
        """Accesses of the page wait in a register, so that nothing long hangs on the network."""
        control = self.control
        self._wanted, self._concerns_thread = Signal(), Signal()
        # What concerns the thread is done in one cycle; the network hears of it in the next.
        self._strikes, self._struck = Signal(), Signal()
        thread, debug = THREAD_BLOCK // 8, DEBUG_BLOCK // 8
        m.d.comb += self.event_waiting.eq(self._wanted & self._concerns_thread)
        m.d.sync += [
            self._struck.eq(self._strikes),
            self._wanted.eq(control.access & ~control.ready & ~self._of_page & ~self._strikes),
            self._concerns_thread.eq(
                control.write
                & (
                    (control.register == ControlRegister.TOHOST_ADDRESS // 8)
                    | (control.register == thread + ThreadRegister.PC // 8)
                    | (control.register == thread + ThreadRegister.STATE // 8)
                    | (control.register == debug + DebugRegister.COMMAND // 8)
                    | (control.register == debug + DebugRegister.INSTRUCTION // 8)
                )
            ),
        ]

    def _begin(self, m):
        """What is done next, and its preparation in the cycle before its first half is read."""
        control = self.control
        active, was_active = Signal(), Signal()
        stops = Signal()
        m.d.comb += [
            active.eq((self.state == ThreadState.RUNNING) | (self.state == ThreadState.WAITING)),
            stops.eq(was_active & ~active),
        ]
        m.d.sync += was_active.eq(active)

        # What memory has to be told goes before everything else.
        first_start, last_stop, owes = Signal(), Signal(), Signal()
        # Counters have counted; the word that is written next of them; the page has had its turn.
        counted, turn, had_access = Signal(), Signal(range(_WORDS)), Signal()
        free, begins, accessible, accesses, counts = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            owes.eq(first_start | last_stop),
            free.eq(~(self._read_low | self._read_high | self._low)),
            accessible.eq(self._wanted & (~self._concerns_thread | self.boundary)),
        ]
        m.d.sync += [
            self._read_low.eq(begins),
            self._read_high.eq(self._read_low),
            self._low.eq(self._read_high),
            self._high.eq(self._low),
        ]
        with m.If(self._high):
            m.d.sync += [self._of_core.eq(0), self._of_page.eq(0)]

        def begin(word, *, copies=0, writes=1, op=CsrOp.WRITE, semaphore=0, debug=0, second=0, clocked=0):
            m.d.comb += begins.eq(1)
            m.d.sync += [
                self._word.eq(word),
                self._semaphore.eq(semaphore),
                self._debug.eq(debug),
                self._copies.eq(copies),
                self._writes.eq(writes),
                self._op.eq(op),
                self._second.eq(second),
                self._clocked.eq(clocked),
            ]

        # Between two accesses of the page every counter has its turn.
        page_turn = (turn[:3] == 0) & ~had_access
        at_once = self._concerns_thread & control.register[5]
        with m.If(free):
            with m.If(owes):
                begin(Mux(first_start, _Word.FIRST_START, _Word.LAST_STOP), copies=1, op=CsrOp.NONE)
                m.d.sync += first_start.eq(0)
                with m.If(~first_start):
                    m.d.sync += last_stop.eq(0)
            with m.Elif(self._commanded):
                self._begin_command(m, begin)
            with m.Elif(self.clearing | (counted & ~(accessible & page_turn))):
                word = Cat(turn[:3], Mux(self.clearing, turn[3:], _COUNTERS >> 3))
                begin(word, op=Mux(self.clearing, CsrOp.WRITE, CsrOp.NONE))
                m.d.comb += counts.eq(1)
                m.d.sync += [turn.eq(turn + 1), had_access.eq(0)]
                with m.If(turn.all()):
                    m.d.sync += self.clearing.eq(0)
            with m.Elif(accessible):
                m.d.comb += accesses.eq(1)
                m.d.sync += had_access.eq(1)
                with m.If(~at_once):
                    m.d.sync += self._of_page.eq(1)
                    self._begin_access(m, begin)

        m.d.comb += [
            self._strikes.eq(accesses & at_once),
            self.start.eq(self._strikes & ~control.register[0] & ~control.register[7]),
            self.stop.eq(self._strikes & control.register[0] & ~control.register[7]),
            self.command.eq(self._strikes & ~control.register[0] & control.register[7]),
            self.inject.eq(self._strikes & control.register[0] & control.register[7]),
            self.start_pc.eq(control.write_data),
            control.ready.eq(self._struck | (self._high & self._of_page)),
        ]
        with m.If(self.start):
            m.d.sync += [self._halted.eq(0), first_start.eq(~active)]
        # A misaligned start may end in the cycle in which it begins.
        with m.If(stops | (self.start & ~active & self.start_pc[:2].any())):
            m.d.sync += last_stop.eq(1)
        with m.If(self.start | stops | (begins & ~owes)):
            m.d.sync += self._time.eq(self.cycle)
        with m.If(accesses & self._concerns_thread & ~control.register[5]):
            address = control.write_data
            m.d.sync += [
                self.exited.eq(0),
                self.tohost_offset.eq(address),
                self.tohost_enabled.eq(address[OFFSET_BITS:] == SRAM_BASE >> OFFSET_BITS),
            ]

        m.d.sync += counted.eq((counted & ~counts) | self._events)
        m.d.comb += self.busy.eq(
            self.clearing
            | owes
            | self._commanded
            | self._events
            | counted
            | ~free
            | self._high
            | self.done
            | (active != was_active)
            | self._watch.busy
        )

    def _begin_command(self, m, begin):
        m.d.sync += [self._commanded.eq(0), self._of_core.eq(1)]
        with m.Switch(self._kind):
            with m.Case(NodeCommand.CSR):
                stopped, of_cycle = self._cycle_stopped, self._csr == _Word.CYCLE
                with m.If(self._step == 3):
                    begin(self._csr, writes=self._csr_writes, op=self._csr_op, clocked=~stopped)
                    two_steps = self._csr_writes & (of_cycle | (self._csr == _Word.MCOUNTINHIBIT))
                    m.d.sync += [self._step.eq(2), self._commanded.eq(two_steps), self._was_stopped.eq(stopped)]
                with m.Else():
                    changes = Mux(of_cycle, ~stopped, stopped ^ self._was_stopped)
                    begin(_Word.CYCLE, writes=changes, op=CsrOp.NONE, second=1, clocked=1)
            with m.Case(NodeCommand.TRAP):
                m.d.sync += [self._step.eq(self._step - 1), self._commanded.eq(self._step != 0)]
                with m.Switch(self._step):
                    with m.Case(3):
                        begin(_Word.VALUE)
                    with m.Case(2):
                        begin(_Word.CAUSE, copies=1, op=CsrOp.NONE)
                    with m.Case(1):
                        begin(_Word.MEPC, copies=1, op=CsrOp.NONE)
                    with m.Default():
                        begin(_Word.MTVEC, writes=0, op=CsrOp.NONE)
            with m.Case(NodeCommand.MRET):
                begin(_Word.MEPC, writes=0)
            with m.Case(NodeCommand.HALT):
                begin(_Word.EXIT_CODE)
            with m.Default():
                begin(_Word.TOHOST)

    def _begin_access(self, m, begin):
        register = self.control.register
        thread_bits, semaphore_bits = ceil_log2(THREAD_STRIDE // 8), ceil_log2(self.config.semaphores)
        in_node, in_thread, in_semaphores, in_debug = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            in_node.eq((register[4:] == 0) & ~register[:4].all()),
            in_thread.eq(register[thread_bits:] == THREAD_BLOCK // 8 >> thread_bits),
            in_semaphores.eq(register[semaphore_bits:] == SEMAPHORE_BLOCK // 8 >> semaphore_bits),
            in_debug.eq((register[thread_bits:] == DEBUG_BLOCK // 8 >> thread_bits) & ~(register[2] & register[:2].any())),
        ]
        word = Signal(5)
        m.d.comb += word.eq(register)
        with m.If(in_thread):
            m.d.comb += word[3:].eq(_THREAD >> 3)
            with m.If(register[:3] == ThreadRegister.RETIRED // 8):
                m.d.comb += word.eq(_Word.MINSTRET)
        # The last one of the debug block is DATA; the others are at the places of the thread's, which do not show.
        with m.If(in_debug):
            m.d.comb += word.eq(Cat(register[0], register[1] | register[2], register[2], C(_THREAD >> 3, 2)))
        exists = in_node | in_thread | in_semaphores | in_debug
        # Of those that concern the thread, only TOHOST_ADDRESS comes here.
        writes = self._concerns_thread | (in_debug & self.control.write)
        begin(word | (~exists).replicate(5), writes=writes, semaphore=in_semaphores, debug=in_debug)

    def _count(self, m):
        """Events are counted in flip-flops; what memory holds of a counter may be old."""
        # The instruction that has written minstret is still to retire.
        self._writer = Signal()
        events = {
            _Word.MATRIX_STEPS: self.stepped,
            _Word.RETIRED: self.retired & ~self.injected,
            _Word.REQUESTS_SENT: self.sent,
            _Word.REQUESTS_RECEIVED: self.received,
            _Word.BANK_CONFLICTS: self.conflicts,
            _Word.LINES_LOADED: self.lines_loaded,
            _Word.LINES_STORED: self.lines_stored,
            _Word.MINSTRET: self.retired & ~self.injected & ~self._writer & ~self._instret_stands,
        }
        assert list(events) == list(range(_COUNTERS, _COUNTERS + 8))
        m.submodules.counts = self._counts = counts = RecentCounts(tuple(len(event) for event in events.values()), _TURN_CYCLES)
        self._events = counts.any
        # They come from all over the core, and are counted a cycle later: what asks for a count takes two to get there.
        m.d.sync += counts.events.eq(Cat(events.values()))
        m.d.comb += counts.number.eq(self._word)
        with m.If(self.retired):
            m.d.sync += [self._writer.eq(0), self._instret_stands.eq(self._instret_stopped)]

    def _show(self, m):
        """The word's halves, one after the other, in the cycles of ``low`` and ``high``.

        Whatever a word may come from is brought into a register of its own, which is 0 if the word comes from elsewhere: such
        registers cost nothing but flip-flops, and all of them together are ored.
        """
        word = self._word
        selection = Selection(m, _HALF)

        def show(chosen, low: Value, high: Value | None = None):
            hidden, high_hidden = Signal(), Signal(init=1)
            m.d.comb += hidden.eq(~(self._read_low & chosen))
            selection.add(hidden, low)
            if high is not None:
                m.d.sync += high_hidden.eq(hidden)
                selection.add(high_hidden, high)

        def later(value):
            """The upper half as it is with the lower one."""
            half = Signal(_HALF, reset_less=True)
            with m.If(self._read_low):
                m.d.sync += half.eq(value[_HALF:])
            return half

        def at(*words: _Word):
            return reduce(or_, (word == choice for choice in words)) & ~self._semaphore & ~self._debug

        def in_debug_block(register: DebugRegister):
            return self._debug & (word == _THREAD + register // 8)

        own = Cat(C(0, OFFSET_BITS), self.x, self.y)
        for choice, value in (
            (at(_Word.COORDINATES), own),
            (at(_Word.MFORMAT), self.formats),
        ):
            show(choice, value[:_HALF], value[_HALF:])
        for choice, value in (
            (
                (at(_Word.CYCLE) & (self._clocked | ~self._of_core)) | (self._copies & at(_Word.FIRST_START, _Word.LAST_STOP)),
                self._time,
            ),
            (at(_Word.PC) | (self._copies & at(_Word.MEPC)), self.pc),
        ):
            show(choice, value[:_HALF], later(value))
        undeliverable = Signal()
        with m.If(self.clear_overflow):
            m.d.sync += undeliverable.eq(0)
        with m.If(self.dropped):
            m.d.sync += undeliverable.eq(1)
        states = Cat(
            Cat(self.state == state, C(0, 3)) for state in (ThreadState.RUNNING, ThreadState.WAITING, ThreadState.TRAPPED)
        )
        flags = Cat(self.exited, self.semaphore_overflow, undeliverable, C(0, 1))
        stopped = self.state == ThreadState.STOPPED
        status = Cat(states, flags, self.links, stopped, C(0, 3), self.overflowed_semaphore)
        show(at(_Word.STATUS) & ~self._of_core, status, self._watch.lost)
        self._enable, self._enable_before, self._flags = Signal(), Signal(), Signal(FLAG_BITS)
        for choice, value in (
            (at(_Word.MCOUNTINHIBIT) & self._of_core, Cat(self._cycle_stopped, C(0, 1), self._instret_stopped)),
            (at(_Word.STATE), self.state),
            (at(_Word.WAIT) & ~self._of_core, Cat(self.wait[:5], C(0, 11), self.wait[16:])),
            (at(_Word.UNHANDLED_ERRORS) & ~self._of_core, self.unhandled_errors),
            (at(_Word.MHARTID) & self._of_core, Cat(C(0, 2), self.x, self.y)),
            (at(_Word.MSTATUS), Cat(C(0, 3), self._enable, C(0, 3), self._enable_before, C(0, 3), C(3, 2))),
            (at(_Word.MFLAGS), self._flags),
            (self._copies & at(_Word.CAUSE), self._cause),
            (in_debug_block(DebugRegister.CONTROL), self.debug_control),
            (in_debug_block(DebugRegister.STATUS), self.debug_status),
        ):
            show(choice, Value.cast(value))
        for number in range(self.config.semaphores):
            show(self._semaphore & (word == number), self.semaphores[number])

        # What is in memory. It is written in other cycles than it is read in; constants, and 0 for what is elsewhere, never are.
        constants = {_Word.CONFIG: self.config.descriptor, _Word.MISA: MISA_VALUE}
        halves = [constants.get(number, 0) >> shift & (1 << _HALF) - 1 for number in range(_WORDS) for shift in (0, _HALF)]
        m.submodules.words = memory = Memory(
            shape=_HALF, depth=2 * _WORDS, init=halves, attrs={"ram_style": "block", "no_rw_check": 1}
        )
        read_port, self._write_port = memory.read_port(), memory.write_port()
        self._stored = Signal()
        m.d.comb += [read_port.en.eq(self._read_low | self._read_high), read_port.addr.eq(Cat(self._read_high, word))]
        # Of the page, only the debug block has DATA, and only DATA of it is in memory.
        at_data = word == _Word.DATA
        m.d.sync += self._stored.eq(at(*_STORED) | (at_data & ~self._semaphore & (self._debug | ~self._of_page)))
        stored, hidden = Signal(_HALF, reset_less=True), Signal()
        # These two are 0 if nothing has come since what clears them.
        empty = ((word == _Word.TOHOST) & ~self.exited) | ((word == _Word.EXIT_CODE) & ~self._halted)
        # The page's cycle count is none of memory's business; the core's is what the clock has beyond memory.
        empty |= (word == _Word.CYCLE) & ~self._of_core
        empty |= self._of_page & (self._debug ^ at_data)
        behind = (word == _Word.CYCLE) & self._of_core & self._clocked
        m.d.sync += hidden.eq(~((self._read_low | self._read_high) & ~self._semaphore & ~self._copies & ~empty))
        with m.If(hidden):
            m.d.sync += stored.eq(0)
        with m.Else():
            m.d.sync += stored.eq(read_port.data ^ behind.replicate(_HALF))

        # A counter's low bits are not those in memory, and its upper bits those or one more.
        selection.join(self._counts.complement)
        other, kept = selection.result(), Signal.like(self._counts.kept)
        total, carry = Signal(_HALF + 1), Signal()
        m.d.comb += [
            self._counts.take.eq(self._read_low & at(*range(_COUNTERS, _COUNTERS + 8))),
            total.eq(stored + other + carry),
            self._value.eq(total),
        ]
        for bit, chosen in enumerate(kept):
            with m.If(chosen):
                m.d.comb += self._value[bit].eq(~other[bit])
        m.d.sync += [kept.eq(self._counts.kept), carry.eq(Mux(self._low, total[_HALF], behind))]

    def _change(self, m):
        """What is written: the halves as they are shown, modified by the core's operand, or what the page is given."""
        selection = Selection(m, _HALF)
        for mine, value in ((self._of_core, self._operand), (self._of_page, self.control.write_data)):
            for half, cycle in ((value[:_HALF], self._read_low), (value[_HALF:], self._read_high)):
                selection.add(~(mine & cycle), half)
        operand = selection.result()
        with m.Switch(self._op):
            with m.Case(CsrOp.WRITE):
                m.d.comb += self._changed.eq(operand)
            with m.Case(CsrOp.SET):
                m.d.comb += self._changed.eq(self._value | operand)
            with m.Case(CsrOp.CLEAR):
                m.d.comb += self._changed.eq(self._value & ~operand)
            with m.Default():
                m.d.comb += self._changed.eq(self._value)

        port, word = self._write_port, self._word
        m.d.comb += [
            port.addr.eq(Cat(self._high, word)),
            port.en.eq(self._writes & self._stored & (self._low | (self._high & (word != _Word.MSEED)))),
            port.data.eq(self._changed),
        ]
        # Addresses of instructions.
        with m.If(self._low & ((word == _Word.MTVEC) | (word == _Word.MEPC))):
            m.d.comb += port.data[:2].eq(0)

    def _finish(self, m):
        """Halves come together; what is not in memory is written."""
        word, low_read, low_changed = self._word, Signal(_HALF, reset_less=True), Signal(_HALF, reset_less=True)
        with m.If(self._low):
            m.d.sync += [low_read.eq(self._value), low_changed.eq(self._changed)]
        writes = self._of_core & self._writes
        m.d.comb += [
            self._finishes.eq(self._high & self._of_core & ~self._commanded),
            self.control.read_data.eq(Cat(low_read, self._value)),
            self.written.eq(Cat(low_changed, self._changed)),
            self.write_formats.eq(writes & self._high & (word == _Word.MFORMAT)),
            self.reseed.eq(writes & self._high & (word == _Word.MSEED)),
            self.post.valid.eq(self._of_page & self._high & self._semaphore & self.control.write),
            self.post.sem.eq(word),
            self.clear_overflow.eq(
                self._of_page & self._high & self.control.write & (word == _Word.STATUS) & ~self._semaphore & ~self._debug
            ),
            self.post.amount.eq(self.control.write_data),
        ]
        m.d.sync += [self.done.eq(self._finishes), self._flags.eq(self._flags | self.raise_flags)]
        with m.If(self._high & self._of_core & ~self._second):
            m.d.sync += self.read.eq(self.control.read_data)
        with m.If(self._finishes):
            with m.Switch(self._kind):
                with m.Case(NodeCommand.TRAP):
                    m.d.sync += [self._enable_before.eq(self._enable), self._enable.eq(0)]
                with m.Case(NodeCommand.MRET):
                    m.d.sync += [self._enable.eq(self._enable_before), self._enable_before.eq(1)]
                with m.Case(NodeCommand.HALT):
                    m.d.sync += self._halted.eq(1)
                with m.Case(NodeCommand.EXIT):
                    m.d.sync += self.exited.eq(1)
        with m.If(writes & self._low):
            with m.Switch(word):
                with m.Case(_Word.MSTATUS):
                    m.d.sync += [self._enable.eq(self._changed[3]), self._enable_before.eq(self._changed[7])]
                with m.Case(_Word.MCOUNTINHIBIT):
                    m.d.sync += [self._cycle_stopped.eq(self._changed[0]), self._instret_stopped.eq(self._changed[2])]
                with m.Case(_Word.MFLAGS):
                    m.d.sync += self._flags.eq(self._changed)
                with m.Case(_Word.MINSTRET):
                    m.d.comb += self._counts.load.eq(1)
                    m.d.sync += self._writer.eq(1)
        with m.If(self._of_page & self._writes & self._low & (word == _THREAD + DebugRegister.CONTROL // 8)):
            m.d.sync += self.debug_control.eq(self._changed)
        m.d.comb += self._counts.value.eq(self._changed)
