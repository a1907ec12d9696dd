# SPDX-License-Identifier: Apache-2.0
"""From Verilog and C++ to a library or a program: Verilator, make and the linker, with progress, a log and telling errors."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.simulator.cache import Cache
from scripts.simulator.errors import BuildError
from scripts.simulator.toolchain import MAKE_VARIABLES, Toolchain

__all__ = ["Compilation", "Progress", "compiled", "origin", "quick_by_default"]

#: Called with what is being done, and how much of it is done (0 to 1) where that is known.
Progress = Callable[[str, float | None], None]

_VERILATOR_OPTIONS = (
    "--cc",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--no-assert",
    "--no-timing",
    # Generated Verilog; the bench of each unit has seen the warnings.
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
)

#: Several of these libraries live in one process, so none may share symbols with another.
_CXX_FLAGS = ("-std=c++20", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-semantic-interposition", "-pthread")
_LINK_FLAGS = ("-shared", "-pthread", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,libverilated.a", "-Wl,--gc-sections")
_OPTIMISATION = ("OPT_FAST=-O2", "OPT_SLOW=-O1", "OPT_GLOBAL=-O2")

#: Takes g++ as long as no optimisation at all, and runs nearly as fast as all of it. Verilator's C++ as one file spares reading
#: headers again and again.
_QUICK = ("OPT_FAST=-Og", "OPT_SLOW=-Og", "OPT_GLOBAL=-Og", "VM_PARALLEL_BUILDS=0")

#: Lines of a tool's output that an error shows.
_SHOWN_LINES = 8


def origin(tools: Toolchain) -> tuple[str, ...]:
    """What a compilation's result depends on beside its sources and options."""
    return tools.versions["verilator"], tools.versions["g++"], metadata.version("amaranth"), platform.machine()


def compiled(
    cache: Cache, key: str, what: str, tools: Toolchain, report: Progress, fill: Callable[[Compilation, Path], dict[str, Any]]
) -> Path:
    """A folder of a cache with what was compiled, ``build.log`` and ``build.json``; compiled now if it is not there.

    Parameters
    ----------
    cache : Cache
    key : str
    what : str
        Noun for it.
    tools : Toolchain
    report : Progress
    fill : callable
        Compiles into the folder that it is given; what it returns goes into ``build.json``.

    Raises
    ------
    BuildError
        If a tool rejects what it is given; its log stays beside the folder.
    SimulatorError
        If the cache cannot be written.
    """

    def make(folder: Path) -> None:
        work, log = folder / "work", cache.folder / f"{key}.log"
        work.mkdir()
        with Compilation(tools, work, log, report) as compilation:
            facts = fill(compilation, folder)
        shutil.rmtree(work)
        log.rename(folder / "build.log")
        facts |= {"seconds": compilation.seconds, "versions": tools.versions}
        (folder / "build.json").write_text(json.dumps(facts, indent=1))

    return cache.build(key, make, lambda: report(f"waiting for another process that builds the same {what}", None))


def quick_by_default() -> bool:
    """Whether the environment asks for quick compilation, by ``D1_QUICK=1``, of whatever is not told how to compile."""
    return os.environ.get("D1_QUICK", "") not in ("", "0")


