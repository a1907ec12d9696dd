# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a program that measures a mesh of its routers."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golden.config import NodeConfig
from scripts.simulator.build import config_header
from scripts.simulator.cache import Cache, digest
from scripts.simulator.compilation import Compilation, Progress, compiled, origin, quick_by_default
from scripts.simulator.toolchain import find_toolchain

__all__ = ["build_harness"]

_ROOT = Path(__file__).resolve().parents[2]
_HARNESS = Path(__file__).resolve().parent / "harness"
_ENGINE = _ROOT / "scripts" / "simulator" / "engine"
_PROGRAM = "measure"

#: What the program depends on, beside routers and harness.
_SOURCES = (
    *("rtl/interfaces.py", "rtl/export.py", "golden/config.py", "golden/layout.py", "scripts/network/station.py"),
    *("scripts/network/build.py", "scripts/simulator/build.py", "scripts/simulator/compilation.py"),
)


def build_harness(
    config: NodeConfig, progress: Progress | None = None, *, router: Callable[[NodeConfig], Any] | None = None
) -> Path:
    """The program, from the cache or built now.

    Parameters
    ----------
    config : NodeConfig
        Of which the depth of the buffers matters.
    progress : callable, optional
    router : class, optional
        Another router than :class:`rtl.network.router.Router`, with the same members.

    Raises
    ------
    ValueError
        If links carry a flit in several cycles.
    ToolMissing
        If a program that is needed is not there.
    BuildError
        If a tool rejects what it is given.
    SimulatorError
        If the cache cannot be written.
    """
    if config.link_passes != 1:
        raise ValueError(
            f"link_passes = {config.link_passes} of '{config.name}': only routers with link_passes = 1 can be measured"
        )
    # The router looks at no data, so the shortest lines give the same cycles, sooner.
    config = NodeConfig(line_bytes=16, channel_depth=config.channel_depth)
    report = progress or (lambda stage, done: None)
    tools = find_toolchain()
    paths = [_ROOT / name for name in _SOURCES]
    paths += [*sorted((_ROOT / "rtl" / "network").glob("*.py")), *sorted(_HARNESS.iterdir()), _ENGINE / "flit.h"]
    files = [(path.relative_to(_ROOT).as_posix(), path.read_bytes()) for path in paths]
    if router is not None:
        files.append((router.__qualname__, Path(inspect.getfile(router)).read_bytes()))
    quick = quick_by_default()
    key = digest(files, config.key, *origin(tools), *(["quick"] if quick else []))
    fill = functools.partial(_fill, config=config, report=report, router=router, quick=quick)
    return compiled(Cache("networks"), key, "program", tools, report, fill) / _PROGRAM


def _fill(
    compilation: Compilation,
    folder: Path,
    *,
    config: NodeConfig,
    report: Progress,
    router: Callable[[NodeConfig], Any] | None,
    quick: bool,
) -> dict[str, Any]:
    """Compile the program into ``folder``; there is nothing to tell of it."""
    # Amaranth takes a while to import, and a cached program does not need it.
    from amaranth.hdl import Fragment

    from rtl.export import convert_module
    from rtl.network.router import Router
    from scripts.network.station import TOP, Station

    start = time.monotonic()
    report("exporting Verilog", None)
    station = Station(config, router or Router)
    text = convert_module(station, Fragment.get(station, None), TOP)
    # Clocked by both edges, a cycle takes one evaluation.
    (compilation.work / "station.v").write_text(text.replace("@(posedge clk)", "@(edge clk)"))
    (compilation.work / "d1_config.h").write_text(config_header(config, ()))
    compilation.timed("export", start)
    sources: list[str | Path] = ["station.v", *sorted(_HARNESS.glob("*.cpp"))]
    compilation.verilate(sources, top=TOP, prefix="D1Station", cxx_flags=[f"-I{_ENGINE}", f"-I{_HARNESS}"])
    compilation.compile(quick=quick)
    compilation.link_program(folder / _PROGRAM)
    return {}
