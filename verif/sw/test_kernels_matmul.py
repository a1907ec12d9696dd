# SPDX-License-Identifier: Apache-2.0
"""The matrix product on the golden array: every bit equals the golden product, for any preset, array and shape."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import PRESETS, NodeConfig
from golden.formats import format_of
from golden.layout import (
    ControlRegister,
    FormatDescriptor,
    FormatKind,
    ThreadRegister,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.matrix import matmul
from golden.mesh import GoldenArray
from sw.kernels.matmul import MatmulPlan, plan, run_matmul
from sw.kernels.product import MatmulError, MatmulFailed, MatmulResult

TINY = PRESETS["tiny"]
ARRAYS = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]
SHAPES = [(1, 1, 1), (5, 7, 3), (16, 16, 16), (33, 3, 20), (2, 41, 9), (17, 19, 33)]

#: A pair of formats.
Formats = tuple[FormatDescriptor, FormatDescriptor]

BF16 = FormatDescriptor(FormatKind.BF16)
#: With biases that differ from one another, so that sides that are exchanged show.
CFP8 = [
    FormatDescriptor(FormatKind.CFP8_143, 7),
    FormatDescriptor(FormatKind.CFP8_152, 20),
    FormatDescriptor(FormatKind.CFP8_143, 60),
]
NAMED_PAIRS = [pair for pair in itertools.product([BF16, *CFP8], repeat=2) if pair != (BF16, BF16)]


def operands(m: int, n: int, k: int, seed: int = 0, formats: Formats = (BF16, BF16)) -> tuple[np.ndarray, np.ndarray]:
    """Random codes: all of an 8-bit format, and BF16 of both signs, 2**-8 to 2**8 in magnitude."""
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, descriptor: FormatDescriptor) -> np.ndarray:
        if descriptor.kind is not FormatKind.BF16:
            return random.integers(0, 256, (rows, columns), np.uint8)
        magnitude = random.integers(127 - 8 << 7, 127 + 8 << 7, (rows, columns))
        return (magnitude | random.integers(0, 2, (rows, columns)) << 15).astype(np.uint16)

    return matrix(m, k, formats[0]), matrix(k, n, formats[1])


def check(
    config: NodeConfig, rows: int, columns: int, m: int, n: int, k: int, formats: Formats = (BF16, BF16)
) -> tuple[MatmulResult, GoldenArray]:
    a, b = operands(m, n, k, formats=formats)
    array = GoldenArray(config, rows, columns)
    result = run_matmul(array, a, b, a_format=formats[0], b_format=formats[1])
    np.testing.assert_array_equal(result.c, matmul(a, b, *map(format_of, formats)))
    return result, array


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("array", ARRAYS, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}x{0[2]}".format)
def test_product_equals_the_golden_one_in_every_bit(preset: str, array: tuple[int, int], shape: tuple[int, int, int]) -> None:
    check(PRESETS[preset], *array, *shape)


@pytest.mark.parametrize("threads, accumulators", list(itertools.product((1, 2, 4), (1, 2, 4, 8))))
def test_product_is_right_for_any_number_of_threads_and_accumulators(threads: int, accumulators: int) -> None:
    config = TINY.replace(threads=threads, accumulators=accumulators, semaphores=4)
    check(config, 2, 2, 11, 13, 30)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["tiny", "small"]), st.integers(1, 3), st.integers(1, 3), st.integers(1, 40), st.integers(1, 40),
    st.integers(1, 50),
)  # fmt: skip
def test_product_is_right_for_any_shape_on_any_small_array(preset: str, rows: int, columns: int, m: int, n: int, k: int) -> None:
    check(PRESETS[preset], rows, columns, m, n, k)


@pytest.mark.parametrize("preset", ["tiny", "nano", "medium"])
@pytest.mark.parametrize("formats", NAMED_PAIRS, ids=lambda pair: "-".join(f"{each.kind.name}.{each.bias}" for each in pair))
def test_product_of_any_formats_equals_the_golden_one_in_every_bit(preset: str, formats: Formats) -> None:
    check(PRESETS[preset], 1, 1, 17, 19, 33, formats)
    check(PRESETS[preset], 2, 3, 9, 14, 20, formats)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["tiny", "small"]), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40)),
    st.tuples(*[st.builds(FormatDescriptor, st.sampled_from([BF16.kind, CFP8[0].kind, CFP8[1].kind]), st.integers(0, 63))] * 2),
)  # fmt: skip
def test_product_is_right_for_any_formats_and_shape_on_any_small_array(
    preset: str, array: tuple[int, int], shape: tuple[int, int, int], formats: Formats
) -> None:
    check(PRESETS[preset], *array, *shape, formats)


@pytest.mark.parametrize("threads, accumulators", list(itertools.product((1, 2, 4), (1, 2, 4, 8))))
def test_mixed_product_is_right_for_any_number_of_threads_and_accumulators(threads: int, accumulators: int) -> None:
    config = TINY.replace(threads=threads, accumulators=accumulators, semaphores=4)
    check(config, 2, 2, 11, 13, 30, (CFP8[0], BF16))


@pytest.mark.parametrize("formats, halves_per_step", [
    ((BF16, BF16), 4), ((CFP8[0], BF16), 3), ((BF16, CFP8[1]), 3), ((CFP8[0], CFP8[1]), 2),
])  # fmt: skip
def test_operand_of_eight_bits_is_read_with_half_a_line_per_step(formats: Formats, halves_per_step: int) -> None:
    result, _ = check(PRESETS["small"], 1, 1, 16, 12, 40, formats)
    assert sum(result.steps_per_node) == 16 // 2 * 12 // 2 * 40 // 4
    assert 2 * result.lines_loaded == halves_per_step * sum(result.steps_per_node)
    assert result.lines_stored >= 16 * 12 * 4 // 16


def test_two_bf16_operands_take_instructions_of_one_step_and_others_of_two() -> None:
    plain = plan(TINY, 1, 1, 8, 8, 12).source
    assert "mstep.bf16.pp" in plain
    assert "setfmt" not in plain
    assert "mstep.x" not in plain
    named = plan(TINY, 1, 1, 8, 8, 12, CFP8[1], BF16).source
    assert "mstep.x.pp" in named
    assert "mstep.bf16" not in named


def test_neighbouring_steps_of_two_work_on_different_accumulators() -> None:
    source = plan(PRESETS["d1"], 1, 1, 256, 256, 256, CFP8[0], CFP8[1]).source
    loop = source[source.index("block_2x2_loop:") : source.index("bne a0, t3, block_2x2_loop")]
    used = [line.split()[1] for line in loop.split("\n") if "mstep" in line]
    assert len(used) >= 16
    assert all(one != other for one, other in itertools.pairwise([*used, used[0]]))


def test_long_row_of_nodes_sends_in_several_groups() -> None:
    result, _ = check(TINY, 1, 11, 2, 44, 8)
    assert all(steps > 0 for steps in result.steps_per_node)


def test_full_size_node_computes_the_product_of_the_demo() -> None:
    result, _ = check(PRESETS["d1"], 2, 2, 256, 256, 256)
    assert result.steps_per_node == (16_384,) * 4
    # Half of the 16 panels of A and of the 16 of B, 64 lines each, come from other nodes; and a node starts its other threads.
    assert result.packets == 4 * (16 * 64 + 3)


@pytest.mark.parametrize("array", ARRAYS, ids="{0[0]}x{0[1]}".format)
def test_semaphores_are_zero_and_nothing_is_left_behind_when_it_ends(array: tuple[int, int]) -> None:
    _, nodes = check(TINY, *array, 9, 10, 20)
    for x, y in itertools.product(range(nodes.columns), range(nodes.rows)):
        assert [nodes.read_register(x, y, semaphore_offset(s)) for s in range(TINY.semaphores)] == [0] * TINY.semaphores


def test_an_array_can_be_used_again_for_another_shape() -> None:
    array = GoldenArray(TINY, 2, 2)
    for shape in [(9, 10, 20), (4, 4, 4), (13, 2, 7)]:
        a, b = operands(*shape, seed=1)
        result = run_matmul(array, a, b)
        np.testing.assert_array_equal(result.c, matmul(a, b))
        assert sum(result.steps_per_node) == plan(TINY, 2, 2, *shape).total_steps


def test_special_values_come_out_as_the_golden_product_has_them() -> None:
    a, b = operands(8, 8, 16)
    a[1, 3], a[2, 5], b[0, 4], b[5, 2] = 0x7F80, 0x7FC1, 0xFF80, 0x0000
    result = run_matmul(GoldenArray(TINY, 1, 2), a, b)
    np.testing.assert_array_equal(result.c, matmul(a, b))


def covered(work: MatmulPlan) -> np.ndarray:
    count = np.zeros((max(n.tile_rows.stop for n in work.nodes), max(n.tile_columns.stop for n in work.nodes)), int)
    for node in work.nodes:
        count[node.tile_rows.start : node.tile_rows.stop, node.tile_columns.start : node.tile_columns.stop] += 1
    return count


@pytest.mark.parametrize("array", [*ARRAYS, (4, 5)], ids="{0[0]}x{0[1]}".format)
def test_every_tile_is_computed_once_and_every_panel_starts_in_one_node(array: tuple[int, int]) -> None:
    work = plan(PRESETS["small"], *array, 50, 46, 20)
    assert (covered(work) == 1).all()
    a_panels = sorted(panel for node in work.nodes for panel in node.a_panels)
    b_panels = sorted(panel for node in work.nodes for panel in node.b_panels)
    assert a_panels == list(range(25))
    assert b_panels == list(range(23))
    for node in work.nodes:
        assert set(node.a_panels) <= set(node.tile_rows)
        assert set(node.b_panels) <= set(node.tile_columns)


@pytest.mark.parametrize("formats", [(BF16, BF16), (CFP8[0], BF16), (BF16, CFP8[0]), (CFP8[0], CFP8[1])])
def test_lines_sent_are_those_that_the_nodes_count(formats: Formats) -> None:
    result, array = check(TINY, 2, 3, 9, 14, 20, formats)
    starts = 6 * (TINY.threads - 1)
    assert result.packets - starts == plan(TINY, 2, 3, 9, 14, 20, *formats).lines_sent
    received = sum(
        array.read_register(x, y, control_offset(ControlRegister.REQUESTS_RECEIVED)) for x in range(3) for y in range(2)
    )
    assert received >= result.packets


def blocks(config: NodeConfig, offset: int, size: int) -> set[int]:
    return set(range(offset // config.block_bytes, (offset + size - 1) // config.block_bytes + 1))


def test_operands_and_code_of_the_demo_lie_in_blocks_of_their_own() -> None:
    config = PRESETS["d1"]
    for (rows, columns), format in itertools.product([(1, 1), (2, 2)], [BF16, CFP8[0]]):
        work = plan(config, rows, columns, 256, 256, 256, format, format)
        a = blocks(config, work.a, 256 // 8 // rows * work.a_panel_bytes)
        b = blocks(config, work.b, 256 // 8 // columns * work.b_panel_bytes)
        program = blocks(config, 0, work.tables + max(len(node.tables) for node in work.nodes))
        assert a.isdisjoint(b)
        assert program.isdisjoint(a | b)


@pytest.mark.parametrize("preset", PRESETS)
def test_largest_cube_fits_and_the_next_one_does_not(preset: str) -> None:
    config = PRESETS[preset]
    with pytest.raises(MatmulError, match="the largest cube that fits is") as caught:
        plan(config, 1, 1, 4096, 4096, 4096)
    cube = int(str(caught.value).split("the largest cube that fits is ")[1].split()[0])
    work = plan(config, 1, 1, cube, cube, cube)
    assert work.bytes_needed <= config.sram_bytes
    with pytest.raises(MatmulError):
        plan(config, 1, 1, cube + 1, cube + 1, cube + 1)


def test_largest_cube_of_the_smallest_preset_computes() -> None:
    with pytest.raises(MatmulError) as caught:
        plan(TINY, 1, 1, 999, 999, 999)
    cube = int(str(caught.value).split("the largest cube that fits is ")[1].split()[0])
    assert cube >= 32
    check(TINY, 1, 1, cube, cube, cube)


def test_too_large_a_product_names_bytes_needed_and_there() -> None:
    with pytest.raises(MatmulError) as caught:
        plan(TINY, 1, 1, 64, 64, 64)
    text = str(caught.value)
    # A and B take 8 KiB each, C 16 KiB, beside code and tables.
    needed = int(text.split("needs ")[1].split()[0])
    assert needed > 32_768
    assert f"'tiny' has {TINY.sram_bytes}" in text


def test_more_lines_than_semaphores_count_are_refused() -> None:
    config = NodeConfig(line_bytes=16, sram_blocks=15, sram_ways=2, bank_lines=1 << 12)
    plan(config, 1, 2, 2 * 4095, 4, 64)
    plan(config, 1, 1, 2 * 4096, 2, 64)
    with pytest.raises(MatmulError, match="semaphores count to 65535 only"):
        plan(config, 1, 2, 2 * 4096, 4, 64)


def test_node_too_small_for_the_code_is_refused() -> None:
    config = TINY.replace(sram_blocks=1, sram_ways=1, bank_lines=16)
    with pytest.raises(MatmulError, match="not even 1 x 1 x 1 fits"):
        plan(config, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-4, 4, 4)])
def test_lengths_below_one_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(MatmulError, match="at least 1"):
        plan(TINY, 1, 1, *shape)


def test_empty_array_is_refused() -> None:
    with pytest.raises(MatmulError, match="rows = 0"):
        plan(TINY, 0, 1, 1, 1, 1)


def test_operands_of_shapes_that_do_not_fit_each_other_are_refused() -> None:
    a, _ = operands(4, 4, 8)
    _, b = operands(4, 4, 12)
    with pytest.raises(MatmulError, match="cannot be multiplied"):
        run_matmul(GoldenArray(TINY, 1, 1), a, b)


@pytest.mark.parametrize("kind", [FormatKind.SHP, FormatKind.UHP, FormatKind.FP32])
def test_format_that_the_matrix_unit_does_not_take_is_refused(kind: FormatKind) -> None:
    reason = f"b_format = {kind.name} is no operand of the matrix unit; allowed are BF16, CFP8_143, CFP8_152"
    with pytest.raises(MatmulError, match=reason):
        plan(TINY, 1, 1, 4, 4, 4, BF16, FormatDescriptor(kind, 3))


def test_codes_of_another_type_than_their_format_are_refused() -> None:
    a, b = operands(4, 4, 8)
    with pytest.raises(MatmulError, match="codes of B are uint16; those of CFP8_143 are uint8"):
        run_matmul(GoldenArray(TINY, 1, 1), a, b, b_format=CFP8[0])
    with pytest.raises(MatmulError, match="codes of A are uint8; those of BF16 are uint16"):
        run_matmul(GoldenArray(TINY, 1, 1), a.astype(np.uint8), b)


def test_largest_cube_of_8_bit_operands_is_larger() -> None:
    def largest(*formats: FormatDescriptor) -> int:
        with pytest.raises(MatmulError) as caught:
            plan(TINY, 1, 1, 999, 999, 999, *formats)
        return int(str(caught.value).split("the largest cube that fits is ")[1].split()[0])

    assert largest(BF16, BF16) < largest(BF16, CFP8[0]) < largest(CFP8[0], CFP8[1])


def test_node_that_fails_is_reported() -> None:
    class Broken(GoldenArray):
        """Its node (0, 0) starts in the middle of nowhere."""

        def write(self, x: int, y: int, offset: int, data: bytes) -> None:
            if (x, y, offset) == (0, 0, thread_offset(0, ThreadRegister.PC)):
                data = (64).to_bytes(8, "little")
            super().write(x, y, offset, data)

    a, b = operands(4, 4, 8)
    with pytest.raises(MatmulFailed, match="INSTRUCTION_ACCESS_FAULT") as caught:
        run_matmul(Broken(TINY, 1, 1), a, b)
    assert not caught.value.report.passed


def test_progress_is_told_about_every_stage() -> None:
    told: list[tuple[str, int, int]] = []
    a, b = operands(4, 4, 4)
    run_matmul(GoldenArray(TINY, 1, 2), a, b, progress=lambda *stage: told.append(stage))
    assert [stage for stage, done, total in told if done == total] == ["load", "run", "read"]
