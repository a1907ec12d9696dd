# SPDX-License-Identifier: Apache-2.0
"""A node with mistakes planted in its pipelined core, of which nodes of one build make one each."""

from __future__ import annotations

from enum import IntEnum
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

import rtl.core.core
import rtl.node
from golden.config import NodeConfig
from golden.layout import Cause
from rtl.core.addresses import in_sram
from rtl.core.core import Core
from rtl.core.grouping import PIPES
from rtl.core.observation.core import ObservedCore
from rtl.core.pipes.bundles import in_window
from rtl.core.pipes.load import LoadPipe
from rtl.core.pipes.store import StorePipe
from rtl.core.vector_queue import VectorQueue

__all__ = ["Mistake", "MistakenByColumn", "MistakenNode"]

MISTAKE_BITS = 5


class Mistake(IntEnum):
    """What a core can do wrong."""

    NONE = 0
    #: What X writes is not forwarded to what is issued in that cycle.
    X_NOT_FORWARDED = 1
    #: Nor are results of loads, multiplications and divisions.
    LATE_NOT_FORWARDED = 2
    #: A register counts as there a cycle before it is.
    LOAD_RELEASED_EARLY = 3
    PRODUCT_RELEASED_EARLY = 4
    #: A load looks whether its address is in SRAM before it looks whether it is aligned.
    ACCESS_FAULT_FIRST = 5
    X0_WRITTEN = 6
    #: What was issued behind a trap or redirection goes on.
    KILL_IGNORED = 7
    #: Operands are those of the thread that had the pipe before.
    OTHER_THREADS_OPERANDS = 8
    BRANCH_NOT_REDIRECTED = 9
    WRITE_BEFORE_OLDER_READ = 10
    VECTOR_NOT_AWAITED = 11
    PREDICATE_NOT_AWAITED = 12
    ACCUMULATOR_NOT_AWAITED = 13
    FLAGS_NOT_AWAITED = 14
    #: What is chosen in the cycle of a redirection is issued.
    ISSUED_IN_SPITE_OF_REDIRECTION = 15
    #: A fence.i leaves cache and predictor as they are.
    FENCE_WITHOUT_FLUSH = 16
    #: An mret leaves the interrupt bits of mstatus as they are.
    MRET_WITHOUT_UNSTACKING = 17
    #: As of loads, of stores.
    STORE_ACCESS_FAULT_FIRST = 18
    #: CSRs read as those of the next thread.
    OTHER_THREADS_CSRS = 19
    #: Operands of queued operations are overwritten before they are read.
    QUEUED_READS_FORGOTTEN = 20
    #: What queued operations will write is read as it was, or written before.
    QUEUED_WRITES_FORGOTTEN = 21
    #: Of a full queue, the operation of a certain place goes first.
    QUEUE_OUT_OF_ORDER = 22
    #: A full queue takes another one.
    QUEUE_OVERRUN = 23
    #: What is alone is executed while operations are queued.
    QUEUES_NOT_AWAITED = 24
    #: A branch that is found at issue to go elsewhere goes one instruction too far.
    CORRECTED_ASTRAY = 25
    #: What is issued together with such a branch, behind it, goes on.
    CORRECTION_IGNORED = 26


class _MistakenLoadPipe(LoadPipe):
    """Loads whose traps can have the wrong priority."""

    def __init__(self, config: NodeConfig, wrong: Value):
        self._wrong = wrong
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(self._wrong & self.commit.trap & ~in_sram(self.config, self.commit.value)):
            m.d.comb += [self.commit.cause.eq(Cause.LOAD_ACCESS_FAULT), self.trap.cause.eq(Cause.LOAD_ACCESS_FAULT)]
        return m


class _MistakenStorePipe(StorePipe):
    """Stores, likewise."""

    def __init__(self, config: NodeConfig, wrong: Value):
        self._wrong = wrong
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        outside = self.x.entry.decoded.store & ~in_sram(self.config, self.commit.value)
        with m.If(self._wrong & self.commit.trap & outside):
            m.d.comb += [self.commit.cause.eq(Cause.STORE_ACCESS_FAULT), self.trap.cause.eq(Cause.STORE_ACCESS_FAULT)]
        return m


