# SPDX-License-Identifier: Apache-2.0
"""Allocation of pipes: against a model, and proved. No pipe twice, nobody before who is older, nobody passed over for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth import C, Cat, Module, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from rtl.core.allocation import Allocation
from rtl.core.grouping import PIPES
from verif.formal.proof import Counterexample, check_bounded, check_reachable, prove
from verif.rtl.core.test_turn_order import following, in_turn
from verif.rtl.node.starvation_mistakes import StarvingAllocation
from verif.rtl.simulate import Simulation, property_settings

SIZES = [(threads, width) for threads in (1, 2, 4) for width in (1, 2, 4)]
SIMULATIONS = {size: Simulation(Allocation(*size), clocked=size[0] > 1) for size in SIZES}
#: What solvers answer within seconds.
PROVED = [(1, 1), (1, 2), (1, 4), (2, 1), (2, 2), (4, 1)]

ALU, CONTROL = PIPES.index("alu"), PIPES.index("control")

# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """One of a thread's oldest instructions: whether it may go behind its elders, its pipe, and whether it draws random bits."""

    ready: bool
    pipe: int
    random: bool


@dataclass(frozen=True)
class Cycle:
    """The oldest instructions of all threads, the pipes that take one, and whether the generators do.

    ``lacking``: threads whose oldest instruction, if it is not ready, is so for want of something that threads share.
    """

    threads: tuple[tuple[Candidate, ...], ...]
    lacking: frozenset[int]
    free: frozenset[int]
    random_free: bool


def wanting(cycle: Cycle) -> set[int]:
    """The threads that nothing of their own keeps from issuing."""
    return {thread for thread, candidates in enumerate(cycle.threads) if candidates[0].ready or thread in cycle.lacking}


def allocate(cycle: Cycle, order: list[int]) -> dict[int, tuple[int, int]]:
    """Which pipe gets which place of which thread, if they choose in this order."""
    free, random_free = set(cycle.free), cycle.random_free
    given_to: dict[int, tuple[int, int]] = {}
    for thread in order:
        for place, candidate in enumerate(cycle.threads[thread]):
            fitting = [pipe for pipe in ((ALU, CONTROL) if candidate.pipe == ALU else (candidate.pipe,)) if pipe in free]
            if not candidate.ready or not fitting or (candidate.random and not random_free):
                # The oldest one keeps the generators for itself until its pipe is free as well.
                random_free = random_free and not (place == 0 and candidate.ready and candidate.random)
                break
            free.remove(fitting[0])
            random_free = random_free and not candidate.random
            given_to[fitting[0]] = (thread, place)
    return given_to


def cycles(threads: int, width: int) -> st.SearchStrategy[list[Cycle]]:
    # Mostly ready, and mostly of the pipes that several want, so that threads get into each other's way.
    mostly = st.sampled_from((True, True, True, False))
    pipe = st.one_of(st.sampled_from((ALU, ALU, CONTROL)), st.integers(0, len(PIPES) - 1))
    candidate = st.builds(Candidate, mostly, pipe, st.sampled_from((False, False, False, True)))
    free = st.lists(mostly, min_size=len(PIPES), max_size=len(PIPES)).map(
        lambda f: frozenset(n for n, is_ in enumerate(f) if is_)
    )
    of_thread = st.tuples(*[candidate] * width)
    lacking = st.frozensets(st.integers(0, threads - 1))
    return st.lists(st.builds(Cycle, st.tuples(*[of_thread] * threads), lacking, free, mostly), min_size=1, max_size=12)


@pytest.mark.parametrize("threads, width", SIZES)
def test_threads_choose_in_order_each_as_many_of_its_oldest_as_find_pipes(threads: int, width: int) -> None:
    simulation = SIMULATIONS[threads, width]
    allocation = simulation.component

    @property_settings(40)
    @given(cycles(threads, width))
    def holds(stimuli: list[Cycle]) -> None:
        async def check(context: Any) -> None:
            order, turn = in_turn(threads, 0), 0
            for cycle in stimuli:
                wants = wanting(cycle)
                context.set(allocation.wants, sum(1 << thread for thread in wants))
                for thread, candidates in enumerate(cycle.threads):
                    context.set(allocation.ready[thread], sum(c.ready << n for n, c in enumerate(candidates)))
                    context.set(allocation.random[thread], sum(c.random << n for n, c in enumerate(candidates)))
                    context.set(allocation.kinds[thread], [{PIPES[c.pipe]: 1} for c in candidates])
                context.set(allocation.free, sum(1 << pipe for pipe in cycle.free))
                context.set(allocation.random_free, cycle.random_free)
                expected = allocate(cycle, order)
                for pipe in range(len(PIPES)):
                    choice = allocation.choices[pipe]
                    seen = (context.get(choice.thread), context.get(choice.slot)) if context.get(choice.valid) else None
                    assert seen == expected.get(pipe), (PIPES[pipe], turn)
                for thread in range(threads):
                    taken = sum(1 for owner, _ in expected.values() if owner == thread)
                    assert context.get(allocation.take[thread]) == taken
                if wants:
                    turn += 1
                    order = following(order, wants - {thread for thread, _ in expected.values()}, turn)
                if threads > 1:
                    await context.tick()

        simulation.run(check)

    holds()


