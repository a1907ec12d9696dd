# SPDX-License-Identifier: Apache-2.0
"""Control and status registers of one thread."""

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.layout import (
    GLOBAL_ADDRESS_BITS,
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    MISA_VALUE,
    PERFORMANCE_COUNTERS,
    Csr,
    Event,
    Flag,
)
from rtl.core.event_counts import EventCounts, RetiredLayout, StallLayout
from rtl.core.selector import select_register

__all__ = ["FLAG_BITS", "CsrOp", "ThreadCsrs", "TrapLayout"]

#: Bits of ``mflags``.
FLAG_BITS = len(Flag)


class CsrOp(enum.Enum, shape=2):
    """What a CSR instruction does to the register: bits 0 and 1 of its funct3."""

    NONE = 0
    WRITE = 1
    SET = 2
    CLEAR = 3


class TrapLayout(data.StructLayout):
    """A trap that a thread takes at the end of the cycle."""

    def __init__(self):
        super().__init__({"valid": 1, "cause": 6, "value": 64, "pc": 64})


class ThreadCsrs(wiring.Component):
    """CSRs of one thread: read without a register, written at the end of the cycle.

    Members
    -------
    number : In(12), read : Out(64), exists : Out(1)
        Register number, its value, and whether there is one; read-only numbers (0xC00 and above) exist too.
    op : In(CsrOp), operand : In(64)
        Modifies register ``number`` at the end of the cycle; ignored for read-only ones.
    trap : In(TrapLayout)
        Writes mepc, mcause, mtval and stacks MIE.
    mret : In(1)
        Unstacks MIE.
    retired : In(3), retired_by : In(RetiredLayout)
        What is added to minstret, and to counters of events, at the end of the cycle: instructions that retire. One that writes
        such a counter is not counted, since the written value must not show it, and no other retires in its cycle; one that
        writes mcountinhibit counts as it was before.
    stall : In(StallLayout), waits : In(1)
        Why the thread issues nothing in this cycle; it is WAITING.
    counter : In(4), counted : Out(64)
        Number of a counter as the control page has it, and its value.
    raise_flags : In(6)
        Sets bits of mflags; never in the cycle in which an instruction writes it.
    formats : In(64)
        What ``number`` reads if it is one of mformat0 to mformat3, which are kept elsewhere.
    write_formats, reseed : Out(1), written : Out(64)
        One of mformat0 to mformat3, or mseed, is written with this value at the end of the cycle; where ``op`` is NONE, the
        value is ``operand``.
    hart : In(64), node : In(GLOBAL_ADDRESS_BITS), config : In(64), cycle : In(64)
        Values from outside for mhartid, mnode and mconfig, and the cycle count, which mcycle follows. Nothing here counts
        time: mcycle is a base plus the cycles since a mark.
    injected : In(1), debug_data : In(64), write_debug_data : Out(1)
        A debugger injects the instruction: it also finds dscratch0, which is kept elsewhere; it is written with ``written``.
    vector : Out(64), exception_pc : Out(64), cause : Out(64), value : Out(64), instret : Out(64)
        mtvec, mepc, mcause, mtval, minstret.
    """

    def __init__(self):
        super().__init__(
            {
                "number": In(12),
                "read": Out(64),
                "exists": Out(1),
                "op": In(CsrOp),
                "operand": In(64),
                "trap": In(TrapLayout()),
                "mret": In(1),
                "retired": In(3),
                "retired_by": In(RetiredLayout()),
                "stall": In(StallLayout()),
                "waits": In(1),
                "counter": In(4),
                "counted": Out(64),
                "raise_flags": In(FLAG_BITS),
                "formats": In(64),
                "write_formats": Out(1),
                "reseed": Out(1),
                "written": Out(64),
                "hart": In(64),
                "node": In(GLOBAL_ADDRESS_BITS),
                "config": In(64),
                "cycle": In(64),
                "injected": In(1),
                "debug_data": In(64),
                "write_debug_data": Out(1),
                "vector": Out(64),
                "exception_pc": Out(64),
                "cause": Out(64),
                "value": Out(64),
                "instret": Out(64),
            }
        )

    def elaborate(self, platform):
        m = Module()
        enable, enable_before = Signal(), Signal()
        scratch = Signal(64)
        cycles_stopped, instret_stopped, stands = Signal(), Signal(), Signal()
        events_stopped = Signal(max(Event) + 1)
        base, mark, cycles = Signal(64), Signal(64, init=-1), Signal(64)
        flags, seed = Signal(FLAG_BITS), Signal(32)
        format_csrs = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)
        mstatus = Cat(C(0, 3), enable, C(0, 3), enable_before, C(0, 3), C(3, 2))

        readable = {
            Csr.MSTATUS: mstatus,
            Csr.MISA: C(MISA_VALUE, 64),
            Csr.MIE: C(0, 64),
            Csr.MTVEC: self.vector,
            Csr.MCOUNTINHIBIT: Cat(cycles_stopped, C(0, 1), instret_stopped, events_stopped[3:]),
            Csr.MSCRATCH: scratch,
            Csr.MEPC: self.exception_pc,
            Csr.MCAUSE: self.cause,
            Csr.MTVAL: self.value,
            Csr.MIP: C(0, 64),
            Csr.DSCRATCH0: self.debug_data,
            **dict.fromkeys(format_csrs, self.formats),
            Csr.MFLAGS: flags,
            Csr.MSEED: seed,
            Csr.MCYCLE: cycles,
            Csr.MINSTRET: self.instret,
            Csr.MNODE: self.node,
            Csr.MCONFIG: self.config,
            Csr.MVENDORID: C(0, 64),
            Csr.MARCHID: C(0, 64),
            Csr.MIMPID: C(0, 64),
            Csr.MHARTID: self.hart,
            Csr.MCONFIGPTR: C(0, 64),
        }
        assert set(readable) == set(Csr)
        m.submodules.events = events = EventCounts()
        counts = dict(zip(Event, events.values, strict=True))
        registers = {number.value: value for number, value in readable.items()}
        for event, value in counts.items():
            registers |= {MHPMCOUNTER_BASE + event: value, MHPMEVENT_BASE + event: C(event, 64)}
        selected, exists = select_register(m, self.number, registers)
        by_number = {0: cycles, 2: self.instret} | {event.value: value for event, value in counts.items()}
        on_page, _ = select_register(m, self.counter, by_number)
        # The other performance counters and their events read 0, as what is not there does.
        counter = self.number[: ceil_log2(PERFORMANCE_COUNTERS.stop)]
        above = self.number[len(counter) :]
        has_counter = (counter >= PERFORMANCE_COUNTERS.start) & (
            (above == MHPMCOUNTER_BASE >> len(counter)) | (above == MHPMEVENT_BASE >> len(counter))
        )
        m.d.comb += [
            self.read.eq(selected),
            self.exists.eq((exists & (self.injected | (self.number != Csr.DSCRATCH0))) | has_counter),
            self.counted.eq(on_page),
            events.retired.eq(self.retired_by),
            events.stall.eq(self.stall),
            events.waits.eq(self.waits),
            events.cycle.eq(self.cycle),
            events.inhibit.eq(events_stopped),
            events.write.eq((self.op != CsrOp.NONE) & (self.number[4:] == MHPMCOUNTER_BASE >> 4)),
            events.number.eq(self.number),
            events.written.eq(self.written),
        ]

        # The cycle of a write is not counted on top of it: the mark is the cycle before the first one that counts. A base is
        # what mcycle stands at, from the cycle after the one in which it has been stopped.
        with m.If(cycles_stopped & ~stands):
            m.d.sync += base.eq(cycles)
        elapsed = Signal(64)
        m.d.comb += elapsed.eq(self.cycle + ~mark)
        with m.If(stands):
            m.d.comb += cycles.eq(base)
        with m.Else():
            m.d.comb += cycles.eq(base + elapsed)
        m.d.sync += stands.eq(cycles_stopped)

        written = self.written
        with m.Switch(self.op):
            with m.Case(CsrOp.SET):
                m.d.comb += written.eq(self.read | self.operand)
            with m.Case(CsrOp.CLEAR):
                m.d.comb += written.eq(self.read & ~self.operand)
            with m.Default():
                m.d.comb += written.eq(self.operand)

        m.d.sync += flags.eq(flags | self.raise_flags)
        with m.If(self.retired.any() & ~instret_stopped):
            m.d.sync += self.instret.eq(self.instret + self.retired)
        with m.If(self.op != CsrOp.NONE):
            with m.Switch(self.number):
                with m.Case(Csr.MSTATUS):
                    m.d.sync += [enable.eq(written[3]), enable_before.eq(written[7])]
                with m.Case(Csr.MTVEC):
                    m.d.sync += self.vector.eq(Cat(C(0, 2), written[2:]))
                with m.Case(Csr.MSCRATCH):
                    m.d.sync += scratch.eq(written)
                with m.Case(Csr.MEPC):
                    m.d.sync += self.exception_pc.eq(Cat(C(0, 2), written[2:]))
                with m.Case(Csr.MCAUSE):
                    m.d.sync += self.cause.eq(written)
                with m.Case(Csr.MTVAL):
                    m.d.sync += self.value.eq(written)
                with m.Case(Csr.DSCRATCH0):
                    m.d.comb += self.write_debug_data.eq(1)
                with m.Case(*format_csrs):
                    m.d.comb += self.write_formats.eq(1)
                with m.Case(Csr.MFLAGS):
                    m.d.sync += flags.eq(written)
                with m.Case(Csr.MSEED):
                    m.d.sync += seed.eq(written)
                    m.d.comb += self.reseed.eq(1)
                with m.Case(Csr.MCOUNTINHIBIT):
                    m.d.sync += [
                        cycles_stopped.eq(written[0]),
                        instret_stopped.eq(written[2]),
                        events_stopped.eq(written),
                    ]
                    with m.If(cycles_stopped):
                        m.d.sync += mark.eq(self.cycle)
                with m.Case(Csr.MCYCLE):
                    m.d.sync += [base.eq(written), mark.eq(self.cycle)]
                with m.Case(Csr.MINSTRET):
                    m.d.sync += self.instret.eq(written)
        with m.If(self.mret):
            m.d.sync += [enable.eq(enable_before), enable_before.eq(1)]
        with m.If(self.trap.valid):
            m.d.sync += [
                enable_before.eq(enable),
                enable.eq(0),
                self.cause.eq(self.trap.cause),
                self.value.eq(self.trap.value),
                self.exception_pc.eq(Cat(C(0, 2), self.trap.pc[2:])),
            ]
        return m
