# SPDX-License-Identifier: Apache-2.0
"""Matrices as the matrix unit reads and writes them: tiles in the order of its steps.

- A, rows of tiles: panel i is K/4 consecutive lines, line k holds A[M*i : M*i+M, 4*k : 4*k+4], row-major.
- B, columns of tiles: panel j is K/4 consecutive lines, line k holds B[4*k : 4*k+4, N*j : N*j+N], row-major.
- C: tile (i, j) is M x N FP32, row-major.

M and N are the matrix unit's shape; what a matrix lacks to whole tiles and whole steps is filled with +0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.config import MATRIX_K, NodeConfig

Bf16Codes = npt.NDArray[np.uint16]
Fp32Codes = npt.NDArray[np.uint32]


def tiles(length: int, tile: int) -> int:
    """Tiles that cover a length."""
    return -(-length // tile)


def _padded(codes: Bf16Codes, rows: int, columns: int) -> Bf16Codes:
    matrix = np.asarray(codes)
    if matrix.ndim != 2 or matrix.dtype != np.uint16:
        raise TypeError(f"a matrix of BF16 codes is a two-dimensional uint16 array, not {matrix.ndim}-dimensional {matrix.dtype}")
    return np.pad(matrix, ((0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % columns)))


def pack_a(config: NodeConfig, codes: Bf16Codes) -> Bf16Codes:
    """Panels of a left operand.

    Parameters
    ----------
    config : NodeConfig
    codes : uint16 array (m, k), BF16 codes

    Returns
    -------
    uint16 array (tile rows, steps, 4 * M), contiguous; the last axis is one line

    Raises
    ------
    TypeError
        If ``codes`` is no two-dimensional uint16 array.
    """
    matrix = _padded(codes, config.matrix_m, MATRIX_K)
    steps = matrix.shape[1] // MATRIX_K
    split = matrix.reshape(-1, config.matrix_m, steps, MATRIX_K)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(-1, steps, config.matrix_m * MATRIX_K)


def pack_b(config: NodeConfig, codes: Bf16Codes) -> Bf16Codes:
    """Panels of a right operand.

    Parameters
    ----------
    config : NodeConfig
    codes : uint16 array (k, n), BF16 codes

    Returns
    -------
    uint16 array (tile columns, steps, 4 * N), contiguous; the last axis is one line

    Raises
    ------
    TypeError
        If ``codes`` is no two-dimensional uint16 array.
    """
    matrix = _padded(codes, MATRIX_K, config.matrix_n)
    steps = matrix.shape[0] // MATRIX_K
    split = matrix.reshape(steps, MATRIX_K, -1, config.matrix_n)
    return np.ascontiguousarray(split.transpose(2, 0, 1, 3)).reshape(-1, steps, MATRIX_K * config.matrix_n)


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
