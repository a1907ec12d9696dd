# SPDX-License-Identifier: Apache-2.0
"""The matrix unit: four products, one rounding, one binary32 addition; and whole matrix products, K in ascending steps of four.

Operands are BF16 or CFP8 codes, with a format per side.

The sum S of a step is defined by `_windowed`: products p of non-zero operands have exponents E (the sum of the operands' own),
Emax is the largest E or -126, and what lies below 2**(Emax - 34) of a product is cut off before the exact sum is rounded to
binary32. A sum of zero is +0; a sum that only rounds to zero keeps its sign, as IEEE 754 has it.

FP64 holds all of this exactly: products have 16 bits, windowed sums 39, and exponents stay within -266 to 256. The same cut is
too expensive for every element of a large product, so `_sums` takes S from FP64 matrix products (BLAS) wherever it can show
that they give the same bits:

- If no product of a batch has a bit below any window, S is the rounded exact sum, which FP64 finds in any order of addition.
  Products of two 1-4-3 operands never have one, whatever the biases.
- Else the windowed sum lies within X +- d of the FP64 sum X, and where both ends round to the same binary32 number, that is S.
  The others, mostly ties and cancellations, go through `_windowed`: 1 % of normally distributed numbers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import MATRIX_K
from golden.formats import BF16, FP32, Codes, Format, Fp32Codes, checked_codes, decode

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

#: Bits of the window below 2**Emax: F of the architecture.
WINDOW_BITS = 34

#: Explicit significand bits of an operand, at most.
_OPERAND_MANTISSA_BITS = 7

#: The window never lies lower than that of binary32's smallest normal exponent.
MINIMUM_EXPONENT = -126

#: Exponents that never decide a maximum or minimum (zero operands), or always decide the minimum (Inf, NaN).
_NEUTRAL = 1000
_NEVER_EXACT = -10_000

#: Bound of |windowed sum - FP64 sum| relative to the sum of 2**E and 2**-126: four cuts of less than 2**(Emax - 34), and
#: 2**-44 for the rounding errors of nine FP64 additions, which are below 9 * 2**-53 * 4.
_SLACK = 2.0 ** (2 - WINDOW_BITS) + 2.0**-44

#: Elements of a batch of sums in `matmul`: its FP64 arrays should stay in a core's cache.
_BATCH_ELEMENTS = 1 << 15


def _codes(values: Float32) -> Fp32Codes:
    """Codes of float32 values, with every NaN canonical. Always a new array."""
    return np.where(np.isnan(values), np.uint32(FP32.canonical_nan), values.view(np.uint32))


@dataclass(frozen=True)
class _Table:
    """Per code: its value (NaN for Inf as well, in ``guarded``), 2**e, e, and the exponent of its lowest set bit."""

    values: Float64
    guarded: Float64
    powers: Float64
    high: Int16
    low: Int16


@functools.cache
def _table(fmt: Format) -> _Table:
    values = decode(np.arange(1 << fmt.bits, dtype=fmt.dtype), fmt).astype(np.float64)
    special = ~np.isfinite(values)
    number = ~special & (values != 0)
    fraction, exponent = np.frexp(np.where(number, values, 1.0))
    significand = np.abs(fraction * 256).astype(np.int64)
    trailing_zeros = np.log2(significand & -significand).astype(np.int64)
    return _Table(
        values=values,
        guarded=np.where(special, np.nan, values),
        powers=np.where(number, np.ldexp(1.0, exponent - 1), 0.0),
        high=np.where(number, exponent - 1, -_NEUTRAL).astype(np.int16),
        low=np.where(special, _NEVER_EXACT, np.where(number, exponent - 8 + trailing_zeros, _NEUTRAL)).astype(np.int16),
    )


def _nothing_cut(lowest: int, highest: int) -> bool:
    """Whether no window ends above the lowest bit of any product, if no product's exponent is above the highest."""
    return lowest >= max(MINIMUM_EXPONENT, highest) - WINDOW_BITS


