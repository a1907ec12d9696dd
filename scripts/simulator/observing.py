# SPDX-License-Identifier: Apache-2.0
"""What can be recorded of a simulated array while it runs: what retires, registers at the boundaries of nodes, waves."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from scripts.simulator.errors import SimulatorError
from scripts.simulator.handle import EngineHandle
from scripts.simulator.library import RETIREMENT, boundary_dtype, vector_write_dtype
from scripts.simulator.observation import XVFI_KINDS, Stream, rvfi_records, view_records, xvfi_records

__all__ = ["Observing", "wave_format"]


class Observing(EngineHandle):
    """The part of :class:`scripts.simulator.array.SimulatedArray` that records."""

    _streams: tuple[Stream, ...]

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
        wanted = wave_format(Path(path))
        if self.library.waves != wanted:
            raise SimulatorError(f"this simulator was not built to record .{wanted} waves")
        self._check(self._engine.d1_open_waves(self._array, self._index(x, y), os.fsencode(path)))

    def close_waves(self, x: int = 0, y: int = 0) -> None:
        """Ends the recording of a node's waves, so that the file is complete."""
        self._engine.d1_close_waves(self._array, self._index(x, y))


def wave_format(path: Path) -> str:
    """Format of a wave file by its suffix."""
    suffix = path.suffix.lower()
    if suffix not in (".vcd", ".fst"):
        raise ValueError(f"waves = '{path}' must end in .vcd or .fst")
    return suffix[1:]


def _check_kind(kind: str) -> None:
    if kind not in XVFI_KINDS:
        raise ValueError(f"kind = {kind!r} is not one of {', '.join(XVFI_KINDS)}")
