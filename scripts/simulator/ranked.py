# SPDX-License-Identifier: Apache-2.0
"""An array that several processes simulate together: the same bits and cycles as one.

Each process has a part of the nodes (partition.py); engines exchange what crosses the cuts, in every cycle or after as many as
the links there allow. Rank 0 has the host, and uses its ``RankedArray`` like any array; the others ``serve``: they do to their
parts what rank 0 asks for.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import NodeConfig
from golden.layout import Port
from golden.topology import Topology
from scripts.launched import local_ranks
from scripts.simulator.array import SimulatedArray
from scripts.simulator.build import SimulatorLibrary, build
from scripts.simulator.checkpoint import COMMON
from scripts.simulator.edge_memory import SimulatedMemory
from scripts.simulator.errors import SimulatorError
from scripts.simulator.library import Counters, MemoryCounters, NodeState, RunStatus
from scripts.simulator.observation import Stream
from scripts.simulator.partition import partition
from scripts.simulator.processes import Processes, uninterrupted

__all__ = ["RankedArray", "serve"]


class PartArray(SimulatedArray):
    """The part of this process.

    Parameters
    ----------
    config : NodeConfig
    library : SimulatorLibrary
    topology : Topology
        The whole array.
    processes : Processes
    threads : int, optional
        Of this process.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        library: SimulatorLibrary,
        topology: Topology,
        processes: Processes,
        threads: int | None = None,
        waves: str | os.PathLike[str] | None = None,
    ):
        self.processes = processes
        self._owner = partition(topology, processes.size)
        if threads is None:
            threads = max(1, len(os.sched_getaffinity(0)) // local_ranks())
        super().__init__(config, threads=threads, waves=waves, library=library, topology=topology)

    def _nodes_of_machine(self) -> int:
        live = [self._owner[y, x] == self.processes.rank for x, y in self.topology.sites()]
        return sum(live) * local_ranks()

    def _ask_memory(self, x: int, y: int, port: Port, name: str, *arguments: Any) -> Any:
        """Result of a method of a memory, which is at a node of this process."""
        return getattr(SimulatedArray.memory(self, x, y, port), name)(*arguments)

    def _share(self) -> tuple[int | None, int, Any]:
        return self._owner.ctypes.data, self.processes.rank, self.processes.exchange


class RankedArray(PartArray):
    """The whole array, as rank 0 sees it; see :class:`scripts.simulator.array.SimulatedArray`.

    Raises
    ------
    PartitionError
        If it cannot be cut into so many parts.
    SimulatorError
        If another process cannot do its part.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        library: SimulatorLibrary,
        topology: Topology,
        processes: Processes,
        threads: int | None = None,
        waves: str | os.PathLike[str] | None = None,
    ):
        self._array = None
        partition(topology, processes.size)
        self._others = range(1, processes.size)
        with uninterrupted():
            processes.request(self._others, ("create", (config, library, topology, threads)))
            try:
                super().__init__(config, library=library, topology=topology, processes=processes, threads=threads, waves=waves)
            finally:
                answers = processes.answers(self._others)
        _checked(answers)

    def close(self) -> None:
        """As in one process."""
        if self._array and not self.processes.ended:
            self._everywhere("close")

    # -- what all processes do ----------------------------------------------------------------------------------------

    def _everywhere(self, name: str, *arguments: Any) -> list[Any]:
        """Results of a method in all processes, by rank."""
        with uninterrupted():
            self.processes.request(self._others, (name, arguments))
            try:
                own = getattr(super(), name)(*arguments)
            finally:
                answers = self.processes.answers(self._others)
        return [own, *_checked(answers)]

    def _slice(self, limit: int, for_host: bool) -> RunStatus:
        status: RunStatus = self._everywhere("_slice", limit, for_host)[0]
        return status

    def _counters(self) -> Counters:
        own, *others = self._everywhere("_counters")
        for other in others:
            own.node_cycles += other.node_cycles
            own.phits += other.phits
        counters: Counters = own
        return counters

    def restore_part(self, part: int, contents: bytes) -> None:
        """As in one process."""
        self._everywhere("restore_part", part, contents)

    def set_skipping(self, skipping: bool) -> None:
        """As in one process."""
        self._everywhere("set_skipping", skipping)

    def trace(self, retirements: bool = True, vector_writes: bool = False, node: tuple[int, int] | None = None) -> None:
        """As in one process."""
        self._everywhere("trace", retirements, vector_writes, node)

    def retirements(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """As in one process."""
        return _by_cycle(self._everywhere("retirements"))

    def vector_writes(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """As in one process."""
        return _by_cycle(self._everywhere("vector_writes"))

    def _set_observed(self, node: tuple[int, int] | None, mask: int) -> None:
        self._everywhere("_set_observed", node, mask)

    def _observations(self, stream: Stream) -> tuple[Stream, np.ndarray[Any, np.dtype[np.void]]]:
        return stream, np.concatenate([records for _, records in self._everywhere("_observations", stream)])

    def record_boundary(self, recording: bool = True) -> None:
        """As in one process."""
        self._everywhere("record_boundary", recording)

    def boundary_records(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """As in one process."""
        own, *others = self._everywhere("boundary_records")
        # What a process does not have is 0 there.
        for other in others:
            own.view(np.uint8)[:] |= other.view(np.uint8)
        records: np.ndarray[Any, np.dtype[np.void]] = own
        return records

    # -- what the process of a node does ------------------------------------------------------------------------------

    def _at(self, x: int, y: int, name: str, *arguments: Any) -> Any:
        """Result of a method in the process that has a node."""
        self._index(x, y)
        rank = int(self._owner[y, x])
        if rank == 0:
            return getattr(super(), name)(*arguments)
        with uninterrupted():
            self.processes.request([rank], (name, arguments))
            answers = self.processes.answers([rank])
        return _checked(answers)[0]

    def node_state(self, x: int, y: int) -> NodeState:
        """As in one process."""
        state: NodeState = self._at(x, y, "node_state", x, y)
        return state

    def evaluations(self, x: int, y: int) -> int:
        """As in one process."""
        return int(self._at(x, y, "evaluations", x, y))

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """As in one process."""
        return bytes(self._at(x, y, "peek", x, y, offset, length))

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """As in one process."""
        self._at(x, y, "poke", x, y, offset, data)

    def save_part(self, part: int) -> bytes:
        """As in one process."""
        if part == COMMON:
            return super().save_part(part)
        y, x = divmod(part, self.columns)
        return bytes(self._at(x, y, "save_part", part))

    def memory(self, x: int, y: int, port: Port) -> SimulatedMemory:
        """As in one process."""
        here = super().memory(x, y, port)
        return (
            here
            if self._owner[y, x] == 0
            else _MemoryElsewhere(here, functools.partial(self._at, x, y, "_ask_memory", x, y, port))
        )

    def open_waves(self, path: str | os.PathLike[str], x: int = 0, y: int = 0) -> None:
        """As in one process; the file is written where the node is."""
        self._at(x, y, "open_waves", path, x, y)

    def close_waves(self, x: int = 0, y: int = 0) -> None:
        """As in one process."""
        self._at(x, y, "close_waves", x, y)


class _MemoryElsewhere(SimulatedMemory):
    """A memory of another process.

    Parameters
    ----------
    here : SimulatedMemory
        What stands for it in this process, which nobody uses.
    ask : callable
        Calls a method, by name, of what it is there.
    """

    def __init__(self, here: SimulatedMemory, ask: Callable[..., Any]):
        super().__init__(here.description, here._engine, here._array, here._number)
        self._ask = ask

    def read(self, offset: int, length: int) -> bytes:
        """As in one process."""
        self.description.check(offset, length)
        return bytes(self._ask("read", offset, length))

    def write(self, offset: int, data: bytes | npt.NDArray[np.generic]) -> None:
        """As in one process."""
        contents = np.ascontiguousarray(data) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        self.description.check(offset, contents.nbytes)
        self._ask("write", offset, contents)

    def _counters(self) -> MemoryCounters:
        counters: MemoryCounters = self._ask("_counters")
        return counters


def serve(processes: Processes) -> None:
    """Does what rank 0 asks for, until the end. What fails is rank 0's to tell, and Ctrl-C is its to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    array: PartArray | None = None
    while (request := processes.next_request()) is not None:
        name, arguments = request
        try:
            if name == "create":
                array = _create(processes, *arguments)
                result = None
            else:
                assert array is not None
                result = getattr(array, name)(*arguments)
            answer = (True, result)
        except SimulatorError as error:
            answer = (False, (str(error), error.exit_code))
        except Exception as error:
            answer = (False, (f"{type(error).__name__}: {error}", SimulatorError.exit_code))
        processes.answer(answer)
    processes.end()


def _create(
    processes: Processes, config: NodeConfig, library: SimulatorLibrary, topology: Topology, threads: int | None
) -> PartArray:
    if not library.path.exists():
        # On another machine, whose cache is its own.
        ours = build(config, library.arithmetic, library.waves, observe=library.observed)
        if ours.key != library.key:
            raise SimulatorError("its simulator differs; all machines need the same OpenD1, compiler and Verilator")
        library = ours
    return PartArray(config, library=library, topology=topology, processes=processes, threads=threads)


def _checked(answers: list[Any]) -> list[Any]:
    """The results in answers of other processes, in the order of ranks; SimulatorError with the first failure."""
    for rank, (passed, result) in enumerate(answers, 1):
        if not passed:
            message, exit_code = result
            error = SimulatorError(f"process {rank} of the array failed: {message}" if len(answers) > 1 else message)
            error.exit_code = exit_code
            raise error
    return [result for _, result in answers]


def _by_cycle(parts: list[np.ndarray[Any, np.dtype[np.void]]]) -> np.ndarray[Any, np.dtype[np.void]]:
    """Records of all processes by cycle and node, those of a node in the order in which they came."""
    records = np.concatenate(parts)
    return records[np.lexsort((records["x"], records["y"], records["cycle"]))]