class _Multiplier:
    """Sums S of steps whose operands have these formats."""

    def __init__(self, a_format: Format, b_format: Format):
        self._a = _table(a_format)
        self._b = _table(b_format)
        #: No codes of these formats have products that a window cuts.
        self._always_exact = _nothing_cut(
            int(self._a.low.min()) + int(self._b.low.min()), int(self._a.high.max()) + int(self._b.high.max())
        )

    def sums(self, a: Codes, b: Codes) -> Float32:
        """S of a batch of steps: a (B, M, 4), b (B, 4, N) -> (B, M, N); NaN is not canonical."""
        if self._always_exact:
            return self._exact(a, b)
        lowest = int(self._a.low.take(a).min()) + int(self._b.low.take(b).min())
        highest = int(self._a.high.take(a).max()) + int(self._b.high.take(b).max())
        if _nothing_cut(lowest, highest):
            return self._exact(a, b)

        # Nine products: the four, 2**E of the four times the slack, and 2**-126 times the slack.
        batch, rows, columns = *a.shape[:2], b.shape[2]
        left = np.empty((batch, rows, 2 * MATRIX_K + 1))
        left[..., :MATRIX_K] = self._a.guarded.take(a)
        left[..., MATRIX_K:-1] = self._a.powers.take(a) * _SLACK
        left[..., -1] = 2.0**MINIMUM_EXPONENT * _SLACK
        right = np.empty((batch, 2 * MATRIX_K + 1, columns))
        right[:, :MATRIX_K] = self._b.guarded.take(b)
        right[:, MATRIX_K:-1] = self._b.powers.take(b)
        right[:, -1] = 1.0
        sums = (left @ right).astype(np.float32)
        left[..., MATRIX_K:] *= -1.0
        # Also true for Inf and NaN operands, which make both ends NaN.
        open_ends = sums != (left @ right).astype(np.float32)
        if lowest < -149:
            # Only here can a sum round to zero, and its sign is not known.
            open_ends |= sums == 0.0
        where = np.flatnonzero(open_ends)
        if where.size:
            row, column = np.divmod(where, columns)
            a_elements = a.transpose(2, 0, 1).reshape(MATRIX_K, -1).take(row, axis=1)
            b_elements = b.transpose(1, 0, 2).reshape(MATRIX_K, -1).take(row // rows * columns + column, axis=1)
            sums.put(where, self._windowed(a_elements, b_elements))
        return sums

    def _exact(self, a: Codes, b: Codes) -> Float32:
        """S where nothing is cut."""
        exact = self._a.values.take(a) @ self._b.values.take(b)
        # The sum of negative zeros is -0, and adding +0 makes it +0.
        return np.add(exact, 0.0, out=np.empty(exact.shape, np.float32), casting="same_kind")

    def _windowed(self, a: Codes, b: Codes) -> Float32:
        """S by definition, of any number of elements: a (4, n), b (4, n) -> (n); NaN is not canonical."""
        window = np.maximum((self._a.powers.take(a) * self._b.powers.take(b)).max(axis=0), 2.0**MINIMUM_EXPONENT)
        scale = 2.0**WINDOW_BITS / window
        total = np.trunc(self._a.values.take(a) * self._b.values.take(b) * scale).sum(axis=0)
        # As in `_exact`.
        return ((total + 0.0) / scale).astype(np.float32)


@functools.cache
def _multiplier(a_format: Format, b_format: Format) -> _Multiplier:
    return _Multiplier(a_format, b_format)


def _operand(codes: npt.ArrayLike, fmt: Format) -> Codes:
    """Codes of an operand, checked."""
    array = checked_codes(codes, fmt)
    if fmt.mantissa_bits > _OPERAND_MANTISSA_BITS:
        raise ValueError(f"the matrix unit takes no operands of format {fmt.name}")
    return array


def step_sums(a: npt.ArrayLike, b: npt.ArrayLike, a_format: Format = BF16, b_format: Format = BF16) -> Fp32Codes:
    """Sums S of matrix steps, before they are added to an accumulator.

    Parameters
    ----------
    a : array (..., M, 4) of ``a_format.dtype``
        Codes.
    b : array (..., 4, N) of ``b_format.dtype``
        Codes; leading dimensions equal to those of ``a``.
    a_format, b_format : Format
        BF16 or a CFP8 format.

    Returns
    -------
    uint32 array (..., M, N), binary32 codes

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or the matrix unit does not take such a format.
    TypeError
        If codes are of another type than their format's, or a format is none.
    """
    a, b = _operand(a, a_format), _operand(b, b_format)
    if a.ndim < 2 or b.ndim < 2 or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != MATRIX_K or b.shape[-2] != MATRIX_K:
        raise ValueError(f"a step takes (..., M, {MATRIX_K}) and (..., {MATRIX_K}, N), not {a.shape} and {b.shape}")
    shape = (*a.shape[:-1], b.shape[-1])
    if 0 in shape:
        return np.zeros(shape, np.uint32)
    with np.errstate(all="ignore"):
        sums = _multiplier(a_format, b_format).sums(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]))
    return _codes(sums).reshape(shape)