class Compilation:
    """One compilation in a folder of its own; a context manager, which closes the log.

    Parameters
    ----------
    tools : Toolchain
    work : Path
        Folder for everything in between; must exist. Sources given by name lie in it.
    log : Path
        File for all output of the tools.
    report : Progress

    Members
    -------
    seconds : dict
        What each stage took.
    """

    def __init__(self, tools: Toolchain, work: Path, log: Path, report: Progress):
        self.tools = tools
        self.work = work
        self.log_path = log
        self.report = report
        self.seconds: dict[str, float] = {}
        self._log = open(log, "w")  # noqa: SIM115
        self._prefix = ""
        self._sources: list[str] = []

    def __enter__(self) -> Compilation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._log.close()

    def timed(self, stage: str, start: float) -> None:
        """Notes that a stage began at ``start`` (time.monotonic) and is over."""
        self.seconds[stage] = round(time.monotonic() - start, 3)

    def verilate(
        self,
        sources: Iterable[str | Path],
        *,
        top: str,
        prefix: str,
        options: Sequence[str] = (),
        cxx_flags: Sequence[str] = (),
    ) -> None:
        """Verilog module ``top`` becomes class ``prefix``. C++ sources among the others are compiled with it."""
        start = time.monotonic()
        self.report("running Verilator", None)
        self._prefix = prefix
        self._sources = [str(source) for source in sources]
        flags = " ".join([*_CXX_FLAGS, f"-I{self.work}", *cxx_flags])
        command = [str(self.tools.perl), str(self.tools.verilator), *_VERILATOR_OPTIONS, *options]
        command += ["--prefix", prefix, "--top-module", top, "-CFLAGS", flags, "--Mdir", "obj", *self._sources]
        self._run("Verilator", command, r"%Error|%Warning|Error")
        self.timed("verilator", start)

    def compile(self, *, quick: bool = False) -> None:
        """Compile what ``verilate`` wrote, on all processors; ``quick`` leaves out what takes longest and gains least."""
        start = time.monotonic()
        total = len(list((self.work / "obj").glob("*.cpp"))) + sum(source.endswith(".cpp") for source in self._sources) + 2
        done = 0

        def seen(line: str) -> None:
            nonlocal done
            if " -c " in line:
                done += 1
                self.report("compiling C++", min(done / total, 1.0))

        self.report("compiling C++", 0.0)
        jobs = len(os.sched_getaffinity(0))
        command = [str(self.tools.make), "-C", "obj", "-f", f"{self._prefix}.mk", f"-j{jobs}", f"CXX={self.tools.cxx}"]
        command += [f"LINK={self.tools.cxx}", *(_QUICK if quick else _OPTIMISATION)]
        command += [*MAKE_VARIABLES, f"lib{self._prefix}.a", "libverilated.a"]
        self._run("compiling C++", command, r"error:|Error |No space|Killed|fatal", seen)
        self.timed("c++", start)

    def link(self, library: Path, libraries: Sequence[str] = ()) -> None:
        """Link everything into a shared library."""
        start = time.monotonic()
        self.report("linking", None)
        command = [str(self.tools.cxx), *_LINK_FLAGS, "-o", str(library), "-Wl,--whole-archive", f"obj/lib{self._prefix}.a"]
        command += ["-Wl,--no-whole-archive", "obj/libverilated.a", *(f"-l{name}" for name in libraries)]
        self._run("linking", command, r"error|undefined")
        self.timed("link", start)

    def link_program(self, program: Path) -> None:
        """Link everything into a program; ``main`` is among the C++ sources."""
        start = time.monotonic()
        self.report("linking", None)
        command = [str(self.tools.cxx), "-pthread", "-Wl,--gc-sections", "-o", str(program), "-Wl,--whole-archive"]
        command += [f"obj/lib{self._prefix}.a", "-Wl,--no-whole-archive", "obj/libverilated.a"]
        self._run("linking", command, r"error|undefined")
        self.timed("link", start)

    def _run(self, what: str, command: Sequence[str], telling: str, seen: Callable[[str], None] = lambda line: None) -> None:
        """Run a tool; BuildError with the telling lines of its output if it fails."""
        self._log.write(f"$ {' '.join(command)}\n")
        self._log.flush()
        lines = []
        # A session of its own, so that an interrupt ends the compilers below make as well.
        process = subprocess.Popen(
            command,
            cwd=self.work,
            env=self.tools.environment(),
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._log.write(line)
                lines.append(line.rstrip())
                seen(line)
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if code != 0:
            told = [line for line in lines if re.search(telling, line)] or lines
            shown = "\n    ".join(told[:_SHOWN_LINES])
            raise BuildError(f"{what} failed with exit code {code}:\n    {shown}\nThe whole log is {self.log_path}")
