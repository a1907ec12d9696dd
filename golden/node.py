# SPDX-License-Identifier: Apache-2.0
"""The golden node: SRAM, threads, semaphores, control page, network interface and the router's rule.

It executes what the RTL executes, with the same final memory and registers and the same retirement streams for programs
without races, but counts one cycle per instruction (see ``golden.clock``).
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable

from golden.clock import QUANTUM, Clock, run_round
from golden.config import CONTROL_PAGE_BYTES, CONTROL_PAGE_OFFSET, NodeConfig
from golden.instruction import MASK_64, Retirement
from golden.layout import (
    COUNTER_BLOCK,
    COUNTER_STRIDE,
    DEBUG_BLOCK,
    DEBUG_STRIDE,
    DROPPED_BIT,
    LINK_PORTS,
    LIST_BLOCK,
    LOST_LINKS_BIT,
    OVERFLOW_BIT,
    OVERFLOWED_SEMAPHORE_BIT,
    ROUTE_BLOCK,
    SEMAPHORE_BLOCK,
    SEMAPHORE_STRIDE,
    SEMAPHORE_VALUE_BITS,
    SRAM_BASE,
    TAG_NUMBER_BITS,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    Event,
    GlobalAddress,
    Kind,
    NetworkError,
    Port,
    TagOwner,
    ThreadRegister,
    ThreadState,
)
from golden.lists import ListEngine
from golden.packet import Packet
from golden.program import Program
from golden.router import Router
from golden.semantics_network import TAG_READ, TAG_THREAD_SHIFT
from golden.thread import Thread

_REGISTER_BYTES = 8
_SEMAPHORE_MAX = (1 << SEMAPHORE_VALUE_BITS) - 1
_EVENTS = frozenset(Event)

#: Where STATUS shows thread 0 in these states; the others follow.
_STATUS_BITS = {ThreadState.RUNNING: 0, ThreadState.WAITING: 4, ThreadState.TRAPPED: 8, ThreadState.STOPPED: 20}

#: Takes a packet that leaves a node: (node, packet).
Transport = Callable[["GoldenNode", Packet], None]


class GoldenNode:
    """One node.

    Parameters
    ----------
    config : NodeConfig
    x, y : int
        Its coordinates.
    links : int
        Links present: bit 0 north, 1 east, 2 south, 3 west.
    clock : Clock or None
        The cycle count; one of its own if None.
    transport : function of (GoldenNode, Packet), or None
        Takes every packet that the node's interface sends. If None, the node routes by itself: packets to itself are
        delivered, those that leave through a link are appended to ``departed``.
    edges : int or None
        Those of the links that lead out of the array; None: all of them, as of a node on its own.

    Members
    -------
    sram : bytearray
    threads : list of Thread
    lists : ListEngine
    semaphores : list of int
    router : Router
    departed : list of (Port, Packet)
        What left through a link, if there is no transport.
    on_retire : function of Retirement, or None
        Called for every instruction that retires or traps. NETWORK_ERROR and a misaligned start have no record: there is no
        instruction that they belong to.
    on_vector_write : function of (thread, register, bytes), or None
        Called for every vector register written; for ``nread`` when the data comes, which may be out of program order.
    """

    def __init__(
        self,
        config: NodeConfig,
        x: int = 0,
        y: int = 0,
        links: int = 0,
        clock: Clock | None = None,
        transport: Transport | None = None,
        *,
        edges: int | None = None,
    ):
        self.config = config
        self.x = x
        self.y = y
        self.links = links
        self.address = int(GlobalAddress(x, y))
        self.clock = clock or Clock()
        self.sram = bytearray(config.sram_bytes)
        self.semaphores = [0] * config.semaphores
        self.router = Router(config, x, y, links, links if edges is None else edges)
        self.tohost_address = 0
        self.tohost = 0
        self.departed: list[tuple[Port, Packet]] = []
        self.on_retire: Callable[[Retirement], None] | None = None
        self.on_vector_write: Callable[[int, int, bytes], None] | None = None
        self.threads = [Thread(self, number) for number in range(config.threads)]
        self.lists = ListEngine(self)
        self._transport = transport or GoldenNode._route_alone
        self._outbox: deque[Packet] = deque()
        self._overflowed: int | None = None
        self._response_lost = False
        self._lost_links = 0
        #: Threads that wait or have waited, in the order in which they began.
        self._waiters: list[Thread] = []
        self._first_start = 0
        self._last_stop = 0
        self._requests_sent = 0
        self._requests_received = 0

    # -- programs and running -----------------------------------------------------------------------------------------

    def load(self, program: Program) -> None:
        """Write a program into SRAM by the back door and name its tohost; ProgramError if it does not fit."""
        program.check(self.config)
        for address, contents in program.segments:
            self.sram[address - SRAM_BASE : address - SRAM_BASE + len(contents)] = contents
        self.write_register(ControlRegister.TOHOST_ADDRESS, program.tohost or 0)

    def run(self, max_cycles: int | None = None) -> int:
        """Run all threads and lists until none can go on or ``max_cycles`` are over; returns the cycles that passed."""
        start = self.clock.cycle
        while max_cycles is None or self.clock.cycle - start < max_cycles:
            budget = QUANTUM if max_cycles is None else min(QUANTUM, max_cycles - (self.clock.cycle - start))
            if run_round([*self.threads, self.lists], self.clock, budget) == 0:
                break
        return self.clock.cycle - start

    @property
    def active(self) -> bool:
        """Whether a thread is RUNNING or WAITING."""
        return any(thread.active for thread in self.threads)

    @property
    def exited(self) -> bool:
        """Whether the program ended by a store to tohost."""
        return self.tohost != 0

    @property
    def exit_code(self) -> int:
        """TOHOST >> 1 if the program ended by tohost, else thread 0's exit code."""
        return self.tohost >> 1 if self.exited else self.threads[0].exit_code

    # -- what threads report and ask for ------------------------------------------------------------------------------

    @property
    def observed(self) -> bool:
        """Whether someone wants records of retirement or vector writes."""
        return self.on_retire is not None or self.on_vector_write is not None

    def note_retirement(self, record: Retirement) -> None:
        """Hand a record to the observer."""
        if self.on_retire is not None:
            self.on_retire(record)

    def note_vector_write(self, thread: int, register: int, data: bytes) -> None:
        """Hand a vector write to the observer."""
        if self.on_vector_write is not None:
            self.on_vector_write(thread, register, data)

    def note_start(self) -> None:
        """A thread is about to start."""
        if not self.active:
            self._first_start = self.clock.cycle

    def note_stop(self) -> None:
        """An active thread has stopped."""
        if not self.active:
            self._last_stop = self.clock.cycle

    def exit(self, value: int) -> None:
        """``tohost`` was written: threads that run or wait end as HALTED; a trapped one stays so, for the report."""
        self.tohost = value
        for thread in self.threads:
            if thread.active:
                thread.stop(ThreadState.HALTED)

    def post(self, semaphore: int, amount: int) -> None:
        """Add to a semaphore that the configuration has; it saturates."""
        total = self.semaphores[semaphore] + amount
        if total > _SEMAPHORE_MAX:
            total = _SEMAPHORE_MAX
            if self._overflowed is None:
                self._overflowed = semaphore
        self.semaphores[semaphore] = total

    def queue_waiter(self, thread: Thread) -> None:
        """A thread begins to wait for a semaphore."""
        if thread in self._waiters:
            self._waiters.remove(thread)
        self._waiters.append(thread)

    def next_waiter(self, semaphore: int) -> Thread | None:
        """Of the threads that wait for a semaphore, and whose amount it holds, the one that has waited longest."""
        value = self.semaphores[semaphore]
        for thread in self._waiters:
            if thread.state is ThreadState.WAITING and thread.awaited[0] == semaphore and thread.awaited[1] <= value:
                return thread
        return None

    def send(self, packet: Packet) -> None:
        """A thread sends a request; it leaves at the next ``flush``."""
        self._requests_sent += 1
        self.forward(packet)

    def forward(self, packet: Packet) -> None:
        """A request that no thread sends; it leaves at the next ``flush``."""
        self._outbox.append(packet)

    def flush(self) -> None:
        """Send off what waits to leave."""
        while self._outbox:
            self._transport(self, self._outbox.popleft())

    def lose_link(self, port: Port) -> None:
        """A link that was there has gone."""
        bit = 1 << LINK_PORTS.index(port)
        self._lost_links |= self.links & bit
        self.links &= ~bit
        self.router.links = self.links

    # -- router -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _route_alone(node: GoldenNode, packet: Packet) -> None:
        """The transport of a node on its own."""
        for port in node.router.next_ports(packet, Port.LOCAL):
            if port is None:
                node.refuse(packet)
            elif port is Port.LOCAL:
                node.deliver(packet)
            else:
                node.departed.append((port, packet))

    # -- network interface --------------------------------------------------------------------------------------------

    def deliver(self, packet: Packet) -> None:
        """A packet arrives at the node's interface; answers leave at once. A response that nobody waits for is dropped."""
        if not packet.is_request:
            if packet.tag >> TAG_NUMBER_BITS == TagOwner.THREAD:
                self._receive(packet)
            elif packet.tag >> TAG_NUMBER_BITS == TagOwner.LIST:
                self.lists.answer(packet)
        else:
            self._requests_received += 1
            self._serve(packet)
        self.flush()

    def _receive(self, packet: Packet) -> None:
        """A thread gets a response."""
        thread = self.threads[(packet.tag >> TAG_THREAD_SHIFT & 3) % len(self.threads)]
        register = packet.tag & 0x1F if packet.tag & TAG_READ else None
        if packet.kind is Kind.ERROR:
            thread.fail_request(packet.failed_address, register)
        elif register is not None:
            thread.receive(register, packet.data)

    def refuse(self, packet: Packet) -> None:
        """The router found that a packet is undeliverable here: a request is answered by an ERROR, a response counted off."""
        if packet.is_request:
            self._outbox.append(packet.error(NetworkError.UNREACHABLE))
            self.flush()
        else:
            self._response_lost = True

    def _serve(self, packet: Packet) -> None:
        """Execute a request that was delivered.

        A post to a semaphore that is not there fails like a bad offset, and so does a READ from a rectangle.
        """
        line = self.config.line_bytes
        if packet.is_multicast:
            packet = dataclasses.replace(packet, x=self.x, y=self.y, upper=0)
        if packet.upper or (packet.kind is Kind.WRITE and packet.post and packet.sem >= len(self.semaphores)):
            self._outbox.append(packet.error(NetworkError.BAD_OFFSET))
            return
        start = packet.offset & ~(line - 1)
        if start < len(self.sram):
            if packet.kind is Kind.READ:
                self._outbox.append(packet.answer(bytes(self.sram[start : start + line])))
                return
            if packet.mask == (1 << line) - 1:
                self.sram[start : start + line] = packet.data
            else:
                for i in range(line):
                    if packet.mask >> i & 1:
                        self.sram[start + i] = packet.data[i]
        elif CONTROL_PAGE_OFFSET <= start < CONTROL_PAGE_OFFSET + CONTROL_PAGE_BYTES:
            registers = range(start - CONTROL_PAGE_OFFSET, start - CONTROL_PAGE_OFFSET + line, _REGISTER_BYTES)
            if packet.kind is Kind.READ:
                data = b"".join(self.read_register(register).to_bytes(_REGISTER_BYTES, "little") for register in registers)
                self._outbox.append(packet.answer(data))
                return
            for i, register in zip(range(0, line, _REGISTER_BYTES), registers, strict=True):
                if packet.mask >> i & 0xFF == 0xFF:
                    self.write_register(register, int.from_bytes(packet.data[i : i + _REGISTER_BYTES], "little"))
        else:
            self._outbox.append(packet.error(NetworkError.BAD_OFFSET))
            return
        if packet.post:
            self.post(packet.sem, 1)

    # -- control page -------------------------------------------------------------------------------------------------

    @property
    def status(self) -> int:
        """Register STATUS."""
        value = self.exited << 12 | self._response_lost << DROPPED_BIT | self.links << 16 | self._lost_links << LOST_LINKS_BIT
        if self._overflowed is not None:
            value |= 1 << OVERFLOW_BIT | self._overflowed << OVERFLOWED_SEMAPHORE_BIT
        for thread in self.threads:
            if thread.state in _STATUS_BITS:
                value |= 1 << thread.number + _STATUS_BITS[thread.state]
        return value

    def read_register(self, register: int) -> int:
        """Value of the register at a byte offset in the control page; 0 where there is none."""
        if register < THREAD_BLOCK:
            return self._read_node_register(register)
        if register < SEMAPHORE_BLOCK:
            thread, field = divmod(register - THREAD_BLOCK, THREAD_STRIDE)
            return self._read_thread_register(self.threads[thread], field) if thread < len(self.threads) else 0
        if register < COUNTER_BLOCK:
            semaphore = (register - SEMAPHORE_BLOCK) // SEMAPHORE_STRIDE
            return self.semaphores[semaphore] if semaphore < len(self.semaphores) else 0
        if register >= LIST_BLOCK:
            return self.lists.read(register)
        if register >= ROUTE_BLOCK:
            return self.router.routes.read(register)
        if register >= DEBUG_BLOCK:
            number, field = divmod(register - DEBUG_BLOCK, DEBUG_STRIDE)
            return self.threads[number].debug.read(field) if number < len(self.threads) else 0
        number, field = divmod(register - COUNTER_BLOCK, COUNTER_STRIDE)
        return self._read_counter(self.threads[number], field // _REGISTER_BYTES) if number < len(self.threads) else 0

    def write_register(self, register: int, value: int) -> None:
        """Write the register at a byte offset in the control page; read-only and missing ones ignore it."""
        value &= MASK_64
        if register < THREAD_BLOCK:
            if register == ControlRegister.TOHOST_ADDRESS:
                self.tohost_address = value
                self.tohost = 0
            elif register == ControlRegister.STATUS:
                self._overflowed = None
                self._response_lost = False
                self._lost_links = 0
        elif register < SEMAPHORE_BLOCK:
            number, field = divmod(register - THREAD_BLOCK, THREAD_STRIDE)
            if number < len(self.threads):
                if field == ThreadRegister.PC:
                    self.threads[number].start(value)
                elif field == ThreadRegister.STATE:
                    self.threads[number].stop(ThreadState.HALTED)
        elif register >= LIST_BLOCK:
            self.lists.write(register, value)
        elif register >= ROUTE_BLOCK:
            self.router.routes.write(register, value)
        elif register >= DEBUG_BLOCK:
            number, field = divmod(register - DEBUG_BLOCK, DEBUG_STRIDE)
            if number < len(self.threads):
                self.threads[number].debug.write(field, value)
        else:
            semaphore = (register - SEMAPHORE_BLOCK) // SEMAPHORE_STRIDE
            if semaphore < len(self.semaphores):
                self.post(semaphore, value & _SEMAPHORE_MAX)

    def _read_node_register(self, register: int) -> int:
        values: dict[int, int] = {
            ControlRegister.CONFIG: self.config.descriptor,
            ControlRegister.COORDINATES: self.address,
            ControlRegister.CYCLE: self.clock.cycle,
            ControlRegister.TOHOST_ADDRESS: self.tohost_address,
            ControlRegister.TOHOST: self.tohost,
            ControlRegister.STATUS: self.status,
            ControlRegister.FIRST_START: self._first_start,
            ControlRegister.LAST_STOP: self._last_stop,
            ControlRegister.MATRIX_STEPS: sum(thread.matrix_steps for thread in self.threads),
            ControlRegister.RETIRED: sum(thread.retired for thread in self.threads),
            ControlRegister.REQUESTS_SENT: self._requests_sent,
            ControlRegister.REQUESTS_RECEIVED: self._requests_received,
            ControlRegister.LINES_LOADED: sum(thread.lines_loaded for thread in self.threads),
            ControlRegister.LINES_STORED: sum(thread.lines_stored for thread in self.threads),
        }
        return values.get(register, 0)

    @staticmethod
    def _read_counter(thread: Thread, number: int) -> int:
        if thread.events is None:
            return 0
        if number in _EVENTS:
            return thread.read_counter(Event(number))
        return {0: thread.cycles, 2: thread.minstret}.get(number, 0)

    @staticmethod
    def _read_thread_register(thread: Thread, field: int) -> int:
        values: dict[int, int] = {
            ThreadRegister.PC: thread.pc,
            ThreadRegister.STATE: thread.state,
            ThreadRegister.CAUSE: thread.mcause,
            ThreadRegister.VALUE: thread.mtval,
            ThreadRegister.EXIT_CODE: thread.exit_code,
            ThreadRegister.RETIRED: thread.minstret,
            ThreadRegister.WAIT: _wait_of(thread),
            ThreadRegister.UNHANDLED_ERRORS: thread.unhandled_errors,
        }
        return values.get(field, 0)


def _wait_of(thread: Thread) -> int:
    """Value of a thread's WAIT register."""
    if thread.state is not ThreadState.WAITING:
        return 0
    semaphore, needed = thread.awaited
    return needed << 16 | semaphore
