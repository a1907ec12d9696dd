# SPDX-License-Identifier: Apache-2.0
"""What all that is done with an array of the engine needs: the engine itself, its errors, and its clock."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import TracebackType
from typing import Self

from golden.config import NodeConfig
from golden.topology import Topology
from scripts.simulator.build import SimulatorLibrary
from scripts.simulator.errors import SimulatorError
from scripts.simulator.library import RunStatus, Stop

__all__ = ["EngineHandle"]

#: The engine returns to Python about this often, for progress and for Ctrl-C.
_SLICE_SECONDS = 0.1


class EngineHandle:
    """An array of the engine; a context manager, which closes it. :class:`scripts.simulator.array.SimulatedArray` makes it.

    Members
    -------
    config : NodeConfig
    library : SimulatorLibrary
    topology : Topology
    rows, columns : int
    cycle : int
        Cycles since reset.
    """

    config: NodeConfig
    library: SimulatorLibrary
    topology: Topology
    rows: int
    columns: int
    _engine: ctypes.CDLL
    _array: int | None

    def close(self) -> None:
        """Ends the engine's threads and frees its memory; the array cannot be used afterwards."""
        if self._array:
            self._engine.d1_destroy(self._array)
            self._array = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    @property
    def cycle(self) -> int:
        """Cycles since reset."""
        return int(self._engine.d1_cycle(self._array))

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

    def _index(self, x: int, y: int) -> int:
        """The engine's number of a site, at which there must be a node."""
        if not self.topology.is_live(x, y):
            raise ValueError(self.topology.missing(x, y))
        return y * self.columns + x

    def _check(self, code: int) -> None:
        if code != 0:
            raise SimulatorError(self._error())

    def _error(self) -> str:
        return (self._engine.d1_error() or b"").decode(errors="replace")
