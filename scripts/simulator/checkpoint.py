# SPDX-License-Identifier: Apache-2.0
"""Files that hold the whole state of a simulated array. Their layout is in docs/large-arrays.md.

A file is complete or absent, whatever happens while it is written; its checksum is checked before anything of it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from golden.config import NodeConfig
from golden.topology import Topology
from scripts.simulator.build import SimulatorLibrary
from scripts.simulator.errors import SimulatorError

__all__ = [
    "COMMON",
    "Checkpoint",
    "CheckpointError",
    "Saved",
    "check_choice",
    "check_library",
    "parts",
    "read_checkpoint",
    "write_checkpoint",
]

_MAGIC = b"OpenD1cp"
_VERSION = 1
_HEAD = struct.Struct("<8sII")
_PART = struct.Struct("<iQ")

#: Number of the part that belongs to no site.
COMMON = -1
_END = -2

_DIGEST_BYTES = hashlib.sha256().digest_size
_BLOCK_BYTES = 1 << 20

#: Most of a node's state is SRAM, and much of it 0: the fastest compression does nearly as well as the best.
_COMPRESSION = 1


class CheckpointError(SimulatorError):
    """A checkpoint cannot be written, or does not fit; the message names the file."""

    exit_code = 2


class Saved(Protocol):
    """An array that can be saved, part by part: the common one and one for each live site."""

    @property
    def library(self) -> SimulatorLibrary: ...

    @property
    def topology(self) -> Topology: ...

    @property
    def cycle(self) -> int: ...

    def save_part(self, part: int) -> bytes:
        """The state of a part."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose file is whole.

    Attributes
    ----------
    path : Path
    config : NodeConfig
    topology : Topology
    arithmetic : str
    waves : str or None
    observe : bool
    key : str
        Of the simulator that wrote it.
    cycle : int
    inbox : list of str
        Packets that the host has not looked at, as hexadecimal flits.
    run : dict or None
        What the writer has added.
    """

    path: Path
    config: NodeConfig
    topology: Topology
    arithmetic: str
    waves: str | None
    observe: bool
    key: str
    cycle: int
    inbox: list[str]
    run: dict[str, Any] | None


def write_checkpoint(path: Path, array: Saved, inbox: list[str], run: Mapping[str, Any] | None) -> None:
    """Write the state of an array to a file, in place of what was there.

    Raises
    ------
    CheckpointError
        If the file cannot be written; what was there is left as it is.
    """
    library = array.library
    header = {
        "key": library.key,
        "config": asdict(library.config),
        "arithmetic": library.arithmetic,
        "waves": library.waves,
        "observe": library.observed,
        "topology": array.topology.as_dict(),
        "cycle": array.cycle,
        "inbox": inbox,
        "run": run,
    }
    text = json.dumps(header).encode()
    # Of this process alone, so that two that write the same file do not mix.
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            sum_ = hashlib.sha256()

            def put(data: bytes) -> None:
                sum_.update(data)
                file.write(data)

            put(_HEAD.pack(_MAGIC, _VERSION, len(text)) + text)
            for part in _parts(array.topology):
                contents = zlib.compress(array.save_part(part), _COMPRESSION)
                put(_PART.pack(part, len(contents)) + contents)
            put(struct.pack("<i", _END))
            file.write(sum_.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise CheckpointError(f"cannot write the checkpoint {path}: {error.strerror}; name another file or make room") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """The header of a file that is whole.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is no checkpoint, damaged, cut short, or of another version.
    """
    with _opened(path) as file:
        head = file.read(_HEAD.size)
        if head[: len(_MAGIC)] != _MAGIC:
            raise CheckpointError(f"{path} is no checkpoint; d1 run --checkpoint FILE writes one")
        whole = len(head) == _HEAD.size
        version, length = _HEAD.unpack(head)[1:] if whole else (_VERSION, 0)
        if version != _VERSION:
            raise CheckpointError(
                f"{path} is a checkpoint of layout {version}, and this version of OpenD1 reads layout {_VERSION}"
            )
        file.seek(0, os.SEEK_END)
        size = file.tell() - _DIGEST_BYTES
        if not whole or size < _HEAD.size + length:
            raise _damaged(path)
        file.seek(0)
        if _digest(file, size) != file.read():
            raise _damaged(path)
        file.seek(_HEAD.size)
        header = json.loads(file.read(length))
    config: dict[str, Any] = header["config"]
    try:
        return Checkpoint(
            path,
            NodeConfig(**config),
            Topology.from_dict(header["topology"]),
            *(header[name] for name in ("arithmetic", "waves", "observe", "key", "cycle", "inbox", "run")),
        )
    except (TypeError, ValueError, KeyError):
        # Whole, so what it says is what another version means.
        raise CheckpointError(f"{path} was written by another version of OpenD1, which describes nodes differently") from None


def check_choice(checkpoint: Checkpoint, config: NodeConfig, arithmetic: str, waves: str | None, observe: bool) -> None:
    """CheckpointError if a checkpoint was written by a simulator of other choices than these."""
    ours = (config, arithmetic, waves, observe)
    theirs = (checkpoint.config, checkpoint.arithmetic, checkpoint.waves, checkpoint.observe)
    if ours != theirs:
        raise CheckpointError(
            f"{checkpoint.path} was written by another simulator, {_described(*theirs)}; this one is {_described(*ours)}: waves "
            "and pipeline views must be asked for in both runs, or in none"
        )


def check_library(checkpoint: Checkpoint, library: SimulatorLibrary) -> None:
    """CheckpointError if a checkpoint was not written by this simulator."""
    check_choice(checkpoint, library.config, library.arithmetic, library.waves, library.observed)
    if checkpoint.key != library.key:
        raise CheckpointError(
            f"{checkpoint.path} was written by another simulator: the sources or tools that it was built from have changed "
            "since; resume with those, or run from the start"
        )


def parts(checkpoint: Checkpoint) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of all parts, the common one first.

    Raises
    ------
    CheckpointError
        If they are not those of the array.
    """
    expected = list(_parts(checkpoint.topology))
    with _opened(checkpoint.path) as file:
        file.seek(_HEAD.size - 4)
        (length,) = struct.unpack("<I", file.read(4))
        file.seek(_HEAD.size + length)
        for part in expected:
            number, size = _PART.unpack(file.read(_PART.size))
            if number != part:
                raise _damaged(checkpoint.path)
            yield part, zlib.decompress(file.read(size))


def _parts(topology: Topology) -> Iterator[int]:
    yield COMMON
    for x, y in topology.sites():
        yield y * topology.columns + x


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    with file:
        yield file


def _digest(file: BinaryIO, size: int) -> bytes:
    """Of the first ``size`` bytes."""
    sum_ = hashlib.sha256()
    while size:
        block = file.read(min(size, _BLOCK_BYTES))
        sum_.update(block)
        size -= len(block)
    return sum_.digest()


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"the checkpoint {path} is damaged or cut short; resume from another one, or run from the start")


def _described(config: NodeConfig, arithmetic: str, waves: str | None, observe: bool) -> str:
    extras = [f"{waves} waves"] if waves else []
    extras += ["pipeline observed"] if observe else []
    return ", ".join([f"'{config.name}' ({config.key}) with {arithmetic} arithmetic", *extras])
