# SPDX-License-Identifier: Apache-2.0
"""Options and parameter types that several subcommands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from golden.config import PRESETS, ConfigError, NodeConfig, preset
from golden.layout import COORDINATE_BITS


@dataclass(frozen=True)
class ArrayShape:
    """Rows and columns of an array of nodes."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"

    @property
    def nodes(self) -> int:
        """Nodes in all."""
        return self.rows * self.columns


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
    """An array's shape written as rows x columns, such as 2x2."""

    name = "RxC"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ArrayShape:
        """The shape, or a usage error that says how one is written."""
        if isinstance(value, ArrayShape):
            return value
        limit = 1 << COORDINATE_BITS
        match = re.fullmatch(r"([0-9]{1,9})[xX]([0-9]{1,9})", value)
        if match is None:
            self.fail(f"'{value}' is no array; write rows x columns, such as 2x2", param, ctx)
        rows, columns = int(match[1]), int(match[2])
        if not (1 <= rows <= limit and 1 <= columns <= limit):
            self.fail(f"'{value}' is no array; rows and columns go from 1 to {limit}", param, ctx)
        return ArrayShape(rows, columns)


def config_option(default: str = "d1") -> Callable[[Any], Any]:
    """``--config NAME``: the node's configuration, passed as ``config``."""
    return click.option(
        "--config", type=ConfigType(), default=default, show_default=True, help=f"Preset of the node: {', '.join(PRESETS)}."
    )


def array_option(default: str) -> Callable[[Any], Any]:
    """``--array RxC``: the array's shape, passed as ``array``."""
    return click.option("--array", type=ArrayType(), default=default, show_default=True, help="Rows x columns of nodes.")


backend_option = click.option(
    "--backend",
    type=click.Choice(["rtl", "golden"]),
    default="rtl",
    show_default=True,
    help="The hardware compiled by Verilator, or the golden model.",
)

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

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def reporting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json`` (passed as ``as_json``) to a subcommand."""
    return functools.wraps(command)(json_option(command))
