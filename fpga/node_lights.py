# SPDX-License-Identifier: Apache-2.0
"""A light per node of an array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["NodeLights"]

#: Changes of a blinking light per second, about.
_BLINKS = 8


class NodeLights(wiring.Component):
    """Lights that are off until their node runs, then on, and blink while a thread of it is trapped.

    Parameters
    ----------
    nodes : int
    clock_hz : int
        Of the domain ``sync``.

    Members
    -------
    active, trapped : In(nodes), whether any thread of each node runs or waits, or is trapped
    reset : In(1), turns them off
    o : Out(nodes)
    """

    def __init__(self, nodes: int, clock_hz: int):
        self.clock_hz = clock_hz
        super().__init__({"active": In(nodes), "trapped": In(nodes), "reset": In(1), "o": Out(nodes)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ran = Signal.like(self.active)
        blink = Signal((self.clock_hz // _BLINKS).bit_length())
        m.d.sync += blink.eq(blink + 1)
        with m.If(self.reset):
            m.d.sync += ran.eq(0)
        with m.Else():
            m.d.sync += ran.eq(ran | self.active | self.trapped)
        m.d.comb += self.o.eq(ran & (~self.trapped | blink[-1].replicate(len(ran))))
        return m
