# SPDX-License-Identifier: Apache-2.0
"""Choice by turns, proved: exactly one of those that request, and everyone within one round."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth import Module, Mux, Signal
from amaranth.hdl import Assert
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.network.arbiter import RoundRobin
from rtl.network.least_recent import LeastRecent
from verif.formal.proof import check_bounded, check_reachable, prove


class Choice(wiring.Component):
    """The choice is one of the requesters whenever there is one, in any state."""

    def __init__(self, turns: type[RoundRobin] | type[LeastRecent], count: int):
        self.turns = turns
        self.count = count
        super().__init__({"request": In(count), "serve": In(1), "grant": Out(count)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.turns = turns = self.turns(self.count)
        m.d.comb += [turns.request.eq(self.request), turns.serve.eq(self.serve), self.grant.eq(turns.grant)]
        m.d.comb += [
            Assert((turns.grant & ~self.request) == 0),
            Assert((turns.grant & (turns.grant - 1)) == 0),
            Assert(turns.grant.any() == self.request.any()),
        ]
        return m


class Fairness(wiring.Component):
    """While a requester waits, at most ``count - 1`` others are served."""

    def __init__(self, turns: type[RoundRobin] | type[LeastRecent], count: int):
        self.turns = turns
        self.count = count
        super().__init__({"request": In(count), "serve": In(1), "longest": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.turns = turns = self.turns(self.count)
        m.d.comb += [turns.request.eq(self.request), turns.serve.eq(self.serve)]
        longest = Signal(self.count)
        for i in range(self.count):
            passed_over = Signal(range(self.count + 1), name=f"passed_over{i}")
            others_served = self.serve & ~turns.grant[i]
            m.d.sync += passed_over.eq(Mux(self.request[i] & ~(self.serve & turns.grant[i]), passed_over + others_served, 0))
            m.d.comb += [Assert(passed_over <= self.count - 1), longest[i].eq(passed_over == self.count - 1)]
        m.d.comb += self.longest.eq(longest.any())
        return m


class LostTurns(wiring.Component):
    """A requester loses at most ``count - 1`` times between two turns of its own, however it pauses in between."""

    def __init__(self, count: int):
        self.count = count
        super().__init__({"request": In(count), "serve": In(1), "longest": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.turns = turns = LeastRecent(self.count)
        m.d.comb += [turns.request.eq(self.request), turns.serve.eq(self.serve)]
        longest = Signal(self.count)
        for i in range(self.count):
            lost = Signal(range(self.count + 1), name=f"lost{i}")
            loses = self.serve & self.request[i] & ~turns.grant[i]
            m.d.sync += lost.eq(Mux(self.serve & turns.grant[i], 0, lost + loses))
            m.d.comb += [Assert(lost <= self.count - 1), longest[i].eq(lost == self.count - 1)]
        m.d.comb += self.longest.eq(longest.any())
        return m


TURNS = pytest.mark.parametrize("turns", [RoundRobin, LeastRecent])


@pytest.mark.parametrize("count, cycles", [(1, 2), (2, 4), (3, 6), (4, 5)])
def test_exactly_one_of_those_that_request_is_chosen_whatever_turns_came_before(count: int, cycles: int) -> None:
    check_bounded(Choice(LeastRecent, count), cycles)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_exactly_one_of_those_that_request_is_chosen(count: int) -> None:
    prove(Choice(RoundRobin, count))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_everyone_is_served_within_one_round(count: int) -> None:
    check_bounded(Fairness(RoundRobin, count), 2 * count + 2)


@pytest.mark.parametrize("count, cycles", [(2, 6), (3, 8), (4, 7)])
def test_who_was_served_least_recently_loses_no_more_often_than_there_are_others(count: int, cycles: int) -> None:
    check_bounded(LostTurns(count), cycles)


def test_a_whole_round_can_pass() -> None:
    check_reachable(Fairness(RoundRobin, 5), "longest", 6)


def test_a_whole_round_can_be_lost() -> None:
    check_reachable(LostTurns(4), "longest", 5)


@TURNS
def test_no_requesters_are_refused(turns: Any) -> None:
    with pytest.raises(ValueError):
        turns(0)
