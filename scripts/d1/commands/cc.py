# SPDX-License-Identifier: Apache-2.0
"""``d1 cc``: C sources to an ELF executable for a node."""

from __future__ import annotations

from pathlib import Path

import click

from golden.config import NodeConfig
from scripts.d1.errors import CommandError
from scripts.d1.options import OutputFile, config_option, reporting
from scripts.d1.report import Stages, print_json

_EXTRA = "compiler arguments"


class _Command(click.Command):
    """A command whose arguments after ``--`` are for the compiler."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMPILER ARGUMENT...]"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = args[: args.index("--")] if "--" in args else args
        ctx.meta[_EXTRA] = args[len(own) + 1 :]
        return super().parse_args(ctx, own)


@click.command(cls=_Command)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE...")
@click.option("-o", "--output", type=OutputFile(), help="ELF file; the first FILE with .elf by default.")
@config_option("d1")
@click.option(
    "-O", "level", type=click.Choice(["0", "1", "2", "3", "s", "g"]), default="2", show_default=True, help="Optimisation."
)
@click.option(
    "--compiler", default="auto", show_default=True, help="auto, zig, gcc, clang, or a program; auto takes them in this order."
)
@click.option(
    "--stack-bytes", type=click.IntRange(min=1), help="Bytes of each thread's stack.  [default: a quarter of the SRAM in all]"
)
@click.option("--header", "show_header", is_flag=True, help="Print d1.h of the node instead: its sizes and all intrinsics.")
@reporting
@click.pass_context
def cc(
    ctx: click.Context,
    files: tuple[Path, ...],
    output: Path | None,
    config: NodeConfig,
    level: str,
    compiler: str,
    stack_bytes: int | None,
    show_header: bool,
    as_json: bool,
) -> None:
    """Compile C (.c), assembler source of the compiler's own dialect (.s, .S) and objects (.o, .a) into an ELF executable.

    The program runs on nodes of the preset only. What is behind -- goes to the compiler as it is.
    """
    from scripts.d1.c_programs import SOURCE_SUFFIXES, build_program, build_runtime
    from scripts.d1.compilers import find_compiler
    from sw.c.header import header
    from sw.elf import check_fits, load_elf
    from sw.output_files import check_output_file

    if show_header:
        if files or as_json:
            raise click.UsageError("--header prints the header and nothing else; leave out FILE and --json")
        click.echo(header(config), nl=False)
        return
    if not files:
        raise click.UsageError("FILE is missing; name at least one C source")
    for file in files:
        if file.suffix not in SOURCE_SUFFIXES:
            raise CommandError(f"{file} is no source for a C compiler; its name must end in one of {', '.join(SOURCE_SUFFIXES)}")
    target = output or files[0].with_suffix(".elf")
    check_output_file(target)
    found = find_compiler(compiler)
    stages = Stages()
    with stages.stage(f"C runtime of '{config.name}', {found}") as stage:
        runtime, cached = build_runtime(found, config, stage.advance)
        stage.note = "from the cache" if cached else "built, and cached from now on"
    with stages.stage(f"compile {', '.join(file.name for file in files)}") as stage:
        remarks = build_program(
            found, config, runtime, files, target, stage.advance, level=level, stack_bytes=stack_bytes, extra=ctx.meta[_EXTRA]
        )
    click.echo(remarks, err=True, nl=False)
    program = load_elf(target)
    check_fits(program, config, str(target))
    if program.made_for is None or program.tohost is None:
        raise CommandError(f"{target} has no symbols, by which the host knows tohost; leave out what strips them, such as -s")
    length = sum(len(contents) for _, contents in program.segments)
    if as_json:
        print_json(
            {
                "output": str(target),
                "config": config.name,
                "compiler": str(found),
                "bytes": length,
                "entry": program.entry,
                "tohost": program.tohost,
                "symbols": dict(program.symbols),
            }
        )
    else:
        click.echo(f"{target}: {length} bytes, entry {program.entry:#x}, for '{config.name}'")
