# SPDX-License-Identifier: Apache-2.0
"""Nodes whose core lets threads starve: the row of a node says how."""

from __future__ import annotations

from enum import IntEnum
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Module, Value

import rtl.core.core
import rtl.node
from golden.config import NodeConfig
from rtl.core.allocation import Allocation
from rtl.core.core import Core

__all__ = ["StarvationMistake", "StarvingAllocation", "StarvingNode"]


class StarvationMistake(IntEnum):
    """What a core can forget about those who wait."""

    NONE = 0
    #: Threads choose in turn, whoever was passed over.
    PASSED_OVER_FORGOTTEN = 1
    #: No vector load is issued while there is a read response.
    RESPONSES_FIRST = 2
    #: A swait takes what a waiting thread is covered for, or has been woken for.
    WAITERS_NOT_HEEDED = 3
    #: What a thread was woken for stays due to it when it goes elsewhere.
    WOKEN_FOR_EVER = 4


class StarvingAllocation(Allocation):
    """An allocation that gives turns alone, while ``wrong`` is set."""

    def __init__(self, threads: int, width: int, wrong: Value):
        self._wrong = wrong
        super().__init__(threads, width)

    def elaborate(self, platform: Any) -> Module:
        m: Any = super().elaborate(platform)
        with m.If(self._wrong):
            m.d.comb += m.submodules.order.passed.eq(0)
        return m


class _StarvingCore(Core):
    """A core that overrides what its parts tell each other. ``mistake`` is a signal of the node around it."""

    def __init__(self, config: NodeConfig, mistake: Value):
        self._mistake = mistake
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        wrong = self._makes(StarvationMistake.PASSED_OVER_FORGOTTEN)
        with patch.object(rtl.core.core, "Allocation", lambda threads, width: StarvingAllocation(threads, width, wrong)):
            m: Any = super().elaborate(platform)
        for thread in range(self.config.threads):
            with m.If(self._makes(StarvationMistake.RESPONSES_FIRST)):
                m.d.comb += m.submodules[f"grouping{thread}"].response_waiting.eq(self.network.rx_valid)
            with m.If(self._makes(StarvationMistake.WOKEN_FOR_EVER)):
                m.d.comb += self._waiters.forget[thread].eq(self._controls[thread].park | self._takes(thread))
        with m.If(self._makes(StarvationMistake.WAITERS_NOT_HEEDED)):
            m.d.comb += self._control.covered.eq(self._semaphores.covered)
        return m

    def _takes(self, thread: int) -> Value:
        """The thread's swait takes what it asks for."""
        return self._control.take & self._mine(self._control, thread)

    def _makes(self, mistake: StarvationMistake) -> Value:
        return self._mistake == mistake


class StarvingNode(rtl.node.Node):
    """A node that makes the :class:`StarvationMistake` whose number is its row."""

    def elaborate(self, platform: Any) -> Module:
        with patch.object(rtl.node, "Core", lambda config: _StarvingCore(config, self.y)):
            return super().elaborate(platform)
