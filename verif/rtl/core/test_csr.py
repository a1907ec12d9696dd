# SPDX-License-Identifier: Apache-2.0
"""The CSR file against a model written from the contract."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from golden.layout import CSR_NUMBERS, EVENT_INHIBITS, MHPMCOUNTER_BASE, MHPMEVENT_BASE, MISA_VALUE, PIPE_EVENTS, Csr, Event
from rtl.core.csr import CsrOp, ThreadCsrs
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(ThreadCsrs())
VALUES = st.one_of(st.sampled_from((0, 1, 8, 0x88, 2**64 - 1)), st.integers(0, 2**64 - 1))
FORMATS = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)
#: What is there, and its neighbours.
NUMBERS = st.sampled_from(
    [*Csr, *CSR_NUMBERS.values(), 0x7C6, 0x7FF, 0xC00, 0x310, 0x321, 0x322, 0x340 | 31, 0xB01, 0xB20, 0xF16]
)

CYCLE = st.one_of(
    st.tuples(st.just("csr"), NUMBERS, st.sampled_from(list(CsrOp)), VALUES),
    st.tuples(st.just("csr"), st.sampled_from((*FORMATS, Csr.MFLAGS, Csr.MSEED)), st.sampled_from(list(CsrOp)), VALUES),
    st.tuples(st.just("csr"), st.sampled_from((Csr.MCYCLE, Csr.MINSTRET)), st.sampled_from(list(CsrOp)), VALUES),
    st.tuples(st.just("csr"), st.just(Csr.MCOUNTINHIBIT), st.sampled_from(list(CsrOp)), st.integers(0, 2**15 - 1)),
    st.tuples(st.just("csr"), st.sampled_from([MHPMCOUNTER_BASE + e for e in Event]), st.sampled_from(list(CsrOp)), VALUES),
    st.tuples(st.just("trap"), st.integers(0, 63), VALUES, VALUES),
    st.tuples(st.just("mret"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("nothing"), st.just(0), st.just(0), st.just(0)),
)
#: Instructions retired by each pipe.
RETIRED = st.tuples(st.integers(0, 2), *(st.integers(0, 1) for _ in PIPE_EVENTS[1:]))
OUTSIDE = {"hart": 0x1234, "node": 0x20_0000, "config": 0x5566, "formats": 0x99AA}
FIRST_CYCLE = 0x7788


@property_settings(100)
@given(cycles=st.lists(st.tuples(CYCLE, RETIRED, st.one_of(st.just(0), st.integers(0, 63)), st.integers(0, 15)), max_size=40))
def test_registers_read_what_the_contract_says(cycles: list[Any]) -> None:
    csrs = SIMULATION.component
    state = {csr: 0 for csr in (Csr.MTVEC, Csr.MSCRATCH, Csr.MEPC, Csr.MCAUSE, Csr.MTVAL, Csr.MINSTRET, Csr.MFLAGS, Csr.MSEED)}
    enable = enable_before = inhibit = 0
    state[Csr.MCYCLE] = FIRST_CYCLE
    counts = dict.fromkeys(Event, 0)

    def read_counter(number: int) -> int:
        return counts[Event(number)] if number in set(Event) else {0: state[Csr.MCYCLE], 2: state[Csr.MINSTRET]}.get(number, 0)

    def read(number: int) -> int | None:
        if number == Csr.MSTATUS:
            return 3 << 11 | enable_before << 7 | enable << 3
        if number == Csr.MCOUNTINHIBIT:
            return inhibit
        if number in FORMATS:
            return OUTSIDE["formats"]
        constants = {Csr.MISA: MISA_VALUE, Csr.MNODE: OUTSIDE["node"]}
        constants |= {Csr.MCONFIG: OUTSIDE["config"], Csr.MHARTID: OUTSIDE["hart"]}
        zeros = (Csr.MIE, Csr.MIP, Csr.MVENDORID, Csr.MARCHID, Csr.MIMPID, Csr.MCONFIGPTR)
        if number - MHPMCOUNTER_BASE in set(Event):
            return counts[Event(number - MHPMCOUNTER_BASE)]
        if number - MHPMEVENT_BASE in set(Event):
            return number - MHPMEVENT_BASE
        if number in zeros or 0xB03 <= number <= 0xB1F or 0x323 <= number <= 0x33F:
            return 0
        return {**constants, **state}.get(number)  # type: ignore[call-overload]

    async def check(context: Any) -> None:
        nonlocal enable, enable_before, inhibit, state
        for name, value in OUTSIDE.items():
            context.set(getattr(csrs, name), value)
        for time, ((kind, first, second, third), retired_by, raised, counter) in enumerate(cycles, FIRST_CYCLE):
            retired = sum(retired_by)
            context.set(csrs.cycle, time)
            number = first if kind == "csr" else Csr.MSCRATCH
            op = second if kind == "csr" else CsrOp.NONE
            if number == Csr.MFLAGS and op is not CsrOp.NONE:
                raised = 0
            context.set(csrs.number, number)
            context.set(csrs.op, op)
            context.set(csrs.operand, third if kind == "csr" else 0)
            context.set(csrs.mret, kind == "mret")
            context.set(csrs.retired, retired)
            context.set(csrs.retired_by, dict(zip(csrs.retired_by.shape().members, retired_by, strict=True)))
            context.set(csrs.counter, counter)
            context.set(csrs.trap.valid, kind == "trap")
            context.set(csrs.trap.cause, first if kind == "trap" else 0)
            context.set(csrs.trap.value, second if kind == "trap" else 0)
            context.set(csrs.trap.pc, third if kind == "trap" else 0)
            context.set(csrs.raise_flags, raised)
            before = read(number)
            assert context.get(csrs.exists) == (before is not None), hex(number)
            assert context.get(csrs.read) == (before or 0), hex(number)
            assert context.get(csrs.counted) == read_counter(counter), counter
            assert context.get(csrs.reseed) == (number == Csr.MSEED and op is not CsrOp.NONE)
            assert context.get(csrs.write_formats) == (number in FORMATS and op is not CsrOp.NONE)
            written = {CsrOp.WRITE: third, CsrOp.SET: (before or 0) | third, CsrOp.CLEAR: (before or 0) & ~third}.get(op, 0)
            if context.get(csrs.reseed) or context.get(csrs.write_formats):
                assert context.get(csrs.written) == written
            await context.tick()

            if retired and not inhibit & 4:
                state[Csr.MINSTRET] = (state[Csr.MINSTRET] + retired) % 2**64
            if not inhibit & 1:
                state[Csr.MCYCLE] = (state[Csr.MCYCLE] + 1) % 2**64
            for event, count in zip(PIPE_EVENTS, retired_by, strict=True):
                if not inhibit >> event & 1:
                    counts[event] = (counts[event] + count) % 2**64
            state[Csr.MFLAGS] |= raised
            if kind == "csr" and op is not CsrOp.NONE and before is not None:
                if number == Csr.MSTATUS:
                    enable, enable_before = written >> 3 & 1, written >> 7 & 1
                elif number in (Csr.MTVEC, Csr.MEPC):
                    state[Csr(number)] = written & ~3
                elif number in (Csr.MINSTRET, Csr.MCYCLE):
                    # Whatever leaves X in this cycle is the instruction that writes.
                    state[Csr(number)] = written
                elif number == Csr.MCOUNTINHIBIT:
                    inhibit = written & (5 | EVENT_INHIBITS)
                elif number - MHPMCOUNTER_BASE in counts:
                    counts[Event(number - MHPMCOUNTER_BASE)] = written
                elif number == Csr.MFLAGS:
                    state[Csr.MFLAGS] = written & 0x3F
                elif number == Csr.MSEED:
                    state[Csr.MSEED] = written % 2**32
                elif number in state:
                    state[Csr(number)] = written
            if kind == "mret":
                enable, enable_before = enable_before, 1
            if kind == "trap":
                enable_before, enable = enable, 0
                state |= {Csr.MCAUSE: first, Csr.MTVAL: second, Csr.MEPC: third & ~3}

    SIMULATION.run(check)


@property_settings(40)
@given(injected=st.booleans(), op=st.sampled_from(list(CsrOp)), data=VALUES, operand=VALUES)
def test_dscratch0_is_there_for_injected_instructions_only(injected: bool, op: CsrOp, data: int, operand: int) -> None:
    csrs = SIMULATION.component

    async def check(context: Any) -> None:
        for signal, value in ((csrs.injected, injected), (csrs.debug_data, data), (csrs.number, Csr.DSCRATCH0)):
            context.set(signal, value)
        assert context.get(csrs.exists) == injected
        if not injected:
            return
        context.set(csrs.op, op)
        context.set(csrs.operand, operand)
        assert context.get(csrs.read) == data
        assert context.get(csrs.write_debug_data) == (op is not CsrOp.NONE)
        written = {CsrOp.WRITE: operand, CsrOp.SET: data | operand, CsrOp.CLEAR: data & ~operand}
        assert op is CsrOp.NONE or context.get(csrs.written) == written[op]
        context.set(csrs.number, Csr.MSCRATCH)
        assert context.get(csrs.exists)
        assert not context.get(csrs.write_debug_data)

    SIMULATION.run(check)
