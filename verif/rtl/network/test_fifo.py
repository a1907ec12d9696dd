# SPDX-License-Identifier: Apache-2.0
"""The queue: equal to an ideal one in every cycle, for depths that are and are not powers of two."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from rtl.network.fifo import Fifo
from verif.bench import bench_seed
from verif.formal.proof import check_bounded, check_reachable, prove

BITS = 2


class Contract(wiring.Component):
    """The queue beside an ideal one, which shifts; they look the same from outside."""

    def __init__(self, depth: int):
        self.depth = depth
        super().__init__({"push": In(1), "value": In(BITS), "pop": In(1), "wrapped": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(BITS, self.depth)
        places = [Signal(BITS, name=f"place{i}") for i in range(self.depth)]
        used = Signal(range(self.depth + 1))
        pushes, pops, popped = Signal(), Signal(), Signal(range(self.depth + 2))
        after_pop = Signal.like(used)
        m.d.comb += [
            fifo.i.valid.eq(self.push),
            fifo.i.payload.eq(self.value),
            fifo.o.ready.eq(self.pop),
            pushes.eq(self.push & (used != self.depth)),
            pops.eq(self.pop & (used != 0)),
            after_pop.eq(used - pops),
            Assert(fifo.i.ready == (used != self.depth)),
            Assert(fifo.o.valid == (used != 0)),
            Assert(fifo.level == used),
            Assert((used == 0) | (fifo.o.payload == places[0])),
            self.wrapped.eq(popped > self.depth),
        ]
        m.d.sync += used.eq(after_pop + pushes)
        with m.If(pops):
            m.d.sync += [place.eq(behind) for place, behind in itertools.pairwise(places)]
            with m.If(popped <= self.depth):
                m.d.sync += popped.eq(popped + 1)
        for i, place in enumerate(places):
            with m.If(pushes & (after_pop == i)):
                m.d.sync += place.eq(self.value)
        return m


class Bounds(wiring.Component):
    """The level never leaves 0..depth, whatever happens, and follows the flow."""

    def __init__(self, depth: int):
        self.depth = depth
        super().__init__({"push": In(1), "pop": In(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(1, self.depth)
        m.d.comb += [fifo.i.valid.eq(self.push), fifo.o.ready.eq(self.pop), Assert(fifo.level <= self.depth)]
        return m


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_it_equals_an_ideal_queue_in_every_run(depth: int) -> None:
    cycles = 2 * depth + 4
    check_bounded(Contract(depth), cycles)
    check_reachable(Contract(depth), "wrapped", cycles)


@pytest.mark.parametrize("depth", [1, 3, 64])
def test_its_level_stays_within_bounds(depth: int) -> None:
    prove(Bounds(depth))


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 64])
def test_random_traffic_comes_out_as_it_went_in(depth: int) -> None:
    flow = st.lists(st.tuples(st.booleans(), st.integers(0, 255), st.booleans()), max_size=3 * depth + 10)

    @seed(bench_seed())
    @settings(max_examples=15, deadline=None, database=None)
    @given(flow)
    def check(flow: list[tuple[bool, int, bool]]) -> None:
        fifo = Fifo(8, depth)
        ideal: deque[int] = deque()

        async def bench(ctx: Any) -> None:
            for push, value, pop in flow:
                ctx.set(fifo.i.valid, push)
                ctx.set(fifo.i.payload, value)
                ctx.set(fifo.o.ready, pop)
                assert ctx.get(fifo.level) == len(ideal)
                assert ctx.get(fifo.i.ready) == (len(ideal) < depth)
                assert ctx.get(fifo.o.valid) == bool(ideal)
                if ideal:
                    assert ctx.get(fifo.o.payload) == ideal[0]
                takes, gives = push and len(ideal) < depth, pop and bool(ideal)
                if gives:
                    ideal.popleft()
                if takes:
                    ideal.append(value)
                await ctx.tick()

        simulator = Simulator(fifo)
        simulator.add_clock(1e-8)
        simulator.add_testbench(bench)
        simulator.run()

    check()


def test_a_queue_without_places_is_refused() -> None:
    with pytest.raises(ValueError):
        Fifo(8, 0)
