# SPDX-License-Identifier: Apache-2.0
"""The walk through a list comes to the granules of the model, in their order, and tells what lies outside."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.layout import ATTACHED_OFFSET_BITS
from golden.list_descriptor import Dimension, End, ListDescriptor
from rtl.network.lists.layouts import POSITION_BITS
from rtl.network.lists.walk import Walk
from verif.rtl.network.lists.descriptions import CONFIGS, description_of, here, pushes, stretched
from verif.rtl.simulate import Simulation, property_settings

LIMIT = 1 << ATTACHED_OFFSET_BITS


def walked(simulation: Simulation, descriptor: ListDescriptor, most: int) -> list[tuple[int | None, int]]:
    """Offsets of up to so many granules: what is outside comes as the limit, and ends the walk."""
    walk = simulation.component
    found: list[tuple[int | None, int]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(walk.description, description_of(descriptor))
        source, destination = End.of(descriptor.source).base, End.of(descriptor.destination).base
        ctx.set(walk.position, {"indices": [0] * 4, "sources": [source] * 4, "destinations": [destination] * 4})
        announced = None
        for _ in range(most):
            padding = ctx.get(walk.padding)
            assert announced in (None, padding)
            announced = ctx.get(walk.following_padding)
            offsets = [min(ctx.get(value), LIMIT) for value in (walk.source, walk.destination)]
            found.append((None if padding else offsets[0], offsets[1]))
            if LIMIT in found[-1] or ctx.get(walk.last):
                return
            ctx.set(walk.position, ctx.get(walk.following))

    simulation.run(bench)
    return found


def expected(descriptor: ListDescriptor, most: int) -> list[tuple[int | None, int]]:
    """The same of the model."""
    found: list[tuple[int | None, int]] = []
    for _, granule in zip(range(most), descriptor.granules(), strict=False):
        source, destination = (
            None if offset is None else offset if 0 <= offset < LIMIT else LIMIT for offset in granule
        )  # fmt: skip
        assert destination is not None
        found.append((source, destination))
        if LIMIT in found[-1]:
            break
    return found


def test_offsets_have_a_bit_that_tells_what_is_outside() -> None:
    assert POSITION_BITS == ATTACHED_OFFSET_BITS + 1


@pytest.mark.parametrize("name", CONFIGS)
def test_it_comes_to_the_granules_of_the_model(name: str) -> None:
    simulation = Simulation(Walk(), clocked=False)

    @property_settings(20)
    @given(pushes(CONFIGS[name]))
    def check(descriptor: ListDescriptor) -> None:
        assert walked(simulation, descriptor, 64) == expected(descriptor, 64)

    check()


def test_it_tells_the_first_granule_outside() -> None:
    simulation = Simulation(Walk(), clocked=False)

    @property_settings(40)
    @given(stretched(CONFIGS["line64"]))
    def check(descriptor: ListDescriptor) -> None:
        assert walked(simulation, descriptor, 64) == expected(descriptor, 64)

    check()


counts = st.sampled_from([1, 2, 65_534, 65_535])


def test_long_dimensions_end_where_they_should() -> None:
    simulation = Simulation(Walk(), clocked=False)
    walk = simulation.component

    @property_settings(30)
    @given(st.lists(counts, min_size=4, max_size=4), st.data())
    def check(sizes: list[int], data: st.DataObject) -> None:
        indices = [data.draw(st.integers(max(0, count - 2), count - 1)) for count in sizes]
        descriptor = ListDescriptor(8, here(0), here(0), tuple(Dimension(count, 8, 16) for count in sizes))

        async def bench(ctx: Any) -> None:
            ctx.set(walk.description, description_of(descriptor))
            ctx.set(walk.position, {"indices": indices, "sources": [64] * 4, "destinations": [128] * 4})
            ended = [index == count - 1 for index, count in zip(indices, sizes, strict=True)]
            assert ctx.get(walk.last) == all(ended)
            if not all(ended):
                goes_on = ended.index(False)
                following = [0] * goes_on + [indices[goes_on] + 1] + indices[goes_on + 1 :]
                assert [ctx.get(walk.following.indices[i]) for i in range(4)] == following

        simulation.run(bench)

    check()
