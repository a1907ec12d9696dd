# SPDX-License-Identifier: Apache-2.0
"""The build flow: a node and its host link to a bitstream for a board, each stage kept by content."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fpga.boards import Board
from fpga.cache import cached_folder, content_key
from fpga.designs import Design, Settings
from fpga.errors import BuildFailed, ToolMissing
from fpga.report import BuildReport, overused, read_report
from fpga.tools import find_tool, run_tool

__all__ = ["BuildResult", "Tell", "build", "design_files"]

#: Callback: stage, seconds in it, what is being done.
Tell = Callable[[str, float, str], None]

TOP = "top"

#: Without wide multiplexers: they double the LUTs of the router's crossbar, and routing then takes hours.
#: `splitnets` before mapping to LUTs: ABC9 otherwise stops at nets whose names look like bits of others
#: (https://github.com/YosysHQ/yosys/issues/4349).
_SYNTHESIS = """\
{reads}
read_rtlil {top}.il
synth_ecp5 -nowidelut -top {top} -run begin:map_luts
splitnets
synth_ecp5 -nowidelut -top {top} -run map_luts:
write_json {top}.json
"""


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Attributes
    ----------
    bitstream : Path or None
        None if only synthesis ran.
    report : BuildReport
    seconds : dict of stage to float
        Stages that ran; those found in the cache are not in it.
    folder : Path
        All files of the last stage.
    """

    bitstream: Path | None
    report: BuildReport
    seconds: dict[str, float]
    folder: Path


def design_files(board: Board, design: Design, settings: Settings) -> dict[str, str]:
    """Sources of a design for a board by file name: Verilog beside the top, RTLIL of the top, constraints.

    Raises
    ------
    ToolMissing
        If amaranth-boards is not installed.
    ValueError
        If the clock cannot make the baud rate.
    """
    top = design.top(board, settings)
    with _without_programmer():
        try:
            platform = board.make_platform()
        except ModuleNotFoundError as error:
            raise ToolMissing(f"{error.name} is missing; pip install amaranth-boards") from error
        plan = platform.prepare(top, TOP, emit_src=False)
    files = dict(design.modules(settings))
    files |= {name: _text(plan.files[name]) for name in (f"{TOP}.il", f"{TOP}.lpf")}
    reads = "\n".join(f"read_verilog {name}" for name in files if name.endswith(".v"))
    files["synthesis.ys"] = _SYNTHESIS.format(reads=reads, top=TOP)
    return files


def build(
    board: Board,
    design: Design,
    settings: Settings,
    *,
    seed: int = 1,
    place: bool = True,
    tell: Tell = lambda stage, seconds, note: None,
) -> BuildResult:
    """Build a board's bitstream, or find it in the cache.

    Parameters
    ----------
    board : Board
    design : Design
    settings : Settings
    seed : int
        Of placement and routing.
    place : bool
        False stops after synthesis.
    tell : callable
        Gets progress.

    Raises
    ------
    ToolMissing
        If a tool or a package is not there.
    BuildFailed
        If a tool fails; in particular if the design does not fit.
    """
    seconds: dict[str, float] = {}
    yosys = find_tool("yosys")
    nextpnr, ecppack = (find_tool("nextpnr-ecp5"), find_tool("ecppack")) if place else (None, None)

    with _stage("export", seconds, tell):
        files = design_files(board, design, settings)

    def synthesise(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)
        with _stage("synthesis", seconds, tell) as note:
            run_tool(yosys, ["-l", "passes.log", "synthesis.ys"], folder, note)
        (folder / "passes.log").unlink(missing_ok=True)

    synthesis_key = content_key(files, yosys.version)
    synthesis, _ = cached_folder("synthesis", synthesis_key, synthesise)
    if nextpnr is None or ecppack is None:
        return BuildResult(None, read_report(board, design, settings, seed, synthesis, None), seconds, synthesis)
    placer, packer = nextpnr, ecppack

    arguments = [f"--{board.device}", "--package", board.package, "--speed", str(board.speed), "--seed", str(seed)]
    arguments += ["--json", f"{TOP}.json", "--lpf", f"{TOP}.lpf", "--textcfg", f"{TOP}.config", "--report", "report.json"]
    # Whether timing is met is reported and not an error: figures of a design that misses it are wanted as well.
    # The default router takes hours where wires are scarce.
    arguments += ["--timing-allow-fail", "--router", "router2"]

    def place_and_route(folder: Path) -> None:
        for name in (f"{TOP}.json", f"{TOP}.lpf"):
            shutil.copyfile(synthesis / name, folder / name)
        with _stage("place and route", seconds, tell) as note:
            try:
                run_tool(placer, arguments, folder, note)
            except BuildFailed as error:
                excess = overused(folder / f"{placer.name}.log")
                if not excess:
                    raise
                raise BuildFailed(f"{design.describe(settings)} does not fit on {board.name}: {'; '.join(excess)}") from error
        with _stage("pack", seconds, tell) as note:
            run_tool(packer, ["--compress", "--input", f"{TOP}.config", "--bit", f"{TOP}.bit"], folder, note)
        (folder / f"{TOP}.json").unlink()

    key = content_key({}, synthesis_key, nextpnr.version, *arguments)
    folder, _ = cached_folder("bitstream", key, place_and_route)
    report = read_report(board, design, settings, seed, synthesis, folder)
    return BuildResult(folder / f"{TOP}.bit", report, seconds, folder)


@contextlib.contextmanager
def _stage(title: str, seconds: dict[str, float], tell: Tell) -> Iterator[Callable[[str], None]]:
    """Measures a stage; gives what passes notes on to ``tell``, which hears an empty one at the stage's end."""
    start = time.monotonic()
    tell(title, 0.0, "begins")
    yield lambda note: tell(title, time.monotonic() - start, note or "under way")
    seconds[title] = time.monotonic() - start
    tell(title, seconds[title], "")


@contextlib.contextmanager
def _without_programmer() -> Iterator[None]:
    """Boards ask for their programmer when a design is prepared, which building a bitstream does not need."""
    before = os.environ.get("OPENFPGALOADER")
    os.environ["OPENFPGALOADER"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OPENFPGALOADER"]
        else:
            os.environ["OPENFPGALOADER"] = before


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content