@pytest.mark.parametrize("period", range(1, 9))
def test_a_pipe_that_comes_free_in_any_rhythm_serves_all_that_want_it_alike(period: int) -> None:
    simulation = SIMULATIONS[4, 1]
    allocation, simd = simulation.component, PIPES.index("simd")

    async def check(context: Any) -> None:
        served = [0] * 4
        for thread in range(4):
            context.set(allocation.ready[thread], 1)
            context.set(allocation.kinds[thread], [{"simd": 1}])
        context.set(allocation.wants, 0b1111)
        for cycle in range(24 * period):
            context.set(allocation.free, (cycle % period == 0) << simd)
            if context.get(allocation.choices[simd].valid):
                served[context.get(allocation.choices[simd].thread)] += 1
            await context.tick()
        assert served == [6] * 4

    simulation.run(check)


def test_a_pipe_and_the_generators_that_are_free_in_turns_are_had_together_in_the_end() -> None:
    """Thread 0 draws random bits in the SIMD pipe; thread 1 would have the generators whenever that pipe is occupied."""
    simulation = SIMULATIONS[2, 1]
    allocation = simulation.component

    async def check(context: Any) -> None:
        for thread, pipe in enumerate(("simd", "store")):
            context.set(allocation.ready[thread], 1)
            context.set(allocation.random[thread], 1)
            context.set(allocation.kinds[thread], [{pipe: 1}])
        context.set(allocation.wants, 0b11)
        drawing = False
        for cycle in range(8):
            simd_free = cycle % 2 == 1
            context.set(allocation.free, simd_free << PIPES.index("simd") | 1 << PIPES.index("store"))
            context.set(allocation.random_free, not drawing)
            if context.get(allocation.take[0]):
                return
            # What draws in the store pipe does so until the next cycle is over.
            drawing = bool(context.get(allocation.take[1]))
            await context.tick()
        pytest.fail("thread 0 has never issued")

    simulation.run(check)


# -- proofs ------------------------------------------------------------------------------------------------------------


class _Allocated(wiring.Component):
    """An allocation with free inputs, in which every instruction needs exactly one kind of pipe."""

    make: Callable[[int, int], Allocation] = Allocation

    def __init__(self, threads: int, width: int, **members: Any):
        self.threads, self.width = threads, width
        each = threads * width
        inputs = {
            "ready": each, "wants": threads, "kinds": each * len(PIPES), "random": each, "free": len(PIPES), "random_free": 1,
        }  # fmt: skip
        super().__init__({name: In(bits) for name, bits in inputs.items()} | members)

    def allocation(self, m: Module) -> tuple[Allocation, Any]:
        """The allocation, and the threads in their order, each of which stands at one place of it."""
        allocation = self.make(self.threads, self.width)
        m.submodules.allocation = parts = allocation.elaborate(None)
        numbers = parts.submodules.order.numbers
        m.d.comb += [Assert(sum(number == thread for number in numbers) == 1) for thread in range(self.threads)]
        m.d.comb += [
            allocation.ready.as_value().eq(self.ready),
            allocation.wants.eq(self.wants),
            allocation.kinds.as_value().eq(self.kinds),
            allocation.random.as_value().eq(self.random),
            allocation.free.eq(self.free),
            allocation.random_free.eq(self.random_free),
        ]
        for number in range(self.threads * self.width):
            kind = self.kinds.word_select(number, len(PIPES))
            m.d.comb += Assume((kind != 0) & ((kind & (kind - 1)) == 0))
        return allocation, numbers


