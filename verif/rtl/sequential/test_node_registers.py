# SPDX-License-Identifier: Apache-2.0
"""CSRs and control page in one memory behave as registers of their own would, by a model written from the contract."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from hypothesis import given
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_BYTES, preset
from golden.layout import (
    CSR_NUMBERS,
    DEBUG_BLOCK,
    DEBUG_STRIDE,
    MISA_VALUE,
    OFFSET_BITS,
    OVERFLOW_BIT,
    OVERFLOWED_SEMAPHORE_BIT,
    SEMAPHORE_BLOCK,
    SRAM_BASE,
    THREAD_BLOCK,
    ControlRegister,
    Csr,
    DebugRegister,
    GlobalAddress,
    ThreadRegister,
    ThreadState,
    hart_id,
)
from rtl.core.csr import CsrOp
from rtl.sequential.debug import STATUS_BITS
from rtl.sequential.node_registers import NodeCommand, NodeRegisters
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("nano")
CONFIGS = {"nano": CONFIG, "semaphores": CONFIG.replace(semaphores=32)}
SIMULATIONS = {name: Simulation(NodeRegisters(config)) for name, config in CONFIGS.items()}
X, Y, LINKS = 0x1A55, 0x0B3C, 0b1010
MASK = 2**64 - 1
ACTIVE = (ThreadState.RUNNING, ThreadState.WAITING)
FORMATS = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)
#: Events of a cycle, as (member, page register, largest count).
EVENTS = (
    ("stepped", ControlRegister.MATRIX_STEPS, 1),
    ("retired", ControlRegister.RETIRED, 1),
    ("sent", ControlRegister.REQUESTS_SENT, 1),
    ("received", ControlRegister.REQUESTS_RECEIVED, 1),
    ("conflicts", ControlRegister.BANK_CONFLICTS, 7),
    ("lines_loaded", ControlRegister.LINES_LOADED, 3),
    ("lines_stored", ControlRegister.LINES_STORED, 1),
)
KINDS = {kind.name.lower(): kind for kind in list(NodeCommand)}
PC_PAGE, STATE_PAGE = THREAD_BLOCK + ThreadRegister.PC, THREAD_BLOCK + ThreadRegister.STATE
COMMAND_PAGE, INSTRUCTION_PAGE, CONTROL_PAGE, DATA_PAGE = (
    DEBUG_BLOCK + register
    for register in (DebugRegister.COMMAND, DebugRegister.INSTRUCTION, DebugRegister.CONTROL, DebugRegister.DATA)
)


#: What may change between a command's beginning and its end.
_CHANGING = (Csr.MCYCLE, Csr.DSCRATCH0)

#: Cycles from the one that counts for a write of mcycle or mcountinhibit until it is done.
CONVERTED = 5


class Model:
    """The registers, and what of the node the page shows."""

    def __init__(self, semaphores: int):
        self.enable = self.enable_before = 0
        self.csrs: dict[int, int] = dict.fromkeys(
            (Csr.MTVEC, Csr.MSCRATCH, Csr.MEPC, Csr.MCAUSE, Csr.MTVAL, Csr.MINSTRET, Csr.MFLAGS, Csr.MSEED), 0
        )
        self.formats = [0, 0, 0, 0]
        self.counts: dict[int, int] = {int(register): 0 for _, register, _ in EVENTS}
        self.tohost_address = self.tohost = self.exited = self.exit_code = 0
        self.first_start = self.last_stop = 0
        self.undeliverable = 0
        self.overflowed: int | None = None
        self.state = ThreadState.HALTED
        self.cycle = self.pc = self.wait = self.unhandled_errors = 0
        self.semaphores = [0] * semaphores
        #: mcountinhibit as written, and IR as it holds for the next instruction that retires.
        self.inhibit = self.inhibits_instret = 0
        #: mcycle less the cycle count, or all of it while it is inhibited.
        self.mcycle = 0
        #: The instruction that has written minstret is still to retire.
        self.wrote_minstret = False
        #: What the debug block holds and shows, and whether the instruction is injected.
        self.data = self.control = self.debug_status = self.injected = 0

    def read_csr(self, number: int) -> int | None:
        if number in FORMATS:
            return self.formats[number - Csr.MFORMAT0]
        if number == Csr.DSCRATCH0:
            return self.data if self.injected else None
        values: dict[int, int] = {
            Csr.MSTATUS: 3 << 11 | self.enable_before << 7 | self.enable << 3,
            Csr.MISA: MISA_VALUE,
            Csr.MCOUNTINHIBIT: self.inhibit,
            Csr.MCYCLE: self.mcycle + (0 if self.inhibit & 1 else self.cycle) & MASK,
            Csr.MNODE: int(GlobalAddress(X, Y)),
            Csr.MCONFIG: CONFIG.replace(semaphores=len(self.semaphores)).descriptor,
            Csr.MHARTID: hart_id(X, Y, 0),
            **dict.fromkeys((Csr.MIE, Csr.MIP, Csr.MVENDORID, Csr.MARCHID, Csr.MIMPID, Csr.MCONFIGPTR), 0),
            **dict.fromkeys((*range(0xB03, 0xB20), *range(0x323, 0x340)), 0),
            **self.csrs,
        }
        return values.get(number)

    def write_csr(self, number: int, value: int) -> None:
        if number == Csr.MCYCLE:
            self.mcycle = value if self.inhibit & 1 else value - (self.cycle - CONVERTED)
        elif number == Csr.MCOUNTINHIBIT:
            goes_on_or_stops = (value & 1) - (self.inhibit & 1)
            self.mcycle += goes_on_or_stops * (self.cycle - CONVERTED)
            self.inhibit = value & 5
        elif number == Csr.MSTATUS:
            self.enable, self.enable_before = value >> 3 & 1, value >> 7 & 1
        elif number in FORMATS:
            self.formats[number - Csr.MFORMAT0] = value
        elif number == Csr.DSCRATCH0:
            self.data = value
        elif number in self.csrs:
            masks = {Csr.MTVEC: MASK - 3, Csr.MEPC: MASK - 3, Csr.MFLAGS: 0x3F, Csr.MSEED: 2**32 - 1}
            self.csrs[Csr(number)] = value & masks.get(Csr(number), MASK)
            self.wrote_minstret |= number == Csr.MINSTRET

    def read_page(self, offset: int) -> int:
        thread = {
            ThreadRegister.PC: self.pc,
            ThreadRegister.STATE: int(self.state),
            ThreadRegister.CAUSE: self.csrs[Csr.MCAUSE],
            ThreadRegister.VALUE: self.csrs[Csr.MTVAL],
            ThreadRegister.EXIT_CODE: self.exit_code,
            ThreadRegister.RETIRED: self.csrs[Csr.MINSTRET],
            ThreadRegister.WAIT: self.wait,
            ThreadRegister.UNHANDLED_ERRORS: self.unhandled_errors,
        }
        places = (ThreadState.RUNNING, ThreadState.WAITING, ThreadState.TRAPPED)
        status = sum(1 << 4 * place for place, state in enumerate(places) if state == self.state)
        status |= self.exited << 12 | self.undeliverable << 14 | LINKS << 16
        if self.overflowed is not None:
            status |= 1 << OVERFLOW_BIT | self.overflowed << OVERFLOWED_SEMAPHORE_BIT
        status |= (self.state == ThreadState.STOPPED) << 20
        values: dict[int, int] = {
            ControlRegister.CONFIG: CONFIG.replace(semaphores=len(self.semaphores)).descriptor,
            ControlRegister.COORDINATES: int(GlobalAddress(X, Y)),
            ControlRegister.CYCLE: self.cycle,
            ControlRegister.TOHOST_ADDRESS: self.tohost_address,
            ControlRegister.TOHOST: self.tohost,
            ControlRegister.STATUS: status,
            ControlRegister.FIRST_START: self.first_start,
            ControlRegister.LAST_STOP: self.last_stop,
            **self.counts,
            **{THREAD_BLOCK + register: value for register, value in thread.items()},
            CONTROL_PAGE: self.control,
            DEBUG_BLOCK + DebugRegister.STATUS: self.debug_status,
            DATA_PAGE: self.data,
            **{SEMAPHORE_BLOCK + 8 * number: value for number, value in enumerate(self.semaphores)},
        }
        return values.get(offset, 0)


class Driver:
    """A core and a host, which do what their scripts say at the same time, among events that a seed decides; so
    many of the core's commands are of injected instructions.

    Core: ("csr", number, op, value), ("trap", cause, value), ("mret",), ("halt", value), ("exit", value), ("park",), ("rest",
    cycles). Host: ("read", offset), ("write", offset, value), ("rest", cycles).
    """

    def __init__(self, context: Any, registers: Any, *, seed: int = 0, density: float = 0, cycle: int = 0, injects: float = 0):
        self.context, self.registers = context, registers
        self.rng, self.density, self.injects = random.Random(seed), density, injects
        self.model = Model(len(registers.semaphores))
        self.model.cycle = cycle
        self.host: dict[str, Any] | None = None
        self.command: dict[str, Any] | None = None
        self.retires_in: int | None = None
        self.core_rests = self.host_rests = 0
        self.reads: list[int] = []
        for name, value in (("x", X), ("y", Y), ("links", LINKS), ("formats", 0), ("go", 0)):
            context.set(getattr(registers, name), value)
        context.set(registers.control.access, 0)
        for number, value in enumerate(self.model.semaphores):
            context.set(registers.semaphores[number], value)

    def get(self, name: str) -> int:
        return int(self.context.get(getattr(self.registers, name)))

    async def run(self, core: Sequence[Any] = (), host: Sequence[Any] = (), *, limit: int = 20_000) -> None:
        """Play both scripts to their ends, and everything that they have begun."""
        core, host = list(core), list(host)
        for _ in range(limit):
            await self.cycle(core, host)
            under_way = self.host or self.command or self.core_rests or self.host_rests or self.retires_in is not None
            if not (core or host or under_way):
                return
        raise AssertionError("it does not come to an end")

    async def rest(self, limit: int = 300) -> None:
        """Let nothing happen until nothing changes by itself."""
        density, self.density = self.density, 0
        for _ in range(limit):
            await self.cycle([], [])
            if not self.get("busy"):
                break
        else:
            raise AssertionError("it does not come to rest")
        for _ in range(10):
            await self.cycle([], [])
            assert not self.get("busy")
        self.density = density

    async def cycle(self, core: list[Any], host: list[Any], *, retires: bool = False) -> None:
        context, registers, model, rng = self.context, self.registers, self.model, self.rng
        put = context.set
        resting, parked = self.command is None and self.retires_in is None, False

        # What the core does.
        put(registers.go, 0)
        goes = False
        if self.core_rests:
            self.core_rests -= 1
        elif core and resting and not self.get("clearing"):
            action = core.pop(0)
            if action[0] == "rest":
                self.core_rests = action[1]
            elif action[0] == "park":
                parked = model.state == ThreadState.RUNNING
            else:
                self._go(action)
                goes = True
        if not goes:
            # A command's operands are its own in the cycle of go only.
            for name, bits in (("kind", 2), ("op", 2), ("operand", 64), ("cause", 6)):
                put(getattr(registers, name), rng.getrandbits(bits))
        put(registers.injected, model.injected)
        if rng.random() < self.density:
            model.debug_status = rng.getrandbits(STATUS_BITS)
        put(registers.debug_status, model.debug_status)
        if self.command is None:
            put(registers.number, rng.getrandbits(12))
            model.pc = rng.choice((model.pc, 0x8000_0000, 0x7FFF_FFFF_FFFF_FFFC, 0x1_0000_0000))
        put(registers.pc, model.pc)
        boundary = self.command is None and rng.random() < 0.5
        put(registers.boundary, boundary)

        # What the host does.
        if self.host_rests:
            self.host_rests -= 1
        elif self.host is None and host:
            action = host.pop(0)
            if action[0] == "rest":
                self.host_rests = action[1]
            else:
                self.host = {
                    "write": action[0] == "write",
                    "offset": action[1],
                    "value": action[-1],
                    "seen": set(),
                    "struck": False,
                }
        if self.host:
            put(registers.control.register, self.host["offset"] // 8)
            put(registers.control.write_data, self.host["value"])
            put(registers.control.write, self.host["write"])
        put(registers.control.access, self.host is not None)
        if not self.host:
            put(registers.control.write, 0)

        # What happens around.
        events = {name: rng.randint(0, most) if rng.random() < self.density else 0 for name, _, most in EVENTS}
        if self.density == 1:
            events = {name: most for name, _, most in EVENTS}
        if self.get("clearing"):
            # The node does nothing yet.
            events = dict.fromkeys(events, 0)
        if retires:
            events["retired"] = 1
        if self.command is not None or self.retires_in is not None:
            events["retired"] = 0
        for name, count in events.items():
            put(getattr(registers, name), count)
        busy_flags = self.command is not None and self.command.get("number") == Csr.MFLAGS
        raised = rng.getrandbits(6) if rng.random() < self.density / 4 and not busy_flags else 0
        put(registers.raise_flags, raised)
        dropped = rng.random() < self.density / 50
        put(registers.dropped, dropped)
        if rng.random() < self.density / 50:
            model.overflowed = rng.getrandbits(5)
        put(registers.semaphore_overflow, model.overflowed is not None)
        put(registers.overflowed_semaphore, model.overflowed or 0)
        if rng.random() < self.density:
            number, value = rng.randrange(len(model.semaphores)), rng.getrandbits(16)
            model.semaphores[number] = value
            put(registers.semaphores[number], value)
            model.wait = rng.getrandbits(5) | rng.getrandbits(16) << 16
            model.unhandled_errors = rng.getrandbits(8)
        put(registers.wait, model.wait)
        put(registers.unhandled_errors, model.unhandled_errors)
        put(registers.state, model.state)
        put(registers.cycle, model.cycle)
        was = model.state

        # What is seen of it.
        if self.host:
            self.host["seen"].add(model.read_page(self.host["offset"]))
        if self.command:
            self.command["seen"].add(model.read_csr(self.command.get("number", -1)))
        self._check_command(goes)
        if self.retires_in == 0:
            # Maybe in the very cycle in which the command is done.
            events["retired"] = 1
            put(registers.retired, 1)
        self._check_page(boundary)
        await context.tick()

        for name, register, _ in EVENTS:
            model.counts[register] += int(events[name]) if name != "retired" or not model.injected else 0
        if events["retired"]:
            if not model.wrote_minstret and not model.inhibits_instret and not model.injected:
                model.csrs[Csr.MINSTRET] = (model.csrs[Csr.MINSTRET] + 1) & MASK
            model.wrote_minstret = False
            model.inhibits_instret = model.inhibit & 4
            model.injected = 0
        if self.retires_in is not None:
            self.retires_in = self.retires_in - 1 if self.retires_in else None
        model.csrs[Csr.MFLAGS] |= raised
        model.undeliverable |= dropped
        if parked:
            model.state = ThreadState.WAITING
        model.cycle += 1
        if was in ACTIVE and model.state not in ACTIVE:
            # That is the first cycle in which it is not active any more.
            model.last_stop = model.cycle

    def _go(self, action: Any) -> None:
        registers, model, put = self.registers, self.model, self.context.set
        kind, *arguments = action
        self.command = {"kind": kind, "seen": set(), "strobes": 0}
        put(registers.go, 1)
        put(registers.kind, KINDS[kind])
        put(registers.op, CsrOp.NONE)
        if kind == "csr":
            number, op, value = arguments
            model.injected = int(self.rng.random() < self.injects)
            before = model.read_csr(number)
            self.command |= {"number": number, "op": op, "operand": value, "before": before}
            put(registers.number, number)
            put(registers.op, op)
            put(registers.operand, value)
            put(registers.formats, before if number in FORMATS else self.rng.getrandbits(64))
        elif kind == "trap":
            self.command |= {"cause": arguments[0], "operand": arguments[1]}
            put(registers.cause, arguments[0])
            put(registers.operand, arguments[1])
        elif kind in ("halt", "exit"):
            self.command |= {"operand": arguments[0]}
            put(registers.operand, arguments[0])

    def _check_command(self, goes: bool) -> None:
        """Strobes of the command that is being done, and its end."""
        command, model = self.command, self.model
        done = self.get("done")
        if command is None or goes:
            assert {done, self.get("write_formats"), self.get("reseed")} == {0}
            return
        number, written = command.get("number", -1), None
        if command["kind"] == "csr" and command["op"] is not CsrOp.NONE and command["before"] is not None:
            before = self.get("read") if number in _CHANGING else command["before"]
            value = command["operand"]
            written = {CsrOp.WRITE: value, CsrOp.SET: before | value, CsrOp.CLEAR: before & ~value}[command["op"]]
        for strobe, numbers, mask in (("write_formats", FORMATS, MASK), ("reseed", (Csr.MSEED,), 2**32 - 1)):
            if self.get(strobe):
                assert number in numbers
                assert written is not None
                assert self.get("written") & mask == written & mask
                command["strobes"] += 1
        if not done:
            return
        self.command = None
        read = self.get("read")
        self.reads.append(read)
        if command["kind"] == "csr":
            assert self.get("exists") == (command["before"] is not None), hex(command["number"])
            assert command["strobes"] == (written is not None and number in (*FORMATS, Csr.MSEED))
            if command["before"] is None:
                model.injected = 0
            else:
                if number not in _CHANGING:
                    assert read == command["before"], f"{number:#x} reads {read:#x}, not {command['before']:#x}"
                assert read in command["seen"], f"{number:#x} reads {read:#x}"
                if written is not None:
                    model.write_csr(command["number"], written)
                # At the latest before the next command, and maybe now.
                self.retires_in = self.rng.choice((0, 1, 2, 9))
        elif command["kind"] == "trap":
            assert read == model.csrs[Csr.MTVEC]
            model.csrs |= {Csr.MEPC: model.pc & ~3, Csr.MCAUSE: command["cause"], Csr.MTVAL: command["operand"]}
            model.enable_before, model.enable = model.enable, 0
            handled = read and model.state in ACTIVE
            model.state = ThreadState.RUNNING if handled else ThreadState.TRAPPED
        elif command["kind"] == "mret":
            assert read == model.csrs[Csr.MEPC]
            model.enable, model.enable_before = model.enable_before, 1
        elif command["kind"] == "halt":
            model.exit_code = command["operand"]
            model.state = ThreadState.HALTED
        else:
            model.tohost, model.exited = command["operand"], 1
            model.state = ThreadState.HALTED

    def _check_page(self, boundary: bool) -> None:
        """Strobes of the page, and the end of an access."""
        host, model, context = self.host, self.model, self.context
        ready = context.get(self.registers.control.ready)
        strobes = {
            PC_PAGE: self.get("start"),
            STATE_PAGE: self.get("stop"),
            COMMAND_PAGE: self.get("command"),
            INSTRUCTION_PAGE: self.get("inject"),
        }
        # What concerns the thread is done in the cycle before the access is.
        struck = host is not None and host["struck"]
        assert not struck or ready
        if any(strobes.values()):
            assert host
            assert host["write"]
            assert not ready
            assert [offset for offset, strobe in strobes.items() if strobe] == [host["offset"]]
            assert boundary, "the thread is started, stopped or debugged within an instruction"
            host["struck"] = True
            self._strike(host["offset"], host["value"])
        post = int(context.get(self.registers.post.valid))
        if not (host and ready):
            assert not post
        clears = host is not None and ready and host["write"] and host["offset"] == ControlRegister.STATUS
        assert self.get("clear_overflow") == clears
        if host is None:
            assert not self.get("event_waiting")
            if self.command is None:
                enabled = model.tohost_address >> OFFSET_BITS == SRAM_BASE >> OFFSET_BITS
                assert (self.get("tohost_enabled"), self.get("exited")) == (enabled, model.exited)
                assert self.get("tohost_offset") == model.tohost_address % 2**OFFSET_BITS
        if not (host and ready):
            return
        self.host = None
        offset, value = host["offset"], host["value"]
        semaphore = (offset - SEMAPHORE_BLOCK) // 8
        is_post = host["write"] and 0 <= semaphore < len(model.semaphores)
        assert struck == (host["write"] and offset in strobes)
        assert post == is_post
        if not host["write"]:
            read = int(context.get(self.registers.control.read_data))
            self.reads.append(read)
            assert read in host["seen"], f"{offset:#x} reads {read:#x}, not {[hex(value) for value in host['seen']]}"
        elif is_post:
            assert context.get(self.registers.post.sem) == semaphore
            assert context.get(self.registers.post.amount) == value % 2**16
        elif offset == ControlRegister.TOHOST_ADDRESS:
            model.tohost_address, model.tohost, model.exited = value, 0, 0
        elif offset == ControlRegister.STATUS:
            model.overflowed, model.undeliverable = None, 0
        elif offset == DATA_PAGE:
            model.data = value
        elif offset == CONTROL_PAGE:
            model.control = value & 3

    def _strike(self, offset: int, value: int) -> None:
        """What concerns the thread is done."""
        model = self.model
        if offset != STATE_PAGE:
            assert self.get("start_pc") == value
        if offset == PC_PAGE:
            model.exit_code = 0
            if model.state not in ACTIVE:
                model.first_start = model.cycle
                if value & 3:
                    model.last_stop = model.cycle
            model.state = ThreadState.RUNNING
        elif offset == STATE_PAGE:
            model.state = ThreadState.HALTED


VALUES = st.one_of(st.sampled_from((0, 1, 8, 0x88, 2**32 - 1, 2**32, MASK, MASK - 2)), st.integers(0, MASK))
#: What is there, those that count more often, and what is not.
NUMBERS = st.one_of(
    st.sampled_from([int(csr) for csr in Csr]),
    st.sampled_from([int(csr) for csr in Csr]),
    st.sampled_from((Csr.MINSTRET, Csr.MINSTRET, Csr.MCYCLE, Csr.MCOUNTINHIBIT, Csr.DSCRATCH0)).map(int),
    st.sampled_from(list(CSR_NUMBERS.values())),
    st.sampled_from((0x7C6, 0x7FF, 0xC00, 0x310, 0x306, 0x303, 0x321, 0x322, 0xB01, 0xB20, 0xF16)),
)
READ_ONLY = 0xC00
COMMANDS = st.one_of(
    st.tuples(st.just("csr"), NUMBERS, st.sampled_from(list(CsrOp)), VALUES).filter(
        lambda csr: csr[1] < READ_ONLY or csr[2] is CsrOp.NONE
    ),
    st.tuples(st.just("trap"), st.integers(0, 63), VALUES),
    st.tuples(st.just("mret")),
    st.tuples(st.just("halt"), VALUES),
    st.tuples(st.just("exit"), VALUES.map(lambda value: value | 1)),
    st.tuples(st.just("park")),
    st.tuples(st.just("rest"), st.integers(4, 30)),
)
PAGE = [8 * register for register in range(0x50)] + [0x800, 0xA00, 0xFF8, *range(0x340, 0x360, 8)]
PAGE += range(DEBUG_BLOCK, DEBUG_BLOCK + 2 * DEBUG_STRIDE, 8)
OFFSETS = st.sampled_from([*PAGE, *(int(register) for register in ControlRegister), *(THREAD_BLOCK + r for r in ThreadRegister)])
WRITTEN = st.sampled_from(
    (
        PC_PAGE, STATE_PAGE, COMMAND_PAGE, INSTRUCTION_PAGE, CONTROL_PAGE, DATA_PAGE, int(ControlRegister.TOHOST_ADDRESS),
        SEMAPHORE_BLOCK + 16,
    )
)  # fmt: skip
ACCESSES = st.one_of(
    st.tuples(st.just("read"), OFFSETS),
    st.tuples(st.just("read"), st.sampled_from((DATA_PAGE, CONTROL_PAGE, DEBUG_BLOCK + DebugRegister.STATUS))),
    st.tuples(st.just("write"), WRITTEN, st.one_of(VALUES, st.integers(SRAM_BASE - 9, SRAM_BASE + 2**21))),
    st.tuples(st.just("write"), OFFSETS, VALUES),
    st.tuples(st.just("rest"), st.integers(1, 30)),
)


@pytest.mark.parametrize("name", SIMULATIONS)
@property_settings(40)
@given(
    core=st.lists(COMMANDS, max_size=20),
    host=st.lists(ACCESSES, max_size=25),
    seed=st.integers(0, 2**16),
    density=st.sampled_from((0, 0.03, 0.3, 1)),
    cycle=st.sampled_from((0, 2**32 - 300, 2**32 - 150, 2**63)),
)
def test_registers_read_what_the_contract_says(name: str, core: Any, host: Any, seed: int, density: float, cycle: int) -> None:
    registers = SIMULATIONS[name].component

    async def check(context: Any) -> None:
        driver = Driver(context, registers, seed=seed, density=density, cycle=cycle, injects=0.4)
        await driver.run(core, host)
        await driver.rest()
        driver.density = 0
        offsets = {*(int(register) for register in ControlRegister), *(THREAD_BLOCK + register for register in ThreadRegister)}
        await driver.run(host=[("read", offset) for offset in sorted(offsets)])
        # What follows counts itself in minstret.
        await driver.run(core=[("csr", number, CsrOp.NONE, 0) for number in CSR_NUMBERS.values()])
        await driver.rest()

    SIMULATIONS[name].run(check)


def run(check: Any, simulation: Simulation = SIMULATIONS["nano"]) -> None:
    """Run ``check`` with a driver, when memory has been cleared."""

    async def process(context: Any) -> None:
        driver = Driver(context, SIMULATIONS["nano"].component)
        await driver.rest()
        await check(driver)

    simulation.run(process)


async def read_csr(driver: Driver, csr: Csr) -> int:
    await driver.run(core=[("csr", int(csr), CsrOp.NONE, 0)])
    return driver.reads[-1]


async def read_page(driver: Driver, offset: int) -> int:
    await driver.run(host=[("read", int(offset))])
    return driver.reads[-1]


@pytest.mark.parametrize("before", [0, 1, 2, 3, 7, 62, 63, 64, 65, 130, 300])
def test_minstret_counts_exactly_what_has_retired_before_it_is_read(before: int) -> None:
    async def check(driver: Driver) -> None:
        for _ in range(before):
            await driver.cycle([], [], retires=True)
        # Nothing rests in between: the last of them retires in the cycle before ``go``.
        assert await read_csr(driver, Csr.MINSTRET) == before
        assert await read_csr(driver, Csr.MINSTRET) == before + 1

    run(check)


@pytest.mark.parametrize("written", [0, 5, 63, 64, 2**32 - 1, 2**32 - 2, 2**63 - 1, MASK, MASK - 1])
@pytest.mark.parametrize("before", [0, 1, 40])
def test_the_instruction_that_writes_minstret_is_not_counted_and_the_next_one_is(written: int, before: int) -> None:
    async def check(driver: Driver) -> None:
        for _ in range(before):
            await driver.cycle([], [], retires=True)
        await driver.run(core=[("csr", int(Csr.MINSTRET), CsrOp.WRITE, written)])
        assert await read_csr(driver, Csr.MINSTRET) == written
        await driver.run(core=[("rest", 100)])
        assert await read_csr(driver, Csr.MINSTRET) == (written + 1) & MASK
        for count in range(3, 200):
            await driver.cycle([], [], retires=True)
            if count % 50 == 0:
                assert await read_page(driver, THREAD_BLOCK + ThreadRegister.RETIRED) == (written + count) & MASK
        assert await read_page(driver, ControlRegister.RETIRED) == before + 200

    run(check)


@pytest.mark.parametrize("written", [0, 77, 2**32 - 3, 2**32, 2**63, MASK])
def test_mcycle_goes_on_from_what_is_written_and_stands_while_it_is_inhibited(written: int) -> None:
    async def check(driver: Driver) -> None:
        def write(csr: Csr, value: int) -> tuple[Any, ...]:
            return "csr", int(csr), CsrOp.WRITE, value

        assert driver.model.cycle - 10 <= await read_csr(driver, Csr.MCYCLE) < driver.model.cycle
        await driver.run(core=[write(Csr.MCYCLE, written)])
        end = driver.model.cycle
        shown = await read_csr(driver, Csr.MCYCLE)
        assert shown - written & MASK <= 25
        await driver.run(core=[("rest", 500)])
        later = await read_csr(driver, Csr.MCYCLE) - shown & MASK
        assert 500 <= later <= driver.model.cycle - end
        await driver.run(core=[write(Csr.MCOUNTINHIBIT, 1)])
        stands = await read_csr(driver, Csr.MCYCLE)
        await driver.run(core=[("rest", 100), write(Csr.MCOUNTINHIBIT, 5), ("rest", 100)])
        assert await read_csr(driver, Csr.MCYCLE) == stands
        await driver.run(core=[write(Csr.MCYCLE, written), ("rest", 100)])
        assert await read_csr(driver, Csr.MCYCLE) == written
        assert abs(await read_page(driver, ControlRegister.CYCLE) - driver.model.cycle) < 20
        await driver.run(core=[write(Csr.MCOUNTINHIBIT, 0)])
        assert (await read_csr(driver, Csr.MCYCLE) - written) & MASK <= 25

    run(check)


@pytest.mark.parametrize("commands", [False, True])
def test_no_event_is_lost_or_counted_twice_at_the_highest_rates(commands: bool) -> None:
    async def check(driver: Driver) -> None:
        driver.density = 1
        core = [("csr", int(Csr.MSCRATCH), CsrOp.WRITE, 1), ("rest", 3)] * 40 if commands else []
        await driver.run(core, [("read", int(register)) for _, register, _ in EVENTS] * 6 + [("rest", 200)])
        driver.density = 0
        await driver.rest()
        for _, register, _ in EVENTS:
            assert await read_page(driver, register) == driver.model.counts[register] > 500

    run(check)


def test_a_start_clears_the_exit_code_and_notes_its_cycle_unless_the_thread_was_active() -> None:
    async def check(driver: Driver) -> None:
        await driver.run(host=[("write", PC_PAGE, SRAM_BASE), ("read", int(ControlRegister.FIRST_START))])
        first = driver.reads[-1]
        assert 0 < first < driver.model.cycle
        await driver.run(core=[("halt", 0x1234)])
        await driver.run(host=[("read", THREAD_BLOCK + ThreadRegister.EXIT_CODE), ("read", int(ControlRegister.LAST_STOP))])
        assert driver.reads[-2] == 0x1234
        assert first < driver.reads[-1] < driver.model.cycle
        restart = driver.model.cycle
        await driver.run(host=[("write", PC_PAGE, SRAM_BASE), ("read", THREAD_BLOCK + ThreadRegister.EXIT_CODE)])
        assert driver.reads[-1] == 0
        again = await read_page(driver, ControlRegister.FIRST_START)
        assert again >= restart
        await driver.run(host=[("write", PC_PAGE, SRAM_BASE + 8)])
        assert await read_page(driver, ControlRegister.FIRST_START) == again

    run(check)


def test_a_misaligned_start_notes_its_cycle_as_that_of_a_stop() -> None:
    async def check(driver: Driver) -> None:
        await driver.run(host=[("write", PC_PAGE, SRAM_BASE + 2)])
        start = await read_page(driver, ControlRegister.FIRST_START)
        assert start > 0
        assert await read_page(driver, ControlRegister.LAST_STOP) == start

    run(check)


def test_commands_take_as_long_as_they_should() -> None:
    async def check(driver: Driver) -> None:
        for action, cycles in (
            (("csr", int(Csr.MTVEC), CsrOp.SET, 9), 6),
            (("csr", int(Csr.MCYCLE), CsrOp.NONE, 0), 6),
            (("csr", int(Csr.MCYCLE), CsrOp.WRITE, 9), 10),
            (("csr", int(Csr.MCOUNTINHIBIT), CsrOp.SET, 1), 10),
            (("trap", 2, 7), 18),
            (("mret",), 6),
            (("halt", 1), 6),
        ):
            await driver.run()
            await driver.rest()
            core = [action]
            await driver.cycle(core, [])
            taken = 0
            while driver.command is not None:
                await driver.cycle(core, [])
                taken += 1
            assert taken == cycles, action

    run(check)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_place_of_the_page_shows_its_register_or_0(name: str) -> None:
    async def check(context: Any) -> None:
        driver = Driver(context, SIMULATIONS[name].component, seed=1, density=0.2, injects=0.4)
        written = [("csr", number, CsrOp.WRITE, MASK) for number in CSR_NUMBERS.values() if number < READ_ONLY]
        await driver.run([*written, ("trap", 63, MASK), ("halt", MASK), ("exit", MASK)])
        await driver.run(host=[("read", offset) for offset in range(0, CONTROL_PAGE_BYTES, 8)])

    SIMULATIONS[name].run(check)


RESET = Signal()
RESETTABLE = NodeRegisters(CONFIG)
RESET_SIMULATION = Simulation(ResetInserter(RESET)(RESETTABLE))


def test_reset_clears_memory() -> None:
    async def check(context: Any) -> None:
        driver = Driver(context, RESETTABLE)
        driver.density = 0.5
        writable = [number for number in CSR_NUMBERS.values() if number < READ_ONLY]
        await driver.run(
            [*(("csr", number, CsrOp.WRITE, MASK) for number in writable), ("trap", 63, MASK), ("halt", MASK)],
            [("write", int(ControlRegister.TOHOST_ADDRESS), MASK), ("write", PC_PAGE, 0), ("write", STATE_PAGE, 0)],
        )
        await driver.run([("exit", MASK)])
        await driver.run([("csr", number, CsrOp.NONE, 0) for number in CSR_NUMBERS.values()])
        await driver.rest()
        context.set(RESET, 1)
        await context.tick()
        context.set(RESET, 0)
        model = driver.model
        driver = Driver(context, RESETTABLE, cycle=5)
        driver.model.overflowed, driver.model.semaphores, driver.model.wait = model.overflowed, model.semaphores, model.wait
        driver.model.unhandled_errors = model.unhandled_errors
        registers = [*ControlRegister, *(THREAD_BLOCK + register for register in ThreadRegister)]
        # The page is asked at once, and has to wait.
        await driver.run(host=[("read", int(register)) for register in registers])
        await driver.run(core=[("csr", number, CsrOp.NONE, 0) for number in CSR_NUMBERS.values()])

    RESET_SIMULATION.run(check)