def accumulate(acc: Fp32Codes, sums: Fp32Codes) -> Fp32Codes:
    """``acc + sums[0] + sums[1] + ...``, each addition rounded to binary32, in this order.

    Parameters
    ----------
    acc : uint32 array (...)
    sums : uint32 array (steps, ...)

    Returns
    -------
    uint32 array (...), NaN canonical; ``acc`` itself is not changed

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    """
    acc, sums = np.asarray(acc, np.uint32), np.asarray(sums, np.uint32)
    if sums.shape[1:] != acc.shape or sums.ndim == 0:
        raise ValueError(f"sums of shape {sums.shape} cannot be added to an accumulator of shape {acc.shape}")
    total = acc.copy().view(np.float32)
    with np.errstate(all="ignore"):
        for term in sums.view(np.float32):
            total += term
    return _codes(total)


def matrix_step(
    acc: Fp32Codes, a: npt.ArrayLike, b: npt.ArrayLike, a_format: Format = BF16, b_format: Format = BF16
) -> Fp32Codes:
    """One step of the matrix unit, ``acc + S(a, b)``: acc uint32 (..., M, N), operands as `step_sums` takes them."""
    return accumulate(acc, step_sums(a, b, a_format, b_format)[None])


def matmul(a: npt.ArrayLike, b: npt.ArrayLike, a_format: Format = BF16, b_format: Format = BF16) -> Fp32Codes:
    """The matrix product as the matrix unit computes it: accumulators start at +0, K ascends in steps of four.

    Parameters
    ----------
    a : array (M, K) of ``a_format.dtype``
        Codes.
    b : array (K, N) of ``b_format.dtype``
        Codes; if K is no multiple of four, +0 is appended.
    a_format, b_format : Format
        BF16 or a CFP8 format.

    Returns
    -------
    uint32 array (M, N), binary32 codes

    Raises
    ------
    ValueError
        If the arrays are not two-dimensional or disagree on K, or the matrix unit does not take such a format.
    TypeError
        If codes are of another type than their format's, or a format is none.
    """
    a, b = _operand(a, a_format), _operand(b, b_format)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a matrix product takes (M, K) and (K, N), not {a.shape} and {b.shape}")
    (m, k), n = a.shape, b.shape[1]
    total = np.zeros((m, n), np.float32)
    if 0 in (m, k, n):
        return total.view(np.uint32)
    multiplier = _multiplier(a_format, b_format)
    steps = -(-k // MATRIX_K)
    padding = steps * MATRIX_K - k
    a_steps = np.pad(a, ((0, 0), (0, padding))).reshape(m, steps, MATRIX_K).swapaxes(0, 1)
    b_steps = np.pad(b, ((0, padding), (0, 0))).reshape(steps, MATRIX_K, n)
    columns = min(n, 256)
    rows = min(m, max(1, _BATCH_ELEMENTS // columns))
    depth = max(1, _BATCH_ELEMENTS // (columns * rows))
    with np.errstate(all="ignore"):
        for row in range(0, m, rows):
            for column in range(0, n, columns):
                block = total[row : row + rows, column : column + columns]
                for step in range(0, steps, depth):
                    part = slice(step, step + depth)
                    terms = multiplier.sums(a_steps[part, row : row + rows], b_steps[part, :, column : column + columns])
                    for term in terms:
                        block += term
    return _codes(total)
