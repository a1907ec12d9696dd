# SPDX-License-Identifier: Apache-2.0
"""The engine's library as Python sees it: functions, and the records that cross, with the layouts of ``engine/records.h``."""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from scripts.simulator.build import SimulatorLibrary
from scripts.simulator.errors import SimulatorError
from scripts.simulator.observation import storage_bytes

__all__ = [
    "RETIREMENT",
    "Access",
    "Counters",
    "HostResult",
    "MemoryCounters",
    "MemoryFacts",
    "NodeState",
    "RunStatus",
    "SeveredFacts",
    "Stop",
    "boundary_dtype",
    "load",
    "vector_write_dtype",
]


class Stop(IntEnum):
    """Why the engine returned."""

    TIME = 0
    CYCLES = 1
    QUIET = 2
    STUCK = 3
    HOST = 4


class NodeState(Structure):
    """Masks at a node's boundary."""

    _fields_ = [(name, c_uint8) for name in ("idle", "running", "waiting", "trapped", "stopped", "exited")]


class Access(Structure):
    """One access by packets."""

    _fields_ = [
        ("x", c_uint16),
        ("y", c_uint16),
        ("offset", c_uint32),
        ("write", c_uint32),
        ("length", c_uint32),
        ("data", c_void_p),
    ]


class HostResult(Structure):
    """How accesses ended."""

    _fields_ = [
        ("unanswered", c_uint64),
        ("errors", c_uint64),
        ("x", c_uint16),
        ("y", c_uint16),
        ("offset", c_uint32),
        ("reason", c_uint32),
        ("zero", c_uint32),
    ]


class RunStatus(Structure):
    """Where a run stands."""

    _fields_ = [("cycle", c_uint64), ("stop", c_uint32), ("busy", c_uint32)]


class Counters(Structure):
    """What was done since the array was made."""

    _fields_ = [(name, c_uint64) for name in ("node_cycles", "phits", "host_sent", "host_received")]


class MemoryCounters(Structure):
    """What a memory has done since the array was made."""

    _fields_ = [(name, c_uint64) for name in ("reads", "writes", "errors", "dropped", "busy_cycles")]


class MemoryFacts(Structure):
    """A memory, and where it is."""

    _fields_ = [("bytes", c_uint64), *((name, c_uint32) for name in ("site", "side", "latency", "bytes_per_cycle"))]


class SeveredFacts(Structure):
    """A link that died, by its western or northern end, and how many flits were lost with it."""

    _fields_ = [("cycle", c_uint64), ("site", c_uint32), ("side", c_uint32), ("lost", c_uint64)]


#: What a thread retired, one record each. ``rd_address`` and ``rd_data`` hold the even and the odd register.
RETIREMENT = np.dtype(
    [
        ("cycle", "<u8"),
        ("x", "<u2"),
        ("y", "<u2"),
        ("thread", "u1"),
        ("trap", "u1"),
        ("cause", "u1"),
        ("rd_valid", "u1"),
        ("insn", "<u4"),
        ("rd_address", "u1", 2),
        ("_", "V2"),
        ("value", "<u8"),
        ("pc", "<u8"),
        ("rd_data", "<u8", 2),
    ]
)


def vector_write_dtype(line_bytes: int) -> np.dtype[np.void]:
    """A written vector register, one record each."""
    return np.dtype(
        [
            ("cycle", "<u8"),
            ("x", "<u2"),
            ("y", "<u2"),
            ("thread", "u1"),
            ("register", "u1"),
            ("_", "V2"),
            ("data", "u1", line_bytes),
        ]
    )


def boundary_dtype(library: SimulatorLibrary, rows: int, columns: int, memories: int = 0) -> np.dtype[np.void]:
    """One cycle of an array, as little-endian bytes: the host's link, output registers of each site, 0 if it is dead, and what
    each memory drives."""
    node = np.dtype([(name, "u1", storage_bytes(bits)) for name, bits in library.outputs])
    flit = next(storage_bytes(bits) for name, bits in library.outputs if name == "west_out_flit")
    fields: list[Any] = [("host_flit", "u1", flit), ("host_valid", "u1"), ("host_credit", "u1"), ("nodes", node, (rows, columns))]
    if memories:
        fields.append(("memories", [("flit", "u1", flit), ("valid", "u1"), ("credit", "u1")], memories))
    return np.dtype(fields)


@functools.cache
def load(path: Path) -> ctypes.CDLL:
    """The library at a path, with the types of its functions.

    Raises
    ------
    SimulatorError
        If it cannot be loaded.
    """
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise SimulatorError(f"cannot load the simulator {path}: {error}; remove its folder to have it built anew") from error
    array = c_void_p
    for name, result, *arguments in (
        ("error", c_char_p),
        ("node_footprint", c_uint64),
        (
            "create",
            array,
            *(c_uint32,) * 3,
            c_void_p,
            c_void_p,
            c_uint32,
            c_uint32,
            c_void_p,
            c_uint32,
            c_void_p,
            c_uint32,
            c_void_p,
        ),
        ("destroy", None, array),
        ("cycle", c_uint64, array),
        ("counters", None, array, POINTER(Counters)),
        ("evaluations", c_uint64, array, c_uint32),
        ("state", None, array, c_uint32, POINTER(NodeState)),
        ("set_skipping", None, array, c_int32),
        ("run", c_int32, array, c_uint64, c_double, c_int32, POINTER(RunStatus)),
        ("host_start", c_int32, array, c_void_p, c_uint64),
        ("host_result", None, array, POINTER(HostResult)),
        ("host_abandon", None, array),
        ("host_send", c_int32, array, c_void_p, c_uint32),
        ("pending_inbox", c_uint64, array),
        ("take_inbox", None, array, c_void_p),
        ("peek", None, array, c_uint32, c_uint32, c_void_p, c_uint32),
        ("poke", None, array, c_uint32, c_uint32, c_void_p, c_uint32),
        ("memory_read", None, array, c_uint32, c_uint64, c_void_p, c_uint64),
        ("memory_write", c_int32, array, c_uint32, c_uint64, c_void_p, c_uint64),
        ("memory_counters", None, array, c_uint32, POINTER(MemoryCounters)),
        ("kill_link", c_int32, array, c_uint32, c_uint32),
        ("severed", c_uint64, array),
        ("severed_facts", None, array, c_uint32, POINTER(SeveredFacts)),
        ("lost_flits", None, array, c_uint32, c_void_p, c_void_p),
        ("trace", None, array, c_int32, c_int32, c_int32),
        ("pending_retirements", c_uint64, array),
        ("pending_writes", c_uint64, array),
        ("take_retirements", c_int32, array, c_void_p),
        ("take_writes", c_int32, array, c_void_p),
        ("observe", None, array, c_int32, c_uint32),
        ("pending_observations", c_uint64, array, c_uint32),
        ("take_observations", None, array, c_uint32, c_void_p),
        ("record", None, array, c_int32),
        ("cycle_record_bytes", c_uint64, array),
        ("pending_records", c_uint64, array),
        ("take_records", None, array, c_void_p),
        ("save", c_int32, array, c_int32, POINTER(c_uint64)),
        ("take_saved", None, c_void_p),
        ("restore", c_int32, array, c_int32, c_void_p, c_uint64),
        ("open_waves", c_int32, array, c_uint32, c_char_p),
        ("close_waves", None, array, c_uint32),
    ):
        function = getattr(library, f"d1_{name}")
        function.restype = result
        function.argtypes = arguments
    return library
