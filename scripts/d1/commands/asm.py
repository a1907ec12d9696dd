# SPDX-License-Identifier: Apache-2.0
"""``d1 asm``: assembler source to an ELF executable."""

from __future__ import annotations

from pathlib import Path

import click

from golden.config import NodeConfig
from scripts.d1.options import ConfigType, OutputFile, reporting
from scripts.d1.report import print_json


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=OutputFile(), help="ELF file; SOURCE with .elf by default.")
@click.option(
    "--config",
    type=ConfigType(),
    help="Preset that the program is for: its constants (LINE_BYTES and others) are defined, and it must fit.",
)
@reporting
def asm(source: Path, output: Path | None, config: NodeConfig | None, as_json: bool) -> None:
    """Assemble SOURCE into an ELF executable."""
    from scripts.d1.programs import assemble_file
    from sw.elf import write_elf

    program = assemble_file(source, config)
    target = output or source.with_suffix(".elf")
    write_elf(program, target)
    length = sum(len(contents) for _, contents in program.segments)
    if as_json:
        print_json(
            {
                "output": str(target),
                "bytes": length,
                "entry": program.entry,
                "tohost": program.tohost,
                "symbols": dict(program.symbols),
            }
        )
    else:
        click.echo(f"{target}: {length} bytes, entry {program.entry:#x}")
