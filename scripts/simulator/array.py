# SPDX-License-Identifier: Apache-2.0
"""An array of compiled nodes, used as the golden array is: memory and registers by packets, a back door, and a run loop."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from golden.config import NodeConfig
from golden.layout import (
    LINK_PORTS,
    SEMAPHORE_ID_BITS,
    Port,
    ThreadRegister,
    ThreadState,
    semaphore_offset,
    thread_offset,
)
from golden.link_loss import KillPlan
from golden.mesh import NetworkAccessError, RunResult, ThreadReport
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
from scripts.simulator.dying_links import DyingLinks
from scripts.simulator.edge_memory import SimulatedMemory
from scripts.simulator.errors import ArrayTooLarge, SimulatorError
from scripts.simulator.flits import pack_flit, unpack_flit
from scripts.simulator.host_access import HostAccess
from scripts.simulator.library import Counters, MemoryFacts, NodeState, Stop, load
from scripts.simulator.memory import available_bytes
from scripts.simulator.observation import streams
from scripts.simulator.observing import Observing, wave_format

__all__ = ["SimulatedArray"]

#: Share of the memory that is there which an array may take.
_MEMORY_SHARE = 0.9

#: Memory of a node beside its model: what allocators and buffers take.
_NODE_OVERHEAD_BYTES = 16 << 10


class SimulatedArray(HostAccess, Observing, DyingLinks):
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
        self._array = None
        self._streams = ()
        self.topology = Topology.of(rows, columns, topology)
        processors = len(os.sched_getaffinity(0))
        if threads is None:
            threads = processors
        if not 1 <= threads <= 1024:
            raise ValueError(f"threads = {threads} is outside of 1 to 1024")
        recorded = None if waves is None else wave_format(Path(waves))
        self.library = library or build(config, arithmetic, recorded, progress, observe=observe)
        self._engine = load(self.library.path)
        self.config = config
        self.rows = self.topology.rows
        self.columns = self.topology.columns
        self.arithmetic = self.library.arithmetic
        self.threads = min(threads, self.topology.nodes)
        self._require_memory()
        self._streams = streams(self.library.outputs)
        self._inbox = []
        self._kills = KillPlan()
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

    def memory(self, x: int, y: int, port: Port) -> SimulatedMemory:
        """The memory at a link that leads out of the array, to fill it and to read it; ValueError if there is none."""
        description = self.topology.memory(x, y, port)
        number = self.topology.memories.index(description)
        return SimulatedMemory(description, self._engine, lambda: self._array, number)

    # -- state --------------------------------------------------------------------------------------------------------

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

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _counters(self) -> Counters:
        counters = Counters()
        self._engine.d1_counters(self._array, ctypes.byref(counters))
        return counters

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
