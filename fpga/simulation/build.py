# SPDX-License-Identifier: Apache-2.0
"""From a board and a design to a program: the top compiled by Verilator, behind a pseudo-terminal."""

from __future__ import annotations

import dataclasses
import json
import platform
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fpga.boards import Board
from fpga.designs import DESIGNS, Settings
from fpga.simulation.platform import Pin, SimulationPlatform
from rtl.elaboration import uncollected
from scripts.simulator.cache import Cache, digest
from scripts.simulator.compilation import Compilation, Progress, quick_by_default
from scripts.simulator.toolchain import Toolchain, find_toolchain

__all__ = [
    "PROGRAM",
    "TICK_BOTH_EDGES",
    "TICK_CYCLE",
    "TOP",
    "BoardFiles",
    "BoardProgram",
    "Progress",
    "board_files",
    "build_program",
    "compile_board",
]

TOP = "board_top"

_ROOT = Path(__file__).resolve().parent.parent.parent
_HERE = Path(__file__).resolve().parent
PROGRAM = "board"
_FILES = "files.json"
_CLASS = "D1Board"

#: A cycle of a design whose registers take both edges of the clock for one, and of one as it goes on a board.
TICK_BOTH_EDGES = "{clock} ^= 1; board.eval();"
TICK_CYCLE = "{clock} = 0; board.eval(); {clock} = 1; board.eval();"

#: A clock edge in generated Verilog; nothing there has an asynchronous reset.
_ANY_EDGE = re.compile(r"@\(posedge (\w+)\)")


@dataclass(frozen=True)
class BoardFiles:
    """Sources of a board's design for a simulator.

    Attributes
    ----------
    sources : dict
        Verilog, SystemVerilog and C++ by file name; module :data:`TOP` has the board's pins.
    clock, rx, tx, button : Pin or None
        Pins of the top that the design uses.
    lights : tuple of Pin
    """

    sources: dict[str, str]
    clock: Pin
    rx: Pin | None
    tx: Pin | None
    button: Pin | None
    lights: tuple[Pin, ...]


@dataclass(frozen=True)
class BoardProgram:
    """A compiled board.

    Attributes
    ----------
    path : Path
        The program; see ``main.cpp`` for how it is talked to.
    lights : int
        How many the design drives.
    cached : bool
        Whether it was there already.
    """

    path: Path
    lights: int
    cached: bool


@uncollected()
def board_files(board: Board, design: str, settings: Settings, arithmetic: str = "macro", *, variants: bool = True) -> BoardFiles:
    """Sources of a board's complete top, from its pins on, for a simulator.

    The pin of the clock takes the clock that the PLL would make, if there is one.

    Parameters
    ----------
    board : Board
    design : str
        Name of one of ``fpga.designs.DESIGNS``.
    settings : Settings
    arithmetic : str
        ``macro`` or ``rtl``, see ``rtl.export``.
    variants : bool
        Nodes of the variants that the board has; False takes the full node for all of them, which does the same where links are
        absent and is compiled once.

    Raises
    ------
    ValueError
        If the clock cannot make the baud rate, or there is no node.
    """
    # Nodes take a while to import, and a simulation that is in the cache does not need them.
    from fpga.top import node_modules
    from rtl.export import export_node
    from rtl.node import NODE_NAME

    top = DESIGNS[design].top(board, settings)
    on = SimulationPlatform(board)
    text = on.prepare(top, TOP)
    sources = {"pll_models.v": (_HERE / "pll_models.v").read_text()}
    if NODE_NAME in text:
        assert settings.config is not None
        if variants:
            sources |= node_modules(settings, arithmetic, "macro")
        else:
            text = re.sub(rf"\b{NODE_NAME}_[0-9a-f]\b", NODE_NAME, text)
            sources |= export_node(settings.config, arithmetic, "macro")
    sources[f"{TOP}.v"] = text
    clock = on.pin((on.default_clk, 0))
    assert clock is not None
    lights = [on.pin(("led", number)) for number in range(board.leds)]
    return BoardFiles(
        sources,
        clock,
        on.pin(board.uart, "rx"),
        on.pin(board.uart, "tx"),
        None if board.reset_button is None else on.pin(board.reset_button),
        tuple(light for light in lights if light is not None),
    )


def build_program(
    board: Board, design: str, settings: Settings, arithmetic: str = "macro", progress: Progress | None = None
) -> BoardProgram:
    """The program of a board's design, from the cache or built now.

    Parameters
    ----------
    board, design, settings, arithmetic
        As :func:`board_files` takes them.
    progress : callable, optional
        Told what is being done.

    Raises
    ------
    scripts.simulator.errors.SimulatorError
        If a tool is missing or rejects what it is given, or the cache cannot be written.
    ValueError
        As :func:`board_files`.
    """
    report = progress or (lambda stage, done: None)
    tools = find_toolchain()

    def waiting() -> None:
        report("waiting for another process that builds the same simulation", None)

    def export(partial: Path) -> None:
        report("exporting Verilog", None)
        files = _both_edges(board_files(board, design, settings, arithmetic, variants=False))
        (partial / _FILES).write_text(json.dumps(dataclasses.asdict(files)))

    sources = Cache("board-sources").build(_code_key(board, design, settings, arithmetic), export, waiting)
    text = (sources / _FILES).read_text()
    rest, tick, quick = DESIGNS[design].nodes, TICK_BOTH_EDGES, quick_by_default()
    own = [(name, (_HERE / name).read_bytes()) for name in ("build.py", "main.cpp")]
    facts = [tools.versions["verilator"], tools.versions["g++"], platform.machine(), *(["quick"] if quick else [])]
    key = digest([("files", text.encode()), *own], repr(dataclasses.astuple(settings)), str(rest), *facts)
    cache = Cache("boards")
    cached = cache.find(key) is not None

    def make(partial: Path) -> None:
        log = cache.folder / f"{key}.log"
        compile_board(partial, log, lambda: _read_files(text), settings, tools, report, may_rest=rest, tick=tick, quick=quick)

    folder = cache.build(key, make, waiting)
    return BoardProgram(folder / PROGRAM, json.loads((folder / "build.json").read_text())["lights"], cached)


