# SPDX-License-Identifier: Apache-2.0
"""C sources made into programs for tests, with every compiler that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from golden.config import NodeConfig
from golden.program import Program
from scripts.d1.c_programs import build_program, build_runtime
from scripts.d1.compilers import COMPILER_CHOICES, Compiler, find_compiler
from scripts.d1.errors import CommandError
from sw.elf import load_elf

EXAMPLES = Path(__file__).resolve().parents[2] / "sw" / "examples"


def available_compilers() -> list[Compiler]:
    """Every compiler of this machine; there is one at least, which the test extra installs."""
    found = [find_compiler("auto")]
    for kind in COMPILER_CHOICES[1:]:
        try:
            compiler = find_compiler(kind)
        except CommandError:
            continue
        if compiler not in found:
            found.append(compiler)
    return found


COMPILERS = available_compilers()


def compile_c(
    folder: Path,
    source: str | Path,
    config: NodeConfig,
    *,
    compiler: Compiler = COMPILERS[0],
    level: str = "2",
    extra: Sequence[str] = (),
) -> Program:
    """The program of a source text, or of a file.

    Raises
    ------
    CommandError
        If the compiler finds errors.
    """
    file = source
    if isinstance(file, str):
        file = folder / "program.c"
        file.write_text(str(source))
    runtime, _ = build_runtime(compiler, config, lambda: None)
    target = folder / "program.elf"
    build_program(compiler, config, runtime, [file], target, lambda: None, level=level, extra=extra)
    return load_elf(target)
