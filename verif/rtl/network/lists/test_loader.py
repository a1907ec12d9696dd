# SPDX-License-Identifier: Apache-2.0
"""Descriptors are read, taken apart and refused as the model does, in a bounded number of cycles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import LIST_DESCRIPTOR_BYTES, LIST_WORDS, GlobalAddress, ListCause, ListField, Port
from golden.list_descriptor import ListDescriptor, ListError
from rtl.network.lists.check import DescriptorCheck
from rtl.network.lists.loader import DescriptorLoader
from verif.rtl.network.lists.descriptions import CONFIGS, X, Y, description_of, here, pushes
from verif.rtl.simulate import Simulation, property_settings

ELSEWHERE = int(GlobalAddress(X + 1, Y, 0x400))


def verdict(config: NodeConfig, data: bytes) -> tuple[ListCause, ListDescriptor | None]:
    """What the model says of a descriptor."""
    try:
        descriptor = ListDescriptor.unpack(data)
        descriptor.check(config, X, Y)
    except ListError as error:
        return error.cause, None
    return ListCause.NONE, descriptor


def assert_shown(ctx: Any, shown: Any, config: NodeConfig, data: bytes) -> None:
    """What the hardware shows of a descriptor is what the model says."""
    cause, descriptor = verdict(config, data)
    assert ctx.get(shown.cause) == cause
    if descriptor is None:
        return
    description = ctx.get(shown.description)
    expected = description_of(descriptor)
    for name in ("granule", "post_source", "post_destination"):
        assert description[name] == expected[name], name
    for name in ("source", "destination"):
        assert {key: description[name][key] for key in expected[name]} == expected[name]
    for number, dimension in enumerate(expected["dimensions"]):
        found = {key: description.dimensions[number][key] for key in dimension}
        if number >= len(descriptor.dimensions):
            dimension = {**dimension, "source_stride": found["source_stride"], "destination_stride": found["destination_stride"]}
        assert found == dimension
    if descriptor.post_source is not None:
        assert description.source_sem == descriptor.post_source
    if descriptor.post_destination is not None:
        assert description.destination_sem == descriptor.post_destination
    assert ctx.get(shown.pull) == (not descriptor.is_push(X, Y))
    assert ctx.get(shown.chain) == (descriptor.following is not None)
    if descriptor.following is not None:
        assert ctx.get(shown.following) == descriptor.following


@st.composite
def spoilt(draw: st.DrawFn, config: NodeConfig) -> bytes:
    """Descriptors of which up to three fields may be wrong."""
    descriptor = draw(pushes(config))
    words = descriptor.words()
    words[3] = draw(st.integers(0, (1 << 64) - 1))
    words[0] |= draw(st.integers(0, 1)) << ListField.CHAIN
    changes = st.sampled_from(
        [
            lambda value: (0, words[0] ^ 1 << value % 64),
            lambda value: (0, words[0] & ~(3 << ListField.GRANULE) | value % 4 << ListField.GRANULE),
            lambda value: (0, words[0] | 3 << ListField.DIMENSIONS),
            lambda value: (0, words[0] | 1 << ListField.POST_SOURCE | value % 32 << ListField.SOURCE_SEMAPHORE),
            lambda value: (0, words[0] | 1 << ListField.POST_DESTINATION | value % 32 << ListField.DESTINATION_SEMAPHORE),
            lambda value: (
                0,
                words[0]
                | 3 << ListField.POST_SOURCE
                | config.semaphores << (ListField.SOURCE_SEMAPHORE if value % 2 else ListField.DESTINATION_SEMAPHORE),
            ),
            lambda value: (1 + value % 2, words[1 + value % 2] ^ 1 << value // 2 % 64),
            lambda value: (1, ELSEWHERE + value % 5 * 8),
            lambda value: (1, int(GlobalAddress(X, Y, 0, Port.WEST))),
            lambda value: (2, here(0x400) | (value & 1) << 50),
            lambda value: (4 + value % 4, words[4 + value % 4] ^ 1 << value // 4 % 64),
            lambda value: (8 + value % 4, words[8 + value % 4] & ~0xFFFF),
            lambda value: (8 + value % 4, value),
            lambda value: (12 + value % 4, value),
        ]
    )
    for change, value in draw(st.lists(st.tuples(changes, st.integers(0, (1 << 64) - 1)), max_size=3)):
        number, word = change(value)
        words[number] = word
    return b"".join(word.to_bytes(8, "little") for word in words)


@pytest.mark.parametrize("name", CONFIGS)
def test_descriptors_are_judged_as_the_model_does(name: str) -> None:
    config = CONFIGS[name]
    simulation = Simulation(DescriptorCheck(config), clocked=False)
    check_component = simulation.component

    @property_settings(60)
    @given(spoilt(config))
    def check(data: bytes) -> None:
        async def bench(ctx: Any) -> None:
            ctx.set(check_component.x, X)
            ctx.set(check_component.y, Y)
            words = [int.from_bytes(data[8 * i : 8 * i + 8], "little") for i in range(LIST_WORDS)]
            ctx.set(check_component.words, words)
            assert_shown(ctx, check_component, config, data)

        simulation.run(bench)

    check()


@pytest.mark.parametrize("name", CONFIGS)
def test_descriptors_are_read_whatever_waits(name: str) -> None:
    config = CONFIGS[name]
    simulation = Simulation(DescriptorLoader(config))
    loader = simulation.component
    line = config.line_bytes
    lines = -(-8 * LIST_WORDS // line)
    places = st.integers(0, config.sram_bytes // LIST_DESCRIPTOR_BYTES - 1).map(lambda number: number * LIST_DESCRIPTOR_BYTES)
    bad = st.sampled_from([64, config.sram_bytes, 1 << 63, (1 << 21) - 128])
    lists = st.lists(st.tuples(st.integers(0, config.lists - 1), places | bad, spoilt(config), st.integers(0, 3)), max_size=4)

    @property_settings(8)
    @given(lists, st.lists(st.booleans(), min_size=1, max_size=8))
    def check(flow: list[tuple[int, int, bytes, int]], grants: list[bool]) -> None:
        async def bench(ctx: Any) -> None:
            ctx.set(loader.x, X)
            ctx.set(loader.y, Y)
            cycle, granted = 0, None
            for place, offset, data, pause in flow:
                memory = {offset + at: data[at : at + line] for at in range(0, LIST_DESCRIPTOR_BYTES, line)}
                ctx.set(loader.wanted.payload, {"place": place, "offset": offset})
                ctx.set(loader.wanted.valid, 1)
                ctx.set(loader.loaded.ready, 0)
                assert ctx.get(loader.wanted.ready)
                waited = lost = 0
                while True:
                    # What is read comes in the cycle after the grant and only then.
                    ctx.set(
                        loader.read.data, (1 << 8 * line) - 1 if granted is None else int.from_bytes(memory[granted], "little")
                    )
                    if ctx.get(loader.loaded.valid):
                        break
                    asks = ctx.get(loader.read.req)
                    grant = asks and (grants[cycle % len(grants)] or cycle % 9 == 0)
                    lost += asks and not grant
                    granted = ctx.get(loader.read.address) * line if grant else None
                    ctx.set(loader.read.grant, grant)
                    await ctx.tick()
                    ctx.set(loader.wanted.valid, 0)
                    cycle, waited = cycle + 1, waited + 1
                absent = offset % LIST_DESCRIPTOR_BYTES or offset >= config.sram_bytes
                assert waited == (1 if absent else lines + 2 + lost)
                ctx.set(loader.read.grant, 0)
                for _ in range(pause):
                    await ctx.tick()
                assert ctx.get(loader.loaded.payload.place) == place
                if absent:
                    assert ctx.get(loader.loaded.payload.cause) == ListCause.DESCRIPTOR
                else:
                    assert_shown(ctx, loader.loaded.payload, config, data)
                assert ctx.get(loader.busy)
                ctx.set(loader.loaded.ready, 1)
                await ctx.tick()
                assert not ctx.get(loader.busy)

        simulation.run(bench)

    check()


def test_the_random_descriptors_meet_every_verdict() -> None:
    config = CONFIGS["line64"]
    met: set[ListCause] = set()

    @property_settings(120)
    @given(spoilt(config))
    def collect(data: bytes) -> None:
        met.add(verdict(config, data)[0])

    collect()
    assert met == {ListCause.NONE, ListCause.DESCRIPTOR, ListCause.ENDS, ListCause.MISALIGNED}
