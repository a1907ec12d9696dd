# SPDX-License-Identifier: Apache-2.0
"""binary32 operations and their flags against integers, SoftFloat, MPFR and NumPy; and a test of these tests."""

from __future__ import annotations

import functools

import gmpy2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import fp32
from golden.layout import Flag
from golden.tables import EXP2_CONSTANTS
from verif.golden import fp32_oracle, fp32_vectors, reciprocals
from verif.golden.fp32_model import ORACLES, by_integers, by_numpy, model
from verif.golden.mpfr_oracle import mpfr
from verif.golden.vectors import FP32_CORNERS

Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]

RANDOM_OPERANDS = 12_000
ARITY = fp32_oracle.OPERATIONS

code = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(FP32_CORNERS))


@functools.cache
def vectors(operation: str) -> tuple[Codes, ...]:
    """The suite's operands of an operation."""
    return fp32_vectors.suite(operation, ARITY[operation], RANDOM_OPERANDS)


@functools.cache
def right(operation: str) -> tuple[Codes, Flags]:
    """What integers say of them."""
    return by_integers(operation, *vectors(operation))


def assert_same(operation: str, operands: tuple[Codes, ...], seen: tuple[Codes, Flags], expected: tuple[Codes, Flags]) -> None:
    """Codes and flags are equal everywhere; the message shows the first operands where they are not."""
    wrong = np.flatnonzero((seen[0] != expected[0]) | (seen[1] != expected[1]))
    if len(wrong):
        i = wrong[0]
        shown = ", ".join(f"{int(array[i]):#010x}" for array in operands)
        got, want = (f"{int(codes[i]):#010x} {Flag(int(flags[i]))!r}" for codes, flags in (seen, expected))
        pytest.fail(f"{len(wrong)} of {len(seen[0])} differ; {operation}({shown}) gives {got}, not {want}")


@pytest.mark.parametrize("operation", ARITY)
def test_results_and_flags_are_those_of_exact_integers_rounded_once(operation: str) -> None:
    assert_same(operation, vectors(operation), model(operation, *vectors(operation)), right(operation))


@pytest.mark.parametrize(
    "oracle, operation", [(name, op) for name, (_, ops) in ORACLES.items() if name != "integers" for op in sorted(ops)]
)
def test_results_and_flags_are_those_of(oracle: str, operation: str) -> None:
    compute, _ = ORACLES[oracle]
    operands = fp32_vectors.suite(operation, ARITY[operation], 4 * RANDOM_OPERANDS, seed=2)
    assert_same(operation, operands, model(operation, *operands), compute(operation, *operands))


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "madd", "msub", "rcp", "rsqrt"])
def test_results_and_flags_are_those_of_mpfr(operation: str) -> None:
    operands = fp32_vectors.suite(operation, ARITY[operation], 6000, seed=3)
    chosen = np.all([~fp32.is_nan(array) for array in operands], axis=0)
    if operation == "rsqrt":
        # IEEE 754 and this project have -Inf for -0, MPFR has +Inf.
        chosen &= operands[0] != 0x8000_0000
    operands = tuple(array[chosen][-12_000:] for array in operands)
    codes, flags = model(operation, *operands)
    expected = [mpfr(operation, row) for row in zip(*(array.tolist() for array in operands), strict=True)]
    shared = flags & np.uint8(Flag.INEXACT | Flag.OVERFLOW | Flag.DIVIDE_BY_ZERO | Flag.INVALID)
    wanted = np.array([row[0] for row in expected], np.uint32), np.array([row[1] for row in expected], np.uint8)
    assert_same(operation, operands, (codes, shared), wanted)


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "rcp"])
def test_results_are_those_of_numpys_float32(operation: str) -> None:
    operands = fp32_vectors.suite(operation, ARITY[operation], 1_000_000, seed=4)
    np.testing.assert_array_equal(model(operation, *operands)[0], by_numpy(operation, *operands))


@given(st.sampled_from([name for name, arity in ARITY.items() if arity == 3]), code, code, code)
def test_multiply_add_of_any_codes_follows_the_integers(operation: str, a: int, b: int, c: int) -> None:
    codes, flags = model(operation, *(np.array([x], np.uint32) for x in (a, b, c)))
    assert (int(codes[0]), int(flags[0])) == fp32_oracle.compute(operation, (a, b, c))


@given(st.sampled_from([name for name, arity in ARITY.items() if arity == 2]), code, code)
def test_operation_on_any_two_codes_follows_the_integers(operation: str, a: int, b: int) -> None:
    codes, flags = model(operation, *(np.array([x], np.uint32) for x in (a, b)))
    assert (int(codes[0]), int(flags[0])) == fp32_oracle.compute(operation, (a, b))


@given(st.sampled_from([name for name, arity in ARITY.items() if arity == 1]), code)
def test_operation_on_any_code_follows_the_integers(operation: str, a: int) -> None:
    codes, flags = model(operation, np.array([a], np.uint32))
    assert (int(codes[0]), int(flags[0])) == fp32_oracle.compute(operation, (a,))


