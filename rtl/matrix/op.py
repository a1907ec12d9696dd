# SPDX-License-Identifier: Apache-2.0
"""What the matrix array is told to do."""

from amaranth.lib import enum

__all__ = ["MatrixOp"]


class MatrixOp(enum.Enum, shape=2):
    """What enters the array in a cycle."""

    NONE = 0
    STEP = 1
    LOAD_LINE = 2
    CLEAR = 3
