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
PROTOCOL_VERSION = 1


class FrameType(IntEnum):
    """First byte of a body. Bit 7 is set in frames from the board."""

    HELLO = 0x00
    """Starts a session: the board expects the next sequence number after this frame's, and answers IDENTITY."""
    RESET = 0x01
    """Resets the nodes and everything under way to and from them. Sequenced."""
    REQUEST = 0x02
    """A packet of the request class for the array. Sequenced."""
    RESPONSE = 0x03
    """A packet of the response class for the array. Sequenced."""
    IDENTITY = 0x80
    """The board describes itself: :class:`Identity`."""
    ACKNOWLEDGE = 0x81
    """Nothing but its header."""
    BOARD_REQUEST = 0x82
    """A packet of the request class that left the array."""
    BOARD_RESPONSE = 0x83
    """A packet of the response class that left the array."""


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
    line = bytearray([FLAG])
    for byte in body:
        if byte in (FLAG, ESCAPE):
            line += bytes([ESCAPE, byte ^ ESCAPE_XOR])
        else:
            line.append(byte)
    line.append(FLAG)
    return bytes(line)


class FrameDecoder:
    """Finds frames in a stream of bytes; what is damaged is dropped and counted.

    Members
    -------
    damaged : int
        Frames that were dropped: check sequence, length, abort or type wrong.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._body = bytearray()
        self._escaped = False

    def feed(self, line: bytes) -> Iterator[Frame]:
        """Take bytes from the line; yields the frames that they complete."""
        for byte in line:
            if byte == FLAG:
                body, aborted = bytes(self._body), self._escaped
                self._body.clear()
                self._escaped = False
                if body or aborted:
                    frame = None if aborted else _decode_body(body)
                    if frame is None:
                        self.damaged += 1
                    else:
                        yield frame
            elif byte == ESCAPE:
                self._escaped = True
            else:
                self._body.append(byte ^ ESCAPE_XOR if self._escaped else byte)
                self._escaped = False


def _decode_body(body: bytes) -> Frame | None:
    contents, check = body[:-CHECK_BYTES], body[-CHECK_BYTES:]
    if len(contents) < HEADER_BYTES or zlib.crc32(contents).to_bytes(CHECK_BYTES, "little") != check:
        return None
    if contents[0] not in set(FrameType):
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
    version : int
        Of this protocol.
    """

    clock_hz: int
    rows: int
    columns: int
    descriptor: int
    key: str
    version: int = PROTOCOL_VERSION

    #: Bytes of the payload.
    BYTES = 24

    def pack(self) -> bytes:
        """The payload: version 1 byte, reserved 1, rows 1, columns 1, clock 4, descriptor 8, key 8."""
        return (
            bytes([self.version, 0, self.rows, self.columns])
            + self.clock_hz.to_bytes(4, "little")
            + self.descriptor.to_bytes(8, "little")
            + bytes.fromhex(self.key)
        )

    @classmethod
    def unpack(cls, payload: bytes) -> Identity:
        """The inverse of :meth:`pack`; ValueError if the payload is too short. Longer ones come from later versions."""
        if len(payload) < cls.BYTES:
            raise ValueError(f"an identity has {cls.BYTES} bytes, not {len(payload)}")
        return cls(
            version=payload[0],
            rows=payload[2],
            columns=payload[3],
            clock_hz=int.from_bytes(payload[4:8], "little"),
            descriptor=int.from_bytes(payload[8:16], "little"),
            key=payload[16:24].hex(),
        )