@pytest.mark.parametrize("name", fp32_oracle.WRONG)
def test_vectors_notice(name: str) -> None:
    operation, variant = fp32_oracle.WRONG[name]
    codes, flags = right(operation)
    rows = zip(*(array.tolist() for array in vectors(operation)), strict=True)
    results = zip(codes.tolist(), flags.tolist(), strict=True)
    assert any(fp32_oracle.compute(operation, row, variant) != result for row, result in zip(rows, results, strict=True))


def test_operands_broadcast_and_keep_their_shape() -> None:
    a = np.array(FP32_CORNERS, np.uint32)
    codes, flags = fp32.fma(a[:, None, None], a[None, :, None], a[None, None, :])
    assert codes.shape == flags.shape == (len(a),) * 3
    some = (3, 5, 11)
    assert (int(codes[some]), int(flags[some])) == fp32_oracle.compute("madd", tuple(int(a[i]) for i in some))


# ---------------------------------------------------------------------------------------------------------------------
# Reciprocals: all significands
# ---------------------------------------------------------------------------------------------------------------------


def test_reciprocal_roots_of_all_significands_are_correctly_rounded() -> None:
    for field in (127, 128):
        codes = reciprocals.significands(field)
        assert not reciprocals.wrong_roots(codes, *fp32.reciprocal_root(codes)).any()


@pytest.mark.parametrize("field", reciprocals.FIELDS)
def test_reciprocals_of_all_significands_are_correctly_rounded_also_where_they_are_denormal_or_overflow(field: int) -> None:
    for codes in np.array_split(reciprocals.significands(field), 16):
        assert not reciprocals.wrong_reciprocals(codes, *fp32.reciprocal(codes)).any()


def test_checks_of_reciprocals_notice_a_neighbour_and_a_missing_flag() -> None:
    for check, compute in (
        (reciprocals.wrong_reciprocals, fp32.reciprocal),
        (reciprocals.wrong_roots, fp32.reciprocal_root),
    ):
        codes = reciprocals.significands(127, step=1001)[1:]
        seen, flags = compute(codes)
        assert check(codes, seen + np.uint32(1), flags).all()
        assert check(codes, seen - np.uint32(1), flags).all()
        assert check(codes, seen, flags & ~np.uint8(Flag.INEXACT)).all()


# ---------------------------------------------------------------------------------------------------------------------
# Powers of two
# ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def exponents() -> Codes:
    """Corners, and numbers of every size that 2 ** x distinguishes, both signs, integers among them."""
    rng = np.random.default_rng(5)
    count = 20_000
    spread = np.ldexp(rng.uniform(1, 2, count), rng.integers(-30, 8, count))
    edges = rng.choice((-151, -150, -149, -127, -126, -1, 0, 127, 128), count) + np.ldexp(
        rng.uniform(-1, 1, count), rng.integers(-20, 1, count)
    )
    integers = np.arange(-160, 140)
    values = np.concatenate([spread, -spread, edges, integers]).astype(np.float32)
    return np.concatenate([np.array(FP32_CORNERS, np.uint32), values.view(np.uint32)])


def test_powers_of_two_are_those_of_the_definition() -> None:
    assert_same("exp2", (exponents(),), model("exp2", exponents()), by_integers("exp2", exponents()))


@pytest.mark.parametrize("k", range(1, 33))
def test_power_vectors_notice_a_changed_bit_of_constant(k: int) -> None:
    codes, _ = fp32.exp2(exponents())
    wrong = [constant ^ 0x80 if i == k else constant for i, constant in enumerate(EXP2_CONSTANTS, 1)]
    rows = zip(exponents().tolist(), codes.tolist(), strict=True)
    assert any(fp32_oracle.exp2(operand, tuple(wrong))[0] != seen for operand, seen in rows)


def test_constants_are_mpfrs_logarithms() -> None:
    with gmpy2.context(precision=200):
        logarithms = [gmpy2.log2(1 + gmpy2.mpfr(2) ** -k) for k in range(1, 33)]
        assert list(EXP2_CONSTANTS) == [int(gmpy2.rint(logarithm * 2**36)) for logarithm in logarithms]


def test_powers_of_two_are_within_the_bound_of_mpfrs() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.uniform(-148, 128, 60_000), np.ldexp(rng.uniform(-2, 2, 60_000), rng.integers(-24, 1, 60_000))])
    codes = x.astype(np.float32).view(np.uint32)
    seen, _ = fp32.exp2(codes)
    worst = 0.0
    with gmpy2.context(precision=80):
        for operand, result in zip(codes.view(np.float32).tolist(), seen.view(np.float32).tolist(), strict=True):
            exact = gmpy2.exp2(operand)
            unit = gmpy2.exp2(max(gmpy2.floor(gmpy2.log2(exact)), -126) - 23)
            worst = max(worst, float(abs(result - exact) / unit))
    assert 0.5 < worst <= 0.52


def test_exact_powers_set_no_flag_and_others_are_inexact() -> None:
    values = np.array([-149, -126, -1, 0, 1, 127, 0.5, -150, 128, 2.0**-140], np.float32)
    _, flags = fp32.exp2(values.view(np.uint32))
    inexact, underflow, overflow = int(Flag.INEXACT), int(Flag.UNDERFLOW), int(Flag.OVERFLOW)
    assert flags.tolist() == [0] * 6 + [
        inexact, inexact | underflow, inexact | overflow, inexact | int(Flag.DENORMAL)
    ]  # fmt: skip
