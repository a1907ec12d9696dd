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
def test_line_of_8_bit_codes_holds_two_steps_lower_half_first(config: NodeConfig, outer: int, inner: int) -> None:
    m = n = config.matrix_m
    half = config.line_bytes // 2
    codes = (np.arange(outer * inner) % 255 + 1).astype(np.uint8).reshape(outer, inner)
    a, b = pack_a(config, codes), pack_b(config, np.ascontiguousarray(codes.T))
    assert a.shape == b.shape == (-(-outer // m), -(-inner // (2 * MATRIX_K)), config.line_bytes)
    for panel, line, byte in np.ndindex(a.shape):
        step, lane = 2 * line + byte // half, byte % half
        for packed, (along, deep) in ((a, divmod(lane, MATRIX_K)), (b, divmod(lane, n)[::-1])):
            row, column = m * panel + along, MATRIX_K * step + deep
            assert packed[panel, line, byte] == (codes[row, column] if row < outer and column < inner else 0)


@given(CONFIG, LENGTH, LENGTH)
def test_depth_fills_panels_with_zeros_to_whole_instructions(config: NodeConfig, rows: int, columns: int) -> None:
    codes = np.ones((rows, columns), np.uint16)
    for pack, length, matrix in ((pack_a, columns, codes), (pack_b, rows, codes)):
        panels = pack(config, matrix, depth=8)
        assert panels.shape[1] == 2 * -(-length // 8)
        plain = pack(config, matrix)
        np.testing.assert_array_equal(panels[:, : plain.shape[1]], plain)
        assert not panels[:, plain.shape[1] :].any()


def test_depth_that_cuts_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="depth = 12 is no multiple of 8, the K of a line"):
        pack_a(PRESETS["tiny"], np.zeros((2, 2), np.uint8), depth=12)
    with pytest.raises(ValueError, match="depth = 0 is no multiple of 4"):
        pack_b(PRESETS["tiny"], np.zeros((2, 2), np.uint16), depth=0)


@given(CONFIG, LENGTH, LENGTH)
def test_matrix_is_what_its_tiles_hold(config: NodeConfig, rows: int, columns: int) -> None:
    m, n = config.matrix_m, config.matrix_n
    tile_codes = np.zeros((-(-rows // m), -(-columns // n), m, n), np.uint32)
    expected = np.arange(1, rows * columns + 1, dtype=np.uint32).reshape(rows, columns)
    for (row, column), code in np.ndenumerate(expected):
        tile_codes[row // m, column // n, row % m, column % n] = code
    np.testing.assert_array_equal(unpack_c(tile_codes, rows, columns), expected)


@pytest.mark.parametrize("codes", [np.zeros((2, 2), np.float32), np.zeros(4, np.uint16), np.zeros((2, 2), np.uint32)])
def test_what_is_no_matrix_of_codes_is_refused(codes: np.ndarray) -> None:
    for pack in (pack_a, pack_b):
        with pytest.raises(TypeError, match="uint16"):
            pack(PRESETS["tiny"], codes)


def test_tiles_that_do_not_cover_the_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="do not cover"):
        unpack_c(np.zeros((1, 2, 2, 2), np.uint32), 3, 4)
