# SPDX-License-Identifier: Apache-2.0
"""``d1 disasm``: an ELF executable as text."""

from __future__ import annotations

from pathlib import Path

import click

from scripts.d1.options import reporting
from scripts.d1.report import print_json


@click.command()
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@reporting
def disasm(program: Path, as_json: bool) -> None:
    """Disassemble PROGRAM, an ELF executable; data is shown as the instructions that it would be."""
    from sw.disassembler import listing
    from sw.elf import load_elf

    contents = load_elf(program)
    lines = listing(contents)
    if as_json:
        print_json({"entry": contents.entry, "tohost": contents.tohost, "lines": list(lines)})
        return
    for line in lines:
        click.echo(line)
