# SPDX-License-Identifier: Apache-2.0
"""Files in the format Kanata 0004, which the pipeline viewer Konata shows.

Source of the format: https://github.com/shioyadan/Konata/blob/master/docs/kanata-log-format.md
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from types import TracebackType
from typing import TextIO

__all__ = ["DETAIL", "LEFT", "KanataFile", "may_be_replaced"]

_HEADER = "Kanata\t0004\n"

#: Types of labels: shown in the left pane, or where the pointer rests on the instruction.
LEFT, DETAIL = 0, 1


def may_be_replaced(path: Path) -> bool:
    """Whether writing a file does not destroy anything else: there is none, it is empty, a device, or a Kanata file."""
    if not path.is_file() or not path.stat().st_size:
        return True
    name = _HEADER.split("\t")[0].encode()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(len(name)) == name
    except (gzip.BadGzipFile, EOFError):
        return False


class KanataFile:
    """Writes one file, in the order of cycles, and keeps nothing of what it has written.

    The file is compressed if its name ends in ``.gz``, which the viewer opens as it is. What happens belongs to the cycle that
    was last given to :meth:`at`.

    Parameters
    ----------
    path : Path

    Members
    -------
    instructions : int
        How many have begun.

    Raises
    ------
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: Path):
        # Both are closed by close(): the file is open as long as this object is.
        self._file: TextIO
        if path.suffix == ".gz":
            self._file = io.TextIOWrapper(gzip.GzipFile(path, "wb", compresslevel=3, mtime=0), "utf-8")
        else:
            self._file = path.open("w", encoding="utf-8")
        self._file.write(_HEADER)
        self._cycle: int | None = None
        self.instructions = 0

    def __enter__(self) -> KanataFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def at(self, cycle: int) -> None:
        """Go on in a cycle, never before the one given last."""
        if self._cycle is None:
            self._line("C=", cycle)
        elif cycle < self._cycle:
            raise ValueError(f"cycle {cycle} comes after cycle {self._cycle} in a file that goes forward only")
        elif cycle > self._cycle:
            self._line("C", cycle - self._cycle)
        self._cycle = cycle

    def begin(self, sequence: int, thread: int) -> int:
        """A new instruction.

        Parameters
        ----------
        sequence : int
            Its number among those that the thread has fetched.
        thread : int

        Returns
        -------
        int
            Its number in the file, which the other calls take.
        """
        number = self.instructions
        self.instructions += 1
        self._line("I", number, sequence, thread)
        return number

    def label(self, number: int, text: str, kind: int = LEFT) -> None:
        """Add a text to an instruction; a line feed begins a new line of it."""
        self._line("L", number, kind, text.replace("\t", " ").replace("\n", "\\n"))

    def start(self, number: int, stage: str, lane: int = 0) -> None:
        """A stage begins; lane 1 lies over lane 0 and tells what the instruction waits for."""
        self._line("S", number, lane, stage)

    def end(self, number: int, stage: str, lane: int = 0) -> None:
        """A stage ends: the cycle before was its last."""
        self._line("E", number, lane, stage)

    def depend(self, consumer: int, producer: int) -> None:
        """An arrow: an instruction could go on because another one's result was there."""
        self._line("W", consumer, producer, 0)

    def retire(self, number: int, retirement: int) -> None:
        """An instruction ends and has taken effect, as number ``retirement`` of those in the file."""
        self._line("R", number, retirement, 0)

    def flush(self, number: int, retirement: int) -> None:
        """An instruction ends without an effect, before number ``retirement`` has retired."""
        self._line("R", number, retirement, 1)

    def _line(self, *columns: object) -> None:
        self._file.write("\t".join(map(str, columns)) + "\n")
