# SPDX-License-Identifier: Apache-2.0
"""The board's end of the byte protocol as a model in Python, written from docs/fpga.md and not from the gateware.

``BoardModel`` has packets on its other side, ``GoldenBoard`` a golden array. ``serve_terminal`` puts one behind a
pseudo-terminal.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import time
import tty
import zlib
from collections import deque
from collections.abc import Callable, Iterator

from fpga.frames import Identity, pack_packet, unpack_packet
from golden.config import NodeConfig
from golden.layout import Kind
from golden.mesh import GoldenArray
from golden.packet import Packet

#: Seconds after which a board sends again.
TIMEOUT = 0.1

_STRIKES = 15
_FLIT_TYPES = (0x02, 0x03)


class BoardModel:
    """A board: bytes on one side, packets on the other.

    Parameters
    ----------
    config : NodeConfig
    identity : Identity
    deliver : callable
        Gets every packet that is executed.
    window : int
        Packets that are kept for the host.

    Members
    -------
    checks, refuses_duplicates, keeps_order, goes_back : bool
        Switched off, each is a mistake that tests must notice: damaged frames are taken, old frames are executed again, frames
        ahead are executed, what is kept goes out again but for the oldest packet.
    room : bool
        False refuses packets.
    resets : int
        RESET frames executed.
    """

    def __init__(self, config: NodeConfig, identity: Identity, deliver: Callable[[Packet], None], *, window: int = 32):
        self.config = config
        self.identity = identity
        self.window = window
        self.deliver = deliver
        self.checks = self.refuses_duplicates = self.keeps_order = self.goes_back = True
        self.room = True
        self.resets = 0
        #: Packets that left the array: those kept, and those for which there is no place yet.
        self._kept: deque[tuple[int, bytes]] = deque()
        self._waiting: deque[bytes] = deque()
        self._number = 0
        self._sent = 0
        self._silent_since = 0.0
        self._strikes = 0
        self.power_up()
        self._body = bytearray()
        self._escape = False

    def power_up(self) -> None:
        """What loading the bitstream does."""
        self._session = 0
        self._expected = 0
        self._poll = 0
        self._rejected = False
        self._refused = False
        self._line = bytearray()

    def push(self, packet: Packet) -> None:
        """A packet leaves the array."""
        self._waiting.append((0x82 if packet.is_request else 0x83).to_bytes(1, "little") + pack_packet(packet, self.config))

    def feed(self, line: bytes, now: float) -> bytes:
        """Bytes from the host, up to a point in time; returns what the board has sent by then."""
        for byte in line:
            self._hear(byte)
        while self._waiting and len(self._kept) < self.window:
            self._kept.append((self._number, self._waiting.popleft()))
            self._number = (self._number + 1) % 256
        if self._refused and self.room:
            self._refused = False
            self._reject()
        if not self._session:
            pass
        elif self._sent < len(self._kept):
            self._silent_since = now
            for number, packet in list(self._kept)[self._sent :]:
                self._say(packet[0], number, packet[1:])
            self._sent = len(self._kept)
        elif self._kept and now - self._silent_since > TIMEOUT and self._strikes < _STRIKES:
            self._strikes += 1
            self._silent_since = now
            self._repeat()
        said, self._line = bytes(self._line), bytearray()
        return said

    def _hear(self, byte: int) -> None:
        if byte == 0x7E:
            body, aborted = bytes(self._body), self._escape
            self._body.clear()
            self._escape = False
            whole = len(body) >= 7 and zlib.crc32(body[:-4]) == int.from_bytes(body[-4:], "little")
            if not aborted and (whole or (len(body) >= 7 and not self.checks)):
                self._execute(body[0], body[1], body[2], body[3:-4])
        elif byte == 0x7D:
            self._escape = True
        else:
            self._body.append(byte ^ 0x20 if self._escape else byte)
            self._escape = False

    def _execute(self, kind: int, sequence: int, acknowledge: int, payload: bytes) -> None:
        flit = len(pack_packet(_EMPTY, self.config))
        right = {0x00: len(payload) in (0, 4), 0x02: len(payload) == flit, 0x03: len(payload) == flit}
        if kind > 0x06 or not right.get(kind, not payload):
            return
        self._strikes = 0
        if kind == 0x00:
            session = int.from_bytes(payload, "little")
            if payload and session != self._session:
                self._session, self._expected = session, sequence
                self._rejected = self._refused = False
                self._poll = 0
                self._kept.clear()
                self._sent = 0
            self._introduce()
            return
        if not self._session:
            if kind in (0x01, 0x02, 0x03, 0x06):
                self._introduce()
            return
        if self._kept:
            confirmed = (acknowledge - self._kept[0][0]) % 256
            if confirmed <= len(self._kept):
                for _ in range(confirmed):
                    self._kept.popleft()
                self._sent = max(0, self._sent - confirmed)
        if kind == 0x05:
            self._repeat()
        elif kind == 0x06:
            self._poll = sequence
            self._say(0x81, sequence)
        elif kind in (0x01, 0x02, 0x03):
            self._sequenced(kind, sequence, payload)

    def _sequenced(self, kind: int, sequence: int, payload: bytes) -> None:
        ahead = (sequence - self._expected) % 256
        if (ahead >= 128 and self.refuses_duplicates) or (0 < ahead < 128 and self.keeps_order):
            if ahead >= 128:
                self._say(0x81, self._poll)
            else:
                self._reject()
        elif kind == 0x01:
            self._next(sequence)
            self.resets += 1
        elif self.room:
            self._next(sequence)
            with contextlib.suppress(ValueError):  # only a board that checks nothing gets what is no packet
                self.deliver(unpack_packet(payload, self.config))
        else:
            self._refused = True

    def _repeat(self) -> None:
        self._sent = 0 if self.goes_back else min(1, len(self._kept))

    def _next(self, sequence: int) -> None:
        self._expected = (sequence + 1) % 256
        self._rejected = False
        self._say(0x81, self._poll)

    def _reject(self) -> None:
        if not self._rejected and not self._refused:
            self._rejected = True
            self._say(0x84, 0)

    def _introduce(self) -> None:
        identity = self.identity.pack()
        identity = identity[:1] + bytes([self.window]) + identity[2:-4] + self._session.to_bytes(4, "little")
        self._say(0x80, self._kept[0][0] if self._kept else self._number, identity)

    def _say(self, kind: int, sequence: int, payload: bytes = b"") -> None:
        body = bytes([kind, sequence, self._expected]) + payload
        body += zlib.crc32(body).to_bytes(4, "little")
        escaped = b"".join(bytes([0x7D, byte ^ 0x20]) if byte in (0x7D, 0x7E) else bytes([byte]) for byte in body)
        self._line += b"\x7e" + escaped + b"\x7e"


class GoldenBoard(BoardModel):
    """A board whose nodes are golden ones. They run while bytes are exchanged."""

    #: Cycles that nodes run per exchange.
    CYCLES = 2000

    def __init__(self, config: NodeConfig, rows: int = 1, columns: int = 1, *, window: int = 32):
        self.array = GoldenArray(config, rows, columns)
        identity = Identity.of(config, clock_hz=25_000_000, rows=rows, columns=columns)
        super().__init__(config, identity, self.array.send, window=window)

    def feed(self, line: bytes, now: float) -> bytes:
        """As ``BoardModel.feed``."""
        said = super().feed(line, now)
        self.array.run(self.CYCLES)
        for packet in self.array.host_inbox:
            self.push(packet)
        self.array.host_inbox.clear()
        return said


@contextlib.contextmanager
def serve_terminal(board: BoardModel) -> Iterator[str]:
    """Put a board behind a pseudo-terminal, in a thread; gives the terminal's path."""
    controller, terminal = pty.openpty()
    tty.setraw(terminal)
    stop = threading.Event()

    def serve() -> None:
        pending = b""
        while not stop.is_set():
            readable, writable, _ = select.select([controller], [controller] if pending else [], [], 0.002)
            heard = os.read(controller, 4096) if readable else b""
            pending += board.feed(heard, time.monotonic())
            if writable:
                pending = pending[os.write(controller, pending[:512]) :]

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield os.ttyname(terminal)
    finally:
        stop.set()
        server.join()
        os.close(controller)
        os.close(terminal)


_EMPTY = Packet(Kind.WRITE, 0, 0, 0)
