# SPDX-License-Identifier: Apache-2.0
"""From C to a program for nodes: the runtime is compiled once for each compiler and node, and linked to what users write."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import sw.c
from golden.config import NodeConfig
from scripts.d1.compilers import Compiler
from scripts.d1.errors import CommandError, ExitCode
from scripts.simulator.cache import Cache, digest
from sw.c.header import header
from sw.c.script import linker_script
from sw.collectives.objects import collectives_object

__all__ = ["SOURCE_SUFFIXES", "build_program", "build_runtime"]

#: What can be given to the compiler: C, assembler source, objects and libraries of them.
SOURCE_SUFFIXES = (".c", ".s", ".S", ".o", ".a")

_FOLDER = Path(sw.c.__file__).parent
_INCLUDE = _FOLDER / "include"

#: Called again and again while the compiler runs.
Waiting = Callable[[], None]

#: Small nodes have few bytes for code; tables of jumps would be larger than what they save.
_RUNTIME_OPTIONS = ("-Os", "-fno-jump-tables", "-Wall", "-Wextra")

#: Seconds between two calls.
_INTERVAL_SECONDS = 0.1


def build_runtime(compiler: Compiler, config: NodeConfig, waiting: Waiting) -> tuple[Path, bool]:
    """The folder with ``d1.h`` and the runtime's objects for a node, and whether it was in the cache.

    Raises
    ------
    CommandError
        If the compiler rejects the runtime.
    scripts.simulator.errors.SimulatorError
        If the cache cannot be written.
    """
    sources = [_FOLDER / "start.S", *sorted((_FOLDER / "runtime").glob("*.c"))]
    files = [*sources, *sorted((_FOLDER / "runtime").glob("*.h")), *sorted(_INCLUDE.glob("*.h"))]
    text, collectives = header(config), collectives_object(config)
    options = [*compiler.target, *compiler.code_options, *_RUNTIME_OPTIONS]
    facts = (text, collectives, compiler.kind, " ".join(compiler.command), compiler.version, " ".join(options))
    key = digest([(str(file.relative_to(_FOLDER)), file.read_bytes()) for file in files], *facts)

    def make(folder: Path) -> None:
        (folder / "d1.h").write_text(text)
        (folder / "collectives.S").write_text(collectives)
        for source in [*sources, folder / "collectives.S"]:
            includes = ["-isystem", str(folder), "-isystem", str(_INCLUDE)]
            target = folder / source.with_suffix(".o").name
            _call(compiler, [*options, *includes, "-c", str(source), "-o", str(target)], waiting)

    cache = Cache("c")
    found = cache.find(key)
    return (found, True) if found is not None else (cache.build(key, make), False)


def build_program(
    compiler: Compiler,
    config: NodeConfig,
    runtime: Path,
    files: Sequence[Path],
    target: Path,
    waiting: Waiting,
    *,
    level: str = "2",
    stack_bytes: int | None = None,
    extra: Sequence[str] = (),
) -> str:
    """Compile and link an executable for a node; returns what the compiler has to say.

    Parameters
    ----------
    compiler : Compiler
    config : NodeConfig
        The node, which only runs what was made for its like.
    runtime : path
        What :func:`build_runtime` returned.
    files : sequence of paths
        Sources and objects.
    target : path
        The ELF file.
    waiting : callable
        Called again and again meanwhile.
    level : str
        What follows ``-O``.
    stack_bytes : int, optional
        Bytes of each thread's stack.
    extra : sequence of str
        More arguments, which come after all others but the libraries.

    Raises
    ------
    CommandError
        If the compiler finds errors, with its text, or the stacks cannot be.
    """
    try:
        script = linker_script(config, stack_bytes)
    except ValueError as error:
        raise CommandError(f"--stack-bytes: {error}") from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d1.ld"
        path.write_text(script)
        return _call(
            compiler,
            [
                *compiler.target,
                *compiler.code_options,
                f"-O{level}",
                "-Wall",
                *("-isystem", str(runtime), "-isystem", str(_INCLUDE)),
                *compiler.link_options,
                f"-Wl,-T,{path}",
                *("-o", str(target)),
                *map(str, files),
                *map(str, sorted(runtime.glob("*.o"))),
                *extra,
                *compiler.libraries,
            ],
            waiting,
        )


def _call(compiler: Compiler, arguments: Sequence[str], waiting: Waiting) -> str:
    """Run the compiler; returns what it prints."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as printed:
        with subprocess.Popen(
            [*compiler.command, *arguments], stdout=printed, stderr=subprocess.STDOUT, env=compiler.environment()
        ) as process:
            try:
                while True:
                    try:
                        process.wait(_INTERVAL_SECONDS)
                        break
                    except subprocess.TimeoutExpired:
                        waiting()
            except BaseException:
                process.kill()
                raise
        printed.seek(0)
        text = printed.read()
    if process.returncode != 0:
        raise CommandError(f"{compiler} has failed:\n{text.rstrip()}", ExitCode.FAILED)
    return text
