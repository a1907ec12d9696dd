# SPDX-License-Identifier: Apache-2.0
"""The engine of lists does what the model does, whatever waits and however late answers come; failures reach who started them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.layout import LIST_BLOCK, LIST_STRIDE, ListCause, ListRegister
from golden.list_descriptor import Dimension, End, ListDescriptor
from rtl.network.lists.engine import ListEngine
from verif.golden.list_bench import DESTINATION, LISTS, SOURCE, address, described
from verif.golden.list_oracle import Pattern, patterns
from verif.rtl.network.lists.engine_bench import CONFIG, LINE, PART, Bench, Start, differences, of_the_model, place_of
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(ListEngine(CONFIG))


def executed(bench: Bench) -> Bench:
    async def process(ctx: Any) -> None:
        await bench.run(ctx, SIMULATION.component)

    SIMULATION.run(process)
    return bench


flows = st.lists(st.booleans(), min_size=1, max_size=7)
threads = st.none() | st.integers(0, CONFIG.threads - 1)


@st.composite
def lists(draw: st.DrawFn, number: int) -> Start:
    """A push or a pull into a part of memory of its own, or a chain of two."""
    here, there = draw(st.sampled_from([(0, 0), (0, 1), (1, 0)]))
    pattern = draw(patterns(LINE, PART, 20))
    # Posts of its own for as many lists as there are semaphores for.
    posts = (2 * number, 2 * number + 1) if 2 * number < CONFIG.semaphores else (None, None)

    def moving(pattern: Pattern) -> ListDescriptor:
        descriptor = described(pattern, address(here, SOURCE), address(there, DESTINATION + number * PART))
        return dataclasses.replace(descriptor, post_source=posts[0], post_destination=posts[1])

    following = draw(st.none() | patterns(LINE, PART, 12).map(moving))
    return Start(moving(pattern), draw(threads), following)


@property_settings(15)
@given(st.integers(1, 7).flatmap(lambda count: st.tuples(*(lists(number) for number in range(count)))), flows, flows, flows)
def test_lists_do_what_the_model_says(
    starts: tuple[Start, ...], grants: list[bool], takes: list[bool], answers: list[bool]
) -> None:
    assert differences(executed(Bench(list(starts), grants, takes, answers))) == []


BAD = {
    ListCause.ENDS: ListDescriptor(16, address(1, SOURCE), address(1, DESTINATION), (Dimension(3, 16, 16),)),
    ListCause.MISALIGNED: ListDescriptor(16, address(0, SOURCE + 8), address(1, DESTINATION), (Dimension(3, 16, 16),)),
    ListCause.OFFSET: ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION), (Dimension(3, -SOURCE - 16, 16),)),
    ListCause.UNREACHABLE: ListDescriptor(16, address(0, SOURCE), address(5, 0x40), (Dimension(8, 16, 16),), place_of(0)),
    ListCause.REFUSED: ListDescriptor(16, address(1, CONFIG.sram_bytes - 32), address(0, DESTINATION), (Dimension(9, 16, 16),)),
}
GOOD = ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION + PART), (Dimension(9, 16, 16),), None, 1, 2)
PULL = ListDescriptor(16, address(1, SOURCE), address(0, DESTINATION + PART), (Dimension(9, 16, 16),), None, 1, 2)


@property_settings(12)
@given(st.sampled_from(sorted(BAD)), threads, flows, flows, flows)
def test_a_list_that_fails_leaves_the_others_alone(
    cause: ListCause, thread: int | None, grants: list[bool], takes: list[bool], answers: list[bool]
) -> None:
    # More than there are places, so that one is executed where the other has failed.
    starts = [Start(BAD[cause], thread), *[Start(PULL), Start(GOOD, 0)] * 3]
    bench = executed(Bench(starts, grants, takes, answers))
    for here, there in zip(bench.nodes, bench.nodes[::-1], strict=True):
        assert there.sram[DESTINATION + PART :][: 9 * 16] == here.sram[SOURCE:][: 9 * 16]
        assert here.semaphores[1:3] == [3, 3]
    heard = [number for number, _ in bench.errors]
    # Each refused WRITE is an error of its own; READs behind the first one are not.
    assert set(heard) == ({thread} if thread is not None else set())
    assert len(heard) <= 1 or cause is ListCause.UNREACHABLE
    model = of_the_model(starts[:1]).node(0, 0)
    if thread is not None and cause is not ListCause.UNREACHABLE:
        assert bench.errors[0][1] == model.read_register(LIST_BLOCK + ListRegister.ADDRESS)


@pytest.mark.parametrize("cause", [ListCause.UNREACHABLE, ListCause.REFUSED])
def test_what_comes_late_for_a_list_that_failed_leaves_the_next_one_of_its_place_alone(cause: ListCause) -> None:
    """Responses come so slowly that the place is wanted again before all have come."""
    bench = executed(Bench([Start(BAD[cause]), *[Start(PULL)] * 6], [True], [True], [False] * 8))
    assert bench.nodes[0].sram[DESTINATION + PART :][: 9 * 16] == bench.nodes[1].sram[SOURCE:][: 9 * 16]
    assert (bench.nodes[0].semaphores[2], bench.nodes[1].semaphores[1]) == (6, 6)


def test_a_push_that_is_refused_stops() -> None:
    long = dataclasses.replace(BAD[ListCause.UNREACHABLE], dimensions=(Dimension(500, 0, 16),))
    bench = executed(Bench([Start(long), Start(GOOD)], [True], [True], [True]))
    assert bench.refused < 20
    assert bench.nodes[1].semaphores[2] == 1


def test_registers_tell_who_started_what_and_why_it_failed() -> None:
    starts = [Start(BAD[ListCause.ENDS], 1), Start(BAD[ListCause.OFFSET])]
    bench = Bench(starts, [True], [True], [True])

    async def process(ctx: Any) -> None:
        engine = SIMULATION.component
        await bench.run(ctx, engine)
        for place, begun in enumerate(starts):
            node = of_the_model([begun]).node(0, 0)
            for which in ListRegister:
                ctx.set(engine.registers.register, (LIST_BLOCK + place * LIST_STRIDE + which) // 8)
                own = place_of(place) << 32 if which is ListRegister.FAILURE else 0
                assert ctx.get(engine.registers.read_data) == node.read_register(LIST_BLOCK + which) + own
        assert ctx.get(engine.room)

    SIMULATION.run(process)
    assert bench.errors == [(1, int(End.of(address(0, LISTS))))]
