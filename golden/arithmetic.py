# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of the lanes: IEEE 754-2019 binary32 and BF16 on integer codes.

Operands and results are arrays of codes, so that no NaN payload of the machine that runs the model can get into a result:
every NaN result is canonical, 0x7FC00000 or 0x7FC0. Rounding is to nearest, ties to even; denormals are kept in and out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.formats import BF16, FP32

#: binary32 and BF16 codes, any shape.
Fp32Codes = npt.NDArray[np.uint32]
Bf16Codes = npt.NDArray[np.uint16]


def fp32_codes(values: npt.NDArray[np.float32]) -> Fp32Codes:
    """Codes of float32 values, with every NaN canonical. Always a new array."""
    return np.where(np.isnan(values), np.uint32(FP32.canonical_nan), values.view(np.uint32))


def fp32_add(a: Fp32Codes, b: Fp32Codes) -> Fp32Codes:
    """``a + b``, rounded once, element by element with NumPy's broadcasting.

    NumPy's float32 addition is IEEE 754's on every machine that it supports, and it never flushes denormals.
    """
    with np.errstate(all="ignore"):
        return fp32_codes(np.asarray(a, np.uint32).view(np.float32) + np.asarray(b, np.uint32).view(np.float32))


def bf16_to_fp32(codes: Bf16Codes) -> Fp32Codes:
    """BF16 codes widened to binary32, exactly; NaN becomes canonical."""
    wide = np.asarray(codes, np.uint16).astype(np.uint32) << np.uint32(16)
    return np.where(wide << np.uint32(1) > FP32.infinity << 1, np.uint32(FP32.canonical_nan), wide)


def fp32_to_bf16(codes: Fp32Codes) -> Bf16Codes:
    """binary32 codes rounded to BF16, nearest, ties to even; overflow gives Inf, NaN becomes canonical.

    A carry out of the significand moves into the exponent, and from the largest exponent into Inf, as it must.
    """
    code = np.asarray(codes, np.uint32)
    odd = code >> np.uint32(16) & np.uint32(1)
    # NaN codes may wrap around here; they are replaced.
    rounded = (code + (odd + np.uint32(0x7FFF)) >> np.uint32(16)).astype(np.uint16)
    return np.where(code << np.uint32(1) > FP32.infinity << 1, np.uint16(BF16.canonical_nan), rounded)
