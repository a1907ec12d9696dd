# SPDX-License-Identifier: Apache-2.0
"""Components that proofs put in the place of those that they are not about."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring

__all__ = ["Stub"]


class Stub(wiring.Component):
    """Has the members of another component; its outputs are what ``statements`` say, else 0."""

    def __init__(self, component: wiring.Component):
        super().__init__(component.signature)
        self.statements: list[Any] = []

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.statements
        return m
