# SPDX-License-Identifier: Apache-2.0
"""How the host reaches nodes of a simulated array: by packets over its link, and by the back door."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from golden.config import WINDOW_BYTES
from golden.control_writes import check_control_write
from golden.layout import ROUTE_ENABLE, ControlRegister, GlobalAddress, NetworkError, TrafficClass, control_offset, flit_bits
from golden.mesh import NetworkAccessError
from golden.multicast import ROUTE_CONTROL_OFFSET, multicast_targets
from golden.packet import Packet, write_packets
from scripts.simulator.build import STUCK_CYCLES
from scripts.simulator.errors import UnansweredAccess
from scripts.simulator.flits import pack_flit, unpack_flit
from scripts.simulator.handle import EngineHandle
from scripts.simulator.library import Access, HostResult, Stop

__all__ = ["HostAccess"]

#: Far above what an answer takes, so that it ends only accesses that never would.
_ACCESS_CYCLES = 200_000
_ACCESS_CYCLES_PER_LINE = 100

#: Tag of the host's writes, as ``engine/host.h`` has it: errors with it belong to the accesses under way.
_WRITE_TAG = 255


class HostAccess(EngineHandle):
    """The part of :class:`scripts.simulator.array.SimulatedArray` that is the host.

    Members
    -------
    host_inbox : list of Packet
        Packets that reached the host and answered none of its accesses, oldest first.
    """

    _inbox: list[Packet]

    @property
    def host_inbox(self) -> list[Packet]:
        """Packets for the host that answered none of its accesses, oldest first."""
        count = int(self._engine.d1_pending_inbox(self._array))
        if count:
            flits = np.empty((count, (flit_bits(self.config) + 31) // 32), "<u4")
            self._engine.d1_take_inbox(self._array, flits.ctypes.data)
            self._inbox += [unpack_flit(self.config, flit.tobytes()) for flit in flits]
        return self._inbox

    # -- host: packets ------------------------------------------------------------------------------------------------

    def write(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write bytes into a node's window by packets from the host, and wait until they have arrived.

        Raises
        ------
        golden.mesh.NetworkAccessError
            If the node or the offset is not there.
        SimulatorError
            If the network does not answer.
        ValueError
            If coordinates or offset do not fit into a global address, or part of it would do nothing in the control page
            (:class:`golden.control_writes.ControlWriteError`).
        """
        self.write_many([(x, y, offset, data)])

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of a node's window by packets from the host; raises as ``write`` does."""
        return self.read_many([(x, y, offset, length)])[0]

    def write_many(self, writes: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Any number of ``write`` as one stream of packets: each (x, y, offset, data), in this order; raises as ``write``."""
        buffers = [(x, y, offset, np.frombuffer(bytes(data), np.uint8)) for x, y, offset, data in writes]
        for _, _, offset, data in buffers:
            check_control_write(self.config, offset, len(data))
        self._access(buffers, write=True)

    def read_many(self, reads: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Any number of ``read`` as one stream of packets: each (x, y, offset, length); raises as ``write``."""
        buffers = [(x, y, offset, np.zeros(length, np.uint8)) for x, y, offset, length in reads]
        self._access(buffers, write=False)
        return [buffer.tobytes() for *_, buffer in buffers]

    def multicast(self, x: int, y: int, columns: int, rows: int, offset: int, data: bytes, post: int | None = None) -> None:
        """Write the same bytes into all live nodes of a rectangle, and wait until they have them: ``GoldenArray.multicast``."""
        check_control_write(self.config, offset, len(data))
        rectangle, host = GlobalAddress.rectangle(x, y, columns, rows, offset), self.topology.host_link
        tables = bool(self.config.route_bits and self.read_register(*host[:2], ROUTE_CONTROL_OFFSET) & ROUTE_ENABLE)
        targets, beyond = multicast_targets(self.topology, tables, rectangle)
        for target in targets:
            for packet in write_packets(self.config.line_bytes, target, data, host, _WRITE_TAG, post):
                self.send(packet)
        if targets != [rectangle]:
            # Of a node's own packets, the last one has come, or its error, before the answer to a later read.
            self.read_many([(target.x, target.y, control_offset(ControlRegister.CONFIG), 8) for target in targets])
            if beyond:
                raise NetworkAccessError(rectangle, NetworkError.UNREACHABLE)
            return
        # Copies and their errors pass nodes between the host's and the rectangle, and are there before answers to later reads.
        across, down = (
            range(min(start, at), max(start + count - 1, at) + 1)
            for start, count, at in ((x, columns, host[0]), (y, rows, host[1]))
        )
        passed = [site for site in self.topology.sites() if site[0] in across and site[1] in down]
        self.read_many([(*site, control_offset(ControlRegister.CONFIG), 8) for site in passed])

    def write_register(self, x: int, y: int, offset: int, value: int) -> None:
        """Write a 64-bit register of the control page, given its offset in the window, a multiple of 8; raises as ``write``."""
        _check_register(offset)
        self.write(x, y, offset, value.to_bytes(8, "little"))

    def read_register(self, x: int, y: int, offset: int) -> int:
        """Read a 64-bit register of the control page, given its offset in the window, a multiple of 8; raises as ``write``."""
        _check_register(offset)
        return int.from_bytes(self.read(x, y, offset, 8), "little")

    def send(self, packet: Packet) -> None:
        """Let the host send any packet with the next cycles that run; what it causes to come back is in ``host_inbox``."""
        flit = pack_flit(self.config, packet)
        kind = TrafficClass.REQUEST if packet.is_request else TrafficClass.RESPONSE
        self._check(self._engine.d1_host_send(self._array, flit, kind))

    def _access(self, accesses: Sequence[tuple[int, int, int, np.ndarray[Any, Any]]], write: bool) -> None:
        """Exchange packets until every access is answered. The engine sends and receives; nothing here is per packet."""
        lines = 0
        records = (Access * len(accesses))()
        for record, (x, y, offset, buffer) in zip(records, accesses, strict=True):
            GlobalAddress(x, y, offset)
            if offset + len(buffer) > WINDOW_BYTES:
                raise ValueError(f"{len(buffer)} bytes at offset {offset:#x} reach beyond the window of {WINDOW_BYTES} bytes")
            record.x, record.y, record.offset, record.write = x, y, offset, write
            record.length, record.data = len(buffer), buffer.ctypes.data
            lines += len(buffer) // self.config.line_bytes + 2
        limit = self.cycle + _ACCESS_CYCLES + _ACCESS_CYCLES_PER_LINE * lines
        result = HostResult()
        self._check(self._engine.d1_host_start(self._array, records, len(records)))
        try:
            status = self._run(limit, True, lambda status: None)
            self._engine.d1_host_result(self._array, ctypes.byref(result))
        finally:
            # The buffers do not outlive this call.
            self._engine.d1_host_abandon(self._array)
        if result.errors:
            address = GlobalAddress(result.x, result.y, result.offset)
            raise NetworkAccessError(address, NetworkError(result.reason))
        if status.stop != Stop.HOST:
            why = {
                Stop.QUIET: "all nodes are idle",
                Stop.STUCK: f"no flit moved for {STUCK_CYCLES} cycles",
                Stop.CYCLES: f"none came by cycle {limit}",
            }[Stop(status.stop)]
            raise UnansweredAccess(f"{result.unanswered} of the host's packets were not answered: {why}")

    # -- host: back door ----------------------------------------------------------------------------------------------

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Bytes of a node's SRAM, without packets; ValueError if they are not there."""
        self._check_sram(offset, length)
        data = np.empty(length, np.uint8)
        self._engine.d1_peek(self._array, self._index(x, y), offset, data.ctypes.data, length)
        return data.tobytes()

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Change bytes of a node's SRAM, without packets; ValueError if they are not there."""
        self._check_sram(offset, len(data))
        self._engine.d1_poke(self._array, self._index(x, y), offset, bytes(data), len(data))

    def _check_sram(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.config.sram_bytes:
            raise ValueError(f"{length} bytes at offset {offset:#x} are not in an SRAM of {self.config.sram_bytes} bytes")


def _check_register(offset: int) -> None:
    if offset % 8:
        raise ValueError(f"register offset {offset:#x} is not a multiple of 8")