class _MistakenVectorQueue(VectorQueue):
    """Queues that can lose their order when they are full."""

    def __init__(self, wrong: Value, **sizes: Any):
        self._wrong = wrong
        super().__init__(**sizes)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        for thread in range(self.threads):
            with m.If(self._wrong & self.unstarted[thread][:-1].all()):
                m.d.comb += self.oldest[thread].eq(self.unstarted_names[thread][1])
        return m


class _MistakenCore(Core):
    """A core that overrides what its parts tell each other. ``mistake`` is a signal of the node around it."""

    def __init__(self, config: NodeConfig, mistake: Signal):
        self._mistake = mistake
        super().__init__(config)

    def elaborate(self, platform: Any) -> Module:
        load, store = self._makes(Mistake.ACCESS_FAULT_FIRST), self._makes(Mistake.STORE_ACCESS_FAULT_FIRST)
        swapped = self._makes(Mistake.QUEUE_OUT_OF_ORDER)
        with (
            patch.object(rtl.core.core, "LoadPipe", lambda config: _MistakenLoadPipe(config, load)),
            patch.object(rtl.core.core, "StorePipe", lambda config: _MistakenStorePipe(config, store)),
            patch.object(rtl.core.core, "VectorQueue", lambda **sizes: _MistakenVectorQueue(swapped, **sizes)),
        ):
            m = super().elaborate(platform)
        self._spoil_operands(m)
        self._spoil_waiting(m)
        self._spoil_redirections(m)
        self._spoil_system(m)
        self._spoil_queues(m)
        return m

    def _makes(self, mistake: IntEnum) -> Value:
        return self._mistake == mistake

    def _spoil_operands(self, m: Any) -> None:
        scalars = m.submodules.scalars
        of_pipes = 2 * len(PIPES)
        with m.If(self._makes(Mistake.X_NOT_FORWARDED)):
            m.d.comb += [write.valid.eq(0) for write in list(scalars.forward)[:of_pipes]]
        with m.If(self._makes(Mistake.LATE_NOT_FORWARDED)):
            m.d.comb += [write.valid.eq(0) for write in list(scalars.forward)[of_pipes:]]
        for name in ("alu", "control"):
            pipe, port = self._pipes[PIPES.index(name)], 2 * PIPES.index(name)
            writes_x0 = pipe.commit.valid & ~pipe.commit.trap & pipe.x.entry.decoded.writes_rd & ~pipe.x.entry.insn[7:12].any()
            with m.If(self._makes(Mistake.X0_WRITTEN) & writes_x0):
                m.d.comb += [scalars.forward[port].valid.eq(1), scalars.written[port].eq(1)]
        for number, name in enumerate(PIPES):
            before = Signal(2, name=f"thread_before_{name}")
            pipe = self._pipes[number]
            with m.If(pipe.issue_valid):
                m.d.sync += before.eq(pipe.issue.thread)
            with m.If(self._makes(Mistake.OTHER_THREADS_OPERANDS)):
                m.d.comb += [scalars.operands[2 * number + port].thread.eq(before) for port in range(2)]

    def _spoil_waiting(self, m: Any) -> None:
        load, product = self._load, self._multiply_divide.coming[0]
        for thread in range(self.config.threads):
            state = m.submodules[f"grouping{thread}"].state
            leaves = load.x_valid & ~load.stall & self._mine(load, thread) & load.x.entry.decoded.load
            with m.If(self._makes(Mistake.LOAD_RELEASED_EARLY) & leaves):
                m.d.comb += state.scalars.bit_select(load.x.entry.insn[7:12], 1).eq(0)
            with m.If(self._makes(Mistake.PRODUCT_RELEASED_EARLY) & product.valid & (product.thread == thread)):
                m.d.comb += state.scalars.bit_select(product.number, 1).eq(0)
            for mistake, forgotten in (
                (Mistake.WRITE_BEFORE_OLDER_READ, state.reading),
                (Mistake.VECTOR_NOT_AWAITED, state.vectors),
                (Mistake.PREDICATE_NOT_AWAITED, state.predicates),
                (Mistake.ACCUMULATOR_NOT_AWAITED, state.accumulators_busy),
                (Mistake.FLAGS_NOT_AWAITED, state.simd_pending),
            ):
                with m.If(self._makes(mistake)):
                    m.d.comb += forgotten.eq(0)

    def _spoil_redirections(self, m: Any) -> None:
        with m.If(self._makes(Mistake.KILL_IGNORED)):
            m.d.comb += [pipe.killed.eq(0) for pipe in self._pipes]
        branches = self._control.x.entry.decoded.branch
        with m.If(self._makes(Mistake.BRANCH_NOT_REDIRECTED) & branches):
            m.d.comb += [control.jump.eq(0) for control in self._controls]
        with m.If(self._makes(Mistake.CORRECTION_IGNORED)):
            m.d.comb += self._control.issue.corrected.eq(0)
        for control, front in zip(self._controls, self._frontend.threads, strict=True):
            with m.If(self._makes(Mistake.CORRECTED_ASTRAY) & front.redirect & ~control.redirect):
                m.d.comb += front.target.eq(in_window(m.submodules.branch.follows + 1))
        with m.If(self._makes(Mistake.ISSUED_IN_SPITE_OF_REDIRECTION)):
            choices = m.submodules.allocation.choices
            m.d.comb += [pipe.issue_valid.eq(choice.valid) for pipe, choice in zip(self._pipes, choices, strict=True)]

    def _spoil_system(self, m: Any) -> None:
        starts = Cat(control.flush for control in self._controls).any()
        with m.If(self._makes(Mistake.FENCE_WITHOUT_FLUSH)):
            m.d.comb += self._frontend.flush.eq(starts)
        with m.If(self._makes(Mistake.MRET_WITHOUT_UNSTACKING)):
            m.d.comb += [csr.mret.eq(0) for csr in self._csrs]
        for thread in range(self.config.threads):
            following = self._csrs[(thread + 1) % self.config.threads]
            with m.If(self._makes(Mistake.OTHER_THREADS_CSRS) & self._mine(self._control, thread)):
                m.d.comb += self._control.csr_read.eq(following.read)

    def _spoil_queues(self, m: Any) -> None:
        if not self._queues:
            return
        for thread in range(self.config.threads):
            queued = m.submodules[f"grouping{thread}"].state.queued
            with m.If(self._makes(Mistake.QUEUED_READS_FORGOTTEN)):
                m.d.comb += [queued.reads.eq(0), queued.step_reads.eq(0)]
            with m.If(self._makes(Mistake.QUEUED_WRITES_FORGOTTEN)):
                m.d.comb += queued.writes.eq(0)
            with m.If(self._makes(Mistake.QUEUE_OVERRUN)):
                m.d.comb += queued.full.eq(0)
            with m.If(self._makes(Mistake.QUEUES_NOT_AWAITED)):
                m.d.comb += m.submodules[f"grouping{thread}"].state.occupying.eq(0)


