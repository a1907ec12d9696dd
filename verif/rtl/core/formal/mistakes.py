# SPDX-License-Identifier: Apache-2.0
"""A core with mistakes planted in it, so that proofs show that they would find them."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from golden.config import NodeConfig
from rtl.core.pipes.control import ControlPipe
from rtl.frontend.entry import QueueEntry
from rtl.frontend.frontend import FrontEnd
from verif.rtl.node import mistakes
from verif.rtl.node.mistakes import MISTAKE_BITS

__all__ = ["MISTAKEN_BITS", "FurtherMistake", "MistakenCore"]

MISTAKEN_BITS = MISTAKE_BITS + 1


class FurtherMistake(IntEnum):
    """What a core can do wrong beside :class:`verif.rtl.node.mistakes.Mistake`."""

    #: Loads of bytes and halfwords have no sign.
    SIGN_LOST = 1 << MISTAKE_BITS
    #: A branch that was mispredicted goes on a word too far.
    BRANCH_TOO_FAR = auto()
    #: A branch to a place that is no multiple of four does not trap.
    MISALIGNED_TARGET_TAKEN = auto()
    #: An ecall leaves its own address in mtval.
    ECALL_SHOWS_ADDRESS = auto()
    #: A load shows once more in the cycle behind its own.
    LOAD_SHOWN_TWICE = auto()
    #: A load gets what its port had a cycle before.
    LOADED_TOO_SOON = auto()
    #: A store writes the bytes behind its own.
    STORED_TOO_FAR = auto()
    #: The first word behind a redirection is the one that would have come without it.
    OLD_WORD_BEHIND_REDIRECTION = auto()
    #: The register of a product that is killed is waited for.
    KILLED_PRODUCT_AWAITED = auto()
    #: What is chosen in the cycle of a start is issued.
    ISSUED_IN_SPITE_OF_START = auto()
    #: What is chosen in the cycle of a redirection is lost, of whatever thread.
    REDIRECTION_LOSES_ALL = auto()


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

    def __init__(self, config: NodeConfig, too_far: Value, takes_misaligned: Value, shows_address: Value):
        self._too_far, self._takes_misaligned, self._shows_address = too_far, takes_misaligned, shows_address
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
        with m.If(self._shows_address & self.x.entry.decoded.ecall & ~self.x.entry.fault):
            m.d.comb += [self.commit.value.eq(self.commit.pc), self.trap.value.eq(self.commit.pc)]
        return m


class _ForgetfulFrontEnd(FrontEnd):
    """Heads of which the first behind a redirection can be an old one, at the new address."""

    def __init__(self, config: NodeConfig, observe: bool, old: Value):
        self._old = old
        super().__init__(config, observe)

    def elaborate(self, platform: Any) -> Module:
        m: Module = super().elaborate(platform)
        for number, thread in enumerate(self.threads):
            kept, stale = Signal(QueueEntry(), name=f"kept{number}"), Signal(name=f"stale{number}")
            head = thread.heads[0]
            with m.If(thread.take.any()):
                m.d.sync += stale.eq(0)
            with m.If(thread.redirect & thread.valid[0]):
                m.d.sync += [kept.eq(head), stale.eq(1)]
            with m.If(self._old & stale & thread.valid[0]):
                m.d.comb += [head.insn.eq(kept.insn), head.decoded.eq(kept.decoded)]
        return m


class MistakenCore(mistakes._MistakenObservedCore):
    """A core that makes the mistake of that number, of either kind, or none."""

    def elaborate(self, platform: Any) -> Module:
        def load(config: NodeConfig, wrong: Value) -> Any:
            return _SignlessLoadPipe(config, wrong, self._makes(FurtherMistake.SIGN_LOST))

        def control(config: NodeConfig) -> Any:
            wrong = FurtherMistake.BRANCH_TOO_FAR, FurtherMistake.MISALIGNED_TARGET_TAKEN, FurtherMistake.ECALL_SHOWS_ADDRESS
            return _AstrayControlPipe(config, *map(self._makes, wrong))

        def front(config: NodeConfig, observe: bool) -> Any:
            return _ForgetfulFrontEnd(config, observe, self._makes(FurtherMistake.OLD_WORD_BEHIND_REDIRECTION))

        with (
            patch.object(mistakes, "_MistakenLoadPipe", load),
            patch("rtl.core.core.ControlPipe", control),
            patch("rtl.core.core.FrontEnd", front),
        ):
            m = super().elaborate(platform)
        self._spoil_memory(m)
        self._spoil_shown(m)
        self._spoil_issue(m)
        return m

    def _late_registers(self, m: Any, thread: int) -> Value:
        late = super()._late_registers(m, thread)
        control, waits = self._control, Signal(32, name=f"awaited{thread}")
        entry = control.x.entry
        with m.If(control.killed & self._mine(control, thread) & entry.decoded.multiply):
            m.d.sync += waits.bit_select(entry.insn[7:12], 1).eq(1)
        return late | Mux(self._makes(FurtherMistake.KILLED_PRODUCT_AWAITED), waits, 0)

    def _spoil_memory(self, m: Any) -> None:
        before = Signal.like(self.scalar.data, name="brought_before")
        m.d.sync += before.eq(self.scalar.data)
        with m.If(self._makes(FurtherMistake.LOADED_TOO_SOON)):
            m.d.comb += self._load.read.data.eq(before)
        with m.If(self._makes(FurtherMistake.STORED_TOO_FAR)):
            m.d.comb += self.store.mask.eq(self._store.write.mask << 1)

    def _spoil_issue(self, m: Any) -> None:
        choices = m.submodules.allocation.choices
        with m.If(self._makes(FurtherMistake.ISSUED_IN_SPITE_OF_START) & self._controls[0].start):
            m.d.comb += [pipe.issue_valid.eq(choice.valid) for pipe, choice in zip(self._pipes, choices, strict=True)]
        redirects = Cat(control.redirect for control in self._controls).any()
        with m.If(self._makes(FurtherMistake.REDIRECTION_LOSES_ALL) & redirects):
            m.d.comb += [pipe.issue_valid.eq(0) for pipe in self._pipes]

    def _spoil_shown(self, m: Any) -> None:
        of_loads, before = self.config.issue_width, Signal(name="load_shown_before")
        m.d.sync += before.eq(self.rvfi0_valid[of_loads])
        with m.If(self._makes(FurtherMistake.LOAD_SHOWN_TWICE) & before):
            m.d.comb += self.rvfi0_valid[of_loads].eq(1)
