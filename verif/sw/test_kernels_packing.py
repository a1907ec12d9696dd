# SPDX-License-Identifier: Apache-2.0
"""Packing: every line holds exactly the tile that its definition names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import MATRIX_K, PRESETS, NodeConfig
from sw.kernels.packing import pack_a, pack_b, unpack_c

LENGTH = st.integers(1, 40)
CONFIG = st.sampled_from(sorted(PRESETS)).map(PRESETS.__getitem__)


@given(CONFIG, LENGTH, LENGTH)
def test_line_k_of_a_panel_is_the_tile_of_four_columns(config: NodeConfig, rows: int, columns: int) -> None:
    m = config.matrix_m
    codes = np.arange(1, rows * columns + 1, dtype=np.uint16).reshape(rows, columns)
    panels = pack_a(config, codes)
    assert panels.shape == (-(-rows // m), -(-columns // MATRIX_K), config.line_bytes // 2)
    for (panel, step), _ in np.ndenumerate(panels[:, :, 0]):
        for lane in range(config.line_bytes // 2):
            row, column = m * panel + lane // MATRIX_K, MATRIX_K * step + lane % MATRIX_K
            inside = row < rows and column < columns
            assert panels[panel, step, lane] == (codes[row, column] if inside else 0)


@given(CONFIG, LENGTH, LENGTH)
def test_line_k_of_a_b_panel_is_the_tile_of_four_rows(config: NodeConfig, rows: int, columns: int) -> None:
    n = config.matrix_n
    codes = np.arange(1, rows * columns + 1, dtype=np.uint16).reshape(rows, columns)
    panels = pack_b(config, codes)
    assert panels.shape == (-(-columns // n), -(-rows // MATRIX_K), config.line_bytes // 2)
    for (panel, step), _ in np.ndenumerate(panels[:, :, 0]):
        for lane in range(config.line_bytes // 2):
            row, column = MATRIX_K * step + lane // n, n * panel + lane % n
            inside = row < rows and column < columns
            assert panels[panel, step, lane] == (codes[row, column] if inside else 0)


@given(CONFIG, LENGTH, LENGTH)
def test_matrix_is_what_its_tiles_hold(config: NodeConfig, rows: int, columns: int) -> None:
    m, n = config.matrix_m, config.matrix_n
    tile_codes = np.zeros((-(-rows // m), -(-columns // n), m, n), np.uint32)
    expected = np.arange(1, rows * columns + 1, dtype=np.uint32).reshape(rows, columns)
    for (row, column), code in np.ndenumerate(expected):
        tile_codes[row // m, column // n, row % m, column % n] = code
    np.testing.assert_array_equal(unpack_c(tile_codes, rows, columns), expected)


@pytest.mark.parametrize("codes", [np.zeros((2, 2), np.float32), np.zeros(4, np.uint16), np.zeros((2, 2), np.uint32)])
def test_what_is_no_matrix_of_bf16_codes_is_refused(codes: np.ndarray) -> None:
    for pack in (pack_a, pack_b):
        with pytest.raises(TypeError, match="uint16"):
            pack(PRESETS["tiny"], codes)


def test_tiles_that_do_not_cover_the_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="do not cover"):
        unpack_c(np.zeros((1, 2, 2, 2), np.uint32), 3, 4)
