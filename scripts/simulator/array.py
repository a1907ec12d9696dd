# SPDX-License-Identifier: Apache-2.0
"""An array of compiled nodes, used as the golden array is: memory and registers by packets, a back door, and a run loop."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from golden.config import WINDOW_BYTES, NodeConfig
from golden.layout import (
    LINK_PORTS,
    SEMAPHORE_ID_BITS,
    GlobalAddress,
    NetworkError,
    Port,
    ThreadRegister,
    ThreadState,
    TrafficClass,
    flit_bits,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import NetworkAccessError, RunResult, ThreadReport
from golden.packet import Packet
from golden.topology import Topology
from scripts.simulator.build import STUCK_CYCLES, Progress, SimulatorLibrary, build
from scripts.simulator.checkpoint import (
    Checkpoint,
    CheckpointError,
    check_library,
    parts,
    read_checkpoint,
    write_checkpoint,
)
from scripts.simulator.edge_memory import SimulatedMemory
from scripts.simulator.errors import ArrayTooLarge, SimulatorError
from scripts.simulator.flits import pack_flit, unpack_flit
from scripts.simulator.library import (
    RETIREMENT,
    Access,
    Counters,
    HostResult,
    MemoryFacts,
    NodeState,
    RunStatus,
    Stop,
    boundary_dtype,
    load,
    vector_write_dtype,
)
from scripts.simulator.memory import available_bytes
from scripts.simulator.observation import XVFI_KINDS, Stream, rvfi_records, streams, view_records, xvfi_records

__all__ = ["SimulatedArray"]

#: The engine returns to Python about this often, for progress and for Ctrl-C.
_SLICE_SECONDS = 0.1

#: Share of the memory that is there which an array may take.
_MEMORY_SHARE = 0.9

#: Memory of a node beside its model: what allocators and buffers take.
_NODE_OVERHEAD_BYTES = 16 << 10

#: Far above what an answer takes, so that it ends only accesses that never would.
_ACCESS_CYCLES = 200_000
_ACCESS_CYCLES_PER_LINE = 100


class SimulatedArray:
    """Nodes of one configuration, linked as a mesh, with a host at a link of its edge.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int, optional
        Size of a whole array, whose host is at the west link of node (0, 0). Nodes lie at y = row, x = column.
    arithmetic : str
        ``macro`` or ``rtl``, see :func:`scripts.simulator.build.build`.
    threads : int, optional
        Threads of the engine, all processors by default. Results do not depend on it.
    waves : path, optional
        Record waves of the node that the host is attached to, from the first cycle on; ``.vcd`` or ``.fst``.
    observe : bool
        Make the simulator so that ``observe`` can be called.
    progress : callable, optional
        Of the build.
    library : SimulatorLibrary, optional
        What :func:`build` returned, instead of building.
    topology : Topology, optional
        The array, instead of rows and columns: what is dead, where the host is, and which memories there are.

    Members
    -------
    config, rows, columns, topology, arithmetic, threads
    library : SimulatorLibrary
    cycle : int
        Cycles since reset.
    node_cycles, hops, packets_sent, packets_received : int
        Node evaluations, flits that crossed a link, and the host's flits, since reset.
    host_inbox : list of Packet
        Packets that reached the host and answered none of its accesses, oldest first. The host answers no READ.

    Raises
    ------
    ValueError
        If rows, columns, threads or a choice is out of range.
    ArrayTooLarge
        If memory does not suffice.
    ToolMissing, BuildError
        From building.
    """

    def __init__(
        self,
        config: NodeConfig,
        rows: int | None = None,
        columns: int | None = None,
        arithmetic: str = "macro",
        threads: int | None = None,
        waves: str | os.PathLike[str] | None = None,
        *,
        observe: bool = False,
        progress: Progress | None = None,
        library: SimulatorLibrary | None = None,
        topology: Topology | None = None,
    ):
        self._array: int | None = None
        self._streams: tuple[Stream, ...] = ()
        self.topology = Topology.of(rows, columns, topology)
        processors = len(os.sched_getaffinity(0))
        if threads is None:
            threads = processors
        if not 1 <= threads <= 1024:
            raise ValueError(f"threads = {threads} is outside of 1 to 1024")
        wave_format = None if waves is None else _wave_format(Path(waves))
        self.library = library or build(config, arithmetic, wave_format, progress, observe=observe)
        self._engine = load(self.library.path)
        self.config = config
        self.rows = self.topology.rows
        self.columns = self.topology.columns
        self.arithmetic = self.library.arithmetic
        self.threads = min(threads, self.topology.nodes)
        self._require_memory()
        self._streams = streams(self.library.outputs)
        self._inbox: list[Packet] = []
        self._array = self._create()
        if not self._array:
            raise SimulatorError(f"cannot make the array: {self._error()}")
        if waves is not None:
            x, y, _ = self.topology.host_link
            self.open_waves(waves, x, y)

    def _create(self) -> int | None:
        """The engine's array, None if it cannot be made."""
        topology = self.topology
        live = np.zeros((topology.rows, topology.columns), np.uint8)
        cycles = np.zeros((*live.shape, len(LINK_PORTS)), np.uint16)
        for x, y in topology.sites():
            live[y, x] = 1
            for side, port in enumerate(LINK_PORTS):
                if topology.neighbour(x, y, port) is not None or (x, y, port) == topology.host_link:
                    cycles[y, x, side] = topology.link_cycles(x, y, port)
        memories = (MemoryFacts * len(topology.memories))()
        for facts, memory in zip(memories, topology.memories, strict=True):
            facts.bytes, facts.latency, facts.bytes_per_cycle = memory.bytes, memory.latency, memory.bytes_per_cycle
            facts.site, facts.side = self._index(memory.x, memory.y), LINK_PORTS.index(memory.port)
        x, y, port = topology.host_link
        return self._engine.d1_create(
            topology.rows, topology.columns, self.threads, live.ctypes.data, cycles.ctypes.data, self._index(x, y),
            LINK_PORTS.index(port), memories, len(memories), *self._share(),
        )  # fmt: skip

    def _share(self) -> tuple[int | None, int, Any]:
        """Which process has each site (an array of 16-bit numbers), which of them this one is, and how they exchange."""
        return None, 0, None

    def close(self) -> None:
        """Ends the engine's threads and frees its memory; the array cannot be used afterwards."""
        if self._array:
            self._engine.d1_destroy(self._array)
            self._array = None

    def __enter__(self) -> SimulatedArray:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def memory(self, x: int, y: int, port: Port) -> SimulatedMemory:
        """The memory at a link that leads out of the array, to fill it and to read it; ValueError if there is none."""
        description = self.topology.memory(x, y, port)
        number = self.topology.memories.index(description)
        return SimulatedMemory(description, self._engine, lambda: self._array, number)

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def cycle(self) -> int:
        """Cycles since reset."""
        return int(self._engine.d1_cycle(self._array))

    @property
    def node_cycles(self) -> int:
        """Evaluations of nodes; those that were idle did not need any."""
        return int(self._counters().node_cycles)

    @property
    def hops(self) -> int:
        """Flits that crossed a link from a node, to another or to the host."""
        return int(self._counters().phits) // self.config.link_passes

    @property
    def packets_sent(self) -> int:
        """Packets that the host sent."""
        return int(self._counters().host_sent)

    @property
    def packets_received(self) -> int:
        """Packets that reached the host."""
        return int(self._counters().host_received)

    @property
    def host_inbox(self) -> list[Packet]:
        """Packets for the host that answered none of its accesses, oldest first."""
        count = int(self._engine.d1_pending_inbox(self._array))
        if count:
            flits = np.empty((count, (flit_bits(self.config) + 31) // 32), "<u4")
            self._engine.d1_take_inbox(self._array, flits.ctypes.data)
            self._inbox += [unpack_flit(self.config, flit.tobytes()) for flit in flits]
        return self._inbox

    def node_state(self, x: int, y: int) -> NodeState:
        """Masks at the boundary of a node: ``running``, ``waiting``, ``trapped``, ``stopped`` with a bit per thread; ``idle``,
        ``exited``."""
        state = NodeState()
        self._engine.d1_state(self._array, self._index(x, y), ctypes.byref(state))
        return state

    def evaluations(self, x: int, y: int) -> int:
        """Cycles in which a node was evaluated."""
        return int(self._engine.d1_evaluations(self._array, self._index(x, y)))

    def thread_states(self) -> list[ThreadReport]:
        """State of every thread, row by row.

        The state comes from the boundary, ``pc`` and semaphores by packets. ``pc`` is 0 if the network does not answer any more.
        """
        registers = [
            (x, y, thread_offset(thread, ThreadRegister.PC), 8)
            for x, y in self.topology.sites()
            for thread in range(self.config.threads)
        ]
        try:
            pcs = [int.from_bytes(pc, "little") for pc in self.read_many(registers)]
        except (SimulatorError, NetworkAccessError):
            pcs = [0] * len(registers)
        reports = []
        for n, ((x, y, _, _), pc) in enumerate(zip(registers, pcs, strict=True)):
            reports.append(self._report(x, y, n % self.config.threads, pc))
        return reports

    def _report(self, x: int, y: int, thread: int, pc: int) -> ThreadReport:
        masks, state = self.node_state(x, y), ThreadState.HALTED
        for candidate in (ThreadState.RUNNING, ThreadState.WAITING, ThreadState.TRAPPED, ThreadState.STOPPED):
            if getattr(masks, candidate.name.lower()) >> thread & 1:
                state = candidate
        semaphore = needed = value = None
        if state is ThreadState.WAITING:
            wait = self._try_register(x, y, thread_offset(thread, ThreadRegister.WAIT))
            if wait is not None:
                semaphore, needed = wait & (1 << SEMAPHORE_ID_BITS) - 1, wait >> 16
                value = self._try_register(x, y, semaphore_offset(semaphore))
        return ThreadReport(x, y, thread, state, pc, semaphore=semaphore, needed=needed, value=value)

    def _try_register(self, x: int, y: int, offset: int) -> int | None:
        """A register of the control page, or None if the network does not answer any more."""
        try:
            return self.read_register(x, y, offset)
        except (SimulatorError, NetworkAccessError):
            return None

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
            If coordinates or offset do not fit into a global address.
        """
        self.write_many([(x, y, offset, data)])

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of a node's window by packets from the host; raises as ``write`` does."""
        return self.read_many([(x, y, offset, length)])[0]

    def write_many(self, writes: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Any number of ``write`` as one stream of packets: each (x, y, offset, data), in this order; raises as ``write``."""
        buffers = [(x, y, offset, np.frombuffer(bytes(data), np.uint8)) for x, y, offset, data in writes]
        self._access(buffers, write=True)

    def read_many(self, reads: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Any number of ``read`` as one stream of packets: each (x, y, offset, length); raises as ``write``."""
        buffers = [(x, y, offset, np.zeros(length, np.uint8)) for x, y, offset, length in reads]
        self._access(buffers, write=False)
        return [buffer.tobytes() for *_, buffer in buffers]

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
            raise SimulatorError(f"{result.unanswered} of the host's packets were not answered: {why}")

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

    # -- running ------------------------------------------------------------------------------------------------------

    def run(
        self, max_cycles: int | None = None, progress: Callable[[SimulatedArray], None] | None = None, until: str = "ended"
    ) -> RunResult:
        """Run until every node has ended, ``max_cycles`` are over, or nothing can move any more.

        Parameters
        ----------
        max_cycles : int or None
            Limit for this run.
        progress : callable, optional
            Called with the array about ten times a second.
        until : str
            "ended" is all there is: no thread is left, and the network is empty.

        Returns
        -------
        RunResult
            "stopped" if threads wait for a debugger that has stopped them, and nothing else can go on. "deadlock" if threads are
            left, but nothing can wake them, or nothing retired and no flit moved for 10,000 cycles.

        Raises
        ------
        SimulatorError
            If no thread is left, but nodes do not become idle either.
        """
        if until != "ended":
            raise ValueError(f"until = {until!r} is not 'ended'")
        start = self.cycle
        limit = (1 << 64) - 1 if max_cycles is None else start + max_cycles
        status = self._run(limit, False, lambda status: progress(self) if progress else None)
        cycles = self.cycle - start
        if status.stop == Stop.CYCLES:
            return RunResult("limit", cycles)
        states = [self.node_state(x, y) for x, y in self.topology.sites()]
        stopped = any(state.stopped for state in states)
        if any(state.running for state in states) or (any(state.waiting for state in states) and not stopped):
            return RunResult("deadlock", cycles)
        if status.stop == Stop.STUCK and not stopped:
            count = sum(not state.idle for state in states)
            raise SimulatorError(f"all threads have ended, but {count} nodes are not idle after {STUCK_CYCLES} cycles")
        return RunResult("stopped" if stopped else "ended", cycles)

    def _run(self, limit: int, for_host: bool, between: Callable[[RunStatus], None]) -> RunStatus:
        """Run in slices until the engine says more than that the time of a slice is over."""
        while True:
            status = self._slice(limit, for_host)
            if status.stop != Stop.TIME:
                return status
            between(status)

    def _slice(self, limit: int, for_host: bool) -> RunStatus:
        """Run for the time of a slice at most."""
        status = RunStatus()
        self._check(self._engine.d1_run(self._array, limit, _SLICE_SECONDS, for_host, ctypes.byref(status)))
        return status

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], run: Mapping[str, Any] | None = None) -> None:
        """Write the whole state to a file, from which ``load`` goes on with the same bits and cycles.

        What is recorded or skipped is no part of it, nor are records that were not taken yet.

        Parameters
        ----------
        path : path
            A file there is replaced once the new one is complete.
        run : mapping, optional
            What the caller wants to find in the file again, as JSON.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        SimulatorError
            If accesses of the host are under way.
        """
        inbox = [pack_flit(self.config, packet).hex() for packet in self.host_inbox]
        write_checkpoint(Path(path), self, inbox, run)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        threads: int | None = None,
        progress: Progress | None = None,
        library: SimulatorLibrary | None = None,
        **options: Any,
    ) -> Self:
        """An array in the state that ``save`` wrote; its simulator is built first if it is not in the cache.

        What else a subclass needs is given by name.

        Raises
        ------
        CheckpointError
            If the file is no checkpoint, damaged, or of another simulator.
        ArrayTooLarge, ToolMissing, BuildError
            As for a new array.
        """
        checkpoint = read_checkpoint(Path(path))
        library = library or build(
            checkpoint.config, checkpoint.arithmetic, checkpoint.waves, progress, observe=checkpoint.observe
        )
        check_library(checkpoint, library)
        array = cls(checkpoint.config, threads=threads, library=library, topology=checkpoint.topology, **options)
        array.restore(checkpoint)
        return array

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state of a checkpoint of the same simulator and topology; CheckpointError if it is of others."""
        check_library(checkpoint, self.library)
        if checkpoint.topology != self.topology:
            raise CheckpointError(
                f"{checkpoint.path} is of another array: {checkpoint.topology.rows} x {checkpoint.topology.columns}, with "
                f"{checkpoint.topology.nodes} nodes; load it without naming an array"
            )
        for part, contents in parts(checkpoint):
            self.restore_part(part, contents)
        self._inbox = [unpack_flit(self.config, bytes.fromhex(flit)) for flit in checkpoint.inbox]

    def save_part(self, part: int) -> bytes:
        """The state of a site, counted row by row, or of what all have in common (``checkpoint.COMMON``)."""
        length = ctypes.c_uint64()
        self._check(self._engine.d1_save(self._array, part, ctypes.byref(length)))
        contents = np.empty(length.value, np.uint8)
        self._engine.d1_take_saved(contents.ctypes.data)
        return contents.tobytes()

    def restore_part(self, part: int, contents: bytes) -> None:
        """The inverse of ``save_part``; the common part comes first."""
        self._check(self._engine.d1_restore(self._array, part, contents, len(contents)))

    # -- observing ----------------------------------------------------------------------------------------------------

    def set_skipping(self, skipping: bool) -> None:
        """Whether nodes that are idle and hear nothing are left out; results do not depend on it."""
        self._engine.d1_set_skipping(self._array, skipping)

    def trace(self, retirements: bool = True, vector_writes: bool = False, node: tuple[int, int] | None = None) -> None:
        """Record what retires, or which vector registers are written, in one node (x, y) or in all, from now on."""
        index = -1 if node is None else self._index(*node)
        self._engine.d1_trace(self._array, index, retirements, vector_writes)

    def retirements(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """What retired since the last call, by cycle and node (dtype ``library.RETIREMENT``)."""
        records = np.empty(int(self._engine.d1_pending_retirements(self._array)), RETIREMENT)
        self._check(self._engine.d1_take_retirements(self._array, records.ctypes.data))
        return records

    def vector_writes(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """Vector registers written since the last call, by cycle and node (``library.vector_write_dtype``)."""
        count = int(self._engine.d1_pending_writes(self._array))
        records = np.empty(count, vector_write_dtype(self.config.line_bytes))
        self._check(self._engine.d1_take_writes(self._array, records.ctypes.data))
        return records

    def observe(
        self,
        *,
        rvfi: bool = False,
        xvfi: bool | Collection[str] = False,
        view: bool = False,
        node: tuple[int, int] | None = None,
    ) -> None:
        """Record what docs/architecture.md calls RVFI, XVFI and the view, in one node (x, y) or in all, from now on.

        Of XVFI, some kinds may be chosen (``observation.XVFI_KINDS``). Records wait until they are taken.

        Raises
        ------
        SimulatorError
            If the simulator was not made for it.
        ValueError
            If there is no such kind.
        """
        self._check_observed()
        kinds = (XVFI_KINDS if xvfi else ()) if isinstance(xvfi, bool) else xvfi
        for kind in kinds:
            _check_kind(kind)
        mask = 0
        for number, stream in enumerate(self._streams):
            first, _, kind = stream.name.rstrip("0123456789").partition("_")
            mask |= {"rvfi": rvfi, "xvfi": kind in kinds, "view": view}[first] << number
        self._set_observed(node, mask)

    def _set_observed(self, node: tuple[int, int] | None, mask: int) -> None:
        self._engine.d1_observe(self._array, -1 if node is None else self._index(*node), mask)

    def rvfi_records(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """Instructions since the last call, by cycle, node, thread and channel (dtype ``observation.RVFI``)."""
        self._check_observed()
        return rvfi_records([self._observations(stream) for stream in self._streams if stream.name.startswith("rvfi")])

    def xvfi_records(self, kind: str) -> np.ndarray[Any, np.dtype[np.void]]:
        """Events of a kind (``observation.XVFI_KINDS``) since the last call, by cycle, node and port."""
        _check_kind(kind)
        self._check_observed()
        wanted = [stream for stream in self._streams if stream.name.rstrip("0123456789") == f"xvfi_{kind}"]
        return xvfi_records([self._observations(stream) for stream in wanted])

    def view_records(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """Cycles since the last call in which anything happened, by cycle and node; a field for each port of the view."""
        self._check_observed()
        return view_records(*self._observations(self._streams[-1]))

    def _check_observed(self) -> None:
        if not self._streams:
            raise SimulatorError("this simulator was not built to be observed: SimulatedArray(..., observe=True) builds one")

    def _observations(self, stream: Stream) -> tuple[Stream, np.ndarray[Any, np.dtype[np.void]]]:
        number = self._streams.index(stream)
        records = np.empty(int(self._engine.d1_pending_observations(self._array, number)) // stream.dtype.itemsize, stream.dtype)
        self._engine.d1_take_observations(self._array, number, records.ctypes.data)
        return stream, records

    def record_boundary(self, recording: bool = True) -> None:
        """Record all output registers of all nodes, and the host's link, in every cycle from now on."""
        self._engine.d1_record(self._array, recording)

    def boundary_records(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """What was recorded since the last call, one record a cycle: registers after it (dtype ``library.boundary_dtype``)."""
        dtype = boundary_dtype(self.library, self.rows, self.columns, len(self.topology.memories))
        assert dtype.itemsize == self._engine.d1_cycle_record_bytes(self._array), "layouts of engine and Python differ"
        records = np.empty(int(self._engine.d1_pending_records(self._array)) // dtype.itemsize, dtype)
        self._engine.d1_take_records(self._array, records.ctypes.data)
        return records

    def open_waves(self, path: str | os.PathLike[str], x: int = 0, y: int = 0) -> None:
        """Record waves of a node from now on. The simulator must have been built for the file's format.

        Raises
        ------
        SimulatorError
            If it was not, or the file cannot be written.
        """
        wanted = _wave_format(Path(path))
        if self.library.waves != wanted:
            raise SimulatorError(f"this simulator was not built to record .{wanted} waves")
        self._check(self._engine.d1_open_waves(self._array, self._index(x, y), os.fsencode(path)))

    def close_waves(self, x: int = 0, y: int = 0) -> None:
        """Ends the recording of a node's waves, so that the file is complete."""
        self._engine.d1_close_waves(self._array, self._index(x, y))

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _counters(self) -> Counters:
        counters = Counters()
        self._engine.d1_counters(self._array, ctypes.byref(counters))
        return counters

    def _index(self, x: int, y: int) -> int:
        """The engine's number of a site, at which there must be a node."""
        if not self.topology.is_live(x, y):
            raise ValueError(self.topology.missing(x, y))
        return y * self.columns + x

    def _check_sram(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.config.sram_bytes:
            raise ValueError(f"{length} bytes at offset {offset:#x} are not in an SRAM of {self.config.sram_bytes} bytes")

    def _check(self, code: int) -> None:
        if code != 0:
            raise SimulatorError(self._error())

    def _error(self) -> str:
        return (self._engine.d1_error() or b"").decode(errors="replace")

    def _nodes_of_machine(self) -> int:
        """How many nodes are simulated on this machine."""
        return self.topology.nodes

    def _require_memory(self) -> None:
        per_node = int(self._engine.d1_node_footprint()) + _NODE_OVERHEAD_BYTES
        needed, usable = per_node * self._nodes_of_machine(), int(available_bytes() * _MEMORY_SHARE)
        if needed > usable:
            raise ArrayTooLarge(
                f"an array of {self.rows} x {self.columns} nodes '{self.config.name}' needs {needed / 2**30:.1f} GiB, but "
                f"{usable / 2**30:.1f} GiB are available; at most {usable // per_node} nodes fit"
            )


def _wave_format(path: Path) -> str:
    """Format of a wave file by its suffix."""
    suffix = path.suffix.lower()
    if suffix not in (".vcd", ".fst"):
        raise ValueError(f"waves = '{path}' must end in .vcd or .fst")
    return suffix[1:]


def _check_kind(kind: str) -> None:
    if kind not in XVFI_KINDS:
        raise ValueError(f"kind = {kind!r} is not one of {', '.join(XVFI_KINDS)}")


def _check_register(offset: int) -> None:
    if offset % 8:
        raise ValueError(f"register offset {offset:#x} is not a multiple of 8")
