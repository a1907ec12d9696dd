# SPDX-License-Identifier: Apache-2.0
"""Formats of a product's operands, and how many instructions, steps and lines follow from them.

Two BF16 operands take the instructions of one step, K 4. Any other pair takes those with named formats, two steps, K 8, for which
an 8-bit operand is one line and a BF16 operand two.
"""

from __future__ import annotations

from dataclasses import dataclass

from golden.config import MATRIX_K
from golden.layout import FormatDescriptor, FormatKind

BF16 = FormatDescriptor(FormatKind.BF16)

#: Kinds that the matrix unit takes, and bytes of their codes.
CODE_BYTES: dict[FormatKind, int] = {FormatKind.BF16: 2, FormatKind.CFP8_143: 1, FormatKind.CFP8_152: 1}


@dataclass(frozen=True)
class Operands:
    """Formats of A and B.

    Parameters
    ----------
    a, b : FormatDescriptor

    Raises
    ------
    ValueError
        If the matrix unit does not take one of them.
    """

    a: FormatDescriptor = BF16
    b: FormatDescriptor = BF16

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            kind = getattr(self, name).kind
            if kind not in CODE_BYTES:
                allowed = ", ".join(each.name for each in CODE_BYTES)
                raise ValueError(f"{name}_format = {kind.name} is no operand of the matrix unit; allowed are {allowed}")

    @property
    def named(self) -> bool:
        """Whether instructions name the formats."""
        return not self.a.kind == self.b.kind == FormatKind.BF16

    @property
    def steps(self) -> int:
        """Matrix steps of an instruction."""
        return 2 if self.named else 1

    @property
    def depth(self) -> int:
        """K of an instruction."""
        return self.steps * MATRIX_K

    @property
    def a_lines(self) -> int:
        """Lines of A that an instruction takes."""
        return self._lines(self.a)

    @property
    def b_lines(self) -> int:
        """Lines of B that an instruction takes."""
        return self._lines(self.b)

    def _lines(self, side: FormatDescriptor) -> int:
        # A line of BF16 is one step, a line of 8-bit codes two.
        return self.steps * CODE_BYTES[side.kind] // 2 if self.named else 1
