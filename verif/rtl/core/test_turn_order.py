# SPDX-License-Identifier: Apache-2.0
"""The order of threads: against a model, and proved. Who is passed over keeps its place before all who are not."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from amaranth import Cat, Module, Signal
from amaranth.hdl import Assert
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from hypothesis import given
from hypothesis import strategies as st

from rtl.core.turn_order import TurnOrder
from verif.formal.proof import prove
from verif.rtl.simulate import Simulation, property_settings

THREADS = (1, 2, 4)
SIMULATIONS = {threads: Simulation(TurnOrder(threads), clocked=threads > 1) for threads in THREADS}


def in_turn(threads: int, turn: int) -> list[int]:
    """The order of threads that nobody has passed over."""
    return [turn % threads ^ place for place in range(threads)]


def following(order: list[int], passed: set[int], turn: int) -> list[int]:
    """The order behind one in which these threads are passed over, at the beginning of a turn."""
    return [thread for thread in order if thread in passed] + [
        thread for thread in in_turn(len(order), turn) if thread not in passed
    ]


@pytest.mark.parametrize("threads", THREADS)
def test_who_is_passed_over_comes_first_and_the_others_in_turn(threads: int) -> None:
    simulation = SIMULATIONS[threads]

    @property_settings(60)
    @given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, threads - 1))), max_size=24))
    def holds(cycles: list[tuple[bool, set[int]]]) -> None:
        async def check(context: Any) -> None:
            dut, order, turn = simulation.component, in_turn(threads, 0), 0
            for advance, passed in cycles:
                context.set(dut.advance, advance)
                context.set(dut.passed, sum(1 << thread for thread in passed))
                if threads > 1:
                    await context.tick()
                if advance:
                    turn += 1
                    order = following(order, passed, turn)
                assert [context.get(dut.numbers[place]) for place in range(threads)] == order

        simulation.run(check)

    holds()


@pytest.mark.parametrize("threads", THREADS)
def test_everyone_has_each_place_once_in_a_round_and_goes_before_each_other_as_often_as_behind_it(threads: int) -> None:
    orders = [in_turn(threads, turn) for turn in range(threads)]
    for place in range(threads):
        assert sorted(order[place] for order in orders) == list(range(threads))
    for one, other in combinations(range(threads), 2):
        assert 2 * sum(order.index(one) < order.index(other) for order in orders) == threads


@pytest.mark.parametrize("threads", [0, 3, 6])
def test_threads_are_a_power_of_two(threads: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        TurnOrder(threads)


class Seniority(wiring.Component):
    """Whoever is passed over has nobody before it in the next cycle who was behind it, or who was not passed over."""

    def __init__(self, threads: int):
        self.threads = threads
        super().__init__({"advance": In(1), "passed": In(threads)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        threads = range(self.threads)
        m.submodules.order = order = TurnOrder(self.threads)
        m.d.comb += [order.advance.eq(self.advance), order.passed.eq(self.passed)]
        #: Those of whom each was behind, or who was passed over as well.
        before = {thread: Signal(self.threads, name=f"before{thread}", init=(1 << self.threads) - 1) for thread in threads}
        for thread in threads:
            places = Cat(number == thread for number in order.numbers)
            now = Cat(
                Cat(order.numbers[place] == other for place in range(self.threads) if place < at).any() & places[at]
                for other in threads
                for at in threads
            )
            ahead = Cat(now.word_select(other, self.threads).any() for other in threads)
            m.d.comb += [Assert(sum(places) == 1), Assert((ahead & ~before[thread]) == 0)]
            # Who was not passed over may be behind anyone, and an order that stays is what it was.
            with m.If(self.advance & self.passed[thread]):
                m.d.sync += before[thread].eq(ahead & self.passed)
            with m.Elif(self.advance):
                m.d.sync += before[thread].eq(-1)
            with m.Else():
                m.d.sync += before[thread].eq(ahead)
        return m


@pytest.mark.parametrize("threads", [2, 4])
def test_nobody_gets_before_a_thread_that_is_passed_over(threads: int) -> None:
    prove(Seniority(threads))