class Contract(_Allocated):
    """Whatever is asked for: what is issued may be, is all there is to issue, and has a pipe of its own."""

    def __init__(self, threads: int, width: int):
        super().__init__(threads, width, full=Out(1))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        allocation, _ = self.allocation(m)
        pipes = range(len(PIPES))
        chosen, draws = [], []
        for thread in range(self.threads):
            for place in range(self.width):
                kind = allocation.kinds[thread][place]
                issued, random = allocation.take[thread] > place, allocation.random[thread][place]
                here = [
                    allocation.choices[pipe].valid
                    & (allocation.choices[pipe].thread == thread)
                    & (allocation.choices[pipe].slot == place)
                    for pipe in pipes
                ]
                chosen += here
                draws.append(issued & random)
                fitting = [kind[PIPES[pipe]] | ((kind.alu == 1) if pipe == CONTROL else 0) for pipe in pipes]
                # Nobody left to choose for, or the pipes are not free, or others have them or the generators.
                elders = allocation.take[thread] >= place
                obstructed = (
                    Cat(fitting[pipe] & self.free[pipe] & ~allocation.choices[pipe].valid for pipe in pipes).any() & ~random
                )
                m.d.comb += [
                    Assert(sum(here) == issued),
                    Assert(~issued | allocation.ready[thread][place]),
                    Assert(~(elders & ~issued & allocation.ready[thread][place] & obstructed)),
                    *(Assert(~here[pipe] | (fitting[pipe] & self.free[pipe])) for pipe in pipes),
                    # The pipe of branches takes a plain operation only where the other one cannot.
                    Assert(~(here[CONTROL] & kind.alu) | ~self.free[ALU] | allocation.choices[ALU].valid),
                ]
        m.d.comb += [
            Assert(sum(chosen) == sum(allocation.choices[pipe].valid for pipe in pipes)),
            Assert(sum(draws) <= 1),
            Assert(~Cat(draws).any() | self.random_free),
            self.full.eq(sum(allocation.take[thread] for thread in range(self.threads)) == min(6, self.threads * self.width)),
        ]
        return m


class Fairness(_Allocated):
    """Pipes and generators are free whenever they like, and so is what Grouping looks at: each other thread goes first once.

    Counted are the cycles in which a thread wants to issue its oldest instruction, finds it ready with its pipe free, and the
    generators if it needs them, and cannot; others have taken it then. Generators that another thread keeps until its pipe is
    free are not free.
    """

    def __init__(self, threads: int, width: int):
        super().__init__(threads, width, most=Out(1))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        allocation, numbers = self.allocation(m)
        threads = range(self.threads)
        waits = Cat(self.wants[thread] & (allocation.take[thread] == 0) for thread in threads)
        keeps = Cat(allocation.ready[thread][0] & allocation.random[thread][0] & waits[thread] for thread in threads)
        most = Signal(self.threads)
        for thread in threads:
            kind, ready, random = allocation.kinds[thread][0], allocation.ready[thread][0], allocation.random[thread][0]
            finds = (kind.as_value() & self.free).any() | (kind.alu & self.free[CONTROL])
            draws = self.random_free & ~Cat(keeps[other] for other in threads if other != thread).any()
            lost = Signal(range(self.threads + 1), name=f"lost{thread}")
            with m.If(~waits[thread]):
                m.d.sync += lost.eq(0)
            with m.Elif(ready & finds & (draws | ~random)):
                m.d.sync += lost.eq(lost + 1)
            m.d.comb += [
                Assume(~ready | self.wants[thread]),
                Assert(lost <= self.threads - 1),
                most[thread].eq(lost == self.threads - 1),
                # What makes it hold for ever: who has lost so often has as many fewer before it.
                *(
                    Assert((number != thread) | (lost == 0) | (lost + place <= self.threads - 1))
                    for place, number in enumerate(numbers)
                ),
            ]
        m.d.comb += self.most.eq(most.any())
        return m


@pytest.mark.parametrize("threads, width", PROVED)
def test_what_is_issued_has_a_pipe_of_its_own_and_goes_behind_all_that_is_older(threads: int, width: int) -> None:
    prove(Contract(threads, width))


@pytest.mark.parametrize("threads, width", PROVED)
def test_a_thread_loses_what_it_waits_for_to_each_other_thread_once_at_most(threads: int, width: int) -> None:
    prove(Fairness(threads, width))


def test_it_loses_more_often_if_threads_choose_in_turn_alone() -> None:
    fairness = Fairness(2, 1)
    fairness.make = lambda threads, width: StarvingAllocation(threads, width, C(1))
    with pytest.raises(Counterexample):
        check_bounded(fairness, 6)


def test_all_pipes_can_be_given_away() -> None:
    check_reachable(Contract(2, 4), "full", 1)


def test_a_thread_can_lose_to_all_others() -> None:
    check_reachable(Fairness(4, 1), "most", 6)
