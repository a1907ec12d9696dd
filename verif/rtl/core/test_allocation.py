# SPDX-License-Identifier: Apache-2.0
"""Allocation of pipes: against a model, and proved. No pipe twice, nobody before who is older, and every thread in its turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from rtl.core.allocation import Allocation
from rtl.core.grouping import PIPES
from verif.formal.proof import check_bounded, check_reachable, prove
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
    """The oldest instructions of all threads, the pipes that take one, and whether the generators do."""

    threads: tuple[tuple[Candidate, ...], ...]
    free: frozenset[int]
    random_free: bool


def order(threads: int, turn: int) -> list[int]:
    """In which order threads choose: from the one whose turn it is on, by their numbers in one round, against it in the next."""
    first, backwards = turn % threads, turn // threads % 2
    return [(first - n if backwards else first + n) % threads for n in range(threads)]


def allocate(cycle: Cycle, turn: int) -> dict[int, tuple[int, int]]:
    """Which pipe gets which place of which thread, after so many turns."""
    free, random_free = set(cycle.free), cycle.random_free
    given_to: dict[int, tuple[int, int]] = {}
    for thread in order(len(cycle.threads), turn):
        for place, candidate in enumerate(cycle.threads[thread]):
            fitting = [pipe for pipe in ((ALU, CONTROL) if candidate.pipe == ALU else (candidate.pipe,)) if pipe in free]
            if not candidate.ready or not fitting or (candidate.random and not random_free):
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
    return st.lists(st.builds(Cycle, st.tuples(*[of_thread] * threads), free, mostly), min_size=1, max_size=12)


@pytest.mark.parametrize("threads, width", SIZES)
def test_threads_choose_in_turn_each_as_many_of_its_oldest_as_find_pipes(threads: int, width: int) -> None:
    simulation = SIMULATIONS[threads, width]
    allocation = simulation.component

    @property_settings(40)
    @given(cycles(threads, width))
    def holds(stimuli: list[Cycle]) -> None:
        async def check(context: Any) -> None:
            turn = 0
            for cycle in stimuli:
                for thread, candidates in enumerate(cycle.threads):
                    context.set(allocation.ready[thread], sum(c.ready << n for n, c in enumerate(candidates)))
                    context.set(allocation.random[thread], sum(c.random << n for n, c in enumerate(candidates)))
                    context.set(allocation.kinds[thread], [{PIPES[c.pipe]: 1} for c in candidates])
                context.set(allocation.free, sum(1 << pipe for pipe in cycle.free))
                context.set(allocation.random_free, cycle.random_free)
                expected = allocate(cycle, turn)
                for pipe in range(len(PIPES)):
                    choice = allocation.choices[pipe]
                    seen = (context.get(choice.thread), context.get(choice.slot)) if context.get(choice.valid) else None
                    assert seen == expected.get(pipe), (PIPES[pipe], turn)
                for thread in range(threads):
                    taken = sum(1 for owner, _ in expected.values() if owner == thread)
                    assert context.get(allocation.take[thread]) == taken
                if any(candidate.ready for candidates in cycle.threads for candidate in candidates):
                    turn += 1
                if threads > 1:
                    await context.tick()

        simulation.run(check)

    holds()


@pytest.mark.parametrize("threads", [2, 4])
def test_of_two_threads_each_goes_before_the_other_as_often_as_behind_it(threads: int) -> None:
    """All threads want the same pipe, but for one pair at a time: then the one of the two that is earlier gets it."""
    simulation = SIMULATIONS[threads, 1]
    allocation = simulation.component

    async def check(context: Any) -> None:
        context.set(allocation.free, (1 << len(PIPES)) - 1)
        for one in range(threads):
            for other in range(one):
                wins = {one: 0, other: 0}
                for thread in range(threads):
                    context.set(allocation.ready[thread], thread in wins)
                    context.set(allocation.kinds[thread], [{"simd": 1}])
                for _ in range(2 * threads):
                    wins[context.get(allocation.choices[PIPES.index("simd")].thread)] += 1
                    await context.tick()
                assert wins == {one: threads, other: threads}

    simulation.run(check)


# -- proofs ------------------------------------------------------------------------------------------------------------


class _Allocated(wiring.Component):
    """An allocation with free inputs, in which every instruction needs exactly one kind of pipe."""

    def __init__(self, threads: int, width: int, **members: Any):
        self.threads, self.width = threads, width
        each = threads * width
        inputs = {"ready": each, "kinds": each * len(PIPES), "random": each, "free": len(PIPES), "random_free": 1}
        super().__init__({name: In(bits) for name, bits in inputs.items()} | members)

    def allocation(self, m: Module) -> Allocation:
        m.submodules.allocation = allocation = Allocation(self.threads, self.width)
        m.d.comb += [
            allocation.ready.as_value().eq(self.ready),
            allocation.kinds.as_value().eq(self.kinds),
            allocation.random.as_value().eq(self.random),
            allocation.free.eq(self.free),
            allocation.random_free.eq(self.random_free),
        ]
        for number in range(self.threads * self.width):
            kind = self.kinds.word_select(number, len(PIPES))
            m.d.comb += Assume((kind != 0) & ((kind & (kind - 1)) == 0))
        return allocation


class Contract(_Allocated):
    """Whatever is asked for: what is issued may be, is all there is to issue, and has a pipe of its own."""

    def __init__(self, threads: int, width: int):
        super().__init__(threads, width, full=Out(1))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        allocation = self.allocation(m)
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
                # Nobody left to choose for, or the pipes are not free, or others have them.
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
    """A thread whose oldest instruction stays ready, and finds its pipe free in its turns, waits for no more than all others."""

    def __init__(self, threads: int, width: int):
        super().__init__(threads, width, longest=Out(1))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        allocation = self.allocation(m)
        turn = Signal(range(self.threads))
        with m.If(self.ready.any()):
            m.d.sync += turn.eq(turn + 1 if self.threads > 1 else 0)
        longest = Signal(self.threads)
        for thread in range(self.threads):
            kind, ready = allocation.kinds[thread][0], allocation.ready[thread][0]
            waits = ready & (allocation.take[thread] == 0)
            finds = (kind.as_value() & self.free).any() | (kind.alu & self.free[CONTROL])
            waited = Signal(range(self.threads + 1), name=f"waited{thread}")
            m.d.sync += waited.eq(Mux(waits, waited + 1, 0))
            m.d.comb += [
                Assume((turn != thread) | ~ready | (finds & (self.random_free | ~allocation.random[thread][0]))),
                Assert(waited <= self.threads - 1),
                longest[thread].eq(waited == self.threads - 1),
            ]
        m.d.comb += self.longest.eq(longest.any())
        return m


@pytest.mark.parametrize("threads, width", PROVED)
def test_what_is_issued_has_a_pipe_of_its_own_and_goes_behind_all_that_is_older(threads: int, width: int) -> None:
    prove(Contract(threads, width))


@pytest.mark.parametrize("threads, width", [(1, 2), (2, 1), (2, 2), (4, 1), (4, 2)])
def test_a_ready_thread_issues_in_its_turn_at_the_latest(threads: int, width: int) -> None:
    check_bounded(Fairness(threads, width), 2 * threads + 2)


def test_all_pipes_can_be_given_away() -> None:
    check_reachable(Contract(2, 4), "full", 1)


def test_threads_can_have_to_wait_for_all_others() -> None:
    check_reachable(Fairness(4, 1), "longest", 6)
