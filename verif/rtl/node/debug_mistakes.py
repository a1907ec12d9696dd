# SPDX-License-Identifier: Apache-2.0
"""Nodes with mistakes planted in the debug mode of their pipelined core: the row of a node says which one it makes."""

from __future__ import annotations

from enum import IntEnum
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Module, Value

import rtl.core.core
import rtl.node
from golden.config import NodeConfig
from rtl.core.core import Core
from rtl.core.grouping import PIPES
from rtl.frontend.frontend import FrontEnd

__all__ = ["DebugMistake", "MistakenDebugNode"]


class DebugMistake(IntEnum):
    """What a core can do wrong for a debugger."""

    NONE = 0
    #: What is in X when the thread is to stop is not looked at; nor a store that exits.
    X_NOT_AWAITED = 1
    EXIT_NOT_AWAITED = 2
    #: A step is as many instructions as can be issued together; or as are issued until the first has committed.
    STEPS_IN_GROUPS = 3
    STEPS_TOO_FAR = 4
    #: A swait that waits is all of a step.
    WAITING_IS_A_STEP = 5
    BREAKPOINT_FORGOTTEN = 6
    TRAP_FORGOTTEN = 7
    #: What is injected counts as retired; shows as retired; takes its traps; does not jump where the front end has gone already.
    INJECTED_COUNTS = 8
    INJECTED_RETIRES = 9
    INJECTED_TRAPS = 10
    INJECTED_JUMP_IGNORED = 11
    #: The front end goes where what is injected leads.
    INJECTED_MOVES_FETCH = 12
    SCRATCH_FOR_ALL = 13
    #: Starts and halts leave what is injected where it is.
    RESTART_FORGOTTEN = 14
    #: RESUME and STEP are obeyed by any thread at any time.
    ALWAYS_RESUMES = 15


class _MistakenFrontEnd(FrontEnd):
    def __init__(self, config: NodeConfig, observe: bool, wrong: Value):
        self._wrong = wrong
        super().__init__(config, observe)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        for number in range(self.config.threads):
            with m.If(self._wrong):
                m.d.comb += m.submodules.fetch.threads[number].correct.eq(m.submodules.decode.threads[number].correct)
        return m


class _MistakenCore(Core):
    """A core that overrides what its parts tell each other. ``mistake`` is a signal of the node around it."""

    def __init__(self, config: NodeConfig, mistake: Value):
        self._mistake = mistake
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        wrong = self._makes(DebugMistake.INJECTED_MOVES_FETCH)
        with patch.object(rtl.core.core, "FrontEnd", lambda config, observe: _MistakenFrontEnd(config, observe, wrong)):
            m = super().elaborate(platform)
        for number, pipe in enumerate(self._pipes):
            with m.If(self._makes(DebugMistake.INJECTED_COUNTS)):
                m.d.comb += self._retires[PIPES[number]].eq(pipe.commit.valid & ~pipe.commit.trap)
        with m.If(self._makes(DebugMistake.INJECTED_JUMP_IGNORED)):
            m.d.comb += self._control.injected.eq(0)
        for thread, (debug, control) in enumerate(zip(self._debugs, self._controls, strict=True)):
            self._spoil(m, thread, debug, control)
        return m

    def _makes(self, mistake: DebugMistake) -> Value:
        return self._mistake == mistake

    def _spoil(self, m: Any, thread: int, debug: Any, control: Any) -> None:
        grouping, front = m.submodules[f"grouping{thread}"], self._frontend.threads[thread]
        for mistake, signal, value in (
            (DebugMistake.X_NOT_AWAITED, debug.in_slot, 0),
            (DebugMistake.EXIT_NOT_AWAITED, debug.exiting, 0),
            (DebugMistake.STEPS_IN_GROUPS, grouping.valid, front.valid),
            (DebugMistake.STEPS_TOO_FAR, grouping.runs, (control.run | debug.injecting) & ~control.hold & ~self._clearing),
            (DebugMistake.WAITING_IS_A_STEP, debug.parks, 0),
            (DebugMistake.BREAKPOINT_FORGOTTEN, debug.breaks, 0),
            (DebugMistake.TRAP_FORGOTTEN, debug.handled, 0),
            (DebugMistake.INJECTED_RETIRES, m.submodules.retirement.injected[thread], 0),
            (DebugMistake.INJECTED_TRAPS, control.injecting, 0),
            (DebugMistake.SCRATCH_FOR_ALL, self._csrs[thread].injected, 1),
            (DebugMistake.RESTART_FORGOTTEN, debug.restart, 0),
            (DebugMistake.ALWAYS_RESUMES, control.resume, debug.write.resume | debug.write.step),
        ):
            with m.If(self._makes(mistake)):
                m.d.comb += signal.eq(value)


class MistakenDebugNode(rtl.node.Node):
    """A node that makes the :class:`DebugMistake` whose number is its row."""

    def elaborate(self, platform: Any) -> Module:
        with patch.object(rtl.node, "Core", lambda config: _MistakenCore(config, self.y)):
            return super().elaborate(platform)
