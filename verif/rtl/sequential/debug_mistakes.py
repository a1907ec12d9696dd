# SPDX-License-Identifier: Apache-2.0
"""A sequential core with mistakes planted in its debug mode."""

from __future__ import annotations

from enum import IntEnum
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Module, Value

import rtl.sequential.core
from golden.config import NodeConfig
from golden.layout import ThreadState
from rtl.sequential.core import SequentialCore
from rtl.sequential.parts import Parts

__all__ = ["DebugMistake", "MistakenDebugCore"]


class DebugMistake(IntEnum):
    """What a core can do wrong for a debugger."""

    NONE = 0
    #: The address advances behind what is injected; that shows as retired; is taken by a thread that runs; waits for what has
    #: been fetched; fails without a cause.
    INJECTED_ADVANCES = 1
    INJECTED_RETIRES = 2
    INJECTED_ANYWHERE = 3
    INJECTED_LATER = 4
    FAILURE_WITHOUT_CAUSE = 5
    BREAKPOINT_FORGOTTEN = 6
    TRAP_FORGOTTEN = 7
    STEP_FORGOTTEN = 8
    SCRATCH_FOR_ALL = 9
    #: Starts and halts leave what is injected, and the step, as they are.
    RESTART_FORGOTTEN = 10
    #: STOP is obeyed by threads that are active only.
    STOPS_ACTIVE_ONLY = 11
    #: Whatever is written into COMMAND counts as far as its lowest bits go.
    SHORT_COMMANDS = 12


class MistakenDebugCore(SequentialCore):
    """A core that overrides what its parts tell each other. ``mistake`` is a signal of the node around it."""

    def __init__(self, config: NodeConfig, mistake: Value):
        self._mistake = mistake
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        parts: list[Parts] = []

        def make(core: SequentialCore) -> Parts:
            parts.append(Parts(core))
            return parts[0]

        with patch.object(rtl.sequential.core, "Parts", make):
            m = super().elaborate(platform)
        p = parts[0]
        debug, registers = p.debug, p.registers
        active = (p.state == ThreadState.RUNNING) | (p.state == ThreadState.WAITING)
        for mistake, signal, value in (
            (DebugMistake.INJECTED_ADVANCES, p.fetch.keep, 0),
            (DebugMistake.INJECTED_ANYWHERE, p.fetch.inject, registers.inject),
            (DebugMistake.INJECTED_LATER, p.fetch.inject, debug.accept & ~p.fetch.valid),
            (DebugMistake.FAILURE_WITHOUT_CAUSE, debug.cause, 0),
            (DebugMistake.BREAKPOINT_FORGOTTEN, debug.control[0], 0),
            (DebugMistake.TRAP_FORGOTTEN, debug.control[1], 0),
            (DebugMistake.STEP_FORGOTTEN, debug.retire, p.retire & debug.injecting),
            (DebugMistake.SCRATCH_FOR_ALL, registers.injected, 1),
            (DebugMistake.RESTART_FORGOTTEN, debug.restart, 0),
            (DebugMistake.STOPS_ACTIVE_ONLY, debug.command, registers.command & (active | registers.start_pc[1])),
            (DebugMistake.SHORT_COMMANDS, debug.written, registers.start_pc[:2]),
        ):
            with m.If(self._mistake == mistake):
                m.d.comb += signal.eq(value)
        with m.If(self._mistake == DebugMistake.INJECTED_RETIRES):
            m.d.sync += self.retirement[0].valid.eq(p.retire | p.trapped)
        return m
