# SPDX-License-Identifier: Apache-2.0
"""What a memory at the edge of an array holds, and how it answers packets; without time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.edge_memory import EdgeMemory
from golden.layout import OFFSET_BITS, Kind, NetworkError
from golden.packet import Packet

_PAGE_BYTES = 1 << 16


class MemoryModel:
    """One memory, 0 in all bytes at first. It takes room for what was written alone.

    Parameters
    ----------
    description : EdgeMemory
    line_bytes : int
        Bytes that a packet carries.

    Members
    -------
    description : EdgeMemory
    lines_read, lines_written, errors, dropped : int
        Requests that were answered with data, or obeyed, or answered by ERROR; and packets that were none.
    """

    def __init__(self, description: EdgeMemory, line_bytes: int):
        self.description = description
        self.lines_read = self.lines_written = self.errors = self.dropped = 0
        self._line_bytes = line_bytes
        self._pages: dict[int, bytearray] = {}

    def serve(self, packet: Packet) -> Packet | None:
        """The answer to a packet that came by the memory's link, if it has one.

        A request for something else has lost its way and gets UNREACHABLE. One beyond the memory's end gets BAD_OFFSET, and so
        does a WRITE that posts, since a memory has no semaphores; it writes nothing. A memory asks nobody, so responses are
        dropped.
        """
        if not packet.is_request:
            self.dropped += 1
            return None
        reason = self._refusal(packet)
        if reason is not None:
            self.errors += 1
            return packet.error(reason)
        line = self._line_bytes
        start = self._position(packet)
        if packet.kind is Kind.READ:
            self.lines_read += 1
            return packet.answer(self.read(start, line))
        self.lines_written += 1
        old = self.read(start, line)
        self.write(start, bytes(packet.data[n] if packet.mask >> n & 1 else old[n] for n in range(line)))
        return None

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it; ValueError if they are not there."""
        self.description.check(offset, length)
        parts = []
        while length:
            page, inside = divmod(offset, _PAGE_BYTES)
            count = min(length, _PAGE_BYTES - inside)
            held = self._pages.get(page)
            parts.append(bytes(count) if held is None else held[inside : inside + count])
            offset, length = offset + count, length - count
        return b"".join(parts)

    def write(self, offset: int, data: bytes | npt.NDArray[np.generic]) -> None:
        """Change bytes of it, to those of an array as they lie in memory; ValueError if they are not there."""
        contents = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
        self.description.check(offset, len(contents))
        position = 0
        while position < len(contents):
            page, inside = divmod(offset + position, _PAGE_BYTES)
            part = contents[position : position + _PAGE_BYTES - inside]
            self._pages.setdefault(page, bytearray(_PAGE_BYTES))[inside : inside + len(part)] = part
            position += len(part)

    def _position(self, packet: Packet) -> int:
        """Where the line of a request begins."""
        return (packet.upper << OFFSET_BITS | packet.offset) & ~(self._line_bytes - 1)

    def _refusal(self, packet: Packet) -> NetworkError | None:
        """Why a request is not obeyed, None if it is."""
        if (packet.x, packet.y, packet.exit) != self.description.link:
            return NetworkError.UNREACHABLE
        if self._position(packet) >= self.description.bytes or packet.post:
            return NetworkError.BAD_OFFSET
        return None
