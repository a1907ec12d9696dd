# SPDX-License-Identifier: Apache-2.0
"""Queues behind X, proved: what commits executes once, in its thread's order, with what belongs to it; threads take turns."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.core.vector_queue import VectorQueue
from verif.formal.proof import Counterexample, check_bounded, check_reachable

#: Instructions of a thread carry their numbers, among more than can be here at a time.
BITS = 4

NUMBER = data.StructLayout({"number": BITS})


class Queued(wiring.Component):
    """Queues whose surroundings do anything that their contract allows."""

    def __init__(self, threads: int, entries: int, queue: type[VectorQueue] = VectorQueue, **members: Any):
        self.threads, self.entries, self._queue = threads, entries, queue
        free = {"issue": 1, "issue_thread": 2, "issue_ready": 1, "x_good": 1, "done": 1, "ready": threads}
        super().__init__({name: In(bits) for name, bits in free.items()} | members)

    def surrounded(self, m: Module) -> tuple[VectorQueue, Array]:
        """The queues, and how many instructions of each thread have committed before this cycle."""
        m.submodules.queue = queue = self._queue(threads=self.threads, entries=self.entries, names=NUMBER, operands=NUMBER)
        in_x, x_thread = Signal(), Signal(2)
        committed = Array(Signal(BITS, name=f"committed{thread}") for thread in range(self.threads))
        m.d.sync += [in_x.eq(self.issue), x_thread.eq(self.issue_thread)]
        m.d.comb += [
            *(getattr(queue, name).eq(getattr(self, name)) for name in ("issue", "issue_thread", "issue_ready", "ready")),
            queue.in_x.eq(in_x),
            queue.x_thread.eq(x_thread),
            queue.x_good.eq(in_x & self.x_good),
            queue.x_names.number.eq(committed[x_thread]),
            queue.x_operands.number.eq(committed[x_thread]),
            queue.done.eq(queue.good & self.done),
            Assume(self.issue_thread < self.threads),
            Assume(~self.issue | ~queue.full.bit_select(self.issue_thread, 1)),
        ]
        with m.If(queue.x_good):
            m.d.sync += committed[x_thread].eq(committed[x_thread] + 1)
        return queue, committed


class Contract(Queued):
    """What ends is, of its thread, the one behind the one that ended last; who has something to come is known."""

    def __init__(self, threads: int, entries: int, queue: type[VectorQueue] = VectorQueue):
        outputs = {"all_full": Out(1), "in_turn": Out(1), "late": Out(1)}
        super().__init__(threads, entries, queue, **outputs)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        queue, committed = self.surrounded(m)
        in_turn = Signal(2)
        for thread in range(self.threads):
            ended = Signal(BITS, name=f"ended{thread}")
            mine = queue.thread == thread
            ends, x_mine = queue.done & mine, queue.in_x & (queue.x_thread == thread)
            under_way = committed[thread] + (queue.x_good & x_mine) - ended
            m.d.comb += [
                Assert(~(queue.good & mine) | ((queue.names.number == ended) & (queue.operands.number == ended))),
                Assert(queue.remains[thread] == ((under_way - ends)[:BITS] != 0)),
                Assert(~queue.remains[thread] | queue.busy),
                # The place and the queue hold no more, and X is counted before it enters.
                Assert(under_way[:BITS] <= self.entries + 2),
                Assert(~(queue.begins.valid & (queue.begins.thread == thread)) | (queue.waiting[thread] & self.ready[thread])),
            ]
            with m.If(ends):
                m.d.sync += [ended.eq(ended + 1), in_turn.eq(in_turn + 1)]
        m.d.comb += [
            Assert(~queue.begins_from_issue | (self.issue & self.issue_ready & ~(queue.waiting & self.ready).any())),
            Assert(~queue.good | queue.executes),
            # A killed one goes nowhere, and only what is in X can be killed.
            Assert(~queue.executes | queue.good | (queue.direct & ~queue.x_good)),
            self.all_full.eq(queue.full.all()),
            self.in_turn.eq(in_turn == 3),
            self.late.eq(queue.done & ~queue.direct),
        ]
        return m


class Fairness(Queued):
    """Who could begin is passed over by each of the others once at most."""

    def __init__(self, threads: int, entries: int):
        super().__init__(threads, entries, longest=Out(1))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        queue, _ = self.surrounded(m)
        longest = Signal(self.threads)
        for thread in range(self.threads):
            could, begins = queue.waiting[thread] & self.ready[thread], queue.begins.valid | queue.begins_from_issue
            mine = queue.begins.valid & (queue.begins.thread == thread)
            passed = Signal(range(self.threads + 1), name=f"passed{thread}")
            m.d.sync += passed.eq(Mux(could & ~mine, passed + begins, 0))
            m.d.comb += [Assert(passed <= self.threads - 1), longest[thread].eq(passed == self.threads - 1)]
        m.d.comb += self.longest.eq(longest.any())
        return m


@pytest.mark.parametrize("threads, entries, cycles", [(1, 2, 10), (2, 2, 9), (1, 4, 11), (4, 2, 7)])
def test_what_commits_executes_once_in_order_and_what_is_killed_does_not(threads: int, entries: int, cycles: int) -> None:
    check_bounded(Contract(threads, entries), cycles)


@pytest.mark.parametrize("threads, cycles", [(2, 9), (4, 8)])
def test_who_is_ready_waits_for_one_instruction_of_each_other_thread_at_most(threads: int, cycles: int) -> None:
    check_bounded(Fairness(threads, 2), cycles)


@pytest.mark.parametrize("output", ["all_full", "in_turn", "late"])
def test_what_is_hard_about_it_can_happen(output: str) -> None:
    check_reachable(Contract(2, 2), output, 9)


def test_a_thread_can_have_to_wait_for_all_others() -> None:
    check_reachable(Fairness(4, 2), "longest", 9)


class _Overrun(VectorQueue):
    """Does not count what is in X."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        for thread in range(self.threads):
            m.d.comb += self.full[thread].eq(self.unstarted[thread][:-1].all())
        return m


class _Swapped(VectorQueue):
    """Where a queue is full, the instruction of a certain place goes first."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        for thread in range(self.threads):
            with m.If(self.unstarted[thread][:-1].all()):
                m.d.comb += self.oldest[thread].eq(self.unstarted_names[thread][1])
        return m


@pytest.mark.parametrize("wrong", [_Overrun, _Swapped])
def test_mistakes_are_found(wrong: type[VectorQueue]) -> None:
    with pytest.raises(Counterexample):
        check_bounded(Contract(2, 2, wrong), 9)
