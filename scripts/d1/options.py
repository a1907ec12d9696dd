# SPDX-License-Identifier: Apache-2.0
"""Options and parameter types that several subcommands share."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from golden.config import PRESETS, ConfigError, NodeConfig, preset
from golden.layout import COORDINATE_BITS
from golden.topology import TOPOLOGIES, Topology, TopologyError, read_topology
from sw.output_files import check_output_file


@dataclass(frozen=True)
class ArrayShape:
    """Rows and columns of an array of nodes, and what else there is to say of it.

    Attributes
    ----------
    rows, columns : int
    described : Topology or None
        The array, if it is not whole, or has dies, or its host elsewhere than at the west link of row 0, column 0.
    name : str
        What the user calls it; rows x columns if it is empty.
    """

    rows: int
    columns: int
    described: Topology | None = None
    name: str = field(default="", compare=False)

    @classmethod
    def of(cls, topology: Topology, name: str) -> ArrayShape:
        """The shape of a described array."""
        plain = topology == Topology(topology.rows, topology.columns)
        return cls(topology.rows, topology.columns, None if plain else topology, name)

    def __str__(self) -> str:
        return self.name or self.size

    @property
    def size(self) -> str:
        """Rows x columns."""
        return f"{self.rows}x{self.columns}"

    @property
    def topology(self) -> Topology:
        """The array."""
        return self.described or Topology(self.rows, self.columns)

    @property
    def nodes(self) -> int:
        """Live nodes in all."""
        return self.described.nodes if self.described else self.rows * self.columns

    def as_dict(self) -> dict[str, Any]:
        """Facts of what ran, as JSON has them."""
        return {"array": self.size} | ({"topology": self.described.as_dict()} if self.described else {})


class ConfigType(click.ParamType[NodeConfig]):
    """A preset's name, converted into its NodeConfig."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NodeConfig:
        """The configuration of that name, or a usage error that lists the presets."""
        if isinstance(value, NodeConfig):
            return value
        try:
            return preset(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


class ArrayType(click.ParamType[ArrayShape]):
    """An array's shape written as rows x columns, such as 2x2, a file that describes it, or the name of a described array."""

    name = "RxC|FILE|NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ArrayShape:
        """The shape, or a usage error that says how one is written."""
        if isinstance(value, ArrayShape):
            return value
        if value in TOPOLOGIES:
            return ArrayShape.of(TOPOLOGIES[value], value)
        if value.lower().endswith(".json"):
            try:
                return ArrayShape.of(read_topology(Path(value)), value)
            except TopologyError as error:
                self.fail(str(error), param, ctx)
            except OSError as error:
                self.fail(f"{value}: {error.strerror}", param, ctx)
        limit = 1 << COORDINATE_BITS
        match = re.fullmatch(r"([0-9]{1,9})[xX]([0-9]{1,9})", value)
        if match is None:
            self.fail(
                f"'{value}' is no array; write rows x columns, such as 2x2, or name a description: a file that ends in .json, or"
                f" one of {', '.join(TOPOLOGIES)}",
                param,
                ctx,
            )
        rows, columns = int(match[1]), int(match[2])
        if not (1 <= rows <= limit and 1 <= columns <= limit):
            self.fail(f"'{value}' is no array; rows and columns go from 1 to {limit}", param, ctx)
        return ArrayShape(rows, columns)


class OutputFile(click.Path):
    """A file that a subcommand writes when its work is done, converted into a Path; refused at once if it cannot be written."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a usage error that says why no file can be there."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            check_output_file(path)
        except OSError as error:
            self.fail(f"{path}: {error.strerror}", param, ctx)
        return path


@dataclass(frozen=True)
class PipelineView:
    """What to write for the pipeline viewer: the file, a node, and the cycles in which instructions that it shows are fetched.

    ``asked``: the file is asked for by an option of its own, and it is an error if there is no pipeline to show. Otherwise it
    goes with the retirement log, where there is a pipeline.
    """

    path: Path
    row: int
    column: int
    first: int
    cycles: int
    asked: bool = True


class NodeType(click.ParamType[tuple[int, int]]):
    """A node written as row,column, such as 0,1."""

    name = "ROW,COLUMN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Row and column, or a usage error that says how they are written."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,9}),([0-9]{1,9})", value)
        if match is None:
            self.fail(f"'{value}' is no node; write row,column, such as 0,1", param, ctx)
        return int(match[1]), int(match[2])


def board_config_option(default: str = "d1") -> Callable[[Any], Any]:
    """``--config NAME`` where a board may supply it: passed as ``config``, None if it is not given."""
    return click.option(
        "--config",
        type=ConfigType(),
        help=f"Preset of the node: {', '.join(PRESETS)}.  [default: {default}, or the board's]",
    )


def board_array_option(default: str) -> Callable[[Any], Any]:
    """``--array`` where a board may supply it: passed as ``array``, None if it is not given."""
    return click.option(
        "--array",
        type=ArrayType(),
        help="Rows x columns of nodes, or an array with dead nodes and links: a JSON file, or one of"
        f" {', '.join(TOPOLOGIES)}; see d1 array.  [default: {default}, or the board's]",
    )


def config_option(default: str = "d1") -> Callable[[Any], Any]:
    """``--config NAME``: the node's configuration, passed as ``config``."""
    return click.option(
        "--config", type=ConfigType(), default=default, show_default=True, help=f"Preset of the node: {', '.join(PRESETS)}."
    )


#: Backends that are simulated here; any other is the port of a board.
SIMULATED_BACKENDS = ("rtl", "golden")

#: A path, a Windows port, or a URL of pyserial.
_PORT = re.compile(r".*[/\\\\].*|COM[0-9]+|[a-z0-9+]+://.+", re.IGNORECASE)

DEFAULT_BAUD = 1_000_000


class BackendType(click.ParamType[str]):
    """What runs a program: a simulated backend by name, or the port of a board."""

    name = "BACKEND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value, or a usage error that says what there is."""
        if value in SIMULATED_BACKENDS or _PORT.fullmatch(value):
            return str(value)
        self.fail(f"'{value}' is no backend; give rtl, golden, or the port of a board, such as /dev/ttyUSB0", param, ctx)


def is_port(backend: str) -> bool:
    """Whether a backend is the port of a board."""
    return backend not in SIMULATED_BACKENDS


def backend_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--backend`` and ``--baud``, passed as ``backend`` and ``baud``."""
    backend = click.option(
        "--backend",
        type=BackendType(),
        default="rtl",
        show_default=True,
        metavar="rtl|golden|PORT",
        help="The hardware compiled by Verilator, the golden model, or a board at a serial port.",
    )
    baud = click.option("--baud", type=click.IntRange(min=1), help=f"Rate of the line to a board.  [default: {DEFAULT_BAUD}]")
    return backend(baud(command))


def check_board_options(backend: str, baud: int | None, **simulated_only: Any) -> None:
    """Refuse options that do not suit the backend.

    Parameters
    ----------
    simulated_only
        Options by name that a board does not have; None if they are not given.

    Raises
    ------
    click.UsageError
    """
    if not is_port(backend):
        if baud is not None:
            raise click.UsageError(f"--baud is the rate of a line to a board, and --backend is {backend}")
        return
    for name, value in simulated_only.items():
        if value is not None:
            raise click.UsageError(f"--{name} looks into a simulated array; with --backend {backend} there is none")


#: Cycles that a file for the pipeline viewer shows if nothing else is asked for.
PIPELINE_CYCLES = 100_000


def pipeline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--kanata`` and what belongs to it, passed as ``pipeline``: a PipelineView, or None if there is to be no file.

    The command has an option ``trace``, a path or None.
    """

    @click.option(
        "--kanata",
        type=OutputFile(),
        help="Write where every instruction of a node was when, for the pipeline viewer Konata (rtl only); compressed if"
        " FILE ends in .gz.  [default: beside the file of --trace, with the suffix .kanata]",
    )
    @click.option("--no-kanata", is_flag=True, help="Write no such file beside that of --trace.")
    @click.option("--kanata-node", type=NodeType(), help="The node that it shows.  [default: 0,0]")
    @click.option(
        "--kanata-from",
        type=click.IntRange(min=0),
        help="Leave out what is fetched before this cycle, as --trace counts.  [default: 0]",
    )
    @click.option(
        "--kanata-cycles",
        type=click.IntRange(min=1),
        help=f"Show what is fetched in so many cycles, from the first instruction on.  [default: {PIPELINE_CYCLES}]",
    )
    @functools.wraps(command)
    def with_pipeline(
        trace: Path | None,
        kanata: Path | None,
        no_kanata: bool,
        kanata_node: tuple[int, int] | None,
        kanata_from: int | None,
        kanata_cycles: int | None,
        **others: Any,
    ) -> Any:
        further = {"--kanata-node": kanata_node, "--kanata-from": kanata_from, "--kanata-cycles": kanata_cycles}
        asking = [name for name, value in {"--kanata": kanata, **further}.items() if value is not None]
        if no_kanata and asking:
            raise click.UsageError(f"--no-kanata and {asking[0]} contradict each other; leave one out")
        if kanata is not None and kanata == trace:
            raise click.UsageError(f"--trace and --kanata both name {kanata}; give each a file of its own")
        path = kanata or (beside(trace) if trace is not None and not no_kanata else None)
        if path is None and asking:
            raise click.UsageError(f"{asking[0]} belongs to --kanata FILE or --trace FILE, and none is given")
        pipeline = None
        if path is not None:
            place = kanata_node or (0, 0)
            pipeline = PipelineView(path, *place, kanata_from or 0, kanata_cycles or PIPELINE_CYCLES, bool(asking))
        return command(trace=trace, pipeline=pipeline, **others)

    return with_pipeline


def beside(trace: Path) -> Path | None:
    """The file for the pipeline viewer that goes with a retirement log, None if that goes to something else than a file."""
    if trace.exists() and not trace.is_file():
        return None
    path = trace.with_suffix(".kanata")
    return path if path != trace else trace.with_name(f"{trace.name}.kanata")


arithmetic_option = click.option(
    "--arithmetic",
    type=click.Choice(["rtl", "macro"]),
    default="macro",
    show_default=True,
    help="What computes products: the hardware's own logic, or bit-exact C++ in its place (about ten times faster).",
)

max_cycles_option = click.option(
    "--max-cycles", type=click.IntRange(min=1), default=1_000_000_000, show_default=True, help="Give up after so many cycles."
)


def _start_ranks(ctx: click.Context, parameter: click.Parameter, ranks: int | None) -> None:
    if ranks is not None:
        from scripts.d1.ranks import start_ranks

        start_ranks(ctx, ranks)


#: Nothing is passed to the command.
ranks_option = click.option(
    "--ranks",
    type=click.IntRange(min=1),
    callback=_start_ranks,
    expose_value=False,
    help="Simulate in so many processes, which mpirun starts.  [default: those that mpirun has started, or 1]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def reporting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json`` (passed as ``as_json``) to a subcommand."""
    return functools.wraps(command)(json_option(command))
