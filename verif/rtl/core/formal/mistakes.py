# SPDX-License-Identifier: Apache-2.0
"""A core with mistakes planted in it, so that proofs show that they would find them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Module, Signal, Value

from golden.config import NodeConfig
from rtl.core.pipes.control import ControlPipe
from verif.rtl.node import mistakes
from verif.rtl.node.mistakes import MISTAKE_BITS

__all__ = ["MISTAKEN_BITS", "FurtherMistake", "MistakenCore"]

MISTAKEN_BITS = MISTAKE_BITS + 1


class FurtherMistake(IntEnum):
    """What a core can do wrong beside :class:`verif.rtl.node.mistakes.Mistake`."""

    #: Loads of bytes and halfwords have no sign.
    SIGN_LOST = 1 << MISTAKE_BITS
    #: A branch that was mispredicted goes on a word too far.
    BRANCH_TOO_FAR = 17
    #: A branch to a place that is no multiple of four does not trap.
    MISALIGNED_TARGET_TAKEN = 18


_LoadPipe = mistakes._MistakenLoadPipe


class _SignlessLoadPipe(_LoadPipe):
    """Loads that lose their sign."""

    def __init__(self, config: NodeConfig, wrong: Value, loses_sign: Value):
        self._loses_sign = loses_sign
        super().__init__(config, wrong)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(self._loses_sign):
            m.d.comb += self.late.data[32:].eq(0)
        return m


class _AstrayControlPipe(ControlPipe):
    """Branches that go astray."""

    def __init__(self, config: NodeConfig, too_far: Value, takes_misaligned: Value):
        self._too_far, self._takes_misaligned = too_far, takes_misaligned
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        branch = self.x.entry.decoded.branch
        target = Signal(64)
        m.d.comb += target.eq(self.commit.pc + 8)
        with m.If(self._too_far & branch):
            m.d.comb += self.target.eq(target)
        with m.If(self._takes_misaligned & branch & ~self.x.entry.fault):
            m.d.comb += [self.commit.trap.eq(0), self.trap.valid.eq(0)]
        return m


class MistakenCore(mistakes._MistakenObservedCore):
    """A core that makes the mistake of that number, of either kind, or none."""

    def elaborate(self, platform: Any) -> Module:
        def load(config: NodeConfig, wrong: Value) -> Any:
            return _SignlessLoadPipe(config, wrong, self._mistake == FurtherMistake.SIGN_LOST)

        def control(config: NodeConfig) -> Any:
            wrong = FurtherMistake.BRANCH_TOO_FAR, FurtherMistake.MISALIGNED_TARGET_TAKEN
            return _AstrayControlPipe(config, *(self._mistake == mistake for mistake in wrong))

        with patch.object(mistakes, "_MistakenLoadPipe", load), patch("rtl.core.core.ControlPipe", control):
            return super().elaborate(platform)
