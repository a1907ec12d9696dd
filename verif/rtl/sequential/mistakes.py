# SPDX-License-Identifier: Apache-2.0
"""Nodes with mistakes planted in their sequential core: the row of a node says which one it makes, of debug mode or another."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Module, Signal, Value

import rtl.node
from golden.config import NodeConfig
from rtl.core.addresses import in_sram
from rtl.sequential.checks import AccessChecks
from rtl.sequential.scalar import ScalarDatapath
from verif.rtl.sequential.debug_mistakes import DebugMistake, MistakenDebugCore

__all__ = ["ExecutionMistake", "MistakenSequentialNode"]


class ExecutionMistake(IntEnum):
    """What a core can do wrong with what it executes."""

    X0_WRITTEN = len(DebugMistake)
    #: A load or store looks whether its address is in SRAM before it looks whether it is aligned.
    ACCESS_FAULT_FIRST = auto()
    #: A branch compares with the second operand of the instruction before it.
    OLD_VALUE_COMPARED = auto()


class _MistakenDatapath(ScalarDatapath):
    """Registers that can be wrong."""

    def __init__(self, line_bytes: int, writes_x0: Value, compares_old: Value):
        self._writes_x0, self._compares_old = writes_x0, compares_old
        super().__init__(line_bytes)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        (port,) = m.submodules.registers.write_ports
        with m.If(self._writes_x0 & self.write):
            m.d.comb += port.en.eq(1)
        before = Signal.like(self.rs2, name="rs2_before")
        with m.If(~self.decoded.branch):
            m.d.sync += before.eq(self.rs2)
        with m.If(self._compares_old & self.decoded.branch):
            m.d.comb += self.rs2.eq(before)
        return m


class _MistakenChecks(AccessChecks):
    """Traps whose priority can be wrong."""

    def __init__(self, config: NodeConfig, fault_first: Value):
        self._fault_first = fault_first
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        outside = (self.decoded.load | self.decoded.store) & ~in_sram(self.config, self.address)
        with m.If(self._fault_first & outside):
            m.d.sync += self.misaligned.eq(0)
        return m


class _MistakenCore(MistakenDebugCore):
    """A core that makes the mistake of that number, of either kind, or none."""

    def elaborate(self, platform: Any) -> Module:
        x0, fault_first, old = (self._mistake == mistake for mistake in ExecutionMistake)
        with (
            patch("rtl.sequential.parts.ScalarDatapath", lambda line_bytes: _MistakenDatapath(line_bytes, x0, old)),
            patch("rtl.sequential.parts.AccessChecks", lambda config: _MistakenChecks(config, fault_first)),
        ):
            return super().elaborate(platform)


class MistakenSequentialNode(rtl.node.Node):
    """A node that makes the :class:`DebugMistake` or :class:`ExecutionMistake` whose number is its row."""

    def elaborate(self, platform: Any) -> Module:
        with patch.object(rtl.node, "SequentialCore", lambda config: _MistakenCore(config, self.y)):
            return super().elaborate(platform)
