# SPDX-License-Identifier: Apache-2.0
"""Matrices as the matrix unit reads and writes them: tiles in the order of its steps.

- A, rows of tiles: panel i holds A[M*i : M*i+M, 4*k : 4*k+4] for each step k, row-major.
- B, columns of tiles: panel j holds B[4*k : 4*k+4, N*j : N*j+N] for each step k, row-major.
- C: tile (i, j) is M x N FP32, row-major.

A step's part of a panel is a line of BF16 codes, or half a line of 8-bit codes. M and N are the matrix unit's shape; what a
matrix lacks to whole tiles and whole instructions is filled with +0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import MATRIX_K, NodeConfig

#: BF16 codes (uint16) or CFP8 codes (uint8).
OperandCodes = npt.NDArray[np.unsignedinteger[Any]]
Fp32Codes = npt.NDArray[np.uint32]


def tiles(length: int, tile: int) -> int:
    """Tiles that cover a length."""
    return -(-length // tile)


def _padded(codes: OperandCodes, rows: int, columns: int) -> OperandCodes:
    matrix = np.asarray(codes)
    if matrix.ndim != 2 or matrix.dtype not in (np.uint8, np.uint16):
        raise TypeError(
            "a matrix of codes is a two-dimensional array of uint16 (BF16) or uint8 (CFP8), "
            f"not {matrix.ndim}-dimensional {matrix.dtype}"
        )
    return np.pad(matrix, ((0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % columns)))


def _depth(codes: OperandCodes, depth: int | None) -> int:
    """K that panels are filled to a multiple of: that of a line, unless the other operand needs more."""
    line = MATRIX_K if np.asarray(codes).dtype == np.uint16 else 2 * MATRIX_K
    if depth is not None and (depth < line or depth % line):
        raise ValueError(f"depth = {depth} is no multiple of {line}, the K of a line")
    return depth or line


def pack_a(config: NodeConfig, codes: OperandCodes, depth: int | None = None) -> OperandCodes:
    """Panels of a left operand.

    Parameters
    ----------
    config : NodeConfig
    codes : uint16 or uint8 array (m, k), BF16 or CFP8 codes
    depth : int, optional
        K is filled to a multiple of this, which must be one of the K of a line: 4 or 8. If it is left out, it is that.

    Returns
    -------
    array of the same type (tile rows, lines, codes of a line), contiguous

    Raises
    ------
    TypeError
        If ``codes`` is no two-dimensional array of such codes.
    ValueError
        If the depth is not allowed.
    """
    matrix = _padded(codes, config.matrix_m, _depth(codes, depth))
    steps = matrix.shape[1] // MATRIX_K
    split = matrix.reshape(-1, config.matrix_m, steps, MATRIX_K)
    return _as_lines(config, split.swapaxes(1, 2))


def pack_b(config: NodeConfig, codes: OperandCodes, depth: int | None = None) -> OperandCodes:
    """Panels of a right operand.

    Parameters
    ----------
    config : NodeConfig
    codes : uint16 or uint8 array (k, n), BF16 or CFP8 codes
    depth : int, optional
        As of ``pack_a``.

    Returns
    -------
    array of the same type (tile columns, lines, codes of a line), contiguous

    Raises
    ------
    TypeError
        If ``codes`` is no two-dimensional array of such codes.
    ValueError
        If the depth is not allowed.
    """
    matrix = _padded(codes, _depth(codes, depth), config.matrix_n)
    steps = matrix.shape[0] // MATRIX_K
    split = matrix.reshape(steps, MATRIX_K, -1, config.matrix_n)
    return _as_lines(config, split.transpose(2, 0, 1, 3))


def _as_lines(config: NodeConfig, panels: OperandCodes) -> OperandCodes:
    """(panels, steps, rows, columns) -> (panels, lines, codes of a line)."""
    return np.ascontiguousarray(panels).reshape(len(panels), -1, config.line_bytes // panels.itemsize)


def unpack_c(tile_codes: Fp32Codes, rows: int, columns: int) -> Fp32Codes:
    """A matrix from its tiles.

    Parameters
    ----------
    tile_codes : uint32 array (tile rows, tile columns, M, N), FP32 codes
    rows, columns : int
        Shape of the matrix; what the tiles hold beyond it is dropped.

    Returns
    -------
    uint32 array (rows, columns)

    Raises
    ------
    ValueError
        If the tiles do not cover the matrix.
    """
    tile_rows, tile_columns, m, n = tile_codes.shape
    if rows > tile_rows * m or columns > tile_columns * n:
        raise ValueError(f"{tile_rows} x {tile_columns} tiles of {m} x {n} do not cover a matrix of {rows} x {columns}")
    return tile_codes.swapaxes(1, 2).reshape(tile_rows * m, tile_columns * n)[:rows, :columns]
