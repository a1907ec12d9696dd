# SPDX-License-Identifier: Apache-2.0
"""A board as a simulator sees it: its resources and pins, without anything of the FPGA's vendor behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.back import rtlil
from amaranth.back.verilog import _convert_rtlil_text
from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal

from fpga.boards import Board
from fpga.clock import BoardClock

__all__ = ["Pin", "SimulationPlatform"]


@dataclass(frozen=True)
class Pin:
    """A pin of the top's Verilog: ``port`` is its name there; ``inverted`` if it is low where the design sees a 1."""

    port: str
    inverted: bool


class SimulationPlatform(Platform):
    """Prepares a design for a board as Verilog whose ports are the board's pins.

    Buffers become wires. A design that brings no domain of its own runs from the default clock, with a reset at the start.

    Parameters
    ----------
    board : Board
    """

    resources = ()
    connectors = ()
    required_tools = ()

    def __init__(self, board: Board):
        real = board.make_platform()
        self.board = board
        self.default_clk = real.default_clk
        super().__init__()
        self.add_resources(real.resources.values())
        self.add_connectors(real.connectors.values())

    def create_missing_domain(self, name: str) -> Elaboratable | None:
        """The domain ``sync`` for designs without one."""
        if name != "sync":
            return None
        m = Module()
        m.submodules.clock = clock = BoardClock(self.board, self.board.oscillator_hz)
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(clock.clk), ResetSignal().eq(clock.rst)]
        return m

    def toolchain_prepare(self, design: Any, name: str, **options: Any) -> str:
        """Verilog of the design."""
        text, _ = rtlil.convert_fragment(design, name=name, emit_src=False)
        verilog: str = _convert_rtlil_text(text, strip_internal_attrs=True)
        return verilog

    def pin(self, resource: tuple[str, int], signal: str | None = None) -> Pin | None:
        """A pin that the design requested, or None if it did not."""
        found = self._requested.get(resource)
        if found is not None and signal is not None:
            found = getattr(found, signal)
        return None if found is None else Pin(found.io.name, found.invert[0])
