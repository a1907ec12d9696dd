# SPDX-License-Identifier: Apache-2.0
"""A memory at the edge of a simulated array, as the host sees it: its contents, past all packets, and what it has done."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from golden.edge_memory import EdgeMemory
from scripts.simulator.errors import SimulatorError
from scripts.simulator.library import MemoryCounters

__all__ = ["SimulatedMemory"]


class SimulatedMemory:
    """One memory of a :class:`scripts.simulator.array.SimulatedArray`, which makes it.

    Parameters
    ----------
    description : EdgeMemory
    engine : CDLL
        The array's library.
    array : callable
        The engine's array.
    number : int
        Which of its memories.

    Members
    -------
    description : EdgeMemory
    lines_read, lines_written, errors, dropped : int
        Requests that were answered with data, or obeyed, or answered by ERROR; and packets that were none.
    busy_cycles : int
        Cycles at whose end a request waited or an answer was under way.
    """

    def __init__(self, description: EdgeMemory, engine: ctypes.CDLL, array: Callable[[], int | None], number: int):
        self.description = description
        self._engine = engine
        self._array = array
        self._number = number

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it; ValueError if they are not there."""
        self.description.check(offset, length)
        data = np.empty(length, np.uint8)
        self._engine.d1_memory_read(self._array(), self._number, offset, data.ctypes.data, length)
        return data.tobytes()

    def write(self, offset: int, data: bytes | npt.NDArray[np.generic]) -> None:
        """Change bytes of it, to those of an array as they lie in memory; ValueError if they are not there.

        Raises
        ------
        ValueError
            If they are not there.
        SimulatorError
            If the machine has no memory left.
        """
        contents = np.ascontiguousarray(data) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        self.description.check(offset, contents.nbytes)
        if self._engine.d1_memory_write(self._array(), self._number, offset, contents.ctypes.data, contents.nbytes):
            raise SimulatorError((self._engine.d1_error() or b"").decode(errors="replace"))

    @property
    def lines_read(self) -> int:
        """READs answered with data."""
        return int(self._counters().reads)

    @property
    def lines_written(self) -> int:
        """WRITEs obeyed."""
        return int(self._counters().writes)

    @property
    def errors(self) -> int:
        """Requests answered by ERROR."""
        return int(self._counters().errors)

    @property
    def dropped(self) -> int:
        """Packets that were no requests."""
        return int(self._counters().dropped)

    @property
    def busy_cycles(self) -> int:
        """Cycles at whose end a request waited or an answer was under way."""
        return int(self._counters().busy_cycles)

    def _counters(self) -> MemoryCounters:
        counters = MemoryCounters()
        self._engine.d1_memory_counters(self._array(), self._number, ctypes.byref(counters))
        return counters
