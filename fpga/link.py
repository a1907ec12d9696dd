# SPDX-License-Identifier: Apache-2.0
"""The host's end of the link to a board: packets over a serial line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from fpga.errors import LinkError
from fpga.frames import PROTOCOL_VERSION, Frame, FrameDecoder, FrameType, Identity, encode_frame, pack_packet, unpack_packet
from golden.config import NodeConfig
from golden.packet import Packet

__all__ = ["HostLinkClient", "SerialLine"]

#: Frames under way without an acknowledgement. A serial line holds a few frames in buffers at most.
_WINDOW = 8

#: Attempts after which a board that does not answer is given up.
_ATTEMPTS = 5


class SerialLine(Protocol):
    """What is needed of ``serial.Serial``. Reads wait for its timeout at most, and return what came until then."""

    def read(self, size: int = 1) -> bytes:
        """Up to ``size`` bytes."""

    def write(self, data: bytes) -> int | None:
        """Send bytes."""


class HostLinkClient:
    """Exchanges packets with a board, in order and each once.

    Sequenced frames go out in a window and again from the first one that is missing when an acknowledgement stays away.
    What comes back is taken as it comes; whoever waits for a packet that was lost on its way here asks again.

    Parameters
    ----------
    line : SerialLine
        Its read timeout should be some milliseconds.
    config : NodeConfig
        What the board must hold.
    timeout : float
        Seconds after which something that was not answered is sent again.
    clock : callable
        Seconds, from any start; a simulated line has its own.

    Raises
    ------
    LinkError
        If the board does not answer, speaks another protocol, or holds another node.

    Members
    -------
    identity : Identity
        What the board says about itself.
    received : deque of Packet
        Packets that arrived; whoever takes them removes them.
    """

    def __init__(
        self, line: SerialLine, config: NodeConfig, *, timeout: float = 0.2, clock: Callable[[], float] = time.monotonic
    ):
        self.config = config
        self.received: deque[Packet] = deque()
        self._line = line
        self._timeout = timeout
        self._clock = clock
        self._decoder = FrameDecoder()
        self._unacknowledged: deque[Frame] = deque()
        self._sequence = 0
        self._last_heard = self._clock()
        self._identity: Identity | None = None
        self.identity = self._greet()
        self._check(self.identity)

    def send(self, packets: Iterable[Packet]) -> None:
        """Send packets in this order; returns when the board has accepted them all."""
        for packet in packets:
            kind = FrameType.REQUEST if packet.is_request else FrameType.RESPONSE
            self._queue(kind, pack_packet(packet, self.config))
            self._until(lambda: len(self._unacknowledged) < _WINDOW)
        self._until(lambda: not self._unacknowledged)

    def receive(self) -> Packet | None:
        """The next packet, or None if none came within the timeout."""
        deadline = self._clock() + self._timeout
        while not self.received and self._clock() < deadline:
            self._listen()
        return self.received.popleft() if self.received else None

    def reset(self) -> None:
        """Reset the nodes; what is under way is lost. SRAM keeps its contents."""
        self._queue(FrameType.RESET, b"")
        self._until(lambda: not self._unacknowledged)
        self.received.clear()

    def _greet(self) -> Identity:
        for _ in range(_ATTEMPTS):
            self._write(Frame(FrameType.HELLO, self._sequence - 1))
            deadline = self._clock() + self._timeout
            while self._identity is None and self._clock() < deadline:
                self._listen()
            if self._identity is not None:
                return self._identity
        raise LinkError("no answer from the board; is it the right port, its baud rate, and is the bitstream loaded?")

    def _check(self, identity: Identity) -> None:
        if identity.version != PROTOCOL_VERSION:
            raise LinkError(f"the board speaks version {identity.version} of the link's protocol, this is {PROTOCOL_VERSION}")
        if identity.key != self.config.key:
            raise LinkError(
                f"the board holds another node: its key is {identity.key}, that of '{self.config.name}' is {self.config.key}"
            )

    def _queue(self, kind: FrameType, payload: bytes) -> None:
        if not self._unacknowledged:
            self._last_heard = self._clock()
        frame = Frame(kind, self._sequence, 0, payload)
        self._sequence = (self._sequence + 1) % 256
        self._unacknowledged.append(frame)
        self._write(frame)

    def _until(self, reached: Callable[[], bool]) -> None:
        """Listen until something is reached; send again what is not acknowledged in time."""
        attempts = 0
        while not reached():
            before = len(self._unacknowledged)
            self._listen()
            if len(self._unacknowledged) < before:
                attempts = 0
            elif self._clock() - self._last_heard > self._timeout:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise LinkError("the board has stopped answering")
                self._last_heard = self._clock()
                for frame in self._unacknowledged:
                    self._write(frame)

    def _listen(self) -> None:
        """Take what has come on the line."""
        for frame in self._decoder.feed(self._line.read(max(1, getattr(self._line, "in_waiting", 1)))):
            if frame.type is FrameType.IDENTITY:
                self._identity = Identity.unpack(frame.payload)
                continue
            if frame.type in (FrameType.BOARD_REQUEST, FrameType.BOARD_RESPONSE):
                self.received.append(unpack_packet(frame.payload, self.config))
            accepted = (frame.acknowledge - self._unacknowledged[0].sequence) % 256 if self._unacknowledged else 0
            # Numbers from before the window are old news.
            if 0 < accepted <= len(self._unacknowledged):
                self._last_heard = self._clock()
                for _ in range(accepted):
                    self._unacknowledged.popleft()

    def _write(self, frame: Frame) -> None:
        self._line.write(encode_frame(frame))
