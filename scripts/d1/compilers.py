# SPDX-License-Identifier: Apache-2.0
"""C compilers for RISC-V: Zig's from PyPI, a system's GCC or clang; found, or named as missing with what to do."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from golden.isa import INSTRUCTIONS
from scripts.d1.errors import CommandError, ExitCode
from scripts.simulator.cache import cache_folder

__all__ = ["COMPILER_CHOICES", "Compiler", "find_compiler"]

#: What ``--compiler`` takes besides a path.
COMPILER_CHOICES = ("auto", "zig", "gcc", "clang")

#: GCC for RISC-V by the names that distributions give it, those for bare machines first.
_GCC_NAMES = ("riscv64-unknown-elf-gcc", "riscv64-elf-gcc", "riscv64-none-elf-gcc", "riscv64-linux-gnu-gcc")

#: What nodes have of RISC-V, as compilers name it: the base with its letters, and extensions that have longer names.
_BASE = "rv64im" if "mul" in INSTRUCTIONS else "rv64i"
_EXTENSIONS = ("zicsr", "zifencei")

_INSTALL = (
    "install Zig's with: pip install 'opend1[cc]' (or: pip install ziglang), or a system's: "
    "apt-get install gcc-riscv64-unknown-elf (or: clang and lld)"
)


@dataclass(frozen=True)
class Compiler:
    """A compiler that makes programs for nodes.

    Attributes
    ----------
    kind : str
        ``zig``, ``gcc`` or ``clang``.
    command : tuple of str
        How it is called.
    version : str
        For readers, and to tell what different compilers have made.
    """

    kind: str
    command: tuple[str, ...]
    version: str

    @property
    def target(self) -> tuple[str, ...]:
        """Arguments that name the processor: RV64 with what nodes have of it, no operating system below."""
        if self.kind == "zig":
            # Zig takes -march for its own -mcpu.
            features = "".join(f"+{each}" for each in (*_BASE.removeprefix("rv64i"), *_EXTENSIONS))
            return ("-target", "riscv64-freestanding-none", f"-mcpu=generic_rv64{features}", "-mabi=lp64", "-mcmodel=medany")
        machine = ("--target=riscv64-unknown-elf",) if self.kind == "clang" else ()
        full = f"-march={'_'.join((_BASE, *_EXTENSIONS))}"
        # Older compilers count CSR instructions and fence.i to the base, and do not know the extensions' names.
        known = _accepts((*self.command, *machine, full, "-mabi=lp64"))
        return (*machine, full if known else f"-march={_BASE}", "-mabi=lp64", "-mcmodel=medany")

    @property
    def code_options(self) -> tuple[str, ...]:
        """Arguments for code that runs alone at fixed addresses, without what only systems or debuggers need."""
        options: tuple[str, ...] = (
            "-std=gnu11", "-ffreestanding", "-fno-pic", "-fno-common", "-fno-stack-protector", "-fomit-frame-pointer",
            "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-ffunction-sections", "-fdata-sections",
        )  # fmt: skip
        if self.kind == "gcc":
            return options
        # Of assembler source, clang says that it does not need the rest.
        options += ("-Wno-unused-command-line-argument",)
        # Zig checks for undefined behaviour unless it optimises, and needs a runtime for that. Without -g, it takes from small
        # programs their symbols, among them those that the host needs.
        return (*options, "-fno-sanitize=undefined", "-g") if self.kind == "zig" else options

    @property
    def link_options(self) -> tuple[str, ...]:
        """Arguments for linking, but for the script."""
        options: tuple[str, ...] = ("-static", "-Wl,--gc-sections", "-Wl,--build-id=none")
        if self.kind == "zig":
            # Without a system there is no library but that of functions which the compiler calls by itself.
            return options
        options += ("-nostdlib",)
        if self.kind == "clang":
            return (*options, "-fuse-ld=lld")
        options += ("-no-pie",)
        # Small programs are one segment that is written and executed, of which newer linkers warn.
        warns = "warn-rwx-segments" in _output((*self.command, "-Wl,--help"))
        return (*options, "-Wl,--no-warn-rwx-segments") if warns else options

    @property
    def libraries(self) -> tuple[str, ...]:
        """What comes last on the command line: functions that the compiler calls by itself, such as those of floating point."""
        return ("-lgcc",) if self.kind == "gcc" else ()

    def environment(self) -> dict[str, str]:
        """Environment to call it in; Zig keeps what it compiles in the project's cache."""
        environment = dict(os.environ)
        if self.kind == "zig":
            folder = cache_folder().absolute() / "zig"
            environment |= {"ZIG_GLOBAL_CACHE_DIR": str(folder), "ZIG_LOCAL_CACHE_DIR": str(folder)}
        return environment

    def __str__(self) -> str:
        return self.version


def find_compiler(choice: str) -> Compiler:
    """The compiler that is asked for.

    Parameters
    ----------
    choice : str
        One of COMPILER_CHOICES, or a program. ``auto`` is the first that is there: Zig of this Python, GCC, clang.

    Raises
    ------
    CommandError
        If there is none, or the program is no compiler for RISC-V.
    """
    kinds: dict[str, Callable[[], Compiler | None]] = {"zig": _zig, "gcc": _gcc, "clang": _clang}
    if choice in COMPILER_CHOICES:
        for kind, find in kinds.items():
            found = find() if choice in ("auto", kind) else None
            if found is not None:
                return found
        what = "a C compiler for RISC-V" if choice == "auto" else f"{choice} for RISC-V"
        raise CommandError(f"{what} is missing; {_INSTALL}", ExitCode.MISSING)
    program = shutil.which(choice)
    if program is None:
        listed = ", ".join(COMPILER_CHOICES)
        raise CommandError(f"--compiler {choice} is neither one of {listed} nor a program; name one of them", ExitCode.MISSING)
    return _described(program)


def _zig() -> Compiler | None:
    if importlib.util.find_spec("ziglang") is None:
        return None
    return Compiler("zig", (sys.executable, "-m", "ziglang", "cc"), f"zig {metadata.version('ziglang')}")


def _gcc() -> Compiler | None:
    found = next(filter(None, map(shutil.which, _GCC_NAMES)), None)
    return None if found is None else _described(found)


def _clang() -> Compiler | None:
    found = shutil.which("clang")
    # A clang without the target, or without a linker for it, is none for nodes.
    if found is None or shutil.which("ld.lld") is None or "riscv64" not in _output((found, "--print-targets")):
        return None
    return _described(found)


def _described(program: str) -> Compiler:
    """The compiler that a program is."""
    if Path(program).stem == "zig":
        return Compiler("zig", (program, "cc"), f"zig {_output((program, 'version')).strip()}")
    version = _output((program, "--version")).partition("\n")[0].strip()
    if "clang" in version:
        return Compiler("clang", (program,), version)
    machine = _output((program, "-dumpmachine")).strip()
    if not machine.startswith("riscv64"):
        found = f"compiles for {machine}" if machine else "is no C compiler"
        raise CommandError(f"--compiler {program} {found}, but nodes execute riscv64; {_INSTALL}")
    return Compiler("gcc", (program,), version)


@functools.cache
def _accepts(command: tuple[str, ...]) -> bool:
    """Whether a compiler takes its arguments."""
    done = subprocess.run([*command, "-x", "c", "-fsyntax-only", "-"], input=b"", capture_output=True, timeout=60, check=False)
    return done.returncode == 0


@functools.cache
def _output(command: tuple[str, ...]) -> str:
    """What a program prints, or nothing if it does not run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