def _code_key(board: Board, design: str, settings: Settings, arithmetic: str) -> str:
    """Digest of all code that a board's sources may come from."""
    paths = [path for room in ("rtl", "fpga") for path in sorted((_ROOT / room).rglob("*"))]
    paths += [_ROOT / "golden" / name for name in ("config.py", "isa.py", "layout.py")]
    files = [
        (path.relative_to(_ROOT).as_posix(), path.read_bytes()) for path in paths if path.is_file() and path.suffix != ".pyc"
    ]
    versions = [metadata.version(name) for name in ("amaranth", "amaranth-boards")]
    return digest(files, repr(board), design, repr(dataclasses.astuple(settings)), arithmetic, *versions)


def _both_edges(files: BoardFiles) -> BoardFiles:
    """The same, clocked by both edges, so that a cycle takes one evaluation."""
    return dataclasses.replace(files, sources={name: _ANY_EDGE.sub(r"@(edge \1)", text) for name, text in files.sources.items()})


def _read_files(text: str) -> BoardFiles:
    """What ``json`` made of a BoardFiles."""
    values = json.loads(text)

    def pin(name: str) -> Pin | None:
        return None if values[name] is None else Pin(**values[name])

    clock = pin("clock")
    assert clock is not None
    lights = tuple(Pin(**light) for light in values["lights"])
    return BoardFiles(values["sources"], clock, pin("rx"), pin("tx"), pin("button"), lights)


def compile_board(
    folder: Path,
    log: Path,
    make_files: Callable[[], BoardFiles],
    settings: Settings,
    tools: Toolchain,
    report: Progress,
    *,
    may_rest: bool,
    tick: str,
    quick: bool,
    options: Sequence[str] = (),
) -> None:
    """Fill a folder with a program and its ``build.json``; the one who keeps it gives the folder its name.

    Parameters
    ----------
    folder : Path
        Must exist.
    log : Path
        File for the output of the tools, which ends up in the folder if all goes well.
    make_files : callable
        Makes the sources.
    settings, tools
    report : callable
        Told what is being done.
    may_rest : bool
        Whether nothing is lost by sleeping while the line is quiet.
    tick : str
        A cycle of the clock: :data:`TICK_BOTH_EDGES` or :data:`TICK_CYCLE`.
    quick : bool
        Compile in less time what then runs somewhat slower.
    options : sequence of str
        Of Verilator, beyond the usual ones.
    """
    work = folder / "work"
    work.mkdir()
    with Compilation(tools, work, log, report) as compilation:
        start = time.monotonic()
        report("exporting Verilog", None)
        files = make_files()
        for name, text in files.sources.items():
            (work / name).write_text(text)
        (work / "board_pins.h").write_text(_pins_header(files, settings, may_rest=may_rest, tick=tick))
        compilation.timed("export", start)
        sources = sorted(name for name in files.sources if Path(name).suffix in (".v", ".sv", ".cpp"))
        compilation.verilate([*sources, _HERE / "main.cpp"], top=TOP, prefix=_CLASS, options=options)
        compilation.compile(quick=quick)
        compilation.link_program(folder / PROGRAM)
    shutil.rmtree(work)
    log.rename(folder / "build.log")
    (folder / "build.json").write_text(json.dumps({"lights": len(files.lights), "seconds": compilation.seconds}, indent=1))


def _pins_header(files: BoardFiles, settings: Settings, *, may_rest: bool, tick: str) -> str:
    """What ``main.cpp`` knows of the board, as C++."""

    def level(pin: Pin, value: str) -> str:
        return f"!{value}" if pin.inverted else f"{value}"

    def member(pin: Pin) -> str:
        # Verilator keeps double underscores for itself.
        return f"board.{pin.port.replace('__', '___05F')}"

    lights = [f"uint64_t{{{level(pin, member(pin))}}} << {number}" for number, pin in enumerate(files.lights)]
    rx, tx, button = files.rx, files.tx, files.button
    functions = [
        ("void tick(Board& board)", tick.format(clock=member(files.clock))),
        ("void set_rx(Board& board, bool value)", f"{member(rx)} = {level(rx, 'value')};" if rx else ""),
        ("bool get_tx(Board& board)", f"return {level(tx, member(tx))};" if tx else "return true;"),
        ("void set_button(Board& board, bool value)", f"{member(button)} = {level(button, 'value')};" if button else ""),
        ("uint64_t get_lights(Board& board)", f"return {' | '.join(lights) or '0'};"),
    ]
    return "\n".join(
        [
            "// Generated by fpga/simulation/build.py.",
            "#pragma once",
            "#include <cstdint>",
            f'#include "{_CLASS}.h"',
            f"using Board = {_CLASS};",
            f"constexpr double kCyclesPerBit = {settings.clock_hz} / {float(settings.baud)};",
            "// Whether nothing is lost by sleeping while the line is quiet.",
            f"constexpr bool kMayRest = {str(may_rest).lower()};",
            *(f"inline {head} {{ {body} }}" for head, body in functions),
            "",
        ]
    )