class _MistakenObservedCore(_MistakenCore, ObservedCore):
    """The same, observed: what it shows is what it does."""


class MistakenNode(wiring.Component):
    """A node with a further input ``mistake``, In(MISTAKE_BITS): the :class:`Mistake` that its core makes; observed, if asked."""

    def __init__(self, config: NodeConfig, *, observe: bool = False):
        self.config = config
        self._observe = observe
        self._node = rtl.node.Node(config, observe=observe)
        super().__init__({**self._node.signature.members, **self._choice()})

    def _choice(self) -> dict[str, Any]:
        """The member that chooses the mistake."""
        return {"mistake": In(MISTAKE_BITS)}

    def elaborate(self, platform: Any) -> Module:
        node: Any = self._node
        mistake = Signal(MISTAKE_BITS)
        name, core = ("ObservedCore", _MistakenObservedCore) if self._observe else ("Core", _MistakenCore)
        with patch.object(rtl.node, name, lambda config: core(config, mistake)):
            m = node.elaborate(platform)
        m.d.comb += mistake.eq(self.mistake if self._choice() else self.x)
        for name, member in node.signature.members.items():
            mine, its = getattr(self, name), getattr(node, name)
            m.d.comb += its.eq(mine) if member.flow == In else mine.eq(its)
        return m


class MistakenByColumn(MistakenNode):
    """The same with the boundary of :class:`rtl.node.Node`: its column x is the mistake, so a row of nodes makes them all."""

    def _choice(self) -> dict[str, Any]:
        return {}
