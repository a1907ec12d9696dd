# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a shared library: the node compiled by Verilator, together with the engine that drives arrays of it."""

from __future__ import annotations

import inspect
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import Kind, Port, TrafficClass, flit_bits, flit_fields
from scripts.simulator.cache import Cache, digest
from scripts.simulator.errors import BuildError, ToolMissing
from scripts.simulator.toolchain import MAKE_VARIABLES, Toolchain, find_toolchain

__all__ = ["STUCK_CYCLES", "Progress", "SimulatorLibrary", "build", "library_key"]

#: Cycles without any progress after which an array that is not idle counts as dead.
STUCK_CYCLES = 10_000

#: Called with what is being done, and how much of it is done (0 to 1) where that is known.
Progress = Callable[[str, float | None], None]

_ROOT = Path(__file__).resolve().parent.parent.parent
_ENGINE = Path(__file__).resolve().parent / "engine"
_LIBRARY = "libd1.so"

_VERILATOR_OPTIONS = (
    "--cc",
    "--prefix",
    "D1Node",
    "--top-module",
    "d1_node",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--no-assert",
    "--no-timing",
    # Generated Verilog; what the bench of each unit accepts need not be said again here.
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
)

#: Several of these libraries live in one process, so none may share symbols with another.
_CXX_FLAGS = ("-std=c++20", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-semantic-interposition", "-pthread")
_LINK_FLAGS = ("-shared", "-pthread", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,libverilated.a", "-Wl,--gc-sections")
_OPTIMISATION = ("OPT_FAST=-O2", "OPT_SLOW=-O1", "OPT_GLOBAL=-O2")


@dataclass(frozen=True)
class SimulatorLibrary:
    """A compiled simulator.

    Members
    -------
    path : Path               the shared library
    config : NodeConfig
    arithmetic : str          ``rtl`` or ``macro``
    waves : str or None       ``vcd`` or ``fst`` if it can record waves
    key : str                 digest of everything that it was built from
    outputs : tuple           output ports of the node, as (name, bits)
    seconds : dict            what each stage of building took
    cached : bool             whether it was there already
    """

    path: Path
    config: NodeConfig
    arithmetic: str
    waves: str | None
    key: str
    outputs: tuple[tuple[str, int], ...]
    seconds: dict[str, float]
    cached: bool


def build(
    config: NodeConfig,
    arithmetic: str = "macro",
    waves: str | None = None,
    progress: Progress | None = None,
    *,
    node: Callable[[NodeConfig], Any] | None = None,
) -> SimulatorLibrary:
    """The simulator of a configuration, from the cache or built now.

    Parameters
    ----------
    config : NodeConfig
    arithmetic : str
        ``macro``: C++ behind the arithmetic macros, the faster; ``rtl``: their reference RTL.
    waves : str, optional
        ``vcd`` or ``fst``: able to record waves. Slower.
    progress : callable, optional
    node : class, optional
        Another node than :class:`rtl.node.Node`, with the same boundary.

    Raises
    ------
    ToolMissing
        If a program that is needed is not there.
    BuildError
        If a tool rejects what it is given.
    SimulatorError
        If the cache cannot be written.
    ValueError
        If a choice is unknown.
    """
    if arithmetic not in ("rtl", "macro"):
        raise ValueError(f"arithmetic = '{arithmetic}' is not one of rtl, macro")
    if waves not in (None, "vcd", "fst"):
        raise ValueError(f"waves = '{waves}' is not one of vcd, fst")
    report = progress or (lambda stage, done: None)
    tools = find_toolchain()
    if waves == "fst" and not (tools.has_header("lz4.h") and tools.has_header("zlib.h")):
        raise ToolMissing("lz4's or zlib's header", "install them: apt-get install liblz4-dev zlib1g-dev, or use a .vcd file")
    key = library_key(config, arithmetic, waves, tools, node)
    cache = Cache("simulators")
    cached = cache.find(key) is not None
    folder = cache.build(
        key,
        lambda partial: _Build(config, arithmetic, waves, tools, report, cache.folder / f"{key}.log", node).make(partial),
        lambda: report("waiting for another process that builds the same simulator", None),
    )
    facts = json.loads((folder / "build.json").read_text())
    outputs = tuple((name, bits) for name, bits in facts["outputs"])
    return SimulatorLibrary(folder / _LIBRARY, config, arithmetic, waves, key, outputs, facts["seconds"], cached)


def library_key(
    config: NodeConfig, arithmetic: str, waves: str | None, tools: Toolchain, node: Callable[[NodeConfig], Any] | None = None
) -> str:
    """Digest of everything that a simulator depends on."""
    paths = [*sorted((_ROOT / "rtl").rglob("*")), *sorted(_ENGINE.iterdir()), Path(__file__)]
    paths += [_ROOT / "golden" / name for name in ("config.py", "isa.py", "layout.py")]
    if node is not None:
        paths.append(Path(inspect.getfile(node)))
    files = [
        (path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else path.name, path.read_bytes())
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
    ]
    return digest(
        files,
        config.key,
        arithmetic,
        str(waves),
        tools.versions["verilator"],
        tools.versions["g++"],
        metadata.version("amaranth"),
        platform.machine(),
        getattr(node, "__qualname__", ""),
    )


class _Build:
    """One build: export, Verilator, C++, link."""

    def __init__(
        self,
        config: NodeConfig,
        arithmetic: str,
        waves: str | None,
        tools: Toolchain,
        report: Progress,
        log: Path,
        node: Callable[[NodeConfig], Any] | None,
    ):
        self.config = config
        self.arithmetic = arithmetic
        self.waves = waves
        self.tools = tools
        self.report = report
        self.log = log
        self.node = node
        self.seconds: dict[str, float] = {}

    def make(self, folder: Path) -> None:
        """Fill ``folder`` with the library and ``build.json``."""
        # Amaranth takes a while to import, and a cached simulator does not need it.
        from rtl.export import export_node, node_class, node_ports

        work = folder / "work"
        work.mkdir()
        with open(self.log, "w") as log:
            start = time.monotonic()
            self.report("exporting Verilog", None)
            node = node_class(self.node)
            files = export_node(self.config, self.arithmetic, node=node)
            for name, text in files.items():
                (work / name).write_text(text)
            ports = node_ports(node(self.config))
            outputs = [(port.name, port.bits) for port in ports if port.direction == "output"]
            (work / "d1_config.h").write_text(_config_header(self.config, [name for name, _ in outputs]))
            start = self._lap("export", start)
            self.report("running Verilator", None)
            self._verilate(work, files, log)
            start = self._lap("verilator", start)
            self._compile(work, log)
            start = self._lap("c++", start)
            self.report("linking", None)
            self._link(work, folder / _LIBRARY, log)
            self._lap("link", start)
        shutil.rmtree(work)
        self.log.rename(folder / "build.log")
        facts = {"outputs": outputs, "seconds": self.seconds, "config": self.config.name, "versions": self.tools.versions}
        (folder / "build.json").write_text(json.dumps(facts, indent=1))

    def _lap(self, stage: str, start: float) -> float:
        now = time.monotonic()
        self.seconds[stage] = round(now - start, 3)
        return now

    def _verilate(self, work: Path, files: dict[str, str], log: TextIO) -> None:
        flags = [*_CXX_FLAGS, f"-I{work}", f"-I{_ENGINE}"]
        options = list(_VERILATOR_OPTIONS)
        if self.waves:
            options.append(f"--trace-{self.waves}")
            flags.append(f"-DD1_WAVES_{self.waves.upper()}")
        sources = [name for name in files if Path(name).suffix in (".v", ".sv", ".cpp")]
        engine = [str(path) for path in sorted(_ENGINE.glob("*.cpp"))]
        command = [str(self.tools.perl), str(self.tools.verilator), *options, "-CFLAGS", " ".join(flags), "--Mdir", "obj"]
        command += [*sorted(sources), *engine]
        self._run("Verilator", command, work, log, r"%Error|%Warning|Error")

    def _compile(self, work: Path, log: TextIO) -> None:
        total = len(list((work / "obj").glob("*.cpp"))) + len(list(_ENGINE.glob("*.cpp"))) + 2
        done = 0

        def seen(line: str) -> None:
            nonlocal done
            if " -c " in line:
                done += 1
                self.report("compiling C++", min(done / total, 1.0))

        self.report("compiling C++", 0.0)
        jobs = len(os.sched_getaffinity(0))
        command = [str(self.tools.make), "-C", "obj", "-f", "D1Node.mk", f"-j{jobs}", f"CXX={self.tools.cxx}"]
        command += [f"LINK={self.tools.cxx}", *_OPTIMISATION, *MAKE_VARIABLES, "libD1Node.a", "libverilated.a"]
        self._run("g++", command, work, log, r"error:|Error |No space|Killed|fatal", seen)

    def _link(self, work: Path, library: Path, log: TextIO) -> None:
        command = [str(self.tools.cxx), *_LINK_FLAGS, "-o", str(library), "-Wl,--whole-archive", "obj/libD1Node.a"]
        command += ["-Wl,--no-whole-archive", "obj/libverilated.a"]
        if self.waves == "fst":
            command += ["-llz4", "-lz"]
        self._run("linking", command, work, log, r"error|undefined")

    def _run(
        self,
        what: str,
        command: Sequence[str],
        folder: Path,
        log: TextIO,
        telling: str,
        seen: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Run a tool; BuildError with the telling lines of its output if it fails."""
        log.write(f"$ {' '.join(command)}\n")
        lines = []
        # A session of its own, so that an interrupt ends the compilers below make as well.
        process = subprocess.Popen(
            command,
            cwd=folder,
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
                log.write(line)
                lines.append(line.rstrip())
                seen(line)
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        log.flush()
        if code != 0:
            told = [line for line in lines if re.search(telling, line)] or lines
            shown = "\n    ".join(told[:8])
            raise BuildError(f"{what} failed with exit code {code}:\n    {shown}\nThe whole log is {self.log}")


def _config_header(config: NodeConfig, outputs: Sequence[str]) -> str:
    """What the engine knows of the configuration: layouts and ports, as C++."""
    offsets, position = {}, 0
    for name, bits in flit_fields(config):
        offsets[name] = (position, bits)
        position += bits
    assert offsets["mask"][0] % 8 == 0 == offsets["data"][0] % 8, "the engine copies mask and data as bytes"
    names = ("kind", "x", "y", "exit", "offset", "src_x", "src_y", "src_exit", "tag", "post", "sem")
    constants = {
        "kLineBytes": config.line_bytes,
        "kSramLines": config.sram_lines,
        "kChannelDepth": config.channel_depth,
        "kFlitWords": (flit_bits(config) + 31) // 32,
        "kMaskByte": offsets["mask"][0] // 8,
        "kDataByte": offsets["data"][0] // 8,
        "kFenceOffset": CONTROL_PAGE_OFFSET,
        "kStuckCycles": STUCK_CYCLES,
        "kPortWest": Port.WEST,
        "kKindWrite": Kind.WRITE,
        "kKindRead": Kind.READ,
        "kKindError": Kind.ERROR,
        "kClassRequest": TrafficClass.REQUEST,
        "kClassResponse": TrafficClass.RESPONSE,
    }
    fields = []
    for name in names:
        offset, bits = offsets[name]
        fields.append(f"constexpr Field kFlit{name.title().replace('_', '')}{{{offset}, {bits}}};")
    return "\n".join(
        [
            "// Generated by scripts/simulator/build.py.",
            "#pragma once",
            "#include <cstdint>",
            "namespace d1 {",
            "struct Field {",
            "    unsigned offset;",
            "    unsigned bits;",
            "};",
            *(f"constexpr uint32_t {name} = {int(value)};" for name, value in constants.items()),
            *fields,
            "}  // namespace d1",
            f"#define D1_OUTPUT_PORTS(X) {' '.join(f'X({name})' for name in outputs)}",
            f"#define D1_THREADS(X) {' '.join(f'X({thread})' for thread in range(config.threads))}",
            "",
        ]
    )
