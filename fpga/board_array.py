# SPDX-License-Identifier: Apache-2.0
"""A board as an array of nodes: what ``sw.host`` and kernels drive."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fpga.link import HostLinkClient
from golden.config import CONTROL_PAGE_BYTES, CONTROL_PAGE_OFFSET, NodeConfig
from golden.control_writes import check_control_write
from golden.layout import (
    ROUTE_ENABLE,
    SEMAPHORE_ID_BITS,
    ControlRegister,
    GlobalAddress,
    Kind,
    NetworkError,
    Port,
    ThreadRegister,
    ThreadState,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import NetworkAccessError
from golden.multicast import ROUTE_CONTROL_OFFSET, multicast_targets
from golden.packet import Packet, write_packets
from golden.topology import Topology

__all__ = ["BoardArray", "BoardOutcome", "BoardThread"]

#: Tags of READs. WRITEs have the one after them; only their errors come back.
_READ_TAGS = 128
_WRITE_TAG = _READ_TAGS

#: The host's link.
_HOST = (0, 0, Port.WEST)

#: Seconds between two looks at nodes that run.
_POLL_SECONDS = 0.005

#: Times in a row that nothing may have changed while no thread runs, before that is a deadlock.
_STILL_POLLS = 3

#: STATUS: threads that a debugger has stopped.
_STOPPED_BIT = 20

#: A line of a node's window: x, y, offset.
_Line = tuple[int, int, int]


@dataclass(frozen=True)
class BoardOutcome:
    """How a run ended: ``reason`` is "ended", "limit", "deadlock" or "stopped"; ``cycles`` that passed in it."""

    reason: str
    cycles: int


@dataclass(frozen=True)
class BoardThread:
    """State of a thread; of one that waits, its semaphore, what it needs of it and what that holds."""

    x: int
    y: int
    thread: int
    state: ThreadState
    pc: int
    semaphore: int | None = None
    needed: int | None = None
    value: int | None = None


class BoardArray:
    """The nodes of a board by packets, with the interface of ``sw.host.ArrayBackend`` and ``BatchBackend``.

    ``peek`` and ``poke`` are packets as well: a board has no back door. As many READs are under way as the board keeps answers,
    so that the line is always busy.

    Parameters
    ----------
    link : HostLinkClient
    pause : callable
        Waits that many seconds between two looks at nodes that run.

    Raises
    ------
    LinkError
        If the board stops answering; so does every other member.
    """

    def __init__(self, link: HostLinkClient, *, pause: Callable[[float], None] = time.sleep):
        self._link = link
        self._pause = pause
        self._reads = max(1, min(_READ_TAGS, link.identity.window - 1))
        self._free_tags = deque(range(_READ_TAGS))
        self._fence()

    @property
    def config(self) -> NodeConfig:
        """Of every node."""
        return self._link.config

    @property
    def rows(self) -> int:
        """Rows of nodes."""
        return self._link.identity.rows

    @property
    def columns(self) -> int:
        """Columns of nodes."""
        return self._link.identity.columns

    def write(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write bytes into a node's window; raises as :meth:`write_many`."""
        self.write_many([(x, y, offset, data)])

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of a node's window; raises as :meth:`read_many`."""
        return self.read_many([(x, y, offset, length)])[0]

    def write_register(self, x: int, y: int, offset: int, value: int) -> None:
        """Write a 64-bit register of the control page, given its offset in the window, a multiple of 8."""
        self._check_register(offset)
        self.write(x, y, offset, value.to_bytes(8, "little"))

    def read_register(self, x: int, y: int, offset: int) -> int:
        """Read a 64-bit register of the control page, given its offset in the window, a multiple of 8."""
        self._check_register(offset)
        return int.from_bytes(self.read(x, y, offset, 8), "little")

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read SRAM; ValueError if it is not there."""
        self._check_sram(offset, length)
        return self.read(x, y, offset, length)

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write SRAM; ValueError if it is not there."""
        self._check_sram(offset, len(data))
        self.write(x, y, offset, data)

    def write_many(self, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Write blocks (x, y, offset, contents), in this order; returns when the nodes have them.

        Raises
        ------
        golden.mesh.NetworkAccessError
            If a node or an offset is not there.
        ValueError
            If coordinates or an offset do not fit into a global address, or part of a block would do nothing in the control page
            (:class:`golden.control_writes.ControlWriteError`).
        """
        packets: list[Packet] = []
        touched: dict[tuple[int, int], None] = {}
        for x, y, offset, data in blocks:
            check_control_write(self.config, offset, len(data))
            packets += write_packets(self.config.line_bytes, GlobalAddress(x, y, offset), data, _HOST, _WRITE_TAG)
            touched[x, y] = None
        self._send_writes(packets, touched)

    def multicast(self, x: int, y: int, columns: int, rows: int, offset: int, data: bytes, post: int | None = None) -> None:
        """Write the same bytes into all nodes of a rectangle; returns when they have them: ``GoldenArray.multicast``."""
        check_control_write(self.config, offset, len(data))
        rectangle = GlobalAddress.rectangle(x, y, columns, rows, offset)
        tables = bool(self.config.route_bits and self.read_register(*_HOST[:2], ROUTE_CONTROL_OFFSET) & ROUTE_ENABLE)
        targets, beyond = multicast_targets(Topology(self.rows, self.columns), tables, rectangle)
        packets = [
            packet
            for target in targets
            for packet in write_packets(self.config.line_bytes, target, data, _HOST, _WRITE_TAG, post)
        ]
        # Copies go along the host's row, and from there along the columns of the rectangle.
        self._send_writes(packets, [(i, j) for i, j in self._sites() if i < x + columns and j < y + rows])
        if beyond:
            raise NetworkAccessError(rectangle, NetworkError.UNREACHABLE)

    def read_many(self, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Read blocks (x, y, offset, length); raises as :meth:`write_many`."""
        wanted = list(blocks)
        size = self.config.line_bytes
        lines = self._read_lines(
            list(
                dict.fromkeys(
                    (x, y, line)
                    for x, y, offset, length in wanted
                    for line in range(self._line_of(offset), offset + length, size)
                )
            )
        )
        results = []
        for x, y, offset, length in wanted:
            first = self._line_of(offset)
            whole = b"".join(lines[x, y, line] for line in range(first, offset + length, size))
            results.append(whole[offset - first :][:length])
        return results

    def run(self, max_cycles: int) -> BoardOutcome:
        """Wait until all threads have stopped, the limit is reached, or nothing can move any more."""
        return self.run_served(max_cycles, lambda: False)

    def run_served(self, max_cycles: int, serve: Callable[[], bool]) -> BoardOutcome:
        """As ``run``, and calls ``serve`` at each look, which says whether it has answered somebody, who can go on then."""
        start = self._states()[0]
        before: list[tuple[int, int]] = []
        still = 0
        while True:
            cycle, states = self._states()
            passed = cycle - start
            # After the states, so that nothing is left unanswered where no thread is active any more.
            answered = serve()
            active = [status for status, _ in states if status & 0xFF]
            stopped = any(status >> _STOPPED_BIT & 0xF for status, _ in states)
            if not active and not answered:
                return BoardOutcome("stopped" if stopped else "ended", passed)
            waits = not any(status & 0xF for status in active)
            still = still + 1 if waits and states == before else 0
            if still == _STILL_POLLS:
                return BoardOutcome("stopped" if stopped else "deadlock", passed)
            if passed >= max_cycles:
                return BoardOutcome("limit", passed)
            before = states
            if not answered:
                self._pause(_POLL_SECONDS)

    def thread_states(self) -> Sequence[BoardThread]:
        """State of every thread, row by row."""
        registers = (ThreadRegister.PC, ThreadRegister.STATE, ThreadRegister.WAIT)
        sites = [(x, y, thread) for x, y in self._sites() for thread in range(self.config.threads)]
        values = self._registers([(x, y, thread_offset(thread, each)) for x, y, thread in sites for each in registers])
        waits = values[2::3]
        held = self._registers(
            [(x, y, semaphore_offset(wait & (1 << SEMAPHORE_ID_BITS) - 1)) for (x, y, _), wait in zip(sites, waits, strict=True)]
        )
        threads = []
        for place, pc, number, wait, value in zip(sites, values[::3], values[1::3], waits, held, strict=True):
            state = ThreadState(number)
            if state is ThreadState.WAITING:
                awaited = {"semaphore": wait & (1 << SEMAPHORE_ID_BITS) - 1, "needed": wait >> 16, "value": value}
                threads.append(BoardThread(*place, state, pc, **awaited))
            else:
                threads.append(BoardThread(*place, state, pc))
        return threads

    def reset(self) -> None:
        """Reset the nodes; threads stop, registers have their values after reset, SRAM keeps its contents."""
        self._link.reset()
        self._fence()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _sites(self) -> list[tuple[int, int]]:
        return [(x, y) for y in range(self.rows) for x in range(self.columns)]

    def _states(self) -> tuple[int, list[tuple[int, int]]]:
        """The cycle, and STATUS and instructions retired of every node."""
        wanted = [(0, 0, control_offset(ControlRegister.CYCLE))]
        for x, y in self._sites():
            wanted += [(x, y, control_offset(register)) for register in (ControlRegister.STATUS, ControlRegister.RETIRED)]
        cycle, *values = self._registers(wanted)
        return cycle, list(zip(values[::2], values[1::2], strict=True))

    def _registers(self, places: Sequence[_Line]) -> list[int]:
        return [int.from_bytes(value, "little") for value in self.read_many([(*place, 8) for place in places])]

    def _line_of(self, offset: int) -> int:
        return offset - offset % self.config.line_bytes

    def _send_writes(self, packets: Sequence[Packet], passed: Iterable[tuple[int, int]]) -> None:
        """Send WRITEs, and wait until they have come to these nodes, which are those that may refuse them."""
        self._link.send(packets)
        # Requests from one place to another stay in order, and so do answers: what failed at a node has answered before this.
        config_line = self._line_of(control_offset(ControlRegister.CONFIG))
        self._read_lines([(x, y, config_line) for x, y in passed])

    def _read_lines(self, lines: Sequence[_Line]) -> dict[_Line, bytes]:
        """Contents of different lines. An error that comes meanwhile is raised when nothing is under way any more."""
        found: dict[_Line, bytes] = {}
        under_way: dict[int, _Line] = {}
        failure: NetworkAccessError | None = None
        left = deque(lines)
        while left or under_way:
            requests = []
            while left and len(under_way) < self._reads and failure is None:
                tag, line = self._free_tags.popleft(), left.popleft()
                under_way[tag] = line
                requests.append(self._read_request(tag, *line))
            if not under_way:
                break
            self._link.send(requests)
            for packet in self._link.receive_all():
                answered = under_way.get(packet.tag)
                if packet.kind is Kind.ERROR and packet.tag in (*under_way, _WRITE_TAG):
                    failure = failure or _failure(packet)
                elif packet.kind is not Kind.READ_DATA or answered != (packet.src_x, packet.src_y, packet.offset):
                    continue
                if answered is not None:
                    found[answered] = packet.data
                    del under_way[packet.tag]
                    self._free_tags.append(packet.tag)
        self._link.confirm()
        if failure is not None:
            raise failure
        return found

    def _fence(self) -> None:
        """Drop what an earlier session or a reset has left in the network.

        Answers of a node stay in order, so what comes before the answer to a READ of now is older than it. A line that nobody
        else is likely to have read tells that answer from older ones.
        """
        size = self.config.line_bytes
        line = CONTROL_PAGE_OFFSET + secrets.randbelow(CONTROL_PAGE_BYTES // size) * size
        tag = secrets.randbelow(_READ_TAGS)
        awaited = set(self._sites())
        self._link.send(self._read_request(tag, x, y, line) for x, y in self._sites())
        while awaited:
            for packet in self._link.receive_all():
                if (packet.kind, packet.tag, packet.offset) == (Kind.READ_DATA, tag, line):
                    awaited.discard((packet.src_x, packet.src_y))
        self._link.confirm()

    @staticmethod
    def _read_request(tag: int, x: int, y: int, offset: int) -> Packet:
        """A READ whose response comes back to the host, at the west link of node (0, 0)."""
        GlobalAddress(x, y, offset)  # raises if it is none
        return Packet(kind=Kind.READ, x=x, y=y, offset=offset, src_exit=Port.WEST, tag=tag)

    @staticmethod
    def _check_register(offset: int) -> None:
        if offset % 8:
            raise ValueError(f"register offset {offset:#x} is not a multiple of 8")

    def _check_sram(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.config.sram_bytes:
            raise ValueError(f"{length} bytes at offset {offset:#x} are not in an SRAM of {self.config.sram_bytes} bytes")


def _failure(packet: Packet) -> NetworkAccessError:
    """What an ERROR packet says."""
    address = GlobalAddress(packet.src_x, packet.src_y, packet.offset)
    return NetworkAccessError(address, NetworkError(packet.sem))
