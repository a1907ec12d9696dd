# SPDX-License-Identifier: Apache-2.0
"""The host's end of the link to a board: packets over a serial line, each once and in order in both directions."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from fpga.errors import LinkError, WrongBoard
from fpga.frames import PROTOCOL_VERSION, Frame, FrameDecoder, FrameType, Identity, encode_frame, pack_packet, unpack_packet
from fpga.serial_port import open_port
from golden.config import ISA_VERSION, PRESETS, NodeConfig
from golden.layout import Kind
from golden.packet import Packet

__all__ = ["HostLinkClient", "SerialLine", "open_port"]

#: Bytes under way to the board are at most what the line carries in so many seconds: what waits there makes answers late.
_QUEUED_SECONDS = 0.05

#: Bits of a byte on the line, with start and stop bit.
_BITS_PER_BYTE = 10

#: The least window: a frame each on the line, in the board, and on its way back.
_LEAST_WINDOW = 8

#: The time between two POLLs grows to this part of the patience.
_POLL_SHARE = 1 / 8

#: A board that answers, but takes and sends no packet, is given up after so many times the patience.
_STALLED = 4

_SPACE = 256


class SerialLine(Protocol):
    """What is needed of a serial port. Reads wait for some milliseconds at most, and return what came until then.

    Lines that have them tell ``port`` and ``baudrate`` for messages, ``in_waiting`` (bytes that a read gets at once), and
    ``trouble`` (what the system says is wrong with the port, empty if nothing is).
    """

    def read(self, size: int = 1) -> bytes:
        """Up to ``size`` bytes."""

    def write(self, data: bytes) -> int | None:
        """Send bytes."""


class HostLinkClient:
    """A session with a board: sends packets and receives packets, none lost, none twice, whatever the line does meanwhile.

    Frames go out in a window. A gap that the board notices, or a POLL whose answer shows that frames were lost, makes them go
    out again from the first missing one. What comes back is taken in order and acknowledged, and the board sends again what
    was lost.

    Parameters
    ----------
    line : SerialLine
    config : NodeConfig, optional
        What the board must hold. If left out, it is the preset that the board names.
    timeout : float
        Seconds without progress after which the board is polled.
    patience : float
        Seconds of silence, while something is awaited, after which the board is given up. A cable may be unplugged for less.
    clock : callable
        Seconds, from any start; a simulated line has its own.
    session : int, optional
        Number of the session, not 0; random if left out.

    Raises
    ------
    LinkError
        If the board does not answer, speaks another protocol or has another instruction set. All other members raise it when
        the board is silent for too long, or has lost the session.
    WrongBoard
        If it holds another node.

    Members
    -------
    identity : Identity
        What the board says about itself.
    config : NodeConfig
    """

    def __init__(
        self,
        line: SerialLine,
        config: NodeConfig | None = None,
        *,
        timeout: float = 0.25,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        session: int | None = None,
    ):
        self._line = line
        self._timeout = timeout
        self._patience = patience
        self._clock = clock
        self._session = session or int.from_bytes(os.urandom(4), "little") or 1
        self._decoder = FrameDecoder()
        #: Bytes since the last good frame, and whether they were what was sent.
        self._bytes = 0
        self._echoed = False
        #: To the board: frames without an acknowledgement, and the number of the next one.
        self._unacknowledged: deque[Frame] = deque()
        self._sequence = 0
        #: From the board: packets that nobody took yet, the number of the next one, those not acknowledged, and a gap.
        self._received: deque[Packet] = deque()
        self._expected = 0
        self._unconfirmed = 0
        self._gap = False
        #: The last POLL: its number, whether it waits for an answer, and the number of the frame after those before it.
        self._poll = 0
        self._polled = False
        self._poll_mark = 0
        self._interval = timeout
        self._last_heard = self._last_progress = self._last_sent = clock()
        self.identity, self.config = self._greet(config)
        self._window = self._choose_window()

    def send(self, packets: Iterable[Packet]) -> None:
        """Send packets in this order; returns when all are under way, and maybe not there yet."""
        burst: list[Frame] = []
        for packet in packets:
            kind = FrameType.REQUEST if packet.is_request else FrameType.RESPONSE
            if len(self._unacknowledged) >= self._window:
                self._write(*burst)
                burst.clear()
                self._wait(lambda: len(self._unacknowledged) < self._window)
            burst.append(self._queue(kind, pack_packet(packet, self.config)))
        self._write(*burst)

    def flush(self) -> None:
        """Return when the board has everything that was sent, and knows what has arrived here."""
        self._wait(lambda: not self._unacknowledged)
        self.confirm()

    def receive(self, timeout: float | None = None) -> Packet | None:
        """The next packet; None if none came within the timeout, in seconds."""
        self._wait(lambda: bool(self._received), timeout)
        packet = self._received.popleft() if self._received else None
        if not self._received:
            self.confirm()
        return packet

    def receive_all(self) -> list[Packet]:
        """All packets that came, at least one. Who sends nothing after them should ``confirm`` them."""
        self._wait(lambda: bool(self._received))
        packets = list(self._received)
        self._received.clear()
        return packets

    def confirm(self) -> None:
        """Tell the board what has arrived, if no frame did since."""
        if self._unconfirmed:
            self._write(Frame(FrameType.ACKNOWLEDGE))

    def reset(self) -> None:
        """Reset the nodes; what is under way to them is lost. SRAM keeps its contents.

        Packets that left the array before may still arrive afterwards.
        """
        self._write(self._queue(FrameType.RESET, b""))
        self.flush()
        self._received.clear()

    # -- beginning a session ------------------------------------------------------------------------------------------

    def _greet(self, config: NodeConfig | None) -> tuple[Identity, NodeConfig]:
        """Ask the board what it is, refuse what does not fit, and begin the session."""
        identity, _ = self._introduction(b"", lambda identity: True)
        chosen = self._check(identity, config)
        identity, first = self._introduction(
            self._session.to_bytes(4, "little"), lambda identity: identity.session == self._session
        )
        self._expected = first
        return identity, chosen

    def _introduction(self, payload: bytes, fits: Callable[[Identity], bool]) -> tuple[Identity, int]:
        """The IDENTITY that answers a HELLO with that payload, and its sequence number."""
        start = last = self._clock()
        asked, interval = 0, self._timeout
        while self._clock() - start <= self._patience:
            if not asked or self._clock() - last >= interval:
                last = self._clock()
                interval = self._longer(interval) if asked else interval
                asked += 1
                self._line.write(encode_frame(Frame(FrameType.HELLO, self._sequence, 0, payload)))
            for frame in self._frames():
                if frame.type is not FrameType.IDENTITY:
                    continue
                identity = self._identity(frame)
                if identity is not None and fits(identity):
                    self._last_heard = self._last_progress = self._clock()
                    self._bytes = 0
                    return identity, frame.sequence
        raise LinkError(f"{self._place()}: no board answers; it was asked {asked} times in {self._patience:g} s. {self._hint()}")

    def _check(self, identity: Identity, config: NodeConfig | None) -> NodeConfig:
        """The configuration of the board's nodes, which must be the one that is asked for."""
        place = self._place()
        if identity.version != PROTOCOL_VERSION:
            raise LinkError(
                f"{place}: the board speaks version {identity.version} of the link's protocol, this host version "
                f"{PROTOCOL_VERSION}; build and flash its bitstream with this version of the project"
            )
        if identity.isa_version != ISA_VERSION:
            raise LinkError(
                f"{place}: the board's nodes have version {identity.isa_version} of the instruction set, this host has "
                f"{ISA_VERSION}; build and flash its bitstream with this version of the project"
            )
        if config is not None:
            if identity.key != config.key:
                raise WrongBoard(
                    f"{place}: the board holds another node, '{identity.name}' with key {identity.key}; "
                    f"that of '{config.name}' is {config.key}; choose the board's preset, or flash a bitstream of '{config.name}'"
                )
            return config
        for candidate in (*(c for c in PRESETS.values() if c.name == identity.name), *PRESETS.values()):
            if candidate.key == identity.key:
                return candidate
        raise LinkError(
            f"{place}: the board holds '{identity.name}' with key {identity.key}, which is no preset of this version; "
            f"presets are {', '.join(PRESETS)}; build and flash its bitstream with this version of the project"
        )

    def _choose_window(self) -> int:
        """Frames under way to the board: as many as it keeps, less on a slow line."""
        frame = len(encode_frame(Frame(FrameType.REQUEST, 0, 0, pack_packet(_longest_packet(self.config), self.config))))
        rate = getattr(self._line, "baudrate", None)
        room = self.identity.window - 1
        return room if not rate else min(room, max(_LEAST_WINDOW, int(rate / _BITS_PER_BYTE * _QUEUED_SECONDS / frame)))

    # -- the session --------------------------------------------------------------------------------------------------

    def _wait(self, reached: Callable[[], bool], timeout: float | None = None) -> None:
        """Serve the line until something is reached, or the timeout is over.

        Raises
        ------
        LinkError
            If the board is silent, or nothing moves.
        """
        start = self._clock()
        # What happened while nobody looked does not count as silence.
        self._last_heard = self._last_progress = start
        while not reached():
            self._serve()
            now = self._clock()
            if timeout is not None and now - start >= timeout:
                return
            if now - self._last_heard > self._patience:
                raise LinkError(
                    f"{self._place()}: the board has stopped answering; it was polled for {now - self._last_heard:.1f} s. "
                    f"{self._hint()}"
                )
            if now - self._last_progress > _STALLED * self._patience:
                what = "takes no packets" if self._unacknowledged else "sends no packets"
                raise LinkError(
                    f"{self._place()}: the board answers, but {what} for {now - self._last_progress:.1f} s: nodes are stuck or "
                    "were reset by the board's button, or most of the line's bytes are damaged (lower the baud rate)"
                )

    def _serve(self) -> None:
        """Take what has come on the line, and say what is due."""
        silent = True
        for frame in self._frames():
            silent = False
            self._take(frame)
        if self._unconfirmed and (silent or self._unconfirmed >= max(1, self._window // 4)):
            self.confirm()
        now = self._clock()
        if now - max(self._last_progress, self._last_sent) >= self._interval:
            self._poll = (self._poll + 1) % _SPACE
            self._polled = True
            self._poll_mark = self._sequence
            self._interval = self._longer(self._interval)
            self._write(Frame(FrameType.POLL, self._poll))

    def _take(self, frame: Frame) -> None:
        """Act upon a frame from the board."""
        if frame.type is FrameType.IDENTITY:
            identity = self._identity(frame)
            if identity is None:
                return
            if identity.session != self._session:
                raise LinkError(
                    f"{self._place()}: the board has lost the session: it was reset or loaded anew, or another program uses it"
                )
        self._last_heard = self._clock()
        self._bytes = 0
        self._accept_acknowledge(frame.acknowledge)
        if frame.type in (FrameType.BOARD_REQUEST, FrameType.BOARD_RESPONSE):
            self._accept_packet(frame)
        elif frame.type is FrameType.BOARD_REJECT:
            self._repeat()
        elif frame.type is FrameType.BOARD_ACKNOWLEDGE and self._polled and frame.sequence == self._poll:
            self._polled = False
            self._interval = self._timeout
            # The answer comes after everything before the POLL: what is still missing of that was lost.
            if self._unacknowledged and self._unacknowledged[0].sequence != self._poll_mark:
                before = (self._poll_mark - self._unacknowledged[0].sequence) % _SPACE
                if before <= len(self._unacknowledged):
                    self._repeat()

    def _accept_acknowledge(self, acknowledge: int) -> None:
        accepted = (acknowledge - self._unacknowledged[0].sequence) % _SPACE if self._unacknowledged else 0
        # Numbers from before the window are old news.
        if 0 < accepted <= len(self._unacknowledged):
            self._progress()
            for _ in range(accepted):
                self._unacknowledged.popleft()

    def _accept_packet(self, frame: Frame) -> None:
        ahead = (frame.sequence - self._expected) % _SPACE
        if ahead == 0:
            try:
                packet = unpack_packet(frame.payload, self.config)
            except ValueError as error:
                raise LinkError(f"{self._place()}: the board sent what is no packet: {error}") from None
            self._expected = (self._expected + 1) % _SPACE
            self._unconfirmed += 1
            self._gap = False
            self._received.append(packet)
            self._progress()
        elif ahead >= _SPACE // 2:
            # It was sent again, so the board does not know that it arrived.
            self._unconfirmed = max(1, self._unconfirmed)
        elif not self._gap:
            self._gap = True
            self._write(Frame(FrameType.REJECT))

    def _longer(self, interval: float) -> float:
        """The time until the next attempt, after one without an answer."""
        return min(2 * interval, max(_POLL_SHARE * self._patience, self._timeout))

    def _progress(self) -> None:
        self._last_progress = self._clock()
        self._interval = self._timeout

    def _repeat(self) -> None:
        """Send again what is not acknowledged."""
        self._write(*self._unacknowledged)

    def _queue(self, kind: FrameType, payload: bytes) -> Frame:
        frame = Frame(kind, self._sequence, 0, payload)
        self._sequence = (self._sequence + 1) % _SPACE
        self._unacknowledged.append(frame)
        return frame

    def _write(self, *frames: Frame) -> None:
        """Send frames with the acknowledgement that is due."""
        if not frames:
            return
        self._last_sent = self._clock()
        self._unconfirmed = 0
        line = (encode_frame(Frame(frame.type, frame.sequence, self._expected, frame.payload)) for frame in frames)
        self._line.write(b"".join(line))

    def _frames(self) -> Iterable[Frame]:
        """Frames from the board that have come; what the board cannot have sent is an echo."""
        line = self._line.read(max(1, getattr(self._line, "in_waiting", 1)))
        self._bytes += len(line)
        for frame in self._decoder.feed(line):
            if frame.type & 0x80:
                yield frame
            else:
                self._echoed = True

    def _identity(self, frame: Frame) -> Identity | None:
        """The identity in a frame, or None if it is too short for one."""
        try:
            return Identity.unpack(frame.payload)
        except ValueError:
            return None

    # -- messages -----------------------------------------------------------------------------------------------------

    def _place(self) -> str:
        port, baud = getattr(self._line, "port", None), getattr(self._line, "baudrate", None)
        return f"{port or 'the serial line'}{f' at {baud:,} baud' if baud else ''}"

    def _hint(self) -> str:
        """What to check, from what was seen."""
        trouble = getattr(self._line, "trouble", "")
        if trouble:
            return f"The port is gone ({trouble}): check the cable, and that the adapter is plugged in"
        if self._echoed:
            return "What is sent comes back: the line is a loop, or the design on the board is 'hello'; flash a node"
        if self._bytes:
            return (
                f"{self._bytes:,} bytes came that are no answer: check that the baud rate is the one that the bitstream was "
                "built for, and that the board holds a node"
            )
        return (
            "Nothing came at all: check that it is the board's port, that TX and RX are not swapped, and that the board holds a "
            "bitstream"
        )


def _longest_packet(config: NodeConfig) -> Packet:
    return Packet(Kind.WRITE, 0, 0, 0, mask=(1 << config.line_bytes) - 1, data=bytes(config.line_bytes))
