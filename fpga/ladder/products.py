# SPDX-License-Identifier: Apache-2.0
"""Matrix products on a board, compared with the golden model bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fpga.ladder.node_view import NodeView
from fpga.ladder.step import LadderFailure, Say, Tell, quiet
from golden.formats import encode, format_of
from golden.layout import FormatDescriptor, FormatKind
from golden.matrix import matmul
from sw.host import ArrayBackend, HostError, all_sites
from sw.kernels.matmul import run_matmul
from sw.kernels.product import MatmulError, MatmulFailed

__all__ = ["check_array", "check_nodes"]

_BF16 = FormatDescriptor(FormatKind.BF16)
_CFP8_143 = FormatDescriptor(FormatKind.CFP8_143, 7)
_CFP8_152 = FormatDescriptor(FormatKind.CFP8_152, 15)

_NAMES = {FormatKind.BF16: "BF16", FormatKind.CFP8_143: "CFP8 1-4-3", FormatKind.CFP8_152: "CFP8 1-5-2"}

#: Formats of A and B: one step and two steps an instruction, operands of equal and of different size.
_FORMATS = ((_BF16, _BF16), (_CFP8_143, _CFP8_143), (_BF16, _CFP8_152))

#: M, N and K of a product that fits no tile evenly.
_ODD = (5, 7, 9)

#: Length of the sides of the square product, at least.
_SIDE = 16

_SEED = 1


def check_nodes(array: ArrayBackend, say: Say, tell: Tell = quiet) -> None:
    """Multiply matrices on every node, one after the other.

    Parameters
    ----------
    array : ArrayBackend
        Whose nodes are at rest.
    say : callable
        Takes the lines of the result.
    tell : callable, optional
        Takes progress.

    Raises
    ------
    LadderFailure
        If a result differs from the golden model's, or a node does not end with success.
    """
    say(f"node: {array.rows}x{array.columns} of '{array.config.name}'")
    products = [(*_ODD, *formats) for formats in _FORMATS] + [(_SIDE, _SIDE, _SIDE, _BF16, _BF16)]
    for x, y in all_sites(array):
        results = 0
        for m, n, k, a_format, b_format in products:
            where = f"row {y}, column {x}, {_title(m, n, k, a_format, b_format)}"
            results += _check(NodeView(array, x, y), where, m, n, k, a_format, b_format, tell)
        say(f"row {y}, column {x}: {len(products)} products, all {results} results equal the golden model's")
    say("passed")


def check_array(array: ArrayBackend, say: Say, tell: Tell = quiet) -> None:
    """Multiply matrices on all nodes together, which send each other what they need; parameters as :func:`check_nodes`.

    Raises
    ------
    LadderFailure
        As :func:`check_nodes`.
    """
    config = array.config
    say(f"array: {array.rows}x{array.columns} of '{config.name}'")
    # Two tiles a side for every node; then odd sizes, so that nodes have parts of different size.
    side = max(_SIDE, 2 * config.matrix_m * max(array.rows, array.columns))
    shapes = ((side, side, side), (side - 3, side - 1, side + 1))
    for m, n, k in shapes:
        for a_format, b_format in _FORMATS:
            what = _title(m, n, k, a_format, b_format)
            results = _check(array, what, m, n, k, a_format, b_format, tell)
            say(f"{what}: all {results} results equal the golden model's")
    say("passed")


def _title(m: int, n: int, k: int, a_format: FormatDescriptor, b_format: FormatDescriptor) -> str:
    return f"{m}x{k} by {k}x{n}, {_NAMES[a_format.kind]} by {_NAMES[b_format.kind]}"


def _check(
    array: ArrayBackend, what: str, m: int, n: int, k: int, a_format: FormatDescriptor, b_format: FormatDescriptor, tell: Tell
) -> int:
    """Compute a product and compare it; returns how many results it has. ``what`` is for messages."""
    rng = np.random.default_rng([_SEED, m, n, k])
    a, b = _operand(rng, (m, k), a_format), _operand(rng, (k, n), b_format)
    try:
        result = run_matmul(array, a, b, lambda stage, done, total: tell(f"{what}: {stage}", done, total), a_format, b_format)
    except (MatmulError, MatmulFailed, HostError) as error:
        raise LadderFailure(f"{what}: {error}") from error
    differing = int(np.count_nonzero(result.c != matmul(a, b, format_of(a_format), format_of(b_format))))
    if differing:
        raise LadderFailure(f"{what}: {differing} of {m * n} results differ from the golden model's")
    return m * n


def _operand(rng: np.random.Generator, shape: tuple[int, int], descriptor: FormatDescriptor) -> npt.NDArray[Any]:
    """Normally distributed numbers as codes of a format."""
    codes: npt.NDArray[Any] = encode(rng.normal(size=shape).astype(np.float32), format_of(descriptor))
    return codes
