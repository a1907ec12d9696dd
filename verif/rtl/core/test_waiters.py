# SPDX-License-Identifier: Apache-2.0
"""Who is woken for a semaphore, and whom it is due to: against a model, and proved with threads that do whatever they like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from amaranth import Array, C, Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from rtl.core.waiters import Waiters
from verif.formal.proof import Counterexample, check_bounded, check_reachable, prove
from verif.rtl.simulate import Simulation, property_settings

THREADS = (1, 2, 4)
SIMULATIONS = {threads: Simulation(Waiters(threads)) for threads in THREADS}

# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cycle:
    """What each thread waits for, who is covered, who begins to wait, who does anything else, and the swait in X."""

    numbers: tuple[int, ...]
    covered: frozenset[int]
    parks: int | None
    forget: frozenset[int]
    thread: int
    number: int


class Queue:
    """Threads in the order in which they began to wait, and those that are woken."""

    def __init__(self, threads: int):
        # Nobody has waited yet, and then it does not matter who goes first.
        self.order = list(reversed(range(threads)))
        self.woken: set[int] = set()

    def wakes(self, cycle: Cycle) -> set[int]:
        taken = {cycle.numbers[thread] for thread in self.woken}
        chosen: set[int] = set()
        for thread in self.order:
            if thread in cycle.covered and cycle.numbers[thread] not in taken:
                taken.add(cycle.numbers[thread])
                chosen.add(thread)
        return chosen

    def due_to_another(self, cycle: Cycle) -> bool:
        due = {thread for thread in cycle.covered | self.woken if cycle.numbers[thread] == cycle.number}
        return bool(due) and not (cycle.thread in due and cycle.thread in self.woken)

    def end(self, cycle: Cycle) -> None:
        self.woken = (self.woken | self.wakes(cycle)) - cycle.forget
        if cycle.parks is not None:
            self.order.remove(cycle.parks)
            self.order.append(cycle.parks)


def cycles(threads: int) -> st.SearchStrategy[list[Cycle]]:
    thread, number = st.integers(0, threads - 1), st.integers(0, 1)
    some = st.frozensets(thread)
    each = st.builds(Cycle, st.tuples(*[number] * threads), some, st.one_of(st.none(), thread), some, thread, number)
    return st.lists(each, max_size=24)


@pytest.mark.parametrize("threads", THREADS)
def test_the_one_that_waits_longest_is_woken_and_nobody_else_takes(threads: int) -> None:
    simulation = SIMULATIONS[threads]
    dut = simulation.component

    def mask(some: Any) -> int:
        return sum(1 << thread for thread in some)

    @property_settings(80)
    @given(cycles(threads))
    def holds(stimuli: list[Cycle]) -> None:
        async def check(context: Any) -> None:
            queue = Queue(threads)
            for anything in stimuli:
                # Who is woken does not wait.
                cycle = replace(anything, covered=anything.covered - queue.woken)
                context.set(dut.numbers, list(cycle.numbers))
                context.set(dut.covered, mask(cycle.covered))
                context.set(dut.parks, mask(() if cycle.parks is None else (cycle.parks,)))
                context.set(dut.forget, mask(cycle.forget))
                context.set(dut.thread, cycle.thread)
                context.set(dut.number, cycle.number)
                assert context.get(dut.wake) == mask(queue.wakes(cycle))
                assert context.get(dut.due_to_another) == queue.due_to_another(cycle)
                queue.end(cycle)
                await context.tick()

        simulation.run(check)

    holds()


# -- proofs ------------------------------------------------------------------------------------------------------------


class Contention(wiring.Component):
    """Threads that take of two semaphores, and go elsewhere, when they like; posts come when they like.

    A thread that has been woken executes its ``swait``, at any time, or goes elsewhere; so does a running one with any ``swait``.
    It takes what is due to others if that is not ``heeded``.
    """

    def __init__(self, threads: int, value_bits: int = 2, *, heeded: bool = True):
        self.threads, self.value_bits, self.heeded = threads, value_bits, heeded
        super().__init__(
            {
                "executes": In(1),
                "thread": In(2),
                "number": In(1),
                "amount": In(value_bits),
                "elsewhere": In(threads),
                "post": In(2 * value_bits),
                "most": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        threads, bits = range(self.threads), self.value_bits
        waiters: Any = Waiters(self.threads)
        m.submodules.waiters = waiters.elaborate(platform)
        values = Array(Signal(bits, name=f"value{number}") for number in range(2))
        waiting, woken = Signal(self.threads), Cat(waiters._woken)
        numbers = Array(Signal(name=f"number{thread}") for thread in threads)
        amounts = Array(Signal(bits, name=f"amount{thread}") for thread in threads)
        covered = Cat(waiting[thread] & (values[numbers[thread]] >= amounts[thread]) for thread in threads)

        in_x = Cat(self.executes & (self.thread == thread) & ~waiting[thread] for thread in threads)
        enough = values[self.number] >= self.amount
        takes = in_x.any() & enough & ~(waiters.due_to_another & C(self.heeded, 1))
        parks = in_x & (~takes).replicate(self.threads)
        m.d.comb += [
            Assume(self.thread < self.threads),
            *(waiters.numbers[thread].eq(numbers[thread]) for thread in threads),
            waiters.covered.eq(covered),
            waiters.parks.eq(parks),
            waiters.forget.eq(in_x | self.elsewhere),
            waiters.thread.eq(self.thread),
            waiters.number.eq(self.number),
        ]
        for thread in threads:
            due = woken[thread] & in_x[thread]
            m.d.comb += Assume(~due | ((self.number == numbers[thread]) & (self.amount == amounts[thread])))
            # A wake is never in vain.
            m.d.comb += Assert(~due | takes)
            with m.If(parks[thread]):
                m.d.sync += [numbers[thread].eq(self.number), amounts[thread].eq(self.amount)]
        m.d.sync += waiting.eq(((waiting & ~waiters.wake) | parks) & ~self.elsewhere)
        for number in range(2):
            taken = Mux(takes & (self.number == number), self.amount, 0)
            total = values[number] - taken + self.post.word_select(number, bits)
            # Saturation would take away nothing either.
            m.d.comb += Assume(total[: bits + 1] < 1 << bits)
            m.d.sync += values[number].eq(total)

        longer = waiters._longer
        most = Signal(self.threads)
        for thread in threads:
            others = [other for other in threads if other != thread]
            before = Cat(longer[other, thread] if other < thread else ~longer[thread, other] for other in others)
            same = Cat(numbers[other] == numbers[thread] for other in others)
            theirs_woken = Cat(woken[other] for other in others)
            ahead = same & (theirs_woken | (Cat(waiting[other] for other in others) & before))
            lost = Signal(range(self.threads + 1), name=f"lost{thread}")
            with m.If(~(waiting[thread] & covered[thread])):
                m.d.sync += lost.eq(0)
            with m.Elif(takes & (self.number == numbers[thread])):
                m.d.sync += lost.eq(lost + 1)
            m.d.comb += [
                # Nobody waits for a covered semaphore that nobody is about to take of.
                Assert(~covered[thread] | waiters.wake[thread] | (ahead & (theirs_woken | waking(waiters, others))).any()),
                # Who is covered loses to each other thread once at most: those who have not taken yet are ahead.
                Assert((lost == 0) | ~waiting[thread] | (lost + sum(ahead) <= self.threads - 1)),
                Assert(lost <= self.threads - 1),
                most[thread].eq(lost == self.threads - 1),
                # States that are reached: a woken thread runs, covered, and alone with its semaphore; the order is one.
                Assert(~woken[thread] | (~waiting[thread] & (values[numbers[thread]] >= amounts[thread]))),
                Assert(~woken[thread] | ~(same & theirs_woken).any()),
            ]
            for other in others:
                for third in others:
                    if len({thread, other, third}) == 3:
                        m.d.comb += Assert(
                            ~(goes_before(longer, thread, other) & goes_before(longer, other, third))
                            | goes_before(longer, thread, third)
                        )
        m.d.comb += self.most.eq(most.any())
        return m


def waking(waiters: Waiters, others: list[int]) -> Any:
    return Cat(waiters.wake[other] for other in others)


def goes_before(longer: dict[tuple[int, int], Signal], one: int, other: int) -> Any:
    return longer[one, other] if one < other else ~longer[other, one]


@pytest.mark.parametrize("threads", [2, 4])
def test_a_covered_thread_loses_to_each_other_thread_once_at_most_and_none_is_woken_in_vain(threads: int) -> None:
    prove(Contention(threads))


def test_it_loses_more_often_if_others_take_what_is_due_to_it() -> None:
    with pytest.raises(Counterexample):
        check_bounded(Contention(2, heeded=False), 8)


def test_a_covered_thread_can_lose_to_all_others() -> None:
    check_reachable(Contention(2), "most", 8)
