# SPDX-License-Identifier: Apache-2.0
"""A rounder that makes a mistake, to prove that benches notice."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from rtl.arithmetic.rounding import Round


class TamperedRound(wiring.Component):
    """`Round` with a planted mistake: bits behind the significand are changed before it sees them.

    Parameters
    ----------
    width : int
        Bits of the magnitude.
    mistake : str
        none, ties away, truncation, sticky bits ignored, or tiny before rounding.
    """

    def __init__(self, width: int, mistake: str) -> None:
        self.width = width
        self.mistake = mistake
        super().__init__(Round(width).signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.right = right = Round(self.width)
        below = self.width - 24
        rest, guard, half_guard = self.normalised[:below], self.normalised[below - 1], self.normalised[below - 2]
        seen = {
            "none": rest,
            "ties away": rest | guard,
            "truncation": Const(0, below),
            "sticky bits ignored": Cat(Const(0, below - 1), guard),
            "tiny before rounding": Cat(rest[: below - 2] | half_guard, Const(0, 1), guard),
        }[self.mistake]
        m.d.comb += [right.normalised.eq(Cat(seen, self.normalised[below:]))]
        for name, member in self.signature.members.items():
            if name != "normalised":
                source, target = (right, self) if member.flow == Out else (self, right)
                m.d.comb += getattr(target, name).eq(getattr(source, name))
        return m
