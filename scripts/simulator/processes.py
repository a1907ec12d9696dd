# SPDX-License-Identifier: Apache-2.0
"""Several processes that work together, by MPI: who there is, and messages between the first and the others.

MPI is reached by a small library (mpi/transport.cpp) that is compiled with the ``mpicxx`` of the MPI whose ``mpirun`` started the
processes. Nothing of it is needed, or loaded, where there is one process.
"""

from __future__ import annotations

import contextlib
import ctypes
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from ctypes import c_int, c_uint32, c_void_p
from pathlib import Path
from typing import Any

from scripts.launched import launched_ranks
from scripts.simulator.cache import Cache, digest
from scripts.simulator.errors import BuildError, SimulatorError, ToolMissing

__all__ = ["Processes", "find_program", "join", "uninterrupted"]

_ROOT = Path(__file__).resolve().parent
_SOURCES = (_ROOT / "mpi" / "transport.cpp", _ROOT / "engine" / "exchange.h")
_LIBRARY = "libd1mpi.so"

_FIX = "install it into this environment with: pip install 'opend1[mpi]'"

#: A message is sent in pieces of this size at most.
_PIECE_BYTES = 1 << 28


def find_program(name: str) -> Path:
    """``mpirun`` or ``mpicxx``: beside this interpreter, where packages put them, else on PATH; ToolMissing if nowhere."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ToolMissing(name, _FIX)
    return Path(found)


def join() -> Processes:
    """Meets the other processes that ``mpirun`` has started.

    Raises
    ------
    ToolMissing
        If there is no ``mpicxx``.
    BuildError
        If it cannot compile.
    SimulatorError
        If ``mpirun`` and ``mpicxx`` are of different MPIs.
    """
    library = _load(_built())
    rank, size = c_int(), c_int()
    if library.d1_mpi_start(ctypes.byref(rank), ctypes.byref(size)):
        raise SimulatorError("this MPI does not let threads take turns (MPI_THREAD_SERIALIZED); use MPICH or Open MPI")
    if size.value != launched_ranks():
        library.d1_mpi_finish()
        raise SimulatorError(
            f"mpirun has started {launched_ranks()} processes, but {find_program('mpicxx')} compiles for an MPI that sees "
            f"{size.value}; use mpirun and mpicxx of one MPI, such as {find_program('mpirun')}"
        )
    return Processes(library, rank.value, size.value)


class Processes:
    """The processes, as one of them sees them.

    Rank 0 sends requests to all others, each of which answers every request once, in order. From the request to the answers it is
    :func:`uninterrupted`.

    Members
    -------
    rank, size : int
    exchange : int
        Address of the function that the engine calls when processes meet.
    ended : bool
        Whether they have parted.
    """

    def __init__(self, library: ctypes.CDLL, rank: int, size: int):
        self._library = library
        self.rank = rank
        self.size = size
        self.exchange = ctypes.cast(library.d1_mpi_exchange, c_void_p).value
        self.ended = False
        self._unanswered = dict.fromkeys(range(1, size), 0)

    def request(self, ranks: range | list[int], what: Any) -> None:
        """From rank 0 to others."""
        for rank in ranks:
            self._send(rank, what)
            self._unanswered[rank] += 1

    def answers(self, ranks: range | list[int]) -> list[Any]:
        """What they have answered to the last request."""
        answers = []
        for rank in ranks:
            answers.append(self._receive(rank))
            self._unanswered[rank] -= 1
        return answers

    def next_request(self) -> Any:
        """What rank 0 wants; None at the end."""
        return self._receive(0)

    def answer(self, what: Any) -> None:
        """To rank 0."""
        self._send(0, what)

    def end(self) -> None:
        """Parts. On rank 0, the others are told to as well."""
        self.ended = True
        if self.rank == 0:
            for rank, count in self._unanswered.items():
                for _ in range(count):
                    self._receive(rank)
                self._send(rank, None)
        self._library.d1_mpi_finish()

    def _send(self, rank: int, what: Any) -> None:
        data = pickle.dumps(what)
        pieces = [data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES)]
        for piece in (len(pieces).to_bytes(8, "little"), *pieces):
            self._library.d1_mpi_send(rank, piece, len(piece))

    def _receive(self, rank: int) -> Any:
        count = int.from_bytes(self._piece(rank), "little")
        return pickle.loads(b"".join(self._piece(rank) for _ in range(count)))

    def _piece(self, rank: int) -> bytes:
        buffer = ctypes.create_string_buffer(self._library.d1_mpi_await(rank))
        self._library.d1_mpi_receive(rank, buffer, len(buffer))
        return buffer.raw


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts off Ctrl-C until the end of the body: others that wait for this process would wait for ever otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _built() -> Path:
    """The library, from the cache or compiled now."""
    compiler = find_program("mpicxx")
    shown = subprocess.run([str(compiler), "-show"], text=True, capture_output=True, check=False)
    key = digest([(path.name, path.read_bytes()) for path in _SOURCES], str(compiler), shown.stdout)

    def make(folder: Path) -> None:
        command = [str(compiler), "-std=c++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"]
        command += [f"-I{_SOURCES[1].parent}", str(_SOURCES[0]), "-o", str(folder / _LIBRARY)]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        if done.returncode:
            raise BuildError(f"{compiler} failed with exit code {done.returncode}:\n    {done.stderr.strip()[:1000]}")

    return Cache("mpi").build(key, make) / _LIBRARY


def _load(path: Path) -> ctypes.CDLL:
    try:
        # MPI loads modules that look for it among what is loaded.
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise SimulatorError(f"cannot load {path}: {error}; remove its folder to have it compiled anew") from error
    for name, result, *arguments in (
        ("start", c_int, c_void_p, c_void_p),
        ("finish", None),
        ("send", None, c_int, c_void_p, c_uint32),
        ("await", c_uint32, c_int),
        ("receive", None, c_int, c_void_p, c_uint32),
    ):
        function = getattr(library, f"d1_mpi_{name}")
        function.restype = result
        function.argtypes = arguments
    return library
