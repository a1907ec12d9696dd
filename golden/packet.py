# SPDX-License-Identifier: Apache-2.0
"""A packet of the network: the fields of one flit, as ``golden.layout.flit_fields`` lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from golden.layout import COORDINATE_BITS, GLOBAL_ADDRESS_BITS, OFFSET_BITS, UPPER_BITS, GlobalAddress, Kind, NetworkError, Port


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet.

    Attributes
    ----------
    kind : Kind
    x, y, exit, upper, offset : int
        Destination; in a response, ``upper`` and ``offset`` are those of the request.
    src_x, src_y, src_exit : int
        Sender, and where a response goes. In an ERROR, the destination that failed.
    tag : int
        10 bits, returned unchanged.
    post, sem : bool, int
        WRITE: post that semaphore after the data. ERROR: ``sem`` is the NetworkError.
    mask : int
        WRITE: bit i lets byte i of the line be written.
    data : bytes
        The line; empty in packets that carry none.
    """

    kind: Kind
    x: int
    y: int
    offset: int
    exit: int = Port.LOCAL
    src_x: int = 0
    src_y: int = 0
    src_exit: int = Port.LOCAL
    tag: int = 0
    post: bool = False
    sem: int = 0
    mask: int = 0
    data: bytes = b""
    upper: int = 0

    @property
    def is_request(self) -> bool:
        """Whether it travels in the request class."""
        return self.kind in (Kind.WRITE, Kind.READ)

    @property
    def is_multicast(self) -> bool:
        """Whether it goes to each node of a rectangle."""
        return self.kind is Kind.WRITE and self.exit == Port.LOCAL and self.upper != 0

    @property
    def failed_address(self) -> int:
        """Of an ERROR: the global address that could not be reached."""
        return (
            self.offset
            | self.src_x << OFFSET_BITS
            | self.src_y << OFFSET_BITS + COORDINATE_BITS
            | self.src_exit << OFFSET_BITS + 2 * COORDINATE_BITS
            | self.upper << GLOBAL_ADDRESS_BITS - UPPER_BITS
        )

    def answer(self, data: bytes) -> Packet:
        """The READ_DATA response to this READ, from the node that it is addressed to."""
        return Packet(
            Kind.READ_DATA, self.src_x, self.src_y, self.offset, self.src_exit,
            src_x=self.x, src_y=self.y, src_exit=self.exit, tag=self.tag, data=data, upper=self.upper,
        )  # fmt: skip

    def error(self, reason: NetworkError) -> Packet:
        """The ERROR response to this request."""
        return Packet(
            Kind.ERROR, self.src_x, self.src_y, self.offset, self.src_exit,
            src_x=self.x, src_y=self.y, src_exit=self.exit, tag=self.tag, sem=reason, upper=self.upper,
        )  # fmt: skip


def write_packets(
    line_bytes: int, target: GlobalAddress, data: bytes, host: tuple[int, int, Port], tag: int = 0, post: int | None = None
) -> Iterator[Packet]:
    """A WRITE of a host for each line that bytes touch.

    Parameters
    ----------
    line_bytes : int
    target : GlobalAddress
        Where the first byte goes: a node, or a rectangle.
    data : bytes
    host : (x, y, port)
        The link at which the host is.
    tag : int
    post : int, optional
        Semaphore that each of them posts.
    """
    x, y, port = host
    end = target.offset + len(data)
    for line in range(target.offset - target.offset % line_bytes, end if data else 0, line_bytes):
        first, last = max(target.offset, line), min(end, line + line_bytes)
        contents = bytes(first - line) + data[first - target.offset : last - target.offset] + bytes(line + line_bytes - last)
        GlobalAddress(target.x, target.y, line)  # raises if it is none
        yield Packet(
            Kind.WRITE, target.x, target.y, line, target.exit, src_x=x, src_y=y, src_exit=port, tag=tag, upper=target.upper,
            mask=(1 << last - line) - (1 << first - line), data=contents, post=post is not None, sem=post or 0,
        )  # fmt: skip
