# SPDX-License-Identifier: Apache-2.0
"""Memories at the edge of an array, on the command line: what is put into them, and what they have done."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from golden.layout import LINK_PORTS, Port
from golden.topology import Topology
from scripts.d1.errors import CommandError

_PORTS = {port.name.lower(): port for port in LINK_PORTS}


@dataclass(frozen=True)
class MemoryFile:
    """A file, and the memory that it goes into, by its link."""

    row: int
    column: int
    port: Port
    path: Path


class MemoryFileType(click.ParamType[MemoryFile]):
    """A memory's link and a file, written as row,column,port=FILE, such as 0,3,east=weights.bin."""

    name = "ROW,COLUMN,PORT=FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MemoryFile:
        """Link and file, or a usage error that says how they are written."""
        if isinstance(value, MemoryFile):
            return value
        match = re.fullmatch(rf"([0-9]{{1,9}}),([0-9]{{1,9}}),({'|'.join(_PORTS)})=(.+)", value)
        if match is None:
            self.fail(f"'{value}' names no memory and file; write row,column,port=FILE, such as 0,3,east=data.bin", param, ctx)
        path = Path(match[4])
        if not path.is_file():
            self.fail(f"{path} is no file", param, ctx)
        return MemoryFile(int(match[1]), int(match[2]), _PORTS[match[3]], path)


def memory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--memory``, passed as ``memory``: a tuple of MemoryFile."""
    return click.option(
        "--memory",
        type=MemoryFileType(),
        multiple=True,
        help="Put a file into the memory at that link of the array before the run; may be given several times. Arrays with"
        " memories are described by JSON files, see d1 array.",
    )(command)


def check_memory_files(files: Sequence[MemoryFile], topology: Topology) -> None:
    """CommandError if a memory is not in the array, or too small for its file."""
    for file in files:
        try:
            memory = topology.memory(file.column, file.row, file.port)
        except ValueError as error:
            raise CommandError(f"--memory for {file.path}: {error}") from None
        size = file.path.stat().st_size
        if size > memory.bytes:
            raise CommandError(f"--memory: {file.path} has {size} bytes, and the memory that it is for has {memory.bytes}")


def fill_memories(array: Any, files: Sequence[MemoryFile]) -> None:
    """Put the files into an array's memories, by the back door; they have been checked."""
    for file in files:
        array.memory(file.column, file.row, file.port).write(0, file.path.read_bytes())


def memory_facts(array: Any, topology: Topology) -> list[dict[str, Any]]:
    """What each memory has done, for JSON; the golden model counts no cycles."""
    facts = []
    for each in topology.memories:
        memory = array.memory(*each.link)
        facts.append(
            {
                "row": each.y,
                "column": each.x,
                "port": each.port.name.lower(),
                "lines_read": memory.lines_read,
                "lines_written": memory.lines_written,
                "errors": memory.errors,
                "busy_cycles": getattr(memory, "busy_cycles", None),
            }
        )
    return facts


def print_memories(facts: Sequence[dict[str, Any]]) -> None:
    """A line for each memory."""
    for each in facts:
        cycles = "" if each["busy_cycles"] is None else f", busy in {each['busy_cycles']} cycles"
        click.echo(
            f"memory at the {each['port']} of row {each['row']}, column {each['column']}: {each['lines_read']} lines read,"
            f" {each['lines_written']} written, {each['errors']} requests refused{cycles}"
        )
