# SPDX-License-Identifier: Apache-2.0
"""Formats of matrix operands as they are named on the command line and in reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from golden.layout import BIAS_BITS, FormatDescriptor, FormatKind
from scripts.d1.errors import CommandError

#: Name of a format -> its kind.
KINDS: dict[str, FormatKind] = {"bf16": FormatKind.BF16, "1-4-3": FormatKind.CFP8_143, "1-5-2": FormatKind.CFP8_152}

#: Kinds with a bias that can be chosen -> the one that is taken if none is: the middle of the exponents, as IEEE 754 has it.
BIASES: dict[FormatKind, int] = {FormatKind.CFP8_143: 7, FormatKind.CFP8_152: 15}

BF16 = FormatDescriptor(FormatKind.BF16)


def name_of(descriptor: FormatDescriptor) -> str:
    """Name of a descriptor's format, without its bias."""
    return next(name for name, kind in KINDS.items() if kind is descriptor.kind)


def bias_of(descriptor: FormatDescriptor) -> int | None:
    """The bias, or None if the format has a fixed one."""
    return descriptor.bias if descriptor.kind in BIASES else None


def describe(descriptor: FormatDescriptor) -> str:
    """A descriptor in words."""
    bias = bias_of(descriptor)
    return name_of(descriptor).upper() if bias is None else f"{name_of(descriptor)} with bias {bias}"


def chosen_format(side: str, name: str, bias: int | None) -> FormatDescriptor:
    """The format that ``--format-<side>`` and ``--bias-<side>`` choose.

    Raises
    ------
    CommandError
        If a bias is given for a format that has a fixed one.
    """
    kind = KINDS[name]
    if kind in BIASES:
        return FormatDescriptor(kind, BIASES[kind] if bias is None else bias)
    if bias is not None:
        configurable = " or ".join(each for each, of in KINDS.items() if of in BIASES)
        raise CommandError(
            f"--bias-{side} {bias}: {name} has a fixed bias; leave --bias-{side} out, or choose --format-{side} {configurable}"
        )
    return FormatDescriptor(kind)


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--format-a``, ``--bias-a``, ``--format-b``, ``--bias-b``, passed under these names."""
    for side in ("b", "a"):
        defaults = ", ".join(f"{BIASES[kind]} for {name}" for name, kind in KINDS.items() if kind in BIASES)
        command = click.option(
            f"--bias-{side}",
            type=click.IntRange(0, (1 << BIAS_BITS) - 1),
            help=f"Exponent bias of {side.upper()}'s format.  [default: {defaults}]",
        )(command)
        command = click.option(
            f"--format-{side}",
            type=click.Choice(list(KINDS)),
            default="bf16",
            show_default=True,
            help=f"Format of {side.upper()}.",
        )(command)
    return command
