# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a shared library: the node compiled by Verilator, together with the engine that drives arrays of it."""

from __future__ import annotations

import functools
import inspect
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import Kind, NetworkError, Port, TrafficClass, flit_bits, flit_fields, phit_bits
from scripts.simulator.cache import Cache, digest
from scripts.simulator.compilation import Compilation, Progress, compiled, origin, quick_by_default
from scripts.simulator.errors import ToolMissing
from scripts.simulator.observation import Stream, streams
from scripts.simulator.toolchain import Toolchain, find_toolchain

__all__ = ["STUCK_CYCLES", "Progress", "SimulatorLibrary", "build", "config_header", "library_key"]

#: Cycles without any progress after which an array that is not idle counts as dead.
STUCK_CYCLES = 10_000

_ROOT = Path(__file__).resolve().parent.parent.parent
_ENGINE = Path(__file__).resolve().parent / "engine"
_LIBRARY = "libd1.so"


@dataclass(frozen=True)
class SimulatorLibrary:
    """A compiled simulator.

    Members
    -------
    path : Path               the shared library
    config : NodeConfig
    arithmetic : str          ``rtl`` or ``macro``
    waves : str or None       ``vcd`` or ``fst`` if it can record waves
    observed : bool           whether the node has the outputs of observation
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
    observed: bool = False


def build(
    config: NodeConfig,
    arithmetic: str = "macro",
    waves: str | None = None,
    progress: Progress | None = None,
    *,
    observe: bool = False,
    node: Callable[[NodeConfig], Any] | None = None,
    quick: bool | None = None,
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
    observe : bool
        Able to record observations. Slower.
    node : class, optional
        Another node than :class:`rtl.node.Node`, with the same boundary. It cannot be observed.
    quick : bool, optional
        Compile in two fifths of the time what then runs a seventh slower; by default as :func:`quick_by_default` says.

    Raises
    ------
    ToolMissing
        If a program that is needed is not there.
    BuildError
        If a tool rejects what it is given.
    SimulatorError
        If the cache cannot be written.
    ValueError
        If a choice is unknown, or what is to be observed has no pipelined core.
    """
    if arithmetic not in ("rtl", "macro"):
        raise ValueError(f"arithmetic = '{arithmetic}' is not one of rtl, macro")
    if waves not in (None, "vcd", "fst"):
        raise ValueError(f"waves = '{waves}' is not one of vcd, fst")
    if observe and config.core != "pipelined":
        raise ValueError(f"observe = True: the core of '{config.name}' is {config.core}, and only pipelined ones can be observed")
    report = progress or (lambda stage, done: None)
    quick = quick_by_default() if quick is None else quick
    tools = find_toolchain()
    if waves == "fst" and not (tools.has_header("lz4.h") and tools.has_header("zlib.h")):
        raise ToolMissing("lz4's or zlib's header", "install them: apt-get install liblz4-dev zlib1g-dev, or use a .vcd file")
    key = library_key(config, arithmetic, waves, tools, node, observe=observe, quick=quick)
    cache = Cache("simulators")
    cached = cache.find(key) is not None
    fill = functools.partial(
        _fill, config=config, arithmetic=arithmetic, waves=waves, report=report, node=node, observe=observe, quick=quick
    )
    folder = compiled(cache, key, "simulator", tools, report, fill)
    facts = json.loads((folder / "build.json").read_text())
    outputs = tuple((name, bits) for name, bits in facts["outputs"])
    return SimulatorLibrary(folder / _LIBRARY, config, arithmetic, waves, key, outputs, facts["seconds"], cached, observe)


def library_key(
    config: NodeConfig,
    arithmetic: str,
    waves: str | None,
    tools: Toolchain,
    node: Callable[[NodeConfig], Any] | None = None,
    *,
    observe: bool = False,
    quick: bool = False,
) -> str:
    """Digest of everything that a simulator depends on."""
    paths = [*sorted((_ROOT / "rtl").rglob("*")), *sorted(_ENGINE.iterdir())]
    paths += [Path(__file__).with_name(name) for name in ("build.py", "compilation.py", "observation.py")]
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
        *origin(tools),
        node.__qualname__ if node else "",
        *(["observed"] if observe else []),
        *(["quick"] if quick else []),
    )


