# SPDX-License-Identifier: Apache-2.0
"""Reductions of float lanes: a binary operation on neighbours, then on neighbouring results, until one is left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from golden.fp32 import Codes, Flags

#: An operation of ``golden.fp32`` on two operands.
Binary = Callable[[Codes, Codes], tuple[Codes, Flags]]


def reduce_neighbours(operation: Binary, lanes: Codes) -> tuple[Codes, int]:
    """The one result, as an array of shape (1,), and all flags that operations on the way have set.

    Parameters
    ----------
    operation : Binary
        Addition, minimum or maximum.
    lanes : uint32 array (n,)
        binary32 codes; n is a power of two, at least 2.
    """
    flags = 0
    while len(lanes) > 1:
        lanes, raised = operation(lanes[0::2], lanes[1::2])
        flags |= int(np.bitwise_or.reduce(raised))
    return lanes, flags
