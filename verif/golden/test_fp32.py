# SPDX-License-Identifier: Apache-2.0
"""binary32 operations and their flags against integers, SoftFloat, MPFR and NumPy; and a test of these tests."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import fp32
from golden.layout import Flag
from golden.tables import EXP2_CONSTANTS
from verif.golden import fp32_oracle, fp32_vectors, oracles
from verif.golden.fp32_model import ORACLES, by_integers, model
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


def mpfr(operation: str, operands: tuple[int, ...]) -> tuple[int, int]:
    """(code, flags) of MPFR, for operands that are no NaN; underflow and denormal flags are left out."""
    context = oracles.BINARY32.copy()
    context.clear_flags()
    numbers = [oracles.to_mpfr(operand) for operand in operands]
    compute: dict[str, Callable[..., Any]] = {
        "add": context.add,
        "sub": context.sub,
        "mul": context.mul,
        "madd": context.fma,
        "msub": context.fms,
        "rcp": lambda a: context.div(gmpy2.mpfr(1), a),
        "rsqrt": context.rec_sqrt,
    }
    result = oracles.from_mpfr(compute[operation](*numbers))
    flags = Flag.INEXACT * context.inexact | Flag.OVERFLOW * context.overflow
    flags |= Flag.DIVIDE_BY_ZERO * context.divzero | Flag.INVALID * context.invalid
    return result, int(flags)


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


@pytest.mark.parametrize("operation, compute", [("add", np.add), ("sub", np.subtract), ("mul", np.multiply)])
def test_results_are_those_of_numpys_float32(operation: str, compute: Callable[..., npt.NDArray[np.float32]]) -> None:
    operands = fp32_vectors.suite(operation, 2, 1_000_000, seed=4)
    with np.errstate(all="ignore"):
        values = compute(*(array.view(np.float32) for array in operands))
    expected = np.where(np.isnan(values), np.uint32(oracles.FP32_NAN), values.view(np.uint32))
    np.testing.assert_array_equal(model(operation, *operands)[0], expected)


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


def significands(fields: tuple[int, ...], step: int = 1) -> Codes:
    """All positive codes with these exponent fields, or every ``step``-th."""
    mantissas = np.arange(0, 1 << 23, step, dtype=np.uint32)
    return np.concatenate([mantissas | np.uint32(field << 23) for field in fields])


def test_reciprocal_roots_of_all_significands_are_correctly_rounded() -> None:
    """Two binades stand for all: others differ by a power of 4, and no result is denormal.

    A binary64 estimate with an error of at most 2 units decides wherever it is further than that from a number of 25 bits.
    MPFR decides the rest.
    """
    codes = significands((127, 128))
    seen, flags = fp32.reciprocal_root(codes)
    estimate = 1.0 / np.sqrt(codes.view(np.float32).astype(np.float64))
    fraction, _ = np.frexp(estimate)
    distance = np.abs(fraction * 2.0**25 - np.rint(fraction * 2.0**25)) * 2.0**28
    decided = distance > 8
    np.testing.assert_array_equal(seen[decided], estimate.astype(np.float32).view(np.uint32)[decided])
    assert (flags[decided] == Flag.INEXACT).all()
    rest = np.flatnonzero(~decided)
    assert len(rest) < 10
    for i in rest:
        assert (int(seen[i]), int(flags[i])) == mpfr("rsqrt", (int(codes[i]),))


def test_reciprocals_are_correctly_rounded_also_where_they_are_denormal_or_overflow() -> None:
    """By integers: for q units of the result, |x q - 1| is at most half a unit of x, with even q at ties."""
    for field in (0, 1, 127, 252, 253, 254):
        codes = significands((field,), step=37)[1:]
        seen, flags = fp32.reciprocal(codes)
        finite = seen < oracles.FP32_INFINITY
        significand = (codes & np.uint32(0x7F_FFFF)).astype(np.int64) + (0x80_0000 if field else 0)
        result = (seen & np.uint32(0x7F_FFFF)).astype(np.int64)
        result += np.where(seen >> np.uint32(23) > 0, 0x80_0000, 0)
        unit = np.maximum(seen >> np.uint32(23), 1).astype(np.int64) - 150 + max(field, 1) - 150
        # |significand * result * 2**unit - 1| <= significand * 2**unit / 2
        one = np.int64(1) << np.where(finite, -unit, 0)
        error = 2 * np.abs(significand * result - one)
        assert (error <= significand)[finite].all()
        assert (result % 2 == 0)[finite & (error == significand)].all()
        assert ((error != 0) == (flags & Flag.INEXACT != 0))[finite].all()
        # From 2**128 - 2**103 on, 1 / x is Inf.
        limit = [1 / oracles.fp32_value(int(x)) >= Fraction(2) ** 128 - Fraction(2) ** 103 for x in codes[::991]]
        assert (~finite)[::991].tolist() == limit


# ---------------------------------------------------------------------------------------------------------------------
# Powers of two
# ---------------------------------------------------------------------------------------------------------------------


def exp2_by_definition(operand: int, constants: tuple[int, ...] = EXP2_CONSTANTS) -> tuple[int, int]:
    """(code, flags) of 2 ** x as docs/arithmetic.md defines it, in fractions."""
    denormal = fp32_oracle.DENORMAL if 0 < operand & 0x7FFF_FFFF < 0x0080_0000 else 0
    if fp32_oracle.is_nan(operand):
        return fp32_oracle.NAN, 0 if operand & 0x0040_0000 else fp32_oracle.INVALID
    if fp32_oracle.is_infinite(operand):
        return (0 if operand >> 31 else fp32_oracle.INFINITY), 0
    x = min(max(oracles.fp32_value(operand), Fraction(-1000)), Fraction(1000))
    i = x.numerator // x.denominator
    rest = x - i
    r = rest.numerator * (1 << 32) // rest.denominator * 16
    y = 1 << 36
    for k, constant in enumerate(constants, 1):
        if r >= constant:
            r -= constant
            y += y >> k
    code, flags = fp32_oracle.round_number(y, i - 36)
    if rest:
        # The power is irrational; tininess is that of the defined number.
        flags |= fp32_oracle.INEXACT
        tiny = Fraction(y) * Fraction(2) ** (i - 36) < Fraction(2) ** -126 - Fraction(2) ** -151
        flags |= fp32_oracle.UNDERFLOW if tiny else 0
    return code, flags | denormal


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
    expected = [exp2_by_definition(operand) for operand in exponents().tolist()]
    wanted = np.array([row[0] for row in expected], np.uint32), np.array([row[1] for row in expected], np.uint8)
    assert_same("exp2", (exponents(),), fp32.exp2(exponents()), wanted)


@pytest.mark.parametrize("k", range(1, 33))
def test_power_vectors_notice_a_changed_bit_of_constant(k: int) -> None:
    codes, _ = fp32.exp2(exponents())
    wrong = [constant ^ 0x80 if i == k else constant for i, constant in enumerate(EXP2_CONSTANTS, 1)]
    rows = zip(exponents().tolist(), codes.tolist(), strict=True)
    assert any(exp2_by_definition(operand, tuple(wrong))[0] != seen for operand, seen in rows)


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
