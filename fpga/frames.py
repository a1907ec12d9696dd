# SPDX-License-Identifier: Apache-2.0
"""The byte protocol between host and board: frames, their types and contents. docs/fpga.md describes it.

Frames follow RFC 1662 (PPP in HDLC-like framing): between two flags a body and its 32-bit check sequence, low byte first, in
which flag and escape bytes are escaped. Both sides of the link take their numbers from here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from golden.config import NodeConfig
from golden.layout import Kind, flit_bits, flit_fields
from golden.packet import Packet

__all__ = [
    "CHECK_BYTES",
    "ESCAPE",
    "ESCAPE_XOR",
    "FLAG",
    "HEADER_BYTES",
    "PROTOCOL_VERSION",
    "SESSION_BYTES",
    "Frame",
    "FrameDecoder",
    "FrameType",
    "Identity",
    "encode_frame",
    "flit_bytes",
    "pack_packet",
    "unpack_packet",
]

FLAG = 0x7E
ESCAPE = 0x7D
ESCAPE_XOR = 0x20

#: Bytes of the check sequence: CRC-32 as in Ethernet and zlib.
CHECK_BYTES = 4

#: Bytes of a body before its payload: type, sequence, acknowledge.
HEADER_BYTES = 3

#: Reported in IDENTITY; raised when frames change in a way that old hosts misread.
PROTOCOL_VERSION = 2


#: Bytes of a HELLO's payload: the number of the session, low byte first, not zero.
SESSION_BYTES = 4

#: More than the bytes of any frame between its flags.
_LONGEST = 4096


class FrameType(IntEnum):
    """First byte of a body. Bit 7 is set in frames from the board."""

    HELLO = 0x00
    """Begins the session whose number is the payload; without a payload, only asks for IDENTITY. Its sequence number is that of
    the first sequenced frame of the session."""
    RESET = 0x01
    """Resets the nodes and everything under way to them. Sequenced."""
    REQUEST = 0x02
    """A packet of the request class for the array. Sequenced."""
    RESPONSE = 0x03
    """A packet of the response class for the array. Sequenced."""
    ACKNOWLEDGE = 0x04
    """Nothing but its header."""
    REJECT = 0x05
    """A packet from the board is missing: it sends again what is not acknowledged."""
    POLL = 0x06
    """Is answered by BOARD_ACKNOWLEDGE with the same sequence number."""
    IDENTITY = 0x80
    """The board describes itself: :class:`Identity`. Its sequence number is that of the oldest packet that it keeps."""
    BOARD_ACKNOWLEDGE = 0x81
    """Nothing but its header; its sequence number is that of the last POLL."""
    BOARD_REQUEST = 0x82
    """A packet of the request class that left the array."""
    BOARD_RESPONSE = 0x83
    """A packet of the response class that left the array."""
    BOARD_REJECT = 0x84
    """A frame from the host is missing, or there was no room for it: the host sends again what is not acknowledged."""


_TYPES = frozenset(FrameType)


@dataclass(frozen=True)
class Frame:
    """The body of a frame.

    Attributes
    ----------
    type : FrameType
    sequence : int
        Number of the frame, modulo 256; counts sequenced frames of a direction.
    acknowledge : int
        The sequence number that the sender expects next from the other side: all before it have arrived.
    payload : bytes
    """

    type: FrameType
    sequence: int = 0
    acknowledge: int = 0
    payload: bytes = b""


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame on the line, flags included."""
    body = bytes([frame.type, frame.sequence & 0xFF, frame.acknowledge & 0xFF]) + frame.payload
    body += zlib.crc32(body).to_bytes(CHECK_BYTES, "little")
    for byte in (ESCAPE, FLAG):
        body = body.replace(bytes([byte]), bytes([ESCAPE, byte ^ ESCAPE_XOR]))
    return bytes([FLAG]) + body + bytes([FLAG])


