# SPDX-License-Identifier: Apache-2.0
"""A core in surroundings that do whatever their contracts allow.

What a proof is not about is cut away: its place is taken by something that answers anything at any time. So what is proved holds
whatever is there, as long as it keeps its contract.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Array, Assume, C, Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig, preset
from golden.layout import THREAD_BLOCK, THREAD_STRIDE, ThreadRegister
from rtl.core.alu import Alu
from rtl.core.csr import ThreadCsrs
from rtl.core.divider import Divider
from rtl.core.multiplier import Multiplier
from rtl.core.observation.core import ObservedCore
from rtl.core.observation.ports import RVFI_FIELDS, rvfi_channels
from rtl.core.observation.xvfi import Xvfi
from rtl.core.pipes.matrix import MatrixPipe
from rtl.core.pipes.simd import SimdPipe
from rtl.core.scalar_registers import ScalarRegisters
from rtl.core.vector_registers import VectorRegisters
from rtl.frontend.entry import WORD_ADDRESS_BITS, window_words
from rtl.frontend.icache import InstructionCache
from rtl.frontend.predictor import BranchPredictor
from verif.formal.circuit import Circuit
from verif.rtl.core.formal.mistakes import MISTAKEN_BITS
from verif.rtl.frontend.stub import Stub

__all__ = ["NARROW", "PAIR", "START_CYCLE", "TWO_THREADS", "Channel", "Check", "Environment", "Surroundings"]

#: The smallest pipelined core, one that issues two instructions at once, and one of two threads.
NARROW = preset("tiny").replace(name="narrow", threads=1, fetch_lines=2, fetch_bytes=8, decode_width=1, issue_width=1)
PAIR = NARROW.replace(name="pair", decode_width=2, issue_width=2)
TWO_THREADS = NARROW.replace(name="two-threads", threads=2)

#: The cycle from reset in which the first thread is started: the memories behind the registers have been cleared.
START_CYCLE = 16

#: Bits of what a check picks to look at: the number of an instruction, a register, an address.
PICK_BITS = 32 + WORD_ADDRESS_BITS

#: What a thread's CSRs give: four values, of which two are addresses of words, and whether there is such a register.
_CSR_BITS = 4 * 64 - 4 + 1

#: Opcodes of Xd1: vector accesses, SIMD and predicates; matrix unit and accumulators, network and thread.
_VECTOR_OPCODES, _OTHER_OPCODES = (0x0B, 0x2B), (0x5B, 0x7B)


@dataclass(frozen=True)
class Surroundings:
    """What there is of the core beside its front end, issue, and scalar pipes.

    Attributes
    ----------
    registers : bool
        The scalar registers, of which an arbitrary one is kept and others read as anything; otherwise all operands are anything.
    arithmetic : bool
        The ALUs; otherwise results and comparisons are anything.
    vectors : bool
        The SIMD pipe, before a unit that answers anything, and the vector registers, of which an arbitrary one is kept. Of Xd1,
        programs have vector accesses, SIMD operations and predicates; otherwise nothing.
    restarts : bool
        Packets write the control page at any time; otherwise only to start the thread, once.
    errors : bool
        Requests to the network can fail at any time.
    """

    registers: bool = False
    arithmetic: bool = True
    vectors: bool = False
    restarts: bool = False
    errors: bool = False


class Channel:
    """A channel of RVFI of the thread that is followed: its fields as members."""

    def __init__(self, environment: Environment, number: int):
        self.valid = environment.rvfi_valid[number]
        self.number = number
        self._environment = environment

    def __getattr__(self, field: str) -> Any:
        return getattr(self._environment, f"rvfi_{field}").word_select(self.number, RVFI_FIELDS[field])


@dataclass(frozen=True)
class Check:
    """A property: ``build`` states it in a module, given the environment, and returns when it fails and when it is tested."""

    name: str
    build: Callable[[Module, Environment], tuple[Any, Any]]


class _Product(wiring.Component):
    """The multiplier's pipeline around a product that is anything."""

    def __init__(self, environment: Environment, *arguments: Any, **keywords: Any):
        self._environment, multiplier = environment, Multiplier(*arguments, **keywords)
        self._stages = multiplier.stages
        super().__init__(multiplier.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kill = getattr(self, "kill", Value.cast(0))
        valid, tag, thread = self.valid, self.tag, self.thread
        busy: Any = 0
        for stage in range(self._stages):
            holds, held, mine = Signal(name=f"holds{stage}"), Signal.like(self.tag, name=f"tag{stage}"), Signal.like(self.thread)
            m.d.sync += [holds.eq(valid & ~kill.any()), held.eq(tag), mine.eq(thread)]
            valid, tag, thread = holds, held, mine
            busy = busy | holds
        m.d.comb += [
            self.result_valid.eq(valid),
            self.result_tag.eq(tag),
            self.result_thread.eq(thread),
            self.result.eq(self._environment.product),
            self.busy.eq(busy),
        ]
        return m


class _Quotient(wiring.Component):
    """A divider that takes any time, and gives anything."""

    def __init__(self, environment: Environment, *arguments: Any, **keywords: Any):
        self._environment = environment
        super().__init__(Divider(*arguments, **keywords).signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        environment, working = self._environment, Signal()
        m.d.sync += self.done.eq(working & environment.divided)
        with m.If(working & environment.divided):
            m.d.sync += [working.eq(0), self.result.eq(environment.quotient)]
        with m.If(self.start):
            m.d.sync += [working.eq(1), self.result_tag.eq(self.tag), self.result_thread.eq(self.thread)]
        m.d.comb += self.busy.eq(working)
        return m


class _OneRegister(Elaboratable):
    """A memory of something for each register, which is kept for the picked one of the thread that is followed.

    Of others, read ports give ``free``, port by port.
    """

    def __init__(self, environment: Environment, free: Signal, shape: Any, depth: int, init: Any):
        self._environment, self._free, self._bits, self._depth = environment, free, shape, depth
        self._ports: dict[str, list[Any]] = {"read": [], "write": []}

    def _port(self, kind: str) -> Any:
        members = {"addr": In(range(self._depth)), "en": In(1), "data": In(self._bits) if kind == "write" else Out(self._bits)}
        port = wiring.Signature(members).create(path=(f"{kind}{len(self._ports[kind])}",))
        self._ports[kind].append(port)
        return port

    def write_port(self) -> Any:
        return self._port("write")

    def read_port(self, *, domain: str = "sync") -> Any:
        self._domain = domain
        return self._port("read")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value, number = Signal(self._bits), Cat(self._environment.register, self._environment.followed)
        for port in self._ports["write"]:
            with m.If(port.en & (port.addr == number)):
                m.d.sync += value.eq(port.data)
        for place, port in enumerate(self._ports["read"]):
            free = self._free.word_select(place, self._bits)
            with m.If(port.en if self._domain == "sync" else 1):
                m.d[self._domain] += port.data.eq(Mux(port.addr == number, value, free))
        return m


class _NoXvfi(Xvfi):
    """Shows nothing of Xd1."""

    def elaborate(self, platform: Any) -> Module:
        return Module()


class _AnyCsrs(ThreadCsrs):
    """CSRs that read as anything, with anything as handler and return address."""

    def __init__(self, environment: Environment, thread: int):
        self._environment, self._thread = environment, thread
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        free = self._environment.csrs.word_select(self._thread, _CSR_BITS)
        m.d.comb += [
            Cat(self.read, self.vector[2:], self.exception_pc[2:], self.written, self.exists).eq(free),
        ]
        return m


class Environment(wiring.Component):
    """An observed core and its surroundings. Its first thread starts at an arbitrary place in cycle `START_CYCLE`, others right
    behind it.

    Checks follow an arbitrary thread. Every input of this component is free in every cycle, but for what the ports' contracts
    ask.

    Parameters
    ----------
    config : NodeConfig
        With one or two threads.
    surroundings : Surroundings
    checks : sequence of Check
    core : callable
        Makes the core, given the configuration and the input ``mistake``.

    Members
    -------
    fails_<check>, reaches_<check> : Out(1)
        What :class:`Check` says.
    rvfi_* : Out
        What the core shows of the thread that is followed.
    """

    def __init__(
        self,
        config: NodeConfig,
        surroundings: Surroundings,
        checks: Sequence[Check],
        core: Callable[[NodeConfig, Signal], Any] = lambda config, mistake: ObservedCore(config),
    ):
        assert config.threads in (1, 2)
        self.config, self.surroundings, self.checks = config, surroundings, checks
        self.channels: list[Channel] = []
        self._core = core
        #: Word address that the front end looks up.
        self.looked_up = Signal(WORD_ADDRESS_BITS)
        words, line = window_words(config), 8 * config.line_bytes
        shown = {field: Out(bits * rvfi_channels(config)) for field, bits in RVFI_FIELDS.items()}
        super().__init__(
            {
                "start_pc": In(64),
                "mistake": In(MISTAKEN_BITS),
                "pick": In(PICK_BITS),
                "hit": In(1),
                "words": In(32 * words),
                "taken": In(1),
                "word": In(range(words)),
                "target": In(WORD_ADDRESS_BITS),
                "operands": In(64 * 12),
                "vectors": In(line * 7),
                "orders": In(64 * 2),
                "arithmetic": In(2 * (128 + 3)),
                "csrs": In(_CSR_BITS * config.threads),
                "product": In(64),
                "quotient": In(64),
                "divided": In(1),
                "scalar_grant": In(1),
                "scalar_data": In(line),
                "store_grant": In(1),
                "load0_grant": In(1),
                "load1_grant": In(1),
                "tx_room": In(1),
                "rx_valid": In(1),
                "rx_tag": In(8),
                "error_valid": In(1),
                "error_tag": In(8),
                "error_address": In(50),
                "post_valid": In(1),
                "post_sem": In(2),
                "post_amount": In(16),
                "control_write": In(1),
                "control_register": In(9),
                "control_data": In(64),
                "cycle": In(64),
                **{f"fails_{check.name}": Out(1) for check in checks},
                **{f"reaches_{check.name}": Out(1) for check in checks},
                "rvfi_valid": Out(rvfi_channels(config)),
                **{f"rvfi_{field}": port for field, port in shown.items()},
            }
        )

    def circuit(self) -> Circuit:
        """The gates."""
        with self._cut():
            return Circuit.of(self)

    @contextlib.contextmanager
    def _cut(self) -> Iterator[None]:
        word_bits = (window_words(self.config) - 1).bit_length()
        operands, arithmetic, threads = iter(range(1)), iter(range(2)), iter(range(self.config.threads))

        def cache(config: NodeConfig) -> Stub:
            stub: Any = Stub(InstructionCache(config))
            stub.statements += [self.looked_up.eq(stub.address), stub.hit.eq(self.hit), stub.words.eq(self.words)]
            return stub

        def predictor(config: NodeConfig) -> Stub:
            stub: Any = Stub(BranchPredictor(config))
            stub.statements += [
                stub.taken.eq(self.taken & (self.word >= stub.address[:word_bits])),
                stub.word.eq(self.word),
                stub.target.eq(self.target),
            ]
            return stub

        def registers(config: NodeConfig, reads: int, writes: int) -> Stub:
            stub: Any = Stub(ScalarRegisters(config, reads, writes))
            next(operands)
            stub.statements += [stub.values.as_value().eq(self.operands)]
            return stub

        def alu() -> Stub:
            stub: Any = Stub(Alu())
            free = self.arithmetic.word_select(next(arithmetic), len(self.arithmetic) // 2)
            stub.statements += [Cat(stub.result, stub.total, stub.equal, stub.less, stub.less_unsigned).eq(free)]
            return stub

        cut: dict[str, Any] = {
            "rtl.frontend.frontend.InstructionCache": cache,
            "rtl.frontend.frontend.BranchPredictor": predictor,
            "rtl.core.core.MatrixPipe": lambda *a, **k: Stub(MatrixPipe(*a, **k)),
            "rtl.core.core.ThreadCsrs": lambda: _AnyCsrs(self, next(threads)),
            "rtl.core.multiply_divide.Multiplier": lambda *a, **k: _Product(self, *a, **k),
            "rtl.core.multiply_divide.Divider": lambda *a, **k: _Quotient(self, *a, **k),
        }
        if self.surroundings.registers:
            cut["rtl.core.scalar_registers.Memory"] = lambda **keywords: _OneRegister(self, self.operands, **keywords)
        else:
            cut["rtl.core.core.ScalarRegisters"] = registers
        if not self.surroundings.arithmetic:
            cut["rtl.core.pipes.alu.Alu"] = alu
        if self.surroundings.vectors:
            cut["rtl.core.vector_registers.Memory"] = lambda **keywords: _OneRegister(self, self.vectors, **keywords)
            cut["rtl.core.observation.xvfi.Memory"] = lambda **keywords: _OneRegister(self, self.orders, **keywords)
        else:
            cut["rtl.core.core.SimdPipe"] = lambda *a, **k: Stub(SimdPipe(*a, **k))
            cut["rtl.core.core.VectorRegisters"] = lambda *a, **k: Stub(VectorRegisters(*a, **k))
            cut["rtl.core.observation.core.Xvfi"] = _NoXvfi
        with contextlib.ExitStack() as stack:
            for name, stub in cut.items():
                stack.enter_context(patch(name, stub))
            yield

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.core = core = self._core(self.config, self.mistake)
        #: The core; cycles since the thread was started, up to 63; whether it has been.
        self.core, self.since, self.started = core, Signal(6), Signal()
        #: Chosen freely when the thread is started, and the same from then on.
        self.picked, self.first_pc = Signal(PICK_BITS), Signal(64)
        #: A register and a thread, as parts of that.
        self.register = self.picked[-5:]
        self.followed = self.picked[-6] if self.config.threads > 1 else C(0, 0)
        self.channels = [Channel(self, number) for number in range(rvfi_channels(self.config))]
        self._connect(m)
        self._connect_control(m)
        absent = _OTHER_OPCODES if self.surroundings.vectors else (*_VECTOR_OPCODES, *_OTHER_OPCODES)
        for number in range(window_words(self.config)):
            opcode = self.words.word_select(number, 32)[:7]
            m.d.comb += Assume(Cat(opcode == custom for custom in absent) == 0)
        for check in self.checks:
            fails, reaches = check.build(m, self)
            m.d.comb += [getattr(self, f"fails_{check.name}").eq(fails), getattr(self, f"reaches_{check.name}").eq(reaches)]
        for field in ("valid", *RVFI_FIELDS):
            by_thread = Array(getattr(core, f"rvfi{thread}_{field}") for thread in range(self.config.threads))
            m.d.comb += getattr(self, f"rvfi_{field}").eq(by_thread[self.followed])
        return m

    def _connect(self, m: Module) -> None:
        core = self.core
        network = core.network
        m.d.comb += [
            core.cycle.eq(self.cycle),
            core.scalar.grant.eq(core.scalar.req & self.scalar_grant),
            core.scalar.data.eq(self.scalar_data),
            core.store.grant.eq(core.store.req & self.store_grant),
            core.load0.grant.eq(core.load0.req & self.load0_grant),
            core.load1.grant.eq(core.load1.req & self.load1_grant),
            network.tx_room.eq(self.tx_room),
            network.post_valid.eq(self.post_valid),
            network.post_sem.eq(self.post_sem),
            network.post_amount.eq(self.post_amount),
        ]
        if self.surroundings.errors:
            m.d.comb += [
                network.error_valid.eq(self.error_valid),
                network.error_tag.eq(self.error_tag & 0b1001_1111),
                network.error_address.eq(self.error_address),
            ]

    def _connect_control(self, m: Module) -> None:
        """The packets that start the threads, one in each cycle, and others."""
        control, threads = self.core.control, self.config.threads
        clock, first, starts = Signal(range(START_CYCLE + threads + 1)), Signal(), Signal()
        m.d.comb += first.eq(clock == START_CYCLE)
        with m.If(clock != START_CYCLE + threads):
            m.d.sync += clock.eq(clock + 1)
        with m.If(first):
            m.d.sync += [self.picked.eq(self.pick), self.started.eq(1)]
        with m.If(self.started & (self.since != 63)):
            m.d.sync += self.since.eq(self.since + 1)
        for thread in range(threads):
            with m.If(clock == START_CYCLE + thread):
                m.d.comb += [starts.eq(1), control.register.eq((THREAD_BLOCK + thread * THREAD_STRIDE + ThreadRegister.PC) // 8)]
                if thread == 0:
                    m.d.sync += self.first_pc.eq(self.start_pc)
                else:
                    with m.If(self.followed == thread):
                        m.d.sync += self.first_pc.eq(self.start_pc)
        m.d.comb += [
            Assume(~starts | (self.start_pc[:2] == 0)),
            control.access.eq(starts),
            control.write.eq(starts),
            control.write_data.eq(self.start_pc),
        ]
        if self.surroundings.restarts:
            with m.If(~starts):
                m.d.comb += [
                    control.access.eq(self.control_write & self.started),
                    control.write.eq(self.control_write & self.started),
                    control.register.eq(self.control_register),
                    control.write_data.eq(self.control_data),
                ]
