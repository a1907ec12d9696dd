# SPDX-License-Identifier: Apache-2.0
"""Programs from files: assembler source by its suffix, ELF otherwise."""

from __future__ import annotations

import shlex
from pathlib import Path

from golden.config import NodeConfig
from golden.program import Program
from scripts.d1.errors import CommandError
from sw.assembler import assemble
from sw.elf import load_elf

#: Suffixes of assembler source.
SOURCE_SUFFIXES = (".s", ".S", ".asm")


def assemble_file(path: Path, config: NodeConfig | None) -> Program:
    """Assemble a source file for a configuration, or for none in particular.

    Raises
    ------
    CommandError
        If the file is no text.
    sw.assembler.AssemblyError
        With everything that is wrong in the source.
    """
    try:
        source = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no text ({error.reason} at byte {error.start}); give assembler source") from None
    return assemble(source, str(path), config=config)


def load_program_file(path: Path, config: NodeConfig) -> Program:
    """The program in a file, which a node of the configuration can hold.

    Raises
    ------
    CommandError
        If it is C source, or no text.
    sw.assembler.AssemblyError
        With everything that is wrong in a source.
    golden.program.ProgramError
        If the file is no program for this processor, or does not fit.
    """
    if path.suffix == ".c":
        raise CommandError(f"{path} is C source; compile it first: d1 cc {shlex.quote(str(path))} --config {config.name}")
    program = assemble_file(path, config) if path.suffix in SOURCE_SUFFIXES else load_elf(path)
    program.check(config)
    return program
