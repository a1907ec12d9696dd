# SPDX-License-Identifier: Apache-2.0
"""The product with spread operands on the golden array: every bit, what nodes have at the start, in which order they compute."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import PRESETS, NodeConfig
from golden.formats import format_of
from golden.layout import FormatDescriptor, FormatKind, semaphore_offset
from golden.matrix import matmul
from golden.mesh import GoldenArray
from golden.topology import Topology
from sw.kernels import spread_tables
from sw.kernels.operands import BF16, Operands
from sw.kernels.product import MatmulError, MatmulFailed, MatmulResult
from sw.kernels.spread import SpreadPlan, plan_spread, run_spread
from sw.kernels.spread_cut import Cut, SpreadGrid, candidates
from sw.kernels.spread_source import MOVE
from sw.kernels.spread_tables import NodeTables
from sw.routing import set_up_routes
from verif.sw.test_kernels_matmul import CFP8, Formats, operands

TINY = PRESETS["tiny"]
ARRAYS = [(1, 1), (1, 2), (3, 1), (2, 2), (2, 3)]
SHAPES = [(1, 1, 1), (5, 7, 3), (16, 16, 16), (2, 41, 9), (17, 19, 33)]

#: So deep that tiny nodes cannot keep whole panels, and add chunks of K to what C holds.
DEEP = (16, 16, 300)


def check(array: GoldenArray, m: int, n: int, k: int, formats: Formats = (BF16, BF16), seed: int = 0) -> MatmulResult:
    a, b = operands(m, n, k, seed, formats)
    result = run_spread(array, a, b, a_format=formats[0], b_format=formats[1])
    np.testing.assert_array_equal(result.c, matmul(a, b, *map(format_of, formats)))
    return result


@pytest.mark.parametrize("array", ARRAYS, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}x{0[2]}".format)
def test_product_equals_the_golden_one_in_every_bit(array: tuple[int, int], shape: tuple[int, int, int]) -> None:
    check(GoldenArray(TINY, *array), *shape)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["tiny", "medium"]), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60)),
    st.tuples(*[st.sampled_from([BF16, *CFP8])] * 2),
)  # fmt: skip
def test_product_is_right_for_any_formats_and_shape_on_any_small_array(
    preset: str, array: tuple[int, int], shape: tuple[int, int, int], formats: Formats
) -> None:
    check(GoldenArray(PRESETS[preset], *array), *shape, formats)


@pytest.mark.parametrize("threads, accumulators", [(2, 1), (4, 2), (4, 8)])
def test_product_is_right_for_any_number_of_threads_and_accumulators(threads: int, accumulators: int) -> None:
    check(GoldenArray(TINY.replace(threads=threads, accumulators=accumulators), 2, 2), 11, 13, 30)


def test_full_size_nodes_exchange_blocks() -> None:
    result = check(GoldenArray(PRESETS["d1"], 2, 2), 64, 64, 64)
    assert result.steps_per_node == (4 * 4 * 16,) * 4


def test_deep_product_is_cut_into_chunks_of_k_that_come_in_order() -> None:
    assert plan_spread(TINY, 2, 2, *DEEP).grid.cut.chunks > 1
    check(GoldenArray(TINY, 2, 2), *DEEP)


def test_order_of_accumulation_shows_in_the_result() -> None:
    """So that the comparisons above would see chunks or steps in another order."""
    a, b = operands(*DEEP)
    half = DEEP[2] // 2
    assert (matmul(a, b) != matmul(np.roll(a, half, 1), np.roll(b, half, 0))).any()


@pytest.mark.parametrize("topology", [
    Topology(3, 3, dead_nodes=frozenset({(1, 1)})), Topology(2, 4, dead_nodes=frozenset({(3, 0)})),
])  # fmt: skip
def test_product_works_around_dead_nodes(topology: Topology) -> None:
    array = GoldenArray(TINY, topology=topology)
    set_up_routes(array)
    result = check(array, 24, 20, 32)
    assert sum(steps > 0 for steps in result.steps_per_node) == len(result.steps_per_node) >= topology.nodes - 2


def test_an_array_can_be_used_again_and_nothing_is_left_behind() -> None:
    array = GoldenArray(TINY, 2, 2)
    for shape in [(9, 10, 20), (33, 4, 40), (40, 40, 40)]:
        check(array, *shape, seed=1)
        for x, y, semaphore in itertools.product(range(2), range(2), range(TINY.semaphores)):
            assert array.read_register(x, y, semaphore_offset(semaphore)) == 0


# -- what nodes have, and what travels ------------------------------------------------------------------------------------


class Recording(GoldenArray):
    """Counts the bytes that the host writes."""

    def __init__(self, config: NodeConfig, rows: int, columns: int):
        super().__init__(config, rows, columns)
        self.written: Counter[tuple[int, int, int]] = Counter()

    def write_many(self, writes: Iterable[tuple[int, int, int, bytes]]) -> None:
        blocks = list(writes)
        for x, y, offset, data in blocks:
            self.written[x, y, offset] += len(data)
        super().write_many(blocks)


def test_each_node_begins_with_one_block_of_each_operand_and_nothing_else_of_them() -> None:
    m, n, k = 32, 24, 48
    array = Recording(TINY, 2, 2)
    check(array, m, n, k)
    work = plan_spread(TINY, 2, 2, m, n, k)
    for x, y in itertools.product(range(2), range(2)):
        # Code and tables lie in front of all else.
        behind = work.nodes[0].offset + 1, TINY.sram_bytes
        operand_bytes = {
            offset: length
            for (at_x, at_y, offset), length in array.written.items()
            if (at_x, at_y) == (x, y) and offset in range(*behind)
        }
        assert operand_bytes == {work.offsets["own_a"]: m * k * 2 // 4, work.offsets["own_b"]: k * n * 2 // 4}


def test_lines_that_travel_are_those_that_nodes_are_asked_for() -> None:
    result = check(GoldenArray(TINY, 2, 3), 20, 24, 60)
    work = plan_spread(TINY, 2, 3, 20, 24, 60)
    starts = (TINY.threads - 1) * 6
    assert result.packets == work.lines_sent + starts
    # A node needs two thirds of its row's A and half of its column's B from others; tiles of 2 x 4 are a line.
    assert work.lines_sent == 6 * (10 // 2 * 60 // 4 * 2 // 3 + 8 // 2 * 60 // 4 // 2)


# -- how it is cut --------------------------------------------------------------------------------------------------------


def grids() -> Iterator[SpreadGrid]:
    for (rows, columns), cut in itertools.product([(1, 1), (2, 3)], [Cut(1, 9, 5, 4), Cut(3, 3, 2, 3), Cut(2, 5, 9, 9)]):
        yield SpreadGrid.of(TINY, Operands(), rows, columns, 18, 14, 36, cut)


@pytest.mark.parametrize("grid", list(grids()), ids=str)
def test_phases_cover_every_tile_once_per_chunk_with_a_phase_between_two_of_one_tile(grid: SpreadGrid) -> None:
    for row, column in itertools.product(range(grid.rows), range(grid.columns)):
        seen: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for number, phase in enumerate(grid.phases(row, column)):
            assert phase.number == number
            for tile in itertools.product(phase.tile_rows, phase.tile_columns):
                seen.setdefault(tile, []).append((phase.chunk, number))
        assert set(seen) == set(itertools.product(range(len(grid.rows_of(row))), range(len(grid.columns_of(column)))))
        for visits in seen.values():
            assert [chunk for chunk, _ in visits] == list(range(grid.cut.chunks))
            assert all(later - earlier >= 2 for (_, earlier), (_, later) in itertools.pairwise(visits))


@given(st.integers(0, 5), st.integers(0, 60))
def test_pieces_of_a_residence_follow_each_other_and_begin_with_a_row_of_blocks(start: int, length: int) -> None:
    grid = next(grids())
    pieces = list(grid.pieces_of_a(range(start, start + length)))
    assert [panel for piece in pieces for panel in piece] == list(range(start, start + length))
    assert all(len(later) <= 2 * len(earlier) for earlier, later in itertools.pairwise(pieces))
    assert len(pieces) <= 12


def test_every_line_of_a_buffer_is_pulled_once_for_each_phase() -> None:
    work = plan_spread(TINY, 2, 3, 24, 24, 48)
    for node, operand in itertools.product(work.nodes, ("a", "b")):
        for phase in work.grid.phases(node.row, node.column):
            for panels in node.pieces(phase, operand):
                pulled = Counter(
                    granule.destination for pull in node.pulls(phase, operand, panels) for granule in pull.descriptor.granules()
                )
                assert set(pulled.values()) == {1}
                granule = next(node.pulls(phase, operand, panels)).descriptor.granule
                assert len(pulled) * granule == len(panels) * work.grid.cut.length * work.grid.line_bytes(operand)


@pytest.mark.parametrize("array", ARRAYS, ids="{0[0]}x{0[1]}".format)
def test_size_of_tables_is_known_before_they_are_made(array: tuple[int, int]) -> None:
    for shape in [(17, 19, 33), DEEP][: 1 + (array == (2, 2))]:
        assert all(node.size == len(node.contents) for node in plan_spread(TINY, *array, *shape).nodes)


def test_ways_to_cut_fit_and_come_in_the_order_of_their_estimates() -> None:
    found = candidates(PRESETS["d1"], Operands(), 4, 4, 1024, 1024, 1024)
    estimates = [grid.estimate() for grid in found]
    assert estimates == sorted(estimates)
    assert estimates[0] < 1.05 * 1024**3 / 16 / 256
    assert all(sum(grid.regions().values()) < PRESETS["d1"].sram_bytes for grid in found)


def test_regions_of_a_plan_do_not_overlap() -> None:
    work = plan_spread(PRESETS["d1"], 4, 4, 1024, 1024, 1024)
    ends = sorted((offset, offset + work.grid.regions()[name]) for name, offset in work.offsets.items() if name != "program")
    assert ends[0][0] >= work.nodes[0].offset + max(node.size for node in work.nodes)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
    assert ends[-1][1] <= PRESETS["d1"].sram_bytes
    assert work.grid.regions()["own_a"] == work.grid.regions()["own_b"] == 256 * 256 * 2


# -- what cannot be -------------------------------------------------------------------------------------------------------


def refused(config: NodeConfig, rows: int, columns: int, m: int, n: int, k: int, formats: Formats = (BF16, BF16)) -> str:
    with pytest.raises(MatmulError) as error:
        plan_spread(config, rows, columns, m, n, k, *formats)
    return str(error.value)


def test_what_cannot_be_is_refused_with_what_would_be_allowed() -> None:
    assert "'small' has lists = 0" in refused(PRESETS["small"], 2, 2, 8, 8, 8)
    assert "Use the preset d1, medium or tiny" in refused(PRESETS["nano"], 2, 2, 8, 8, 8)
    assert "semaphores = 4" in refused(TINY.replace(semaphores=4), 1, 1, 8, 8, 8)
    assert "threads = 1" in refused(TINY.replace(threads=1), 1, 1, 8, 8, 8)
    assert "k = 0 is not allowed" in refused(TINY, 1, 1, 8, 8, 0)
    for length in (200, 10**12):
        assert "more than the 16384 bytes" in refused(TINY, 2, 2, length, 200, 200)
    assert "no operand" in refused(TINY, 1, 1, 8, 8, 8, formats=(FormatDescriptor(FormatKind.FP32), BF16))
    with pytest.raises(MatmulError, match="cannot be multiplied"):
        run_spread(GoldenArray(TINY, 1, 1), operands(4, 4, 4)[0], np.zeros((3, 4), np.uint16))


# -- mistakes that these tests find ---------------------------------------------------------------------------------------


def test_a_mover_that_does_not_wait_for_buffers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hasty:
        size = MOVE.size

        @staticmethod
        def pack(a: int, b: int, count: int) -> bytes:
            return MOVE.pack(a, b, 0)

    monkeypatch.setattr(spread_tables, "MOVE", Hasty)
    with pytest.raises((AssertionError, MatmulFailed)):
        check(GoldenArray(TINY, 2, 2), *DEEP)


def test_chunks_that_begin_from_zero_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = NodeTables._blocks
    monkeypatch.setattr(NodeTables, "_blocks", lambda self, phase, *rest: blocks(self, replace(phase, chunk=0), *rest))
    with pytest.raises(AssertionError):
        check(GoldenArray(TINY, 2, 2), *DEEP)


def test_a_plan_says_what_its_nodes_do() -> None:
    work: SpreadPlan = plan_spread(TINY, 2, 2, 16, 16, 16)
    assert work.total_steps == 8 * 8 * 4
    assert "nlist" in work.source
    assert [node.site for node in work.nodes] == [(0, 0), (1, 0), (0, 1), (1, 1)]
