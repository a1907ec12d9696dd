# SPDX-License-Identifier: Apache-2.0
"""What sums over rectangles are, bit for bit: the order of additions is part of the contract."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import numpy.typing as npt

from golden import fp32
from golden.bf16 import round_fp32, widen
from sw.collectives.semaphores import CollectiveError

__all__ = ["all_reduce_reference"]

#: Vectors of a rectangle's nodes, as codes: rows x columns x elements, uint32 (FP32) or uint16 (BF16).
Codes = npt.NDArray[np.generic]


def all_reduce_reference(vectors: Codes, live: npt.NDArray[np.bool_] | None = None) -> Codes:
    """The sum that ``d1_all_reduce_f32`` or ``d1_all_reduce_bf16`` leaves in every node.

    Each row is added up from west to east, one node after the other, then these sums from north to south: with two rows of three
    nodes ((a00 + a01) + a02) + ((a10 + a11) + a12). Sites without a node are left out, and so are rows without any. Every
    addition is rounded to nearest, ties to even, in the format of the vectors.

    Parameters
    ----------
    vectors : array of rows x columns x elements
        Codes: uint32 for FP32, uint16 for BF16.
    live : array of rows x columns, optional
        Which sites have a node; all of them if left out.

    Raises
    ------
    CollectiveError
        If it has another shape or type, or no node.
    """
    sums: dict[np.dtype[np.generic], Callable[[Codes, Codes], Codes]] = {
        np.dtype(np.uint32): lambda a, b: fp32.add(a, b)[0],  # type: ignore[arg-type]
        np.dtype(np.uint16): lambda a, b: round_fp32(fp32.add(widen(a), widen(b))[0])[0],  # type: ignore[arg-type]
    }
    if vectors.ndim != 3 or vectors.dtype not in sums or 0 in vectors.shape[:2]:
        raise CollectiveError(
            f"vectors of shape {vectors.shape} and type {vectors.dtype} are not rows x columns x elements of uint32 (FP32) "
            "or uint16 (BF16)"
        )
    live = np.ones(vectors.shape[:2], np.bool_) if live is None else live
    if live.shape != vectors.shape[:2] or not live.any():
        raise CollectiveError(
            f"live of shape {live.shape} does not name nodes of {vectors.shape[0]} rows x {vectors.shape[1]} columns"
        )
    add = sums[vectors.dtype]
    return reduce(add, [reduce(add, row[there]) for row, there in zip(vectors, live, strict=True) if there.any()])