def _fill(
    compilation: Compilation,
    folder: Path,
    *,
    config: NodeConfig,
    arithmetic: str,
    waves: str | None,
    report: Progress,
    node: Callable[[NodeConfig], Any] | None,
    observe: bool,
    quick: bool,
) -> dict[str, Any]:
    """Compile the library into ``folder``; what ``build.json`` tells of it."""
    # Amaranth takes a while to import, and a cached simulator does not need it.
    from rtl.export import TOP, export_node, node_class, node_ports

    start = time.monotonic()
    report("exporting Verilog", None)
    files = export_node(config, arithmetic, observe=observe, node=node)
    component = node_class(node)(config, **({"observe": True} if observe else {}))
    outputs = [(port.name, port.bits) for port in node_ports(component) if port.direction == "output"]
    files["d1_config.h"] = config_header(config, outputs)
    files["d1_observation.h"] = _observation_header(streams(outputs))
    for name, text in files.items():
        # Clocked by both edges, a cycle takes one evaluation; in waves, a clock looks like a clock.
        (compilation.work / name).write_text(text if waves else text.replace("@(posedge clk)", "@(edge clk)"))
    compilation.timed("export", start)
    # A model can be saved only if Verilator's own classes are left out.
    options, flags = ["--savable", "--no-std-package"], [f"-I{_ENGINE}"]
    if waves:
        options.append(f"--trace-{waves}")
        flags.append(f"-DD1_WAVES_{waves.upper()}")
    sources = sorted(name for name in files if Path(name).suffix in (".v", ".sv", ".cpp"))
    compilation.verilate([*sources, *sorted(_ENGINE.glob("*.cpp"))], top=TOP, prefix="D1Node", options=options, cxx_flags=flags)
    compilation.compile(quick=quick)
    compilation.link(folder / _LIBRARY, ("lz4", "z") if waves == "fst" else ())
    return {"outputs": outputs, "config": config.name}


def config_header(config: NodeConfig, outputs: Sequence[tuple[str, int]]) -> str:
    """What the engine knows of the configuration: layouts and ports, as C++."""
    from rtl.core.ports import late_ports, retirement_width, vector_ports

    offsets, position = {}, 0
    for name, bits in flit_fields(config):
        offsets[name] = (position, bits)
        position += bits
    assert offsets["mask"][0] % 8 == 0 == offsets["data"][0] % 8, "the engine copies mask and data as bytes"
    names = ("kind", "x", "y", "exit", "upper", "offset", "src_x", "src_y", "src_exit", "tag", "post", "sem")
    constants = {
        "kLineBytes": config.line_bytes,
        "kSramLines": config.sram_lines,
        "kChannelDepth": config.channel_depth,
        "kFlitWords": (flit_bits(config) + 31) // 32,
        "kFlitBits": flit_bits(config),
        "kPhitBits": phit_bits(config),
        "kLinkPasses": config.link_passes,
        "kMaskByte": offsets["mask"][0] // 8,
        "kDataByte": offsets["data"][0] // 8,
        "kFenceOffset": CONTROL_PAGE_OFFSET,
        "kStuckCycles": STUCK_CYCLES,
        "kStreams": len(streams(outputs)),
        # Those of the other sides follow.
        "kPortNorth": Port.NORTH,
        "kKindWrite": Kind.WRITE,
        "kKindRead": Kind.READ,
        "kKindReadData": Kind.READ_DATA,
        "kKindError": Kind.ERROR,
        "kErrorUnreachable": NetworkError.UNREACHABLE,
        "kErrorBadOffset": NetworkError.BAD_OFFSET,
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
            f"#define D1_OUTPUT_PORTS(X) {' '.join(f'X({name})' for name, _ in outputs)}",
            f"#define D1_RETIREMENT_WIDTH {retirement_width(config)}",
            *(
                f"#define D1_{kind}_PORTS(X) {' '.join(f'X({number})' for number in range(count))}"
                for kind, count in (
                    ("RETIREMENT", config.threads * retirement_width(config)),
                    ("LATE", late_ports(config)),
                    ("VECTOR", vector_ports(config)),
                )
            ),
            "",
        ]
    )


def _observation_header(shown: Sequence[Stream]) -> str:
    """The streams of observation, as C++."""
    calls = []
    for number, stream in enumerate(shown):
        active, ports = (", ".join(f"model.{name}" for name in names) for names in (stream.active, [n for n, _ in stream.ports]))
        calls.append(f"    if ({active.replace(', ', ' || ')}) show({number}, {ports});")
    return "\n".join(
        [
            "// Generated by scripts/simulator/build.py.",
            "#pragma once",
            "namespace d1 {",
            "// Shows the ports of each stream in which something happens.",
            "template <class Model, class Show>",
            "void for_each_stream([[maybe_unused]] const Model& model, [[maybe_unused]] Show&& show) {",
            *calls,
            "}",
            "}  // namespace d1",
            "",
        ]
    )
