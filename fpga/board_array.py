# SPDX-License-Identifier: Apache-2.0
"""A board as an array of nodes: what ``sw.host`` and kernels drive."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpga.errors import LinkError
from fpga.link import HostLinkClient
from golden.config import NodeConfig
from golden.layout import (
    ControlRegister,
    Kind,
    NetworkError,
    Port,
    ThreadRegister,
    ThreadState,
    control_offset,
    thread_offset,
)
from golden.packet import Packet

__all__ = ["BoardArray", "BoardOutcome", "BoardThread"]

#: READs under way at a time: as many as a node's buffers hold without holding up the link.
_READS = 4

#: Times that READs without an answer are sent again.
_ATTEMPTS = 5

#: Seconds between two looks at nodes that run.
_POLL_SECONDS = 0.005

#: Times in a row that nothing may have changed while no thread runs, before that is a deadlock.
_STILL_POLLS = 3


@dataclass(frozen=True)
class BoardOutcome:
    """How a run ended: ``reason`` is "ended", "limit" or "deadlock"; ``cycles`` that passed in it."""

    reason: str
    cycles: int


@dataclass(frozen=True)
class BoardThread:
    """State of a thread."""

    x: int
    y: int
    thread: int
    state: ThreadState
    pc: int


class BoardArray:
    """The nodes of a board by packets, with the interface of ``sw.host.ArrayBackend``.

    ``peek`` and ``poke`` are packets as well: a board has no back door.

    Parameters
    ----------
    link : HostLinkClient
    """

    def __init__(self, link: HostLinkClient):
        self._link = link
        self._tag = 0

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
        """Write bytes into a node's window."""
        self.write_many([(x, y, offset, data)])

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of a node's window."""
        return self.read_many([(x, y, offset, length)])[0]

    def write_register(self, x: int, y: int, offset: int, value: int) -> None:
        """Write a 64-bit register of the control page."""
        self.write(x, y, offset, value.to_bytes(8, "little"))

    def read_register(self, x: int, y: int, offset: int) -> int:
        """Read a 64-bit register of the control page."""
        return int.from_bytes(self.read(x, y, offset, 8), "little")

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read SRAM."""
        return self.read(x, y, offset, length)

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write SRAM."""
        self.write(x, y, offset, data)

    def write_many(self, blocks: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Write blocks (x, y, offset, contents), in this order.

        Raises
        ------
        LinkError
            If a node or an offset is not there.
        """
        self._link.send(packet for block in blocks for packet in self._write_packets(*block))
        # Whatever failed has answered before this: requests of one source and destination stay in order, and so do answers.
        self.read_register(0, 0, control_offset(ControlRegister.CONFIG))

    def read_many(self, blocks: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Read blocks (x, y, offset, length).

        Raises
        ------
        LinkError
            If a node or an offset is not there, or the board stops answering.
        """
        wanted = list(blocks)
        size = self.config.line_bytes
        lines = {
            (x, y, line): b"" for x, y, offset, length in wanted for line in range(offset - offset % size, offset + length, size)
        }
        keys = list(lines)
        for start in range(0, len(keys), _READS):
            lines.update(self._read_lines(keys[start : start + _READS]))
        results = []
        for x, y, offset, length in wanted:
            first = offset - offset % size
            whole = b"".join(lines[x, y, line] for line in range(first, offset + length, size))
            results.append(whole[offset - first :][:length])
        return results

    def run(self, max_cycles: int) -> BoardOutcome:
        """Wait until all threads have stopped, the limit is reached, or nothing can move any more."""
        start = self._cycle()
        before: list[tuple[int, ...]] = []
        still = 0
        while True:
            states = self._states()
            passed = self._cycle() - start
            active = [state for state in states if state[0] & 0xFF]
            if not active:
                return BoardOutcome("ended", passed)
            waits = not any(state[0] & 0xF for state in active)
            still = still + 1 if waits and states == before else 0
            if still == _STILL_POLLS:
                return BoardOutcome("deadlock", passed)
            if passed >= max_cycles:
                return BoardOutcome("limit", passed)
            before = states
            time.sleep(_POLL_SECONDS)

    def thread_states(self) -> Sequence[BoardThread]:
        """State of every thread, row by row."""
        threads = []
        for y in range(self.rows):
            for x in range(self.columns):
                for thread in range(self.config.threads):
                    state = self.read_register(x, y, thread_offset(thread, ThreadRegister.STATE))
                    pc = self.read_register(x, y, thread_offset(thread, ThreadRegister.PC))
                    threads.append(BoardThread(x, y, thread, ThreadState(state), pc))
        return threads

    def _cycle(self) -> int:
        return self.read_register(0, 0, control_offset(ControlRegister.CYCLE))

    def _states(self) -> list[tuple[int, ...]]:
        """STATUS and instructions retired of every node."""
        registers = (ControlRegister.STATUS, ControlRegister.RETIRED)
        return [
            tuple(self.read_register(x, y, control_offset(register)) for register in registers)
            for y in range(self.rows)
            for x in range(self.columns)
        ]

    def _write_packets(self, x: int, y: int, offset: int, data: bytes) -> Iterable[Packet]:
        """A WRITE for each line that the bytes touch."""
        size = self.config.line_bytes
        for line in range(offset - offset % size, offset + len(data), size):
            first, last = max(offset, line), min(offset + len(data), line + size)
            contents = bytes(first - line) + data[first - offset : last - offset] + bytes(line + size - last)
            mask = (1 << last - line) - (1 << first - line)
            yield self._packet(Kind.WRITE, x, y, line, mask=mask, data=contents)

    def _read_lines(self, keys: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], bytes]:
        found: dict[tuple[int, int, int], bytes] = {}
        for _ in range(_ATTEMPTS):
            requests = [self._packet(Kind.READ, x, y, line) for x, y, line in keys if (x, y, line) not in found]
            tags = {packet.tag: (packet.x, packet.y, packet.offset) for packet in requests}
            self._link.send(requests)
            while tags:
                packet = self._link.receive()
                if packet is None:
                    break
                if packet.kind is Kind.ERROR:
                    self._fail(packet)
                key = tags.pop(packet.tag, None)
                if packet.kind is Kind.READ_DATA and key is not None:
                    found[key] = packet.data
            if not tags:
                return found
        raise LinkError("the board does not answer READs")

    def _packet(self, kind: Kind, x: int, y: int, offset: int, *, mask: int = 0, data: bytes = b"") -> Packet:
        """A request whose response comes back to the host, at the west link of node (0, 0)."""
        self._tag = (self._tag + 1) % 256
        return Packet(kind=kind, x=x, y=y, offset=offset, src_exit=Port.WEST, tag=self._tag, mask=mask, data=data)

    def _fail(self, packet: Packet) -> None:
        reason = NetworkError(packet.sem).name if packet.sem in set(NetworkError) else f"error {packet.sem}"
        raise LinkError(f"row {packet.src_y}, column {packet.src_x}, offset {packet.offset:#x}: {reason}")
