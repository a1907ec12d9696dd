# SPDX-License-Identifier: Apache-2.0
"""The matrix step and matrix products against the definition in whole numbers and against MPFR; and a test of these tests."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import matrix
from golden.formats import BF16, Format, encode, format_of, shp
from golden.layout import FormatDescriptor, FormatKind
from verif.golden import oracles, vectors

Codes = npt.NDArray[np.unsignedinteger[Any]]

bf16_code = st.one_of(st.integers(0, 0xFFFF), st.sampled_from(vectors.BF16_CORNERS))
four = st.lists(bf16_code, min_size=4, max_size=4)


def oracle_sums(a: Codes, b: Codes, variant: oracles.Variant = oracles.RIGHT) -> Codes:
    """S of rows a (n, 4) and columns b (n, 4)."""
    return np.array([oracles.matrix_sum(x, y, variant) for x, y in zip(a.tolist(), b.tolist(), strict=True)], np.uint32)


@functools.cache
def steps() -> tuple[Codes, Codes, Codes]:
    """Test vectors and their right sums."""
    a, b = vectors.all_steps(8000)
    return a, b, oracle_sums(a, b)


def model_sums(a: Codes, b: Codes, a_format: Format = BF16, b_format: Format = BF16) -> Codes:
    """S of rows a (n, 4) and columns b (n, 4), each pair as a batch of its own shape (1, 1)."""
    return matrix.step_sums(a[:, None, :], b[:, :, None], a_format, b_format)[:, 0, 0]


def model_format(fmt: oracles.OperandFormat) -> Format:
    """The model's format of that name, by its descriptor."""
    kind = {8: FormatKind.BF16, 4: FormatKind.CFP8_143, 5: FormatKind.CFP8_152}[fmt.exponent_bits]
    return format_of(FormatDescriptor(kind, fmt.bias_field))


def format_sums(part: vectors.FormatSteps, variant: oracles.Variant = oracles.RIGHT) -> Iterator[int]:
    """S of steps with named formats, one after the other."""
    for a, b in zip(part.a.tolist(), part.b.tolist(), strict=True):
        yield oracles.matrix_sum(a, b, variant, part.a_format, part.b_format)


@functools.cache
def format_steps() -> list[tuple[vectors.FormatSteps, Codes]]:
    """Test vectors of all pairs of formats and their right sums."""
    return [(part, np.fromiter(format_sums(part), np.uint32)) for part in vectors.format_steps(120)]