class FrameDecoder:
    """Finds frames in a stream of bytes; what is damaged is dropped and counted.

    Members
    -------
    damaged : int
        Frames that were dropped: check sequence, length, abort or type wrong.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._rest = b""

    def feed(self, line: bytes) -> Iterator[Frame]:
        """Take bytes from the line; yields the frames that they complete."""
        *bodies, self._rest = (self._rest + line).split(bytes([FLAG]))
        # What is longer than any frame will not become one; its end is enough to see that it is damaged.
        self._rest = self._rest[-_LONGEST:]
        for body in bodies:
            if body:
                frame = _decode_body(body)
                if frame is None:
                    self.damaged += 1
                else:
                    yield frame


def _decode_body(line: bytes) -> Frame | None:
    """The frame between two flags, or None if it is damaged."""
    first, *others = line.split(bytes([ESCAPE]))
    if not all(others):  # an escape before a flag aborts the frame, two in a row are no encoding
        return None
    body = first + b"".join(bytes([part[0] ^ ESCAPE_XOR]) + part[1:] for part in others)
    contents, check = body[:-CHECK_BYTES], body[-CHECK_BYTES:]
    if len(contents) < HEADER_BYTES or zlib.crc32(contents).to_bytes(CHECK_BYTES, "little") != check:
        return None
    if contents[0] not in _TYPES:
        return None
    return Frame(FrameType(contents[0]), contents[1], contents[2], contents[HEADER_BYTES:])


def flit_bytes(config: NodeConfig) -> int:
    """Bytes of a packet in a frame: a flit's fields as ``golden.layout.flit_fields`` lists them, low byte first."""
    return -(-flit_bits(config) // 8)


def pack_packet(packet: Packet, config: NodeConfig) -> bytes:
    """A packet as payload of a frame."""
    value, shift = 0, 0
    for name, bits in flit_fields(config):
        field = getattr(packet, name)
        number = int.from_bytes(field, "little") if isinstance(field, bytes) else int(field)
        if number >> bits:
            raise ValueError(f"{name} = {number:#x} does not fit into {bits} bits")
        value |= number << shift
        shift += bits
    return value.to_bytes(flit_bytes(config), "little")


def unpack_packet(payload: bytes, config: NodeConfig) -> Packet:
    """The inverse of :func:`pack_packet`; ValueError if the payload is none."""
    if len(payload) != flit_bytes(config):
        raise ValueError(f"a packet of '{config.name}' has {flit_bytes(config)} bytes, not {len(payload)}")
    value, fields = int.from_bytes(payload, "little"), {}
    for name, bits in flit_fields(config):
        fields[name] = value & (1 << bits) - 1
        value >>= bits
    line = fields.pop("data").to_bytes(config.line_bytes, "little")
    return Packet(kind=Kind(fields.pop("kind")), post=bool(fields.pop("post")), data=line, **fields)


@dataclass(frozen=True)
class Identity:
    """What a board says about itself: payload of IDENTITY.

    Attributes
    ----------
    clock_hz : int
        Clock of the nodes.
    rows, columns : int
        Of the array.
    descriptor : int
        ``NodeConfig.descriptor`` of every node; holds the version of the instruction set.
    key : str
        ``NodeConfig.key``: which hardware exactly.
    name : str
        Name of the preset or design, at most 16 bytes of UTF-8; what is longer is cut.
    window : int
        Packets that the board keeps for the host until they are acknowledged; the host link fills it in.
    session : int
        Number of the session that the board is in, 0 if there is none.
    version : int
        Of this protocol.
    """

    clock_hz: int
    rows: int
    columns: int
    descriptor: int
    key: str
    name: str = ""
    window: int = 0
    session: int = 0
    version: int = PROTOCOL_VERSION

    #: Bytes of the name.
    NAME_BYTES = 16

    #: Bytes of the payload before the session, and of all of it.
    FIXED_BYTES = 24 + NAME_BYTES
    BYTES = FIXED_BYTES + SESSION_BYTES

    @classmethod
    def of(cls, config: NodeConfig, *, clock_hz: int, rows: int, columns: int) -> Identity:
        """The identity of an array of nodes of a configuration."""
        return cls(
            clock_hz=clock_hz, rows=rows, columns=columns, descriptor=config.descriptor, key=config.key, name=config.name
        )  # fmt: skip

    @property
    def isa_version(self) -> int:
        """Version of the instruction set that the nodes have."""
        return self.descriptor & 0xFF

    def pack(self) -> bytes:
        """The payload: version, window, rows, columns (1 byte each), clock 4, descriptor 8, key 8, name 16, session 4."""
        name = self.name.encode()[: self.NAME_BYTES].decode(errors="ignore").encode()
        return (
            bytes([self.version, self.window, self.rows, self.columns])
            + self.clock_hz.to_bytes(4, "little")
            + self.descriptor.to_bytes(8, "little")
            + bytes.fromhex(self.key)
            + name.ljust(self.NAME_BYTES, b"\0")
            + self.session.to_bytes(SESSION_BYTES, "little")
        )

    @classmethod
    def unpack(cls, payload: bytes) -> Identity:
        """The inverse of :meth:`pack`.

        Of another version of the protocol only ``version`` is known, which is always the first byte; the rest is empty.

        Raises
        ------
        ValueError
            If the payload is too short. Longer ones come from later revisions of this version.
        """
        if payload and payload[0] != PROTOCOL_VERSION:
            return cls(clock_hz=0, rows=0, columns=0, descriptor=0, key="", version=payload[0])
        if len(payload) < cls.BYTES:
            raise ValueError(f"an identity has {cls.BYTES} bytes, not {len(payload)}")
        return cls(
            version=payload[0],
            window=payload[1],
            rows=payload[2],
            columns=payload[3],
            clock_hz=int.from_bytes(payload[4:8], "little"),
            descriptor=int.from_bytes(payload[8:16], "little"),
            key=payload[16:24].hex(),
            name=payload[24 : cls.FIXED_BYTES].rstrip(b"\0").decode(errors="replace"),
            session=int.from_bytes(payload[cls.FIXED_BYTES : cls.BYTES], "little"),
        )
