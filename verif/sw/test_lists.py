# SPDX-License-Identifier: Apache-2.0
"""What descriptors from Python do on the model: copies, transposed matrices, tiles that equal those of the kernels, zeros."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig, preset
from golden.layout import LIST_BLOCK, LIST_START, LIST_STRIDE, GlobalAddress, ListRegister
from golden.list_descriptor import ListDescriptor
from golden.mesh import GoldenArray
from sw import lists
from sw.kernels import packing

CONFIGS = {name: preset(name).replace(lists=2) for name in ("tiny", "medium", "d1")}
RIGHT = ("medium", "d1")

#: Where things lie: descriptors in the node that executes, the source, the destination.
LISTS, SOURCE, DESTINATION = 0x0, 0x400, 0x2000

#: Columns of the nodes with source and destination; the one at 0 executes.
WAYS = ((0, 0), (0, 1), (1, 0))


def at(x: int, offset: int) -> int:
    return int(GlobalAddress(x, 0, offset))


def moved(config: NodeConfig, way: tuple[int, int], descriptors: Sequence[ListDescriptor], source: bytes, length: int) -> bytes:
    """So many bytes at the destination when the list has run; they were 0xA5 before."""
    array = GoldenArray(config, 1, 2)
    array.poke(way[0], 0, SOURCE, source + b"\x5a" * 0x200)
    array.poke(way[1], 0, DESTINATION, b"\xa5" * length)
    array.poke(0, 0, LISTS, lists.chain(descriptors, LISTS, post_source=1, post_destination=2))
    array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START, LISTS)
    assert array.run(100_000).reason == "ended"
    for place in range(config.lists):
        assert array.read_register(0, 0, CONTROL_PAGE_OFFSET + LIST_BLOCK + place * LIST_STRIDE + ListRegister.FAILURE) == 0
    assert (array.node(way[0], 0).semaphores[1], array.node(way[1], 0).semaphores[2]) == (1, 1)
    return array.peek(way[1], 0, DESTINATION, length)


def codes(rows: int, columns: int) -> npt.NDArray[np.uint16]:
    return np.random.default_rng([rows, columns]).integers(1, 1 << 16, (rows, columns), np.uint16)


ways = st.sampled_from(WAYS)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_left_operand_becomes_panels_and_a_matrix_again(name: str) -> None:
    config = CONFIGS[name]

    @settings(max_examples=15, deadline=None)
    @given(ways, st.integers(1, 20), st.integers(1, 6), st.integers(0, 2))
    def check(way: tuple[int, int], rows: int, steps: int, apart: int) -> None:
        columns, pitch = 4 * steps, 8 * (steps + apart)
        matrix = codes(rows, pitch // 2)
        panels = packing.pack_a(config, matrix[:, :columns]).tobytes()
        shape = {"rows": rows, "columns": columns, "pitch": pitch}
        packed = lists.pack_a(config, at(way[0], SOURCE), at(way[1], DESTINATION), **shape)
        assert moved(config, way, packed, matrix.tobytes(), len(panels)) == panels
        unpacked = lists.unpack_a(config, at(way[0], SOURCE), at(way[1], DESTINATION), **shape)
        expected = np.full_like(matrix, 0xA5A5)
        expected[:, :columns] = matrix[:, :columns]
        assert moved(config, way, unpacked, panels, matrix.nbytes) == expected.tobytes()

    check()


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_operand_becomes_panels_and_a_matrix_again(name: str) -> None:
    config = CONFIGS[name]

    @settings(max_examples=15, deadline=None)
    @given(ways, st.integers(1, 14), st.integers(1, 4), st.integers(0, 2))
    def check(way: tuple[int, int], rows: int, tiles: int, apart: int) -> None:
        n = config.matrix_n
        columns, pitch = n * tiles, 2 * n * (tiles + apart)
        matrix = codes(rows, pitch // 2)
        panels = packing.pack_b(config, matrix[:, :columns]).tobytes()
        shape = {"rows": rows, "columns": columns, "pitch": pitch}
        packed = lists.pack_b(config, at(way[0], SOURCE), at(way[1], DESTINATION), **shape)
        assert moved(config, way, packed, matrix.tobytes(), len(panels)) == panels
        unpacked = lists.unpack_b(config, at(way[0], SOURCE), at(way[1], DESTINATION), **shape)
        expected = np.full_like(matrix, 0xA5A5)
        expected[:, :columns] = matrix[:, :columns]
        assert moved(config, way, unpacked, panels, matrix.nbytes) == expected.tobytes()

    check()


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_become_columns(name: str) -> None:
    config = CONFIGS[name]

    @settings(max_examples=20, deadline=None)
    @given(ways, st.integers(1, 9), st.integers(1, 9), st.sampled_from([8, 16, 24, 32, 64]))
    def check(way: tuple[int, int], rows: int, columns: int, element: int) -> None:
        matrix = codes(rows, columns * element // 2).reshape(rows, columns, element // 2)
        descriptors = lists.transpose(
            config, at(way[0], SOURCE), at(way[1], DESTINATION), rows=rows, columns=columns, element_bytes=element,
            source_pitch=columns * element, destination_pitch=rows * element,
        )  # fmt: skip
        assert moved(config, way, descriptors, matrix.tobytes(), matrix.nbytes) == matrix.swapaxes(0, 1).tobytes()

    check()


@settings(max_examples=20, deadline=None)
@given(ways, st.integers(1, 8), st.integers(1, 12), st.integers(0, 3), st.integers(0, 3))
def test_rows_are_copied_and_what_lies_between_stays(way: tuple[int, int], rows: int, eights: int, here: int, there: int) -> None:
    source = codes(rows, 4 * (eights + here))
    target = np.full((rows, 4 * (eights + there)), 0xA5A5, np.uint16)
    descriptors = lists.copy(
        CONFIGS["d1"], at(way[0], SOURCE), at(way[1], DESTINATION), rows=rows, row_bytes=8 * eights,
        source_pitch=8 * (eights + here), destination_pitch=8 * (eights + there),
    )  # fmt: skip
    data = moved(CONFIGS["d1"], way, descriptors, source.tobytes(), target.nbytes)
    target[:, : 4 * eights] = source[:, : 4 * eights]
    assert data == target.tobytes()


@pytest.mark.parametrize("length", [8, 16, 40, 8 * 32_768, 8 * 32_768 + 8, 8 * 65_536 + 24])
def test_zeros(length: int) -> None:
    config = CONFIGS["d1"]
    descriptors = lists.fill(config, at(0, 0), at(1, DESTINATION + 8), length)
    assert all(descriptor.granule == 8 for descriptor in descriptors)
    array = GoldenArray(config, 1, 2)
    array.poke(1, 0, DESTINATION, b"\xa5" * (length + 16))
    array.poke(0, 0, LISTS, lists.chain(descriptors, LISTS))
    array.write_register(0, 0, CONTROL_PAGE_OFFSET + LIST_START, LISTS)
    assert array.run().reason == "ended"
    assert array.peek(1, 0, DESTINATION, length + 16) == b"\xa5" * 8 + bytes(length) + b"\xa5" * 8


def test_what_no_list_can_do_is_refused() -> None:
    tiny, d1 = CONFIGS["tiny"], CONFIGS["d1"]
    shape = {"rows": 8, "columns": 8, "pitch": 16}
    with pytest.raises(ValueError, match="line_bytes = 16 makes rows of 4 bytes, which are no granule; at least 32 are allowed"):
        lists.pack_b(tiny, 0, 0, **shape)
    with pytest.raises(ValueError, match="columns = 6 is no multiple of 4, the columns of a tile"):
        lists.pack_a(d1, 0, 0, rows=8, columns=6, pitch=16)
    with pytest.raises(ValueError, match="pitch = 0xc is no multiple of 8"):
        lists.pack_a(d1, 0, 0, rows=8, columns=4, pitch=12)
    with pytest.raises(ValueError, match="the panels' address 0x20 is no multiple of 64"):
        lists.pack_a(d1, 0, 32, **shape)
    with pytest.raises(ValueError, match="row_bytes = 0x14 is no multiple of 8, the bytes of the smallest granule"):
        lists.copy(d1, 0, 0, rows=1, row_bytes=20, source_pitch=24, destination_pitch=24)
    with pytest.raises(ValueError, match="count = 70000 is outside of 1 to 65535"):
        lists.copy(d1, 0, 0, rows=70_000, row_bytes=8, source_pitch=8, destination_pitch=8)
    with pytest.raises(ValueError, match="descriptors is empty"):
        lists.chain([], 0)
    with pytest.raises(ValueError, match="offset = 0x40 is no multiple of 128"):
        lists.chain(lists.fill(d1, 0, 0, 64), 64)