def operand(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> Codes:
    """BF16 matrices that take the model's different ways."""
    if kind == "any code":
        return rng.integers(0, 1 << 16, shape, dtype=np.uint16)
    values = {
        "small integers": lambda: rng.integers(-8, 9, shape),
        "normal": lambda: rng.standard_normal(shape),
        "wide": lambda: rng.standard_normal(shape) * 2.0 ** rng.integers(-8, 9, shape),
        "huge range": lambda: rng.standard_normal(shape) * 2.0 ** rng.integers(-60, 61, shape),
        "tiny": lambda: rng.standard_normal(shape) * 2.0 ** rng.integers(-90, -60, shape),
        "sparse": lambda: np.maximum(rng.standard_normal(shape), 0) * (rng.random(shape) < 0.3),
        "cancelling": lambda: rng.choice((1.0, -1.0, 1.0078125, 2.0**-10, 2.0**-17), shape),
        "few specials": lambda: np.where(rng.random(shape) < 0.01, np.inf, rng.standard_normal(shape)),
    }[kind]()
    codes = encode(values.astype(np.float32), BF16)
    return codes.astype(np.uint16)


KINDS = ("small integers", "normal", "wide", "huge range", "tiny", "sparse", "cancelling", "few specials", "any code")


def test_step_sums_follow_the_definition_element_by_element() -> None:
    a, b, expected = steps()
    for start in range(0, len(a), 7):
        # Small batches, so that each takes the way that its own operands allow.
        part = slice(start, start + 7)
        np.testing.assert_array_equal(model_sums(a[part], b[part]), expected[part])


def test_step_sums_of_all_formats_follow_the_definition() -> None:
    for part, expected in format_steps():
        formats = model_format(part.a_format), model_format(part.b_format)
        np.testing.assert_array_equal(model_sums(part.a, part.b, *formats), expected)
        for start in range(0, len(expected), 5):
            few = slice(start, start + 5)
            np.testing.assert_array_equal(model_sums(part.a[few], part.b[few], *formats), expected[few])


def test_products_of_1_4_3_are_never_cut() -> None:
    for part, expected in format_steps():
        if part.a_format.exponent_bits == part.b_format.exponent_bits == 4:
            assert list(format_sums(part, oracles.WRONG["exact sum"])) == expected.tolist()


def test_directed_step_sums_follow_the_definition_one_at_a_time() -> None:
    a, b = vectors.directed_steps()
    seen = [int(model_sums(a[i : i + 1], b[i : i + 1])[0]) for i in range(len(a))]
    assert seen == oracle_sums(a, b).tolist()


def test_vanishing_sums_keep_their_sign_in_a_batch_with_large_ones() -> None:
    one, zero = 0x3F80, 0
    for exponent in range(-132, -100):
        for distance in range(20, 40):
            big, small = vectors.bf16(2.0 ** (exponent // 2)), vectors.bf16(2.0 ** ((exponent - distance) // 2))
            for sign in (0, 0x8000):
                a = np.array([[one, zero, zero, zero], [big, big ^ 0x8000, small ^ sign, zero]], np.uint16)
                b = np.array([[one, zero, zero, zero], [big, big, small, zero]], np.uint16)
                np.testing.assert_array_equal(model_sums(a, b), oracle_sums(a, b))


def test_step_sums_follow_the_definition_in_one_batch() -> None:
    a, b, expected = steps()
    np.testing.assert_array_equal(model_sums(a, b), expected)


@given(four, four)
def test_step_sum_of_any_codes_follows_the_definition(a: list[int], b: list[int]) -> None:
    seen = matrix.step_sums(np.array([a], np.uint16), np.array([b], np.uint16).T)
    assert int(seen[0, 0]) == oracles.matrix_sum(a, b)


@given(st.lists(st.tuples(st.integers(-60, 60), bf16_code, bf16_code), min_size=4, max_size=4))
def test_without_truncation_the_sum_is_mpfrs_rounded_dot_product(terms: list[tuple[int, int, int]]) -> None:
    # Operands' exponents add up to one of 0 to 6, which keeps every product within the window.
    a = [code & 0x807F | 127 + exponent << 7 for exponent, code, _ in terms]
    b = [code & 0x807F | 127 - exponent + (code >> 8) % 7 << 7 for exponent, _, code in terms]
    expected = oracles.mpfr_dot(a, b)
    assert oracles.matrix_sum(a, b) == expected
    assert int(matrix.step_sums(np.array([a], np.uint16), np.array([b], np.uint16).T)[0, 0]) == expected


@pytest.mark.parametrize("name", oracles.WRONG)
def test_vectors_tell_the_definition_from(name: str) -> None:
    wrong = oracles.WRONG[name]
    vectors_and_sums = zip(*(array.tolist() for array in steps()), strict=True)
    assert any(oracles.matrix_sum(a, b, wrong) != right for a, b, right in vectors_and_sums)


@pytest.mark.parametrize("name", oracles.WRONG | oracles.WRONG_FORMATS)
def test_vectors_of_all_formats_tell_the_definition_from(name: str) -> None:
    wrong = (oracles.WRONG | oracles.WRONG_FORMATS)[name]
    assert any(seen != right for part, sums in format_steps() for seen, right in zip(format_sums(part, wrong), sums, strict=True))


def test_vectors_of_every_mixed_pair_tell_the_biases_from_swapped_ones() -> None:
    swapped = oracles.WRONG_FORMATS["swapped bias sides"]
    for part, sums in format_steps():
        if part.a_format.is_bf16 != part.b_format.is_bf16 and part.a_format.bias_field != part.b_format.bias_field:
            assert list(format_sums(part, swapped)) != sums.tolist()


def test_a_model_with_another_window_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, right = steps()
    monkeypatch.setattr(matrix, "WINDOW_BITS", 33)
    assert (model_sums(a, b) != right).any()


@pytest.mark.parametrize("kind", KINDS)
def test_tile_batches_equal_their_elements(kind: str) -> None:
    rng = np.random.default_rng(4)
    a = operand(rng, kind, (5 * 8, 4)).reshape(5, 8, 4)
    b = operand(rng, kind, (5 * 4, 8)).reshape(5, 4, 8)
    expected = [
        [[oracles.matrix_sum(row, column) for column in y.T.tolist()] for row in x.tolist()] for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_array_equal(matrix.step_sums(a, b), np.array(expected, np.uint32))


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_the_sums_of_a_large_batch_gives_the_defined_bits(kind: str) -> None:
    rng = np.random.default_rng(5)
    a, b = operand(rng, kind, (256, 4)), operand(rng, kind, (4, 192))
    rows = np.broadcast_to(a[:, None, :], (256, 192, 4)).reshape(-1, 4)
    columns = np.broadcast_to(b.T[None, :, :], (256, 192, 4)).reshape(-1, 4)
    some = rng.choice(len(rows), 1500, replace=False)
    sums = matrix.step_sums(a, b)
    np.testing.assert_array_equal(sums.ravel()[some], oracle_sums(rows[some], columns[some]))
    # All elements, against batches of a single element each, which the tests above hold to the definition.
    np.testing.assert_array_equal(sums.ravel(), model_sums(rows, columns))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("m", "k", "n"), [(3, 1, 5), (8, 64, 8), (5, 31, 9), (1, 130, 1)])
def test_products_of_any_shape_are_chains_of_steps(kind: str, m: int, k: int, n: int) -> None:
    rng = np.random.default_rng(m * k * n)
    a, b = operand(rng, kind, (m, k)), operand(rng, kind, (k, n))
    padding = [0] * (-k % 4)
    expected = [[oracles.dot_chain(0, row + padding, column + padding) for column in b.T.tolist()] for row in a.tolist()]
    np.testing.assert_array_equal(matrix.matmul(a, b), np.array(expected, np.uint32))


@pytest.mark.parametrize("kind", KINDS)
def test_large_products_equal_steps_added_one_after_the_other(kind: str) -> None:
    rng = np.random.default_rng(6)
    a, b = operand(rng, kind, (150, 72)), operand(rng, kind, (72, 300))
    expected = np.zeros((150, 300), np.uint32)
    for k in range(0, 72, 4):
        expected = matrix.matrix_step(expected, a[:, k : k + 4], b[k : k + 4])
    np.testing.assert_array_equal(matrix.matmul(a, b), expected)


FORMATS = (
    oracles.bf16(), oracles.cfp8_143(7), oracles.cfp8_143(63), oracles.cfp8_152(0), oracles.cfp8_152(15), oracles.cfp8_152(60),
)  # fmt: skip


def codes_of(rng: np.random.Generator, fmt: oracles.OperandFormat, kind: str, shape: tuple[int, int]) -> Codes:
    """Any CFP8 codes, or normally distributed numbers."""
    if kind == "any code":
        return rng.integers(0, 1 << fmt.bits, shape, dtype=model_format(fmt).dtype)
    scale = 1 if fmt.is_bf16 else 2.0 ** ((1 << fmt.exponent_bits - 1) - fmt.bias_field)
    return encode((scale * rng.standard_normal(shape)).astype(np.float32), model_format(fmt))


@pytest.mark.parametrize("kind", ["normal", "any code"])
@pytest.mark.parametrize("a_format", FORMATS, ids=str)
def test_products_of_any_formats_are_chains_of_steps(a_format: oracles.OperandFormat, kind: str) -> None:
    rng = np.random.default_rng(8)
    for b_format in FORMATS:
        a, b = codes_of(rng, a_format, kind, (3, 21)), codes_of(rng, b_format, kind, (21, 4))
        expected = [
            [oracles.dot_chain(0, [*row, 0, 0, 0], [*column, 0, 0, 0], a_format, b_format) for column in b.T.tolist()]
            for row in a.tolist()
        ]
        product = matrix.matmul(a, b, model_format(a_format), model_format(b_format))
        np.testing.assert_array_equal(product, np.array(expected, np.uint32))


@pytest.mark.parametrize("kind", ["normal", "any code"])
@pytest.mark.parametrize("a_format", FORMATS, ids=str)
def test_large_products_of_any_formats_equal_their_elements(a_format: oracles.OperandFormat, kind: str) -> None:
    rng = np.random.default_rng(9)
    for b_format in FORMATS:
        formats = model_format(a_format), model_format(b_format)
        a, b = codes_of(rng, a_format, kind, (150, 16)), codes_of(rng, b_format, kind, (16, 270))
        expected = np.zeros(150 * 270, np.uint32)
        for k in range(0, 16, 4):
            rows = np.broadcast_to(a[:, None, k : k + 4], (150, 270, 4)).reshape(-1, 4)
            columns = np.broadcast_to(b.T[None, :, k : k + 4], (150, 270, 4)).reshape(-1, 4)
            expected = matrix.accumulate(expected, model_sums(rows, columns, *formats)[None])
        np.testing.assert_array_equal(matrix.matmul(a, b, *formats).ravel(), expected)


def test_order_of_k_matters_and_is_ascending() -> None:
    one, small = 0x3F80, 0x3200
    # A step's sum of 2**-25 vanishes beside 1, but three of them before it do not.
    a = np.array([[one, 0, 0, 0] + [small] * 12], np.uint16)
    b = np.full((16, 1), one, np.uint16)
    assert int(matrix.matmul(a, b)[0, 0]) == oracles.dot_chain(0, a[0].tolist(), b[:, 0].tolist())
    assert int(matrix.matmul(a, b)[0, 0]) != int(matrix.matmul(a[:, ::-1], b)[0, 0])


def test_accumulators_add_sums_in_order() -> None:
    a, b = vectors.addend_pairs(np.random.default_rng(7), 3000)
    sums = np.stack([b, a[::-1], b[::-1]])
    before = a.copy()
    expected = [oracles.accumulate(acc, terms) for acc, terms in zip(a.tolist(), sums.T.tolist(), strict=True)]
    np.testing.assert_array_equal(matrix.accumulate(a, sums), np.array(expected, np.uint32))
    np.testing.assert_array_equal(a, before)


@settings(max_examples=50)
@given(st.lists(four, min_size=1, max_size=6), st.data())
def test_steps_from_any_accumulator_follow_the_oracle(rows: list[list[int]], data: st.DataObject) -> None:
    columns = data.draw(st.lists(four, min_size=len(rows), max_size=len(rows)))
    start = data.draw(st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(vectors.FP32_CORNERS)))
    acc = np.array([[start]], np.uint32)
    for row, column in zip(rows, columns, strict=True):
        acc = matrix.matrix_step(acc, np.array([row], np.uint16), np.array([column], np.uint16).T)
    sums = [oracles.matrix_sum(row, column) for row, column in zip(rows, columns, strict=True)]
    assert int(acc[0, 0]) == oracles.accumulate(start, sums)


def test_a_vanishing_sum_keeps_its_sign_and_an_exact_zero_has_none() -> None:
    minus_zero = np.array([[0x8000_0000]], np.uint32)
    a = np.array([[vectors.bf16(-(2.0**-100)), 0, 0, 0]], np.uint16)
    vanishing = np.array([[vectors.bf16(2.0**-60), 0, 0, 0]], np.uint16).T
    assert int(matrix.matrix_step(minus_zero, a, vanishing)[0, 0]) == 0x8000_0000
    assert int(matrix.matrix_step(minus_zero, a, np.zeros((4, 1), np.uint16))[0, 0]) == 0


def test_an_accumulator_after_nan_stays_canonical_nan() -> None:
    nan = np.array([[0xFFFF_FFFF]], np.uint32)
    one = np.full((1, 4), 0x3F80, np.uint16)
    assert int(matrix.matrix_step(nan, one, one.T)[0, 0]) == oracles.FP32_NAN
    assert int(matrix.accumulate(nan, np.zeros((0, 1, 1), np.uint32))[0, 0]) == oracles.FP32_NAN
    assert int(matrix.accumulate(nan, nan[None])[0, 0]) == oracles.FP32_NAN


@pytest.mark.parametrize("shape", [(0, 4, 3), (3, 0, 2), (2, 5, 0)])
def test_empty_products_are_zeros(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    product = matrix.matmul(np.zeros((m, k), np.uint16), np.zeros((k, n), np.uint16))
    assert product.shape == (m, n)
    assert product.dtype == np.uint32
    assert not product.any()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4, 2\)"):
        matrix.matmul(np.zeros((2, 3), np.uint16), np.zeros((4, 2), np.uint16))
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(4, 2\)"):
        matrix.step_sums(np.zeros((2, 3), np.uint16), np.zeros((4, 2), np.uint16))
    with pytest.raises(ValueError, match="a step takes"):
        matrix.step_sums(np.zeros((2, 8, 4), np.uint16), np.zeros((3, 4, 8), np.uint16))
    with pytest.raises(ValueError, match=r"\(3, 8\).*\(8, 8\)"):
        matrix.accumulate(np.zeros((8, 8), np.uint32), np.zeros((3, 8), np.uint32))


def test_codes_of_another_format_are_refused() -> None:
    narrow, wide = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint16)
    with pytest.raises(TypeError, match="codes of bf16 are uint16, not uint8"):
        matrix.matmul(wide, narrow)
    with pytest.raises(TypeError, match="uint8, not uint16"):
        matrix.step_sums(wide, narrow, model_format(oracles.cfp8_143(7)), model_format(oracles.cfp8_152(7)))
    with pytest.raises(TypeError, match="fmt must be a Format, not str"):
        matrix.matmul(wide, wide, "bf16")  # type: ignore[arg-type]
    np.testing.assert_array_equal(matrix.matmul(wide.astype(">u2"), wide), np.zeros((4, 4), np.uint32))
    with pytest.raises(ValueError, match="no operands of format shp"):
        matrix.matmul(wide, wide, shp(15), BF16)
